/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSimulation: see simulate.h. */
#include "scaling/simulate.h"

#include <math.h>
#include <string.h>

#define SECOND_US ((gint64)G_USEC_PER_SEC)
#define RETRY_S 3.0
#define TURNS_WINDOW_S 600
#define MEM_RATIO 0.4
#define PORTS_RATIO 0.1
#define JOIN_US (300 * (gint64)1000)
#define MAX_MOVES 100000

typedef struct
{
  const ScalingPolicy *policy;           /* borrowed */
  const ScalingSimulateOptions *options; /* borrowed */
  ScalingSimulation *result;             /* borrowed */
  ScalingHistory *history;               /* owned */
  ScalingNode *nodes;                    /* owned */
  GArray *ready_s;  /* owned: double: when each that starts will serve */
  GArray *refill_s; /* owned: double: when each warm slot is there again */
  guint n_desired, n_serving, n_leaving, n_warm;
  double n_served, n_outside;
  double n_joins, n_refused, n_leaves; /* since the beginning */
  double slot_s, over_s, under_s, viewer_s, wait_s, short_s;
} World;

static void
world_clear (World *self)
{
  g_free (self->history);
  g_free (self->nodes);
  g_array_unref (self->ready_s);
  g_array_unref (self->refill_s);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (World, world_clear)

ScalingSimulateOptions
scaling_simulate_default (const ScalingPolicy *policy)
{
  return (ScalingSimulateOptions){
    .tree_id = "main",
    .n_warm = policy->n_warm,
    .warm_lead_s = (double)policy->warm_lead_us / SECOND_US,
    .cold_lead_s = (double)policy->cold_lead_us / SECOND_US,
    .cpu_full_ratio = 0.6,
  };
}

static double
subtree_slots (const ScalingPolicy *policy)
{
  return (double)policy->egress_per_subtree * policy->slots_per_egress;
}

/* --- viewers ------------------------------------------------------------ */

static double
get_slots (const World *self)
{
  return self->n_serving * subtree_slots (self->policy);
}

/* leave: @n of those who wanted to watch do not any more */
static void
leave (World *self, double n)
{
  double all = self->n_served + self->n_outside;
  double from_outside = all > 0 ? n * self->n_outside / all : 0;

  self->n_outside = MAX (0, self->n_outside - from_outside);
  self->n_served = MAX (0, self->n_served - (n - from_outside));
  self->n_leaves += n - from_outside;
}

/* ask: @n ask for a slot. Returns: how many get one */
static double
ask (World *self, double n)
{
  double free = MAX (0, get_slots (self) - self->n_served);
  double admitted = MIN (n, free);

  self->n_served += admitted;
  self->n_joins += admitted;
  self->n_refused += n - admitted;
  return admitted;
}

static void
move_viewers (World *self, double n_viewers, double n_churn)
{
  double n_before = self->n_served + self->n_outside, n_asking;

  /* slots that went: their viewers come again */
  if (self->n_served > get_slots (self))
    {
      self->n_outside += self->n_served - get_slots (self);
      self->n_served = get_slots (self);
    }
  n_churn = MIN (n_churn, n_before);
  leave (self, n_churn + MAX (0, n_before - n_viewers));
  n_asking = self->n_outside / RETRY_S;
  self->n_outside -= ask (self, n_asking);
  n_asking = n_churn + MAX (0, n_viewers - n_before);
  self->result->n_arrivals += n_asking;
  self->n_outside += n_asking - ask (self, n_asking);
}

/* --- subtrees ----------------------------------------------------------- */

/* take_due: how many of @times have come; they are removed */
static guint
take_due (GArray *times, double at_s)
{
  guint n_due = 0;

  for (guint i = times->len; i-- > 0;)
    if (g_array_index (times, double, i) <= at_s)
      {
        g_array_remove_index_fast (times, i);
        n_due++;
      }
  return n_due;
}

static void
start_one (World *self, double at_s)
{
  double refilled_s = at_s + self->options->cold_lead_s;
  double ready_s = refilled_s;

  if (self->n_warm > 0)
    {
      self->n_warm--;
      g_array_append_val (self->refill_s, refilled_s);
      ready_s = at_s + self->options->warm_lead_s;
    }
  g_array_append_val (self->ready_s, ready_s);
}

static void
stop_one (World *self)
{
  /* the one that is furthest from serving */
  if (self->ready_s->len > 0)
    {
      guint last = 0;

      for (guint i = 1; i < self->ready_s->len; i++)
        if (g_array_index (self->ready_s, double, i)
            > g_array_index (self->ready_s, double, last))
          last = i;
      g_array_remove_index_fast (self->ready_s, last);
      return;
    }
  self->n_serving--;
  self->n_leaving++;
}

static void
carry_out (World *self, const ScalingDecision *decision, double at_s)
{
  ScalingSimulation *result = self->result;
  ScalingSimulateMove move = { .at_s = at_s,
                               .from = self->n_desired,
                               .to = decision->n_wanted,
                               .urgency = decision->urgency };

  if (decision->action == SCALING_HOLD)
    return;
  for (; self->n_desired < decision->n_wanted; self->n_desired++)
    start_one (self, at_s);
  for (; self->n_desired > decision->n_wanted; self->n_desired--)
    stop_one (self);
  result->n_out += decision->action == SCALING_OUT ? 1 : 0;
  result->n_in += decision->action == SCALING_IN ? 1 : 0;
  result->n_most = MAX (result->n_most, self->n_desired);
  g_strlcpy (move.reason, decision->reason, sizeof move.reason);
  if (result->moves->len < MAX_MOVES)
    g_array_append_val (result->moves, move);
}

/* --- what the leader sees ----------------------------------------------- */

static void
name_node (ScalingNode *node, guint index)
{
  if (node->node_id[0] != '\0')
    return;
  g_snprintf (node->node_id, sizeof node->node_id, "egress-%u", index);
  g_snprintf (node->boot_id, sizeof node->boot_id, "%032x", index);
  node->roles = CLUSTER_ROLE_EGRESS;
  node->is_fresh = TRUE;
}

static void
fill_nodes (World *self)
{
  const ScalingPolicy *policy = self->policy;
  guint n_nodes = self->n_serving * policy->egress_per_subtree;
  guint n_all =
      (self->n_serving + self->n_leaving) * policy->egress_per_subtree;
  double n_viewers = floor (self->n_served);

  for (guint i = 0; i < n_all; i++)
    {
      ScalingNode *node = &self->nodes[i];
      double mine = floor (n_viewers * (i + 1) / MAX (n_nodes, 1))
                    - floor (n_viewers * i / MAX (n_nodes, 1));

      name_node (node, i);
      node->subtree = 1 + i / policy->egress_per_subtree;
      node->is_draining = i >= n_nodes;
      node->n_viewers = i < n_nodes ? (guint)mine : 0;
      node->n_slots = policy->slots_per_egress;
      node->cpu_ratio = self->options->cpu_full_ratio * node->n_viewers
                        / policy->slots_per_egress;
      node->mem_ratio = MEM_RATIO;
      node->ports_ratio = PORTS_RATIO;
    }
  /* who counts does not matter: sums are what is looked at */
  self->nodes[0].n_joins = (guint64)self->n_joins;
  self->nodes[0].n_refused = (guint64)self->n_refused;
  self->nodes[0].n_leaves = (guint64)self->n_leaves;
}

/* keep_warm: as many as the decision asks for, of who simulates more or fewer
 * than the policy has */
static void
keep_warm (World *self, const ScalingDecision *decision, double at_s)
{
  guint n_more =
      decision->n_warm - MIN (self->policy->n_warm, decision->n_warm);
  double refilled_s = at_s + self->options->cold_lead_s;

  while (self->n_warm > self->options->n_warm + n_more)
    self->n_warm--;
  while (self->options->n_warm > 0
         && self->n_warm + self->refill_s->len < self->options->n_warm + n_more)
    g_array_append_val (self->refill_s, refilled_s);
}

static void
decide (World *self, double at_s, gint64 now_us)
{
  const ScalingSimulateOptions *options = self->options;
  ScalingSnapshot snapshot = {
    .now_us = now_us,
    .now_wall_s = options->start_wall_s + (gint64)at_s,
    .n_nodes =
        (self->n_serving + self->n_leaving) * self->policy->egress_per_subtree,
    .nodes = self->nodes,
    .n_desired = self->n_desired,
    .n_serving = self->n_serving,
    .n_starting = self->ready_s->len,
    .n_warm = self->n_warm,
    .warm_lead_us = (gint64)(options->warm_lead_s * SECOND_US),
    .cold_lead_us = (gint64)(options->cold_lead_s * SECOND_US),
    .join_p95_us = JOIN_US,
    .disturbed_us = G_MININT64,
  };
  ScalingDecision decision;

  g_strlcpy (snapshot.tree_id, options->tree_id, sizeof snapshot.tree_id);
  fill_nodes (self);
  scaling_decide (self->policy, &snapshot, self->history, &decision);
  if (options->on_tick != NULL)
    options->on_tick (&snapshot, &decision, options->data);
  self->n_leaving = 0;
  carry_out (self, &decision, at_s);
  keep_warm (self, &decision, at_s);
}

/* --- figures ------------------------------------------------------------ */

static void
measure (World *self, double n_viewers)
{
  double slots = get_slots (self);
  ScalingSimulateStep step = { .n_viewers = n_viewers,
                               .n_outside = self->n_outside,
                               .n_slots = slots,
                               .n_wanted = self->n_desired
                                           * subtree_slots (self->policy) };

  self->viewer_s += n_viewers;
  self->over_s += MAX (0, slots - n_viewers);
  self->under_s += MAX (0, n_viewers - slots);
  self->short_s += n_viewers > slots ? 1 : 0;
  self->wait_s += self->n_outside;
  self->result->peak_viewers = MAX (self->result->peak_viewers, n_viewers);
  g_array_append_val (self->result->steps, step);
}

/* count_turns: the most changes of direction within ten minutes */
static guint
count_turns (const GArray *moves)
{
  g_autoptr (GArray) turns_s = g_array_new (FALSE, FALSE, sizeof (double));
  guint most = 0, first = 0;

  for (guint i = 1; i < moves->len; i++)
    {
      const ScalingSimulateMove *a =
          &g_array_index (moves, ScalingSimulateMove, i - 1);
      const ScalingSimulateMove *b =
          &g_array_index (moves, ScalingSimulateMove, i);

      if ((a->to > a->from) != (b->to > b->from))
        g_array_append_val (turns_s, b->at_s);
    }
  for (guint i = 0; i < turns_s->len; i++)
    {
      while (g_array_index (turns_s, double, i)
                 - g_array_index (turns_s, double, first)
             >= TURNS_WINDOW_S)
        first++;
      most = MAX (most, i - first + 1);
    }
  return most;
}

static void
conclude (const World *self)
{
  ScalingSimulation *result = self->result;
  double n_steps = result->steps->len;

  result->under_ratio = self->under_s / MAX (self->viewer_s, 1);
  result->over_ratio = self->over_s / MAX (self->viewer_s, 1);
  result->under_time_ratio = self->short_s / MAX (n_steps, 1);
  result->wait_s = self->wait_s / MAX (result->n_arrivals, 1);
  result->n_turns_10min = count_turns (result->moves);
}

/* --- all together ------------------------------------------------------- */

static void
begin (World *self, const ScalingTracePoint *first)
{
  ScalingSnapshot empty = { .now_wall_s = self->options->start_wall_s };
  guint n_min, n_max;

  g_strlcpy (empty.tree_id, self->options->tree_id, sizeof empty.tree_id);
  scaling_decide_bounds (self->policy, &empty, &n_min, &n_max);
  self->n_warm = self->options->n_warm;
  self->n_serving = self->options->n_start;
  if (self->n_serving == 0)
    self->n_serving =
        (guint)ceil ((1 + self->policy->headroom_ratio) * first->n_viewers
                     / subtree_slots (self->policy))
        + self->policy->n_spare;
  self->n_serving = CLAMP (self->n_serving, n_min, n_max);
  self->n_desired = self->result->n_most = self->n_serving;
  /* who watches when it begins has not waited */
  self->n_served = MIN (first->n_viewers, get_slots (self));
  self->n_outside = first->n_viewers - self->n_served;
  self->result->n_arrivals = first->n_viewers;
  self->result->first_s = first->at_s;
}

ScalingSimulation *
scaling_simulate (const ScalingPolicy *policy, const ScalingTrace *trace,
                  const ScalingSimulateOptions *options)
{
  ScalingSimulation *result = g_new0 (ScalingSimulation, 1);
  ScalingPolicy cut = *policy;
  g_auto (World)
      world = { .policy = &cut,
                .options = options,
                .result = result,
                .history = g_new0 (ScalingHistory, 1),
                .nodes = g_new0 (ScalingNode, CLUSTER_MAX_NODES),
                .ready_s = g_array_new (FALSE, FALSE, sizeof (double)),
                .refill_s = g_array_new (FALSE, FALSE, sizeof (double)) };
  double last_s = trace->points[trace->n_points - 1].at_s;
  guint hint = 0;
  gint64 now_us = 0;

  /* no subtree half inside the bound */
  cut.max_replicas =
      MIN (cut.max_replicas, CLUSTER_MAX_NODES - cut.egress_per_subtree);
  cut.min_replicas = MIN (cut.min_replicas, cut.max_replicas);
  for (guint i = 0; i < cut.n_schedules; i++)
    cut.schedules[i].min_replicas =
        MIN (cut.schedules[i].min_replicas, cut.max_replicas);
  result->steps = g_array_new (FALSE, FALSE, sizeof (ScalingSimulateStep));
  result->moves = g_array_new (FALSE, FALSE, sizeof (ScalingSimulateMove));
  begin (&world, &trace->points[0]);
  for (double at_s = result->first_s; at_s <= last_s; at_s += 1)
    {
      ScalingTracePoint point = scaling_trace_get (trace, at_s, &hint);

      now_us += SECOND_US;
      world.n_serving += take_due (world.ready_s, at_s);
      world.n_warm += take_due (world.refill_s, at_s);
      move_viewers (&world, point.n_viewers, point.joins_per_s);
      measure (&world, point.n_viewers);
      decide (&world, at_s, now_us);
    }
  conclude (&world);
  return result;
}

void
scaling_simulation_free (ScalingSimulation *self)
{
  g_array_unref (self->steps);
  g_array_unref (self->moves);
  g_free (self);
}
