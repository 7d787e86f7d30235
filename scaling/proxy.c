/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingProxy: see proxy.h. */
#include "scaling/proxy.h"

#include <libsoup/soup.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "scaling/fetch.h"
#include "scaling/log.h"
#include "scaling/system-reply.h"

#define PATH "monitoring/system"
#define MAX_ERROR_CHARS 200

typedef struct
{
  ScalingProxy *self;        /* borrowed */
  char *url;                 /* owned: as configured */
  char *node_id;             /* owned, nullable: who answered last */
  char *error;               /* owned, nullable: of the last time, in words */
  ScalingProxyResult result; /* of the last time */
  gint64 at_us;              /* of the last good answer; 0 = none yet */
  ScalingFetch *fetch;       /* nullable: a request is under way */
} Target;

struct _ScalingProxy
{
  ScalingProxyConfig config; /* strings are ours */
  char *header_name, *header_value;
  SoupSession *session;
  GPtrArray *targets; /* owned: of Target */
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

/* --- an answer ------------------------------------------------------------
 */

/* note: @why: in words, (nullable) when all is well */
static void
note (Target *target, ScalingProxyResult result, const char *why)
{
  if (result != SCALING_PROXY_OK && target->result != result)
    GST_WARNING ("the node at %s does not say how it is (%s): %s", target->url,
                 result_names[result], why);
  target->result = result;
  g_free (target->error);
  target->error = why ? g_strndup (why, MAX_ERROR_CHARS) : NULL;
  base_counter_add (target->self->n_results[result], 1);
}

static void
take_answer (Target *target, GByteArray *body)
{
  ClusterNode node = { 0 };
  ClusterLoad load;
  const char *why = scaling_system_reply_read ((const char *)body->data,
                                               body->len, &node, &load);

  note (target, why ? SCALING_PROXY_GARBAGE : SCALING_PROXY_OK, why);
  if (!why)
    {
      g_free (target->node_id);
      target->node_id = g_strdup (node.node_id);
      target->at_us = base_clock_now_us ();
      target->self->config.on_report (&node, &load, target->self->config.data);
    }
  cluster_node_clear (&node);
}

static void
on_fetched (guint status, GByteArray *body, const GError *error, gpointer data)
{
  Target *target = data;
  g_autofree char *why = NULL;

  target->fetch = NULL;
  if (!error && status == SOUP_STATUS_OK)
    {
      take_answer (target, body);
      return;
    }
  if (!error)
    {
      why = g_strdup_printf ("it answers %u %s", status,
                             soup_status_get_phrase (status));
      note (target, SCALING_PROXY_STATUS, why);
    }
  else if (error->code == SCALING_FETCH_ERROR_LATE)
    note (target, SCALING_PROXY_TIMEOUT, error->message);
  else if (error->code == SCALING_FETCH_ERROR_TOO_LARGE)
    note (target, SCALING_PROXY_TOO_LARGE, "its answer does not end");
  else
    note (target, SCALING_PROXY_CONNECT, error->message);
}

/* --- asking --------------------------------------------------------------- */

static SoupMessage *
make_message (ScalingProxy *self, const Target *target)
{
  g_autofree char *url = g_strconcat (
      target->url, g_str_has_suffix (target->url, "/") ? "" : "/", PATH, NULL);
  SoupMessage *msg = soup_message_new (SOUP_METHOD_GET, url);
  SoupMessageHeaders *headers = soup_message_get_request_headers (msg);

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
  target->fetch = scaling_fetch_start (
      self->session, make_message (self, target), self->config.timeout_us,
      SCALING_PROXY_MAX_BYTES, on_fetched, target);
}

static gboolean
on_interval (gpointer data)
{
  ScalingProxy *self = data;

  for (guint i = 0; i < self->targets->len; i++)
    {
      Target *target = self->targets->pdata[i];

      if (!target->fetch)
        ask (self, target);
    }
  return G_SOURCE_CONTINUE;
}

/* --- life ----------------------------------------------------------------- */

static void
target_free (gpointer data)
{
  Target *target = data;

  g_clear_pointer (&target->fetch, scaling_fetch_cancel);
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
      base_json_add_text (json, "url", target->url);
      base_json_add_text (json, "node", target->node_id);
      base_json_add_text (json, "result",
                          is_new ? NULL : result_names[target->result]);
      base_json_add_text (json, "error", target->error);
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
