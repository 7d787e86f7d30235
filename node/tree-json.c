/* SPDX-License-Identifier: Apache-2.0 */
/* node/tree-json: nodes, links and streams as JSON. */
#include "node/tree-json.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "relay/link-message.h"
#include "scaling/provisioner.h"

/* add_ratio: rounded, so that what stays the same reads the same */
static void
add_ratio (JsonBuilder *json, const char *name, double value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_double_value (json, round (value * 10000) / 10000);
}

/* add_text: null for NULL and "" */
static void
add_text (JsonBuilder *json, const char *name, const char *value)
{
  json_builder_set_member_name (json, name);
  if (value && *value)
    json_builder_add_string_value (json, value);
  else
    json_builder_add_null_value (json);
}

/* --- Nodes ------------------------------------------------------------- */

static void
add_roles (JsonBuilder *json, ClusterRoles roles)
{
  g_autofree char *text = cluster_roles_to_string (roles);
  g_auto (GStrv) names = g_strsplit (text, ",", -1);

  json_builder_set_member_name (json, "roles");
  json_builder_begin_array (json);
  for (guint i = 0; names[i]; i++)
    if (*names[i])
      json_builder_add_string_value (json, names[i]);
  json_builder_end_array (json);
}

static void
add_started (JsonBuilder *json, gint64 wall_us)
{
  g_autoptr (GDateTime) time =
      g_date_time_new_from_unix_utc (wall_us / BASE_US_PER_S);
  g_autofree char *text =
      time && wall_us > 0 ? g_date_time_format_iso8601 (time) : NULL;

  add_text (json, "started", text);
}

static void
add_load (JsonBuilder *json, const ClusterLoad *load)
{
  base_json_add_bool (json, "draining", load->is_draining);
  base_json_add_bool (json, "warm", load->is_warm);
  base_json_add_uint (json, "viewers", load->n_viewers);
  base_json_add_uint (json, "max_viewers", load->max_viewers);
  base_json_add_uint (json, "publishers", load->n_publishers);
  base_json_add_uint (json, "max_publishers", load->max_publishers);
  base_json_add_uint (json, "streams", load->n_streams);
  base_json_add_uint (json, "ports", load->n_ports);
  base_json_add_uint (json, "max_ports", load->max_ports);
  base_json_add_uint (json, "tx_bps", load->tx_bps);
  base_json_add_uint (json, "rx_bps", load->rx_bps);
  base_json_add_uint (json, "max_tx_bps", load->max_tx_bps);
  add_ratio (json, "cpu_ratio", load->cpu_ratio);
  base_json_add_uint (json, "rss_bytes", load->rss_bytes);
  base_json_add_uint (json, "joins", load->n_joins);
  base_json_add_uint (json, "refused", load->n_refused);
  base_json_add_uint (json, "leaves", load->n_leaves);
}

static void
add_subtree (JsonBuilder *json, const char *tree_id, const char *node_id)
{
  const char *member;
  guint ordinal, gen;

  json_builder_set_member_name (json, "subtree");
  if (scaling_provision_parse_name (tree_id, node_id, &ordinal, &gen, &member))
    json_builder_add_int_value (json, ordinal);
  else
    json_builder_add_null_value (json);
}

static void
add_node (JsonBuilder *json, const ClusterPeer *peer, const NodeTreeView *view)
{
  json_builder_begin_object (json);
  add_text (json, "id", peer->node.node_id);
  base_json_add_bool (json, "self",
                      g_strcmp0 (peer->node.node_id, view->node_id) == 0);
  add_roles (json, peer->node.roles);
  add_text (json, "host", peer->node.host);
  add_text (json, "url", peer->node.url);
  add_text (json, "link_address", peer->node.link_address);
  add_started (json, peer->node.started_wall_us);
  base_json_add_bool (json, "alive", peer->is_alive);
  add_text (json, "parent", peer->place.parent);
  add_text (json, "backup", peer->place.backup);
  base_json_add_uint (json, "rank", peer->place.rank);
  base_json_add_uint (json, "children", peer->n_children);
  add_subtree (json, view->tree_id, peer->node.node_id);
  add_load (json, &peer->load);
  json_builder_end_object (json);
}

static void
add_nodes (JsonBuilder *json, const NodeTreeView *view)
{
  json_builder_begin_array (json);
  for (guint i = 0; i < view->peers->len; i++)
    add_node (json, view->peers->pdata[i], view);
  json_builder_end_array (json);
}

JsonNode *
node_tree_json_nodes (const NodeTreeView *view)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();

  add_nodes (json, view);
  return json_builder_get_root (json);
}

/* --- Links ------------------------------------------------------------- */

static const ClusterLink *
find_link (const ClusterPeer *peer, const char *node)
{
  for (guint i = 0; i < peer->load.n_links; i++)
    if (strcmp (peer->load.links[i].node, node) == 0)
      return &peer->load.links[i];
  return NULL;
}

/* add_link: @link: (nullable): the child has not told of it (yet) */
static void
add_link (JsonBuilder *json, const ClusterPeer *child, const char *parent,
          const char *kind, const ClusterLink *link)
{
  json_builder_begin_object (json);
  add_text (json, "child", child->node.node_id);
  add_text (json, "parent", parent);
  add_text (json, "kind", kind);
  base_json_add_bool (json, "active", link && link->is_active);
  base_json_add_bool (json, "silent", link && link->is_silent);
  base_json_add_uint (json, "streams", link ? link->n_streams : 0);
  add_ratio (json, "loss_ratio", link ? link->loss_ratio : 0);
  add_ratio (json, "first_ratio", link ? link->first_ratio : 0);
  base_json_add_uint (json, "rtt_us", link ? link->rtt_us : 0);
  base_json_add_uint (json, "jitter_us", link ? link->jitter_us : 0);
  json_builder_end_object (json);
}

/* The topology's two, then what the node says it takes from others: an
 * injection node from streams' origins, others from candidates. */
static void
add_links_of (JsonBuilder *json, const ClusterPeer *peer)
{
  const char *parent = peer->place.parent, *backup = peer->place.backup;
  gboolean is_injection = (peer->node.roles & CLUSTER_ROLE_INJECTION) != 0;

  if (parent)
    add_link (json, peer, parent, "parent", find_link (peer, parent));
  if (backup)
    add_link (json, peer, backup, "backup", find_link (peer, backup));
  for (guint i = 0; i < peer->load.n_links; i++)
    {
      const ClusterLink *link = &peer->load.links[i];

      if (g_strcmp0 (link->node, parent) != 0
          && g_strcmp0 (link->node, backup) != 0)
        add_link (json, peer, link->node, is_injection ? "origin" : "candidate",
                  link);
    }
}

/* --- Streams ----------------------------------------------------------- */

static gboolean
is_carried (const ClusterLoad *load, guint32 hash)
{
  for (guint i = 0; i < load->n_carried; i++)
    if (load->carried[i] == hash)
      return TRUE;
  return FALSE;
}

static void
add_carriers (JsonBuilder *json, const ClusterStream *stream, GPtrArray *peers)
{
  guint32 hash = cluster_stream_hash (stream->name);

  json_builder_set_member_name (json, "nodes");
  json_builder_begin_array (json);
  for (guint i = 0; i < peers->len; i++)
    {
      const ClusterPeer *peer = peers->pdata[i];

      if (g_strcmp0 (peer->node.node_id, stream->origin) == 0
          || is_carried (&peer->load, hash))
        json_builder_add_string_value (json, peer->node.node_id);
    }
  json_builder_end_array (json);
}

static void
add_codecs (JsonBuilder *json, const ClusterStream *stream)
{
  RelayStreamInfo info;

  json_builder_set_member_name (json, "codecs");
  json_builder_begin_array (json);
  if (stream->info && relay_stream_info_from_json (stream->info, &info))
    for (int kind = RTC_MEDIA_N_KINDS - 1; kind >= 0; kind--)
      if (info.tracks[kind].is_present)
        json_builder_add_string_value (
            json, rtc_codec_name (info.tracks[kind].codec));
  json_builder_end_array (json);
}

static void
add_stream (JsonBuilder *json, const ClusterStream *stream, GPtrArray *peers)
{
  json_builder_begin_object (json);
  add_text (json, "name", stream->name);
  add_text (json, "origin", stream->origin);
  base_json_add_uint (json, "epoch", stream->epoch);
  add_codecs (json, stream);
  add_carriers (json, stream, peers);
  json_builder_end_object (json);
}

JsonNode *
node_tree_json_tree (const NodeTreeView *view)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();

  json_builder_begin_object (json);
  add_text (json, "tree", view->tree_id);
  add_text (json, "node", view->node_id);
  base_json_add_bool (json, "clustered", view->is_shared);
  base_json_add_bool (json, "store_connected", view->is_connected);
  json_builder_set_member_name (json, "nodes");
  add_nodes (json, view);
  json_builder_set_member_name (json, "links");
  json_builder_begin_array (json);
  for (guint i = 0; i < view->peers->len; i++)
    add_links_of (json, view->peers->pdata[i]);
  json_builder_end_array (json);
  json_builder_set_member_name (json, "streams");
  json_builder_begin_array (json);
  for (guint i = 0; i < view->streams->len; i++)
    add_stream (json, view->streams->pdata[i], view->peers);
  json_builder_end_array (json);
  json_builder_end_object (json);
  return json_builder_get_root (json);
}
