/* SPDX-License-Identifier: Apache-2.0 */
/* node/settings-scaling: see settings-scaling.h. */
#include "node/settings-scaling.h"

#include <string.h>

#include "base/clock.h"

#define BYTES_PER_MB (1024 * 1024)

/* clang-format off: one row a setting */
static const BaseSettingSpec specs[] = {
  { "autoscaling", BASE_SETTING_BOOL, 0, 0, "no", NULL, "Scaling",
    "Let the node that leads change how many egress nodes there are; when off, "
    "it only shows what it would do." },
  { "autoscaling-dry-run", BASE_SETTING_BOOL, 0, 0, "no", NULL, "Scaling",
    "Write decisions into the audit, and change nothing." },
  { "dry-run", BASE_SETTING_BOOL, 0, 0, "no", NULL, "Scaling", "The same." },
  { "autoscaling-policy", BASE_SETTING_PATH, 0, 0, NULL, NULL, "Scaling",
    "Policies (JSON) for a tree that has none in Redis yet; unset: those that "
    "ship." },
  { "min-replicas", BASE_SETTING_INT, 0, SCALING_MAX_REPLICAS, "0", NULL,
    "Scaling", "Egress nodes of a tree at least; 0 = as its policy says." },
  { "max-replicas", BASE_SETTING_INT, 0, SCALING_MAX_REPLICAS, "0", NULL,
    "Scaling", "Egress nodes of a tree at most; 0 = as its policy says." },
  { "max-total-replicas", BASE_SETTING_INT, 0, SCALING_MAX_REPLICAS, "0", NULL,
    "Scaling",
    "Nodes of all trees together at most, below the policy's hardLimit; 0 = "
    "that." },
  { "min-available-memory-mb", BASE_SETTING_INT, 0, 1 << 30, "0", NULL,
    "Scaling",
    "Add no nodes while the machine that leads has less memory available (MB "
    "of 1,048,576 bytes); 0 = add them." },
  { "autoscaling-log-level", BASE_SETTING_STRING, 0, 0, NULL, NULL, "Scaling",
    "Log level of scaling alone: error, warning, info, debug, log." },
  { "prometheus-url", BASE_SETTING_SECRET, 0, 0, NULL, NULL, "Scaling",
    "Whom metrics of the source prometheus are asked of: "
    "http://[USER:PASSWORD@]HOST[:PORT][/PATH]." },
  { "prometheus-interval", BASE_SETTING_DURATION, BASE_US_PER_S,
    3600 * BASE_US_PER_S, "15 s", NULL, "Scaling", "How often." },
  { "prometheus-timeout", BASE_SETTING_DURATION, 100 * BASE_US_PER_MS,
    60 * BASE_US_PER_S, "5 s", NULL, "Scaling",
    "How long one answer of it may take." },
  { "prometheus-query-cpu", BASE_SETTING_STRING, 0, 0, NULL, NULL, "Scaling",
    "PromQL of the metric type cpu (%): one sample; $tree is the tree's "
    "name." },
  { "prometheus-query-memory", BASE_SETTING_STRING, 0, 0, NULL, NULL, "Scaling",
    "The same of memory (%)." },
  { "prometheus-query-ports", BASE_SETTING_STRING, 0, 0, NULL, NULL, "Scaling",
    "The same of ports (%)." },
  { "prometheus-query-drops", BASE_SETTING_STRING, 0, 0, NULL, NULL, "Scaling",
    "The same of drops (packets a second)." },
  { "scaling-notifications", BASE_SETTING_BOOL, 0, 0, "yes", NULL, "Scaling",
    "Tell scaling-webhook-url of each change." },
  { "scaling-webhook-url", BASE_SETTING_SECRET, 0, 0, NULL, NULL, "Scaling",
    "Who is told of each change: https://, or http:// to this machine." },
  { "webhook-url", BASE_SETTING_SECRET, 0, 0, NULL, NULL, "Scaling",
    "The same, where scaling-webhook-url is not set." },
  { "scaling-webhook-secret", BASE_SETTING_SECRET, 0, 0, NULL, NULL, "Scaling",
    "What signs that: 16 characters or more." },
  { "scaling-webhook-ca", BASE_SETTING_PATH, 0, 0, NULL, NULL, "Scaling",
    "Certificates (PEM) that may have signed its own, instead of the "
    "system's." },
};
/* clang-format on */

static const struct
{
  const char *key, *env;
} aliases[] = {
  { "autoscaling", "AUTOSCALING_ENABLED" },
  { "autoscaling-dry-run", "AUTOSCALING_DRY_RUN" },
  { "dry-run", "DRY_RUN" },
  { "min-replicas", "MIN_REPLICAS" },
  { "max-replicas", "MAX_REPLICAS" },
  { "max-total-replicas", "MAX_TOTAL_REPLICAS" },
  { "min-available-memory-mb", "MIN_AVAILABLE_MEMORY_MB" },
  { "autoscaling-log-level", "AUTOSCALING_LOG_LEVEL" },
  { "prometheus-url", "PROMETHEUS_URL" },
  { "scaling-notifications", "SCALING_NOTIFICATIONS_ENABLED" },
  { "scaling-webhook-url", "SCALING_WEBHOOK_URL" },
  { "webhook-url", "WEBHOOK_URL" },
};

void
node_settings_add_scaling (BaseSettings *settings)
{
  base_settings_add (settings, specs, G_N_ELEMENTS (specs));
  for (guint i = 0; i < G_N_ELEMENTS (aliases); i++)
    base_settings_add_env_alias (settings, aliases[i].key, aliases[i].env,
                                 NULL);
}

char *
node_settings_dup_log_level (BaseSettings *settings)
{
  const char *all = base_settings_get_string (settings, "log-level");
  const char *scaling =
      base_settings_get_string (settings, "autoscaling-log-level");

  return scaling ? g_strdup_printf ("%s,scaling:%s", all, scaling)
                 : g_strdup (all);
}

gboolean
node_settings_make_notifier (BaseSettings *settings, const char *node_id,
                             BaseMetrics *metrics, ScalingNotifier **ret,
                             GError **error)
{
  const char *url = base_settings_get_string (settings, "scaling-webhook-url");
  ScalingNotifierConfig config = {
    .secret = base_settings_get_string (settings, "scaling-webhook-secret"),
    .ca_path = base_settings_get_string (settings, "scaling-webhook-ca"),
    .node_id = node_id,
    .metrics = metrics,
  };
  g_autoptr (GError) why = NULL;

  *ret = NULL;
  config.url = url ? url : base_settings_get_string (settings, "webhook-url");
  if (!config.url
      || !base_settings_get_bool (settings, "scaling-notifications"))
    return TRUE;
  *ret = scaling_notifier_new (&config, &why);
  if (*ret)
    return TRUE;
  g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
               "%s, scaling-webhook-secret: %s",
               url ? "scaling-webhook-url" : "webhook-url", why->message);
  return FALSE;
}

static gboolean
read_policies (const char *path, ScalingControllerConfig *ret, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) why = NULL;
  gsize n_bytes;

  if (path == NULL)
    return TRUE;
  if (g_file_get_contents (path, &text, &n_bytes, &why))
    ret->policies = scaling_policies_parse (text, n_bytes, &why);
  if (ret->policies != NULL)
    return TRUE;
  g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
               "autoscaling-policy: %s: %s", path, why->message);
  return FALSE;
}

static gboolean
read_prometheus (BaseSettings *settings, ScalingPrometheusConfig *ret,
                 GError **error)
{
  static const struct
  {
    ScalingSignal signal;
    const char *key;
  } rows[] = { { SCALING_SIGNAL_CPU, "prometheus-query-cpu" },
               { SCALING_SIGNAL_MEMORY, "prometheus-query-memory" },
               { SCALING_SIGNAL_PORTS, "prometheus-query-ports" },
               { SCALING_SIGNAL_DROPS, "prometheus-query-drops" } };

  ret->url = base_settings_get_string (settings, "prometheus-url");
  ret->interval_us =
      base_settings_get_duration_us (settings, "prometheus-interval");
  ret->timeout_us =
      base_settings_get_duration_us (settings, "prometheus-timeout");
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const char *query = base_settings_get_string (settings, rows[i].key);

      ret->queries[rows[i].signal] = query;
      if (!query || strlen (query) <= SCALING_PROMETHEUS_MAX_QUERY_CHARS)
        continue;
      g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
                   "%s: has more than %d characters", rows[i].key,
                   SCALING_PROMETHEUS_MAX_QUERY_CHARS);
      return FALSE;
    }
  if (!ret->url || scaling_prometheus_url_is_valid (ret->url))
    return TRUE;
  g_set_error_literal (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
                       "prometheus-url: is no http:// or https:// URL of a "
                       "server");
  return FALSE;
}

gboolean
node_settings_read_scaling (BaseSettings *settings,
                            ScalingControllerConfig *ret, GError **error)
{
  gint64 min = base_settings_get_int (settings, "min-replicas");
  gint64 max = base_settings_get_int (settings, "max-replicas");

  if (max > 0 && min > max)
    {
      g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
                   "min-replicas: %d is above max-replicas, %d", (int)min,
                   (int)max);
      return FALSE;
    }
  ret->is_enabled = base_settings_get_bool (settings, "autoscaling");
  ret->is_dry_run = base_settings_get_bool (settings, "autoscaling-dry-run")
                    || base_settings_get_bool (settings, "dry-run");
  ret->min_replicas = (guint)min;
  ret->max_replicas = (guint)max;
  ret->max_total =
      (guint)base_settings_get_int (settings, "max-total-replicas");
  ret->min_available_bytes =
      base_settings_get_int (settings, "min-available-memory-mb")
      * BYTES_PER_MB;
  ret->metrics_token = base_settings_get_string (settings, "metrics-token");
  return read_prometheus (settings, &ret->prometheus, error)
         && read_policies (
             base_settings_get_string (settings, "autoscaling-policy"), ret,
             error);
}
