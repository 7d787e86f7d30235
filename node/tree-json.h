/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/tree-json: the cluster as JSON, as api/openapi.yaml describes it under
 * /api/nodes and /api/tree. Pure: what is known goes in, JSON comes out.
 * Thread: main.
 */
#pragma once

#include "cluster/types.h"

#include <json-glib/json-glib.h>

typedef struct {
  const char *tree_id, *node_id; /* of the node that is asked */
  gboolean is_shared;            /* there is a store that others see */
  gboolean is_connected;         /* it answers; else this is the last known */
  GPtrArray *peers;   /* (element-type ClusterPeer), by id */
  GPtrArray *streams; /* (element-type ClusterStream), by name */
} NodeTreeView;

/* (transfer full): an array of nodes, without links */
JsonNode *node_tree_json_nodes (const NodeTreeView *view);
/* (transfer full): nodes, links between them, streams and who carries them */
JsonNode *node_tree_json_tree (const NodeTreeView *view);
