/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeDiscovery: /sd/prometheus, what Prometheus's http_sd_configs reads
 * (https://prometheus.io/docs/prometheus/latest/http_sd/): any node tells of
 * all nodes of its tree, itself too, from what it knows of the store. While
 * the store is away these are the last known; a node that died stays in for a
 * minute, so that Prometheus sees that it does not answer.
 * A node's targets, all with its tree_id, node_id and node_type:
 *   job media-tree  host and port of its URL (--public-url)
 *   job node        its machine, --node-exporter-port
 *   job cadvisor    its machine, --cadvisor-port
 * Its machine is where its links are, else its URL's host. The ports are those
 * of the node that is asked; 0 = no such targets. Nodes of one machine have
 * the same target, each with labels of its own.
 * Owner: NodeServer. Thread: main.
 */
#pragma once

#include "node/parts.h"

#include "cluster/types.h"

#include <libsoup/soup.h>

typedef struct _NodeDiscovery NodeDiscovery;

typedef struct {
  const char *tree_id;     /* of nodes that say none */
  GPtrArray *peers;        /* (element-type ClusterPeer) */
  guint node_exporter_port, cadvisor_port; /* 0 = none */
} NodeDiscoveryView;

/* @parts: borrowed; with metrics and settings */
NodeDiscovery *node_discovery_new (const NodeParts *parts);
void node_discovery_free (NodeDiscovery *self);

/* node_discovery_handle: GET /sd/prometheus; surface: metrics */
void node_discovery_handle (NodeDiscovery *self, SoupServerMessage *msg,
                            const char *path);

/* node_discovery_describe: pure.
 * @ret_n_skipped: nodes left out: no URL with a host, or more than
 *   CLUSTER_MAX_NODES
 * Returns: (transfer full): an array of target groups */
JsonNode *node_discovery_describe (const NodeDiscoveryView *view,
                                   guint *ret_n_skipped);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeDiscovery, node_discovery_free)
