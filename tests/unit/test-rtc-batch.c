/* SPDX-License-Identifier: Apache-2.0 */
/* RtcBatch over real loopback sockets whose receiver takes no GRO. */
#include "rtc/batch.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WAIT_MS 5000

typedef struct
{
  int out, in[2];
  RtcPath paths[2];
  RtcBatch *batch;
} Fixture;

/* The kernel's refusals cannot be had on loopback, so this program's sendmmsg
 * stands before the C library's. */
static int n_refusals, refusal;

int
sendmmsg (int fd, struct mmsghdr *messages, unsigned int n, int flags)
{
  if (n_refusals > 0)
    {
      n_refusals--;
      errno = refusal;
      return -1;
    }
  return (int)syscall (SYS_sendmmsg, fd, messages, n, flags);
}

static int
open_bound (RtcAddr *ret, int rcvbuf)
{
  int fd = socket (ret->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  socklen_t len =
      ret->sa.sa_family == AF_INET ? sizeof ret->in : sizeof ret->in6;
  struct timeval tv = { .tv_sec = WAIT_MS / 1000 };

  g_assert_cmpint (fd, >=, 0);
  setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof rcvbuf);
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  g_assert_cmpint (bind (fd, &ret->sa, len), ==, 0);
  g_assert_cmpint (getsockname (fd, &ret->sa, &len), ==, 0);
  return fd;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  const char *ip = data != NULL ? data : "127.0.0.1";
  RtcAddr own;

  memset (f, 0, sizeof *f);
  g_assert_true (rtc_addr_from_string (ip, 0, &own));
  f->out = open_bound (&own, 1 << 20);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (rtc_addr_from_string (ip, 0, &f->paths[i].remote));
      f->in[i] = open_bound (&f->paths[i].remote, 8 << 20);
      if (own.sa.sa_family == AF_INET)
        f->paths[i].local.in = own.in.sin_addr;
      else
        f->paths[i].local.in6 = own.in6.sin6_addr;
    }
  f->batch = own.sa.sa_family == AF_INET ? rtc_batch_new (f->out, -1)
                                         : rtc_batch_new (-1, f->out);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  rtc_batch_free (f->batch);
  close (f->out);
  close (f->in[0]);
  close (f->in[1]);
}

static void
put (Fixture *f, guint to, guint n, gsize len)
{
  guint8 *p = rtc_batch_reserve (f->batch, &f->paths[to], 2048);

  memset (p, (int)(n & 0xff), len);
  rtc_batch_commit (f->batch, len);
}

static void
expect (Fixture *f, guint from, guint n, gsize len)
{
  guint8 buf[65536];
  ssize_t got = recv (f->in[from], buf, sizeof buf, 0);

  g_assert_cmpint (got, ==, (ssize_t)len);
  for (gsize i = 0; i < len; i++)
    g_assert_cmpuint (buf[i], ==, n & 0xff);
}

/* Frames of equal packets with a shorter last one, singles between them, a
 * change of peer, and more packets than fit one message or the arena. */
static gsize
length_of (guint i)
{
  if (i % 11 == 10)
    return 700;
  return i % 50 == 13 ? 120 : 1200;
}

static void
check_all_arrive (Fixture *f)
{
  const guint n = 1000;

  for (guint i = 0; i < n; i++)
    put (f, i / 40 % 2, i, length_of (i));
  rtc_batch_flush (f->batch);
  for (guint i = 0; i < n; i++)
    expect (f, i / 40 % 2, i, length_of (i));
  g_assert_cmpuint (rtc_batch_get_stats (f->batch)->n_packets, ==, n);
  g_assert_cmpuint (rtc_batch_get_stats (f->batch)->n_dropped_error, ==, 0);
  g_assert_cmpuint (rtc_batch_get_stats (f->batch)->n_dropped_again, ==, 0);
}

static void
test_gso (Fixture *f, gconstpointer data)
{
  check_all_arrive (f);
  g_assert_cmpuint (rtc_batch_get_stats (f->batch)->n_messages, <, 300);
}

static void
test_no_gso (Fixture *f, gconstpointer data)
{
  rtc_batch_set_gso (f->batch, FALSE);
  check_all_arrive (f);
  g_assert_cmpuint (rtc_batch_get_stats (f->batch)->n_messages, ==, 1000);
}

/* At most 64 segments, and only the last may be shorter. */
static void
test_bounds (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 65; i++)
    put (f, 0, i, 900);
  put (f, 0, 65, 400); /* ends the second message */
  put (f, 0, 66, 400);
  put (f, 0, 67, 500); /* longer: a new one */
  put (f, 1, 68, 1500);
  put (f, 1, 69, 1500); /* too long for segments */
  rtc_batch_flush (f->batch);
  for (guint i = 0; i < 65; i++)
    expect (f, 0, i, 900);
  expect (f, 0, 65, 400);
  expect (f, 0, 66, 400);
  expect (f, 0, 67, 500);
  expect (f, 1, 68, 1500);
  expect (f, 1, 69, 1500);
  g_assert_cmpuint (rtc_batch_get_stats (f->batch)->n_messages, ==, 6);
  g_assert_cmpuint (rtc_batch_get_stats (f->batch)->n_oversize, ==, 2);
}

static void
test_cancelled (Fixture *f, gconstpointer data)
{
  put (f, 0, 1, 100);
  (void)rtc_batch_reserve (f->batch, &f->paths[0], 2048);
  rtc_batch_commit (f->batch, 0);
  put (f, 0, 2, 100);
  rtc_batch_flush (f->batch);
  rtc_batch_flush (f->batch);
  expect (f, 0, 1, 100);
  expect (f, 0, 2, 100);
  g_assert_cmpuint (rtc_batch_get_stats (f->batch)->n_messages, ==, 1);
}

/* No path (yet, or no longer), or a family that the host lacks. */
static void
test_no_family (Fixture *f, gconstpointer data)
{
  RtcPath none;
  guint8 *p;

  memset (&none, 0, sizeof none);
  p = rtc_batch_reserve (f->batch, &none, 100);
  memset (p, 0, 100);
  rtc_batch_commit (f->batch, 100);
  put (f, 0, 3, 50);
  rtc_batch_flush (f->batch);
  expect (f, 0, 3, 50);
  g_assert_cmpuint (rtc_batch_get_stats (f->batch)->n_dropped_error, ==, 1);
}

/* A full send buffer for the first calls: nothing is lost, order stays. */
static void
test_full_for_a_while (Fixture *f, gconstpointer data)
{
  n_refusals = 3;
  refusal = EAGAIN;
  check_all_arrive (f);
  g_assert_cmpint (n_refusals, ==, 0);
}

/* It stays full: a flush ends after 20 ms, what is left is counted. */
static void
test_full (Fixture *f, gconstpointer data)
{
  gint64 start_us = g_get_monotonic_time ();

  n_refusals = G_MAXINT;
  refusal = EAGAIN;
  for (guint i = 0; i < 50; i++)
    put (f, i % 2, i, 500);
  rtc_batch_flush (f->batch);
  n_refusals = 0;
  g_assert_cmpint (g_get_monotonic_time () - start_us, >=, 20 * 1000);
  g_assert_cmpuint (rtc_batch_get_stats (f->batch)->n_dropped_again, ==, 50);
  put (f, 0, 7, 100);
  rtc_batch_flush (f->batch);
  expect (f, 0, 7, 100);
}

/* A kernel or device without GSO: the same packets leave one by one, and it
 * is not tried again. */
static void
test_gso_refused (Fixture *f, gconstpointer data)
{
  n_refusals = 1;
  refusal = EIO;
  check_all_arrive (f);
  for (guint i = 0; i < 10; i++)
    put (f, 0, i, 100);
  rtc_batch_flush (f->batch);
  for (guint i = 0; i < 10; i++)
    expect (f, 0, i, 100);
  g_assert_cmpuint (rtc_batch_get_stats (f->batch)->n_packets, ==, 1010);
  g_assert_cmpuint (rtc_batch_get_stats (f->batch)->n_messages, >=, 10);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, arg, func)                                                   \
  g_test_add ("/rtc/batch/" name, Fixture, arg, set_up, func, tear_down)
  ADD ("gso", NULL, test_gso);
  ADD ("gso/v6", "::1", test_gso);
  ADD ("no-gso", NULL, test_no_gso);
  ADD ("bounds", NULL, test_bounds);
  ADD ("cancelled", NULL, test_cancelled);
  ADD ("no-family", NULL, test_no_family);
  ADD ("full-for-a-while", NULL, test_full_for_a_while);
  ADD ("full", NULL, test_full);
  ADD ("gso-refused", NULL, test_gso_refused);
  return g_test_run ();
}
