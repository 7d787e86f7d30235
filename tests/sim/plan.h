/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/plan: slots, instances and a number → what is to be done: a pure step.
 * It stands where scaling/subtrees is to stand, and has its shape: it looks at
 * what is there and orders; each order is answered by what is there next time.
 */
#pragma once

#include "engine.h"

#define SIM_MAX_ORDERS 32

typedef struct
{
  guint ordinal, gen;
  char state[12], node[48];
  gboolean is_alive; /* its heartbeat is there */
} SimSlot;

typedef enum
{
  SIM_ORDER_SLOT, /* gen and state become those */
  SIM_ORDER_ENSURE,
  SIM_ORDER_REMOVE,
  SIM_ORDER_DRAIN,
} SimOrderKind;

typedef struct
{
  SimOrderKind kind;
  guint ordinal, gen;
  char name[48];
  SimSlot from; /* SLOT */
  char to[12];
} SimOrder;

/* What a leader remembers: only when to try again. */
typedef struct
{
  gint64 wait_us[64], backoff_us[64]; /* of ordinals */
  gint64 silent_us[64];               /* since when; 0 = it is not */
  GHashTable *orphans;                /* owned: name → since when (gint64 *) */
} SimPlan;

void sim_plan_init (SimPlan *self);
void sim_plan_clear (SimPlan *self);
/* @slots: (element-type SimSlot); @instances: (element-type SimInstance)
 * @orders: (out) (element-type SimOrder): is cleared */
void sim_plan_step (SimPlan *self, guint n_desired, GArray *slots,
                    GArray *instances, gint64 now_us, GArray *orders);
void sim_plan_dup_name (guint ordinal, guint gen, char *ret, gsize n);
