/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/udp: sockets and bursts of incoming datagrams. */
#include "rtc/udp.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define MAX_MESSAGES 32
#define MAX_BURSTS 8 /* recvmmsg calls per socket and turn */
#define SLOT_BYTES 65536
#define SOCKET_BUFFER_BYTES (8 * 1024 * 1024)
#define LISTEN_BACKLOG 256
#define CONTROL_BYTES                                                          \
  (CMSG_SPACE (sizeof (struct in6_pktinfo)) + CMSG_SPACE (sizeof (int)))

struct _RtcUdpReader
{
  guint8 *slots; /* owned: touched only as far as datagrams are long */
  struct mmsghdr headers[MAX_MESSAGES];
  struct iovec iov[MAX_MESSAGES];
  RtcAddr from[MAX_MESSAGES];
  union
  {
    char bytes[CONTROL_BYTES];
    struct cmsghdr align;
  } control[MAX_MESSAGES];
};

static void
set_int (int fd, int level, int option, int value)
{
  /* what the kernel refuses is an optimisation that is not there */
  (void)!setsockopt (fd, level, option, &value, sizeof value);
}

static int
open_bound (const RtcAddr *a, int type)
{
  int family = a->sa.sa_family;
  int fd = socket (family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int error;

  if (fd < 0)
    return -1;
  if (family == AF_INET6)
    set_int (fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (type == SOCK_STREAM)
    set_int (fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (bind (fd, &a->sa, family == AF_INET ? sizeof a->in : sizeof a->in6) == 0)
    return fd;
  error = errno;
  close (fd);
  errno = error;
  return -1;
}

static RtcAddr
any_address (int family, guint port)
{
  RtcAddr a;

  memset (&a, 0, sizeof a);
  a.sa.sa_family = (sa_family_t)family;
  if (family == AF_INET)
    a.in.sin_port = htons ((guint16)port);
  else
    a.in6.sin6_port = htons ((guint16)port);
  return a;
}

void
rtc_udp_prepare (int fd, int family)
{
  if (family == AF_INET)
    set_int (fd, IPPROTO_IP, IP_PKTINFO, 1);
  else
    set_int (fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  set_int (fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER_BYTES);
  set_int (fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER_BYTES);
  set_int (fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER_BYTES);
  set_int (fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER_BYTES);
  set_int (fd, IPPROTO_UDP, UDP_GRO, 1);
}

int
rtc_udp_open_at (const RtcAddr *address)
{
  int fd = open_bound (address, SOCK_DGRAM);

  if (fd >= 0)
    rtc_udp_prepare (fd, address->sa.sa_family);
  return fd;
}

int
rtc_udp_open (int family, guint port)
{
  RtcAddr a = any_address (family, port);

  return rtc_udp_open_at (&a);
}

int
rtc_tcp_listen (int family, guint port)
{
  RtcAddr a = any_address (family, port);
  int fd = open_bound (&a, SOCK_STREAM);

  if (fd >= 0 && listen (fd, LISTEN_BACKLOG) != 0)
    {
      close (fd);
      return -1;
    }
  return fd;
}

guint
rtc_socket_get_port (int fd)
{
  RtcAddr a;
  socklen_t len = sizeof a;

  memset (&a, 0, sizeof a);
  if (getsockname (fd, &a.sa, &len) != 0)
    return 0;
  return ntohs (a.sa.sa_family == AF_INET ? a.in.sin_port : a.in6.sin6_port);
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

void
rtc_sockets_close (RtcSockets *s)
{
  close_fd (&s->udp4);
  close_fd (&s->udp6);
  close_fd (&s->tcp4);
  close_fd (&s->tcp6);
}

int
rtc_sockets_open (RtcSockets *s, guint *port)
{
  int error = 0;

  *s = (RtcSockets){ -1, -1, -1, -1 };
  s->udp4 = rtc_udp_open (AF_INET, *port);
  if (s->udp4 < 0)
    return errno;
  *port = rtc_socket_get_port (s->udp4);
  s->tcp4 = rtc_tcp_listen (AF_INET, *port);
  if (s->tcp4 < 0)
    error = errno;
  s->udp6 = rtc_udp_open (AF_INET6, *port);
  if (s->udp6 < 0 && errno == EADDRINUSE)
    error = errno;
  if (s->udp6 >= 0)
    {
      s->tcp6 = rtc_tcp_listen (AF_INET6, *port);
      if (s->tcp6 < 0)
        error = errno;
    }
  if (error != 0)
    rtc_sockets_close (s);
  return error;
}

/* Only what recvmmsg writes to: the other slots' headers stay out of the
 * cache when a burst is short. */
static void
rearm (RtcUdpReader *self, guint i)
{
  struct msghdr *h = &self->headers[i].msg_hdr;

  h->msg_namelen = sizeof self->from[i];
  h->msg_controllen = CONTROL_BYTES;
  h->msg_flags = 0;
}

RtcUdpReader *
rtc_udp_reader_new (void)
{
  RtcUdpReader *self = g_new0 (RtcUdpReader, 1);

  self->slots = g_malloc (MAX_MESSAGES * SLOT_BYTES);
  for (guint i = 0; i < MAX_MESSAGES; i++)
    {
      struct msghdr *h = &self->headers[i].msg_hdr;

      self->iov[i].iov_base = self->slots + i * SLOT_BYTES;
      self->iov[i].iov_len = SLOT_BYTES;
      h->msg_name = &self->from[i];
      h->msg_iov = &self->iov[i];
      h->msg_iovlen = 1;
      h->msg_control = self->control[i].bytes;
      rearm (self, i);
    }
  return self;
}

void
rtc_udp_reader_free (RtcUdpReader *self)
{
  g_free (self->slots);
  g_free (self);
}

static void
set_local6 (RtcPath *path, const struct in6_pktinfo *info)
{
  path->local.in6 = info->ipi6_addr;
  /* only a link-local address needs its interface named */
  if (IN6_IS_ADDR_LINKLOCAL (&info->ipi6_addr))
    path->local_ifindex = info->ipi6_ifindex;
}

/* Returns: bytes per datagram in the message */
static gsize
read_control (struct msghdr *h, gsize len, RtcPath *path)
{
  gsize segment = len;

  for (struct cmsghdr *c = CMSG_FIRSTHDR (h); c != NULL; c = CMSG_NXTHDR (h, c))
    {
      if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
        {
          struct in_pktinfo info;

          memcpy (&info, CMSG_DATA (c), sizeof info);
          path->local.in = info.ipi_spec_dst;
        }
      else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
        {
          struct in6_pktinfo info;

          memcpy (&info, CMSG_DATA (c), sizeof info);
          set_local6 (path, &info);
        }
      else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
        {
          int n;

          memcpy (&n, CMSG_DATA (c), sizeof n);
          if (n > 0)
            segment = (gsize)n;
        }
    }
  return MAX (segment, 1);
}

static void
deliver (RtcUdpReader *self, guint i, RtcUdpPacketFunc func, gpointer user_data)
{
  guint8 *data = self->slots + i * SLOT_BYTES;
  gsize len = self->headers[i].msg_len, segment;
  RtcPath path;

  memset (&path, 0, sizeof path);
  if (self->from[i].sa.sa_family == AF_INET)
    {
      path.remote.in.sin_family = AF_INET;
      path.remote.in.sin_port = self->from[i].in.sin_port;
      path.remote.in.sin_addr = self->from[i].in.sin_addr;
    }
  else
    {
      path.remote.in6 = self->from[i].in6;
      path.remote.in6.sin6_flowinfo = 0; /* paths are compared bytewise */
    }
  segment = read_control (&self->headers[i].msg_hdr, len, &path);
  for (gsize at = 0; at < len; at += segment)
    func (&path, data + at, MIN (segment, len - at), user_data);
}

void
rtc_udp_reader_read (RtcUdpReader *self, int fd, RtcUdpPacketFunc func,
                     gpointer user_data)
{
  for (guint burst = 0; burst < MAX_BURSTS; burst++)
    {
      int n = recvmmsg (fd, self->headers, MAX_MESSAGES, MSG_DONTWAIT, NULL);

      if (n < 0 && errno != EINTR && errno != EAGAIN)
        continue; /* an ICMP error was reported; it is gone now */
      for (int i = 0; i < n; i++)
        {
          if (!(self->headers[i].msg_hdr.msg_flags & MSG_TRUNC))
            deliver (self, (guint)i, func, user_data);
          rearm (self, (guint)i);
        }
      if (n < MAX_MESSAGES)
        return;
    }
}
