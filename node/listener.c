/* SPDX-License-Identifier: Apache-2.0 */
/* node/listener: accepts HTTP connections. */
#include "node/listener.h"

#include "base/http.h"
#include "node/log.h"

#define BACKLOG 1024
#define MAX_ACCEPTS_PER_TURN 64
#define PAUSE_MS 200 /* after a failure: no descriptors, most likely */

struct _NodeListener
{
  SoupServer *soup; /* owned */
  GSocket *socket;  /* owned */
  gboolean use_tls;
  BaseCounter *n_failed; /* borrowed, nullable */
  GSource *watch;        /* owned: accepts, or waits to go on */
};

static void listener_watch (NodeListener *self);

static void
set_watch (NodeListener *self, GSource *source, GSourceFunc func)
{
  if (self->watch)
    {
      g_source_destroy (self->watch);
      g_source_unref (self->watch);
    }
  self->watch = source;
  g_source_set_callback (source, func, self, NULL);
  g_source_attach (source, NULL);
}

static gboolean
on_pause_over (gpointer data)
{
  listener_watch (data);
  return G_SOURCE_REMOVE;
}

/* hand_over: @accepted: becomes a connection of libsoup's */
static gboolean
hand_over (NodeListener *self, GSocket *accepted, GError **error)
{
  g_autoptr (GSocketConnection) tcp =
      g_socket_connection_factory_create_connection (accepted);
  g_autoptr (GSocketAddress) local =
      g_socket_get_local_address (accepted, error);
  g_autoptr (GSocketAddress) remote = NULL;
  g_autoptr (GIOStream) stream = NULL;

  if (!local || !(remote = g_socket_get_remote_address (accepted, error)))
    return FALSE;
  /* libsoup gives this very address object back with each request */
  g_object_set_data_full (G_OBJECT (remote), BASE_HTTP_SOCKET_KEY,
                          g_object_ref (accepted), g_object_unref);
  if (self->use_tls)
    stream = g_tls_server_connection_new (
        G_IO_STREAM (tcp), soup_server_get_tls_certificate (self->soup), error);
  else
    stream = g_object_ref (G_IO_STREAM (tcp));
  return stream
         && soup_server_accept_iostream (self->soup, stream, local, remote,
                                         error);
}

static gboolean
on_incoming (GSocket *socket, GIOCondition condition, gpointer data)
{
  NodeListener *self = data;

  for (guint i = 0; i < MAX_ACCEPTS_PER_TURN; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GSocket) accepted = g_socket_accept (socket, NULL, &error);

      if (accepted && hand_over (self, accepted, &error))
        continue;
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        return G_SOURCE_CONTINUE;
      base_counter_add (self->n_failed, 1);
      GST_WARNING ("an HTTP connection could not be accepted: %s",
                   error->message);
      if (accepted)
        continue; /* its client has gone again */
      set_watch (self, g_timeout_source_new (PAUSE_MS), on_pause_over);
      return G_SOURCE_REMOVE;
    }
  return G_SOURCE_CONTINUE;
}

static void
listener_watch (NodeListener *self)
{
  set_watch (self, g_socket_create_source (self->socket, G_IO_IN, NULL),
             G_SOURCE_FUNC (on_incoming));
}

NodeListener *
node_listener_new (SoupServer *soup, GSocketAddress *address, gboolean use_tls,
                   BaseCounter *n_failed, GError **error)
{
  g_autoptr (GSocket) socket =
      g_socket_new (g_socket_address_get_family (address), G_SOCKET_TYPE_STREAM,
                    G_SOCKET_PROTOCOL_TCP, error);
  NodeListener *self;

  if (!socket)
    return NULL;
  g_socket_set_blocking (socket, FALSE);
  g_socket_set_listen_backlog (socket, BACKLOG);
  if (!g_socket_bind (socket, address, TRUE, error)
      || !g_socket_listen (socket, error))
    return NULL;
  self = g_new0 (NodeListener, 1);
  self->soup = g_object_ref (soup);
  self->socket = g_steal_pointer (&socket);
  self->use_tls = use_tls;
  self->n_failed = n_failed;
  listener_watch (self);
  return self;
}

void
node_listener_free (NodeListener *self)
{
  g_return_if_fail (self);
  g_source_destroy (self->watch);
  g_source_unref (self->watch);
  g_socket_close (self->socket, NULL);
  g_object_unref (self->socket);
  g_object_unref (self->soup);
  g_free (self);
}

char *
node_listener_dup_url (NodeListener *self)
{
  g_autoptr (GSocketAddress) bound =
      g_socket_get_local_address (self->socket, NULL);
  GInetSocketAddress *inet = G_INET_SOCKET_ADDRESS (bound);
  GInetAddress *ip = g_inet_socket_address_get_address (inet);
  g_autofree char *host = g_inet_address_to_string (ip);
  gboolean is_any = g_inet_address_get_is_any (ip);

  return g_strdup_printf (
      strchr (host, ':') && !is_any ? "%s://[%s]:%u" : "%s://%s:%u",
      self->use_tls ? "https" : "http", is_any ? "127.0.0.1" : host,
      g_inet_socket_address_get_port (inet));
}

GSocket *
node_listener_get_socket (SoupServerMessage *msg)
{
  return base_http_get_socket (msg);
}
