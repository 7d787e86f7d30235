/* SPDX-License-Identifier: Apache-2.0 */
/* Wills as bytes, and as files that another store finds and sends. */
#include "rtc/will-store.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rtc/dtls.h"
#include "rtc/udp.h"

#define WAIT_US (60 * G_USEC_PER_SEC) /* machines are slow at times */
#define RECORD_BYTES 39
#define MAX_WILLS 8

static RtcWill
make_will (const char *remote, guint remote_port, guint port)
{
  RtcWill will;

  memset (&will, 0, sizeof will);
  g_assert_true (rtc_addr_from_string (remote, remote_port, &will.path.remote));
  if (will.path.remote.sa.sa_family == AF_INET)
    will.path.local.in.s_addr = htonl (INADDR_LOOPBACK);
  else
    will.path.local.in6 = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
  will.port = port;
  will.record_len = RECORD_BYTES;
  for (guint i = 13; i < RECORD_BYTES; i++)
    will.record[i] = (guint8)(i * 5);
  memcpy (will.record, "\x15\xfe\xfd\0\1\0\1\0\0\0\0\0\x1a", 13);
  return will;
}

/* --- bytes --------------------------------------------------------------- */

static void
check_round (const RtcWill *will)
{
  guint8 data[RTC_WILL_BYTES];
  RtcWill got;

  memset (&got, 0xff, sizeof got);
  rtc_will_write (will, data);
  g_assert_true (rtc_will_read (data, sizeof data, &got));
  /* the path is compared bytewise where packets are sent */
  g_assert_cmpmem (&got.path, sizeof got.path, &will->path, sizeof will->path);
  g_assert_cmpuint (got.port, ==, will->port);
  g_assert_cmpmem (got.record, got.record_len, will->record, will->record_len);
}

static void
test_bytes (void)
{
  RtcWill v4 = make_will ("192.0.2.7", 65535, 7200);
  RtcWill v6 = make_will ("fe80::1", 1, 65535);

  v6.path.remote.in6.sin6_scope_id = 0x01020304;
  v6.path.local_ifindex = 0x05060708;
  check_round (&v4);
  check_round (&v6);
}

/* One flipped bit anywhere, or another length, and it is no will. */
static void
test_damage (void)
{
  RtcWill will = make_will ("192.0.2.7", 9, 7200), got;
  guint8 data[RTC_WILL_BYTES + 1] = { 0 };

  rtc_will_write (&will, data);
  for (gsize len = 0; len <= sizeof data; len++)
    g_assert_cmpint (rtc_will_read (data, len, &got), ==,
                     len == RTC_WILL_BYTES);
  for (gsize bit = 0; bit < RTC_WILL_BYTES * 8; bit++)
    {
      data[bit / 8] ^= (guint8)(1u << bit % 8);
      g_assert_false (rtc_will_read (data, RTC_WILL_BYTES, &got));
      data[bit / 8] ^= (guint8)(1u << bit % 8);
    }
  g_assert_true (rtc_will_read (data, RTC_WILL_BYTES, &got));
}

/* What is whole but could not be sent as a will: other bytes than an alert
 * of epoch 1 never leave, wherever the file came from. */
static void
test_not_a_will (void)
{
  static const guint8 at[] = { 0, 1, 2, 3, 4, 11, 12 };
  RtcWill good = make_will ("192.0.2.7", 9, 7200), bad, got;
  guint8 data[RTC_WILL_BYTES];

  for (guint i = 0; i < G_N_ELEMENTS (at); i++)
    {
      bad = good;
      bad.record[at[i]] ^= 1;
      rtc_will_write (&bad, data);
      g_assert_false (rtc_will_read (data, sizeof data, &got));
    }
  bad = good;
  bad.record_len = 0;
  rtc_will_write (&bad, data);
  g_assert_false (rtc_will_read (data, sizeof data, &got));
  bad = good;
  bad.port = 0;
  rtc_will_write (&bad, data);
  g_assert_false (rtc_will_read (data, sizeof data, &got));
  bad = good;
  bad.path.remote.in.sin_port = 0;
  rtc_will_write (&bad, data);
  g_assert_false (rtc_will_read (data, sizeof data, &got));
}

/* --- files --------------------------------------------------------------- */

typedef struct
{
  char *directory, *wills; /* owned: the second below the first */
  BaseMetrics *metrics;
  RtcWillStore *store;
} Fixture;

static RtcWillStore *
open_store (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  RtcWillStore *store =
      rtc_will_store_new (f->directory, MAX_WILLS, f->metrics, &error);

  g_assert_no_error (error);
  return store;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *parent = g_dir_make_tmp ("wills-XXXXXX", &error);

  g_assert_no_error (error);
  f->directory = g_build_filename (parent, "state", NULL);
  f->wills = g_build_filename (f->directory, "wills", NULL);
  f->metrics = base_metrics_new ();
  f->store = open_store (f);
}

static guint
count_files (Fixture *f)
{
  g_autoptr (GDir) directory = g_dir_open (f->wills, 0, NULL);
  guint n = 0;

  g_assert_nonnull (directory);
  while (g_dir_read_name (directory) != NULL)
    n++;
  return n;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autofree char *parent = g_path_get_dirname (f->directory);

  g_clear_pointer (&f->store, rtc_will_store_free);
  g_assert_cmpuint (count_files (f), ==, 0);
  g_assert_cmpint (g_rmdir (f->wills), ==, 0);
  g_assert_cmpint (g_rmdir (f->directory), ==, 0);
  g_assert_cmpint (g_rmdir (parent), ==, 0);
  base_metrics_free (f->metrics);
  g_free (f->directory);
  g_free (f->wills);
}

static gint64
get_counter (Fixture *f, const char *name)
{
  return base_counter_get (
      base_metrics_add_counter (f->metrics, name, NULL, ""));
}
#define SENT "media_tree_wills_sent_total"
#define FAILED "media_tree_wills_failed_total"

/* A store that is opened again has read what the one before wrote: freeing
 * waits for the writes. */
static void
reopen (Fixture *f)
{
  rtc_will_store_free (f->store);
  f->store = open_store (f);
}

static guint
send_to_nobody (Fixture *f)
{
  return rtc_will_store_send (f->store, NULL, 0);
}

static void
test_keep (Fixture *f, gconstpointer data)
{
  RtcWill will = make_will ("127.0.0.1", 9, 7200);
  guint64 first = 0, second = 0, same;
  struct stat st;

  rtc_will_store_remove (f->store, 0);
  rtc_will_store_put (f->store, &first, &will);
  rtc_will_store_put (f->store, &second, &will);
  g_assert_cmpuint (first, !=, second);
  same = first;
  rtc_will_store_put (f->store, &first, &will);
  g_assert_cmpuint (first, ==, same);
  reopen (f);
  g_assert_cmpuint (count_files (f), ==, 2);
  g_assert_cmpint (stat (f->wills, &st), ==, 0);
  g_assert_cmpuint (st.st_mode & 0777, ==, 0700);
  rtc_will_store_remove (f->store, first);
  rtc_will_store_remove (f->store, second);
  rtc_will_store_remove (f->store, second);
  reopen (f);
  g_assert_cmpuint (count_files (f), ==, 0);
  g_assert_cmpint (get_counter (f, FAILED), ==, 0);
}

/* A port that nobody has any more: nothing is sent, the file goes. */
static void
test_other_port (Fixture *f, gconstpointer data)
{
  RtcWill will = make_will ("127.0.0.1", 9, 7200);
  guint64 id = 0;

  rtc_will_store_put (f->store, &id, &will);
  reopen (f);
  g_assert_cmpuint (send_to_nobody (f), ==, 0);
  reopen (f);
  g_assert_cmpuint (count_files (f), ==, 0);
  g_assert_cmpint (get_counter (f, SENT), ==, 0);
}

/* A start that fails before it sends leaves them for the next. */
static void
test_failed_start (Fixture *f, gconstpointer data)
{
  RtcWill will = make_will ("127.0.0.1", 9, 7200);
  guint64 id = 0;

  rtc_will_store_put (f->store, &id, &will);
  reopen (f);
  reopen (f);
  g_assert_cmpuint (count_files (f), ==, 1);
  send_to_nobody (f);
}

static void
test_limit (Fixture *f, gconstpointer data)
{
  RtcWill will = make_will ("127.0.0.1", 9, 7200);

  for (guint i = 0; i < MAX_WILLS + 3; i++)
    {
      guint64 id = 0;

      rtc_will_store_put (f->store, &id, &will);
    }
  rtc_will_store_free (f->store);
  f->store = open_store (f);
  g_assert_cmpuint (count_files (f), ==, MAX_WILLS);
  g_assert_cmpint (get_counter (f, FAILED), ==, 3);
  send_to_nobody (f);
}

/* The disk stands still (here a pipe that nobody reads): what waits is
 * bounded, the caller goes on. */
static void
test_jobs_limit (Fixture *f, gconstpointer data)
{
  RtcWill will = make_will ("127.0.0.1", 9, 7200);
  g_autofree char *path = NULL;
  guint8 ignored[2 * RTC_WILL_BYTES];
  guint64 id = 0;
  gint64 n_failed;
  int fd;

  rtc_will_store_put (f->store, &id, &will);
  reopen (f);
  path = g_strdup_printf ("%s/%016" G_GINT64_MODIFIER "x.tmp", f->wills, id);
  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
  rtc_will_store_put (f->store, &id, &will);
  for (guint i = 0; i < RTC_WILL_STORE_MAX_JOBS + 10; i++)
    rtc_will_store_remove (f->store, id + 1);
  /* the first may have been taken up by then, or not */
  n_failed = get_counter (f, FAILED);
  g_assert_cmpint (n_failed, >=, 10);
  g_assert_cmpint (n_failed, <=, 11);
  fd = open (path, O_RDONLY);
  while (read (fd, ignored, sizeof ignored) > 0)
    ;
  close (fd);
  reopen (f);
  g_assert_cmpuint (count_files (f), ==, 0); /* a pipe is no will */
  g_assert_cmpint (get_counter (f, FAILED), ==, n_failed + 1);
}

static void
test_lock (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (rtc_will_store_new (f->directory, MAX_WILLS, NULL, &error));
  g_assert_error (error, RTC_WILL_STORE_ERROR, RTC_WILL_STORE_ERROR_LOCKED);
  g_assert_nonnull (strstr (error->message, f->wills));
}

static void
test_no_directory (Fixture *f, gconstpointer data)
{
  g_autofree char *link = g_build_filename (f->wills, "link", NULL);
  g_autofree char *below = g_build_filename (link, "wills", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (rtc_will_store_new ("/dev/null", 1, NULL, &error));
  g_assert_error (error, RTC_WILL_STORE_ERROR, RTC_WILL_STORE_ERROR_SYSTEM);
  g_clear_error (&error);
  /* "wills" that is a link leads to a place that somebody else chose */
  g_assert_cmpint (g_mkdir (link, 0700), ==, 0);
  g_assert_cmpint (symlink (f->wills, below), ==, 0);
  g_assert_null (rtc_will_store_new (link, 1, NULL, &error));
  g_assert_error (error, RTC_WILL_STORE_ERROR, RTC_WILL_STORE_ERROR_SYSTEM);
  g_assert_cmpint (g_unlink (below), ==, 0);
  g_assert_cmpint (g_rmdir (link), ==, 0);
}

/* --- sending ------------------------------------------------------------- */

typedef struct
{
  RtcCertificate *certificate;
  RtcWorker *worker;
  int fd; /* the publisher's */
  guint port;
} Net;

static void
net_init (Net *net, const char *address)
{
  RtcAddr a;

  net->certificate = rtc_certificate_new (NULL);
  net->worker = rtc_worker_new (0, 0, net->certificate, NULL, NULL);
  g_assert_nonnull (net->worker);
  g_assert_true (rtc_addr_from_string (address, 0, &a));
  net->fd = rtc_udp_open_at (&a);
  g_assert_cmpint (net->fd, >=, 0);
  net->port = rtc_socket_get_port (net->fd);
}

static void
net_clear (Net *net)
{
  close (net->fd);
  rtc_worker_free (net->worker);
  rtc_certificate_unref (net->certificate);
}

/* Each datagram is the record, from the worker's port. */
static guint
count_received (Net *net, const RtcWill *will)
{
  guint8 data[256];
  RtcAddr from;
  socklen_t from_len = sizeof from;
  guint n = 0;
  gssize len;

  while ((len = recvfrom (net->fd, data, sizeof data, MSG_DONTWAIT, &from.sa,
                          &from_len))
         >= 0)
    {
      g_assert_cmpmem (data, (gsize)len, will->record, will->record_len);
      g_assert_cmpuint (ntohs (from.sa.sa_family == AF_INET
                                   ? from.in.sin_port
                                   : from.in6.sin6_port),
                        ==, will->port);
      n++;
    }
  return n;
}

static gboolean
on_nothing (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

/* Runs main until all rounds have come and the file is gone. */
static void
check_sent (Fixture *f, const char *address)
{
  gint64 end_us = g_get_monotonic_time () + WAIT_US;
  guint timer = g_timeout_add (10, on_nothing, NULL);
  guint64 id = 0;
  guint n = 0;
  RtcWorker *workers[1];
  RtcWill will;
  Net net;

  net_init (&net, address);
  workers[0] = net.worker;
  will = make_will (address, net.port, rtc_worker_get_port (net.worker));
  rtc_will_store_put (f->store, &id, &will);
  reopen (f);
  g_assert_cmpuint (rtc_will_store_send (f->store, workers, 1), ==, 1);
  while (n < RTC_WILL_STORE_N_ROUNDS || count_files (f) > 0)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end_us);
      n += count_received (&net, &will);
      g_main_context_iteration (NULL, TRUE);
    }
  g_assert_cmpuint (n, ==, RTC_WILL_STORE_N_ROUNDS);
  g_source_remove (timer);
  net_clear (&net);
}

static void
test_send (Fixture *f, gconstpointer data)
{
  check_sent (f, "127.0.0.1");
  reopen (f);
  check_sent (f, "::1");
  g_assert_cmpint (get_counter (f, SENT), ==, 2);
}

/* The program ends between two rounds: no worker is touched any more. */
static void
test_end_early (Fixture *f, gconstpointer data)
{
  RtcWorker *workers[1];
  RtcWill will;
  guint64 id = 0;
  Net net;

  net_init (&net, "127.0.0.1");
  workers[0] = net.worker;
  will = make_will ("127.0.0.1", net.port, rtc_worker_get_port (net.worker));
  rtc_will_store_put (f->store, &id, &will);
  reopen (f);
  g_assert_cmpuint (rtc_will_store_send (f->store, workers, 1), ==, 1);
  rtc_will_store_end_sending (f->store);
  rtc_worker_stop (net.worker); /* its mail is read in order */
  g_assert_cmpuint (count_received (&net, &will), ==, 1);
  net_clear (&net);
  g_assert_false (g_main_context_pending (NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtc/will/bytes", test_bytes);
  g_test_add_func ("/rtc/will/damage", test_damage);
  g_test_add_func ("/rtc/will/not-a-will", test_not_a_will);
#define ADD(name, func)                                                        \
  g_test_add ("/rtc/will/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("keep", test_keep);
  ADD ("other-port", test_other_port);
  ADD ("failed-start", test_failed_start);
  ADD ("limit", test_limit);
  ADD ("jobs-limit", test_jobs_limit);
  ADD ("lock", test_lock);
  ADD ("no-directory", test_no_directory);
  ADD ("send", test_send);
  ADD ("end-early", test_end_early);
  return g_test_run ();
}
