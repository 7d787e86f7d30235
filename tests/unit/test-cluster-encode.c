/* SPDX-License-Identifier: Apache-2.0 */
/* What the store holds, written and read back, and what is refused. */
#include "cluster/encode.h"

#include <string.h>

#define BOOT "0123456789abcdef0123456789abcdef"

static void
test_names (void)
{
  g_autofree char *long_name = g_strnfill (CLUSTER_NAME_MAX_CHARS, 'x');
  g_autofree char *longer = g_strnfill (CLUSTER_NAME_MAX_CHARS + 1, 'x');

  g_assert_true (cluster_name_is_valid ("a.B_9-"));
  g_assert_true (cluster_name_is_valid (long_name));
  g_assert_false (cluster_name_is_valid (longer));
  g_assert_false (cluster_name_is_valid (""));
  g_assert_false (cluster_name_is_valid (NULL));
  g_assert_false (cluster_name_is_valid ("a:b"));
  g_assert_false (cluster_name_is_valid ("a~0"));
  g_assert_true (cluster_stream_name_is_valid ("a~0"));
  g_assert_false (cluster_stream_name_is_valid (longer));
  g_assert_false (cluster_stream_name_is_valid ("a:b"));
  g_assert_true (cluster_id_is_valid (BOOT));
  g_assert_false (cluster_id_is_valid (BOOT "0"));
  g_assert_false (cluster_id_is_valid (BOOT + 1));
  g_assert_false (cluster_id_is_valid ("g123456789abcdef0123456789abcdef"));
}

static void
test_roles (void)
{
  g_autofree char *text =
      cluster_roles_to_string (CLUSTER_ROLE_INJECTION | CLUSTER_ROLE_EGRESS);

  g_assert_cmpstr (text, ==, "injection,egress");
  g_assert_cmpuint (cluster_roles_from_string (text), ==,
                    CLUSTER_ROLE_INJECTION | CLUSTER_ROLE_EGRESS);
  g_assert_cmpuint (cluster_roles_from_string ("relay,boss"), ==, 0);
  g_assert_cmpuint (cluster_roles_from_string (""), ==, 0);
}

static void
test_node_type (void)
{
  static const struct
  {
    ClusterRoles roles;
    const char *type;
  } rows[] = {
    { 0, "" },
    { CLUSTER_ROLE_INJECTION, "injection" },
    { CLUSTER_ROLE_RELAY, "relay" },
    { CLUSTER_ROLE_EGRESS, "egress" },
    { CLUSTER_ROLE_METRICS, "metrics" },
    { CLUSTER_ROLE_RELAY | CLUSTER_ROLE_EGRESS, "relay+egress" },
    { CLUSTER_ROLE_INJECTION | CLUSTER_ROLE_METRICS, "injection+metrics" },
    { CLUSTER_ROLE_INJECTION | CLUSTER_ROLE_RELAY | CLUSTER_ROLE_EGRESS,
      "all" },
    { CLUSTER_ROLE_INJECTION | CLUSTER_ROLE_RELAY | CLUSTER_ROLE_EGRESS
          | CLUSTER_ROLE_METRICS,
      "all+metrics" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *type = cluster_roles_to_node_type (rows[i].roles);
      g_assert_cmpstr (type, ==, rows[i].type);
    }
}

static ClusterNode
sample (void)
{
  return (ClusterNode){ "n1",         BOOT,
                        "main",       CLUSTER_ROLE_RELAY,
                        "host-1",     "https://n1.example:7070",
                        "[::1]:7100", 1700000000000000 };
}

static void
test_node (void)
{
  ClusterNode node = sample (), got = { 0 };
  g_autofree char *text = cluster_node_to_json (&node);

  g_assert_true (cluster_node_from_json (text, "n1", "main", &got));
  g_assert_cmpstr (got.node_id, ==, "n1");
  g_assert_cmpstr (got.boot_id, ==, BOOT);
  g_assert_cmpstr (got.host, ==, "host-1");
  g_assert_cmpstr (got.url, ==, node.url);
  g_assert_cmpstr (got.link_address, ==, "[::1]:7100");
  g_assert_cmpuint (got.roles, ==, CLUSTER_ROLE_RELAY);
  g_assert_cmpint (got.started_wall_us, ==, node.started_wall_us);
  g_assert_false (cluster_node_from_json (text, "n1", "other", &got));
  g_assert_null (got.node_id);
  g_assert_false (cluster_node_from_json (text, "n 1", "main", &got));
}

/* what a bad member of the node's object does */
static void
assert_node (gboolean is_ok, void (*spoil) (ClusterNode *node))
{
  ClusterNode node = sample (), got = { 0 };
  g_autofree char *text = NULL;

  spoil (&node);
  text = cluster_node_to_json (&node);
  g_assert_cmpint (cluster_node_from_json (text, "n1", "main", &got), ==,
                   is_ok);
  cluster_node_clear (&got);
}

#define SPOIL(name, statement)                                                 \
  static void spoil_##name (ClusterNode *node)                                 \
  {                                                                            \
    statement;                                                                 \
  }
SPOIL (nothing, (void)node)
SPOIL (boot, node->boot_id = "short")
SPOIL (header, node->url = "http://a/\r\nSet-Cookie: x")
SPOIL (scheme, node->url = "javascript:alert(1)")
SPOIL (no_url, node->url = "")
SPOIL (host, node->host = "<b>")
SPOIL (link_name, node->link_address = "example.org:7100")
SPOIL (link_port, node->link_address = "127.0.0.1:0")
SPOIL (link_v6, node->link_address = "::1:7100")
SPOIL (link_none, node->link_address = "")
SPOIL (roles, node->roles = 0)

static void
test_bad_node (void)
{
  ClusterNode got = { 0 };
  g_autofree char *spaces = g_strnfill (CLUSTER_JSON_MAX_BYTES, ' ');
  g_autofree char *deep = g_strnfill (CLUSTER_JSON_MAX_BYTES, '[');
  ClusterNode node = sample ();
  g_autofree char *text = cluster_node_to_json (&node);
  g_autofree char *large = g_strconcat (text, spaces, NULL);

  assert_node (TRUE, spoil_nothing);
  assert_node (TRUE, spoil_no_url);
  assert_node (TRUE, spoil_link_none);
  assert_node (FALSE, spoil_boot);
  assert_node (FALSE, spoil_header);
  assert_node (FALSE, spoil_scheme);
  assert_node (FALSE, spoil_host);
  assert_node (FALSE, spoil_link_name);
  assert_node (FALSE, spoil_link_port);
  assert_node (FALSE, spoil_link_v6);
  assert_node (FALSE, spoil_roles);
  g_assert_false (cluster_node_from_json (NULL, "n1", "main", &got));
  g_assert_false (cluster_node_from_json ("[]", "n1", "main", &got));
  g_assert_false (cluster_node_from_json ("{}", "n1", "main", &got));
  g_assert_false (cluster_node_from_json (deep, "n1", "main", &got));
  g_assert_false (cluster_node_from_json (large, "n1", "main", &got));
}

static void
test_load (void)
{
  ClusterLoad load = { .n_viewers = 3,
                       .max_viewers = 600,
                       .tx_bps = G_GUINT64_CONSTANT (1) << 40,
                       .cpu_ratio = 0.25,
                       .n_joins = 7,
                       .is_draining = TRUE,
                       .n_links = 2,
                       .links = { { "p1", TRUE, FALSE, 4, 0.01, 0.5, 800, 9 },
                                  { "p 2" } },
                       .n_carried = 1,
                       .carried = { 0x0089abcd } };
  ClusterLoad got;
  g_autofree char *text = cluster_load_to_json (&load, BOOT);
  g_autofree char *negative = NULL;
  g_autofree char *again = NULL;
  g_auto (GStrv) parts = NULL;

  g_assert_true (cluster_load_from_json (text, &got));
  g_assert_cmpuint (got.n_links, ==, 1); /* the bad one is left out */
  g_assert_cmpstr (got.links[0].node, ==, "p1");
  g_assert_cmpuint (got.carried[0], ==, 0x0089abcd);
  got.links[got.n_links++] = load.links[1];
  again = cluster_load_to_json (&got, BOOT);
  g_assert_cmpstr (again, ==, text);
  g_assert_cmpuint (cluster_stream_hash ("a"), ==, 0xe40c292c);
  g_assert_true (got.is_draining);
  parts = g_strsplit (text, "\"viewers\":3", 2);
  negative = g_strjoinv ("\"viewers\":-3", parts);
  g_assert_false (cluster_load_from_json (negative, &got));
  g_assert_cmpuint (got.max_viewers, ==, 0);
  g_assert_false (cluster_load_from_json ("{\"viewers\":1}", &got));
}

static void
test_stream (void)
{
  ClusterStream in = { "live",
                       BOOT,
                       7,
                       "n1",
                       "{\"v\":\"h264\"}",
                       { 5, 1ull << 40 },
                       { 1, G_MAXUINT32 },
                       99 };
  g_auto (GStrv) fields = cluster_stream_to_fields (&in);
  g_autoptr (ClusterStream) got =
      cluster_stream_from_fields ("live", (const char *const *)fields);
  g_autofree char *large = g_strnfill (CLUSTER_INFO_MAX_BYTES + 1, 'x');
  static const char *const bad[CLUSTER_STREAM_N_FIELDS] = {
    "nope", "281474976710657", "n 1", NULL, "-1", "1e9", "4294967296", "", "x"
  };

  g_assert_cmpuint (g_strv_length (fields), ==, CLUSTER_STREAM_N_FIELDS);
  g_assert_cmpstr (got->info, ==, in.info);
  g_assert_cmpuint (got->ext_seq[1], ==, in.ext_seq[1]);
  g_assert_cmpuint (got->rtp_ts[1], ==, G_MAXUINT32);
  g_assert_cmpint (got->at_wall_us, ==, 99);
  for (guint i = 0; i < CLUSTER_STREAM_N_FIELDS; i++)
    {
      const char *row[CLUSTER_STREAM_N_FIELDS];
      memcpy (row, fields, sizeof row);
      row[i] = bad[i] != NULL ? bad[i] : large;
      g_assert_null (cluster_stream_from_fields ("live", row));
    }
  g_free (fields[2]);
  fields[2] = g_strdup ("");
  cluster_stream_free (g_steal_pointer (&got));
  got = cluster_stream_from_fields ("live", (const char *const *)fields);
  g_assert_null (got->origin); /* it has ended */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cluster/encode/names", test_names);
  g_test_add_func ("/cluster/encode/roles", test_roles);
  g_test_add_func ("/cluster/encode/node-type", test_node_type);
  g_test_add_func ("/cluster/encode/node", test_node);
  g_test_add_func ("/cluster/encode/bad-node", test_bad_node);
  g_test_add_func ("/cluster/encode/load", test_load);
  g_test_add_func ("/cluster/encode/stream", test_stream);
  return g_test_run ();
}
