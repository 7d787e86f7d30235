/* SPDX-License-Identifier: Apache-2.0 */
/* BaseWindow: see window.h. */
#include "base/window.h"

#include "base/clock.h"

typedef struct
{
  gint64 period;
  BaseSketch *sketch; /* owned (nullable): nothing came in this period */
} Slot;

struct _BaseWindow
{
  BaseSketch *inbox; /* owned: shared with those who add */
  BaseSketch *came;  /* owned: of one tick */
  BaseSketch *all;   /* owned: since the start */
  Slot slots[BASE_WINDOW_N_RINGS][BASE_WINDOW_N_SLOTS];
  gint64 now_us; /* of the last tick */
};

const char *
base_span_get_name (BaseSpan span)
{
  static const char *const names[BASE_SPAN_N] = {
    [BASE_SPAN_1M] = "1m",
    [BASE_SPAN_15M] = "15m",
    [BASE_SPAN_1H] = "1h",
    [BASE_SPAN_MAX] = "max",
  };

  g_return_val_if_fail (span < BASE_SPAN_N, NULL);
  return names[span];
}

gint64
base_window_get_period (BaseSpan span, gint64 now_us)
{
  static const gint64 widths_us[BASE_WINDOW_N_RINGS] = {
    [BASE_SPAN_1M] = BASE_US_PER_S,
    [BASE_SPAN_15M] = 15 * BASE_US_PER_S,
    [BASE_SPAN_1H] = 60 * BASE_US_PER_S,
  };

  g_return_val_if_fail (span < BASE_WINDOW_N_RINGS, 0);
  return now_us / widths_us[span];
}

BaseWindow *
base_window_new (void)
{
  BaseWindow *self = g_new0 (BaseWindow, 1);

  self->inbox = base_sketch_new ();
  self->came = base_sketch_new ();
  self->all = base_sketch_new ();
  return self;
}

void
base_window_free (BaseWindow *self)
{
  if (!self)
    return;
  for (guint ring = 0; ring < BASE_WINDOW_N_RINGS; ring++)
    for (guint i = 0; i < BASE_WINDOW_N_SLOTS; i++)
      base_sketch_free (self->slots[ring][i].sketch);
  base_sketch_free (self->inbox);
  base_sketch_free (self->came);
  base_sketch_free (self->all);
  g_free (self);
}

void
base_window_add (BaseWindow *self, gint64 value)
{
  if (self)
    base_sketch_add_atomic (self->inbox, value);
}

static void
drop_old_slots (BaseWindow *self, guint ring, gint64 period)
{
  for (guint i = 0; i < BASE_WINDOW_N_SLOTS; i++)
    {
      Slot *slot = &self->slots[ring][i];

      if (slot->sketch && slot->period <= period - BASE_WINDOW_N_SLOTS)
        g_clear_pointer (&slot->sketch, base_sketch_free);
    }
}

void
base_window_tick (BaseWindow *self, gint64 now_us)
{
  self->now_us = MAX (self->now_us, now_us);
  base_sketch_clear (self->came);
  base_sketch_take (self->inbox, self->came);
  base_sketch_merge (self->all, self->came);
  for (guint ring = 0; ring < BASE_WINDOW_N_RINGS; ring++)
    {
      gint64 period = base_window_get_period (ring, self->now_us);
      Slot *slot = &self->slots[ring][period % BASE_WINDOW_N_SLOTS];

      drop_old_slots (self, ring, period);
      if (base_sketch_get_n (self->came) == 0)
        continue;
      slot->period = period;
      if (!slot->sketch)
        slot->sketch = base_sketch_new ();
      base_sketch_merge (slot->sketch, self->came);
    }
}

void
base_window_merge (BaseWindow *self, BaseSpan span, BaseSketch *into)
{
  g_return_if_fail (span < BASE_SPAN_N);
  if (span == BASE_SPAN_MAX)
    {
      base_sketch_merge (into, self->all);
      return;
    }
  for (guint i = 0; i < BASE_WINDOW_N_SLOTS; i++)
    if (self->slots[span][i].sketch)
      base_sketch_merge (into, self->slots[span][i].sketch);
}

guint
base_window_get_n_slots (BaseWindow *self)
{
  guint n = 0;

  for (guint ring = 0; ring < BASE_WINDOW_N_RINGS; ring++)
    for (guint i = 0; i < BASE_WINDOW_N_SLOTS; i++)
      n += self->slots[ring][i].sketch != NULL;
  return n;
}
