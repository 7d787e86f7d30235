/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/json-text: see json-text.h. */
#include "scaling/json-text.h"

#include <stdio.h>

#include "scaling/export-error.h"

static JsonObject *
fail (GError **error, const char *why)
{
  g_set_error_literal (error, SCALING_EXPORT_ERROR, SCALING_EXPORT_ERROR_CONFIG,
                       why);
  return NULL;
}

JsonObject *
scaling_json_read_object (const char *text, gsize n_bytes, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) why = NULL;
  JsonNode *root;
  guint n_brackets = 0, line = 1, character = 1;

  if (n_bytes > SCALING_JSON_MAX_BYTES)
    return fail (error, "is too long");
  if (n_bytes == 0)
    return fail (error, "line 1, character 1: is no JSON: nothing is there");
  for (gsize i = 0; i < n_bytes; i++)
    n_brackets += text[i] == '[' || text[i] == '{';
  if (n_brackets > SCALING_JSON_MAX_BRACKETS)
    return fail (error, "has too many brackets");
  if (!json_parser_load_from_data (parser, text, (gssize)n_bytes, &why))
    {
      /* json-glib has the place in its message alone: "<data>:1:7: …" */
      sscanf (why->message, "%*[^:]:%u:%u", &line, &character);
      g_set_error (error, SCALING_EXPORT_ERROR, SCALING_EXPORT_ERROR_CONFIG,
                   "line %u, character %u: is no JSON", line, character);
      return NULL;
    }
  root = json_parser_get_root (parser);
  if (!root || !JSON_NODE_HOLDS_OBJECT (root))
    return fail (error, "line 1, character 1: is no JSON object");
  return json_object_ref (json_node_get_object (root));
}

const char *
scaling_json_get_text (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  if (!node || json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  return json_node_get_string (node);
}
