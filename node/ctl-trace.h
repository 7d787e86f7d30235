/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/ctl-trace: `media-tree ctl trace SESSION`: finds the node that has the
 * viewer, asks upwards from it, prints.
 * Thread: main. Blocks.
 */
#pragma once

#include "node/ctl-http.h"

/* Returns: an exit code (node/ctl.h) */
int node_ctl_trace_run (const NodeCtlOptions *options, const char *session);
