/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterSteering: what people, and the leader for people, keep in Redis beside
 * what is desired: whether scaling acts at all, the leader's last decision, a
 * number that holds for a while, the change that waits for approval
 * (mtctl-steer.lua). The server is not trusted: a reply of another shape is
 * CLUSTER_ERROR_PROTOCOL.
 * Owner:  who reads it. Thread: main.
 */
#pragma once

#include "cluster/redis-reply.h"
#include "cluster/types.h"

#define CLUSTER_DECISION_MAX_BYTES 4096
#define CLUSTER_ENTRY_MAX_CHARS 40 /* of an audit entry's id */

typedef enum
{
  CLUSTER_PROPOSAL_NONE,
  CLUSTER_PROPOSAL_WAITING,
  CLUSTER_PROPOSAL_APPROVED,
  CLUSTER_PROPOSAL_REJECTED,
  CLUSTER_PROPOSAL_REPLACED, /* by another, or what is desired has changed */
  CLUSTER_PROPOSAL_EXPIRED,
} ClusterProposalState;
/* "none", "waiting", "approved", "rejected", "replaced", "expired" */
const char *cluster_proposal_state_get_name (ClusterProposalState state);

/* The last change of a tree that a person was asked about. */
typedef struct
{
  ClusterProposalState state;
  char *id;        /* owned, nullable: of its entry in the audit */
  guint64 version; /* of what is desired that it is made on */
  guint n_before, n_after;
  gint64 at_wall_ms, end_wall_ms; /* of the store's clock */
  char *reason, *by;              /* owned, nullable; by: who answered */
} ClusterProposal;

typedef struct
{
  guint64 version; /* of the switch; 0: nobody has switched: the leader's
                    * setting counts */
  gboolean is_on;
  char *by; /* owned, nullable */
  gint64 at_wall_ms;
  char *decision; /* owned, nullable: JSON of the leader, some seconds old at
                   * most */
  gboolean has_pin, pin_is_floor;
  guint n_pin;
  gint64 pin_end_wall_ms;
  ClusterProposal proposal;
  gint64 now_wall_ms; /* the store's clock */
} ClusterSteering;

void cluster_steering_clear (ClusterSteering *self);
/* @to: (inout): cleared first */
void cluster_steering_copy (const ClusterSteering *from, ClusterSteering *to);
/* @ret: (out): to be cleared; untouched on FALSE */
gboolean cluster_read_steering (const ClusterReply *reply, ClusterSteering *ret,
                                GError **error);
/* cluster_entry_is_valid: "1700000000000-0" */
gboolean cluster_entry_is_valid (const char *id);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ClusterSteering, cluster_steering_clear)
