/* SPDX-License-Identifier: Apache-2.0 */
/* egress/janus-params: members of requests, checked in Janus's words. */
#include "egress/janus-params.h"

static const char *const type_names[] = {
  [EGRESS_JANUS_STRING] = "a string",
  [EGRESS_JANUS_NONEMPTY_STRING] = "a non-empty string",
  [EGRESS_JANUS_INTEGER] = "an integer",
  [EGRESS_JANUS_POSITIVE] = "a positive integer",
  [EGRESS_JANUS_BOOLEAN] = "a boolean",
  [EGRESS_JANUS_OBJECT] = "an object",
  [EGRESS_JANUS_ARRAY] = "an array",
};

static gboolean
holds (JsonNode *node, GType type)
{
  return JSON_NODE_HOLDS_VALUE (node)
         && json_node_get_value_type (node) == type;
}

static gboolean
is_of_type (JsonNode *node, EgressJanusType type)
{
  switch (type)
    {
    case EGRESS_JANUS_STRING:
      return holds (node, G_TYPE_STRING);
    case EGRESS_JANUS_NONEMPTY_STRING:
      return holds (node, G_TYPE_STRING) && *json_node_get_string (node);
    case EGRESS_JANUS_INTEGER:
      return holds (node, G_TYPE_INT64);
    case EGRESS_JANUS_POSITIVE:
      return holds (node, G_TYPE_INT64) && json_node_get_int (node) >= 0;
    case EGRESS_JANUS_BOOLEAN:
      return holds (node, G_TYPE_BOOLEAN);
    case EGRESS_JANUS_OBJECT:
      return JSON_NODE_HOLDS_OBJECT (node);
    case EGRESS_JANUS_ARRAY:
      return JSON_NODE_HOLDS_ARRAY (node);
    default:
      g_return_val_if_reached (FALSE);
    }
}

EgressJanusParamsResult
egress_janus_params_check (JsonObject *object, const EgressJanusParam *params,
                           guint n_params, char **ret_text)
{
  for (guint i = 0; i < n_params; i++)
    {
      JsonNode *node = json_object_get_member (object, params[i].name);

      if (!node)
        {
          if (!params[i].is_required)
            continue;
          *ret_text = g_strdup_printf ("Missing mandatory element (%s)",
                                       params[i].name);
          return EGRESS_JANUS_PARAMS_MISSING;
        }
      if (!is_of_type (node, params[i].type))
        {
          *ret_text =
              g_strdup_printf ("Invalid element type (%s should be %s)",
                               params[i].name, type_names[params[i].type]);
          return EGRESS_JANUS_PARAMS_INVALID;
        }
    }
  return EGRESS_JANUS_PARAMS_OK;
}

/* (nullable): @name's node when it is a value of @type */
static JsonNode *
value_of (JsonObject *object, const char *name, GType type)
{
  JsonNode *node = json_object_get_member (object, name);

  return node && holds (node, type) ? node : NULL;
}

const char *
egress_janus_get_string (JsonObject *object, const char *name)
{
  JsonNode *node = value_of (object, name, G_TYPE_STRING);

  return node ? json_node_get_string (node) : NULL;
}

gint64
egress_janus_get_int (JsonObject *object, const char *name, gint64 or_else)
{
  JsonNode *node = value_of (object, name, G_TYPE_INT64);

  return node ? json_node_get_int (node) : or_else;
}

gboolean
egress_janus_get_bool (JsonObject *object, const char *name, gboolean or_else)
{
  JsonNode *node = value_of (object, name, G_TYPE_BOOLEAN);

  return node ? json_node_get_boolean (node) : or_else;
}

void
egress_janus_set_string (JsonObject *object, const char *name,
                         const char *value)
{
  if (value)
    json_object_set_string_member (object, name, value);
}

void
egress_janus_set_true (JsonObject *object, const char *name, gboolean value)
{
  if (value)
    json_object_set_boolean_member (object, name, TRUE);
}

void
egress_janus_set_above_0 (JsonObject *object, const char *name, gint64 value)
{
  if (value > 0)
    json_object_set_int_member (object, name, value);
}
