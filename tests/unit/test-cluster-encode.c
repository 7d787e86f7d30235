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
                       .is_warm = TRUE,
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
  g_assert_true (got.is_warm);
  parts = g_strsplit (text, "\"viewers\":3", 2);
  negative = g_strjoinv ("\"viewers\":-3", parts);
  g_assert_false (cluster_load_from_json (negative, &got));
  g_assert_cmpuint (got.max_viewers, ==, 0);
  g_assert_false (cluster_load_from_json ("{\"viewers\":1}", &got));
}

/* what only newer nodes say: there and back; missing and bad is unknown */
static void
test_newer (void)
{
  ClusterLoad load = { .max_viewers = 50,
                       .n_slots = 40,
                       .n_waiting = 2,
                       .n_failures = 3,
                       .n_send_drops = 4,
                       .mem_ratio = 0.5,
                       .totals = { 7, 8 } };
  ClusterLoad got;
  g_autoptr (BaseSketch) sketch = base_sketch_new ();
  g_autofree char *text = NULL, *again = NULL, *older = NULL, *bad = NULL;
  g_auto (GStrv) parts = NULL;

  base_sketch_add (sketch, 1500);
  base_sketch_brief_init (&load.sketches[CLUSTER_SKETCH_HTTP], sketch);
  text = cluster_load_to_json (&load, BOOT);
  g_assert_true (cluster_load_from_json (text, &got));
  again = cluster_load_to_json (&got, BOOT);
  g_assert_cmpstr (again, ==, text);
  g_assert_cmpuint (got.totals[CLUSTER_TOTAL_IN_BYTES], ==, 8);
  g_assert_cmpint (got.sketches[CLUSTER_SKETCH_HTTP].max, ==, 1500);
  g_assert_cmpuint (got.n_slots, ==, 40);

  parts = g_strsplit (text, ",\"failures\"", 2);
  older = g_strconcat (parts[0], ",\"draining\":false}", NULL);
  g_assert_true (cluster_load_from_json (older, &got));
  g_assert_cmpuint (got.n_slots, ==, 50); /* the best that is known */
  g_assert_cmpuint (got.n_failures, ==, 0);

  bad = g_strconcat (parts[0],
                     ",\"draining\":false,\"failures\":-1,\"slots\":\"x\","
                     "\"mem_ratio\":7,\"waiting\":[],\"totals\":{"
                     "\"in_packets\":null,\"in_bytes\":9},\"sketches\":{"
                     "\"join\":\"rubbish\",\"http\":{},\"repair\":3}}",
                     NULL);
  g_assert_true (cluster_load_from_json (bad, &got));
  g_assert_cmpuint (got.n_failures, ==, 0);
  g_assert_cmpfloat (got.mem_ratio, ==, 0);
  g_assert_cmpuint (got.totals[CLUSTER_TOTAL_IN_PACKETS], ==, 0);
  g_assert_cmpuint (got.totals[CLUSTER_TOTAL_IN_BYTES], ==, 9);
  g_assert_cmpuint (got.sketches[CLUSTER_SKETCH_JOIN].n_buckets, ==, 0);
}

/* fill_largest: the most that a node can say */
static void
fill_largest (ClusterLoad *load)
{
  g_autoptr (BaseSketch) sketch = base_sketch_new ();

  for (guint i = 0; i < 2000000; i += 1 + i / 100)
    base_sketch_add (sketch, i);
  load->n_links = CLUSTER_MAX_LINKS;
  for (guint i = 0; i < CLUSTER_MAX_LINKS; i++)
    {
      memset (load->links[i].node, 'n', CLUSTER_NAME_MAX_CHARS);
      load->links[i].rtt_us = load->links[i].jitter_us = G_MAXUINT32;
      load->links[i].n_streams = G_MAXINT;
      load->links[i].loss_ratio = load->links[i].first_ratio = 1.0 / 3;
    }
  load->n_carried = CLUSTER_MAX_CARRIED;
  load->tx_bps = load->rx_bps = load->max_tx_bps = load->rss_bytes =
      load->n_joins = load->n_refused = load->n_leaves = load->n_failures =
          load->n_send_drops = G_MAXINT64;
  load->cpu_ratio = load->mem_ratio = 1.0 / 3;
  for (guint i = 0; i < CLUSTER_TOTAL_N; i++)
    load->totals[i] = G_MAXINT64;
  for (guint i = 0; i < CLUSTER_SKETCH_N; i++)
    {
      BaseSketchBrief *brief = &load->sketches[i];

      base_sketch_brief_init (brief, sketch);
      g_assert_cmpuint (brief->n_buckets, ==, BASE_SKETCH_BRIEF_N_BUCKETS);
      brief->sum = G_GINT64_CONSTANT (1000000000000000000);
      for (guint k = 0; k < brief->n_buckets; k++)
        brief->count[k] = G_MAXUINT32;
    }
}

/* It fits always; where it would not, sketches lose low buckets, no counts. */
static void
test_largest (void)
{
  g_autofree ClusterLoad *load = g_new0 (ClusterLoad, 1);
  g_autofree ClusterLoad *got = g_new0 (ClusterLoad, 1);
  g_autofree char *text = NULL;

  fill_largest (load);
  text = cluster_load_to_json (load, BOOT);
  g_assert_cmpuint (strlen (text), <=, CLUSTER_JSON_MAX_BYTES);
  g_assert_true (cluster_load_from_json (text, got));
  g_assert_cmpuint (got->n_links, ==, CLUSTER_MAX_LINKS);
  for (guint i = 0; i < CLUSTER_SKETCH_N; i++)
    {
      g_assert_cmpint (got->sketches[i].max, ==, load->sketches[i].max);
      g_assert_cmpuint (got->sketches[i].n_buckets, <,
                        BASE_SKETCH_BRIEF_N_BUCKETS);
      g_assert_cmpuint (got->sketches[i].n_buckets, >=, 48);
    }
}

/* What a busy node with two parents says is as short as a reply of the store
 * with CLUSTER_MAX_NODES of them needs. */
static void
test_budget (void)
{
  g_autofree ClusterLoad *load = g_new0 (ClusterLoad, 1);
  ClusterLoad got;
  g_autofree char *text = NULL;

  fill_largest (load);
  load->n_links = 2;
  text = cluster_load_to_json (load, BOOT);
  g_assert_cmpuint (strlen (text), <=, CLUSTER_LOAD_BYTES);
  g_assert_true (cluster_load_from_json (text, &got));
  for (guint i = 0; i < CLUSTER_SKETCH_N; i++)
    g_assert_cmpuint (got.sketches[i].n_buckets, >=, CLUSTER_LOAD_MIN_BUCKETS);
}

/* Run by hand: what a tree of CLUSTER_MAX_NODES costs its readers. */
static void
test_cost (void)
{
  g_autofree ClusterLoad *load = g_new0 (ClusterLoad, 1);
  ClusterLoad got;
  g_autofree char *text = NULL;
  double seconds;

  fill_largest (load);
  load->n_links = 2;
  load->n_carried = 20;
  for (guint i = 0; i < CLUSTER_SKETCH_N; i++)
    {
      load->sketches[i].sum = 0;
      for (guint k = 0; k < load->sketches[i].n_buckets; k++)
        {
          load->sketches[i].count[k] = 20;
          load->sketches[i].sum += 20 * load->sketches[i].max;
        }
    }
  text = cluster_load_to_json (load, BOOT);
  g_test_timer_start ();
  for (guint i = 0; i < CLUSTER_MAX_NODES; i++)
    g_assert_true (cluster_load_from_json (text, &got));
  seconds = g_test_timer_elapsed ();
  g_test_minimized_result (seconds, "%d heartbeats of %u bytes: %.1f ms",
                           CLUSTER_MAX_NODES, (guint)strlen (text),
                           1e3 * seconds);
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
  g_test_add_func ("/cluster/encode/newer", test_newer);
  g_test_add_func ("/cluster/encode/largest", test_largest);
  g_test_add_func ("/cluster/encode/budget", test_budget);
  if (g_test_perf ())
    g_test_add_func ("/cluster/encode/cost", test_cost);
  g_test_add_func ("/cluster/encode/stream", test_stream);
  return g_test_run ();
}
