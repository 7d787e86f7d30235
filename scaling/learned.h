/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingLearned: what a leader knows of a tree by experience, and the next one
 * shall know: how long subtrees took from being wanted until they served, and
 * that the last ones were rolled back (ScalingMark). It is kept in the store as
 * a text of lines, milliseconds and wall clock of the store:
 *
 *   warm 900 1200
 *   cold 11800 12400
 *   rollback 2 1795219200000 1795219260000 no_media 3 1
 *
 * where a line that is not understood counts as not there: it may be of a newer
 * program. The store is not trusted: numbers are bounded.
 * Bounds: SCALING_LEARNED_N_LEADS of each kind, the newest.
 * Plain value, all zeros when new. Thread: any.
 */
#pragma once

#include "scaling/subtrees.h"

#define SCALING_LEARNED_N_LEADS 32
/* with fewer the guess still counts when it is longer */
#define SCALING_LEARNED_N_SURE 5
#define SCALING_LEARNED_MAX_LEAD_US ((gint64)3600 * G_USEC_PER_SEC)

typedef struct
{
  guint n; /* ever; ring */
  guint32 ms[SCALING_LEARNED_N_LEADS];
} ScalingLeads;

typedef struct
{
  ScalingLeads warm, cold;
  ScalingMark mark;
} ScalingLearned;

void scaling_learned_add_lead (ScalingLearned *self, gboolean is_warm,
                               gint64 lead_us);
/* scaling_learned_get_lead: p95, by the nearest rank; 0: nothing is known
 * @guess_us: the policy's */
gint64 scaling_learned_get_lead (const ScalingLearned *self, gboolean is_warm,
                                 gint64 guess_us);
/* (transfer full): at most CLUSTER_LEARNED_MAX_BYTES */
char *scaling_learned_dup_text (const ScalingLearned *self);
/* scaling_learned_parse: @ret: (out): filled whole
 * Returns: how many lines were not understood */
guint scaling_learned_parse (const char *text, ScalingLearned *ret);
