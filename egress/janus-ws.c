/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressJanusWs. libsoup keeps all that it is given to send, however long the
 * client does not read. So what is to be sent waits here, and goes over when
 * the socket takes bytes and libsoup, whose source is served first, has none
 * left.
 */
#include "egress/janus-ws.h"

#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "egress/janus-json.h"
#include "egress/log.h"

#define TICK_S 5
#define FLUSH_BYTES (64 * 1024) /* at once */

typedef struct
{
  EgressJanusTransport transport; /* first: it is what the core knows */
  EgressJanusWs *ws; /* borrowed; NULL: closed, replies have nowhere to go */
  guint n_refs;      /* one of the ws, one of each request on its way */
  SoupWebsocketConnection *connection; /* owned */
  GSocket *socket;                     /* owned (nullable) */
  gboolean is_loopback, is_closing;
  GQueue unsent; /* owned: of GBytes */
  gsize n_unsent_bytes;
  GSource *writable; /* owned (nullable): while there is something unsent */
  gint64 heard_us;
  GList link; /* of ws->clients */
} Client;

struct _EgressJanusWs
{
  EgressJanus *core; /* borrowed */
  guint max_clients;
  GQueue clients;                                       /* of Client */
  GSource *tick;                                        /* owned */
  BaseCounter *n_clients, *n_refused, *n_slow, *n_dead; /* borrowed */
};

/* --- Sending
 * -------------------------------------------------------------------- */

static void
client_unref (Client *self)
{
  if (--self->n_refs > 0)
    return;
  g_queue_clear_full (&self->unsent, (GDestroyNotify)g_bytes_unref);
  g_object_unref (self->connection);
  g_clear_object (&self->socket);
  g_free (self);
}

static void
stop_writing (Client *self)
{
  if (!self->writable)
    return;
  g_source_destroy (self->writable);
  g_clear_pointer (&self->writable, g_source_unref);
}

static gboolean
flush (Client *self)
{
  gsize n_bytes = 0;

  if (soup_websocket_connection_get_state (self->connection)
      != SOUP_WEBSOCKET_STATE_OPEN)
    g_queue_clear_full (&self->unsent, (GDestroyNotify)g_bytes_unref);
  while (self->unsent.head && n_bytes < FLUSH_BYTES)
    {
      GBytes *bytes = g_queue_pop_head (&self->unsent);

      n_bytes += g_bytes_get_size (bytes);
      soup_websocket_connection_send_message (self->connection,
                                              SOUP_WEBSOCKET_DATA_TEXT, bytes);
      g_bytes_unref (bytes);
    }
  self->n_unsent_bytes -= MIN (n_bytes, self->n_unsent_bytes);
  if (self->unsent.head)
    return G_SOURCE_CONTINUE;
  stop_writing (self);
  return G_SOURCE_REMOVE;
}

static gboolean
on_writable (GSocket *socket, GIOCondition condition, gpointer data)
{
  return flush (data);
}

static gboolean
on_idle (gpointer data)
{
  return flush (data);
}

static void
start_writing (Client *self)
{
  if (self->writable
      || soup_websocket_connection_get_state (self->connection)
             != SOUP_WEBSOCKET_STATE_OPEN)
    return;
  if (self->socket && !g_socket_is_closed (self->socket))
    {
      self->writable = g_socket_create_source (self->socket, G_IO_OUT, NULL);
      g_source_set_callback (self->writable, G_SOURCE_FUNC (on_writable), self,
                             NULL);
    }
  else
    {
      self->writable = g_idle_source_new ();
      g_source_set_callback (self->writable, on_idle, self, NULL);
    }
  g_source_set_priority (self->writable, G_PRIORITY_DEFAULT + 10);
  g_source_attach (self->writable, NULL);
}

/* @object: (transfer full). Nothing is closed from within: the core may be in
 * the midst of something. */
static void
client_send (Client *self, JsonObject *object)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  char *text;
  GBytes *bytes;

  json_node_take_object (root, object);
  if (!self->ws || self->is_closing)
    return;
  text = json_to_string (root, FALSE);
  bytes = g_bytes_new_take (text, strlen (text));
  self->n_unsent_bytes += g_bytes_get_size (bytes);
  g_queue_push_tail (&self->unsent, bytes);
  if (self->n_unsent_bytes > EGRESS_JANUS_WS_MAX_UNSENT_BYTES)
    {
      base_counter_add (self->ws->n_slow, 1);
      GST_WARNING ("A WebSocket client does not read; it is closed");
      self->is_closing = TRUE; /* by the tick */
    }
  else
    start_writing (self);
}

static void
send_events (Client *self, EgressJanusSession *session)
{
  g_autoptr (GPtrArray) events =
      egress_janus_session_take_events (session, G_MAXUINT);

  for (guint i = 0; i < events->len; i++)
    client_send (self, json_object_ref (events->pdata[i]));
}

static void
on_events (EgressJanusTransport *transport, EgressJanusSession *session)
{
  send_events ((Client *)transport, session);
}

static void
on_session_over (EgressJanusTransport *transport, EgressJanusSession *session)
{
  send_events ((Client *)transport, session);
}

/* --- Receiving
 * ------------------------------------------------------------------- */

static void
on_replied (JsonObject *reply, gpointer data)
{
  Client *self = data;

  client_send (self, reply);
  client_unref (self);
}

static void
on_message (SoupWebsocketConnection *connection, int type, GBytes *message,
            gpointer data)
{
  Client *self = data;
  g_autoptr (JsonObject) request = NULL;
  JsonObject *error = NULL;
  const char *text;
  gsize n_bytes;

  self->heard_us = base_clock_now_us ();
  if (self->is_closing)
    return;
  text = g_bytes_get_data (message, &n_bytes);
  request = egress_janus_json_parse (text ? text : "", n_bytes, &error);
  if (!request)
    {
      client_send (self, error);
      return;
    }
  self->n_refs++;
  egress_janus_request (self->ws->core, &self->transport, 0, 0, request,
                        self->is_loopback, on_replied, self);
}

static void
on_pong (SoupWebsocketConnection *connection, GBytes *message, gpointer data)
{
  ((Client *)data)->heard_us = base_clock_now_us ();
}

/* client_leave: nothing more goes either way */
static void
client_leave (Client *self)
{
  EgressJanusWs *ws = self->ws;

  if (!ws)
    return;
  g_signal_handlers_disconnect_by_data (self->connection, self);
  stop_writing (self);
  g_queue_unlink (&ws->clients, &self->link);
  base_counter_set (ws->n_clients, ws->clients.length);
  egress_janus_transport_gone (ws->core, &self->transport);
  self->ws = NULL;
  client_unref (self);
}

static void
on_closed (SoupWebsocketConnection *connection, gpointer data)
{
  client_leave (data);
}

/* --- Life
 * ------------------------------------------------------------------------- */

/* client_close: who does not read gets no closing handshake */
static void
client_close (Client *self, gushort code, gboolean is_abrupt)
{
  g_autoptr (SoupWebsocketConnection) connection =
      g_object_ref (self->connection);
  g_autoptr (GSocket) socket =
      self->socket ? g_object_ref (self->socket) : NULL;

  client_leave (self);
  if (soup_websocket_connection_get_state (connection)
      == SOUP_WEBSOCKET_STATE_OPEN)
    soup_websocket_connection_close (connection, code, NULL);
  if (is_abrupt && socket)
    g_socket_shutdown (socket, TRUE, TRUE, NULL);
}

void
egress_janus_ws_expire (EgressJanusWs *self, gint64 now_us)
{
  GList *next;

  g_return_if_fail (self);

  for (GList *l = self->clients.head; l; l = next)
    {
      Client *client = l->data;

      next = l->next;
      if (client->is_closing)
        client_close (client, SOUP_WEBSOCKET_CLOSE_POLICY_VIOLATION, TRUE);
      else if (now_us - client->heard_us >= EGRESS_JANUS_WS_DEAD_US)
        {
          base_counter_add (self->n_dead, 1);
          client_close (client, SOUP_WEBSOCKET_CLOSE_GOING_AWAY, TRUE);
        }
    }
}

void
egress_janus_ws_take (EgressJanusWs *self, SoupServerMessage *msg,
                      SoupWebsocketConnection *connection)
{
  GSocket *socket = base_http_get_socket (msg);
  Client *client;

  g_return_if_fail (self && connection);

  if (self->clients.length >= self->max_clients)
    {
      base_counter_add (self->n_refused, 1);
      soup_websocket_connection_close (connection,
                                       SOUP_WEBSOCKET_CLOSE_POLICY_VIOLATION,
                                       "Too many WebSockets");
      return;
    }
  client = g_new0 (Client, 1);
  client->transport.name = "janus.transport.websockets";
  client->transport.on_events = on_events;
  client->transport.on_session_over = on_session_over;
  client->ws = self;
  client->n_refs = 1;
  client->connection = g_object_ref (connection);
  client->socket = socket ? g_object_ref (socket) : NULL;
  client->is_loopback = base_http_peer_is_loopback (msg);
  client->heard_us = base_clock_now_us ();
  client->link.data = client;
  g_queue_push_tail_link (&self->clients, &client->link);
  base_counter_set (self->n_clients, self->clients.length);
  soup_websocket_connection_set_max_incoming_payload_size (
      connection, EGRESS_JANUS_MAX_BODY_BYTES);
  soup_websocket_connection_set_keepalive_interval (connection,
                                                    EGRESS_JANUS_WS_PING_S);
  g_signal_connect (connection, "message", G_CALLBACK (on_message), client);
  g_signal_connect (connection, "pong", G_CALLBACK (on_pong), client);
  g_signal_connect (connection, "closed", G_CALLBACK (on_closed), client);
}

/* --- Upgrades --------------------------------------------------------------
 */

/* is_ours: libsoup upgrades who names no protocol at all */
static gboolean
is_ours (SoupServerMessage *msg)
{
  const char *asked = soup_message_headers_get_list (
      soup_server_message_get_request_headers (msg), "Sec-WebSocket-Protocol");
  GSList *list = asked ? soup_header_parse_list (asked) : NULL;
  gboolean is_ours = FALSE;

  for (GSList *l = list; l; l = l->next)
    is_ours |= g_str_equal (l->data, EGRESS_JANUS_WS_PROTOCOL);
  soup_header_free_list (list);
  return is_ours;
}

static void
on_headers (SoupServer *server, SoupServerMessage *msg, const char *path,
            GHashTable *query, gpointer data)
{
  if (!is_ours (msg))
    base_http_problem (
        msg, SOUP_STATUS_BAD_REQUEST, "websocket-protocol-missing",
        "This is a WebSocket of the protocol " EGRESS_JANUS_WS_PROTOCOL ".");
}

static void
on_websocket (SoupServer *server, SoupServerMessage *msg, const char *path,
              SoupWebsocketConnection *connection, gpointer data)
{
  egress_janus_ws_take (data, msg, connection);
}

void
egress_janus_ws_serve (EgressJanusWs *self, SoupServer *server,
                       const char *path)
{
  static char *protocols[] = { (char *)EGRESS_JANUS_WS_PROTOCOL, NULL };

  g_return_if_fail (self && server && path);
  soup_server_add_early_handler (server, path, on_headers, self, NULL);
  soup_server_add_websocket_handler (server, path, NULL, protocols,
                                     on_websocket, self, NULL);
}

static gboolean
on_tick (gpointer data)
{
  egress_janus_ws_expire (data, base_clock_now_us ());
  return G_SOURCE_CONTINUE;
}

EgressJanusWs *
egress_janus_ws_new (EgressJanus *core, BaseMetrics *metrics)
{
  EgressJanusWs *self;

  g_return_val_if_fail (core, NULL);

  self = g_new0 (EgressJanusWs, 1);
  self->core = core;
  self->max_clients = EGRESS_JANUS_WS_MAX_CLIENTS;
  if (metrics)
    {
      self->n_clients =
          base_metrics_add_gauge (metrics, "media_tree_janus_websockets", NULL,
                                  "WebSockets of the Janus API.");
      self->n_refused = base_metrics_add_counter (
          metrics, "media_tree_janus_websockets_refused_total", NULL,
          "WebSockets that were closed because there are too many.");
      self->n_slow = base_metrics_add_counter (
          metrics, "media_tree_janus_websockets_slow_total", NULL,
          "WebSockets that were closed because their client did not read.");
      self->n_dead = base_metrics_add_counter (
          metrics, "media_tree_janus_websockets_dead_total", NULL,
          "WebSockets that were closed because nothing was heard of them.");
    }
  self->tick = g_timeout_source_new_seconds (TICK_S);
  g_source_set_callback (self->tick, on_tick, self, NULL);
  g_source_attach (self->tick, NULL);
  return self;
}

void
egress_janus_ws_set_max_clients (EgressJanusWs *self, guint max_clients)
{
  g_return_if_fail (self);
  self->max_clients = max_clients;
}

void
egress_janus_ws_free (EgressJanusWs *self)
{
  g_return_if_fail (self);

  while (self->clients.head)
    client_close (self->clients.head->data, SOUP_WEBSOCKET_CLOSE_GOING_AWAY,
                  FALSE);
  g_source_destroy (self->tick);
  g_source_unref (self->tick);
  g_free (self);
}
