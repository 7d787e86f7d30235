/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeMetricsRole: --role=metrics: adds up what all nodes of the tree say. It
 * has no workers and no media ports, takes no place in the tree and leads
 * nothing. The numbers come from the heartbeats in the store as this node's
 * membership reads them (METRICS_MODE=redis), or from /monitoring/system of the
 * nodes that are named (proxy). They go out at /metrics as
 * media_tree_cluster_…, at /monitoring/system, and to exporters as points.
 * Owner:  main.c; after the metrics, before the cluster starts; freed after the
 *         server. Thread: main.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "node/parts.h"
#include "scaling/aggregate.h"

/* Silence from which a node's values are stale: what is asked twice in that
 * time, and a second read of the store, have then failed. */
#define NODE_METRICS_STALE_US (5 * G_USEC_PER_SEC)
/* A node that the store has lost is gone after this; as long as the store keeps
 * what a node said of itself. */
#define NODE_METRICS_GONE_REDIS_US (60 * G_USEC_PER_SEC)
/* One that is named and does not answer is waited for longer. */
#define NODE_METRICS_GONE_PROXY_US (600 * G_USEC_PER_SEC)

/* @parts: borrowed; with options and metrics */
NodeMetricsRole *node_metrics_role_new (const NodeParts *parts);
void node_metrics_role_free (NodeMetricsRole *self);

/* node_metrics_role_hear: the store has answered, or not; see ClusterMember */
void node_metrics_role_hear (NodeMetricsRole *self, GPtrArray *peers,
                             const GError *error);

/* some source has answered at least once */
gboolean node_metrics_role_has_data (NodeMetricsRole *self);
/* (transfer full) (element-type ScalingPoint): as they are now */
GPtrArray *node_metrics_role_get_points (NodeMetricsRole *self);
/* adds the members "source", "nodes" and "points" of /monitoring/system to the
 * object that @json has begun */
void node_metrics_role_describe (NodeMetricsRole *self, JsonBuilder *json);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeMetricsRole, node_metrics_role_free)
