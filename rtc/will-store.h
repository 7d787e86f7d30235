/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcWillStore: the wills of those a node serves, kept in a directory while it
 * lives, and sent by the process that finds them there after a crash.
 *   new ─► send (what the dead one left) ─► put, put, remove …
 *       ─► end_sending ─► the workers go, sessions' last removals ─► free
 * A file each (RTC_WILL_BYTES, mode 0600), in "wills" below the directory
 * given: mode 0700, and locked, so that two processes cannot share it. Files
 * are written and removed by one thread of the store's own, in order: neither
 * main nor media waits for a disk. They outlive the process, not the machine:
 * nothing is synced.
 * Bounds: @max_wills files are read at start, what is more or is no will is
 * deleted with one warning; at most RTC_WILL_STORE_MAX_JOBS wait to be
 * written, further ones are dropped. Both, and what cannot be written, are
 * media_tree_wills_failed_total.
 * Owner: node. Thread: main.
 */
#pragma once

#include "rtc/will.h"
#include "rtc/worker.h"

#define RTC_WILL_STORE_MAX_JOBS 8192
/* UDP may lose one: each will is sent so often, so far apart */
#define RTC_WILL_STORE_N_ROUNDS 3
#define RTC_WILL_STORE_ROUND_MS 100

typedef struct _RtcWillStore RtcWillStore;

typedef enum {
  RTC_WILL_STORE_ERROR_LOCKED, /* another process has it */
  RTC_WILL_STORE_ERROR_SYSTEM, /* not to be made, opened, or not ours */
} RtcWillStoreError;
#define RTC_WILL_STORE_ERROR (rtc_will_store_error_quark ())
GQuark rtc_will_store_error_quark (void);

/* rtc_will_store_new: @metrics: (nullable)
 * Returns: (nullable): @error's message names the directory */
RtcWillStore *rtc_will_store_new (const char *directory, guint max_wills,
                                  BaseMetrics *metrics, GError **error);
/* waits until all is written */
void rtc_will_store_free (RtcWillStore *self);

/* rtc_will_store_send: what was found at the start, each from the worker that
 * has the dead one's port, three times in 200 ms; then the files go. Those of
 * ports that nobody has are dropped.
 * @workers: borrowed until end_sending. Once a store.
 * Returns: number of wills that are sent */
guint rtc_will_store_send (RtcWillStore *self, RtcWorker *const *workers,
                           guint n_workers);
/* before the workers are freed; what was not sent yet is dropped */
void rtc_will_store_end_sending (RtcWillStore *self);

/* rtc_will_store_put: @id: (inout): 0 = a new one; else it is replaced */
void rtc_will_store_put (RtcWillStore *self, guint64 *id, const RtcWill *will);
/* 0 = nothing */
void rtc_will_store_remove (RtcWillStore *self, guint64 id);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtcWillStore, rtc_will_store_free)
