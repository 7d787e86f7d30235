/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/ctl-drain: `media-tree ctl drain [NODE]`: tells a node to go, or to stay
 * after all (--cancel), by its /api/drain; with --wait looks at it until it is
 * gone. NODE is told at the address that /api/nodes of --url has for it.
 *   Gone: its address refuses connections, or another node answers there, or
 * for NODE_CTL_DRAIN_LOST_S nobody does. NODE_CTL_DRAIN_GRACE_S after its
 * deadline it is no more waited for.
 * Thread: main. Blocks.
 */
#pragma once

#include "node/ctl-http.h"

#define NODE_CTL_DRAIN_MAX_S 86400 /* as /api/drain has it */
#define NODE_CTL_DRAIN_LOST_S 15
#define NODE_CTL_DRAIN_GRACE_S 30

/* @node: (nullable): its id; %NULL: who answers at --url
 * Returns: an exit code (node/ctl.h) */
int node_ctl_drain_run (const NodeCtlOptions *options, const char *node);
