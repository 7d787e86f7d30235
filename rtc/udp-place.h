/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcUdpPlace: where a port for plain RTP listens: an address of this host, all
 * of them, or a multicast group. A plain value.
 * Thread: any; parse and open ask the kernel, and never wait.
 */
#pragma once

#include "rtc/path.h"

typedef struct
{
  RtcAddr address;  /* with its port, 0 = any free one */
  guint ifindex;    /* of a group: where it is joined, 0 = as the routes say */
  gboolean is_dual; /* "::" takes IPv4 as well */
} RtcUdpPlace;

/* rtc_udp_place_parse:
 * @group: (nullable): a multicast group's IP
 * @iface: (nullable): an interface's name, or an IP of this host: where the
 *   group is joined; without one, the address that is bound
 * Neither ("" is the same): all addresses of this host, IPv6 and IPv4.
 * Returns: FALSE with RTC_WORKER_ERROR_BIND */
gboolean rtc_udp_place_parse (const char *group, const char *iface, guint port,
                              RtcUdpPlace *ret, GError **error);
gboolean rtc_udp_place_equal (const RtcUdpPlace *a, const RtcUdpPlace *b);
/* A group may have several listeners at one port: each gets all of it.
 * Returns: (transfer full): a bound, non-blocking descriptor, or -1 with
 * errno */
int rtc_udp_place_open (const RtcUdpPlace *self);
