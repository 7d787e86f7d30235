/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSurvey: heartbeats → nodes → subtrees. */
#include "scaling/survey.h"

#include "base/clock.h"
#include "scaling/provisioner.h"

#include <string.h>

/* What is known of one subtree. */
typedef struct
{
  guint n_egress, n_draining, n_warm;
} Subtree;

struct _ScalingSurvey
{
  char *tree_id;        /* owned */
  GArray *nodes;        /* owned (element-type ScalingNode), by id */
  GHashTable *subtrees; /* owned: ordinal + 1 -> Subtree */
  GHashTable *leaving;  /* owned: ids of nodes that drained when last seen */
  GHashTable *last;     /* owned: ids of last time's nodes */
  BaseSketch *joins;    /* owned */
  ScalingPeers *peers;  /* borrowed, nullable */
  ScalingSnapshot snapshot;
  guint n_egress, n_viewers, n_static;
};

ScalingSurvey *
scaling_survey_new (const char *tree_id)
{
  ScalingSurvey *self = g_new0 (ScalingSurvey, 1);

  self->tree_id = g_strdup (tree_id);
  self->nodes = g_array_new (FALSE, TRUE, sizeof (ScalingNode));
  self->subtrees = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  self->leaving = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->last = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->joins = base_sketch_new ();
  self->snapshot.disturbed_us = G_MININT64;
  g_strlcpy (self->snapshot.tree_id, tree_id, sizeof self->snapshot.tree_id);
  return self;
}

void
scaling_survey_free (ScalingSurvey *self)
{
  g_return_if_fail (self != NULL);

  g_free (self->tree_id);
  g_array_unref (self->nodes);
  g_hash_table_unref (self->subtrees);
  g_hash_table_unref (self->leaving);
  g_hash_table_unref (self->last);
  base_sketch_free (self->joins);
  g_free (self);
}

void
scaling_survey_disturb (ScalingSurvey *self, gint64 now_us)
{
  self->snapshot.disturbed_us = now_us;
}

void
scaling_survey_set_leads (ScalingSurvey *self, gint64 warm_us, gint64 cold_us)
{
  self->snapshot.warm_lead_us = warm_us;
  self->snapshot.cold_lead_us = cold_us;
}

void
scaling_survey_set_peers (ScalingSurvey *self, ScalingPeers *peers)
{
  self->peers = peers;
}

void
scaling_survey_set_external (ScalingSurvey *self,
                             const ScalingReading *readings)
{
  if (readings != NULL)
    memcpy (self->snapshot.external, readings, sizeof self->snapshot.external);
  else
    memset (self->snapshot.external, 0, sizeof self->snapshot.external);
}

guint
scaling_survey_find_subtree (const char *tree_id, const char *node_id)
{
  guint ordinal, gen;
  const char *member;

  return scaling_provision_parse_name (tree_id, node_id, &ordinal, &gen,
                                       &member)
             ? ordinal + 1
             : 0;
}

/* --- a node ------------------------------------------------------------- */

static void
fill_node (ScalingSurvey *self, const ClusterBeat *beat, ScalingNode *ret)
{
  const ClusterLoad *load = &beat->load;

  memset (ret, 0, sizeof *ret);
  g_strlcpy (ret->node_id, beat->node.node_id, sizeof ret->node_id);
  g_strlcpy (ret->boot_id, beat->node.boot_id, sizeof ret->boot_id);
  ret->roles = beat->node.roles;
  ret->is_fresh = beat->age_ms <= SCALING_FRESH_MS;
  ret->is_draining = load->is_draining;
  ret->is_warm = load->is_warm;
  ret->subtree =
      scaling_survey_find_subtree (self->tree_id, beat->node.node_id);
  ret->n_viewers = load->n_viewers;
  ret->n_waiting = load->n_waiting;
  ret->n_slots = load->n_slots;
  ret->cpu_ratio = load->cpu_ratio;
  ret->mem_ratio = load->mem_ratio;
  ret->ports_ratio =
      load->max_ports > 0 ? (double)load->n_ports / load->max_ports : 0;
  ret->n_joins = load->n_joins;
  ret->n_refused = load->n_refused;
  ret->n_leaves = load->n_leaves;
  ret->n_failures = load->n_failures;
  ret->n_send_drops = load->n_send_drops;
}

static void
count_node (ScalingSurvey *self, const ScalingNode *node)
{
  Subtree *subtree;

  if ((node->roles & CLUSTER_ROLE_EGRESS) == 0)
    return;
  self->n_egress++;
  self->n_viewers += node->n_viewers;
  if (node->subtree == 0)
    {
      self->n_static++;
      return;
    }
  subtree =
      g_hash_table_lookup (self->subtrees, GUINT_TO_POINTER (node->subtree));
  if (subtree == NULL)
    {
      subtree = g_new0 (Subtree, 1);
      g_hash_table_insert (self->subtrees, GUINT_TO_POINTER (node->subtree),
                           subtree);
    }
  subtree->n_egress++;
  subtree->n_draining += node->is_draining;
  subtree->n_warm += node->is_warm;
}

/* --- the tree ----------------------------------------------------------- */

static void
count_subtrees (ScalingSurvey *self)
{
  ScalingSnapshot *snapshot = &self->snapshot;
  GHashTableIter iter;
  gpointer value;

  snapshot->n_serving = snapshot->n_draining = snapshot->n_warm = 0;
  g_hash_table_iter_init (&iter, self->subtrees);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Subtree *subtree = value;

      if (subtree->n_draining == subtree->n_egress)
        snapshot->n_draining++;
      else if (subtree->n_warm == subtree->n_egress)
        snapshot->n_warm++;
      else
        snapshot->n_serving++;
    }
}

/* see_gone: who was there and is not, and had not been about to go */
static void
see_gone (ScalingSurvey *self, gint64 now_us)
{
  g_autoptr (GHashTable) now =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer id;

  for (guint i = 0; i < self->nodes->len; i++)
    {
      const ScalingNode *node = &g_array_index (self->nodes, ScalingNode, i);

      g_hash_table_add (now, g_strdup (node->node_id));
    }
  g_hash_table_iter_init (&iter, self->last);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    if (!g_hash_table_contains (now, id)
        && !g_hash_table_contains (self->leaving, id))
      scaling_survey_disturb (self, now_us);
  g_hash_table_unref (self->last);
  self->last = g_steal_pointer (&now);
  g_hash_table_remove_all (self->leaving);
  for (guint i = 0; i < self->nodes->len; i++)
    {
      const ScalingNode *node = &g_array_index (self->nodes, ScalingNode, i);

      if (!node->is_draining)
        continue;
      g_hash_table_add (self->leaving, g_strdup (node->node_id));
      scaling_survey_disturb (self, now_us);
    }
}

static void
take_nodes (ScalingSurvey *self, GPtrArray *beats, gint64 now_us)
{
  g_array_set_size (self->nodes, 0);
  g_hash_table_remove_all (self->subtrees);
  base_sketch_clear (self->joins);
  self->n_egress = self->n_viewers = self->n_static = 0;
  for (guint i = 0; i < beats->len; i++)
    {
      const ClusterBeat *beat = beats->pdata[i];
      ScalingNode node;

      fill_node (self, beat, &node);
      if (self->peers != NULL)
        scaling_peers_fill (self->peers, &beat->node, now_us, &node);
      count_node (self, &node);
      base_sketch_brief_merge (&beat->load.sketches[CLUSTER_SKETCH_JOIN],
                               self->joins);
      g_array_append_val (self->nodes, node);
    }
}

const ScalingSnapshot *
scaling_survey_take (ScalingSurvey *self, GPtrArray *beats,
                     const ClusterScaling *scaling, guint n_nodes_elsewhere,
                     gint64 now_us, gint64 wall_us)
{
  ScalingSnapshot *snapshot = &self->snapshot;

  take_nodes (self, beats, now_us);
  count_subtrees (self);
  see_gone (self, now_us);
  snapshot->now_us = now_us;
  snapshot->now_wall_s = wall_us / BASE_US_PER_S;
  snapshot->n_nodes = self->nodes->len;
  snapshot->nodes = (const ScalingNode *)self->nodes->data;
  /* nothing said yet: what there is */
  snapshot->n_desired =
      scaling->version > 0 ? scaling->n_desired : snapshot->n_serving;
  snapshot->n_nodes_elsewhere = n_nodes_elsewhere;
  snapshot->join_p95_us = base_sketch_get_n (self->joins) > 0
                              ? (gint64)base_sketch_quantile (self->joins, 0.95)
                              : -1;
  return snapshot;
}

void
scaling_survey_take_slots (ScalingSurvey *self,
                           const ScalingSubtreesSummary *summary)
{
  self->snapshot.n_serving = summary->n_serving;
  self->snapshot.n_starting = summary->n_starting;
  self->snapshot.n_draining = summary->n_draining;
  self->snapshot.n_warm = summary->n_warm;
}

guint
scaling_survey_get_n_egress (ScalingSurvey *self)
{
  return self->n_egress;
}

guint
scaling_survey_get_n_viewers (ScalingSurvey *self)
{
  return self->n_viewers;
}

guint
scaling_survey_get_n_static (ScalingSurvey *self)
{
  return self->n_static;
}
