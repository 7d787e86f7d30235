/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingReader: see reader.h. */
#include "scaling/reader.h"

#include <math.h>
#include <string.h>

#include "scaling/policy.h"

/* what the text shows of a wrong value */
#define SHOWN_MAX_CHARS 60

void
scaling_reader_fault (ScalingReader *reader, const char *member,
                      const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  if (reader->is_bad)
    return;
  reader->is_bad = TRUE;
  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (reader->path[0] == '\0' && member[0] == '\0')
    member = "$";
  g_set_error (reader->error, SCALING_POLICY_ERROR,
               SCALING_POLICY_ERROR_INVALID, "%s%s%s: %s", reader->path,
               reader->path[0] != '\0' && member[0] != '\0' ? "." : "", member,
               text);
}

/* dup_shown: (transfer full): @node as text, short and printable */
char *
scaling_reader_dup_shown (JsonNode *node)
{
  char *text = json_to_string (node, FALSE);
  const char *end;

  if (g_utf8_strlen (text, -1) > SHOWN_MAX_CHARS)
    {
      g_autofree char *whole = text;

      end = g_utf8_offset_to_pointer (whole, SHOWN_MAX_CHARS);
      text = g_strdup_printf ("%.*s…", (int)(end - whole), whole);
    }
  return text;
}

gsize
scaling_reader_enter (ScalingReader *reader, const char *member, int index)
{
  gsize length = strlen (reader->path);

  if (index >= 0)
    g_snprintf (reader->path + length, sizeof reader->path - length, "%s%s[%d]",
                length > 0 ? "." : "", member, index);
  else
    g_snprintf (reader->path + length, sizeof reader->path - length, "%s%s",
                length > 0 ? "." : "", member);
  return length;
}

void
scaling_reader_leave (ScalingReader *reader, gsize length)
{
  reader->path[length] = '\0';
}

/* --- values ------------------------------------------------------------- */

static gboolean
is_number (JsonNode *node)
{
  GType type = json_node_get_value_type (node);

  return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE;
}

/* what @object has as @name; a fault if it is required and not there */
JsonNode *
scaling_reader_get (ScalingReader *reader, JsonObject *object, const char *name,
                    gboolean is_required)
{
  JsonNode *node = json_object_get_member (object, name);

  if (node == NULL && is_required)
    scaling_reader_fault (reader, name, "is missing");
  return node;
}

gboolean
scaling_reader_take_number (ScalingReader *reader, JsonObject *object,
                            const char *name, double min, double max,
                            double *value)
{
  JsonNode *node = scaling_reader_get (reader, object, name, FALSE);
  double found;

  if (node == NULL)
    return FALSE;
  found = JSON_NODE_HOLDS_VALUE (node) && is_number (node)
              ? json_node_get_double (node)
              : NAN;
  if (found >= min && found <= max)
    {
      *value = found;
      return TRUE;
    }
  g_autofree char *shown = scaling_reader_dup_shown (node);
  scaling_reader_fault (reader, name, "%s is not a number from %.12g to %.12g",
                        shown, min, max);
  return FALSE;
}

void
scaling_reader_take_uint (ScalingReader *reader, JsonObject *object,
                          const char *name, guint min, guint max, guint *value)
{
  JsonNode *node = scaling_reader_get (reader, object, name, FALSE);
  double found;

  if (node == NULL)
    return;
  found = JSON_NODE_HOLDS_VALUE (node) && is_number (node)
              ? json_node_get_double (node)
              : NAN;
  if (found >= min && found <= max && floor (found) == found)
    {
      *value = (guint)found;
      return;
    }
  g_autofree char *shown = scaling_reader_dup_shown (node);
  scaling_reader_fault (reader, name, "%s is not a whole number from %u to %u",
                        shown, min, max);
}

void
scaling_reader_take_bool (ScalingReader *reader, JsonObject *object,
                          const char *name, gboolean *value)
{
  JsonNode *node = scaling_reader_get (reader, object, name, FALSE);

  if (node == NULL)
    return;
  if (JSON_NODE_HOLDS_VALUE (node)
      && json_node_get_value_type (node) == G_TYPE_BOOLEAN)
    {
      *value = json_node_get_boolean (node);
      return;
    }
  g_autofree char *shown = scaling_reader_dup_shown (node);
  scaling_reader_fault (reader, name, "%s is neither true nor false", shown);
}

/* (transfer none) (nullable) */
const char *
scaling_reader_get_text (JsonNode *node)
{
  if (!JSON_NODE_HOLDS_VALUE (node)
      || json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  return json_node_get_string (node);
}

static gboolean
is_name (const char *text)
{
  gsize length = strspn (text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-");

  return length > 0 && length <= SCALING_NAME_MAX_CHARS && text[length] == '\0';
}

void
scaling_reader_take_name (ScalingReader *reader, JsonObject *object,
                          const char *name, gboolean is_required, char *value)
{
  JsonNode *node = scaling_reader_get (reader, object, name, is_required);
  const char *text;

  if (node == NULL)
    return;
  text = scaling_reader_get_text (node);
  if (text != NULL && is_name (text))
    {
      g_strlcpy (value, text, SCALING_NAME_MAX_CHARS + 1);
      return;
    }
  g_autofree char *shown = scaling_reader_dup_shown (node);
  scaling_reader_fault (reader, name,
                        "%s is no name: 1 to %d of letters, digits, . _ -",
                        shown, SCALING_NAME_MAX_CHARS);
}

/* index_of: of @node in @words, which end with a NULL; -1 with a fault */
int
scaling_reader_index_of (ScalingReader *reader, const char *name,
                         JsonNode *node, const char *const *words)
{
  const char *text = scaling_reader_get_text (node);
  g_autofree char *list = NULL, *shown = NULL;

  for (int i = 0; text != NULL && words[i] != NULL; i++)
    if (g_str_equal (text, words[i]))
      return i;
  list = g_strjoinv (", ", (char **)words);
  shown = scaling_reader_dup_shown (node);
  scaling_reader_fault (reader, name, "%s is not one of %s", shown, list);
  return -1;
}

int
scaling_reader_take_word (ScalingReader *reader, JsonObject *object,
                          const char *name, gboolean is_required,
                          const char *const *words, int fallback)
{
  JsonNode *node = scaling_reader_get (reader, object, name, is_required);
  int found =
      node != NULL ? scaling_reader_index_of (reader, name, node, words) : -1;

  return found >= 0 ? found : fallback;
}

void
scaling_reader_take_time (ScalingReader *reader, JsonObject *object,
                          const char *name, double unit_us, double max,
                          gint64 *value_us)
{
  double value;

  if (scaling_reader_take_number (reader, object, name, 0, max, &value))
    *value_us = (gint64)llround (value * unit_us);
}

/* --- objects and arrays ------------------------------------------------- */

/* get_object: (nullable): with no member but @members, which end with a NULL */
JsonObject *
scaling_reader_get_object (ScalingReader *reader, JsonNode *node,
                           const char *const *members)
{
  g_autoptr (GList) names = NULL;
  JsonObject *object;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    {
      g_autofree char *shown = scaling_reader_dup_shown (node);

      scaling_reader_fault (reader, "", "%s is no object", shown);
      return NULL;
    }
  object = json_node_get_object (node);
  names = json_object_get_members (object);
  for (GList *link = names; link != NULL; link = link->next)
    if (!g_strv_contains (members, link->data))
      {
        g_autofree char *name = g_strndup (link->data, SHOWN_MAX_CHARS);

        scaling_reader_fault (reader, "", "\"%s\" is not known here", name);
        return NULL;
      }
  return object;
}

/* is_shallow: json-glib goes as deep as its input says */
static gboolean
is_shallow (const char *text, gsize n_bytes)
{
  gboolean is_in_string = FALSE;
  guint depth = 0;

  for (gsize i = 0; i < n_bytes; i++)
    {
      char c = text[i];

      if (is_in_string && c == '\\')
        i++;
      else if (c == '"')
        is_in_string = !is_in_string;
      else if (!is_in_string && (c == '{' || c == '['))
        {
          if (++depth > SCALING_POLICY_MAX_DEPTH)
            return FALSE;
        }
      else if (!is_in_string && (c == '}' || c == ']') && depth > 0)
        depth--;
    }
  return TRUE;
}

/* load: (transfer full) (nullable) */
JsonNode *
scaling_reader_load (const char *text, gsize n_bytes, ScalingReader *reader)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GError) error = NULL;
  JsonNode *root;

  if (n_bytes > SCALING_POLICY_MAX_BYTES)
    scaling_reader_fault (reader, "", "the text has more than %d bytes",
                          SCALING_POLICY_MAX_BYTES);
  else if (memchr (text, '\0', n_bytes) != NULL
           || !g_utf8_validate (text, (gssize)n_bytes, NULL))
    scaling_reader_fault (reader, "", "the text is not UTF-8");
  else if (!is_shallow (text, n_bytes))
    scaling_reader_fault (reader, "", "the text is nested more than %d deep",
                          SCALING_POLICY_MAX_DEPTH);
  else if (!json_parser_load_from_data (parser, text, (gssize)n_bytes, &error))
    scaling_reader_fault (reader, "", "the text is no JSON: %s",
                          error->message);
  if (reader->is_bad)
    return NULL;
  root = json_parser_get_root (parser);
  if (root == NULL)
    {
      scaling_reader_fault (reader, "", "the text is empty");
      return NULL;
    }
  return json_node_ref (root);
}
