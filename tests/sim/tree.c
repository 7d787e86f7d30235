/* SPDX-License-Identifier: Apache-2.0 */
/* sim/tree: as cluster/member-peers does, without its hints. */
#include "tree.h"

#include "cluster/ledger-private.h"
#include "cluster/store-read.h"
#include "cluster/topology.h"
#include "node.h"

#include <string.h>

#define MAX_CHILDREN 16
#define KEEP_MS "60000"
#define READ_US SIM_US_PER_S
#define CONFIRM_US (5 * SIM_US_PER_S)

struct _SimTree
{
  ClusterLedger *ledger; /* borrowed */
  ClusterNode node;
  ClusterPlace place;  /* confirmed */
  ClusterPlace wanted; /* asked for */
  gboolean is_asking;
  gint64 read_us, confirmed_us, now_us;
};

static void
on_placed (const ClusterReply *reply, const GError *error, gpointer data)
{
  SimTree *self = data;

  self->is_asking = FALSE;
  if (reply == NULL || reply->type == CLUSTER_REPLY_ERROR)
    return;
  if (!cluster_place_equal (&self->place, &self->wanted))
    sim_trace ("%s hangs at %s and %s", self->node.node_id,
               self->wanted.parent != NULL ? self->wanted.parent : "nobody",
               self->wanted.backup != NULL ? self->wanted.backup : "nobody");
  cluster_place_clear (&self->place);
  self->place = self->wanted;
  self->wanted = (ClusterPlace){ 0 };
  self->confirmed_us = self->now_us;
}

static void
ask_to_hang (SimTree *self)
{
  const ClusterPlace *wanted = &self->wanted;
  char rank[12];
  const char *list[] = { self->node.node_id,
                         wanted->parent != NULL ? wanted->parent : "",
                         wanted->backup != NULL ? wanted->backup : "",
                         rank,
                         G_STRINGIFY (MAX_CHILDREN),
                         KEEP_MS };
  g_autoptr (GPtrArray) args = g_ptr_array_new ();

  g_snprintf (rank, sizeof rank, "%u", wanted->rank);
  for (guint i = 0; i < G_N_ELEMENTS (list); i++)
    g_ptr_array_add (args, (char *)list[i]);
  self->is_asking =
      cluster_functions_call (self->ledger->functions, "mt_place", SIM_TREE,
                              args, on_placed, self, NULL);
}

static void
on_peers (const ClusterReply *reply, const GError *error, gpointer data)
{
  SimTree *self = data;
  g_autoptr (GPtrArray) peers = NULL;
  guint n_bad;

  self->is_asking = FALSE;
  if (reply == NULL)
    return;
  peers = cluster_read_peers (reply, SIM_TREE, &n_bad, NULL);
  if (peers == NULL)
    return;
  cluster_topology_choose (peers, &self->node, &self->place, NULL, MAX_CHILDREN,
                           &self->wanted);
  if (self->wanted.rank > 0
      && (!cluster_place_equal (&self->wanted, &self->place)
          || self->now_us - self->confirmed_us >= CONFIRM_US))
    ask_to_hang (self);
}

void
sim_tree_tick (SimTree *self, gint64 now_us)
{
  g_autoptr (GPtrArray) args = NULL;

  self->now_us = now_us;
  if (self->is_asking || now_us - self->read_us < READ_US)
    return;
  self->read_us = now_us;
  args = g_ptr_array_new ();
  self->is_asking =
      cluster_functions_call (self->ledger->functions, "mt_peers", SIM_TREE,
                              args, on_peers, self, NULL);
}

const ClusterPlace *
sim_tree_get_place (const SimTree *self)
{
  return &self->place;
}

SimTree *
sim_tree_new (const ClusterNode *node, ClusterLedger *ledger)
{
  SimTree *self = g_new0 (SimTree, 1);

  self->ledger = ledger;
  cluster_node_copy (node, &self->node);
  self->read_us = G_MININT64 / 2;
  return self;
}

void
sim_tree_free (SimTree *self)
{
  cluster_place_clear (&self->place);
  cluster_place_clear (&self->wanted);
  cluster_node_clear (&self->node);
  g_free (self);
}
