/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster/ledger-steer: the ledger's calls for what people steer
 * (mtctl-steer.lua). Any node asks them for somebody who may (@by: for the
 * audit); the leader's are fenced. What is asked for within a policy is checked
 * by the store: BOUND, CONFLICT, COOLDOWN, MISSING.
 *   @reason: in words, CLUSTER_REASON_MAX_BYTES at most.
 * Answers as in cluster/ledger.h. Thread: main.
 */
#pragma once

#include "cluster/ledger.h"
#include "cluster/steering.h"

/* @steering: (nullable): borrowed */
typedef void (*ClusterSteeringFunc) (const ClusterSteering *steering,
                                     const GError *error, gpointer data);

void cluster_ledger_read_steering (ClusterLedger *self, const char *tree_id,
                                   ClusterSteeringFunc func, gpointer data);

/* --- any node ------------------------------------------------------------- */

/* of all trees, instead of each leader's setting; the answer: the switch's
 * version */
void cluster_ledger_enable (ClusterLedger *self, gboolean is_on, const char *by,
                            const char *reason, ClusterVersionFunc func,
                            gpointer data);
/* cluster_ledger_set: @n subtrees, within policy and step.
 * @hold_ms: as long decisions may not go back on it; 0 = they may at once */
void cluster_ledger_set (ClusterLedger *self, const char *tree_id, guint n,
                         gint64 hold_ms, const char *by, const char *reason,
                         ClusterVersionFunc func, gpointer data);
/* cluster_ledger_answer: to the proposal @id of @tree_id; approved, it is
 * desired at once */
void cluster_ledger_answer (ClusterLedger *self, const char *tree_id,
                            const char *id, gboolean is_approved,
                            const char *by, const char *reason,
                            ClusterVersionFunc func, gpointer data);
/* cluster_ledger_roll_back: the change that the audit's entry @id tells of,
 * when it is the last one */
void cluster_ledger_roll_back (ClusterLedger *self, const char *tree_id,
                               const char *id, gint64 hold_ms, const char *by,
                               const char *reason, ClusterVersionFunc func,
                               gpointer data);

/* --- the leader; FENCED when it is not --------------------------------------
 */

/* cluster_ledger_tell: for all nodes to show, for @ttl_ms
 * @text: JSON, CLUSTER_DECISION_MAX_BYTES at most */
void cluster_ledger_tell (ClusterLedger *self, const char *tree_id,
                          gint64 ttl_ms, const char *text, ClusterDoneFunc func,
                          gpointer data);
/* cluster_ledger_end_change: what came of the change to @version, once
 * @outcome: a word: "serves". The answer: 1: it is new, 0: it was said before
 */
void cluster_ledger_end_change (ClusterLedger *self, const char *tree_id,
                                guint64 version, const char *outcome,
                                ClusterVersionFunc func, gpointer data);
/* cluster_ledger_propose: somebody is to say whether it shall be @n; the same
 * direction once, until it is answered, or @ttl_ms are over.
 * @text: JSON for the audit. The answer: 1: it is new, 0: it waits already */
void cluster_ledger_propose (ClusterLedger *self, const char *tree_id,
                             guint64 version, guint n, gint64 ttl_ms,
                             const char *reason, const char *text,
                             ClusterVersionFunc func, gpointer data);
