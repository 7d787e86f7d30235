/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSubtreesDriver: metrics and JSON. */
#include "scaling/subtrees-driver-private.h"

#include "base/clock.h"
#include "base/json.h"

#define US_PER_HOUR (3600.0 * BASE_US_PER_S)

const ScalingSubtreesSummary *
scaling_subtrees_driver_get_summary (ScalingSubtreesDriver *self,
                                     const char *tree_id)
{
  ScalingDriverTree *tree = g_hash_table_lookup (self->trees, tree_id);

  return tree != NULL && tree->has_summary
             ? scaling_subtrees_get_summary (tree->subtrees)
             : NULL;
}

/* Where its money goes: what serves, comes and goes; what is warm; and cold
 * slots, which cost nothing until they run. */
typedef enum
{
  POOL_SERVING,
  POOL_WARM,
  POOL_COLD,
  N_POOLS
} Pool;

static guint
count_pool (const ScalingDriverTree *tree, Pool pool)
{
  const ScalingSubtreesSummary *summary =
      scaling_subtrees_get_summary (tree->subtrees);

  switch (pool)
    {
    case POOL_SERVING:
      return summary->n_instances
             - MIN (summary->n_pooled, summary->n_instances);
    case POOL_WARM:
      return summary->n_pooled;
    case POOL_COLD:
      return summary->n_cold * (1 + MAX (tree->policy.egress_per_subtree, 1));
    case N_POOLS:
    default:
      g_assert_not_reached ();
    }
}

const ScalingMark *
scaling_subtrees_driver_get_mark (ScalingSubtreesDriver *self,
                                  const char *tree_id)
{
  ScalingDriverTree *tree = g_hash_table_lookup (self->trees, tree_id);

  return tree != NULL ? scaling_subtrees_get_mark (tree->subtrees) : NULL;
}

static void
add_mark (JsonBuilder *json, const ScalingMark *mark)
{
  json_builder_set_member_name (json, "last_rollback");
  json_builder_begin_object (json);
  base_json_add_text (json, "reason", scaling_fault_get_name (mark->fault));
  base_json_add_int (json, "ordinal", mark->ordinal);
  base_json_add_int (json, "gen", mark->gen);
  base_json_add_int (json, "at_ms", mark->last_wall_ms);
  json_builder_end_object (json);
}

static void
add_tree (JsonBuilder *json, const ScalingDriverTree *tree, double cost)
{
  const ScalingSubtreesSummary *summary =
      scaling_subtrees_get_summary (tree->subtrees);

  json_builder_begin_object (json);
  base_json_add_text (json, "tree", tree->tree_id);
  base_json_add_int (json, "serving", summary->n_serving);
  base_json_add_int (json, "starting", summary->n_starting);
  base_json_add_int (json, "draining", summary->n_draining);
  base_json_add_int (json, "warm", summary->n_warm);
  base_json_add_int (json, "cold", summary->n_cold);
  base_json_add_int (json, "instances", summary->n_instances);
  base_json_add_int (json, "orphans", summary->n_orphans);
  base_json_add_bool (json, "limited", summary->is_limited);
  base_json_add_double (json, "wait_s",
                        (double)summary->longest_wait_us / BASE_US_PER_S);
  base_json_add_int (json, "rollbacks_in_row", summary->n_rollbacks);
  base_json_add_double (json, "rollback_wait_s",
                        (double)summary->rollback_wait_us / BASE_US_PER_S);
  if (summary->n_rollbacks > 0)
    add_mark (json, scaling_subtrees_get_mark (tree->subtrees));
  base_json_add_int (json, "viewers_without_room", summary->n_stuck);
  base_json_add_double (json, "cost_per_hour", cost * summary->n_instances);
  base_json_add_double (json, "warm_cost_per_hour",
                        cost * count_pool (tree, POOL_WARM));
  /* if they ran */
  base_json_add_double (json, "cold_cost_per_hour",
                        cost * count_pool (tree, POOL_COLD));
  base_json_add_double (json, "node_hours", tree->node_us[0] / US_PER_HOUR);
  base_json_add_double (json, "warm_node_hours",
                        tree->node_us[1] / US_PER_HOUR);
  base_json_add_text (json, "fault", tree->fault);
  json_builder_end_object (json);
}

JsonNode *
scaling_subtrees_driver_describe (ScalingSubtreesDriver *self)
{
  double cost =
      scaling_provisioner_get_cost_per_hour (self->config.provisioner);
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (GList) ids = g_list_sort (g_hash_table_get_keys (self->trees),
                                       (GCompareFunc)g_strcmp0);

  json_builder_begin_object (json);
  base_json_add_int (json, "under_way",
                     (gint64)g_hash_table_size (self->calls));
  base_json_add_int (json, "late", (gint64)self->n_late);
  base_json_add_int (json, "unknown", (gint64)self->n_unknown);
  base_json_add_int (json, "unsure", (gint64)self->n_unsure);
  base_json_add_int (json, "held", (gint64)self->n_held);
  json_builder_set_member_name (json, "trees");
  json_builder_begin_array (json);
  for (GList *id = ids; id != NULL; id = id->next)
    add_tree (json, g_hash_table_lookup (self->trees, id->data), cost);
  json_builder_end_array (json);
  json_builder_end_object (json);
  return json_builder_get_root (json);
}

static void
write_tree (BaseMetricsWriter *writer, const ScalingDriverTree *tree,
            double cost)
{
  static const char *const pools[] = { "serving", "warm", "cold" };
  const ScalingSubtreesSummary *summary =
      scaling_subtrees_get_summary (tree->subtrees);
  g_autofree char *label = base_metrics_label ("tree", tree->tree_id);

  for (guint i = 0; i < N_POOLS; i++)
    {
      g_autofree char *labels =
          g_strdup_printf ("%s,pool=\"%s\"", label, pools[i]);

      if (i < G_N_ELEMENTS (tree->node_us))
        base_metrics_write (writer, "media_tree_scaling_node_seconds_total",
                            "counter", "How long instances ran, all together",
                            labels, tree->node_us[i] / BASE_US_PER_S);
      if (tree->has_summary)
        base_metrics_write (writer, "media_tree_scaling_cost_per_hour", "gauge",
                            "What a pool costs; of cold ones if they ran",
                            labels, cost * count_pool (tree, (Pool)i));
    }
  if (!tree->has_summary)
    return;
  base_metrics_write (writer, "media_tree_scaling_rollbacks_in_row", "gauge",
                      "Subtrees rolled back since one did well", label,
                      summary->n_rollbacks);
  base_metrics_write (writer, "media_tree_scaling_viewers_without_room",
                      "gauge", "On a subtree that stays because of them", label,
                      summary->n_stuck);
}

static void
write_rollbacks (BaseMetricsWriter *writer, const ScalingSubtreesDriver *self)
{
  for (guint i = SCALING_FAULT_GONE + 1; i < SCALING_FAULT_N; i++)
    {
      g_autofree char *label = base_metrics_label (
          "reason", scaling_fault_get_name ((ScalingFault)i));

      base_metrics_write (writer, "media_tree_scaling_rollbacks_total",
                          "counter", "Subtrees that turned out bad", label,
                          (double)self->n_rollbacks[i]);
    }
}

void
scaling_subtrees_driver_collect (BaseMetricsWriter *writer, gpointer data)
{
  static const char *const results[SCALING_ORDER_N_RESULTS] = { "done",
                                                                "failed" };
  ScalingSubtreesDriver *self = data;
  double cost =
      scaling_provisioner_get_cost_per_hour (self->config.provisioner);
  GHashTableIter iter;
  gpointer tree;

  for (guint i = 0; i < SCALING_ORDER_N; i++)
    for (guint k = 0; k < SCALING_ORDER_N_RESULTS; k++)
      {
        g_autofree char *labels = g_strdup_printf (
            "order=\"%s\",result=\"%s\"",
            scaling_order_kind_get_name ((ScalingOrderKind)i), results[k]);

        base_metrics_write (writer, "media_tree_scaling_orders_total",
                            "counter", "What was done about subtrees", labels,
                            (double)self->n_orders[i][k]);
      }
  base_metrics_write (writer, "media_tree_scaling_instance_cost_per_hour",
                      "gauge", "What one instance costs, as it was set", NULL,
                      cost);
  write_rollbacks (writer, self);
  g_hash_table_iter_init (&iter, self->trees);
  while (g_hash_table_iter_next (&iter, NULL, &tree))
    write_tree (writer, tree, cost);
}

void
scaling_subtrees_driver_account (ScalingDriverTree *tree)
{
  gint64 now_us = tree->input.now_us;
  double us = (double)(now_us - tree->accounted_us);

  if (tree->accounted_us != 0 && us > 0 && us <= SCALING_DRIVER_GAP_US)
    for (guint i = 0; i < G_N_ELEMENTS (tree->node_us); i++)
      tree->node_us[i] += us * count_pool (tree, (Pool)i);
  tree->accounted_us = now_us;
}
