/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingAggregate inside: aggregate.c knows the nodes, aggregate-points.c adds
 * them up. Thread: main. */
#pragma once

#include "scaling/aggregate.h"

/* Counters of a ClusterLoad: its guint64 members that only grow. */
#define SCALING_AGGREGATE_N_COUNTERS (5 + CLUSTER_TOTAL_N)

typedef struct _AggregateGroup AggregateGroup;

typedef struct
{
  ClusterNode node;      /* owned */
  AggregateGroup *group; /* borrowed: it stays as long as the aggregate */
  ClusterLoad load;      /* its last one; without sketches once it is gone */
  gint64 at_us, at_wall_us;
  gint64 silent_us; /* while the source was well */
  gboolean is_gone;
} AggregateNode;

/* Nodes of the same roles in a tree: what is left of those that are not known
 * any more, and of earlier boots. */
struct _AggregateGroup
{
  char *tree_id; /* owned */
  ClusterRoles roles;
  guint64 past[SCALING_AGGREGATE_N_COUNTERS];
};

struct _ScalingAggregate
{
  gint64 stale_us, gone_us;
  char *project;     /* owned, nullable */
  GHashTable *nodes; /* owned: "tree/node" -> AggregateNode */
  GPtrArray *groups; /* owned: of AggregateGroup, by tree and roles */
  gint64 ticked_us;  /* 0 = not yet */
  ScalingAggregateStats stats;
};

/* (transfer none): the @i-th counter of @load */
guint64 *scaling_aggregate_get_counter (ClusterLoad *load, guint i);
/* (transfer none): what it is called among points */
const char *scaling_aggregate_get_counter_key (guint i);
gboolean scaling_aggregate_is_stale (ScalingAggregate *self,
                                     const AggregateNode *node, gint64 now_us);
