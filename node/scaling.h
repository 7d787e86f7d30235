/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeScaling: this node's part in scaling: with a Redis it is a candidate for
 * leading (roles injection, relay, egress), and does what the leader does when
 * it leads; without one it says why nothing scales.
 *   new ─► leave (before the cluster's) ─► free
 * Owner:  main.c. Thread: main.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "cluster/ledger.h"
#include "node/parts.h"
#include "scaling/controller.h"

/* @parts: borrowed, with metrics and cluster
 * Returns: (nullable): CLUSTER_ERROR_URL, NODE_SETTINGS_ERROR */
/* @on_unwanted: this node is of a subtree that is not wanted: it shall end */
NodeScaling *node_scaling_new (const NodeParts *parts,
                               void (*on_unwanted) (gpointer data),
                               gpointer data, GError **error);
/* what the store says */
void node_scaling_hear (NodeScaling *self, ClusterHint hint);
/* resigns; runs the main loop until the store knows, half a second at most */
void node_scaling_leave (NodeScaling *self);
void node_scaling_free (NodeScaling *self);
/* of a subtree that is not open to viewers yet. @self: (nullable) */
gboolean node_scaling_is_warm (NodeScaling *self);
/* (nullable): without a Redis */
ClusterLedger *node_scaling_get_ledger (NodeScaling *self);
/* (nullable): nobody is to be told */
ScalingNotifier *node_scaling_get_notifier (NodeScaling *self);
/* (transfer none): always */
ScalingController *node_scaling_get_controller (NodeScaling *self);
/* JSON object for /debug/state (transfer full) */
JsonNode *node_scaling_describe (NodeScaling *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeScaling, node_scaling_free)
