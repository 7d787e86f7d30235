/* SPDX-License-Identifier: Apache-2.0 */
/* node/guard: limits on HTTP connections. */
#include "node/guard.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "node/listener.h"
#include "node/log.h"

typedef struct
{
  NodeGuard *guard; /* borrowed: owns us */
  GSocket *socket;  /* owned (nullable) */
  gint64 since_us;  /* when the connection began to wait for this request */
  gint64 read_us;   /* when the request was complete; 0 = it is not */
  gsize n_body_bytes;
  guint shut_id;         /* source that shuts it down soon */
  gboolean is_read;      /* the request is complete */
  gboolean is_too_large; /* its body was cut */
} Connection;

struct _NodeGuard
{
  SoupServer *server; /* owned */
  guint max_connections;
  GHashTable *connections; /* owned: SoupServerMessage -> Connection */
  BaseCounter *n_connections, *n_refused, *n_timeouts; /* borrowed */
  BaseCounter *n_replies[6]; /* borrowed: by the status's first digit */
  BaseHistogram *seconds;    /* borrowed */
};

static void
connection_free (gpointer data)
{
  Connection *connection = data;

  if (connection->shut_id)
    g_source_remove (connection->shut_id);
  g_clear_object (&connection->socket);
  g_free (connection);
}

static void
connection_shut (Connection *connection)
{
  if (connection->socket)
    g_socket_shutdown (connection->socket, TRUE, TRUE, NULL);
}

/* connection_reset: for who sends on and on: after a shutdown the kernel would
 * still take what comes */
static void
connection_reset (Connection *connection)
{
  const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

  if (connection->socket)
    connect (g_socket_get_fd (connection->socket), &nobody, sizeof nobody);
}

static gboolean
on_shut (gpointer data)
{
  Connection *connection = data;

  connection->shut_id = 0;
  connection_shut (connection);
  return G_SOURCE_REMOVE;
}

/* on_message_gone: libsoup drops some messages without a signal: those of
 * connections that end while they are being set up */
static void
on_message_gone (gpointer data, GObject *msg)
{
  NodeGuard *self = data;

  g_hash_table_remove (self->connections, msg);
  base_counter_set (self->n_connections, g_hash_table_size (self->connections));
}

static void
on_got_chunk (SoupServerMessage *msg, GBytes *chunk, gpointer data)
{
  Connection *connection = data;

  connection->n_body_bytes += g_bytes_get_size (chunk);
  if (connection->n_body_bytes <= NODE_MAX_BODY_BYTES)
    return;
  if (!connection->is_too_large)
    {
      SoupMessageBody *body = soup_server_message_get_request_body (msg);

      connection->is_too_large = TRUE;
      soup_message_body_set_accumulate (body, FALSE);
      soup_message_body_truncate (body);
    }
  /* The answer comes after the body, so that the client reads it; who sends
   * on and on will not. */
  if (connection->n_body_bytes > 16 * NODE_MAX_BODY_BYTES)
    connection_reset (connection);
}

static void
set_socket_options (GSocket *socket)
{
  g_socket_set_keepalive (socket, TRUE);
  /* a reply's body is not to wait until its headers are acknowledged */
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_KEEPIDLE, 60, NULL);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_KEEPINTVL, 15, NULL);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_KEEPCNT, 4, NULL);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_USER_TIMEOUT,
                       NODE_REPLY_TIMEOUT_MS, NULL);
}

/* on_request_started: libsoup makes the message of a connection's next
 * request as soon as the connection is there or free again */
static void
on_request_started (SoupServer *server, SoupServerMessage *msg, gpointer data)
{
  NodeGuard *self = data;
  Connection *connection = g_new0 (Connection, 1);
  GSocket *socket = node_listener_get_socket (msg);

  connection->guard = self;
  connection->socket = socket ? g_object_ref (socket) : NULL;
  connection->since_us = base_clock_now_us ();
  g_hash_table_replace (self->connections, msg, connection);
  g_object_weak_ref (G_OBJECT (msg), on_message_gone, self);
  base_counter_set (self->n_connections, g_hash_table_size (self->connections));
  if (socket)
    set_socket_options (socket);
  if (g_hash_table_size (self->connections) > self->max_connections)
    {
      base_counter_add (self->n_refused, 1);
      connection->is_read = TRUE;
      /* not now: libsoup has yet to ask who is there */
      connection->shut_id = g_idle_add (on_shut, connection);
      return;
    }
  g_signal_connect (msg, "got-chunk", G_CALLBACK (on_got_chunk), connection);
}

static void
on_request_read (SoupServer *server, SoupServerMessage *msg, gpointer data)
{
  NodeGuard *self = data;
  Connection *connection = g_hash_table_lookup (self->connections, msg);

  if (!connection)
    return;
  connection->is_read = TRUE;
  connection->read_us = base_clock_now_us ();
}

static void
forget (NodeGuard *self, SoupServerMessage *msg)
{
  Connection *connection = g_hash_table_lookup (self->connections, msg);

  if (!connection)
    return;
  g_signal_handlers_disconnect_by_data (msg, connection);
  g_object_weak_unref (G_OBJECT (msg), on_message_gone, self);
  g_hash_table_remove (self->connections, msg);
  base_counter_set (self->n_connections, g_hash_table_size (self->connections));
}

/* observe: how long the answer took. Those that wait for something to tell
 * say nothing about us: long polls of the Janus API, events. */
static void
observe (NodeGuard *self, SoupServerMessage *msg)
{
  Connection *connection = g_hash_table_lookup (self->connections, msg);
  const char *path = g_uri_get_path (soup_server_message_get_uri (msg));
  const char *type = soup_message_headers_get_content_type (
      soup_server_message_get_response_headers (msg), NULL);
  gboolean is_poll = g_str_equal (soup_server_message_get_method (msg), "GET")
                     && g_str_has_prefix (path, "/janus/");

  if (connection && connection->read_us && !is_poll
      && g_strcmp0 (type, "text/event-stream") != 0)
    base_histogram_observe (self->seconds,
                            (double)(base_clock_now_us () - connection->read_us)
                                / BASE_US_PER_S);
}

static void
on_request_finished (SoupServer *server, SoupServerMessage *msg, gpointer data)
{
  NodeGuard *self = data;
  guint digit = soup_server_message_get_status (msg) / 100;

  if (digit < G_N_ELEMENTS (self->n_replies))
    base_counter_add (self->n_replies[digit], 1);
  observe (self, msg);
  forget (self, msg);
}

static void
on_request_aborted (SoupServer *server, SoupServerMessage *msg, gpointer data)
{
  forget (data, msg);
}

static void
add_metrics (NodeGuard *self, BaseMetrics *metrics)
{
  static const double bounds[] = { 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                                   0.1,   0.2,   0.5,   1,    5 };

  self->n_connections = base_metrics_add_gauge (
      metrics, "media_tree_http_connections", NULL, "HTTP connections.");
  self->n_refused = base_metrics_add_counter (
      metrics, "media_tree_http_connections_refused_total", NULL,
      "HTTP connections closed because there were too many.");
  self->n_timeouts = base_metrics_add_counter (
      metrics, "media_tree_http_timeouts_total", NULL,
      "HTTP connections closed because no request came in time.");
  self->seconds = base_metrics_add_histogram (
      metrics, "media_tree_http_request_seconds", NULL,
      "From a request to the end of its answer, long polls and events left "
      "out.",
      bounds, G_N_ELEMENTS (bounds));
  for (guint i = 2; i < G_N_ELEMENTS (self->n_replies); i++)
    {
      char label[16];

      g_snprintf (label, sizeof label, "code=\"%uxx\"", i);
      self->n_replies[i] =
          base_metrics_add_counter (metrics, "media_tree_http_requests_total",
                                    label, "HTTP requests by kind of answer.");
    }
}

NodeGuard *
node_guard_new (SoupServer *server, guint max_connections, BaseMetrics *metrics)
{
  NodeGuard *self = g_new0 (NodeGuard, 1);

  self->server = g_object_ref (server);
  self->max_connections = max_connections;
  self->connections = g_hash_table_new_full (NULL, NULL, NULL, connection_free);
  add_metrics (self, metrics);
  g_signal_connect (server, "request-started", G_CALLBACK (on_request_started),
                    self);
  g_signal_connect (server, "request-read", G_CALLBACK (on_request_read), self);
  g_signal_connect (server, "request-finished",
                    G_CALLBACK (on_request_finished), self);
  g_signal_connect (server, "request-aborted", G_CALLBACK (on_request_aborted),
                    self);
  return self;
}

void
node_guard_free (NodeGuard *self)
{
  GHashTableIter iter;
  gpointer msg, connection;

  g_return_if_fail (self);
  g_signal_handlers_disconnect_by_data (self->server, self);
  g_hash_table_iter_init (&iter, self->connections);
  while (g_hash_table_iter_next (&iter, &msg, &connection))
    {
      g_signal_handlers_disconnect_by_data (msg, connection);
      g_object_weak_unref (G_OBJECT (msg), on_message_gone, self);
    }
  g_hash_table_unref (self->connections);
  g_object_unref (self->server);
  g_free (self);
}

guint
node_guard_get_n_connections (NodeGuard *self)
{
  return g_hash_table_size (self->connections);
}

gboolean
node_guard_is_too_large (NodeGuard *self, SoupServerMessage *msg)
{
  Connection *connection = g_hash_table_lookup (self->connections, msg);

  return connection && connection->is_too_large;
}

void
node_guard_expire (NodeGuard *self, gint64 now_us)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->connections);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Connection *connection = value;

      if (connection->is_read
          || now_us - connection->since_us < NODE_REQUEST_TIMEOUT_US)
        continue;
      connection->is_read = TRUE; /* once */
      base_counter_add (self->n_timeouts, 1);
      GST_DEBUG ("HTTP connection closed: no request in time");
      connection_shut (connection);
    }
}

void
node_guard_close_all (NodeGuard *self)
{
  GHashTableIter iter;
  gpointer connection;

  g_hash_table_iter_init (&iter, self->connections);
  while (g_hash_table_iter_next (&iter, NULL, &connection))
    connection_shut (connection);
}
