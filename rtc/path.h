/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcPath: where a transport's packets go: a UDP peer (remote address, and the
 * local address that it spoke to, so that a multi-homed host answers from the
 * right one), or an ICE-TCP connection. Plain value, compared bytewise.
 * Thread: media of its worker.
 */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "rtc/types.h"

typedef struct _RtcTcpConn RtcTcpConn; /* rtc/tcp.h, private to the room */

typedef union {
  struct sockaddr sa;
  struct sockaddr_in in;
  struct sockaddr_in6 in6;
} RtcAddr;

typedef struct {
  RtcAddr remote;
  union { struct in_addr in; struct in6_addr in6; } local; /* from PKTINFO */
  guint local_ifindex;
  RtcTcpConn *tcp; /* borrowed, nullable; then the rest only names it */
} RtcPath;

gboolean rtc_addr_equal (const RtcAddr *a, const RtcAddr *b);
guint rtc_addr_hash (const RtcAddr *a);
/* (transfer full): "1.2.3.4:567", "[::1]:567" */
char *rtc_addr_to_string (const RtcAddr *a);
/* from an IP literal; %FALSE when it is none */
gboolean rtc_addr_from_string (const char *ip, guint port, RtcAddr *ret);
