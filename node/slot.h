/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeSlot: a node of a subtree that the leader started, known by its name
 * (scaling_provision_dup_name()). It asks the store again and again how its
 * subtree is (cluster/claim.h): until that serves, and a replica has that too,
 * the node is warm: it carries all live streams, so that the first viewer waits
 * for nothing, and takes none. One that is not wanted when it starts, or whose
 * name another has, ends without ever having had a viewer; one whose subtree
 * goes later drains.
 *   It asks rather than being told (slots:{tree}): its claim has to be said again
 * all the time anyway, a message may be lost, and only the few that are closed
 * ask more often than once a second.
 * Owner:  NodeScaling. Thread: main.
 */
#pragma once

#include "cluster/ledger.h"
#include "node/parts.h"

typedef struct _NodeSlot NodeSlot;

/* Returns: (nullable): this node is of no subtree
 * @on_unwanted: the program shall end, without a fault; run once */
NodeSlot *node_slot_new (const NodeParts *parts, ClusterLedger *ledger,
                         void (*on_unwanted) (gpointer data), gpointer data);
/* after its ledger */
void node_slot_free (NodeSlot *self);
/* not open yet. @self: (nullable): never */
gboolean node_slot_is_warm (const NodeSlot *self);
/* JSON object for /debug/state (transfer full); @self: (nullable) */
JsonNode *node_slot_describe (const NodeSlot *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeSlot, node_slot_free)
