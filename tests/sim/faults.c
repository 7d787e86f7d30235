/* SPDX-License-Identifier: Apache-2.0 */
/* sim/faults: one at a time is chosen, begun, and ended later. */
#include "faults.h"

#include "engine.h"
#include "leader.h"
#include "store.h"

#include <string.h>

#define SKEW_US (50 * SIM_US_PER_MS)

typedef struct
{
  gint64 until_us;
  gint64 store_until_us; /* of the fault that servers and sentinels have */
} Faults;

static Faults faults;

typedef struct
{
  void (*undo) (guint a, guint b);
  guint a, b;
} Undo;

static void
on_undo (gpointer data)
{
  const Undo *undo = data;

  undo->undo (undo->a, undo->b);
}

static gint64
plan_end (gint64 min_ms, gint64 max_ms)
{
  gint64 at_us = sim_now () + sim_between (min_ms, max_ms) * SIM_US_PER_MS;

  return MIN (at_us, faults.until_us);
}

static void
undo_at (gint64 at_us, void (*func) (guint a, guint b), guint a, guint b)
{
  Undo undo = { func, a, b };

  sim_at (at_us, NULL, on_undo, g_memdup2 (&undo, sizeof undo), g_free);
}

/* --- the network ---------------------------------------------------------- */

static void
heal (guint a, guint b)
{
  sim_trace ("host %u reaches host %u", a, b);
  sim_cut (a, b, FALSE);
}

static void
cut (guint a, guint b, gint64 until_us)
{
  if (a == b || sim_is_cut (a, b))
    return;
  sim_trace ("host %u does not reach host %u", a, b);
  sim_cut (a, b, TRUE);
  undo_at (until_us, heal, a, b);
}

static void
isolate (guint a, guint b)
{
  gint64 until_us = plan_end (500, 12000);
  guint host = sim_store_get_master ();

  if (sim_chance (300))
    host = a;
  /* the nodes' hosts may still reach it */
  for (guint i = 0; i < (b < 2 ? SIM_N_STORES : SIM_N_HOSTS); i++)
    {
      cut (host, i, until_us);
      cut (i, host, until_us);
    }
  faults.store_until_us = until_us;
}

static void
cut_one_way (guint a, guint b)
{
  faults.store_until_us = plan_end (300, 6000);
  cut (a, b, faults.store_until_us);
}

static void
cut_nodes (guint a, guint b)
{
  gint64 until_us = plan_end (300, 8000);

  cut (3 + b % 2, a, until_us);
  if (sim_chance (500))
    cut (a, 3 + b % 2, until_us);
}

static void
speed_up (guint a, guint b)
{
  sim_slow (a, b, 0);
}

static void
slow_down (guint a, guint b)
{
  guint master = sim_store_get_master ();

  if (sim_chance (500))
    b = master;
  else
    a = master;
  if (a == b)
    return;
  sim_slow (a, b, sim_between (20, 2500) * SIM_US_PER_MS);
  sim_trace ("host %u reaches host %u slowly", a, b);
  undo_at (plan_end (500, 5000), speed_up, a, b);
}

/* --- servers and processes ------------------------------------------------ */

static void
start_store (guint a, guint b)
{
  sim_store_start (a);
}

static void
kill_store (guint a, guint b)
{
  guint server = sim_chance (700) ? sim_store_get_master () : a;

  faults.store_until_us = plan_end (200, 8000);
  sim_store_kill (server);
  undo_at (faults.store_until_us, start_store, server, 0);
}

static void
start_leader (guint a, guint b)
{
  sim_leader_kill (a);
  sim_leader_start (a);
}

static guint
find_leader (guint other)
{
  for (guint i = 0; i < SIM_N_LEADERS; i++)
    if (sim_leader_is_acting (i))
      return i;
  return other;
}

static void
kill_leader (guint a, guint b)
{
  guint index = b < 2 ? find_leader (a) : a;

  sim_leader_kill (index);
  undo_at (plan_end (200, 5000), start_leader, index, 0);
}

static void
resign (guint a, guint b)
{
  guint index = find_leader (a);

  sim_leader_resign (index);
  undo_at (plan_end (200, 3000), start_leader, index, 0);
}

static void
pause_leader (guint a, guint b)
{
  SimProc *proc = sim_leader_get_proc (b < 2 ? find_leader (a) : a);

  if (!proc->is_alive)
    return;
  proc->paused_until_us = plan_end (100, 7000);
  sim_trace ("%s pauses until %.3f", proc->name,
             (double)proc->paused_until_us / SIM_US_PER_S);
}

static void
step_clock (guint a, guint b)
{
  sim_leader_get_proc (a)->wall_step_us = sim_between (-60, 60) * SIM_US_PER_S;
}

static void
crash_node (guint a, guint b)
{
  sim_engine_crash_one ();
}

/* --- chance --------------------------------------------------------------- */

static const struct
{
  guint weight;
  gboolean is_store;
  void (*begin) (guint a, guint b);
} kinds[] = {
  { 3, TRUE, isolate },     { 2, TRUE, cut_one_way },
  { 2, TRUE, kill_store },  { 2, FALSE, cut_nodes },
  { 3, FALSE, slow_down },  { 2, FALSE, kill_leader },
  { 1, FALSE, resign },     { 3, FALSE, pause_leader },
  { 1, FALSE, step_clock }, { 2, FALSE, crash_node },
};

static void
on_next (gpointer data)
{
  guint sum = 0, drawn;

  if (sim_now () >= faults.until_us)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    sum += kinds[i].weight;
  drawn = (guint)(sim_random () % sum);
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      if (drawn >= kinds[i].weight)
        {
          drawn -= kinds[i].weight;
          continue;
        }
      if (!kinds[i].is_store
          || (sim_now () >= faults.store_until_us && sim_store_is_settled ()))
        kinds[i].begin ((guint)sim_between (0, 2), (guint)sim_between (0, 2));
      break;
    }
  sim_at (sim_now () + sim_between (100, 2500) * SIM_US_PER_MS, NULL, on_next,
          NULL, NULL);
}

void
sim_faults_begin (gint64 until_us)
{
  memset (&faults, 0, sizeof faults);
  faults.until_us = until_us;
  sim_engine_set_faulty (TRUE);
  for (guint i = 0; i < SIM_N_STORES; i++)
    sim_store_set_skew (i, sim_between (-SKEW_US, SKEW_US));
  sim_at (sim_between (500, 4000) * SIM_US_PER_MS, NULL, on_next, NULL, NULL);
}
