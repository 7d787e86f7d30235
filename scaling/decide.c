/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/decide: see decide.h. */
#include "scaling/decide.h"

#include <math.h>
#include <string.h>

#include "scaling/decide-private.h"

#define SECOND_US ((gint64)G_USEC_PER_SEC)
#define N_LOOPS_OF_LEAD 2
#define STEP_DOWN_RATIO 0.1
#define STEP_DOWN_US (30 * SECOND_US)
/* Growth so soon after giving back: that was wrong, the next waits longer. */
#define REGRET_US (15 * 60 * SECOND_US)
#define HOLD_MAX_US (3600 * SECOND_US)
#define EVALUATION_SLACK_US (SECOND_US / 4)

/* --- bounds ------------------------------------------------------------- */

static guint
to_subtrees (const ScalingPolicy *policy, guint n_replicas)
{
  return (n_replicas + policy->egress_per_subtree - 1)
         / policy->egress_per_subtree;
}

static guint
less (guint a, guint b)
{
  return a > b ? a - b : 0;
}

void
scaling_decide_bounds (const ScalingPolicy *policy,
                       const ScalingSnapshot *snapshot, guint *ret_min,
                       guint *ret_max)
{
  guint n_static = 0, n_static_egress = 0, n_min = policy->min_replicas, n_hard;

  for (guint i = 0; i < snapshot->n_nodes; i++)
    {
      const ScalingNode *node = &snapshot->nodes[i];

      if (node->subtree > 0)
        continue;
      n_static++;
      if ((node->roles & CLUSTER_ROLE_EGRESS) != 0 && !node->is_draining)
        n_static_egress++;
    }
  for (guint i = 0; i < policy->n_schedules; i++)
    {
      const ScalingSchedule *schedule = &policy->schedules[i];

      if ((schedule->tree_id[0] == '\0'
           || g_str_equal (schedule->tree_id, snapshot->tree_id))
          && scaling_schedule_is_on (schedule, snapshot->now_wall_s))
        n_min = MAX (n_min, schedule->min_replicas);
    }
  n_hard = less (policy->n_max_nodes, snapshot->n_nodes_elsewhere + n_static)
           / (policy->egress_per_subtree + 1);
  *ret_min = to_subtrees (policy, less (n_min, n_static_egress));
  *ret_max = to_subtrees (policy, less (policy->max_replicas, n_static_egress));
  *ret_max = MIN (MAX (*ret_max, *ret_min), n_hard);
  *ret_min = MIN (*ret_min, *ret_max);
}

/* --- what demand asks for ----------------------------------------------- */

typedef struct
{
  ScalingView view;
  ScalingVerdict verdict;
  gint64 lead_us;
  double need;                  /* viewers to have room for */
  guint n_demand;               /* subtrees for them */
  gboolean has_floor;           /* a threshold's, that holds now */
  guint n_min, n_max, n_wanted; /* recommended, before speed limits */
} Case;

static guint
count_for (const ScalingPolicy *policy, Case *self, gint64 lead_us)
{
  const ScalingView *view = &self->view;
  double growth = MAX (0, view->slope) * (double)lead_us / SECOND_US;
  double known = MAX (0, view->peak - view->n_demand);
  double slots, n;

  if (growth > known)
    growth = known + (growth - known) * view->one_way_ratio;
  self->lead_us = lead_us;
  self->need = view->n_demand + growth;
  slots = (1 + policy->headroom_ratio) * self->need - view->n_static_slots;
  if (slots <= 0)
    return 0;
  n = ceil (slots / MAX (1, view->slots_per_subtree)) + policy->n_spare;
  return (guint)MIN (n, SCALING_MAX_REPLICAS);
}

/* The lead depends on where the subtrees would come from, and how many come
 * depends on the lead. */
static void
find_demand (const ScalingPolicy *policy, const ScalingSnapshot *snapshot,
             Case *self)
{
  gint64 warm_us = snapshot->warm_lead_us > 0 ? snapshot->warm_lead_us
                                              : policy->warm_lead_us;
  gint64 cold_us = snapshot->cold_lead_us > 0 ? snapshot->cold_lead_us
                                              : policy->cold_lead_us;
  gint64 loops_us = N_LOOPS_OF_LEAD * policy->evaluation_us;
  guint n_have =
      MAX (snapshot->n_desired, snapshot->n_serving + snapshot->n_starting);

  self->n_demand = count_for (policy, self, warm_us + loops_us);
  if (self->n_demand > n_have + snapshot->n_warm)
    self->n_demand =
        count_for (policy, self, MAX (warm_us, cold_us) + loops_us);
}

/* --- what is kept warm -----------------------------------------------------
 */

/* count_warm: what joins while another subtree is started cold, when it grows
 * as fast as it did, is to find warm slots. Those that nothing could be made of
 * any more are not made; and none is given back before the past is known. */
static guint
count_warm (const ScalingPolicy *policy, const ScalingSnapshot *snapshot,
            const ScalingHistory *history, const Case *self)
{
  gint64 lead_us = snapshot->cold_lead_us > 0 ? snapshot->cold_lead_us
                                              : policy->cold_lead_us;
  double n_viewers =
      scaling_history_get_growth (history)
      * (double)(lead_us + N_LOOPS_OF_LEAD * policy->evaluation_us) / SECOND_US;
  double more = floor (n_viewers / MAX (1, self->view.slots_per_subtree));
  guint most =
      MIN (policy->n_max_warm,
           less (self->n_max, MAX (self->n_wanted, snapshot->n_desired)));
  guint n;

  if (policy->n_warm == 0)
    return 0;
  n = policy->n_warm + (guint)MIN (more, SCALING_MAX_REPLICAS);
  if (snapshot->now_us - history->begun_us < policy->down_window_us)
    n = MAX (n, snapshot->n_warm);
  return MAX (MIN (n, most), policy->n_warm);
}

/* --- floors of thresholds ----------------------------------------------- */

static guint
find_floor (const ScalingPolicy *policy, const ScalingSnapshot *snapshot,
            ScalingHistory *history, Case *self)
{
  gint64 now_us = snapshot->now_us;
  gboolean is_cooling = history->floor_us >= 0
                        && now_us - history->floor_us < policy->cooldown_up_us;

  if (self->verdict.is_crossed && !is_cooling)
    {
      history->n_floor =
          snapshot->n_serving + to_subtrees (policy, policy->scale_up_by);
      history->floor_us = now_us;
      history->floor_urgency = self->verdict.urgency;
      history->floor_threshold = self->verdict.crossed;
    }
  self->has_floor =
      history->floor_us >= 0 && (is_cooling || history->floor_us == now_us);
  return self->has_floor ? history->n_floor : 0;
}

/* --- speed -------------------------------------------------------------- */

/* observe_desired: when it last grew and shrank, whoever did it */
static void
observe_desired (const ScalingPolicy *policy, const ScalingSnapshot *snapshot,
                 ScalingHistory *history)
{
  gint64 now_us = snapshot->now_us;

  if (snapshot->n_desired > history->n_desired)
    {
      history->out_us = now_us;
      if (history->in_us >= 0 && now_us - history->in_us < REGRET_US)
        {
          history->hold_us = MIN (2 * history->hold_us, HOLD_MAX_US);
          history->regret_us = now_us;
          history->in_us = -1; /* once */
        }
    }
  else if (snapshot->n_desired < history->n_desired)
    history->in_us = now_us;
  history->n_desired = snapshot->n_desired;
  if (history->regret_us >= 0 && now_us - history->regret_us > HOLD_MAX_US)
    {
      history->regret_us = -1;
      history->hold_us = policy->down_window_us;
    }
  history->hold_us = MAX (history->hold_us, policy->down_window_us);
}

static gboolean
is_within (gint64 now_us, gint64 then_us, gint64 span_us)
{
  return then_us >= 0 && now_us - then_us < span_us;
}

/* find_obstacle: (nullable): why nothing can be given back now, in words
 * @is_forced: the maximum is below what there is: only safety counts */
static const char *
find_obstacle (const ScalingPolicy *policy, const ScalingSnapshot *snapshot,
               const ScalingHistory *history, const Case *self,
               gboolean is_forced, char text[SCALING_REASON_MAX_CHARS])
{
  gint64 now_us = snapshot->now_us;

  if (snapshot->disturbed_us > G_MININT64
      && now_us - snapshot->disturbed_us < policy->settle_us)
    {
      g_snprintf (text, SCALING_REASON_MAX_CHARS,
                  "something failed or moved less than %g s ago",
                  (double)policy->settle_us / SECOND_US);
      return text;
    }
  if (is_within (now_us, history->in_us, STEP_DOWN_US))
    return "the last was given back less than 30 s ago";
  if (self->view.fresh_ratio < SCALING_FRESH_RATIO_MIN)
    return "less than 90 % of the nodes are heard";
  if (is_forced)
    return NULL;
  if (is_within (now_us, history->out_us, policy->cooldown_down_us))
    return "it grew within the cooldown";
  if (now_us - history->begun_us < policy->down_window_us)
    return "it is not watched long enough";
  if (self->view.confidence < SCALING_CONFIDENCE_MIN)
    return "confidence is below 0.6";
  if (self->verdict.may_give_back)
    return NULL;
  const ScalingThreshold *threshold =
      &policy->thresholds[self->verdict.blocking];
  g_snprintf (text, SCALING_REASON_MAX_CHARS, "%s is not %s %g",
              policy->metrics[threshold->metric].name,
              threshold->comparison == SCALING_LESS_THAN ? "above" : "below",
              threshold->scale_down);
  return text;
}

static guint
step_down (const ScalingPolicy *policy, guint n_desired, guint n_target)
{
  guint step = (guint)MAX (1, floor (STEP_DOWN_RATIO * n_desired));

  step = MIN (step, to_subtrees (policy, policy->scale_down_by));
  return n_desired - MIN (step, n_desired - n_target);
}

/* --- words -------------------------------------------------------------- */

static void say (ScalingDecision *decision, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

static void
say (ScalingDecision *decision, const char *format, ...)
{
  gsize length = strlen (decision->reason);
  va_list arguments;

  va_start (arguments, format);
  g_vsnprintf (decision->reason + length, sizeof decision->reason - length,
               format, arguments);
  va_end (arguments);
}

static void
say_demand (const Case *self, ScalingDecision *decision)
{
  say (decision, "%.0f viewers", self->view.n_viewers);
  if (self->view.n_asking >= 1)
    say (decision, ", %.0f refused", self->view.n_asking);
  if (fabs (self->view.slope) >= 0.5)
    say (decision, ", %+.0f/s", self->view.slope);
  say (decision, ": room for %.0f in %.0f s; %u slots", self->need,
       (double)self->lead_us / SECOND_US, self->view.n_slots);
}

static void
say_growth (const ScalingPolicy *policy, const ScalingHistory *history,
            const Case *self, ScalingDecision *decision)
{
  const ScalingThreshold *threshold = &policy->thresholds[MIN (
      history->floor_threshold, SCALING_MAX_THRESHOLDS - 1)];

  if (self->has_floor && history->n_floor >= MAX (self->n_demand, self->n_min)
      && history->floor_threshold < policy->n_thresholds)
    say (decision, "%s was %s %g; ", policy->metrics[threshold->metric].name,
         threshold->comparison == SCALING_LESS_THAN ? "below" : "above",
         threshold->scale_up);
  else if (self->n_min > self->n_demand)
    say (decision, "the minimum is %u; ", self->n_min);
  else if (self->n_wanted < self->n_demand)
    say (decision, "the maximum is %u; ", self->n_max);
  say_demand (self, decision);
}

/* --- the decision ------------------------------------------------------- */

static void
decide_out (const ScalingPolicy *policy, const ScalingHistory *history,
            const Case *self, guint n_desired, ScalingDecision *ret)
{
  ret->action = SCALING_OUT;
  ret->urgency = SCALING_URGENCY_NORMAL;
  ret->n_wanted = MIN (self->n_wanted, n_desired + policy->max_step);
  if (self->has_floor && history->n_floor > n_desired)
    ret->urgency = MAX (ret->urgency, history->floor_urgency);
  ret->is_floor =
      self->has_floor && history->n_floor >= MAX (self->n_demand, self->n_min);
  say (ret, "out %u to %u: ", n_desired, ret->n_wanted);
  say_growth (policy, history, self, ret);
}

static void
decide_in (const ScalingPolicy *policy, const ScalingSnapshot *snapshot,
           const ScalingHistory *history, const Case *self,
           ScalingDecision *ret)
{
  guint n_desired = snapshot->n_desired;
  guint n_target = scaling_history_get_wanted (history, history->hold_us);
  gboolean is_forced = n_desired > self->n_max;
  char text[SCALING_REASON_MAX_CHARS];
  const char *obstacle;

  /* a maximum that was lowered is obeyed whatever was wanted before */
  n_target = CLAMP (n_target, self->n_min, self->n_max);
  if (n_target >= n_desired)
    {
      say (ret, "hold %u: as many were wanted within %d s; ", n_desired,
           (int)(history->hold_us / SECOND_US));
      say_demand (self, ret);
      return;
    }
  obstacle = find_obstacle (policy, snapshot, history, self, is_forced, text);
  if (obstacle != NULL)
    {
      say (ret, "hold %u: %u would do, but %s; ", n_desired, n_target,
           obstacle);
      say_demand (self, ret);
      return;
    }
  ret->action = SCALING_IN;
  ret->urgency = SCALING_URGENCY_LOW;
  ret->n_wanted = step_down (policy, n_desired, n_target);
  say (ret, "in %u to %u: ", n_desired, ret->n_wanted);
  if (is_forced)
    say (ret, "the maximum is %u; ", self->n_max);
  say_demand (self, ret);
}

static void
begin (const ScalingPolicy *policy, const ScalingSnapshot *snapshot,
       ScalingHistory *history)
{
  history->has_begun = TRUE;
  history->begun_us = snapshot->now_us;
  history->evaluated_us = snapshot->now_us - policy->evaluation_us;
  history->n_desired = snapshot->n_desired;
  history->floor_us = history->out_us = history->in_us = -1;
  history->regret_us = -1;
}

static gboolean
is_due (const ScalingPolicy *policy, const ScalingHistory *history,
        gint64 now_us)
{
  return now_us == history->evaluated_us
         || now_us - history->evaluated_us + EVALUATION_SLACK_US
                >= policy->evaluation_us;
}

static gboolean
needs_approval (const ScalingPolicy *policy, const ScalingDecision *decision)
{
  if (decision->action == SCALING_HOLD)
    return FALSE;
  return policy->approval == SCALING_APPROVAL_MANUAL
         || (policy->approval == SCALING_APPROVAL_LOW_CONFIDENCE
             && decision->confidence < SCALING_CONFIDENCE_MIN);
}

static void
fill (const Case *self, guint n_desired, ScalingDecision *ret)
{
  *ret = (ScalingDecision){ .n_wanted = n_desired };
  ret->confidence = self->view.confidence;
  ret->score_up = self->verdict.score_up;
  ret->score_down =
      MIN (self->verdict.score_down + (n_desired > self->n_min ? 1 : 0),
           SCALING_SCORE_DOWN_MAX);
  ret->need = self->need;
  ret->joins_per_s = self->view.slope;
  ret->n_slots_total = self->view.n_slots;
  memcpy (ret->readings, self->verdict.readings, sizeof ret->readings);
}

void
scaling_decide (const ScalingPolicy *policy, const ScalingSnapshot *snapshot,
                ScalingHistory *history, ScalingDecision *ret)
{
  guint n_desired = snapshot->n_desired, n_floor;
  Case self = { 0 };

  if (!history->has_begun)
    begin (policy, snapshot, history);
  observe_desired (policy, snapshot, history);
  scaling_history_observe (history, policy, snapshot, &self.view);
  scaling_thresholds_judge (history, policy, snapshot, &self.view,
                            &self.verdict);
  scaling_decide_bounds (policy, snapshot, &self.n_min, &self.n_max);
  find_demand (policy, snapshot, &self);
  n_floor = find_floor (policy, snapshot, history, &self);
  self.n_wanted = CLAMP (MAX (self.n_demand, n_floor), self.n_min, self.n_max);
  scaling_history_want (history, self.n_wanted);
  fill (&self, n_desired, ret);
  ret->n_warm = count_warm (policy, snapshot, history, &self);

  if (!is_due (policy, history, snapshot->now_us))
    {
      say (ret, "hold %u: not evaluated yet; ", n_desired);
      say_demand (&self, ret);
      return;
    }
  history->evaluated_us = snapshot->now_us;
  if (self.n_wanted > n_desired)
    decide_out (policy, history, &self, n_desired, ret);
  else if (self.n_wanted < n_desired)
    decide_in (policy, snapshot, history, &self, ret);
  else
    {
      say (ret, "hold %u: ", n_desired);
      say_growth (policy, history, &self, ret);
    }
  ret->needs_approval = needs_approval (policy, ret);
}
