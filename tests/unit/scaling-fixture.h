/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of equal subtrees for tests of decisions: tell it the load, step it a
 * second at a time. */
#pragma once

#include "scaling/decide.h"

#define TREE_SECOND_US ((gint64)G_USEC_PER_SEC)
#define TREE_MAX_NODES 512

typedef struct
{
  ScalingPolicies *policies; /* owned */
  ScalingPolicy policy;      /* a copy, to be changed */
  ScalingHistory *history;   /* owned */
  ScalingNode nodes[TREE_MAX_NODES];
  ScalingSnapshot snapshot;
  ScalingDecision decision;
} Tree;

static inline ScalingNode
tree_node (guint index, guint n_slots)
{
  ScalingNode node = { .roles = CLUSTER_ROLE_EGRESS,
                       .is_fresh = TRUE,
                       .n_slots = n_slots,
                       .cpu_ratio = 0.4,
                       .mem_ratio = 0.5,
                       .ports_ratio = 0.1 };

  g_snprintf (node.node_id, sizeof node.node_id, "n%u", index);
  g_snprintf (node.boot_id, sizeof node.boot_id, "%032x", index);
  return node;
}

/* tree_decide: without time going on */
static inline void
tree_decide (Tree *self)
{
  scaling_decide (&self->policy, &self->snapshot, self->history,
                  &self->decision);
}

/* tree_grow: @n_subtrees of the policy's size that serve; what goes has said
 * that it drains */
static inline void
tree_grow (Tree *self, guint n_subtrees)
{
  guint n_nodes = n_subtrees * self->policy.egress_per_subtree;

  for (guint i = self->snapshot.n_nodes; i < n_nodes; i++)
    {
      self->nodes[i] = tree_node (i, self->policy.slots_per_egress);
      self->nodes[i].subtree = 1 + i / self->policy.egress_per_subtree;
    }
  if (n_nodes < self->snapshot.n_nodes)
    {
      for (guint i = n_nodes; i < self->snapshot.n_nodes; i++)
        self->nodes[i].is_draining = TRUE;
      tree_decide (self);
    }
  self->snapshot.n_nodes = n_nodes;
  self->snapshot.n_desired = self->snapshot.n_serving = n_subtrees;
}

static inline void
tree_set_viewers (Tree *self, guint n_viewers)
{
  guint n = self->snapshot.n_nodes;

  for (guint i = 0; i < n; i++)
    self->nodes[i].n_viewers = n_viewers / n + (i < n_viewers % n ? 1 : 0);
}

static inline void
tree_set_cpu (Tree *self, double ratio)
{
  for (guint i = 0; i < self->snapshot.n_nodes; i++)
    self->nodes[i].cpu_ratio = ratio;
}

/* tree_run: @seconds decisions, not carried out */
static inline void
tree_run (Tree *self, guint seconds)
{
  for (guint i = 0; i < seconds; i++)
    {
      self->snapshot.now_us += TREE_SECOND_US;
      self->snapshot.now_wall_s++;
      tree_decide (self);
    }
}

/* tree_follow: @seconds decisions, carried out at once */
static inline void
tree_follow (Tree *self, guint seconds)
{
  for (guint i = 0; i < seconds; i++)
    {
      tree_run (self, 1);
      if (self->decision.action != SCALING_HOLD)
        {
          guint n_viewers = 0;

          for (guint k = 0; k < self->snapshot.n_nodes; k++)
            n_viewers += self->nodes[k].n_viewers;
          tree_grow (self, self->decision.n_wanted);
          tree_set_viewers (self, n_viewers);
        }
    }
}

/* tree_new: (transfer full): one subtree of 4 × 100 slots; at most 100 */
static inline Tree *
tree_new (void)
{
  Tree *self = g_new0 (Tree, 1);

  self->policies = scaling_policies_new_default ();
  self->policy = *scaling_policies_find (self->policies, "egress", "main");
  self->policy.egress_per_subtree = 4;
  self->policy.slots_per_egress = 100;
  self->policy.min_replicas = 4;
  self->policy.max_replicas = 400;
  self->policy.scale_up_by = 4;
  self->policy.n_max_nodes = 100000;
  self->history = g_new0 (ScalingHistory, 1);
  self->snapshot = (ScalingSnapshot){ .now_us = 1000 * TREE_SECOND_US,
                                      .now_wall_s = 1795219200,
                                      .nodes = self->nodes,
                                      .tree_id = "main",
                                      .join_p95_us = 300000,
                                      .disturbed_us = G_MININT64 };
  tree_grow (self, 1);
  return self;
}

static inline void
tree_free (Tree *self)
{
  scaling_policies_free (self->policies);
  g_free (self->history);
  g_free (self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Tree, tree_free)
