/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scaling/decide: how many subtrees a tree should have, and why. A pure
 * function of policy, snapshot and history: no I/O, no clock, no randomness;
 * the same code in the program, in tests/sim and in `ctl simulate`.
 *
 *   demand   viewers (a silent node's last number counts for 60 s) + those who
 *            were refused and will ask again + growth until what is started
 *            now serves: slope of 8 s and of 30 s by least squares, the
 *            larger, times lead (p95 of provisioning + 2 loops). Growth above
 *            the highest load of 10 min counts as far as the load has been
 *            going one way, so that waves do not add up.
 *   n        demand + headroom in slots, less those of nodes that nobody
 *            starts, in subtrees, rounded up, + spare; at least the minimum,
 *            what a schedule says, and what a threshold says that has been
 *            crossed for its time (a subtree more than serves, once a
 *            cooldown).
 *   out      at once, by at most max_step.
 *   warm     the policy's slots, and as many as take those who come while one
 *            is started cold, when it grows as fast as it did in one of a
 *            hundred spans of 10 s of the last hour; at most maxWarm, and what
 *            the maximum leaves.
 *   in       to the highest recommendation of the window (300 s; longer after
 *            a regret: growth within 15 min of giving back), a tenth or one
 *            each 30 s, scale_down_by at most; never within cooldown_down of
 *            growth, 60 s of a disturbance, with less than 90 % of the nodes
 *            heard, with confidence below 0.6, unless each required threshold
 *            says so, nor while the history is shorter than the window.
 *
 * What is not known never counts as no load: silent nodes keep n up.
 * Who decides: call it each second with the same history, also when nothing
 * may be done: history is how trends are seen. Twice with the same snapshot
 * says the same. A new leader begins with an empty history.
 * Thread: main. Cost: below 50 µs for 300 nodes.
 */
#pragma once

#include "scaling/policy.h"

#define SCALING_CONFIDENCE_MIN 0.6
#define SCALING_FRESH_RATIO_MIN 0.9
#define SCALING_HISTORY_N_SAMPLES 64  /* of about 1 s */
#define SCALING_HISTORY_N_PERIODS 360 /* of 10 s: an hour */
#define SCALING_HISTORY_N_POINTS 64   /* of a window of percentage_change */

/* A node as it was last heard; counters that go on over restarts. */
typedef struct
{
  guint64 id, boot;           /* hashes */
  gint64 heard_us, listed_us; /* last; listed: in a snapshot at all */
  guint64 n_joins, n_refused, n_failures, n_send_drops; /* as it said them */
  double drops_per_s;
  guint n_viewers, n_waiting, n_slots, subtree;
  gboolean is_draining, is_warm, is_egress;
} ScalingSeen;

typedef struct
{
  gint64 at_us;
  double n_demand, n_asking; /* viewers + who will ask again; these */
  guint64 n_joins, n_refused, n_failures; /* sums over all nodes and lives */
} ScalingSample;

typedef struct
{
  gboolean is_known, is_over, is_under;
  gint64 known_us, over_us, under_us; /* last, and since when, where it is */
  guint recent;                       /* bit i: over i samples ago */
  guint n_points;
  gint64 points_us[SCALING_HISTORY_N_POINTS];
  double points[SCALING_HISTORY_N_POINTS];
} ScalingThresholdState;

/* What was before: a plain value, all zeros when new. About 350 KiB: on the
 * heap. Fields are decide's own. */
typedef struct
{
  gboolean has_begun;
  gint64 begun_us, evaluated_us;
  guint64 rules; /* hash of the thresholds that the states below are of */
  guint n_seen;
  ScalingSeen seen[CLUSTER_MAX_NODES];
  double n_viewers; /* as estimated last */
  guint64 n_joins, n_refused, n_failures;

  guint64 n_samples; /* ever; ring */
  ScalingSample samples[SCALING_HISTORY_N_SAMPLES];
  gint64 period; /* the newest */
  guint n_periods;
  double peaks[SCALING_HISTORY_N_PERIODS];   /* highest demand */
  double lasts[SCALING_HISTORY_N_PERIODS];   /* newest demand */
  guint32 wanted[SCALING_HISTORY_N_PERIODS]; /* highest recommendation */

  ScalingThresholdState thresholds[SCALING_MAX_THRESHOLDS];
  guint n_floor;   /* of thresholds, until floor_us + cooldown */
  gint64 floor_us; /* when one was last crossed; -1 */
  ScalingUrgency floor_urgency;
  guint floor_threshold;

  guint n_desired;      /* as the store had it last */
  gint64 out_us, in_us; /* when that changed; -1 */
  gint64 regret_us;
  gint64 hold_us; /* down_window, longer after regrets */
  double slots_per_egress;
} ScalingHistory;

/* scaling_decide:
 * @history: (inout): of this tree and policy; zeros when new
 * @ret: (out): filled whole */
void scaling_decide (const ScalingPolicy *policy,
                     const ScalingSnapshot *snapshot, ScalingHistory *history,
                     ScalingDecision *ret);

/* scaling_decide_bounds: minimum and maximum in subtrees, schedules included:
 * what the store's guard (mt_desire) is to hold. @ret_max is never below
 * @ret_min, save where the hard limit is. */
void scaling_decide_bounds (const ScalingPolicy *policy,
                            const ScalingSnapshot *snapshot, guint *ret_min,
                            guint *ret_max);
