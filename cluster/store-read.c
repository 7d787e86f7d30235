/* SPDX-License-Identifier: Apache-2.0 */
/* cluster/store-read: shapes first, then values. */
#include "cluster/store-read.h"

#include "cluster/encode.h"

#include <string.h>

#define PEER_N_ITEMS 6
#define STREAM_N_ITEMS (1 + CLUSTER_STREAM_N_FIELDS)
#define MAX_MESSAGE_CHARS 200

gboolean
cluster_reply_is_error (const ClusterReply *reply, const char *word)
{
  return reply != NULL && reply->type == CLUSTER_REPLY_ERROR
         && strstr (reply->text, word) != NULL;
}

static gboolean
fail_shape (GError **error)
{
  g_set_error_literal (error, CLUSTER_ERROR, CLUSTER_ERROR_PROTOCOL,
                       "the store's answer has another shape");
  return FALSE;
}

/* Redis 6 puts "ERR Error running script …: " before what EVAL raises. */
static gboolean
fail_reply (const ClusterReply *reply, GError **error)
{
  static const struct
  {
    const char *word;
    ClusterError code;
  } words[] = {
    { "TAKEN ", CLUSTER_ERROR_TAKEN },
    { "LOOP ", CLUSTER_ERROR_LOOP },
    { "FULL ", CLUSTER_ERROR_FULL },
    { "DEAD ", CLUSTER_ERROR_DEAD },
    { "CONFLICT ", CLUSTER_ERROR_CONFLICT },
    { "STALE ", CLUSTER_ERROR_STALE },
    { "FENCED ", CLUSTER_ERROR_FENCED },
    { "BOUND ", CLUSTER_ERROR_BOUND },
    { "COOLDOWN ", CLUSTER_ERROR_COOLDOWN },
    { "MISSING ", CLUSTER_ERROR_MISSING },
  };
  ClusterError code = CLUSTER_ERROR_REPLY;
  g_autofree char *text = g_strndup (reply->text, MAX_MESSAGE_CHARS);
  g_autofree char *shown = g_strescape (text, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_has_prefix (reply->text, words[i].word))
      code = words[i].code;
  g_set_error_literal (error, CLUSTER_ERROR, code, shown);
  return FALSE;
}

gboolean
cluster_read_status (const ClusterReply *reply, gint64 *ret_integer,
                     GError **error)
{
  if (reply->type == CLUSTER_REPLY_ERROR)
    return fail_reply (reply, error);
  if (reply->type != CLUSTER_REPLY_INTEGER && reply->type != CLUSTER_REPLY_TEXT)
    return fail_shape (error);
  if (ret_integer != NULL)
    *ret_integer = reply->type == CLUSTER_REPLY_INTEGER ? reply->integer : 0;
  return TRUE;
}

/* rows: an array of @n items a row, @max rows at most */
static gboolean
check_rows (const ClusterReply *reply, guint n, guint max, GError **error)
{
  if (reply->type == CLUSTER_REPLY_ERROR)
    return fail_reply (reply, error);
  if (reply->type != CLUSTER_REPLY_ARRAY || reply->n_items % n != 0
      || reply->n_items / n > max)
    return fail_shape (error);
  return TRUE;
}

/* --- peers -------------------------------------------------------------- */

static gboolean
read_name (const char *text, char **ret)
{
  if (text != NULL && !cluster_name_is_valid (text))
    return FALSE;
  *ret = g_strdup (text);
  return TRUE;
}

static gboolean
read_place (const ClusterReply *reply, guint at, ClusterPlace *ret)
{
  const char *rank_text = cluster_reply_get_text_at (reply, at + 2);
  guint64 rank = 0;

  if (rank_text != NULL
      && !g_ascii_string_to_unsigned (rank_text, 10, 0, CLUSTER_MAX_NODES,
                                      &rank, NULL))
    return FALSE;
  ret->rank = (guint)rank;
  return read_name (cluster_reply_get_text_at (reply, at), &ret->parent)
         && read_name (cluster_reply_get_text_at (reply, at + 1), &ret->backup);
}

static ClusterPeer *
read_peer (const ClusterReply *reply, guint at, const char *tree_id)
{
  g_autoptr (ClusterPeer) peer = cluster_peer_new ();
  const char *id = cluster_reply_get_text_at (reply, at),
             *beat = cluster_reply_get_text_at (reply, at + 1);

  if (id == NULL || (beat && !cluster_load_from_json (beat, &peer->load))
      || !cluster_node_from_json (cluster_reply_get_text_at (reply, at + 2), id,
                                  tree_id, &peer->node)
      || !read_place (reply, at + 3, &peer->place))
    return NULL;
  peer->is_alive = beat != NULL;
  return g_steal_pointer (&peer);
}

static int
compare_peers (gconstpointer a, gconstpointer b)
{
  const ClusterPeer *left = *(ClusterPeer *const *)a;
  const ClusterPeer *right = *(ClusterPeer *const *)b;

  return strcmp (left->node.node_id, right->node.node_id);
}

/* finish_peers: by id, each once, children counted */
static void
finish_peers (GPtrArray *peers)
{
  g_autoptr (GHashTable) by_id = g_hash_table_new (g_str_hash, g_str_equal);

  g_ptr_array_sort (peers, compare_peers);
  for (guint i = 0; i < peers->len; i++)
    {
      ClusterPeer *peer = peers->pdata[i];
      if (!g_hash_table_insert (by_id, peer->node.node_id, peer))
        g_ptr_array_remove_index (peers, i--);
    }
  for (guint i = 0; i < peers->len; i++)
    {
      ClusterPeer *peer = peers->pdata[i], *parent = NULL;
      if (peer->is_alive && peer->place.parent != NULL)
        parent = g_hash_table_lookup (by_id, peer->place.parent);
      if (parent != NULL)
        parent->n_children++;
    }
}

GPtrArray *
cluster_read_peers (const ClusterReply *reply, const char *tree_id,
                    guint *ret_n_bad, GError **error)
{
  GPtrArray *peers;

  *ret_n_bad = 0;
  if (!check_rows (reply, PEER_N_ITEMS, CLUSTER_MAX_NODES, error))
    return NULL;
  peers = g_ptr_array_new_with_free_func ((GDestroyNotify)cluster_peer_free);
  for (guint i = 0; i < reply->n_items; i += PEER_N_ITEMS)
    {
      ClusterPeer *peer = read_peer (reply, i, tree_id);
      if (peer != NULL)
        g_ptr_array_add (peers, peer);
      else
        ++*ret_n_bad;
    }
  finish_peers (peers);
  return peers;
}

/* --- streams ------------------------------------------------------------ */

static ClusterStream *
read_stream (const ClusterReply *reply, guint at, const char *name)
{
  const char *fields[CLUSTER_STREAM_N_FIELDS];

  for (guint i = 0; i < CLUSTER_STREAM_N_FIELDS; i++)
    fields[i] = cluster_reply_get_text_at (reply, at + i);
  return cluster_stream_from_fields (name, fields);
}

GPtrArray *
cluster_read_streams (const ClusterReply *reply, guint *ret_n_bad,
                      GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  GPtrArray *streams;

  *ret_n_bad = 0;
  if (!check_rows (reply, STREAM_N_ITEMS, 2 * CLUSTER_MAX_STREAMS, error))
    return NULL;
  streams =
      g_ptr_array_new_with_free_func ((GDestroyNotify)cluster_stream_free);
  for (guint i = 0; i < reply->n_items; i += STREAM_N_ITEMS)
    {
      ClusterStream *stream =
          read_stream (reply, i + 1, cluster_reply_get_text_at (reply, i));
      if (stream != NULL && g_hash_table_add (seen, stream->name))
        {
          g_ptr_array_add (streams, stream);
          continue;
        }
      g_clear_pointer (&stream, cluster_stream_free);
      ++*ret_n_bad;
    }
  return streams;
}

/* --- mountpoints -------------------------------------------------------- */

GPtrArray *
cluster_read_mountpoints (const ClusterReply *reply, guint *ret_n_bad,
                          GError **error)
{
  GPtrArray *rows;

  *ret_n_bad = 0;
  if (!check_rows (reply, 2, CLUSTER_MAX_MOUNTPOINTS, error))
    return NULL;
  rows =
      g_ptr_array_new_with_free_func ((GDestroyNotify)cluster_mountpoint_free);
  for (guint i = 0; i < reply->n_items; i += 2)
    {
      const char *id = cluster_reply_get_text_at (reply, i),
                 *text = cluster_reply_get_text_at (reply, i + 1);
      if (cluster_stream_name_is_valid (id) && text != NULL
          && strlen (text) <= CLUSTER_MAX_MOUNTPOINT_BYTES
          && g_utf8_validate (text, -1, NULL))
        g_ptr_array_add (rows, cluster_mountpoint_new (id, text));
      else
        ++*ret_n_bad;
    }
  return rows;
}

/* --- claims ------------------------------------------------------------- */

gboolean
cluster_read_claim (const ClusterReply *reply, const char *name,
                    ClusterStream **ret_current, GError **error)
{
  const char *word = cluster_reply_get_text_at (reply, 0);

  *ret_current = NULL;
  if (reply->type == CLUSTER_REPLY_ERROR)
    return fail_reply (reply, error);
  if (g_strcmp0 (word, "OK") == 0)
    return TRUE;
  if (g_strcmp0 (word, "CONFLICT") != 0 || reply->n_items != STREAM_N_ITEMS)
    return fail_shape (error);
  *ret_current = read_stream (reply, 1, name);
  if (*ret_current == NULL)
    return fail_shape (error);
  g_set_error (error, CLUSTER_ERROR, CLUSTER_ERROR_CONFLICT,
               "%s has another epoch", name);
  return FALSE;
}
