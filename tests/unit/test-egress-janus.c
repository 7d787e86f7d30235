/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Janus API's core, with a plugin and a transport of the test's: requests
 * and what the real Janus answers to them, sessions' ends, bounds.
 */
#include "tests/unit/janus-fixture.h"

#define JSEP(jsep) MESSAGE ("\"body\":{},\"jsep\":" jsep)
#define SDP "v=0\\r\\no=- 1 1 IN IP4 1.1.1.1\\r\\ns=-\\r\\nt=0 0\\r\\n"
#define TRICKLE(rest) "{\"janus\":\"trickle\"," T "," rest "}"

typedef struct
{
  enum
  {
    ROOT,
    SESSION,
    HANDLE,
    NO_SESSION, /* session 999 */
    NO_HANDLE,  /* handle 999 of the session */
  } level;
  const char *request, *reply;
} Row;

static void
run_rows (JanusFixture *f, const Row *rows, guint n_rows)
{
  for (guint i = 0; i < n_rows; i++)
    {
      guint64 session_id = rows[i].level == NO_SESSION ? 999 : f->session_id;
      guint64 handle_id = rows[i].level == HANDLE      ? f->handle_id
                          : rows[i].level == NO_HANDLE ? 999
                                                       : 0;

      g_test_message ("%s", rows[i].request);
      janus_ask (f, rows[i].level == ROOT ? 0 : session_id, handle_id,
                 rows[i].request);
      janus_expect (f, rows[i].reply);
    }
}

/* --- The replies of Janus
 * ----------------------------------------------------- */

static void
test_frame (void)
{
  static const Row rows[] = {
    { ROOT, "{}",
      "{\"janus\":\"error\",\"error\":{\"code\":456,\"reason\":\"Missing "
      "mandatory element (transaction)\"}}" },
    { ROOT, "{\"janus\":5,\"transaction\":6}",
      "{\"janus\":\"error\",\"error\":{\"code\":467,\"reason\":\"Invalid "
      "element type (transaction should be a string)\"}}" },
    { ROOT, "{" T "}",
      "{\"janus\":\"error\",\"error\":{\"code\":456,\"reason\":\"Missing "
      "mandatory element (janus)\"}}" },
    { ROOT, "{\"janus\":null," T "}",
      "{\"janus\":\"error\",\"error\":{\"code\":467,\"reason\":\"Invalid "
      "element type (janus should be a string)\"}}" },
    { SESSION, "{\"janus\":\"bogus\"}",
      "{\"janus\":\"error\",\"session_id\":\"S\",\"error\":{\"code\":456,"
      "\"reason\":\"Missing mandatory element (transaction)\"}}" },
    { ROOT, "{\"janus\":\"create\"," T ",\"id\":-1}",
      "{\"janus\":\"error\",\"error\":{\"code\":467,\"reason\":\"Invalid "
      "element type (id should be a positive integer)\"}}" },
    { ROOT, "{\"janus\":\"PING\"," T "}", "{\"janus\":\"pong\"," T "}" },
    { ROOT, "{\"janus\":\"ping\",\"transaction\":\"\"}",
      "{\"janus\":\"pong\",\"transaction\":\"\"}" },
    { ROOT, "{\"janus\":\"bogus\"," T "}",
      ERROR (457, "Unhandled request 'bogus' at this path") },
    { ROOT, "{\"janus\":\"attach\"," T "}",
      ERROR (457, "Unhandled request 'attach' at this path") },
    { ROOT, "{\"janus\":\"ping\"," T ",\"session_id\":5}",
      "{\"janus\":\"error\",\"session_id\":5," T ",\"error\":{\"code\":458,"
      "\"reason\":\"No such session 5\"}}" },
    { ROOT, "{\"janus\":\"ping\"," T ",\"session_id\":-1}",
      "{\"janus\":\"error\",\"session_id\":-1," T ",\"error\":{\"code\":458,"
      "\"reason\":\"No such session 18446744073709551615\"}}" },
    { ROOT, "{\"janus\":\"ping\"," T ",\"handle_id\":5}",
      ERROR (458, "Session not found") },
    { ROOT, "{\"janus\":\"ping\"," T ",\"session_id\":\"x\"}",
      "{\"janus\":\"pong\"," T "}" },
    { ROOT,
      "{\"janus\":\"keepalive\"," T ",\"session_id\":7,\"handle_id\":\"y\"}",
      "{\"janus\":\"error\",\"session_id\":7," T ",\"error\":{\"code\":459,"
      "\"reason\":\"Handle not found\"}}" },
  };
  JanusFixture f = { 0 };

  janus_start (&f, NULL);
  janus_open (&f);
  run_rows (&f, rows, G_N_ELEMENTS (rows));
  janus_stop (&f);
}

static void
test_levels (void)
{
  static const Row rows[] = {
    { SESSION, "{\"janus\":\"bogus\"," T "}",
      S_ERROR (453, "Unknown request 'bogus'") },
    { SESSION, "{\"janus\":\"ping\"," T "}",
      S_ERROR (453, "Unknown request 'ping'") },
    { SESSION, "{\"janus\":\"create\"," T "}",
      S_ERROR (453, "Unknown request 'create'") },
    { SESSION, "{\"janus\":\"keepalive\"," T "}", S_ACK },
    { SESSION, "{\"janus\":\"claim\"," T "}", S_OK },
    { SESSION, MESSAGE ("\"body\":{}"),
      S_ERROR (457, "Unhandled request 'message' at this path") },
    { SESSION, "{\"janus\":\"hangup\"," T "}",
      S_ERROR (457, "Unhandled request 'hangup' at this path") },
    { NO_SESSION, "{\"janus\":\"bogus\"," T "}",
      "{\"janus\":\"error\",\"session_id\":999," T
      ",\"error\":{\"code\":458,\"reason\":\"No such session 999\"}}" },
    { HANDLE, "{\"janus\":\"bogus\"," T "}",
      S_ERROR (453, "Unknown request 'bogus'") },
    { HANDLE, "{\"janus\":\"keepalive\"," T "}", S_ACK },
    { HANDLE, "{\"janus\":\"attach\"," T "," PLUGIN "}",
      S_ERROR (457, "Unhandled request 'attach' at this path") },
    { HANDLE, "{\"janus\":\"destroy\"," T "}",
      S_ERROR (457, "Unhandled request 'destroy' at this path") },
    { HANDLE, "{\"janus\":\"claim\"," T "}", S_OK },
    { NO_HANDLE, MESSAGE ("\"body\":{}"),
      S_ERROR (459, "No such handle 999 in session <S>") },
    { SESSION, "{\"janus\":\"attach\"," T "}",
      S_ERROR (456, "Missing mandatory element (plugin)") },
    { SESSION, "{\"janus\":\"attach\"," T ",\"plugin\":5}",
      S_ERROR (467, "Invalid element type (plugin should be a string)") },
    { SESSION, "{\"janus\":\"attach\"," T ",\"plugin\":\"x\"}",
      S_ERROR (460, "No such plugin 'x'") },
    { SESSION, "{\"janus\":\"attach\"," T "," PLUGIN ",\"opaque_id\":5}",
      S_ERROR (467, "Invalid element type (opaque_id should be a string)") },
    { SESSION, "{\"janus\":\"attach\"," T "," PLUGIN ",\"loop_index\":-1}",
      S_ERROR (467, "Invalid element type (loop_index should be a positive "
                    "integer)") },
  };
  JanusFixture f = { 0 };

  janus_start (&f, NULL);
  janus_open (&f);
  run_rows (&f, rows, G_N_ELEMENTS (rows));
  janus_stop (&f);
}

static void
test_message (void)
{
  static const Row rows[] = {
    { HANDLE, "{\"janus\":\"message\"," T "}",
      S_ERROR (456, "Missing mandatory element (body)") },
    { HANDLE, MESSAGE ("\"body\":[]"),
      S_ERROR (467, "Invalid element type (body should be an object)") },
    { HANDLE, MESSAGE ("\"body\":{}"), DONE ("done") },
    { HANDLE, MESSAGE ("\"body\":{\"request\":\"error\"}"),
      S_ERROR (462, "no") },
    { HANDLE, JSEP ("5"), S_ERROR (455, "Invalid jsep object") },
    { HANDLE, JSEP ("null"), S_ERROR (455, "Invalid jsep object") },
    { HANDLE, JSEP ("{}"),
      S_ERROR (456, "JSEP error: missing mandatory element (type)") },
    { HANDLE, JSEP ("{\"type\":\"zzz\"}"),
      S_ERROR (456, "JSEP error: missing mandatory element (sdp)") },
    { HANDLE, JSEP ("{\"type\":5}"),
      S_ERROR (467, "JSEP error: invalid element type (type should be a "
                    "string)") },
    { HANDLE, JSEP ("{\"type\":\"zzz\",\"sdp\":\"\"}"),
      S_ERROR (464, "JSEP error: unknown message type 'zzz'") },
    { HANDLE, JSEP ("{\"type\":\"offer\",\"sdp\":\"abc\"}"),
      S_ERROR (465, "Invalid SDP (doesn't start with v=)") },
    { HANDLE, JSEP ("{\"type\":\"answer\",\"sdp\":\"" SDP "\"}"),
      S_ERROR (465, "Missing mandatory lines (o=, s= or m=)") },
    { HANDLE, JSEP ("{\"type\":\"offer\",\"sdp\":\"abc\",\"trickle\":\"x\"}"),
      S_ERROR (467, "JSEP error: invalid element type (trickle should be a "
                    "boolean)") },
    { HANDLE, JSEP ("{\"type\":\"offer\",\"sdp\":\"abc\",\"e2ee\":5}"),
      S_ERROR (467, "JSEP error: invalid element type (e2ee should be a "
                    "boolean)") },
  };
  JanusFixture f = { 0 };

  janus_start (&f, NULL);
  janus_open (&f);
  run_rows (&f, rows, G_N_ELEMENTS (rows));
  janus_ask (&f, f.session_id, f.handle_id,
             JSEP ("{\"type\":\"offer\",\"sdp\":\"" SDP "m=audio\\r\\n\"}"));
  janus_expect (&f, DONE ("done"));
  g_assert_true (f.had_offer && f.had_trickle && f.was_loopback);
  janus_ask (&f, f.session_id, f.handle_id,
             JSEP ("{\"type\":\"answer\",\"trickle\":false,\"sdp\":\"" SDP
                   "m=audio\\r\\n\"}"));
  g_assert_false (f.had_offer || f.had_trickle);
  janus_stop (&f);
}

/* --- Candidates
 * ------------------------------------------------------------------ */

static void
test_trickle (void)
{
  static const Row without[] = {
    { HANDLE, "{\"janus\":\"trickle\"," T "}",
      S_ERROR (456, "Missing mandatory element (candidate|candidates)") },
    { HANDLE, TRICKLE ("\"candidate\":{},\"candidates\":[]"),
      S_ERROR (454, "Can't have both candidate and candidates") },
    { HANDLE, TRICKLE ("\"candidate\":5"), S_ACK },
    { HANDLE, TRICKLE ("\"candidates\":5"), S_ACK },
    { HANDLE, TRICKLE ("\"candidate\":null"), S_ACK },
  };
  static const Row with[] = {
    { HANDLE, TRICKLE ("\"candidate\":{\"completed\":true}"), S_ACK },
    { HANDLE, TRICKLE ("\"candidate\":{\"candidate\":\"c\",\"sdpMid\":\"0\"}"),
      S_ACK },
    { HANDLE, TRICKLE ("\"candidate\":{\"candidate\":\"c\"}"),
      S_ERROR (456, "Trickle error: missing mandatory element (sdpMid or "
                    "sdpMLineIndex)") },
    { HANDLE, TRICKLE ("\"candidate\":{\"candidate\":\"c\",\"sdpMid\":5}"),
      S_ERROR (467, "Trickle error: invalid element type (sdpMid should be a "
                    "string)") },
    { HANDLE,
      TRICKLE ("\"candidate\":{\"candidate\":\"c\",\"sdpMLineIndex\":-1}"),
      S_ERROR (467, "Trickle error: invalid element type (sdpMLineIndex "
                    "should be a positive integer)") },
    { HANDLE, TRICKLE ("\"candidate\":{\"sdpMid\":\"0\"}"),
      S_ERROR (456, "Trickle error: missing mandatory element (candidate)") },
    { HANDLE, TRICKLE ("\"candidates\":{}"),
      S_ERROR (467, "candidates is not an array") },
    { HANDLE,
      TRICKLE ("\"candidates\":[{\"candidate\":5,\"sdpMLineIndex\":0}]"),
      S_ERROR (467, "Trickle error: invalid element type (candidate should be "
                    "a string)") },
    { HANDLE, TRICKLE ("\"candidates\":[{\"completed\":true}]"), S_ACK },
  };
  JanusFixture f = { 0 };

  janus_start (&f, NULL);
  janus_open (&f);
  run_rows (&f, without, G_N_ELEMENTS (without));
  janus_ask (&f, f.session_id, f.handle_id,
             MESSAGE ("\"body\":{\"request\":\"async\"}"));
  run_rows (&f, with, G_N_ELEMENTS (with));
  janus_stop (&f);
}

/* --- Events
 * ---------------------------------------------------------------------- */

/* expect_event: the oldest of @events is @expected; it is gone then */
static void
expect_event (JanusFixture *f, GPtrArray *events, const char *expected)
{
  g_assert_cmpuint (events->len, >, 0);
  g_clear_pointer (&f->reply, json_object_unref);
  f->reply = json_object_ref (events->pdata[0]);
  g_ptr_array_remove_index (events, 0);
  janus_expect (f, expected);
}

static void
test_events (void)
{
  JanusFixture f = { 0 };

  janus_start (&f, NULL);
  f.transport.takes = TRUE;
  janus_open (&f);
  janus_ask (&f, f.session_id, f.handle_id,
             MESSAGE ("\"body\":{\"request\":\"async\"}"));
  janus_expect (&f, S_ACK);
  expect_event (&f, f.transport.taken,
                "{\"janus\":\"event\",\"session_id\":\"S\"," T
                ",\"sender\":\"H\",\"plugindata\":{" PLUGIN
                ",\"data\":{\"streaming\":\"event\"}},"
                "\"jsep\":{\"type\":\"offer\",\"sdp\":\"v=0\"}}");
  janus_ask (&f, f.session_id, f.handle_id, "{\"janus\":\"hangup\"," T "}");
  janus_expect (&f, S_OK);
  expect_event (&f, f.transport.taken,
                "{\"janus\":\"hangup\",\"session_id\":\"S\",\"sender\":\"H\","
                "\"reason\":\"Janus API\"}");
  janus_ask (&f, f.session_id, f.handle_id, "{\"janus\":\"detach\"," T "}");
  janus_expect (&f, S_OK);
  g_assert_cmpuint (f.n_states, ==, 0);
  expect_event (&f, f.transport.taken,
                "{\"janus\":\"detached\",\"session_id\":\"S\",\"sender\":\"H\""
                "}");
  janus_ask (&f, f.session_id, f.handle_id, "{\"janus\":\"detach\"," T "}");
  janus_expect (&f, S_ERROR (459, "No such handle <H> in session <S>"));
  g_assert_cmpuint (f.transport.taken->len, ==, 0);
  janus_stop (&f);
}

static void
test_slow_link (void)
{
  static const EgressJanusConfig config = { .slow_link_threshold = 4 };
  JanusFixture f = { 0 };
  EgressJanusHandle *handle;

  janus_start (&f, &config);
  f.transport.takes = TRUE;
  janus_open (&f);
  handle = janus_session_find (egress_janus_lookup (f.core, f.session_id),
                               f.handle_id);
  g_assert_cmpuint (egress_janus_handle_get_id (handle), ==, f.handle_id);
  g_assert_cmpuint (egress_janus_handle_get_session_id (handle), ==,
                    f.session_id);
  egress_janus_push_slow_link (handle, "v", TRUE, 3);
  g_assert_cmpuint (f.transport.taken->len, ==, 0);
  egress_janus_push_slow_link (handle, "v", TRUE, 4);
  expect_event (&f, f.transport.taken,
                "{\"janus\":\"slowlink\",\"session_id\":\"S\",\"sender\":\"H\""
                ",\"mid\":\"v\",\"media\":\"video\",\"uplink\":false,"
                "\"lost\":4}");
  egress_janus_push_webrtcup (handle);
  expect_event (&f, f.transport.taken,
                "{\"janus\":\"webrtcup\",\"session_id\":\"S\",\"sender\":\"H\""
                "}");
  janus_stop (&f);
}

/* What a plugin has yet to answer when its handle goes is answered. */
static void
test_late_reply (void)
{
  JanusFixture f = { 0 };
  guint n_before;

  janus_start (&f, NULL);
  janus_open (&f);
  n_before = f.n_replies;
  janus_ask (&f, f.session_id, f.handle_id,
             MESSAGE ("\"body\":{\"request\":\"later\"}"));
  g_assert_cmpuint (f.n_replies, ==, n_before);
  janus_answer_later (&f);
  janus_expect (&f, DONE ("late"));
  janus_ask (&f, f.session_id, f.handle_id,
             MESSAGE ("\"body\":{\"request\":\"later\"}"));
  n_before = f.n_replies;
  janus_ask (&f, f.session_id, 0, "{\"janus\":\"destroy\"," T "}");
  g_assert_cmpuint (f.n_replies, ==, n_before + 2);
  janus_expect (&f, S_ERROR (459, "Handle not found"));
  janus_stop (&f);
}

/* --- Ends of sessions
 * -------------------------------------------------------------- */

static void
test_destroy (void)
{
  JanusFixture f = { 0 };

  janus_start (&f, NULL);
  janus_open (&f);
  janus_ask (&f, f.session_id, 0, "{\"janus\":\"destroy\"," T "}");
  janus_expect (&f, S_OK);
  g_assert_cmpuint (f.n_states, ==, 0);
  g_assert_cmpuint (f.transport.n_over, ==, 1);
  g_assert_cmpuint (f.transport.last_events->len, ==, 0);
  janus_ask (&f, f.session_id, 0, "{\"janus\":\"destroy\"," T "}");
  janus_expect (&f, S_ERROR (458, "No such session <S>"));
  g_assert_cmpint (janus_metric (&f, "media_tree_janus_sessions"), ==, 0);
  g_assert_cmpint (janus_metric (&f, "media_tree_janus_handles"), ==, 0);
  g_assert_cmpint (janus_metric (&f, "media_tree_janus_sessions_ended_total"
                                     "{reason=\"destroyed\"}"),
                   ==, 1);
  g_assert_cmpint (janus_metric (&f, "media_tree_janus_requests_total"
                                     "{verb=\"destroy\",result=\"ok\"}"),
                   ==, 1);
  g_assert_cmpint (janus_metric (&f, "media_tree_janus_requests_total"
                                     "{verb=\"destroy\",result=\"error\"}"),
                   ==, 1);
  janus_stop (&f);
}

static void
test_timeout (void)
{
  JanusFixture f = { 0 };

  janus_start (&f, NULL);
  janus_open (&f);
  janus_now_us += 59 * BASE_US_PER_S;
  janus_tick (f.core);
  /* J16: the start of a poll counts, as a request does */
  egress_janus_session_touch (egress_janus_lookup (f.core, f.session_id));
  janus_now_us += 59 * BASE_US_PER_S;
  janus_tick (f.core);
  janus_ask (&f, f.session_id, 0, "{\"janus\":\"keepalive\"," T "}");
  janus_expect (&f, S_ACK);
  janus_now_us += 60 * BASE_US_PER_S - 1;
  janus_tick (f.core);
  g_assert_cmpuint (f.transport.n_over, ==, 0);
  janus_now_us += 1;
  janus_tick (f.core);
  g_assert_cmpuint (f.transport.n_over, ==, 1);
  expect_event (&f, f.transport.last_events,
                "{\"janus\":\"timeout\",\"session_id\":\"S\"}");
  expect_event (&f, f.transport.last_events,
                "{\"janus\":\"detached\",\"session_id\":\"S\",\"sender\":\"H\""
                "}");
  janus_ask (&f, f.session_id, 0, "{\"janus\":\"keepalive\"," T "}");
  janus_expect (&f, S_ERROR (458, "No such session <S>"));
  janus_stop (&f);
}

static void
test_claim (void)
{
  static const EgressJanusConfig config = { .reclaim_timeout_s = 10 };
  JanusTransport other = { 0 };
  JanusFixture f = { 0 };

  janus_start (&f, &config);
  janus_transport_init (&other, "janus.transport.other");
  janus_open (&f);
  janus_ask (&f, f.session_id, f.handle_id,
             MESSAGE ("\"body\":{\"request\":\"async\"}"));
  janus_ask_by (&f, &other.transport, f.session_id, 0,
                "{\"janus\":\"claim\"," T "}");
  janus_expect (&f, S_OK);
  g_assert_cmpuint (f.transport.n_over, ==, 1);
  /* nothing was left in the old one's hands that it did not take */
  g_assert_cmpuint (f.transport.last_events->len, ==, 1);
  egress_janus_transport_gone (f.core, &f.transport.transport);
  g_assert_nonnull (egress_janus_lookup (f.core, f.session_id));

  egress_janus_transport_gone (f.core, &other.transport);
  janus_now_us += 10 * BASE_US_PER_S - 1;
  janus_tick (f.core);
  janus_ask (&f, f.session_id, 0, "{\"janus\":\"claim\"," T "}");
  janus_expect (&f, S_OK);
  janus_now_us += 20 * BASE_US_PER_S;
  janus_tick (f.core);
  g_assert_nonnull (egress_janus_lookup (f.core, f.session_id));

  egress_janus_transport_gone (f.core, &f.transport.transport);
  janus_now_us += 10 * BASE_US_PER_S;
  janus_tick (f.core);
  g_assert_null (egress_janus_lookup (f.core, f.session_id));
  g_assert_cmpuint (f.n_states, ==, 0);
  janus_transport_clear (&other);
  janus_stop (&f);
}

/* Without a time to reclaim in, sessions end with their transport. */
static void
test_transport_gone (void)
{
  JanusFixture f = { 0 };

  janus_start (&f, NULL);
  janus_open (&f);
  egress_janus_transport_gone (f.core, &f.transport.transport);
  g_assert_null (egress_janus_lookup (f.core, f.session_id));
  g_assert_cmpuint (f.n_states, ==, 0);
  g_assert_cmpuint (f.transport.n_over, ==, 0);
  janus_stop (&f);
}

/* --- Bounds
 * -------------------------------------------------------------------------- */

static void
test_bounds (void)
{
  static const EgressJanusConfig config = { .max_sessions = 2 };
  JanusFixture f = { 0 };

  janus_start (&f, &config);
  janus_open (&f);
  janus_ask (&f, 0, 0, "{\"janus\":\"create\"," T ",\"id\":12}");
  janus_expect (&f, "{\"janus\":\"success\"," T ",\"data\":{\"id\":12}}");
  janus_ask (&f, 0, 0, "{\"janus\":\"create\"," T "}");
  janus_expect (&f, ERROR (472, "Currently not accepting new sessions"));
  for (guint i = 1; i < EGRESS_JANUS_MAX_HANDLES; i++)
    {
      janus_ask (&f, f.session_id, 0,
                 "{\"janus\":\"attach\"," T "," PLUGIN "}");
      g_assert_cmpuint (janus_reply_id (&f), >, 0);
    }
  janus_ask (&f, f.session_id, 0, "{\"janus\":\"attach\"," T "," PLUGIN "}");
  janus_expect (&f, S_ERROR (461, "Couldn't attach to plugin: error '-1'"));
  g_assert_cmpuint (f.n_states, ==, EGRESS_JANUS_MAX_HANDLES);
  janus_ask (&f, 12, 0, "{\"janus\":\"destroy\"," T "}");
  f.is_full = TRUE;
  janus_ask (&f, 0, 0, "{\"janus\":\"create\"," T "}");
  janus_expect (&f, ERROR (472, "Currently not accepting new sessions"));
  f.is_full = FALSE;
  janus_ask (&f, 0, 0, "{\"janus\":\"create\"," T "}");
  g_assert_cmpuint (janus_reply_id (&f), >, 0);
  janus_stop (&f);
}

static void
test_conflict (void)
{
  JanusFixture f = { 0 };

  janus_start (&f, NULL);
  janus_ask (&f, 0, 0, "{\"janus\":\"create\"," T ",\"id\":12345}");
  janus_ask (&f, 0, 0, "{\"janus\":\"create\"," T ",\"id\":12345}");
  janus_expect (&f, "{\"janus\":\"error\",\"session_id\":12345," T
                    ",\"error\":{\"code\":468,\"reason\":\"Session ID already "
                    "in use\"}}");
  janus_ask (&f, 0, 0, "{\"janus\":\"create\"," T ",\"id\":0}");
  g_assert_cmpuint (janus_reply_id (&f), >, 0);
  g_assert_cmpuint (janus_reply_id (&f), <, G_GUINT64_CONSTANT (1) << 53);
  f.refuses = TRUE;
  f.session_id = janus_reply_id (&f);
  janus_ask (&f, f.session_id, 0, "{\"janus\":\"attach\"," T "," PLUGIN "}");
  janus_expect (&f, S_ERROR (461, "Couldn't attach to plugin: error '-1'"));
  janus_stop (&f);
}

/* Nobody takes its events: the session ends, others do not. */
static void
test_overflow (void)
{
  JanusFixture f = { 0 };
  EgressJanusHandle *handle;

  janus_start (&f, NULL);
  janus_ask (&f, 0, 0, "{\"janus\":\"create\"," T ",\"id\":7}");
  janus_open (&f);
  handle = janus_session_find (egress_janus_lookup (f.core, f.session_id),
                               f.handle_id);
  for (guint i = 0; i < EGRESS_JANUS_MAX_EVENTS; i++)
    egress_janus_push_webrtcup (handle);
  janus_tick (f.core);
  g_assert_nonnull (egress_janus_lookup (f.core, f.session_id));
  egress_janus_push_webrtcup (handle);
  g_assert_cmpint (janus_metric (&f, "media_tree_janus_events_dropped_total"),
                   ==, 1);
  janus_tick (f.core);
  g_assert_null (egress_janus_lookup (f.core, f.session_id));
  g_assert_nonnull (egress_janus_lookup (f.core, 7));
  g_assert_cmpint (janus_metric (&f, "media_tree_janus_sessions_ended_total"
                                     "{reason=\"overflow\"}"),
                   ==, 1);
  janus_stop (&f);
}

static void
test_describe (void)
{
  JanusFixture f = { 0 };
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object;

  janus_start (&f, NULL);
  janus_open (&f);
  janus_ask (&f, f.session_id, f.handle_id,
             MESSAGE ("\"body\":{\"request\":\"async\"}"));
  node = egress_janus_describe (f.core);
  object = json_node_get_object (node);
  g_assert_cmpint (json_object_get_int_member (object, "n_sessions"), ==, 1);
  g_assert_cmpint (json_object_get_int_member (object, "n_handles"), ==, 1);
  g_assert_cmpint (json_object_get_int_member (object, "n_unread_events"), ==,
                   1);
  g_assert_true (json_object_get_boolean_member (object, "is_accepting"));
  janus_stop (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/egress/janus/frame", test_frame);
  g_test_add_func ("/egress/janus/levels", test_levels);
  g_test_add_func ("/egress/janus/message", test_message);
  g_test_add_func ("/egress/janus/trickle", test_trickle);
  g_test_add_func ("/egress/janus/events", test_events);
  g_test_add_func ("/egress/janus/slow-link", test_slow_link);
  g_test_add_func ("/egress/janus/late-reply", test_late_reply);
  g_test_add_func ("/egress/janus/destroy", test_destroy);
  g_test_add_func ("/egress/janus/timeout", test_timeout);
  g_test_add_func ("/egress/janus/claim", test_claim);
  g_test_add_func ("/egress/janus/transport-gone", test_transport_gone);
  g_test_add_func ("/egress/janus/bounds", test_bounds);
  g_test_add_func ("/egress/janus/conflict", test_conflict);
  g_test_add_func ("/egress/janus/overflow", test_overflow);
  g_test_add_func ("/egress/janus/describe", test_describe);
  return g_test_run ();
}
