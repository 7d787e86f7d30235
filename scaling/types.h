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

/* What a policy can watch. Units as in policies: percent where marked. */
typedef enum
{
  SCALING_SIGNAL_CPU,         /* % of all processors */
  SCALING_SIGNAL_MEMORY,      /* % */
  SCALING_SIGNAL_PORTS,       /* % of the port pool */
  SCALING_SIGNAL_DROPS,       /* packets not sent, a second */
  SCALING_SIGNAL_QUEUE,       /* joins on their way, and viewers refused who
                               * will ask again */
  SCALING_SIGNAL_JOIN_TIME,   /* s, p95 of the last minute */
  SCALING_SIGNAL_ERROR_RATE,  /* % of joins that failed by our fault */
  SCALING_SIGNAL_VIEWERS,     /* of the tree */
  SCALING_SIGNAL_JOINS,       /* a second: the trend of viewers */
  SCALING_SIGNAL_UTILIZATION, /* % of the slots that have a viewer */
  SCALING_SIGNAL_N
} ScalingSignal;

/* "cpu", "memory", "ports", "drops", "queue", "join_time", "error_rate",
 * "viewers", "joins", "utilization" */
const char *scaling_signal_get_name (ScalingSignal signal);

/* A value that need not be there: nothing known is not nothing there. */
typedef struct
{
  gboolean is_known;
  double value;
} ScalingReading;

/* One node of the tree as the leader sees it. */
typedef struct
{
  char node_id[CLUSTER_NAME_MAX_CHARS + 1];
  char boot_id[CLUSTER_ID_CHARS + 1]; /* other: its counters began anew */
  ClusterRoles roles;
  gboolean is_fresh;    /* its newest heartbeat is at most 2 s old */
  gboolean is_draining; /* no new viewers */
  gboolean is_warm;     /* of a slot that is not admitted yet */
  guint subtree;        /* its ordinal + 1; 0 = of none: others run it */
  /* n_waiting of n_viewers have no media yet; n_slots has both */
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
  guint n_nodes_elsewhere; /* of other trees: the hard limit counts them */
  /* how long a subtree takes to serve, p95 as learned; 0 = not yet: the
   * policy's guess is taken */
  gint64 warm_lead_us, cold_lead_us;
  gint64 join_p95_us;  /* last minute, all nodes' buckets merged; -1 = none */
  gint64 disturbed_us; /* last failover, drain, approval, store failover; or
                        * G_MININT64 */
  /* what somebody else measured (Prometheus), for metrics of that source */
  ScalingReading external[SCALING_SIGNAL_N];
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
  SCALING_URGENCY_HIGH,     /* CPU, memory, drops, errors */
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
  guint n_warm;        /* slots to be kept warm */
  gboolean needs_approval;
  gboolean is_floor; /* a threshold alone asks for it */
  /* what the policy's thresholds looked at */
  ScalingReading readings[SCALING_SIGNAL_N];
  char reason[SCALING_REASON_MAX_CHARS + 1]; /* in words */
} ScalingDecision;

/* "hold", "out", "in" */
const char *scaling_action_get_name (ScalingAction action);
/* "none", "low", "normal", "high", "critical" */
const char *scaling_urgency_get_name (ScalingUrgency urgency);
