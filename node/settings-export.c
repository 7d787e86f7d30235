/* SPDX-License-Identifier: Apache-2.0 */
/* node/settings-export: see settings-export.h. */
#include "node/settings-export.h"

#include "base/clock.h"

#define GROUP "Metrics exporters"

/* clang-format off: one row a setting */
static const BaseSettingSpec specs[] = {
  { "metrics-scheduler-enabled", BASE_SETTING_BOOL, 0, 0, "no", NULL, GROUP,
    "Export at each metrics-export-interval." },
  { "metrics-export-interval", BASE_SETTING_DURATION, BASE_US_PER_S,
    86400 * BASE_US_PER_S, "30 s", NULL, GROUP,
    "Time from one export to the next." },
  { "metrics-export-on-start", BASE_SETTING_BOOL, 0, 0, "yes", NULL, GROUP,
    "The first export is at the start, not an interval after it." },
  { "metrics-run-once", BASE_SETTING_BOOL, 0, 0, "no", NULL, GROUP,
    "Export once and end: 0 all was accepted, 75 somebody did not answer, 77 "
    "something was refused." },
  { "metrics-export-timeout", BASE_SETTING_DURATION, 100 * BASE_US_PER_MS,
    60 * BASE_US_PER_S, "10 s", NULL, GROUP,
    "How long one request of an export may take." },
  { "metrics-mapping", BASE_SETTING_STRING, 0, 0, NULL, NULL, GROUP,
    "JSON object: internal key to name, to {\"name\", \"unit\"}, or to null: "
    "not exported." },
  { "metrics-export-cloudwatch", BASE_SETTING_BOOL, 0, 0, "no", NULL, GROUP,
    "Export to Amazon CloudWatch." },
  { "metrics-cloudwatch-namespace", BASE_SETTING_STRING, 0, 0, "MediaTree",
    NULL, GROUP, "CloudWatch's namespace." },
  { "metrics-cloudwatch-region", BASE_SETTING_STRING, 0, 0, NULL, NULL, GROUP,
    "AWS region; AWS_REGION or AWS_DEFAULT_REGION when unset." },
  { "metrics-cloudwatch-dimensions", BASE_SETTING_STRING, 0, 0, NULL, NULL,
    GROUP,
    "JSON object of dimensions that all metrics have besides tree, role "
    "and project." },
  { "metrics-export-prometheus-push", BASE_SETTING_BOOL, 0, 0, "no", NULL,
    GROUP, "Export to a Prometheus Pushgateway." },
  { "metrics-prom-pushgateway-url", BASE_SETTING_SECRET, 0, 0, NULL, NULL,
    GROUP, "The Pushgateway: http://[USER:PASSWORD@]HOST[:PORT][/PATH]." },
  { "metrics-prom-job-name", BASE_SETTING_STRING, 0, 0, "media_tree", NULL,
    GROUP, "Label job of what is pushed." },
  { "metrics-prom-grouping-labels", BASE_SETTING_STRING, 0, 0, NULL, NULL,
    GROUP, "JSON object of labels that the pushed group has besides job." },
  { "metrics-prom-scrape-ttl", BASE_SETTING_DURATION, 0, 3600 * BASE_US_PER_S,
    "0 s", NULL, GROUP,
    "How long the cluster's numbers at /metrics are given "
    "again before they are added up anew." },
};
/* clang-format on */

static const struct
{
  const char *key, *env, *unit;
} aliases[] = {
  { "metrics-scheduler-enabled", "METRICS_SCHEDULER_ENABLED", NULL },
  { "metrics-export-interval", "METRICS_EXPORT_INTERVAL_SEC", "s" },
  { "metrics-export-on-start", "METRICS_EXPORT_ON_START", NULL },
  { "metrics-run-once", "METRICS_RUN_ONCE", NULL },
  { "metrics-mapping", "METRICS_MAPPING_JSON", NULL },
  { "metrics-export-cloudwatch", "METRICS_EXPORT_CLOUDWATCH", NULL },
  { "metrics-cloudwatch-namespace", "METRICS_CLOUDWATCH_NAMESPACE", NULL },
  { "metrics-cloudwatch-region", "METRICS_CLOUDWATCH_REGION", NULL },
  { "metrics-cloudwatch-dimensions", "METRICS_CLOUDWATCH_DIMENSIONS_JSON",
    NULL },
  { "metrics-export-prometheus-push", "METRICS_EXPORT_PROMETHEUS_PUSH", NULL },
  { "metrics-prom-pushgateway-url", "METRICS_PROM_PUSHGATEWAY_URL", NULL },
  { "metrics-prom-job-name", "METRICS_PROM_JOB_NAME", NULL },
  { "metrics-prom-grouping-labels", "METRICS_PROM_GROUPING_LABELS_JSON", NULL },
  { "metrics-prom-scrape-ttl", "METRICS_PROM_SCRAPE_TTL_SEC", "s" },
};

void
node_settings_add_export (BaseSettings *settings)
{
  base_settings_add (settings, specs, G_N_ELEMENTS (specs));
  for (guint i = 0; i < G_N_ELEMENTS (aliases); i++)
    base_settings_add_env_alias (settings, aliases[i].key, aliases[i].env,
                                 aliases[i].unit);
}
