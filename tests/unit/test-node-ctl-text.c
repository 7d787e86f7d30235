/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-text: tables and trees from what a node answers, sane or not. */
#include "node/ctl-text.h"

#include <string.h>

#define NOW_US (G_GINT64_CONSTANT (1800000000) * G_USEC_PER_SEC)

/* 3 nodes: a relay with a lossy child, and a dead one */
#define NODES                                                                  \
  "[{'id':'inj','roles':['injection'],'alive':true,'draining':false,"          \
  "'started':'2027-01-15T07:59:00Z','publishers':1,'max_publishers':256,"      \
  "'viewers':0,'max_viewers':0,'streams':1,'tx_bps':2500000,"                  \
  "'cpu_ratio':0.031,'parent':null,'backup':null,'host':'h1'},"                \
  "{'id':'egress-long-name','roles':['egress'],'alive':true,"                  \
  "'draining':true,'publishers':0,'max_publishers':0,'viewers':12,"            \
  "'max_viewers':1000,'streams':1,'tx_bps':31000,'cpu_ratio':0,"               \
  "'parent':'inj','backup':'e2','host':'h2'},"                                 \
  "{'id':'e2','roles':['relay','egress'],'alive':false,'parent':'inj'}]"

/* parse: (transfer full): ' stands for " */
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

static void
test_nodes (void)
{
  g_autoptr (JsonNode) root = parse (NODES);
  g_autofree char *text =
      node_ctl_text_nodes (json_node_get_array (root), NOW_US);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  g_assert_cmpuint (g_strv_length (lines), ==, 5); /* the last is empty */
  g_assert_true (g_str_has_prefix (lines[0], "NODE              ROLES"));
  g_assert_true (g_str_has_prefix (lines[1], "inj               injection"));
  g_assert_nonnull (strstr (lines[1], " alive "));
  g_assert_nonnull (strstr (lines[1], " 1/256 "));
  g_assert_nonnull (strstr (lines[1], " 2.5 Mbit/s  3 %  1 min  -"));
  g_assert_nonnull (strstr (lines[2], " draining "));
  g_assert_nonnull (strstr (lines[2], " 12/1000 "));
  g_assert_true (g_str_has_suffix (lines[2], "  inj     e2      h2"));
  g_assert_nonnull (strstr (lines[3], "relay,egress  dead "));
  /* columns stand below each other */
  g_assert_cmpint (strstr (lines[0], "PARENT") - lines[0], ==,
                   strstr (lines[2], "inj  ") - lines[2]);
}

/* One that takes nobody yet; whom it asked for a moment is not said. */
static void
test_warm (void)
{
  g_autoptr (JsonNode) root =
      parse ("{'tree':'main','streams':[],'nodes':[{'id':'a','roles':"
             "['egress'],'alive':true,'draining':false,'warm':true}],'links':["
             "{'child':'a','parent':'b','kind':'candidate','silent':true},"
             "{'child':'a','parent':'c','kind':'backup','silent':true}]}");
  JsonObject *tree = json_node_get_object (root);
  g_autofree char *text = node_ctl_text_tree (tree, FALSE);
  g_autofree char *nodes = node_ctl_text_nodes (
      json_object_get_array_member (tree, "nodes"), NOW_US);

  g_assert_nonnull (strstr (text, "a  egress, warm, out 0 kbit/s, CPU 0 %; "
                                  "backup c is silent\n"));
  g_assert_nonnull (strstr (nodes, "egress  warm "));
}

static void
test_streams (void)
{
  g_autoptr (JsonNode) none = parse ("[]");
  g_autoptr (JsonNode) two =
      parse ("[{'name':'live','origin':'inj','epoch':3,'codecs':['H264',"
             "'opus'],'nodes':['a','b']},{'name':'x'}]");
  g_autofree char *nothing = node_ctl_text_streams (json_node_get_array (none));
  g_autofree char *text = node_ctl_text_streams (json_node_get_array (two));

  g_assert_cmpstr (nothing, ==, "No streams: nobody publishes.\n");
  g_assert_cmpstr (text, ==,
                   "STREAM  ORIGIN  CODECS     EPOCH  NODES\n"
                   "live    inj     H264,opus      3      2\n"
                   "x       -                      0      0\n");
}

static void
test_tree (void)
{
  g_autoptr (JsonNode) root =
      parse ("{'tree':'main','clustered':true,'store_connected':false,"
             "'streams':[{}],'nodes':" NODES ",'links':["
             "{'child':'egress-long-name','parent':'inj','kind':'parent',"
             "'loss_ratio':0.021,'silent':false},"
             "{'child':'egress-long-name','parent':'e2','kind':'backup',"
             "'loss_ratio':0,'silent':true},"
             "{'child':'e2','parent':'inj','kind':'parent','loss_ratio':0}]}");
  JsonObject *tree = json_node_get_object (root);
  g_autofree char *boxes = node_ctl_text_tree (tree, TRUE);
  g_autofree char *ascii = node_ctl_text_tree (tree, FALSE);

  g_assert_cmpstr (
      ascii, ==,
      "main: 3 nodes, 1 stream; Redis is away, this is the last known\n"
      "inj                  injection, 1/256 publishers, out 2.5 Mbit/s, "
      "CPU 3 %\n"
      "|- egress-long-name  egress, draining, 12/1000 viewers, out 31 kbit/s, "
      "CPU 0 %; parent inj loses 2.1 %; backup e2 is silent\n"
      "`- e2                relay,egress, DEAD, out 0 kbit/s, CPU 0 %\n");
  g_assert_nonnull (strstr (boxes, "\n├─ egress-long-name  egress"));
  g_assert_nonnull (strstr (boxes, "\n└─ e2                relay"));
}

/* Whatever a server says, each node is shown once and nothing else happens. */
static void
test_nonsense (void)
{
  static const struct
  {
    const char *tree;
    guint n_lines;
  } cases[] = {
    { "{}", 1 },
    { "{'nodes':3,'links':'x','streams':{}}", 1 },
    { "{'nodes':[1,null,[],'x']}", 1 },
    { "{'nodes':[{}],'links':[7]}", 2 },
    { "{'nodes':[{'id':3,'roles':[1,{}],'cpu_ratio':'x','alive':1}]}", 2 },
    { "{'nodes':[{'id':'a','parent':'a'}]}", 2 },
    { "{'nodes':[{'id':'a','parent':'b'},{'id':'b','parent':'a'}]}", 3 },
    { "{'nodes':[{'id':'a'},{'id':'a'}]}", 2 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (JsonNode) root = parse (cases[i].tree);
      g_autofree char *text =
          node_ctl_text_tree (json_node_get_object (root), TRUE);
      g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

      g_assert_cmpuint (g_strv_length (lines) - 1, ==, cases[i].n_lines);
    }
}

static void
test_no_escapes (void)
{
  g_autoptr (JsonNode) root =
      parse ("[{'id':'a\\u001b[2Jb','roles':['\\u001b']}]");
  g_autofree char *text =
      node_ctl_text_nodes (json_node_get_array (root), NOW_US);

  g_assert_null (strchr (text, '\033'));
  g_assert_nonnull (strstr (text, "a?[2Jb"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/node/ctl-text/nodes", test_nodes);
  g_test_add_func ("/node/ctl-text/warm", test_warm);
  g_test_add_func ("/node/ctl-text/streams", test_streams);
  g_test_add_func ("/node/ctl-text/tree", test_tree);
  g_test_add_func ("/node/ctl-text/nonsense", test_nonsense);
  g_test_add_func ("/node/ctl-text/no-escapes", test_no_escapes);
  return g_test_run ();
}
