/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingAggregate: the nodes added up to points. */
#include "scaling/aggregate-private.h"

#include <string.h>

#include "base/clock.h"

typedef enum
{
  ROW_SUM_UINT, /* of a guint */
  ROW_SUM_U64,
  ROW_MEAN, /* of a double */
  ROW_MAX,  /* likewise */
  ROW_SKETCH,
} RowKind;

/* Keys that are fields of the loads; the others are counters or fill_rest(). */
static const struct
{
  const char *key;
  RowKind kind;
  gsize offset;
} rows[] = {
#define ROW(key, kind, field)                                                  \
  {                                                                            \
    key, ROW_##kind, G_STRUCT_OFFSET (ClusterLoad, field)                      \
  }
#define TIMES(key, which)                                                      \
  {                                                                            \
    key, ROW_SKETCH,                                                           \
        G_STRUCT_OFFSET (ClusterLoad, sketches[CLUSTER_SKETCH_##which])        \
  }
  ROW ("cluster.cpu_max_ratio", MAX, cpu_ratio),
  ROW ("cluster.cpu_ratio", MEAN, cpu_ratio),
  TIMES ("cluster.http_seconds", HTTP),
  ROW ("cluster.memory_bytes", SUM_U64, rss_bytes),
  ROW ("cluster.memory_max_ratio", MAX, mem_ratio),
  ROW ("cluster.ports", SUM_UINT, max_ports),
  ROW ("cluster.ports_used", SUM_UINT, n_ports),
  ROW ("cluster.received_bps", SUM_U64, rx_bps),
  ROW ("cluster.sent_bps", SUM_U64, tx_bps),
  TIMES ("egress.join_seconds", JOIN),
  ROW ("egress.max_viewers", SUM_UINT, max_viewers),
  ROW ("egress.slots", SUM_UINT, n_slots),
  ROW ("egress.viewers", SUM_UINT, n_viewers),
  ROW ("egress.waiting", SUM_UINT, n_waiting),
  ROW ("ingress.max_publishers", SUM_UINT, max_publishers),
  ROW ("ingress.publishers", SUM_UINT, n_publishers),
  TIMES ("relay.repair_seconds", REPAIR),
  ROW ("relay.streams", SUM_UINT, n_streams),
};

/* Where the keys are in the table. */
typedef struct
{
  guint n_keys;
  const ScalingKey *keys; /* static */
  guint rows[G_N_ELEMENTS (rows)];
  guint counters[SCALING_AGGREGATE_N_COUNTERS];
} Places;

/* Points of a whole tree, or of its nodes of the same roles. */
typedef struct
{
  const AggregateGroup *group; /* borrowed; of a tree: its first */
  char *role;                  /* owned; NULL: the whole tree */
  guint n_nodes, n_stale, n_draining, n_links;
  gint64 oldest_age_us, newest_wall_us;
  double worst_loss_ratio;
  double *values;        /* owned: by key */
  BaseSketch **sketches; /* owned: by key, NULL where there is none */
  const Places *places;  /* borrowed */
} Sum;

static guint
index_of (const char *key)
{
  guint n_keys;
  const ScalingKey *keys = scaling_key_list (&n_keys);

  return (guint)(scaling_key_find (key) - keys);
}

static void
places_init (Places *self)
{
  self->keys = scaling_key_list (&self->n_keys);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    self->rows[i] = index_of (rows[i].key);
  for (guint i = 0; i < SCALING_AGGREGATE_N_COUNTERS; i++)
    self->counters[i] = index_of (scaling_aggregate_get_counter_key (i));
}

static void
sum_free (gpointer data)
{
  Sum *sum = data;

  for (guint i = 0; i < sum->places->n_keys; i++)
    g_clear_pointer (&sum->sketches[i], base_sketch_free);
  g_free (sum->sketches);
  g_free (sum->values);
  g_free (sum->role);
  g_free (sum);
}

static Sum *
sum_new (const Places *places, const AggregateGroup *group, gboolean is_tree)
{
  Sum *sum = g_new0 (Sum, 1);

  sum->places = places;
  sum->group = group;
  if (!is_tree)
    sum->role = cluster_roles_to_node_type (group->roles);
  sum->values = g_new0 (double, places->n_keys);
  sum->sketches = g_new0 (BaseSketch *, places->n_keys);
  for (guint i = 0; i < places->n_keys; i++)
    if (places->keys[i].kind == SCALING_POINT_DISTRIBUTION)
      sum->sketches[i] = base_sketch_new ();
  return sum;
}

/* --- adding up ------------------------------------------------------------
 */

static void
add_rows (Sum *sum, const ClusterLoad *load)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const void *field = (const char *)load + rows[i].offset;
      guint at = sum->places->rows[i];
      double *value = &sum->values[at];

      switch (rows[i].kind)
        {
        case ROW_SUM_UINT:
          *value += *(const guint *)field;
          break;
        case ROW_SUM_U64:
          *value += (double)*(const guint64 *)field;
          break;
        case ROW_MEAN: /* divided in the end */
          *value += *(const double *)field;
          break;
        case ROW_MAX:
          *value = MAX (*value, *(const double *)field);
          break;
        case ROW_SKETCH:
          base_sketch_brief_merge (field, sum->sketches[at]);
          break;
        }
    }
}

/* add_live: a node that is not gone, silent or not */
static void
add_live (Sum *sum, const AggregateNode *node, gint64 now_us, gboolean is_stale)
{
  const ClusterLoad *load = &node->load;

  sum->n_nodes++;
  sum->n_stale += is_stale ? 1 : 0;
  sum->n_draining += load->is_draining ? 1 : 0;
  sum->oldest_age_us = MAX (sum->oldest_age_us, now_us - node->at_us);
  sum->newest_wall_us = MAX (sum->newest_wall_us, node->at_wall_us);
  for (guint i = 0; i < load->n_links; i++)
    if (load->links[i].is_active)
      {
        sum->n_links++;
        sum->worst_loss_ratio =
            MAX (sum->worst_loss_ratio, load->links[i].loss_ratio);
      }
  add_rows (sum, load);
}

static void
add_node (Sum *sum, AggregateNode *node, gint64 now_us, gboolean is_stale)
{
  for (guint i = 0; i < SCALING_AGGREGATE_N_COUNTERS; i++)
    sum->values[sum->places->counters[i]] +=
        (double)*scaling_aggregate_get_counter (&node->load, i);
  if (!node->is_gone)
    add_live (sum, node, now_us, is_stale);
}

/* add_sum: before fill_rest */
static void
add_sum (Sum *tree, const Sum *sum)
{
  const Places *places = tree->places;

  tree->n_nodes += sum->n_nodes;
  tree->n_stale += sum->n_stale;
  tree->n_draining += sum->n_draining;
  tree->n_links += sum->n_links;
  tree->oldest_age_us = MAX (tree->oldest_age_us, sum->oldest_age_us);
  tree->newest_wall_us = MAX (tree->newest_wall_us, sum->newest_wall_us);
  tree->worst_loss_ratio = MAX (tree->worst_loss_ratio, sum->worst_loss_ratio);
  for (guint i = 0; i < SCALING_AGGREGATE_N_COUNTERS; i++)
    tree->values[places->counters[i]] += sum->values[places->counters[i]];
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      guint at = places->rows[i];

      if (rows[i].kind == ROW_SKETCH)
        base_sketch_merge (tree->sketches[at], sum->sketches[at]);
      else if (rows[i].kind == ROW_MAX)
        tree->values[at] = MAX (tree->values[at], sum->values[at]);
      else
        tree->values[at] += sum->values[at];
    }
}

/* fill_rest: what is made of the other values */
static void
fill_rest (Sum *sum)
{
  const struct
  {
    const char *key;
    double value;
  } rest[] = {
    { "cluster.nodes", sum->n_nodes },
    { "cluster.nodes_draining", sum->n_draining },
    { "cluster.nodes_stale", sum->n_stale },
    { "cluster.oldest_report_seconds",
      (double)sum->oldest_age_us / BASE_US_PER_S },
    { "relay.links", sum->n_links },
    { "relay.loss_max_ratio", sum->worst_loss_ratio },
    { "egress.utilization_ratio",
      sum->values[index_of ("egress.viewers")]
          / MAX (sum->values[index_of ("egress.slots")], 1) },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rest); i++)
    sum->values[index_of (rest[i].key)] = rest[i].value;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (rows[i].kind == ROW_MEAN)
      sum->values[sum->places->rows[i]] /= MAX (sum->n_nodes, 1);
}

/* make_sums: (transfer full): one for each group, in their order */
static GPtrArray *
make_sums (ScalingAggregate *self, const Places *places, gint64 now_us)
{
  GPtrArray *sums = g_ptr_array_new_with_free_func (sum_free);
  g_autoptr (GHashTable) by_group = g_hash_table_new (NULL, NULL);
  GHashTableIter iter;
  gpointer value;

  for (guint i = 0; i < self->groups->len; i++)
    {
      AggregateGroup *group = self->groups->pdata[i];
      Sum *sum = sum_new (places, group, FALSE);

      for (guint k = 0; k < SCALING_AGGREGATE_N_COUNTERS; k++)
        sum->values[places->counters[k]] = (double)group->past[k];
      g_ptr_array_add (sums, sum);
      g_hash_table_insert (by_group, group, sum);
    }
  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      AggregateNode *node = value;

      add_node (g_hash_table_lookup (by_group, node->group), node, now_us,
                scaling_aggregate_is_stale (self, node, now_us));
    }
  return sums;
}

/* add_trees: before the sums of its roles comes that of the whole tree */
static void
add_trees (GPtrArray *sums, const Places *places)
{
  Sum *tree = NULL;

  for (guint i = 0; i < sums->len; i++)
    {
      Sum *sum = sums->pdata[i];

      if (!tree || strcmp (tree->group->tree_id, sum->group->tree_id) != 0)
        {
          tree = sum_new (places, sum->group, TRUE);
          g_ptr_array_insert (sums, (int)i++, tree);
        }
      add_sum (tree, sum);
    }
}

/* --- points ---------------------------------------------------------------
 */

/* is_told: what nodes of these roles do at all */
static gboolean
is_told (const Sum *sum, const ScalingKey *key)
{
  if (sum->n_nodes == 0 && key->kind != SCALING_POINT_COUNTER)
    return strcmp (key->key, "cluster.nodes") == 0;
  if (!sum->role)
    return TRUE;
  if (g_str_has_prefix (key->key, "egress."))
    return (sum->group->roles & CLUSTER_ROLE_EGRESS) != 0;
  if (g_str_has_prefix (key->key, "ingress."))
    return (sum->group->roles & CLUSTER_ROLE_INJECTION) != 0;
  return TRUE;
}

static void
add_label (ScalingPoint *point, const char *name, const char *value)
{
  if (!value)
    return;
  point->labels[point->n_labels].name = name;
  point->labels[point->n_labels].value = g_strdup (value);
  point->n_labels++;
}

static ScalingPoint *
make_point (ScalingAggregate *self, Sum *sum, const ScalingKey *key, guint at)
{
  ScalingPoint *point = g_new0 (ScalingPoint, 1);

  point->key = key;
  add_label (point, "tree", sum->group->tree_id);
  add_label (point, "role", sum->role);
  add_label (point, "project", self->project);
  point->value = sum->values[at];
  point->sketch = g_steal_pointer (&sum->sketches[at]);
  point->is_stale = sum->n_stale > 0;
  point->at_wall_us = sum->newest_wall_us;
  return point;
}

GPtrArray *
scaling_aggregate_get_points (ScalingAggregate *self, gint64 now_us)
{
  GPtrArray *points =
      g_ptr_array_new_with_free_func ((GDestroyNotify)scaling_point_free);
  g_autoptr (GPtrArray) sums = NULL;
  Places places;

  places_init (&places);
  sums = make_sums (self, &places, now_us);
  add_trees (sums, &places);
  for (guint i = 0; i < sums->len; i++)
    fill_rest (sums->pdata[i]);
  for (guint k = 0; k < places.n_keys; k++)
    for (guint i = 0; i < sums->len; i++)
      if (is_told (sums->pdata[i], &places.keys[k]))
        g_ptr_array_add (points,
                         make_point (self, sums->pdata[i], &places.keys[k], k));
  return points;
}
