/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/json-read: see json-read.h. */
#include "scaling/json-read.h"

#include <string.h>

#include "scaling/provisioner.h"

#define WORDS_MAX_CHARS 200

static gboolean
is_shallow (const char *text, gsize n_bytes)
{
  gboolean in_string = FALSE;
  guint depth = 0;

  for (gsize i = 0; i < n_bytes; i++)
    if (in_string)
      {
        if (text[i] == '\\')
          i++;
        else if (text[i] == '"')
          in_string = FALSE;
      }
    else if (text[i] == '"')
      in_string = TRUE;
    else if (text[i] == '[' || text[i] == '{')
      {
        if (++depth > SCALING_JSON_MAX_DEPTH)
          return FALSE;
      }
    else if ((text[i] == ']' || text[i] == '}') && depth > 0)
      depth--;
  return TRUE;
}

/* json-glib takes comments, in which quotes and brackets mean nothing: what
 * counts them must not be led astray. JSON has none. */
static gboolean
has_comment (const char *text, gsize n_bytes)
{
  gboolean in_string = FALSE;

  for (gsize i = 0; i < n_bytes; i++)
    if (in_string)
      {
        if (text[i] == '\\')
          i++;
        else if (text[i] == '"')
          in_string = FALSE;
      }
    else if (text[i] == '"')
      in_string = TRUE;
    else if (text[i] == '/' || text[i] == '#' || text[i] == '\'')
      return TRUE;
  return FALSE;
}

JsonNode *
scaling_json_parse (const char *text, gsize n_bytes, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GError) cause = NULL;
  JsonNode *root = NULL;

  if (n_bytes <= G_MAXSSIZE && g_utf8_validate_len (text, n_bytes, NULL)
      && is_shallow (text, n_bytes) && !has_comment (text, n_bytes)
      && json_parser_load_from_data (parser, text, (gssize)n_bytes, &cause))
    root = json_parser_get_root (parser);
  if (root != NULL)
    return json_node_ref (root);
  g_set_error (error, SCALING_PROVISION_ERROR, SCALING_PROVISION_ERROR_GARBAGE,
               "no JSON: %s",
               cause != NULL ? cause->message
                             : "empty, not UTF-8, too deep or with comments");
  return NULL;
}

JsonObject *
scaling_json_as_object (JsonNode *node)
{
  return node != NULL && JSON_NODE_HOLDS_OBJECT (node)
             ? json_node_get_object (node)
             : NULL;
}

JsonArray *
scaling_json_as_array (JsonNode *node)
{
  return node != NULL && JSON_NODE_HOLDS_ARRAY (node)
             ? json_node_get_array (node)
             : NULL;
}

static JsonNode *
get (JsonObject *object, const char *member)
{
  return object != NULL ? json_object_get_member (object, member) : NULL;
}

JsonObject *
scaling_json_get_object (JsonObject *object, const char *member)
{
  return scaling_json_as_object (get (object, member));
}

JsonArray *
scaling_json_get_array (JsonObject *object, const char *member)
{
  return scaling_json_as_array (get (object, member));
}

const char *
scaling_json_get_string (JsonObject *object, const char *member)
{
  JsonNode *node = get (object, member);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node)
                 && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

gint64
scaling_json_get_int (JsonObject *object, const char *member)
{
  JsonNode *node = get (object, member);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node)
                 && json_node_get_value_type (node) == G_TYPE_INT64
             ? json_node_get_int (node)
             : 0;
}

JsonObject *
scaling_json_get_element (JsonArray *array, guint i)
{
  return scaling_json_as_object (json_array_get_element (array, i));
}

char **
scaling_json_dup_pairs (JsonObject *object, guint max_pairs)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autoptr (GList) members =
      object != NULL ? json_object_get_members (object) : NULL;
  guint n = 0;

  for (GList *link = members; link != NULL && n < max_pairs; link = link->next)
    {
      const char *value = scaling_json_get_string (object, link->data);

      if (value == NULL)
        continue;
      g_strv_builder_add (builder, link->data);
      g_strv_builder_add (builder, value);
      n++;
    }
  return g_strv_builder_end (builder);
}

char *
scaling_json_dup_words (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text != NULL ? text : "", -1);
  GString *words = g_string_new (NULL);
  guint n = 0;

  for (const char *at = valid; *at != '\0' && n < WORDS_MAX_CHARS;
       at = g_utf8_next_char (at), n++)
    {
      gunichar c = g_utf8_get_char (at);

      g_string_append_unichar (words, g_unichar_isprint (c) ? c : ' ');
    }
  return g_string_free (words, FALSE);
}

char *
scaling_json_write (JsonObject *object)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (root, object);
  return json_to_string (root, FALSE);
}
