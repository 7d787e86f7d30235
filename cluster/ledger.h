/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterLedger: what scaling keeps in Redis: who leads, how many subtrees each
 * tree shall have and within which policy, what was done and why. It has a
 * connection of its own, because WAIT holds up what is queued behind it.
 *   A candidate tries to lead (cluster/lease.h) as long as it lives. Writes of
 * the leader carry its token and are refused by the store once another one
 * leads; that also ends the lease here.
 *   All answers come once, from the main loop, never from within the call;
 * freeing the ledger drops what is under way. Without a Redis there is no
 * ledger, and nobody leads.
 * Owner:  node. Thread: main.
 */
#pragma once

#include "cluster/ledger-read.h"
#include "cluster/lease.h"
#include "cluster/redis.h"
#include "cluster/store.h"

typedef struct _ClusterLedger ClusterLedger;

typedef struct
{
  const char *redis_url, *prefix; /* @prefix: nullable */
  const char *tree_id, *node_id;
  const char *nonce; /* of this process: hex, 8 characters or more */
  gboolean is_candidate;
  BaseMetrics *metrics; /* (nullable) borrowed */
  /* (nullable) this node leads, or no longer does */
  void (*on_leader_changed) (gboolean is_leader, gpointer data);
  gpointer data;                    /* borrowed */
  const ClusterRedisLimits *limits; /* (nullable): tests' */
} ClusterLedgerConfig;

/* NULL with CLUSTER_ERROR_URL */
ClusterLedger *cluster_ledger_new (const ClusterLedgerConfig *config,
                                   GError **error);
void cluster_ledger_free (ClusterLedger *self);
gboolean cluster_ledger_is_connected (ClusterLedger *self);
/* (transfer none); of a node that is no candidate: it never leads */
ClusterLease *cluster_ledger_get_lease (ClusterLedger *self);
/* the store said CLUSTER_HINT_LEASE */
void cluster_ledger_hear (ClusterLedger *self);
/* leads no more; @func when the store knows, or is away */
void cluster_ledger_resign (ClusterLedger *self, ClusterDoneFunc func,
                            gpointer data);

/* --- reading; any node ---------------------------------------------------- */

/* @trees: (nullable): trees:active, sorted; borrowed */
typedef void (*ClusterTreesFunc) (const char *const *trees, const GError *error,
                                  gpointer data);
/* @scaling: (nullable): borrowed */
typedef void (*ClusterScalingFunc) (const ClusterScaling *scaling,
                                    const GError *error, gpointer data);
/* @rows: (nullable): borrowed */
typedef void (*ClusterRowsFunc) (GPtrArray *rows, const GError *error,
                                 gpointer data);

void cluster_ledger_read_trees (ClusterLedger *self, ClusterTreesFunc func,
                                gpointer data);
void cluster_ledger_read_scaling (ClusterLedger *self, const char *tree_id,
                                  ClusterScalingFunc func, gpointer data);
/* (element-type ClusterBeat) */
void cluster_ledger_read_beats (ClusterLedger *self, const char *tree_id,
                                ClusterRowsFunc func, gpointer data);
/* @slots: (nullable) (element-type ClusterSlot): by ordinal; borrowed */
typedef void (*ClusterSlotsFunc) (GArray *slots, const GError *error,
                                  gpointer data);
void cluster_ledger_read_slots (ClusterLedger *self, const char *tree_id,
                                ClusterSlotsFunc func, gpointer data);
/* @text: (nullable): as cluster_ledger_learn() had it; NULL: nobody did
 */
typedef void (*ClusterLearnedFunc) (const char *text, const GError *error,
                                    gpointer data);
void cluster_ledger_read_learned (ClusterLedger *self, const char *tree_id,
                                  ClusterLearnedFunc func, gpointer data);
/* (element-type ClusterAudit): newest first, of the tree and of none
 * @before: (nullable): an entry's id: older than that
 * @n: at most CLUSTER_MAX_HISTORY */
void cluster_ledger_read_history (ClusterLedger *self, const char *tree_id,
                                  const char *before, guint n,
                                  ClusterRowsFunc func, gpointer data);

/* @state: CLUSTER_SLOT_N with @error
 * @is_durable: enough replicas have that too; FALSE when it was not asked for
 */
typedef void (*ClusterJoinFunc) (ClusterSlotState state, gboolean is_durable,
                                 const GError *error, gpointer data);
/* cluster_ledger_join: this node is of a subtree: how is that? Its state; NONE:
 * the store has never heard of this life of it, GONE: there is a later one.
 * TAKEN: another boot lives under our name. To be asked again within
 * CLUSTER_HEARTBEAT_MS, as long as the name shall be kept.
 * @waits: replicas shall have it too, what it was answered by included */
void cluster_ledger_join (ClusterLedger *self, guint ordinal, guint gen,
                          const char *boot_id, gboolean waits,
                          ClusterJoinFunc func, gpointer data);

/* --- writing -------------------------------------------------------------- */

/* @version: what the store has now; 0 with @error
 * @is_durable: enough replicas have it too */
typedef void (*ClusterVersionFunc) (guint64 version, gboolean is_durable,
                                    const GError *error, gpointer data);

typedef enum
{
  CLUSTER_CAUSE_DEMAND,    /* bound by its step, once a second */
  CLUSTER_CAUSE_THRESHOLD, /* by the cooldown too */
  CLUSTER_CAUSE_MANUAL,    /* not by cooldowns */
} ClusterCause;
const char *cluster_cause_get_name (ClusterCause cause);

/* cluster_ledger_put_policy: any node, for who may: writes it when the version
 * there is still @policy->version (0: there is none). CONFLICT, BOUND.
 * @policy: borrowed; by and text must be set */
void cluster_ledger_put_policy (ClusterLedger *self, const char *tree_id,
                                const ClusterPolicy *policy,
                                ClusterVersionFunc func, gpointer data);
/* cluster_ledger_desire: the leader: so many subtrees, when the version is
 * still @version. FENCED, CONFLICT, BOUND, COOLDOWN; AWAY when we do not lead.
 * @text: JSON for the audit, at most CLUSTER_AUDIT_MAX_BYTES */
void cluster_ledger_desire (ClusterLedger *self, const char *tree_id,
                            guint64 version, guint n, ClusterCause cause,
                            const char *reason, const char *text,
                            ClusterVersionFunc func, gpointer data);
/* cluster_ledger_move_slot: the leader: a subtree goes on to @to, when it is in
 * @slot's state and life (its first, and after gone the next). FENCED,
 * CONFLICT; BOUND: no such step (cluster/slot.h), or more would serve than are
 * desired. The version is the life.
 * @text: as above */
void cluster_ledger_move_slot (ClusterLedger *self, const char *tree_id,
                               const ClusterSlot *slot, ClusterSlotState to,
                               const char *text, ClusterVersionFunc func,
                               gpointer data);
/* cluster_ledger_learn: the leader: what it knows of the tree by experience,
 * for the next one; opaque here, at most CLUSTER_LEARNED_MAX_BYTES. FENCED,
 * BOUND, AWAY. @func: (nullable) */
void cluster_ledger_learn (ClusterLedger *self, const char *tree_id,
                           const char *text, ClusterDoneFunc func,
                           gpointer data);
/* cluster_ledger_audit: an entry. As leader (@by NULL), or by somebody who
 * asked this node for something.
 * @func: (nullable) */
void cluster_ledger_audit (ClusterLedger *self, const char *tree_id,
                           const char *kind, const char *by, const char *text,
                           ClusterDoneFunc func, gpointer data);

/* JSON object text for /debug/state (transfer full) */
char *cluster_ledger_describe (ClusterLedger *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClusterLedger, cluster_ledger_free)
