/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeAutoscaling: /api/autoscaling/…, for people and programs that hold the
 * admin token. Any node answers: what is shown is in the store, and what is
 * asked for is written by the store's functions, within the tree's policy.
 *   GET status, policies, recommendations, approvals, history/{service}?limit=,
 * record (of the node that leads alone: for `ctl simulate --replay`)
 *   POST enable {"enabled"}, policies (?version=: compare and set),
 * test/{service} {"replicas"}, approvals/{id} {"approve"}, rollback/{id}; see
 * scaling/wish.h.
 * Each takes ?tree=, else it is this node's.
 * Bounds: NODE_AUTOSCALING_MAX_REQUESTS that wait for the store at a time, 503
 * busy beyond; NODE_AUTOSCALING_READS a second, NODE_AUTOSCALING_WRITES at once
 * and NODE_AUTOSCALING_WRITES_S a second, 429 beyond:
 * media_tree_autoscaling_limited_total counts.
 * Owner: NodeServer. Thread: main.
 */
#pragma once

#include "node/parts.h"

#define NODE_AUTOSCALING_MAX_REQUESTS 32
#define NODE_AUTOSCALING_READS 50
#define NODE_AUTOSCALING_WRITES 20
#define NODE_AUTOSCALING_WRITES_S 5

typedef struct _NodeAutoscaling NodeAutoscaling;

/* @parts: borrowed */
NodeAutoscaling *node_autoscaling_new (const NodeParts *parts);
/* who waits for the store is left without an answer; the ledger is freed before
 * the main loop runs again */
void node_autoscaling_free (NodeAutoscaling *self);
void node_autoscaling_handle (NodeAutoscaling *self, SoupServerMessage *msg,
                              const char *path);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeAutoscaling, node_autoscaling_free)
