/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/decide's own parts: history.c sees, thresholds.c judges, decide.c
 * concludes. */
#pragma once

#include "scaling/decide.h"

#define SCALING_ERROR_WINDOW_US (60 * G_USEC_PER_SEC)
#define SCALING_MIN_ATTEMPTS 20 /* below, an error rate says nothing */

/* What a snapshot means together with what was before. */
typedef struct
{
  gboolean has_fresh;     /* somebody was heard */
  gboolean is_new_sample; /* not the second look at the same moment */
  double n_viewers, n_asking, n_waiting;
  double n_demand;      /* viewers + asking */
  double slope;         /* of demand, a second; may be negative */
  double peak;          /* of demand, 10 min */
  double one_way_ratio; /* how far growth above the peak is to be believed */
  guint n_egress;       /* that may take viewers */
  guint n_slots, n_static_slots;
  double slots_per_subtree;
  double fresh_ratio, confidence;
} ScalingView;

/* scaling_history_observe: @history learns of @snapshot */
void scaling_history_observe (ScalingHistory *history,
                              const ScalingPolicy *policy,
                              const ScalingSnapshot *snapshot,
                              ScalingView *ret);
/* scaling_history_want: @n_wanted is recommended now */
void scaling_history_want (ScalingHistory *history, guint n_wanted);
/* the highest recommendation of the last @window_us */
guint scaling_history_get_wanted (const ScalingHistory *history,
                                  gint64 window_us);
/* scaling_history_get_growth: viewers a second; as fast as demand grew in one
 * of a hundred periods of the last hour */
double scaling_history_get_growth (const ScalingHistory *history);
/* scaling_history_get_error_rate: % of the last minute's joins */
ScalingReading scaling_history_get_error_rate (const ScalingHistory *history,
                                               gint64 now_us);
guint64 scaling_history_hash (guint64 hash, gconstpointer bytes, gsize n_bytes);

typedef struct
{
  guint score_up, score_down;
  gboolean is_crossed;                       /* one has been for its time */
  guint crossed;                             /* the most urgent of these */
  ScalingUrgency urgency;                    /* its */
  gboolean may_give_back;                    /* each required one says so */
  guint blocking;                            /* else: the first that does not */
  ScalingReading readings[SCALING_SIGNAL_N]; /* of each signal the first */
} ScalingVerdict;

/* scaling_thresholds_judge: brings the states in @history up to date */
void scaling_thresholds_judge (ScalingHistory *history,
                               const ScalingPolicy *policy,
                               const ScalingSnapshot *snapshot,
                               const ScalingView *view, ScalingVerdict *ret);
