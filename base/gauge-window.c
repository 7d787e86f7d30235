/* SPDX-License-Identifier: Apache-2.0 */
/* BaseGaugeWindow: see gauge-window.h. */
#include "base/gauge-window.h"

#include <math.h>

typedef struct
{
  gint64 period;
  guint64 n; /* 0: the slot is empty */
  double min, max, sum;
} Slot;

struct _BaseGaugeWindow
{
  Slot all; /* since the start */
  Slot slots[BASE_WINDOW_N_RINGS][BASE_WINDOW_N_SLOTS];
  gint64 now_us;
  double last;
};

BaseGaugeWindow *
base_gauge_window_new (void)
{
  return g_new0 (BaseGaugeWindow, 1);
}

void
base_gauge_window_free (BaseGaugeWindow *self)
{
  g_free (self);
}

static void
slot_merge (Slot *self, const Slot *other)
{
  if (other->n == 0)
    return;
  self->min = self->n > 0 ? MIN (self->min, other->min) : other->min;
  self->max = self->n > 0 ? MAX (self->max, other->max) : other->max;
  self->sum += other->sum;
  self->n += other->n;
}

void
base_gauge_window_add (BaseGaugeWindow *self, double value, gint64 now_us)
{
  const Slot one = { .n = 1, .min = value, .max = value, .sum = value };

  if (!isfinite (value))
    return;
  self->now_us = MAX (self->now_us, now_us);
  self->last = value;
  slot_merge (&self->all, &one);
  for (guint ring = 0; ring < BASE_WINDOW_N_RINGS; ring++)
    {
      gint64 period = base_window_get_period (ring, self->now_us);
      Slot *slot = &self->slots[ring][period % BASE_WINDOW_N_SLOTS];

      if (slot->period != period)
        *slot = (Slot){ .period = period };
      slot_merge (slot, &one);
    }
}

gboolean
base_gauge_window_get (BaseGaugeWindow *self, BaseSpan span, gint64 now_us,
                       BaseGaugeStats *ret)
{
  Slot sum = { 0 };
  gint64 first;

  g_return_val_if_fail (span < BASE_SPAN_N, FALSE);
  if (span == BASE_SPAN_MAX)
    sum = self->all;
  else
    {
      first = base_window_get_period (span, MAX (now_us, self->now_us))
              - BASE_WINDOW_N_SLOTS + 1;
      for (guint i = 0; i < BASE_WINDOW_N_SLOTS; i++)
        if (self->slots[span][i].period >= first)
          slot_merge (&sum, &self->slots[span][i]);
    }
  *ret = (BaseGaugeStats){ .n = sum.n, .min = sum.min, .max = sum.max };
  if (sum.n > 0)
    ret->mean = sum.sum / (double)sum.n;
  return sum.n > 0;
}

double
base_gauge_window_get_last (BaseGaugeWindow *self)
{
  return self->last;
}
