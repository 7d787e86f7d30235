/* SPDX-License-Identifier: Apache-2.0 */
/* RtcUdpPlace: see udp-place.h. */
#include "rtc/udp-place.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "rtc/udp.h"
#include "rtc/worker.h"

#ifndef IP_MULTICAST_ALL
#define IP_MULTICAST_ALL 49
#endif
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

static gboolean
fail (GError **error, const char *what, const char *text)
{
  g_set_error (error, RTC_WORKER_ERROR, RTC_WORKER_ERROR_BIND, "%s: \"%s\"",
               what, text);
  return FALSE;
}

static gboolean
is_group (const RtcAddr *a)
{
  return a->sa.sa_family == AF_INET
             ? IN_MULTICAST (g_ntohl (a->in.sin_addr.s_addr))
             : IN6_IS_ADDR_MULTICAST (&a->in6.sin6_addr);
}

static socklen_t
addr_bytes (const RtcAddr *a)
{
  return a->sa.sa_family == AF_INET ? sizeof a->in : sizeof a->in6;
}

static gboolean
is_same_host (const RtcAddr *a, const struct sockaddr *b)
{
  if (!b || a->sa.sa_family != b->sa_family)
    return FALSE;
  return b->sa_family == AF_INET
             ? a->in.sin_addr.s_addr
                   == ((const struct sockaddr_in *)(gconstpointer)b)
                          ->sin_addr.s_addr
             : IN6_ARE_ADDR_EQUAL (
                 &a->in6.sin6_addr,
                 &((const struct sockaddr_in6 *)(gconstpointer)b)->sin6_addr);
}

/* find_address: the interface's own, IPv4 first; %FALSE: it has none */
static gboolean
find_address (const struct ifaddrs *list, const char *name, guint port,
              RtcAddr *ret)
{
  static const int families[] = { AF_INET, AF_INET6 };

  for (guint f = 0; f < G_N_ELEMENTS (families); f++)
    for (const struct ifaddrs *i = list; i; i = i->ifa_next)
      {
        if (!i->ifa_addr || i->ifa_addr->sa_family != families[f]
            || !g_str_equal (i->ifa_name, name))
          continue;
        memset (ret, 0, sizeof *ret);
        if (families[f] == AF_INET)
          {
            memcpy (&ret->in, i->ifa_addr, sizeof ret->in);
            ret->in.sin_port = g_htons ((guint16)port);
          }
        else
          {
            memcpy (&ret->in6, i->ifa_addr, sizeof ret->in6);
            ret->in6.sin6_port = g_htons ((guint16)port);
          }
        return TRUE;
      }
  return FALSE;
}

/* find_interface: by name or by one of its addresses; 0: there is none */
static guint
find_interface (const struct ifaddrs *list, const char *iface)
{
  RtcAddr address;

  if (!rtc_addr_from_string (iface, 0, &address))
    return if_nametoindex (iface);
  for (const struct ifaddrs *i = list; i; i = i->ifa_next)
    if (is_same_host (&address, i->ifa_addr))
      return if_nametoindex (i->ifa_name);
  return 0;
}

static gboolean
parse_group (const struct ifaddrs *list, const char *group, const char *iface,
             guint port, RtcUdpPlace *ret, GError **error)
{
  if (!rtc_addr_from_string (group, port, &ret->address)
      || !is_group (&ret->address))
    return fail (error, "no multicast group", group);
  if (!iface)
    return TRUE;
  ret->ifindex = find_interface (list, iface);
  if (!ret->ifindex)
    return fail (error, "no interface or address of this host", iface);
  if (ret->address.sa.sa_family == AF_INET6)
    ret->address.in6.sin6_scope_id = ret->ifindex;
  return TRUE;
}

gboolean
rtc_udp_place_parse (const char *group, const char *iface, guint port,
                     RtcUdpPlace *ret, GError **error)
{
  struct ifaddrs *list = NULL;
  RtcUdpPlace place = { 0 };
  gboolean ok = TRUE;

  if (iface && !*iface)
    iface = NULL;
  if (group && !*group)
    group = NULL;
  if (iface && getifaddrs (&list) != 0)
    return fail (error, "the interfaces cannot be read", g_strerror (errno));
  if (group)
    ok = parse_group (list, group, iface, port, &place, error);
  else if (iface)
    {
      if (!rtc_addr_from_string (iface, port, &place.address)
          && !find_address (list, iface, port, &place.address))
        ok = fail (error, "no interface or address of this host", iface);
    }
  else
    {
      (void)rtc_addr_from_string ("::", port, &place.address);
      place.is_dual = TRUE;
    }
  if (list)
    freeifaddrs (list);
  if (ok)
    *ret = place;
  return ok;
}

gboolean
rtc_udp_place_equal (const RtcUdpPlace *a, const RtcUdpPlace *b)
{
  return rtc_addr_equal (&a->address, &b->address) && a->ifindex == b->ifindex
         && a->is_dual == b->is_dual;
}

/* --- Opening ------------------------------------------------------------ */

static int
join (int fd, const RtcUdpPlace *place)
{
  int level =
      place->address.sa.sa_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
  int option = level == IPPROTO_IP ? IP_MULTICAST_ALL : IPV6_MULTICAST_ALL;
  struct group_req request;
  int no = 0;

  /* only what came to where we joined; kernels before 4.20 do not know it */
  (void)!setsockopt (fd, level, option, &no, sizeof no);
  memset (&request, 0, sizeof request);
  request.gr_interface = place->ifindex;
  memcpy (&request.gr_group, &place->address, addr_bytes (&place->address));
  return setsockopt (fd, level, MCAST_JOIN_GROUP, &request, sizeof request);
}

int
rtc_udp_place_open (const RtcUdpPlace *self)
{
  RtcAddr address = self->address;
  int yes = 1, fd, e;

  if (!is_group (&address) && !self->is_dual)
    return rtc_udp_open_at (&address);
  fd = socket (address.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
               0);
  if (fd < 0 && self->is_dual)
    {
      guint port = g_ntohs (address.in6.sin6_port);

      /* a host without IPv6 */
      (void)rtc_addr_from_string ("0.0.0.0", port, &address);
      return rtc_udp_open_at (&address);
    }
  if (fd < 0)
    return -1;
  if (is_group (&address))
    (void)!setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  rtc_udp_prepare (fd, address.sa.sa_family);
  if (bind (fd, &address.sa, addr_bytes (&address)) == 0
      && (!is_group (&address) || join (fd, self) == 0))
    return fd;
  e = errno;
  close (fd);
  errno = e;
  return -1;
}
