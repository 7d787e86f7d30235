/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcInput: a UDP port of its own on a worker, for plain RTP: in the worker's
 * epoll set, read in bursts as its WebRTC sockets are (rtc/udp.h). What comes
 * is handed over as it is; who sent it is for the caller's firewall, or the
 * loopback address, to decide.
 *   Empty datagrams are ignored, those beyond RTC_MAX_PACKET_BYTES dropped and
 * counted; a turn reads a bounded number.
 * Owner:  its maker. Thread: new, free: main; callbacks: media.
 */
#pragma once

#include "rtc/udp-place.h"
#include "rtc/worker.h"

typedef struct _RtcInput RtcInput;

/* @data may be changed in place; all is borrowed during the call */
typedef void (*RtcInputFunc) (RtcInput *self, const RtcPath *path,
                              guint8 *data, gsize len, gint64 now_us,
                              gpointer user_data);

typedef struct {
  guint64 n_packets, n_bytes;
  guint64 n_dropped_size;
} RtcInputStats;

/* rtc_input_new: bound when it returns, read from the worker's next turn on.
 * @address: port 0 = any free one, see get_port
 * @data_free: (nullable): run on @worker's thread, after the last @func
 * Returns: (transfer full) (nullable): NULL with RTC_WORKER_ERROR_BIND */
RtcInput *rtc_input_new (RtcWorker *worker, const RtcAddr *address,
                         RtcInputFunc func, gpointer data,
                         GDestroyNotify data_free, GError **error);
/* the same anywhere: all addresses of the host, a multicast group */
RtcInput *rtc_input_new_at (RtcWorker *worker, const RtcUdpPlace *place,
                            RtcInputFunc func, gpointer data,
                            GDestroyNotify data_free, GError **error);
/* rtc_input_free: the port is closed by the worker, soon; @worker must still
 * be there. */
void rtc_input_free (RtcInput *self);
guint rtc_input_get_port (RtcInput *self);
/* borrowed: to send from the same port, by a batch of its own */
int rtc_input_get_fd (RtcInput *self);
/* rtc_input_send: media. One small datagram, now; for what is rare.
 * Returns: %FALSE when the system did not take it */
gboolean rtc_input_send (RtcInput *self, const RtcAddr *to, const guint8 *data,
                         gsize len);
/* any thread, until free: a relaxed copy */
void rtc_input_get_stats (RtcInput *self, RtcInputStats *ret);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtcInput, rtc_input_free)
