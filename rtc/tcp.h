/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcTcp: the passive side of ICE-TCP (RFC 6544) on one worker: a listener per
 * address family and its connections, frames by RFC 4571 (two bytes length).
 * A connection is half-open until its first frame has been accepted as a
 * check; it has 5 s for that. Too many, too big or too slow: closed, counted.
 * Out: packets are copied into a bounded queue and written at flush; one that
 * does not fit is dropped whole. Connections that ended are freed by
 * rtc_tcp_flush, so pointers hold for the rest of a turn.
 * Owner: RtcWorker. Thread: media.
 */
#pragma once

#include "rtc/path.h"
#include "rtc/poll.h"

#define RTC_TCP_MAX_CONNECTIONS 4096
#define RTC_TCP_MAX_HALF_OPEN 256
#define RTC_TCP_MAX_FRAME_BYTES 2048
#define RTC_TCP_MAX_QUEUE_BYTES (512 * 1024)         /* per connection */
#define RTC_TCP_MAX_TOTAL_BYTES (256 * 1024 * 1024)  /* per worker */
#define RTC_TCP_HALF_OPEN_US (5 * G_USEC_PER_SEC)

typedef struct _RtcTcp RtcTcp;

typedef struct {
  guint64 n_accepted;
  guint64 n_refused_limit;   /* too many connections or half-open ones */
  guint64 n_closed_timeout;  /* no check in time */
  guint64 n_closed_frame;    /* frame too big, or no check as the first */
  guint64 n_closed_peer;     /* end of stream, reset */
} RtcTcpStats;

typedef struct {
  /* @path: names the connection. Returns: %FALSE: close it (the first frame
   * was no valid check) */
  gboolean (*on_frame) (const RtcPath *path, guint8 *data, gsize len,
                        gpointer user_data);
  /* @owner: what rtc_tcp_conn_set_owner said, else NULL */
  void (*on_closed) (RtcTcpConn *conn, gpointer owner, gpointer user_data);
} RtcTcpCallbacks;

/* rtc_tcp_new: @fd4, @fd6: (transfer full): listening, or -1 */
RtcTcp *rtc_tcp_new (RtcPoll *poll, int fd4, int fd6,
                     const RtcTcpCallbacks *callbacks, gpointer user_data);
void rtc_tcp_free (RtcTcp *self); /* closes all, on_closed is run */
void rtc_tcp_flush (RtcTcp *self);
void rtc_tcp_expire (RtcTcp *self, gint64 now_us);
const RtcTcpStats *rtc_tcp_get_stats (RtcTcp *self);
guint rtc_tcp_get_n_connections (RtcTcp *self);

/* @now_us of a new connection is taken from the last rtc_tcp_expire or
 * rtc_tcp_set_now */
void rtc_tcp_set_now (RtcTcp *self, gint64 now_us);

/* the transport that a check named; ends the half-open state */
void rtc_tcp_conn_set_owner (RtcTcpConn *conn, gpointer owner);
gpointer rtc_tcp_conn_get_owner (RtcTcpConn *conn);
/* Returns: %FALSE when the queue was full: the packet is dropped */
gboolean rtc_tcp_conn_send (RtcTcpConn *conn, const guint8 *data, gsize len);
gboolean rtc_tcp_conn_is_congested (RtcTcpConn *conn); /* over half full */
void rtc_tcp_conn_close (RtcTcpConn *conn); /* tries to write what is queued */
