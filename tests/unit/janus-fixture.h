/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JanusFixture: a Janus core with a plugin that does what its body says, a
 * transport that keeps what it gets, and a clock that stands still.
 *   {"request":"sync"} is answered at once, "async" by an ack and an event,
 * "later" when janus_answer_later() is called, "error" by code 462.
 */
#pragma once

#include <string.h>

#include "base/clock.h"
#include "egress/janus-json.h"
#include "egress/janus-private.h"

/* Requests and replies as JSON; for "S" and "H" see janus_expect(). */
#define T "\"transaction\":\"t\""
#define ERROR(code, reason)                                                    \
  "{\"janus\":\"error\"," T ",\"error\":{\"code\":" #code                      \
  ",\"reason\":\"" reason "\"}}"
#define S_ERROR(code, reason)                                                  \
  "{\"janus\":\"error\",\"session_id\":\"S\"," T ",\"error\":{\"code\":" #code \
  ",\"reason\":\"" reason "\"}}"
#define S_ACK "{\"janus\":\"ack\",\"session_id\":\"S\"," T "}"
#define S_OK "{\"janus\":\"success\",\"session_id\":\"S\"," T "}"
#define PLUGIN "\"plugin\":\"janus.plugin.streaming\""
#define DONE(what)                                                             \
  "{\"janus\":\"success\",\"session_id\":\"S\"," T                             \
  ",\"sender\":\"H\",\"plugindata\":{" PLUGIN                                  \
  ",\"data\":{\"streaming\":\"" what "\"}}}"
#define MESSAGE(rest) "{\"janus\":\"message\"," T "," rest "}"

typedef struct
{
  EgressJanusHandle *handle; /* borrowed */
  gboolean has_peer;
} JanusState;

typedef struct
{
  EgressJanusTransport transport; /* first */
  guint n_wakes, n_over;
  GPtrArray *last_events; /* owned: taken when a session was over */
  gboolean takes;         /* takes events as they come */
  GPtrArray *taken;       /* owned */
} JanusTransport;

typedef struct
{
  EgressJanus *core;
  EgressJanusPlugin plugin;
  BaseAuth *auth;
  BaseMetrics *metrics;
  JanusTransport transport;
  EgressJanusReply *later;       /* the reply that "later" waits for */
  EgressJanusReplied admin_done; /* of "later" by the Admin API */
  gpointer admin_data;
  guint n_states;   /* attached, not yet detached */
  gboolean is_bare; /* no metrics: for who starts it very often */
  gboolean refuses, is_full;
  gboolean had_offer, had_trickle, was_loopback;
  char *token; /* owned: of the last message */
  guint n_replies;
  JsonObject *reply; /* owned: the last one */
  guint64 session_id, handle_id;
} JanusFixture;

static JanusFixture *janus_fixture;
static gint64 janus_now_us;

static gint64
janus_clock (void)
{
  return janus_now_us;
}

/* --- Plugin ------------------------------------------------------------- */

static gpointer
janus_plugin_attach (EgressJanusPlugin *plugin, EgressJanusHandle *handle)
{
  JanusState *state;

  if (janus_fixture->refuses)
    return NULL;
  state = g_new0 (JanusState, 1);
  state->handle = handle;
  janus_fixture->n_states++;
  return state;
}

static void
janus_plugin_detach (gpointer state)
{
  janus_fixture->n_states--;
  g_free (state);
}

static JsonObject *
janus_data (const char *what)
{
  JsonObject *data = json_object_new ();

  json_object_set_string_member (data, "streaming", what);
  return data;
}

static void
janus_plugin_message (gpointer data, JsonObject *body,
                      const EgressJanusJsep *jsep, gboolean peer_is_loopback,
                      const char *token, EgressJanusReply *reply)
{
  JanusFixture *f = janus_fixture;
  JanusState *state = data;
  const char *request = egress_janus_get_string (body, "request");

  f->had_offer = jsep && jsep->is_offer;
  f->had_trickle = jsep && jsep->has_trickle;
  f->was_loopback = peer_is_loopback;
  g_free (f->token);
  f->token = g_strdup (token);
  if (g_strcmp0 (request, "async") == 0)
    {
      g_autofree char *transaction =
          g_strdup (egress_janus_reply_get_transaction (reply));

      state->has_peer = TRUE;
      egress_janus_reply_ack (reply);
      egress_janus_push_event (state->handle, janus_data ("event"), transaction,
                               "offer", "v=0", FALSE);
    }
  else if (g_strcmp0 (request, "later") == 0)
    f->later = reply;
  else if (g_strcmp0 (request, "error") == 0)
    egress_janus_reply_error (reply, EGRESS_JANUS_MESSAGE, "no");
  else
    egress_janus_reply_data (reply, janus_data ("done"));
}

static void
janus_plugin_hangup (gpointer data)
{
  JanusState *state = data;

  if (state->has_peer)
    egress_janus_push_hangup (state->handle, "Janus API");
  state->has_peer = FALSE;
}

static gboolean
janus_plugin_has_peer (gpointer data)
{
  return ((JanusState *)data)->has_peer;
}

static void
janus_plugin_describe (gpointer data, JsonObject *object)
{
  json_object_set_boolean_member (object, "peer",
                                  ((JanusState *)data)->has_peer);
}

static void
janus_plugin_message_admin (EgressJanusPlugin *self, JsonObject *request,
                            EgressJanusReplied done, gpointer data)
{
  JanusFixture *f = janus_fixture;

  if (g_strcmp0 (egress_janus_get_string (request, "request"), "later") != 0)
    {
      done (janus_data ("done"), data);
      return;
    }
  f->admin_done = done;
  f->admin_data = data;
}

static const EgressJanusPlugin janus_plugin = {
  .package = "janus.plugin.streaming",
  .name = "test",
  .description = "test",
  .author = "test",
  .version_string = "1",
  .version = 1,
  .attach = janus_plugin_attach,
  .detach = janus_plugin_detach,
  .message = janus_plugin_message,
  .hangup = janus_plugin_hangup,
  .has_peer = janus_plugin_has_peer,
  .describe = janus_plugin_describe,
  .message_admin = janus_plugin_message_admin,
};

static inline void
janus_answer_later (JanusFixture *f)
{
  egress_janus_reply_data (g_steal_pointer (&f->later), janus_data ("late"));
}

/* --- Transport --------------------------------------------------------------
 */

static void
janus_on_events (EgressJanusTransport *transport, EgressJanusSession *session)
{
  JanusTransport *self = (JanusTransport *)transport;

  self->n_wakes++;
  if (self->takes)
    {
      g_autoptr (GPtrArray) events =
          egress_janus_session_take_events (session, G_MAXUINT);

      for (guint i = 0; i < events->len; i++)
        g_ptr_array_add (self->taken, json_object_ref (events->pdata[i]));
    }
}

static void
janus_on_over (EgressJanusTransport *transport, EgressJanusSession *session)
{
  JanusTransport *self = (JanusTransport *)transport;

  self->n_over++;
  g_clear_pointer (&self->last_events, g_ptr_array_unref);
  self->last_events = egress_janus_session_take_events (session, G_MAXUINT);
}

static inline void
janus_transport_init (JanusTransport *self, const char *name)
{
  self->transport.name = name;
  self->transport.on_events = janus_on_events;
  self->transport.on_session_over = janus_on_over;
  self->taken =
      g_ptr_array_new_with_free_func ((GDestroyNotify)json_object_unref);
}

static inline void
janus_transport_clear (JanusTransport *self)
{
  g_clear_pointer (&self->last_events, g_ptr_array_unref);
  g_clear_pointer (&self->taken, g_ptr_array_unref);
}

/* --- The fixture
 * -------------------------------------------------------------- */

static inline gboolean
janus_fixture_accepts (gpointer data)
{
  return !((JanusFixture *)data)->is_full;
}

/* janus_start: @config: (nullable): what differs from the defaults */
static inline void
janus_start (JanusFixture *f, const EgressJanusConfig *config)
{
  static const char *const no_tokens[BASE_AUTH_N_SURFACES] = { NULL };
  EgressJanusConfig all = config ? *config : (EgressJanusConfig){ 0 };

  janus_fixture = f;
  janus_now_us = 1000 * BASE_US_PER_S;
  if (!f->auth)
    f->auth = base_auth_new (no_tokens, NULL, FALSE, NULL);
  f->metrics = f->is_bare ? NULL : base_metrics_new ();
  all.auth = f->auth;
  all.metrics = f->metrics;
  all.is_accepting = janus_fixture_accepts;
  all.data = f;
  if (all.max_sessions == 0)
    all.max_sessions = 8;
  if (all.session_timeout_s == 0)
    all.session_timeout_s = 60;
  f->core = egress_janus_new (&all);
  f->core->now_us = janus_clock;
  f->plugin = janus_plugin;
  egress_janus_set_plugin (f->core, &f->plugin);
  janus_transport_init (&f->transport, "janus.transport.test");
}

static inline void
janus_stop (JanusFixture *f)
{
  if (f->core)
    egress_janus_free (f->core);
  g_assert_cmpuint (f->n_states, ==, 0);
  g_clear_pointer (&f->reply, json_object_unref);
  janus_transport_clear (&f->transport);
  g_clear_pointer (&f->metrics, base_metrics_free);
  base_auth_free (f->auth);
  g_free (f->token);
}

static void
janus_on_replied (JsonObject *reply, gpointer data)
{
  JanusFixture *f = data;

  f->n_replies++;
  g_clear_pointer (&f->reply, json_object_unref);
  f->reply = reply;
}

/* (transfer full): no member in it twice, so texts can be compared */
static inline char *
janus_text (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_set_object (node, object);
  return json_to_string (node, FALSE);
}

/* @text: of one object */
static inline JsonObject *
janus_parse (const char *text)
{
  JsonObject *error = NULL;
  JsonObject *object = egress_janus_json_parse (text, strlen (text), &error);

  if (!object)
    g_error ("%s", text);
  return object;
}

static inline void
janus_ask_by (JanusFixture *f, EgressJanusTransport *transport,
              guint64 session_id, guint64 handle_id, const char *text)
{
  g_autoptr (JsonObject) request = janus_parse (text);

  egress_janus_request (f->core, transport, session_id, handle_id, request,
                        TRUE, janus_on_replied, f);
}

static inline void
janus_ask (JanusFixture *f, guint64 session_id, guint64 handle_id,
           const char *text)
{
  janus_ask_by (f, &f->transport.transport, session_id, handle_id, text);
}

/* janus_expect: the last reply, where S and H in quotes stand for the ids, as
 * in "session_id":"S" */
static inline void
janus_expect (JanusFixture *f, const char *expected)
{
  g_autofree char *s =
      g_strdup_printf ("%" G_GINT64_FORMAT, (gint64)f->session_id);
  g_autofree char *h =
      g_strdup_printf ("%" G_GINT64_FORMAT, (gint64)f->handle_id);
  GString *text = g_string_new (expected);
  g_autofree char *got = f->reply ? janus_text (f->reply) : NULL;

  g_string_replace (text, "\"S\"", s, 0);
  g_string_replace (text, "\"H\"", h, 0);
  g_string_replace (text, "<S>", s, 0);
  g_string_replace (text, "<H>", h, 0);
  g_assert_cmpstr (got, ==, text->str);
  g_string_free (text, TRUE);
}

static inline guint64
janus_reply_id (JanusFixture *f)
{
  g_assert_true (json_object_has_member (f->reply, "data"));
  return (guint64)json_object_get_int_member (
      json_object_get_object_member (f->reply, "data"), "id");
}

/* a session and a handle */
static inline void
janus_open (JanusFixture *f)
{
  janus_ask (f, 0, 0, "{\"janus\":\"create\",\"transaction\":\"t\"}");
  f->session_id = janus_reply_id (f);
  janus_ask (f, f->session_id, 0,
             "{\"janus\":\"attach\",\"transaction\":\"t\","
             "\"plugin\":\"janus.plugin.streaming\"}");
  f->handle_id = janus_reply_id (f);
}

static inline gint64
janus_metric (JanusFixture *f, const char *sample)
{
  g_autofree char *text = base_metrics_render (f->metrics);
  g_autofree char *line = g_strconcat ("\n", sample, " ", NULL);
  const char *at = strstr (text, line);

  if (!at)
    g_error ("no %s in\n%s", sample, text);
  return g_ascii_strtoll (at + strlen (line), NULL, 10);
}
