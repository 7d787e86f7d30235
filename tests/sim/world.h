/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/world: one virtual time, one queue of events, one source of randomness;
 * hosts with a network between them that delays, stalls and is cut one way;
 * processes that pause, die and have clocks of their own. Everything follows
 * from the seed.
 *   There is one world at a time: the production code's clock and timers ask
 * for the process that runs now (virtual.c).
 * Thread: the only one. Times: µs of the world; a process sees its own.
 */
#pragma once

#include <glib.h>

#define SIM_US_PER_MS G_GINT64_CONSTANT (1000)
#define SIM_US_PER_S G_GINT64_CONSTANT (1000000)
#define SIM_N_HOSTS                                                            \
  5 /* 0 to 2: a Redis, a sentinel, a candidate; 3, 4: nodes */
#define SIM_FAULT_MAX_CHARS 300

typedef struct
{
  char name[48];
  guint host;
  guint life; /* what was meant for an earlier one is dropped */
  gboolean is_alive;
  gint64 paused_until_us;
  double rate;         /* of its clock; 1 = right */
  gint64 boot_us;      /* its monotonic clock at 0 */
  gint64 wall_step_us; /* how wrong its wall clock is */
} SimProc;

typedef void (*SimFunc) (gpointer data);

void sim_world_begin (guint64 seed, gboolean is_traced);
void sim_world_end (void);

/* --- time ----------------------------------------------------------------- */

gint64 sim_now (void);
/* sim_at: @proc: (nullable): in whose name; when it is dead by then, or another
 * life of it, nothing happens; while it pauses, later
 * @drop: (nullable): of @data, in any case, last */
void sim_at (gint64 at_us, SimProc *proc, SimFunc func, gpointer data,
             GDestroyNotify drop);
/* FALSE: nothing is left to do, or @until_us is reached, or it has failed */
gboolean sim_step (gint64 until_us);

/* --- randomness ----------------------------------------------------------- */

guint64 sim_random (void);
/* both included */
gint64 sim_between (gint64 low, gint64 high);
gboolean sim_chance (guint permille);

/* --- processes ------------------------------------------------------------ */

void sim_proc_init (SimProc *proc, const char *name, guint host);
void sim_proc_kill (SimProc *proc);
gint64 sim_proc_now_us (const SimProc *proc);
gint64 sim_proc_wall_us (const SimProc *proc);
/* when its clock will show that */
gint64 sim_proc_to_world_us (const SimProc *proc, gint64 its_us);
/* (nullable): who runs now */
SimProc *sim_self (void);
/* Returns: who ran before */
SimProc *sim_enter (SimProc *proc);

/* --- the network ---------------------------------------------------------- */

gboolean sim_is_cut (guint from, guint to);
void sim_cut (guint from, guint to, gboolean is_cut);
/* on top of each message's delay from now on, one way */
void sim_slow (guint from, guint to, gint64 by_us);

/* no message stalls any more */
void sim_calm (void);

/* One direction of a connection: in order, each once, and late while cut: what
 * was sent before the sender gave up may still arrive. */
typedef struct _SimChannel SimChannel;
SimChannel *sim_channel_new (guint from, guint to);
/* @proc: (nullable): whose event the arrival is */
void sim_channel_send (SimChannel *self, SimProc *proc, SimFunc func,
                       gpointer data, GDestroyNotify drop);
/* nothing more is sent; @keeps: what is on its way may still arrive */
void sim_channel_close (SimChannel *self, gboolean keeps);

/* --- what happened -------------------------------------------------------- */

void sim_trace (const char *format, ...) G_GNUC_PRINTF (1, 2);
/* the first counts */
void sim_fail (const char *format, ...) G_GNUC_PRINTF (1, 2);
/* (nullable): what failed */
const char *sim_get_failure (void);
guint64 sim_get_n_events (void);
