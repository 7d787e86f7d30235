/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/decide: what may be given back, how fast, and what is not known. */
#include <string.h>

#include "scaling-fixture.h"

static void
assert_held (const Tree *tree, const char *why)
{
  g_assert_cmpint (tree->decision.action, ==, SCALING_HOLD);
  g_assert_cmpuint (tree->decision.n_wanted, ==, tree->snapshot.n_desired);
  if (strstr (tree->decision.reason, why) == NULL)
    g_error ("\"%s\" does not say \"%s\"", tree->decision.reason, why);
}

/* tree_new_idle: 30 subtrees with work for one, watched so long that some can
 * be given back */
static Tree *
tree_new_idle (void)
{
  Tree *tree = tree_new ();

  tree_grow (tree, 30);
  tree_set_viewers (tree, 200);
  tree_set_cpu (tree, 0.1);
  tree_run (tree, 400);
  g_assert_cmpint (tree->decision.action, ==, SCALING_IN);
  return tree;
}

static void
test_small_steps (void)
{
  g_autoptr (Tree) tree = tree_new_idle ();
  guint n = 30;

  g_assert_cmpuint (tree->decision.n_wanted, ==, 27); /* a tenth */
  g_assert_cmpint (tree->decision.urgency, ==, SCALING_URGENCY_LOW);
  while (n > 2)
    {
      guint next = n - MAX (1, n / 10);

      tree_follow (tree, 1);
      g_assert_cmpuint (tree->snapshot.n_desired, ==, next);
      tree_follow (tree, 1);
      tree_set_cpu (tree, 0.1);
      for (guint i = 0; i < 29 && next > 2; i++)
        {
          tree_run (tree, 1);
          assert_held (tree, "given back less than 30 s ago");
        }
      n = next;
    }
  /* need and a spare */
  tree_run (tree, 600);
  g_assert_cmpint (tree->decision.action, ==, SCALING_HOLD);

  tree->policy.scale_down_by = 4; /* one subtree */
  tree_grow (tree, 30);
  tree_set_viewers (tree, 200);
  tree_set_cpu (tree, 0.1);
  tree_run (tree, 2000);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 29);
}

static void
test_window (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree_grow (tree, 30);
  tree_set_cpu (tree, 0.1);
  tree_set_viewers (tree, 200);
  for (guint i = 0; i < 300; i++)
    {
      tree_run (tree, 1);
      assert_held (tree, "30: 2 would do, but it is not watched long enough");
    }
  tree_set_viewers (tree, 6000); /* for a moment: 19 */
  tree_run (tree, 1);
  tree_set_viewers (tree, 200);
  tree_run (tree, 60);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 27);
  tree_grow (tree, 20);
  tree_set_viewers (tree, 200);
  tree_set_cpu (tree, 0.1);
  tree_run (tree, 200);
  assert_held (tree, "hold 20: as many were wanted within 300 s");
  tree_run (tree, 100);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 18);
}

static void
test_obstacles (void)
{
  g_autoptr (Tree) tree = tree_new_idle ();

  tree_set_cpu (tree, 0.2);
  tree_run (tree, 1);
  assert_held (tree, "cpu is not below 20");
  tree_set_cpu (tree, 0.1);
  tree->nodes[3].ports_ratio = 0.31;
  tree_run (tree, 1);
  assert_held (tree, "ports is not below 30");
  tree->nodes[3].ports_ratio = 0.1;
  tree->snapshot.disturbed_us = tree->snapshot.now_us;
  tree_run (tree, 59);
  assert_held (tree, "something failed or moved");
  tree_run (tree, 1);
  g_assert_cmpint (tree->decision.action, ==, SCALING_IN);

  for (guint i = 0; i < 13; i++) /* of 120 */
    tree->nodes[i].is_fresh = FALSE;
  tree_run (tree, 1);
  assert_held (tree, "less than 90 % of the nodes are heard");
  tree->nodes[0].is_fresh = TRUE;
  tree_run (tree, 1);
  g_assert_cmpint (tree->decision.action, ==, SCALING_IN);

  /* nobody says how busy it is: after 10 s that is no reason to shrink */
  for (guint i = 0; i < tree->snapshot.n_nodes; i++)
    {
      tree->nodes[i].is_fresh = TRUE;
      tree->nodes[i].cpu_ratio = -1;
    }
  tree_run (tree, 11);
  assert_held (tree, "cpu is not below 20");
}

static void
test_baseline (void)
{
  g_autoptr (Tree) tree = tree_new_idle ();

  tree->policy.min_replicas = 112;
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 28);
  tree->policy.min_replicas = 120;
  tree_run (tree, 1);
  g_assert_cmpint (tree->decision.action, ==, SCALING_HOLD);
}

static void
test_cooldown (void)
{
  g_autoptr (Tree) tree = tree_new_idle ();

  tree_grow (tree, 31); /* somebody did */
  tree_set_cpu (tree, 0.1);
  tree_set_viewers (tree, 200);
  tree_run (tree, 600);
  assert_held (tree, "it grew within the cooldown");
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 28);
}

/* Growth soon after giving back doubles the window. */
static void
test_regret (void)
{
  g_autoptr (Tree) tree = tree_new_idle ();

  tree_follow (tree, 1);
  tree_run (tree, 60);
  g_assert_cmpint (tree->history->hold_us, ==, 300 * TREE_SECOND_US);
  tree_grow (tree, 30);
  tree_set_viewers (tree, 200);
  tree_set_cpu (tree, 0.1);
  tree_run (tree, 1);
  g_assert_cmpint (tree->history->hold_us, ==, 600 * TREE_SECOND_US);
  tree_run (tree, 3602);
  g_assert_cmpint (tree->history->hold_us, ==, 300 * TREE_SECOND_US);
}

/* A lowered maximum is obeyed, whatever load and windows say; in steps. */
static void
test_lowered_maximum (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree_grow (tree, 20);
  tree_set_viewers (tree, 7000);
  tree_run (tree, 40);
  tree->policy.max_replicas = 40;
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 18);
  g_assert_nonnull (strstr (tree->decision.reason, "the maximum is 10"));
}

static void
test_approval (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree_run (tree, 1);
  g_assert_false (tree->decision.needs_approval);
  tree->policy.approval = SCALING_APPROVAL_LOW_CONFIDENCE;
  tree_set_viewers (tree, 4000);
  tree_run (tree, 1);
  g_assert_cmpint (tree->decision.action, ==, SCALING_OUT);
  g_assert_cmpfloat (tree->decision.confidence, <, 0.6);
  g_assert_true (tree->decision.needs_approval);
  tree_run (tree, 60);
  g_assert_cmpfloat (tree->decision.confidence, ==, 1);
  g_assert_false (tree->decision.needs_approval);
  tree->policy.approval = SCALING_APPROVAL_MANUAL;
  tree_run (tree, 1);
  g_assert_true (tree->decision.needs_approval);
}

static void
test_evaluation_interval (void)
{
  g_autoptr (Tree) tree = tree_new ();
  guint n_out = 0;

  tree->policy.evaluation_us = 10 * TREE_SECOND_US;
  tree_set_viewers (tree, 4000);
  for (guint i = 0; i < 30; i++)
    {
      tree_run (tree, 1);
      n_out += tree->decision.action == SCALING_OUT ? 1 : 0;
    }
  g_assert_cmpuint (n_out, ==, 3);
}

/* --- what is not known -------------------------------------------------- */

/* A node that falls silent keeps its viewers for a minute; when they come back
 * elsewhere they are no crowd of new ones. */
static void
test_silent_node (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree_grow (tree, 5);
  tree_set_viewers (tree, 1200); /* 60 each */
  tree_run (tree, 60);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 5);
  for (guint i = 4; i < 8; i++)
    tree->nodes[i].is_fresh = FALSE; /* 240 viewers */
  tree_run (tree, 1);
  g_assert_cmpfloat (tree->decision.need, ==, 1200);
  for (guint s = 0; s < 6; s++) /* back at others, 40 a second */
    {
      for (guint i = 8; i < 18; i++)
        tree->nodes[i].n_viewers += 4;
      tree_run (tree, 1);
      g_assert_cmpfloat (tree->decision.need, ==, 1200);
    }
  tree_run (tree, 53);
  g_assert_cmpfloat (tree->decision.need, ==, 1200);
  tree_run (tree, 40);
  g_assert_cmpfloat (tree->decision.need, ==, 1200);
  g_assert_cmpuint (tree->decision.n_wanted, ==, 5);
}

static void
test_gone_node (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree_grow (tree, 5);
  tree_set_viewers (tree, 1200);
  tree_run (tree, 60);
  tree->snapshot.n_nodes -= 4; /* not even listed */
  tree_run (tree, 1);
  g_assert_cmpfloat (tree->decision.need, ==, 1200);
  tree_run (tree, 59);
  g_assert_cmpfloat (tree->decision.need, ==, 1200);
  tree_run (tree, 30);
  g_assert_cmpfloat (tree->decision.need, ==, 960);
}

/* Who drained has sent its viewers elsewhere. */
static void
test_drained_node (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree_grow (tree, 5);
  tree_set_viewers (tree, 1200);
  tree_run (tree, 60);
  for (guint i = 16; i < 20; i++)
    tree->nodes[i].is_draining = TRUE;
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.n_slots_total, ==, 1600);
  tree->snapshot.n_nodes -= 4;
  tree_run (tree, 40);
  g_assert_cmpfloat (tree->decision.need, ==, 960);
}

static void
test_nobody_heard (void)
{
  g_autoptr (Tree) tree = tree_new_idle ();

  tree->snapshot.n_nodes = 0;
  tree_run (tree, 200);
  assert_held (tree, "less than 90 %");
  g_assert_cmpfloat (tree->decision.confidence, ==, 0);
}

/* More nodes than are remembered: the longest silent are forgotten. */
static void
test_node_limit (void)
{
  g_autoptr (Tree) tree = tree_new ();

  for (guint round = 0; round < 20; round++)
    {
      for (guint i = 0; i < 400; i++)
        tree->nodes[i] = tree_node (round * 400 + i, 10);
      tree->snapshot.n_nodes = 400;
      tree_run (tree, 1);
    }
  g_assert_cmpuint (tree->history->n_seen, ==, CLUSTER_MAX_NODES);
  tree_run (tree, 100);
  g_assert_cmpuint (tree->history->n_seen, ==, 400);
}

/* --- waves -------------------------------------------------------------- */

/* ride: up in 30 s and down in 90. Returns: the highest need on the way */
static double
ride (Tree *tree, guint n_waves)
{
  double most = 0;

  for (guint s = 0; s < 120 * n_waves; s++)
    {
      guint at = s % 120;

      tree_set_viewers (tree, at < 30 ? 800 + 400 * at / 30
                                      : 1200 - 400 * (at - 30) / 90);
      tree_run (tree, 1);
      most = MAX (most, tree->decision.need);
    }
  return most;
}

/* The first wave may be the beginning of anything; those that follow are
 * believed little, until the load leaves them. */
static void
test_waves (void)
{
  g_autoptr (Tree) tree = tree_new ();
  double first, later;

  tree_grow (tree, 5);
  tree->snapshot.cold_lead_us = tree->snapshot.warm_lead_us =
      60 * TREE_SECOND_US;
  tree_set_viewers (tree, 800);
  tree_run (tree, 60);
  first = ride (tree, 1);
  g_assert_cmpfloat (first, >, 1200 + 13 * 40);
  ride (tree, 4);
  later = ride (tree, 1);
  g_assert_cmpfloat (later, >=, 1190);
  g_assert_cmpfloat (later, <, 1.15 * 1200);

  for (guint s = 0; s < 50; s++)
    {
      tree_set_viewers (tree, 800 + 20 * s);
      tree_run (tree, 1);
    }
  g_assert_cmpfloat (tree->decision.need, >, 1780 + 19 * 60);
}

/* Noise is no wave: a push is believed from its first seconds. */
static void
test_noise (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree_grow (tree, 25);
  for (guint s = 0; s < 900; s++)
    {
      tree_set_viewers (tree, 5000 + (s * 7919) % 200);
      tree_run (tree, 1);
    }
  g_assert_cmpfloat (tree->decision.confidence, >, SCALING_CONFIDENCE_MIN);
  g_assert_cmpfloat (tree->decision.need, <, 5000 * 1.15);
  for (guint s = 1; s <= 10; s++)
    {
      tree_set_viewers (tree, 5200 + 200 * s);
      tree_run (tree, 1);
    }
  g_assert_cmpfloat (tree->decision.need, >, 7200 + 150 * 4);
}

/* As many warm slots as take those who come while one is started cold, as fast
 * as it grew in the last hour. */
static void
test_warm (void)
{
  g_autoptr (Tree) tree = tree_new ();

  tree->policy.cold_lead_us = 58 * TREE_SECOND_US; /* and two looks */
  tree->snapshot.n_warm = 3;
  tree_grow (tree, 20);
  tree_set_viewers (tree, 1000);
  tree_run (tree, 60);
  /* who led before knew why: none is given back at once */
  g_assert_cmpuint (tree->decision.n_warm, ==, 3);
  tree_run (tree, 600);
  g_assert_cmpuint (tree->decision.n_warm, ==, 1);
  /* 20 a second for 20 s: 1,200 in that time, of 400 each */
  for (guint s = 1; s <= 20; s++)
    {
      tree_set_viewers (tree, 1000 + 20 * s);
      tree_run (tree, 1);
    }
  tree_run (tree, 120);
  g_assert_cmpuint (tree->decision.n_warm, ==, 1 + 3);
  /* what was learned counts more than the guess */
  tree->snapshot.cold_lead_us = 18 * TREE_SECOND_US;
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.n_warm, ==, 1 + 1);
  tree->snapshot.cold_lead_us = 998 * TREE_SECOND_US;
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.n_warm, ==, tree->policy.n_max_warm);
  tree->policy.n_max_warm = 2;
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.n_warm, ==, 2);
  /* what the maximum leaves; the policy's own always */
  tree->policy.n_max_warm = 100;
  tree->policy.max_replicas = 4 * (tree->decision.n_wanted + 5);
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.n_warm, ==, 5);
  tree->policy.max_replicas = 4;
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.n_warm, ==, 1);
  tree->policy.n_warm = 0;
  tree_run (tree, 1);
  g_assert_cmpuint (tree->decision.n_warm, ==, 0);
  /* an hour later that is forgotten */
  tree->policy.n_warm = 1;
  tree->policy.max_replicas = 400;
  tree_run (tree, 3600);
  g_assert_cmpuint (tree->decision.n_warm, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/rules/small-steps", test_small_steps);
  g_test_add_func ("/scaling/rules/window", test_window);
  g_test_add_func ("/scaling/rules/obstacles", test_obstacles);
  g_test_add_func ("/scaling/rules/baseline", test_baseline);
  g_test_add_func ("/scaling/rules/cooldown", test_cooldown);
  g_test_add_func ("/scaling/rules/regret", test_regret);
  g_test_add_func ("/scaling/rules/lowered-maximum", test_lowered_maximum);
  g_test_add_func ("/scaling/rules/approval", test_approval);
  g_test_add_func ("/scaling/rules/evaluation-interval",
                   test_evaluation_interval);
  g_test_add_func ("/scaling/rules/silent-node", test_silent_node);
  g_test_add_func ("/scaling/rules/gone-node", test_gone_node);
  g_test_add_func ("/scaling/rules/drained-node", test_drained_node);
  g_test_add_func ("/scaling/rules/nobody-heard", test_nobody_heard);
  g_test_add_func ("/scaling/rules/node-limit", test_node_limit);
  g_test_add_func ("/scaling/rules/waves", test_waves);
  g_test_add_func ("/scaling/rules/noise", test_noise);
  g_test_add_func ("/scaling/rules/warm", test_warm);
  return g_test_run ();
}
