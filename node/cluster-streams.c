/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeCluster's streams: between the hub (what is published and carried here),
 * the directory (what is published anywhere) and the carrier.
 */
#include "node/cluster-private.h"

#include <string.h>

#include "base/clock.h"
#include "node/log.h"
#include "relay/link-message.h"

#define TAKEN_US (2 * G_USEC_PER_SEC) /* at least: feeders look at it */

typedef struct
{
  gboolean is_ours; /* published here and told to the directory */
  guint8 publication[RELAY_ID_BYTES];
  guint64 epoch;
  RelayTreeInfo tree;    /* as it was posted; without media */
  gboolean needs_origin; /* published elsewhere, by a node not known yet */
  gint64 taken_us;       /* since when another has it; 0 = not so */
} NodeClusterStream;

static NodeClusterStream *
ensure (NodeCluster *self, const char *name)
{
  NodeClusterStream *row = g_hash_table_lookup (self->streams, name);

  if (!row)
    {
      row = g_new0 (NodeClusterStream, 1);
      g_hash_table_insert (self->streams, g_strdup (name), row);
    }
  return row;
}

/* --- Published here ----------------------------------------------------- */

/* post_tree: what makes the publication the same on all nodes */
static void
post_tree (NodeCluster *self, RelayStream *stream, NodeClusterStream *row)
{
  const char *name = relay_stream_get_name (stream);
  g_autoptr (RelayLinkMedia) media = NULL;
  RelayTreeInfo tree = row->tree;

  if (!self->keys)
    return;
  media = relay_link_media_new (self->keys, name, row->publication);
  tree.media = media;
  tree.epoch = row->epoch;
  relay_stream_post_tree (stream, &tree);
}

/* dup_entry: (transfer full) (nullable): what the directory shall say */
static ClusterStream *
dup_entry (RelayStream *stream, const guint8 publication[RELAY_ID_BYTES])
{
  RelayStreamInfo info;
  ClusterStream *entry;

  if (!relay_stream_get_info (stream, &info))
    return NULL;
  entry = cluster_stream_new ();
  entry->name = g_strdup (relay_stream_get_name (stream));
  entry->publication = node_cluster_dup_hex (publication);
  entry->info = relay_stream_info_to_json (&info);
  return entry;
}

/* set_taken: what feeds it here and cannot be told goes quiet, or comes back */
static void
set_taken (NodeCluster *self, const char *name, gboolean is_taken)
{
  RelayStream *here = relay_hub_lookup (self->parts->hub, name);

  if (here)
    relay_stream_set_taken (here, is_taken);
}

/* is_private: one viewer's own ("52~p1-a0"): nobody else is told of it */
static gboolean
is_private (const char *name)
{
  return strstr (name, "~p") != NULL;
}

static void
begin_stream (NodeCluster *self, RelayStream *stream)
{
  const char *name = relay_stream_get_name (stream);
  NodeClusterStream *row = ensure (self, name);
  g_autoptr (ClusterStream) entry = NULL;
  guint8 publication[RELAY_ID_BYTES];
  ClusterStream floor = { 0 };

  if (!relay_stream_get_publication_id (stream, publication)
      || (row->is_ours
          && memcmp (row->publication, publication, RELAY_ID_BYTES) == 0))
    return;
  entry = dup_entry (stream, publication);
  if (!entry)
    return;
  row->taken_us = 0;
  relay_stream_set_taken (stream, FALSE);
  if (self->carrier)
    relay_carrier_remove_stream (self->carrier, name);
  cluster_member_begin_stream (self->member, entry, &floor);
  row->is_ours = TRUE;
  row->needs_origin = FALSE;
  row->epoch = entry->epoch;
  memcpy (row->publication, publication, RELAY_ID_BYTES);
  memset (&row->tree, 0, sizeof row->tree);
  memcpy (row->tree.id, publication, RELAY_ID_BYTES);
  for (guint kind = 0; kind < RTC_MEDIA_N_KINDS; kind++)
    if (floor.ext_seq[kind] > 0)
      row->tree.first[kind] = floor.ext_seq[kind] + 1;
  row->tree.n_path = 1;
  g_strlcpy (row->tree.path[0], self->parts->options->node_id,
             sizeof row->tree.path[0]);
  post_tree (self, stream, row);
}

static void
end_stream (NodeCluster *self, const char *name)
{
  NodeClusterStream *row = g_hash_table_lookup (self->streams, name);

  if (!row || !row->is_ours)
    return;
  g_hash_table_remove (self->streams, name);
  cluster_member_end_stream (self->member, name);
}

static void
on_hub_event (RelayHub *hub, RelayStream *stream, RelayHubEvent event,
              gpointer data)
{
  NodeCluster *self = data;

  if (self->is_leaving)
    return;
  switch (event)
    {
    case RELAY_HUB_LIVE:
    case RELAY_HUB_CHANGED:
      if (relay_stream_is_origin (stream)
          && !is_private (relay_stream_get_name (stream)))
        begin_stream (self, stream);
      break;
    case RELAY_HUB_IDLE:
    case RELAY_HUB_REMOVED:
      end_stream (self, relay_stream_get_name (stream));
      break;
    }
}

void
node_cluster_fill_stream (ClusterStream *stream, gpointer data)
{
  NodeCluster *self = data;
  NodeClusterStream *row = g_hash_table_lookup (self->streams, stream->name);
  RelayStream *here = relay_hub_lookup (self->parts->hub, stream->name);

  if (!row || !row->is_ours || !here)
    return;
  if (row->epoch != stream->epoch)
    {
      /* the directory knew of a later one than we did: now above it */
      row->epoch = stream->epoch;
      post_tree (self, here, row);
    }
  relay_stream_get_numbers (here, stream->ext_seq, stream->rtp_ts);
}

/* --- Published elsewhere -------------------------------------------------- */

/* find_origin: %FALSE when its address is not known (yet) */
static gboolean
find_origin (NodeCluster *self, const ClusterStream *stream,
             RelayLinkParent *ret)
{
  const ClusterPeer *peer =
      stream->origin ? cluster_member_find_peer (self->member, stream->origin)
                     : NULL;

  if (!peer
      || !node_cluster_parse_address (peer->node.link_address, &ret->address))
    return FALSE;
  g_strlcpy (ret->node, peer->node.node_id, sizeof ret->node);
  return TRUE;
}

/* feed_receivers: those who are here already go on with the new publication */
static void
feed_receivers (NodeCluster *self, const char *name)
{
  RelayStream *here = relay_hub_lookup (self->parts->hub, name);
  g_autoptr (GError) error = NULL;

  if (!here || relay_stream_get_n_receivers (here) == 0)
    return;
  if (!relay_carrier_want (self->carrier, name, &error))
    GST_WARNING ("stream=%s those who watch it wait: %s", name, error->message);
}

static void
set_stream (NodeCluster *self, const ClusterStream *stream)
{
  NodeClusterStream *row = ensure (self, stream->name);
  gboolean is_injection =
      (self->parts->options->roles & NODE_ROLE_INJECTION) != 0;
  RelayLinkParent origin = { 0 };
  RelayStreamInfo info;
  guint8 publication[RELAY_ID_BYTES];

  if (!self->carrier)
    return;
  if (!node_cluster_parse_hex (stream->publication, publication)
      || !relay_stream_info_from_json (stream->info ? stream->info : "", &info))
    {
      GST_WARNING ("stream=%s what the directory says of it makes no sense",
                   stream->name);
      return;
    }
  row->needs_origin = is_injection && !find_origin (self, stream, &origin);
  relay_carrier_set_stream (
      self->carrier, stream->name, &info, stream->epoch, publication,
      is_injection && !row->needs_origin ? &origin : NULL);
  feed_receivers (self, stream->name);
}

void
node_cluster_on_stream_changed (const ClusterStream *stream, gpointer data)
{
  NodeCluster *self = data;
  NodeClusterStream *row = g_hash_table_lookup (self->streams, stream->name);

  if ((!row || !row->is_ours) && !self->is_leaving)
    set_stream (self, stream);
}

void
node_cluster_on_stream_ended (const char *name, gpointer data)
{
  NodeCluster *self = data;
  NodeClusterStream *row = g_hash_table_lookup (self->streams, name);

  if ((row && row->is_ours) || self->is_leaving)
    return;
  set_taken (self, name, FALSE);
  if (self->carrier)
    relay_carrier_remove_stream (self->carrier, name);
  g_hash_table_remove (self->streams, name);
}

void
node_cluster_on_stream_lost (const ClusterStream *now, gpointer data)
{
  NodeCluster *self = data;
  NodeClusterStream *row = g_hash_table_lookup (self->streams, now->name);

  if (row)
    row->is_ours = FALSE;
  GST_INFO ("stream=%s origin=%s has it now", now->name,
            now->origin ? now->origin : "-");
  if (row)
    row->taken_us = base_clock_now_us ();
  set_taken (self, now->name, TRUE);
  /* the link first, so that who watches here sees no end */
  if (now->origin && !self->is_leaving)
    set_stream (self, now);
  if (self->parts->whip)
    whip_endpoint_close_stream (self->parts->whip, now->name);
}

void
node_cluster_find_origins (NodeCluster *self)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new ();
  GPtrArray *known = cluster_member_get_streams (self->member);

  for (guint i = 0; i < known->len; i++)
    {
      ClusterStream *stream = known->pdata[i];
      NodeClusterStream *row =
          g_hash_table_lookup (self->streams, stream->name);
      RelayLinkParent origin;

      if (row && row->needs_origin && find_origin (self, stream, &origin))
        g_ptr_array_add (found, stream);
    }
  for (guint i = 0; i < found->len; i++)
    set_stream (self, found->pdata[i]);
}

/* It may be gone, or dead, before it was ever seen to be alive: then nobody
 * says that it has ended. */
void
node_cluster_release_taken (NodeCluster *self)
{
  gint64 now_us = base_clock_now_us ();
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, self->streams);
  while (g_hash_table_iter_next (&iter, &name, &value))
    {
      NodeClusterStream *row = value;

      if (!row->taken_us || now_us - row->taken_us < TAKEN_US
          || cluster_member_find_stream (self->member, name))
        continue;
      row->taken_us = 0;
      set_taken (self, name, FALSE);
    }
}

/* --- Wanted here ---------------------------------------------------------- */

RelayStream *
node_cluster_want_stream (NodeCluster *self, const char *name, GError **error)
{
  RelayStream *here = relay_hub_lookup (self->parts->hub, name);

  if (here && relay_stream_is_live (here) && relay_stream_is_origin (here))
    return here;
  if (self->carrier && !self->is_leaving)
    return relay_carrier_want (self->carrier, name, error);
  if (here && relay_stream_is_live (here))
    return here;
  g_set_error (error, RELAY_ERROR, RELAY_ERROR_UNKNOWN,
               "nobody publishes \"%s\"", name);
  return NULL;
}

gboolean
node_cluster_on_stream_wanted (const char *stream, gpointer data)
{
  NodeCluster *self = data;
  g_autoptr (GError) error = NULL;

  return node_cluster_want_stream (self, stream, &error) != NULL;
}

/* --- Life --------------------------------------------------------------- */

void
node_cluster_init_streams (NodeCluster *self)
{
  self->streams =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

void
node_cluster_start_streams (NodeCluster *self)
{
  relay_hub_add_listener (self->parts->hub, on_hub_event, self);
}

void
node_cluster_clear_streams (NodeCluster *self)
{
  relay_hub_remove_listener (self->parts->hub, on_hub_event, self);
  g_clear_pointer (&self->streams, g_hash_table_unref);
}
