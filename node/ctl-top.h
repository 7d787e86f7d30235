/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/ctl-top: `media-tree ctl top`: a live table of the nodes in a terminal.
 *   A thread of its own asks (/api/tree each interval; /monitoring/system of
 * each node that serves viewers each NODE_CTL_TOP_JOINS_S, at most
 * NODE_CTL_TOP_MAX_JOINS nodes), so keys are answered while a node hangs. The
 * terminal is put back as it was at the end, on every signal that ends or stops
 * a program, and when it is gone.
 *   With --once, --json, or when stdin or stdout is no terminal: one table.
 * Thread: main. Blocks.
 */
#pragma once

#include "node/ctl-http.h"

#define NODE_CTL_TOP_JOINS_S 15
#define NODE_CTL_TOP_MAX_JOINS 64

/* Returns: an exit code (node/ctl.h) */
int node_ctl_top_run (const NodeCtlOptions *options);
