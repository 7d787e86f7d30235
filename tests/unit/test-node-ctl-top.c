/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-top-text: the page of `media-tree ctl top` for terminals of every
 * size. */
#include "node/ctl-top-text.h"

#include <string.h>

#define NOW_US (G_GINT64_CONSTANT (1800000000) * G_USEC_PER_SEC)
#define NODE(id, viewers, cpu, rss, tx, started, alive, draining)              \
  "{'id':'" id "','roles':['egress'],'alive':" alive ",'draining':" draining   \
  ",'viewers':" viewers ",'max_viewers':100,'streams':1,'cpu_ratio':" cpu      \
  ",'rss_bytes':" rss ",'tx_bps':" tx ",'ports':3,'max_ports':16,"             \
  "'started':'2027-01-15T" started "Z'}"
/* 8 o'clock it is */
#define TREE                                                                   \
  "{'tree':'main','clustered':true,'store_connected':true,'nodes':[" NODE (    \
      "a", "5", "0.5", "30000000", "1000000", "07:59:00", "true",              \
      "false") "," NODE ("b", "50", "0.1", "90000000", "3000000", "05:00:00",  \
                         "true",                                               \
                         "true") "," NODE ("c", "20", "0.9", "60000000",       \
                                           "2000000", "07:00:00", "true",      \
                                           "false") "," NODE ("gone", "7",     \
                                                              "0", "0", "0",   \
                                                              "01:00:00",      \
                                                              "false",         \
                                                              "false") "],'"   \
                                                                       "strea" \
                                                                       "ms':[" \
                                                                       "{},{}" \
                                                                       "],'"   \
                                                                       "links" \
                                                                       "':["   \
                                                                       "{'"    \
                                                                       "child" \
                                                                       "':'a'" \
                                                                       ",'"    \
                                                                       "paren" \
                                                                       "t':'"  \
                                                                       "x','"  \
                                                                       "activ" \
                                                                       "e':"   \
                                                                       "true," \
                                                                       "'loss" \
                                                                       "_rati" \
                                                                       "o':0." \
                                                                       "02},"  \
                                                                       "{'"    \
                                                                       "child" \
                                                                       "':'a'" \
                                                                       ",'"    \
                                                                       "paren" \
                                                                       "t':'"  \
                                                                       "y','"  \
                                                                       "activ" \
                                                                       "e':"   \
                                                                       "true," \
                                                                       "'loss" \
                                                                       "_rati" \
                                                                       "o':0." \
                                                                       "05},"  \
                                                                       "{'"    \
                                                                       "child" \
                                                                       "':'c'" \
                                                                       ",'"    \
                                                                       "paren" \
                                                                       "t':'"  \
                                                                       "x','"  \
                                                                       "activ" \
                                                                       "e':"   \
                                                                       "true," \
                                                                       "'loss" \
                                                                       "_rati" \
                                                                       "o':0}" \
                                                                       ","     \
                                                                       "{'"    \
                                                                       "child" \
                                                                       "':'b'" \
                                                                       ",'"    \
                                                                       "paren" \
                                                                       "t':'"  \
                                                                       "x','"  \
                                                                       "activ" \
                                                                       "e':"   \
                                                                       "false" \
                                                                       ",'"    \
                                                                       "loss_" \
                                                                       "ratio" \
                                                                       "':0."  \
                                                                       "5}]}"

static JsonNode *
parse (const char *text)
{
  g_autofree char *json = g_strdup (text);
  g_autoptr (GError) error = NULL;
  JsonNode *root;

  g_strdelimit (json, "'", '"');
  root = json_from_string (json, &error);
  g_assert_no_error (error);
  return root;
}

/* dup_page: (transfer full) */
static char *
dup_page (const char *tree, NodeCtlTopView *view)
{
  g_autoptr (JsonNode) root = parse (tree);

  view->now_wall_us = NOW_US;
  return node_ctl_top_text (json_node_get_object (root), view);
}

/* dup_order: (transfer full): the first letters of the nodes' lines */
static char *
dup_order (NodeCtlTopView *view)
{
  g_autofree char *page = dup_page (TREE, view);
  g_auto (GStrv) lines = g_strsplit (page, "\n", -1);
  GString *order = g_string_new (NULL);

  for (guint i = 2; lines[i] && *lines[i]; i++)
    g_string_append_c (order, lines[i][0]);
  return g_string_free (order, FALSE);
}

static void
test_sort (void)
{
  static const char *const orders[NODE_CTL_N_SORTS] = {
    [NODE_CTL_SORT_VIEWERS] = "bcga", [NODE_CTL_SORT_CPU] = "cabg",
    [NODE_CTL_SORT_MEMORY] = "bcag",  [NODE_CTL_SORT_OUT] = "bcag",
    [NODE_CTL_SORT_LOSS] = "acbg",    [NODE_CTL_SORT_UP] = "gbca",
    [NODE_CTL_SORT_NODE] = "abcg",
  };

  for (guint i = 0; i < NODE_CTL_N_SORTS; i++)
    {
      NodeCtlTopView view = { .sort = i, .join_p95_s = -1 };
      g_autofree char *order = dup_order (&view);
      g_autofree char *reversed = NULL;

      g_assert_cmpstr (order, ==, orders[i]);
      view.is_reversed = TRUE;
      reversed = dup_order (&view);
      g_strreverse (reversed);
      g_assert_cmpstr (reversed, ==, orders[i]);
    }
  g_assert_cmpuint (node_ctl_sort_from_word ("loss"), ==, NODE_CTL_SORT_LOSS);
  g_assert_cmpuint (node_ctl_sort_from_word ("x"), ==, NODE_CTL_N_SORTS);
  g_assert_cmpuint (node_ctl_sort_from_key ('l'), ==, NODE_CTL_SORT_LOSS);
  g_assert_cmpuint (node_ctl_sort_from_key ('q'), ==, NODE_CTL_N_SORTS);
}

static void
test_page (void)
{
  NodeCtlTopView view = { .join_p95_s = 0.1234 };
  g_autofree char *page = dup_page (TREE, &view);

  /* a dead node's viewers are not there any more */
  g_assert_true (g_str_has_prefix (
      page, "main: 4 nodes, 1 dead, 1 draining, 2 streams, 75/300 viewers, out "
            "6.0 Mbit/s, join p95 123 ms\nNODE"));
  g_assert_true (g_regex_match_simple (
      "\na +egress +alive +5/100 +1 +50 % +30 MB +1\\.0 Mbit/s +3/16 +5\\.0 % "
      "+1 min\n",
      page, 0, 0));
  g_assert_true (g_regex_match_simple (
      "\nb +egress +draining .* - +3 h 0 min\n", page, 0, 0));
  g_assert_true (g_regex_match_simple ("\ngone +egress +dead ", page, 0, 0));
}

static void
test_warm (void)
{
  NodeCtlTopView view = { .join_p95_s = -1 };
  g_autofree char *page =
      dup_page ("{'tree':'main','nodes':[{'id':'w','roles':['egress'],"
                "'alive':true,'warm':true,'max_viewers':10}]}",
                &view);

  g_assert_true (g_str_has_prefix (page, "main: 1 nodes, 1 warm, 0 streams"));
  g_assert_true (g_regex_match_simple ("\nw +egress +warm ", page, 0, 0));
}

static void
test_store_away (void)
{
  NodeCtlTopView view = { .join_p95_s = -1 };
  g_autofree char *page =
      dup_page ("{'tree':'main','clustered':true,'store_connected':false,"
                "'nodes':[]}",
                &view);

  g_assert_nonnull (strstr (page, "Redis is away"));
  g_assert_null (strstr (page, "p95"));
}

/* No line is longer than the terminal, and there are no more than it has. */
static void
test_sizes (void)
{
  for (guint n_rows = 1; n_rows < 12; n_rows++)
    for (guint n_columns = 1; n_columns < 130; n_columns += 7)
      for (guint has_more = 0; has_more < 2; has_more++)
        {
          NodeCtlTopView view = {
            .n_rows = n_rows,
            .n_columns = n_columns,
            .first = has_more ? 99 : 0,
            .join_p95_s = 1,
            .message = has_more ? "something is wrong" : NULL,
            .has_keys = TRUE,
          };
          g_autofree char *page = dup_page (TREE, &view);
          g_auto (GStrv) lines = g_strsplit (page, "\n", -1);
          guint n_lines = g_strv_length (lines) - 1;

          g_assert_cmpuint (n_lines, <=, n_rows);
          g_assert_cmpuint (n_lines, >=, MIN (n_rows, 3));
          for (guint i = 0; i < n_lines; i++)
            g_assert_cmpint (g_utf8_strlen (lines[i], -1), <=, n_columns);
          g_assert_cmpuint (view.first, <=, 4);
        }
}

static void
test_scroll (void)
{
  NodeCtlTopView view = { .sort = NODE_CTL_SORT_NODE,
                          .n_rows = 5,
                          .n_columns = 200,
                          .first = 1,
                          .join_p95_s = -1,
                          .has_keys = TRUE };
  g_autofree char *page = dup_page (TREE, &view);

  /* totals, titles, two of four, keys */
  g_assert_null (strstr (page, "\na "));
  g_assert_nonnull (strstr (page, "\nb "));
  g_assert_nonnull (strstr (page, "\nc "));
  g_assert_null (strstr (page, "\ngone "));
  g_assert_nonnull (strstr (page, "[n node]"));
  g_assert_nonnull (strstr (page, "2 to 3 of 4"));
  view.first = 50;
  g_free (page);
  page = dup_page (TREE, &view);
  g_assert_cmpuint (view.first, ==, 2);
}

static void
test_nonsense (void)
{
  static const char *const texts[] = {
    "{'nodes':[]}",
    "{'nodes':[5,null,{},{'id':5,'viewers':'x','roles':5}],'links':5,"
    "'streams':7}",
    "{'nodes':[{'id':'\\u001b[2Jx\\u009b1'}],'links':[5,{'child':null}]}",
  };
  NodeCtlTopView view = { .join_p95_s = -1 };
  g_autoptr (JsonNode) none = parse ("{'nodes':7}");

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autofree char *page = dup_page (texts[i], &view);

      g_assert_nonnull (strstr (page, "NODE"));
      g_assert_null (strchr (page, '\033'));
      g_assert_null (strstr (page, "\xc2\x9b"));
    }
  g_assert_null (node_ctl_top_text (json_node_get_object (none), &view));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/node/ctl-top/sort", test_sort);
  g_test_add_func ("/node/ctl-top/page", test_page);
  g_test_add_func ("/node/ctl-top/warm", test_warm);
  g_test_add_func ("/node/ctl-top/store-away", test_store_away);
  g_test_add_func ("/node/ctl-top/sizes", test_sizes);
  g_test_add_func ("/node/ctl-top/scroll", test_scroll);
  g_test_add_func ("/node/ctl-top/nonsense", test_nonsense);
  return g_test_run ();
}
