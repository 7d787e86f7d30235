/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of the Janus API: their frame, and who does what. */
#include "egress/janus-private.h"

/* What counts, by index: "other" is first. The Admin API's are of
 * janus-admin.c.
 */
static const char *const verb_names[] = {
  "other",
  "info",
  "ping",
  "create",
  "keepalive",
  "claim",
  "attach",
  "destroy",
  "message",
  "trickle",
  "hangup",
  "detach",
  "get_status",
  "accept_new_sessions",
  "set_session_timeout",
  "set_slowlink_threshold",
  "list_sessions",
  "list_handles",
  "handle_info",
  "destroy_session",
  "detach_handle",
  "hangup_webrtc",
  "message_plugin",
  "add_token",
  "allow_token",
  "disallow_token",
  "remove_token",
  "list_tokens",
};
G_STATIC_ASSERT (G_N_ELEMENTS (verb_names) <= JANUS_MAX_VERBS);

guint
janus_verb_index (const char *verb)
{
  for (guint i = 1; i < G_N_ELEMENTS (verb_names); i++)
    if (g_ascii_strcasecmp (verb, verb_names[i]) == 0)
      return i;
  return 0;
}

const char *
janus_verb_name (guint index)
{
  return index < G_N_ELEMENTS (verb_names) ? verb_names[index] : NULL;
}

/* --- The frame
 * ---------------------------------------------------------------- */

EgressJanusReply *
janus_request_begin (EgressJanus *self, guint64 session_id, guint64 handle_id,
                     JsonObject *request, EgressJanusReplied replied,
                     gpointer data, const char **ret_verb)
{
  static const EgressJanusParam params[] = {
    { "transaction", EGRESS_JANUS_STRING, TRUE },
    { "janus", EGRESS_JANUS_STRING, TRUE },
    { "id", EGRESS_JANUS_POSITIVE, FALSE },
  };
  EgressJanusReply *call;

  if (session_id == 0)
    session_id = (guint64)egress_janus_get_int (request, "session_id", 0);
  if (handle_id == 0)
    handle_id = (guint64)egress_janus_get_int (request, "handle_id", 0);
  call = janus_reply_new (self, session_id, handle_id, NULL, 0, replied, data);
  if (!janus_reply_check (call, request, params, G_N_ELEMENTS (params)))
    return NULL;
  *ret_verb = egress_janus_get_string (request, "janus");
  call->transaction =
      g_strdup (egress_janus_get_string (request, "transaction"));
  call->verb = janus_verb_index (*ret_verb);
  return call;
}

gboolean
janus_request_find (EgressJanusReply *call, EgressJanusSession **ret_session,
                    EgressJanusHandle **ret_handle)
{
  EgressJanusSession *session =
      egress_janus_lookup (call->core, call->session_id);

  if (!session)
    {
      janus_reply_fail (call, EGRESS_JANUS_NO_SESSION,
                        "No such session %" G_GUINT64_FORMAT, call->session_id);
      return FALSE;
    }
  *ret_session = session;
  *ret_handle = NULL;
  if (call->handle_id == 0)
    return TRUE;
  *ret_handle = janus_session_find (session, call->handle_id);
  if (!*ret_handle)
    janus_reply_fail (call, EGRESS_JANUS_NO_HANDLE,
                      "No such handle %" G_GUINT64_FORMAT
                      " in session %" G_GUINT64_FORMAT,
                      call->handle_id, call->session_id);
  return *ret_handle != NULL;
}

/* --- Verbs
 * ---------------------------------------------------------------------- */

typedef struct
{
  EgressJanusReply *call;
  EgressJanusTransport *transport;
  EgressJanusSession *session; /* NULL at the root */
  EgressJanusHandle *handle;   /* NULL unless the path names one */
  JsonObject *request;
  JanusAccess access;
  gboolean is_loopback;
} Request;

static void
succeed (EgressJanusReply *call)
{
  janus_reply_finish (
      call, janus_object ("success", call->session_id, call->transaction));
}

/* succeed_with_id: {"data":{"id"}} */
static void
succeed_with_id (EgressJanusReply *call, guint64 id)
{
  JsonObject *reply =
      janus_object ("success", call->session_id, call->transaction);
  JsonObject *body = json_object_new ();

  json_object_set_int_member (body, "id", (gint64)id);
  json_object_set_object_member (reply, "data", body);
  janus_reply_finish (call, reply);
}

static void
do_create (Request *self)
{
  EgressJanus *core = self->call->core;
  guint64 id = (guint64)egress_janus_get_int (self->request, "id", 0);

  if (id != 0 && egress_janus_lookup (core, id))
    {
      self->call->session_id = id;
      janus_reply_fail (self->call, EGRESS_JANUS_SESSION_CONFLICT,
                        "Session ID already in use");
      return;
    }
  while (id == 0 || egress_janus_lookup (core, id))
    id = janus_random_id ();
  janus_session_new (core, id, self->transport);
  succeed_with_id (self->call, id);
}

static void
do_keepalive (Request *self)
{
  egress_janus_reply_ack (self->call);
}

static void
do_claim (Request *self)
{
  EgressJanusSession *session = self->session;
  EgressJanusTransport *old = session->transport;

  if (old != self->transport)
    {
      session->transport = self->transport;
      if (old)
        old->on_session_over (old, session);
    }
  succeed (self->call);
  if (session->events.length > 0)
    session->transport->on_events (session->transport, session);
}

static void
do_attach (Request *self)
{
  static const EgressJanusParam params[] = {
    { "plugin", EGRESS_JANUS_STRING, TRUE },
    { "opaque_id", EGRESS_JANUS_STRING, FALSE },
    { "loop_index", EGRESS_JANUS_POSITIVE, FALSE },
  };
  EgressJanus *core = self->call->core;
  const char *name;
  EgressJanusHandle *handle;

  if (!janus_reply_check (self->call, self->request, params,
                          G_N_ELEMENTS (params)))
    return;
  name = egress_janus_get_string (self->request, "plugin");
  if (!core->plugin || !g_str_equal (name, core->plugin->package))
    {
      janus_reply_fail (self->call, EGRESS_JANUS_NO_PLUGIN,
                        "No such plugin '%s'", name);
      return;
    }
  if (self->access.stored_token
      && !egress_janus_tokens_is_allowed (core->tokens,
                                          self->access.stored_token, name))
    {
      janus_reply_fail (self->call, EGRESS_JANUS_UNAUTHORIZED_PLUGIN,
                        "Provided token can't access plugin '%s'", name);
      return;
    }
  handle = janus_session_attach (
      self->session, egress_janus_get_string (self->request, "opaque_id"));
  if (handle)
    succeed_with_id (self->call, handle->id);
  else
    janus_reply_fail (self->call, EGRESS_JANUS_ATTACH,
                      "Couldn't attach to plugin: error '-1'");
}

static void
do_destroy (Request *self)
{
  succeed (self->call);
  janus_session_end (self->session, JANUS_END_DESTROYED);
}

static void
do_message (Request *self)
{
  janus_do_message (self->call, self->handle, self->request, self->is_loopback,
                    self->access.jwt);
}

static void
do_trickle (Request *self)
{
  janus_do_trickle (self->call, self->handle, self->request);
}

static void
do_hangup (Request *self)
{
  EgressJanus *core = self->call->core;

  succeed (self->call);
  core->plugin->hangup (self->handle->state);
}

static void
do_detach (Request *self)
{
  succeed (self->call);
  janus_session_detach (self->session, self->handle, TRUE);
}

typedef enum
{
  AT_SESSION = 1 << 0,
  AT_HANDLE = 1 << 1,
} Level;

static const struct
{
  const char *verb;
  guint levels; /* of Level */
  void (*run) (Request *self);
} verbs[] = {
  { "keepalive", AT_SESSION | AT_HANDLE, do_keepalive },
  { "claim", AT_SESSION | AT_HANDLE, do_claim },
  { "attach", AT_SESSION, do_attach },
  { "destroy", AT_SESSION, do_destroy },
  { "message", AT_HANDLE, do_message },
  { "trickle", AT_HANDLE, do_trickle },
  { "hangup", AT_HANDLE, do_hangup },
  { "detach", AT_HANDLE, do_detach },
};

/* --- Dispatch
 * ----------------------------------------------------------------- */

static void
refuse_path (EgressJanusReply *call, const char *verb)
{
  janus_reply_fail (call, EGRESS_JANUS_INVALID_PATH,
                    "Unhandled request '%s' at this path", verb);
}

static gboolean
check_access (Request *self)
{
  JsonObject *request = self->request;

  self->access = janus_check_access (
      self->call->core, egress_janus_get_string (request, "apisecret"),
      egress_janus_get_string (request, "token"), self->is_loopback);
  if (self->access.is_ok)
    return TRUE;
  janus_reply_fail (self->call, EGRESS_JANUS_UNAUTHORIZED,
                    self->access.is_protected
                        ? "Unauthorized request (no secret is configured, so "
                          "only clients on this machine are served)"
                        : "Unauthorized request (wrong or missing "
                          "secret/token)");
  return FALSE;
}

static void
at_root (Request *self, const char *verb)
{
  EgressJanusReply *call = self->call;

  if (g_ascii_strcasecmp (verb, "info") == 0)
    janus_reply_finish (call,
                        janus_server_info (call->core, call->transaction));
  else if (g_ascii_strcasecmp (verb, "ping") == 0)
    janus_reply_finish (call, janus_object ("pong", 0, call->transaction));
  else if (g_ascii_strcasecmp (verb, "create") != 0)
    refuse_path (call, verb);
  else if (!janus_is_accepting (call->core))
    janus_reply_fail (call, EGRESS_JANUS_NO_NEW_SESSIONS,
                      "Currently not accepting new sessions");
  else if (check_access (self))
    do_create (self);
}

static void
at_session (Request *self, const char *verb)
{
  guint level = self->handle ? AT_HANDLE : AT_SESSION;

  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_ascii_strcasecmp (verb, verbs[i].verb) == 0)
      {
        if (verbs[i].levels & level)
          verbs[i].run (self);
        else
          refuse_path (self->call, verb);
        return;
      }
  janus_reply_fail (self->call, EGRESS_JANUS_UNKNOWN_REQUEST,
                    "Unknown request '%s'", verb);
}

void
egress_janus_request (EgressJanus *self, EgressJanusTransport *transport,
                      guint64 session_id, guint64 handle_id,
                      JsonObject *request, gboolean is_loopback,
                      EgressJanusReplied replied, gpointer data)
{
  Request r = { .transport = transport,
                .request = request,
                .is_loopback = is_loopback };
  const char *verb;

  g_return_if_fail (self && transport && request && replied);

  r.call = janus_request_begin (self, session_id, handle_id, request, replied,
                                data, &verb);
  if (!r.call)
    return;
  if (r.call->session_id == 0 && r.call->handle_id == 0)
    at_root (&r, verb);
  else if (r.call->session_id == 0)
    janus_reply_fail (r.call, EGRESS_JANUS_NO_SESSION, "Session not found");
  else if (r.call->handle_id == 0
           && json_object_has_member (request, "handle_id"))
    janus_reply_fail (r.call, EGRESS_JANUS_NO_HANDLE, "Handle not found");
  else if (check_access (&r)
           && janus_request_find (r.call, &r.session, &r.handle))
    {
      egress_janus_session_touch (r.session);
      at_session (&r, verb);
    }
}
