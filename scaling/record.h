/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingRecord: a day of decisions in bytes, one row a tick: what was seen,
 * as differences to the row before, and what was decided, as a digest. The same
 * rows replay to the same decisions, or the code has changed.
 *   Bytes: rows of (length, kind, content). Kinds: the leader began (an empty
 * history), a policy (the JSON it is from, and its name), a tick. Numbers are
 * varints (7 bits a byte, low ones first), signed ones zigzag; ratios in
 * millionths where that is exact, else as they are in memory.
 * Bounds: SCALING_RECORD_ROW_MAX_BYTES; all that is read is checked.
 * Owner:  who made it; one a tree. Thread: one.
 */
#pragma once

#include "scaling/decide.h"

#define SCALING_RECORD_ROW_MAX_BYTES (4 * 1024 * 1024)

typedef enum
{
  SCALING_RECORD_ERROR_INVALID, /* "row 7: …" */
} ScalingRecordError;
#define SCALING_RECORD_ERROR (scaling_record_error_quark ())
GQuark scaling_record_error_quark (void);

typedef struct _ScalingRecord ScalingRecord;

ScalingRecord *scaling_record_new (void);
void scaling_record_free (ScalingRecord *self);

/* --- writing: each appends a row to @bytes --- */

/* first, and when another leader goes on in the same place */
void scaling_record_add_begin (ScalingRecord *self, GByteArray *bytes);
/* before the first tick, and when it changes. @name: of the policy in
 * @policies that decides */
void scaling_record_add_policy (ScalingRecord *self, GByteArray *bytes,
                                const ScalingPolicies *policies,
                                const char *name);
/* @snapshot: as many nodes as CLUSTER_MAX_NODES at most */
void scaling_record_add_tick (ScalingRecord *self, GByteArray *bytes,
                              const ScalingSnapshot *snapshot,
                              const ScalingDecision *decision);

/* scaling_record_digest: two decisions with the same are the same, reason and
 * all */
guint64 scaling_record_digest (const ScalingDecision *decision);

/* --- reading --- */

typedef struct
{
  guint n_ticks, n_begins, n_policies;
  guint n_out, n_in;
  guint n_different;    /* decisions that are others now */
  guint first_tick;     /* the first of these, of n_ticks; 0 = none */
  gint64 first_wall_s;  /* when it was; else 0 */
  ScalingDecision then; /* what of it was kept: action and n_wanted */
  ScalingDecision now;
} ScalingReplay;

/* scaling_record_replay: decides again.
 * Returns: FALSE: SCALING_RECORD_ERROR_INVALID; @ret has what came before */
gboolean scaling_record_replay (const guint8 *bytes, gsize n_bytes,
                                ScalingReplay *ret, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingRecord, scaling_record_free)
