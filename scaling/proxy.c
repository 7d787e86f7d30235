/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingProxy: see proxy.h. */
#include "scaling/proxy.h"

#include <libsoup/soup.h>
#include <string.h>

#include "base/clock.h"
#include "scaling/log.h"
#include "scaling/system-reply.h"

#define PATH "monitoring/system"
#define CHUNK_BYTES 16384
#define MAX_ERROR_CHARS 200

typedef struct
{
  ScalingProxy *self;        /* borrowed */
  char *url;                 /* owned: as configured */
  char *node_id;             /* owned, nullable: who answered last */
  char *error;               /* owned, nullable: of the last time, in words */
  ScalingProxyResult result; /* of the last time */
  gint64 at_us;              /* of the last good answer; 0 = none yet */
  gboolean is_asked;         /* a request is under way */
} Target;

/* One request. It outlives the proxy when that is freed: then its target is
 * NULL and it is cancelled. */
typedef struct
{
  Target *target; /* borrowed, nullable */
  SoupMessage *msg;
  GInputStream *stream; /* owned, nullable */
  GByteArray *body;
  GCancellable *cancellable;
  guint timeout_id;
  gboolean is_late;
} Request;

struct _ScalingProxy
{
  ScalingProxyConfig config; /* strings are ours */
  char *header_name, *header_value;
  SoupSession *session;
  GPtrArray *targets;  /* owned: of Target */
  GPtrArray *requests; /* of Request, under way; theirs */
  guint interval_id;
  BaseCounter *n_results[SCALING_PROXY_N_RESULTS]; /* borrowed */
};

static const char *const result_names[SCALING_PROXY_N_RESULTS] = {
  [SCALING_PROXY_OK] = "ok",
  [SCALING_PROXY_CONNECT] = "connect",
  [SCALING_PROXY_TIMEOUT] = "timeout",
  [SCALING_PROXY_STATUS] = "status",
  [SCALING_PROXY_TOO_LARGE] = "too-large",
  [SCALING_PROXY_GARBAGE] = "garbage",
};

const char *
scaling_proxy_result_get_name (ScalingProxyResult result)
{
  return result_names[result];
}

gboolean
scaling_proxy_url_is_valid (const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, SOUP_HTTP_URI_FLAGS, NULL);
  const char *scheme = uri ? g_uri_get_scheme (uri) : "";

  return uri && (strcmp (scheme, "http") == 0 || strcmp (scheme, "https") == 0)
         && g_uri_get_host (uri) && *g_uri_get_host (uri)
         && !g_uri_get_userinfo (uri) && !g_uri_get_query (uri)
         && !g_uri_get_fragment (uri);
}

/* --- the end of a request -------------------------------------------------
 */

static void
request_free (Request *request)
{
  g_clear_handle_id (&request->timeout_id, g_source_remove);
  g_clear_object (&request->stream);
  g_object_unref (request->msg);
  g_object_unref (request->cancellable);
  g_byte_array_unref (request->body);
  g_free (request);
}

/* finish: @why: in words, (nullable) when all is well */
static void
finish (Request *request, ScalingProxyResult result, const char *why)
{
  Target *target = request->target;

  if (target)
    {
      ScalingProxy *self = target->self;

      if (result != SCALING_PROXY_OK && target->result != result)
        GST_WARNING ("the node at %s does not say how it is (%s): %s",
                     target->url, result_names[result], why);
      target->is_asked = FALSE;
      target->result = result;
      g_free (target->error);
      target->error = why ? g_strndup (why, MAX_ERROR_CHARS) : NULL;
      base_counter_add (self->n_results[result], 1);
      g_ptr_array_remove_fast (self->requests, request);
    }
  request_free (request);
}

/* fail: @error: of libsoup or GIO */
static void
fail (Request *request, const GError *error)
{
  if (request->is_late)
    finish (request, SCALING_PROXY_TIMEOUT,
            "there was no whole answer in time");
  else
    finish (request, SCALING_PROXY_CONNECT, error->message);
}

static void
take_answer (Request *request)
{
  Target *target = request->target;
  ClusterNode node = { 0 };
  ClusterLoad load;
  const char *why = scaling_system_reply_read (
      (const char *)request->body->data, request->body->len, &node, &load);

  if (!why && target)
    {
      g_free (target->node_id);
      target->node_id = g_strdup (node.node_id);
      target->at_us = base_clock_now_us ();
      target->self->config.on_report (&node, &load, target->self->config.data);
    }
  cluster_node_clear (&node);
  finish (request, why ? SCALING_PROXY_GARBAGE : SCALING_PROXY_OK, why);
}

/* --- reading -------------------------------------------------------------- */

static void read_more (Request *request);

static void
on_read (GObject *source, GAsyncResult *result, gpointer data)
{
  Request *request = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes =
      g_input_stream_read_bytes_finish (request->stream, result, &error);
  gsize n_bytes = 0;
  const guint8 *at = bytes ? g_bytes_get_data (bytes, &n_bytes) : NULL;

  if (!bytes)
    fail (request, error);
  else if (n_bytes == 0)
    take_answer (request);
  else if (request->body->len + n_bytes > SCALING_PROXY_MAX_BYTES)
    finish (request, SCALING_PROXY_TOO_LARGE, "its answer does not end");
  else
    {
      g_byte_array_append (request->body, at, (guint)n_bytes);
      read_more (request);
    }
}

static void
read_more (Request *request)
{
  g_input_stream_read_bytes_async (request->stream, CHUNK_BYTES,
                                   G_PRIORITY_DEFAULT, request->cancellable,
                                   on_read, request);
}

static void
on_sent (GObject *source, GAsyncResult *result, gpointer data)
{
  Request *request = data;
  g_autoptr (GError) error = NULL;
  guint status;

  request->stream =
      soup_session_send_finish (SOUP_SESSION (source), result, &error);
  if (!request->stream)
    {
      fail (request, error);
      return;
    }
  status = soup_message_get_status (request->msg);
  if (status != SOUP_STATUS_OK)
    {
      g_autofree char *why = g_strdup_printf ("it answers %u %s", status,
                                              soup_status_get_phrase (status));

      finish (request, SCALING_PROXY_STATUS, why);
      return;
    }
  read_more (request);
}

/* --- asking --------------------------------------------------------------- */

static gboolean
on_timeout (gpointer data)
{
  Request *request = data;

  request->timeout_id = 0;
  request->is_late = TRUE;
  g_cancellable_cancel (request->cancellable);
  return G_SOURCE_REMOVE;
}

static SoupMessage *
make_message (ScalingProxy *self, const Target *target)
{
  g_autofree char *url = g_strconcat (
      target->url, g_str_has_suffix (target->url, "/") ? "" : "/", PATH, NULL);
  SoupMessage *msg = soup_message_new (SOUP_METHOD_GET, url);
  SoupMessageHeaders *headers = soup_message_get_request_headers (msg);

  soup_message_set_flags (msg, SOUP_MESSAGE_NO_REDIRECT);
  /* it would read a 401's body to its end */
  soup_message_disable_feature (msg, SOUP_TYPE_AUTH_MANAGER);
  soup_message_headers_append (headers, "Accept", "application/json");
  if (self->header_value)
    soup_message_headers_append (headers, self->header_name,
                                 self->header_value);
  return msg;
}

static void
ask (ScalingProxy *self, Target *target)
{
  Request *request = g_new0 (Request, 1);

  target->is_asked = TRUE;
  request->target = target;
  request->msg = make_message (self, target);
  request->body = g_byte_array_new ();
  request->cancellable = g_cancellable_new ();
  request->timeout_id = g_timeout_add (
      (guint)(self->config.timeout_us / BASE_US_PER_MS), on_timeout, request);
  g_ptr_array_add (self->requests, request);
  soup_session_send_async (self->session, request->msg, G_PRIORITY_DEFAULT,
                           request->cancellable, on_sent, request);
}

static gboolean
on_interval (gpointer data)
{
  ScalingProxy *self = data;

  for (guint i = 0; i < self->targets->len; i++)
    {
      Target *target = self->targets->pdata[i];

      if (!target->is_asked)
        ask (self, target);
    }
  return G_SOURCE_CONTINUE;
}

/* --- life ----------------------------------------------------------------- */

static void
target_free (gpointer data)
{
  Target *target = data;

  g_free (target->url);
  g_free (target->node_id);
  g_free (target->error);
  g_free (target);
}

static void
add_targets (ScalingProxy *self, const char *const *urls)
{
  for (; urls && *urls && self->targets->len < SCALING_PROXY_MAX_TARGETS;
       urls++)
    {
      Target *target = g_new0 (Target, 1);

      target->self = self;
      target->url = g_strdup (*urls);
      g_ptr_array_add (self->targets, target);
    }
}

static void
register_metrics (ScalingProxy *self, BaseMetrics *metrics)
{
  for (guint i = 0; i < SCALING_PROXY_N_RESULTS; i++)
    {
      g_autofree char *label = base_metrics_label ("result", result_names[i]);

      self->n_results[i] = base_metrics_add_counter (
          metrics, "media_tree_metrics_polls_total", label,
          "Nodes that were asked by METRICS_MODE=proxy, by result.");
    }
}

ScalingProxy *
scaling_proxy_new (const ScalingProxyConfig *config)
{
  ScalingProxy *self = g_new0 (ScalingProxy, 1);

  self->config = *config;
  self->header_name = g_strdup (config->header_name);
  self->header_value = g_strdup (config->header_value);
  self->session = soup_session_new_with_options (
      "user-agent", "media-tree", "max-conns", 2 * SCALING_PROXY_MAX_TARGETS,
      "max-conns-per-host", SCALING_PROXY_MAX_TARGETS, "accept-language", NULL,
      NULL);
  self->targets = g_ptr_array_new_with_free_func (target_free);
  self->requests = g_ptr_array_new ();
  for (guint i = 0; i < G_N_ELEMENTS (config->urls); i++)
    add_targets (self, config->urls[i]);
  if (config->metrics)
    register_metrics (self, config->metrics);
  self->interval_id = g_timeout_add (
      (guint)(config->interval_us / BASE_US_PER_MS), on_interval, self);
  on_interval (self);
  return self;
}

void
scaling_proxy_free (ScalingProxy *self)
{
  g_return_if_fail (self);
  g_source_remove (self->interval_id);
  for (guint i = 0; i < self->requests->len; i++)
    {
      Request *request = self->requests->pdata[i];

      request->target = NULL;
      g_cancellable_cancel (request->cancellable);
    }
  g_ptr_array_unref (self->requests);
  g_ptr_array_unref (self->targets);
  g_object_unref (self->session);
  g_free (self->header_name);
  g_free (self->header_value);
  g_free (self);
}

/* --- asking it ------------------------------------------------------------ */

guint
scaling_proxy_get_n_well (ScalingProxy *self)
{
  guint n = 0;

  for (guint i = 0; i < self->targets->len; i++)
    {
      const Target *target = self->targets->pdata[i];

      n += target->at_us > 0 && target->result == SCALING_PROXY_OK;
    }
  return n;
}

static void
add_text (JsonBuilder *json, const char *name, const char *text)
{
  json_builder_set_member_name (json, name);
  if (text)
    json_builder_add_string_value (json, text);
  else
    json_builder_add_null_value (json);
}

JsonNode *
scaling_proxy_describe (ScalingProxy *self, gint64 now_us)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();

  json_builder_begin_array (json);
  for (guint i = 0; i < self->targets->len; i++)
    {
      const Target *target = self->targets->pdata[i];
      gboolean is_new = target->at_us == 0 && target->result == 0;

      json_builder_begin_object (json);
      add_text (json, "url", target->url);
      add_text (json, "node", target->node_id);
      add_text (json, "result", is_new ? NULL : result_names[target->result]);
      add_text (json, "error", target->error);
      json_builder_set_member_name (json, "age_s");
      if (target->at_us > 0)
        json_builder_add_double_value (json, (double)(now_us - target->at_us)
                                                 / BASE_US_PER_S);
      else
        json_builder_add_null_value (json);
      json_builder_end_object (json);
    }
  json_builder_end_array (json);
  return json_builder_get_root (json);
}
