/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcBatch: a worker's send buffer. Packets are written straight into it, one
 * after the other; neighbours of equal size to the same UDP peer become one
 * GSO message (only its last may be shorter), messages leave by sendmmsg.
 *   p = rtc_batch_reserve (batch, path, max); …write…; rtc_batch_commit (n)
 * GSO limits: 64 segments, 65,000 bytes a message. Where the kernel refuses
 * GSO (once seen: EIO/EINVAL) packets leave one by one. EAGAIN: waits for
 * POLLOUT at most 20 ms, goes on at the same message, then drops and counts.
 * A TCP path goes to the connection's bounded queue instead (whole packets
 * dropped and counted when full).
 * Owner:  RtcWorker. Thread: media. No allocation, no lock, no log.
 */
#pragma once

#include "rtc/path.h"

typedef struct _RtcBatch RtcBatch;

/* messages by how many packets they carry: 1, 2, 3-4, 5-8, … 33-64 */
#define RTC_BATCH_N_SIZES 7

typedef struct {
  guint64 n_packets, n_bytes, n_messages, n_syscalls;
  guint64 n_of_size[RTC_BATCH_N_SIZES], n_in_messages; /* packets, no TCP */
  guint64 n_oversize;        /* above 1452 bytes: sent without GSO */
  guint64 n_dropped_again;   /* send buffer stayed full */
  guint64 n_dropped_error;   /* other errno (peer gone, no route) */
  guint64 n_dropped_tcp;     /* TCP queue full */
} RtcBatchStats;

RtcBatch *rtc_batch_new (int fd4, int fd6); /* -1: family not there */
void rtc_batch_free (RtcBatch *self);
void rtc_batch_set_gso (RtcBatch *self, gboolean enabled);

/* rtc_batch_reserve: never NULL; flushes by itself when full.
 * @max_bytes: <= 2048. At most one reservation is open at a time. */
guint8 *rtc_batch_reserve (RtcBatch *self, const RtcPath *path,
                           gsize max_bytes);
void rtc_batch_commit (RtcBatch *self, gsize n_bytes); /* 0 = cancelled */
/* rtc_batch_add: a packet that lies elsewhere, as the same bytes for many UDP
 * peers do; neighbours in memory join as those in the buffer. @data must stay
 * as it is until the next flush. */
void rtc_batch_add (RtcBatch *self, const RtcPath *path, const guint8 *data,
                    gsize n_bytes);
void rtc_batch_flush (RtcBatch *self);
const RtcBatchStats *rtc_batch_get_stats (const RtcBatch *self);
