/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/decide: each rule by itself. */
#include <string.h>

#include "scaling-fixture.h"

static void
assert_reason (const Tree *tree, const char *part)
{
  if (strstr (tree->decision.reason, part) == NULL)
    g_error ("\"%s\" does not say \"%s\"", tree->decision.reason, part);
}

/* --- demand ------------------------------------------------------------- */

static void
test_minimum (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree->policy.min_replicas = 9;
  tree_run (tree, 1);
  g_assert_cmpint (tree->decision.action, ==, SCALING_OUT);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 3);
  g_assert_cmpint (tree->decision.urgency, ==, SCALING_URGENCY_NORMAL);
  assert_reason (tree, "out 1 to 3: the minimum is 3; 0 viewers");
}

static void
test_steady_demand (void)
{
  const struct
  {
    guint n_viewers, n_wanted; /* ceil (1.15 n / 400) + 1 */
  } rows[] = { { 0, 1 },    { 1, 2 },     { 347, 2 },  { 348, 3 },
               { 1000, 4 }, { 3478, 11 }, { 3479, 12 } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (Tree) tree = tree_new ();

      tree_set_viewers (tree, rows[i].n_viewers);
      tree_run (tree, 1);
      g_assert_cmpuint (tree->decision.n_wanted, ==, rows[i].n_wanted);
      g_assert_cmpfloat (tree->decision.need, ==, rows[i].n_viewers);
      g_assert_cmpuint (tree->decision.n_slots_total, ==, 400);
    }
}

/* Viewers come at 20/s: 2 s + 2 loops later there are 80 more; with the cold
 * lead of 12 s 280. */
static void
test_growth (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree_grow (tree, 3);
  tree->snapshot.n_warm = 1;
  for (guint i = 0; i < 40; i++)
    {
      tree_set_viewers (tree, 20 * i);
      tree_run (tree, 1);
    }
  g_assert_cmpfloat_with_epsilon (tree->decision.joins_per_s, 20, 1e-6);
  g_assert_cmpfloat_with_epsilon (tree->decision.need, 780 + 20 * 4, 1e-6);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 4); /* the warm one */
  assert_reason (tree, "out 3 to 4: 780 viewers, +20/s: room for 860 in 4 s");

  tree->snapshot.n_warm = 0;
  tree_decide (tree);
  g_assert_cmpfloat_with_epsilon (tree->decision.need, 780 + 20 * 14, 1e-6);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 5); /* 1219 slots */

  tree->snapshot.cold_lead_us = 40 * TREE_SECOND_US;
  tree_decide (tree);
  g_assert_cmpfloat_with_epsilon (tree->decision.need, 780 + 20 * 42, 1e-6);
}

/* Full, and 10 a second are refused: those of 3 s are outside. */
static void
test_refused (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree_grow (tree, 2);
  tree_set_viewers (tree, 800);
  tree_run (tree, 40);
  g_assert_cmpfloat (tree->decision.need, ==, 800);
  for (guint i = 0; i < 60; i++)
    {
      tree->nodes[3].n_refused += 10;
      tree_run (tree, 1);
    }
  g_assert_cmpfloat_with_epsilon (tree->decision.need, 830, 1e-3);
  assert_reason (tree, "800 viewers, 30 refused: room for 830");
}

static void
test_restart (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree_set_viewers (tree, 100);
  tree->nodes[0].n_refused = 1000000; /* long ago */
  tree->nodes[0].n_send_drops = 1000000;
  tree_run (tree, 10);
  g_assert_cmpfloat (tree->decision.need, ==, 100);
  memset (tree->nodes[0].boot_id, 'b', CLUSTER_ID_CHARS);
  tree->nodes[0].n_refused = 6; /* since it is back */
  tree->nodes[0].n_send_drops = 0;
  tree_run (tree, 1);
  g_assert_cmpfloat (tree->decision.need, >=, 106);
  g_assert_cmpfloat (tree->decision.need, <, 200);
  g_assert_cmpuint (tree->decision.score_up, ==, 0);
}

/* Nodes that others run carry what they can; the rest is ours. */
static void
test_static_nodes (void)
{
  g_autoptr (Tree) tree = tree_new ();

  for (guint i = 0; i < 4; i++)
    tree->nodes[i].subtree = 0;
  tree->snapshot.n_desired = tree->snapshot.n_serving = 0;
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 0); /* they are the minimum */
  tree_set_viewers (tree, 340);
  tree_run (tree, 60);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 0);
  tree_set_viewers (tree, 380); /* 437 slots of 400 */
  tree_run (tree, 60);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 2);
}

static void
test_bounds (void)
{
  g_autoptr (Tree) tree = tree_new ();
  guint n_min, n_max;

  tree_set_viewers (tree, 4000);
  tree->policy.max_replicas = 17;
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 5);
  assert_reason (tree, "out 1 to 5: the maximum is 5; 4000 viewers");

  tree->policy.max_replicas = 400;
  tree->policy.n_max_nodes = 30; /* 5 each */
  tree->snapshot.n_nodes_elsewhere = 6;
  scaling_decide_bounds (&tree->policy, &tree->snapshot, &n_min, &n_max);
  g_assert_cmpuint (n_min, ==, 1);
  g_assert_cmpuint (n_max, ==, 4);
  tree->policy.min_replicas = 40;
  scaling_decide_bounds (&tree->policy, &tree->snapshot, &n_min, &n_max);
  g_assert_cmpuint (n_min, ==, 4);
  g_assert_cmpuint (n_max, ==, 4);
  tree->policy.n_max_nodes = 3;
  scaling_decide_bounds (&tree->policy, &tree->snapshot, &n_min, &n_max);
  g_assert_cmpuint (n_max, ==, 0);

  tree->policy.n_max_nodes = 100000;
  tree->policy.min_replicas = 4;
  tree->policy.max_step = 2;
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 3);
}

static void
test_schedule (void)
{
  g_autoptr (Tree) tree = tree_new ();
  ScalingSchedule *schedule = &tree->policy.schedules[0];

  tree->policy.n_schedules = 1;
  *schedule = (ScalingSchedule){ .name = "final",
                                 .is_once = TRUE,
                                 .start_wall_s = tree->snapshot.now_wall_s + 10,
                                 .end_wall_s = tree->snapshot.now_wall_s + 20,
                                 .min_replicas = 20 };
  tree_run (tree, 9);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 1);
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 5);
  g_strlcpy (schedule->tree_id, "other", sizeof schedule->tree_id);
  tree_decide (tree);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 1);
}

/* --- floors of thresholds ----------------------------------------------- */

static void
test_cpu_floor (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree_grow (tree, 4);
  tree_set_viewers (tree, 100);
  tree_set_cpu (tree, 0.75);
  tree_run (tree, 300);
  g_assert_cmpint (tree->decision.action, ==, SCALING_HOLD);
  g_assert_cmpuint (tree->decision.score_up, ==, 0);
  tree_run (tree, 1); /* five minutes */
  g_assert_cmpint (tree->decision.action, ==, SCALING_OUT);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 5);
  g_assert_cmpuint (tree->decision.score_up, ==, 3);
  g_assert_cmpint (tree->decision.urgency, ==, SCALING_URGENCY_HIGH);
  assert_reason (tree, "out 4 to 5: cpu was above 70; 100 viewers");
  /* one a cooldown */
  tree_grow (tree, 5);
  tree_set_cpu (tree, 0.75);
  tree_run (tree, 299);
  g_assert_cmpint (tree->decision.action, ==, SCALING_HOLD);
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 6);
  /* a second below begins the time anew */
  tree_grow (tree, 6);
  tree_set_cpu (tree, 0.65);
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.score_up, ==, 0);
  tree_set_cpu (tree, 0.75);
  tree_run (tree, 300);
  g_assert_cmpint (tree->decision.action, ==, SCALING_HOLD);
}

static void
test_quick_floors (void)
{
  g_autoptr (Tree) ports = tree_new ();
  g_autoptr (Tree) drops = tree_new ();

  tree_grow (ports, 4);
  tree_run (ports, 30);
  ports->nodes[7].ports_ratio = 0.9;
  tree_run (ports, 2);
  g_assert_cmpint (ports->decision.action, ==, SCALING_HOLD);
  tree_run (ports, 1);
  g_assert_cmpuint (ports->decision.n_wanted, ==, 5);
  g_assert_cmpint (ports->decision.urgency, ==, SCALING_URGENCY_CRITICAL);

  tree_grow (drops, 4);
  tree_run (drops, 30);
  for (guint i = 0; i < 5; i++)
    {
      g_assert_cmpint (drops->decision.action, ==, SCALING_HOLD);
      drops->nodes[2].n_send_drops += i % 2 == 0 ? 101 : 0;
      tree_run (drops, 1);
    }
  g_assert_cmpint (drops->decision.urgency, ==, SCALING_URGENCY_HIGH);
  assert_reason (drops, "drops was above 100");
}

static void
test_error_rate (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree_grow (tree, 4);
  for (guint i = 0; i < 200; i++)
    {
      tree->nodes[1].n_joins += 9;
      tree->nodes[2].n_failures += 1;
      tree_run (tree, 1);
      if (tree->decision.action != SCALING_HOLD)
        break;
    }
  g_assert_cmpuint (tree->decision.score_up, ==, 4);
  g_assert_cmpint (tree->decision.urgency, ==, SCALING_URGENCY_HIGH);
  /* two minutes after the first 20 joins */
  g_assert_cmpint (tree->snapshot.now_us / TREE_SECOND_US, ==, 1000 + 123);
}

static void
test_scores (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree_grow (tree, 4);
  tree->snapshot.join_p95_us = 4 * TREE_SECOND_US;
  for (guint i = 0; i < tree->snapshot.n_nodes; i++)
    {
      tree->nodes[i].cpu_ratio = 0.9;
      tree->nodes[i].mem_ratio = 0.9;
      tree->nodes[i].n_waiting = 10;
    }
  for (guint i = 0; i < 400; i++)
    {
      tree->nodes[1].n_joins += 10;
      tree->nodes[2].n_failures += 10;
      tree_run (tree, 1);
    }
  g_assert_cmpuint (tree->decision.score_up, ==, 3 + 3 + 2 + 2 + 4);
  g_assert_cmpuint (tree->decision.score_down, ==, 1);
  tree->snapshot.join_p95_us = TREE_SECOND_US / 2;
  for (guint i = 0; i < tree->snapshot.n_nodes; i++)
    {
      tree->nodes[i].cpu_ratio = 0.1;
      tree->nodes[i].mem_ratio = 0.1;
      tree->nodes[i].n_waiting = 0;
    }
  tree_run (tree, 900);
  g_assert_cmpuint (tree->decision.score_up, ==, 0);
  g_assert_cmpuint (tree->decision.score_down, ==, 1);
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.score_down, ==, SCALING_SCORE_DOWN_MAX);
}

static void
test_percentage_change (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree->policy.n_metrics = tree->policy.n_thresholds = 1;
  tree->policy.metrics[0] = (ScalingMetric){ .name = "crowd",
                                             .signal = SCALING_SIGNAL_VIEWERS,
                                             .window_us = 60 * TREE_SECOND_US };
  tree->policy.thresholds[0] = (ScalingThreshold){
    .comparison = SCALING_PERCENTAGE_CHANGE, .has_up = TRUE, .scale_up = 50
  };
  tree_grow (tree, 9);
  tree_set_viewers (tree, 1000);
  tree_run (tree, 100);
  g_assert_cmpint (tree->decision.action, ==, SCALING_HOLD);
  tree_set_viewers (tree, 1490);
  tree_run (tree, 10);
  g_assert_cmpint (tree->decision.action, ==, SCALING_HOLD);
  tree_set_viewers (tree, 1510);
  tree_run (tree, 3);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 10);
}

static void
test_external (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree->policy.metrics[0].source = SCALING_SOURCE_PROMETHEUS;
  tree_grow (tree, 4);
  tree_set_cpu (tree, 0.95); /* is not asked */
  tree_run (tree, 400);
  g_assert_cmpuint (tree->decision.score_up, ==, 0);
  tree->snapshot.external[SCALING_SIGNAL_CPU] = (ScalingReading){ TRUE, 71 };
  tree_run (tree, 301);
  g_assert_cmpuint (tree->decision.score_up, ==, 3);
  /* for ten seconds without an answer the last one holds */
  tree->snapshot.external[SCALING_SIGNAL_CPU].is_known = FALSE;
  tree_run (tree, 10);
  g_assert_cmpuint (tree->decision.score_up, ==, 3);
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.score_up, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/decide/minimum", test_minimum);
  g_test_add_func ("/scaling/decide/steady-demand", test_steady_demand);
  g_test_add_func ("/scaling/decide/growth", test_growth);
  g_test_add_func ("/scaling/decide/refused", test_refused);
  g_test_add_func ("/scaling/decide/restart", test_restart);
  g_test_add_func ("/scaling/decide/static-nodes", test_static_nodes);
  g_test_add_func ("/scaling/decide/bounds", test_bounds);
  g_test_add_func ("/scaling/decide/schedule", test_schedule);
  g_test_add_func ("/scaling/decide/cpu-floor", test_cpu_floor);
  g_test_add_func ("/scaling/decide/quick-floors", test_quick_floors);
  g_test_add_func ("/scaling/decide/error-rate", test_error_rate);
  g_test_add_func ("/scaling/decide/scores", test_scores);
  g_test_add_func ("/scaling/decide/percentage-change", test_percentage_change);
  g_test_add_func ("/scaling/decide/external", test_external);
  return g_test_run ();
}
