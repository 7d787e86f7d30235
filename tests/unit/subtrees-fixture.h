/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree of subtrees for tests of ScalingSubtrees: a store that holds slots and
 * refuses what mt_slot refuses, a provisioner, and nodes that boot, beat, drain
 * and die when they are told. A second at a time.
 */
#pragma once

#include "scaling/subtrees.h"

#include <string.h>

#define WORLD_SECOND_US ((gint64)G_USEC_PER_SEC)
#define WORLD_EPOCH_MS G_GINT64_CONSTANT (1795219200000)

typedef struct
{
  char name[SCALING_PROVISION_NAME_MAX_CHARS + 1];
  guint ordinal, gen, index; /* 0: the relay */
  ScalingInstanceState state;
  guint boot;
  gint64 up_us, end_us; /* beats from then on; 0 or: ends then */
  gboolean is_draining, is_silent, is_deaf; /* deaf: receives no media */
  gboolean is_open;                         /* its subtree served once */
  guint n_viewers, n_waiting;
  guint64 n_drops, n_failures, n_joins, n_refused;
} WorldNode;

typedef struct
{
  ScalingPolicies *policies; /* owned */
  ScalingPolicy policy;
  ScalingSubtrees *subtrees; /* owned */
  GArray *slots;             /* owned (element-type ClusterSlot) by ordinal */
  GPtrArray *nodes;          /* owned (element-type WorldNode) */
  GPtrArray *beats, *instances; /* owned: as last looked at */
  GArray *orders;               /* owned */
  char edge[2]
           [SCALING_PROVISION_NAME_MAX_CHARS + 1]; /* parents of a node of
                                                    * no subtree; "" = none */
  guint n_desired, n_elsewhere, n_publishers;
  guint n_slots_each, edge_slots; /* viewers: of an egress node; of "edge" */
  gint64 now_us, boot_us, drain_us;
  guint32 drain_ms;
  gboolean no_list, is_list_part, fails; /* fails: ensure does */
  double jitter;
  /* what happened */
  guint n_orders[SCALING_ORDER_N], n_refused, n_max_nodes, n_cut;
  guint n_warm_served, n_cold_served;
  gint64 last_served_us;
} World;

/* --- what is there -------------------------------------------------------- */

static inline WorldNode *
world_find (World *self, const char *name)
{
  for (guint i = 0; i < self->nodes->len; i++)
    if (strcmp (((WorldNode *)self->nodes->pdata[i])->name, name) == 0)
      return self->nodes->pdata[i];
  return NULL;
}

static inline WorldNode *
world_get (World *self, guint ordinal, guint gen, const char *word)
{
  g_autofree char *name =
      scaling_provision_dup_name ("main", ordinal, gen, word);

  return world_find (self, name);
}

static inline gboolean
world_is_up (const World *self, const WorldNode *node)
{
  return node->state == SCALING_INSTANCE_RUNNING && node->up_us <= self->now_us
         && !node->is_silent;
}

static inline ClusterSlot *
world_slot (World *self, guint ordinal)
{
  for (guint i = 0; i < self->slots->len; i++)
    {
      ClusterSlot *slot = &g_array_index (self->slots, ClusterSlot, i);

      if (slot->ordinal == ordinal)
        return slot;
    }
  return NULL;
}

static inline ClusterSlotState
world_state (World *self, guint ordinal)
{
  const ClusterSlot *slot = world_slot (self, ordinal);

  return slot != NULL ? slot->state : CLUSTER_SLOT_NONE;
}

static inline guint
world_count (World *self, ClusterSlotState state)
{
  guint n = 0;

  for (guint i = 0; i < self->slots->len; i++)
    n += g_array_index (self->slots, ClusterSlot, i).state == state;
  return n;
}

static inline guint
world_count_running (World *self)
{
  guint n = 0;

  for (guint i = 0; i < self->nodes->len; i++)
    n +=
        ((WorldNode *)self->nodes->pdata[i])->state == SCALING_INSTANCE_RUNNING;
  return n;
}

/* --- what the leader sees ---------------------------------------------------
 */

static inline void
world_free_beat (gpointer data)
{
  cluster_beat_free (data);
}

static inline ClusterBeat *
world_add_beat (World *self, const char *name, ClusterRoles roles)
{
  ClusterBeat *beat = g_new0 (ClusterBeat, 1);

  beat->node.node_id = g_strdup (name);
  beat->node.roles = roles;
  g_ptr_array_add (self->beats, beat);
  return beat;
}

static inline void
world_add_link (ClusterBeat *beat, const WorldNode *node, const char *parent)
{
  ClusterLink *link = &beat->load.links[beat->load.n_links++];

  g_strlcpy (link->node, parent, sizeof link->node);
  link->is_active = TRUE;
  link->is_silent = node->is_deaf;
  link->n_streams = 1;
}

/* world_link: an egress node hears its relay and the next subtree's that is
 * up, a relay the injection node */
static inline void
world_link (World *self, ClusterBeat *beat, const WorldNode *node)
{
  const WorldNode *own = NULL, *other = NULL;

  if (node->index == 0)
    {
      world_add_link (beat, node, "injection");
      return;
    }
  for (guint i = 0; i < self->nodes->len; i++)
    {
      const WorldNode *relay = self->nodes->pdata[i];

      if (relay->index != 0 || !world_is_up (self, relay))
        continue;
      if (relay->ordinal == node->ordinal && relay->gen == node->gen)
        own = relay;
      else if (other == NULL || relay->ordinal == node->ordinal + 1)
        other = relay;
    }
  if (own != NULL)
    world_add_link (beat, node, own->name);
  if (other != NULL)
    world_add_link (beat, node, other->name);
}

static inline void
world_beat (World *self, const WorldNode *node)
{
  ClusterBeat *beat = world_add_beat (self, node->name,
                                      node->index == 0 ? CLUSTER_ROLE_RELAY
                                                       : CLUSTER_ROLE_EGRESS);

  beat->node.boot_id =
      g_strdup_printf ("%08x%024x", g_str_hash (node->name), node->boot);
  beat->load.is_draining = node->is_draining;
  beat->load.n_viewers = node->n_viewers;
  beat->load.n_send_drops = node->n_drops;
  beat->load.n_failures = node->n_failures;
  beat->load.n_joins = node->n_joins;
  beat->load.n_refused = node->n_refused;
  beat->load.n_waiting = node->n_waiting;
  beat->load.n_slots = node->index > 0 ? self->n_slots_each : 0;
  beat->load.is_warm = node->index > 0 && !node->is_open;
  world_link (self, beat, node);
}

static inline void
world_look_at_edge (World *self)
{
  static const WorldNode edge = { .index = 1 };
  ClusterBeat *beat;

  if (self->edge[0][0] == '\0')
    return;
  beat = world_add_beat (self, "edge", CLUSTER_ROLE_EGRESS);
  beat->node.boot_id = g_strdup ("00112233445566778899aabbccddeeff");
  beat->load.n_slots = self->edge_slots;
  world_add_link (beat, &edge, self->edge[0]);
  world_add_link (beat, &edge, self->edge[1]);
}

static inline void
world_look (World *self)
{
  ClusterBeat *injection;

  g_ptr_array_set_size (self->beats, 0);
  g_ptr_array_set_size (self->instances, 0);
  injection = world_add_beat (self, "injection", CLUSTER_ROLE_INJECTION);
  injection->node.boot_id = g_strdup ("0123456789abcdef0123456789abcdef");
  injection->load.n_streams = self->n_publishers;
  world_look_at_edge (self);
  for (guint i = 0; i < self->nodes->len; i++)
    {
      WorldNode *node = self->nodes->pdata[i];
      ScalingInstance *instance = g_new0 (ScalingInstance, 1);

      node->is_open |=
          world_is_up (self, node)
          && world_state (self, node->ordinal) == CLUSTER_SLOT_SERVING;
      instance->name = g_strdup (node->name);
      instance->state = node->state;
      if (self->is_list_part && node->is_silent) /* its host is away */
        scaling_instance_free (instance);
      else
        g_ptr_array_add (self->instances, instance);
      if (world_is_up (self, node))
        world_beat (self, node);
    }
}

/* --- what is done -----------------------------------------------------------
 */

static inline int
world_compare (gconstpointer a, gconstpointer b)
{
  return (int)((const ClusterSlot *)a)->ordinal
         - (int)((const ClusterSlot *)b)->ordinal;
}

/* world_move: as mt_slot */
static inline gboolean
world_move (World *self, const ScalingOrder *order)
{
  ClusterSlot *slot = world_slot (self, order->ordinal);
  ClusterSlotState state = slot != NULL ? slot->state : CLUSTER_SLOT_NONE;
  guint gen = slot != NULL ? slot->gen : 0;

  if (state != order->from || !cluster_slot_may_go (order->from, order->to)
      || order->gen
             != (order->to == CLUSTER_SLOT_PLANNED ? gen + 1
                 : state == CLUSTER_SLOT_NONE      ? order->gen
                                                   : gen)
      || (order->to == CLUSTER_SLOT_SERVING
          && world_count (self, CLUSTER_SLOT_SERVING) >= self->n_desired))
    return FALSE;
  if (slot == NULL)
    {
      ClusterSlot fresh = { .ordinal = order->ordinal };

      g_array_append_val (self->slots, fresh);
      g_array_sort (self->slots, world_compare);
      slot = world_slot (self, order->ordinal);
    }
  slot->gen = order->gen;
  slot->state = order->to;
  slot->at_wall_ms = WORLD_EPOCH_MS + self->now_us / 1000;
  return TRUE;
}

static inline gboolean
world_ensure (World *self, const ScalingOrder *order)
{
  WorldNode *node = world_find (self, order->name);
  const char *word = strrchr (order->name, '-') + 1;

  if (self->fails)
    return FALSE;
  if (node == NULL)
    {
      node = g_new0 (WorldNode, 1);
      g_strlcpy (node->name, order->name, sizeof node->name);
      node->ordinal = order->ordinal;
      node->gen = order->gen;
      node->index =
          word[0] == 'r' ? 0 : 1 + (guint)g_ascii_strtoull (word + 1, NULL, 10);
      node->state = SCALING_INSTANCE_ENDED;
      g_ptr_array_add (self->nodes, node);
    }
  if (node->state == SCALING_INSTANCE_RUNNING)
    return TRUE;
  node->state = SCALING_INSTANCE_RUNNING;
  node->boot++;
  node->is_draining = node->is_open = FALSE;
  node->end_us = 0;
  node->up_us = self->now_us + self->boot_us;
  node->n_drops = node->n_failures = node->n_joins = node->n_refused = 0;
  return TRUE;
}

static inline gboolean
world_do (World *self, const ScalingOrder *order)
{
  WorldNode *node = world_find (self, order->name);

  switch (order->kind)
    {
    case SCALING_ORDER_SLOT:
      return world_move (self, order);
    case SCALING_ORDER_ENSURE:
      return world_ensure (self, order);
    case SCALING_ORDER_REMOVE:
      if (node != NULL)
        {
          self->n_cut += node->n_viewers;
          g_ptr_array_remove (self->nodes, node);
        }
      return TRUE;
    case SCALING_ORDER_DRAIN:
      if (node == NULL || !world_is_up (self, node))
        return FALSE;
      node->is_draining = TRUE;
      node->end_us = self->now_us + self->drain_us;
      return TRUE;
    case SCALING_ORDER_N:
    default:
      g_assert_not_reached ();
    }
}

static inline ScalingSubtreesInput
world_input (World *self)
{
  return (ScalingSubtreesInput){
    .policy = &self->policy,
    .n_desired = self->n_desired,
    .n_slots = self->slots->len,
    .slots = (const ClusterSlot *)self->slots->data,
    .beats = self->beats,
    .instances = self->no_list ? NULL : self->instances,
    .is_list_whole = !self->is_list_part,
    .n_nodes_elsewhere = self->n_elsewhere,
    .drain_ms = self->drain_ms,
    .now_us = self->now_us,
    .now_wall_ms = WORLD_EPOCH_MS + self->now_us / 1000,
  };
}

/* world_ask: what is ordered now, and not done */
static inline GArray *
world_ask (World *self)
{
  ScalingSubtreesInput input;

  world_look (self);
  input = world_input (self);
  scaling_subtrees_step (self->subtrees, &input, self->orders);
  return self->orders;
}

static inline void
world_obey (World *self)
{
  for (guint i = 0; i < self->orders->len; i++)
    {
      const ScalingOrder *order =
          &g_array_index (self->orders, ScalingOrder, i);
      gboolean is_done = world_do (self, order);

      self->n_orders[order->kind]++;
      self->n_refused += order->kind == SCALING_ORDER_SLOT && !is_done;
      scaling_subtrees_answer (self->subtrees, order, is_done, -1, self->jitter,
                               self->now_us);
    }
  self->n_max_nodes = MAX (self->n_max_nodes, world_count_running (self));
}

static inline void
world_pass (World *self)
{
  self->now_us += WORLD_SECOND_US;
  for (guint i = 0; i < self->nodes->len; i++)
    {
      WorldNode *node = self->nodes->pdata[i];

      if (node->end_us == 0 || node->end_us > self->now_us)
        continue;
      node->state = SCALING_INSTANCE_ENDED;
      node->n_viewers = 0;
      node->end_us = 0;
    }
}

static inline void
world_run (World *self, guint n_seconds)
{
  for (guint i = 0; i < n_seconds; i++)
    {
      world_pass (self);
      world_ask (self);
      world_obey (self);
    }
}

/* --- life ----------------------------------------------------------------- */

static inline void
world_on_served (gboolean is_warm, gint64 us, gpointer data)
{
  World *self = data;

  self->n_warm_served += is_warm;
  self->n_cold_served += !is_warm;
  self->last_served_us = us;
}

/* world_new: (transfer full): subtrees of 1 + 4, a core of 1 + 2, one warm
 * slot; nodes boot in 3 s and drain in 2 */
static inline World *
world_new (void)
{
  World *self = g_new0 (World, 1);

  self->policies = scaling_policies_new_default ();
  self->policy = *scaling_policies_find (self->policies, "egress", "main");
  self->policy.egress_per_subtree = 4;
  self->policy.n_warm_egress = 2;
  self->policy.n_warm = 1;
  self->policy.n_cold = 2;
  self->policy.n_max_nodes = 1000;
  self->subtrees = scaling_subtrees_new ("main", world_on_served, self);
  self->slots = g_array_new (FALSE, TRUE, sizeof (ClusterSlot));
  self->nodes = g_ptr_array_new_with_free_func (g_free);
  self->beats = g_ptr_array_new_with_free_func (world_free_beat);
  self->instances =
      g_ptr_array_new_with_free_func ((GDestroyNotify)scaling_instance_free);
  self->orders = g_array_new (FALSE, TRUE, sizeof (ScalingOrder));
  self->n_publishers = 1;
  self->n_slots_each = 1000;
  self->now_us = 1000 * WORLD_SECOND_US;
  self->boot_us = 3 * WORLD_SECOND_US;
  self->drain_us = 2 * WORLD_SECOND_US;
  self->drain_ms = 600000;
  return self;
}

static inline void
world_free (World *self)
{
  scaling_subtrees_free (self->subtrees);
  scaling_policies_free (self->policies);
  g_array_unref (self->slots);
  g_array_unref (self->orders);
  g_ptr_array_unref (self->nodes);
  g_ptr_array_unref (self->beats);
  g_ptr_array_unref (self->instances);
  g_free (self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (World, world_free)

/* --- ready made ------------------------------------------------------------
 */

/* a tree of n subtrees that serve, and its warm slot */
static inline World *
world_grown (guint n)
{
  World *world = world_new ();

  world->n_desired = n;
  world_run (world, 20);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_SERVING), ==, n);
  g_assert_cmpuint (world_count (world, CLUSTER_SLOT_JOINED), ==, 1);
  g_assert_cmpuint (world->n_refused, ==, 0);
  return world;
}

static inline void
world_kill (WorldNode *node)
{
  g_assert_nonnull (node);
  node->state = SCALING_INSTANCE_ENDED;
}

static inline void
world_silence (World *world, guint ordinal, gboolean is_silent)
{
  for (guint i = 0; i < world->nodes->len; i++)
    {
      WorldNode *node = world->nodes->pdata[i];

      if (node->ordinal == ordinal)
        node->is_silent = is_silent;
    }
}
