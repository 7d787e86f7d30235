/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc/worker-state: RtcWorker's fields, for worker.c, worker-packets.c and
 * worker-stats.c only.
 * Thread: media, but where said.
 */
#pragma once

#include "rtc/timers.h"
#include "rtc/worker-private.h"

struct _RtcWorker
{
  guint index, port;
  RtcCertificate *certificate; /* owned */
  GMainContext *context;       /* owned */
  GThread *thread;             /* owned */
  BaseMailbox *mailbox;        /* owned */
  RtcTimers *timers;           /* owned */
  RtcSockets sockets;          /* owned; the TCP ones by @tcp */
  RtcPoll *poll;               /* owned */
  RtcWatch watch4, watch6;
  RtcUdpReader *reader;   /* owned */
  RtcBatch *batch;        /* owned */
  RtcTcp *tcp;            /* owned */
  RtcIce *ice;            /* owned */
  GHashTable *by_ufrag;   /* of char * → RtcIceCredentials, borrowed */
  GHashTable *by_address; /* of RtcAddr → RtcTransport, borrowed */
  GQueue transports, handshakes, dtls_timers;
  GArray *deferred, *running; /* owned, of Deferred; swapped each turn */
  GSource *tick, *dtls_tick;  /* owned; the second only while needed */
  gint64 turn_us;             /* 0: not read yet this turn */
  guint n_stun_errors;        /* since the last tick */
  gboolean is_ending;
  RtcCounts counts;
  BaseCounter *gauge;               /* borrowed, nullable */
  BaseHistogram *handshake_seconds; /* borrowed, nullable, as the next */
  BaseHistogram *message_packets;
  guint64 n_of_size[RTC_BATCH_N_SIZES], n_in_messages; /* told to it */
  gint64 ticked_us;       /* atomic: the coarse timer ran, monotonic */
  int cpu_clock;          /* atomic: clockid_t of the thread; 0: no thread */
  int n_transports;       /* atomic */
  gint64 clock_offset_us; /* atomic; tests only */
  const gint64 *clock_us; /* borrowed, atomic, nullable; tests only */
};

/* at a turn's end: what is new goes to the registry */
void rtc_worker_update_counts (RtcWorker *self);

/* rtc_worker_set_up_io: sockets are bound; from now on packets find their
 * transport whenever the poll is dispatched. Main, before the thread runs. */
void rtc_worker_set_up_io (RtcWorker *self);
