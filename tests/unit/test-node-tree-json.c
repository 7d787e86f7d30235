/* SPDX-License-Identifier: Apache-2.0 */
/* node/tree-json: what /api/nodes and /api/tree say of peers and streams. */
#include "node/tree-json.h"

#include <string.h>

typedef struct
{
  NodeTreeView view;
  JsonNode *root; /* of the last get_tree */
} Fixture;

static ClusterPeer *
add_peer (Fixture *fixture, const char *id, ClusterRoles roles,
          const char *parent, const char *backup)
{
  ClusterPeer *peer = cluster_peer_new ();

  peer->node.node_id = g_strdup (id);
  peer->node.roles = roles;
  peer->place.parent = g_strdup (parent);
  peer->place.backup = g_strdup (backup);
  peer->is_alive = TRUE;
  g_ptr_array_add (fixture->view.peers, peer);
  return peer;
}

static ClusterLink *
add_link (ClusterPeer *peer, const char *node, double loss)
{
  ClusterLink *link = &peer->load.links[peer->load.n_links++];

  g_strlcpy (link->node, node, sizeof link->node);
  link->is_active = TRUE;
  link->n_streams = 1;
  link->loss_ratio = loss;
  return link;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->view = (NodeTreeView){
    .tree_id = "main",
    .node_id = "relay",
    .is_shared = TRUE,
    .peers = g_ptr_array_new_with_free_func ((GDestroyNotify)cluster_peer_free),
    .streams =
        g_ptr_array_new_with_free_func ((GDestroyNotify)cluster_stream_free),
  };
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_ptr_array_unref (fixture->view.peers);
  g_ptr_array_unref (fixture->view.streams);
  g_clear_pointer (&fixture->root, json_node_unref);
}

/* get_tree: (transfer none) */
static JsonObject *
get_tree (Fixture *fixture)
{
  g_clear_pointer (&fixture->root, json_node_unref);
  fixture->root = node_tree_json_tree (&fixture->view);
  return json_node_get_object (fixture->root);
}

/* describe_links: (transfer full): "child<parent kind loss;" each */
static char *
describe_links (JsonObject *tree)
{
  JsonArray *links = json_object_get_array_member (tree, "links");
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < json_array_get_length (links); i++)
    {
      JsonObject *link = json_array_get_object_element (links, i);

      g_string_append_printf (
          text, "%s<%s %s %.2f;", json_object_get_string_member (link, "child"),
          json_object_get_string_member (link, "parent"),
          json_object_get_string_member (link, "kind"),
          json_object_get_double_member (link, "loss_ratio"));
    }
  return g_string_free (text, FALSE);
}

static void
test_alone (Fixture *fixture, gconstpointer data)
{
  ClusterRoles all =
      CLUSTER_ROLE_INJECTION | CLUSTER_ROLE_RELAY | CLUSTER_ROLE_EGRESS;
  ClusterPeer *peer = add_peer (fixture, "relay", all, NULL, NULL);
  g_autoptr (JsonNode) nodes = NULL;
  JsonObject *node;

  peer->load.cpu_ratio = 0.123456;
  peer->node.started_wall_us = G_GINT64_CONSTANT (1800000000) * 1000000;
  fixture->view.is_shared = FALSE;
  nodes = node_tree_json_nodes (&fixture->view);
  node = json_array_get_object_element (json_node_get_array (nodes), 0);
  g_assert_true (json_object_get_boolean_member (node, "self"));
  g_assert_true (json_object_get_null_member (node, "parent"));
  g_assert_true (json_object_get_null_member (node, "url"));
  g_assert_cmpstr (json_object_get_string_member (node, "started"), ==,
                   "2027-01-15T08:00:00Z");
  g_assert_cmpfloat (json_object_get_double_member (node, "cpu_ratio"), ==,
                     0.1235);
  g_assert_cmpuint (
      json_array_get_length (json_object_get_array_member (node, "roles")), ==,
      3);
  g_assert_false (
      json_object_get_boolean_member (get_tree (fixture), "clustered"));
}

static void
test_links (Fixture *fixture, gconstpointer data)
{
  ClusterPeer *peer;
  g_autofree char *text = NULL;

  add_peer (fixture, "inj", CLUSTER_ROLE_INJECTION, NULL, NULL);
  peer = add_peer (fixture, "inj2", CLUSTER_ROLE_INJECTION, NULL, NULL);
  add_link (peer, "inj", 0);
  add_peer (fixture, "relay", CLUSTER_ROLE_RELAY, "inj", NULL);
  peer = add_peer (fixture, "egress", CLUSTER_ROLE_EGRESS, "relay", "inj");
  add_link (peer, "inj", 0.25);
  add_link (peer, "uncle", 0.5);
  text = describe_links (get_tree (fixture));
  g_assert_cmpstr (text, ==,
                   "inj2<inj origin 0.00;relay<inj parent 0.00;"
                   "egress<relay parent 0.00;egress<inj backup 0.25;"
                   "egress<uncle candidate 0.50;");
}

static void
test_streams (Fixture *fixture, gconstpointer data)
{
  ClusterStream *stream = cluster_stream_new ();
  ClusterPeer *peer;
  JsonObject *shown;
  JsonArray *nodes;

  add_peer (fixture, "inj", CLUSTER_ROLE_INJECTION, NULL, NULL);
  add_peer (fixture, "idle", CLUSTER_ROLE_EGRESS, "inj", NULL);
  peer = add_peer (fixture, "egress", CLUSTER_ROLE_EGRESS, "inj", NULL);
  peer->load.carried[peer->load.n_carried++] = cluster_stream_hash ("live");
  stream->name = g_strdup ("live");
  stream->origin = g_strdup ("inj");
  stream->epoch = 7;
  stream->info = g_strdup ("no JSON"); /* of another version */
  g_ptr_array_add (fixture->view.streams, stream);
  shown = json_array_get_object_element (
      json_object_get_array_member (get_tree (fixture), "streams"), 0);
  nodes = json_object_get_array_member (shown, "nodes");
  g_assert_cmpstr (json_object_get_string_member (shown, "origin"), ==, "inj");
  g_assert_cmpint (json_object_get_int_member (shown, "epoch"), ==, 7);
  g_assert_cmpuint (
      json_array_get_length (json_object_get_array_member (shown, "codecs")),
      ==, 0);
  g_assert_cmpuint (json_array_get_length (nodes), ==, 2);
  g_assert_cmpstr (json_array_get_string_element (nodes, 0), ==, "inj");
  g_assert_cmpstr (json_array_get_string_element (nodes, 1), ==, "egress");
}

/* What scaling made is known by its name, in this tree alone. */
static void
test_subtree (Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "mt-main-s12-g3-e0", "mt-other-s1-g1-r",
                                       "egress-1" };
  JsonArray *nodes;
  JsonObject *made;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    add_peer (fixture, names[i], CLUSTER_ROLE_EGRESS, NULL, NULL)
        ->load.is_warm = i == 0;
  nodes = json_object_get_array_member (get_tree (fixture), "nodes");
  made = json_array_get_object_element (nodes, 0);
  g_assert_cmpint (json_object_get_int_member (made, "subtree"), ==, 12);
  g_assert_true (json_object_get_boolean_member (made, "warm"));
  for (guint i = 1; i < G_N_ELEMENTS (names); i++)
    {
      JsonObject *other = json_array_get_object_element (nodes, i);

      g_assert_true (json_object_get_null_member (other, "subtree"));
      g_assert_false (json_object_get_boolean_member (other, "warm"));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/node/tree-json/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("alone", test_alone);
  ADD ("links", test_links);
  ADD ("streams", test_streams);
  ADD ("subtree", test_subtree);
  return g_test_run ();
}
