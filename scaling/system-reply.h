/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scaling/system-reply: a node's /monitoring/system as that node and its load:
 * the members "node" (node_id, tree_id, roles) and "load" (a heartbeat, with
 * its boot id). Everything is checked as what the store holds is; other members
 * are skipped.
 * Thread: any.
 */
#pragma once

#include "cluster/types.h"

/* scaling_system_reply_read:
 * @text: from anybody; @ret_node: (out): cleared first; unset when refused
 * Returns: (nullable): %NULL when it was read, else what is wrong, in words */
const char *scaling_system_reply_read (const char *text, gsize n_bytes,
                                       ClusterNode *ret_node,
                                       ClusterLoad *ret_load);
