/* SPDX-License-Identifier: Apache-2.0 */
/* node/provision-kubernetes: settings → ScalingProvisionKubernetes. */
#include "node/provision-private.h"
#include "scaling/provision-kubernetes.h"

#define MIB (G_GINT64_CONSTANT (1024) * 1024)

static const struct
{
  const char *pull, *policy;
} pulls[] = {
  { "missing", "IfNotPresent" },
  { "always", "Always" },
  { "never", "Never" },
};

static const char *
get_pull_policy (BaseSettings *settings)
{
  const char *pull = base_settings_get_string (settings, "provision-pull");

  for (guint i = 0; i < G_N_ELEMENTS (pulls); i++)
    if (g_str_equal (pulls[i].pull, pull))
      return pulls[i].policy;
  return NULL;
}

/* Quantities of Kubernetes; (transfer full) (nullable): no limit */
static char *
dup_cpu (gint64 milli)
{
  return milli > 0 ? g_strdup_printf ("%" G_GINT64_FORMAT "m", milli) : NULL;
}

static char *
dup_memory (gint64 n_bytes)
{
  if (n_bytes <= 0)
    return NULL;
  return n_bytes % MIB == 0
             ? g_strdup_printf ("%" G_GINT64_FORMAT "Mi", n_bytes / MIB)
             : g_strdup_printf ("%" G_GINT64_FORMAT, n_bytes);
}

static gboolean
check (BaseSettings *settings, GError **error)
{
  static const char *const nothing[] = { NULL };

  if (base_settings_get_string (settings, "provision-kube-secret") == NULL)
    return node_settings_refuse (
        error, "provision-kube-secret: is missing; Pods take redis-url, "
               "cluster-secret and tokens from it, so that none stands in a "
               "Pod");
  return node_provision_check_pairs (settings, "provision-labels", error)
         && node_provision_check_pairs (settings, "provision-kube-nodes", error)
         && node_provision_check_files (
             settings, nothing,
             "let a proxy have it, or put its content elsewhere", error);
}

ScalingProvisioner *
node_provision_kubernetes_new (BaseSettings *settings, GError **error)
{
  const char *account =
      base_settings_get_string (settings, "provision-kube-account");
  g_auto (GStrv) env =
      node_provision_dup_env (settings, account != NULL, FALSE);
  NodeProvisionLimits limits;
  g_autofree char *cpu_request = NULL, *cpu_limit = NULL;
  g_autofree char *memory_request = NULL, *memory_limit = NULL;
  ScalingKubernetesConfig config = {
    .kubeconfig = base_settings_get_string (settings, "provision-kubeconfig"),
    .name_space =
        base_settings_get_string (settings, "provision-kube-namespace"),
    .image = base_settings_get_string (settings, "provision-image"),
    .pull_policy = get_pull_policy (settings),
    .service_account = account,
    .secret = base_settings_get_string (settings, "provision-kube-secret"),
    .public_url =
        base_settings_get_string (settings, "provision-kube-public-url"),
    .is_host_network =
        base_settings_get_bool (settings, "provision-kube-host-network"),
    .node_selector = base_settings_get_list (settings, "provision-kube-nodes"),
    .env = (const char *const *)env,
    .labels = base_settings_get_list (settings, "provision-labels"),
  };
  ScalingProvisioner *made;

  if (!check (settings, error)
      || !node_provision_read_limits (settings, &limits, error))
    return NULL;
  config.cpu_request = cpu_request = dup_cpu (limits.cpu_reserved_milli);
  config.cpu_limit = cpu_limit = dup_cpu (limits.cpu_milli);
  config.memory_request = memory_request =
      dup_memory (limits.memory_reserved_bytes);
  config.memory_limit = memory_limit = dup_memory (limits.memory_bytes);
  made = scaling_provision_kubernetes_new (&config, error);
  if (made == NULL)
    g_prefix_error (error, "provision-kubeconfig: ");
  return made;
}
