/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/bench/stamp: what the source writes into each payload and the load
 * reads from it: a magic, the monotonic time of sending, a counter. It begins
 * behind the payload format's own bytes: 2 of an H264 fragment, 1 of Opus.
 * Source and load run on one host: one clock.
 */
#pragma once

#include <glib.h>
#include <string.h>

#define BENCH_STAMP_MAGIC G_GUINT64_CONSTANT (0x6d656469617472ee)

typedef struct
{
  guint64 magic;
  gint64 sent_us;
  guint64 counter;
} BenchStamp;

static inline void
bench_stamp_write (guint8 *at, gint64 sent_us, guint64 counter)
{
  BenchStamp stamp = { BENCH_STAMP_MAGIC, sent_us, counter };

  memcpy (at, &stamp, sizeof stamp);
}

/* bench_stamp_find: in a payload; %FALSE: it has none (parameter sets) */
static inline gboolean
bench_stamp_find (const guint8 *payload, gsize len, BenchStamp *ret)
{
  for (gsize at = 1; at <= 2 && at + sizeof *ret <= len; at++)
    {
      memcpy (ret, payload + at, sizeof *ret);
      if (ret->magic == BENCH_STAMP_MAGIC)
        return TRUE;
    }
  return FALSE;
}
