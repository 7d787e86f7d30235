/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcWorker: one media thread: its GMainContext, its UDP port (IPv4 and IPv6,
 * and the same TCP port for ICE-TCP), its transports, its send batch. A wake-up
 * reads a burst (recvmmsg, UDP GRO where given), hands each packet to its
 * transport, then runs what was deferred (fan-out) and flushes the batch: a
 * burst in is a burst out. All its descriptors sit in one epoll that is one
 * GSource.
 * Owner:  node. Thread: new/start/free/post: main; the rest: media (asserted).
 */
#pragma once

#include "base/mailbox.h"
#include "base/metrics.h"
#include "rtc/batch.h"

typedef struct _RtcWorker RtcWorker;
typedef struct _RtcTransport RtcTransport;
typedef struct _RtcCertificate RtcCertificate; /* rtc/dtls.h */

typedef enum {
  RTC_WORKER_ERROR_BIND, /* message names address and port */
  RTC_WORKER_ERROR_SYSTEM,
} RtcWorkerError;
#define RTC_WORKER_ERROR (rtc_worker_error_quark ())
GQuark rtc_worker_error_quark (void);

/* @port: UDP and TCP; 0 = any free one (tests), see get_port */
RtcWorker *rtc_worker_new (guint index, guint port,
                           RtcCertificate *certificate, BaseMetrics *metrics,
                           GError **error);
/* rtc_worker_stop: ends the thread, closing what is left (each transport's
 * on_closed is run). Workers write to each other: stop all of them before the
 * first is freed. Mail that comes later is kept and discarded by free. */
void rtc_worker_stop (RtcWorker *self);
void rtc_worker_free (RtcWorker *self);
guint rtc_worker_get_index (RtcWorker *self);
guint rtc_worker_get_port (RtcWorker *self);

/* any thread: run @func on this worker's thread, in order */
void rtc_worker_post (RtcWorker *self, BaseMailFunc func, gpointer data,
                      GDestroyNotify discard);
/* media: are we on it? for assertions */
gboolean rtc_worker_is_current (RtcWorker *self);

/* media: run @func once at the end of this turn, before the batch is flushed.
 * The same (func, data) pair is run once a turn. */
void rtc_worker_defer (RtcWorker *self, BaseMailFunc func, gpointer data);
void rtc_worker_cancel_deferred (RtcWorker *self, BaseMailFunc func,
                                 gpointer data);

/* media: periodic or one-shot; @func returns G_SOURCE_REMOVE/CONTINUE. What
 * it sends is flushed after it. (transfer full): destroy + unref to cancel */
GSource *rtc_worker_add_timer (RtcWorker *self, gint64 interval_us,
                               GSourceFunc func, gpointer data);
/* media: the same for what is done again and again and need not be on time:
 * ticks of one interval fire together, from 50 ms on up to a fifth early, and
 * cost no wake-up when packets make one; see rtc_timers_add () */
GSource *rtc_worker_add_tick (RtcWorker *self, gint64 interval_us,
                              GSourceFunc func, gpointer data);
RtcBatch *rtc_worker_get_batch (RtcWorker *self);
gint64 rtc_worker_get_turn_us (RtcWorker *self); /* clock read once a turn */

/* main: number of transports on it (for balance) */
guint rtc_worker_get_n_transports (RtcWorker *self);
/* any thread: bytes sent and received since the start, added to what is
 * there; at most a turn old */
void rtc_worker_add_bytes (RtcWorker *self, guint64 *tx_bytes,
                           guint64 *rx_bytes);
/* main: CPU time of its thread so far, the kernel's part included; 0: it has
 * ended */
gint64 rtc_worker_get_cpu_us (RtcWorker *self);
/* any: when its thread last came by, which it does twice a second */
gint64 rtc_worker_get_ticked_us (RtcWorker *self);
/* JSON object text (transfer full) for /debug/state; safe from main */
char *rtc_worker_describe (RtcWorker *self);
