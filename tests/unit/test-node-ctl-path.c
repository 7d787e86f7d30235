/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-path: a viewer's way out of what nodes say, whole or in part. */
#include "node/ctl-path.h"

#include <string.h>

/* i1 > r1, r2 > e1; r2's copies come first mostly */
#define SESSION                                                                \
  "{'session':'AbCdEfGh','node':'e1','stream':'live','state':'connected',"     \
  "'age_seconds':75,'packets':500,'lost':3,'rtx':2,'loss_ratio':0.01,"         \
  "'rtt_seconds':0.02,'jitter_seconds':0.001,'tcp':false}"
#define PARENT(node, active, silent, first, loss, rtt)                         \
  "{'node':'" node "','active':" active ",'silent':" silent                    \
  ",'first_ratio':" first ",'loss_ratio':" loss ",'rtt_us':" rtt               \
  ",'jitter_us':70}"
#define ARRIVAL(transit)                                                       \
  "'publication':'00ff','arrival':{'kind':'audio','clock_hz':48000,"           \
  "'transit':" transit "}"
#define I1 "{'node':'i1','origin':true,'parents':[]," ARRIVAL ("4294967200") "}"
#define R1                                                                     \
  "{'node':'r1','origin':false,'parents':[" PARENT (                           \
      "i1", "true", "false", "1.0", "0.0", "4000") "]," ARRIVAL ("0") "}"
#define R2                                                                     \
  "{'node':'r2','origin':false,'parents':[" PARENT (                           \
      "i1", "true", "false", "1.0", "0.02", "4000") "]," ARRIVAL ("384") "}"
#define E1                                                                     \
  "{'node':'e1','origin':false,'parents':[" PARENT (                           \
      "r1", "true", "false", "0.3", "0.0",                                     \
      "6000") "," PARENT ("r2", "true", "false", "0.7", "0.0",                 \
                          "8000") "," PARENT ("i1", "false", "true", "0.0",    \
                                              "0.0",                           \
                                              "0") "]," ARRIVAL ("624") "}"
#define NODES                                                                  \
  "[{'id':'i1','host':'h1'},{'id':'r1','host':'h2'},{'id':'r2','host':'h1'},"  \
  "{'id':'e1','host':'h3'}]"

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

static GHashTable *
new_paths (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                (GDestroyNotify)json_object_unref);
}

static void
add (GHashTable *paths, const char *node, const char *text)
{
  g_autoptr (JsonNode) root = parse (text);

  g_hash_table_insert (paths, g_strdup (node), json_node_dup_object (root));
}

static JsonObject *
make (GHashTable *paths)
{
  g_autoptr (JsonNode) session = parse (SESSION);
  g_autoptr (JsonNode) nodes = parse (NODES);

  return node_ctl_path_make (json_node_get_object (session), paths,
                             json_node_get_array (nodes));
}

/* find_hop: (nullable) */
static JsonObject *
find_hop (JsonObject *trace, const char *from, const char *to)
{
  JsonArray *hops = json_object_get_array_member (trace, "hops");

  for (guint i = 0; i < json_array_get_length (hops); i++)
    {
      JsonObject *hop = json_array_get_object_element (hops, i);

      if (g_str_equal (json_object_get_string_member (hop, "from"), from)
          && g_str_equal (json_object_get_string_member (hop, "to"), to))
        return hop;
    }
  return NULL;
}

static void
assert_latency (JsonObject *trace, const char *from, const char *to,
                gint64 latency_us, const char *how)
{
  JsonObject *hop = find_hop (trace, from, to);

  g_assert_nonnull (hop);
  g_assert_cmpint (json_object_get_int_member (hop, "latency_us"), ==,
                   latency_us);
  g_assert_cmpstr (json_object_get_string_member (hop, "latency_from"), ==,
                   how);
}

/* dup_path: (transfer full): "i1,r2,…" */
static char *
dup_path (JsonObject *trace)
{
  JsonArray *list = json_object_get_array_member (trace, "path");
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < json_array_get_length (list); i++)
    g_string_append_printf (text, "%s%s", i > 0 ? "," : "",
                            json_array_get_string_element (list, i));
  return g_string_free (text, FALSE);
}

/* The levels of asking, and what comes of them. */
static void
test_whole (void)
{
  g_autoptr (GHashTable) paths = new_paths ();
  g_autoptr (GPtrArray) first = NULL, second = NULL, third = NULL;
  g_autoptr (JsonObject) trace = NULL;
  g_autofree char *path = NULL;

  add (paths, "e1", E1);
  first = node_ctl_path_next (paths);
  g_assert_cmpuint (first->len, ==, 2); /* i1 is a mere candidate */
  add (paths, "r1", R1);
  add (paths, "r2", R2);
  second = node_ctl_path_next (paths);
  g_assert_cmpuint (second->len, ==, 1);
  g_assert_cmpstr (second->pdata[0], ==, "i1");
  add (paths, "i1", I1);
  third = node_ctl_path_next (paths);
  g_assert_cmpuint (third->len, ==, 0);

  trace = make (paths);
  path = dup_path (trace);
  g_assert_cmpstr (path, ==, "i1,r2,e1,viewer");
  g_assert_true (json_object_get_boolean_member (trace, "complete"));
  g_assert_null (find_hop (trace, "i1", "e1"));
  /* 96 units of 1/48000 s, over the wrap */
  assert_latency (trace, "i1", "r1", 2000, "arrival");
  /* 10 ms with an RTT of 4 ms: the same machine, so its clock is right */
  assert_latency (trace, "i1", "r2", 10000, "arrival");
  assert_latency (trace, "r2", "e1", 5000, "arrival");
  /* the copies of the first have arrived, not his */
  assert_latency (trace, "r1", "e1", 3000, "half_rtt");
  assert_latency (trace, "e1", "viewer", 10000, "half_rtt");
  g_assert_cmpint (json_object_get_int_member (trace, "latency_us"), ==, 25000);
  g_assert_cmpstr (json_object_get_string_member (trace, "latency_to"), ==,
                   "viewer");
}

/* Clocks that differ, another publication: half of the RTT. */
static void
test_clocks (void)
{
  static const char *const strange[] = {
    /* 2 s late, 1 s early, other packets, none */
    "'publication':'00ff','arrival':{'kind':'audio','clock_hz':48000,"
    "'transit':95904}",
    "'publication':'00ff','arrival':{'kind':'audio','clock_hz':48000,"
    "'transit':4294919200}",
    "'publication':'00fe','arrival':{'kind':'audio','clock_hz':48000,"
    "'transit':0}",
    "'publication':'00ff','arrival':{'kind':'video','clock_hz':90000,"
    "'transit':0}",
    "'publication':'00ff','arrival':{'kind':'audio','clock_hz':0}",
    "'publication':7,'arrival':[]",
  };

  for (guint i = 0; i < G_N_ELEMENTS (strange); i++)
    {
      g_autoptr (GHashTable) paths = new_paths ();
      g_autoptr (JsonObject) trace = NULL;
      g_autofree char *r1 =
          g_strconcat ("{'node':'r1','parents':[" PARENT (
                           "i1", "true", "false", "1.0", "0.0", "4000") "],",
                       strange[i], "}", NULL);

      add (paths, "e1", E1);
      add (paths, "r1", r1);
      add (paths, "r2", R2);
      add (paths, "i1", I1);
      trace = make (paths);
      assert_latency (trace, "i1", "r1", 2000, "half_rtt");
    }
}

/* A parent is silent, another did not answer: what is known is shown. */
static void
test_part (void)
{
  g_autoptr (GHashTable) paths = new_paths ();
  g_autoptr (JsonObject) trace = NULL;
  g_autofree char *path = NULL, *text = NULL;

  add (paths, "e1",
       "{'node':'e1','parents':[" PARENT (
           "r1", "true", "true", "0.9", "0.5",
           "6000") "," PARENT ("r2", "true", "false", "0.1", "0.0", "0") "]}");
  add (paths, "r1", "{}");
  add (paths, "r2", "{}");
  trace = make (paths);
  path = dup_path (trace);
  g_assert_cmpstr (path, ==, "r2,e1,viewer");
  g_assert_false (json_object_get_boolean_member (trace, "complete"));
  g_assert_cmpstr (
      json_object_get_string_member (find_hop (trace, "r1", "e1"), "state"), ==,
      "silent");
  g_assert_false (json_object_has_member (trace, "latency_us"));
  text = node_ctl_path_text (trace);
  g_assert_nonnull (strstr (text, "Path: ? > r2 > e1 > viewer\n"));
}

/* r1 died and was left: what it brought first in the last seconds is past. */
static void
test_left (void)
{
  g_autoptr (GHashTable) paths = new_paths ();
  g_autoptr (JsonObject) trace = NULL;
  g_autofree char *path = NULL;

  add (paths, "e1",
       "{'node':'e1','parents':[" PARENT (
           "r1", "false", "false", "0.9", "0.0",
           "6000") "," PARENT ("r2", "true", "false", "0.3", "0.0", "0") "]}");
  add (paths, "r1", "{}");
  add (paths, "r2", R2);
  add (paths, "i1", I1);
  trace = make (paths);
  path = dup_path (trace);
  g_assert_cmpstr (path, ==, "i1,r2,e1,viewer");
  g_assert_cmpstr (
      json_object_get_string_member (find_hop (trace, "r1", "e1"), "state"), ==,
      "leaving");
  g_assert_false (
      json_object_get_boolean_member (find_hop (trace, "r1", "e1"), "first"));
}

/* What nodes say may be anything. */
static void
test_nonsense (void)
{
  static const char *const texts[] = {
    "{'parents':5}",
    "{'parents':[5,null,[],{},{'node':5,'active':true},"
    "{'node':'e1','active':true}]}",
    "{'parents':[{'node':'x','active':true},{'node':'x','active':true}]}",
    "{'parents':[{'node':'\\u001b[2Jx','active':true,'rtt_us':-5}]}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GHashTable) paths = new_paths ();
      g_autoptr (JsonObject) trace = NULL;
      g_autoptr (GPtrArray) next = NULL;
      g_autofree char *text = NULL;

      add (paths, "e1", texts[i]);
      add (paths, "x", "{'parents':[{'node':'e1','active':true}]}");
      next = node_ctl_path_next (paths);
      g_assert_cmpuint (next->len, <=, 1);
      trace = make (paths);
      text = node_ctl_path_text (trace);
      g_assert_null (strchr (text, '\033'));
      g_assert_nonnull (strstr (text, "viewer"));
    }
}

static void
test_text (void)
{
  g_autoptr (GHashTable) paths = new_paths ();
  g_autoptr (JsonObject) trace = NULL;
  g_autofree char *text = NULL;

  add (paths, "e1", E1);
  add (paths, "r1", R1);
  add (paths, "r2", R2);
  add (paths, "i1", I1);
  trace = make (paths);
  text = node_ctl_path_text (trace);
  g_assert_true (g_str_has_prefix (text,
                                   "Session AbCdEfGh at e1 watches live\n"
                                   "Path: i1 > r2 > e1 > viewer; 25.0 ms to "
                                   "viewer\n\nFROM"));
  g_assert_true (g_regex_match_simple (
      "\nr2 +e1 +\\* active +70\\.0 % +0\\.0 % +8\\.0 ms +0\\.1 ms +5\\.0 ms\n",
      text, 0, 0));
  g_assert_true (g_regex_match_simple (
      "\ne1 +viewer +connected +- +1\\.0 % +20\\.0 ms +1\\.0 ms +~10\\.0 ms\n",
      text, 0, 0));
  g_assert_nonnull (strstr (text, "Viewer: connected for 1 min, 500 packets, 3 "
                                  "lost, 2 sent again, UDP\n"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/node/ctl-path/whole", test_whole);
  g_test_add_func ("/node/ctl-path/clocks", test_clocks);
  g_test_add_func ("/node/ctl-path/part", test_part);
  g_test_add_func ("/node/ctl-path/left", test_left);
  g_test_add_func ("/node/ctl-path/nonsense", test_nonsense);
  g_test_add_func ("/node/ctl-path/text", test_text);
  return g_test_run ();
}
