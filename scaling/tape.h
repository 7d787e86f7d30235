/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingTape: a tree's decisions as the leader makes them (scaling/record.h),
 * in memory, for who wants to see later why: `ctl simulate --replay` decides
 * them again. The policy on it is the one that decided: with the node's own
 * settings in it.
 *   Decisions replay from where a leader began, so nothing is cut off in front:
 * when SCALING_TAPE_MAX_BYTES are used it stops, until a leader begins again.
 * Owner:  ScalingController, one for each tree. Thread: main.
 */
#pragma once

#include "scaling/decide.h"

#define SCALING_TAPE_MAX_BYTES (16 * 1024 * 1024)

typedef struct _ScalingTape ScalingTape;

/* @max_bytes: 0: SCALING_TAPE_MAX_BYTES */
ScalingTape *scaling_tape_new (gsize max_bytes);
void scaling_tape_free (ScalingTape *self);

/* the history is empty again; a tape that was full begins anew */
void scaling_tape_begin (ScalingTape *self);
/* @policies: have changed, or what is taken of them */
void scaling_tape_set_policy (ScalingTape *self,
                              const ScalingPolicies *policies,
                              const ScalingPolicy *policy);
/* after begin and set_policy */
void scaling_tape_add (ScalingTape *self, const ScalingSnapshot *snapshot,
                       const ScalingDecision *decision);

/* (transfer full): as it is now */
GBytes *scaling_tape_dup_bytes (ScalingTape *self);
gboolean scaling_tape_is_full (ScalingTape *self);
guint64 scaling_tape_get_n_ticks (ScalingTape *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingTape, scaling_tape_free)
