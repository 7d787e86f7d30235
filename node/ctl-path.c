/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-path: see the header. */
#include "node/ctl-path.h"

#include <string.h>

#include "base/clock.h"
#include "node/ctl-json.h"

#define VIEWER "viewer"
/* arrival is told in units of 11 or 21 µs, and read a moment apart */
#define EARLY_US 1000
/* what a worker's turn and jitter add to a way that is half of the RTT */
#define LATE_US (10 * BASE_US_PER_MS)
#define ABSURD_US (10 * BASE_US_PER_S)

/* --- parents ---------------------------------------------------------------
 */

/* get_parents: (transfer none) (nullable) */
static JsonArray *
get_parents (GHashTable *paths, const char *node)
{
  JsonObject *path = g_hash_table_lookup (paths, node);

  return path ? node_ctl_get_array (path, "parents") : NULL;
}

/* a candidate that is known, and that nothing comes from, is no parent */
static gboolean
is_parent (JsonObject *parent)
{
  return node_ctl_get_bool (parent, "active", FALSE)
         || node_ctl_get_ratio (parent, "first_ratio") > 0;
}

/* get_name: (transfer none) (nullable) */
static const char *
get_name (JsonObject *object, const char *member)
{
  JsonNode *node = json_object_get_member (object, member);

  return node && JSON_NODE_HOLDS_VALUE (node)
                 && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

/* is_ahead: of two parents, whose copies are used. One that was left brings
 * nothing more, however often it came first in the seconds before. */
static gboolean
is_ahead (JsonObject *parent, JsonObject *best)
{
  gboolean is_active = node_ctl_get_bool (parent, "active", FALSE);

  if (is_active != node_ctl_get_bool (best, "active", FALSE))
    return is_active;
  return node_ctl_get_ratio (parent, "first_ratio")
         > node_ctl_get_ratio (best, "first_ratio");
}

/* find_first: (nullable): the one whose copy comes first most often */
static JsonObject *
find_first (JsonArray *parents)
{
  JsonObject *best = NULL;

  for (guint i = 0; parents && i < json_array_get_length (parents); i++)
    {
      JsonObject *parent = node_ctl_get_element (parents, i);

      if (!parent || !is_parent (parent) || !get_name (parent, "node")
          || node_ctl_get_bool (parent, "silent", FALSE))
        continue;
      if (!best || is_ahead (parent, best))
        best = parent;
    }
  return best;
}

static gboolean
has_text (GPtrArray *texts, const char *text)
{
  return g_ptr_array_find_with_equal_func (texts, text, g_str_equal, NULL);
}

GPtrArray *
node_ctl_path_next (GHashTable *paths)
{
  GPtrArray *next = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, paths);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      JsonArray *parents = get_parents (paths, key);

      for (guint i = 0; parents && i < json_array_get_length (parents); i++)
        {
          JsonObject *parent = node_ctl_get_element (parents, i);
          const char *name = parent ? get_name (parent, "node") : NULL;

          if (name && is_parent (parent) && !g_hash_table_contains (paths, name)
              && !has_text (next, name))
            g_ptr_array_add (next, (char *)name);
        }
    }
  return next;
}

/* --- latency ---------------------------------------------------------------
 */

/* dup_host: (transfer full): "-": not known */
static char *
dup_host (JsonArray *nodes, const char *id)
{
  for (guint i = 0; i < json_array_get_length (nodes); i++)
    {
      JsonObject *node = node_ctl_get_element (nodes, i);

      if (node && g_strcmp0 (get_name (node, "id"), id) == 0)
        return node_ctl_dup_text (node, "host");
    }
  return g_strdup ("-");
}

/* get_way: the time from one arrival to the other.
 * Returns: %FALSE: they are not of the same packets */
static gboolean
get_way (JsonObject *parent, JsonObject *child, gint64 *ret_us)
{
  JsonObject *from = node_ctl_get_object (parent, "arrival");
  JsonObject *to = node_ctl_get_object (child, "arrival");
  const char *publication = get_name (parent, "publication");
  gint64 clock_hz;
  guint32 units;

  if (!from || !to || !publication
      || g_strcmp0 (publication, get_name (child, "publication")) != 0
      || g_strcmp0 (get_name (from, "kind"), get_name (to, "kind")) != 0)
    return FALSE;
  clock_hz = node_ctl_get_int (from, "clock_hz");
  if (clock_hz <= 0 || clock_hz != node_ctl_get_int (to, "clock_hz"))
    return FALSE;
  units = (guint32)node_ctl_get_int (to, "transit")
          - (guint32)node_ctl_get_int (from, "transit");
  *ret_us = (gint64)(gint32)units * BASE_US_PER_S / clock_hz;
  return TRUE;
}

static void
set_latency (JsonObject *hop, GHashTable *paths, JsonArray *nodes,
             const char *from, const char *to, gboolean is_first)
{
  JsonObject *parent = g_hash_table_lookup (paths, from);
  JsonObject *child = g_hash_table_lookup (paths, to);
  g_autofree char *here = dup_host (nodes, from);
  g_autofree char *there = dup_host (nodes, to);
  gint64 rtt_us = node_ctl_get_int (hop, "rtt_us"), way_us;
  gint64 most_us = !g_str_equal (here, "-") && g_str_equal (here, there)
                       ? ABSURD_US
                       : rtt_us + LATE_US;

  if (is_first && parent && child && get_way (parent, child, &way_us)
      && way_us >= -EARLY_US && way_us <= most_us)
    {
      json_object_set_int_member (hop, "latency_us", MAX (way_us, 0));
      json_object_set_string_member (hop, "latency_from", "arrival");
    }
  else if (rtt_us > 0)
    {
      json_object_set_int_member (hop, "latency_us", rtt_us / 2);
      json_object_set_string_member (hop, "latency_from", "half_rtt");
    }
}

/* --- hops ------------------------------------------------------------------
 */

typedef struct
{
  GHashTable *paths; /* borrowed */
  JsonArray *nodes;  /* borrowed */
  JsonArray *hops;   /* owned by the trace */
} Maker;

static const char *
get_link_state (JsonObject *parent)
{
  if (node_ctl_get_bool (parent, "silent", FALSE))
    return "silent";
  return node_ctl_get_bool (parent, "active", FALSE) ? "active" : "leaving";
}

static void
add_hop (Maker *self, JsonObject *parent, const char *to, gboolean is_first)
{
  static const char *const ratios[] = { "loss_ratio", "first_ratio" };
  static const char *const times[] = { "rtt_us", "jitter_us" };
  const char *from = get_name (parent, "node");
  JsonObject *hop = json_object_new ();

  json_object_set_string_member (hop, "from", from);
  json_object_set_string_member (hop, "to", to);
  json_object_set_string_member (hop, "state", get_link_state (parent));
  json_object_set_boolean_member (hop, "first", is_first);
  for (guint i = 0; i < G_N_ELEMENTS (ratios); i++)
    json_object_set_double_member (hop, ratios[i],
                                   node_ctl_get_ratio (parent, ratios[i]));
  for (guint i = 0; i < G_N_ELEMENTS (times); i++)
    json_object_set_int_member (hop, times[i],
                                node_ctl_get_int (parent, times[i]));
  set_latency (hop, self->paths, self->nodes, from, to, is_first);
  json_array_add_object_element (self->hops, hop);
}

/* add_hops: of @node and, before it, of all above: from the origin down */
static void
add_hops (Maker *self, const char *node, GPtrArray *seen)
{
  JsonArray *parents = get_parents (self->paths, node);
  JsonObject *first = find_first (parents);

  g_ptr_array_add (seen, (char *)node);
  for (guint i = 0; parents && i < json_array_get_length (parents); i++)
    {
      JsonObject *parent = node_ctl_get_element (parents, i);
      const char *name = parent ? get_name (parent, "node") : NULL;

      if (name && is_parent (parent) && !has_text (seen, name))
        add_hops (self, name, seen);
    }
  for (guint i = 0; parents && i < json_array_get_length (parents); i++)
    {
      JsonObject *parent = node_ctl_get_element (parents, i);

      if (parent && get_name (parent, "node") && is_parent (parent))
        add_hop (self, parent, node, parent == first);
    }
}

static void
add_viewer (Maker *self, JsonObject *session, const char *node)
{
  JsonObject *hop = json_object_new ();
  g_autofree char *state = node_ctl_dup_text (session, "state");
  gint64 rtt_us = (gint64)(node_ctl_get_ratio (session, "rtt_seconds") * 1e6);

  json_object_set_string_member (hop, "from", node);
  json_object_set_string_member (hop, "to", VIEWER);
  json_object_set_string_member (hop, "state", state);
  json_object_set_double_member (hop, "loss_ratio",
                                 node_ctl_get_ratio (session, "loss_ratio"));
  json_object_set_int_member (hop, "rtt_us", rtt_us);
  json_object_set_int_member (
      hop, "jitter_us",
      (gint64)(node_ctl_get_ratio (session, "jitter_seconds") * 1e6));
  if (rtt_us > 0)
    {
      json_object_set_int_member (hop, "latency_us", rtt_us / 2);
      json_object_set_string_member (hop, "latency_from", "half_rtt");
    }
  json_array_add_object_element (self->hops, hop);
}

/* find_hop: (nullable) */
static JsonObject *
find_hop (JsonArray *hops, const char *from, const char *to)
{
  for (guint i = 0; i < json_array_get_length (hops); i++)
    {
      JsonObject *hop = node_ctl_get_element (hops, i);

      if (g_strcmp0 (get_name (hop, "from"), from) == 0
          && g_strcmp0 (get_name (hop, "to"), to) == 0)
        return hop;
    }
  return NULL;
}

/* add_path: the chain of those who deliver first; and what it takes, as far
 * down as it is known */
static void
add_path (Maker *self, JsonObject *trace, const char *node)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  JsonArray *list = json_array_new ();
  JsonObject *first;
  gboolean is_known = TRUE;
  gint64 sum_us = 0;
  guint n_known = 0;

  g_ptr_array_add (names, (char *)VIEWER);
  g_ptr_array_add (names, (char *)node);
  while ((first = find_first (get_parents (self->paths, node)))
         && !has_text (names, get_name (first, "node")))
    {
      node = get_name (first, "node");
      g_ptr_array_add (names, (char *)node);
    }
  for (guint i = names->len; i > 0; i--)
    {
      json_array_add_string_element (list, names->pdata[i - 1]);
      if (i > 1)
        {
          JsonObject *hop =
              find_hop (self->hops, names->pdata[i - 1], names->pdata[i - 2]);

          is_known =
              is_known && hop && json_object_has_member (hop, "latency_us");
          if (!is_known)
            continue;
          sum_us += node_ctl_get_int (hop, "latency_us");
          n_known++;
        }
    }
  json_object_set_array_member (trace, "path", list);
  json_object_set_boolean_member (
      trace, "complete",
      node_ctl_get_bool (g_hash_table_contains (self->paths, node)
                             ? g_hash_table_lookup (self->paths, node)
                             : trace,
                         "origin", FALSE));
  if (n_known == 0)
    return;
  json_object_set_int_member (trace, "latency_us", sum_us);
  json_object_set_string_member (trace, "latency_to",
                                 names->pdata[names->len - 1 - n_known]);
}

JsonObject *
node_ctl_path_make (JsonObject *session, GHashTable *paths, JsonArray *nodes)
{
  JsonObject *trace = json_object_new ();
  g_autoptr (GPtrArray) seen = g_ptr_array_new ();
  g_autofree char *node = node_ctl_dup_text (session, "node");
  g_autofree char *stream = node_ctl_dup_text (session, "stream");
  Maker maker = { paths, nodes, json_array_new () };

  json_object_set_object_member (trace, "session", json_object_ref (session));
  json_object_set_string_member (trace, "node", node);
  json_object_set_string_member (trace, "stream", stream);
  add_hops (&maker, node, seen);
  add_viewer (&maker, session, node);
  add_path (&maker, trace, node);
  json_object_set_array_member (trace, "hops", maker.hops);
  return trace;
}

/* --- for people ------------------------------------------------------------
 */

static char *
dup_percent (JsonObject *hop, const char *name)
{
  return json_object_has_member (hop, name)
             ? g_strdup_printf ("%.1f %%", node_ctl_get_ratio (hop, name) * 100)
             : g_strdup ("-");
}

static char *
dup_latency (JsonObject *hop)
{
  gboolean is_half =
      g_strcmp0 (get_name (hop, "latency_from"), "half_rtt") == 0;

  if (!json_object_has_member (hop, "latency_us"))
    return g_strdup ("-");
  return g_strdup_printf ("%s%.1f ms", is_half ? "~" : "",
                          (double)node_ctl_get_int (hop, "latency_us") / 1e3);
}

static char *
dup_hops (JsonArray *hops)
{
  static const NodeCtlColumn columns[] = {
    { "FROM", FALSE }, { "TO", FALSE }, { "STATE", FALSE }, { "FIRST", TRUE },
    { "LOSS", TRUE },  { "RTT", TRUE }, { "JITTER", TRUE }, { "LATENCY", TRUE },
  };
  NodeCtlTable table = node_ctl_table_new (columns, G_N_ELEMENTS (columns));

  for (guint i = 0; hops && i < json_array_get_length (hops); i++)
    {
      JsonObject *hop = node_ctl_get_element (hops, i);
      g_autofree char *state = NULL;

      if (!hop)
        continue;
      state = node_ctl_dup_text (hop, "state");
      node_ctl_table_add (&table, node_ctl_dup_text (hop, "from"));
      node_ctl_table_add (&table, node_ctl_dup_text (hop, "to"));
      node_ctl_table_add (
          &table,
          g_strconcat (node_ctl_get_bool (hop, "first", FALSE) ? "* " : "  ",
                       state, NULL));
      node_ctl_table_add (&table, dup_percent (hop, "first_ratio"));
      node_ctl_table_add (&table, dup_percent (hop, "loss_ratio"));
      node_ctl_table_add (&table,
                          node_ctl_dup_ms (node_ctl_get_int (hop, "rtt_us")));
      node_ctl_table_add (
          &table, node_ctl_dup_ms (node_ctl_get_int (hop, "jitter_us")));
      node_ctl_table_add (&table, dup_latency (hop));
    }
  return node_ctl_table_finish (&table);
}

static void
append_viewer (GString *out, JsonObject *session)
{
  g_autofree char *state = node_ctl_dup_text (session, "state");
  g_autofree char *age =
      node_ctl_dup_span ((gint64)node_ctl_get_ratio (session, "age_seconds"));

  g_string_append_printf (
      out,
      "Viewer: %s for %s, %" G_GINT64_FORMAT " packets, %" G_GINT64_FORMAT
      " lost, %" G_GINT64_FORMAT " sent again, %s\n",
      state, age, node_ctl_get_int (session, "packets"),
      node_ctl_get_int (session, "lost"), node_ctl_get_int (session, "rtx"),
      node_ctl_get_bool (session, "tcp", FALSE) ? "TCP" : "UDP");
}

static void
append_unreached (GString *out, JsonObject *trace)
{
  g_autofree char *list = node_ctl_dup_list (trace, "unreached");

  if (*list)
    g_string_append_printf (out, "Not reached: %s\n", list);
}

char *
node_ctl_path_text (JsonObject *trace)
{
  GString *out = g_string_new (NULL);
  JsonObject *session = node_ctl_get_object (trace, "session");
  g_autofree char *id = node_ctl_dup_text (session, "session");
  g_autofree char *node = node_ctl_dup_text (trace, "node");
  g_autofree char *stream = node_ctl_dup_text (trace, "stream");
  g_autofree char *path = node_ctl_dup_list (trace, "path");
  g_autofree char *hops = dup_hops (node_ctl_get_array (trace, "hops"));
  g_auto (GStrv) names = g_strsplit (path, ",", -1);
  g_autofree char *chain = g_strjoinv (" > ", names);

  g_string_append_printf (out, "Session %s at %s watches %s\n", id, node,
                          stream);
  g_string_append_printf (
      out, "Path: %s%s",
      node_ctl_get_bool (trace, "complete", FALSE) ? "" : "? > ", chain);
  if (json_object_has_member (trace, "latency_us"))
    {
      g_autofree char *to = node_ctl_dup_text (trace, "latency_to");

      g_string_append_printf (
          out, "; %.1f ms to %s",
          (double)node_ctl_get_int (trace, "latency_us") / 1e3, to);
    }
  g_string_append_printf (out, "\n\n%s\n", hops);
  append_viewer (out, session);
  append_unreached (out, trace);
  g_string_append (out, "* delivers first. Latency by the same packets' arrival"
                        " at both ends, ~ by half of the RTT.\n");
  return g_string_free (out, FALSE);
}
