/* SPDX-License-Identifier: Apache-2.0 */
/* The Admin API: what is there, limits, tokens, ending things. */
#include "egress/janus-private.h"

#include "base/log.h"

typedef struct
{
  EgressJanusReply *call;
  EgressJanusSession *session; /* NULL at the root */
  EgressJanusHandle *handle;   /* NULL unless the path names one */
  JsonObject *request;
} Request;

/* --- Replies
 * -------------------------------------------------------------------- */

/* (transfer full) {"janus":"success","session_id"?,"transaction"} */
static JsonObject *
success (EgressJanusReply *call)
{
  return janus_object ("success", call->session_id, call->transaction);
}

static void
succeed (EgressJanusReply *call)
{
  janus_reply_finish (call, success (call));
}

static void
succeed_with_int (EgressJanusReply *call, const char *name, gint64 value)
{
  JsonObject *reply = success (call);

  json_object_set_int_member (reply, name, value);
  janus_reply_finish (call, reply);
}

static void
succeed_with_bool (EgressJanusReply *call, const char *name, gboolean value)
{
  JsonObject *reply = success (call);

  json_object_set_boolean_member (reply, name, value);
  janus_reply_finish (call, reply);
}

/* succeed_with_data: {"data":{@name: @array}}; @array: (transfer full) */
static void
succeed_with_data (EgressJanusReply *call, const char *name, JsonArray *array)
{
  JsonObject *reply = success (call);
  JsonObject *body = json_object_new ();

  json_object_set_array_member (body, name, array);
  json_object_set_object_member (reply, "data", body);
  janus_reply_finish (call, reply);
}

#define CHECK(self, params)                                                    \
  janus_reply_check ((self)->call, (self)->request, params,                    \
                     G_N_ELEMENTS (params))

/* --- The server
 * ------------------------------------------------------------------ */

static void
do_info (Request *self)
{
  EgressJanusReply *call = self->call;

  janus_reply_finish (call, janus_server_info (call->core, call->transaction));
}

static void
do_ping (Request *self)
{
  janus_reply_finish (self->call,
                      janus_object ("pong", 0, self->call->transaction));
}

static void
do_get_status (Request *self)
{
  const EgressJanusConfig *config = &self->call->core->config;
  JsonObject *reply = success (self->call);
  JsonObject *status = json_object_new ();

  json_object_set_boolean_member (status, "token_auth", config->token_auth);
  json_object_set_int_member (status, "session_timeout",
                              config->session_timeout_s);
  json_object_set_int_member (status, "reclaim_session_timeout",
                              config->reclaim_timeout_s);
  json_object_set_int_member (status, "slowlink_threshold",
                              config->slow_link_threshold);
  json_object_set_object_member (reply, "status", status);
  janus_reply_finish (self->call, reply);
}

static void
do_accept (Request *self)
{
  static const EgressJanusParam params[] = { { "accept", EGRESS_JANUS_BOOLEAN,
                                               TRUE } };
  EgressJanus *core = self->call->core;

  if (!CHECK (self, params))
    return;
  core->is_accepting = egress_janus_get_bool (self->request, "accept", TRUE);
  succeed_with_bool (self->call, "accept", core->is_accepting);
}

/* too_large: what does not fit a setting; answered when it is */
static gboolean
is_too_large (Request *self, const char *name, gint64 value)
{
  if (value <= G_MAXINT)
    return FALSE;
  janus_reply_fail (self->call, EGRESS_JANUS_INVALID_ELEMENT,
                    "Invalid element type (%s should be at most %d)", name,
                    G_MAXINT);
  return TRUE;
}

static void
do_set_timeout (Request *self)
{
  static const EgressJanusParam params[] = { { "timeout", EGRESS_JANUS_POSITIVE,
                                               TRUE } };
  gint64 timeout_s;

  if (!CHECK (self, params))
    return;
  timeout_s = egress_janus_get_int (self->request, "timeout", 0);
  if (is_too_large (self, "timeout", timeout_s))
    return;
  self->call->core->config.session_timeout_s = (guint)timeout_s;
  succeed_with_int (self->call, "timeout", timeout_s);
}

static void
do_set_slow_link (Request *self)
{
  static const EgressJanusParam params[] = { { "slowlink_threshold",
                                               EGRESS_JANUS_POSITIVE, TRUE } };
  gint64 threshold;

  if (!CHECK (self, params))
    return;
  threshold = egress_janus_get_int (self->request, "slowlink_threshold", 0);
  if (is_too_large (self, "slowlink_threshold", threshold))
    return;
  self->call->core->config.slow_link_threshold = (guint)threshold;
  succeed_with_int (self->call, "slowlink_threshold", threshold);
}

/* Janus counts from 0, nothing, to 7, everything. */
static void
do_set_log_level (Request *self)
{
  static const EgressJanusParam params[] = { { "level", EGRESS_JANUS_POSITIVE,
                                               TRUE } };
  static const GstDebugLevel levels[] = {
    GST_LEVEL_NONE, GST_LEVEL_ERROR, GST_LEVEL_ERROR, GST_LEVEL_WARNING,
    GST_LEVEL_INFO, GST_LEVEL_DEBUG, GST_LEVEL_DEBUG, GST_LEVEL_LOG,
  };
  gint64 level;

  if (!CHECK (self, params))
    return;
  level = egress_janus_get_int (self->request, "level", 0);
  if (level >= (gint64)G_N_ELEMENTS (levels))
    {
      janus_reply_fail (self->call, EGRESS_JANUS_INVALID_ELEMENT,
                        "Invalid element type (level should be between 0 and "
                        "7)");
      return;
    }
  base_log_set_level (levels[level]);
  succeed_with_int (self->call, "level", level);
}

static void
do_list_sessions (Request *self)
{
  JsonObject *reply = success (self->call);
  JsonArray *sessions = json_array_new ();
  GHashTableIter iter;
  gpointer session;

  g_hash_table_iter_init (&iter, self->call->core->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &session))
    json_array_add_int_element (sessions,
                                (gint64)((EgressJanusSession *)session)->id);
  json_object_set_array_member (reply, "sessions", sessions);
  janus_reply_finish (self->call, reply);
}

/* --- The plugin
 * ------------------------------------------------------------------ */

/* A plugin's answer may come when the core has gone. */
typedef struct
{
  EgressJanusReply *call; /* NULL: answered already */
} PluginWait;

/* @response: (transfer full) */
static void
on_plugin_replied (JsonObject *response, gpointer data)
{
  PluginWait *wait = data;

  if (wait->call)
    {
      JsonObject *reply = success (wait->call);

      json_object_set_object_member (reply, "response", response);
      janus_reply_finish (wait->call, reply);
    }
  else
    json_object_unref (response);
  g_free (wait);
}

static void
do_message_plugin (Request *self)
{
  static const EgressJanusParam params[] = {
    { "plugin", EGRESS_JANUS_STRING, TRUE },
    { "request", EGRESS_JANUS_OBJECT, FALSE },
  };
  EgressJanusPlugin *plugin = self->call->core->plugin;
  g_autoptr (JsonObject) nothing = NULL;
  JsonObject *request;
  PluginWait *wait;

  if (!CHECK (self, params))
    return;
  if (!plugin
      || g_strcmp0 (egress_janus_get_string (self->request, "plugin"),
                    plugin->package)
             != 0)
    {
      janus_reply_fail (self->call, EGRESS_JANUS_NO_PLUGIN, "Invalid plugin");
      return;
    }
  if (json_object_has_member (self->request, "request"))
    request = json_object_get_object_member (self->request, "request");
  else
    request = nothing = json_object_new ();
  wait = g_new0 (PluginWait, 1);
  wait->call = self->call;
  self->call->slot = &wait->call;
  plugin->message_admin (plugin, request, on_plugin_replied, wait);
}

/* --- Tokens
 * ------------------------------------------------------------------------ */

static const EgressJanusParam token_params[] = {
  { "token", EGRESS_JANUS_STRING, TRUE },
  { "plugins", EGRESS_JANUS_ARRAY, FALSE },
};

/* check_token: %FALSE: answered */
static gboolean
check_token (Request *self, const char **ret_token)
{
  if (!CHECK (self, token_params))
    return FALSE;
  *ret_token = egress_janus_get_string (self->request, "token");
  return TRUE;
}

/* is_plugin: @node names a plugin that there is */
static gboolean
is_plugin (Request *self, JsonNode *node)
{
  EgressJanusPlugin *plugin = self->call->core->plugin;

  return plugin && JSON_NODE_HOLDS_VALUE (node)
         && g_strcmp0 (json_node_get_string (node), plugin->package) == 0;
}

/* (transfer none) (nullable): NULL: none, or an empty one */
static JsonArray *
get_plugins (Request *self)
{
  JsonArray *plugins =
      json_object_has_member (self->request, "plugins")
          ? json_object_get_array_member (self->request, "plugins")
          : NULL;

  return plugins && json_array_get_length (plugins) > 0 ? plugins : NULL;
}

static void
do_add_token (Request *self)
{
  EgressJanus *core = self->call->core;
  JsonArray *plugins;
  const char *token;

  if (!check_token (self, &token))
    return;
  if (!egress_janus_tokens_add (core->tokens, token))
    {
      janus_reply_fail (self->call, EGRESS_JANUS_UNKNOWN, "Error adding token");
      return;
    }
  plugins = get_plugins (self);
  if (!plugins && core->plugin)
    egress_janus_tokens_allow (core->tokens, token, core->plugin->package,
                               TRUE);
  for (guint i = 0; plugins && i < json_array_get_length (plugins); i++)
    if (is_plugin (self, json_array_get_element (plugins, i)))
      egress_janus_tokens_allow (core->tokens, token, core->plugin->package,
                                 TRUE);
  succeed_with_data (self->call, "plugins",
                     egress_janus_tokens_dup_plugins (core->tokens, token));
}

static void
change_token (Request *self, gboolean is_allowed)
{
  EgressJanus *core = self->call->core;
  JsonArray *plugins;
  const char *token;

  if (!check_token (self, &token))
    return;
  plugins = get_plugins (self);
  if (!plugins)
    {
      janus_reply_fail (self->call, EGRESS_JANUS_INVALID_ELEMENT,
                        "Invalid element type (plugins should be a non-empty "
                        "array)");
      return;
    }
  if (!egress_janus_tokens_has (core->tokens, token))
    {
      janus_reply_fail (self->call, EGRESS_JANUS_NO_TOKEN, "Token %s not found",
                        token);
      return;
    }
  for (guint i = 0; i < json_array_get_length (plugins); i++)
    if (!is_plugin (self, json_array_get_element (plugins, i)))
      {
        janus_reply_fail (self->call, EGRESS_JANUS_INVALID_ELEMENT,
                          "Invalid element type (some of the provided plugins "
                          "are invalid)");
        return;
      }
  egress_janus_tokens_allow (core->tokens, token, core->plugin->package,
                             is_allowed);
  succeed_with_data (self->call, "plugins",
                     egress_janus_tokens_dup_plugins (core->tokens, token));
}

static void
do_allow_token (Request *self)
{
  change_token (self, TRUE);
}

static void
do_disallow_token (Request *self)
{
  change_token (self, FALSE);
}

static void
do_remove_token (Request *self)
{
  const char *token;

  if (!check_token (self, &token))
    return;
  if (egress_janus_tokens_remove (self->call->core->tokens, token))
    succeed (self->call);
  else
    janus_reply_fail (self->call, EGRESS_JANUS_UNKNOWN, "Error removing token");
}

static void
do_list_tokens (Request *self)
{
  succeed_with_data (self->call, "tokens",
                     egress_janus_tokens_list (self->call->core->tokens));
}

/* --- A session
 * ---------------------------------------------------------------------- */

static void
do_list_handles (Request *self)
{
  JsonObject *reply = success (self->call);
  JsonArray *handles = json_array_new ();

  for (guint i = 0; i < self->session->handles->len; i++)
    {
      EgressJanusHandle *handle = self->session->handles->pdata[i];

      json_array_add_int_element (handles, (gint64)handle->id);
    }
  json_object_set_array_member (reply, "handles", handles);
  janus_reply_finish (self->call, reply);
}

static void
do_set_session_timeout (Request *self)
{
  static const EgressJanusParam params[] = { { "timeout", EGRESS_JANUS_INTEGER,
                                               TRUE } };
  gint64 timeout_s;
  JsonObject *reply;

  if (!CHECK (self, params))
    return;
  timeout_s = egress_janus_get_int (self->request, "timeout", -1);
  if (timeout_s < -1)
    {
      janus_reply_fail (self->call, EGRESS_JANUS_INVALID_ELEMENT,
                        "Invalid element type (timeout should be a "
                        "non-negative integer or -1)");
      return;
    }
  if (is_too_large (self, "timeout", timeout_s))
    return;
  self->session->timeout_s = (int)timeout_s;
  reply = success (self->call);
  json_object_set_int_member (reply, "timeout", timeout_s);
  janus_reply_finish (self->call, reply);
}

static void
do_destroy_session (Request *self)
{
  succeed (self->call);
  janus_session_end (self->session, JANUS_END_DESTROYED);
}

/* --- A handle
 * ------------------------------------------------------------------------ */

static void
do_handle_info (Request *self)
{
  EgressJanusSession *session = self->session;
  EgressJanusHandle *handle = self->handle;
  EgressJanus *core = session->core;
  static const EgressJanusParam params[] = {
    { "plugin_only", EGRESS_JANUS_BOOLEAN, FALSE },
  };
  JsonObject *reply, *info;
  int timeout_s = session->timeout_s >= 0 ? session->timeout_s
                                          : (int)core->config.session_timeout_s;

  if (!CHECK (self, params))
    return;
  reply = success (self->call);
  info = json_object_new ();
  json_object_set_int_member (info, "session_id", (gint64)session->id);
  json_object_set_int_member (info, "session_last_activity",
                              session->last_active_us);
  json_object_set_int_member (info, "session_timeout", timeout_s);
  if (session->transport)
    json_object_set_string_member (info, "session_transport",
                                   session->transport->name);
  json_object_set_int_member (info, "handle_id", (gint64)handle->id);
  if (handle->opaque_id)
    json_object_set_string_member (info, "opaque_id", handle->opaque_id);
  json_object_set_int_member (info, "created", handle->created_us);
  json_object_set_int_member (info, "current_time", core->now_us ());
  json_object_set_string_member (info, "plugin", core->plugin->package);
  core->plugin->describe (handle->state, info);
  json_object_set_int_member (reply, "handle_id", (gint64)handle->id);
  json_object_set_object_member (reply, "info", info);
  janus_reply_finish (self->call, reply);
}

static void
do_hangup_webrtc (Request *self)
{
  EgressJanus *core = self->call->core;

  succeed (self->call);
  core->plugin->hangup (self->handle->state);
}

static void
do_detach_handle (Request *self)
{
  succeed (self->call);
  janus_session_detach (self->session, self->handle, TRUE);
}

/* --- Dispatch
 * -------------------------------------------------------------------------- */

typedef enum
{
  AT_ROOT,
  AT_SESSION,
  AT_HANDLE,
} Level;

static const struct
{
  const char *verb;
  Level level;
  gboolean is_of_tokens; /* only where stored tokens are on */
  void (*run) (Request *self);
} verbs[] = {
  { "info", AT_ROOT, FALSE, do_info },
  { "ping", AT_ROOT, FALSE, do_ping },
  { "get_status", AT_ROOT, FALSE, do_get_status },
  { "accept_new_sessions", AT_ROOT, FALSE, do_accept },
  { "set_session_timeout", AT_ROOT, FALSE, do_set_timeout },
  { "set_slowlink_threshold", AT_ROOT, FALSE, do_set_slow_link },
  { "set_log_level", AT_ROOT, FALSE, do_set_log_level },
  { "list_sessions", AT_ROOT, FALSE, do_list_sessions },
  { "message_plugin", AT_ROOT, FALSE, do_message_plugin },
  { "add_token", AT_ROOT, TRUE, do_add_token },
  { "allow_token", AT_ROOT, TRUE, do_allow_token },
  { "disallow_token", AT_ROOT, TRUE, do_disallow_token },
  { "remove_token", AT_ROOT, TRUE, do_remove_token },
  { "list_tokens", AT_ROOT, TRUE, do_list_tokens },
  { "list_handles", AT_SESSION, FALSE, do_list_handles },
  { "set_session_timeout", AT_SESSION, FALSE, do_set_session_timeout },
  { "destroy_session", AT_SESSION, FALSE, do_destroy_session },
  { "handle_info", AT_HANDLE, FALSE, do_handle_info },
  { "hangup_webrtc", AT_HANDLE, FALSE, do_hangup_webrtc },
  { "detach_handle", AT_HANDLE, FALSE, do_detach_handle },
};

static void
dispatch (Request *self, const char *verb)
{
  Level level = self->handle ? AT_HANDLE : self->session ? AT_SESSION : AT_ROOT;

  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    {
      if (verbs[i].level != level
          || g_ascii_strcasecmp (verb, verbs[i].verb) != 0)
        continue;
      if (verbs[i].is_of_tokens && !self->call->core->config.token_auth)
        janus_reply_fail (self->call, EGRESS_JANUS_UNKNOWN,
                          "Stored-Token based authentication disabled");
      else
        verbs[i].run (self);
      return;
    }
  janus_reply_fail (self->call, EGRESS_JANUS_INVALID_PATH,
                    "Unhandled request '%s' at this path", verb);
}

/* is_open: what is answered without a secret */
static gboolean
is_open (EgressJanusReply *call, const char *verb)
{
  return call->session_id == 0
         && (g_ascii_strcasecmp (verb, "info") == 0
             || g_ascii_strcasecmp (verb, "ping") == 0);
}

void
egress_janus_admin_request (EgressJanus *self, guint64 session_id,
                            guint64 handle_id, JsonObject *request,
                            gboolean is_loopback, EgressJanusReplied replied,
                            gpointer data)
{
  Request r = { .request = request };
  const char *verb;

  g_return_if_fail (self && request && replied);

  r.call = janus_request_begin (self, session_id, handle_id, request, replied,
                                data, &verb);
  if (!r.call)
    return;
  janus_reply_wait (r.call, &self->open);
  if (!is_open (r.call, verb)
      && !janus_check_admin (
          self, egress_janus_get_string (request, "admin_secret"),
          egress_janus_get_string (request, "token"), is_loopback))
    janus_reply_fail (r.call, EGRESS_JANUS_UNAUTHORIZED,
                      "Unauthorized request (wrong or missing secret/token)");
  else if (r.call->session_id == 0
           || janus_request_find (r.call, &r.session, &r.handle))
    dispatch (&r, verb);
}
