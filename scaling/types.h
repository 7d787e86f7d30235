/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scaling/types: what a decision is made from, and what it says. Plain values:
 * the same in the program, in tests/sim and in `ctl simulate`.
 *   A subtree is what is added and given back: one relay and up to
 * egress_per_subtree egress nodes, known by its ordinal.
 * Units: ratios 0 to 1, times µs of the clock that is passed in, counters
 * since the start of the node's process.
 * Thread: main.
 */
#pragma once

#include "cluster/types.h"

/* One node of the tree as the leader sees it. */
typedef struct
{
  char node_id[CLUSTER_NAME_MAX_CHARS + 1];
  char boot_id[CLUSTER_ID_CHARS + 1]; /* other: its counters began anew */
  ClusterRoles roles;
  gboolean is_fresh;    /* its newest heartbeat is at most 2 s old */
  gboolean is_draining; /* no new viewers */
  gboolean is_warm;     /* of a slot that is not admitted yet */
  guint n_viewers, n_waiting, n_slots;
  double cpu_ratio, mem_ratio, ports_ratio;
  guint64 n_joins, n_refused, n_leaves; /* counters */
  guint64 n_failures;                   /* joins that failed by our fault */
  guint64 n_send_drops;
} ScalingNode;

/* One tree at one moment. */
typedef struct
{
  gint64 now_us;     /* a clock that only goes on */
  gint64 now_wall_s; /* since 1970, for schedules */
  char tree_id[CLUSTER_NAME_MAX_CHARS + 1];
  guint n_nodes;
  const ScalingNode *nodes; /* borrowed */
  guint n_desired;          /* subtrees, as the store has it */
  guint n_serving;          /* subtrees that are admitted */
  guint n_starting, n_draining, n_warm;
  gint64 join_p95_us;  /* last minute, all nodes' buckets merged; -1 = none */
  gint64 disturbed_us; /* last failover, drain, approval, store failover; or
                        * G_MININT64 */
} ScalingSnapshot;

typedef enum
{
  SCALING_HOLD, /* n_wanted == n_desired */
  SCALING_OUT,
  SCALING_IN,
} ScalingAction;

typedef enum
{
  SCALING_URGENCY_NONE,
  SCALING_URGENCY_LOW,      /* giving back */
  SCALING_URGENCY_NORMAL,   /* demand, schedule */
  SCALING_URGENCY_HIGH,     /* CPU, memory, drops */
  SCALING_URGENCY_CRITICAL, /* ports: nobody more can be served */
} ScalingUrgency;

#define SCALING_REASON_MAX_CHARS 200
#define SCALING_SCORE_UP_MAX 15
#define SCALING_SCORE_DOWN_MAX 7

typedef struct
{
  ScalingAction action;
  ScalingUrgency urgency;
  guint n_wanted;    /* subtrees */
  double confidence; /* 0 to 1 */
  guint score_up, score_down;
  /* what it was made from, for metrics, audit and people */
  double need;         /* viewers to have room for, when what is started now is
                        * ready */
  double joins_per_s;  /* attempts less leaves, the trend */
  guint n_slots_total; /* of nodes that serve */
  gboolean needs_approval;
  char reason[SCALING_REASON_MAX_CHARS + 1]; /* in words */
} ScalingDecision;

/* "hold", "out", "in" */
const char *scaling_action_get_name (ScalingAction action);
/* "none", "low", "normal", "high", "critical" */
const char *scaling_urgency_get_name (ScalingUrgency urgency);
