/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BaseWindow: the values of the last minute, quarter and hour, as sketches that
 * answer for percentiles and can be shipped to other nodes. Three rings of 60
 * slots of 1, 15 and 60 s; a span is its slots with the one that runs now: 59
 * to 60 of them. A slot takes memory (4 KiB) only while it holds values: 720
 * KiB at most.
 *   A value belongs to the tick that brings it in: a process that stood still
 * for a minute counts what it had before as now, and has holes where it saw
 * nothing. Ticks may come late, twice or as seldom as they like.
 * Owner:  who made it. Thread: add: any, never waits; the rest: one. The clock
 *         is passed in.
 */
#pragma once

#include "base/sketch.h"

typedef enum
{
  BASE_SPAN_1M,
  BASE_SPAN_15M,
  BASE_SPAN_1H,
  BASE_SPAN_MAX, /* all since the start */
  BASE_SPAN_N
} BaseSpan;

/* "1m", "15m", "1h", "max" */
const char *base_span_get_name (BaseSpan span);

#define BASE_WINDOW_N_RINGS BASE_SPAN_MAX
#define BASE_WINDOW_N_SLOTS 60

/* base_window_get_period: which slot of @span's ring @now_us belongs to; slots
 * are its remainder by BASE_WINDOW_N_SLOTS */
gint64 base_window_get_period (BaseSpan span, gint64 now_us);

typedef struct _BaseWindow BaseWindow;

BaseWindow *base_window_new (void);
void base_window_free (BaseWindow *self);

/* base_window_add: from any thread; seen from the next tick on.
 * @self: (nullable) */
void base_window_add (BaseWindow *self, gint64 value);
/* base_window_tick: about once a second, and before reading */
void base_window_tick (BaseWindow *self, gint64 now_us);

/* base_window_merge: adds @span as of the last tick to @into, for percentiles
 * or for another node */
void base_window_merge (BaseWindow *self, BaseSpan span, BaseSketch *into);

/* slots that hold a sketch, of all rings */
guint base_window_get_n_slots (BaseWindow *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BaseWindow, base_window_free)
