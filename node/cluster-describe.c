/* SPDX-License-Identifier: Apache-2.0 */
/* NodeCluster in /debug/state. */
#include "node/cluster-private.h"

#include "base/json.h"

static void
add_parent (JsonBuilder *json, const RelayInletParentStats *stats)
{
  json_builder_begin_object (json);
  base_json_add_text (json, "node", stats->node);
  base_json_add_bool (json, "active", stats->is_active);
  base_json_add_bool (json, "silent", stats->is_silent);
  base_json_add_uint (json, "packets", stats->n_packets);
  base_json_add_uint (json, "first", stats->n_first);
  base_json_add_uint (json, "lost", stats->n_lost);
  base_json_add_uint (json, "rtt_us", stats->rtt_us);
  base_json_add_uint (json, "jitter_us", stats->jitter_us);
  json_builder_end_object (json);
}

static void
add_carried (const char *stream, const RelayInletStats *stats, gpointer data)
{
  JsonBuilder *json = data;

  json_builder_begin_object (json);
  base_json_add_text (json, "stream", stream);
  base_json_add_uint (json, "packets", stats->n_packets);
  base_json_add_uint (json, "duplicates", stats->n_duplicates);
  base_json_add_uint (json, "repaired", stats->n_repaired);
  base_json_add_uint (json, "lost", stats->n_lost);
  base_json_add_uint (json, "nacked", stats->n_nacked);
  base_json_add_uint (json, "bad", stats->n_bad);
  base_json_add_uint (json, "failovers", stats->n_failovers);
  base_json_add_uint (json, "keyframe_requests", stats->n_keyframe_requests);
  base_json_add_uint (json, "max_gap_us", (guint64)stats->max_gap_us);
  json_builder_set_member_name (json, "parents");
  json_builder_begin_array (json);
  for (guint i = 0; i < MIN (stats->n_parents, RELAY_INLET_MAX_PARENTS); i++)
    add_parent (json, &stats->parents[i]);
  json_builder_end_array (json);
  json_builder_end_object (json);
}

guint
node_cluster_get_n_children (NodeCluster *self)
{
  g_autoptr (GArray) children =
      self->links ? relay_link_server_list (self->links) : NULL;

  return children ? children->len : 0;
}

static void
add_children (JsonBuilder *json, RelayLinkServer *links)
{
  g_autoptr (GArray) children = relay_link_server_list (links);

  for (guint i = 0; i < children->len; i++)
    {
      const RelayLinkChild *child =
          &g_array_index (children, RelayLinkChild, i);

      json_builder_begin_object (json);
      base_json_add_text (json, "node", child->node);
      base_json_add_text (json, "stream", child->stream);
      base_json_add_uint (json, "packets", child->n_packets);
      base_json_add_uint (json, "bytes", child->n_bytes);
      base_json_add_uint (json, "repairs", child->n_repairs);
      base_json_add_uint (json, "received", child->n_received);
      base_json_add_uint (json, "lost", child->n_lost);
      base_json_add_uint (json, "rtt_us", child->rtt_us);
      base_json_add_uint (json, "jitter_us", child->jitter_us);
      json_builder_end_object (json);
    }
}

static JsonNode *
describe_member (NodeCluster *self)
{
  g_autofree char *text =
      self->member ? cluster_member_describe (self->member) : NULL;
  JsonNode *node = text ? json_from_string (text, NULL) : NULL;

  return node ? node : json_node_new (JSON_NODE_NULL);
}

JsonNode *
node_cluster_describe (NodeCluster *self)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();

  json_builder_begin_object (json);
  json_builder_set_member_name (json, "member");
  json_builder_add_value (json, describe_member (self));
  base_json_add_uint (json, "ports_used",
                      relay_port_pool_get_n_used (self->ports));
  base_json_add_uint (json, "ports", relay_port_pool_get_n_ports (self->ports));
  json_builder_set_member_name (json, "links");
  json_builder_begin_array (json);
  if (self->links)
    add_children (json, self->links);
  json_builder_end_array (json);
  json_builder_set_member_name (json, "carried");
  json_builder_begin_array (json);
  if (self->carrier)
    relay_carrier_foreach (self->carrier, add_carried, json);
  json_builder_end_array (json);
  json_builder_end_object (json);
  return json_builder_get_root (json);
}
