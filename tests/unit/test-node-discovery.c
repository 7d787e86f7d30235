/* SPDX-License-Identifier: Apache-2.0 */
/* node/discovery: what Prometheus is told of the nodes. */
#include "node/discovery.h"

#include <string.h>

typedef struct
{
  NodeDiscoveryView view;
  guint n_skipped; /* of the last describe() */
} Fixture;

static ClusterPeer *
add_peer (Fixture *fixture, const char *id, ClusterRoles roles, const char *url,
          const char *link)
{
  ClusterPeer *peer = cluster_peer_new ();

  peer->node.node_id = g_strdup (id);
  peer->node.tree_id = g_strdup ("main");
  peer->node.roles = roles;
  peer->node.url = g_strdup (url);
  peer->node.link_address = g_strdup (link);
  g_ptr_array_add (fixture->view.peers, peer);
  return peer;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->view = (NodeDiscoveryView){
    .tree_id = "main",
    .peers = g_ptr_array_new_with_free_func ((GDestroyNotify)cluster_peer_free),
  };
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_ptr_array_unref (fixture->view.peers);
}

/* describe: (transfer full): "job scheme://target node_id node_type tree;" */
static char *
describe (Fixture *fixture)
{
  g_autoptr (JsonNode) root =
      node_discovery_describe (&fixture->view, &fixture->n_skipped);
  JsonArray *groups = json_node_get_array (root);
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < json_array_get_length (groups); i++)
    {
      JsonObject *group = json_array_get_object_element (groups, i);
      JsonArray *targets = json_object_get_array_member (group, "targets");
      JsonObject *labels = json_object_get_object_member (group, "labels");

      g_assert_cmpuint (json_array_get_length (targets), ==, 1);
      g_assert_cmpuint (json_object_get_size (group), ==, 2);
      g_assert_cmpuint (json_object_get_size (labels), ==, 6);
      g_assert_cmpstr (
          json_object_get_string_member (labels, "__metrics_path__"), ==,
          "/metrics");
      g_string_append_printf (
          text, "%s %s://%s %s %s %s;",
          json_object_get_string_member (labels, "job"),
          json_object_get_string_member (labels, "__scheme__"),
          json_array_get_string_element (targets, 0),
          json_object_get_string_member (labels, "node_id"),
          json_object_get_string_member (labels, "node_type"),
          json_object_get_string_member (labels, "tree_id"));
    }
  return g_string_free (text, FALSE);
}

static void
test_targets (Fixture *fixture, gconstpointer data)
{
  g_autofree char *text = NULL, *without = NULL;

  /* a proxy's URL: the exporters are on the machine behind it */
  add_peer (fixture, "a", CLUSTER_ROLE_INJECTION, "https://live.example",
            "10.0.0.1:7100");
  add_peer (fixture, "b", CLUSTER_ROLE_METRICS, "http://10.0.0.2:8090", "");
  fixture->view.node_exporter_port = 9100;
  fixture->view.cadvisor_port = 8080;
  text = describe (fixture);
  g_assert_cmpstr (text, ==,
                   "media-tree https://live.example:443 a injection main;"
                   "node http://10.0.0.1:9100 a injection main;"
                   "cadvisor http://10.0.0.1:8080 a injection main;"
                   "media-tree http://10.0.0.2:8090 b metrics main;"
                   "node http://10.0.0.2:9100 b metrics main;"
                   "cadvisor http://10.0.0.2:8080 b metrics main;");
  g_assert_cmpuint (fixture->n_skipped, ==, 0);
  fixture->view.node_exporter_port = fixture->view.cadvisor_port = 0;
  without = describe (fixture);
  g_assert_cmpstr (without, ==,
                   "media-tree https://live.example:443 a injection main;"
                   "media-tree http://10.0.0.2:8090 b metrics main;");
}

static void
test_one_machine (Fixture *fixture, gconstpointer data)
{
  g_autofree char *text = NULL;

  add_peer (fixture, "a", CLUSTER_ROLE_RELAY, "http://h:1", "10.0.0.1:1");
  add_peer (fixture, "b", CLUSTER_ROLE_RELAY | CLUSTER_ROLE_EGRESS,
            "http://h:2", "10.0.0.1:2");
  fixture->view.node_exporter_port = 9100;
  text = describe (fixture);
  g_assert_cmpstr (text, ==,
                   "media-tree http://h:1 a relay main;"
                   "node http://10.0.0.1:9100 a relay main;"
                   "media-tree http://h:2 b relay+egress main;"
                   "node http://10.0.0.1:9100 b relay+egress main;");
}

static void
test_ipv6 (Fixture *fixture, gconstpointer data)
{
  g_autofree char *text = NULL;

  add_peer (fixture, "a", CLUSTER_ROLE_EGRESS, "http://[2001:db8::1]:7070",
            "[2001:db8::2]:7100");
  fixture->view.cadvisor_port = 8080;
  text = describe (fixture);
  g_assert_cmpstr (text, ==,
                   "media-tree http://[2001:db8::1]:7070 a egress main;"
                   "cadvisor http://[2001:db8::2]:8080 a egress main;");
}

/* whom nobody can ask is left out and counted; the others stay */
static void
test_no_address (Fixture *fixture, gconstpointer data)
{
  static const char *const urls[] = {
    NULL, "", "http://", "http://:80", "http://[x", "ftp:7", "http://h:99999"
  };
  g_autofree char *text = NULL;
  ClusterPeer *last;

  for (guint i = 0; i < G_N_ELEMENTS (urls); i++)
    add_peer (fixture, "bad", CLUSTER_ROLE_RELAY, urls[i], "10.0.0.1:1");
  last = add_peer (fixture, "good", CLUSTER_ROLE_RELAY, "http://h", NULL);
  g_clear_pointer (&last->node.tree_id, g_free);
  fixture->view.node_exporter_port = 9100;
  text = describe (fixture);
  g_assert_cmpstr (text, ==,
                   "media-tree http://h:80 good relay main;"
                   "node http://h:9100 good relay main;");
  g_assert_cmpuint (fixture->n_skipped, ==, G_N_ELEMENTS (urls));
}

static void
test_limit (Fixture *fixture, gconstpointer data)
{
  g_autoptr (JsonNode) full = NULL;

  for (guint i = 0; i < CLUSTER_MAX_NODES; i++)
    add_peer (fixture, "n", CLUSTER_ROLE_EGRESS, "http://h:1", "10.0.0.1:1");
  fixture->view.node_exporter_port = 9100;
  fixture->view.cadvisor_port = 8080;
  json_node_unref (
      node_discovery_describe (&fixture->view, &fixture->n_skipped));
  g_assert_cmpuint (fixture->n_skipped, ==, 0);
  add_peer (fixture, "n", CLUSTER_ROLE_EGRESS, "http://h:1", "10.0.0.1:1");
  full = node_discovery_describe (&fixture->view, &fixture->n_skipped);
  g_assert_cmpuint (fixture->n_skipped, ==, 1);
  g_assert_cmpuint (json_array_get_length (json_node_get_array (full)), ==,
                    3 * CLUSTER_MAX_NODES);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/node/discovery/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("targets", test_targets);
  ADD ("one-machine", test_one_machine);
  ADD ("ipv6", test_ipv6);
  ADD ("no-address", test_no_address);
  ADD ("limit", test_limit);
#undef ADD
  return g_test_run ();
}
