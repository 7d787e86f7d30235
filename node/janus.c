/* SPDX-License-Identifier: Apache-2.0 */
/* NodeJanus: see janus.h. */
#include "node/janus.h"

#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "egress/janus-http.h"
#include "egress/janus-ws.h"
#include "egress/streaming.h"
#include "node/admission.h"
#include "node/mountpoints.h"

#define WEBSOCKET_PATH "/janus/ws"

struct _NodeJanus
{
  const NodeParts *parts;      /* borrowed */
  NodeMountpoints *node;       /* owned */
  EgressMountpoints *registry; /* owned; NULL after stop(), as are the rest */
  EgressStreaming *streaming;  /* owned */
  EgressJanus *core;           /* owned */
  EgressJanusHttp *http;       /* owned */
  EgressJanusWs *ws;           /* owned */
  SoupServer *server;          /* owned, nullable: has our handler */
};

/* --- life --------------------------------------------------------------- */

static gboolean
is_accepting (gpointer data)
{
  const NodeJanus *self = data;

  return self->parts->is_ready
         && !node_admission_is_closed (self->parts->admission);
}

static void
make_registry (NodeJanus *self)
{
  const NodeParts *parts = self->parts;
  BaseSettings *settings = parts->settings;
  EgressMountpointsConfig config = {
    .gate = parts->gate,
    .hub = parts->hub,
    .metrics = parts->metrics,
    .string_ids = base_settings_get_bool (settings, "janus-string-ids"),
    .admin_key = base_settings_get_string (settings, "janus-admin-key"),
    .node_id = parts->options->node_id,
    .can_open = (parts->options->roles & NODE_ROLE_INJECTION) != 0,
    .recording_dir = base_settings_get_string (settings, "recording-dir"),
  };

  self->node = node_mountpoints_new (parts);
  node_mountpoints_fill_hooks (self->node, &config.hooks);
  self->registry = egress_mountpoints_new (&config);
}

static guint
get_seconds (BaseSettings *settings, const char *key)
{
  return (guint)(base_settings_get_duration_us (settings, key) / BASE_US_PER_S);
}

static void
make_core (NodeJanus *self)
{
  const NodeParts *parts = self->parts;
  BaseSettings *settings = parts->settings;
  EgressJanusConfig config = {
    .auth = parts->auth,
    .metrics = parts->metrics,
    .server_name = parts->options->node_id,
    .api_secret = base_settings_get_string (settings, "janus-api-secret"),
    .admin_secret = base_settings_get_string (settings, "janus-admin-secret"),
    .token_auth = base_settings_get_bool (settings, "janus-token-auth"),
    .session_timeout_s = get_seconds (settings, "janus-session-timeout"),
    .reclaim_timeout_s =
        get_seconds (settings, "janus-reclaim-session-timeout"),
    .max_sessions =
        (guint)base_settings_get_int (settings, "janus-max-sessions"),
    .slow_link_threshold =
        (guint)base_settings_get_int (settings, "janus-slow-link-threshold"),
    .is_accepting = is_accepting,
    .data = self,
  };

  self->core = egress_janus_new (&config);
  egress_janus_set_plugin (self->core,
                           egress_streaming_get_plugin (self->streaming));
  self->http = egress_janus_http_new (self->core, parts->metrics);
  self->ws = egress_janus_ws_new (self->core, parts->metrics);
}

NodeJanus *
node_janus_new (const NodeParts *parts, const EgressPeerConfig *peer)
{
  NodeJanus *self = g_new0 (NodeJanus, 1);

  self->parts = parts;
  make_registry (self);
  self->streaming = egress_streaming_new (self->registry, peer, parts->auth);
  make_core (self);
  return self;
}

void
node_janus_start (NodeJanus *self)
{
  node_mountpoints_start (self->node, self->registry);
}

void
node_janus_leave (NodeJanus *self)
{
  node_mountpoints_leave (self->node);
}

void
node_janus_stop (NodeJanus *self)
{
  if (self->server)
    soup_server_remove_handler (self->server, WEBSOCKET_PATH);
  g_clear_object (&self->server);
  g_clear_pointer (&self->http, egress_janus_http_free);
  g_clear_pointer (&self->ws, egress_janus_ws_free);
  g_clear_pointer (&self->core, egress_janus_free);
  g_clear_pointer (&self->streaming, egress_streaming_free);
  g_clear_pointer (&self->registry, egress_mountpoints_free);
  node_mountpoints_stop (self->node);
}

void
node_janus_free (NodeJanus *self)
{
  g_return_if_fail (self && !self->core);
  node_mountpoints_free (self->node);
  g_free (self);
}

/* --- doors -------------------------------------------------------------- */

void
node_janus_handle (NodeJanus *self, SoupServerMessage *msg, const char *path)
{
  if (self->http)
    egress_janus_http_handle (self->http, msg, path);
  else
    base_http_problem (msg, SOUP_STATUS_SERVICE_UNAVAILABLE, "not-ready",
                       "The node is about to stop.");
}

void
node_janus_add_websocket (NodeJanus *self, SoupServer *server)
{
  g_set_object (&self->server, server);
  egress_janus_ws_serve (self->ws, server, WEBSOCKET_PATH);
}

/* --- pins --------------------------------------------------------------- */

/* (transfer full) (nullable) */
static char *
dup_query_pin (SoupServerMessage *msg)
{
  const char *query = g_uri_get_query (soup_server_message_get_uri (msg));
  g_autoptr (GHashTable) params =
      query ? g_uri_parse_params (query, -1, "&", G_URI_PARAMS_NONE, NULL)
            : NULL;

  return params ? g_strdup (g_hash_table_lookup (params, "pin")) : NULL;
}

/* bears_pin: as its bearer token */
static gboolean
bears_pin (SoupServerMessage *msg, const char *pin)
{
  g_autofree char *bearer = base_auth_dup_bearer (msg);

  return base_auth_is_secret (bearer, pin);
}

/* (transfer none) (nullable): of a mountpoint that somebody created */
static const EgressMountpointSpec *
find_created (NodeJanus *self, const char *stream)
{
  EgressMountpoint *mountpoint =
      self->registry
          ? egress_mountpoints_lookup_created (self->registry, stream)
          : NULL;

  return mountpoint ? egress_mountpoint_get_spec (mountpoint) : NULL;
}

gboolean
node_janus_check_pin (NodeJanus *self, const char *stream,
                      SoupServerMessage *msg)
{
  const EgressMountpointSpec *spec = find_created (self, stream);
  g_autofree char *given = NULL;

  if (!spec || !spec->pin)
    return TRUE;
  given = dup_query_pin (msg);
  if (base_auth_is_secret (given, spec->pin) || bears_pin (msg, spec->pin))
    return TRUE;
  if (given)
    base_http_problem (msg, SOUP_STATUS_FORBIDDEN, "mountpoint-pin",
                       "That is not the pin of \"%s\".", stream);
  else
    base_http_problem (msg, SOUP_STATUS_UNAUTHORIZED, "mountpoint-pin",
                       "\"%s\" has a pin: send it as Bearer token or as "
                       "?pin= in the address.",
                       stream);
  base_http_cors (msg);
  return FALSE;
}

char *
node_janus_dup_pin (NodeJanus *self, const char *stream, SoupServerMessage *msg)
{
  const EgressMountpointSpec *spec = self ? find_created (self, stream) : NULL;
  char *given = dup_query_pin (msg);

  if (!given && spec && spec->pin && bears_pin (msg, spec->pin))
    given = g_strdup (spec->pin);
  return given;
}

gboolean
node_janus_is_private (NodeJanus *self, const char *stream)
{
  const EgressMountpointSpec *spec = find_created (self, stream);

  return spec && spec->is_private;
}

/* --- /debug/state ------------------------------------------------------- */

JsonNode *
node_janus_describe (NodeJanus *self)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  if (self->core)
    {
      json_object_set_member (object, "core",
                              egress_janus_describe (self->core));
      json_object_set_member (object, "streaming",
                              egress_streaming_describe (self->streaming));
      json_object_set_member (object, "mountpoints",
                              egress_mountpoints_describe (self->registry));
      json_object_set_member (object, "node",
                              node_mountpoints_describe (self->node));
    }
  json_node_take_object (node, object);
  return node;
}

/* read_id: digits up to @end, and no others */
static gboolean
read_id (const char *text, char end, guint64 *ret, const char **ret_rest)
{
  char *rest;
  guint64 id = g_ascii_strtoull (text, &rest, 10);

  if (!g_ascii_isdigit (*text) || *rest != end)
    return FALSE;
  *ret = id;
  *ret_rest = rest;
  return TRUE;
}

JsonNode *
node_janus_describe_session (NodeJanus *self, const char *id)
{
  guint64 session_id = 0, handle_id;
  const char *rest = id;

  if (!self->streaming)
    return NULL;
  if (read_id (id, '/', &session_id, &rest))
    rest++;
  return read_id (rest, '\0', &handle_id, &rest)
             ? egress_streaming_describe_session (self->streaming, session_id,
                                                  handle_id)
             : NULL;
}

/* --- draining ----------------------------------------------------------- */

guint
node_janus_find_viewers (NodeJanus *self, GPtrArray *ids, guint max_ids)
{
  return self && self->streaming
             ? egress_streaming_find_viewers (self->streaming, ids, max_ids)
             : 0;
}

guint
node_janus_cut (NodeJanus *self, const char *cause)
{
  return self && self->streaming ? egress_streaming_cut (self->streaming, cause)
                                 : 0;
}
