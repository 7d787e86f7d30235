/* SPDX-License-Identifier: Apache-2.0 */
/* EgressJanus: its life, who may ask, and the one tick of all sessions. */
#include "egress/janus-private.h"

#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

#define TICK_S 2
#define ID_MASK ((G_GUINT64_CONSTANT (1) << 53) - 1) /* exact in JavaScript */

static const char *const end_names[JANUS_N_ENDS] = {
  [JANUS_END_DESTROYED] = "destroyed",
  [JANUS_END_TIMEOUT] = "timeout",
  [JANUS_END_TRANSPORT_GONE] = "transport-gone",
  [JANUS_END_OVERFLOW] = "overflow",
  [JANUS_END_SHUTDOWN] = "shutdown",
};

const char *
janus_end_name (JanusEnd why)
{
  return end_names[why];
}

/* --- Objects -----------------------------------------------------------------
 */

guint64
janus_random_id (void)
{
  guint64 id;

  do
    {
      /* Up to 256 bytes come whole or not at all (getrandom(2)). */
      if (getrandom (&id, sizeof id, 0) != sizeof id)
        g_error ("The kernel gives no random bytes");
      id &= ID_MASK;
    }
  while (id == 0);
  return id;
}

JsonObject *
janus_object (const char *what, guint64 session_id, const char *transaction)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "janus", what);
  if (session_id != 0)
    json_object_set_int_member (object, "session_id", (gint64)session_id);
  if (transaction)
    json_object_set_string_member (object, "transaction", transaction);
  return object;
}

JsonObject *
janus_error_text (guint64 session_id, const char *transaction,
                  EgressJanusCode code, const char *text)
{
  JsonObject *object = janus_object ("error", session_id, transaction);
  JsonObject *error = json_object_new ();

  json_object_set_int_member (error, "code", code);
  json_object_set_string_member (error, "reason", text);
  json_object_set_object_member (object, "error", error);
  return object;
}

JsonObject *
egress_janus_error (guint64 session_id, const char *transaction,
                    EgressJanusCode code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  return janus_error_text (session_id, transaction, code, text);
}

/* --- Who may ask
 * ---------------------------------------------------------------- */

static BaseAuthResult
check_auth (EgressJanus *self, BaseAuthSurface surface, const char *token)
{
  return base_auth_check_token (self->config.auth, surface, NULL, token,
                                base_clock_wall_us () / BASE_US_PER_S);
}

/* is_signed: @token opens @surface, and not because everything does */
static gboolean
is_signed (EgressJanus *self, BaseAuthSurface surface, const char *token)
{
  return check_auth (self, surface, token) == BASE_AUTH_OK
         && check_auth (self, surface, NULL) != BASE_AUTH_OK;
}

JanusAccess
janus_check_access (EgressJanus *self, const char *api_secret,
                    const char *token, gboolean is_loopback)
{
  JanusAccess access = { 0 };
  BaseAuthResult result;

  if (self->config.api_secret
      && base_auth_is_secret (api_secret, self->config.api_secret))
    access.has_secret = TRUE;
  else if (self->config.token_auth
           && egress_janus_tokens_has (self->tokens, token))
    access.stored_token = token;
  else if (token
           && (is_signed (self, BASE_AUTH_WATCH, token)
               || is_signed (self, BASE_AUTH_ADMIN, token))
           && (self->config.token_auth || !self->config.api_secret))
    access.jwt = token;
  else if (!self->config.api_secret && !self->config.token_auth)
    {
      result = check_auth (self, BASE_AUTH_WATCH, token);
      access.is_protected = result == BASE_AUTH_PROTECTED && !is_loopback;
      access.is_ok = result == BASE_AUTH_OK
                     || (result == BASE_AUTH_PROTECTED && is_loopback);
      return access;
    }
  access.is_ok = access.has_secret || access.stored_token || access.jwt;
  return access;
}

gboolean
janus_check_admin (EgressJanus *self, const char *secret, const char *token,
                   gboolean is_loopback)
{
  BaseAuthResult result;

  if (self->config.admin_secret)
    return base_auth_is_secret (secret, self->config.admin_secret);
  result = check_auth (self, BASE_AUTH_ADMIN, token);
  return result == BASE_AUTH_OK
         || (result == BASE_AUTH_PROTECTED && is_loopback);
}

gboolean
egress_janus_is_allowed (EgressJanus *self, const char *api_secret,
                         const char *token, gboolean is_loopback)
{
  g_return_val_if_fail (self, FALSE);
  return janus_check_access (self, api_secret, token, is_loopback).is_ok;
}

gboolean
janus_is_accepting (EgressJanus *self)
{
  return self->is_accepting
         && g_hash_table_size (self->sessions) < self->config.max_sessions
         && (!self->config.is_accepting
             || self->config.is_accepting (self->config.data));
}

EgressJanusSession *
egress_janus_lookup (EgressJanus *self, guint64 session_id)
{
  g_return_val_if_fail (self, NULL);
  return g_hash_table_lookup (self->sessions, &session_id);
}

/* --- Time
 * ------------------------------------------------------------------------ */

/* is_past: when a session's time is over, @ret_why says how it ended */
static gboolean
is_past (EgressJanusSession *session, gint64 now_us, JanusEnd *ret_why)
{
  const EgressJanusConfig *config = &session->core->config;
  gint64 timeout_s = session->timeout_s >= 0
                         ? session->timeout_s
                         : (gint64)config->session_timeout_s;

  if (session->is_overflowing)
    *ret_why = JANUS_END_OVERFLOW;
  else if (!session->transport
           && now_us - session->gone_us
                  >= config->reclaim_timeout_s * BASE_US_PER_S)
    *ret_why = JANUS_END_TRANSPORT_GONE;
  else if (timeout_s > 0
           && now_us - session->last_active_us >= timeout_s * BASE_US_PER_S)
    *ret_why = JANUS_END_TIMEOUT;
  else
    return FALSE;
  return TRUE;
}

void
janus_tick (EgressJanus *self)
{
  g_autoptr (GPtrArray) past = g_ptr_array_new ();
  gint64 now_us = self->now_us ();
  GHashTableIter iter;
  gpointer session;
  JanusEnd why;

  g_hash_table_iter_init (&iter, self->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &session))
    if (is_past (session, now_us, &why))
      g_ptr_array_add (past, session);
  for (guint i = 0; i < past->len; i++)
    if (is_past (past->pdata[i], now_us, &why))
      janus_session_end (past->pdata[i], why);
}

static gboolean
on_tick (gpointer data)
{
  janus_tick (data);
  return G_SOURCE_CONTINUE;
}

void
egress_janus_transport_gone (EgressJanus *self, EgressJanusTransport *transport)
{
  g_autoptr (GPtrArray) left = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_return_if_fail (self && transport);

  g_hash_table_iter_init (&iter, self->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      EgressJanusSession *session = value;

      if (session->transport != transport)
        continue;
      session->transport = NULL;
      session->gone_us = self->now_us ();
      g_ptr_array_add (left, session);
    }
  for (guint i = 0; self->config.reclaim_timeout_s == 0 && i < left->len; i++)
    janus_session_end (left->pdata[i], JANUS_END_TRANSPORT_GONE);
}

/* --- Life
 * ------------------------------------------------------------------------ */

static void
register_metrics (EgressJanus *self, BaseMetrics *metrics)
{
  static const char *const results[] = { "ok", "error" };
  const char *verb;

  if (!metrics)
    return;
  self->n_sessions_gauge = base_metrics_add_gauge (
      metrics, "media_tree_janus_sessions", NULL, "Sessions of the Janus API.");
  self->n_handles_gauge =
      base_metrics_add_gauge (metrics, "media_tree_janus_handles", NULL,
                              "Plugin handles of the Janus API.");
  self->n_events_dropped = base_metrics_add_counter (
      metrics, "media_tree_janus_events_dropped_total", NULL,
      "Events that a session without a reader had no room for.");
  for (guint i = 0; i < JANUS_N_ENDS; i++)
    {
      g_autofree char *label = base_metrics_label ("reason", end_names[i]);

      self->n_ended[i] = base_metrics_add_counter (
          metrics, "media_tree_janus_sessions_ended_total", label,
          "Sessions of the Janus API that ended.");
    }
  for (guint i = 0; (verb = janus_verb_name (i)); i++)
    for (guint k = 0; k < G_N_ELEMENTS (results); k++)
      {
        g_autofree char *label = base_metrics_label ("verb", verb);
        g_autofree char *result = base_metrics_label ("result", results[k]);
        g_autofree char *both = g_strconcat (label, ",", result, NULL);

        self->n_requests[i][k] = base_metrics_add_counter (
            metrics, "media_tree_janus_requests_total", both,
            "Requests of the Janus API and its Admin API.");
      }
}

EgressJanus *
egress_janus_new (const EgressJanusConfig *config)
{
  EgressJanus *self;

  g_return_val_if_fail (config && config->auth, NULL);

  self = g_new0 (EgressJanus, 1);
  self->config = *config;
  self->config.server_name = g_strdup (config->server_name);
  self->config.api_secret = g_strdup (config->api_secret);
  self->config.admin_secret = g_strdup (config->admin_secret);
  self->now_us = base_clock_now_us;
  self->is_accepting = TRUE;
  self->sessions = g_hash_table_new (g_int64_hash, g_int64_equal);
  self->tokens = egress_janus_tokens_new ();
  register_metrics (self, config->metrics);
  self->tick = g_timeout_source_new_seconds (TICK_S);
  g_source_set_callback (self->tick, on_tick, self, NULL);
  g_source_attach (self->tick, NULL);
  return self;
}

void
egress_janus_free (EgressJanus *self)
{
  g_autoptr (GList) sessions = NULL;

  g_return_if_fail (self);

  sessions = g_hash_table_get_values (self->sessions);
  for (GList *l = sessions; l; l = l->next)
    janus_session_end (l->data, JANUS_END_SHUTDOWN);
  janus_reply_flush (&self->open);
  g_source_destroy (self->tick);
  g_source_unref (self->tick);
  g_hash_table_unref (self->sessions);
  egress_janus_tokens_free (self->tokens);
  g_free ((char *)self->config.server_name);
  g_free ((char *)self->config.api_secret);
  g_free ((char *)self->config.admin_secret);
  g_free (self);
}

void
egress_janus_set_plugin (EgressJanus *self, EgressJanusPlugin *plugin)
{
  g_return_if_fail (self && plugin);
  self->plugin = plugin;
}

JsonNode *
egress_janus_describe (EgressJanus *self)
{
  JsonObject *object = json_object_new ();
  JsonNode *root = json_node_new (JSON_NODE_OBJECT);
  GHashTableIter iter;
  gpointer session;
  gint64 n_events = 0;

  g_return_val_if_fail (self, root);

  /* Ids of sessions open them: they are not shown. */
  g_hash_table_iter_init (&iter, self->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &session))
    n_events += ((EgressJanusSession *)session)->events.length;
  json_object_set_int_member (object, "n_sessions",
                              g_hash_table_size (self->sessions));
  json_object_set_int_member (object, "max_sessions",
                              self->config.max_sessions);
  json_object_set_int_member (object, "n_handles", self->n_handles);
  json_object_set_int_member (object, "n_unread_events", n_events);
  json_object_set_int_member (object, "n_open_requests", self->open.length);
  json_object_set_boolean_member (object, "is_accepting",
                                  janus_is_accepting (self));
  json_node_take_object (root, object);
  return root;
}
