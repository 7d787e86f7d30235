/* SPDX-License-Identifier: Apache-2.0 */
/* sim/leader: candidates with the production ledger. */
#include "leader.h"

#include "cluster/ledger-private.h"
#include "plan.h"
#include "store.h"

#include <stdlib.h>
#include <string.h>

#define TICK_MS 1000
#define MIN_VALID_US (100 * SIM_US_PER_MS)

typedef struct
{
  SimProc proc;
  guint index;
  ClusterLedger *ledger; /* owned, nullable: it is dead */
  SimPlan plan;
  guint tick;
  gboolean is_reading, is_asking, has_slots;
  guint64 version;
  guint n_desired;
  GArray *slots;  /* owned (element-type SimSlot) */
  GArray *orders; /* owned (element-type SimOrder) */
  guint n_named;
} Leader;

static Leader leaders[SIM_N_LEADERS];
static guint n_wanted;
static gint64 changes_us; /* what is wanted, next */
static gboolean are_calm, ordinals_not;

/* --- what is wanted ------------------------------------------------------- */

/* All see the same demand, and each is a little wrong about it. */
static guint
want (Leader *self)
{
  gint64 n;

  if (sim_now () >= changes_us)
    {
      n = n_wanted + sim_between (-2, 2);
      n_wanted = (guint)CLAMP (n, 1, SIM_MAX_SUBTREES);
      changes_us = sim_now () + sim_between (1, 8) * SIM_US_PER_S;
    }
  n = n_wanted + (sim_chance (200) ? sim_between (-1, 1) : 0);
  return (guint)CLAMP (n, 0, SIM_MAX_SUBTREES);
}

static void
on_version (guint64 version, gboolean is_durable, const GError *error,
            gpointer data)
{
  Leader *self = data;

  self->is_asking = FALSE;
  if (error == NULL)
    sim_trace ("%s: version %" G_GUINT64_FORMAT "%s", self->proc.name, version,
               is_durable ? "" : ", which no replica has");
}

static void
put_policy (Leader *self)
{
  ClusterPolicy policy = { .max = SIM_MAX_SUBTREES, .step_out = 2,
                           .step_in = 1, .cool_out_ms = 5000,
                           .cool_in_ms = 10000, .by = (char *)"sim",
                           .text = (char *)"{}" };

  self->is_asking = TRUE;
  cluster_ledger_put_policy (self->ledger, SIM_TREE, &policy, on_version, self);
}

static void
desire (Leader *self)
{
  guint n = want (self);

  if (self->is_asking || are_calm || n == self->n_desired)
    return;
  n = CLAMP (n, self->n_desired > 0 ? self->n_desired - 1 : 0,
             self->n_desired + 2);
  self->is_asking = TRUE;
  sim_trace ("%s wants %u for %u", self->proc.name, n, self->n_desired);
  cluster_ledger_desire (self->ledger, SIM_TREE, self->version, n,
                         n < self->n_desired ? CLUSTER_CAUSE_MANUAL
                                             : CLUSTER_CAUSE_DEMAND,
                         "demand", "{}", on_version, self);
}

/* --- doing ---------------------------------------------------------------- */

static void
on_done (gboolean is_done, gpointer data)
{
}

static void
read_status (ClusterLedgerCall *call, const ClusterReply *reply)
{
  if (reply->type == CLUSTER_REPLY_ERROR)
    sim_trace ("%s: %s", ((Leader *)call->data)->proc.name, reply->text);
}

static void
finish_nothing (ClusterLedgerCall *call)
{
}

static void
move (Leader *self, const SimOrder *order)
{
  const char *token = cluster_lease_get_token (self->ledger->lease);
  char ordinal[12], gen[12], to_gen[12];

  if (token == NULL)
    return;
  g_snprintf (ordinal, sizeof ordinal, "%u", order->ordinal);
  g_snprintf (gen, sizeof gen, "%u", order->from.gen);
  g_snprintf (to_gen, sizeof to_gen, "%u", order->gen);
  cluster_ledger_start (
      self->ledger,
      cluster_ledger_call_new (self->ledger, read_status, finish_nothing, NULL,
                               self),
      "mt_slot", SIM_TREE,
      cluster_ledger_list (token, ordinal, gen, order->from.state, to_gen,
                           order->to, NULL),
      TRUE);
}

static guint
place (const char *name)
{
  return 3 + g_str_hash (name) % 2;
}

static void
do_order (Leader *self, const SimOrder *order)
{
  static const char *const names[] = { "slot", "ensure", "remove", "drain" };

  sim_trace ("%s: %s %u of life %u %s%s", self->proc.name, names[order->kind],
             order->ordinal, order->gen, order->name, order->to);
  if (!sim_leader_is_acting (self->index)
      || !cluster_lease_is_valid (self->ledger->lease, MIN_VALID_US))
    return;
  switch (order->kind)
    {
    case SIM_ORDER_SLOT:
      move (self, order);
      return;
    case SIM_ORDER_ENSURE:
      sim_engine_ensure (order->name, order->ordinal, order->gen,
                         place (order->name), on_done, self);
      return;
    case SIM_ORDER_REMOVE:
      sim_engine_remove (order->name, on_done, self);
      return;
    case SIM_ORDER_DRAIN:
    default:
      sim_engine_drain (order->name);
    }
}

/* the mutation: so many more, or fewer, than there are */
static void
count_instead (Leader *self, GArray *instances)
{
  guint n = 0;

  for (guint i = 0; i < instances->len; i++)
    {
      const SimInstance *instance = &g_array_index (instances, SimInstance, i);

      if (!instance->is_running)
        continue;
      if (++n > self->n_desired)
        sim_engine_drain (instance->name);
    }
  for (; n < self->n_desired; n++)
    {
      char name[48];

      g_snprintf (name, sizeof name, "mt-%s-%u-%u-%u", SIM_TREE, self->index,
                  self->proc.life, self->n_named++);
      sim_engine_ensure (name, SIM_NO_ORDINAL, 1, place (name), on_done, self);
    }
}

/* --- reading -------------------------------------------------------------- */

static void
on_listed (GArray *instances, gpointer data)
{
  Leader *self = data;

  self->is_reading = FALSE;
  if (instances == NULL || !self->has_slots
      || !sim_leader_is_acting (self->index))
    return;
  if (ordinals_not)
    {
      count_instead (self, instances);
      return;
    }
  sim_plan_step (&self->plan, self->n_desired, self->slots, instances,
                 sim_proc_now_us (&self->proc), self->orders);
  for (guint i = 0; i < self->orders->len; i++)
    do_order (self, &g_array_index (self->orders, SimOrder, i));
}

static const char *
text_at (const ClusterReply *reply, guint i)
{
  const char *text = cluster_reply_get_text (cluster_reply_get_item (reply, i));

  return text != NULL ? text : "";
}

static void
read_slots (ClusterLedgerCall *call, const ClusterReply *reply)
{
  Leader *self = call->data;

  sim_trace ("%s reads %u slots, %u desired", self->proc.name, reply->n_items / 5, self->n_desired);
  g_array_set_size (self->slots, 0);
  if (reply->type != CLUSTER_REPLY_ARRAY)
    return;
  self->has_slots = TRUE;
  for (guint i = 0; i + 4 < reply->n_items; i += 5)
    {
      SimSlot slot = { .ordinal = (guint)atoi (text_at (reply, i)),
                       .gen = (guint)atoi (text_at (reply, i + 1)),
                       .is_alive = text_at (reply, i + 4)[0] == '1' };

      g_strlcpy (slot.state, text_at (reply, i + 2), sizeof slot.state);
      g_strlcpy (slot.node, text_at (reply, i + 3), sizeof slot.node);
      g_array_append_val (self->slots, slot);
    }
}

static void
finish_slots (ClusterLedgerCall *call)
{
  Leader *self = call->data;

  if (self->has_slots && sim_leader_is_acting (self->index))
    sim_engine_list (on_listed, self);
  else
    self->is_reading = FALSE;
}

static void
on_scaling (const ClusterScaling *scaling, const GError *error, gpointer data)
{
  Leader *self = data;

  if (scaling == NULL || !sim_leader_is_acting (self->index))
    {
      self->is_reading = FALSE;
      return;
    }
  self->version = scaling->version;
  self->n_desired = scaling->n_desired;
  if (scaling->policy.version > 0)
    desire (self);
  else if (!self->is_asking)
    put_policy (self);
  self->has_slots = FALSE;
  cluster_ledger_start (self->ledger,
                        cluster_ledger_call_new (self->ledger, read_slots,
                                                 finish_slots, NULL, self),
                        "mt_slots", SIM_TREE, g_ptr_array_new (), FALSE);
}

static gboolean
on_tick (gpointer data)
{
  Leader *self = data;

  if (sim_leader_is_acting (self->index) && !self->is_reading)
    {
      self->is_reading = TRUE;
      cluster_ledger_read_scaling (self->ledger, SIM_TREE, on_scaling, self);
    }
  return G_SOURCE_CONTINUE;
}

/* --- life ----------------------------------------------------------------- */

static void
on_changed (gboolean is_leader, gpointer data)
{
  Leader *self = data;

  sim_trace ("%s %s", self->proc.name, is_leader ? "leads" : "leads no more");
  self->is_reading = FALSE;
}

SimProc *
sim_leader_get_proc (guint index)
{
  return &leaders[index].proc;
}

gboolean
sim_leader_is_acting (guint index)
{
  Leader *self = &leaders[index];
  SimProc *before;
  gboolean is_acting;

  if (self->ledger == NULL)
    return FALSE;
  before = sim_enter (&self->proc);
  is_acting =
      cluster_lease_is_valid (cluster_ledger_get_lease (self->ledger), 0);
  sim_enter (before);
  return is_acting;
}

guint64
sim_leader_get_epoch (guint index)
{
  ClusterLease *lease = cluster_ledger_get_lease (leaders[index].ledger);
  const char *token = cluster_lease_get_token (lease);
  guint64 epoch = 0;

  if (token != NULL)
    cluster_lease_parse_token (token, &epoch, NULL, NULL);
  return epoch;
}

void
sim_leader_start (guint index)
{
  Leader *self = &leaders[index];
  char name[16], nonce[32];
  ClusterLedgerConfig config = { .redis_url = SIM_URL,
                                 .prefix = SIM_PREFIX,
                                 .tree_id = SIM_TREE,
                                 .node_id = name,
                                 .nonce = nonce,
                                 .is_candidate = TRUE,
                                 .on_leader_changed = on_changed,
                                 .data = self };
  SimProc *before;

  if (self->ledger != NULL)
    return;
  g_snprintf (name, sizeof name, "c%u", index);
  g_snprintf (nonce, sizeof nonce, "%016" G_GINT64_MODIFIER "x", sim_random ());
  sim_proc_init (&self->proc, name, index);
  sim_trace ("%s starts", name);
  self->proc.rate = 1 + (double)sim_between (-40, 40) / 1000;
  self->proc.boot_us = sim_between (0, 1000) * SIM_US_PER_S;
  self->proc.wall_step_us = sim_between (-3000, 3000) * SIM_US_PER_MS;
  before = sim_enter (&self->proc);
  sim_plan_init (&self->plan);
  self->is_reading = self->is_asking = FALSE;
  self->ledger = cluster_ledger_new (&config, NULL);
  self->tick = g_timeout_add (TICK_MS, on_tick, self);
  sim_enter (before);
}

void
sim_leader_kill (guint index)
{
  Leader *self = &leaders[index];
  SimProc *before;

  if (self->ledger == NULL)
    return;
  sim_trace ("%s dies", self->proc.name);
  sim_proc_kill (&self->proc);
  before = sim_enter (&self->proc);
  g_source_remove (self->tick);
  g_clear_pointer (&self->ledger, cluster_ledger_free);
  sim_plan_clear (&self->plan);
  sim_enter (before);
}

static void
on_resigned (const GError *error, gpointer data)
{
}

void
sim_leader_resign (guint index)
{
  Leader *self = &leaders[index];
  SimProc *before = sim_enter (&self->proc);

  if (self->ledger != NULL && self->ledger->resigning == NULL
      && !cluster_lease_is_resigned (self->ledger->lease))
    {
      sim_trace ("%s resigns", self->proc.name);
      cluster_ledger_resign (self->ledger, on_resigned, self);
    }
  sim_enter (before);
}

void
sim_leaders_calm (void)
{
  are_calm = TRUE;
}

void
sim_leaders_forget_ordinals (gboolean is_forgotten)
{
  ordinals_not = is_forgotten;
}

void
sim_leaders_begin (void)
{
  memset (leaders, 0, sizeof leaders);
  n_wanted = 2;
  changes_us = 0;
  are_calm = ordinals_not = FALSE;
  for (guint i = 0; i < SIM_N_LEADERS; i++)
    {
      leaders[i].index = i;
      leaders[i].slots = g_array_new (FALSE, FALSE, sizeof (SimSlot));
      leaders[i].orders = g_array_new (FALSE, FALSE, sizeof (SimOrder));
      sim_leader_start (i);
    }
}

void
sim_leaders_end (void)
{
  for (guint i = 0; i < SIM_N_LEADERS; i++)
    {
      sim_leader_kill (i);
      g_array_unref (leaders[i].slots);
      g_array_unref (leaders[i].orders);
    }
}
