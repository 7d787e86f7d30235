/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcTimers: a worker's ticks behind one GSource, so that a wake-up
 * costs the same however many there are. They stand on a grid of their
 * interval: those of one interval, and of its multiples, fire in one wake-up.
 * Owner:  RtcWorker. Thread: media.
 */
#pragma once

#include <glib.h>

typedef struct _RtcTimers RtcTimers;

/* @context: where they are run from */
RtcTimers *rtc_timers_new (GMainContext *context);
void rtc_timers_free (RtcTimers *self);

/* rtc_timers_add: @func is run each @interval_us, the first time after half of
 * it to one and a half, until it returns %G_SOURCE_REMOVE.
 * Returns: (transfer full): a handle, in no context: g_source_destroy () and
 * unref cancel it */
GSource *rtc_timers_add (RtcTimers *self, gint64 interval_us, GSourceFunc func,
                         gpointer data);

/* rtc_timers_run_early: runs those that are due within a fifth of their
 * interval, because the thread is awake anyway; below 50 ms none.
 * Returns: %TRUE when there was one */
gboolean rtc_timers_run_early (RtcTimers *self, gint64 now_us);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtcTimers, rtc_timers_free)
