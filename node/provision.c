/* SPDX-License-Identifier: Apache-2.0 */
/* node/provision: see provision.h. */
#include "node/provision.h"

#include "scaling/instance-ports.h"
#include "scaling/provision-process.h"

/* clang-format off: one row a setting */
static const BaseSettingSpec specs[] = {
  { "provisioner", BASE_SETTING_ENUM, 0, 0, "none", "none|process", "Scaling",
    "Who starts what is wanted: nobody, or this machine, as further "
    "processes." },
  { "provision-dir", BASE_SETTING_PATH, 0, 0, NULL, NULL, "Scaling",
    "Where it is written down which processes there are; the same for all "
    "nodes "
    "of a machine and user." },
  { "provision-max", BASE_SETTING_INT, 1, SCALING_PORTS_MAX_INSTANCES, "29",
    NULL, "Scaling", "Processes at most." },
  { "provision-cost", BASE_SETTING_INT, 0, 1000000000, "0", NULL, "Scaling",
    "What one process costs an hour, in thousandths of what you count." },
  { "provision-min-memory", BASE_SETTING_SIZE, 0, G_MAXINT64, "512 MiB", NULL,
    "Scaling", "None is started that would leave less memory available." },
  { "provision-http-port", BASE_SETTING_INT, 1, 65000, "7070", NULL, "Scaling",
    "Process k has its HTTP at this port + k." },
  { "provision-relay-port", BASE_SETTING_INT, 1, 65000, "7100", NULL, "Scaling",
    "And its --relay-port at this + k." },
  { "provision-rtc-port", BASE_SETTING_INT, 1, 65000, "7200", NULL, "Scaling",
    "And its --rtc-port at this + 32 k." },
  { "provision-pool-port", BASE_SETTING_INT, 1, 65000, "10000", NULL, "Scaling",
    "And its --rtp-port-range at this + 500 k." },
};
/* clang-format on */

/* What is a node's own, or its machine's. */
static const char *const own_settings[] = { "role",
                                            "node-id",
                                            "tree-id",
                                            "workers",
                                            "state-dir",
                                            "cluster-address",
                                            "relay-port",
                                            "rtp-port-range",
                                            "http-listen",
                                            "public-url",
                                            "rtc-port",
                                            "public-address",
                                            "rtp-input",
                                            "recording-dir",
                                            "node-exporter-port",
                                            "cadvisor-port",
                                            "metrics-mode",
                                            "metrics-port",
                                            NULL };

void
node_settings_add_provision (BaseSettings *settings)
{
  base_settings_add (settings, specs, G_N_ELEMENTS (specs));
}

static guint16
get_port (BaseSettings *settings, const char *key)
{
  return (guint16)base_settings_get_int (settings, key);
}

gboolean
node_provision_new (const NodeParts *parts, ScalingProvisioner **ret,
                    GError **error)
{
  BaseSettings *settings = parts->settings;
  const char *kind = base_settings_get_string (settings, "provisioner");
  const char *directory = base_settings_get_string (settings, "provision-dir");
  g_auto (GStrv) env = base_settings_dup_environment (settings, own_settings);
  ScalingProcessConfig config = {
    .directory = directory,
    .max_instances = (guint)base_settings_get_int (settings, "provision-max"),
    .min_available_bytes =
        (guint64)base_settings_get_int (settings, "provision-min-memory"),
    .http_port = get_port (settings, "provision-http-port"),
    .relay_port = get_port (settings, "provision-relay-port"),
    .rtc_port = get_port (settings, "provision-rtc-port"),
    .pool_port = get_port (settings, "provision-pool-port"),
    .env = (const char *const *)env,
  };

  *ret = NULL;
  if (g_str_equal (kind, "none") || !parts->options->has_cluster)
    return TRUE;
  if (directory == NULL)
    {
      g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
                   "provisioner: %s needs a --provision-dir", kind);
      return FALSE;
    }
  *ret = scaling_provision_process_new (&config, error);
  if (*ret)
    {
      scaling_provisioner_set_cost_per_hour (
          *ret,
          (double)base_settings_get_int (settings, "provision-cost") / 1000);
      return TRUE;
    }
  g_prefix_error (error, "provision-dir: ");
  return FALSE;
}
