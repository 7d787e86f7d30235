/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/ctl-text: the replies of /api/nodes and /api/tree as text for people.
 * Pure. What is missing in the JSON, or of another kind, is shown as "-".
 * Thread: any.
 */
#pragma once

#include <json-glib/json-glib.h>

/* all (transfer full), lines that end in a newline */
/* @nodes: an array of nodes; @now_wall_us: for how long they have run */
char *node_ctl_text_nodes (JsonArray *nodes, gint64 now_wall_us);
/* @streams: the member of /api/tree */
char *node_ctl_text_streams (JsonArray *streams);
/* @tree: the reply of /api/tree; @is_utf8: box characters, else ASCII */
char *node_ctl_text_tree (JsonObject *tree, gboolean is_utf8);
