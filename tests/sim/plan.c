/* SPDX-License-Identifier: Apache-2.0 */
/* sim/plan: one ordinal at a time; then who is nobody's. */
#include "plan.h"

#include <string.h>

#define SILENT_US (6 * SIM_US_PER_S)
#define ORPHAN_US (10 * SIM_US_PER_S)
#define BACKOFF_MIN_US (1 * SIM_US_PER_S)
#define BACKOFF_MAX_US (8 * SIM_US_PER_S)

void
sim_plan_dup_name (guint ordinal, guint gen, char *ret, gsize n)
{
  g_snprintf (ret, n, "mt-%s-s%u-g%u-r", SIM_TREE, ordinal, gen);
}

void
sim_plan_init (SimPlan *self)
{
  memset (self, 0, sizeof *self);
  self->orphans =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

void
sim_plan_clear (SimPlan *self)
{
  g_clear_pointer (&self->orphans, g_hash_table_unref);
}

static const SimInstance *
find (GArray *instances, const char *name)
{
  for (guint i = 0; i < instances->len; i++)
    if (strcmp (g_array_index (instances, SimInstance, i).name, name) == 0)
      return &g_array_index (instances, SimInstance, i);
  return NULL;
}

static void
order (GArray *orders, SimOrder what)
{
  if (orders->len < SIM_MAX_ORDERS)
    g_array_append_val (orders, what);
}

static void
move (GArray *orders, const SimSlot *slot, guint gen, const char *to)
{
  SimOrder what = { .kind = SIM_ORDER_SLOT, .ordinal = slot->ordinal,
                    .gen = gen, .from = *slot };

  g_strlcpy (what.to, to, sizeof what.to);
  order (orders, what);
}

static void
act (GArray *orders, SimOrderKind kind, const SimSlot *slot, const char *name)
{
  SimOrder what = { .kind = kind, .ordinal = slot->ordinal, .gen = slot->gen };

  g_strlcpy (what.name, name, sizeof what.name);
  order (orders, what);
}

/* it shall go */
static void
give_back (const SimSlot *slot, const SimInstance *instance, const char *name,
       GArray *orders)
{
  gboolean runs = instance != NULL && instance->is_running;

  if (strcmp (slot->state, "starting") == 0
      || strcmp (slot->state, "serving") == 0)
    move (orders, slot, slot->gen, "draining");
  else if (strcmp (slot->state, "draining") == 0 && !slot->is_alive && !runs)
    move (orders, slot, slot->gen, "gone");
  else if (strcmp (slot->state, "draining") == 0)
    act (orders, slot->is_alive ? SIM_ORDER_DRAIN : SIM_ORDER_REMOVE, slot,
         name);
}

/* it shall be there */
static void
bring_up (SimPlan *self, const SimSlot *slot, const SimInstance *instance,
       const char *name, gint64 now_us, GArray *orders)
{
  guint i = slot->ordinal;

  if (strcmp (slot->state, "none") == 0 || strcmp (slot->state, "gone") == 0)
    {
      move (orders, slot, slot->gen + 1, "starting");
      return;
    }
  if (strcmp (slot->state, "draining") == 0)
    {
      give_back (slot, instance, name, orders); /* first */
      return;
    }
  if (slot->is_alive || strcmp (slot->state, "starting") == 0)
    self->silent_us[i] = 0;
  else if (self->silent_us[i] == 0)
    self->silent_us[i] = now_us;
  /* two witnesses: no heartbeat, and the engine has nothing that runs */
  if (self->silent_us[i] != 0 && now_us - self->silent_us[i] > SILENT_US
      && (instance == NULL || !instance->is_running))
    {
      move (orders, slot, slot->gen + 1, "starting");
      self->silent_us[i] = 0;
      return;
    }
  if (strcmp (slot->state, "starting") != 0 || now_us < self->wait_us[i])
    return;
  self->backoff_us[i] =
      CLAMP (self->backoff_us[i] * 2, BACKOFF_MIN_US, BACKOFF_MAX_US);
  self->wait_us[i] = now_us + self->backoff_us[i];
  /* it ended before it claimed its place: the next life */
  if (instance != NULL && !instance->is_running)
    move (orders, slot, slot->gen + 1, "starting");
  else if (instance == NULL)
    act (orders, SIM_ORDER_ENSURE, slot, name);
}

static void
collect (SimPlan *self, const SimSlot *slots, GArray *instances, gint64 now_us,
         GArray *orders)
{
  g_autoptr (GHashTable) before = g_steal_pointer (&self->orphans);
  gboolean has_ordered = FALSE;

  self->orphans =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; i < instances->len; i++)
    {
      const SimInstance *instance = &g_array_index (instances, SimInstance, i);
      const gint64 *since_us = g_hash_table_lookup (before, instance->name);
      gint64 now = since_us != NULL ? *since_us : now_us;
      const SimSlot *slot =
          instance->ordinal < 64 ? &slots[instance->ordinal] : NULL;
      SimSlot none = { 0 };

      if (slot != NULL && slot->gen == instance->gen
          && strcmp (slot->state, "gone") != 0)
        continue;
      g_hash_table_insert (self->orphans, g_strdup (instance->name),
                           g_memdup2 (&now, sizeof now));
      if (has_ordered || now_us - now < ORPHAN_US || instance->is_open)
        continue;
      act (orders, SIM_ORDER_REMOVE, &none, instance->name);
      has_ordered = TRUE;
    }
}

void
sim_plan_step (SimPlan *self, guint n_desired, GArray *slots,
               GArray *instances, gint64 now_us, GArray *orders)
{
  SimSlot all[64] = { 0 };

  g_array_set_size (orders, 0);
  for (guint i = 0; i < 64; i++)
    {
      all[i].ordinal = i;
      g_strlcpy (all[i].state, "none", sizeof all[i].state);
    }
  for (guint i = 0; i < slots->len; i++)
    {
      const SimSlot *slot = &g_array_index (slots, SimSlot, i);

      if (slot->ordinal < 64)
        all[slot->ordinal] = *slot;
    }
  for (guint i = 0; i < 64; i++)
    {
      const SimInstance *instance;
      char name[48];

      sim_plan_dup_name (i, all[i].gen, name, sizeof name);
      instance = find (instances, name);
      if (i < n_desired)
        bring_up (self, &all[i], instance, name, now_us, orders);
      else
        give_back (&all[i], instance, name, orders);
    }
  collect (self, all, instances, now_us, orders);
}
