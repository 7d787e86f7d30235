/* SPDX-License-Identifier: Apache-2.0 */
/* NodeMountpoints: see mountpoints.h. */
#include "node/mountpoints-private.h"

#include <string.h>

#include "base/clock.h"
#include "node/log.h"
#include "relay/link-message.h"

/* One that the store has, as it was understood. */
typedef struct
{
  char *text;                 /* owned */
  EgressMountpointSpec *spec; /* owned, nullable: it makes no sense */
  gint64 gone_us;             /* its node was missed since; 0 = it is there */
  guint turn;                 /* of the last reading that had it */
} Row;

static void read_store (NodeMountpoints *self);

static void
row_free (gpointer data)
{
  Row *row = data;

  g_free (row->text);
  g_clear_pointer (&row->spec, egress_mountpoint_spec_free);
  g_free (row);
}

/* --- reading ------------------------------------------------------------ */

static EgressMountpointSpec *
parse (NodeMountpoints *self, const char *id, const char *text)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  EgressMountpointSpec *spec = NULL;
  JsonNode *root = NULL;

  if (json_parser_load_from_data (parser, text, -1, &error))
    root = json_parser_get_root (parser);
  if (root && JSON_NODE_HOLDS_OBJECT (root))
    spec = egress_mountpoint_spec_from_json (json_node_get_object (root),
                                             self->string_ids, &error);
  if (spec && spec->node_id && g_str_equal (spec->id, id))
    return spec;
  g_clear_pointer (&spec, egress_mountpoint_spec_free);
  base_counter_add (self->n_bad, 1);
  GST_WARNING ("mountpoint=%s what the store has of it makes no sense%s%s", id,
               error ? ": " : "", error ? error->message : "");
  return NULL;
}

static Row *
take_row (NodeMountpoints *self, const ClusterMountpoint *from)
{
  Row *row = g_hash_table_lookup (self->rows, from->id);

  if (!row || !g_str_equal (row->text, from->text))
    {
      row = g_new0 (Row, 1);
      row->text = g_strdup (from->text);
      row->spec = parse (self, from->id, from->text);
      g_hash_table_replace (self->rows, g_strdup (from->id), row);
    }
  row->turn = self->turn;
  return row;
}

static gboolean
is_ours (NodeMountpoints *self, const Row *row)
{
  return g_str_equal (row->spec->node_id, self->parts->options->node_id);
}

/* take_ours: what an earlier life of this node has left in the store */
static void
take_ours (NodeMountpoints *self, const Row *row)
{
  gboolean can_open = (self->parts->options->roles & NODE_ROLE_INJECTION) != 0;

  if (g_hash_table_contains (self->ours, row->spec->id))
    return;
  if (!self->has_read && row->spec->is_permanent && can_open)
    node_mountpoints_remake (self, egress_mountpoint_spec_copy (row->spec));
  else if (row->spec->is_permanent ? self->has_read && can_open : TRUE)
    cluster_store_remove_mountpoint (node_mountpoints_get_store (self),
                                     row->spec->id, NULL, NULL);
}

/* check_node: a node that died leaves what it made in the store */
static void
check_node (NodeMountpoints *self, Row *row, gint64 now_us)
{
  const ClusterPeer *peer = cluster_member_find_peer (
      node_cluster_get_member (self->parts->cluster), row->spec->node_id);

  if (peer && peer->is_alive)
    row->gone_us = 0;
  else if (row->gone_us == 0)
    row->gone_us = now_us;
  else if (!row->spec->is_permanent
           && now_us - row->gone_us >= NODE_MOUNTPOINTS_GONE_US)
    cluster_store_remove_mountpoint (node_mountpoints_get_store (self),
                                     row->spec->id, NULL, NULL);
}

static gboolean
is_old (gpointer id, gpointer row, gpointer data)
{
  return ((Row *)row)->turn != ((NodeMountpoints *)data)->turn;
}

static void
take_rows (NodeMountpoints *self, GPtrArray *rows)
{
  g_autoptr (GPtrArray) others = g_ptr_array_new ();
  gint64 now_us = base_clock_now_us ();

  self->turn++;
  for (guint i = 0; i < rows->len; i++)
    {
      Row *row = take_row (self, rows->pdata[i]);

      if (!row->spec)
        continue;
      if (is_ours (self, row))
        {
          take_ours (self, row);
          continue;
        }
      check_node (self, row, now_us);
      g_ptr_array_add (others, row->spec);
    }
  g_hash_table_foreach_remove (self->rows, is_old, self);
  egress_mountpoints_set_shared (self->registry, others);
  node_mountpoints_say_again (self);
  self->has_read = TRUE;
}

static void
on_read (GPtrArray *rows, const GError *error, gpointer data)
{
  NodeMountpoints *self = data;

  self->is_reading = FALSE;
  if (self->is_leaving || !self->registry)
    return;
  if (rows)
    take_rows (self, rows);
  if (self->is_stale)
    read_store (self);
}

static void
read_store (NodeMountpoints *self)
{
  if (!self->registry || self->is_leaving)
    return;
  self->is_stale = self->is_reading;
  if (self->is_reading)
    return;
  self->is_reading = TRUE;
  cluster_store_read_mountpoints (node_mountpoints_get_store (self), on_read,
                                  self);
}

static void
on_hint (ClusterHint hint, gpointer data)
{
  NodeMountpoints *self = data;
  GHashTableIter iter;
  gpointer row;

  /* who was missed before the store was away may be there again */
  g_hash_table_iter_init (&iter, self->rows);
  while (hint == CLUSTER_HINT_STATE
         && g_hash_table_iter_next (&iter, NULL, &row))
    ((Row *)row)->gone_us = 0;
  if (hint != CLUSTER_HINT_TOPOLOGY && hint != CLUSTER_HINT_LEASE)
    read_store (data);
}

static gboolean
on_timer (gpointer data)
{
  read_store (data);
  return G_SOURCE_CONTINUE;
}

/* --- streams ------------------------------------------------------------ */

static void
listed_free (gpointer data)
{
  EgressStreamListed *row = data;

  g_free (row->name);
  g_free (row);
}

static void
list_stream (GPtrArray *list, const char *name, const RelayStreamInfo *info)
{
  EgressStreamListed *row;

  if (strchr (name, '~'))
    return;
  row = g_new0 (EgressStreamListed, 1);
  row->name = g_strdup (name);
  row->is_live = TRUE;
  row->info = *info;
  g_ptr_array_add (list, row);
}

/* the directory's, and what has just begun here */
static GPtrArray *
on_list_streams (gpointer data)
{
  NodeMountpoints *self = data;
  ClusterMember *member = node_cluster_get_member (self->parts->cluster);
  GPtrArray *known = cluster_member_get_streams (member);
  GPtrArray *list = g_ptr_array_new_with_free_func (listed_free);
  g_autoptr (GPtrArray) here = relay_hub_list (self->parts->hub);
  RelayStreamInfo info;

  for (guint i = 0; i < known->len; i++)
    {
      const ClusterStream *stream = known->pdata[i];

      if (stream->info && relay_stream_info_from_json (stream->info, &info))
        list_stream (list, stream->name, &info);
    }
  for (guint i = 0; i < here->len; i++)
    {
      const char *name = relay_stream_get_name (here->pdata[i]);

      if (relay_stream_is_live (here->pdata[i])
          && relay_stream_get_info (here->pdata[i], &info)
          && !cluster_member_find_stream (member, name))
        list_stream (list, name, &info);
    }
  return list;
}

/* --- sources ------------------------------------------------------------ */

static void
on_open (const EgressMountpointSpec *spec, EgressMountpointOpened done,
         gpointer done_data, gpointer data)
{
  NodeMountpoints *self = data;

  node_mountpoint_sources_open (self->sources, spec, done, done_data);
}

static void
on_close (const char *stream, gpointer data)
{
  NodeMountpoints *self = data;

  node_mountpoint_sources_close (self->sources, stream);
}

static void
on_set_enabled (const char *stream, gboolean is_enabled, gpointer data)
{
  NodeMountpoints *self = data;

  node_mountpoint_sources_set_enabled (self->sources, stream, is_enabled);
}

static gboolean
on_get_age (const char *stream, RtcMediaKind kind, gint64 *ret_age_us,
            gpointer data)
{
  NodeMountpoints *self = data;

  return node_mountpoint_sources_get_age (self->sources, stream, kind,
                                          ret_age_us);
}

static void
on_open_private (const EgressMountpointSpec *spec, const char *stream,
                 EgressMountpointOpened done, gpointer done_data, gpointer data)
{
  NodeMountpoints *self = data;
  g_autoptr (GError) error = NULL;

  if (spec->node_id == NULL
      || g_str_equal (spec->node_id, self->parts->options->node_id))
    {
      node_mountpoint_sources_open_private (self->sources, spec, stream, done,
                                            done_data);
      return;
    }
  error = g_error_new (EGRESS_STREAMING_ERROR, EGRESS_STREAMING_INVALID_STATE,
                       "The file of %s is at node %s: watch it there", spec->id,
                       spec->node_id);
  done (NULL, NULL, error, done_data);
}

static gboolean
on_is_orphan (const EgressMountpointSpec *spec, gpointer data)
{
  NodeMountpoints *self = data;
  const Row *row = g_hash_table_lookup (self->rows, spec->id);

  return row && row->gone_us > 0
         && base_clock_now_us () - row->gone_us >= NODE_MOUNTPOINTS_GONE_US;
}

void
node_mountpoints_fill_hooks (NodeMountpoints *self, EgressMountpointHooks *ret)
{
  *ret = (EgressMountpointHooks){
    .open = on_open,
    .close = on_close,
    .set_enabled = on_set_enabled,
    .get_age = on_get_age,
    .open_private = on_open_private,
    .share = node_mountpoints_on_share,
    .unshare = node_mountpoints_on_unshare,
    .is_orphan = on_is_orphan,
    .list_streams = on_list_streams,
    .data = self,
  };
}

/* --- life --------------------------------------------------------------- */

NodeMountpoints *
node_mountpoints_new (const NodeParts *parts)
{
  NodeMountpoints *self = g_new0 (NodeMountpoints, 1);
  const char *directory =
      base_settings_get_string (parts->settings, "state-dir");

  self->parts = parts;
  self->string_ids =
      base_settings_get_bool (parts->settings, "janus-string-ids");
  self->sources = node_mountpoint_sources_new (
      parts->hub, node_cluster_get_ports (parts->cluster));
  if (directory && !parts->options->has_cluster
      && (parts->options->roles & NODE_ROLE_INJECTION))
    self->file = node_mountpoint_file_new (directory);
  self->ours = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                      node_mountpoints_ours_free);
  self->rows =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, row_free);
  self->waits =
      g_hash_table_new_full (NULL, NULL, node_mountpoints_wait_free, NULL);
  self->n_bad = base_metrics_add_counter (
      parts->metrics, "media_tree_mountpoints_bad_total", NULL,
      "Mountpoints in the store that were not understood");
  return self;
}

void
node_mountpoints_start (NodeMountpoints *self, EgressMountpoints *registry)
{
  self->registry = registry;
  if (self->file)
    node_mountpoints_remake_from_file (self);
  node_cluster_set_hint_func (self->parts->cluster, on_hint, self);
  self->timer_id =
      g_timeout_add (NODE_MOUNTPOINTS_READ_US / 1000, on_timer, self);
  read_store (self);
}

void
node_mountpoints_leave (NodeMountpoints *self)
{
  GHashTableIter iter;
  gpointer id, value;

  self->is_leaving = TRUE;
  g_clear_handle_id (&self->timer_id, g_source_remove);
  node_cluster_set_hint_func (self->parts->cluster, NULL, NULL);
  if (!node_mountpoints_get_store (self))
    return;
  g_hash_table_iter_init (&iter, self->ours);
  while (g_hash_table_iter_next (&iter, &id, &value))
    if (!((NodeMountpointOurs *)value)->is_permanent)
      cluster_store_remove_mountpoint (node_mountpoints_get_store (self), id,
                                       NULL, NULL);
}

void
node_mountpoints_stop (NodeMountpoints *self)
{
  GHashTableIter iter;
  gpointer wait;

  self->registry = NULL;
  g_hash_table_iter_init (&iter, self->waits);
  while (g_hash_table_iter_next (&iter, &wait, NULL))
    ((NodeMountpointWait *)wait)->done = NULL;
  g_clear_pointer (&self->sources, node_mountpoint_sources_free);
  g_clear_pointer (&self->file, node_mountpoint_file_free);
}

void
node_mountpoints_free (NodeMountpoints *self)
{
  g_return_if_fail (self);
  g_hash_table_unref (self->ours);
  g_hash_table_unref (self->rows);
  g_hash_table_unref (self->waits);
  g_free (self);
}

JsonNode *
node_mountpoints_describe (NodeMountpoints *self)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  json_object_set_int_member (object, "in_store",
                              g_hash_table_size (self->rows));
  json_object_set_boolean_member (object, "has_read", self->has_read);
  json_object_set_member (object, "sources",
                          node_mountpoint_sources_describe (self->sources));
  json_node_take_object (node, object);
  return node;
}
