/* SPDX-License-Identifier: Apache-2.0 */
/* node/provision-docker: settings → ScalingProvisionDocker. */
#include <string.h>

#include "node/provision-private.h"
#include "scaling/provision-docker.h"

#define HOSTS "provision-docker-hosts"
#define PUBLIC_URL "provision-docker-public-url"
#define PUBLIC_ADDRESS "provision-docker-public-address"
#define CLUSTER_ADDRESS "provision-docker-cluster-address"
#define MOUNTS "provision-docker-mounts"

static const char *const pulls[] = {
  [SCALING_PULL_MISSING] = "missing",
  [SCALING_PULL_ALWAYS] = "always",
  [SCALING_PULL_NEVER] = "never",
};

static void
engine_clear (gpointer data)
{
  ScalingDockerEngine *engine = data;

  g_free ((char *)engine->name);
}

/* split: "NAME=rest"; (transfer full) (nullable): NULL: it has no name */
static char *
split (const char *text, const char **ret_rest)
{
  gsize len = strcspn (text, "=:/.");

  *ret_rest = text;
  if (text[len] != '=')
    return NULL;
  *ret_rest = text + len + 1;
  return g_strndup (text, len);
}

/* read_hosts: (transfer full) (nullable) (element-type ScalingDockerEngine) */
static GArray *
read_hosts (BaseSettings *settings, GError **error)
{
  const char *const *list = base_settings_get_list (settings, HOSTS);
  const char *certs =
      base_settings_get_string (settings, "provision-docker-certs");
  g_autoptr (GArray) engines =
      g_array_new (FALSE, TRUE, sizeof (ScalingDockerEngine));

  g_array_set_clear_func (engines, engine_clear);
  for (guint i = 0; list[i] != NULL; i++)
    {
      ScalingDockerEngine engine = { 0 };
      char *name = split (list[i], &engine.url);

      engine.name = name ?: g_strdup_printf ("host-%u", i + 1);
      if (g_str_has_prefix (engine.url, "tcp://"))
        engine.cert_directory = certs;
      g_array_append_val (engines, engine);
      if (!scaling_provision_name_is_valid (engine.name))
        {
          node_settings_refuse (error, HOSTS ": \"%s\" is no name of a host",
                                engine.name);
          return NULL;
        }
    }
  return g_steal_pointer (&engines);
}

static gboolean
is_base_url (const char *text)
{
  g_autoptr (GUri) uri = g_uri_parse (text, G_URI_FLAGS_NONE, NULL);
  const char *scheme = uri != NULL ? g_uri_get_scheme (uri) : NULL;

  return (g_strcmp0 (scheme, "https") == 0 || g_strcmp0 (scheme, "http") == 0)
         && *(g_uri_get_host (uri) ?: "") != '\0' && g_uri_get_port (uri) == -1
         && *g_uri_get_path (uri) == '\0' && g_uri_get_query (uri) == NULL
         && g_uri_get_userinfo (uri) == NULL;
}

static gboolean
is_ip (const char *text)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (text);

  return address != NULL && !g_inet_address_get_is_any (address);
}

/* What is said of each host, or of all. */
static const struct
{
  const char *key;
  gsize offset; /* of a const char * in ScalingDockerEngine */
  gboolean (*is_good) (const char *text);
  const char *form;
} of_hosts[] = {
  { PUBLIC_URL, G_STRUCT_OFFSET (ScalingDockerEngine, public_base), is_base_url,
    "http[s]://host without a port or path" },
  { PUBLIC_ADDRESS, G_STRUCT_OFFSET (ScalingDockerEngine, public_address),
    is_ip, "IP address" },
  { CLUSTER_ADDRESS, G_STRUCT_OFFSET (ScalingDockerEngine, cluster_address),
    is_ip, "IP address" },
};

static gboolean
read_of_hosts (BaseSettings *settings, guint row, GArray *engines,
               GError **error)
{
  const char *key = of_hosts[row].key;
  const char *const *list = base_settings_get_list (settings, key);

  for (; *list != NULL; list++)
    {
      const char *rest;
      g_autofree char *name = split (*list, &rest);
      gboolean is_known = name == NULL;

      if (!of_hosts[row].is_good (rest))
        return node_settings_refuse (error, "%s: \"%s\" is no %s", key, rest,
                                     of_hosts[row].form);
      for (guint i = 0; i < engines->len; i++)
        {
          ScalingDockerEngine *engine =
              &g_array_index (engines, ScalingDockerEngine, i);
          const char **field = G_STRUCT_MEMBER_P (engine, of_hosts[row].offset);
          gboolean is_named = g_strcmp0 (name, engine->name) == 0;

          /* one that is named wins, wherever it stands */
          if (is_named || (name == NULL && *field == NULL))
            *field = rest;
          is_known |= is_named;
        }
      if (!is_known)
        return node_settings_refuse (
            error, "%s: there is no host \"%s\" in " HOSTS, key, name);
    }
  return TRUE;
}

static gboolean
check_mounts (const char *const *mounts, GError **error)
{
  for (; *mounts != NULL; mounts++)
    {
      const char *colon = strchr (*mounts, ':');

      if (**mounts != '/' || colon == NULL || colon[1] != '/'
          || strchr (colon + 1, ':') != NULL)
        return node_settings_refuse (error, MOUNTS ": \"%s\" is no /path:/path",
                                     *mounts);
    }
  return TRUE;
}

/* Who is published is for viewers, and they must be told where. */
static gboolean
check_network (const ScalingDockerConfig *config, GError **error)
{
  if (!config->is_published)
    return TRUE;
  if (g_str_equal (config->network, "host"))
    return node_settings_refuse (
        error, "provision-docker-publish: the network \"host\" has no ports to "
               "publish; give provision-docker-network another");
  for (guint i = 0; i < config->n_engines; i++)
    if (config->engines[i].public_base == NULL
        || config->engines[i].public_address == NULL)
      return node_settings_refuse (
          error,
          "%s: is missing for host \"%s\"; provision-docker-publish needs it",
          config->engines[i].public_base == NULL ? PUBLIC_URL : PUBLIC_ADDRESS,
          config->engines[i].name);
  return TRUE;
}

static gboolean
check (BaseSettings *settings, const ScalingDockerConfig *config,
       GError **error)
{
  return check_mounts (config->mounts, error) && check_network (config, error)
         && node_provision_check_pairs (settings, "provision-labels", error)
         && node_provision_check_files (settings, config->mounts,
                                        "mount it with " MOUNTS, error);
}

static ScalingPull
read_pull (BaseSettings *settings)
{
  const char *text = base_settings_get_string (settings, "provision-pull");
  ScalingPull pull = SCALING_PULL_MISSING;

  while (!g_str_equal (pulls[pull], text))
    pull++;
  return pull;
}

ScalingProvisioner *
node_provision_docker_new (BaseSettings *settings, GError **error)
{
  g_autoptr (GArray) engines = read_hosts (settings, error);
  g_auto (GStrv) env = node_provision_dup_env (settings, FALSE, TRUE);
  NodeProvisionLimits limits;
  ScalingDockerConfig config = {
    .image = base_settings_get_string (settings, "provision-image"),
    .pull = read_pull (settings),
    .network = base_settings_get_string (settings, "provision-docker-network"),
    .is_published =
        base_settings_get_bool (settings, "provision-docker-publish"),
    .max_pids = base_settings_get_int (settings, "provision-pids"),
    .first_k = (guint)base_settings_get_int (settings, "provision-first"),
    .max_per_engine = (guint)base_settings_get_int (settings, "provision-max"),
    .env = (const char *const *)env,
    .labels = base_settings_get_list (settings, "provision-labels"),
    .mounts = base_settings_get_list (settings, MOUNTS),
  };
  ScalingProvisioner *made;

  if (engines == NULL || !node_provision_read_limits (settings, &limits, error))
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (of_hosts); i++)
    if (!read_of_hosts (settings, i, engines, error))
      return NULL;
  config.engines = (const ScalingDockerEngine *)engines->data;
  config.n_engines = engines->len;
  config.cpu_milli = limits.cpu_milli;
  config.memory_bytes = limits.memory_bytes;
  config.memory_reserved_bytes = limits.memory_reserved_bytes;
  if (!check (settings, &config, error))
    return NULL;
  made = scaling_provision_docker_new (&config, error);
  if (made == NULL)
    g_prefix_error (error, HOSTS ": ");
  return made;
}
