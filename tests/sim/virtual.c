/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/virtual: GLib's clock, sources and chance for the production code, on the
 * world's time. The linker puts these in for the real ones (--wrap, as
 * tests/sanitizer/tsan.c does), so that no room knows of the simulator. A
 * source belongs to the process that made it; who dies takes its timers along.
 */
#include "world.h"

#include <string.h>
#include <time.h>

/* In front of what the caller takes for a GSource. */
typedef struct
{
  SimProc *proc;
  GSourceFuncs *funcs; /* (nullable) borrowed */
  GSourceFunc func;
  gpointer data;
  gint64 ready_us;    /* of the process's clock; -1 = never */
  gint64 interval_us; /* -1: not a timeout */
  guint arm, id;
  gboolean is_attached, is_destroyed;
  int n_refs;
} Source;

static GHashTable *sources; /* id → Source, borrowed */
static guint last_id;

gint64 __wrap_g_get_monotonic_time (void);
gint64 __wrap_g_get_real_time (void);
int __wrap_clock_gettime (clockid_t clock, struct timespec *ret);
GSource *__wrap_g_source_new (GSourceFuncs *funcs, guint size);
GSource *__wrap_g_idle_source_new (void);
GSource *__wrap_g_timeout_source_new (guint ms);
void __wrap_g_source_set_priority (GSource *source, int priority);
void __wrap_g_source_set_static_name (GSource *source, const char *name);
void __wrap_g_source_set_callback (GSource *source, GSourceFunc func,
                                   gpointer data, GDestroyNotify notify);
void __wrap_g_source_set_ready_time (GSource *source, gint64 ready_us);
guint __wrap_g_source_attach (GSource *source, GMainContext *context);
void __wrap_g_source_destroy (GSource *source);
void __wrap_g_source_unref (GSource *source);
guint __wrap_g_timeout_add (guint ms, GSourceFunc func, gpointer data);
guint __wrap_g_idle_add (GSourceFunc func, gpointer data);
guint __wrap_g_idle_add_full (int priority, GSourceFunc func, gpointer data,
                              GDestroyNotify notify);
double __wrap_g_random_double (void);
gboolean __wrap_g_source_remove (guint id);

static Source *
get (GSource *source)
{
  return (Source *)(gpointer)source - 1;
}

static GSource *
give (Source *self)
{
  return (GSource *)(gpointer)(self + 1);
}

/* --- clocks --------------------------------------------------------------- */

gint64
__wrap_g_get_monotonic_time (void)
{
  return sim_proc_now_us (sim_self ());
}

gint64
__wrap_g_get_real_time (void)
{
  return sim_proc_wall_us (sim_self ());
}

int
__wrap_clock_gettime (clockid_t clock, struct timespec *ret)
{
  gint64 us = clock == CLOCK_REALTIME ? sim_proc_wall_us (sim_self ())
                                      : sim_proc_now_us (sim_self ());

  ret->tv_sec = us / SIM_US_PER_S;
  ret->tv_nsec = us % SIM_US_PER_S * 1000;
  return 0;
}

/* --- sources -------------------------------------------------------------- */

static void
drop (gpointer data)
{
  Source *self = data;

  if (--self->n_refs == 0)
    g_free (self);
}

typedef struct
{
  Source *source; /* a reference */
  guint arm;
} Shot;

static void
shot_free (gpointer data)
{
  Shot *shot = data;

  drop (shot->source);
  g_free (shot);
}

static void on_ready (gpointer data);

static void
arm (Source *self)
{
  Shot *shot;

  self->arm++;
  if (!self->is_attached || self->is_destroyed || self->ready_us < 0)
    return;
  shot = g_new (Shot, 1);
  *shot = (Shot){ self, self->arm };
  self->n_refs++;
  sim_at (sim_proc_to_world_us (self->proc, self->ready_us), self->proc,
          on_ready, shot, shot_free);
}

static void
on_ready (gpointer data)
{
  Shot *shot = data;
  Source *self = shot->source;
  gboolean goes_on;

  if (self->is_destroyed || shot->arm != self->arm)
    return;
  if (self->funcs != NULL)
    goes_on = self->funcs->dispatch (give (self), self->func, self->data);
  else
    goes_on = self->func (self->data);
  if (!goes_on)
    __wrap_g_source_destroy (give (self));
  else if (self->funcs == NULL && !self->is_destroyed)
    {
      self->ready_us = sim_proc_now_us (self->proc)
                       + (self->interval_us < 0 ? 0 : self->interval_us);
      arm (self);
    }
}

static Source *
make (GSourceFuncs *funcs, guint size)
{
  Source *self = g_malloc0 (sizeof *self + MAX (size, sizeof (GSource)));

  self->proc = sim_self ();
  self->funcs = funcs;
  self->ready_us = self->interval_us = -1;
  self->n_refs = 1;
  return self;
}

GSource *
__wrap_g_source_new (GSourceFuncs *funcs, guint size)
{
  return give (make (funcs, size));
}

GSource *
__wrap_g_idle_source_new (void)
{
  Source *self = make (NULL, 0);

  self->ready_us = 0;
  return give (self);
}

GSource *
__wrap_g_timeout_source_new (guint ms)
{
  Source *self = make (NULL, 0);

  self->interval_us = ms * SIM_US_PER_MS;
  self->ready_us = sim_proc_now_us (self->proc) + self->interval_us;
  return give (self);
}

void
__wrap_g_source_set_priority (GSource *source, int priority)
{
}

void
__wrap_g_source_set_static_name (GSource *source, const char *name)
{
}

void
__wrap_g_source_set_callback (GSource *source, GSourceFunc func, gpointer data,
                              GDestroyNotify notify)
{
  g_assert (notify == NULL);
  get (source)->func = func;
  get (source)->data = data;
}

void
__wrap_g_source_set_ready_time (GSource *source, gint64 ready_us)
{
  get (source)->ready_us = ready_us;
  arm (get (source));
}

guint
__wrap_g_source_attach (GSource *source, GMainContext *context)
{
  Source *self = get (source);

  if (sources == NULL)
    sources = g_hash_table_new (NULL, NULL);
  self->id = ++last_id;
  self->is_attached = TRUE;
  self->n_refs++;
  g_hash_table_insert (sources, GUINT_TO_POINTER (self->id), self);
  arm (self);
  return self->id;
}

void
__wrap_g_source_destroy (GSource *source)
{
  Source *self = get (source);

  if (self->is_destroyed)
    return;
  self->is_destroyed = TRUE;
  if (!self->is_attached)
    return;
  g_hash_table_remove (sources, GUINT_TO_POINTER (self->id));
  drop (self);
}

void
__wrap_g_source_unref (GSource *source)
{
  drop (get (source));
}

static guint
add (GSource *source, GSourceFunc func, gpointer data)
{
  guint id;

  __wrap_g_source_set_callback (source, func, data, NULL);
  id = __wrap_g_source_attach (source, NULL);
  __wrap_g_source_unref (source);
  return id;
}

guint
__wrap_g_timeout_add (guint ms, GSourceFunc func, gpointer data)
{
  return add (__wrap_g_timeout_source_new (ms), func, data);
}

guint
__wrap_g_idle_add (GSourceFunc func, gpointer data)
{
  return add (__wrap_g_idle_source_new (), func, data);
}

guint
__wrap_g_idle_add_full (int priority, GSourceFunc func, gpointer data,
                        GDestroyNotify notify)
{
  g_assert (notify == NULL);
  return __wrap_g_idle_add (func, data);
}

double
__wrap_g_random_double (void)
{
  return (double)(sim_random () >> 11) / (double)(G_GUINT64_CONSTANT (1) << 53);
}

gboolean
__wrap_g_source_remove (guint id)
{
  Source *self = g_hash_table_lookup (sources, GUINT_TO_POINTER (id));

  g_return_val_if_fail (self != NULL, FALSE);
  __wrap_g_source_destroy (give (self));
  return TRUE;
}
