/* SPDX-License-Identifier: Apache-2.0 */
/* node/settings-metrics: see settings-metrics.h. */
#include "node/settings-metrics.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "base/clock.h"
#include "scaling/proxy.h"

#define GATEWAY_ENV "GATEWAY_CONFIG_JSON"
#define GATEWAY_MAX_BYTES 65536
#define NAME_MAX_CHARS 64

/* clang-format off: one row a setting */
static const BaseSettingSpec specs[] = {
  { "metrics-mode", BASE_SETTING_ENUM, 0, 0, "redis", "redis|proxy",
    "Metrics role",
    "Where the numbers of the nodes come from: their "
    "heartbeats in Redis, or /monitoring/system of each." },
  { "metrics-port", BASE_SETTING_INT, 0, 65535, "8090", NULL, "Metrics role",
    "TCP port of /metrics, on all addresses, while http-listen is not given." },
  { "metrics-poll-interval", BASE_SETTING_DURATION, BASE_US_PER_S,
    3600 * BASE_US_PER_S, "5 s", NULL, "Metrics role",
    "How often the mode proxy asks each node." },
  { "metrics-poll-timeout", BASE_SETTING_DURATION, 100 * BASE_US_PER_MS,
    60 * BASE_US_PER_S, "3 s", NULL, "Metrics role",
    "How long the mode proxy waits for a whole answer." },
  { "metrics-auth-header-name", BASE_SETTING_STRING, 0, 0, "Authorization",
    NULL, "Metrics role", "Header that the mode proxy sends to nodes." },
  { "metrics-auth-header-value", BASE_SETTING_SECRET, 0, 0, NULL, NULL,
    "Metrics role",
    "What it holds, for example Bearer and the nodes' "
    "metrics-token; unset: it is not sent." },
  { "metrics-ingress-base-url", BASE_SETTING_LIST, 0, 0, NULL, NULL,
    "Metrics role",
    "Nodes that publishers come to, for the mode proxy: "
    "http://HOST:PORT, one or more." },
  { "metrics-proc-base-url", BASE_SETTING_LIST, 0, 0, NULL, NULL,
    "Metrics role", "Relays and nodes that viewers come to, likewise." },
  { "gateway-config", BASE_SETTING_STRING, 0, 0, NULL, NULL, "Metrics role",
    "JSON object: its tenant is the tree-id where that is not given, its "
    "project a label of all points." },
};
/* clang-format on */

static const struct
{
  const char *key, *env, *unit;
} aliases[] = {
  { "metrics-mode", "METRICS_MODE", NULL },
  { "metrics-port", "METRICS_PORT", NULL },
  { "metrics-auth-header-name", "METRICS_AUTH_HEADER_NAME", NULL },
  { "metrics-auth-header-value", "METRICS_AUTH_HEADER_VALUE", NULL },
  { "metrics-ingress-base-url", "METRICS_INGRESS_BASE_URL", NULL },
  { "metrics-proc-base-url", "METRICS_PROC_BASE_URL", NULL },
  { "gateway-config", GATEWAY_ENV, NULL },
};

void
node_settings_add_metrics (BaseSettings *settings)
{
  base_settings_add (settings, specs, G_N_ELEMENTS (specs));
  for (guint i = 0; i < G_N_ELEMENTS (aliases); i++)
    base_settings_add_env_alias (settings, aliases[i].key, aliases[i].env,
                                 aliases[i].unit);
}

/* read_name: @ret is NULL where there is no such member */
static gboolean
read_name (JsonObject *object, const char *member, const char **ret,
           GError **error)
{
  JsonNode *node = json_object_get_member (object, member);
  const char *text;

  *ret = NULL;
  if (!node || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  text = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;
  if (!text || !*text || strlen (text) > NAME_MAX_CHARS
      || text[strspn (text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-")])
    return node_settings_refuse (error,
                                 "gateway-config (" GATEWAY_ENV
                                 "): %s is no name: 1 to %d of "
                                 "A-Z a-z 0-9 . _ -",
                                 member, NAME_MAX_CHARS);
  *ret = text;
  return TRUE;
}

static gboolean
read_gateway (NodeOptions *self, BaseSettings *settings, GError **error)
{
  const char *text = base_settings_get_string (settings, "gateway-config");
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) reason = NULL;
  const char *tenant, *project;
  JsonNode *root;

  if (!text)
    return TRUE;
  if (strlen (text) > GATEWAY_MAX_BYTES)
    return node_settings_refuse (
        error, "gateway-config (" GATEWAY_ENV "): has more than %d bytes",
        GATEWAY_MAX_BYTES);
  if (!json_parser_load_from_data (parser, text, -1, &reason))
    return node_settings_refuse (
        error, "gateway-config (" GATEWAY_ENV "): is not JSON: %s",
        reason->message);
  root = json_parser_get_root (parser);
  if (!root || !JSON_NODE_HOLDS_OBJECT (root))
    return node_settings_refuse (error, "gateway-config (" GATEWAY_ENV
                                        "): is no JSON object");
  if (!read_name (json_node_get_object (root), "tenant", &tenant, error)
      || !read_name (json_node_get_object (root), "project", &project, error))
    return FALSE;
  self->project = g_strdup (project);
  return !tenant
         || base_settings_set_default (settings, "tree-id", tenant, GATEWAY_ENV,
                                       error);
}

static gboolean
check_urls (BaseSettings *settings, GError **error)
{
  static const char *const keys[] = { "metrics-ingress-base-url",
                                      "metrics-proc-base-url" };
  guint n_urls = 0;

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    for (const char *const *url = base_settings_get_list (settings, keys[i]);
         *url; url++, n_urls++)
      if (!scaling_proxy_url_is_valid (*url))
        return node_settings_refuse (
            error, "%s: \"%s\" is no http://HOST[:PORT][/PATH]", keys[i], *url);
  if (n_urls == 0)
    return node_settings_refuse (
        error, "metrics-mode: proxy needs nodes to ask: "
               "metrics-ingress-base-url (METRICS_INGRESS_BASE_URL), "
               "metrics-proc-base-url (METRICS_PROC_BASE_URL) or both");
  if (n_urls > SCALING_PROXY_MAX_TARGETS)
    return node_settings_refuse (
        error,
        "metrics-proc-base-url: with "
        "metrics-ingress-base-url these are %u nodes, more "
        "than %d",
        n_urls, SCALING_PROXY_MAX_TARGETS);
  return TRUE;
}

/* check_header: its value has no control characters: no setting has */
static gboolean
check_header (BaseSettings *settings, GError **error)
{
  const char *name =
      base_settings_get_string (settings, "metrics-auth-header-name");

  if (!name || !*name
      || name[strspn (name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS
                      "!#$%&'*+-.^_`|~")])
    return node_settings_refuse (
        error, "metrics-auth-header-name: is no header's name");
  return TRUE;
}

gboolean
node_settings_read_metrics (NodeOptions *self, BaseSettings *settings,
                            GError **error)
{
  g_autofree char *listen = g_strdup_printf (
      "*:%" G_GINT64_FORMAT, base_settings_get_int (settings, "metrics-port"));
  gboolean is_proxy = g_str_equal (
      base_settings_get_string (settings, "metrics-mode"), "proxy");

  if (!(self->roles & NODE_ROLE_METRICS))
    return TRUE;
  if (self->roles != NODE_ROLE_METRICS)
    return node_settings_refuse (
        error, "role: metrics stands alone: it is a node without "
               "media, for the whole tree");
  self->n_workers = 0;
  if (!is_proxy && !base_settings_get_string (settings, "redis-url"))
    return node_settings_refuse (
        error, "redis-url: is missing; the role metrics reads the nodes' "
               "heartbeats there, or asks them with metrics-mode proxy "
               "(METRICS_MODE)");
  return (!is_proxy || check_urls (settings, error))
         && check_header (settings, error)
         && read_gateway (self, settings, error)
         && base_settings_set_default (settings, "http-listen", listen,
                                       "metrics-port", error);
}
