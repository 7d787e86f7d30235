/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingSubtrees: what holds in every life of a tree, tried on seeded random
 * ones, with nodes that die, hosts that are away, calls that fail and leaders
 * that change; and that each life ends well once nothing more goes wrong.
 */
#include "subtrees-fixture.h"

/* sanitizers cost eighty times as much, and look for something else */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define N_LIVES 3
#else
#define N_LIVES 150
#endif
#define N_SECONDS 400
#define N_SECONDS_CALM 700
#define N_SECONDS_STILL 30

typedef struct
{
  guint seed;
  GRand *rand;      /* owned */
  World *world;     /* owned */
  GHashTable *gens; /* owned: ordinal → gen */
  gboolean is_rough;
} Life;

static void
life_clear (Life *self)
{
  g_rand_free (self->rand);
  world_free (self->world);
  g_hash_table_unref (self->gens);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Life, life_clear)

static gboolean
happens (Life *self, double per_second)
{
  return g_rand_double (self->rand) < per_second;
}

static guint
pick (Life *self, guint from, guint to)
{
  return (guint)g_rand_int_range (self->rand, (gint32)from, (gint32)to);
}

static Life
life_new (guint seed)
{
  Life self = { .seed = seed,
                .rand = g_rand_new_with_seed (seed),
                .world = world_new (),
                .gens = g_hash_table_new (NULL, NULL),
                .is_rough = TRUE };
  ScalingPolicy *policy = &self.world->policy;

  policy->egress_per_subtree = pick (&self, 1, 6);
  policy->n_warm_egress = pick (&self, 0, 5);
  policy->n_warm = pick (&self, 0, 3);
  policy->n_max_nodes = pick (&self, 20, 100);
  self.world->n_desired = pick (&self, 0, 8);
  self.world->boot_us = pick (&self, 0, 20) * WORLD_SECOND_US;
  self.world->drain_us = pick (&self, 1, 30) * WORLD_SECOND_US;
  self.world->drain_ms = pick (&self, 10, 90) * 1000;
  for (guint i = 0; i < G_N_ELEMENTS (self.world->edge); i++)
    g_strlcpy (self.world->edge[i], "injection", sizeof self.world->edge[i]);
  return self;
}

/* --- what goes wrong -------------------------------------------------------
 */

static void
disturb_node (Life *self, WorldNode *node)
{
  World *world = self->world;

  if (node->state == SCALING_INSTANCE_RUNNING && happens (self, 0.002))
    {
      node->state = SCALING_INSTANCE_ENDED;
      node->n_viewers = 0;
    }
  if (happens (self, 0.002))
    node->is_deaf = !node->is_deaf;
  /* viewers come where it is open, and may stay longer than they should */
  if (node->index > 0 && !node->is_draining && world_is_up (world, node)
      && world_state (world, node->ordinal) == CLUSTER_SLOT_SERVING)
    node->n_viewers = pick (self, 0, 20);
  if (node->end_us != 0 && happens (self, 0.01))
    node->end_us += 120 * WORLD_SECOND_US;
}

/* move_edge: a parent that goes or is gone is left, in a while; some wander */
static void
move_edge (Life *self)
{
  World *world = self->world;

  for (guint i = 0; i < G_N_ELEMENTS (world->edge); i++)
    {
      const WorldNode *node = world_find (world, world->edge[i]);
      gboolean is_there =
          node != NULL && world_is_up (world, node) && !node->is_draining;

      if (!happens (self, is_there ? 0.01 : 0.2))
        continue;
      g_strlcpy (world->edge[i], "injection", sizeof world->edge[i]);
      for (guint k = pick (self, 0, 20); k < world->nodes->len; k++)
        {
          node = world->nodes->pdata[k];
          if (node->index == 0 && world_is_up (world, node)
              && !node->is_draining
              && strcmp (node->name, world->edge[1 - i]) != 0)
            g_strlcpy (world->edge[i], node->name, sizeof world->edge[i]);
        }
    }
}

static void
disturb (Life *self)
{
  World *world = self->world;
  guint ordinal = pick (self, 0, 10);
  gboolean is_silent = happens (self, 0.5), moves = happens (self, 0.02);

  if (happens (self, 0.05))
    world->n_desired = pick (self, 0, 8);
  if (happens (self, 0.05))
    world->fails = !world->fails;
  if (happens (self, 0.02))
    world->no_list = !world->no_list;
  if (happens (self, 0.02))
    world->is_list_part = !world->is_list_part;
  if (happens (self, 0.01))
    scaling_subtrees_forget (world->subtrees);
  if (happens (self, 0.02))
    world->n_publishers = 1 - world->n_publishers;
  world->jitter = g_rand_double (self->rand);
  for (guint i = 0; i < world->nodes->len; i++)
    {
      WorldNode *node = world->nodes->pdata[i];

      disturb_node (self, node);
      if (moves && node->ordinal == ordinal)
        node->is_silent = is_silent;
    }
}

static void
calm (Life *self)
{
  World *world = self->world;

  self->is_rough = FALSE;
  world->fails = world->no_list = world->is_list_part = FALSE;
  world->n_publishers = 1;
  world->policy.n_max_nodes = 100;
  for (guint i = 0; i < world->nodes->len; i++)
    {
      WorldNode *node = world->nodes->pdata[i];
      const ClusterSlot *slot = world_slot (world, node->ordinal);

      node->is_silent = node->is_deaf = FALSE;
      /* where nothing shall serve all have gone home */
      if (slot->state != CLUSTER_SLOT_SERVING || slot->gen != node->gen
          || world->n_desired == 0)
        node->n_viewers = 0;
    }
}

/* --- what always holds ------------------------------------------------------
 */

#define check(self, condition)                                                 \
  G_STMT_START                                                                 \
  {                                                                            \
    if (!(condition))                                                          \
      g_error ("seed %u, second %" G_GINT64_FORMAT ": %s", (self)->seed,       \
               (self)->world->now_us / WORLD_SECOND_US - 1000, #condition);    \
  }                                                                            \
  G_STMT_END

/* ordered or said: */
static gboolean
is_leaving (World *world, const char *name)
{
  const WorldNode *node = world_find (world, name);

  for (guint i = 0; i < world->orders->len; i++)
    {
      const ScalingOrder *order =
          &g_array_index (world->orders, ScalingOrder, i);

      if (order->kind == SCALING_ORDER_DRAIN && strcmp (order->name, name) == 0)
        return TRUE;
    }
  return node != NULL && world_is_up (world, node) && node->is_draining;
}

/* A child that can be heard keeps one of its parents, when one is told to go.
 */
static void
check_parents (Life *self, const char *relay)
{
  World *world = self->world;

  for (guint i = 0; i < world->beats->len; i++)
    {
      const ClusterLoad *load = &((ClusterBeat *)world->beats->pdata[i])->load;
      gboolean is_child = FALSE, is_fed = load->n_links < 2;

      for (guint k = 0; k < load->n_links; k++)
        {
          is_child |= strcmp (load->links[k].node, relay) == 0;
          is_fed |= !is_leaving (world, load->links[k].node);
        }
      check (self, !is_child || is_fed);
    }
}

static void
check_remove (Life *self, const ScalingOrder *order)
{
  World *world = self->world;
  const WorldNode *node = world_find (world, order->name);
  const ClusterSlot *slot = world_slot (world, order->ordinal);

  if (node == NULL || !world_is_up (world, node) || node->n_viewers == 0)
    return;
  /* viewers are cut off by the deadline alone */
  check (self, slot->state == CLUSTER_SLOT_DRAINING && slot->gen == node->gen);
  check (self, WORLD_EPOCH_MS + world->now_us / 1000 - slot->at_wall_ms
                   > world->drain_ms);
}

static void
check_orders (Life *self)
{
  World *world = self->world;
  guint n_given_back = 0, n_removed = 0;

  check (self, world->orders->len <= SCALING_MAX_ORDERS);
  for (guint i = 0; i < world->orders->len; i++)
    {
      const ScalingOrder *order =
          &g_array_index (world->orders, ScalingOrder, i);

      check (self, order->why != NULL);
      if (order->kind == SCALING_ORDER_SLOT)
        n_given_back += order->from == CLUSTER_SLOT_SERVING
                        && order->fault == SCALING_FAULT_NONE;
      else
        check (self, scaling_provision_name_is_valid (order->name));
      if (order->kind == SCALING_ORDER_REMOVE)
        {
          check_remove (self, order);
          n_removed += strcmp (order->why, "it belongs to no subtree") == 0;
        }
      if (order->kind == SCALING_ORDER_DRAIN
          && order->role == CLUSTER_ROLE_RELAY)
        check_parents (self, order->name);
    }
  check (self, n_given_back <= 1);
  check (self, n_removed <= 1);
}

static void
check_slots (Life *self)
{
  World *world = self->world;

  for (guint i = 0; i < world->slots->len; i++)
    {
      const ClusterSlot *slot = &g_array_index (world->slots, ClusterSlot, i);
      gpointer key = GUINT_TO_POINTER (slot->ordinal);

      check (self, slot->gen >= GPOINTER_TO_UINT (
                       g_hash_table_lookup (self->gens, key)));
      g_hash_table_insert (self->gens, key, GUINT_TO_POINTER (slot->gen));
    }
}

static void
live_a_second (Life *self)
{
  World *world = self->world;
  g_autoptr (GArray) orders = NULL;

  if (self->is_rough)
    disturb (self);
  move_edge (self);
  world_pass (world);
  orders = g_array_ref (world_ask (world));
  check_orders (self);
  /* asked again before anything is done it orders nothing */
  if (orders->len < SCALING_MAX_ORDERS)
    {
      g_autoptr (GArray) first =
          g_array_sized_new (FALSE, FALSE, sizeof (ScalingOrder), orders->len);

      g_array_append_vals (first, orders->data, orders->len);
      check (self, world_ask (world)->len == 0);
      g_array_append_vals (world->orders, first->data, first->len);
    }
  world_obey (world);
  /* the store never had to refuse, and hardLimit was kept */
  check (self, world->n_refused == 0);
  check (self, world_count_running (world) < 100);
  check_slots (self);
}

/* What it comes to when nothing goes wrong any more. */
static void
check_end (Life *self)
{
  World *world = self->world;
  const ScalingPolicy *policy = &world->policy;
  guint n_egress = policy->egress_per_subtree;
  guint n_core = policy->n_warm_egress == 0
                     ? n_egress
                     : MIN (policy->n_warm_egress, n_egress);

  check (self, world_count (world, CLUSTER_SLOT_SERVING) == world->n_desired);
  check (self, world_count (world, CLUSTER_SLOT_JOINED) == policy->n_warm);
  check (self, world_count (world, CLUSTER_SLOT_PLANNED) == 0);
  check (self, world_count (world, CLUSTER_SLOT_STARTING) == 0);
  check (self, world_count (world, CLUSTER_SLOT_DRAINING) == 0);
  check (self, world_count_running (world)
                   == world->n_desired * (1 + n_egress)
                          + policy->n_warm * (1 + n_core));
  check (self, scaling_subtrees_get_summary (world->subtrees)->n_orphans == 0);
}

static void
test_lives (void)
{
  guint n_served = 0, n_orders = 0, n_gens = 0;

  for (guint seed = 1; seed <= N_LIVES; seed++)
    {
      g_auto (Life) life = life_new (seed);
      World *world = life.world;

      for (guint i = 0; i < N_SECONDS; i++)
        live_a_second (&life);
      calm (&life);
      for (guint i = 0; i < N_SECONDS_CALM; i++)
        live_a_second (&life);
      for (guint i = 0; i < SCALING_ORDER_N; i++)
        n_orders += world->n_orders[i];
      for (guint i = 0; i < world->slots->len; i++)
        n_gens += g_array_index (world->slots, ClusterSlot, i).gen;
      n_served += world->n_warm_served + world->n_cold_served;
      check_end (&life);
      for (guint i = 0; i < N_SECONDS_STILL; i++)
        {
          live_a_second (&life);
          check (&life, world->orders->len == 0);
        }
    }
  g_test_message ("%u orders, %u subtrees served, %u lives of slots", n_orders,
                  n_served, n_gens);
  /* they were lively */
  g_assert_cmpuint (n_served, >, N_LIVES * 5);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/subtrees/lives", test_lives);
  return g_test_run ();
}
