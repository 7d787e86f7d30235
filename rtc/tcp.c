/* SPDX-License-Identifier: Apache-2.0 */
/* RtcTcp: accept, frame, queue, write. */
#include "rtc/tcp.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#define LENGTH_BYTES 2
#define IN_BYTES (LENGTH_BYTES + RTC_TCP_MAX_FRAME_BYTES)
#define MAX_ACCEPTS 16 /* per wake-up */
#define MAX_READS 16   /* per wake-up and connection */

struct _RtcTcpConn
{
  RtcTcp *tcp; /* borrowed: the listener that made it */
  int fd;      /* owned */
  RtcWatch watch;
  RtcPath path;
  gpointer owner;    /* borrowed, nullable: a transport */
  gint64 since_us;   /* accepted */
  GList link;        /* in tcp->conns or tcp->dead */
  GByteArray *out;   /* owned: frames not yet written */
  guint out_written; /* bytes of @out that are gone */
  guint in_len;
  gboolean is_half_open, wants_write, is_dirty, is_dead;
  guint8 in[IN_BYTES];
};

typedef struct
{
  RtcTcp *tcp; /* borrowed */
  int fd;      /* owned, -1: none */
  RtcWatch watch;
} Listener;

struct _RtcTcp
{
  RtcPoll *poll; /* borrowed */
  RtcTcpCallbacks callbacks;
  gpointer user_data;
  Listener listeners[2];
  GQueue conns;     /* of embedded links, oldest first */
  GQueue dead;      /* freed at flush */
  GPtrArray *dirty; /* owned, of borrowed RtcTcpConn */
  guint n_half_open;
  gsize n_queued_bytes;
  gint64 now_us;
  RtcTcpStats stats;
};

static void
end_half_open (RtcTcpConn *conn)
{
  if (conn->is_half_open)
    conn->tcp->n_half_open--;
  conn->is_half_open = FALSE;
}

static void
kill_conn (RtcTcpConn *conn, guint64 *counter)
{
  RtcTcp *tcp = conn->tcp;

  if (conn->is_dead)
    return;
  conn->is_dead = TRUE;
  if (counter != NULL)
    ++*counter;
  end_half_open (conn);
  rtc_poll_remove (tcp->poll, conn->fd);
  close (conn->fd);
  conn->fd = -1;
  tcp->n_queued_bytes -= conn->out->len - conn->out_written;
  g_queue_unlink (&tcp->conns, &conn->link);
  g_queue_push_tail_link (&tcp->dead, &conn->link);
  tcp->callbacks.on_closed (conn, conn->owner, tcp->user_data);
}

static void
set_wants_write (RtcTcpConn *conn, gboolean wants)
{
  if (conn->wants_write == wants)
    return;
  conn->wants_write = wants;
  rtc_poll_modify (conn->tcp->poll, conn->fd,
                   wants ? EPOLLIN | EPOLLOUT : EPOLLIN, &conn->watch);
}

static void
write_out (RtcTcpConn *conn)
{
  RtcTcp *tcp = conn->tcp;
  gboolean wants = FALSE;

  while (conn->out_written < conn->out->len)
    {
      ssize_t n = send (conn->fd, conn->out->data + conn->out_written,
                        conn->out->len - conn->out_written,
                        MSG_NOSIGNAL | MSG_DONTWAIT);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        {
          wants = TRUE;
          break;
        }
      if (n <= 0)
        {
          kill_conn (conn, &tcp->stats.n_closed_peer);
          return;
        }
      conn->out_written += (guint)n;
      tcp->n_queued_bytes -= (gsize)n;
    }
  if (conn->out_written == conn->out->len)
    {
      g_byte_array_set_size (conn->out, 0);
      conn->out_written = 0;
    }
  set_wants_write (conn, wants);
}

/* Returns: %FALSE when the connection is dead */
static gboolean
take_frames (RtcTcpConn *conn)
{
  RtcTcp *tcp = conn->tcp;
  guint at = 0;

  while (conn->in_len - at >= LENGTH_BYTES)
    {
      guint len = (guint)conn->in[at] << 8 | conn->in[at + 1];

      if (len > RTC_TCP_MAX_FRAME_BYTES)
        {
          kill_conn (conn, &tcp->stats.n_closed_frame);
          return FALSE;
        }
      if (conn->in_len - at - LENGTH_BYTES < len)
        break;
      if (!tcp->callbacks.on_frame (&conn->path, conn->in + at + LENGTH_BYTES,
                                    len, tcp->user_data)
          || conn->is_dead || conn->owner == NULL)
        {
          kill_conn (conn, &tcp->stats.n_closed_frame);
          return FALSE;
        }
      at += LENGTH_BYTES + len;
    }
  memmove (conn->in, conn->in + at, conn->in_len - at);
  conn->in_len -= at;
  return TRUE;
}

static void
on_conn_ready (guint32 events, gpointer data)
{
  RtcTcpConn *conn = data;

  if (conn->is_dead)
    return;
  if (events & EPOLLOUT)
    write_out (conn);
  for (guint i = 0; i < MAX_READS && !conn->is_dead; i++)
    {
      ssize_t n = recv (conn->fd, conn->in + conn->in_len,
                        sizeof conn->in - conn->in_len, MSG_DONTWAIT);

      if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
      if (n <= 0)
        {
          kill_conn (conn, &conn->tcp->stats.n_closed_peer);
          return;
        }
      conn->in_len += (guint)n;
      if (!take_frames (conn))
        return;
    }
}

static void
fill_path (RtcTcpConn *conn)
{
  socklen_t len = sizeof conn->path.remote;
  RtcAddr local;

  getpeername (conn->fd, &conn->path.remote.sa, &len);
  len = sizeof local;
  memset (&local, 0, sizeof local);
  getsockname (conn->fd, &local.sa, &len);
  if (local.sa.sa_family == AF_INET)
    conn->path.local.in = local.in.sin_addr;
  else
    conn->path.local.in6 = local.in6.sin6_addr;
  conn->path.tcp = conn;
}

static void
add_conn (RtcTcp *self, int fd)
{
  RtcTcpConn *conn = g_new0 (RtcTcpConn, 1);
  int on = 1;

  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  conn->tcp = self;
  conn->fd = fd;
  conn->watch.func = on_conn_ready;
  conn->watch.data = conn;
  conn->since_us = self->now_us;
  conn->link.data = conn;
  conn->out = g_byte_array_new ();
  conn->is_half_open = TRUE;
  fill_path (conn);
  self->n_half_open++;
  self->stats.n_accepted++;
  g_queue_push_tail_link (&self->conns, &conn->link);
  if (!rtc_poll_add (self->poll, fd, EPOLLIN, &conn->watch))
    kill_conn (conn, &self->stats.n_refused_limit);
}

static void
on_listener_ready (guint32 events, gpointer data)
{
  Listener *listener = data;
  RtcTcp *self = listener->tcp;

  for (guint i = 0; i < MAX_ACCEPTS; i++)
    {
      int fd = accept4 (listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

      if (fd < 0)
        return;
      if (self->conns.length >= RTC_TCP_MAX_CONNECTIONS
          || self->n_half_open >= RTC_TCP_MAX_HALF_OPEN)
        {
          self->stats.n_refused_limit++;
          close (fd);
        }
      else
        add_conn (self, fd);
    }
}

RtcTcp *
rtc_tcp_new (RtcPoll *poll, int fd4, int fd6, const RtcTcpCallbacks *callbacks,
             gpointer user_data)
{
  RtcTcp *self = g_new0 (RtcTcp, 1);
  const int fds[2] = { fd4, fd6 };

  self->poll = poll;
  self->callbacks = *callbacks;
  self->user_data = user_data;
  self->dirty = g_ptr_array_new ();
  g_queue_init (&self->conns);
  g_queue_init (&self->dead);
  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    {
      Listener *l = &self->listeners[i];

      l->tcp = self;
      l->fd = fds[i];
      l->watch.func = on_listener_ready;
      l->watch.data = l;
      if (l->fd >= 0)
        rtc_poll_add (poll, l->fd, EPOLLIN, &l->watch);
    }
  return self;
}

static void
free_dead (RtcTcp *self)
{
  GList *link;

  while ((link = g_queue_pop_head_link (&self->dead)) != NULL)
    {
      RtcTcpConn *conn = link->data;

      g_byte_array_unref (conn->out);
      g_free (conn);
    }
}

void
rtc_tcp_free (RtcTcp *self)
{
  while (self->conns.head != NULL)
    kill_conn (self->conns.head->data, NULL);
  free_dead (self);
  for (guint i = 0; i < G_N_ELEMENTS (self->listeners); i++)
    if (self->listeners[i].fd >= 0)
      {
        rtc_poll_remove (self->poll, self->listeners[i].fd);
        close (self->listeners[i].fd);
      }
  g_ptr_array_unref (self->dirty);
  g_free (self);
}

void
rtc_tcp_flush (RtcTcp *self)
{
  for (guint i = 0; i < self->dirty->len; i++)
    {
      RtcTcpConn *conn = g_ptr_array_index (self->dirty, i);

      conn->is_dirty = FALSE;
      if (!conn->is_dead && !conn->wants_write)
        write_out (conn);
    }
  g_ptr_array_set_size (self->dirty, 0);
  free_dead (self);
}

void
rtc_tcp_expire (RtcTcp *self, gint64 now_us)
{
  GList *next;

  self->now_us = now_us;
  if (self->n_half_open == 0)
    return;
  for (GList *l = self->conns.head; l != NULL; l = next)
    {
      RtcTcpConn *conn = l->data;

      next = l->next;
      if (conn->is_half_open && now_us - conn->since_us >= RTC_TCP_HALF_OPEN_US)
        kill_conn (conn, &self->stats.n_closed_timeout);
    }
}

void
rtc_tcp_set_now (RtcTcp *self, gint64 now_us)
{
  self->now_us = now_us;
}

const RtcTcpStats *
rtc_tcp_get_stats (RtcTcp *self)
{
  return &self->stats;
}

guint
rtc_tcp_get_n_connections (RtcTcp *self)
{
  return self->conns.length;
}

void
rtc_tcp_conn_set_owner (RtcTcpConn *conn, gpointer owner)
{
  conn->owner = owner;
  if (owner != NULL)
    end_half_open (conn);
}

gpointer
rtc_tcp_conn_get_owner (RtcTcpConn *conn)
{
  return conn->owner;
}

static void
mark_dirty (RtcTcpConn *conn)
{
  if (conn->is_dirty)
    return;
  conn->is_dirty = TRUE;
  g_ptr_array_add (conn->tcp->dirty, conn);
}

/* Drops the written part once it is the larger one. */
static void
compact (RtcTcpConn *conn)
{
  if (conn->out_written > conn->out->len / 2)
    {
      g_byte_array_remove_range (conn->out, 0, conn->out_written);
      conn->out_written = 0;
    }
}

gboolean
rtc_tcp_conn_send (RtcTcpConn *conn, const guint8 *data, gsize len)
{
  RtcTcp *tcp = conn->tcp;
  guint8 header[LENGTH_BYTES] = { (guint8)(len >> 8), (guint8)len };
  gsize need = LENGTH_BYTES + len;

  if (conn->is_dead || len > RTC_TCP_MAX_FRAME_BYTES
      || conn->out->len - conn->out_written + need > RTC_TCP_MAX_QUEUE_BYTES
      || tcp->n_queued_bytes + need > RTC_TCP_MAX_TOTAL_BYTES)
    return FALSE;
  compact (conn);
  g_byte_array_append (conn->out, header, sizeof header);
  g_byte_array_append (conn->out, data, (guint)len);
  tcp->n_queued_bytes += need;
  mark_dirty (conn);
  return TRUE;
}

gboolean
rtc_tcp_conn_is_congested (RtcTcpConn *conn)
{
  return conn->out->len - conn->out_written > RTC_TCP_MAX_QUEUE_BYTES / 2;
}

void
rtc_tcp_conn_close (RtcTcpConn *conn)
{
  conn->owner = NULL;
  if (!conn->is_dead)
    write_out (conn);
  kill_conn (conn, NULL);
}
