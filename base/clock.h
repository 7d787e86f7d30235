/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/clock: the one internal time (monotonic microseconds) and wall time.
 * Thread: any.
 */
#pragma once

#include <glib.h>
#include <time.h>

#define BASE_US_PER_MS G_GINT64_CONSTANT (1000)
#define BASE_US_PER_S G_GINT64_CONSTANT (1000000)

/* base_clock_now_us: monotonic time; never goes back. */
static inline gint64
base_clock_now_us (void)
{
  return g_get_monotonic_time ();
}

/* base_clock_wall_us: microseconds since 1970 UTC; may jump. */
static inline gint64
base_clock_wall_us (void)
{
  return g_get_real_time ();
}

/* base_clock_boot_us: like now_us, but goes on while the machine sleeps: for
 * promises that end at a time. */
static inline gint64
base_clock_boot_us (void)
{
  struct timespec now;

  clock_gettime (CLOCK_BOOTTIME, &now);
  return now.tv_sec * BASE_US_PER_S + now.tv_nsec / 1000;
}
