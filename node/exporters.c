/* SPDX-License-Identifier: Apache-2.0 */
/* NodeExporters: see exporters.h. */
#include "node/exporters.h"

#include "node/log.h"
#include "scaling/export-cloudwatch.h"
#include "scaling/export-push.h"

#define STATE_FILE "export-cloudwatch.json"

struct _NodeExporters
{
  ScalingExportMapping *mapping; /* owned */
  ScalingExport *export;         /* owned; it goes first */
};

static gboolean
add_push (NodeExporters *self, BaseSettings *settings, GError **error)
{
  const char *url =
      base_settings_get_string (settings, "metrics-prom-pushgateway-url");
  const char *job =
      base_settings_get_string (settings, "metrics-prom-job-name");
  ScalingExportPushConfig config = {
    .url = url ? url : "",
    .job = job ? job : "",
    .grouping_json =
        base_settings_get_string (settings, "metrics-prom-grouping-labels"),
    .timeout_us =
        base_settings_get_duration_us (settings, "metrics-export-timeout"),
    .mapping = self->mapping,
  };
  ScalingExportPush *push = scaling_export_push_new (&config, error);

  if (!push)
    return FALSE;
  scaling_export_add (self->export, &scaling_export_push_target, push);
  GST_INFO ("exports go to the Pushgateway's group %s",
            scaling_export_push_get_url (push));
  return TRUE;
}

static gboolean
add_cloudwatch (NodeExporters *self, BaseSettings *settings, char **env,
                GError **error)
{
  const char *namespace =
      base_settings_get_string (settings, "metrics-cloudwatch-namespace");
  const char *directory = base_settings_get_string (settings, "state-dir");
  g_autofree char *state_path =
      directory ? g_build_filename (directory, STATE_FILE, NULL) : NULL;
  ScalingExportCloudwatchConfig config = {
    .namespace = namespace ? namespace : "",
    .region = base_settings_get_string (settings, "metrics-cloudwatch-region"),
    .dimensions_json =
        base_settings_get_string (settings, "metrics-cloudwatch-dimensions"),
    .state_path = state_path,
    .timeout_us =
        base_settings_get_duration_us (settings, "metrics-export-timeout"),
    .env = env,
    .mapping = self->mapping,
  };
  ScalingExportCloudwatch *cloudwatch =
      scaling_export_cloudwatch_new (&config, error);

  if (!cloudwatch)
    return FALSE;
  scaling_export_add (self->export, &scaling_export_cloudwatch_target,
                      cloudwatch);
  if (!state_path && base_settings_get_bool (settings, "metrics-run-once"))
    GST_WARNING ("without state-dir each run knows counters only from its own "
                 "beginning: CloudWatch gets none of them");
  return TRUE;
}

/* check: settings that make no sense together */
static gboolean
check (gboolean has_targets, gboolean is_active, gboolean is_once,
       GError **error)
{
  if (is_once && !has_targets)
    {
      g_set_error (error, SCALING_EXPORT_ERROR, SCALING_EXPORT_ERROR_CONFIG,
                   "metrics-run-once: there is nothing to export to: set "
                   "metrics-export-cloudwatch (METRICS_EXPORT_CLOUDWATCH) or "
                   "metrics-export-prometheus-push "
                   "(METRICS_EXPORT_PROMETHEUS_PUSH)");
      return FALSE;
    }
  if (has_targets && !is_active)
    GST_WARNING ("nothing is exported: metrics-scheduler-enabled "
                 "(METRICS_SCHEDULER_ENABLED) and metrics-run-once are off");
  return TRUE;
}

NodeExporters *
node_exporters_new (BaseSettings *settings, BaseMetrics *metrics, char **env,
                    ScalingExportPoints get_points,
                    ScalingExportExitFunc on_done, gpointer data,
                    GError **error)
{
  g_autoptr (NodeExporters) self = g_new0 (NodeExporters, 1);
  gboolean has_push =
      base_settings_get_bool (settings, "metrics-export-prometheus-push");
  gboolean has_cloudwatch =
      base_settings_get_bool (settings, "metrics-export-cloudwatch");
  ScalingExportConfig config = {
    .is_scheduled =
        base_settings_get_bool (settings, "metrics-scheduler-enabled"),
    .interval_us =
        base_settings_get_duration_us (settings, "metrics-export-interval"),
    .is_on_start = base_settings_get_bool (settings, "metrics-export-on-start"),
    .is_once = base_settings_get_bool (settings, "metrics-run-once"),
  };

  self->export =
      scaling_export_new (&config, metrics, get_points, on_done, data);
  self->mapping = scaling_export_mapping_new (
      base_settings_get_string (settings, "metrics-mapping"), error);
  if (!self->mapping
      || !check (has_push || has_cloudwatch,
                 config.is_scheduled || config.is_once, config.is_once, error)
      || (has_push && !add_push (self, settings, error))
      || (has_cloudwatch && !add_cloudwatch (self, settings, env, error)))
    return NULL;
  return g_steal_pointer (&self);
}

void
node_exporters_free (NodeExporters *self)
{
  g_clear_pointer (&self->export, scaling_export_free);
  g_clear_pointer (&self->mapping, scaling_export_mapping_free);
  g_free (self);
}

void
node_exporters_start (NodeExporters *self)
{
  scaling_export_start (self->export);
}
