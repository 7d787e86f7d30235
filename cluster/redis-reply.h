/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterReader: the server's bytes → replies, by hiredis's reader with
 * objects of our own, so that a hostile server cannot make us allocate: bytes
 * and items of one reply are bounded, and it may be nested 7 deep (hiredis).
 * Thread: main.
 */
#pragma once

#include <glib.h>

typedef enum
{
  CLUSTER_REPLY_NIL,
  CLUSTER_REPLY_TEXT, /* status too */
  CLUSTER_REPLY_ERROR,
  CLUSTER_REPLY_INTEGER,
  CLUSTER_REPLY_ARRAY,
} ClusterReplyType;

typedef struct _ClusterReply ClusterReply;
struct _ClusterReply
{
  ClusterReplyType type;
  char *text; /* owned: NUL-terminated, may hold more NULs; TEXT and ERROR */
  gsize n_bytes;
  gint64 integer;
  ClusterReply **items; /* owned, elements too */
  guint n_items;
};

typedef struct _ClusterReader ClusterReader;

ClusterReader *cluster_reader_new (gsize max_bytes, guint max_items);
void cluster_reader_free (ClusterReader *self);
/* FALSE with CLUSTER_ERROR_PROTOCOL: nothing can be read any more */
gboolean cluster_reader_feed (ClusterReader *self, const void *data,
                              gsize n_bytes, GError **error);
/* @ret: (out) (nullable) (transfer full): NULL = not yet whole */
gboolean cluster_reader_next (ClusterReader *self, ClusterReply **ret,
                              GError **error);

void cluster_reply_free (ClusterReply *self);
/* (nullable): TEXT without a NUL, else NULL; @self nullable */
const char *cluster_reply_get_text (const ClusterReply *self);
/* (nullable): the item, or NULL when there is no such */
const ClusterReply *cluster_reply_get_item (const ClusterReply *self,
                                            guint index);
/* (nullable): of the item, as get_text has it */
const char *cluster_reply_get_text_at (const ClusterReply *self, guint index);
/* cluster_reply_get_number_at: a whole number as text; none there is 0.
 * Returns: FALSE: it is something else, or more than @max; @ret is 0 */
gboolean cluster_reply_get_number_at (const ClusterReply *self, guint index,
                                      guint64 max, guint64 *ret);
/* (transfer full) (nullable): valid UTF-8 of at most @max_bytes, or none */
char *cluster_reply_dup_text_at (const ClusterReply *self, guint index,
                                 gsize max_bytes);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClusterReply, cluster_reply_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClusterReader, cluster_reader_free)
