/* SPDX-License-Identifier: Apache-2.0 */
/* EgressJanusHttp: paths, and requests that wait for their reply. */
#include "egress/janus-http.h"

#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "egress/janus-json.h"
#include "egress/janus-polls.h"

#define TICK_S 1
#define MAX_AGE_S "86400"
#define JSON_TYPE "application/json"
#define TRANSACTION_CHARS 12

struct _EgressJanusHttp
{
  EgressJanusTransport transport; /* first: it is what the core knows */
  EgressJanus *core;              /* borrowed */
  EgressJanusPolls *polls;        /* owned */
  GSource *tick;                  /* owned */
};

/* What a path names. */
typedef struct
{
  gboolean is_admin, is_info, is_too_long;
  guint64 session_id, handle_id; /* 0 = none */
  guint n_parts;
} Target;

/* --- Replies
 * ------------------------------------------------------------------ */

static void
set_header (SoupServerMessage *msg, const char *name, const char *value)
{
  soup_message_headers_replace (soup_server_message_get_response_headers (msg),
                                name, value);
}

/* @reply: (transfer full) */
static void
answer_node (SoupServerMessage *msg, JsonNode *reply)
{
  base_http_json (msg, SOUP_STATUS_OK, reply);
  set_header (msg, "Cache-Control", "no-store");
}

/* @reply: (transfer full) */
static void
answer (SoupServerMessage *msg, JsonObject *reply)
{
  JsonNode *root = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (root, reply);
  answer_node (msg, root);
}

/* --- Requests
 * ------------------------------------------------------------------ */

/* A request whose reply comes now or later. */
typedef struct
{
  SoupServerMessage *msg; /* owned (nullable): NULL: the client has gone */
  gulong finished_id, disconnected_id;
  gboolean is_paused, is_answered;
} Pending;

static void
pending_detach (Pending *self)
{
  if (!self->msg)
    return;
  g_signal_handler_disconnect (self->msg, self->finished_id);
  g_signal_handler_disconnect (self->msg, self->disconnected_id);
  g_clear_object (&self->msg);
}

static void
on_pending_gone (SoupServerMessage *msg, gpointer data)
{
  pending_detach (data);
}

static void
on_replied (JsonObject *reply, gpointer data)
{
  Pending *self = data;
  gboolean is_paused = self->is_paused;

  if (self->msg)
    {
      SoupServerMessage *msg = g_object_ref (self->msg);

      pending_detach (self);
      answer (msg, reply);
      if (is_paused)
        soup_server_message_unpause (msg);
      g_object_unref (msg);
    }
  else
    json_object_unref (reply);
  self->is_answered = TRUE;
  if (is_paused)
    g_free (self);
}

static void
request (EgressJanusHttp *self, SoupServerMessage *msg, const Target *target,
         JsonObject *object)
{
  Pending *pending = g_new0 (Pending, 1);
  gboolean is_loopback = base_http_peer_is_loopback (msg);

  pending->msg = g_object_ref (msg);
  pending->finished_id =
      g_signal_connect (msg, "finished", G_CALLBACK (on_pending_gone), pending);
  /* A server that stops drops connections without finishing messages. */
  pending->disconnected_id = g_signal_connect (
      msg, "disconnected", G_CALLBACK (on_pending_gone), pending);
  if (target->is_admin)
    egress_janus_admin_request (self->core, target->session_id,
                                target->handle_id, object, is_loopback,
                                on_replied, pending);
  else
    egress_janus_request (self->core, &self->transport, target->session_id,
                          target->handle_id, object, is_loopback, on_replied,
                          pending);
  if (pending->is_answered)
    {
      g_free (pending);
      return;
    }
  pending->is_paused = TRUE;
  soup_server_message_pause (msg);
}

static void
post (EgressJanusHttp *self, SoupServerMessage *msg, const Target *target)
{
  SoupMessageBody *body = soup_server_message_get_request_body (msg);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (JsonObject) object = NULL;
  JsonObject *error = NULL;
  const char *text;
  gsize n_bytes = 0;

  if (body->length > EGRESS_JANUS_MAX_BODY_BYTES)
    {
      base_http_problem (msg, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE,
                         "body-too-large", "The body is larger than %d bytes.",
                         EGRESS_JANUS_MAX_BODY_BYTES);
      return;
    }
  if (target->is_info && target->is_admin)
    {
      answer (msg, egress_janus_error (0, NULL, EGRESS_JANUS_TRANSPORT,
                                       "Use GET for the info endpoint"));
      return;
    }
  if (target->is_info)
    {
      base_http_empty (msg, SOUP_STATUS_BAD_REQUEST);
      return;
    }
  bytes = soup_message_body_flatten (body);
  text = g_bytes_get_data (bytes, &n_bytes);
  object = egress_janus_json_parse (text ? text : "", n_bytes, &error);
  if (object)
    request (self, msg, target, object);
  else
    answer (msg, error);
}

static void
get_info (EgressJanusHttp *self, SoupServerMessage *msg, const Target *target)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autofree char *transaction = base_http_random_id ();

  transaction[TRANSACTION_CHARS] = '\0';
  json_object_set_string_member (object, "janus", "info");
  json_object_set_string_member (object, "transaction", transaction);
  request (self, msg, target, object);
}

/* --- Long polls ------------------------------------------------------------
 */

static void
on_events (EgressJanusTransport *transport, EgressJanusSession *session)
{
  egress_janus_polls_deliver (((EgressJanusHttp *)transport)->polls, session);
}

static void
on_session_over (EgressJanusTransport *transport, EgressJanusSession *session)
{
  egress_janus_polls_end (((EgressJanusHttp *)transport)->polls, session);
}

static void
get_events (EgressJanusHttp *self, SoupServerMessage *msg, const Target *target)
{
  const char *query = g_uri_get_query (soup_server_message_get_uri (msg));
  g_autoptr (GHashTable) params = query ? soup_form_decode (query) : NULL;
  EgressJanusSession *session;
  const char *n_max;

#define PARAM(name) (params ? g_hash_table_lookup (params, name) : NULL)
  if (!egress_janus_is_allowed (self->core, PARAM ("apisecret"),
                                PARAM ("token"),
                                base_http_peer_is_loopback (msg)))
    {
      base_http_empty (msg, SOUP_STATUS_FORBIDDEN);
      return;
    }
  n_max = PARAM ("maxev");
#undef PARAM
  session = egress_janus_lookup (self->core, target->session_id);
  if (!session || !egress_janus_session_is_of (session, &self->transport))
    {
      base_http_empty (msg, SOUP_STATUS_NOT_FOUND);
      return;
    }
  egress_janus_session_touch (session);
  egress_janus_polls_add (self->polls, msg, target->session_id,
                          n_max ? g_ascii_strtoll (n_max, NULL, 10) : 1);
  egress_janus_polls_deliver (self->polls, session);
}

void
egress_janus_http_expire (EgressJanusHttp *self, gint64 now_us)
{
  g_return_if_fail (self);
  egress_janus_polls_expire (self->polls, now_us);
}

/* --- Paths
 * ------------------------------------------------------------------------ */

/* parse_path: numbers as Janus reads them: what is none is 0 */
static Target
parse_path (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path + 1, "/", -1);
  Target target = { 0 };

  for (guint i = 0; parts[i]; i++)
    {
      if (!*parts[i])
        continue;
      if (target.n_parts == 0)
        target.is_admin = g_str_equal (parts[i], "admin");
      else if (target.n_parts == 1 && g_str_equal (parts[i], "info"))
        target.is_info = TRUE;
      else if (target.n_parts == 1)
        target.session_id = g_ascii_strtoull (parts[i], NULL, 10);
      else if (target.n_parts == 2)
        target.handle_id = g_ascii_strtoull (parts[i], NULL, 10);
      else
        target.is_too_long = TRUE;
      target.n_parts++;
    }
  return target;
}

static void
get (EgressJanusHttp *self, SoupServerMessage *msg, const Target *target)
{
  if (target->is_info)
    get_info (self, msg, target);
  else if (target->is_admin)
    answer (msg, egress_janus_error (0, NULL, EGRESS_JANUS_INVALID_JSON,
                                     "Request payload missing"));
  else if (target->session_id == 0)
    base_http_empty (msg, SOUP_STATUS_NOT_FOUND);
  else if (target->n_parts == 2)
    get_events (self, msg, target);
  else
    {
      g_autofree char *location =
          g_strdup_printf ("/janus/%" G_GUINT64_FORMAT, target->session_id);

      base_http_empty (msg, SOUP_STATUS_FOUND);
      set_header (msg, "Location", location);
    }
}

static void
preflight (SoupServerMessage *msg)
{
  const char *asked = soup_message_headers_get_one (
      soup_server_message_get_request_headers (msg),
      "Access-Control-Request-Method");

  base_http_preflight (msg, "OPTIONS, GET, HEAD, POST", NULL);
  if (asked && strspn (asked, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen (asked))
    set_header (msg, "Access-Control-Allow-Methods", asked);
}

void
egress_janus_http_handle (EgressJanusHttp *self, SoupServerMessage *msg,
                          const char *path)
{
  const char *method = soup_server_message_get_method (msg);
  Target target = parse_path (path);

  base_http_cors (msg);
  set_header (msg, "Access-Control-Max-Age", MAX_AGE_S);
  if (g_str_equal (method, "OPTIONS"))
    preflight (msg);
  else if (target.is_too_long)
    base_http_empty (msg, SOUP_STATUS_NOT_FOUND);
  else if (g_str_equal (method, "POST"))
    post (self, msg, &target);
  else if (g_str_equal (method, "GET"))
    get (self, msg, &target);
  else if (g_str_equal (method, "HEAD"))
    base_http_empty (msg, SOUP_STATUS_OK); /* it must not take events */
  else
    answer (msg, egress_janus_error (0, NULL, EGRESS_JANUS_TRANSPORT,
                                     "Unsupported method %s", method));
}

/* --- Life
 * ------------------------------------------------------------------------ */

static gboolean
on_tick (gpointer data)
{
  egress_janus_http_expire (data, base_clock_now_us ());
  return G_SOURCE_CONTINUE;
}

EgressJanusHttp *
egress_janus_http_new (EgressJanus *core, BaseMetrics *metrics)
{
  EgressJanusHttp *self;

  g_return_val_if_fail (core, NULL);

  self = g_new0 (EgressJanusHttp, 1);
  self->core = core;
  self->transport.name = "janus.transport.http";
  self->transport.on_events = on_events;
  self->transport.on_session_over = on_session_over;
  self->polls = egress_janus_polls_new (core, metrics);
  self->tick = g_timeout_source_new_seconds (TICK_S);
  g_source_set_callback (self->tick, on_tick, self, NULL);
  g_source_attach (self->tick, NULL);
  return self;
}

void
egress_janus_http_free (EgressJanusHttp *self)
{
  g_return_if_fail (self);

  egress_janus_transport_gone (self->core, &self->transport);
  egress_janus_polls_free (self->polls);
  g_source_destroy (self->tick);
  g_source_unref (self->tick);
  g_free (self);
}
