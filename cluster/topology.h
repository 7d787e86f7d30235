/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster/topology: who hangs below whom. Pure functions over what is known of
 * the nodes; the store checks the outcome again, atomically (rank, loop,
 * degree, alive).
 *   Injection nodes (rank 1) have no parents here: they ask a stream's origin,
 * which the directory names. Relays take injection nodes, else relays of lower
 * rank with room; egress nodes take relays, else injection nodes. Of two
 * parents: different hosts where possible, then the lower rank, then fewer
 * children, then a hash of (node, parent), so that nodes spread. A node's rank
 * is one above its higher parent's. A lone relay has the origin alone.
 * Thread: any.
 */
#pragma once

#include "cluster/types.h"

/* cluster_topology_choose: @peers: (element-type ClusterPeer): alive ones
 * @self: who asks (its id, roles, host); @keep: (nullable): the place it has;
 *   a parent in it that is alive and allowed is kept (no flapping)
 * @except: (nullable) (array zero-terminated=1): nodes not to be taken
 * @ret: (out): cleared first */
void cluster_topology_choose (GPtrArray *peers, const ClusterNode *self,
                              const ClusterPlace *keep,
                              const char *const *except, guint max_children,
                              ClusterPlace *ret);

/* cluster_topology_candidates: whom to try when both parents are silent:
 * other nodes that could be parents, grandparents, uncles; best first, at most
 * CLUSTER_MAX_CANDIDATES. (transfer container) (element-type ClusterPeer) */
GPtrArray *cluster_topology_candidates (GPtrArray *peers,
                                        const ClusterNode *self,
                                        const ClusterPlace *place);
