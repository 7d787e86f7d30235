/* SPDX-License-Identifier: Apache-2.0 */
/* node/provision: see provision.h. */
#include "node/provision.h"

#include <string.h>

#include "node/provision-private.h"
#include "scaling/instance-ports.h"
#include "scaling/provision-process.h"
#include "scaling/provision-webhook.h"

#define MILLI 1000
#define MAX_CPUS 1024
#define MIN_CPU_MILLI 10 /* Docker takes no less */

/* clang-format off: one row a setting */
static const BaseSettingSpec specs[] = {
  { "lead", BASE_SETTING_BOOL, 0, 0, "yes", NULL, "Scaling",
    "This node may lead: decide, start and end others; no: it cannot." },
  { "provisioner", BASE_SETTING_ENUM, 0, 0, "none",
    "none|process|docker|kubernetes|webhook", "Scaling",
    "Who starts what is wanted: nobody; this machine, as further processes; "
    "Docker; Kubernetes; somebody else, told by HTTP." },
  { "provision-max", BASE_SETTING_INT, 1, SCALING_PORTS_MAX_INSTANCES, "29",
    NULL, "Scaling", "Processes, or containers of a machine, at most." },
  { "provision-first", BASE_SETTING_INT, 1, SCALING_PORTS_MAX_INSTANCES, "1",
    NULL, "Scaling",
    "Number k of a machine's first container: with the machine's network, or "
    "published, HTTP is at 7070 + k, RTC at 7200 + 32 k." },
  { "provision-cost", BASE_SETTING_INT, 0, 1000000000, "0", NULL, "Scaling",
    "What one instance costs an hour, in thousandths of what you count." },
  /* processes */
  { "provision-dir", BASE_SETTING_PATH, 0, 0, NULL, NULL, "Scaling",
    "Where it is written down which processes there are; the same for all "
    "nodes "
    "of a machine and user." },
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
  /* containers */
  { "provision-image", BASE_SETTING_STRING, 0, 0, "media-tree", NULL, "Scaling",
    "Image of containers and Pods." },
  { "provision-pull", BASE_SETTING_ENUM, 0, 0, "missing",
    "missing|always|never", "Scaling", "When the image is pulled." },
  { "provision-labels", BASE_SETTING_LIST, 0, 0, NULL, NULL, "Scaling",
    "KEY=VALUE,…: labels of containers, annotations of Pods, beside mt.…" },
  { "provision-cpu", BASE_SETTING_STRING, 0, 0, "2", NULL, "Scaling",
    "Processors of a container at most: 2, 0.5 or 500m; 0 = all." },
  { "provision-cpu-reserved", BASE_SETTING_STRING, 0, 0, "0.25", NULL,
    "Scaling", "Processors that a Pod asks for." },
  { "provision-memory", BASE_SETTING_SIZE, 0, G_MAXINT64, "1 GiB", NULL,
    "Scaling", "Memory of a container at most; 0 = all." },
  { "provision-memory-reserved", BASE_SETTING_SIZE, 0, G_MAXINT64, "256 MiB",
    NULL, "Scaling", "Memory that is kept for it." },
  { "provision-pids", BASE_SETTING_INT, 16, 4194304, "256", NULL, "Scaling",
    "Processes and threads of a Docker container at most." },
  { "provision-docker-hosts", BASE_SETTING_LIST, 0, 0,
    "local=unix:///var/run/docker.sock", NULL, "Scaling",
    "NAME=URL,… of Docker Engines: unix:///path or tcp://host:2376." },
  { "provision-docker-certs", BASE_SETTING_PATH, 0, 0, NULL, NULL, "Scaling",
    "Directory with ca.pem, cert.pem and key.pem, for Engines at tcp://." },
  { "provision-docker-network", BASE_SETTING_STRING, 0, 0, "host", NULL,
    "Scaling", "Docker network of containers; host: their machine's." },
  { "provision-docker-publish", BASE_SETTING_BOOL, 0, 0, "no", NULL, "Scaling",
    "On another network: publish HTTP and RTC ports of all but relays." },
  { "provision-docker-public-url", BASE_SETTING_LIST, 0, 0, NULL, NULL,
    "Scaling",
    "[NAME=]URL,… of Engines' machines without a port: viewers go there." },
  { "provision-docker-public-address", BASE_SETTING_LIST, 0, 0, NULL, NULL,
    "Scaling",
    "[NAME=]IP,… of Engines' machines: --public-address of containers." },
  { "provision-docker-cluster-address", BASE_SETTING_LIST, 0, 0, NULL, NULL,
    "Scaling",
    "[NAME=]IP,…: --cluster-address of containers with the host's network." },
  { "provision-docker-mounts", BASE_SETTING_LIST, 0, 0, NULL, NULL, "Scaling",
    "/PATH:/PATH,… of the machine: in the container, read-only." },
  { "provision-kubeconfig", BASE_SETTING_PATH, 0, 0, NULL, NULL, "Scaling",
    "How Kubernetes is reached; unset: as the account of this Pod." },
  { "provision-kube-namespace", BASE_SETTING_STRING, 0, 0, NULL, NULL,
    "Scaling", "Namespace of Pods; unset: the account's." },
  { "provision-kube-secret", BASE_SETTING_STRING, 0, 0, NULL, NULL, "Scaling",
    "Secret whose keys, MEDIA_TREE_REDIS_URL and so on, are Pods' "
    "environment." },
  { "provision-kube-account", BASE_SETTING_STRING, 0, 0, NULL, NULL, "Scaling",
    "Service account of Pods, so that they can lead; unset: none, they do "
    "not." },
  { "provision-kube-host-network", BASE_SETTING_BOOL, 0, 0, "no", NULL,
    "Scaling",
    "Pods, but relays, use the network of their machine, one a machine." },
  { "provision-kube-public-url", BASE_SETTING_STRING, 0, 0,
    "http://$(POD_IP):7070", NULL, "Scaling", "--public-url of Pods." },
  { "provision-kube-nodes", BASE_SETTING_LIST, 0, 0, NULL, NULL, "Scaling",
    "LABEL=VALUE,… of the machines where Pods may run." },
  /* somebody else */
  { "provision-webhook-url", BASE_SETTING_STRING, 0, 0, NULL, NULL, "Scaling",
    "Who is told what shall be there: https://…" },
  { "provision-webhook-ca", BASE_SETTING_PATH, 0, 0, NULL, NULL, "Scaling",
    "Who may sign its certificate (PEM); unset: as the system has it." },
  { "provisioner-token", BASE_SETTING_SECRET, 0, 0, NULL, NULL, "Scaling",
    "What it is told is signed with this; 16 characters or more." },
};

/* What is a node's own, or its machine's. */
#define OWN_SETTINGS                                                           \
  "role", "node-id", "tree-id", "workers", "state-dir", "cluster-address",     \
      "relay-port", "rtp-port-range", "http-listen", "public-url", "rtc-port", \
      "public-address", "rtp-input", "recording-dir", "metrics-mode",          \
      "metrics-port"
/* Of who leads, and what makes it able to. */
#define LEADER_SETTINGS                                                        \
  "lead", "provisioner", "provision-max", "provision-first", "provision-cost", \
      "provision-image", "provision-pull", "provision-labels",                 \
      "provision-cpu", "provision-cpu-reserved", "provision-memory",           \
      "provision-memory-reserved", "provision-pids", "provision-docker-hosts", \
      "provision-docker-network", "provision-docker-publish",                  \
      "provision-docker-public-url", "provision-docker-public-address",        \
      "provision-docker-cluster-address", "provision-docker-mounts",           \
      "provision-kube-namespace", "provision-kube-secret",                     \
      "provision-kube-account", "provision-kube-host-network",                 \
      "provision-kube-public-url", "provision-kube-nodes",                     \
      "provision-webhook-url", "provisioner-token"
/* Files that only who leads reads. */
#define LEADER_FILES                                                           \
  "autoscaling-policy", "provision-dir", "provision-docker-certs",             \
      "provision-kubeconfig", "provision-webhook-ca"
/* clang-format on */

void
node_settings_add_provision (BaseSettings *settings)
{
  base_settings_add (settings, specs, G_N_ELEMENTS (specs));
}

/* --- for all kinds ------------------------------------------------------- */

/* read_cpu: "2", "0.5", "500m" */
static gboolean
read_cpu (BaseSettings *settings, const char *key, gint64 *ret_milli,
          GError **error)
{
  const char *text = base_settings_get_string (settings, key) ?: "0";
  char *end;
  double value = g_ascii_strtod (text, &end);
  double milli = *end == 'm' ? value : value * MILLI;

  if (end != text && (*end == '\0' || g_str_equal (end, "m"))
      && (milli == 0 || (milli >= MIN_CPU_MILLI && milli <= MAX_CPUS * MILLI)))
    {
      *ret_milli = (gint64)(milli + 0.5);
      return TRUE;
    }
  return node_settings_refuse (error,
                               "%s: \"%s\" is no number of processors, such "
                               "as 2, 0.5 or 500m",
                               key, text);
}

gboolean
node_provision_read_limits (BaseSettings *settings, NodeProvisionLimits *ret,
                            GError **error)
{
  ret->memory_bytes = base_settings_get_int (settings, "provision-memory");
  ret->memory_reserved_bytes =
      base_settings_get_int (settings, "provision-memory-reserved");
  if (!read_cpu (settings, "provision-cpu", &ret->cpu_milli, error)
      || !read_cpu (settings, "provision-cpu-reserved",
                    &ret->cpu_reserved_milli, error))
    return FALSE;
  if (ret->cpu_milli > 0 && ret->cpu_reserved_milli > ret->cpu_milli)
    return node_settings_refuse (
        error, "provision-cpu-reserved: is above provision-cpu");
  if (ret->memory_bytes > 0 && ret->memory_reserved_bytes > ret->memory_bytes)
    return node_settings_refuse (
        error, "provision-memory-reserved: is above provision-memory");
  return TRUE;
}

gboolean
node_provision_check_pairs (BaseSettings *settings, const char *key,
                            GError **error)
{
  const char *const *list = base_settings_get_list (settings, key);

  for (; *list != NULL; list++)
    if (strchr (*list, '=') == NULL || **list == '='
        || g_str_has_prefix (*list, "mt."))
      return node_settings_refuse (
          error, "%s: \"%s\" is no KEY=VALUE, or a key of ours", key, *list);
  return TRUE;
}

static gboolean
is_mounted (const char *const *mounts, const char *path)
{
  for (; *mounts != NULL; mounts++)
    {
      const char *target = strchr (*mounts, ':');
      gsize len = target != NULL ? strlen (++target) : 0;

      if (len > 0 && strncmp (path, target, len) == 0
          && (path[len] == '\0' || path[len] == '/' || target[len - 1] == '/'))
        return TRUE;
    }
  return FALSE;
}

gboolean
node_provision_check_files (BaseSettings *settings, const char *const *mounts,
                            const char *remedy, GError **error)
{
  static const char *const keys[] = { "tls-cert", "tls-key", "jwt-key" };

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      const char *path = base_settings_get_string (settings, keys[i]);

      if (path != NULL && !is_mounted (mounts, path))
        return node_settings_refuse (error,
                                     "%s: instances would not find %s: %s",
                                     keys[i], path, remedy);
    }
  return TRUE;
}

char **
node_provision_dup_env (BaseSettings *settings, gboolean leads,
                        gboolean with_secrets)
{
  static const char *const of_all[] = { OWN_SETTINGS, LEADER_FILES, NULL };
  static const char *const of_others[] = { OWN_SETTINGS, LEADER_FILES,
                                           LEADER_SETTINGS, NULL };
  g_auto (GStrv) env = base_settings_dup_environment (
      settings, leads ? of_all : of_others, with_secrets);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  g_strv_builder_addv (builder, (const char **)env);
  if (!leads)
    g_strv_builder_add (builder, "MEDIA_TREE_LEAD=no");
  return g_strv_builder_end (builder);
}

/* --- processes ----------------------------------------------------------- */

static guint16
get_port (BaseSettings *settings, const char *key)
{
  return (guint16)base_settings_get_int (settings, key);
}

static ScalingProvisioner *
process_new (BaseSettings *settings, GError **error)
{
  /* one exporter a machine, of who was there first */
  static const char *const own[] = { OWN_SETTINGS, "node-exporter-port",
                                     "cadvisor-port", NULL };
  const char *directory = base_settings_get_string (settings, "provision-dir");
  g_auto (GStrv) env = base_settings_dup_environment (settings, own, TRUE);
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
  ScalingProvisioner *made;

  if (directory == NULL)
    {
      node_settings_refuse (error,
                            "provisioner: process needs a --provision-dir");
      return NULL;
    }
  made = scaling_provision_process_new (&config, error);
  if (made == NULL)
    g_prefix_error (error, "provision-dir: ");
  return made;
}

/* --- somebody else ------------------------------------------------------- */

static ScalingProvisioner *
webhook_new (BaseSettings *settings, GError **error)
{
  g_auto (GStrv) env = node_provision_dup_env (settings, FALSE, FALSE);
  const ScalingWebhookConfig config = {
    .url = base_settings_get_string (settings, "provision-webhook-url"),
    .secret = base_settings_get_string (settings, "provisioner-token"),
    .ca_path = base_settings_get_string (settings, "provision-webhook-ca"),
    .env = (const char *const *)env,
  };
  ScalingProvisioner *made;

  if (config.url == NULL)
    {
      node_settings_refuse (error, "provision-webhook-url: is missing; "
                                   "provisioner webhook tells it what to do");
      return NULL;
    }
  if (config.secret == NULL
      || strlen (config.secret) < SCALING_WEBHOOK_MIN_SECRET_CHARS)
    {
      node_settings_refuse (error,
                            "provisioner-token: is missing, or has fewer than "
                            "%d characters",
                            SCALING_WEBHOOK_MIN_SECRET_CHARS);
      return NULL;
    }
  made = scaling_provision_webhook_new (&config, error);
  if (made == NULL)
    g_prefix_error (error, "provision-webhook-url: ");
  return made;
}

/* --- which --------------------------------------------------------------- */

static const struct
{
  const char *kind;
  ScalingProvisioner *(*make) (BaseSettings *settings, GError **error);
} kinds[] = {
  { "process", process_new },
  { "docker", node_provision_docker_new },
  { "kubernetes", node_provision_kubernetes_new },
  { "webhook", webhook_new },
};

gboolean
node_provision_new (const NodeParts *parts, ScalingProvisioner **ret,
                    GError **error)
{
  BaseSettings *settings = parts->settings;
  const char *kind = base_settings_get_string (settings, "provisioner");

  *ret = NULL;
  if (!parts->options->has_cluster)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_equal (kind, kinds[i].kind))
      {
        *ret = kinds[i].make (settings, error);
        if (*ret == NULL)
          return FALSE;
        scaling_provisioner_set_cost_per_hour (
            *ret,
            (double)base_settings_get_int (settings, "provision-cost") / MILLI);
      }
  return TRUE;
}
