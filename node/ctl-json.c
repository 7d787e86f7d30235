/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-json: see the header. */
#include "node/ctl-json.h"

#include <string.h>

#include "base/clock.h"

/* --- Reading ------------------------------------------------------------ */

/* find: (nullable): a member that is a plain value of @type */
static JsonNode *
find (JsonObject *object, const char *name, GType type)
{
  JsonNode *node = json_object_get_member (object, name);

  return node && JSON_NODE_HOLDS_VALUE (node)
                 && json_node_get_value_type (node) == type
             ? node
             : NULL;
}

char *
node_ctl_tame (char *text)
{
  for (char *c = text; *c; c++)
    if (g_ascii_iscntrl (*c))
      *c = '?';
    else if ((guchar)*c == 0xc2 && ((guchar)c[1] & 0xe0) == 0x80)
      c[0] = c[1] = '?'; /* U+0080 to U+009F: CSI and its kin in one */
  return text;
}

char *
node_ctl_dup_text (JsonObject *object, const char *name)
{
  JsonNode *node = find (object, name, G_TYPE_STRING);

  return node_ctl_tame (g_strdup (node ? json_node_get_string (node) : "-"));
}

gint64
node_ctl_get_int (JsonObject *object, const char *name)
{
  JsonNode *node = find (object, name, G_TYPE_INT64);

  return node ? json_node_get_int (node) : 0;
}

double
node_ctl_get_ratio (JsonObject *object, const char *name)
{
  JsonNode *node = find (object, name, G_TYPE_DOUBLE);

  return node ? json_node_get_double (node)
              : (double)node_ctl_get_int (object, name);
}

gboolean
node_ctl_get_bool (JsonObject *object, const char *name, gboolean otherwise)
{
  JsonNode *node = find (object, name, G_TYPE_BOOLEAN);

  return node ? json_node_get_boolean (node) : otherwise;
}

JsonArray *
node_ctl_get_array (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node)
                                              : NULL;
}

JsonObject *
node_ctl_get_object (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                               : NULL;
}

JsonObject *
node_ctl_get_element (JsonArray *array, guint i)
{
  JsonNode *node = json_array_get_element (array, i);

  return JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

char *
node_ctl_dup_list (JsonObject *object, const char *name)
{
  JsonArray *array = node_ctl_get_array (object, name);
  GString *text = g_string_new (NULL);

  for (guint i = 0; array && i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);

      if (JSON_NODE_HOLDS_VALUE (node)
          && json_node_get_value_type (node) == G_TYPE_STRING)
        g_string_append_printf (text, "%s%s", text->len > 0 ? "," : "",
                                json_node_get_string (node));
    }
  return node_ctl_tame (g_string_free (text, FALSE));
}

/* --- Numbers in words --------------------------------------------------- */

char *
node_ctl_dup_rate (gint64 bps)
{
  if (bps >= 1000 * 1000 * 1000)
    return g_strdup_printf ("%.1f Gbit/s", (double)bps / 1e9);
  if (bps >= 1000 * 1000)
    return g_strdup_printf ("%.1f Mbit/s", (double)bps / 1e6);
  return g_strdup_printf ("%.0f kbit/s", (double)bps / 1e3);
}

char *
node_ctl_dup_slots (JsonObject *node, const char *name, const char *max_name)
{
  gint64 n = node_ctl_get_int (node, name),
         max = node_ctl_get_int (node, max_name);

  return n == 0 && max == 0
             ? g_strdup ("-")
             : g_strdup_printf ("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT, n,
                                max);
}

char *
node_ctl_dup_bytes (gint64 bytes)
{
  if (bytes <= 0)
    return g_strdup ("-");
  if (bytes >= 10 * 1000 * 1000 * G_GINT64_CONSTANT (1000))
    return g_strdup_printf ("%.1f GB", (double)bytes / 1e9);
  return g_strdup_printf ("%.0f MB", (double)bytes / 1e6);
}

char *
node_ctl_dup_ms (gint64 us)
{
  return us > 0 ? g_strdup_printf ("%.1f ms", (double)us / 1e3)
                : g_strdup ("-");
}

char *
node_ctl_dup_span (gint64 s)
{
  if (s < 0)
    return g_strdup ("-");
  if (s < 60)
    return g_strdup_printf ("%d s", (int)s);
  if (s < 3600)
    return g_strdup_printf ("%d min", (int)(s / 60));
  if (s < 24 * 3600)
    return g_strdup_printf ("%d h %d min", (int)(s / 3600), (int)(s / 60 % 60));
  return g_strdup_printf ("%" G_GINT64_FORMAT " d %d h", s / (24 * 3600),
                          (int)(s / 3600 % 24));
}

gint64
node_ctl_get_age_s (JsonObject *node, gint64 now_wall_us)
{
  g_autofree char *text = node_ctl_dup_text (node, "started");
  g_autoptr (GDateTime) time = g_date_time_new_from_iso8601 (text, NULL);

  return time
             ? MAX (now_wall_us / BASE_US_PER_S - g_date_time_to_unix (time), 0)
             : -1;
}

const char *
node_ctl_get_state (JsonObject *node)
{
  if (!node_ctl_get_bool (node, "alive", TRUE))
    return "dead";
  if (node_ctl_get_bool (node, "draining", FALSE))
    return "draining";
  return node_ctl_get_bool (node, "warm", FALSE) ? "warm" : "alive";
}

/* --- Tables ------------------------------------------------------------- */

NodeCtlTable
node_ctl_table_new (const NodeCtlColumn *columns, guint n_columns)
{
  NodeCtlTable self = { columns, n_columns,
                        g_ptr_array_new_with_free_func (g_free) };

  g_assert (n_columns <= NODE_CTL_MAX_COLUMNS);
  for (guint i = 0; i < n_columns; i++)
    g_ptr_array_add (self.cells, g_strdup (columns[i].title));
  return self;
}

void
node_ctl_table_add (NodeCtlTable *self, char *cell)
{
  g_ptr_array_add (self->cells, cell);
}

void
node_ctl_append_cell (GString *out, const char *text, glong n_wide,
                      gboolean is_right, gboolean is_last)
{
  glong n_free = n_wide - g_utf8_strlen (text, -1);

  if (is_right)
    g_string_append_printf (out, "%*s", (int)n_free, "");
  g_string_append (out, text);
  if (!is_right && !is_last)
    g_string_append_printf (out, "%*s", (int)n_free, "");
  g_string_append (out, is_last ? "\n" : "  ");
}

char *
node_ctl_table_finish (NodeCtlTable *self)
{
  glong widths[NODE_CTL_MAX_COLUMNS] = { 0 };
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < self->cells->len; i++)
    {
      glong *width = &widths[i % self->n_columns];

      *width = MAX (*width, g_utf8_strlen (self->cells->pdata[i], -1));
    }
  for (guint i = 0; i < self->cells->len; i++)
    {
      guint column = i % self->n_columns;

      node_ctl_append_cell (out, self->cells->pdata[i], widths[column],
                            self->columns[column].is_right,
                            column + 1 == self->n_columns);
    }
  g_ptr_array_unref (self->cells);
  return g_string_free (out, FALSE);
}
