/* SPDX-License-Identifier: Apache-2.0 */
/* RtcTimers: see timers.h. */
#include "rtc/timers.h"

#define MIN_EARLY_INTERVAL_US (50 * 1000)

typedef struct
{
  GSource source; /* in no context: a handle with a reference count */
  GSourceFunc func;
  gpointer data;
  gint64 interval_us, due_us, early_us;
} Timer;

struct _RtcTimers
{
  GSource source;  /* timers are looked at when it is prepared: what is added
                    * by a callback needs no wake-up of its own */
  GPtrArray *list; /* of Timer: a reference each */
  gint64 due_us;   /* of the first; G_MAXINT64: none */
  gint64 early_us;
};

static void
timer_set_due (Timer *timer, gint64 after_us)
{
  timer->due_us = (after_us / timer->interval_us + 1) * timer->interval_us;
  timer->early_us = timer->interval_us >= MIN_EARLY_INTERVAL_US
                        ? timer->due_us - timer->interval_us / 5
                        : G_MAXINT64;
}

static void
find_first (RtcTimers *self)
{
  self->due_us = self->early_us = G_MAXINT64;
  for (guint i = 0; i < self->list->len; i++)
    {
      const Timer *timer = self->list->pdata[i];

      self->due_us = MIN (self->due_us, timer->due_us);
      self->early_us = MIN (self->early_us, timer->early_us);
    }
}

/* What a callback adds is behind the end; only this takes timers out. */
static gboolean
run (RtcTimers *self, gint64 now_us, gboolean early)
{
  gboolean any = FALSE;
  guint i = 0;

  while (i < self->list->len)
    {
      Timer *timer = self->list->pdata[i];

      if (!g_source_is_destroyed (&timer->source)
          && now_us >= (early ? timer->early_us : timer->due_us))
        {
          any = TRUE;
          timer_set_due (timer, MAX (now_us, timer->due_us));
          if (timer->func (timer->data) == G_SOURCE_REMOVE)
            g_source_destroy (&timer->source);
        }
      if (g_source_is_destroyed (&timer->source))
        g_ptr_array_remove_index_fast (self->list, i);
      else
        i++;
    }
  find_first (self);
  return any;
}

static gboolean
on_prepare (GSource *source, int *timeout_ms)
{
  RtcTimers *self = (RtcTimers *)source;
  gint64 wait_us;

  if (self->due_us == G_MAXINT64)
    {
      *timeout_ms = -1;
      return FALSE;
    }
  wait_us = self->due_us - g_source_get_time (source);
  *timeout_ms = (int)CLAMP ((wait_us + 999) / 1000, 0, G_MAXINT);
  return wait_us <= 0;
}

static gboolean
on_check (GSource *source)
{
  return ((RtcTimers *)source)->due_us <= g_source_get_time (source);
}

static gboolean
on_dispatch (GSource *source, GSourceFunc func, gpointer data)
{
  run ((RtcTimers *)source, g_source_get_time (source), FALSE);
  return G_SOURCE_CONTINUE;
}

RtcTimers *
rtc_timers_new (GMainContext *context)
{
  static GSourceFuncs funcs = { .prepare = on_prepare,
                                .check = on_check,
                                .dispatch = on_dispatch };
  GSource *source = g_source_new (&funcs, sizeof (RtcTimers));
  RtcTimers *self = (RtcTimers *)source;

  self->list = g_ptr_array_new_with_free_func ((GDestroyNotify)g_source_unref);
  self->due_us = self->early_us = G_MAXINT64;
  g_source_set_static_name (source, "rtc-timers");
  g_source_attach (source, context);
  return self;
}

void
rtc_timers_free (RtcTimers *self)
{
  g_ptr_array_unref (self->list);
  g_source_destroy (&self->source);
  g_source_unref (&self->source);
}

GSource *
rtc_timers_add (RtcTimers *self, gint64 interval_us, GSourceFunc func,
                gpointer data)
{
  static GSourceFuncs funcs = { NULL };
  GSource *source = g_source_new (&funcs, sizeof (Timer));
  Timer *timer = (Timer *)source;

  timer->func = func;
  timer->data = data;
  timer->interval_us = interval_us;
  timer_set_due (timer, g_get_monotonic_time () + interval_us / 2);
  g_ptr_array_add (self->list, g_source_ref (source));
  self->due_us = MIN (self->due_us, timer->due_us);
  self->early_us = MIN (self->early_us, timer->early_us);
  return source;
}

gboolean
rtc_timers_run_early (RtcTimers *self, gint64 now_us)
{
  return now_us >= self->early_us && run (self, now_us, TRUE);
}
