/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the leader's functions, from bytes: good, and of other shapes. */
#include "cluster/ledger-read.h"

#include <string.h>

#include "cluster/encode.h"
#include "cluster/store.h"
#include "reply-fixture.h"

#define BOOT "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0"

static const char *const good_scaling[] = { "7:100:n1:abcd",
                                            "#2000",
                                            "4",
                                            "5",
                                            "1700000000000",
                                            "n1",
                                            "more joins",
                                            "demand",
                                            "2",
                                            "1",
                                            "20",
                                            "4",
                                            "1",
                                            "300000",
                                            "600000",
                                            "me",
                                            "{\"a\":1}",
                                            "1700000001000" };

static void
test_scaling (void)
{
  g_autoptr (ClusterReply) reply =
      reply_make (good_scaling, G_N_ELEMENTS (good_scaling));
  g_autoptr (GError) error = NULL;
  ClusterScaling scaling;

  g_assert_true (cluster_read_scaling (reply, &scaling, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (scaling.leader, ==, "n1");
  g_assert_cmpuint (scaling.term, ==, 100);
  g_assert_cmpuint (scaling.version, ==, 4);
  g_assert_cmpuint (scaling.n_desired, ==, 5);
  g_assert_cmpstr (scaling.reason, ==, "more joins");
  g_assert_cmpuint (scaling.policy.version, ==, 2);
  g_assert_cmpuint (scaling.policy.min, ==, 1);
  g_assert_cmpuint (scaling.policy.max, ==, 20);
  g_assert_cmpuint (scaling.policy.step_out, ==, 4);
  g_assert_cmpuint (scaling.policy.step_in, ==, 1);
  g_assert_cmpint (scaling.policy.cool_out_ms, ==, 300000);
  g_assert_cmpint (scaling.policy.cool_in_ms, ==, 600000);
  g_assert_cmpstr (scaling.policy.text, ==, "{\"a\":1}");
  cluster_scaling_clear (&scaling);
}

/* a store that knows nothing yet */
static void
test_scaling_empty (void)
{
  const char *texts[G_N_ELEMENTS (good_scaling)];
  g_autoptr (ClusterReply) reply = NULL;
  ClusterScaling scaling;

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    texts[i] = "~";
  texts[1] = "#-2";
  reply = reply_make (texts, G_N_ELEMENTS (texts));
  g_assert_true (cluster_read_scaling (reply, &scaling, NULL));
  g_assert_null (scaling.leader);
  g_assert_cmpuint (scaling.version, ==, 0);
  g_assert_cmpuint (scaling.policy.version, ==, 0);
  cluster_scaling_clear (&scaling);
}

static void
test_scaling_bad (void)
{
  static const struct
  {
    guint at;
    const char *value;
  } bad[] = { { 0, "nonsense" }, { 2, "-1" }, { 3, "100001" },
              { 4, "x" },        { 9, "21" }, { 13, "9999999999999" },
              { 17, "1e9" } };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      const char *texts[G_N_ELEMENTS (good_scaling)];
      g_autoptr (ClusterReply) reply = NULL;
      g_autoptr (GError) error = NULL;
      ClusterScaling scaling;

      memcpy (texts, good_scaling, sizeof texts);
      texts[bad[i].at] = bad[i].value;
      reply = reply_make (texts, G_N_ELEMENTS (texts));
      g_assert_false (cluster_read_scaling (reply, &scaling, &error));
      g_assert_error (error, CLUSTER_ERROR, CLUSTER_ERROR_PROTOCOL);
    }
  for (guint n = 0; n < G_N_ELEMENTS (good_scaling); n++)
    {
      g_autoptr (ClusterReply) reply = reply_make (good_scaling, n);
      ClusterScaling scaling;

      g_assert_false (cluster_read_scaling (reply, &scaling, NULL));
    }
}

static void
test_trees (void)
{
  static const char *const texts[] = { "main", "../x", "~", "b", "#3", "a" };
  g_autoptr (ClusterReply) reply = reply_make (texts, G_N_ELEMENTS (texts));
  g_auto (GStrv) trees = cluster_read_trees (reply, NULL);
  g_autofree char *joined = g_strjoinv (" ", trees);

  g_assert_cmpstr (joined, ==, "a b main");
}

static void
test_trees_limit (void)
{
  const char *texts[CLUSTER_MAX_TREES + 1];
  g_autoptr (ClusterReply) reply = NULL;
  g_auto (GStrv) trees = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    texts[i] = "t";
  reply = reply_make (texts, G_N_ELEMENTS (texts));
  trees = cluster_read_trees (reply, NULL);
  g_assert_cmpuint (g_strv_length (trees), ==, CLUSTER_MAX_TREES);
}

static void
test_beats (void)
{
  ClusterNode node = { (char *)"b",
                       (char *)BOOT,
                       (char *)"main",
                       CLUSTER_ROLE_EGRESS,
                       (char *)"h",
                       (char *)"http://127.0.0.1",
                       (char *)"127.0.0.1:7100",
                       1 };
  ClusterLoad load = { .n_viewers = 5 };
  g_autofree char *said = cluster_node_to_json (&node);
  g_autofree char *beats_5 = cluster_load_to_json (&load, BOOT);
  const char *const texts[] = {
    "b",  beats_5, said, "#2500", "a",  beats_5, said, "#-1",   "c", "nonsense",
    said, "#2500", "d",  beats_5, said, "text",  "e",  beats_5, "~", "#1",
  };
  g_autoptr (ClusterReply) reply = reply_make (texts, G_N_ELEMENTS (texts));
  g_autoptr (GError) error = NULL;
  guint n_bad;
  g_autoptr (GPtrArray) beats =
      cluster_read_beats (reply, "main", &n_bad, &error);
  const ClusterBeat *beat;

  g_assert_no_error (error);
  g_assert_cmpuint (beats->len, ==, 2);
  g_assert_cmpuint (n_bad, ==, 3);
  beat = beats->pdata[0];
  g_assert_cmpstr (beat->node.node_id, ==, "a");
  g_assert_cmpuint (beat->age_ms, ==, CLUSTER_HEARTBEAT_MS);
  beat = beats->pdata[1];
  g_assert_cmpuint (beat->age_ms, ==, 500);
  g_assert_cmpuint (beat->load.n_viewers, ==, 5);
}

static void
test_history (void)
{
  static const char *const texts[] = {
    "1-0", "main", "desire", "n1", "7:1:n1:x", "{}",
    "0-1", "",     "~",      "n1", "",         "{}",
  };
  g_autoptr (ClusterReply) reply = reply_make (texts, G_N_ELEMENTS (texts));
  g_autoptr (ClusterReply) cut = reply_make (texts, 7);
  guint n_bad;
  g_autoptr (GPtrArray) rows = cluster_read_history (reply, &n_bad, NULL);

  g_assert_cmpuint (rows->len, ==, 1);
  g_assert_cmpuint (n_bad, ==, 1);
  g_assert_cmpstr (((ClusterAudit *)rows->pdata[0])->kind, ==, "desire");
  g_assert_null (cluster_read_history (cut, &n_bad, NULL));
}

static void
test_slots (void)
{
  static const char *const texts[] = {
    "10",     "2 serving 1700000000000",
    "2",      "1 gone 1",
    "x",      "1 gone 1", /* no ordinal */
    "3",      "0 gone 1", /* lives begin at 1 */
    "4",      "1 open 1", /* no state */
    "5",      "1 none 1", /* is not written */
    "6",      "1 gone 1 more",
    "7",      "~",
    "010",    "1 gone 1", /* one ordinal twice */
    "100000", "1 gone 1",
  };
  g_autoptr (ClusterReply) reply = reply_make (texts, G_N_ELEMENTS (texts));
  g_autoptr (ClusterReply) cut = reply_make (texts, 3);
  guint n_bad;
  g_autoptr (GArray) slots = cluster_read_slots (reply, &n_bad, NULL);
  const ClusterSlot *slot;

  g_assert_cmpuint (slots->len, ==, 2);
  g_assert_cmpuint (n_bad, ==, 8);
  slot = &g_array_index (slots, ClusterSlot, 0);
  g_assert_cmpuint (slot->ordinal, ==, 2);
  g_assert_cmpint (slot->state, ==, CLUSTER_SLOT_GONE);
  slot = &g_array_index (slots, ClusterSlot, 1);
  g_assert_cmpuint (slot->ordinal, ==, 10);
  g_assert_null (cluster_read_slots (cut, &n_bad, NULL));
}

static void
test_slots_limit (void)
{
  g_autofree const char **texts =
      g_new (const char *, 2 * (CLUSTER_MAX_SLOTS + 1));
  g_autoptr (GPtrArray) ordinals = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i <= CLUSTER_MAX_SLOTS; i++)
    {
      g_ptr_array_add (ordinals, g_strdup_printf ("%u", i));
      texts[2 * i] = ordinals->pdata[i];
      texts[2 * i + 1] = "1 gone 1";
    }
  for (guint n = CLUSTER_MAX_SLOTS; n <= CLUSTER_MAX_SLOTS + 1; n++)
    {
      g_autoptr (ClusterReply) reply = reply_make (texts, 2 * n);
      guint n_bad;
      g_autoptr (GArray) slots = cluster_read_slots (reply, &n_bad, NULL);

      g_assert_true ((slots != NULL) == (n == CLUSTER_MAX_SLOTS));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cluster/ledger-read/scaling", test_scaling);
  g_test_add_func ("/cluster/ledger-read/scaling/empty", test_scaling_empty);
  g_test_add_func ("/cluster/ledger-read/scaling/bad", test_scaling_bad);
  g_test_add_func ("/cluster/ledger-read/trees", test_trees);
  g_test_add_func ("/cluster/ledger-read/trees/limit", test_trees_limit);
  g_test_add_func ("/cluster/ledger-read/beats", test_beats);
  g_test_add_func ("/cluster/ledger-read/slots", test_slots);
  g_test_add_func ("/cluster/ledger-read/slots/limit", test_slots_limit);
  g_test_add_func ("/cluster/ledger-read/history", test_history);
  return g_test_run ();
}
