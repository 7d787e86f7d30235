/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingPolicies: what may be started and given back, when and how fast. JSON,
 * described by scaling/policy.schema.json; scaling/policies.json is the
 * default. A bad text is refused with the path of its first fault
 * (`policies[1].thresholds[0].comparison: "bigger" is not one of …`).
 *   Policies are plain values: copied, compared, passed to a pure function.
 * Units in the JSON: cooldownPeriod, evaluationInterval and leads in seconds,
 * windows in minutes, replicas are egress nodes; a subtree has
 * egressPerSubtree of them, and counts are rounded up to subtrees.
 * Bounds: SCALING_POLICY_MAX_BYTES and the maxima below.
 * Thread: any; parsing allocates, nothing else does.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "scaling/types.h"

#define SCALING_POLICY_MAX_BYTES 65536
#define SCALING_POLICY_MAX_DEPTH 8
#define SCALING_MAX_POLICIES 16
#define SCALING_MAX_METRICS 16 /* of a policy, and so on */
#define SCALING_MAX_THRESHOLDS 16
#define SCALING_MAX_SCHEDULES 32
#define SCALING_MAX_REPLICAS 65536
#define SCALING_NAME_MAX_CHARS CLUSTER_NAME_MAX_CHARS

typedef enum
{
  SCALING_POLICY_ERROR_INVALID, /* the message begins with the fault's path */
} ScalingPolicyError;
#define SCALING_POLICY_ERROR (scaling_policy_error_quark ())
GQuark scaling_policy_error_quark (void);

typedef enum
{
  SCALING_SOURCE_REDIS, /* heartbeats */
  SCALING_SOURCE_PEERS, /* nodes, by HTTP */
  SCALING_SOURCE_PROMETHEUS,
} ScalingSource;

/* Over the nodes that serve and were heard of. */
typedef enum
{
  SCALING_AVERAGE,
  SCALING_MAX,
  SCALING_MIN,
  SCALING_SUM,
  SCALING_P95,
} ScalingAggregation;

typedef enum
{
  SCALING_GREATER_THAN,
  SCALING_LESS_THAN,
  SCALING_PERCENTAGE_CHANGE, /* against the value one window ago */
} ScalingComparison;

typedef enum
{
  SCALING_APPROVAL_NONE,
  SCALING_APPROVAL_MANUAL,         /* of every change */
  SCALING_APPROVAL_LOW_CONFIDENCE, /* below SCALING_CONFIDENCE_MIN */
} ScalingApproval;

typedef struct
{
  char name[SCALING_NAME_MAX_CHARS + 1];
  ScalingSignal signal; /* "type" */
  ScalingSource source;
  ScalingAggregation aggregation;
  gint64 window_us; /* how long a threshold holds before it counts; 0: in 3 of
                     * the last 5 s */
  guint weight;     /* in score_up */
} ScalingMetric;

typedef struct
{
  guint metric; /* index */
  ScalingComparison comparison;
  gboolean has_up, has_down;
  double scale_up, scale_down;
  gboolean is_required; /* nothing is given back unless scale_down holds */
  guint down_weight;    /* in score_down, after down_window_us */
  gint64 down_window_us;
} ScalingThreshold;

/* At least min_replicas from start to end: each day, on some weekdays, or
 * once. */
typedef struct
{
  char name[SCALING_NAME_MAX_CHARS + 1];
  char tree_id[CLUSTER_NAME_MAX_CHARS + 1]; /* "" = any */
  gboolean is_once;
  gint64 start_wall_s, end_wall_s; /* once: since 1970 */
  guint start_minute, end_minute;  /* else: of the day, UTC; an end that is not
                                    * after the start is tomorrow's */
  guint weekdays;                  /* of the start: bit 0 = Monday */
  guint min_replicas;
} ScalingSchedule;

/* What a new subtree must do to stay, and how long the next one waits when it
 * did not ("trial"). */
typedef struct
{
  gint64 start_us;      /* its core is here and receives media by then */
  gint64 span_us;       /* so long it is new; 0: nobody judges it */
  gint64 judge_us;      /* before that there is too little to judge by */
  double drops_per_s;   /* a node: more is bad */
  double failure_ratio; /* of joins; likewise */
  guint min_joins;      /* below, a ratio says nothing */
  guint max_restarts;   /* so many are bad */
  double times_others;  /* drops and failures: so many times what others have */
  gint64 backoff_us, backoff_max_us; /* doubled each time in a row */
} ScalingTrial;

typedef struct
{
  char name[SCALING_NAME_MAX_CHARS + 1];
  char service[SCALING_NAME_MAX_CHARS + 1];
  char tree_id[CLUSTER_NAME_MAX_CHARS + 1]; /* "" = any */
  gboolean is_enabled; /* of actions; decisions are made anyway */
  guint min_replicas, max_replicas;
  guint scale_up_by, scale_down_by; /* replicas: of a floor; of a step down */
  guint max_step;                   /* subtrees a decision adds at most */
  gint64 cooldown_up_us;            /* between two floors of thresholds */
  gint64 cooldown_down_us; /* after growth, before anything is given back */
  gint64 evaluation_us;
  gint64 down_window_us; /* the highest recommendation of it counts */
  gint64 settle_us;      /* after a failure or a move, before anything is given
                          * back */
  double headroom_ratio; /* slots above need */
  guint n_spare;         /* subtrees above that */

  guint n_metrics, n_thresholds, n_schedules;
  ScalingMetric metrics[SCALING_MAX_METRICS];
  ScalingThreshold thresholds[SCALING_MAX_THRESHOLDS];
  ScalingSchedule schedules[SCALING_MAX_SCHEDULES];

  /* of the whole text, the same in each policy */
  guint n_max_nodes; /* hardLimit: of all trees together */
  ScalingApproval approval;
  guint egress_per_subtree, slots_per_egress; /* as guessed, until known */
  guint n_warm, n_cold, n_warm_egress;        /* pools of slots */
  guint n_max_warm;                  /* that fast growth makes of n_warm */
  gint64 warm_lead_us, cold_lead_us; /* as guessed, until known */
  ScalingTrial trial;
} ScalingPolicy;

typedef struct
{
  guint n_policies;
  ScalingPolicy policies[SCALING_MAX_POLICIES];
  JsonNode *json; /* owned: the text as it was, for the API; read only */
} ScalingPolicies;

/* scaling_policies_parse: @text need not end with a NUL.
 * Returns: (transfer full) (nullable): %NULL: SCALING_POLICY_ERROR */
ScalingPolicies *scaling_policies_parse (const char *text, gsize n_bytes,
                                         GError **error);
/* scaling_policies_new_default: (transfer full): scaling/policies.json */
ScalingPolicies *scaling_policies_new_default (void);
void scaling_policies_free (ScalingPolicies *self);

/* scaling_policies_find: (transfer none) (nullable): the policy of @service
 * ("egress") for @tree_id: the one that names the tree, else the first that
 * names none */
const ScalingPolicy *scaling_policies_find (const ScalingPolicies *self,
                                            const char *service,
                                            const char *tree_id);

/* scaling_schedule_is_on: at @wall_s */
gboolean scaling_schedule_is_on (const ScalingSchedule *self, gint64 wall_s);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingPolicies, scaling_policies_free)
