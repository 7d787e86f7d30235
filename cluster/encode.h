/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster/encode: types as the store has them: nodes and heartbeats are JSON
 * objects, a stream is a list of texts (STREAM_FIELDS of mtctl.lua, in that
 * order). What is read is checked: names, ids, lengths, characters, ranges;
 * one bad value refuses the whole. Unknown members are skipped, so that a
 * newer node may say more.
 * Thread: any.
 */
#pragma once

#include "cluster/types.h"

#define CLUSTER_JSON_MAX_BYTES 8192
/* What a heartbeat keeps to by fewer buckets in its sketches: CLUSTER_MAX_NODES
 * of them, and what nodes say of themselves, fit into one reply of the store
 * (16 MB). Many links or long names may take it beyond. */
#define CLUSTER_LOAD_BYTES 3600
#define CLUSTER_LOAD_MIN_BUCKETS 48
#define CLUSTER_URL_MAX_CHARS 512
#define CLUSTER_HOST_MAX_CHARS 255

/* publication epoch origin info ext_seq ×2 rtp_ts ×2 at */
#define CLUSTER_STREAM_N_FIELDS 9

/* (transfer full) */
char *cluster_node_to_json (const ClusterNode *node);
char *cluster_load_to_json (const ClusterLoad *load, const char *boot_id);

/* @text: NUL-terminated; @ret: (out): cleared first; unset when refused.
 * @node_id, @tree_id: what the node must be named like */
gboolean cluster_node_from_json (const char *text, const char *node_id,
                                 const char *tree_id, ClusterNode *ret);
gboolean cluster_load_from_json (const char *text, ClusterLoad *ret);

/* (transfer full): NULL-terminated, CLUSTER_STREAM_N_FIELDS of them */
char **cluster_stream_to_fields (const ClusterStream *stream);
/* @fields: CLUSTER_STREAM_N_FIELDS texts; origin may be NULL or "".
 * Returns: (transfer full) (nullable) */
ClusterStream *cluster_stream_from_fields (const char *name,
                                           const char *const *fields);
