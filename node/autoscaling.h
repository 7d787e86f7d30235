/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeAutoscaling: /api/autoscaling/…, for people and programs that hold the
 * admin token. What the store knows, any node tells: status, policies, history.
 * Recommendations are the leader's: others send there with 307, or say 503
 * no-leader.
 *   GET status, policies, recommendations, history/{service}?limit=50; each
 * takes ?tree=, else it is this node's.
 * Bounds: NODE_AUTOSCALING_MAX_REQUESTS that wait for the store at a time, 503
 * busy beyond.
 * Owner: NodeServer. Thread: main.
 */
#pragma once

#include "node/parts.h"

#define NODE_AUTOSCALING_MAX_REQUESTS 32

typedef struct _NodeAutoscaling NodeAutoscaling;

/* @parts: borrowed */
NodeAutoscaling *node_autoscaling_new (const NodeParts *parts);
/* who waits for the store is left without an answer; the ledger is freed before
 * the main loop runs again */
void node_autoscaling_free (NodeAutoscaling *self);
void node_autoscaling_handle (NodeAutoscaling *self, SoupServerMessage *msg,
                              const char *path);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeAutoscaling, node_autoscaling_free)
