/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeTree: the cluster as the outside sees it: /api/nodes and /api/tree. What
 * is said is what this node knows: the store's answer of the last second (or
 * seconds, in big trees), and the last known while the store is away.
 *   Rendered at most twice a second, however many ask; with an ETag, so that
 * a page that asks each second gets 304 while nothing changes.
 * Who may read: the admin token (addresses and hosts are nothing for viewers);
 * without one, this machine.
 * Owner:  NodeServer. Thread: main.
 */
#pragma once

#include "node/parts.h"

typedef struct _NodeTree NodeTree;

/* @parts: borrowed */
NodeTree *node_tree_new (const NodeParts *parts);
void node_tree_free (NodeTree *self);

/* node_tree_handle: @path at or below /api/nodes or /api/tree; answers always */
void node_tree_handle (NodeTree *self, SoupServerMessage *msg,
                       const char *path);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeTree, node_tree_free)
