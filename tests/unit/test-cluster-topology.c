/* SPDX-License-Identifier: Apache-2.0 */
/* Topology: single choices, and properties over random trees. */
#include "cluster/topology.h"

#include <string.h>

#define MAX_CHILDREN 16
#define N_TREES 20
#define N_NODES 300

typedef struct
{
  GPtrArray *peers; /* owned (element-type ClusterPeer) */
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->peers = g_ptr_array_new_with_free_func ((GDestroyNotify)cluster_peer_free);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_ptr_array_unref (f->peers);
}

static ClusterPeer *
add (Fixture *f, const char *id, ClusterRoles roles, const char *host)
{
  ClusterPeer *peer = cluster_peer_new ();

  peer->node.node_id = g_strdup (id);
  peer->node.roles = roles;
  peer->node.host = g_strdup (host);
  peer->is_alive = TRUE;
  if (roles & CLUSTER_ROLE_INJECTION)
    peer->place.rank = 1;
  g_ptr_array_add (f->peers, peer);
  return peer;
}

static ClusterPeer *
find (Fixture *f, const char *id)
{
  for (guint i = 0; id != NULL && i < f->peers->len; i++)
    {
      ClusterPeer *peer = f->peers->pdata[i];
      if (strcmp (peer->node.node_id, id) == 0)
        return peer;
    }
  return NULL;
}

static void
count_children (Fixture *f)
{
  for (guint i = 0; i < f->peers->len; i++)
    ((ClusterPeer *)f->peers->pdata[i])->n_children = 0;
  for (guint i = 0; i < f->peers->len; i++)
    {
      ClusterPeer *peer = f->peers->pdata[i];
      ClusterPeer *parent = find (f, peer->place.parent);
      if (parent != NULL)
        parent->n_children++;
    }
}

static void
choose (Fixture *f, ClusterPeer *peer, ClusterPlace *ret)
{
  count_children (f);
  cluster_topology_choose (f->peers, &peer->node, &peer->place, NULL,
                           MAX_CHILDREN, ret);
}

static void
place (Fixture *f, ClusterPeer *peer)
{
  ClusterPlace want = { 0 };

  choose (f, peer, &want);
  if (want.rank > 0)
    cluster_place_copy (&want, &peer->place);
  cluster_place_clear (&want);
}

static void
assert_place (ClusterPeer *peer, const char *parent, const char *backup,
              guint rank)
{
  g_assert_cmpstr (peer->place.parent, ==, parent);
  g_assert_cmpstr (peer->place.backup, ==, backup);
  g_assert_cmpuint (peer->place.rank, ==, rank);
}

static void
test_injection (Fixture *f, gconstpointer data)
{
  ClusterPeer *one =
      add (f, "i1", CLUSTER_ROLE_INJECTION | CLUSTER_ROLE_EGRESS, "h1");

  add (f, "i2", CLUSTER_ROLE_INJECTION, "h2");
  place (f, one);
  assert_place (one, NULL, NULL, 1);
}

static void
test_relays (Fixture *f, gconstpointer data)
{
  ClusterPeer *first, *second, *other;

  first = add (f, "r1", CLUSTER_ROLE_RELAY, "h2");
  place (f, first);
  assert_place (first, NULL, NULL, 0); /* there is nobody above */
  add (f, "i1", CLUSTER_ROLE_INJECTION, "h1");
  place (f, first);
  assert_place (first, "i1", NULL, 2); /* a lone relay has the origin alone */
  second = add (f, "r2", CLUSTER_ROLE_RELAY, "h3");
  place (f, second);
  assert_place (second, "i1", "r1", 3);
  place (f, first); /* never below who hangs below it */
  assert_place (first, "i1", NULL, 2);
  add (f, "i2", CLUSTER_ROLE_INJECTION, "h4");
  place (f, first);
  assert_place (first, "i1", "i2", 2);
  other = add (f, "r3", CLUSTER_ROLE_RELAY, "h5");
  place (f, other);
  g_assert_cmpuint (other->place.rank, ==, 2);
}

static void
test_egress (Fixture *f, gconstpointer data)
{
  ClusterPeer *injection, *relays[3], *egress;

  injection = add (f, "i1", CLUSTER_ROLE_INJECTION, "h0");
  egress = add (f, "e1", CLUSTER_ROLE_EGRESS, "h9");
  place (f, egress);
  assert_place (egress, "i1", NULL, 2); /* without relays */

  relays[0] = add (f, "r0", CLUSTER_ROLE_RELAY, "h1");
  place (f, relays[0]);
  place (f, egress); /* it makes room at the injection node */
  assert_place (egress, "r0", "i1", 3);

  /* another host is worth more than a relay */
  relays[1] = add (f, "r1", CLUSTER_ROLE_RELAY, "h1");
  place (f, relays[1]);
  place (f, egress);
  assert_place (egress, "r0", "i1", 3);
  relays[2] = add (f, "r2", CLUSTER_ROLE_RELAY, "h2");
  place (f, relays[2]);
  place (f, egress);
  g_assert_cmpstr (egress->place.parent, ==, "r0");
  g_assert_cmpstr (egress->place.backup, ==, "r2");

  relays[0]->is_alive = FALSE; /* the second steps up */
  place (f, egress);
  g_assert_cmpstr (egress->place.parent, ==, "r2");
  g_assert_cmpstr (egress->place.backup, ==, "r1");
  relays[2]->load.is_draining = TRUE;
  relays[1]->is_alive = injection->is_alive = FALSE;
  place (f, egress); /* what drains is better than nothing */
  assert_place (egress, "r2", NULL, relays[2]->place.rank + 1);
  relays[1]->is_alive = TRUE;
  place (f, egress);
  assert_place (egress, "r1", NULL, relays[1]->place.rank + 1);
  relays[1]->load.is_draining = TRUE; /* nobody else, and it may not keep two */
  relays[2]->load.is_draining = FALSE;
  egress->place.backup = g_strdup ("r2");
  place (f, egress);
  assert_place (egress, "r2", NULL, relays[2]->place.rank + 1);
  relays[2]->load.is_draining = TRUE;
  relays[1]->load.is_draining = FALSE;
  place (f, egress);
  assert_place (egress, "r1", NULL, relays[1]->place.rank + 1);
  relays[1]->is_alive = FALSE; /* nobody: it stays what it was */
  place (f, egress);
  assert_place (egress, "r1", NULL, relays[1]->place.rank + 1);
}

static void
test_full (Fixture *f, gconstpointer data)
{
  ClusterPeer *egress, *relay;
  const char *except[] = { "i2", NULL };
  ClusterPlace want = { 0 };

  add (f, "i1", CLUSTER_ROLE_INJECTION, "h0");
  for (guint i = 0; i < MAX_CHILDREN * 3 / 4; i++)
    {
      g_autofree char *id = g_strdup_printf ("e%u", i);
      egress = add (f, id, CLUSTER_ROLE_EGRESS, "h1");
      place (f, egress);
      assert_place (egress, "i1", NULL, 2);
    }
  egress = add (f, "late", CLUSTER_ROLE_EGRESS, "h1");
  place (f, egress);
  assert_place (egress, NULL, NULL, 0); /* the last quarter is for relays */
  relay = add (f, "r", CLUSTER_ROLE_RELAY, "h2");
  place (f, relay);
  assert_place (relay, "i1", NULL, 2);
  place (f, egress);
  g_assert_cmpstr (egress->place.parent, ==, "r");

  add (f, "i2", CLUSTER_ROLE_INJECTION, "h3");
  count_children (f);
  cluster_topology_choose (f->peers, &relay->node, &relay->place, except,
                           MAX_CHILDREN, &want);
  g_assert_null (want.backup);
  cluster_topology_choose (f->peers, &relay->node, &relay->place, NULL,
                           MAX_CHILDREN, &want);
  g_assert_cmpstr (want.backup, ==, "i2");
  cluster_place_clear (&want);
}

static void
test_candidates (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) found = NULL;
  ClusterPeer *egress;

  add (f, "i1", CLUSTER_ROLE_INJECTION, "h99");
  for (guint i = 0; i < 12; i++)
    {
      g_autofree char *id = g_strdup_printf ("r%02u", i);
      g_autofree char *host = g_strdup_printf ("h%u", i);
      ClusterPeer *relay = add (f, id, CLUSTER_ROLE_RELAY, host);
      place (f, relay);
    }
  egress = add (f, "e1", CLUSTER_ROLE_EGRESS, "h20");
  place (f, egress);
  found = cluster_topology_candidates (f->peers, &egress->node, &egress->place);
  g_assert_cmpuint (found->len, ==, CLUSTER_MAX_CANDIDATES);
  g_assert_true (found->pdata[0] == find (f, "i1")); /* the grandparent */
  for (guint i = 0; i < found->len; i++)
    {
      ClusterPeer *peer = found->pdata[i];
      g_assert_cmpstr (peer->node.node_id, !=, egress->place.parent);
      g_assert_cmpstr (peer->node.node_id, !=, egress->place.backup);
    }
}

/* --- properties --------------------------------------------------------- */

static gboolean
reaches (Fixture *f, ClusterPeer *from, ClusterPeer *to, guint depth)
{
  if (from == NULL)
    return FALSE;
  g_assert_cmpuint (depth, <, N_NODES); /* else there is a loop */
  return from == to || reaches (f, find (f, from->place.parent), to, depth + 1)
         || reaches (f, find (f, from->place.backup), to, depth + 1);
}

/* What the store does: it checks against what it holds. */
static gboolean
store_takes (Fixture *f, ClusterPeer *peer, const ClusterPlace *want)
{
  const char *ids[] = { want->parent, want->backup };

  count_children (f);
  for (guint i = 0; i < 2; i++)
    {
      ClusterPeer *parent = find (f, ids[i]);
      if (parent == NULL)
        continue;
      if (!parent->is_alive || parent->place.rank >= want->rank
          || reaches (f, parent, peer, 0))
        return FALSE;
      if (i == 0 && g_strcmp0 (peer->place.parent, ids[0]) != 0
          && parent->n_children >= MAX_CHILDREN)
        return FALSE;
    }
  return TRUE;
}

static gboolean
is_feeder (Fixture *f, ClusterPeer *peer)
{
  return peer->is_alive && (peer->node.roles & CLUSTER_ROLE_EGRESS) == 0
         && peer->place.rank > 0;
}

static guint
n_backups (Fixture *f, ClusterPeer *of)
{
  guint n = 0;

  for (guint i = 0; i < f->peers->len; i++)
    n += g_strcmp0 (((ClusterPeer *)f->peers->pdata[i])->place.backup,
                    of->node.node_id)
         == 0;
  return n;
}

static void
assert_hosts (Fixture *f, ClusterPeer *peer)
{
  ClusterPeer *parent = find (f, peer->place.parent);
  ClusterPeer *backup = find (f, peer->place.backup);
  guint limit = MAX_CHILDREN - MAX_CHILDREN / 4;

  if (parent == NULL
      || (backup != NULL && strcmp (parent->node.host, backup->node.host) != 0))
    return;
  for (guint i = 0; i < f->peers->len; i++)
    {
      ClusterPeer *other = f->peers->pdata[i];
      g_assert_false (is_feeder (f, other) && !reaches (f, other, peer, 0)
                      && strcmp (other->node.host, parent->node.host) != 0
                      && n_backups (f, other) < limit);
    }
}

static void
assert_tree (Fixture *f)
{
  count_children (f);
  for (guint i = 0; i < f->peers->len; i++)
    {
      ClusterPeer *peer = f->peers->pdata[i];
      ClusterPeer *parent = find (f, peer->place.parent);
      ClusterPeer *backup = find (f, peer->place.backup);
      ClusterPlace again = { 0 };
      g_assert_cmpuint (peer->n_children, <=, MAX_CHILDREN);
      g_assert_true (parent == NULL || parent->place.rank < peer->place.rank);
      g_assert_true (backup == NULL || backup->place.rank < peer->place.rank);
      g_assert_true (parent == NULL || parent != backup);
      reaches (f, peer, NULL, 0);
      assert_hosts (f, peer);
      choose (f, peer, &again);
      g_assert_true (again.rank == 0
                     || cluster_place_equal (&again, &peer->place));
      cluster_place_clear (&again);
    }
}

/* settle: all choose, some of them from an old picture; until nothing moves */
static void
settle (Fixture *f, GRand *rand)
{
  gboolean has_moved = TRUE;
  guint n_turns = 0;

  for (; has_moved; n_turns++)
    {
      has_moved = FALSE;
      g_assert_cmpuint (n_turns, <, 30);
      for (guint i = 0; i < f->peers->len; i++)
        {
          ClusterPeer *peer = f->peers->pdata[i];
          ClusterPlace want = { 0 };
          choose (f, peer, &want);
          if (want.rank > 0 && !cluster_place_equal (&want, &peer->place))
            {
              has_moved = TRUE;
              if (store_takes (f, peer, &want))
                cluster_place_copy (&want, &peer->place);
            }
          cluster_place_clear (&want);
        }
    }
}

static void
join (Fixture *f, GRand *rand, guint number)
{
  static const ClusterRoles roles[] = {
    CLUSTER_ROLE_INJECTION, CLUSTER_ROLE_RELAY,  CLUSTER_ROLE_RELAY,
    CLUSTER_ROLE_EGRESS,    CLUSTER_ROLE_EGRESS, CLUSTER_ROLE_EGRESS,
    CLUSTER_ROLE_EGRESS,    CLUSTER_ROLE_EGRESS, CLUSTER_ROLE_EGRESS,
  };
  g_autofree char *id = g_strdup_printf ("n%u", number);
  g_autofree char *host = g_strdup_printf ("h%u", g_rand_int (rand) % 40);
  guint k = g_rand_int (rand) % G_N_ELEMENTS (roles);

  place (f, add (f, id, number == 0 ? CLUSTER_ROLE_INJECTION : roles[k], host));
}

static void
die (Fixture *f, GRand *rand)
{
  guint at = g_rand_int (rand) % f->peers->len;

  if (at > 0)
    g_ptr_array_remove_index (f->peers, at);
}

static void
test_random (Fixture *f, gconstpointer data)
{
  for (guint seed = 1; seed <= N_TREES; seed++)
    {
      g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
      guint n_nodes = seed == N_TREES ? N_NODES : 10 + seed * 5;
      g_ptr_array_set_size (f->peers, 0);
      for (guint i = 0; i < n_nodes; i++)
        {
          join (f, rand, i);
          if (i % 3 == 2 && seed % 4 != 0)
            die (f, rand);
        }
      settle (f, rand);
      assert_tree (f);
      for (guint i = 0; i < n_nodes / 5; i++)
        die (f, rand);
      settle (f, rand);
      assert_tree (f);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/cluster/topology/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("injection", test_injection);
  ADD ("relays", test_relays);
  ADD ("egress", test_egress);
  ADD ("full", test_full);
  ADD ("candidates", test_candidates);
  ADD ("random", test_random);
  return g_test_run ();
}
