/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingPoint: one number about a tree, or about the nodes of one role in it,
 * as exporters take it: /metrics, Pushgateway, CloudWatch.
 *   Keys are internal ("egress.viewers"; docs/METRICS-ROLE.md lists them);
 * exporters map them to names of their own. Labels: "tree"; "role" (as
 * cluster_roles_to_node_type() says it; without it the point is about the whole
 * tree, so that sums over roles and the tree's own must not be added up);
 * "project" where one is set.
 *   Counters never fall while the process runs, whoever restarts or goes.
 * Gauges and distributions are of the last report of each node.
 * Owner:  the array of scaling_aggregate_get_points(). Thread: main.
 */
#pragma once

#include "base/sketch.h"

typedef enum
{
  SCALING_POINT_COUNTER,      /* since the nodes' start; only grows */
  SCALING_POINT_GAUGE,        /* as it is now */
  SCALING_POINT_DISTRIBUTION, /* of the last minute: each read has it whole, two
                               * reads within a minute overlap */
} ScalingPointKind;

typedef struct
{
  const char *key; /* "egress.join_seconds" */
  ScalingPointKind kind;
  const char *unit; /* "seconds", "bytes", "ratio", "bits_per_second"; "" =
                     * things */
  double scale;     /* of a sketch's whole numbers, in @unit; else 1 */
  const char *help; /* one sentence */
} ScalingKey;

#define SCALING_POINT_MAX_LABELS 3

typedef struct
{
  const char *name; /* static */
  char *value;      /* owned */
} ScalingLabel;

typedef struct
{
  const ScalingKey *key; /* static */
  guint n_labels;
  ScalingLabel labels[SCALING_POINT_MAX_LABELS];
  double value;       /* counters and gauges */
  BaseSketch *sketch; /* owned; distributions only, may be empty */
  gboolean is_stale;  /* some node that it is made from is silent: this is what
                       * was known last */
  gint64 at_wall_us;  /* of the newest report in it, since 1970 */
} ScalingPoint;

/* (transfer none): all keys, by name */
const ScalingKey *scaling_key_list (guint *ret_n);
/* (nullable): no such key */
const ScalingKey *scaling_key_find (const char *key);
/* "counter", "gauge", "distribution" */
const char *scaling_point_kind_get_name (ScalingPointKind kind);

void scaling_point_free (ScalingPoint *self);
/* (nullable): without such a label */
const char *scaling_point_get_label (const ScalingPoint *self,
                                     const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingPoint, scaling_point_free)
