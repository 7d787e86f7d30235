/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-text: tables and a tree, drawn with characters. */
#include "node/ctl-text.h"

#include <string.h>

#include "node/ctl-json.h"

#define LOSS_SHOWN_RATIO 0.001

/* --- Tables ------------------------------------------------------------- */

static void
add_node_row (NodeCtlTable *table, JsonObject *node, gint64 now_wall_us)
{
  char *cells[] = {
    node_ctl_dup_text (node, "id"),
    node_ctl_dup_list (node, "roles"),
    g_strdup (node_ctl_get_state (node)),
    node_ctl_dup_slots (node, "publishers", "max_publishers"),
    node_ctl_dup_slots (node, "viewers", "max_viewers"),
    g_strdup_printf ("%" G_GINT64_FORMAT, node_ctl_get_int (node, "streams")),
    node_ctl_dup_rate (node_ctl_get_int (node, "tx_bps")),
    g_strdup_printf ("%.0f %%", node_ctl_get_ratio (node, "cpu_ratio") * 100),
    node_ctl_dup_span (node_ctl_get_age_s (node, now_wall_us)),
    node_ctl_dup_text (node, "parent"),
    node_ctl_dup_text (node, "backup"),
    node_ctl_dup_text (node, "host"),
  };

  for (guint i = 0; i < G_N_ELEMENTS (cells); i++)
    g_ptr_array_add (table->cells, cells[i]);
}

char *
node_ctl_text_nodes (JsonArray *nodes, gint64 now_wall_us)
{
  static const NodeCtlColumn columns[] = {
    { "NODE", FALSE },      { "ROLES", FALSE },  { "STATE", FALSE },
    { "PUBLISHERS", TRUE }, { "VIEWERS", TRUE }, { "STREAMS", TRUE },
    { "OUT", TRUE },        { "CPU", TRUE },     { "UP", TRUE },
    { "PARENT", FALSE },    { "BACKUP", FALSE }, { "HOST", FALSE },
  };
  NodeCtlTable table = node_ctl_table_new (columns, G_N_ELEMENTS (columns));

  for (guint i = 0; i < json_array_get_length (nodes); i++)
    {
      JsonObject *node = node_ctl_get_element (nodes, i);

      if (node)
        add_node_row (&table, node, now_wall_us);
    }
  return node_ctl_table_finish (&table);
}

char *
node_ctl_text_streams (JsonArray *streams)
{
  static const NodeCtlColumn columns[] = {
    { "STREAM", FALSE }, { "ORIGIN", FALSE }, { "CODECS", FALSE },
    { "EPOCH", TRUE },   { "NODES", TRUE },
  };
  NodeCtlTable table = node_ctl_table_new (columns, G_N_ELEMENTS (columns));

  if (json_array_get_length (streams) == 0)
    {
      g_ptr_array_unref (table.cells);
      return g_strdup ("No streams: nobody publishes.\n");
    }
  for (guint i = 0; i < json_array_get_length (streams); i++)
    {
      JsonObject *stream = node_ctl_get_element (streams, i);
      JsonArray *nodes;

      if (!stream)
        continue;
      nodes = node_ctl_get_array (stream, "nodes");
      g_ptr_array_add (table.cells, node_ctl_dup_text (stream, "name"));
      g_ptr_array_add (table.cells, node_ctl_dup_text (stream, "origin"));
      g_ptr_array_add (table.cells, node_ctl_dup_list (stream, "codecs"));
      g_ptr_array_add (table.cells,
                       g_strdup_printf ("%" G_GINT64_FORMAT,
                                        node_ctl_get_int (stream, "epoch")));
      g_ptr_array_add (
          table.cells,
          g_strdup_printf ("%u", nodes ? json_array_get_length (nodes) : 0));
    }
  return node_ctl_table_finish (&table);
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
      JsonObject *node = node_ctl_get_element (nodes, i);
      Item *item;

      if (!node)
        continue;
      item = g_new0 (Item, 1);
      item->node = node;
      item->children = g_ptr_array_new ();
      item->remarks = g_string_new (NULL);
      g_hash_table_replace (items, node_ctl_dup_text (node, "id"), item);
    }
  return items;
}

/* remark: what the line does not show: other parents, loss, silence */
static void
remark (Item *child, JsonObject *link)
{
  g_autofree char *kind = node_ctl_dup_text (link, "kind");
  g_autofree char *parent = node_ctl_dup_text (link, "parent");
  double loss = node_ctl_get_ratio (link, "loss_ratio");
  gboolean is_parent = g_str_equal (kind, "parent");
  gboolean is_silent = node_ctl_get_bool (link, "silent", FALSE);

  if (is_parent && !is_silent && loss < LOSS_SHOWN_RATIO)
    return;
  /* it is asked for a moment, and need not answer */
  if (g_str_equal (kind, "candidate") && is_silent)
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
      JsonObject *link = node_ctl_get_element (links, i);
      g_autofree char *child = link ? node_ctl_dup_text (link, "child") : NULL;
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
  const char *state = node_ctl_get_state (node);
  g_autofree char *roles = node_ctl_dup_list (node, "roles");
  g_autofree char *rate = node_ctl_dup_rate (node_ctl_get_int (node, "tx_bps"));
  g_autofree char *viewers =
      node_ctl_dup_slots (node, "viewers", "max_viewers");
  g_autofree char *publishers =
      node_ctl_dup_slots (node, "publishers", "max_publishers");
  GString *text = g_string_new (roles);

  if (!g_str_equal (state, "alive"))
    g_string_append_printf (text, ", %s",
                            g_str_equal (state, "dead") ? "DEAD" : state);
  if (!g_str_equal (publishers, "-"))
    g_string_append_printf (text, ", %s publishers", publishers);
  if (!g_str_equal (viewers, "-"))
    g_string_append_printf (text, ", %s viewers", viewers);
  g_string_append_printf (text, ", out %s, CPU %.0f %%%s", rate,
                          node_ctl_get_ratio (node, "cpu_ratio") * 100,
                          item->remarks->str);
  return g_string_free (text, FALSE);
}

static void
draw (Drawing *self, Item *item, const char *prefix, const char *turn,
      const char *below)
{
  g_autofree char *id = node_ctl_dup_text (item->node, "id");
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
      JsonObject *node = node_ctl_get_element (nodes, i);
      g_autofree char *id = node ? node_ctl_dup_text (node, "id") : NULL;
      g_autofree char *parent =
          node ? node_ctl_dup_text (node, "parent") : NULL;
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
  g_autofree char *name = node_ctl_dup_text (tree, "tree");
  JsonArray *streams = node_ctl_get_array (tree, "streams");
  guint n_streams = streams ? json_array_get_length (streams) : 0;

  g_string_append_printf (out, "%s: %u %s, %u %s", name, n_nodes,
                          n_nodes == 1 ? "node" : "nodes", n_streams,
                          n_streams == 1 ? "stream" : "streams");
  if (!node_ctl_get_bool (tree, "clustered", FALSE))
    g_string_append (out, "; a machine alone (no --redis-url)");
  else if (!node_ctl_get_bool (tree, "store_connected", FALSE))
    g_string_append (out, "; Redis is away, this is the last known");
  g_string_append_c (out, '\n');
}

char *
node_ctl_text_tree (JsonObject *tree, gboolean is_utf8)
{
  static const Lines boxes = { "├─ ", "└─ ", "│  ", "   " };
  static const Lines ascii = { "|- ", "`- ", "|  ", "   " };
  JsonArray *nodes = node_ctl_get_array (tree, "nodes");
  g_autoptr (GHashTable) items = read_items (nodes);
  GString *out = g_string_new (NULL);
  Drawing drawing = { is_utf8 ? &boxes : &ascii,
                      g_ptr_array_new_with_free_func (g_free),
                      g_ptr_array_new_with_free_func (g_free) };
  glong n_wide = 0;

  read_links (items, node_ctl_get_array (tree, "links"));
  append_title (out, tree, g_hash_table_size (items));
  draw_all (&drawing, items, nodes);
  for (guint i = 0; i < drawing.rows->len; i++)
    n_wide = MAX (n_wide, g_utf8_strlen (drawing.rows->pdata[i], -1));
  for (guint i = 0; i < drawing.rows->len; i++)
    {
      node_ctl_append_cell (out, drawing.rows->pdata[i], n_wide, FALSE, FALSE);
      g_string_append_printf (out, "%s\n", (char *)drawing.notes->pdata[i]);
    }
  g_ptr_array_unref (drawing.rows);
  g_ptr_array_unref (drawing.notes);
  return g_string_free (out, FALSE);
}
