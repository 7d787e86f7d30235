/* SPDX-License-Identifier: Apache-2.0 */
/* NodeCluster in /debug/state. */
#include "node/cluster-private.h"

static void
add_text (JsonBuilder *json, const char *name, const char *value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_string_value (json, value);
}

static void
add_int (JsonBuilder *json, const char *name, guint64 value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_int_value (json, (gint64)value);
}

static void
add_bool (JsonBuilder *json, const char *name, gboolean value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_boolean_value (json, value);
}

static void
add_parent (JsonBuilder *json, const RelayInletParentStats *stats)
{
  json_builder_begin_object (json);
  add_text (json, "node", stats->node);
  add_bool (json, "active", stats->is_active);
  add_bool (json, "silent", stats->is_silent);
  add_int (json, "packets", stats->n_packets);
  add_int (json, "first", stats->n_first);
  add_int (json, "lost", stats->n_lost);
  add_int (json, "rtt_us", stats->rtt_us);
  add_int (json, "jitter_us", stats->jitter_us);
  json_builder_end_object (json);
}

static void
add_carried (const char *stream, const RelayInletStats *stats, gpointer data)
{
  JsonBuilder *json = data;

  json_builder_begin_object (json);
  add_text (json, "stream", stream);
  add_int (json, "packets", stats->n_packets);
  add_int (json, "duplicates", stats->n_duplicates);
  add_int (json, "repaired", stats->n_repaired);
  add_int (json, "lost", stats->n_lost);
  add_int (json, "nacked", stats->n_nacked);
  add_int (json, "bad", stats->n_bad);
  add_int (json, "failovers", stats->n_failovers);
  add_int (json, "keyframe_requests", stats->n_keyframe_requests);
  add_int (json, "max_gap_us", (guint64)stats->max_gap_us);
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
      add_text (json, "node", child->node);
      add_text (json, "stream", child->stream);
      add_int (json, "packets", child->n_packets);
      add_int (json, "bytes", child->n_bytes);
      add_int (json, "repairs", child->n_repairs);
      add_int (json, "received", child->n_received);
      add_int (json, "lost", child->n_lost);
      add_int (json, "rtt_us", child->rtt_us);
      add_int (json, "jitter_us", child->jitter_us);
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
  add_int (json, "ports_used", relay_port_pool_get_n_used (self->ports));
  add_int (json, "ports", relay_port_pool_get_n_ports (self->ports));
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
