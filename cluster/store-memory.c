/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterMemory: the store in this process. It answers as mtctl.lua does. */
#include "cluster/store-memory-private.h"

#include "base/clock.h"

#include <string.h>

static void
node_free (gpointer data)
{
  MemoryNode *node = data;

  cluster_peer_free (node->peer);
  g_free (node);
}

static void
stream_free (gpointer data)
{
  MemoryStream *row = data;

  cluster_stream_free (row->stream);
  g_free (row);
}

ClusterMemory *
cluster_memory_new (const char *tree_id)
{
  ClusterMemory *self = g_new0 (ClusterMemory, 1);

  g_ref_count_init (&self->n_refs);
  self->tree_id = g_strdup (tree_id);
  self->nodes =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, node_free);
  self->streams =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, stream_free);
  self->mountpoints =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->stores = g_ptr_array_new ();
  return self;
}

ClusterMemory *
cluster_memory_ref (ClusterMemory *self)
{
  g_ref_count_inc (&self->n_refs);
  return self;
}

void
cluster_memory_unref (ClusterMemory *self)
{
  if (!g_ref_count_dec (&self->n_refs))
    return;
  g_hash_table_unref (self->nodes);
  g_hash_table_unref (self->streams);
  g_hash_table_unref (self->mountpoints);
  g_ptr_array_unref (self->stores);
  g_free (self->tree_id);
  g_free (self);
}

gint64
cluster_memory_now_us (ClusterMemory *self)
{
  return self->now_us != NULL ? *self->now_us : base_clock_now_us ();
}

static gboolean
beats (ClusterMemory *self, const MemoryNode *node)
{
  return cluster_memory_now_us (self) - node->beat_us
         < CLUSTER_HEARTBEAT_TTL_US;
}

/* --- hints -------------------------------------------------------------- */

static gboolean
on_idle (gpointer data)
{
  Memory *self = data;
  ClusterHint hint = GPOINTER_TO_UINT (g_queue_pop_head (&self->hints));

  if (g_queue_is_empty (&self->hints))
    {
      g_source_destroy (self->idle);
      g_clear_pointer (&self->idle, g_source_unref);
    }
  if (hint == CLUSTER_HINT_STATE)
    cluster_store_set_state (&self->base, self->memory->is_away
                                              ? CLUSTER_STORE_AWAY
                                              : CLUSTER_STORE_CONNECTED);
  else
    cluster_store_hint (&self->base, hint);
  return G_SOURCE_CONTINUE;
}

static void
hint_later (Memory *self, ClusterHint hint)
{
  g_queue_push_tail (&self->hints, GUINT_TO_POINTER (hint));
  if (self->idle != NULL)
    return;
  self->idle = g_idle_source_new ();
  g_source_set_priority (self->idle, G_PRIORITY_DEFAULT);
  g_source_set_static_name (self->idle, "cluster-memory");
  g_source_set_callback (self->idle, on_idle, self, NULL);
  g_source_attach (self->idle, NULL);
}

void
cluster_memory_publish (ClusterMemory *self, ClusterHint hint,
                        const char *node_id)
{
  for (guint i = 0; i < self->stores->len; i++)
    {
      Memory *store = self->stores->pdata[i];
      if (node_id == NULL || g_strcmp0 (store->node_id, node_id) == 0)
        hint_later (store, hint);
    }
}

/* --- what only tests do ------------------------------------------------- */

void
cluster_memory_empty (ClusterMemory *self)
{
  g_hash_table_remove_all (self->nodes);
  g_hash_table_remove_all (self->streams);
  g_hash_table_remove_all (self->mountpoints);
}

void
cluster_memory_set_away (ClusterMemory *self, gboolean is_away)
{
  self->is_away = is_away;
  cluster_memory_publish (self, CLUSTER_HINT_STATE, NULL);
}

void
cluster_memory_set_clock (ClusterMemory *self, const gint64 *now_us)
{
  self->now_us = now_us;
}

guint
cluster_memory_count_places (ClusterMemory *self)
{
  return self->n_places;
}

/* --- nodes -------------------------------------------------------------- */

ClusterMemory *
cluster_memory_of_call (ClusterStore *store, ClusterAnswer *answer)
{
  Memory *self = (Memory *)store;

  cluster_answer_finish_later (answer);
  if (!self->memory->is_away)
    return self->memory;
  answer->error =
      g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_AWAY, "the store is away");
  return NULL;
}

static void
memory_beat (ClusterStore *store, const ClusterNode *node,
             const ClusterLoad *load, ClusterAnswer *answer)
{
  ClusterMemory *self = cluster_memory_of_call (store, answer);
  Memory *memory = (Memory *)store;
  MemoryNode *row;

  if (self == NULL)
    return;
  row = g_hash_table_lookup (self->nodes, node->node_id);
  if (row != NULL && beats (self, row)
      && strcmp (row->peer->node.boot_id, node->boot_id) != 0)
    {
      answer->error = g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_TAKEN,
                                   "another node lives as %s", node->node_id);
      return;
    }
  if (row == NULL)
    {
      row = g_new0 (MemoryNode, 1);
      row->peer = cluster_peer_new ();
      g_hash_table_insert (self->nodes, g_strdup (node->node_id), row);
      if (memory->node_id != NULL)
        hint_later (memory, CLUSTER_HINT_EMPTIED);
    }
  cluster_node_copy (node, &row->peer->node);
  row->peer->load = *load;
  row->peer->is_alive = TRUE;
  row->beat_us = cluster_memory_now_us (self);
  if (memory->node_id == NULL)
    memory->node_id = g_strdup (node->node_id);
}

static guint
count_children (ClusterMemory *self, const char *parent, const char *but)
{
  GHashTableIter iter;
  gpointer value;
  guint n = 0;

  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      MemoryNode *row = value;
      if (beats (self, row) && g_strcmp0 (row->peer->place.parent, parent) == 0
          && g_strcmp0 (row->peer->node.node_id, but) != 0)
        n++;
    }
  return n;
}

void
cluster_memory_forget_old (ClusterMemory *self)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (cluster_memory_now_us (self) - ((MemoryNode *)value)->beat_us
        > CLUSTER_FORGET_US)
      g_hash_table_iter_remove (&iter);
  g_hash_table_iter_init (&iter, self->streams);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      MemoryStream *row = value;
      if (row->stream->origin == NULL
          && cluster_memory_now_us (self) - row->ended_us
                 > CLUSTER_ENDED_TTL_US)
        g_hash_table_iter_remove (&iter);
    }
}

static int
compare_peers (gconstpointer a, gconstpointer b)
{
  const ClusterPeer *left = *(ClusterPeer *const *)a;
  const ClusterPeer *right = *(ClusterPeer *const *)b;

  return strcmp (left->node.node_id, right->node.node_id);
}

static void
memory_read_peers (ClusterStore *store, ClusterAnswer *answer)
{
  ClusterMemory *self = cluster_memory_of_call (store, answer);
  GHashTableIter iter;
  gpointer value;

  if (self == NULL)
    return;
  cluster_memory_forget_old (self);
  answer->rows =
      g_ptr_array_new_with_free_func ((GDestroyNotify)cluster_peer_free);
  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      MemoryNode *row = value;
      ClusterPeer *peer;
      peer = cluster_peer_copy (row->peer);
      peer->is_alive = beats (self, row);
      peer->n_children = count_children (self, peer->node.node_id, NULL);
      g_ptr_array_add (answer->rows, peer);
    }
  g_ptr_array_sort (answer->rows, compare_peers);
}

/* --- places ------------------------------------------------------------- */

/* is_above: does @node_id stand on a way from @from to the top? */
static gboolean
is_above (ClusterMemory *self, const char *from, const char *node_id,
          GHashTable *seen)
{
  MemoryNode *row;

  if (from == NULL || !g_hash_table_add (seen, (gpointer)from))
    return FALSE;
  if (strcmp (from, node_id) == 0)
    return TRUE;
  row = g_hash_table_lookup (self->nodes, from);
  return row != NULL
         && (is_above (self, row->peer->place.parent, node_id, seen)
             || is_above (self, row->peer->place.backup, node_id, seen));
}

static GError *
check_parent (ClusterMemory *self, const char *node_id, const char *parent,
              const ClusterPlace *place)
{
  MemoryNode *row = g_hash_table_lookup (self->nodes, parent);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  if (row == NULL || !beats (self, row))
    return g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_DEAD,
                        "%s has no heartbeat", parent);
  if (row->peer->place.rank >= place->rank
      || is_above (self, parent, node_id, seen))
    return g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_LOOP,
                        "%s hangs not above %s", parent, node_id);
  return NULL;
}

static void
memory_place (ClusterStore *store, const char *node_id,
              const ClusterPlace *place, guint max_children,
              ClusterAnswer *answer)
{
  ClusterMemory *self = cluster_memory_of_call (store, answer);
  MemoryNode *row;

  if (self == NULL)
    return;
  self->n_places++;
  row = g_hash_table_lookup (self->nodes, node_id);
  if (row == NULL)
    answer->error = g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_DEAD,
                                 "%s has no heartbeat", node_id);
  if (answer->error == NULL && place->parent != NULL)
    answer->error = check_parent (self, node_id, place->parent, place);
  if (answer->error == NULL && place->backup != NULL)
    answer->error = check_parent (self, node_id, place->backup, place);
  if (answer->error == NULL && place->parent != NULL
      && count_children (self, place->parent, node_id) >= max_children)
    answer->error =
        g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_FULL, "%s has %u children",
                     place->parent, max_children);
  if (answer->error != NULL || cluster_place_equal (place, &row->peer->place))
    return;
  cluster_place_copy (place, &row->peer->place);
  cluster_memory_publish (self, CLUSTER_HINT_TOPOLOGY, node_id);
  if (place->parent != NULL)
    cluster_memory_publish (self, CLUSTER_HINT_TOPOLOGY, place->parent);
  if (place->backup != NULL)
    cluster_memory_publish (self, CLUSTER_HINT_TOPOLOGY, place->backup);
}

/* --- leaving ------------------------------------------------------------ */

static void
memory_leave (ClusterStore *store, const ClusterNode *node,
              ClusterAnswer *answer)
{
  ClusterMemory *self = cluster_memory_of_call (store, answer);
  GHashTableIter iter;
  gpointer value;
  MemoryNode *row;

  if (self == NULL)
    return;
  row = g_hash_table_lookup (self->nodes, node->node_id);
  if (row == NULL || strcmp (row->peer->node.boot_id, node->boot_id) != 0)
    return;
  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (g_strcmp0 (((MemoryNode *)value)->peer->place.parent, node->node_id)
        == 0)
      cluster_memory_publish (self, CLUSTER_HINT_TOPOLOGY,
                              ((MemoryNode *)value)->peer->node.node_id);
  g_hash_table_iter_init (&iter, self->streams);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      MemoryStream *stream = value;
      if (g_strcmp0 (stream->stream->origin, node->node_id) != 0)
        continue;
      g_clear_pointer (&stream->stream->origin, g_free);
      stream->ended_us = cluster_memory_now_us (self);
      cluster_memory_publish (self, CLUSTER_HINT_STREAMS, NULL);
    }
  g_hash_table_remove (self->nodes, node->node_id);
  g_clear_pointer (&((Memory *)store)->node_id, g_free);
}

/* --- the store ---------------------------------------------------------- */

static void
memory_free (ClusterStore *store)
{
  Memory *self = (Memory *)store;

  if (self->idle != NULL)
    {
      g_source_destroy (self->idle);
      g_source_unref (self->idle);
    }
  g_queue_clear (&self->hints);
  g_ptr_array_remove (self->memory->stores, self);
  cluster_memory_unref (self->memory);
  g_free (self->node_id);
  cluster_store_clear (store);
}

static char *
memory_describe (ClusterStore *store)
{
  return g_strdup ("memory");
}

static const ClusterStoreClass memory_class = {
  .free = memory_free,
  .describe = memory_describe,
  .beat = memory_beat,
  .leave = memory_leave,
  .place = memory_place,
  .read_peers = memory_read_peers,
  .read_streams = cluster_memory_read_streams,
  .claim_stream = cluster_memory_claim_stream,
  .end_stream = cluster_memory_end_stream,
  .put_mountpoint = cluster_memory_put_mountpoint,
  .remove_mountpoint = cluster_memory_remove_mountpoint,
  .read_mountpoints = cluster_memory_read_mountpoints,
};

ClusterStore *
cluster_memory_open (ClusterMemory *memory)
{
  Memory *self = g_new0 (Memory, 1);

  cluster_store_init (&self->base, &memory_class, memory->tree_id);
  self->memory = cluster_memory_ref (memory);
  g_queue_init (&self->hints);
  g_ptr_array_add (memory->stores, self);
  hint_later (self, CLUSTER_HINT_STATE);
  return &self->base;
}

ClusterStore *
cluster_store_new_memory (const char *tree_id)
{
  g_autoptr (ClusterMemory) memory = cluster_memory_new (tree_id);

  return cluster_memory_open (memory);
}
