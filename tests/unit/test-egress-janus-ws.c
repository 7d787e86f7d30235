/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Janus API over real WebSockets (PROTOCOLS.md J32, J33): requests,
 * events, claims, and clients that are slow, dead or too many words.
 */
#include "egress/janus-ws.h"

#include "tests/unit/janus-fixture.h"
#include "tests/unit/loopback.h"

typedef struct
{
  JanusFixture janus;
  Loopback loopback;
  EgressJanusWs *ws;
} Fixture;

static void
on_request (SoupServerMessage *msg, gpointer data)
{
  soup_server_message_set_status (msg, 404, NULL);
}

static void
start (Fixture *f, const EgressJanusConfig *config)
{
  *f = (Fixture){ 0 };
  janus_start (&f->janus, config);
  f->ws = egress_janus_ws_new (f->janus.core, f->janus.metrics);
  loopback_set_up (&f->loopback, NULL);
  f->loopback.handler = on_request;
  egress_janus_ws_serve (f->ws, f->loopback.server, "/janus/ws");
}

static void
stop (Fixture *f)
{
  if (f->ws)
    egress_janus_ws_free (f->ws);
  loopback_tear_down (&f->loopback, NULL);
  janus_stop (&f->janus);
}

/* --- A client
 * ------------------------------------------------------------------ */

typedef struct
{
  SoupWebsocketConnection *connection; /* owned (nullable) */
  GPtrArray *texts;                    /* owned: what has come */
  GError *error;                       /* owned (nullable) */
  gboolean is_closed;
} Client;

static void
on_connected (GObject *source, GAsyncResult *result, gpointer data)
{
  Client *self = data;

  self->connection = soup_session_websocket_connect_finish (
      SOUP_SESSION (source), result, &self->error);
}

static void
on_message (SoupWebsocketConnection *connection, int type, GBytes *message,
            gpointer data)
{
  gsize n_bytes;
  const char *bytes = g_bytes_get_data (message, &n_bytes);

  g_ptr_array_add (((Client *)data)->texts, g_strndup (bytes, n_bytes));
}

static void
on_closed (SoupWebsocketConnection *connection, gpointer data)
{
  ((Client *)data)->is_closed = TRUE;
}

/* client_connect: @protocol: (nullable) */
static void
client_connect (Client *self, Fixture *f, const char *protocol)
{
  char *protocols[] = { (char *)protocol, NULL };
  g_autofree char *uri =
      g_strdup_printf ("ws://127.0.0.1:%u/janus/ws", f->loopback.port);
  g_autoptr (SoupMessage) msg = soup_message_new ("GET", uri);

  *self = (Client){ .texts = g_ptr_array_new_with_free_func (g_free) };
  soup_session_websocket_connect_async (
      f->loopback.session, msg, NULL, protocol ? protocols : NULL,
      G_PRIORITY_DEFAULT, NULL, on_connected, self);
  while (!self->connection && !self->error)
    g_main_context_iteration (NULL, TRUE);
  if (!self->connection)
    return;
  g_signal_connect (self->connection, "message", G_CALLBACK (on_message), self);
  g_signal_connect (self->connection, "closed", G_CALLBACK (on_closed), self);
}

static void
client_wait_closed (Client *self)
{
  while (!self->is_closed)
    g_main_context_iteration (NULL, TRUE);
}

static void
client_end (Client *self)
{
  if (self->connection && !self->is_closed)
    {
      soup_websocket_connection_close (self->connection, 1000, NULL);
      client_wait_closed (self);
    }
  g_clear_object (&self->connection);
  g_clear_error (&self->error);
  g_ptr_array_unref (self->texts);
}

/* client_expect: the next text, where S and H stand as in janus_expect() */
static void
client_expect (Client *self, Fixture *f, const char *expected)
{
  while (self->texts->len == 0)
    g_main_context_iteration (NULL, TRUE);
  g_clear_pointer (&f->janus.reply, json_object_unref);
  f->janus.reply = janus_parse (self->texts->pdata[0]);
  g_ptr_array_remove_index (self->texts, 0);
  if (expected)
    janus_expect (&f->janus, expected);
}

static void
client_ask (Client *self, Fixture *f, const char *text, const char *expected)
{
  soup_websocket_connection_send_text (self->connection, text);
  client_expect (self, f, expected);
}

/* client_ask_handle: @rest: what follows the ids */
static void
client_ask_handle (Client *self, Fixture *f, const char *verb, const char *rest,
                   const char *expected)
{
  g_autofree char *text = g_strdup_printf (
      "{\"janus\":\"%s\"," T ",\"session_id\":%" G_GUINT64_FORMAT
      ",\"handle_id\":%" G_GUINT64_FORMAT "%s}",
      verb, f->janus.session_id, f->janus.handle_id, rest);

  client_ask (self, f, text, expected);
}

/* as client_ask_handle(), of the session */
static void
client_ask_session (Client *self, Fixture *f, const char *verb,
                    const char *rest, const char *expected)
{
  g_autofree char *text = g_strdup_printf (
      "{\"janus\":\"%s\"," T ",\"session_id\":%" G_GUINT64_FORMAT "%s}", verb,
      f->janus.session_id, rest);

  client_ask (self, f, text, expected);
}

static void
client_open (Client *self, Fixture *f)
{
  client_ask (self, f, "{\"janus\":\"create\"," T "}", NULL);
  f->janus.session_id = janus_reply_id (&f->janus);
  client_ask_session (self, f, "attach", "," PLUGIN, NULL);
  f->janus.handle_id = janus_reply_id (&f->janus);
}

/* --- Tests
 * ----------------------------------------------------------------------- */

static void
test_protocol (void)
{
  Client client;
  Fixture f;

  start (&f, NULL);
  client_connect (&client, &f, NULL);
  g_assert_error (client.error, SOUP_WEBSOCKET_ERROR,
                  SOUP_WEBSOCKET_ERROR_NOT_WEBSOCKET);
  client_end (&client);
  g_assert_cmpuint (
      loopback_ask (&f.loopback, "GET", "/janus/ws", NULL, NULL, -1), ==, 400);
  client_connect (&client, &f, "other");
  g_assert_error (client.error, SOUP_WEBSOCKET_ERROR,
                  SOUP_WEBSOCKET_ERROR_NOT_WEBSOCKET);
  client_end (&client);
  client_connect (&client, &f, EGRESS_JANUS_WS_PROTOCOL);
  g_assert_no_error (client.error);
  g_assert_cmpstr (soup_websocket_connection_get_protocol (client.connection),
                   ==, EGRESS_JANUS_WS_PROTOCOL);
  g_assert_cmpint (janus_metric (&f.janus, "media_tree_janus_websockets"), ==,
                   1);
  client_end (&client);
  g_assert_cmpint (janus_metric (&f.janus, "media_tree_janus_websockets"), ==,
                   0);
  stop (&f);
}

static void
test_requests (void)
{
  Client client;
  Fixture f;

  start (&f, NULL);
  client_connect (&client, &f, EGRESS_JANUS_WS_PROTOCOL);
  client_ask (&client, &f, "{",
              "{\"janus\":\"error\",\"error\":{\"code\":454,\"reason\":\"JSON "
              "error: on line 1: string or '}' expected near end of file\"}}");
  client_ask (&client, &f, "[]",
              "{\"janus\":\"error\",\"error\":{\"code\":455,\"reason\":\"JSON "
              "error: not an object\"}}");
  client_ask (&client, &f, "{\"janus\":\"ping\"," T "}",
              "{\"janus\":\"pong\"," T "}");
  client_ask (&client, &f, "{\"janus\":\"attach\"," T "}",
              ERROR (457, "Unhandled request 'attach' at this path"));
  client_open (&client, &f);
  client_ask_session (&client, &f, "keepalive", "", S_ACK);
  client_ask_handle (&client, &f, "message", ",\"body\":{}", DONE ("done"));
  /* the event can be before the ack or after it */
  client_ask_handle (&client, &f, "message",
                     ",\"body\":{\"request\":\"async\"}", NULL);
  client_expect (&client, &f, NULL);
  client_ask_handle (&client, &f, "hangup", "", S_OK);
  client_expect (&client, &f,
                 "{\"janus\":\"hangup\",\"session_id\":\"S\","
                 "\"sender\":\"H\",\"reason\":\"Janus API\"}");
  client_ask_session (&client, &f, "destroy", "", S_OK);
  client_ask_session (&client, &f, "destroy", "",
                      S_ERROR (458, "No such session <S>"));
  client_end (&client);
  stop (&f);
}

static void
test_ends (void)
{
  static const EgressJanusConfig config = { .reclaim_timeout_s = 10 };
  Client client, other;
  Fixture f;

  start (&f, &config);
  client_connect (&client, &f, EGRESS_JANUS_WS_PROTOCOL);
  client_connect (&other, &f, EGRESS_JANUS_WS_PROTOCOL);
  client_open (&client, &f);
  client_ask_session (&other, &f, "claim", "", S_OK);
  client_ask_handle (&client, &f, "detach", "", S_OK);
  client_expect (&other, &f,
                 "{\"janus\":\"detached\",\"session_id\":\"S\","
                 "\"sender\":\"H\"}");
  client_end (&client);
  g_assert_nonnull (egress_janus_lookup (f.janus.core, f.janus.session_id));
  janus_now_us += 60 * BASE_US_PER_S;
  janus_tick (f.janus.core);
  client_expect (&other, &f, "{\"janus\":\"timeout\",\"session_id\":\"S\"}");
  client_open (&other, &f);
  client_end (&other);
  /* it may still be claimed */
  g_assert_nonnull (egress_janus_lookup (f.janus.core, f.janus.session_id));
  janus_now_us += 10 * BASE_US_PER_S;
  janus_tick (f.janus.core);
  g_assert_null (egress_janus_lookup (f.janus.core, f.janus.session_id));
  stop (&f);
}

/* A plugin's answer to who has gone goes nowhere. */
static void
test_late_reply (void)
{
  g_autofree char *text = NULL;
  Client client;
  Fixture f;

  start (&f, NULL);
  client_connect (&client, &f, EGRESS_JANUS_WS_PROTOCOL);
  client_open (&client, &f);
  text = g_strdup_printf (
      "{\"janus\":\"message\"," T ",\"session_id\":%" G_GUINT64_FORMAT
      ",\"handle_id\":%" G_GUINT64_FORMAT ",\"body\":{\"request\":\"later\"}}",
      f.janus.session_id, f.janus.handle_id);
  soup_websocket_connection_send_text (client.connection, text);
  while (!f.janus.later)
    g_main_context_iteration (NULL, TRUE);
  janus_answer_later (&f.janus);
  client_expect (&client, &f, DONE ("late"));
  soup_websocket_connection_send_text (client.connection, text);
  while (!f.janus.later)
    g_main_context_iteration (NULL, TRUE);
  client_end (&client);
  while (egress_janus_lookup (f.janus.core, f.janus.session_id))
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (f.janus.n_states, ==, 0);
  stop (&f);
}

static void
test_payload_bound (void)
{
  g_autofree char *space = g_strnfill (EGRESS_JANUS_MAX_BODY_BYTES, ' ');
  g_autofree char *more = NULL;
  Client client;
  Fixture f;

  start (&f, NULL);
  memcpy (space, "{\"janus\":\"ping\"," T "}",
          strlen ("{\"janus\":\"ping\"," T "}"));
  more = g_strconcat (space, " ", NULL);
  client_connect (&client, &f, EGRESS_JANUS_WS_PROTOCOL);
  client_ask (&client, &f, space, "{\"janus\":\"pong\"," T "}");
  soup_websocket_connection_send_text (client.connection, more);
  client_wait_closed (&client);
  g_assert_cmpuint (client.texts->len, ==, 0);
  while (janus_metric (&f.janus, "media_tree_janus_websockets") > 0)
    g_main_context_iteration (NULL, TRUE);
  client_end (&client);
  stop (&f);
}

/* Who does not read: what waits for him has a bound. */
static void
test_slow_reader (void)
{
  enum
  {
    EVENT_BYTES = 64 * 1024,
    MAX_EVENTS = 1000
  };
  g_autofree char *large = g_strnfill (EVENT_BYTES, 'x');
  EgressJanusHandle *handle;
  Client client;
  guint n = 0;
  Fixture f;

  start (&f, NULL);
  client_connect (&client, &f, EGRESS_JANUS_WS_PROTOCOL);
  client_open (&client, &f);
  handle = janus_session_find (
      egress_janus_lookup (f.janus.core, f.janus.session_id),
      f.janus.handle_id);
  /* nothing is read while the loop does not turn */
  while (janus_metric (&f.janus, "media_tree_janus_websockets_slow_total") == 0
         && n++ < MAX_EVENTS)
    egress_janus_push_event (handle, janus_data (large), NULL, NULL, NULL,
                             FALSE);
  g_assert_cmpuint (n, <=, EGRESS_JANUS_WS_MAX_UNSENT_BYTES / EVENT_BYTES + 1);
  g_assert_nonnull (egress_janus_lookup (f.janus.core, f.janus.session_id));
  egress_janus_ws_expire (f.ws, base_clock_now_us ());
  g_assert_null (egress_janus_lookup (f.janus.core, f.janus.session_id));
  client_wait_closed (&client);
  client_end (&client);
  stop (&f);
}

static void
test_client_bound (void)
{
  Client client, other;
  Fixture f;

  start (&f, NULL);
  egress_janus_ws_set_max_clients (f.ws, 1);
  client_connect (&client, &f, EGRESS_JANUS_WS_PROTOCOL);
  client_connect (&other, &f, EGRESS_JANUS_WS_PROTOCOL);
  client_wait_closed (&other);
  g_assert_cmpint (soup_websocket_connection_get_close_code (other.connection),
                   ==, SOUP_WEBSOCKET_CLOSE_POLICY_VIOLATION);
  g_assert_cmpint (
      janus_metric (&f.janus, "media_tree_janus_websockets_refused_total"), ==,
      1);
  client_ask (&client, &f, "{\"janus\":\"ping\"," T "}",
              "{\"janus\":\"pong\"," T "}");
  client_end (&other);
  client_end (&client);
  while (janus_metric (&f.janus, "media_tree_janus_websockets") > 0)
    g_main_context_iteration (NULL, TRUE);
  stop (&f);
}

static void
test_dead (void)
{
  Client client;
  Fixture f;

  start (&f, NULL);
  client_connect (&client, &f, EGRESS_JANUS_WS_PROTOCOL);
  client_open (&client, &f);
  egress_janus_ws_expire (f.ws, base_clock_now_us ());
  g_assert_nonnull (egress_janus_lookup (f.janus.core, f.janus.session_id));
  egress_janus_ws_expire (f.ws, base_clock_now_us () + EGRESS_JANUS_WS_DEAD_US);
  g_assert_null (egress_janus_lookup (f.janus.core, f.janus.session_id));
  g_assert_cmpint (
      janus_metric (&f.janus, "media_tree_janus_websockets_dead_total"), ==, 1);
  client_wait_closed (&client);
  client_end (&client);
  stop (&f);
}

static void
test_stop (void)
{
  Client client;
  Fixture f;

  start (&f, NULL);
  client_connect (&client, &f, EGRESS_JANUS_WS_PROTOCOL);
  client_open (&client, &f);
  egress_janus_ws_free (g_steal_pointer (&f.ws));
  g_assert_cmpuint (f.janus.n_states, ==, 0);
  client_wait_closed (&client);
  client_end (&client);
  stop (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/egress/janus-ws/protocol", test_protocol);
  g_test_add_func ("/egress/janus-ws/requests", test_requests);
  g_test_add_func ("/egress/janus-ws/ends", test_ends);
  g_test_add_func ("/egress/janus-ws/late-reply", test_late_reply);
  g_test_add_func ("/egress/janus-ws/payload-bound", test_payload_bound);
  g_test_add_func ("/egress/janus-ws/slow-reader", test_slow_reader);
  g_test_add_func ("/egress/janus-ws/client-bound", test_client_bound);
  g_test_add_func ("/egress/janus-ws/dead", test_dead);
  g_test_add_func ("/egress/janus-ws/stop", test_stop);
  return g_test_run ();
}
