/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingAggregate: the nodes, and what is left of those that went. */
#include "scaling/aggregate-private.h"

#include <string.h>

#include "base/clock.h"
#include "scaling/log.h"

/* a main loop that stood still has not heard anybody either */
#define MAX_TICK_US (5 * BASE_US_PER_S)

static const struct
{
  const char *key;
  gsize offset;
} counters[SCALING_AGGREGATE_N_COUNTERS] = {
#define FIELD(key, field)                                                      \
  {                                                                            \
    key, G_STRUCT_OFFSET (ClusterLoad, field)                                  \
  }
#define TOTAL(key, total)                                                      \
  {                                                                            \
    key, G_STRUCT_OFFSET (ClusterLoad, totals[CLUSTER_TOTAL_##total])          \
  }
  FIELD ("egress.joins_total", n_joins),
  FIELD ("egress.refused_total", n_refused),
  FIELD ("egress.leaves_total", n_leaves),
  FIELD ("egress.failures_total", n_failures),
  FIELD ("egress.send_drops_total", n_send_drops),
  TOTAL ("ingress.packets_received_total", IN_PACKETS),
  TOTAL ("ingress.bytes_received_total", IN_BYTES),
  TOTAL ("ingress.packets_lost_total", IN_LOST),
  TOTAL ("ingress.packets_repaired_total", IN_REPAIRED),
  TOTAL ("egress.packets_sent_total", OUT_PACKETS),
  TOTAL ("egress.bytes_sent_total", OUT_BYTES),
  TOTAL ("egress.packets_repaired_total", OUT_REPAIRED),
  TOTAL ("egress.repair_failures_total", OUT_UNREPAIRED),
  TOTAL ("relay.packets_received_total", LINK_IN_PACKETS),
  TOTAL ("relay.packets_sent_total", LINK_OUT_PACKETS),
  TOTAL ("relay.bytes_sent_total", LINK_OUT_BYTES),
  TOTAL ("relay.packets_lost_total", LINK_LOST),
  TOTAL ("relay.packets_repaired_total", LINK_REPAIRED),
};

guint64 *
scaling_aggregate_get_counter (ClusterLoad *load, guint i)
{
  return G_STRUCT_MEMBER_P (load, counters[i].offset);
}

const char *
scaling_aggregate_get_counter_key (guint i)
{
  return counters[i].key;
}

static void
node_free (gpointer data)
{
  AggregateNode *node = data;

  cluster_node_clear (&node->node);
  g_free (node);
}

static void
group_free (gpointer data)
{
  AggregateGroup *group = data;

  g_free (group->tree_id);
  g_free (group);
}

ScalingAggregate *
scaling_aggregate_new (const ScalingAggregateConfig *config)
{
  ScalingAggregate *self = g_new0 (ScalingAggregate, 1);

  self->stale_us = config->stale_us;
  self->gone_us = config->gone_us;
  self->project = g_strdup (config->project);
  self->nodes =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, node_free);
  self->groups = g_ptr_array_new_with_free_func (group_free);
  return self;
}

void
scaling_aggregate_free (ScalingAggregate *self)
{
  g_return_if_fail (self);
  g_hash_table_unref (self->nodes);
  g_ptr_array_unref (self->groups);
  g_free (self->project);
  g_free (self);
}

void
scaling_aggregate_set_stale_us (ScalingAggregate *self, gint64 stale_us)
{
  self->stale_us = stale_us;
}

/* --- groups ---------------------------------------------------------------
 */

static int
compare_groups (gconstpointer a, gconstpointer b)
{
  const AggregateGroup *left = *(AggregateGroup *const *)a;
  const AggregateGroup *right = *(AggregateGroup *const *)b;
  int order = strcmp (left->tree_id, right->tree_id);

  return order != 0
             ? order
             : (left->roles > right->roles) - (left->roles < right->roles);
}

/* ensure_group: (nullable): there are too many trees */
static AggregateGroup *
ensure_group (ScalingAggregate *self, const ClusterNode *node)
{
  AggregateGroup *group;
  const char *tree = NULL;
  gboolean is_known = FALSE;
  guint n_trees = 0;

  for (guint i = 0; i < self->groups->len; i++)
    {
      group = self->groups->pdata[i];
      n_trees += g_strcmp0 (tree, group->tree_id) != 0;
      tree = group->tree_id;
      if (strcmp (tree, node->tree_id) != 0)
        continue;
      is_known = TRUE;
      if (group->roles == node->roles)
        return group;
    }
  if (!is_known && n_trees >= SCALING_AGGREGATE_MAX_TREES)
    return NULL;
  group = g_new0 (AggregateGroup, 1);
  group->tree_id = g_strdup (node->tree_id);
  group->roles = node->roles;
  g_ptr_array_add (self->groups, group);
  g_ptr_array_sort (self->groups, compare_groups);
  return group;
}

/* bury: what a boot has counted stays in its group's sums */
static void
bury (AggregateNode *node)
{
  for (guint i = 0; i < SCALING_AGGREGATE_N_COUNTERS; i++)
    {
      guint64 *past = &node->group->past[i];

      *past += MIN (*scaling_aggregate_get_counter (&node->load, i),
                    G_MAXUINT64 - *past);
    }
}

/* --- nodes ----------------------------------------------------------------
 */

/* make_room: forgets who has been gone for longest.
 * Returns: %FALSE: nobody is gone */
static gboolean
make_room (ScalingAggregate *self)
{
  GHashTableIter iter;
  gpointer key, value, oldest_key = NULL;
  AggregateNode *oldest = NULL;

  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      AggregateNode *node = value;

      if (node->is_gone && (!oldest || node->at_us < oldest->at_us))
        {
          oldest = node;
          oldest_key = key;
        }
    }
  if (!oldest)
    return FALSE;
  bury (oldest);
  g_hash_table_remove (self->nodes, oldest_key);
  return TRUE;
}

/* ensure_node: (nullable): there is no room */
static AggregateNode *
ensure_node (ScalingAggregate *self, const ClusterNode *said)
{
  g_autofree char *key = g_strconcat (said->tree_id, "/", said->node_id, NULL);
  AggregateNode *node = g_hash_table_lookup (self->nodes, key);

  if (node)
    return node;
  if (g_hash_table_size (self->nodes) >= SCALING_AGGREGATE_MAX_NODES
      && !make_room (self))
    return NULL;
  node = g_new0 (AggregateNode, 1);
  g_hash_table_insert (self->nodes, g_steal_pointer (&key), node);
  return node;
}

/* keep_counters: within one boot none falls, whatever is said */
static void
keep_counters (const ClusterLoad *before, ClusterLoad *now)
{
  for (guint i = 0; i < SCALING_AGGREGATE_N_COUNTERS; i++)
    {
      guint64 *n = scaling_aggregate_get_counter (now, i);

      *n = MAX (*n, *scaling_aggregate_get_counter ((ClusterLoad *)before, i));
    }
}

gboolean
scaling_aggregate_put (ScalingAggregate *self, const ClusterNode *said,
                       const ClusterLoad *load, gint64 now_us, gint64 wall_us)
{
  AggregateGroup *group;
  AggregateNode *node;
  ClusterLoad now = *load;

  if (said->roles == CLUSTER_ROLE_METRICS)
    return TRUE;
  group = ensure_group (self, said);
  node = group ? ensure_node (self, said) : NULL;
  if (!node)
    {
      self->stats.n_refused++;
      return FALSE;
    }
  if (node->node.boot_id && strcmp (node->node.boot_id, said->boot_id) != 0)
    {
      self->stats.n_restarts++;
      bury (node);
    }
  else if (node->node.boot_id)
    keep_counters (&node->load, &now);
  cluster_node_clear (&node->node);
  cluster_node_copy (said, &node->node);
  node->group = group;
  node->load = now;
  node->at_us = now_us;
  node->at_wall_us = wall_us;
  node->silent_us = 0;
  node->is_gone = FALSE;
  return TRUE;
}

static void
lose (ScalingAggregate *self, AggregateNode *node)
{
  node->is_gone = TRUE;
  memset (node->load.sketches, 0, sizeof node->load.sketches);
  GST_INFO ("node %s of tree %s is gone: nothing was heard of it for %d s",
            node->node.node_id, node->node.tree_id,
            (int)(node->silent_us / BASE_US_PER_S));
}

void
scaling_aggregate_tick (ScalingAggregate *self, gint64 now_us,
                        gboolean is_source_well)
{
  gint64 passed_us = self->ticked_us > 0
                         ? CLAMP (now_us - self->ticked_us, 0, MAX_TICK_US)
                         : 0;
  GHashTableIter iter;
  gpointer value;

  self->ticked_us = now_us;
  if (!is_source_well)
    return;
  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      AggregateNode *node = value;

      /* heard of since the last tick: silent for no longer than that */
      node->silent_us += MIN (passed_us, now_us - node->at_us);
      if (!node->is_gone && node->silent_us >= self->gone_us)
        lose (self, node);
    }
}

gboolean
scaling_aggregate_is_stale (ScalingAggregate *self, const AggregateNode *node,
                            gint64 now_us)
{
  return now_us - node->at_us >= self->stale_us;
}

/* --- asking ---------------------------------------------------------------
 */

void
scaling_aggregate_get_stats (ScalingAggregate *self, gint64 now_us,
                             ScalingAggregateStats *ret)
{
  GHashTableIter iter;
  gpointer value;

  *ret = self->stats;
  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      AggregateNode *node = value;

      if (node->is_gone)
        continue;
      ret->n_nodes++;
      ret->n_stale += scaling_aggregate_is_stale (self, node, now_us) ? 1 : 0;
    }
}

static int
compare_keys (gconstpointer a, gconstpointer b)
{
  return strcmp (a, b);
}

void
scaling_aggregate_foreach (ScalingAggregate *self, gint64 now_us,
                           ScalingAggregateFunc func, gpointer data)
{
  GList *keys = g_list_sort (g_hash_table_get_keys (self->nodes), compare_keys);

  for (GList *l = keys; l; l = l->next)
    {
      AggregateNode *node = g_hash_table_lookup (self->nodes, l->data);
      ScalingAggregateNode row = {
        &node->node, &node->load, now_us - node->at_us,
        scaling_aggregate_is_stale (self, node, now_us)
      };

      if (!node->is_gone)
        func (&row, data);
    }
  g_list_free (keys);
}
