/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc/udp: opens a worker's sockets and reads them in bursts (recvmmsg, split
 * by the kernel's GRO size). A burst is bounded, so that no socket starves the
 * others; the rest comes at the next turn.
 * Owner: RtcWorker. Thread: open: main; read: media.
 */
#pragma once

#include "rtc/path.h"

/* rtc_udp_open: a bound, non-blocking socket; rtc_tcp_listen likewise.
 * @family: AF_INET or AF_INET6 (v6 only); @port: 0 = any
 * Returns: the descriptor, or -1 with errno */
int rtc_udp_open (int family, guint port);
int rtc_udp_open_at (const RtcAddr *address);
int rtc_tcp_listen (int family, guint port);
/* what every UDP socket here has: buffers, GRO, the local address of packets */
void rtc_udp_prepare (int fd, int family);
guint rtc_socket_get_port (int fd);

/* A worker's four, all on one port number; -1: not there */
typedef struct {
  int udp4, udp6, tcp4, tcp6;
} RtcSockets;

/* rtc_sockets_open: @port: (inout): 0 becomes the one that was free
 * Returns: 0 or errno; a host without IPv6 is no error */
int rtc_sockets_open (RtcSockets *ret, guint *port);
void rtc_sockets_close (RtcSockets *self);

/* @data may be changed in place; all is borrowed during the call */
typedef void (*RtcUdpPacketFunc) (const RtcPath *path, guint8 *data,
                                  gsize len, gpointer user_data);

typedef struct _RtcUdpReader RtcUdpReader;
RtcUdpReader *rtc_udp_reader_new (void);
void rtc_udp_reader_free (RtcUdpReader *self);
void rtc_udp_reader_read (RtcUdpReader *self, int fd, RtcUdpPacketFunc func,
                          gpointer user_data);
