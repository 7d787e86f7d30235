/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scaling/decide: what holds for every decision, tried on seeded random trees
 * and lives; and what a decision costs.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scaling-fixture.h"

#define N_LIVES 60
#define N_SECONDS 400

typedef struct
{
  GRand *rand; /* owned */
  Tree *tree;  /* owned */
  double viewers, slope;
} Life;

static void
life_clear (Life *self)
{
  g_rand_free (self->rand);
  tree_free (self->tree);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Life, life_clear)

static Life
life_new (guint seed)
{
  Life self = { .rand = g_rand_new_with_seed (seed), .tree = tree_new () };
  ScalingPolicy *policy = &self.tree->policy;

  policy->min_replicas = (guint)g_rand_int_range (self.rand, 0, 20);
  policy->max_replicas =
      policy->min_replicas + (guint)g_rand_int_range (self.rand, 0, 380);
  policy->scale_up_by = (guint)g_rand_int_range (self.rand, 1, 40);
  policy->scale_down_by = (guint)g_rand_int_range (self.rand, 1, 40);
  policy->max_step = (guint)g_rand_int_range (self.rand, 1, 30);
  policy->cooldown_up_us =
      g_rand_int_range (self.rand, 0, 120) * TREE_SECOND_US;
  policy->cooldown_down_us =
      g_rand_int_range (self.rand, 0, 120) * TREE_SECOND_US;
  policy->down_window_us =
      g_rand_int_range (self.rand, 0, 120) * TREE_SECOND_US;
  policy->settle_us = g_rand_int_range (self.rand, 0, 120) * TREE_SECOND_US;
  tree_grow (self.tree, (guint)g_rand_int_range (self.rand, 1, 60));
  self.viewers = g_rand_double_range (self.rand, 0, 10000);
  return self;
}

/* A second of it: load that trends, nodes that stutter, restart and heat. */
static void
life_go_on (Life *self)
{
  Tree *tree = self->tree;

  if (g_rand_int_range (self->rand, 0, 40) == 0)
    self->slope = g_rand_double_range (self->rand, -300, 300);
  self->viewers = CLAMP (self->viewers + self->slope, 0, 20000);
  tree_set_viewers (tree, (guint)self->viewers);
  for (guint i = 0; i < tree->snapshot.n_nodes; i++)
    {
      ScalingNode *node = &tree->nodes[i];

      node->is_fresh = g_rand_int_range (self->rand, 0, 50) != 0;
      node->cpu_ratio = g_rand_double_range (self->rand, 0.05, 0.9);
      node->n_refused += (guint64)g_rand_int_range (self->rand, 0, 3);
      node->n_joins += (guint64)g_rand_int_range (self->rand, 0, 30);
      node->n_send_drops += (guint64)g_rand_int_range (self->rand, 0, 3);
      if (g_rand_int_range (self->rand, 0, 500) == 0)
        {
          node->boot_id[0] = 'a' + (char)g_rand_int_range (self->rand, 0, 26);
          node->n_joins = node->n_refused = node->n_send_drops = 0;
        }
    }
  tree->snapshot.n_warm = (guint)g_rand_int_range (self->rand, 0, 3);
  if (g_rand_int_range (self->rand, 0, 200) == 0)
    tree->snapshot.disturbed_us = tree->snapshot.now_us;
  tree->snapshot.now_us += TREE_SECOND_US;
}

static void
check_step (const Tree *tree, guint n_min, guint n_max)
{
  const ScalingDecision *decision = &tree->decision;
  guint n = tree->snapshot.n_desired, wanted = decision->n_wanted;

  g_assert_cmpint (decision->action, ==,
                   wanted > n   ? SCALING_OUT
                   : wanted < n ? SCALING_IN
                                : SCALING_HOLD);
  g_assert_cmpuint (wanted, <=, n + tree->policy.max_step);
  if (wanted > n)
    g_assert_cmpuint (wanted, <=, n_max);
  if (wanted < n)
    {
      g_assert_cmpuint (wanted, >=, n_min);
      g_assert_cmpuint (n - wanted, <=, MAX (1, n / 10));
      g_assert_cmpuint (n - wanted, <=, (tree->policy.scale_down_by + 3) / 4);
    }
  if (n < n_min)
    g_assert_cmpuint (wanted, >, n);
  g_assert_cmpfloat (decision->confidence, >=, 0);
  g_assert_cmpfloat (decision->confidence, <=, 1);
  g_assert_cmpuint (decision->score_up, <=, SCALING_SCORE_UP_MAX);
  g_assert_cmpuint (decision->score_down, <=, SCALING_SCORE_DOWN_MAX);
  g_assert_cmpuint (strlen (decision->reason), >, 0);
}

/* Minimum, maximum, steps, pauses; twice the same; steps are carried out by
 * chance, as slow provisioners do. */
static void
test_limits (void)
{
  guint n_out = 0, n_in = 0;

  for (guint seed = 0; seed < N_LIVES; seed++)
    {
      g_auto (Life) life = life_new (seed);
      Tree *tree = life.tree;
      gint64 out_us = -1, in_us = -1;

      for (guint s = 0; s < N_SECONDS; s++)
        {
          ScalingDecision first;
          guint n_min, n_max;

          life_go_on (&life);
          tree_decide (tree);
          first = tree->decision;
          tree_decide (tree);
          g_assert_cmpmem (&first, sizeof first, &tree->decision,
                           sizeof tree->decision);
          scaling_decide_bounds (&tree->policy, &tree->snapshot, &n_min,
                                 &n_max);
          check_step (tree, n_min, n_max);
          if (tree->decision.action == SCALING_HOLD
              || g_rand_boolean (life.rand))
            continue;
          if (tree->decision.action == SCALING_OUT)
            n_out++, out_us = tree->snapshot.now_us;
          else
            {
              gint64 now_us = tree->snapshot.now_us;

              n_in++;
              g_assert_true (tree->snapshot.disturbed_us == G_MININT64
                             || now_us - tree->snapshot.disturbed_us
                                    >= tree->policy.settle_us);
              if (in_us >= 0)
                g_assert_cmpint (now_us - in_us, >=, 30 * TREE_SECOND_US);
              if (out_us >= 0 && tree->snapshot.n_desired <= n_max)
                g_assert_cmpint (now_us - out_us, >=,
                                 tree->policy.cooldown_down_us);
              in_us = now_us;
            }
          tree_grow (tree, MIN (tree->decision.n_wanted, 100));
        }
    }
  g_test_message ("%u out, %u in", n_out, n_in);
  g_assert_cmpuint (n_out, >, N_LIVES);
  g_assert_cmpuint (n_in, >, 10);
}

/* More load never makes less. */
static void
test_monotone (void)
{
  g_autofree ScalingHistory *other = g_new (ScalingHistory, 1);
  guint n_more = 0;

  for (guint seed = 0; seed < N_LIVES; seed++)
    {
      g_auto (Life) life = life_new (1000 + seed);
      Tree *tree = life.tree;

      for (guint s = 0; s < N_SECONDS / 4; s++)
        {
          ScalingDecision less;
          guint i;

          life_go_on (&life);
          *other = *tree->history;
          tree_decide (tree);
          less = tree->decision;
          if (tree->snapshot.n_nodes == 0)
            continue;
          i = (guint)g_rand_int_range (life.rand, 0,
                                       (gint32)tree->snapshot.n_nodes);
          tree->nodes[i].n_viewers +=
              (guint)g_rand_int_range (life.rand, 0, 3000);
          tree->nodes[i].n_refused +=
              (guint64)g_rand_int_range (life.rand, 0, 100);
          scaling_decide (&tree->policy, &tree->snapshot, other,
                          &tree->decision);
          g_assert_cmpuint (tree->decision.n_wanted, >=, less.n_wanted);
          g_assert_cmpfloat (tree->decision.need, >=, less.need - 1e-6);
          n_more += tree->decision.n_wanted > less.n_wanted ? 1 : 0;
        }
    }
  g_assert_cmpuint (n_more, >, N_LIVES);
}

/* Whoever falls silent, or is not even listed any more: never less is wanted
 * than if it had said the same as before. */
static void
test_silence (void)
{
  g_autofree ScalingHistory *other = g_new (ScalingHistory, 1);

  for (guint seed = 0; seed < N_LIVES; seed++)
    {
      g_auto (Life) life = life_new (2000 + seed);
      Tree *tree = life.tree;

      for (guint s = 0; s < N_SECONDS / 4; s++)
        {
          ScalingDecision all;

          life_go_on (&life);
          for (guint i = 0; i < tree->snapshot.n_nodes; i++)
            {
              tree->nodes[i].is_fresh = TRUE;
              tree->nodes[i].cpu_ratio = 0.5; /* a silent one is not hot */
            }
          tree_decide (tree);
          if (tree->snapshot.n_nodes == 0)
            continue;
          tree->snapshot.now_us += TREE_SECOND_US;
          *other = *tree->history;
          tree_decide (tree);
          all = tree->decision;
          for (guint i = 0; i < tree->snapshot.n_nodes; i++)
            tree->nodes[i].is_fresh = g_rand_boolean (life.rand);
          if (g_rand_boolean (life.rand))
            tree->snapshot.n_nodes -= MIN (3, tree->snapshot.n_nodes);
          scaling_decide (&tree->policy, &tree->snapshot, other,
                          &tree->decision);
          g_assert_cmpuint (tree->decision.n_wanted, >=, all.n_wanted);
          g_assert_cmpfloat (tree->decision.need, >=, all.need - 1e-6);
          tree_grow (tree, tree->snapshot.n_desired);
        }
    }
}

static gint64
get_cpu_us (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * TREE_SECOND_US + now.tv_nsec / 1000;
}

/* 300 nodes: 50 us of a processor are promised. On shared machines, and with
 * sanitizers, only ten times that is a fault. */
static void
test_cost (void)
{
  g_autoptr (Tree) tree = tree_new ();
  gint64 started_us, spent_us;
  const guint n_times = 2000;

  tree->policy.max_replicas = 1000;
  tree_grow (tree, 75);
  g_assert_cmpuint (tree->snapshot.n_nodes, ==, 300);
  tree_set_viewers (tree, 20000);
  tree_run (tree, 700);
  started_us = get_cpu_us ();
  tree_run (tree, n_times);
  spent_us = get_cpu_us () - started_us;
  g_test_message ("%.1f us a decision", (double)spent_us / n_times);
  g_assert_cmpint (spent_us / n_times, <, 500);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/properties/limits", test_limits);
  g_test_add_func ("/scaling/properties/monotone", test_monotone);
  g_test_add_func ("/scaling/properties/silence", test_silence);
  g_test_add_func ("/scaling/properties/cost", test_cost);
  return g_test_run ();
}
