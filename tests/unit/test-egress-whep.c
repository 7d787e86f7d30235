/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/whep over real HTTP, with a real hub and worker: PROTOCOLS.md's list
 * of WHEP (E1-E40) as far as no media need flow; numbers stand at the checks.
 */
#include "egress/whep.h"

#include <stdlib.h>
#include <string.h>

#include "egress/events.h"
#include "tests/unit/loopback.h"

#define FINGERPRINT                                                            \
  "7B:B4:66:32:65:D4:AE:C5:F7:89:59:F7:AC:F2:FE:13:25:85:BC:88:61:84:C3:12:"   \
  "CA:43:4E:16:17:64:D5:AE"
#define PWD "abcdefghijklmnopqrstuvwx"
#define HEAD                                                                   \
  "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
#define TRANSPORT                                                              \
  "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:" PWD                     \
  "\r\na=fingerprint:sha-256 " FINGERPRINT "\r\na=rtcp-mux\r\na=mid:0\r\n"
#define OFFER(codec, direction)                                                \
  HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" TRANSPORT                          \
       "a=setup:actpass\r\na=" direction "\r\na=rtpmap:96 " codec              \
       "/90000\r\na=rtcp-fb:96 nack\r\n"
#define FRAGMENT(ufrag)                                                        \
  "a=ice-ufrag:" ufrag "\r\na=ice-pwd:" PWD                                    \
  "\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 UDP 2130706431 "      \
  "127.0.0.1 50000 typ host\r\n"

typedef struct
{
  Loopback http;
  RtcCertificate *certificate;
  RtcWorker *worker;
  RtcAddresses *addresses;
  RelayHub *hub;
  BaseAuth *auth;
  BaseMetrics *metrics;
  RelayStream *stream; /* borrowed */
  RelayPublication *publication;
  EgressGate *gate;
  EgressWhep *whep;
  char *location; /* of the last session */
  /* what the hooks say */
  gboolean is_full, sends_on;
  int want_error; /* -1 = none */
  guint n_wanted, n_joined;
} Fixture;

static void
on_request (SoupServerMessage *msg, gpointer data)
{
  Fixture *f = data;

  egress_whep_handle (f->whep, msg,
                      g_uri_get_path (soup_server_message_get_uri (msg)));
}

static void
begin (gpointer data)
{
  relay_publication_begin (data);
}

static void
end (gpointer data)
{
  relay_publication_end (data);
  relay_publication_unref (data);
}

static void
on_nothing (gpointer data)
{
}

static void
publish (Fixture *f, RtcCodec codec)
{
  static const RelayPublicationCallbacks callbacks = {
    .on_keyframe_wanted = on_nothing, .on_replaced = on_nothing
  };
  RelayStreamInfo info = { 0 };
  g_autoptr (GError) error = NULL;

  info.tracks[RTC_MEDIA_VIDEO].is_present = TRUE;
  info.tracks[RTC_MEDIA_VIDEO].codec = codec;
  f->stream = relay_hub_ensure (f->hub, "show", &error);
  g_assert_no_error (error);
  f->publication =
      relay_stream_add_publication (f->stream, &info, &callbacks, f, NULL);
  rtc_worker_post (f->worker, begin, f->publication, NULL);
  while (!relay_stream_is_live (f->stream))
    g_main_context_iteration (NULL, TRUE);
}

static void
unpublish (Fixture *f)
{
  if (f->publication)
    rtc_worker_post (f->worker, end, g_steal_pointer (&f->publication), NULL);
}

static RelayStream *
on_want (const char *name, GError **error, gpointer data)
{
  Fixture *f = data;

  f->n_wanted++;
  if (f->want_error >= 0)
    {
      g_set_error (error, RELAY_ERROR, f->want_error, "no");
      return NULL;
    }
  return relay_hub_lookup (f->hub, name);
}

static gboolean
has_room (RelayStream *stream, gpointer data)
{
  Fixture *f = data;

  g_assert_true (stream == f->stream);
  return !f->is_full;
}

static void
on_joined (RelayStream *stream, gpointer data)
{
  ((Fixture *)data)->n_joined++;
}

static gboolean
send_on (const char *stream, SoupServerMessage *msg, gpointer data)
{
  Fixture *f = data;

  g_assert_cmpstr (stream, ==, "show");
  if (f->sends_on)
    soup_server_message_set_status (msg, 307, NULL);
  return f->sends_on;
}

static void
set_up (Fixture *f, gconstpointer max_viewers)
{
  static const char *const tokens[BASE_AUTH_N_SURFACES] = { NULL };
  static const char *const public[] = { "127.0.0.1", NULL };
  EgressWhepConfig config = { .peer = { .repair = TRUE,
                                        .join_rate_bps = 50000000,
                                        .playout_delay_min_ms = -1,
                                        .playout_delay_max_ms = -1 } };
  EgressGateHooks hooks = { .want_stream = on_want,
                            .has_room = has_room,
                            .on_joined = on_joined,
                            .send_on = send_on,
                            .data = f };
  g_autoptr (GError) error = NULL;

  f->want_error = -1;
  loopback_set_up (&f->http, NULL);
  f->http.handler = on_request;
  f->http.data = f;
  f->certificate = rtc_certificate_new (&error);
  g_assert_no_error (error);
  f->metrics = base_metrics_new ();
  f->worker = rtc_worker_new (0, 0, f->certificate, f->metrics, &error);
  g_assert_no_error (error);
  f->addresses = rtc_addresses_new (public, &error);
  g_assert_no_error (error);
  f->auth = base_auth_new (tokens, NULL, TRUE, &error);
  g_assert_no_error (error);
  f->hub = relay_hub_new (&f->worker, 1, 0, f->metrics);
  f->gate = egress_gate_new (f->hub, GPOINTER_TO_UINT (max_viewers), &hooks,
                             f->metrics);
  config.auth = f->auth;
  config.metrics = f->metrics;
  config.peer.gate = f->gate;
  config.peer.hub = f->hub;
  config.peer.certificate = f->certificate;
  config.peer.addresses = f->addresses;
  f->whep = egress_whep_new (&config);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  unpublish (f);
  egress_whep_free (f->whep);
  egress_gate_free (f->gate);
  rtc_worker_free (f->worker);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  relay_hub_free (f->hub);
  base_auth_free (f->auth);
  rtc_addresses_free (f->addresses);
  base_metrics_free (f->metrics);
  rtc_certificate_unref (f->certificate);
  loopback_tear_down (&f->http, NULL);
  g_free (f->location);
}

static const char *const sdp_type[] = { "Content-Type", "application/sdp",
                                        NULL };

static guint
post (Fixture *f, const char *offer)
{
  guint status =
      loopback_ask (&f->http, "POST", "/whep/show", sdp_type, offer, -1);
  const char *location = loopback_header (&f->http, "Location");

  if (location)
    {
      g_free (f->location);
      f->location = g_strdup (location);
    }
  return status;
}

static guint
patch (Fixture *f, const char *if_match, const char *fragment)
{
  const char *const headers[] = { "Content-Type",
                                  "application/trickle-ice-sdpfrag",
                                  if_match ? "If-Match" : NULL, if_match,
                                  NULL };

  return loopback_ask (&f->http, "PATCH", f->location, headers, fragment, -1);
}

static void
assert_problem (Fixture *f, const char *code)
{
  g_autofree char *type = g_strconcat ("urn:media-tree:error:", code, NULL);

  g_assert_nonnull (strstr (f->http.text, type));
}

static void
test_join (Fixture *f, gconstpointer data)
{
  g_autofree char *etag = NULL;

  /* E8 */
  g_assert_cmpuint (post (f, OFFER ("VP8", "recvonly")), ==, 409);
  g_assert_cmpstr (loopback_header (&f->http, "Retry-After"), ==, "2");
  assert_problem (f, "stream-not-live");
  publish (f, RTC_CODEC_VP8);
  /* E3, E4 */
  g_assert_cmpuint (post (f, OFFER ("VP8", "sendonly")), ==, 422);
  g_assert_cmpuint (post (f, OFFER ("VP8", "inactive")), ==, 422);
  g_assert_cmpuint (post (f, "v=0\r\nnonsense"), ==, 400);
  g_assert_cmpuint (
      loopback_ask (&f->http, "POST", "/whep/show", NULL, "v=0", -1), ==, 415);
  /* E1, E2, E21-E23, E32 */
  g_assert_cmpuint (post (f, OFFER ("VP8", "sendrecv")), ==, 201);
  g_assert_cmpstr (loopback_header (&f->http, "Content-Type"), ==,
                   "application/sdp");
  g_assert_true (g_str_has_prefix (f->location, "/whep/show/"));
  g_assert_nonnull (strstr (f->http.text, "a=sendonly\r\n"));
  g_assert_nonnull (strstr (f->http.text, "a=rtcp-mux-only\r\n"));
  g_assert_nonnull (strstr (f->http.text, "a=setup:passive\r\n"));
  g_assert_nonnull (strstr (f->http.text, "a=candidate:"));
  g_assert_nonnull (strstr (f->http.text, "a=end-of-candidates\r\n"));
  g_assert_nonnull (strstr (loopback_header (&f->http, "Link"),
                            "urn:ietf:params:whep:ext:core:server-sent-"));
  etag = g_strdup (loopback_header (&f->http, "ETag"));
  g_assert_nonnull (etag);
  /* E9, E10 */
  g_assert_cmpuint (
      loopback_ask (&f->http, "HEAD", "/whep/show", NULL, NULL, 0), ==, 200);
  g_assert_cmpstr (loopback_header (&f->http, "Content-Type"), ==,
                   "application/sdp");
  g_assert_cmpuint (loopback_ask (&f->http, "GET", f->location, NULL, NULL, 0),
                    ==, 204);
  /* E14-E16, E18, N1 */
  g_assert_cmpuint (patch (f, etag, FRAGMENT ("abcd")), ==, 204);
  g_assert_cmpuint (patch (f, NULL, FRAGMENT ("abcd")), ==, 204);
  g_assert_cmpuint (patch (f, "\"other\"", FRAGMENT ("abcd")), ==, 412);
  g_assert_cmpuint (patch (f, etag, FRAGMENT ("wxyz")), ==, 412);
  g_assert_cmpuint (patch (f, "*", FRAGMENT ("wxyz")), ==, 200);
  g_assert_nonnull (strstr (f->http.text, "a=ice-ufrag:"));
  g_assert_cmpstr (loopback_header (&f->http, "ETag"), !=, etag);
  g_assert_cmpuint (patch (f, etag, FRAGMENT ("wxyz")), ==, 412);
  /* no answer is waited for */
  g_assert_cmpuint (loopback_ask (&f->http, "PATCH", f->location, sdp_type,
                                  OFFER ("VP8", "recvonly"), -1),
                    ==, 422);
  /* E11, E12 */
  g_assert_cmpuint (
      loopback_ask (&f->http, "DELETE", f->location, NULL, NULL, 0), ==, 200);
  g_assert_cmpuint (
      loopback_ask (&f->http, "DELETE", f->location, NULL, NULL, 0), ==, 404);
}

/* E5, E6, E26 */
static void
test_counter_offer (Fixture *f, gconstpointer data)
{
  g_autofree char *metrics = NULL;

  publish (f, RTC_CODEC_VP8);
  g_assert_cmpuint (post (f, OFFER ("VP9", "recvonly")), ==, 406);
  g_assert_true (g_str_has_prefix (loopback_header (&f->http, "Content-Type"),
                                   "application/sdp; valid-until=\""));
  g_assert_nonnull (strstr (f->http.text, "a=setup:actpass\r\n"));
  g_assert_nonnull (strstr (f->http.text, "a=rtpmap:96 VP8/90000\r\n"));
  g_assert_nonnull (f->location);
  g_assert_cmpuint (patch (f, NULL, FRAGMENT ("abcd")), ==, 422);
  g_assert_cmpuint (
      loopback_ask (&f->http, "PATCH", f->location, sdp_type, "nonsense", -1),
      ==, 400);
  g_assert_cmpuint (loopback_ask (&f->http, "PATCH", f->location, sdp_type,
                                  HEAD
                                  "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" TRANSPORT
                                  "a=setup:active\r\na=recvonly\r\n"
                                  "a=rtpmap:96 VP8/90000\r\n",
                                  -1),
                    ==, 204);
  g_assert_cmpuint (patch (f, NULL, FRAGMENT ("abcd")), ==, 204);
  metrics = base_metrics_render (f->metrics);
  g_assert_nonnull (strstr (metrics, "media_tree_joins_total 1\n"));
  g_assert_nonnull (
      strstr (metrics, "media_tree_joins_refused_total{reason=\"codec\"} 1\n"));
  g_assert_nonnull (
      strstr (metrics, "media_tree_viewers{stream=\"show\"} 0\n"));

  /* an audio section of a video-only stream: nothing can be offered */
  g_assert_cmpuint (post (f,
                          HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" TRANSPORT
                               "a=setup:actpass\r\na=recvonly\r\n"
                               "a=rtpmap:111 opus/48000/2\r\n"),
                    ==, 406);
  assert_problem (f, "media-mismatch");
}

static void
test_limit (Fixture *f, gconstpointer data)
{
  publish (f, RTC_CODEC_VP8);
  g_assert_cmpuint (post (f, OFFER ("VP8", "recvonly")), ==, 201);
  for (guint i = 0; i < 10; i++)
    {
      int seconds;

      g_assert_cmpuint (post (f, OFFER ("VP8", "recvonly")), ==, 503);
      seconds = atoi (loopback_header (&f->http, "Retry-After"));
      g_assert_cmpint (seconds, >=, 1);
      g_assert_cmpint (seconds, <=, 5);
    }
  g_assert_cmpuint (
      loopback_ask (&f->http, "DELETE", f->location, NULL, NULL, 0), ==, 200);
  g_assert_cmpuint (post (f, OFFER ("VP8", "recvonly")), ==, 201);
}

/* what a node that is not alone adds to it */
static void
test_hooks (Fixture *f, gconstpointer data)
{
  EgressGateTotals totals;

  publish (f, RTC_CODEC_VP8);
  f->want_error = RELAY_ERROR_UNKNOWN;
  g_assert_cmpuint (post (f, OFFER ("VP8", "recvonly")), ==, 409);
  assert_problem (f, "stream-not-live");
  f->want_error = RELAY_ERROR_NO_PORT;
  g_assert_cmpuint (post (f, OFFER ("VP8", "recvonly")), ==, 503);
  assert_problem (f, "stream-limit");
  f->want_error = -1;
  f->is_full = TRUE;
  g_assert_cmpuint (post (f, OFFER ("VP8", "recvonly")), ==, 503);
  assert_problem (f, "server-full");
  g_assert_nonnull (loopback_header (&f->http, "Retry-After"));
  egress_gate_get_totals (f->gate, &totals);
  g_assert_cmpuint (totals.n_refused, ==, 2);
  /* to another node: not refused */
  f->sends_on = TRUE;
  g_assert_cmpuint (post (f, OFFER ("VP8", "recvonly")), ==, 307);
  f->is_full = FALSE;
  g_assert_cmpuint (post (f, OFFER ("VP8", "recvonly")), ==, 201);
  g_assert_cmpuint (f->n_joined, ==, 1);
  g_assert_cmpuint (post (f, OFFER ("VP8", "recvonly")), ==, 307);
  g_assert_cmpuint (f->n_wanted, ==, 5); /* not when there is no slot */
  egress_gate_get_totals (f->gate, &totals);
  g_assert_cmpuint (totals.n_refused, ==, 2);
  g_assert_cmpuint (totals.n_viewers, ==, 1);
  g_assert_cmpuint (totals.max_viewers, ==, 1);
  g_assert_cmpuint (totals.n_joins, ==, 1);
  g_assert_cmpuint (totals.n_leaves, ==, 0);
  g_assert_cmpuint (
      loopback_ask (&f->http, "DELETE", f->location, NULL, NULL, 0), ==, 200);
  egress_gate_get_totals (f->gate, &totals);
  g_assert_cmpuint (totals.n_leaves, ==, 1);
}

/* the hub drops the stream: viewers go with it */
static void
test_stream_removed (Fixture *f, gconstpointer data)
{
  publish (f, RTC_CODEC_VP8);
  g_assert_cmpuint (post (f, OFFER ("VP8", "recvonly")), ==, 201);
  unpublish (f);
  while (relay_hub_lookup (f->hub, "show"))
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (loopback_ask (&f->http, "GET", f->location, NULL, NULL, 0),
                    ==, 404);
}

/* --- events ------------------------------------------------------------- */

typedef struct
{
  GInputStream *stream;
  GString *got;
  char buffer[512];
  gboolean is_over;
} Reader;

static void
on_read (GObject *source, GAsyncResult *result, gpointer data)
{
  Reader *r = data;
  gssize n = g_input_stream_read_finish (r->stream, result, NULL);

  if (n <= 0)
    {
      r->is_over = TRUE;
      return;
    }
  g_string_append_len (r->got, r->buffer, n);
  g_input_stream_read_async (r->stream, r->buffer, sizeof r->buffer, 0, NULL,
                             on_read, r);
}

static void
reader_open (Fixture *f, Reader *r, const char *path)
{
  g_autofree char *uri =
      g_strdup_printf ("http://127.0.0.1:%u%s", f->http.port, path);
  g_autoptr (SoupMessage) msg = soup_message_new ("GET", uri);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  r->got = g_string_new (NULL);
  r->is_over = FALSE;
  soup_session_send_async (f->http.session, msg, G_PRIORITY_DEFAULT, NULL,
                           loopback_on_done, &result);
  while (!result)
    g_main_context_iteration (NULL, TRUE);
  r->stream = soup_session_send_finish (f->http.session, result, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (soup_message_get_status (msg), ==, 200);
  g_assert_cmpstr (soup_message_headers_get_content_type (
                       soup_message_get_response_headers (msg), NULL),
                   ==, "text/event-stream");
  g_input_stream_read_async (r->stream, r->buffer, sizeof r->buffer, 0, NULL,
                             on_read, r);
}

static void
reader_wait (Reader *r, const char *text)
{
  while (!strstr (r->got->str, text) && !r->is_over)
    g_main_context_iteration (NULL, TRUE);
  g_assert_nonnull (strstr (r->got->str, text));
}

static void
reader_close (Reader *r)
{
  while (!r->is_over)
    g_main_context_iteration (NULL, TRUE);
  g_object_unref (r->stream);
  g_string_free (r->got, TRUE);
}

/* E32-E35 */
static void
test_events (Fixture *f, gconstpointer data)
{
  static const char *const json_type[] = { "Content-Type", "application/json",
                                           NULL };
  static const char *const bad[] = {
    "[\"active\",\"layers\"]", "{}", "[1]", "[]", "[[]]", "x", "[null]"
  };
  g_autofree char *sse = NULL, *events = NULL;
  Reader reader, second;

  publish (f, RTC_CODEC_VP8);
  g_assert_cmpuint (post (f, OFFER ("VP8", "recvonly")), ==, 201);
  sse = g_strconcat (f->location, "/sse", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_cmpuint (
        loopback_ask (&f->http, "POST", sse, json_type, bad[i], -1), ==, 400);
  g_assert_cmpuint (loopback_ask (&f->http, "POST", sse, json_type,
                                  "[\"active\",\"inactive\",\"viewercount\"]",
                                  -1),
                    ==, 201);
  events = g_strdup (loopback_header (&f->http, "Location"));
  g_assert_cmpuint (
      loopback_ask (&f->http, "POST", sse, json_type, "[\"active\"]", -1), ==,
      201);
  g_assert_cmpuint (
      loopback_ask (&f->http, "POST", sse, json_type, "[\"active\"]", -1), ==,
      429);

  reader_open (f, &reader, events);
  reader_wait (&reader, "event: active\ndata: {}\n\n");
  reader_wait (&reader, "event: viewercount\ndata: {\"viewercount\":0}\n\n");
  g_assert_null (strstr (reader.got->str, "event: inactive"));
  /* EventSource comes back: the old connection ends */
  reader_open (f, &second, events);
  reader_close (&reader);
  reader_wait (&second, "event: active\n");

  /* the session's end is theirs */
  g_assert_cmpuint (
      loopback_ask (&f->http, "DELETE", f->location, NULL, NULL, 0), ==, 200);
  reader_close (&second);
  g_assert_cmpuint (loopback_ask (&f->http, "GET", events, NULL, NULL, 0), ==,
                    404);
}

static char *
dup_elsewhere (const char *stream, gpointer data)
{
  const char *const *url = data;

  return g_strdup (*url);
}

/* E35: who listens is told where to go on, once, and only where there is room
 */
static void
test_move (Fixture *f, gconstpointer data)
{
  static const char *const json_type[] = { "Content-Type", "application/json",
                                           NULL };
  const char *nowhere = NULL, *there = "https://b/whep/a?redirect=\"x";
  g_autoptr (GPtrArray) deaf = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *sse = NULL, *events = NULL;
  Reader reader;

  publish (f, RTC_CODEC_VP8);
  g_assert_cmpuint (post (f, OFFER ("VP8", "recvonly")), ==, 201);
  g_assert_cmpuint (egress_whep_move (f->whep, 9, dup_elsewhere, &there, 1), ==,
                    0); /* nobody listens */
  g_assert_cmpuint (egress_whep_find_deaf (f->whep, deaf, 0), ==, 1);
  g_assert_cmpuint (deaf->len, ==, 0);
  g_assert_cmpuint (egress_whep_find_deaf (f->whep, deaf, 1), ==, 1);
  g_assert_cmpuint (strlen (deaf->pdata[0]), ==, BASE_HTTP_LOG_ID_CHARS);
  g_assert_nonnull (strstr (f->location, deaf->pdata[0]));
  sse = g_strconcat (f->location, "/sse", NULL);
  g_assert_cmpuint (
      loopback_ask (&f->http, "POST", sse, json_type, "[\"reconnect\"]", -1),
      ==, 201);
  events = g_strdup (loopback_header (&f->http, "Location"));
  reader_open (f, &reader, events);
  reader_wait (&reader, ": open");
  g_assert_cmpuint (egress_whep_find_deaf (f->whep, deaf, 9), ==, 0);
  g_assert_cmpuint (egress_whep_move (f->whep, 0, dup_elsewhere, &there, 1), ==,
                    0);
  g_assert_cmpuint (egress_whep_move (f->whep, 9, dup_elsewhere, &nowhere, 1),
                    ==, 0);
  g_assert_cmpuint (egress_whep_move (f->whep, 9, dup_elsewhere, &there, 1), ==,
                    1);
  reader_wait (&reader, "event: reconnect\ndata: "
                        "{\"url\":\"https://b/whep/a?redirect=\\\"x\"}\n\n");
  g_assert_cmpuint (egress_whep_move (f->whep, 9, dup_elsewhere, &there, 2), ==,
                    0); /* he has been told */
  g_assert_cmpuint (egress_whep_move (f->whep, 9, dup_elsewhere, &there,
                                      1 + EGRESS_EVENTS_MOVE_AGAIN_US),
                    ==, 1);
  /* he stays all the same */
  g_assert_cmpuint (egress_whep_cut (f->whep, "the test"), ==, 1);
  g_assert_cmpuint (egress_whep_cut (f->whep, "the test"), ==, 0);
  g_assert_cmpuint (
      loopback_ask (&f->http, "DELETE", f->location, NULL, NULL, 0), ==, 404);
  reader_close (&reader);
}

/* A server that stops drops connections without finishing their messages; the
 * endpoint ends the event streams after that. */
static void
test_server_stops (Fixture *f, gconstpointer data)
{
  static const char *const json_type[] = { "Content-Type", "application/json",
                                           NULL };
  g_autofree char *sse = NULL, *events = NULL;
  Reader reader;

  publish (f, RTC_CODEC_VP8);
  g_assert_cmpuint (post (f, OFFER ("VP8", "recvonly")), ==, 201);
  sse = g_strconcat (f->location, "/sse", NULL);
  g_assert_cmpuint (
      loopback_ask (&f->http, "POST", sse, json_type, "[\"active\"]", -1), ==,
      201);
  events = g_strdup (loopback_header (&f->http, "Location"));
  reader_open (f, &reader, events);
  reader_wait (&reader, "event: active\n");
  soup_server_disconnect (f->http.server);
  reader_close (&reader);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    guint max_viewers;
    void (*func) (Fixture *, gconstpointer);
  } tests[] = {
    { "/egress/whep/join", 10, test_join },
    { "/egress/whep/counter-offer", 10, test_counter_offer },
    { "/egress/whep/limit", 1, test_limit },
    { "/egress/whep/hooks", 1, test_hooks },
    { "/egress/whep/stream-removed", 10, test_stream_removed },
    { "/egress/whep/events", 10, test_events },
    { "/egress/whep/move", 10, test_move },
    { "/egress/whep/server-stops", 10, test_server_stops },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, GUINT_TO_POINTER (tests[i].max_viewers),
                set_up, tests[i].func, tear_down);
  return g_test_run ();
}
