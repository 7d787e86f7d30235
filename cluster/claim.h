/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterClaim: what a node of a subtree makes of the store's answers to its
 * question whether it is wanted (mt_join, cluster_ledger_join()), asked again
 * as long as it lives:
 *   - until enough replicas have what it was answered, it has not joined and
 *     does not open: a failover could take that back, and another could serve
 *     in its place;
 *   - one that is not wanted before it has joined ends; so does one whose name
 *     another boot has, after a while: that may be its own last life;
 *   - once it has joined a store that is away, or forgets, changes nothing; one
 *     whose subtree goes later leaves: egress nodes as soon as it drains, the
 *     relay, which feeds them, when it is gone.
 * It asks nothing itself and has no clock: tests/sim run the same code.
 * Owner:  NodeSlot, a test or the simulator. Thread: main.
 */
#pragma once

#include "cluster/slot.h"

/* a closed one asks at each, so that it opens at once; an open one less often
 */
#define CLUSTER_CLAIM_TICK_US (250 * 1000)
#define CLUSTER_CLAIM_OPEN_ASKS_US G_USEC_PER_SEC
/* another boot of the same name may still be in the store */
#define CLUSTER_CLAIM_TAKEN_US (5 * G_USEC_PER_SEC)

typedef struct _ClusterClaim ClusterClaim;

typedef enum
{
  CLUSTER_CLAIM_NOTHING,
  CLUSTER_CLAIM_END,   /* without ever having had a viewer; said once */
  CLUSTER_CLAIM_LEAVE, /* drain, and end then; said again and again */
} ClusterClaimStep;

ClusterClaim *cluster_claim_new (gboolean is_relay, gint64 now_us);
void cluster_claim_free (ClusterClaim *self);

/* cluster_claim_begin: at each tick while the store can be asked; TRUE: it is
 * to be asked now, and answer() follows
 * @ret_waits: (out): replicas shall have it too */
gboolean cluster_claim_begin (ClusterClaim *self, gint64 now_us,
                              gboolean *ret_waits);
/* @state, @is_durable, @error: as ClusterJoinFunc has them */
ClusterClaimStep cluster_claim_answer (ClusterClaim *self,
                                       ClusterSlotState state,
                                       gboolean is_durable, const GError *error,
                                       gint64 now_us);

gboolean cluster_claim_has_joined (const ClusterClaim *self);
/* it may take viewers; never taken back */
gboolean cluster_claim_is_open (const ClusterClaim *self);
/* it was told to end */
gboolean cluster_claim_is_over (const ClusterClaim *self);
/* as last heard; NONE before */
ClusterSlotState cluster_claim_get_state (const ClusterClaim *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClusterClaim, cluster_claim_free)
