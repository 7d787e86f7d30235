/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSubtrees: what a new subtree must do to stay, and how long the next
 * one waits when it did not. */
#include "subtrees-fixture.h"

/* --- helpers ------------------------------------------------------------- */

static void
set_deaf (World *world, guint ordinal, gboolean is_deaf)
{
  for (guint i = 0; i < world->nodes->len; i++)
    {
      WorldNode *node = world->nodes->pdata[i];

      if (node->ordinal == ordinal)
        node->is_deaf = is_deaf;
    }
}

/* Each egress node of the subtree does so much in a second. */
static void
do_work (World *world, guint ordinal, const WorldNode *each)
{
  for (guint i = 0; i < world->nodes->len; i++)
    {
      WorldNode *node = world->nodes->pdata[i];

      if (node->ordinal != ordinal || node->index == 0)
        continue;
      node->n_drops += each->n_drops;
      node->n_failures += each->n_failures;
      node->n_joins += each->n_joins;
      node->n_refused += each->n_refused;
      node->n_viewers = each->n_viewers;
      node->n_waiting = each->n_waiting;
    }
}

/* (nullable): one that begins in this step */
static const ScalingOrder *
find_rollback (World *world)
{
  for (guint i = 0; i < world->orders->len; i++)
    {
      const ScalingOrder *order =
          &g_array_index (world->orders, ScalingOrder, i);

      if (order->fault > SCALING_FAULT_GONE
          && order->to == CLUSTER_SLOT_DRAINING)
        return order;
    }
  return NULL;
}

static guint
count_lives (World *world)
{
  guint n = 0;

  for (guint i = 0; i < world->slots->len; i++)
    n += g_array_index (world->slots, ClusterSlot, i).gen;
  return n;
}

/* --- what is bad -----------------------------------------------------------
 */

typedef struct
{
  const char *what;
  WorldNode mine, others; /* a second, each egress node */
  ScalingFault fault;
} Row;

static const Row rows[] = {
  { "idle", { .boot = 0 }, { .boot = 0 }, SCALING_FAULT_NONE },
  { "few drops", { .n_drops = 50 }, { .boot = 0 }, SCALING_FAULT_NONE },
  { "drops", { .n_drops = 150 }, { .boot = 0 }, SCALING_FAULT_DROPS },
  /* the others fare as badly: it is not the subtree */
  { "all drop", { .n_drops = 150 }, { .n_drops = 90 }, SCALING_FAULT_NONE },
  { "drops most", { .n_drops = 250 }, { .n_drops = 90 }, SCALING_FAULT_DROPS },
  { "some fail",
    { .n_failures = 1, .n_joins = 10 },
    { .boot = 0 },
    SCALING_FAULT_NONE },
  { "many fail",
    { .n_failures = 3, .n_joins = 10 },
    { .boot = 0 },
    SCALING_FAULT_FAILURES },
  { "all fail",
    { .n_failures = 3, .n_joins = 10 },
    { .n_failures = 2, .n_joins = 10 },
    SCALING_FAULT_NONE },
  /* refused by a node that has room, and by one that has not */
  { "refuses",
    { .n_refused = 5, .n_joins = 5, .n_viewers = 1 },
    { .n_joins = 5 },
    SCALING_FAULT_FAILURES },
  { "is full",
    { .n_refused = 5, .n_joins = 5, .n_viewers = 900 },
    { .n_joins = 5 },
    SCALING_FAULT_NONE },
};

static void
test_rows (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (World) world = world_grown (1);
      ScalingFault fault = SCALING_FAULT_NONE;

      world->n_desired = 2;
      for (guint second = 0; second < 25; second++)
        {
          const ScalingOrder *order;

          world_run (world, 1);
          order = find_rollback (world);
          if (order != NULL)
            {
              fault = order->fault;
              g_assert_cmpuint (order->ordinal, ==, 1);
              g_assert_cmpstr (order->why, ==, scaling_fault_get_words (fault));
            }
          do_work (world, 0, &rows[i].others);
          do_work (world, 1, &rows[i].mine);
        }
      g_test_message ("%s: %s", rows[i].what, scaling_fault_get_name (fault));
      g_assert_cmpint (fault, ==, rows[i].fault);
      /* the warm one serves for it */
      g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 2);
    }
}

/* The thresholds are the policy's. */
static void
test_policy (void)
{
  g_autoptr (World) world = world_grown (1);
  WorldNode each = { .n_drops = 50 };

  world->policy.trial.drops_per_s = 10;
  world->policy.trial.judge_us = 5 * WORLD_SECOND_US;
  world->n_desired = 2;
  for (guint second = 0; second < 9; second++)
    {
      world_run (world, 1);
      do_work (world, 1, &each);
    }
  g_assert_cmpint (world_state (world, 1), !=, CLUSTER_SLOT_SERVING);
  /* nobody judges */
  world->policy.trial.span_us = 0;
  each.n_drops = 1000000;
  world->n_desired = 3;
  for (guint second = 0; second < 60; second++)
    {
      world_run (world, 1);
      do_work (world, 2, &each);
      do_work (world, 3, &each);
    }
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 3);
}

/* Its viewers wait for media, while others have it. */
static void
test_deaf (void)
{
  WorldNode fed = { .n_viewers = 5 };
  WorldNode waiting = { .n_viewers = 5, .n_waiting = 5 };

  for (guint others_hear = 0; others_hear < 2; others_hear++)
    {
      g_autoptr (World) world = world_grown (1);

      world->n_desired = 2;
      world_run (world, 2);
      set_deaf (world, 0, !others_hear);
      set_deaf (world, 1, TRUE);
      do_work (world, 0, &fed);
      do_work (world, 1, &waiting);
      world_run (world, 9);
      g_assert_cmpint (world_state (world, 1), ==, CLUSTER_SLOT_SERVING);
      world_run (world, 3);
      g_assert_cmpint (world_state (world, 1) == CLUSTER_SLOT_DRAINING, ==,
                       others_hear);
    }
}

/* --- it comes up, and receives nothing ---------------------------------------
 */

static void
test_no_media (void)
{
  g_autoptr (World) world = world_grown (1);
  const ScalingSubtreesSummary *summary =
      scaling_subtrees_get_summary (world->subtrees);
  guint n_faults = 0;

  world->policy.n_warm = 0;
  world->policy.trial.start_us = 20 * WORLD_SECOND_US;
  world_run (world, 10); /* the warm one goes */
  world->n_desired = 2;
  for (guint second = 0; second < 60; second++)
    {
      const ScalingOrder *order;

      set_deaf (world, 1, TRUE);
      world_run (world, 1);
      order = find_rollback (world);
      if (order == NULL)
        continue;
      n_faults++;
      g_assert_cmpint (order->fault, ==, SCALING_FAULT_NO_MEDIA);
      g_assert_cmpint (order->from, ==, CLUSTER_SLOT_STARTING);
      g_assert_cmpuint (summary->n_rollbacks, ==, 0); /* not answered yet */
    }
  g_assert_cmpuint (n_faults, ==, 1);
  g_assert_cmpuint (summary->n_rollbacks, ==, 1);
  g_assert_cmpint (world_state (world, 0), ==, CLUSTER_SLOT_SERVING);
  g_assert_cmpint (world_get (world, 0, 1, "e0")->state, ==,
                   SCALING_INSTANCE_RUNNING);
  /* its nodes are gone; with no fault of theirs the next one stays */
  g_assert_null (world_get (world, 1, 1, "e0"));
  world_run (world, 90);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 2);
  g_assert_cmpuint (summary->n_rollbacks, ==, 0);
}

/* A warm slot that hears nothing for as long as a start may take is none. */
static void
test_warm (void)
{
  g_autoptr (World) world = world_grown (1);

  set_deaf (world, 1, TRUE);
  world_run (world, 115);
  g_assert_cmpint (world_state (world, 1), ==, CLUSTER_SLOT_JOINED);
  world_run (world, 10);
  g_assert_cmpint (world_state (world, 1), ==, CLUSTER_SLOT_DRAINING);
  world_run (world, 120);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_JOINED), ==, 1);
}

/* --- the next of the kind ----------------------------------------------------
 */

/* grow_bad: @n at once, all rolled back in the same second */
static World *
grow_bad (guint n)
{
  World *world = world_grown (1);

  world->policy.n_warm = 0;
  world->policy.trial.start_us = 10 * WORLD_SECOND_US;
  world_run (world, 10);
  world->n_desired = 1 + n;
  for (guint second = 0; second < 13; second++)
    {
      for (guint ordinal = 1; ordinal <= n; ordinal++)
        set_deaf (world, ordinal, TRUE);
      world_run (world, 1);
    }
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_DRAINING), ==, n);
  return world;
}

static void
test_kind (void)
{
  g_autoptr (World) world = grow_bad (4);
  const ScalingSubtreesSummary *summary =
      scaling_subtrees_get_summary (world->subtrees);
  guint n_lives;

  world_run (world, 10);
  n_lives = count_lives (world);
  /* together they count once */
  g_assert_cmpuint (summary->n_rollbacks, ==, 1);
  g_assert_cmpint (summary->rollback_wait_us, >, 15 * WORLD_SECOND_US);
  world_run (world, 15);
  g_assert_cmpuint (count_lives (world), ==, n_lives);
  /* then one alone, the others when it has media */
  world->boot_us = 7 * WORLD_SECOND_US;
  world_run (world, 8);
  g_assert_cmpuint (count_lives (world), ==, n_lives + 1);
  world_run (world, 7);
  g_assert_cmpuint (summary->n_rollbacks, ==, 0);
  g_assert_cmpuint (count_lives (world), ==, n_lives + 4);
  world_run (world, 12);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 5);
}

/* Where joins failed those that do not fail are proof, before the trial ends.
 */
static void
test_joins (void)
{
  for (guint n_joins = 0; n_joins <= 1; n_joins++)
    {
      g_autoptr (World) world = world_grown (1);
      const WorldNode bad = { .n_failures = 3, .n_joins = 10 };
      const WorldNode good = { .n_joins = n_joins };
      guint n_seconds = 0;

      world->policy.n_warm = 0;
      world->policy.trial.backoff_us = 20 * WORLD_SECOND_US;
      world->n_desired = 2;
      while (find_rollback (world) == NULL)
        {
          world_run (world, 1);
          do_work (world, 1, &bad);
        }
      while (world_count (world, CLUSTER_SLOT_SERVING) > 1)
        world_run (world, 1);
      while (world_count (world, CLUSTER_SLOT_SERVING) < 2)
        world_run (world, 1);
      while (scaling_subtrees_get_mark (world->subtrees)->n_in_row > 0)
        {
          world_run (world, 1);
          do_work (world, 1, &good);
          g_assert_cmpuint (++n_seconds, <, 200);
        }
      g_test_message ("%u joins a second: %u s", n_joins, n_seconds);
      /* judgeAfter, or the whole trial */
      g_assert_cmpuint (n_seconds, >=, n_joins > 0 ? 10 : 120);
      g_assert_cmpuint (n_seconds, <=, n_joins > 0 ? 14 : 124);
    }
}

/* Each in a row waits twice as long, up to the most. */
static void
test_row (void)
{
  g_autoptr (World) world = world_grown (1);
  g_autoptr (GString) waits = g_string_new (NULL);
  guint last = 0;

  world->policy.n_warm = 0;
  world->policy.trial.start_us = 10 * WORLD_SECOND_US;
  world->policy.trial.backoff_us = 100 * WORLD_SECOND_US;
  world->policy.trial.backoff_max_us = 350 * WORLD_SECOND_US;
  world_run (world, 10);
  world->n_desired = 2;
  for (guint second = 0; second < 1600; second++)
    {
      for (guint ordinal = 1; ordinal < 8; ordinal++)
        set_deaf (world, ordinal, TRUE);
      world_run (world, 1);
      if (find_rollback (world) == NULL)
        continue;
      if (last > 0)
        g_string_append_printf (waits, "%u ", second - last);
      last = second;
    }
  /* and what it takes to find out */
  g_assert_cmpstr (waits->str, ==, "112 212 362 362 362 ");
  g_assert_cmpint (world_state (world, 0), ==, CLUSTER_SLOT_SERVING);
}

/* The next leader knows of it, when the store has told it. */
static void
test_next_leader (void)
{
  for (guint is_told = 0; is_told < 2; is_told++)
    {
      g_autoptr (World) world = grow_bad (2);
      ScalingMark mark = *scaling_subtrees_get_mark (world->subtrees);
      guint n_lives = count_lives (world);

      g_assert_cmpuint (mark.n_in_row, ==, 1);
      g_assert_cmpint (mark.fault, ==, SCALING_FAULT_NO_MEDIA);
      g_assert_cmpint (mark.wait_wall_ms - mark.last_wall_ms, ==, 30000);
      scaling_subtrees_free (world->subtrees);
      world->subtrees = scaling_subtrees_new ("main", NULL, NULL);
      if (is_told)
        scaling_subtrees_set_mark (world->subtrees, &mark);
      world->boot_us = 7 * WORLD_SECOND_US;
      world_run (world, 20);
      g_assert_cmpuint (count_lives (world) == n_lives, ==, is_told);
      world_run (world, 13);
      if (is_told)
        g_assert_cmpuint (count_lives (world), ==, n_lives + 1);
      world_run (world, 30);
      g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 3);
    }
}

/* What waits does not keep the warm from serving, nor who died from coming
 * back; and the policy may have no wait. */
static void
test_others (void)
{
  g_autoptr (World) world = grow_bad (1);

  world_kill (world_get (world, 0, 1, "e1"));
  world_run (world, 4);
  g_assert_cmpint (world_get (world, 0, 1, "e1")->state, ==,
                   SCALING_INSTANCE_RUNNING);
  g_clear_pointer (&world, world_free);
  world = world_grown (1);
  world->policy.trial.backoff_us = 0;
  world->policy.trial.start_us = 10 * WORLD_SECOND_US;
  world->n_desired = 3;
  for (guint second = 0; second < 13; second++)
    {
      set_deaf (world, 2, TRUE);
      world_run (world, 1);
    }
  g_assert_cmpint (world_state (world, 2), ==, CLUSTER_SLOT_DRAINING);
  world_run (world, 15);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/subtrees/trial/rows", test_rows);
  g_test_add_func ("/scaling/subtrees/trial/policy", test_policy);
  g_test_add_func ("/scaling/subtrees/trial/deaf", test_deaf);
  g_test_add_func ("/scaling/subtrees/trial/no-media", test_no_media);
  g_test_add_func ("/scaling/subtrees/trial/warm", test_warm);
  g_test_add_func ("/scaling/subtrees/trial/kind", test_kind);
  g_test_add_func ("/scaling/subtrees/trial/joins", test_joins);
  g_test_add_func ("/scaling/subtrees/trial/row", test_row);
  g_test_add_func ("/scaling/subtrees/trial/next-leader", test_next_leader);
  g_test_add_func ("/scaling/subtrees/trial/others", test_others);
  return g_test_run ();
}
