/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc/worker-private: what worker.c, transport.c and the room's tests share.
 * Thread: media, but where said.
 */
#pragma once

#include "rtc/counts.h"
#include "rtc/dtls.h"
#include "rtc/ice.h"
#include "rtc/poll.h"
#include "rtc/tcp.h"
#include "rtc/transport.h"
#include "rtc/udp.h"

#define RTC_WORKER_TICK_US (500 * 1000)   /* consent, timeouts */
#define RTC_WORKER_DTLS_TICK_US (50 * 1000)
#define RTC_WORKER_MAX_HANDSHAKE_STEPS 8  /* per turn */
#define RTC_WORKER_MAX_STUN_ERRORS 50     /* error replies per tick */

/* media: a handshake that succeeded */
void rtc_worker_observe_handshake (RtcWorker *self, gint64 took_us);
void rtc_worker_count (RtcWorker *self, RtcCount which, guint64 n);
/* any thread */
guint64 rtc_worker_get_count (RtcWorker *self, RtcCount which);

RtcCertificate *rtc_worker_get_certificate (RtcWorker *self);
/* for who has descriptors of his own on this worker (rtc/input.c) */
RtcPoll *rtc_worker_get_poll (RtcWorker *self);
RtcUdpReader *rtc_worker_get_reader (RtcWorker *self);

/* The tables through which packets find their transport. */
void rtc_worker_add_ufrag (RtcWorker *self, RtcIceCredentials *credentials);
void rtc_worker_remove_ufrag (RtcWorker *self, RtcIceCredentials *credentials);
RtcTransport *rtc_worker_find_address (RtcWorker *self, const RtcAddr *addr);
/* @addr: borrowed until removed */
void rtc_worker_add_address (RtcWorker *self, const RtcAddr *addr,
                             RtcTransport *transport);
void rtc_worker_remove_address (RtcWorker *self, const RtcAddr *addr);

/* Lists of embedded links, borrowed: all transports, those with a handshake
 * step to do, those whose handshake has a timer. */
GQueue *rtc_worker_get_transports (RtcWorker *self);
GQueue *rtc_worker_get_handshakes (RtcWorker *self);
GQueue *rtc_worker_get_dtls_timers (RtcWorker *self);
void rtc_worker_add_n_transports (RtcWorker *self, int n); /* any thread */

/* For tests, any thread: the worker's clock jumps ahead and its coarse timer
 * runs once. */
void rtc_worker_advance_clock (RtcWorker *self, gint64 us);
/* For tests, any thread: turns take their time from @now_us (borrowed; stored
 * to with release order), so that a slow machine's time is slow as well. When
 * timers run stays the system's business. */
void rtc_worker_set_clock (RtcWorker *self, const gint64 *now_us);
/* Media: what follows each wake-up: deferred work, then the flush. A replay
 * runs many turns within one piece of mail with it. */
void rtc_worker_end_turn (RtcWorker *self);
