/* SPDX-License-Identifier: Apache-2.0 */
/* RtcTcp on loopback, its poll driven by hand: framing and every bound. */
#include "rtc/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "rtc/udp.h"

#define WAIT_US (60 * G_USEC_PER_SEC) /* machines are slow at times */

typedef struct
{
  RtcPoll *poll;
  RtcTcp *tcp;
  guint port;
  RtcTcpConn *conn; /* of the last frame */
  guint n_frames, n_closed;
  gsize n_bytes, last_len;
  gboolean refuse, no_owner;
} Fixture;

static gboolean
on_frame (const RtcPath *path, guint8 *data, gsize len, gpointer user_data)
{
  Fixture *f = user_data;

  f->conn = path->tcp;
  f->n_frames++;
  f->n_bytes += len;
  f->last_len = len;
  if (f->refuse)
    return FALSE;
  if (!f->no_owner)
    rtc_tcp_conn_set_owner (path->tcp, f);
  return TRUE;
}

static void
on_closed (RtcTcpConn *conn, gpointer owner, gpointer user_data)
{
  Fixture *f = user_data;

  f->n_closed++;
  if (f->conn == conn)
    f->conn = NULL;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  static const RtcTcpCallbacks callbacks = { on_frame, on_closed };
  int fd = rtc_tcp_listen (AF_INET, 0);

  memset (f, 0, sizeof *f);
  g_assert_cmpint (fd, >=, 0);
  f->port = rtc_socket_get_port (fd);
  f->poll = rtc_poll_new ();
  f->tcp = rtc_tcp_new (f->poll, fd, -1, &callbacks, f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  rtc_tcp_free (f->tcp);
  rtc_poll_free (f->poll);
}

static int
dial (Fixture *f)
{
  struct sockaddr_in a = { .sin_family = AF_INET,
                           .sin_port = htons ((guint16)f->port),
                           .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (connect (fd, (struct sockaddr *)&a, sizeof a), ==, 0);
  return fd;
}

static void
turn (Fixture *f)
{
  struct pollfd p = { .fd = rtc_poll_get_fd (f->poll), .events = POLLIN };

  poll (&p, 1, 20);
  rtc_poll_dispatch (f->poll);
  rtc_tcp_flush (f->tcp);
}

#define TURN_UNTIL(f, condition)                                               \
  G_STMT_START                                                                 \
  {                                                                            \
    gint64 end_us_ = g_get_monotonic_time () + WAIT_US;                        \
    while (!(condition) && g_get_monotonic_time () < end_us_)                  \
      turn (f);                                                                \
    g_assert_true (condition);                                                 \
  }                                                                            \
  G_STMT_END

/* Frames cut into single bytes, several in one write, an empty one. */
static void
test_framing (Fixture *f, gconstpointer data)
{
  static const guint8 bytes[] = { 0, 3, 'a', 'b', 'c', 0,   0,
                                  0, 1, 'd', 0,   2,   'e', 'f' };
  int fd = dial (f);

  for (guint i = 0; i < 7; i++)
    {
      g_assert_cmpint (write (fd, bytes + i, 1), ==, 1);
      turn (f);
    }
  TURN_UNTIL (f, f->n_frames == 2);
  g_assert_cmpint (write (fd, bytes + 7, sizeof bytes - 7), ==,
                   sizeof bytes - 7);
  TURN_UNTIL (f, f->n_frames == 4);
  g_assert_cmpuint (f->n_bytes, ==, 6);
  g_assert_cmpuint (f->last_len, ==, 2);
  close (fd);
  TURN_UNTIL (f, f->n_closed == 1);
  g_assert_cmpuint (rtc_tcp_get_stats (f->tcp)->n_closed_peer, ==, 1);
  g_assert_cmpuint (rtc_tcp_get_n_connections (f->tcp), ==, 0);
}

static void
test_frame_size (Fixture *f, gconstpointer data)
{
  guint8 frame[2 + RTC_TCP_MAX_FRAME_BYTES] = { RTC_TCP_MAX_FRAME_BYTES >> 8,
                                                0 };
  int fd = dial (f);

  g_assert_cmpint (write (fd, frame, sizeof frame), ==, sizeof frame);
  TURN_UNTIL (f, f->n_frames == 1);
  g_assert_cmpuint (f->last_len, ==, RTC_TCP_MAX_FRAME_BYTES);
  frame[1] = 1; /* one more than the bound */
  g_assert_cmpint (write (fd, frame, 2), ==, 2);
  TURN_UNTIL (f, f->n_closed == 1);
  g_assert_cmpuint (rtc_tcp_get_stats (f->tcp)->n_closed_frame, ==, 1);
  close (fd);
}

static void
test_first_frame (Fixture *f, gconstpointer data)
{
  int fd = dial (f);

  f->refuse = TRUE;
  g_assert_cmpint (write (fd, "\0\1x", 3), ==, 3);
  TURN_UNTIL (f, f->n_closed == 1);
  close (fd);
  f->refuse = FALSE;
  f->no_owner = TRUE; /* accepted by nobody */
  fd = dial (f);
  g_assert_cmpint (write (fd, "\0\1x", 3), ==, 3);
  TURN_UNTIL (f, f->n_closed == 2);
  close (fd);
}

static void
test_half_open (Fixture *f, gconstpointer data)
{
  int fds[RTC_TCP_MAX_HALF_OPEN + 2];
  const RtcTcpStats *s = rtc_tcp_get_stats (f->tcp);

  rtc_tcp_set_now (f->tcp, 1000);
  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    {
      fds[i] = dial (f);
      TURN_UNTIL (f, s->n_accepted + s->n_refused_limit == i + 1);
    }
  g_assert_cmpuint (s->n_refused_limit, ==, 2);
  /* one that spoke makes room for one more, and outlives the others */
  g_assert_cmpint (write (fds[0], "\0\1x", 3), ==, 3);
  TURN_UNTIL (f, f->n_frames == 1);
  rtc_tcp_expire (f->tcp, 1000 + RTC_TCP_HALF_OPEN_US - 1);
  g_assert_cmpuint (s->n_closed_timeout, ==, 0);
  rtc_tcp_expire (f->tcp, 1000 + RTC_TCP_HALF_OPEN_US);
  rtc_tcp_flush (f->tcp);
  g_assert_cmpuint (s->n_closed_timeout, ==, RTC_TCP_MAX_HALF_OPEN - 1);
  g_assert_cmpuint (rtc_tcp_get_n_connections (f->tcp), ==, 1);
  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    close (fds[i]);
}

/* Reads whole frames that all carry their number. */
static guint
read_frames (Fixture *f, int fd, guint n_want)
{
  guint8 buf[2 + 1000];
  gsize have = 0;
  guint n = 0;
  gint64 end_us = g_get_monotonic_time () + WAIT_US;

  fcntl (fd, F_SETFL, O_NONBLOCK);
  while (n < n_want && g_get_monotonic_time () < end_us)
    {
      ssize_t got = read (fd, buf + have, sizeof buf - have);

      if (got <= 0)
        {
          turn (f);
          continue;
        }
      have += (gsize)got;
      if (have < sizeof buf)
        continue;
      g_assert_cmpuint ((guint)buf[0] << 8 | buf[1], ==, 1000);
      g_assert_cmpuint ((guint)buf[2] << 8 | buf[3], ==, n);
      have = 0;
      n++;
    }
  return n;
}

/* The peer does not read: partial writes, then a full queue; what was taken
 * arrives whole and in order. */
static void
test_queue (Fixture *f, gconstpointer data)
{
  guint8 packet[1000] = { 0 };
  guint n = 0;
  gint64 end_us = g_get_monotonic_time () + WAIT_US;
  int fd = dial (f);

  g_assert_cmpint (write (fd, "\0\1x", 3), ==, 3);
  TURN_UNTIL (f, f->conn != NULL);
  g_assert_false (rtc_tcp_conn_is_congested (f->conn));
  for (;;)
    {
      packet[0] = (guint8)(n >> 8);
      packet[1] = (guint8)n;
      if (!rtc_tcp_conn_send (f->conn, packet, sizeof packet))
        break;
      n++;
      if (n % 16 == 0)
        rtc_tcp_flush (f->tcp);
      g_assert_cmpint (g_get_monotonic_time (), <, end_us);
    }
  g_assert_true (rtc_tcp_conn_is_congested (f->conn));
  g_assert_cmpuint (n, >, RTC_TCP_MAX_QUEUE_BYTES / 1002);
  g_assert_cmpuint (read_frames (f, fd, n), ==, n);
  g_assert_false (rtc_tcp_conn_is_congested (f->conn));
  rtc_tcp_conn_close (f->conn);
  g_assert_cmpuint (f->n_closed, ==, 1);
  close (fd);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/rtc/tcp/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("framing", test_framing);
  ADD ("frame-size", test_frame_size);
  ADD ("first-frame", test_first_frame);
  ADD ("half-open", test_half_open);
  ADD ("queue", test_queue);
  return g_test_run ();
}
