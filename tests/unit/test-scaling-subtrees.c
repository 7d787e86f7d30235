/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSubtrees, a case at a time: growth, warm slots, giving
 * back. */
#include "subtrees-fixture.h"

/* --- helpers ------------------------------------------------------------- */

static guint
count_orders (World *world, ScalingOrderKind kind)
{
  guint n = 0;

  for (guint i = 0; i < world->orders->len; i++)
    n += g_array_index (world->orders, ScalingOrder, i).kind == kind;
  return n;
}

static const ScalingOrder *
find_move (World *world, guint ordinal)
{
  for (guint i = 0; i < world->orders->len; i++)
    {
      const ScalingOrder *order =
          &g_array_index (world->orders, ScalingOrder, i);

      if (order->kind == SCALING_ORDER_SLOT && order->ordinal == ordinal)
        return order;
    }
  return NULL;
}

/* --- growth -------------------------------------------------------------- */

static void
test_first (void)
{
  g_autoptr (World) world = world_new ();
  const ScalingSubtreesSummary *summary;

  world->n_desired = 1;
  /* a step a state: planned, starting, and then its nodes */
  world_ask (world);
  g_assert_cmpuint (world->orders->len, ==, 2); /* one warm */
  g_assert_cmpint (find_move (world, 0)->to, ==, CLUSTER_SLOT_PLANNED);
  g_assert_cmpuint (find_move (world, 0)->gen, ==, 1);
  world_obey (world);
  world_run (world, 1);
  g_assert_cmpint (world_state (world, 0), ==, CLUSTER_SLOT_STARTING);
  g_assert_cmpuint (world_count_running (world), ==, 0);
  world_run (world, 1);
  /* all of the first, the core of the warm one */
  g_assert_cmpuint (world_count_running (world), ==, 5 + 3);
  world_run (world, 4);
  g_assert_cmpint (world_state (world, 0), ==, CLUSTER_SLOT_SERVING);
  g_assert_cmpint (world_state (world, 1), ==, CLUSTER_SLOT_JOINED);
  world_ask (world);
  g_assert_cmpuint (world->orders->len, ==, 0);
  summary = scaling_subtrees_get_summary (world->subtrees);
  g_assert_cmpuint (summary->n_serving, ==, 1);
  g_assert_cmpuint (summary->n_warm, ==, 1);
  g_assert_cmpuint (summary->n_cold, ==, 2);
  g_assert_cmpuint (summary->n_starting + summary->n_draining, ==, 0);
  g_assert_cmpuint (summary->n_instances, ==, 8);
  g_assert_cmpuint (summary->n_pooled, ==, 3);
  g_assert_cmpuint (world->n_cold_served, ==, 1);
  g_assert_cmpint (world->last_served_us, >=, 3 * WORLD_SECOND_US);
  g_assert_nonnull (world_get (world, 0, 1, "r"));
  g_assert_nonnull (world_get (world, 0, 1, "e3"));
  g_assert_null (world_get (world, 1, 1, "e2"));
}

/* The same orders are not given again while they are under way. */
static void
test_once (void)
{
  g_autoptr (World) world = world_new ();

  world->n_desired = 2;
  g_assert_cmpuint (world_ask (world)->len, ==, 3);
  g_assert_cmpuint (world_ask (world)->len, ==, 0);
  /* but by the next leader, who knows nothing of it */
  scaling_subtrees_forget (world->subtrees);
  g_assert_cmpuint (world_ask (world)->len, ==, 3);
}

static void
test_promotion (void)
{
  g_autoptr (World) world = world_grown (2);

  world->n_desired = 3;
  world_pass (world);
  world_ask (world);
  g_assert_cmpint (find_move (world, 2)->from, ==, CLUSTER_SLOT_JOINED);
  g_assert_cmpint (find_move (world, 2)->to, ==, CLUSTER_SLOT_SERVING);
  /* the rest of it, and the next warm one, at the same time */
  g_assert_cmpuint (count_orders (world, SCALING_ORDER_ENSURE), ==, 2);
  g_assert_cmpint (find_move (world, 3)->to, ==, CLUSTER_SLOT_PLANNED);
  world_obey (world);
  world_run (world, 1);
  g_assert_cmpuint (world->n_warm_served, ==, 1);
  g_assert_cmpint (world->last_served_us, ==, WORLD_SECOND_US);
  world_run (world, 10);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_JOINED), ==, 1);
  g_assert_cmpuint (world_count_running (world), ==, 3 * 5 + 3);
}

/* A warm slot that hears no media is not promoted, another is started. */
static void
test_deaf (void)
{
  g_autoptr (World) world = world_grown (1);
  WorldNode *relay = world_get (world, 1, 1, "r");

  relay->is_deaf = TRUE;
  world->n_desired = 2;
  world_run (world, 30);
  g_assert_cmpint (world_state (world, 1), ==, CLUSTER_SLOT_JOINED);
  g_assert_cmpint (world_state (world, 2), ==, CLUSTER_SLOT_SERVING);
  /* nothing on air: nothing to hear */
  world->n_desired = 3;
  world->n_publishers = 0;
  world_run (world, 1);
  g_assert_cmpint (world_state (world, 1), ==, CLUSTER_SLOT_SERVING);
}

static void
test_hard_limit (void)
{
  g_autoptr (World) world = world_new ();

  /* the injection node, two elsewhere: room for 2 × 5 and a core of 3 less 1 */
  world->policy.n_max_nodes = 1 + 2 + 12;
  world->n_elsewhere = 2;
  world->n_desired = 2;
  world_run (world, 60);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 2);
  g_assert_cmpuint (world->n_max_nodes, ==, 10);
  g_assert_true (scaling_subtrees_get_summary (world->subtrees)->is_limited);
  g_assert_cmpuint (scaling_subtrees_get_summary (world->subtrees)->n_cold, ==,
                    0);
  world->policy.n_max_nodes++;
  world_run (world, 20);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_JOINED), ==, 1);
  g_assert_cmpuint (world_count_running (world), ==, 13);
}

/* More is wanted than one step may order. */
static void
test_bounds (void)
{
  g_autoptr (World) world = world_new ();

  world->n_desired = 150;
  g_assert_cmpuint (world_ask (world)->len, ==, SCALING_MAX_ORDERS);
  g_assert_cmpuint (world_ask (world)->len, ==,
                    SCALING_MAX_PENDING - SCALING_MAX_ORDERS);
  g_assert_cmpuint (world_ask (world)->len, ==, 0);
  scaling_subtrees_forget (world->subtrees);
  world_run (world, 60);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 150);
}

/* --- giving back -----------------------------------------------------------
 */

static void
test_give_back (void)
{
  g_autoptr (World) world = world_grown (3);

  world->n_desired = 1;
  world_run (world, 1);
  /* the highest that serves first, one a step; the warm one stays */
  g_assert_cmpint (world_state (world, 2), ==, CLUSTER_SLOT_DRAINING);
  g_assert_cmpint (world_state (world, 1), ==, CLUSTER_SLOT_SERVING);
  g_assert_cmpint (world_state (world, 3), ==, CLUSTER_SLOT_JOINED);
  world_run (world, 1);
  g_assert_cmpint (world_state (world, 1), ==, CLUSTER_SLOT_DRAINING);
  g_assert_true (world_get (world, 2, 1, "e0")->is_draining);
  g_assert_false (world_get (world, 2, 1, "r")->is_draining);
  world_run (world, 30);
  g_assert_cmpint (world_state (world, 2), ==, CLUSTER_SLOT_GONE);
  g_assert_cmpint (world_state (world, 1), ==, CLUSTER_SLOT_GONE);
  g_assert_cmpuint (world_count_running (world), ==, 5 + 3);
  g_assert_cmpuint (world->n_refused, ==, 0);
  /* and again: the warm one first, the lowest ordinal filled up, a new life */
  world->n_desired = 2;
  world_run (world, 1);
  g_assert_cmpint (world_state (world, 3), ==, CLUSTER_SLOT_SERVING);
  g_assert_cmpint (world_state (world, 1), ==, CLUSTER_SLOT_PLANNED);
  g_assert_cmpuint (world_slot (world, 1)->gen, ==, 2);
}

/* The relay feeds its egress nodes to the end. */
static void
test_relay_last (void)
{
  g_autoptr (World) world = world_grown (2);
  WorldNode *egress = world_get (world, 1, 1, "e2");

  world_get (world, 0, 1, "e0")->n_viewers = 20;
  egress->n_viewers = 10;
  world->n_desired = 1;
  world_run (world, 2);
  g_assert_true (egress->is_draining);
  egress->end_us = 0; /* its viewers stay */
  world_run (world, 120);
  g_assert_false (world_get (world, 1, 1, "r")->is_draining);
  g_assert_cmpint (egress->state, ==, SCALING_INSTANCE_RUNNING);
  egress->end_us = world->now_us + 1;
  world_run (world, 12);
  g_assert_cmpint (world_state (world, 1), ==, CLUSTER_SLOT_GONE);
  g_assert_null (world_get (world, 1, 1, "r"));
  g_assert_cmpuint (world->n_cut, ==, 0);
}

static void
test_deadline (void)
{
  g_autoptr (World) world = world_grown (2);
  WorldNode *egress = world_get (world, 1, 1, "e2");

  world->drain_ms = 60000;
  world_get (world, 0, 1, "e0")->n_viewers = 20;
  egress->n_viewers = 10;
  world->n_desired = 1;
  world_run (world, 2);
  egress->end_us = 0;
  world_run (world, 80);
  g_assert_cmpuint (world->n_cut, ==, 0);
  world_run (world, 40);
  g_assert_cmpuint (world->n_cut, ==, 10);
  g_assert_cmpint (world_state (world, 1), ==, CLUSTER_SLOT_GONE);
}

/* Two subtrees go at once, whose relays are the parents of one node: the second
 * waits until it has found another. */
static void
test_two_parents (void)
{
  g_autoptr (World) world = world_grown (2);
  WorldNode *first = world_get (world, 0, 1, "r");
  WorldNode *second = world_get (world, 1, 1, "r");

  g_strlcpy (world->edge[0], first->name, sizeof world->edge[0]);
  g_strlcpy (world->edge[1], second->name, sizeof world->edge[1]);
  world->policy.n_warm = 0;
  world_run (world, 15);
  world->n_desired = 0;
  world_run (world, 3);
  world->drain_us = 500 * WORLD_SECOND_US; /* of the relays */
  world_run (world, 60);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_DRAINING), ==, 2);
  g_assert_cmpuint (first->is_draining + second->is_draining, ==, 1);
  g_strlcpy (world->edge[first->is_draining ? 0 : 1], "injection",
             sizeof world->edge[0]);
  world_run (world, 1);
  g_assert_cmpuint (first->is_draining + second->is_draining, ==, 2);
}

/* The one with the fewest viewers goes. */
static void
test_fewest (void)
{
  static const guint n_viewers[] = { 30, 10, 20, 10 };
  g_autoptr (World) world = world_grown (G_N_ELEMENTS (n_viewers));

  for (guint i = 0; i < G_N_ELEMENTS (n_viewers); i++)
    {
      world_get (world, i, 1, "e0")->n_viewers = n_viewers[i] - 1;
      world_get (world, i, 1, "e3")->n_viewers = 1;
    }
  world->n_desired = 3;
  world_run (world, 1);
  /* of two that have as many the higher */
  g_assert_cmpint (world_state (world, 3), ==, CLUSTER_SLOT_DRAINING);
  world->n_desired = 2;
  world_run (world, 1);
  g_assert_cmpint (world_state (world, 1), ==, CLUSTER_SLOT_DRAINING);
  g_assert_cmpint (world_state (world, 4), ==, CLUSTER_SLOT_JOINED);
  /* who is not heard may have any number */
  world_get (world, 2, 1, "e3")->is_silent = TRUE;
  world_get (world, 0, 1, "e0")->n_viewers = 40;
  world_get (world, 2, 1, "e0")->n_viewers = 0;
  world->n_desired = 1;
  world_run (world, 1);
  g_assert_cmpint (world_state (world, 0), ==, CLUSTER_SLOT_DRAINING);
  g_assert_cmpint (world_state (world, 2), ==, CLUSTER_SLOT_SERVING);
}

/* It stays, whole, until the others have room for its viewers. */
static void
test_no_room (void)
{
  g_autoptr (World) world = world_grown (3);
  const ScalingSubtreesSummary *summary =
      scaling_subtrees_get_summary (world->subtrees);

  world->n_slots_each = 10;
  for (guint i = 0; i < world->nodes->len; i++)
    {
      WorldNode *node = world->nodes->pdata[i];

      if (node->index > 0 && node->ordinal < 3)
        node->n_viewers = node->ordinal == 2 ? 5 : 8;
    }
  /* 20 of the third, and 2 × 4 × 2 places */
  world->n_desired = 2;
  world_kill (world_get (world, 2, 1, "r"));
  world_run (world, 60);
  g_assert_cmpint (world_state (world, 2), ==, CLUSTER_SLOT_SERVING);
  g_assert_cmpint (world_get (world, 2, 1, "r")->state, ==,
                   SCALING_INSTANCE_RUNNING);
  g_assert_cmpuint (summary->n_stuck, ==, 20);
  world_get (world, 2, 1, "e0")->n_viewers = 2;
  world_run (world, 1);
  g_assert_cmpuint (summary->n_stuck, ==, 17);
  /* what drains already takes room, too: its viewers come as well */
  world_get (world, 2, 1, "e0")->n_viewers = 1;
  world_run (world, 1);
  g_assert_cmpint (world_state (world, 2), ==, CLUSTER_SLOT_DRAINING);
  world->n_slots_each = 11;
  world->n_desired = 1;
  world_run (world, 1);
  g_assert_cmpuint (summary->n_stuck, ==, 32);
  world_run (world, 60);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 2);
  /* nodes of no subtree have room */
  g_strlcpy (world->edge[0], "injection", sizeof world->edge[0]);
  g_strlcpy (world->edge[1], "injection", sizeof world->edge[1]);
  world->edge_slots = 100;
  world_run (world, 1);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, 1);
  g_assert_cmpuint (summary->n_stuck, ==, 0);
  g_assert_cmpuint (world->n_cut, ==, 0);
}

/* One that served and is silent may still have viewers; one that never did has
 * none. */
static void
test_silent_end (void)
{
  g_autoptr (World) world = world_grown (2);
  WorldNode *egress = world_get (world, 1, 1, "e0");
  WorldNode *warm = world_get (world, 2, 1, "e0");

  egress->n_viewers = 10;
  warm->is_silent = TRUE;
  world_get (world, 0, 1, "e0")->n_viewers = 20;
  world->policy.n_warm = 0;
  world->n_desired = 1;
  world_run (world, 1);
  egress->is_silent = TRUE;
  world_run (world, 28);
  g_assert_true (world_get (world, 2, 1, "e0") == warm);
  world_run (world, 100);
  g_assert_null (world_get (world, 2, 1, "e0"));
  g_assert_cmpint (world_state (world, 2), ==, CLUSTER_SLOT_GONE);
  g_assert_true (world_get (world, 1, 1, "e0") == egress);
  g_assert_cmpint (world_state (world, 1), ==, CLUSTER_SLOT_DRAINING);
  world_run (world, 510);
  g_assert_cmpint (world_state (world, 1), ==, CLUSTER_SLOT_GONE);
}

static void
test_states (void)
{
  guint n = 0;

  for (guint from = 0; from < CLUSTER_SLOT_N; from++)
    {
      ClusterSlotState state = (ClusterSlotState)from;

      g_assert_cmpint (
          cluster_slot_state_parse (cluster_slot_state_get_name (state)), ==,
          from);
      for (guint to = 0; to < CLUSTER_SLOT_N; to++)
        n += cluster_slot_may_go (state, (ClusterSlotState)to);
    }
  g_assert_cmpuint (n, ==, 12);
  g_assert_cmpint (cluster_slot_state_parse ("open"), ==, CLUSTER_SLOT_N);
  g_assert_cmpint (cluster_slot_state_parse (NULL), ==, CLUSTER_SLOT_N);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/subtrees/first", test_first);
  g_test_add_func ("/scaling/subtrees/once", test_once);
  g_test_add_func ("/scaling/subtrees/promotion", test_promotion);
  g_test_add_func ("/scaling/subtrees/deaf", test_deaf);
  g_test_add_func ("/scaling/subtrees/hard-limit", test_hard_limit);
  g_test_add_func ("/scaling/subtrees/bounds", test_bounds);
  g_test_add_func ("/scaling/subtrees/give-back", test_give_back);
  g_test_add_func ("/scaling/subtrees/relay-last", test_relay_last);
  g_test_add_func ("/scaling/subtrees/deadline", test_deadline);
  g_test_add_func ("/scaling/subtrees/two-parents", test_two_parents);
  g_test_add_func ("/scaling/subtrees/fewest", test_fewest);
  g_test_add_func ("/scaling/subtrees/no-room", test_no_room);
  g_test_add_func ("/scaling/subtrees/silent-end", test_silent_end);
  g_test_add_func ("/scaling/subtrees/states", test_states);
  return g_test_run ();
}
