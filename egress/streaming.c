/* SPDX-License-Identifier: Apache-2.0 */
/* EgressStreaming: the plugin's face to the core, and what all verbs share. */
#include "egress/streaming-private.h"

#include <string.h>

#include "base/auth.h"
#include "base/clock.h"
#include "egress/log.h"

#define TICK_S 5
#define VERSION 10
#define VERSION_STRING "0.1.0"

/* --- words -------------------------------------------------------------- */

JsonObject *
egress_streaming_object (const char *what)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "streaming", what);
  return object;
}

JsonObject *
egress_streaming_error (const GError *error)
{
  JsonObject *object = egress_streaming_object ("event");
  int code = error->domain == EGRESS_STREAMING_ERROR ? error->code
                                                     : EGRESS_STREAMING_UNKNOWN;

  json_object_set_int_member (object, "error_code", code);
  json_object_set_string_member (object, "error", error->message);
  return object;
}

gboolean
egress_streaming_check (JsonObject *body, const EgressJanusParam *params,
                        guint n_params, GError **error)
{
  g_autofree char *text = NULL;
  EgressJanusParamsResult result =
      egress_janus_params_check (body, params, n_params, &text);

  if (result == EGRESS_JANUS_PARAMS_OK)
    return TRUE;
  g_set_error_literal (error, EGRESS_STREAMING_ERROR,
                       result == EGRESS_JANUS_PARAMS_MISSING
                           ? EGRESS_STREAMING_MISSING
                           : EGRESS_STREAMING_INVALID_ELEMENT,
                       text);
  return FALSE;
}

gboolean
egress_streaming_check_secret (JsonObject *body, const char *member,
                               const char *secret, GError **error)
{
  const EgressJanusParam param = { member, EGRESS_JANUS_STRING, TRUE };

  if (secret == NULL)
    return TRUE;
  if (!egress_streaming_check (body, &param, 1, error))
    return FALSE;
  if (base_auth_is_secret (egress_janus_get_string (body, member), secret))
    return TRUE;
  g_set_error (error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_UNAUTHORIZED,
               "Unauthorized (wrong %s)", member);
  return FALSE;
}

gboolean
egress_streaming_check_length (JsonObject *body, const char *member,
                               gsize max_bytes, GError **error)
{
  const char *value = egress_janus_get_string (body, member);

  if (value == NULL || strlen (value) <= max_bytes)
    return TRUE;
  g_set_error (error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_INVALID_ELEMENT,
               "Invalid value (%s can't be longer than %" G_GSIZE_FORMAT
               " bytes)",
               member, max_bytes);
  return FALSE;
}

gboolean
egress_streaming_check_token (EgressStreaming *self, const char *token,
                              gboolean is_loopback, const char *stream,
                              GError **error)
{
  gint64 now_s = base_clock_wall_us () / BASE_US_PER_S;
  BaseAuthResult admin;

  if (token == NULL || self->auth == NULL)
    return TRUE;
  admin =
      base_auth_check_token (self->auth, BASE_AUTH_ADMIN, NULL, token, now_s);
  if (admin == BASE_AUTH_OK || (admin == BASE_AUTH_PROTECTED && is_loopback))
    return TRUE;
  if (stream != NULL
      && base_auth_check_token (self->auth, BASE_AUTH_WATCH, stream, token,
                                now_s)
             == BASE_AUTH_OK)
    return TRUE;
  g_set_error_literal (
      error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_UNAUTHORIZED,
      stream != NULL ? "Unauthorized (the token is not for this stream)"
                     : "Unauthorized (the token is not for admin)");
  return FALSE;
}

char *
egress_streaming_check_id (EgressStreaming *self, JsonObject *body,
                           GError **error)
{
  gboolean is_text = self->config->string_ids;
  const EgressJanusParam param = {
    "id", is_text ? EGRESS_JANUS_STRING : EGRESS_JANUS_POSITIVE, TRUE
  };

  if (!egress_streaming_check (body, &param, 1, error))
    return NULL;
  if (is_text)
    return g_strdup (egress_janus_get_string (body, "id"));
  return g_strdup_printf ("%" G_GINT64_FORMAT,
                          egress_janus_get_int (body, "id", 0));
}

EgressMountpoint *
egress_streaming_find (EgressStreaming *self, JsonObject *body, GError **error)
{
  g_autofree char *id = egress_streaming_check_id (self, body, error);
  EgressMountpoint *mountpoint;

  if (id == NULL)
    return NULL;
  mountpoint = egress_mountpoints_lookup (self->mountpoints, id);
  if (mountpoint == NULL)
    g_set_error (error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_NO_SUCH,
                 "No such mountpoint/stream %s", id);
  return mountpoint;
}

void
egress_streaming_set_id (EgressStreaming *self, JsonObject *object,
                         const char *member, const char *id)
{
  if (self->config->string_ids)
    json_object_set_string_member (object, member, id);
  else
    json_object_set_int_member (object, member, g_ascii_strtoll (id, NULL, 10));
}

/* --- answers ------------------------------------------------------------ */

static EgressStreamingAnswer *
answer_new (EgressStreaming *self)
{
  EgressStreamingAnswer *answer = g_new0 (EgressStreamingAnswer, 1);

  answer->streaming = self;
  g_hash_table_add (self->answers, answer);
  return answer;
}

void
egress_streaming_answer (EgressStreamingAnswer *answer, JsonObject *data)
{
  if (answer->streaming != NULL)
    g_hash_table_remove (answer->streaming->answers, answer);
  if (answer->reply != NULL)
    egress_janus_reply_data (answer->reply, data);
  else if (answer->done != NULL)
    answer->done (data, answer->data);
  else
    json_object_unref (data);
  g_free (answer);
}

void
egress_streaming_answer_error (EgressStreamingAnswer *answer,
                               const GError *error)
{
  egress_streaming_answer (answer, egress_streaming_error (error));
}

void
egress_streaming_drop_answers (EgressStreaming *self, gpointer handle)
{
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, self->answers);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      EgressStreamingAnswer *answer = key;

      if (answer->handle == handle)
        answer->reply = NULL;
    }
}

/* We go while somebody waits (a `create` that is still opening its source).
 * Handles have gone before us, and the core has answered theirs; whoever
 * finishes finds no one to tell. */
static void
abandon_answers (EgressStreaming *self)
{
  g_autoptr (GError) error =
      g_error_new_literal (EGRESS_STREAMING_ERROR, EGRESS_STREAMING_UNKNOWN,
                           "The node is going down");
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, self->answers);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      EgressStreamingAnswer *answer = key;
      EgressJanusReplied done = answer->done;

      answer->streaming = NULL;
      answer->done = NULL;
      if (done != NULL)
        done (egress_streaming_error (error), answer->data);
    }
}

/* --- requests ----------------------------------------------------------- */

static gboolean
check_open (EgressStreaming *self, GError **error)
{
  if (g_hash_table_size (self->answers) < EGRESS_STREAMING_MAX_OPEN)
    return TRUE;
  base_counter_add (self->n_busy, 1);
  g_set_error (error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_UNKNOWN,
               "The node is busy: %d requests about mountpoints wait already",
               EGRESS_STREAMING_MAX_OPEN);
  return FALSE;
}

/* Returns: (transfer none) (nullable) */
static const char *
read_verb (JsonObject *body, GError **error)
{
  static const EgressJanusParam param = { "request", EGRESS_JANUS_STRING,
                                          TRUE };

  return egress_streaming_check (body, &param, 1, error)
             ? egress_janus_get_string (body, "request")
             : NULL;
}

static void
set_unknown (GError **error, const char *verb)
{
  g_set_error (error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_INVALID_REQUEST,
               "Unknown request '%s'", verb);
}

static void
on_message (gpointer state, JsonObject *body, const EgressJanusJsep *jsep,
            gboolean peer_is_loopback, const char *token,
            EgressJanusReply *reply)
{
  EgressStreamingHandle *handle = state;
  EgressStreaming *self = handle->streaming;
  g_autoptr (GError) error = NULL;
  const char *verb = read_verb (body, &error);

  if (verb != NULL && egress_streaming_is_viewer_verb (verb))
    {
      handle->peer_is_loopback = peer_is_loopback;
      egress_streaming_handle_request (handle, verb, body, jsep, token, reply);
      return;
    }
  if (verb != NULL && !egress_streaming_is_manage_verb (verb))
    set_unknown (&error, verb);
  else if (verb != NULL && check_open (self, &error))
    {
      gboolean is_watcher = !egress_streaming_check_token (
          self, token, peer_is_loopback, NULL, &error);

      if (!is_watcher || !egress_streaming_is_change (verb))
        {
          EgressStreamingAnswer *answer = answer_new (self);

          answer->handle = handle;
          answer->reply = reply;
          answer->is_watcher = is_watcher;
          egress_streaming_manage (self, verb, body, answer);
          return;
        }
    }
  egress_janus_reply_data (reply, egress_streaming_error (error));
}

static void
on_message_admin (EgressJanusPlugin *plugin, JsonObject *request,
                  EgressJanusReplied done, gpointer data)
{
  EgressStreaming *self = (EgressStreaming *)plugin;
  g_autoptr (GError) error = NULL;
  const char *verb = read_verb (request, &error);
  gboolean is_fine = verb != NULL && check_open (self, &error);
  EgressStreamingAnswer *answer = answer_new (self);

  answer->done = done;
  answer->data = data;
  if (!is_fine)
    egress_streaming_answer_error (answer, error);
  else if (!egress_streaming_manage (self, verb, request, answer))
    {
      set_unknown (&error, verb);
      egress_streaming_answer_error (answer, error);
    }
}

static gpointer
on_attach (EgressJanusPlugin *plugin, EgressJanusHandle *handle)
{
  return egress_streaming_handle_new ((EgressStreaming *)plugin, handle);
}

static void
on_detach (gpointer state)
{
  egress_streaming_handle_free (state);
}

static void
on_hangup (gpointer state)
{
  egress_streaming_handle_end (state, NULL, "Janus API");
}

static gboolean
has_peer (gpointer state)
{
  return ((EgressStreamingHandle *)state)->peer != NULL;
}

static void
on_describe (gpointer state, JsonObject *object)
{
  egress_streaming_describe_handle (state, object);
}

/* --- life --------------------------------------------------------------- */

/* Streams end without anyone's request: nobody publishes them any more, or
 * what is published now is not what viewers negotiated. */
static void
on_hub_event (RelayHub *hub, RelayStream *stream, RelayHubEvent event,
              gpointer data)
{
  EgressStreaming *self = data;
  g_autoptr (GList) handles = NULL;

  if (event != RELAY_HUB_CHANGED && event != RELAY_HUB_REMOVED)
    return;
  handles = g_hash_table_get_keys (self->handles);
  for (GList *l = handles; l != NULL; l = l->next)
    if (g_hash_table_contains (self->handles, l->data))
      egress_streaming_handle_stream_over (l->data, stream);
  if (event == RELAY_HUB_REMOVED)
    egress_streaming_stop_recordings (self, NULL,
                                      relay_stream_get_name (stream));
}

void
egress_streaming_expire (EgressStreaming *self, gint64 now_us)
{
  g_autoptr (GList) handles = g_hash_table_get_keys (self->handles);

  for (GList *l = handles; l != NULL; l = l->next)
    {
      EgressStreamingHandle *handle = l->data;

      if (handle->state == EGRESS_STREAMING_PREPARING
          && now_us - egress_peer_get_created_us (handle->peer)
                 >= EGRESS_STREAMING_ANSWER_US)
        egress_streaming_handle_end (handle, NULL, "ICE failed");
    }
}

static gboolean
on_tick (gpointer data)
{
  egress_streaming_expire (data, base_clock_now_us ());
  return G_SOURCE_CONTINUE;
}

EgressStreaming *
egress_streaming_new (EgressMountpoints *mountpoints,
                      const EgressPeerConfig *config, BaseAuth *auth)
{
  EgressStreaming *self = g_new0 (EgressStreaming, 1);

  self->plugin = (EgressJanusPlugin){
    .package = "janus.plugin.streaming",
    .name = "JANUS Streaming plugin",
    .description = "Streams of the tree, and mountpoints that clients create",
    .author = "media-tree",
    .version_string = VERSION_STRING,
    .version = VERSION,
    .attach = on_attach,
    .detach = on_detach,
    .message = on_message,
    .hangup = on_hangup,
    .has_peer = has_peer,
    .describe = on_describe,
    .message_admin = on_message_admin,
  };
  self->mountpoints = mountpoints;
  self->config = egress_mountpoints_get_config (mountpoints);
  self->peer_config = *config;
  self->auth = auth;
  self->handles = g_hash_table_new (NULL, NULL);
  self->answers = g_hash_table_new (NULL, NULL);
  self->recordings = g_ptr_array_new_with_free_func (
      (GDestroyNotify)egress_streaming_recording_free);
  self->n_watches = base_metrics_add_counter (
      self->config->metrics, "media_tree_mountpoint_watches_total",
      "result=\"ok\"", "Janus `watch` requests by result");
  self->n_refused = base_metrics_add_counter (
      self->config->metrics, "media_tree_mountpoint_watches_total",
      "result=\"refused\"", "Janus `watch` requests by result");
  self->n_busy = base_metrics_add_counter (
      self->config->metrics, "media_tree_mountpoint_requests_busy_total", NULL,
      "Requests about mountpoints refused because too many wait");
  relay_hub_add_listener (self->config->hub, on_hub_event, self);
  self->tick_id = g_timeout_add_seconds (TICK_S, on_tick, self);
  return self;
}

void
egress_streaming_free (EgressStreaming *self)
{
  g_source_remove (self->tick_id);
  relay_hub_remove_listener (self->config->hub, on_hub_event, self);
  g_assert (g_hash_table_size (self->handles) == 0);
  egress_streaming_stop_recordings (self, NULL, NULL);
  g_ptr_array_unref (self->recordings);
  abandon_answers (self);
  g_hash_table_unref (self->answers);
  g_hash_table_unref (self->handles);
  g_free (self);
}

EgressJanusPlugin *
egress_streaming_get_plugin (EgressStreaming *self)
{
  return &self->plugin;
}

static const char *
state_name (EgressStreamingState state)
{
  static const char *const names[] = { "idle", "opening", "preparing",
                                       "starting", "started" };

  return names[state];
}

JsonNode *
egress_streaming_describe (EgressStreaming *self)
{
  JsonObject *object = json_object_new ();
  guint n[EGRESS_STREAMING_STARTED + 1] = { 0 };
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, self->handles);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    n[((EgressStreamingHandle *)key)->state]++;
  for (guint i = 0; i < G_N_ELEMENTS (n); i++)
    json_object_set_int_member (object, state_name (i), n[i]);
  json_object_set_int_member (object, "recordings", self->recordings->len);
  json_object_set_int_member (object, "open_requests",
                              g_hash_table_size (self->answers));
  json_node_take_object (node, object);
  return node;
}

JsonNode *
egress_streaming_describe_session (EgressStreaming *self, guint64 session_id,
                                   guint64 handle_id)
{
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, self->handles);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      EgressStreamingHandle *handle = key;

      if (handle->peer != NULL
          && egress_janus_handle_get_id (handle->handle) == handle_id
          && (session_id == 0
              || egress_janus_handle_get_session_id (handle->handle)
                     == session_id))
        return egress_peer_describe (handle->peer);
    }
  return NULL;
}

guint
egress_streaming_find_viewers (EgressStreaming *self, GPtrArray *ids,
                               guint max_ids)
{
  GHashTableIter iter;
  gpointer key;
  guint n = 0;

  g_hash_table_iter_init (&iter, self->handles);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      EgressStreamingHandle *handle = key;

      if (handle->peer == NULL)
        continue;
      n++;
      if (ids->len < max_ids)
        g_ptr_array_add (
            ids, g_strdup_printf ("%" G_GUINT64_FORMAT,
                                  egress_janus_handle_get_id (handle->handle)));
    }
  return n;
}

guint
egress_streaming_cut (EgressStreaming *self, const char *cause)
{
  g_autoptr (GList) handles = g_hash_table_get_keys (self->handles);
  guint n = 0;

  for (GList *l = handles; l != NULL; l = l->next)
    {
      EgressStreamingHandle *handle = l->data;

      if (!g_hash_table_contains (self->handles, handle)
          || handle->peer == NULL)
        continue;
      n++;
      egress_peer_set_cause (handle->peer, cause);
      egress_streaming_handle_end (handle, "stopped", cause);
    }
  return n;
}
