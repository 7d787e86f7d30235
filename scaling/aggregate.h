/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingAggregate: what all nodes say, as totals of each tree and of each role
 * in it. Percentiles come from merged buckets, never from averages.
 *   A node that falls silent keeps its last good values, marked stale; after
 * gone_us of silence it leaves gauges and distributions. Its counters stay in
 * the sums, those of earlier boots too: sums never fall. While the source
 * itself is away nobody is gone: it is not the nodes that are silent.
 *   At most SCALING_AGGREGATE_MAX_NODES are known: those that are gone make
 * room (their counters stay), beyond that new ones are refused and counted.
 * Owner:  the metrics role. Thread: main. Clocks are passed in.
 */
#pragma once

#include "cluster/types.h"
#include "scaling/point.h"

#define SCALING_AGGREGATE_MAX_NODES CLUSTER_MAX_NODES
#define SCALING_AGGREGATE_MAX_TREES 16

typedef struct
{
  gint64 stale_us;     /* silence from which a node's values are stale */
  gint64 gone_us;      /* and from which it is gone */
  const char *project; /* (nullable): a label of all points */
} ScalingAggregateConfig;

typedef struct _ScalingAggregate ScalingAggregate;

ScalingAggregate *scaling_aggregate_new (const ScalingAggregateConfig *config);
void scaling_aggregate_free (ScalingAggregate *self);

/* where reports are rarer than they were */
void scaling_aggregate_set_stale_us (ScalingAggregate *self, gint64 stale_us);

/* scaling_aggregate_put: @node has said @load.
 * Returns: %FALSE: there are too many nodes or trees; counted */
gboolean scaling_aggregate_put (ScalingAggregate *self, const ClusterNode *node,
                                const ClusterLoad *load, gint64 now_us,
                                gint64 wall_us);
/* scaling_aggregate_tick: once a second.
 * @is_source_well: the source has answered, so that silence is the nodes' */
void scaling_aggregate_tick (ScalingAggregate *self, gint64 now_us,
                             gboolean is_source_well);

/* scaling_aggregate_get_points: as of @now_us, by key, tree and role; a few
 * dozen for each role of each tree.
 * Returns: (transfer full) (element-type ScalingPoint) */
GPtrArray *scaling_aggregate_get_points (ScalingAggregate *self, gint64 now_us);

typedef struct
{
  guint n_nodes;      /* those that are gone left out */
  guint n_stale;      /* of these */
  guint64 n_refused;  /* reports of nodes that there was no room for */
  guint64 n_restarts; /* other boots of known nodes */
} ScalingAggregateStats;
void scaling_aggregate_get_stats (ScalingAggregate *self, gint64 now_us,
                                  ScalingAggregateStats *ret);

/* One node, for lists; strings are borrowed until the next put or tick. */
typedef struct
{
  const ClusterNode *node;
  const ClusterLoad *load;
  gint64 age_us; /* since its last report */
  gboolean is_stale;
} ScalingAggregateNode;
typedef void (*ScalingAggregateFunc) (const ScalingAggregateNode *node,
                                      gpointer data);
/* by tree and node id; those that are gone left out */
void scaling_aggregate_foreach (ScalingAggregate *self, gint64 now_us,
                                ScalingAggregateFunc func, gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingAggregate, scaling_aggregate_free)
