/* SPDX-License-Identifier: Apache-2.0 */
/* node/server: listens, and routes requests to the rooms. */
#include "node/server.h"

#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "node/admission.h"
#include "node/autoscaling.h"
#include "node/discovery.h"
#include "node/drain.h"
#include "node/guard.h"
#include "node/janus.h"
#include "node/listener.h"
#include "node/load.h"
#include "node/log.h"
#include "node/monitor.h"
#include "node/pages.h"
#include "node/sessions.h"
#include "node/trace.h"
#include "node/tree.h"
#include "node/workers.h"

G_DEFINE_QUARK (node - server - error - quark, node_server_error)

struct _NodeServer
{
  const NodeParts *parts;       /* borrowed */
  SoupServer *soup;             /* owned */
  GPtrArray *listeners;         /* owned: of NodeListener */
  BaseCounter *n_failed;        /* borrowed */
  NodeGuard *guard;             /* owned */
  NodePages *pages;             /* owned */
  NodeStreams *streams;         /* owned */
  NodeSessions *sessions;       /* owned (nullable): no viewers here */
  NodeWorkers *workers;         /* owned */
  NodeTree *tree;               /* owned */
  NodeDiscovery *discovery;     /* owned */
  NodeAutoscaling *autoscaling; /* owned */
  GSource *timer;               /* owned: once a second */
  char *url;                    /* owned (nullable): after listen() */
};

/* --- Routes ----------------------------------------------------------- */

static void
route_whip (NodeServer *self, SoupServerMessage *msg, const char *path)
{
  if (self->parts->whip)
    whip_endpoint_handle (self->parts->whip, msg, path);
  else if (!node_admission_handle (self->parts->admission, BASE_AUTH_PUBLISH,
                                   msg, path))
    base_http_problem (msg, SOUP_STATUS_NOT_FOUND, "role-missing",
                       "This node takes no publishers: it runs without the "
                       "role injection.");
}

/* may_watch: the pin of a mountpoint, where a viewer comes in; answers @msg
 * when it is not his */
static gboolean
may_watch (NodeServer *self, SoupServerMessage *msg, const char *path)
{
  const char *stream = path + strlen ("/whep/");

  return !self->parts->janus || !g_str_has_prefix (path, "/whep/")
         || !g_str_equal (soup_server_message_get_method (msg), "POST")
         || strchr (stream, '/')
         || node_janus_check_pin (self->parts->janus, stream, msg);
}

static void
route_whep (NodeServer *self, SoupServerMessage *msg, const char *path)
{
  if (!may_watch (self, msg, path))
    return;
  if (self->parts->whep)
    egress_whep_handle (self->parts->whep, msg, path);
  else if (!node_admission_handle (self->parts->admission, BASE_AUTH_WATCH, msg,
                                   path))
    base_http_problem (msg, SOUP_STATUS_NOT_FOUND, "role-missing",
                       "This node serves no viewers: it runs without the "
                       "role egress.");
}

static void
route_janus (NodeServer *self, SoupServerMessage *msg, const char *path)
{
  if (self->parts->janus)
    node_janus_handle (self->parts->janus, msg, path);
  else
    base_http_problem (msg, SOUP_STATUS_NOT_FOUND, "role-missing",
                       "This node has no Janus API: it runs without the roles "
                       "injection and egress.");
}

static void
route_streams (NodeServer *self, SoupServerMessage *msg, const char *path)
{
  if (node_trace_is_path (path))
    node_trace_handle (self->parts, msg, path);
  else
    node_streams_handle (self->streams, msg, path);
}

static void
route_sessions (NodeServer *self, SoupServerMessage *msg, const char *path)
{
  node_trace_handle (self->parts, msg, path);
}

static void
route_tree (NodeServer *self, SoupServerMessage *msg, const char *path)
{
  node_tree_handle (self->tree, msg, path);
}

static void
route_discovery (NodeServer *self, SoupServerMessage *msg, const char *path)
{
  node_discovery_handle (self->discovery, msg, path);
}

static void
route_autoscaling (NodeServer *self, SoupServerMessage *msg, const char *path)
{
  node_autoscaling_handle (self->autoscaling, msg, path);
}

static void
route_drain (NodeServer *self, SoupServerMessage *msg, const char *path)
{
  node_drain_handle (self->parts->drain, msg, path);
}

typedef struct
{
  const char *prefix; /* itself, or followed by a slash */
  void (*handle) (NodeServer *self, SoupServerMessage *msg, const char *path);
} Route;

static const Route routes[] = {
  { "/whip", route_whip },
  { "/whep", route_whep },
  { "/api/streams", route_streams },
  { "/api/nodes", route_tree },
  { "/api/sessions", route_sessions },
  { "/api/tree", route_tree },
  { "/janus", route_janus },
  { "/admin", route_janus },
  { "/sd", route_discovery },
  { "/api/drain", route_drain },
  { "/api/autoscaling", route_autoscaling },
};

static const Route *
find_route (const char *path)
{
  for (guint i = 0; i < G_N_ELEMENTS (routes); i++)
    {
      gsize n_chars = strlen (routes[i].prefix);

      if (strncmp (path, routes[i].prefix, n_chars) == 0
          && (path[n_chars] == '\0' || path[n_chars] == '/'))
        return &routes[i];
    }
  return NULL;
}

static void
on_request (SoupServer *soup, SoupServerMessage *msg, const char *path,
            GHashTable *query, gpointer data)
{
  NodeServer *self = data;
  const Route *route = find_route (path);

  soup_message_headers_replace (soup_server_message_get_response_headers (msg),
                                "X-Content-Type-Options", "nosniff");
  /* libsoup closes connections that came by node/listener after one reply (by
   * its own listener they leak, when a client leaves between two requests):
   * clients are told, so that none sends a request into it. */
  if (soup_server_message_get_http_version (msg) != SOUP_HTTP_2_0)
    soup_message_headers_replace (
        soup_server_message_get_response_headers (msg), "Connection", "close");
  if (node_guard_is_too_large (self->guard, msg))
    base_http_problem (msg, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE,
                       "body-too-large", "The body is larger than %d bytes.",
                       NODE_MAX_BODY_BYTES);
  else if (route)
    route->handle (self, msg, path);
  else if (!node_state_handle (self->parts, self->streams, msg, path)
           && !node_pages_handle (self->pages, msg, path))
    base_http_problem (msg, SOUP_STATUS_NOT_FOUND, "not-found",
                       "There is nothing at this address.");
}

/* --- TLS and listening ------------------------------------------------- */

/* load_certificate: (transfer full) (nullable): NULL without error: no TLS */
static GTlsCertificate *
load_certificate (NodeServer *self, GError **error)
{
  BaseSettings *settings = self->parts->settings;
  const char *certificate = base_settings_get_string (settings, "tls-cert");
  const char *key = base_settings_get_string (settings, "tls-key");
  g_autoptr (GError) reason = NULL;
  GTlsCertificate *loaded;

  if (!certificate)
    return NULL;
  loaded = g_tls_certificate_new_from_files (certificate, key, &reason);
  if (!loaded)
    g_set_error (error, NODE_SERVER_ERROR, NODE_SERVER_ERROR_TLS,
                 "tls-cert, tls-key: %s and %s cannot be used: %s", certificate,
                 key, reason->message);
  return loaded;
}

gboolean
node_server_reload_tls (NodeServer *self, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autoptr (GTlsCertificate) certificate = load_certificate (self, &reason);

  if (reason)
    {
      g_propagate_error (error, g_steal_pointer (&reason));
      return FALSE;
    }
  if (certificate)
    soup_server_set_tls_certificate (self->soup, certificate);
  return TRUE;
}

static void
set_bind_error (GSocketAddress *address, const GError *reason, GError **error)
{
  g_autofree char *name =
      g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (address));
  const char *advice = "check --http-listen";

  if (g_error_matches (reason, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE))
    advice = "another program has it: end that one, or choose another with "
             "--http-listen";
  else if (g_error_matches (reason, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED))
    advice = "ports below 1024 need a privilege: choose a higher one with "
             "--http-listen";
  g_set_error (error, NODE_SERVER_ERROR, NODE_SERVER_ERROR_BIND,
               "cannot listen for HTTP on TCP %s: %s; %s", name,
               reason->message, advice);
}

static gboolean
listen_on (NodeServer *self, GSocketAddress *address, GError **error)
{
  gboolean use_tls =
      base_settings_get_string (self->parts->settings, "tls-cert") != NULL;
  g_autoptr (GError) reason = NULL;
  NodeListener *listener =
      node_listener_new (self->soup, address, use_tls, self->n_failed, &reason);

  if (!listener
      && g_inet_address_get_is_any (
          g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address)))
      && !g_error_matches (reason, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE))
    {
      /* "*" on a host without IPv6 */
      g_autoptr (GSocketAddress) any = g_inet_socket_address_new_from_string (
          "0.0.0.0",
          g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)));

      g_clear_error (&reason);
      listener =
          node_listener_new (self->soup, any, use_tls, self->n_failed, &reason);
    }
  if (!listener)
    {
      set_bind_error (address, reason, error);
      return FALSE;
    }
  g_ptr_array_add (self->listeners, listener);
  return TRUE;
}

gboolean
node_server_listen (NodeServer *self, GError **error)
{
  GPtrArray *addresses = self->parts->options->listen;

  for (guint i = 0; i < addresses->len; i++)
    if (!listen_on (self, g_ptr_array_index (addresses, i), error))
      return FALSE;
  self->url = self->parts->options->public_url
                  ? g_strdup (self->parts->options->public_url)
                  : node_listener_dup_url (self->listeners->pdata[0]);
  return TRUE;
}

void
node_server_stop_listening (NodeServer *self)
{
  g_ptr_array_set_size (self->listeners, 0);
}

const char *
node_server_get_url (NodeServer *self)
{
  return self->url ? self->url : "";
}

JsonNode *
node_server_describe (NodeServer *self)
{
  return node_state_describe (self->parts, self->streams);
}

/* --- Life ------------------------------------------------------------- */

static gboolean
on_second (gpointer data)
{
  NodeServer *self = data;
  gint64 now_us = base_clock_now_us ();

  node_guard_expire (self->guard, now_us);
  node_streams_sample (self->streams, now_us);
  if (self->sessions)
    node_sessions_sample (self->sessions, now_us);
  node_workers_sample (self->workers, now_us);
  node_monitor_sample (self->parts->monitor, now_us);
  node_drain_tick (self->parts->drain, now_us);
  return G_SOURCE_CONTINUE;
}

NodeServer *
node_server_new (const NodeParts *parts, GError **error)
{
  g_autoptr (NodeServer) self = g_new0 (NodeServer, 1);

  self->parts = parts;
  self->soup = soup_server_new ("server-header", "media-tree", NULL);
  if (!node_server_reload_tls (self, error))
    return NULL;
  self->listeners =
      g_ptr_array_new_with_free_func ((GDestroyNotify)node_listener_free);
  self->n_failed = base_metrics_add_counter (
      parts->metrics, "media_tree_http_accept_failures_total", NULL,
      "HTTP connections that could not be accepted.");
  self->guard = node_guard_new (
      self->soup,
      (guint)base_settings_get_int (parts->settings, "max-connections"),
      parts->metrics);
  self->pages = node_pages_new (parts->options->has_cluster);
  self->streams = node_streams_new (parts);
  if (parts->gate)
    self->sessions = node_sessions_new (parts->hub, parts->metrics,
                                        NODE_METRICS_MAX_STREAMS);
  node_load_set_sessions (parts->load, self->sessions);
  self->workers =
      node_workers_new (parts->workers, parts->n_workers, parts->metrics);
  self->tree = node_tree_new (parts);
  self->discovery = node_discovery_new (parts);
  self->autoscaling = node_autoscaling_new (parts);
  node_state_register_metrics (parts);
  soup_server_add_handler (self->soup, NULL, on_request, self, NULL);
  if (parts->janus)
    node_janus_add_websocket (parts->janus, self->soup);
  self->timer = g_timeout_source_new_seconds (1);
  g_source_set_callback (self->timer, on_second, self, NULL);
  g_source_attach (self->timer, NULL);
  return g_steal_pointer (&self);
}

void
node_server_free (NodeServer *self)
{
  g_return_if_fail (self);
  if (self->timer)
    g_source_destroy (self->timer);
  g_clear_pointer (&self->timer, g_source_unref);
  g_clear_pointer (&self->listeners, g_ptr_array_unref);
  if (self->guard)
    node_guard_close_all (self->guard);
  g_clear_pointer (&self->guard, node_guard_free);
  soup_server_remove_handler (self->soup, NULL);
  g_clear_object (&self->soup);
  g_clear_pointer (&self->discovery, node_discovery_free);
  g_clear_pointer (&self->autoscaling, node_autoscaling_free);
  g_clear_pointer (&self->tree, node_tree_free);
  node_load_set_sessions (self->parts->load, NULL);
  g_clear_pointer (&self->workers, node_workers_free);
  g_clear_pointer (&self->sessions, node_sessions_free);
  g_clear_pointer (&self->streams, node_streams_free);
  g_clear_pointer (&self->pages, node_pages_free);
  g_free (self->url);
  g_free (self);
}
