/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/decide: which thresholds are crossed, and for how long. */
#include <math.h>
#include <string.h>

#include "scaling/decide-private.h"

#define SECOND_US ((gint64)G_USEC_PER_SEC)
/* a metric may be away so long before what it said is forgotten */
#define UNKNOWN_KEPT_US (10 * SECOND_US)
#define N_RECENT 5 /* samples, of which so many are over: */
#define N_RECENT_OVER 3

/* --- readings ----------------------------------------------------------- */

static void
swap (double *a, double *b)
{
  double kept = *a;

  *a = *b;
  *b = kept;
}

/* select_rank: Hoare's: the value that sorting would put at @rank */
static double
select_rank (double *values, guint n, guint rank)
{
  guint low = 0, high = n - 1;

  while (low < high)
    {
      double pivot = values[low + (high - low) / 2];
      guint i = low, k = high;

      while (i <= k)
        {
          while (values[i] < pivot)
            i++;
          while (values[k] > pivot)
            k--;
          if (i <= k)
            {
              swap (&values[i++], &values[k]);
              if (k == 0)
                break;
              k--;
            }
        }
      if (rank <= k)
        high = k;
      else if (rank >= i)
        low = i;
      else
        break;
    }
  return values[rank];
}

static ScalingReading
aggregate (double *values, guint n, ScalingAggregation aggregation)
{
  double sum = 0, min = HUGE_VAL, max = -HUGE_VAL;

  if (n == 0)
    return (ScalingReading){ 0 };
  for (guint i = 0; i < n; i++)
    {
      sum += values[i];
      min = MIN (min, values[i]);
      max = MAX (max, values[i]);
    }
  switch (aggregation)
    {
    case SCALING_AVERAGE:
      return (ScalingReading){ TRUE, sum / n };
    case SCALING_MAX:
      return (ScalingReading){ TRUE, max };
    case SCALING_MIN:
      return (ScalingReading){ TRUE, min };
    case SCALING_SUM:
      return (ScalingReading){ TRUE, sum };
    case SCALING_P95:
      return (ScalingReading){ TRUE, select_rank (values, n,
                                                  (guint)ceil (0.95 * n) - 1) };
    }
  return (ScalingReading){ 0 };
}

static double
get_node_value (const ScalingNode *node, ScalingSignal signal)
{
  if (signal == SCALING_SIGNAL_CPU)
    return 100 * node->cpu_ratio;
  if (signal == SCALING_SIGNAL_MEMORY)
    return 100 * node->mem_ratio;
  return 100 * node->ports_ratio;
}

static ScalingReading
read_nodes (const ScalingSnapshot *snapshot, const ScalingMetric *metric)
{
  double values[CLUSTER_MAX_NODES];
  guint n = 0;

  for (guint i = 0; i < snapshot->n_nodes && n < G_N_ELEMENTS (values); i++)
    {
      const ScalingNode *node = &snapshot->nodes[i];
      double value = get_node_value (node, metric->signal);

      /* more subtrees help relays and egress nodes only */
      if (node->is_fresh && !node->is_warm && !node->is_draining
          && (node->roles & (CLUSTER_ROLE_EGRESS | CLUSTER_ROLE_RELAY)) != 0
          && value >= 0)
        values[n++] = value;
    }
  return aggregate (values, n, metric->aggregation);
}

static ScalingReading
read_drops (const ScalingHistory *history, gint64 now_us,
            ScalingAggregation aggregation)
{
  double values[CLUSTER_MAX_NODES];
  guint n = 0;

  for (guint i = 0; i < history->n_seen; i++)
    if (history->seen[i].heard_us == now_us && !history->seen[i].is_warm)
      values[n++] = history->seen[i].drops_per_s;
  return aggregate (values, n, aggregation);
}

static ScalingReading
read_metric (const ScalingHistory *history, const ScalingMetric *metric,
             const ScalingSnapshot *snapshot, const ScalingView *view)
{
  ScalingReading reading = { view->has_fresh, 0 };

  if (metric->source == SCALING_SOURCE_PROMETHEUS)
    return snapshot->external[metric->signal];
  switch (metric->signal)
    {
    case SCALING_SIGNAL_CPU:
    case SCALING_SIGNAL_MEMORY:
    case SCALING_SIGNAL_PORTS:
      return read_nodes (snapshot, metric);
    case SCALING_SIGNAL_DROPS:
      return read_drops (history, snapshot->now_us, metric->aggregation);
    case SCALING_SIGNAL_QUEUE:
      reading.value = view->n_waiting + view->n_asking;
      return reading;
    case SCALING_SIGNAL_JOIN_TIME:
      reading.is_known = snapshot->join_p95_us >= 0;
      reading.value = (double)snapshot->join_p95_us / SECOND_US;
      return reading;
    case SCALING_SIGNAL_ERROR_RATE:
      return scaling_history_get_error_rate (history, snapshot->now_us);
    case SCALING_SIGNAL_VIEWERS:
      reading.value = view->n_viewers;
      return reading;
    case SCALING_SIGNAL_JOINS:
      reading.value = view->slope;
      return reading;
    case SCALING_SIGNAL_UTILIZATION:
      reading.is_known = view->has_fresh && view->n_slots > 0;
      reading.value = 100 * view->n_viewers / MAX (view->n_slots, 1);
      return reading;
    case SCALING_SIGNAL_N:
      break;
    }
  return (ScalingReading){ 0 };
}

/* --- percentage_change -------------------------------------------------- */

/* change_since: keeps @reading, and what it is in percent against one window
 * ago; unknown until there is such a one */
static ScalingReading
change_since (ScalingThresholdState *state, ScalingReading reading,
              gint64 window_us, gint64 now_us)
{
  gint64 step_us = MAX (window_us / (SCALING_HISTORY_N_POINTS - 2), SECOND_US);
  double before;

  if (!reading.is_known)
    return reading;
  if (state->n_points == 0
      || now_us - state->points_us[state->n_points - 1] >= step_us)
    {
      if (state->n_points == SCALING_HISTORY_N_POINTS)
        {
          state->n_points--;
          memmove (state->points, state->points + 1,
                   state->n_points * sizeof state->points[0]);
          memmove (state->points_us, state->points_us + 1,
                   state->n_points * sizeof state->points_us[0]);
        }
      state->points_us[state->n_points++] = now_us;
    }
  state->points[state->n_points - 1] = reading.value;
  if (now_us - state->points_us[0] < window_us)
    return (ScalingReading){ 0 };
  before = state->points[0];
  for (guint i = 1; i < state->n_points; i++)
    if (now_us - state->points_us[i] >= window_us)
      before = state->points[i];
  if (before == 0)
    return (ScalingReading){ 0 };
  return (ScalingReading){ TRUE,
                           100 * (reading.value - before) / fabs (before) };
}

/* --- states ------------------------------------------------------------- */

static gboolean
is_beyond (const ScalingThreshold *threshold, double value, gboolean is_up)
{
  double limit = is_up ? threshold->scale_up : threshold->scale_down;
  gboolean is_above = is_up ? threshold->comparison != SCALING_LESS_THAN
                            : threshold->comparison == SCALING_LESS_THAN;

  if (is_up ? !threshold->has_up : !threshold->has_down)
    return FALSE;
  return is_above ? value > limit : value < limit;
}

static void
set_since (gboolean is_now, gint64 now_us, gboolean *was, gint64 *since_us)
{
  if (is_now && !*was)
    *since_us = now_us;
  *was = is_now;
}

static void
update_state (ScalingThresholdState *state, const ScalingThreshold *threshold,
              ScalingReading reading, gboolean is_new_sample, gint64 now_us)
{
  if (!reading.is_known)
    {
      if (now_us - state->known_us > UNKNOWN_KEPT_US)
        {
          state->is_known = state->is_over = state->is_under = FALSE;
          state->recent = 0;
        }
      return;
    }
  state->is_known = TRUE;
  state->known_us = now_us;
  set_since (is_beyond (threshold, reading.value, TRUE), now_us,
             &state->is_over, &state->over_us);
  set_since (is_beyond (threshold, reading.value, FALSE), now_us,
             &state->is_under, &state->under_us);
  if (is_new_sample)
    state->recent <<= 1;
  state->recent = (state->recent & ~1u) | (state->is_over ? 1 : 0);
}

static gboolean
is_crossed (const ScalingThresholdState *state,
            const ScalingThreshold *threshold, const ScalingMetric *metric,
            gint64 now_us)
{
  guint n_over = 0;

  if (metric->window_us > 0
      && threshold->comparison != SCALING_PERCENTAGE_CHANGE)
    return state->is_over && now_us - state->over_us >= metric->window_us;
  for (guint i = 0; i < N_RECENT; i++)
    n_over += state->recent >> i & 1;
  return n_over >= N_RECENT_OVER;
}

static ScalingUrgency
get_urgency (ScalingSignal signal)
{
  switch (signal)
    {
    case SCALING_SIGNAL_PORTS:
      return SCALING_URGENCY_CRITICAL;
    case SCALING_SIGNAL_CPU:
    case SCALING_SIGNAL_MEMORY:
    case SCALING_SIGNAL_DROPS:
    case SCALING_SIGNAL_ERROR_RATE:
      return SCALING_URGENCY_HIGH;
    case SCALING_SIGNAL_QUEUE:
    case SCALING_SIGNAL_JOIN_TIME:
    case SCALING_SIGNAL_VIEWERS:
    case SCALING_SIGNAL_JOINS:
    case SCALING_SIGNAL_UTILIZATION:
    case SCALING_SIGNAL_N:
      break;
    }
  return SCALING_URGENCY_NORMAL;
}

/* forget_other_rules: what was seen of other thresholds says nothing */
static void
forget_other_rules (ScalingHistory *history, const ScalingPolicy *policy)
{
  guint64 rules = scaling_history_hash (
      0, policy->metrics, policy->n_metrics * sizeof policy->metrics[0]);

  rules = scaling_history_hash (rules, policy->thresholds,
                                policy->n_thresholds
                                    * sizeof policy->thresholds[0]);
  if (history->rules == rules)
    return;
  history->rules = rules;
  memset (history->thresholds, 0, sizeof history->thresholds);
}

static void
judge_one (const ScalingPolicy *policy, const ScalingThresholdState *state,
           guint index, gint64 now_us, ScalingVerdict *verdict)
{
  const ScalingThreshold *threshold = &policy->thresholds[index];
  const ScalingMetric *metric = &policy->metrics[threshold->metric];
  ScalingUrgency urgency = get_urgency (metric->signal);

  if (is_crossed (state, threshold, metric, now_us))
    {
      verdict->score_up += metric->weight;
      if (!verdict->is_crossed || urgency > verdict->urgency)
        {
          verdict->crossed = index;
          verdict->urgency = urgency;
        }
      verdict->is_crossed = TRUE;
    }
  if (state->is_under && now_us - state->under_us >= threshold->down_window_us)
    verdict->score_down += threshold->down_weight;
  if (threshold->is_required && !state->is_under && verdict->may_give_back)
    {
      verdict->may_give_back = FALSE;
      verdict->blocking = index;
    }
}

void
scaling_thresholds_judge (ScalingHistory *history, const ScalingPolicy *policy,
                          const ScalingSnapshot *snapshot,
                          const ScalingView *view, ScalingVerdict *ret)
{
  *ret = (ScalingVerdict){ .may_give_back = TRUE };
  forget_other_rules (history, policy);
  for (guint i = 0; i < policy->n_thresholds; i++)
    {
      const ScalingThreshold *threshold = &policy->thresholds[i];
      const ScalingMetric *metric = &policy->metrics[threshold->metric];
      ScalingThresholdState *state = &history->thresholds[i];
      ScalingReading reading = read_metric (history, metric, snapshot, view);

      if (!ret->readings[metric->signal].is_known)
        ret->readings[metric->signal] = reading;
      if (threshold->comparison == SCALING_PERCENTAGE_CHANGE)
        reading =
            change_since (state, reading, metric->window_us, snapshot->now_us);
      update_state (state, threshold, reading, view->is_new_sample,
                    snapshot->now_us);
      judge_one (policy, state, i, snapshot->now_us, ret);
    }
  ret->score_up = MIN (ret->score_up, SCALING_SCORE_UP_MAX);
}
