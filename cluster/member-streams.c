/* SPDX-License-Identifier: Apache-2.0 */
/* cluster/member: the directory of streams, and which of them are ours. */
#include "cluster/member-private.h"

#include "base/clock.h"
#include "cluster/log.h"

#include <string.h>

static void claim (MemberStream *row);

static void
stream_free (gpointer data)
{
  MemberStream *row = data;

  g_clear_pointer (&row->known, cluster_stream_free);
  g_clear_pointer (&row->ours, cluster_stream_free);
  g_free (row->claimed);
  g_free (row->name);
  g_free (row);
}

void
cluster_member_init_streams (ClusterMember *self)
{
  self->streams =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, stream_free);
  self->stream_list = g_ptr_array_new ();
}

void
cluster_member_clear_streams (ClusterMember *self)
{
  g_hash_table_unref (self->streams);
  g_ptr_array_unref (self->stream_list);
}

static MemberStream *
find (ClusterMember *self, const char *name)
{
  return g_hash_table_lookup (self->streams, name);
}

static MemberStream *
find_or_add (ClusterMember *self, const char *name)
{
  MemberStream *row = find (self, name);

  if (row != NULL)
    return row;
  row = g_new0 (MemberStream, 1);
  row->member = self;
  row->name = g_strdup (name);
  g_hash_table_insert (self->streams, row->name, row);
  return row;
}

static void
set_known (MemberStream *row, const ClusterStream *stream)
{
  ClusterStream *copy = cluster_stream_copy (stream);

  g_clear_pointer (&row->known, cluster_stream_free);
  row->known = copy;
}

/* (transfer container): callbacks may add rows meanwhile */
static GPtrArray *
dup_rows (ClusterMember *self)
{
  GPtrArray *rows = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->streams);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    g_ptr_array_add (rows, value);
  return rows;
}

/* --- telling ------------------------------------------------------------ */

static gboolean
is_alive (ClusterMember *self, const char *node_id)
{
  const ClusterPeer *peer = cluster_member_find_peer (self, node_id);

  return peer != NULL && peer->is_alive;
}

static void
tell_changed (MemberStream *row)
{
  ClusterMember *self = row->member;

  row->is_live = TRUE;
  row->gone_us = 0;
  GST_INFO ("stream=%s publication=%s origin=%s is published", row->name,
            row->known->publication, row->known->origin);
  if (self->callbacks.on_stream_changed != NULL)
    self->callbacks.on_stream_changed (row->known, self->data);
}

static void
tell_ended (MemberStream *row)
{
  ClusterMember *self = row->member;

  row->is_live = FALSE;
  row->gone_us = 0;
  GST_INFO ("stream=%s has ended", row->name);
  if (self->callbacks.on_stream_ended != NULL)
    self->callbacks.on_stream_ended (row->name, self->data);
}

static void
tell_lost (MemberStream *row, const ClusterStream *now)
{
  ClusterMember *self = row->member;

  g_clear_pointer (&row->ours, cluster_stream_free);
  row->is_accepted = FALSE;
  set_known (row, now);
  base_counter_add (self->n_streams_lost, 1);
  GST_INFO ("stream=%s origin=%s is taken over", row->name,
            now->origin != NULL ? now->origin : "-");
  if (self->callbacks.on_stream_lost != NULL)
    self->callbacks.on_stream_lost (row->known, self->data);
  if (row->ours == NULL && row->known->origin != NULL
      && is_alive (self, row->known->origin))
    tell_changed (row);
}

/* --- origins ------------------------------------------------------------ */

/* A stream that the store says is ours, but is not: our last boot's. */
static void
check_orphan (MemberStream *row)
{
  ClusterMember *self = row->member;
  gint64 now_us = cluster_member_now (self);

  if (row->gone_us == 0)
    row->gone_us = now_us;
  if (now_us - row->gone_us < MEMBER_ORIGIN_GONE_US)
    return;
  row->gone_us = now_us;
  cluster_store_end_stream (self->store, row->name, row->known->publication,
                            NULL, NULL);
}

static void
check_origin (MemberStream *row)
{
  ClusterMember *self = row->member;
  gint64 now_us = cluster_member_now (self);
  const char *origin = row->known != NULL ? row->known->origin : NULL;

  if (row->ours != NULL || origin == NULL)
    return;
  if (strcmp (origin, self->node.node_id) == 0)
    {
      check_orphan (row);
      return;
    }
  if (is_alive (self, origin))
    {
      row->gone_us = 0;
      if (!row->is_live)
        tell_changed (row);
      return;
    }
  if (!row->is_live)
    return;
  if (row->gone_us == 0)
    row->gone_us = now_us;
  if (now_us - row->gone_us < MEMBER_ORIGIN_GONE_US
      || (self->callbacks.is_parent_silent != NULL
          && !self->callbacks.is_parent_silent (origin, self->data)))
    return;
  tell_ended (row);
}

void
cluster_member_check_origins (ClusterMember *self)
{
  g_autoptr (GPtrArray) rows = dup_rows (self);

  for (guint i = 0; i < rows->len; i++)
    check_origin (rows->pdata[i]);
}

/* --- reading ------------------------------------------------------------ */

static gboolean
is_other (const ClusterStream *a, const ClusterStream *b)
{
  return a == NULL || a->epoch != b->epoch
         || strcmp (a->publication, b->publication) != 0
         || g_strcmp0 (a->origin, b->origin) != 0;
}

static void
take_stream (ClusterMember *self, const ClusterStream *stream)
{
  MemberStream *row = find_or_add (self, stream->name);
  gboolean has_changed = is_other (row->known, stream);

  row->is_seen = TRUE;
  if (row->ours != NULL)
    {
      if (row->is_accepted
          && (stream->epoch > row->ours->epoch
              || (stream->epoch == row->ours->epoch
                  && strcmp (stream->publication, row->ours->publication)
                         != 0)))
        tell_lost (row, stream);
      return;
    }
  /* The store has gone back (a failover, an old origin was first): who is
   * known to be later speaks again soon. */
  if (row->is_live && row->gone_us == 0 && stream->epoch < row->known->epoch)
    return;
  set_known (row, stream);
  if (stream->origin == NULL)
    {
      if (row->is_live)
        tell_ended (row);
      return;
    }
  if (!has_changed)
    return;
  if (strcmp (stream->origin, self->node.node_id) == 0)
    {
      if (row->is_live)
        tell_ended (row);
    }
  else if (is_alive (self, stream->origin))
    tell_changed (row);
  else
    cluster_member_read_peers (self); /* it may have come just now */
}

/* forget_old: ended ones beyond the limit, whichever */
static void
forget_old (ClusterMember *self)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->streams);
  while (g_hash_table_size (self->streams) > 2 * CLUSTER_MAX_STREAMS
         && g_hash_table_iter_next (&iter, NULL, &value))
    {
      MemberStream *row = value;
      if (row->ours == NULL && !row->is_live && !row->is_claiming)
        g_hash_table_iter_remove (&iter);
    }
}

static void
take_streams (ClusterMember *self, GPtrArray *streams)
{
  g_autoptr (GPtrArray) rows = NULL;

  for (guint i = 0; i < streams->len; i++)
    take_stream (self, streams->pdata[i]);
  rows = dup_rows (self);
  for (guint i = 0; i < rows->len; i++)
    {
      MemberStream *row = rows->pdata[i];
      if (row->is_live && !row->is_seen && !cluster_member_is_rebuilding (self))
        tell_ended (row);
      row->is_seen = FALSE;
    }
  forget_old (self);
}

static void
on_streams (GPtrArray *streams, const GError *error, gpointer data)
{
  ClusterMember *self = data;

  self->is_reading_streams = FALSE;
  if (self->is_leaving)
    return;
  if (error == NULL)
    {
      self->next_streams_us = cluster_member_now (self) + MEMBER_READ_STREAMS_US
                              - MEMBER_TICK_US / 2;
      take_streams (self, streams);
    }
  if (self->wants_streams)
    cluster_member_read_streams (self);
}

void
cluster_member_read_streams (ClusterMember *self)
{
  self->wants_streams = self->is_reading_streams;
  if (self->is_reading_streams)
    return;
  self->is_reading_streams = TRUE;
  cluster_store_read_streams (self->store, on_streams, self);
}

/* --- ours --------------------------------------------------------------- */

static void
on_conflict (MemberStream *row, const ClusterStream *current)
{
  if (row->is_accepted || current->epoch >= CLUSTER_EPOCH_MAX)
    {
      tell_lost (row, current);
      return;
    }
  /* Not yet in the store, so it began after what is there: above it. */
  set_known (row, current);
  row->ours->epoch = current->epoch + 1;
  claim (row);
}

static void
on_claimed (const ClusterStream *current, const GError *error, gpointer data)
{
  MemberStream *row = data;
  g_autofree char *claimed = g_steal_pointer (&row->claimed);

  row->is_claiming = FALSE;
  if (row->ours == NULL || row->member->is_leaving)
    return;
  if (strcmp (claimed, row->ours->publication) != 0)
    claim (row); /* another one began meanwhile */
  else if (error == NULL)
    row->is_accepted = TRUE;
  else if (current != NULL)
    on_conflict (row, current);
}

static void
claim (MemberStream *row)
{
  if (row->is_claiming)
    return;
  row->is_claiming = TRUE;
  row->claimed = g_strdup (row->ours->publication);
  cluster_store_claim_stream (row->member->store, row->ours, on_claimed, row);
}

void
cluster_member_claim_streams (ClusterMember *self, gboolean with_numbers)
{
  g_autoptr (GPtrArray) rows = dup_rows (self);

  for (guint i = 0; i < rows->len; i++)
    {
      MemberStream *row = rows->pdata[i];
      if (row->ours == NULL)
        continue;
      if (with_numbers && self->callbacks.fill_stream != NULL)
        {
          self->callbacks.fill_stream (row->ours, self->data);
          row->ours->at_wall_us = base_clock_wall_us ();
        }
      claim (row);
    }
}

void
cluster_member_begin_stream (ClusterMember *self, ClusterStream *stream,
                             ClusterStream *ret_floor)
{
  MemberStream *row = find_or_add (self, stream->name);
  const ClusterStream *last = row->ours != NULL ? row->ours : row->known;
  guint64 epoch = 0;

  if (ret_floor != NULL)
    memset (ret_floor, 0, sizeof *ret_floor);
  if (last != NULL && ret_floor != NULL)
    {
      *ret_floor = *last;
      ret_floor->name = ret_floor->publication = NULL;
      ret_floor->origin = ret_floor->info = NULL;
    }
  if (last != NULL)
    epoch = last->epoch;
  if (row->known != NULL)
    epoch = MAX (epoch, row->known->epoch);

  stream->epoch = epoch + 1;
  stream->at_wall_us = base_clock_wall_us ();
  g_free (stream->origin);
  stream->origin = g_strdup (self->node.node_id);
  g_clear_pointer (&row->ours, cluster_stream_free);
  row->ours = cluster_stream_copy (stream);
  row->is_accepted = FALSE;
  row->is_live = FALSE; /* another's no more */
  row->gone_us = 0;
  claim (row);
}

void
cluster_member_end_stream (ClusterMember *self, const char *name)
{
  MemberStream *row = find (self, name);

  if (row == NULL || row->ours == NULL)
    return;
  cluster_store_end_stream (self->store, name, row->ours->publication, NULL,
                            NULL);
  g_clear_pointer (&row->known, cluster_stream_free);
  row->known = g_steal_pointer (&row->ours);
  g_clear_pointer (&row->known->origin, g_free);
  row->is_accepted = FALSE;
}

/* --- asking ------------------------------------------------------------- */

static const ClusterStream *
live (const MemberStream *row)
{
  if (row->ours != NULL)
    return row->ours;
  return row->is_live ? row->known : NULL;
}

static int
compare_streams (gconstpointer a, gconstpointer b)
{
  const ClusterStream *left = *(ClusterStream *const *)a;
  const ClusterStream *right = *(ClusterStream *const *)b;

  return strcmp (left->name, right->name);
}

GPtrArray *
cluster_member_get_streams (ClusterMember *self)
{
  GHashTableIter iter;
  gpointer value;

  g_ptr_array_set_size (self->stream_list, 0);
  g_hash_table_iter_init (&iter, self->streams);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (live (value) != NULL)
      g_ptr_array_add (self->stream_list, (gpointer)live (value));
  g_ptr_array_sort (self->stream_list, compare_streams);
  return self->stream_list;
}

const ClusterStream *
cluster_member_find_stream (ClusterMember *self, const char *name)
{
  MemberStream *row = find (self, name);

  return row != NULL ? live (row) : NULL;
}
