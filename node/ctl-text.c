/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-text: tables and a tree, drawn with characters. */
#include "node/ctl-text.h"

#include <string.h>

#include "base/clock.h"

#define LOSS_SHOWN_RATIO 0.001
#define MAX_COLUMNS 12

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

/* tame: nothing that moves a terminal's cursor */
static char *
tame (char *text)
{
  for (char *c = text; *c; c++)
    if (g_ascii_iscntrl (*c))
      *c = '?';
  return text;
}

/* dup_text: (transfer full): "-" when missing */
static char *
dup_text (JsonObject *object, const char *name)
{
  JsonNode *node = find (object, name, G_TYPE_STRING);

  return tame (g_strdup (node ? json_node_get_string (node) : "-"));
}

static gint64
get_int (JsonObject *object, const char *name)
{
  JsonNode *node = find (object, name, G_TYPE_INT64);

  return node ? json_node_get_int (node) : 0;
}

static double
get_ratio (JsonObject *object, const char *name)
{
  JsonNode *node = find (object, name, G_TYPE_DOUBLE);

  return node ? json_node_get_double (node) : (double)get_int (object, name);
}

static gboolean
get_bool (JsonObject *object, const char *name, gboolean otherwise)
{
  JsonNode *node = find (object, name, G_TYPE_BOOLEAN);

  return node ? json_node_get_boolean (node) : otherwise;
}

/* get_array: (transfer none) (nullable) */
static JsonArray *
get_array (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node)
                                              : NULL;
}

/* get_object: (transfer none) (nullable): element @i when it is an object */
static JsonObject *
get_object (JsonArray *array, guint i)
{
  JsonNode *node = json_array_get_element (array, i);

  return JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

/* dup_list: (transfer full): an array of texts, "a,b" */
static char *
dup_list (JsonObject *object, const char *name)
{
  JsonArray *array = get_array (object, name);
  GString *text = g_string_new (NULL);

  for (guint i = 0; array && i < json_array_get_length (array); i++)
    {
      JsonNode *node = json_array_get_element (array, i);

      if (JSON_NODE_HOLDS_VALUE (node)
          && json_node_get_value_type (node) == G_TYPE_STRING)
        g_string_append_printf (text, "%s%s", text->len > 0 ? "," : "",
                                json_node_get_string (node));
    }
  return tame (g_string_free (text, FALSE));
}

/* --- Numbers in words --------------------------------------------------- */

static char *
dup_rate (gint64 bps)
{
  if (bps >= 1000 * 1000 * 1000)
    return g_strdup_printf ("%.1f Gbit/s", (double)bps / 1e9);
  if (bps >= 1000 * 1000)
    return g_strdup_printf ("%.1f Mbit/s", (double)bps / 1e6);
  return g_strdup_printf ("%.0f kbit/s", (double)bps / 1e3);
}

static char *
dup_slots (JsonObject *node, const char *name, const char *max_name)
{
  gint64 n = get_int (node, name), max = get_int (node, max_name);

  return n == 0 && max == 0
             ? g_strdup ("-")
             : g_strdup_printf ("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT, n,
                                max);
}

/* dup_age: (transfer full): "3 d 4 h", of an RFC 3339 time */
static char *
dup_age (JsonObject *node, gint64 now_wall_us)
{
  g_autofree char *text = dup_text (node, "started");
  g_autoptr (GDateTime) time = g_date_time_new_from_iso8601 (text, NULL);
  gint64 s;

  if (!time)
    return g_strdup ("-");
  s = MAX (now_wall_us / BASE_US_PER_S - g_date_time_to_unix (time), 0);
  if (s < 60)
    return g_strdup_printf ("%d s", (int)s);
  if (s < 3600)
    return g_strdup_printf ("%d min", (int)(s / 60));
  if (s < 24 * 3600)
    return g_strdup_printf ("%d h %d min", (int)(s / 3600), (int)(s / 60 % 60));
  return g_strdup_printf ("%" G_GINT64_FORMAT " d %d h", s / (24 * 3600),
                          (int)(s / 3600 % 24));
}

static const char *
get_state (JsonObject *node)
{
  if (!get_bool (node, "alive", TRUE))
    return "dead";
  return get_bool (node, "draining", FALSE) ? "draining" : "alive";
}

/* --- Tables ------------------------------------------------------------- */

typedef struct
{
  const char *title;
  gboolean is_right; /* numbers */
} Column;

typedef struct
{
  const Column *columns;
  guint n_columns;
  GPtrArray *cells; /* owned, row by row */
} Table;

static Table
table_new (const Column *columns, guint n_columns)
{
  Table self = { columns, n_columns, g_ptr_array_new_with_free_func (g_free) };

  g_assert (n_columns <= MAX_COLUMNS);
  for (guint i = 0; i < n_columns; i++)
    g_ptr_array_add (self.cells, g_strdup (columns[i].title));
  return self;
}

static void
append_cell (GString *out, const char *text, glong n_wide, gboolean is_right,
             gboolean is_last)
{
  glong n_free = n_wide - g_utf8_strlen (text, -1);

  if (is_right)
    g_string_append_printf (out, "%*s", (int)n_free, "");
  g_string_append (out, text);
  if (!is_right && !is_last)
    g_string_append_printf (out, "%*s", (int)n_free, "");
  g_string_append (out, is_last ? "\n" : "  ");
}

/* table_finish: (transfer full): the text; frees what is in @self */
static char *
table_finish (Table *self)
{
  glong widths[MAX_COLUMNS] = { 0 };
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < self->cells->len; i++)
    {
      glong *width = &widths[i % self->n_columns];

      *width = MAX (*width, g_utf8_strlen (self->cells->pdata[i], -1));
    }
  for (guint i = 0; i < self->cells->len; i++)
    {
      guint column = i % self->n_columns;

      append_cell (out, self->cells->pdata[i], widths[column],
                   self->columns[column].is_right,
                   column + 1 == self->n_columns);
    }
  g_ptr_array_unref (self->cells);
  return g_string_free (out, FALSE);
}

static void
add_node_row (Table *table, JsonObject *node, gint64 now_wall_us)
{
  char *cells[] = {
    dup_text (node, "id"),
    dup_list (node, "roles"),
    g_strdup (get_state (node)),
    dup_slots (node, "publishers", "max_publishers"),
    dup_slots (node, "viewers", "max_viewers"),
    g_strdup_printf ("%" G_GINT64_FORMAT, get_int (node, "streams")),
    dup_rate (get_int (node, "tx_bps")),
    g_strdup_printf ("%.0f %%", get_ratio (node, "cpu_ratio") * 100),
    dup_age (node, now_wall_us),
    dup_text (node, "parent"),
    dup_text (node, "backup"),
    dup_text (node, "host"),
  };

  for (guint i = 0; i < G_N_ELEMENTS (cells); i++)
    g_ptr_array_add (table->cells, cells[i]);
}

char *
node_ctl_text_nodes (JsonArray *nodes, gint64 now_wall_us)
{
  static const Column columns[] = {
    { "NODE", FALSE },      { "ROLES", FALSE },  { "STATE", FALSE },
    { "PUBLISHERS", TRUE }, { "VIEWERS", TRUE }, { "STREAMS", TRUE },
    { "OUT", TRUE },        { "CPU", TRUE },     { "UP", TRUE },
    { "PARENT", FALSE },    { "BACKUP", FALSE }, { "HOST", FALSE },
  };
  Table table = table_new (columns, G_N_ELEMENTS (columns));

  for (guint i = 0; i < json_array_get_length (nodes); i++)
    {
      JsonObject *node = get_object (nodes, i);

      if (node)
        add_node_row (&table, node, now_wall_us);
    }
  return table_finish (&table);
}

char *
node_ctl_text_streams (JsonArray *streams)
{
  static const Column columns[] = {
    { "STREAM", FALSE }, { "ORIGIN", FALSE }, { "CODECS", FALSE },
    { "EPOCH", TRUE },   { "NODES", TRUE },
  };
  Table table = table_new (columns, G_N_ELEMENTS (columns));

  if (json_array_get_length (streams) == 0)
    {
      g_ptr_array_unref (table.cells);
      return g_strdup ("No streams: nobody publishes.\n");
    }
  for (guint i = 0; i < json_array_get_length (streams); i++)
    {
      JsonObject *stream = get_object (streams, i);
      JsonArray *nodes;

      if (!stream)
        continue;
      nodes = get_array (stream, "nodes");
      g_ptr_array_add (table.cells, dup_text (stream, "name"));
      g_ptr_array_add (table.cells, dup_text (stream, "origin"));
      g_ptr_array_add (table.cells, dup_list (stream, "codecs"));
      g_ptr_array_add (
          table.cells,
          g_strdup_printf ("%" G_GINT64_FORMAT, get_int (stream, "epoch")));
      g_ptr_array_add (
          table.cells,
          g_strdup_printf ("%u", nodes ? json_array_get_length (nodes) : 0));
    }
  return table_finish (&table);
}

/* --- The tree ----------------------------------------------------------- */

typedef struct
{
  JsonObject *node;    /* borrowed */
  GPtrArray *children; /* owned: of Item */
  GString *remarks;    /* owned: its links */
  gboolean is_drawn;
} Item;

typedef struct
{
  const char *branch, *last, *down, *gap;
} Lines;

typedef struct
{
  const Lines *lines;
  GPtrArray *rows;  /* owned: prefix and id */
  GPtrArray *notes; /* owned: what stands behind it */
} Drawing;

static void
item_free (Item *self)
{
  g_ptr_array_unref (self->children);
  g_string_free (self->remarks, TRUE);
  g_free (self);
}

/* read_items: (transfer full): id -> Item */
static GHashTable *
read_items (JsonArray *nodes)
{
  GHashTable *items = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                             (GDestroyNotify)item_free);

  for (guint i = 0; nodes && i < json_array_get_length (nodes); i++)
    {
      JsonObject *node = get_object (nodes, i);
      Item *item;

      if (!node)
        continue;
      item = g_new0 (Item, 1);
      item->node = node;
      item->children = g_ptr_array_new ();
      item->remarks = g_string_new (NULL);
      g_hash_table_replace (items, dup_text (node, "id"), item);
    }
  return items;
}

/* remark: what the line does not show: other parents, loss, silence */
static void
remark (Item *child, JsonObject *link)
{
  g_autofree char *kind = dup_text (link, "kind");
  g_autofree char *parent = dup_text (link, "parent");
  double loss = get_ratio (link, "loss_ratio");
  gboolean is_parent = g_str_equal (kind, "parent");
  gboolean is_silent = get_bool (link, "silent", FALSE);

  if (is_parent && !is_silent && loss < LOSS_SHOWN_RATIO)
    return;
  g_string_append_printf (child->remarks, "; %s %s", kind, parent);
  if (is_silent)
    g_string_append (child->remarks, " is silent");
  else if (loss >= LOSS_SHOWN_RATIO)
    g_string_append_printf (child->remarks, " loses %.1f %%", loss * 100);
}

static void
read_links (GHashTable *items, JsonArray *links)
{
  for (guint i = 0; links && i < json_array_get_length (links); i++)
    {
      JsonObject *link = get_object (links, i);
      g_autofree char *child = link ? dup_text (link, "child") : NULL;
      Item *item = child ? g_hash_table_lookup (items, child) : NULL;

      if (item)
        remark (item, link);
    }
}

/* dup_note: (transfer full): what a node is and does, in a line */
static char *
dup_note (const Item *item)
{
  JsonObject *node = item->node;
  const char *state = get_state (node);
  g_autofree char *roles = dup_list (node, "roles");
  g_autofree char *rate = dup_rate (get_int (node, "tx_bps"));
  g_autofree char *viewers = dup_slots (node, "viewers", "max_viewers");
  g_autofree char *publishers =
      dup_slots (node, "publishers", "max_publishers");
  GString *text = g_string_new (roles);

  if (!g_str_equal (state, "alive"))
    g_string_append_printf (text, ", %s",
                            g_str_equal (state, "dead") ? "DEAD" : "draining");
  if (!g_str_equal (publishers, "-"))
    g_string_append_printf (text, ", %s publishers", publishers);
  if (!g_str_equal (viewers, "-"))
    g_string_append_printf (text, ", %s viewers", viewers);
  g_string_append_printf (text, ", out %s, CPU %.0f %%%s", rate,
                          get_ratio (node, "cpu_ratio") * 100,
                          item->remarks->str);
  return g_string_free (text, FALSE);
}

static void
draw (Drawing *self, Item *item, const char *prefix, const char *turn,
      const char *below)
{
  g_autofree char *id = dup_text (item->node, "id");
  g_autofree char *next = g_strconcat (prefix, below, NULL);

  item->is_drawn = TRUE;
  g_ptr_array_add (self->rows, g_strconcat (prefix, turn, id, NULL));
  g_ptr_array_add (self->notes, dup_note (item));
  for (guint i = 0; i < item->children->len; i++)
    {
      Item *child = item->children->pdata[i];
      gboolean is_last = i + 1 == item->children->len;

      if (!child->is_drawn)
        draw (self, child, next,
              is_last ? self->lines->last : self->lines->branch,
              is_last ? self->lines->gap : self->lines->down);
    }
}

/* link_children: roots are those whose parent is not there */
static void
link_children (GHashTable *items, JsonArray *nodes, GPtrArray *roots)
{
  for (guint i = 0; nodes && i < json_array_get_length (nodes); i++)
    {
      JsonObject *node = get_object (nodes, i);
      g_autofree char *id = node ? dup_text (node, "id") : NULL;
      g_autofree char *parent = node ? dup_text (node, "parent") : NULL;
      Item *item = id ? g_hash_table_lookup (items, id) : NULL;
      Item *above = parent ? g_hash_table_lookup (items, parent) : NULL;

      if (!item || item->node != node)
        continue;
      g_ptr_array_add (above && above != item ? above->children : roots, item);
    }
}

static void
draw_all (Drawing *self, GHashTable *items, JsonArray *nodes)
{
  g_autoptr (GPtrArray) roots = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  link_children (items, nodes, roots);
  for (guint i = 0; i < roots->len; i++)
    draw (self, roots->pdata[i], "", "", "");
  /* a circle cannot be; if it is there, it is shown */
  g_hash_table_iter_init (&iter, items);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (!((Item *)value)->is_drawn)
      draw (self, value, "", "", "");
}

static void
append_title (GString *out, JsonObject *tree, guint n_nodes)
{
  g_autofree char *name = dup_text (tree, "tree");
  JsonArray *streams = get_array (tree, "streams");
  guint n_streams = streams ? json_array_get_length (streams) : 0;

  g_string_append_printf (out, "%s: %u %s, %u %s", name, n_nodes,
                          n_nodes == 1 ? "node" : "nodes", n_streams,
                          n_streams == 1 ? "stream" : "streams");
  if (!get_bool (tree, "clustered", FALSE))
    g_string_append (out, "; a machine alone (no --redis-url)");
  else if (!get_bool (tree, "store_connected", FALSE))
    g_string_append (out, "; Redis is away, this is the last known");
  g_string_append_c (out, '\n');
}

char *
node_ctl_text_tree (JsonObject *tree, gboolean is_utf8)
{
  static const Lines boxes = { "├─ ", "└─ ", "│  ", "   " };
  static const Lines ascii = { "|- ", "`- ", "|  ", "   " };
  JsonArray *nodes = get_array (tree, "nodes");
  g_autoptr (GHashTable) items = read_items (nodes);
  GString *out = g_string_new (NULL);
  Drawing drawing = { is_utf8 ? &boxes : &ascii,
                      g_ptr_array_new_with_free_func (g_free),
                      g_ptr_array_new_with_free_func (g_free) };
  glong n_wide = 0;

  read_links (items, get_array (tree, "links"));
  append_title (out, tree, g_hash_table_size (items));
  draw_all (&drawing, items, nodes);
  for (guint i = 0; i < drawing.rows->len; i++)
    n_wide = MAX (n_wide, g_utf8_strlen (drawing.rows->pdata[i], -1));
  for (guint i = 0; i < drawing.rows->len; i++)
    {
      append_cell (out, drawing.rows->pdata[i], n_wide, FALSE, FALSE);
      g_string_append_printf (out, "%s\n", (char *)drawing.notes->pdata[i]);
    }
  g_ptr_array_unref (drawing.rows);
  g_ptr_array_unref (drawing.notes);
  return g_string_free (out, FALSE);
}
