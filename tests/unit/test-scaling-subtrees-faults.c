/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSubtrees, a case at a time: what fails, what turns out bad, and what
 * is found. */
#include "subtrees-fixture.h"

/* --- faults ----------------------------------------------------------------
 */

static void
test_restart (void)
{
  g_autoptr (World) world = world_grown (1);

  world_kill (world_get (world, 0, 1, "e1"));
  world_run (world, 5);
  g_assert_cmpint (world_state (world, 0), ==, CLUSTER_SLOT_SERVING);
  g_assert_cmpint (world_get (world, 0, 1, "e1")->state, ==,
                   SCALING_INSTANCE_RUNNING);
  g_assert_cmpuint (world_get (world, 0, 1, "e1")->boot, ==, 2);
}

static void
test_backoff (void)
{
  g_autoptr (World) world = world_grown (1);
  guint n_last = 0;
  GString *waits = g_string_new (NULL);

  world->fails = TRUE;
  world_kill (world_get (world, 0, 1, "e1"));
  world_kill (world_get (world, 0, 1, "e2"));
  world->n_orders[SCALING_ORDER_ENSURE] = 0;
  for (guint second = 0, last = 0; second < 200; second++)
    {
      world_run (world, 1);
      if (world->n_orders[SCALING_ORDER_ENSURE] == n_last)
        continue;
      /* both together, which counts once */
      g_assert_cmpuint (world->n_orders[SCALING_ORDER_ENSURE] - n_last, ==, 2);
      n_last = world->n_orders[SCALING_ORDER_ENSURE];
      g_string_append_printf (waits, "%u ", second - last);
      last = second;
    }
  g_assert_cmpstr (waits->str, ==, "0 1 2 4 8 16 32 60 60 ");
  g_string_free (waits, TRUE);
  g_assert_cmpint (
      scaling_subtrees_get_summary (world->subtrees)->longest_wait_us, >, 0);
  world->fails = FALSE;
  world_run (world, 60);
  g_assert_cmpuint (world_count_running (world), ==, 5 + 3);
  /* all that is forgotten when nothing failed for long */
  world_run (world, 120);
  world->fails = TRUE;
  world_kill (world_get (world, 0, 1, "e1"));
  world_run (world, 1);
  g_assert_cmpint (
      scaling_subtrees_get_summary (world->subtrees)->longest_wait_us, ==, 0);
  world->fails = FALSE;
  world_run (world, 1);
  g_assert_cmpint (world_get (world, 0, 1, "e1")->state, ==,
                   SCALING_INSTANCE_RUNNING);
}

/* Half of a wait is by chance; what the provisioner says is waited for. */
static void
test_waits (void)
{
  static const struct
  {
    double jitter;
    gint64 retry_us;
    guint seconds;
  } rows[] = { { 0, -1, 1 }, { 1, -1, 1 }, { 0, 9 * G_USEC_PER_SEC, 9 } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (World) world = world_grown (1);
      guint n = 0;

      world_kill (world_get (world, 0, 1, "e1"));
      world_ask (world);
      g_assert_cmpuint (world->orders->len, ==, 1);
      scaling_subtrees_answer (
          world->subtrees, &g_array_index (world->orders, ScalingOrder, 0),
          FALSE, rows[i].retry_us, rows[i].jitter, world->now_us);
      do
        {
          g_assert_cmpuint (world_ask (world)->len, ==, 0);
          world_pass (world);
          n++;
        }
      while (world_ask (world)->len == 0);
      g_assert_cmpuint (n, ==, rows[i].seconds);
    }
}

static void
test_never_up (void)
{
  g_autoptr (World) world = world_new ();

  world->boot_us = 100000 * WORLD_SECOND_US;
  world->policy.n_warm = 0;
  world->n_desired = 1;
  world_run (world, 122);
  g_assert_cmpint (world_state (world, 0), ==, CLUSTER_SLOT_STARTING);
  world_run (world, 3);
  g_assert_cmpint (world_state (world, 0), ==, CLUSTER_SLOT_DRAINING);
  /* one that never beat and never had viewers goes soon; a new life of it, or
   * its neighbour, is tried */
  world_run (world, 35);
  g_assert_cmpint (world_state (world, 0), ==, CLUSTER_SLOT_GONE);
  world->boot_us = WORLD_SECOND_US;
  world_run (world, 200);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 1);
  g_assert_cmpuint (world_count_running (world), ==, 5);
}

/* A host is away: after a minute its subtree begins another life; when it comes
 * back what has viewers keeps them. */
static void
test_host_away (void)
{
  g_autoptr (World) world = world_grown (2);

  world_get (world, 0, 1, "e0")->n_viewers = 5;
  world->is_list_part = TRUE;
  world_silence (world, 0, TRUE);
  world_run (world, 55);
  g_assert_cmpint (world_state (world, 0), ==, CLUSTER_SLOT_SERVING);
  world_run (world, 20);
  g_assert_cmpint (world_state (world, 0), ==, CLUSTER_SLOT_DRAINING);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 2);
  world->is_list_part = FALSE;
  world_silence (world, 0, FALSE);
  world_run (world, 10);
  g_assert_cmpuint (world->n_cut, ==, 0);
}

/* Alive to the provisioner, silent in the store: it may have viewers. */
static void
test_silent (void)
{
  g_autoptr (World) world = world_grown (2);

  world_get (world, 0, 1, "e0")->n_viewers = 5;
  world_silence (world, 0, TRUE);
  world_run (world, 300);
  g_assert_cmpint (world_state (world, 0), ==, CLUSTER_SLOT_SERVING);
  g_assert_cmpuint (world->n_cut, ==, 0);
  g_assert_nonnull (world_get (world, 0, 1, "e0"));
}

static void
test_no_provisioner (void)
{
  g_autoptr (World) world = world_grown (2);

  world->no_list = TRUE;
  world->n_orders[SCALING_ORDER_ENSURE] = 0;
  world_kill (world_get (world, 0, 1, "e0"));
  world->n_desired = 4;
  world_run (world, 100);
  g_assert_cmpuint (world->n_orders[SCALING_ORDER_ENSURE], ==, 0);
  /* nobody knows whether those who are silent are gone */
  world_silence (world, 0, TRUE);
  world_run (world, 100);
  world_silence (world, 0, FALSE);
  /* what is warm still serves, what is too much still drains */
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 3);
  world->n_desired = 2;
  world_run (world, 10);
  g_assert_cmpint (world_state (world, 2), ==, CLUSTER_SLOT_DRAINING);
  g_assert_true (world_get (world, 2, 1, "e0") == NULL
                 || world_get (world, 2, 1, "e0")->state
                        == SCALING_INSTANCE_ENDED);
}

/* Whatever is started turns out bad: it is tried ever less often. */
static void
test_always_bad (void)
{
  g_autoptr (World) world = world_grown (1);
  guint n_lives = 0;

  world->boot_us = 0;
  world->policy.n_warm = 0;
  world->n_desired = 3;
  for (guint second = 0; second < 1200; second++)
    {
      world_run (world, 1);
      for (guint i = 0; i < world->nodes->len; i++)
        {
          WorldNode *node = world->nodes->pdata[i];

          node->n_drops += node->ordinal > 0 ? 10000 : 0;
        }
    }
  g_assert_cmpint (world_state (world, 0), ==, CLUSTER_SLOT_SERVING);
  for (guint i = 1; i < world->slots->len; i++)
    n_lives += g_array_index (world->slots, ClusterSlot, i).gen;
  g_test_message ("%u lives", n_lives);
  g_assert_cmpuint (n_lives, >, 5);
  g_assert_cmpuint (n_lives, <, 20);
}

/* What is all there is stays, however bad; later nobody judges. */
static void
test_bad_alone (void)
{
  g_autoptr (World) world = world_new ();
  WorldNode *node;

  world->policy.n_warm = 0;
  world->n_desired = 1;
  world_run (world, 10);
  node = world_get (world, 0, 1, "e0");
  for (guint second = 0; second < 100; second++)
    {
      world_run (world, 1);
      node->n_drops += 100000;
    }
  g_assert_cmpint (world_state (world, 0), ==, CLUSTER_SLOT_SERVING);
}

static void
test_crash_loop (void)
{
  g_autoptr (World) world = world_grown (1);

  world->boot_us = 0;
  world->n_desired = 2;
  world_run (world, 2);
  for (guint i = 0; i < 4; i++)
    {
      world_kill (world_get (world, 1, 1, "e0"));
      world_run (world, 3);
    }
  g_assert_cmpint (world_state (world, 1), !=, CLUSTER_SLOT_SERVING);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 2);
}

/* --- what is found -----------------------------------------------------------
 */

static void
test_orphans (void)
{
  g_autoptr (World) world = world_grown (1);
  ScalingOrder order = { .kind = SCALING_ORDER_ENSURE, .ordinal = 7, .gen = 3 };
  WorldNode *busy;

  for (guint i = 0; i < 3; i++)
    {
      g_snprintf (order.name, sizeof order.name, "mt-main-s7-g3-e%u", i);
      world_ensure (world, &order);
    }
  busy = world_get (world, 7, 3, "e0");
  busy->n_viewers = 3;
  world_get (world, 7, 3, "e2")->up_us = G_MAXINT64; /* never beats */
  world_run (world, 60);
  g_assert_cmpuint (scaling_subtrees_get_summary (world->subtrees)->n_orphans,
                    ==, 3);
  g_assert_cmpuint (world->n_orders[SCALING_ORDER_REMOVE], ==, 0);
  g_assert_cmpuint (world->n_orders[SCALING_ORDER_DRAIN], ==, 0);
  world_run (world, 20);
  /* who has viewers keeps them, one that beats drains, others are removed */
  g_assert_true (world_find (world, busy->name) == busy);
  g_assert_false (busy->is_draining);
  g_assert_null (world_get (world, 7, 3, "e1"));
  g_assert_null (world_get (world, 7, 3, "e2"));
  busy->n_viewers = 0;
  world_run (world, 10);
  g_assert_cmpuint (scaling_subtrees_get_summary (world->subtrees)->n_orphans,
                    ==, 0);
  g_assert_cmpuint (world->n_cut, ==, 0);
  g_assert_cmpuint (world_count_running (world), ==, 5 + 3);
}

/* A leader dies after each order of its, or just before the store has it: what
 * is made and in no slot, and what has a slot and is not made, both heal. */
static void
test_leader_dies (void)
{
  guint n_ways = 0;

  for (guint n_until = 0; n_until < 40; n_until++)
    {
      g_autoptr (World) world = world_new ();
      g_autoptr (GArray) lost = NULL;
      guint n = 0;

      world->n_desired = n_until < 20 ? 2 : 1;
      if (n_until >= 20) /* while it gives back */
        {
          world->n_desired = 2;
          world_run (world, 20);
          world->n_desired = 1;
        }
      while (n < n_until % 20)
        {
          world_pass (world);
          world_ask (world);
          for (guint i = 0; i < world->orders->len && n < n_until % 20; i++)
            {
              g_array_unref (lost != NULL ? lost : g_array_new (0, 0, 1));
              lost = g_array_copy (world->slots);
              world_do (world, &g_array_index (world->orders, ScalingOrder, i));
              n++;
            }
          n = MAX (n, world->orders->len > 0 ? n : n_until % 20);
        }
      /* and its last write with it, at every other */
      if (lost != NULL && n_until % 2 == 1)
        {
          g_array_set_size (world->slots, 0);
          g_array_append_vals (world->slots, lost->data, lost->len);
        }
      scaling_subtrees_forget (world->subtrees);
      world_run (world, 200);
      n_ways++;
      g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==,
                        world->n_desired);
      g_assert_cmpuint (world_count (world, CLUSTER_SLOT_JOINED), ==, 1);
      g_assert_cmpuint (world_count_running (world), ==,
                        world->n_desired * 5 + 3);
      g_assert_cmpuint (world->nodes->len, ==, world->n_desired * 5 + 3);
      g_assert_cmpuint (world->n_cut, ==, 0);
    }
  g_assert_cmpuint (n_ways, ==, 40);
}

/* Instances that were made and whose slot nobody wrote down: they are taken
 * away, or kept, by whether they ever were open. */
static void
test_no_slot (void)
{
  g_autoptr (World) world = world_grown (2);
  WorldNode *warm = world_get (world, 2, 1, "e0");

  world_get (world, 0, 1, "e0")->n_viewers = 5;
  world_get (world, 1, 1, "e0")->n_viewers = 5;
  /* the warm one is the lowest now, and is no subtree that served all the same
   */
  for (guint i = 0; i < world->nodes->len; i++)
    ((WorldNode *)world->nodes->pdata[i])->is_open =
        ((WorldNode *)world->nodes->pdata[i])->ordinal > 0;
  g_array_set_size (world->slots, 0);
  scaling_subtrees_forget (world->subtrees);
  world_run (world, 1);
  g_assert_cmpint (world_state (world, 0), ==, CLUSTER_SLOT_NONE);
  g_assert_cmpint (world_state (world, 1), ==, CLUSTER_SLOT_SERVING);
  g_assert_cmpint (world_state (world, 2), ==, CLUSTER_SLOT_SERVING);
  g_assert_true (world_get (world, 2, 1, "e0") == warm);
  world_get (world, 0, 1, "e0")->n_viewers = 0;
  world_run (world, 150);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 2);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_JOINED), ==, 1);
  g_assert_cmpuint (world_count_running (world), ==, 2 * 5 + 3);
  g_assert_cmpuint (world->n_cut, ==, 0);
}

/* one that has ended is nobody's, and goes sooner */
static void
test_ended_orphan (void)
{
  g_autoptr (World) world = world_grown (1);
  ScalingOrder order = { .kind = SCALING_ORDER_ENSURE,
                         .ordinal = 7,
                         .gen = 3,
                         .name = "mt-main-s7-g3-e0" };

  world_ensure (world, &order);
  world_kill (world_get (world, 7, 3, "e0"));
  world_run (world, 10);
  g_assert_nonnull (world_get (world, 7, 3, "e0"));
  world_run (world, 3);
  g_assert_null (world_get (world, 7, 3, "e0"));
}

/* The store forgot its slots: those that serve are found again, and nobody is
 * started beside them. */
static void
test_store_lost (void)
{
  g_autoptr (World) world = world_grown (3);

  for (guint i = 0; i < world->nodes->len; i++)
    if (((WorldNode *)world->nodes->pdata[i])->index > 0)
      ((WorldNode *)world->nodes->pdata[i])->n_viewers = 10;
  g_array_set_size (world->slots, 0);
  scaling_subtrees_forget (world->subtrees);
  world_run (world, 1);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 3);
  g_assert_cmpuint (world_slot (world, 0)->gen, ==, 1);
  world_run (world, 200);
  g_assert_cmpuint (world->n_cut, ==, 0);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/subtrees/restart", test_restart);
  g_test_add_func ("/scaling/subtrees/backoff", test_backoff);
  g_test_add_func ("/scaling/subtrees/waits", test_waits);
  g_test_add_func ("/scaling/subtrees/never-up", test_never_up);
  g_test_add_func ("/scaling/subtrees/host-away", test_host_away);
  g_test_add_func ("/scaling/subtrees/silent", test_silent);
  g_test_add_func ("/scaling/subtrees/no-provisioner", test_no_provisioner);
  g_test_add_func ("/scaling/subtrees/always-bad", test_always_bad);
  g_test_add_func ("/scaling/subtrees/bad-alone", test_bad_alone);
  g_test_add_func ("/scaling/subtrees/crash-loop", test_crash_loop);
  g_test_add_func ("/scaling/subtrees/orphans", test_orphans);
  g_test_add_func ("/scaling/subtrees/leader-dies", test_leader_dies);
  g_test_add_func ("/scaling/subtrees/no-slot", test_no_slot);
  g_test_add_func ("/scaling/subtrees/ended-orphan", test_ended_orphan);
  g_test_add_func ("/scaling/subtrees/store-lost", test_store_lost);
  return g_test_run ();
}
