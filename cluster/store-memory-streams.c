/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterMemory: streams and mountpoints. */
#include "cluster/store-memory-private.h"

#include <string.h>

/* --- streams ------------------------------------------------------------ */

void
cluster_memory_read_streams (ClusterStore *store, ClusterAnswer *answer)
{
  ClusterMemory *self = cluster_memory_of_call (store, answer);
  GHashTableIter iter;
  gpointer value;

  if (self == NULL)
    return;
  cluster_memory_forget_old (self);
  answer->rows =
      g_ptr_array_new_with_free_func ((GDestroyNotify)cluster_stream_free);
  g_hash_table_iter_init (&iter, self->streams);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    g_ptr_array_add (answer->rows,
                     cluster_stream_copy (((MemoryStream *)value)->stream));
}

/* make_room: those that ended longest ago go first */
static void
make_room (ClusterMemory *self)
{
  GHashTableIter iter;
  gpointer value;
  MemoryStream *oldest = NULL;

  if (g_hash_table_size (self->streams) < CLUSTER_MAX_STREAMS)
    return;
  g_hash_table_iter_init (&iter, self->streams);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      MemoryStream *row = value;
      if (row->stream->origin == NULL
          && (oldest == NULL || row->ended_us < oldest->ended_us))
        oldest = row;
    }
  if (oldest != NULL)
    g_hash_table_remove (self->streams, oldest->stream->name);
}

void
cluster_memory_claim_stream (ClusterStore *store, const ClusterStream *stream,
                             ClusterAnswer *answer)
{
  ClusterMemory *self = cluster_memory_of_call (store, answer);
  MemoryStream *row;
  gboolean is_new;

  if (self == NULL)
    return;
  row = g_hash_table_lookup (self->streams, stream->name);
  is_new = row == NULL || row->stream->epoch < stream->epoch
           || row->stream->origin == NULL;
  if (row != NULL
      && (stream->epoch < row->stream->epoch
          || (stream->epoch == row->stream->epoch
              && g_strcmp0 (stream->publication, row->stream->publication)
                     != 0)))
    {
      answer->current = cluster_stream_copy (row->stream);
      answer->error = g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_CONFLICT,
                                   "%s has another epoch", stream->name);
      return;
    }
  if (row == NULL)
    make_room (self);
  if (row == NULL && g_hash_table_size (self->streams) >= CLUSTER_MAX_STREAMS)
    {
      answer->error =
          g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_FULL,
                       "the tree has %d streams", CLUSTER_MAX_STREAMS);
      return;
    }
  row = g_new0 (MemoryStream, 1);
  row->stream = cluster_stream_copy (stream);
  g_hash_table_replace (self->streams, g_strdup (stream->name), row);
  answer->current = cluster_stream_copy (stream);
  if (is_new)
    cluster_memory_publish (self, CLUSTER_HINT_STREAMS, NULL);
}

void
cluster_memory_end_stream (ClusterStore *store, const char *name,
                           const char *publication, ClusterAnswer *answer)
{
  ClusterMemory *self = cluster_memory_of_call (store, answer);
  MemoryStream *row;

  if (self == NULL)
    return;
  row = g_hash_table_lookup (self->streams, name);
  if (row == NULL)
    return;
  if (strcmp (row->stream->publication, publication) != 0)
    {
      answer->error = g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_CONFLICT,
                                   "%s has another publication", name);
      return;
    }
  g_clear_pointer (&row->stream->origin, g_free);
  row->ended_us = cluster_memory_now_us (self);
  cluster_memory_publish (self, CLUSTER_HINT_STREAMS, NULL);
}

/* --- mountpoints -------------------------------------------------------- */

void
cluster_memory_put_mountpoint (ClusterStore *store, const char *id,
                               const char *text, gboolean is_new,
                               ClusterAnswer *answer)
{
  ClusterMemory *self = cluster_memory_of_call (store, answer);
  gboolean is_there;

  if (self == NULL)
    return;
  is_there = g_hash_table_contains (self->mountpoints, id);
  if (is_new && is_there)
    answer->error = g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_CONFLICT,
                                 "%s is another mountpoint's", id);
  else if (!is_there
           && g_hash_table_size (self->mountpoints) >= CLUSTER_MAX_MOUNTPOINTS)
    answer->error =
        g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_FULL,
                     "the tree has %d mountpoints", CLUSTER_MAX_MOUNTPOINTS);
  if (answer->error != NULL)
    return;
  g_hash_table_replace (self->mountpoints, g_strdup (id), g_strdup (text));
  cluster_memory_publish (self, CLUSTER_HINT_STREAMS, NULL);
}

void
cluster_memory_remove_mountpoint (ClusterStore *store, const char *id,
                                  ClusterAnswer *answer)
{
  ClusterMemory *self = cluster_memory_of_call (store, answer);

  if (self != NULL && g_hash_table_remove (self->mountpoints, id))
    cluster_memory_publish (self, CLUSTER_HINT_STREAMS, NULL);
}

void
cluster_memory_read_mountpoints (ClusterStore *store, ClusterAnswer *answer)
{
  ClusterMemory *self = cluster_memory_of_call (store, answer);
  GHashTableIter iter;
  gpointer id, text;

  if (self == NULL)
    return;
  answer->rows =
      g_ptr_array_new_with_free_func ((GDestroyNotify)cluster_mountpoint_free);
  g_hash_table_iter_init (&iter, self->mountpoints);
  while (g_hash_table_iter_next (&iter, &id, &text))
    g_ptr_array_add (answer->rows, cluster_mountpoint_new (id, text));
}
