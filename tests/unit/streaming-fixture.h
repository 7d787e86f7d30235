/* SPDX-License-Identifier: Apache-2.0 */
/*
 * StreamingFixture: the Streaming plugin on a real core, real mountpoints, gate
 * and worker; only where the media comes from is played (hooks). Requests and
 * answers are JSON text with ' for ".
 */
#pragma once

#include <glib/gstdio.h>

#include "tests/unit/streaming-sources.h"

/* --- requests ----------------------------------------------------------- */

/* (transfer full): ' is " */
static inline char *
streaming_quote (const char *text)
{
  return g_strdelimit (g_strdup (text), "'", '"');
}

static inline JsonObject *
streaming_parse (const char *text)
{
  g_autofree char *quoted = streaming_quote (text);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_from_string (quoted, &error);

  g_assert_no_error (error);
  return json_node_dup_object (node);
}

static inline const char *
streaming_text (StreamingFixture *f, JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_set_object (node, object);
  g_free (f->text);
  f->text = g_strdelimit (json_to_string (node, FALSE), "\"", '\'');
  return f->text;
}

static void
streaming_on_replied (JsonObject *reply, gpointer data)
{
  StreamingFixture *f = data;

  g_clear_pointer (&f->reply, json_object_unref);
  f->reply = reply;
}

static void
streaming_on_events (EgressJanusTransport *transport,
                     EgressJanusSession *session)
{
  StreamingFixture *f =
      (StreamingFixture *)((char *)transport
                           - offsetof (StreamingFixture, transport));
  g_autoptr (GPtrArray) events =
      egress_janus_session_take_events (session, 100);

  for (guint i = 0; i < events->len; i++)
    g_queue_push_tail (&f->events, json_object_ref (events->pdata[i]));
}

static void
streaming_on_session_over (EgressJanusTransport *transport,
                           EgressJanusSession *session)
{
}

/* @request: (transfer full) */
static inline void
streaming_send (StreamingFixture *f, JsonObject *request)
{
  g_clear_pointer (&f->reply, json_object_unref);
  if (f->token != NULL)
    json_object_set_string_member (request, "token", f->token);
  egress_janus_request (f->core, &f->transport, f->session_id, f->handle_id,
                        request, TRUE, streaming_on_replied, f);
  json_object_unref (request);
}

static inline void
streaming_send_text (StreamingFixture *f, const char *text)
{
  streaming_send (f, streaming_parse (text));
}

/* sends @body as a message; @sdp: (nullable)
 * Returns: the plugin's data; "ack"; or "CODE reason" of the core; NULL: not
 * answered yet */
static inline const char *
streaming_ask_with (StreamingFixture *f, const char *body, const char *type,
                    const char *sdp)
{
  JsonObject *request = streaming_parse ("{'janus':'message',"
                                         "'transaction':'t'}");
  const char *what;

  json_object_set_object_member (request, "body", streaming_parse (body));
  if (sdp != NULL)
    {
      JsonObject *jsep = json_object_new ();

      json_object_set_string_member (jsep, "type", type);
      json_object_set_string_member (jsep, "sdp", sdp);
      json_object_set_object_member (request, "jsep", jsep);
    }
  streaming_send (f, request);
  if (f->reply == NULL)
    return NULL;
  what = json_object_get_string_member (f->reply, "janus");
  if (g_str_equal (what, "success"))
    return streaming_text (
        f, json_object_get_object_member (
               json_object_get_object_member (f->reply, "plugindata"), "data"));
  if (g_str_equal (what, "error"))
    {
      JsonObject *error = json_object_get_object_member (f->reply, "error");

      g_free (f->text);
      f->text = g_strdup_printf (
          "%d %s", (int)json_object_get_int_member (error, "code"),
          json_object_get_string_member (error, "reason"));
      return f->text;
    }
  return what;
}

static inline const char *
streaming_ask (StreamingFixture *f, const char *body)
{
  return streaming_ask_with (f, body, NULL, NULL);
}

/* streaming_event: waits for the next one.
 * Returns: its data (with "+offer" and the like when a jsep comes along, and
 * "t: " before it when it has the transaction), or "webrtcup", "hangup
 * REASON" */
static inline const char *
streaming_event (StreamingFixture *f)
{
  g_autoptr (JsonObject) event = NULL;
  const char *what;

  while (g_queue_is_empty (&f->events))
    g_main_context_iteration (NULL, TRUE);
  event = g_queue_pop_head (&f->events);
  what = json_object_get_string_member (event, "janus");
  if (g_str_equal (what, "event"))
    {
      JsonObject *data = json_object_get_object_member (
          json_object_get_object_member (event, "plugindata"), "data");
      g_autofree char *text = g_strdup (streaming_text (f, data));
      JsonObject *jsep = json_object_has_member (event, "jsep")
                             ? json_object_get_object_member (event, "jsep")
                             : NULL;

      g_free (f->text);
      f->text = g_strconcat (
          json_object_has_member (event, "transaction") ? "t: " : "", text,
          jsep != NULL ? " +" : "",
          jsep != NULL ? json_object_get_string_member (jsep, "type") : "",
          jsep != NULL && json_object_has_member (jsep, "restart") ? " restart"
                                                                   : "",
          jsep != NULL && json_object_has_member (jsep, "e2ee") ? " e2ee" : "",
          NULL);
      if (jsep != NULL)
        {
          g_free (f->sdp);
          f->sdp = g_strdup (json_object_get_string_member (jsep, "sdp"));
        }
      return f->text;
    }
  g_free (f->text);
  f->text = json_object_has_member (event, "reason") ? g_strdup_printf (
                "%s %s", what, json_object_get_string_member (event, "reason"))
                                                     : g_strdup (what);
  return f->text;
}

#define streaming_expect(f, body, data)                                        \
  g_assert_cmpstr (streaming_ask (f, body), ==, data)
#define streaming_expect_error(f, body, code, error)                           \
  g_assert_cmpstr (streaming_ask (f, body), ==,                                \
                   "{'streaming':'event','error_code':" #code                  \
                   ",'error':'" error "'}")
/* an asynchronous request: an ack, then one event */
#define streaming_expect_event(f, body, event)                                 \
  G_STMT_START                                                                 \
  {                                                                            \
    g_assert_cmpstr (streaming_ask (f, body), ==, "ack");                      \
    g_assert_cmpstr (streaming_event (f), ==, event);                          \
  }                                                                            \
  G_STMT_END
#define streaming_expect_event_error(f, body, code, error)                     \
  streaming_expect_event (f, body,                                             \
                          "t: {'streaming':'event','error_code':" #code        \
                          ",'error':'" error "'}")
#define STREAMING_STATUS(status)                                               \
  "{'streaming':'event','result':{'status':'" status "'}}"
#define streaming_expect_status(f, body, status)                               \
  streaming_expect_event (f, body, "t: " STREAMING_STATUS (status))

/* a new handle; its id stays the one in use */
static inline guint64
streaming_attach (StreamingFixture *f)
{
  f->handle_id = 0;
  streaming_send_text (f, "{'janus':'attach','transaction':'t',"
                          "'plugin':'janus.plugin.streaming'}");
  g_assert_cmpstr (json_object_get_string_member (f->reply, "janus"), ==,
                   "success");
  f->handle_id = (guint64)json_object_get_int_member (
      json_object_get_object_member (f->reply, "data"), "id");
  return f->handle_id;
}

/* --- life --------------------------------------------------------------- */

typedef struct
{
  gboolean string_ids;
  const char *admin_key, *recording_dir;
  guint max_viewers; /* 0 = 100 */
  gint64 linger_us;
  const char *jwt_key; /* (nullable): HS256; then tokens are needed */
  const char *token;   /* for the fixture's own requests */
} StreamingOptions;

static inline BaseAuth *
streaming_make_auth (const StreamingOptions *options)
{
  static const char *const none[BASE_AUTH_N_SURFACES] = { NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  BaseAuth *auth;

  if (options->jwt_key != NULL)
    {
      int fd = g_file_open_tmp ("jwt-key-XXXXXX", &path, &error);

      g_assert_no_error (error);
      g_assert_true (g_close (fd, NULL));
      g_assert_true (g_file_set_contents (path, options->jwt_key, -1, NULL));
    }
  auth = base_auth_new (none, path, options->jwt_key == NULL, &error);
  g_assert_no_error (error);
  if (path != NULL)
    g_assert_cmpint (g_remove (path), ==, 0);
  return auth;
}

static inline void
streaming_make_world (StreamingFixture *f, const StreamingOptions *options)
{
  static const char *const public[] = { "127.0.0.1", NULL };
  g_autoptr (GError) error = NULL;

  f->certificate = rtc_certificate_new (&error);
  g_assert_no_error (error);
  f->metrics = base_metrics_new ();
  f->worker = rtc_worker_new (0, 0, f->certificate, f->metrics, &error);
  g_assert_no_error (error);
  f->addresses = rtc_addresses_new (public, &error);
  g_assert_no_error (error);
  f->auth = streaming_make_auth (options);
  f->token = options->token;
  f->hub = relay_hub_new (&f->worker, 1, options->linger_us, f->metrics);
}

static inline void
streaming_set_up (StreamingFixture *f, gconstpointer data)
{
  static const StreamingOptions none;
  const StreamingOptions *options = data != NULL ? data : &none;
  EgressMountpointsConfig mountpoints = {
    .string_ids = options->string_ids,
    .admin_key = options->admin_key,
    .recording_dir = options->recording_dir,
    .node_id = "here",
    .can_open = TRUE,
    .hooks = { .open = streaming_on_open,
               .close = streaming_on_close,
               .set_enabled = streaming_on_set_enabled,
               .get_age = streaming_on_get_age,
               .open_private = streaming_on_open_private,
               .share = streaming_on_share,
               .unshare = streaming_on_unshare,
               .list_streams = streaming_on_list_streams,
               .data = f }
  };
  EgressPeerConfig peer = { .repair = TRUE,
                            .join_rate_bps = 50000000,
                            .playout_delay_min_ms = -1,
                            .playout_delay_max_ms = -1 };
  EgressJanusConfig core = { .session_timeout_s = 60,
                             .max_sessions = 10,
                             .token_auth = options->jwt_key != NULL };

  streaming_make_world (f, options);
  f->sources = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                      streaming_source_free);
  f->listed = g_ptr_array_new_with_free_func (g_free);
  f->gate = egress_gate_new (
      f->hub, options->max_viewers != 0 ? options->max_viewers : 100,
      &(EgressGateHooks){ 0 }, f->metrics);
  mountpoints.gate = peer.gate = f->gate;
  mountpoints.hub = peer.hub = f->hub;
  mountpoints.metrics = core.metrics = f->metrics;
  peer.certificate = f->certificate;
  peer.addresses = f->addresses;
  core.auth = f->auth;
  f->mountpoints = egress_mountpoints_new (&mountpoints);
  f->streaming = egress_streaming_new (f->mountpoints, &peer, f->auth);
  f->core = egress_janus_new (&core);
  egress_janus_set_plugin (f->core, egress_streaming_get_plugin (f->streaming));
  f->transport.name = "test";
  f->transport.on_events = streaming_on_events;
  f->transport.on_session_over = streaming_on_session_over;
  g_queue_init (&f->events);
  streaming_send_text (f, "{'janus':'create','transaction':'t'}");
  f->session_id = (guint64)json_object_get_int_member (
      json_object_get_object_member (f->reply, "data"), "id");
  streaming_attach (f);
}

static inline void
streaming_tear_down (StreamingFixture *f, gconstpointer data)
{
  GHashTableIter iter;
  gpointer key;

  egress_janus_free (f->core);
  egress_streaming_free (f->streaming);
  egress_mountpoints_free (f->mountpoints);
  g_clear_pointer (&f->opening, egress_mountpoint_spec_free);
  g_free (f->opening_stream);
  g_hash_table_iter_init (&iter, f->sources);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      g_autofree char *name = g_strdup (key);

      streaming_end_source (f, name);
      g_hash_table_iter_init (&iter, f->sources);
    }
  rtc_worker_free (f->worker);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  egress_gate_free (f->gate);
  relay_hub_free (f->hub);
  base_auth_free (f->auth);
  rtc_addresses_free (f->addresses);
  base_metrics_free (f->metrics);
  rtc_certificate_unref (f->certificate);
  g_hash_table_unref (f->sources);
  g_ptr_array_unref (f->listed);
  g_queue_clear_full (&f->events, (GDestroyNotify)json_object_unref);
  g_clear_pointer (&f->reply, json_object_unref);
  g_free (f->text);
  g_free (f->sdp);
}
