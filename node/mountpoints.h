/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeMountpoints: what EgressMountpoints asks of the node: sources
 * (node/mountpoint-sources), the other nodes, and that permanent ones are there
 * after a restart.
 *   Told to others through the store, under their ids; read again on each hint
 * and each 5 s; what the store has lost is said again. With Redis a permanent
 * one stays there and is made again by the node that it names when that starts;
 * alone it is kept in --state-dir (node/mountpoint-file). What a node that is
 * gone for NODE_MOUNTPOINTS_GONE_US made, and is not permanent, is removed by
 * the others; what is permanent may be destroyed anywhere then.
 *   new ─► start (the cluster beats) ─► leave ─► stop ─► free
 * Owner:  NodeJanus. Thread: main.
 */
#pragma once

#include "egress/mountpoints.h"
#include "node/parts.h"

#define NODE_MOUNTPOINTS_READ_US (5 * G_USEC_PER_SEC)
#define NODE_MOUNTPOINTS_GONE_US (15 * G_USEC_PER_SEC)

typedef struct _NodeMountpoints NodeMountpoints;

/* @parts: borrowed; with hub and cluster */
NodeMountpoints *node_mountpoints_new (const NodeParts *parts);
/* for egress_mountpoints_new() */
void node_mountpoints_fill_hooks (NodeMountpoints *self,
                                  EgressMountpointHooks *ret);
/* @registry: borrowed; permanent ones are made again from now on */
void node_mountpoints_start (NodeMountpoints *self,
                             EgressMountpoints *registry);
/* the store forgets ours that are not permanent; before node_cluster_leave() */
void node_mountpoints_leave (NodeMountpoints *self);
/* the sources end; after the registry is freed, before the workers end */
void node_mountpoints_stop (NodeMountpoints *self);
/* after the cluster is freed */
void node_mountpoints_free (NodeMountpoints *self);
/* (transfer full): members of a /debug/state object */
JsonNode *node_mountpoints_describe (NodeMountpoints *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeMountpoints, node_mountpoints_free)
