/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSurvey: heartbeats → a tree at one moment. */
#include "scaling/survey.h"

#include <string.h>

#include "base/clock.h"
#include "scaling/provisioner.h"

#define S BASE_US_PER_S

typedef struct
{
  ScalingSurvey *survey;
  GPtrArray *beats;
  gint64 now_us;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->survey = scaling_survey_new ("main");
  f->beats = g_ptr_array_new_with_free_func ((GDestroyNotify)cluster_beat_free);
  f->now_us = 100 * S;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  scaling_survey_free (f->survey);
  g_ptr_array_unref (f->beats);
}

static ClusterBeat *
add (Fixture *f, const char *id, ClusterRoles roles, guint n_viewers)
{
  ClusterBeat *beat = g_new0 (ClusterBeat, 1);

  beat->node.node_id = g_strdup (id);
  beat->node.boot_id = g_strdup ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0");
  beat->node.roles = roles;
  beat->load.n_viewers = n_viewers;
  beat->load.n_slots = 100;
  g_ptr_array_add (f->beats, beat);
  return beat;
}

static const ScalingSnapshot *
take (Fixture *f, guint64 version, guint n_desired)
{
  ClusterScaling scaling = { .version = version, .n_desired = n_desired };

  return scaling_survey_take (f->survey, f->beats, &scaling, 7, f->now_us,
                              1700000000 * S);
}

static void
test_nodes (Fixture *f, gconstpointer data)
{
  ClusterBeat *beat = add (f, "e1", CLUSTER_ROLE_EGRESS, 60);
  const ScalingSnapshot *snapshot;

  beat->load.n_ports = 250;
  beat->load.max_ports = 1000;
  beat->load.cpu_ratio = 0.5;
  beat->load.mem_ratio = 0.25;
  beat->load.n_waiting = 3;
  beat->load.n_joins = 4;
  beat->load.n_refused = 5;
  beat->load.n_leaves = 6;
  beat->load.n_failures = 7;
  beat->load.n_send_drops = 8;
  beat->age_ms = 2000;
  add (f, "i1", CLUSTER_ROLE_INJECTION, 0)->age_ms = 2001;
  snapshot = take (f, 3, 4);
  g_assert_cmpuint (snapshot->n_nodes, ==, 2);
  g_assert_cmpuint (snapshot->n_nodes_elsewhere, ==, 7);
  g_assert_cmpuint (snapshot->n_desired, ==, 4);
  g_assert_cmpuint (snapshot->n_serving, ==, 0);
  g_assert_cmpint (snapshot->now_us, ==, f->now_us);
  g_assert_cmpint (snapshot->now_wall_s, ==, 1700000000);
  g_assert_cmpstr (snapshot->tree_id, ==, "main");
  g_assert_true (snapshot->nodes[0].is_fresh);
  g_assert_false (snapshot->nodes[1].is_fresh);
  g_assert_cmpuint (snapshot->nodes[0].n_viewers, ==, 60);
  g_assert_cmpuint (snapshot->nodes[0].n_slots, ==, 100);
  g_assert_cmpuint (snapshot->nodes[0].n_waiting, ==, 3);
  g_assert_cmpfloat (snapshot->nodes[0].ports_ratio, ==, 0.25);
  g_assert_cmpfloat (snapshot->nodes[0].cpu_ratio, ==, 0.5);
  g_assert_cmpfloat (snapshot->nodes[0].mem_ratio, ==, 0.25);
  g_assert_cmpuint (snapshot->nodes[0].n_joins, ==, 4);
  g_assert_cmpuint (snapshot->nodes[0].n_refused, ==, 5);
  g_assert_cmpuint (snapshot->nodes[0].n_leaves, ==, 6);
  g_assert_cmpuint (snapshot->nodes[0].n_failures, ==, 7);
  g_assert_cmpuint (snapshot->nodes[0].n_send_drops, ==, 8);
  g_assert_cmpfloat (snapshot->nodes[1].ports_ratio, ==, 0);
  g_assert_cmpint (snapshot->join_p95_us, ==, -1);
  g_assert_cmpuint (scaling_survey_get_n_egress (f->survey), ==, 1);
  g_assert_cmpuint (scaling_survey_get_n_viewers (f->survey), ==, 60);
}

static void
test_subtree_of_a_name (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *tree, *node;
    guint subtree;
  } rows[] = {
    { "main", "mt-main-s0-g1-e0", 1 },
    { "main", "mt-main-s12-g3-r", 13 },
    { "main", "mt-other-s0-g1-e0", 0 },
    { "main", "mt-main-s0-g1", 0 },
    { "main", "main-s0-g1-e0", 0 },
    { "main", "mt-main-s00-g1-e0", 0 },
    { "main", "mt-main-sx-g1-e0", 0 },
    { "main", "mt-main-s0-g-e0", 0 },
    { "main", "mt-main-s-1-g1-e0", 0 },
    { "main", "", 0 },
    { "main", "-", 0 },
    { "main", "-s-g-", 0 },
    { "main", "mt-main-s100000-g1-e0", 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpuint (scaling_survey_find_subtree (rows[i].tree, rows[i].node),
                      ==, rows[i].subtree);
  /* of trees whose names are none */
  for (guint i = 0; i < 3; i++)
    {
      static const char *const trees[] = { "Has.Dots_and_CAPITALS", "a-s1-g2",
                                           "x" };
      g_autofree char *name =
          scaling_provision_dup_name (trees[i], 41, 7, "e15");

      g_assert_cmpuint (scaling_survey_find_subtree (trees[i], name), ==, 42);
    }
}

static void
test_subtrees (Fixture *f, gconstpointer data)
{
  const ScalingSnapshot *snapshot;

  add (f, "static", CLUSTER_ROLE_EGRESS, 1);
  add (f, "mt-main-s0-g1-r", CLUSTER_ROLE_RELAY, 0); /* no egress yet */
  add (f, "mt-main-s1-g1-e0", CLUSTER_ROLE_EGRESS, 1);
  add (f, "mt-main-s1-g1-e1", CLUSTER_ROLE_EGRESS, 1)->load.is_draining = TRUE;
  add (f, "mt-main-s4-g2-e0", CLUSTER_ROLE_EGRESS, 1)->load.is_draining = TRUE;
  snapshot = take (f, 0, 0);
  g_assert_cmpuint (snapshot->n_serving, ==, 1);
  g_assert_cmpuint (snapshot->n_draining, ==, 1);
  g_assert_cmpuint (snapshot->n_desired, ==, 1); /* nothing said: what is */
  g_assert_cmpuint (scaling_survey_get_n_egress (f->survey), ==, 4);
  snapshot = take (f, 5, 0);
  g_assert_cmpuint (snapshot->n_desired, ==, 0);
}

/* A warm slot is not open, and one that opens serves with its first node. */
static void
test_warm (Fixture *f, gconstpointer data)
{
  static const ScalingSubtreesSummary slots = {
    .n_serving = 4, .n_starting = 3, .n_draining = 2, .n_warm = 1
  };
  const ScalingSnapshot *snapshot;
  ClusterBeat *first = add (f, "mt-main-s0-g1-e0", CLUSTER_ROLE_EGRESS, 0);

  add (f, "mt-main-s0-g1-e1", CLUSTER_ROLE_EGRESS, 0)->load.is_warm = TRUE;
  first->load.is_warm = TRUE;
  snapshot = take (f, 0, 0);
  g_assert_cmpuint (snapshot->n_warm, ==, 1);
  g_assert_cmpuint (snapshot->n_serving, ==, 0);
  first->load.is_warm = FALSE;
  snapshot = take (f, 0, 0);
  g_assert_cmpuint (snapshot->n_warm, ==, 0);
  g_assert_cmpuint (snapshot->n_serving, ==, 1);
  scaling_survey_take_slots (f->survey, &slots);
  g_assert_cmpuint (snapshot->n_serving, ==, 4);
  g_assert_cmpuint (snapshot->n_starting, ==, 3);
  g_assert_cmpuint (snapshot->n_draining, ==, 2);
  g_assert_cmpuint (snapshot->n_warm, ==, 1);
}

static void
test_disturbed (Fixture *f, gconstpointer data)
{
  add (f, "a", CLUSTER_ROLE_RELAY, 0);
  add (f, "b", CLUSTER_ROLE_EGRESS, 0);
  g_assert_cmpint (take (f, 1, 1)->disturbed_us, ==, G_MININT64);
  f->now_us += S;
  g_assert_cmpint (take (f, 1, 1)->disturbed_us, ==, G_MININT64);
  /* one comes: nothing */
  add (f, "c", CLUSTER_ROLE_EGRESS, 0);
  f->now_us += S;
  g_assert_cmpint (take (f, 1, 1)->disturbed_us, ==, G_MININT64);
  /* one goes */
  g_ptr_array_remove_index (f->beats, 0);
  f->now_us += S;
  g_assert_cmpint (take (f, 1, 1)->disturbed_us, ==, f->now_us);
  f->now_us += S;
  g_assert_cmpint (take (f, 1, 1)->disturbed_us, ==, f->now_us - S);
  /* one drains, as long as it does; then it goes, as it had said */
  ((ClusterBeat *)f->beats->pdata[0])->load.is_draining = TRUE;
  f->now_us += 10 * S;
  g_assert_cmpint (take (f, 1, 1)->disturbed_us, ==, f->now_us);
  g_ptr_array_remove_index (f->beats, 0);
  f->now_us += 10 * S;
  g_assert_cmpint (take (f, 1, 1)->disturbed_us, ==, f->now_us - 10 * S);
  scaling_survey_disturb (f->survey, f->now_us);
  g_assert_cmpint (take (f, 1, 1)->disturbed_us, ==, f->now_us);
}

/* all nodes' buckets together, never an average of percentiles */
static void
test_join_p95 (Fixture *f, gconstpointer data)
{
  g_autoptr (BaseSketch) all = base_sketch_new ();
  double p95, expected;

  for (guint node = 0; node < 10; node++)
    {
      g_autoptr (BaseSketch) sketch = base_sketch_new ();
      g_autofree char *id = g_strdup_printf ("n%u", node);
      ClusterBeat *beat = add (f, id, CLUSTER_ROLE_EGRESS, 0);

      for (guint i = 0; i < 10 + 50 * node; i++)
        {
          base_sketch_add (sketch, 1000 * (node + 1) * (1 + i % 13));
          base_sketch_add (all, 1000 * (node + 1) * (1 + i % 13));
        }
      base_sketch_brief_init (&beat->load.sketches[CLUSTER_SKETCH_JOIN],
                              sketch);
    }
  p95 = (double)take (f, 1, 1)->join_p95_us;
  expected = base_sketch_quantile (all, 0.95);
  g_assert_cmpfloat_with_epsilon (p95, expected, 1);
}

static void
test_leads (Fixture *f, gconstpointer data)
{
  const ScalingSnapshot *snapshot = take (f, 0, 0);

  g_assert_cmpint (snapshot->warm_lead_us, ==, 0);
  scaling_survey_set_leads (f->survey, 1500000, 9 * S);
  snapshot = take (f, 0, 0);
  g_assert_cmpint (snapshot->warm_lead_us, ==, 1500000);
  g_assert_cmpint (snapshot->cold_lead_us, ==, 9 * S);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/scaling/survey/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("nodes", test_nodes);
  ADD ("name", test_subtree_of_a_name);
  ADD ("subtrees", test_subtrees);
  ADD ("warm", test_warm);
  ADD ("disturbed", test_disturbed);
  ADD ("join-p95", test_join_p95);
  ADD ("leads", test_leads);
  return g_test_run ();
}
