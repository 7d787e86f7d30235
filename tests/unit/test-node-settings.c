/* SPDX-License-Identifier: Apache-2.0 */
/* node/settings: the table, roles, addresses and checks across settings. */
#include "node/settings-cluster.h"

#include <string.h>

static NodeOptions *
load (const char *args, GError **error)
{
  g_autoptr (BaseSettings) settings = node_settings_new ();
  g_auto (GStrv) argv = g_strsplit (args, " ", -1);
  char *env[] = { NULL };

  g_assert_true (base_settings_load (settings, *args ? argv : env, env, NULL));
  return node_options_new (settings, error);
}

static void
assert_refused (const char *args, const char *key)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (load (args, &error));
  g_assert_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD);
  g_assert_true (g_str_has_prefix (error->message, key));
}

static void
test_defaults (void)
{
  g_autoptr (NodeOptions) options = load ("", NULL);
  g_autofree char *address = NULL;

  g_assert_nonnull (options);
  g_assert_cmpint (options->roles, ==,
                   NODE_ROLE_INJECTION | NODE_ROLE_RELAY | NODE_ROLE_EGRESS);
  g_assert_cmpuint (options->n_workers, >=, 1);
  g_assert_cmpuint (options->n_workers, <=, NODE_MAX_WORKERS);
  g_assert_cmpint (options->playout_delay_min_ms, ==, -1);
  g_assert_cmpint (options->playout_delay_max_ms, ==, -1);
  g_assert_null (options->public_url);
  g_assert_cmpuint (options->listen->len, ==, 1);
  address =
      g_socket_connectable_to_string (g_ptr_array_index (options->listen, 0));
  g_assert_cmpstr (address, ==, "127.0.0.1:7070");
}

static void
test_roles (void)
{
  g_autoptr (NodeOptions) one = load ("--role egress,relay", NULL);

  g_assert_nonnull (one);
  g_assert_cmpint (one->roles, ==, NODE_ROLE_RELAY | NODE_ROLE_EGRESS);
  assert_refused ("--role relay", "role:");
  assert_refused ("--role metrics,egress", "role: metrics stands alone");
  assert_refused ("--role All", "role:");
}

#define SECRET " --cluster-secret 0123456789abcdef"
#define REDIS "--redis-url redis://127.0.0.1:6379"

/* load_env: @variables are split at '|' */
static NodeOptions *
load_env (BaseSettings *settings, const char *args, const char *variables,
          GError **error)
{
  g_auto (GStrv) argv = g_strsplit (args, " ", -1);
  g_auto (GStrv) env = g_strsplit (variables, "|", -1);

  g_assert_true (base_settings_load (settings, argv, env, NULL));
  return node_options_new (settings, error);
}

static void
test_metrics_role (void)
{
  g_autoptr (BaseSettings) settings = node_settings_new ();
  g_autoptr (BaseSettings) other = node_settings_new ();
  g_autoptr (NodeOptions) options =
      load_env (settings, "--role metrics " REDIS SECRET,
                "METRICS_PORT=8091|GATEWAY_CONFIG_JSON={\"tenant\":\"acme\","
                "\"project\":\"live\",\"more\":[1]}",
                NULL);
  g_autoptr (NodeOptions) asking = load_env (
      other, "--role metrics --http-listen 127.0.0.1:7999 --tree-id north",
      "METRICS_MODE=proxy|METRICS_INGRESS_BASE_URL=http://a:1,http://b:2|"
      "METRICS_PROC_BASE_URL=https://c/x|METRICS_PORT=1|"
      "GATEWAY_CONFIG_JSON={\"tenant\":\"acme\",\"project\":null}",
      NULL);
  GSocketAddress *address;

  g_assert_nonnull (options);
  g_assert_cmpint (options->roles, ==, NODE_ROLE_METRICS);
  g_assert_cmpuint (options->n_workers, ==, 0);
  g_assert_cmpstr (options->project, ==, "live");
  g_assert_cmpstr (base_settings_get_string (settings, "tree-id"), ==, "acme");
  address = options->listen->pdata[0];
  g_assert_cmpint (
      g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)), ==,
      8091);
  g_assert_nonnull (asking); /* what is given stays */
  g_assert_null (asking->project);
  g_assert_cmpstr (base_settings_get_string (other, "tree-id"), ==, "north");
  address = asking->listen->pdata[0];
  g_assert_cmpint (
      g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)), ==,
      7999);
}

static void
test_bad_metrics_role (void)
{
  static const struct
  {
    const char *variables, *key;
  } rows[] = {
    { "METRICS_MODE=proxy", "metrics-mode: proxy needs nodes" },
    { "METRICS_MODE=proxy|METRICS_PROC_BASE_URL=ftp://a",
      "metrics-proc-base-url: \"ftp://a\"" },
    { "METRICS_MODE=proxy|METRICS_PROC_BASE_URL=http://a|"
      "METRICS_AUTH_HEADER_NAME=a b",
      "metrics-auth-header-name:" },
    { "GATEWAY_CONFIG_JSON={\"tenant\":",
      "gateway-config (GATEWAY_CONFIG_JSON): is not JSON: " },
    { "GATEWAY_CONFIG_JSON=[]",
      "gateway-config (GATEWAY_CONFIG_JSON): is no JSON object" },
    { "GATEWAY_CONFIG_JSON={\"tenant\":7}",
      "gateway-config (GATEWAY_CONFIG_JSON): tenant is no name" },
    { "GATEWAY_CONFIG_JSON={\"project\":\"a b\"}",
      "gateway-config (GATEWAY_CONFIG_JSON): project is no name" },
  };

  assert_refused ("--role metrics", "redis-url:");
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (BaseSettings) settings = node_settings_new ();
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", rows[i].variables);
      g_assert_null (load_env (settings, "--role metrics " REDIS SECRET,
                               rows[i].variables, &error));
      g_assert_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD);
      g_assert_true (g_str_has_prefix (error->message, rows[i].key));
    }
}

/* dup_address: "IP PORT" */
static char *
dup_address (const char *args, const char *const *public_addresses)
{
  g_autofree char *ip = NULL;
  guint port = 12345;
  g_autoptr (BaseSettings) settings = node_settings_new ();
  g_auto (GStrv) argv = g_strsplit (args, " ", -1);
  char *env[] = { NULL };
  g_autoptr (NodeOptions) options = NULL;
  g_autoptr (RtcAddresses) addresses =
      rtc_addresses_new (public_addresses, NULL);

  g_assert_true (base_settings_load (settings, argv, env, NULL));
  options = node_options_new (settings, NULL);
  g_assert_nonnull (options);
  ip = node_settings_dup_cluster_address (options, settings, addresses, &port,
                                          NULL);
  return g_strdup_printf ("%s %u", ip, port);
}

static void
test_cluster (void)
{
  static const char *const public_addresses[] = { "192.0.2.1", "192.0.2.2",
                                                  NULL };
  static const char *const bad_addresses[] = {
    "a.example",      "0.0.0.0",         "224.0.0.1", "127.0.0.1:0",
    "127.0.0.1:",     "127.0.0.1:65536", ":7100",     "[::2]",
    "[2001:db8::5]x", "[2001:db8::5:7",  "[]:5",      NULL
  };
  g_autoptr (NodeOptions) alone = load ("--role egress", NULL);
  g_autoptr (NodeOptions) relay = load ("--role relay " REDIS SECRET, NULL);
  g_autoptr (NodeOptions) ports =
      load ("--rtp-port-range 20000-20010 " REDIS SECRET, NULL);
  g_autofree char *named =
      dup_address (REDIS SECRET " --cluster-address 198.51.100.7"
                                " --public-address 192.0.2.1",
                   public_addresses);
  g_autofree char *with_port =
      dup_address (REDIS SECRET " --cluster-address 198.51.100.7:65535", NULL);
  g_autofree char *v6 =
      dup_address (REDIS SECRET " --cluster-address 2001:db8::5", NULL);
  g_autofree char *v6_with_port =
      dup_address (REDIS SECRET " --cluster-address [2001:db8::5]:7", NULL);
  g_autofree char *from_public = dup_address (
      REDIS SECRET " --public-address 192.0.2.1,192.0.2.2", public_addresses);
  g_autofree char *from_host = dup_address (REDIS SECRET, NULL);
  g_autofree char *own = dup_address (
      REDIS SECRET " --cluster-address own --public-address 192.0.2.1",
      public_addresses);

  g_assert_nonnull (alone);
  g_assert_false (alone->has_cluster);
  g_assert_cmpuint (alone->rtp_port_first, ==, 10000);
  g_assert_cmpuint (alone->rtp_port_last, ==, 10999);
  g_assert_nonnull (relay);
  g_assert_true (relay->has_cluster);
  g_assert_cmpuint (ports->rtp_port_first, ==, 20000);
  g_assert_cmpuint (ports->rtp_port_last, ==, 20010);
  g_assert_cmpstr (named, ==, "198.51.100.7 0");
  g_assert_cmpstr (with_port, ==, "198.51.100.7 65535");
  g_assert_cmpstr (v6, ==, "2001:db8::5 0");
  g_assert_cmpstr (v6_with_port, ==, "2001:db8::5 7");
  g_assert_cmpstr (from_public, ==, "192.0.2.1 0");
  g_assert_nonnull (from_host);
  /* a machine with nothing but loopback has none of its own */
  g_assert_cmpstr (
      own, ==, g_str_has_prefix (from_host, "127.") ? "(null) 0" : from_host);

  assert_refused (REDIS, "cluster-secret: is missing");
  assert_refused (REDIS " --cluster-secret 0123456789abcde",
                  "cluster-secret: has fewer than 16");
  assert_refused ("--cluster-secret short", "cluster-secret:");
  for (guint i = 0; bad_addresses[i]; i++)
    {
      g_autofree char *args = g_strconcat (REDIS SECRET " --cluster-address ",
                                           bad_addresses[i], NULL);

      assert_refused (args, "cluster-address:");
    }
}

/* what is in a URL may be a password, and a secret is one */
static void
test_cluster_secrets (void)
{
  g_autoptr (BaseSettings) settings = node_settings_new ();
  char *argv[] = { "--redis-url", "redis://u:hidden@h", "--cluster-secret",
                   "hidden-too-hidden-too", NULL };
  char *env[] = { NULL };
  g_autofree char *text = NULL;

  g_assert_true (base_settings_load (settings, argv, env, NULL));
  text = base_settings_to_config (settings);
  g_assert_null (strstr (text, "hidden"));
}

static void
test_listen (void)
{
  static const char *const good[][2] = {
    { "10.0.0.1:80", "10.0.0.1:80" }, { "[::1]:7070", "[::1]:7070" },
    { "*:7070", "[::]:7070" },        { ":1", "[::]:1" },
    { "localhost:0", "127.0.0.1" },
  };
  static const char *const bad[] = {
    "7070",   "1.2.3.4", "::1:7070", "[1.2.3.4]:70", "1.2.3.4:65536",
    "a.b:80", "[::1]",   "[]:80",    "1.2.3.4:-1",   "1.2.3.4:",
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autofree char *args = g_strconcat ("--http-listen ", good[i][0], NULL);
      g_autoptr (NodeOptions) options = load (args, NULL);
      g_autofree char *address = NULL;

      g_assert_nonnull (options);
      address = g_socket_connectable_to_string (
          g_ptr_array_index (options->listen, 0));
      g_assert_cmpstr (address, ==, good[i][1]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *args = g_strconcat ("--http-listen ", bad[i], NULL);

      assert_refused (args, "http-listen:");
    }
  assert_refused ("--http-listen :1,:2,:3,:4,:5,:6,:7,:8,:9", "http-listen:");
}

static void
test_playout_delay (void)
{
  g_autoptr (NodeOptions) some = load ("--playout-delay 0..200", NULL);

  g_assert_nonnull (some);
  g_assert_cmpint (some->playout_delay_min_ms, ==, 0);
  g_assert_cmpint (some->playout_delay_max_ms, ==, 200);
  assert_refused ("--playout-delay 200..100", "playout-delay:");
  assert_refused ("--playout-delay 5", "playout-delay:");
  assert_refused ("--playout-delay 0..40951", "playout-delay:");
}

static void
test_ice_servers (void)
{
  g_autoptr (NodeOptions) good = load (
      "--ice-servers stun:a.example:3478,turn:u:p@[::1]:3478?transport=udp,"
      "turns:u:p@b.example,stuns:b.example",
      NULL);

  g_assert_nonnull (good);
  assert_refused ("--ice-servers foo", "ice-servers:");
  assert_refused ("--ice-servers stun:", "ice-servers:");
  assert_refused ("--ice-servers stun://a.example", "ice-servers:");
  assert_refused ("--ice-servers http://a.example", "ice-servers:");
  /* browsers take no TURN server without a login */
  assert_refused ("--ice-servers turn:a.example", "ice-servers:");
  assert_refused ("--ice-servers turn:user@a.example", "ice-servers:");
  assert_refused ("--ice-servers turn:u:p@", "ice-servers:");
  assert_refused ("--ice-servers stun:a>b", "ice-servers:");
}

static void
test_log_level (void)
{
  g_autoptr (NodeOptions) good =
      load ("--log-level info,rtc:debug,rtp*:log", NULL);

  g_assert_nonnull (good);
  assert_refused ("--log-level loud", "log-level:");
  assert_refused ("--log-level info,rtc:loud", "log-level:");
  assert_refused ("--autoscaling-log-level loud", "autoscaling-log-level:");
  assert_refused ("--autoscaling-log-level rtc:debug",
                  "autoscaling-log-level:");
  assert_refused ("--autoscaling-log-level info,rtc:debug",
                  "autoscaling-log-level:");
}

static void
test_across (void)
{
  g_autoptr (NodeOptions) url =
      load ("--public-url https://live.example.org/", NULL);

  g_assert_nonnull (url);
  g_assert_cmpstr (url->public_url, ==, "https://live.example.org");
  assert_refused ("--public-url ftp://a", "public-url:");
  assert_refused ("--public-url https://a/b", "public-url:");
  assert_refused ("--public-url live.example.org", "public-url:");
  assert_refused ("--tls-cert /a", "tls-key:");
  assert_refused ("--tls-key /a", "tls-cert:");
  assert_refused ("--rtc-port 65535 --workers 2", "rtc-port:");
  assert_refused ("--node-id a/b", "node-id:");
  assert_refused ("--tree-id a,b", "tree-id:");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/node/settings/defaults", test_defaults);
  g_test_add_func ("/node/settings/metrics-role", test_metrics_role);
  g_test_add_func ("/node/settings/bad-metrics-role", test_bad_metrics_role);
  g_test_add_func ("/node/settings/roles", test_roles);
  g_test_add_func ("/node/settings/cluster", test_cluster);
  g_test_add_func ("/node/settings/cluster-secrets", test_cluster_secrets);
  g_test_add_func ("/node/settings/listen", test_listen);
  g_test_add_func ("/node/settings/playout-delay", test_playout_delay);
  g_test_add_func ("/node/settings/ice-servers", test_ice_servers);
  g_test_add_func ("/node/settings/log-level", test_log_level);
  g_test_add_func ("/node/settings/across", test_across);
  return g_test_run ();
}
