/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/system-reply: see system-reply.h. */
#include "scaling/system-reply.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "cluster/encode.h"

#define MAX_ROLES 8

static JsonObject *
get_object (JsonObject *object, const char *member)
{
  JsonNode *node = json_object_get_member (object, member);

  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                               : NULL;
}

/* get_text: (nullable): of a node, or of no node at all */
static const char *
get_text (JsonNode *node)
{
  return node && JSON_NODE_HOLDS_VALUE (node)
                 && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

/* read_roles: 0 = not roles */
static ClusterRoles
read_roles (JsonNode *node)
{
  g_autoptr (GString) names = g_string_new (NULL);
  JsonArray *array;

  if (!node || !JSON_NODE_HOLDS_ARRAY (node))
    return 0;
  array = json_node_get_array (node);
  if (json_array_get_length (array) > MAX_ROLES)
    return 0;
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      const char *name = get_text (json_array_get_element (array, i));

      g_string_append_printf (names, "%s%s", i > 0 ? "," : "",
                              name ? name : "");
    }
  return cluster_roles_from_string (names->str);
}

static const char *
read_load (JsonObject *load, ClusterLoad *ret)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *text = NULL;

  json_node_set_object (node, load);
  text = json_to_string (node, FALSE);
  return cluster_load_from_json (text, ret) ? NULL : "its load is no heartbeat";
}

static const char *
read_root (JsonNode *root, ClusterNode *ret_node, ClusterLoad *ret_load)
{
  JsonObject *object, *said, *load;
  ClusterNode node = { 0 };
  const char *why;

  if (!root || !JSON_NODE_HOLDS_OBJECT (root))
    return "it is no JSON object";
  object = json_node_get_object (root);
  said = get_object (object, "node");
  load = get_object (object, "load");
  if (!said || !load)
    return "it has no node and load: no node of media-tree, or an older one";
  node.node_id = (char *)get_text (json_object_get_member (said, "node_id"));
  node.tree_id = (char *)get_text (json_object_get_member (said, "tree_id"));
  node.boot_id = (char *)get_text (json_object_get_member (load, "boot"));
  node.roles = read_roles (json_object_get_member (said, "roles"));
  if (!cluster_name_is_valid (node.node_id)
      || !cluster_name_is_valid (node.tree_id))
    return "its node_id or tree_id is no name";
  if (!cluster_id_is_valid (node.boot_id) || node.roles == 0)
    return "its boot id or roles are none";
  why = read_load (load, ret_load);
  if (!why)
    cluster_node_copy (&node, ret_node);
  return why;
}

const char *
scaling_system_reply_read (const char *text, gsize n_bytes,
                           ClusterNode *ret_node, ClusterLoad *ret_load)
{
  g_autoptr (JsonParser) parser = json_parser_new ();

  cluster_node_clear (ret_node);
  if (!g_utf8_validate (text, (gssize)n_bytes, NULL))
    return "it is not UTF-8";
  if (!json_parser_load_from_data (parser, text, (gssize)n_bytes, NULL))
    return "it is not JSON";
  return read_root (json_parser_get_root (parser), ret_node, ret_load);
}
