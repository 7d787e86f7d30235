/* SPDX-License-Identifier: Apache-2.0 */
/* node/settings: the table, and the checks across settings. */
#include "node/settings.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "node/rtp-inputs.h"
#include "node/settings-cluster.h"
#include "node/settings-export.h"
#include "node/settings-metrics.h"
#include "node/provision.h"
#include "node/settings-scaling.h"

#define MAX_PLAYOUT_DELAY_MS 40950 /* 12 bits of 10 ms */
#define NODE_ID_MAX_CHARS 64

G_DEFINE_QUARK (node - settings - error - quark, node_settings_error)

gboolean
node_settings_refuse (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (NODE_SETTINGS_ERROR,
                                                NODE_SETTINGS_ERROR_BAD, format,
                                                args));
  va_end (args);
  return FALSE;
}

/* clang-format off: one row a setting */
static const BaseSettingSpec specs[] = {
  { "config", BASE_SETTING_PATH, 0, 0, "/etc/media-tree/media-tree.conf", NULL,
    NULL, "Settings file; *.conf files in conf.d next to it are read too." },
  { "help", BASE_SETTING_BOOL, 0, 0, "no", NULL, NULL,
    "Print this text and end." },
  { "version", BASE_SETTING_BOOL, 0, 0, "no", NULL, NULL,
    "Print the version and end." },
  { "print-config", BASE_SETTING_BOOL, 0, 0, "no", NULL, NULL,
    "Print the settings in effect, secrets hidden, and end." },
  { "print-sample", BASE_SETTING_BOOL, 0, 0, "no", NULL, NULL,
    "Print a settings file with all defaults and end." },
  { "print-man", BASE_SETTING_BOOL, 0, 0, "no", NULL, NULL,
    "Print the manual page and end." },

  { "role", BASE_SETTING_LIST, 0, 0, "all", NULL, "Node",
    "all, or a list of injection (takes WHIP publishers), relay, egress "
    "(serves WHEP viewers); or metrics alone (no media: adds up what the "
    "others say)." },
  { "node-id", BASE_SETTING_STRING, 0, 0, NULL, NULL, "Node",
    "Name of this node; the host's name and four random digits when unset." },
  { "tree-id", BASE_SETTING_STRING, 0, 0, "main", NULL, "Node",
    "Name of the tree this node belongs to." },
  { "workers", BASE_SETTING_INT, 0, NODE_MAX_WORKERS, "0", NULL, "Node",
    "Media threads, each with an RTC port of its own; 0 = processors." },
  { "state-dir", BASE_SETTING_PATH, 0, 0, NULL, NULL, "Node",
    "Directory of this node alone, for what says goodbye to publishers after a "
    "crash (unset: they notice after 30 s; no keys), and for permanent "
    "mountpoints where there is no Redis (with their secrets)." },

  { "redis-url", BASE_SETTING_SECRET, 0, 0, NULL, NULL, "Cluster",
    "Redis where the nodes of a tree meet: redis://[USER:PASSWORD@]HOST[:PORT]"
    "[/DB], rediss://… (TLS), or sentinel://HOST,HOST,HOST/NAME. Unset: this "
    "machine alone." },
  { "redis-prefix", BASE_SETTING_STRING, 0, 0, NULL, NULL, "Cluster",
    "Put before every key and channel in Redis." },
  { "cluster-secret", BASE_SETTING_SECRET, 0, 0, NULL, NULL, "Cluster",
    "Secret that all nodes share; 16 characters or more." },
  { "cluster-address", BASE_SETTING_STRING, 0, 0, NULL, NULL, "Cluster",
    "IP[:PORT] by which other nodes reach this one, with a port when a NAT "
    "has another than relay-port; \"own\": the host's first; the first "
    "public-address when unset, else the host's first." },
  { "relay-port", BASE_SETTING_INT, 0, 65535, "7100", NULL, "Cluster",
    "UDP port where other nodes subscribe to streams; 0 = any." },
  { "rtp-port-range", BASE_SETTING_RANGE, 1, 65535, "10000-10999", NULL,
    "Cluster", "UDP ports for streams that come from other nodes, one each." },
  { "max-children", BASE_SETTING_INT, 1, 256, "16", NULL, "Cluster",
    "Nodes that have this one as their first parent." },

  { "http-listen", BASE_SETTING_LIST, 0, 0, "127.0.0.1:7070", NULL, "HTTP",
    "Addresses to serve pages and APIs on: IP:PORT, [IP6]:PORT, or *:PORT." },
  { "public-url", BASE_SETTING_STRING, 0, 0, NULL, NULL, "HTTP",
    "How browsers reach this node, for example https://live.example.org." },
  { "tls-cert", BASE_SETTING_PATH, 0, 0, NULL, NULL, "HTTP",
    "Certificate chain (PEM): serve HTTPS. Read again on SIGHUP." },
  { "tls-key", BASE_SETTING_PATH, 0, 0, NULL, NULL, "HTTP",
    "Private key (PEM) of --tls-cert." },
  { "max-connections", BASE_SETTING_INT, 8, 1000000, "16384", NULL, "HTTP",
    "HTTP connections at the same time; more are closed at once." },

  { "rtc-port", BASE_SETTING_INT, 0, 65535, "7200", NULL, "WebRTC",
    "First UDP and TCP port of media; worker i uses rtc-port + i. 0 = any." },
  { "public-address", BASE_SETTING_LIST, 0, 0, NULL, NULL, "WebRTC",
    "IP addresses to advertise when the host is behind 1:1 NAT." },
  { "ice-tcp", BASE_SETTING_BOOL, 0, 0, "yes", NULL, "WebRTC",
    "Offer media over TCP too, for clients whose UDP is blocked." },
  { "ice-servers", BASE_SETTING_LIST, 0, 0, NULL, NULL, "WebRTC",
    "STUN and TURN servers told to clients: stun:HOST:PORT, "
    "turn:USER:PASSWORD@HOST:PORT?transport=udp." },

  { "whip-token", BASE_SETTING_SECRET, 0, 0, NULL, NULL, "Access",
    "Bearer token that publishers must send." },
  { "whep-token", BASE_SETTING_SECRET, 0, 0, NULL, NULL, "Access",
    "Bearer token that viewers must send." },
  { "admin-token", BASE_SETTING_SECRET, 0, 0, NULL, NULL, "Access",
    "Bearer token for /debug/state, /api/nodes, /api/tree, /api/sessions "
    "(media-tree ctl)." },
  { "metrics-token", BASE_SETTING_SECRET, 0, 0, NULL, NULL, "Access",
    "Bearer token for /metrics and /sd/prometheus." },
  { "jwt-key", BASE_SETTING_PATH, 0, 0, NULL, NULL, "Access",
    "Key of JSON Web Tokens: a secret (HS256) or a PEM public key (RS256, "
    "ES256)." },
  { "insecure", BASE_SETTING_BOOL, 0, 0, "no", NULL, "Access",
    "Serve everybody where no token is set; else only this machine is." },

  { "janus-api-secret", BASE_SETTING_SECRET, 0, 0, NULL, NULL, "Janus",
    "apisecret that clients of the Janus API must send." },
  { "janus-admin-secret", BASE_SETTING_SECRET, 0, 0, NULL, NULL, "Janus",
    "admin_secret of the Janus Admin API (/admin)." },
  { "janus-admin-key", BASE_SETTING_SECRET, 0, 0, NULL, NULL, "Janus",
    "admin_key without which no mountpoint can be created." },
  { "janus-token-auth", BASE_SETTING_BOOL, 0, 0, "no", NULL, "Janus",
    "Ask clients for a token: one stored by the Admin API, or a JSON Web "
    "Token." },
  { "janus-session-timeout", BASE_SETTING_DURATION, 0, 86400 * BASE_US_PER_S,
    "60 s", NULL, "Janus",
    "A session that is silent for so long ends; 0 = never." },
  { "janus-reclaim-session-timeout", BASE_SETTING_DURATION, 0,
    86400 * BASE_US_PER_S, "0", NULL, "Janus",
    "How long a session whose WebSocket went may be claimed; 0 = it ends." },
  { "janus-max-sessions", BASE_SETTING_INT, 1, 1000000, "10000", NULL, "Janus",
    "Sessions at the same time." },
  { "janus-string-ids", BASE_SETTING_BOOL, 0, 0, "no", NULL, "Janus",
    "Mountpoints' ids are strings (streams' names), not numbers." },
  { "janus-slow-link-threshold", BASE_SETTING_INT, 1, 1000000, "4", NULL,
    "Janus", "Lost packets a second from which clients are told: slowlink." },
  { "recording-dir", BASE_SETTING_PATH, 0, 0, NULL, NULL, "Janus",
    "Directory that the API's recordings go to; unset: there are none." },

  { "publisher-linger", BASE_SETTING_DURATION, 0, 3600 * BASE_US_PER_S, "30 s",
    NULL, "Streams", "How long viewers wait for a publisher that went away." },
  { "max-publishers", BASE_SETTING_INT, 1, 1024, "256", NULL, "Streams",
    "Publishers at the same time." },
  { "max-viewers", BASE_SETTING_INT, 1, 500000, "10000", NULL, "Streams",
    "Viewers at the same time." },
  { "max-bandwidth", BASE_SETTING_RATE, 0, G_GINT64_CONSTANT (1000000000000),
    "0", NULL, "Streams",
    "Rate up to which viewers are taken; 0 = no limit but max-viewers." },
  { "join-rate", BASE_SETTING_RATE, 100000, G_GINT64_CONSTANT (10000000000),
    "50 Mbit/s", NULL, "Streams",
    "Rate at which a joining viewer is sent the current group of pictures." },
  { "playout-delay", BASE_SETTING_STRING, 0, 0, "off", NULL, "Streams",
    "Playout delay asked of browsers: off, or min..max in milliseconds." },
  { "strict-etags", BASE_SETTING_BOOL, 0, 0, "no", NULL, "Streams",
    "Answer a PATCH that has no If-Match with 428, as RFC 9725 asks." },
  { "repair", BASE_SETTING_BOOL, 0, 0, "yes", NULL, "Streams",
    "Ask for lost packets and send them again (off only in trials)." },

  { "rtp-input", BASE_SETTING_LIST, 0, 0, NULL, NULL, "Streams",
    "Streams fed by plain RTP: NAME:video=H264/96@PORT,audio=opus/111@PORT "
    "(codec, payload type, [ADDRESS:]PORT; 127.0.0.1 unless said), then the "
    "next NAME:… ." },

  { "node-exporter-port", BASE_SETTING_INT, 0, 65535, "9100", NULL, "Metrics",
    "Port of node_exporter on every node's machine, for /sd/prometheus; 0 = "
    "it is not there." },
  { "cadvisor-port", BASE_SETTING_INT, 0, 65535, "8080", NULL, "Metrics",
    "Port of cAdvisor on every node's machine, for /sd/prometheus; 0 = it is "
    "not there." },

  { "log-level", BASE_SETTING_STRING, 0, 0, "info", NULL, "Log",
    "error, warning, info, debug or log; then room:level pairs, as in "
    "info,rtc:debug." },
  { "log-format", BASE_SETTING_ENUM, 0, 0, "text", "text|json", "Log",
    "Form of a log line." },
};
/* clang-format on */

BaseSettings *
node_settings_new (void)
{
  BaseSettings *settings = base_settings_new (specs, G_N_ELEMENTS (specs));

  node_settings_add_export (settings);
  node_settings_add_metrics (settings);
  node_settings_add_scaling (settings);
  node_settings_add_provision (settings);
  return settings;
}

static gboolean
read_roles (NodeOptions *self, const char *const *names, GError **error)
{
  static const struct
  {
    const char *name;
    NodeRoles roles;
  } known[] = {
    { "all", NODE_ROLE_INJECTION | NODE_ROLE_RELAY | NODE_ROLE_EGRESS },
    { "injection", NODE_ROLE_INJECTION },
    { "relay", NODE_ROLE_RELAY },
    { "egress", NODE_ROLE_EGRESS },
    { "metrics", NODE_ROLE_METRICS },
  };

  for (; *names; names++)
    {
      guint i = 0;

      while (i < G_N_ELEMENTS (known) && !g_str_equal (known[i].name, *names))
        i++;
      if (i == G_N_ELEMENTS (known))
        {
          g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
                       "role: \"%s\" is not one of all, injection, relay, "
                       "egress, metrics",
                       *names);
          return FALSE;
        }
      self->roles |= known[i].roles;
    }
  return TRUE;
}

static gboolean
is_name (const char *text)
{
  gsize n_chars = strspn (text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789._-");

  return n_chars > 0 && n_chars <= NODE_ID_MAX_CHARS && text[n_chars] == '\0';
}

static gboolean
check_name (const char *key, const char *name, GError **error)
{
  if (name && is_name (name))
    return TRUE;
  g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
               "%s: \"%s\" is no name: 1 to %d of A-Z a-z 0-9 . _ -", key,
               name ? name : "", NODE_ID_MAX_CHARS);
  return FALSE;
}

/* make_node_id: (transfer full): from the host's name */
static char *
make_node_id (void)
{
  g_autofree char *host = g_strndup (g_get_host_name (), 48);

  g_strcanon (host,
              "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
              "abcdefghijklmnopqrstuvwxyz0123456789.-",
              '-');
  return g_strdup_printf ("%s-%04x", *host ? host : "node",
                          g_random_int () & 0xffff);
}

/* parse_listen: (transfer full) (nullable): "1.2.3.4:5", "[::1]:5", "*:5" */
static GSocketAddress *
parse_listen (const char *text)
{
  const char *colon = strrchr (text, ':');
  g_autofree char *host = NULL;
  guint64 port = 0;
  gsize n_chars;

  if (!colon
      || !g_ascii_string_to_unsigned (colon + 1, 10, 0, 65535, &port, NULL))
    return NULL;
  host = g_strndup (text, (gsize)(colon - text));
  n_chars = strlen (host);
  if (g_str_equal (host, "*") || n_chars == 0)
    /* one IPv6 socket takes IPv4 as well */
    return g_inet_socket_address_new_from_string ("::", (guint)port);
  if (g_str_equal (host, "localhost"))
    return g_inet_socket_address_new_from_string ("127.0.0.1", (guint)port);
  if (host[0] == '[' && host[n_chars - 1] == ']')
    {
      host[n_chars - 1] = '\0';
      return strchr (host + 1, ':')
                 ? g_inet_socket_address_new_from_string (host + 1, (guint)port)
                 : NULL;
    }
  return strchr (host, ':')
             ? NULL
             : g_inet_socket_address_new_from_string (host, (guint)port);
}

static gboolean
read_listen (NodeOptions *self, const char *const *names, GError **error)
{
  self->listen = g_ptr_array_new_with_free_func (g_object_unref);
  for (; *names; names++)
    {
      GSocketAddress *address = parse_listen (*names);

      if (!address)
        {
          g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
                       "http-listen: \"%s\" is no address and port: write "
                       "127.0.0.1:7070, [::1]:7070 or *:7070",
                       *names);
          return FALSE;
        }
      g_ptr_array_add (self->listen, address);
    }
  if (self->listen->len > 0 && self->listen->len <= NODE_MAX_LISTEN)
    return TRUE;
  g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
               "http-listen: 1 to %d addresses are needed", NODE_MAX_LISTEN);
  return FALSE;
}

static gboolean
read_playout_delay (NodeOptions *self, const char *text, GError **error)
{
  g_auto (GStrv) parts = NULL;
  guint64 min = 0, max = 0;

  self->playout_delay_min_ms = self->playout_delay_max_ms = -1;
  if (!text || g_str_equal (text, "off"))
    return TRUE;
  parts = g_strsplit (text, "..", 2);
  if (g_strv_length (parts) == 2
      && g_ascii_string_to_unsigned (g_strstrip (parts[0]), 10, 0,
                                     MAX_PLAYOUT_DELAY_MS, &min, NULL)
      && g_ascii_string_to_unsigned (g_strstrip (parts[1]), 10, min,
                                     MAX_PLAYOUT_DELAY_MS, &max, NULL))
    {
      self->playout_delay_min_ms = (int)min;
      self->playout_delay_max_ms = (int)max;
      return TRUE;
    }
  g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
               "playout-delay: \"%s\" is neither off nor min..max in "
               "milliseconds (up to %d), as in 0..200",
               text, MAX_PLAYOUT_DELAY_MS);
  return FALSE;
}

static gboolean
read_public_url (NodeOptions *self, const char *text, GError **error)
{
  g_autoptr (GUri) uri = NULL;
  const char *scheme;

  if (!text)
    return TRUE;
  uri = g_uri_parse (text, G_URI_FLAGS_NONE, NULL);
  scheme = uri ? g_uri_get_scheme (uri) : NULL;
  if (scheme && (g_str_equal (scheme, "http") || g_str_equal (scheme, "https"))
      && g_uri_get_host (uri) && *g_uri_get_host (uri) && !g_uri_get_query (uri)
      && !g_uri_get_fragment (uri)
      && strlen (g_uri_get_path (uri)) <= 1) /* "" or "/" */
    {
      self->public_url = g_strdup (text);
      if (g_str_has_suffix (self->public_url, "/"))
        self->public_url[strlen (self->public_url) - 1] = '\0';
      return TRUE;
    }
  g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
               "public-url: \"%s\" is not http:// or https:// and a host "
               "(no path)",
               text);
  return FALSE;
}

/* is_ice_server: "stun:host…" or "turn:user:password@host…": a page could make
 * no connection at all with one that browsers do not take */
static gboolean
is_ice_server (const char *text)
{
  const char *at = strrchr (text, '@');
  const char *host = at ? at + 1 : strchr (text, ':') + 1;
  gsize n_host = strcspn (host, "?");

  if (n_host == 0 || strspn (host, ":/") > 0 || strpbrk (host, " <>\"\\"))
    return FALSE;
  if (g_str_has_prefix (text, "stun"))
    return at == NULL;
  return at
         && memchr (text + strcspn (text, ":") + 1, ':',
                    (gsize)(at - text - strcspn (text, ":") - 1));
}

static gboolean
check_ice_servers (const char *const *servers, GError **error)
{
  static const char *const schemes[] = { "stun:", "stuns:", "turn:", "turns:" };

  for (; servers && *servers; servers++)
    {
      gboolean is_known = FALSE;

      for (guint i = 0; i < G_N_ELEMENTS (schemes); i++)
        is_known = is_known || g_str_has_prefix (*servers, schemes[i]);
      if (is_known && is_ice_server (*servers))
        continue;
      /* not the value: it may hold a password */
      g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
                   "ice-servers: each is stun:HOST[:PORT] or "
                   "turn:USER:PASSWORD@HOST[:PORT] (stuns:, turns: with TLS)");
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_log_level (const char *level, const char *of_scaling, GError **error)
{
  if (of_scaling
      && (strpbrk (of_scaling, ",:") || !base_log_level_is_valid (of_scaling)))
    {
      g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
                   "autoscaling-log-level: \"%s\" is not one of error, "
                   "warning, info, debug, log",
                   of_scaling);
      return FALSE;
    }
  if (!level || base_log_level_is_valid (level))
    return TRUE;
  g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
               "log-level: \"%s\" is not one of error, warning, info, debug, "
               "log, then room:level pairs, as in info,rtc:debug",
               level);
  return FALSE;
}

static gboolean
check_tls (BaseSettings *settings, GError **error)
{
  const char *certificate = base_settings_get_string (settings, "tls-cert");
  const char *key = base_settings_get_string (settings, "tls-key");

  if (!certificate == !key)
    return TRUE;
  g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
               "%s: is missing; tls-cert and tls-key go together",
               certificate ? "tls-key" : "tls-cert");
  return FALSE;
}

static gboolean
check_ports (NodeOptions *self, BaseSettings *settings, GError **error)
{
  gint64 port = base_settings_get_int (settings, "rtc-port");

  if (port == 0 || port + self->n_workers - 1 <= 65535)
    return TRUE;
  g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
               "rtc-port: %" G_GINT64_FORMAT " leaves no room for the ports "
               "of %u workers",
               port, self->n_workers);
  return FALSE;
}

static gboolean
read_rtp_inputs (NodeOptions *self, const char *const *items, GError **error)
{
  self->rtp_inputs = node_rtp_inputs_parse (items, error);
  if (!self->rtp_inputs)
    return FALSE;
  if (self->rtp_inputs->len == 0 || (self->roles & NODE_ROLE_INJECTION))
    return TRUE;
  g_set_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD,
               "rtp-input: needs the role injection");
  return FALSE;
}

NodeOptions *
node_options_new (BaseSettings *settings, GError **error)
{
  g_autoptr (NodeOptions) self = g_new0 (NodeOptions, 1);
  const char *node_id = base_settings_get_string (settings, "node-id");

  self->node_id = node_id ? g_strdup (node_id) : make_node_id ();
  self->n_workers = (guint)base_settings_get_int (settings, "workers");
  if (self->n_workers == 0)
    self->n_workers = MIN (g_get_num_processors (), NODE_MAX_WORKERS);
  if (!read_roles (self, base_settings_get_list (settings, "role"), error)
      || !node_settings_read_metrics (self, settings, error)
      || !check_name ("node-id", self->node_id, error)
      || !check_name ("tree-id", base_settings_get_string (settings, "tree-id"),
                      error)
      || !read_listen (self, base_settings_get_list (settings, "http-listen"),
                       error)
      || !read_public_url (
          self, base_settings_get_string (settings, "public-url"), error)
      || !read_playout_delay (
          self, base_settings_get_string (settings, "playout-delay"), error)
      || !check_ice_servers (base_settings_get_list (settings, "ice-servers"),
                             error)
      || !check_log_level (
          base_settings_get_string (settings, "log-level"),
          base_settings_get_string (settings, "autoscaling-log-level"), error)
      || !check_tls (settings, error) || !check_ports (self, settings, error)
      || !read_rtp_inputs (self, base_settings_get_list (settings, "rtp-input"),
                           error)
      || !node_settings_read_cluster (self, settings, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
node_options_free (NodeOptions *self)
{
  g_return_if_fail (self);
  g_free (self->node_id);
  g_free (self->public_url);
  g_free (self->project);
  g_clear_pointer (&self->listen, g_ptr_array_unref);
  g_clear_pointer (&self->rtp_inputs, g_ptr_array_unref);
  g_free (self);
}
