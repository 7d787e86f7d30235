/* SPDX-License-Identifier: Apache-2.0 */
/* sim/world: time, chance, processes, the network. */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DELAY_MIN_US 100
#define DELAY_MAX_US 3000
#define STALL_PERMILLE 4 /* messages that take long */
#define STALL_MAX_US (4 * SIM_US_PER_S)
#define RESEND_MIN_US (200 * SIM_US_PER_MS)
#define RESEND_MAX_US (1600 * SIM_US_PER_MS)
#define GIVE_UP_US (20 * SIM_US_PER_S)

typedef struct
{
  gint64 at_us;
  guint64 number; /* of equal times the first goes first */
  SimProc *proc;
  guint life;
  SimFunc func;
  gpointer data;
  GDestroyNotify drop;
} Event;

typedef struct
{
  gint64 due_us, sent_us;
  SimProc *proc;
  guint life;
  SimFunc func;
  gpointer data;
  GDestroyNotify drop;
} Message;

struct _SimChannel
{
  guint from, to;
  GQueue messages; /* owned (element-type Message) */
  gint64 last_us, resend_us;
  gboolean is_waiting, is_closed;
};

typedef struct
{
  gint64 now_us;
  guint64 state[4];
  guint64 n_events, n_numbers;
  GArray *heap;        /* owned (element-type Event) */
  GPtrArray *channels; /* owned (element-type SimChannel) */
  SimProc *self;
  gboolean cuts[SIM_N_HOSTS][SIM_N_HOSTS];
  gint64 slow_us[SIM_N_HOSTS][SIM_N_HOSTS];
  gboolean is_traced, has_failed, is_calm;
  char failure[SIM_FAULT_MAX_CHARS];
} World;

static World world;

/* --- chance: xoshiro256** seeded by splitmix64 ---------------------------- */

static guint64
rotate (guint64 x, int k)
{
  return (x << k) | (x >> (64 - k));
}

guint64
sim_random (void)
{
  guint64 *s = world.state;
  guint64 result = rotate (s[1] * 5, 7) * 9, t = s[1] << 17;

  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotate (s[3], 45);
  return result;
}

static void
sow (guint64 seed)
{
  for (guint i = 0; i < 4; i++)
    {
      guint64 z = (seed += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15));

      z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
      z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
      world.state[i] = z ^ (z >> 31);
    }
}

gint64
sim_between (gint64 low, gint64 high)
{
  return low + (gint64)(sim_random () % (guint64)(high - low + 1));
}

gboolean
sim_chance (guint permille)
{
  return sim_random () % 1000 < permille;
}

/* --- events: a binary heap ------------------------------------------------ */

static gboolean
is_before (const Event *a, const Event *b)
{
  return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

static void
push (const Event *event)
{
  Event *heap;
  guint i = world.heap->len;

  g_array_set_size (world.heap, i + 1);
  heap = (Event *)world.heap->data;
  for (; i > 0 && is_before (event, &heap[(i - 1) / 2]); i = (i - 1) / 2)
    heap[i] = heap[(i - 1) / 2];
  heap[i] = *event;
}

static Event
pop (void)
{
  Event *heap = (Event *)world.heap->data;
  Event first = heap[0], last = heap[world.heap->len - 1];
  guint n = world.heap->len - 1, i = 0;

  g_array_set_size (world.heap, n);
  for (guint child; n > 0 && (child = 2 * i + 1) < n; i = child)
    {
      if (child + 1 < n && is_before (&heap[child + 1], &heap[child]))
        child++;
      if (!is_before (&heap[child], &last))
        break;
      heap[i] = heap[child];
    }
  if (n > 0)
    heap[i] = last;
  return first;
}

gint64
sim_now (void)
{
  return world.now_us;
}

void
sim_at (gint64 at_us, SimProc *proc, SimFunc func, gpointer data,
        GDestroyNotify drop)
{
  Event event = { .at_us = MAX (at_us, world.now_us),
                  .number = world.n_numbers++,
                  .proc = proc,
                  .life = proc != NULL ? proc->life : 0,
                  .func = func,
                  .data = data,
                  .drop = drop };

  push (&event);
}

static void
run (Event *event)
{
  SimProc *proc = event->proc;
  gboolean is_lost =
      proc != NULL && (!proc->is_alive || proc->life != event->life);

  if (!is_lost)
    {
      SimProc *before = sim_enter (proc);

      event->func (event->data);
      sim_enter (before);
    }
  if (event->drop != NULL)
    event->drop (event->data);
}

gboolean
sim_step (gint64 until_us)
{
  Event event;

  if (world.has_failed || world.heap->len == 0
      || g_array_index (world.heap, Event, 0).at_us > until_us)
    {
      world.now_us = world.has_failed ? world.now_us : until_us;
      return FALSE;
    }
  event = pop ();
  world.now_us = event.at_us;
  if (event.proc != NULL && event.proc->is_alive
      && event.proc->paused_until_us > world.now_us)
    {
      event.at_us = event.proc->paused_until_us;
      push (&event);
      return TRUE;
    }
  world.n_events++;
  run (&event);
  return TRUE;
}

/* --- processes ------------------------------------------------------------ */

void
sim_proc_init (SimProc *proc, const char *name, guint host)
{
  g_strlcpy (proc->name, name, sizeof proc->name);
  proc->host = host;
  proc->life++;
  proc->is_alive = TRUE;
  proc->paused_until_us = 0;
}

void
sim_proc_kill (SimProc *proc)
{
  proc->is_alive = FALSE;
  proc->life++;
}

gint64
sim_proc_now_us (const SimProc *proc)
{
  if (proc == NULL)
    return world.now_us;
  return proc->boot_us + (gint64)((double)world.now_us * proc->rate);
}

gint64
sim_proc_wall_us (const SimProc *proc)
{
  /* any day will do */
  return G_GINT64_CONSTANT (1700000000000000) + world.now_us
         + (proc != NULL ? proc->wall_step_us : 0);
}

gint64
sim_proc_to_world_us (const SimProc *proc, gint64 its_us)
{
  gint64 at_us;

  if (proc == NULL)
    return its_us;
  at_us = (gint64)((double)(its_us - proc->boot_us) / proc->rate);
  while (proc->boot_us + (gint64)((double)at_us * proc->rate) < its_us)
    at_us++;
  return at_us;
}

SimProc *
sim_self (void)
{
  return world.self;
}

SimProc *
sim_enter (SimProc *proc)
{
  SimProc *before = world.self;

  world.self = proc;
  return before;
}

/* --- the network ---------------------------------------------------------- */

gboolean
sim_is_cut (guint from, guint to)
{
  return from != to && world.cuts[from][to];
}

void
sim_cut (guint from, guint to, gboolean is_cut)
{
  world.cuts[from][to] = is_cut;
}

void
sim_slow (guint from, guint to, gint64 by_us)
{
  world.slow_us[from][to] = by_us;
}

void
sim_calm (void)
{
  world.is_calm = TRUE;
}

static void
message_free (gpointer data)
{
  Message *message = data;

  if (message->drop != NULL)
    message->drop (message->data);
  g_free (message);
}

SimChannel *
sim_channel_new (guint from, guint to)
{
  SimChannel *self = g_new0 (SimChannel, 1);

  self->from = from;
  self->to = to;
  self->resend_us = RESEND_MIN_US;
  g_queue_init (&self->messages);
  g_ptr_array_add (world.channels, self);
  return self;
}

static void
channel_free (gpointer data)
{
  SimChannel *self = data;

  g_queue_clear_full (&self->messages, message_free);
  g_free (self);
}

/* A message's event is of nobody: the process may have gone while others are
 * behind it. */
static void
deliver (Message *message)
{
  Event event = { .at_us = world.now_us,
                  .number = world.n_numbers++,
                  .proc = message->proc,
                  .life = message->life,
                  .func = message->func,
                  .data = message->data,
                  .drop = message->drop };

  push (&event);
  g_free (message);
}

static void
on_due (gpointer data)
{
  SimChannel *self = data;
  Message *first;

  self->is_waiting = FALSE;
  while ((first = g_queue_peek_head (&self->messages)) != NULL
         && first->due_us <= world.now_us)
    {
      if (sim_is_cut (self->from, self->to))
        {
          if (world.now_us - first->sent_us > GIVE_UP_US)
            {
              message_free (g_queue_pop_head (&self->messages));
              continue;
            }
          first->due_us = world.now_us + self->resend_us;
          self->resend_us = MIN (self->resend_us * 2, RESEND_MAX_US);
          break;
        }
      self->resend_us = RESEND_MIN_US;
      deliver (g_queue_pop_head (&self->messages));
    }
  if (first != NULL)
    {
      self->is_waiting = TRUE;
      sim_at (first->due_us, NULL, on_due, self, NULL);
    }
  else if (self->is_closed)
    g_ptr_array_remove_fast (world.channels, self);
}

void
sim_channel_send (SimChannel *self, SimProc *proc, SimFunc func, gpointer data,
                  GDestroyNotify drop)
{
  Message *message = g_new0 (Message, 1);
  gint64 delay_us = sim_between (DELAY_MIN_US, DELAY_MAX_US)
                    + world.slow_us[self->from][self->to];

  if (self->from != self->to && !world.is_calm && sim_chance (STALL_PERMILLE))
    delay_us += sim_between (0, STALL_MAX_US);
  self->last_us = MAX (self->last_us, world.now_us + delay_us);
  *message = (Message){ .due_us = self->last_us,
                        .sent_us = world.now_us,
                        .proc = proc,
                        .life = proc != NULL ? proc->life : 0,
                        .func = func,
                        .data = data,
                        .drop = drop };
  g_queue_push_tail (&self->messages, message);
  if (self->is_waiting)
    return;
  self->is_waiting = TRUE;
  sim_at (message->due_us, NULL, on_due, self, NULL);
}

void
sim_channel_close (SimChannel *self, gboolean keeps)
{
  self->is_closed = TRUE;
  if (!keeps)
    g_queue_clear_full (&self->messages, message_free);
  /* else on_due does it */
  if (!self->is_waiting)
    g_ptr_array_remove_fast (world.channels, self);
}

/* --- what happened -------------------------------------------------------- */

void
sim_trace (const char *format, ...)
{
  va_list args;

  if (!world.is_traced)
    return;
  printf ("# %9.4f  ", (double)world.now_us / SIM_US_PER_S);
  va_start (args, format);
  vprintf (format, args);
  va_end (args);
  putchar ('\n');
}

void
sim_fail (const char *format, ...)
{
  va_list args;

  if (world.has_failed)
    return;
  world.has_failed = TRUE;
  va_start (args, format);
  g_vsnprintf (world.failure, sizeof world.failure, format, args);
  va_end (args);
  sim_trace ("FAILED: %s", world.failure);
}

const char *
sim_get_failure (void)
{
  return world.has_failed ? world.failure : NULL;
}

guint64
sim_get_n_events (void)
{
  return world.n_events;
}

/* --- life ----------------------------------------------------------------- */

void
sim_world_begin (guint64 seed, gboolean is_traced)
{
  memset (&world, 0, sizeof world);
  world.heap = g_array_new (FALSE, FALSE, sizeof (Event));
  world.channels = g_ptr_array_new_with_free_func (channel_free);
  world.is_traced = is_traced;
  sow (seed);
}

void
sim_world_end (void)
{
  while (world.heap->len > 0)
    {
      Event event = pop ();

      if (event.drop != NULL)
        event.drop (event.data);
    }
  g_ptr_array_unref (world.channels);
  g_array_unref (world.heap);
  world.heap = NULL;
}
