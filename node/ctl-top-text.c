/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-top-text: see the header. */
#include "node/ctl-top-text.h"

#include <string.h>

#include "node/ctl-json.h"

static const struct
{
  const char *word;
  char key;
} sorts[NODE_CTL_N_SORTS] = {
  [NODE_CTL_SORT_VIEWERS] = { "viewers", 'v' },
  [NODE_CTL_SORT_CPU] = { "cpu", 'c' },
  [NODE_CTL_SORT_MEMORY] = { "memory", 'm' },
  [NODE_CTL_SORT_OUT] = { "out", 'o' },
  [NODE_CTL_SORT_LOSS] = { "loss", 'l' },
  [NODE_CTL_SORT_UP] = { "up", 'u' },
  [NODE_CTL_SORT_NODE] = { "node", 'n' },
};

NodeCtlSort
node_ctl_sort_from_word (const char *word)
{
  NodeCtlSort i = 0;

  while (i < NODE_CTL_N_SORTS && !g_str_equal (sorts[i].word, word))
    i++;
  return i;
}

NodeCtlSort
node_ctl_sort_from_key (int key)
{
  NodeCtlSort i = 0;

  while (i < NODE_CTL_N_SORTS && sorts[i].key != key)
    i++;
  return i;
}

char *
node_ctl_sort_dup_words (void)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < NODE_CTL_N_SORTS; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? ", " : "", sorts[i].word);
  return g_string_free (text, FALSE);
}

/* --- nodes ---------------------------------------------------------------- */

typedef struct
{
  JsonObject *node; /* borrowed */
  char *id;         /* owned */
  double loss;      /* the worst of its parents; < 0: it has none */
  gint64 age_s;
} Row;

static void
row_free (gpointer data)
{
  Row *self = data;

  g_free (self->id);
  g_free (self);
}

static double
get_loss (JsonArray *links, const char *id)
{
  double worst = -1;

  for (guint i = 0; links && i < json_array_get_length (links); i++)
    {
      JsonObject *link = node_ctl_get_element (links, i);
      g_autofree char *child = link ? node_ctl_dup_text (link, "child") : NULL;

      if (child && g_str_equal (child, id)
          && node_ctl_get_bool (link, "active", FALSE))
        worst = MAX (worst, node_ctl_get_ratio (link, "loss_ratio"));
    }
  return worst;
}

/* read_rows: (transfer full) (element-type Row) */
static GPtrArray *
read_rows (JsonObject *tree, gint64 now_wall_us)
{
  GPtrArray *rows = g_ptr_array_new_with_free_func (row_free);
  JsonArray *nodes = node_ctl_get_array (tree, "nodes");

  for (guint i = 0; i < json_array_get_length (nodes); i++)
    {
      JsonObject *node = node_ctl_get_element (nodes, i);
      Row *row;

      if (!node)
        continue;
      row = g_new0 (Row, 1);
      row->node = node;
      row->id = node_ctl_dup_text (node, "id");
      row->loss = get_loss (node_ctl_get_array (tree, "links"), row->id);
      row->age_s = node_ctl_get_age_s (node, now_wall_us);
      g_ptr_array_add (rows, row);
    }
  return rows;
}

static double
get_value (const Row *row, NodeCtlSort sort)
{
  switch (sort)
    {
    case NODE_CTL_SORT_VIEWERS:
      return (double)node_ctl_get_int (row->node, "viewers");
    case NODE_CTL_SORT_CPU:
      return node_ctl_get_ratio (row->node, "cpu_ratio");
    case NODE_CTL_SORT_MEMORY:
      return (double)node_ctl_get_int (row->node, "rss_bytes");
    case NODE_CTL_SORT_OUT:
      return (double)node_ctl_get_int (row->node, "tx_bps");
    case NODE_CTL_SORT_LOSS:
      return row->loss;
    case NODE_CTL_SORT_UP:
      return (double)row->age_s;
    case NODE_CTL_SORT_NODE:
    case NODE_CTL_N_SORTS:
    default:
      return 0;
    }
}

static int
compare_rows (gconstpointer a, gconstpointer b, gpointer data)
{
  const NodeCtlTopView *view = data;
  const Row *left = *(Row *const *)a, *right = *(Row *const *)b;
  double x = get_value (left, view->sort), y = get_value (right, view->sort);
  int order = x > y ? -1 : x < y ? 1 : strcmp (left->id, right->id);

  return view->is_reversed ? -order : order;
}

static void
add_row (NodeCtlTable *table, const Row *row)
{
  JsonObject *node = row->node;
  char *cells[] = {
    g_strdup (row->id),
    node_ctl_dup_list (node, "roles"),
    g_strdup (node_ctl_get_state (node)),
    node_ctl_dup_slots (node, "viewers", "max_viewers"),
    g_strdup_printf ("%" G_GINT64_FORMAT, node_ctl_get_int (node, "streams")),
    g_strdup_printf ("%.0f %%", node_ctl_get_ratio (node, "cpu_ratio") * 100),
    node_ctl_dup_bytes (node_ctl_get_int (node, "rss_bytes")),
    node_ctl_dup_rate (node_ctl_get_int (node, "tx_bps")),
    node_ctl_dup_slots (node, "ports", "max_ports"),
    row->loss < 0 ? g_strdup ("-")
                  : g_strdup_printf ("%.1f %%", row->loss * 100),
    node_ctl_dup_span (row->age_s),
  };

  for (guint i = 0; i < G_N_ELEMENTS (cells); i++)
    node_ctl_table_add (table, cells[i]);
}

/* dup_table: (transfer full): all rows, so that columns do not jump when they
 * are scrolled */
static char *
dup_table (GPtrArray *rows)
{
  static const NodeCtlColumn columns[] = {
    { "NODE", FALSE },   { "ROLES", FALSE },  { "STATE", FALSE },
    { "VIEWERS", TRUE }, { "STREAMS", TRUE }, { "CPU", TRUE },
    { "MEM", TRUE },     { "OUT", TRUE },     { "PORTS", TRUE },
    { "LOSS", TRUE },    { "UP", TRUE },
  };
  NodeCtlTable table = node_ctl_table_new (columns, G_N_ELEMENTS (columns));

  for (guint i = 0; i < rows->len; i++)
    add_row (&table, rows->pdata[i]);
  return node_ctl_table_finish (&table);
}

/* --- totals --------------------------------------------------------------- */

typedef struct
{
  guint n_dead, n_draining, n_warm;
  gint64 n_viewers, max_viewers, tx_bps;
} Totals;

static void
add_totals (Totals *self, JsonObject *node)
{
  const char *state = node_ctl_get_state (node);

  if (g_str_equal (state, "dead"))
    {
      self->n_dead++;
      return;
    }
  self->n_draining += g_str_equal (state, "draining");
  self->n_warm += g_str_equal (state, "warm");
  self->n_viewers += node_ctl_get_int (node, "viewers");
  self->max_viewers += node_ctl_get_int (node, "max_viewers");
  self->tx_bps += node_ctl_get_int (node, "tx_bps");
}

/* dup_totals: (transfer full) */
static char *
dup_totals (JsonObject *tree, GPtrArray *rows, const NodeCtlTopView *view)
{
  JsonArray *streams = node_ctl_get_array (tree, "streams");
  g_autofree char *name = node_ctl_dup_text (tree, "tree");
  g_autofree char *rate = NULL;
  GString *text = g_string_new (NULL);
  Totals totals = { 0 };

  for (guint i = 0; i < rows->len; i++)
    add_totals (&totals, ((Row *)rows->pdata[i])->node);
  rate = node_ctl_dup_rate (totals.tx_bps);
  g_string_append_printf (text, "%s: %u nodes", name, rows->len);
  if (totals.n_dead > 0)
    g_string_append_printf (text, ", %u dead", totals.n_dead);
  if (totals.n_draining > 0)
    g_string_append_printf (text, ", %u draining", totals.n_draining);
  if (totals.n_warm > 0)
    g_string_append_printf (text, ", %u warm", totals.n_warm);
  g_string_append_printf (text,
                          ", %u streams, %" G_GINT64_FORMAT "/%" G_GINT64_FORMAT
                          " viewers, out %s",
                          streams ? json_array_get_length (streams) : 0,
                          totals.n_viewers, totals.max_viewers, rate);
  if (view->join_p95_s >= 0)
    g_string_append_printf (text, ", join p95 %.0f ms",
                            view->join_p95_s * 1000);
  if (node_ctl_get_bool (tree, "clustered", FALSE)
      && !node_ctl_get_bool (tree, "store_connected", FALSE))
    g_string_append (text, "; Redis is away, this is the last known");
  return g_string_free (text, FALSE);
}

/* --- the page ------------------------------------------------------------- */

/* append_line: cut to the width */
static void
append_line (GString *out, const char *line, const NodeCtlTopView *view)
{
  glong n_chars = g_utf8_strlen (line, -1);

  if (view->n_columns > 0 && n_chars > (glong)view->n_columns)
    g_string_append_len (
        out, line, g_utf8_offset_to_pointer (line, view->n_columns) - line);
  else
    g_string_append (out, line);
  g_string_append_c (out, '\n');
}

/* count_rows: how many nodes there is room for */
static guint
count_rows (const NodeCtlTopView *view, guint n_nodes)
{
  /* totals and titles; keys; what is wrong */
  guint n_others = 2 + (view->has_keys ? 1 : 0) + (view->message ? 1 : 0);

  if (view->n_rows == 0)
    return n_nodes;
  return view->n_rows > n_others ? MIN (view->n_rows - n_others, n_nodes) : 0;
}

static void
append_keys (GString *out, const NodeCtlTopView *view, guint n_shown,
             guint n_nodes)
{
  GString *line = g_string_new ("q quit; sort by");

  for (guint i = 0; i < NODE_CTL_N_SORTS; i++)
    g_string_append_printf (line, view->sort == i ? " [%c %s]" : " %c %s",
                            sorts[i].key, sorts[i].word);
  g_string_append (line, "; r reverse");
  if (n_shown < n_nodes)
    g_string_append_printf (line, "; j k scroll, %u to %u of %u",
                            MIN (view->first + 1, n_nodes),
                            view->first + n_shown, n_nodes);
  append_line (out, line->str, view);
  g_string_free (line, TRUE);
}

/* end_rows: never more lines than the terminal has */
static void
cut_lines (GString *out, guint n_rows)
{
  const char *end = out->str;

  for (guint i = 0; i < n_rows && end; i++)
    {
      end = strchr (end, '\n');
      end = end ? end + 1 : NULL;
    }
  if (end)
    g_string_truncate (out, (gsize)(end - out->str));
}

char *
node_ctl_top_text (JsonObject *tree, NodeCtlTopView *view)
{
  g_autoptr (GPtrArray) rows = NULL;
  g_autofree char *table = NULL, *totals = NULL;
  g_auto (GStrv) lines = NULL;
  GString *out;
  guint n_shown;

  if (!node_ctl_get_array (tree, "nodes"))
    return NULL;
  rows = read_rows (tree, view->now_wall_us);
  g_ptr_array_sort_with_data (rows, compare_rows, view);
  n_shown = count_rows (view, rows->len);
  view->first = MIN (view->first, rows->len - n_shown);
  table = dup_table (rows);
  lines = g_strsplit (table, "\n", -1);
  totals = dup_totals (tree, rows, view);
  out = g_string_new (NULL);
  append_line (out, totals, view);
  append_line (out, lines[0], view);
  for (guint i = 0; i < n_shown; i++)
    append_line (out, lines[1 + view->first + i], view);
  if (view->message)
    append_line (out, view->message, view);
  if (view->has_keys)
    append_keys (out, view, n_shown, rows->len);
  if (view->n_rows > 0)
    cut_lines (out, view->n_rows);
  return g_string_free (out, FALSE);
}
