/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BaseGaugeWindow: least, largest and mean of what is sampled (CPU, memory,
 * ports), over the spans of BaseWindow; 48 bytes a slot. Samples count alike,
 * however long they held.
 * Owner:  who made it. Thread: one. The clock is passed in.
 */
#pragma once

#include "base/window.h"

typedef struct _BaseGaugeWindow BaseGaugeWindow;

/* n = 0: nothing was sampled in the span; then all are 0 */
typedef struct
{
  guint64 n;
  double min, max, mean;
} BaseGaugeStats;

BaseGaugeWindow *base_gauge_window_new (void);
void base_gauge_window_free (BaseGaugeWindow *self);

/* base_gauge_window_add: what is no finite number is left out */
void base_gauge_window_add (BaseGaugeWindow *self, double value, gint64 now_us);
/* base_gauge_window_get: @span as of @now_us, or of the last add when that was
 * later. Returns: %FALSE: no samples */
gboolean base_gauge_window_get (BaseGaugeWindow *self, BaseSpan span,
                                gint64 now_us, BaseGaugeStats *ret);
/* the last sample; 0 before the first */
double base_gauge_window_get_last (BaseGaugeWindow *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BaseGaugeWindow, base_gauge_window_free)
