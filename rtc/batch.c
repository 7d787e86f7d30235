/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcBatch: an arena of packets and, per address family, the messages made of
 * them. All is allocated once; a flush sends and starts again at the front.
 */
#include "rtc/batch.h"

#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>

#include "rtc/tcp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define ARENA_BYTES (512 * 1024)
#define MAX_RESERVE_BYTES 2048
#define MAX_MESSAGES 128 /* per family */
#define MAX_SEGMENTS 64
#define MAX_GSO_BYTES 65000
#define MAX_SEGMENT_BYTES 1452 /* what an Ethernet path carries over IPv6 */
#define MAX_WAIT_US (20 * 1000)
#define CONTROL_BYTES                                                          \
  (CMSG_SPACE (sizeof (struct in6_pktinfo)) + CMSG_SPACE (sizeof (guint16)))

typedef struct
{
  RtcPath path;
  const guint8 *data; /* borrowed, of the arena or the caller's */
  guint n_bytes, n_segments, segment_bytes;
  gboolean is_closed; /* its last one was shorter */
} Message;

typedef struct
{
  int fd; /* borrowed, -1: family not there */
  guint n;
  Message messages[MAX_MESSAGES];
  struct mmsghdr headers[MAX_MESSAGES];
  struct iovec iov[MAX_MESSAGES];
  union
  {
    char bytes[CONTROL_BYTES];
    struct cmsghdr align;
  } control[MAX_MESSAGES];
} Family;

struct _RtcBatch
{
  guint8 *arena; /* owned */
  gsize used;
  RtcPath path; /* of the open reservation */
  gsize reserved_bytes;
  gboolean is_reserved;
  Message *last; /* borrowed, nullable: what a neighbour may join */
  gboolean gso;
  Family v4, v6;
  RtcBatchStats stats;
};

RtcBatch *
rtc_batch_new (int fd4, int fd6)
{
  RtcBatch *self = g_new0 (RtcBatch, 1);

  self->arena = g_malloc (ARENA_BYTES);
  self->v4.fd = fd4;
  self->v6.fd = fd6;
  self->gso = TRUE;
  return self;
}

void
rtc_batch_free (RtcBatch *self)
{
  g_free (self->arena);
  g_free (self);
}

void
rtc_batch_set_gso (RtcBatch *self, gboolean enabled)
{
  self->gso = enabled;
}

const RtcBatchStats *
rtc_batch_get_stats (const RtcBatch *self)
{
  return &self->stats;
}

static Family *
family_of (RtcBatch *self, const RtcPath *path)
{
  switch (path->remote.sa.sa_family)
    {
    case AF_INET:
      return self->v4.fd >= 0 ? &self->v4 : NULL;
    case AF_INET6:
      return self->v6.fd >= 0 ? &self->v6 : NULL;
    default:
      return NULL;
    }
}

guint8 *
rtc_batch_reserve (RtcBatch *self, const RtcPath *path, gsize max_bytes)
{
  g_assert (!self->is_reserved && max_bytes <= MAX_RESERVE_BYTES);
  if (self->used + max_bytes > ARENA_BYTES || self->v4.n == MAX_MESSAGES
      || self->v6.n == MAX_MESSAGES)
    rtc_batch_flush (self);
  self->path = *path;
  self->reserved_bytes = max_bytes;
  self->is_reserved = TRUE;
  return self->arena + self->used;
}

/* Neighbours in memory, so the message's bytes stay in one piece. */
static gboolean
may_join (const RtcBatch *self, const RtcPath *path, const guint8 *data,
          gsize n_bytes)
{
  const Message *m = self->last;

  return self->gso && m != NULL && !m->is_closed && m->data + m->n_bytes == data
         && n_bytes <= m->segment_bytes && m->segment_bytes <= MAX_SEGMENT_BYTES
         && m->n_segments < MAX_SEGMENTS
         && m->n_bytes + n_bytes <= MAX_GSO_BYTES
         && memcmp (&m->path, path, sizeof *path) == 0;
}

/* Returns: %FALSE: its family is not there */
static gboolean
put_message (RtcBatch *self, const RtcPath *path, const guint8 *data,
             gsize n_bytes)
{
  Family *f = family_of (self, path);
  Message *m;

  if (f == NULL)
    {
      self->stats.n_dropped_error++;
      return FALSE;
    }
  if (n_bytes > MAX_SEGMENT_BYTES)
    self->stats.n_oversize++;
  if (may_join (self, path, data, n_bytes))
    {
      m = self->last;
      m->n_bytes += (guint)n_bytes;
      m->n_segments++;
      m->is_closed = n_bytes < m->segment_bytes;
      return TRUE;
    }
  m = &f->messages[f->n++];
  m->path = *path;
  m->data = data;
  m->n_bytes = m->segment_bytes = (guint)n_bytes;
  m->n_segments = 1;
  m->is_closed = FALSE;
  self->last = m;
  return TRUE;
}

void
rtc_batch_add (RtcBatch *self, const RtcPath *path, const guint8 *data,
               gsize n_bytes)
{
  g_assert (!self->is_reserved && path->tcp == NULL);
  if (self->v4.n == MAX_MESSAGES || self->v6.n == MAX_MESSAGES)
    rtc_batch_flush (self);
  put_message (self, path, data, n_bytes);
}

void
rtc_batch_commit (RtcBatch *self, gsize n_bytes)
{
  guint8 *data = self->arena + self->used;

  g_assert (self->is_reserved && n_bytes <= self->reserved_bytes);
  self->is_reserved = FALSE;
  if (n_bytes == 0)
    return;
  if (self->path.tcp == NULL)
    {
      if (put_message (self, &self->path, data, n_bytes))
        self->used += n_bytes;
    }
  else if (!rtc_tcp_conn_send (self->path.tcp, data, n_bytes))
    self->stats.n_dropped_tcp++;
  else
    {
      self->stats.n_packets++;
      self->stats.n_bytes += n_bytes;
    }
}

static struct cmsghdr *
put_cmsg (struct msghdr *h, struct cmsghdr *c, int level, int type,
          const void *data, gsize len)
{
  c = c == NULL ? CMSG_FIRSTHDR (h) : CMSG_NXTHDR (h, c);
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN (len);
  memcpy (CMSG_DATA (c), data, len);
  return c;
}

static struct cmsghdr *
put_source (struct msghdr *h, const RtcPath *path)
{
  struct in_pktinfo info4 = { .ipi_ifindex = (int)path->local_ifindex,
                              .ipi_spec_dst = path->local.in };
  struct in6_pktinfo info6 = { .ipi6_addr = path->local.in6,
                               .ipi6_ifindex = path->local_ifindex };

  if (path->remote.sa.sa_family == AF_INET)
    return put_cmsg (h, NULL, IPPROTO_IP, IP_PKTINFO, &info4, sizeof info4);
  return put_cmsg (h, NULL, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof info6);
}

/* @segment_bytes: 0 = no GSO */
static void
fill_header (const Message *m, const guint8 *data, gsize n_bytes,
             guint16 segment_bytes, struct msghdr *h, struct iovec *iov,
             char *control)
{
  struct cmsghdr *c;
  gsize n = 0;

  memset (h, 0, sizeof *h);
  memset (control, 0, CONTROL_BYTES);
  iov->iov_base = (void *)data;
  iov->iov_len = n_bytes;
  h->msg_name = (void *)&m->path.remote;
  h->msg_namelen = m->path.remote.sa.sa_family == AF_INET
                       ? sizeof (struct sockaddr_in)
                       : sizeof (struct sockaddr_in6);
  h->msg_iov = iov;
  h->msg_iovlen = 1;
  h->msg_control = control;
  h->msg_controllen = CONTROL_BYTES;
  c = put_source (h, &m->path);
  n = CMSG_SPACE (c->cmsg_len - CMSG_LEN (0));
  if (segment_bytes > 0)
    {
      put_cmsg (h, c, IPPROTO_UDP, UDP_SEGMENT, &segment_bytes,
                sizeof segment_bytes);
      n += CMSG_SPACE (sizeof segment_bytes);
    }
  h->msg_controllen = n;
}

G_STATIC_ASSERT (1 << (RTC_BATCH_N_SIZES - 1) == MAX_SEGMENTS);

static void
count_sent (RtcBatch *self, guint n_packets, gsize n_bytes)
{
  self->stats.n_messages++;
  self->stats.n_in_messages += n_packets;
  self->stats.n_of_size[n_packets > 1 ? g_bit_storage (n_packets - 1) : 0]++;
  self->stats.n_packets += n_packets;
  self->stats.n_bytes += n_bytes;
}

static gboolean
is_full (int error)
{
  return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
}

/* Returns: %FALSE when the flush's time is used up */
static gboolean
wait_for_room (int fd, gint64 *deadline_us)
{
  struct pollfd p = { .fd = fd, .events = POLLOUT };
  gint64 now_us = g_get_monotonic_time ();
  struct timespec left;

  if (*deadline_us == 0)
    *deadline_us = now_us + MAX_WAIT_US;
  if (now_us >= *deadline_us)
    return FALSE;
  left.tv_sec = 0;
  left.tv_nsec = (*deadline_us - now_us) * 1000;
  return ppoll (&p, 1, &left, NULL) > 0;
}

/* One packet after the other, where the kernel refused them as one message.
 * Returns: %TRUE when at least one went out */
static gboolean
send_singly (RtcBatch *self, Family *f, const Message *m, gint64 *deadline_us)
{
  gboolean any = FALSE;
  gsize len;

  for (gsize at = 0; at < m->n_bytes; at += len)
    {
      struct msghdr h;
      struct iovec iov;
      union
      {
        char bytes[CONTROL_BYTES];
        struct cmsghdr align;
      } control;
      ssize_t n;

      len = MIN (m->segment_bytes, m->n_bytes - at);
      fill_header (m, m->data + at, len, 0, &h, &iov, control.bytes);
      do
        {
          self->stats.n_syscalls++;
          n = sendmsg (f->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
      while (n < 0
             && (errno == EINTR
                 || (is_full (errno) && wait_for_room (f->fd, deadline_us))));
      if (n >= 0)
        {
          count_sent (self, 1, len);
          any = TRUE;
        }
      else if (is_full (errno))
        self->stats.n_dropped_again++;
      else
        self->stats.n_dropped_error++;
    }
  return any;
}

/* What sendmmsg refused as its first message: waits, splits or drops.
 * Returns: %TRUE when the same message is to be tried again */
static gboolean
on_refused (RtcBatch *self, Family *f, const Message *m, int error,
            gint64 *deadline_us)
{
  if (error == EINTR)
    return TRUE;
  if (is_full (error))
    {
      if (wait_for_room (f->fd, deadline_us))
        return TRUE;
      self->stats.n_dropped_again += m->n_segments;
      return FALSE;
    }
  if (m->n_segments > 1
      && (error == EIO || error == EINVAL || error == EMSGSIZE))
    {
      /* EMSGSIZE is this path's MTU; EINVAL may also be a source address that
       * went away, so GSO is only given up when single packets pass */
      if (send_singly (self, f, m, deadline_us) && error != EMSGSIZE)
        self->gso = FALSE;
      return FALSE;
    }
  self->stats.n_dropped_error += m->n_segments;
  return FALSE;
}

static void
flush_family (RtcBatch *self, Family *f)
{
  gint64 deadline_us = 0;
  guint i = 0;

  for (guint k = 0; k < f->n; k++)
    {
      const Message *m = &f->messages[k];

      fill_header (m, m->data, m->n_bytes,
                   m->n_segments > 1 ? (guint16)m->segment_bytes : 0,
                   &f->headers[k].msg_hdr, &f->iov[k], f->control[k].bytes);
    }
  while (i < f->n)
    {
      int n = sendmmsg (f->fd, f->headers + i, f->n - i,
                        MSG_DONTWAIT | MSG_NOSIGNAL);

      self->stats.n_syscalls++;
      if (n > 0)
        for (guint end = i + (guint)n; i < end; i++)
          count_sent (self, f->messages[i].n_segments, f->messages[i].n_bytes);
      else if (!on_refused (self, f, &f->messages[i], errno, &deadline_us))
        i++;
    }
  f->n = 0;
}

void
rtc_batch_flush (RtcBatch *self)
{
  g_assert (!self->is_reserved);
  if (self->v4.n > 0)
    flush_family (self, &self->v4);
  if (self->v6.n > 0)
    flush_family (self, &self->v6);
  self->used = 0;
  self->last = NULL;
}
