/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster/store-read: replies of mtctl.lua → types. The server is not trusted:
 * a reply of another shape is CLUSTER_ERROR_PROTOCOL; a node or stream whose
 * values are bad is left out and counted.
 * Thread: main.
 */
#pragma once

#include "cluster/redis-reply.h"
#include "cluster/store.h"

/* cluster_read_status: an integer or text is well, an error of the server
 * becomes TAKEN, LOOP, FULL, DEAD, CONFLICT by its first word, else REPLY
 * @ret_integer: (out) (optional): 0 when it is none */
gboolean cluster_read_status (const ClusterReply *reply, gint64 *ret_integer,
                              GError **error);
/* (transfer full) (element-type ClusterPeer): sorted by id; n_children is
 * counted. @ret_n_bad: (out): left out */
GPtrArray *cluster_read_peers (const ClusterReply *reply, const char *tree_id,
                               guint *ret_n_bad, GError **error);
/* (transfer full) (element-type ClusterStream) */
GPtrArray *cluster_read_streams (const ClusterReply *reply, guint *ret_n_bad,
                                 GError **error);
/* (transfer full) (element-type ClusterMountpoint) */
GPtrArray *cluster_read_mountpoints (const ClusterReply *reply,
                                     guint *ret_n_bad, GError **error);
/* @ret_current: (out) (nullable): on CONFLICT, when it is understood */
gboolean cluster_read_claim (const ClusterReply *reply, const char *name,
                             ClusterStream **ret_current, GError **error);
/* has the server an error that begins with, or after "-" has, @word? */
gboolean cluster_reply_is_error (const ClusterReply *reply, const char *word);
