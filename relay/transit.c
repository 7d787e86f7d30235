/* SPDX-License-Identifier: Apache-2.0 */
/* RelayTransit: see the header. */
#include "relay/transit.h"

#include <string.h>

#define KNOWN (G_GUINT64_CONSTANT (1) << 32)

/* to_units: modulo 2^32; of times of any size and sign */
static guint32
to_units (gint64 time_us, guint clock_hz)
{
  gint64 s = time_us / G_USEC_PER_SEC, rest_us = time_us % G_USEC_PER_SEC;

  return (guint32)((guint64)s * clock_hz
                   + (guint64)(rest_us * clock_hz / G_USEC_PER_SEC));
}

static guint32
least_of (guint32 a, guint32 b)
{
  return (gint32)(a - b) < 0 ? a : b;
}

void
relay_transit_reset (RelayTransit *self)
{
  self->begun_us = 0;
  __atomic_store_n (&self->published, 0, __ATOMIC_RELAXED);
}

void
relay_transit_add (RelayTransit *self, guint32 rtp_ts, guint clock_hz,
                   gint64 now_us)
{
  guint32 transit = to_units (now_us, clock_hz) - rtp_ts;
  gint64 passed_us = now_us - self->begun_us;

  if (self->begun_us == 0 || passed_us >= 2 * RELAY_TRANSIT_WINDOW_US)
    {
      self->begun_us = now_us;
      self->least = self->before = transit;
    }
  else if (passed_us >= RELAY_TRANSIT_WINDOW_US)
    {
      self->begun_us = now_us;
      self->before = self->least;
      self->least = transit;
    }
  else
    self->least = least_of (self->least, transit);
  __atomic_store_n (&self->published,
                    KNOWN + least_of (self->least, self->before),
                    __ATOMIC_RELAXED);
}

gboolean
relay_transit_get (const RelayTransit *self, guint clock_hz,
                   gint64 clock_offset_us, guint32 *ret_units)
{
  guint64 published = __atomic_load_n (&self->published, __ATOMIC_RELAXED);

  if (published == 0)
    return FALSE;
  *ret_units = (guint32)published + to_units (clock_offset_us, clock_hz);
  return TRUE;
}
