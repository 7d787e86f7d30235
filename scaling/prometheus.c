/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingPrometheus: see prometheus.h. */
#include "scaling/prometheus.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "scaling/fetch.h"
#include "scaling/json-read.h"
#include "scaling/log.h"

#define N_INTERVALS_KEPT 3
#define PLACE "$tree"

static const char *const result_names[] = { "ok", "nothing", "away", "refused",
                                            "garbage" };

typedef struct
{
  ScalingPrometheus *self;
  char *url;           /* owned, nullable: with the query; NULL: never asked */
  ScalingFetch *fetch; /* nullable: under way */
  double value;
  gint64 known_us; /* 0 = not */
} Query;

struct _ScalingPrometheus
{
  SoupSession *session; /* owned */
  char *login;          /* owned, nullable: Authorization */
  gint64 interval_us, timeout_us;
  guint signals, interval_id;
  guint64 *n_results; /* borrowed, nullable */
  Query queries[SCALING_SIGNAL_N];
};

const char *
scaling_prometheus_result_get_name (ScalingPrometheusResult result)
{
  return result_names[result];
}

const char *
scaling_prometheus_get_default (ScalingSignal signal)
{
  /* cpu: of the role metrics; the others: of the nodes */
  static const char *const queries[SCALING_SIGNAL_N] = {
    [SCALING_SIGNAL_CPU] =
        "100 * avg(avg_over_time(media_tree_cluster_cpu_ratio{tree=\"$tree\","
        "role=\"egress\"}[5m]))",
    [SCALING_SIGNAL_MEMORY] =
        "100 * max(process_resident_memory_bytes{tree_id=\"$tree\"} / "
        "media_tree_memory_limit_bytes{tree_id=\"$tree\"})",
    [SCALING_SIGNAL_PORTS] =
        "100 * max(media_tree_port_pool_ports{tree_id=\"$tree\",state=\"used\"}"
        " / ignoring(state) sum without(state) "
        "(media_tree_port_pool_ports{tree_id=\"$tree\"}))",
    [SCALING_SIGNAL_DROPS] =
        "sum(rate(media_tree_rtc_send_dropped_packets_total"
        "{tree_id=\"$tree\"}[1m]))",
  };

  return queries[signal];
}

gboolean
scaling_prometheus_url_is_valid (const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, SOUP_HTTP_URI_FLAGS, NULL);

  return uri != NULL
         && (g_str_equal (g_uri_get_scheme (uri), "http")
             || g_str_equal (g_uri_get_scheme (uri), "https"))
         && g_uri_get_host (uri) != NULL && g_uri_get_host (uri)[0] != '\0'
         && g_uri_get_query (uri) == NULL && g_uri_get_fragment (uri) == NULL;
}

/* --- answers ------------------------------------------------------------ */

/* read_sample: of [time, "value"] */
static ScalingPrometheusResult
read_sample (JsonArray *sample, double *ret)
{
  JsonNode *node = sample != NULL && json_array_get_length (sample) == 2
                       ? json_array_get_element (sample, 1)
                       : NULL;
  const char *text = node != NULL && JSON_NODE_HOLDS_VALUE (node)
                         ? json_node_get_string (node)
                         : NULL;
  char *end;
  double value;

  if (text == NULL || *text == '\0')
    return SCALING_PROMETHEUS_GARBAGE;
  value = g_ascii_strtod (text, &end);
  if (*end != '\0')
    return SCALING_PROMETHEUS_GARBAGE;
  if (!isfinite (value))
    return SCALING_PROMETHEUS_NOTHING;
  *ret = value;
  return SCALING_PROMETHEUS_OK;
}

ScalingPrometheusResult
scaling_prometheus_parse (const char *text, gsize n_bytes, double *ret)
{
  g_autoptr (JsonNode) root = scaling_json_parse (text, n_bytes, NULL);
  JsonObject *answer = root != NULL ? scaling_json_as_object (root) : NULL;
  JsonObject *data = scaling_json_get_object (answer, "data");
  const char *type = scaling_json_get_string (data, "resultType");
  JsonArray *result = scaling_json_get_array (data, "result");

  if (g_strcmp0 (scaling_json_get_string (answer, "status"), "success") != 0
      || result == NULL)
    return SCALING_PROMETHEUS_GARBAGE;
  if (g_strcmp0 (type, "scalar") == 0)
    return read_sample (result, ret);
  if (g_strcmp0 (type, "vector") != 0 || json_array_get_length (result) > 1)
    return SCALING_PROMETHEUS_GARBAGE;
  if (json_array_get_length (result) == 0)
    return SCALING_PROMETHEUS_NOTHING;
  return read_sample (
      scaling_json_get_array (scaling_json_get_element (result, 0), "value"),
      ret);
}

static void
on_fetched (guint status, GByteArray *body, const GError *error, gpointer data)
{
  Query *query = data;
  ScalingPrometheus *self = query->self;
  ScalingPrometheusResult result = SCALING_PROMETHEUS_REFUSED;

  query->fetch = NULL;
  if (error != NULL)
    result = error->code == SCALING_FETCH_ERROR_TOO_LARGE
                 ? SCALING_PROMETHEUS_GARBAGE
                 : SCALING_PROMETHEUS_AWAY;
  else if (status == SOUP_STATUS_OK)
    result = scaling_prometheus_parse ((const char *)body->data, body->len,
                                       &query->value);
  if (result == SCALING_PROMETHEUS_OK)
    query->known_us = base_clock_now_us ();
  /* somebody knows that there is nothing: what was before is no longer so */
  else if (result == SCALING_PROMETHEUS_NOTHING)
    query->known_us = 0;
  if (self->n_results != NULL)
    self->n_results[result]++;
  if (result != SCALING_PROMETHEUS_OK)
    GST_DEBUG ("Prometheus: %s, %s: %u %s",
               scaling_signal_get_name ((ScalingSignal)(query - self->queries)),
               result_names[result], status,
               error != NULL ? error->message : "");
}

/* --- asking ------------------------------------------------------------- */

static void
ask (ScalingPrometheus *self, Query *query)
{
  SoupMessage *msg = soup_message_new (SOUP_METHOD_GET, query->url);

  if (self->login != NULL)
    soup_message_headers_replace (soup_message_get_request_headers (msg),
                                  "Authorization", self->login);
  query->fetch =
      scaling_fetch_start (self->session, msg, self->timeout_us,
                           SCALING_PROMETHEUS_MAX_BYTES, on_fetched, query);
}

static gboolean
on_interval (gpointer data)
{
  ScalingPrometheus *self = data;

  for (guint i = 0; i < SCALING_SIGNAL_N; i++)
    if (self->queries[i].url != NULL && self->queries[i].fetch == NULL)
      ask (self, &self->queries[i]);
  return G_SOURCE_CONTINUE;
}

void
scaling_prometheus_read (ScalingPrometheus *self, gint64 now_us,
                         ScalingReading *ret)
{
  for (guint i = 0; i < SCALING_SIGNAL_N; i++)
    {
      const Query *query = &self->queries[i];

      ret[i].is_known =
          query->known_us > 0
          && now_us - query->known_us <= N_INTERVALS_KEPT * self->interval_us;
      ret[i].value = ret[i].is_known ? query->value : 0;
    }
}

guint
scaling_prometheus_get_signals (ScalingPrometheus *self)
{
  return self->signals;
}

/* --- life --------------------------------------------------------------- */

/* dup_server: (transfer full): without login and last slash */
static char *
dup_server (ScalingPrometheus *self, const char *url)
{
  g_autoptr (GUri) uri =
      g_uri_parse (url, SOUP_HTTP_URI_FLAGS | G_URI_FLAGS_HAS_PASSWORD, NULL);
  g_autoptr (GUri) plain = g_uri_build (
      SOUP_HTTP_URI_FLAGS, g_uri_get_scheme (uri), NULL, g_uri_get_host (uri),
      g_uri_get_port (uri), g_uri_get_path (uri), NULL, NULL);
  char *text = g_uri_to_string (plain);

  if (g_uri_get_user (uri) != NULL)
    {
      g_autofree char *user =
          g_uri_unescape_string (g_uri_get_user (uri), NULL);
      g_autofree char *password = g_uri_unescape_string (
          g_uri_get_password (uri) != NULL ? g_uri_get_password (uri) : "",
          NULL);
      g_autofree char *both = g_strconcat (user, ":", password, NULL);
      g_autofree char *coded =
          g_base64_encode ((const guchar *)both, strlen (both));

      self->login = g_strconcat ("Basic ", coded, NULL);
    }
  while (g_str_has_suffix (text, "/"))
    text[strlen (text) - 1] = '\0';
  return text;
}

static char *
dup_query_url (const char *server, const char *query, const char *tree_id)
{
  g_auto (GStrv) parts = g_strsplit (query, PLACE, -1);
  g_autofree char *text = g_strjoinv (tree_id, parts);
  g_autofree char *escaped = g_uri_escape_string (text, NULL, FALSE);

  return g_strconcat (server, "/api/v1/query?query=", escaped, NULL);
}

ScalingPrometheus *
scaling_prometheus_new (const ScalingPrometheusConfig *config,
                        const char *tree_id, guint signals, guint64 *n_results)
{
  ScalingPrometheus *self = g_new0 (ScalingPrometheus, 1);
  g_autofree char *server = dup_server (self, config->url);

  self->session = scaling_fetch_new_session (FALSE);
  self->interval_us = config->interval_us;
  self->timeout_us = config->timeout_us;
  self->signals = signals;
  self->n_results = n_results;
  for (guint i = 0; i < SCALING_SIGNAL_N; i++)
    {
      const char *query =
          config->queries[i] != NULL
              ? config->queries[i]
              : scaling_prometheus_get_default ((ScalingSignal)i);

      self->queries[i].self = self;
      if ((signals >> i & 1) != 0 && query != NULL)
        self->queries[i].url = dup_query_url (server, query, tree_id);
    }
  self->interval_id = g_timeout_add (
      (guint)(config->interval_us / BASE_US_PER_MS), on_interval, self);
  on_interval (self);
  return self;
}

void
scaling_prometheus_free (ScalingPrometheus *self)
{
  g_return_if_fail (self != NULL);

  g_source_remove (self->interval_id);
  for (guint i = 0; i < SCALING_SIGNAL_N; i++)
    {
      g_clear_pointer (&self->queries[i].fetch, scaling_fetch_cancel);
      g_free (self->queries[i].url);
    }
  g_object_unref (self->session);
  g_free (self->login);
  g_free (self);
}
