/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingSimulation: what the decisions would have done with a curve of
 * viewers: the code of scaling/decide with a simple model of the rest, a second
 * a step.
 *   Model: equal subtrees; one that is asked for serves after the warm or the
 * cold lead, a warm slot that was taken is filled again after a cold lead; one
 * that is given back closes at once and its viewers fit elsewhere. Who finds no
 * slot is refused and asks again after 3 s on average. CPU rises with the
 * share of slots in use.
 * Pure: no I/O, no clock, no randomness. Owner: who made it. Thread: any.
 */
#pragma once

#include "scaling/decide.h"
#include "scaling/trace.h"

typedef void (*ScalingSimulateTick) (const ScalingSnapshot *snapshot,
                                     const ScalingDecision *decision,
                                     gpointer data);

typedef struct
{
  const char *tree_id; /* borrowed */
  gint64 start_wall_s; /* for schedules */
  guint n_start;       /* subtrees that serve at first; 0 = as many as the first
                        * viewers need */
  guint n_warm;        /* slots that are kept warm */
  double warm_lead_s, cold_lead_s;
  double cpu_full_ratio;       /* of a node without a free slot */
  ScalingSimulateTick on_tick; /* (nullable) */
  gpointer data;
} ScalingSimulateOptions;

/* scaling_simulate_default: as @policy guesses */
ScalingSimulateOptions scaling_simulate_default (const ScalingPolicy *policy);

typedef struct
{
  double n_viewers; /* who want to watch */
  double n_outside; /* of them: without a slot */
  double n_slots;
  double n_wanted; /* slots that are asked for */
} ScalingSimulateStep;

typedef struct
{
  double at_s;
  guint from, to; /* subtrees */
  ScalingUrgency urgency;
  char reason[SCALING_REASON_MAX_CHARS + 1];
} ScalingSimulateMove;

typedef struct
{
  double first_s;
  GArray *steps; /* owned: ScalingSimulateStep, a second each */
  GArray *moves; /* owned: ScalingSimulateMove */
  double peak_viewers, n_arrivals;
  double under_ratio;        /* θU: slots missing, of viewers, over all time */
  double over_ratio;         /* θO: slots without a viewer, likewise */
  double under_time_ratio;   /* τU: share of time with too few slots */
  double wait_s;             /* of refusal, a viewer that came */
  guint n_turns_10min;       /* changes of direction in any 10 min, at most */
  guint n_out, n_in, n_most; /* moves; subtrees */
} ScalingSimulation;

/* scaling_simulate: @policy's maximum is cut to CLUSTER_MAX_NODES.
 * Returns: (transfer full) */
ScalingSimulation *scaling_simulate (const ScalingPolicy *policy,
                                     const ScalingTrace *trace,
                                     const ScalingSimulateOptions *options);
void scaling_simulation_free (ScalingSimulation *self);

/* scaling_simulation_to_svg: (transfer full): the curve, the slots and each
 * decision, whose title is its reason. @title: what is above it */
char *scaling_simulation_to_svg (const ScalingSimulation *self,
                                 const char *title);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingSimulation, scaling_simulation_free)
