/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-load: many viewers in one process. One thread signs them in by HTTP,
 * one runs their sockets. On stdout, a JSON object a line:
 *   {"event":"ready"}   all are seated (or the time was up)
 *   {"event":"start"}   the window begins
 *   {"event":"stop",…}  it is over: what came in it
 * The starter measures the server's CPU between the last two. With --hold it
 * waits for a line on stdin after "ready", so that two loads can agree.
 */
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/signup.h"

#define MAX_EVENTS 512
#define TICK_US (G_USEC_PER_SEC / 20)
#define MAX_LATENCIES 4000000
#define SEAT_US (20 * G_USEC_PER_SEC) /* after the last sign-in */

typedef enum
{
  FILLING,
  RUNNING,
  OVER
} Phase;

static char *opt_whep, *opt_janus;
static int opt_viewers = 50, opt_sample = 8, opt_mountpoint = 1;
static int opt_streams = 1, opt_look_us = 500;
static double opt_seconds = 10, opt_settle = 3, opt_join_rate = 0;
static gboolean opt_gro, opt_hold;

static BenchViewer **viewers; /* those the media thread has: atomic count */
static int n_viewers, n_failed;
static int epoll_fd;
static gint phase;                 /* atomic, Phase */
static gint n_seated, n_connected; /* atomic */
static GArray *latencies;
static GArray *connects;
static BenchCounts sum;
static gint64 window_us, last_join_us;
static double own_cpu_s;

static GOptionEntry entries[] = {
  { "whep", 0, 0, G_OPTION_ARG_STRING, &opt_whep,
    "WHEP endpoint; %u becomes the stream's number", "URL" },
  { "janus", 0, 0, G_OPTION_ARG_STRING, &opt_janus, "Janus API", "URL" },
  { "mountpoint", 0, 0, G_OPTION_ARG_INT, &opt_mountpoint, "of Janus", "ID" },
  { "viewers", 0, 0, G_OPTION_ARG_INT, &opt_viewers, "how many", "N" },
  { "streams", 0, 0, G_OPTION_ARG_INT, &opt_streams, "spread over", "N" },
  { "sample", 0, 0, G_OPTION_ARG_INT, &opt_sample, "that decrypt", "K" },
  { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &opt_seconds, "the window", "S" },
  { "settle", 0, 0, G_OPTION_ARG_DOUBLE, &opt_settle, "before it", "S" },
  { "join-rate", 0, 0, G_OPTION_ARG_DOUBLE, &opt_join_rate,
    "sign-ins a second, 0: as fast as it goes", "N" },
  { "look-us", 0, 0, G_OPTION_ARG_INT, &opt_look_us,
    "look at the sockets so often; 0: be woken", "US" },
  { "gro", 0, 0, G_OPTION_ARG_NONE, &opt_gro, "receive with UDP_GRO", NULL },
  { "hold", 0, 0, G_OPTION_ARG_NONE, &opt_hold, "wait for a line", NULL },
  { NULL }
};

static double
cpu_s (void)
{
  struct rusage u;

  getrusage (RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec)
         + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* --- media thread --------------------------------------------------------- */

static void
tick_all (gint64 now_us)
{
  int n = g_atomic_int_get (&n_viewers), seated = 0, connected = 0;

  for (int i = 0; i < n; i++)
    {
      bench_viewer_tick (viewers[i], now_us);
      seated += bench_viewer_is_seated (viewers[i]);
      connected += bench_viewer_is_connected (viewers[i]);
    }
  g_atomic_int_set (&n_seated, seated);
  g_atomic_int_set (&n_connected, connected);
}

static void
start_window (void)
{
  for (int i = 0; i < n_viewers; i++)
    bench_viewer_start_window (viewers[i], latencies);
  own_cpu_s = cpu_s ();
  window_us = g_get_monotonic_time ();
}

static void
end_window (void)
{
  window_us = g_get_monotonic_time () - window_us;
  own_cpu_s = cpu_s () - own_cpu_s;
  for (int i = 0; i < n_viewers; i++)
    {
      bench_viewer_add_counts (viewers[i], &sum);
      if (bench_viewer_is_connected (viewers[i]))
        {
          guint32 us = (guint32)bench_viewer_get_connect_us (viewers[i]);

          g_array_append_val (connects, us);
        }
    }
}

static gpointer
run_media (gpointer data)
{
  struct epoll_event events[MAX_EVENTS];
  gint64 next_tick_us = 0;
  Phase seen = FILLING;

  for (;;)
    {
      int n =
          epoll_wait (epoll_fd, events, MAX_EVENTS, opt_look_us > 0 ? 0 : 20);
      gint64 now_us = g_get_monotonic_time ();
      Phase now = g_atomic_int_get (&phase);

      if (now != seen && now == RUNNING)
        start_window ();
      if (now == OVER)
        {
          end_window ();
          return NULL;
        }
      seen = now;
      if (latencies->len >= MAX_LATENCIES)
        g_array_set_size (latencies, 0);
      for (int i = 0; i < n; i++)
        bench_viewer_receive (events[i].data.ptr, now_us);
      if (now_us >= next_tick_us)
        {
          tick_all (now_us);
          next_tick_us = now_us + TICK_US;
        }
      /* being woken at each packet would be charged to the server */
      if (n < MAX_EVENTS && opt_look_us > 0)
        g_usleep ((gulong)opt_look_us);
    }
}

/* --- main thread ---------------------------------------------------------- */

static void
sign_in (BenchSignup *signup, int i)
{
  BenchViewerOptions options = { .gro = opt_gro, .is_sampled = i < opt_sample };
  BenchViewer *viewer = bench_viewer_new (&options);
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = viewer };
  g_autofree char *number = g_strdup_printf ("%d", i % opt_streams);
  g_auto (GStrv) parts = g_strsplit (opt_whep ? opt_whep : "", "%u", 2);
  g_autofree char *url = g_strjoinv (number, parts);

  if (!bench_signup_run (signup, viewer, url))
    {
      bench_viewer_free (viewer);
      n_failed++;
      return;
    }
  viewers[n_viewers] = viewer;
  epoll_ctl (epoll_fd, EPOLL_CTL_ADD, bench_viewer_get_fd (viewer), &event);
  g_atomic_int_inc (&n_viewers);
}

static void
fill (void)
{
  BenchSignup *signup = bench_signup_new (opt_janus ? opt_janus : opt_whep,
                                          opt_janus ? opt_mountpoint : 0);
  gint64 start_us = g_get_monotonic_time ();

  for (int i = 0; i < opt_viewers && n_failed < 5; i++)
    {
      gint64 due_us =
          opt_join_rate > 0 ? start_us + (gint64)(i * 1e6 / opt_join_rate) : 0;
      gint64 early_us = due_us - g_get_monotonic_time ();

      if (early_us > 0)
        g_usleep ((gulong)early_us);
      sign_in (signup, i);
    }
  last_join_us = g_get_monotonic_time () - start_us;
  for (gint64 until_us = g_get_monotonic_time () + SEAT_US;
       g_atomic_int_get (&n_seated) < n_viewers
       && g_get_monotonic_time () < until_us;)
    g_usleep (20000);
  bench_signup_free (signup);
}

static int
compare_u32 (gconstpointer a, gconstpointer b)
{
  guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;

  return (x > y) - (x < y);
}

static guint32
percentile (GArray *sorted, double share)
{
  return sorted->len == 0 ? 0
                          : g_array_index (sorted, guint32,
                                           (guint)((sorted->len - 1) * share));
}

static void
print_result (void)
{
  g_array_sort (latencies, compare_u32);
  g_array_sort (connects, compare_u32);
  printf ("{\"event\":\"stop\",\"viewers\":%d,\"connected\":%d,\"seated\":%d,"
          "\"failed\":%d,\"seconds\":%.3f,\"packets\":%" G_GUINT64_FORMAT
          ",\"bytes\":%" G_GUINT64_FORMAT ",\"lost\":%" G_GUINT64_FORMAT
          ",\"overrun\":%" G_GUINT64_FORMAT ",\"rtcp\":%" G_GUINT64_FORMAT
          ",\"opened\":%" G_GUINT64_FORMAT ",\"bad\":%" G_GUINT64_FORMAT
          ",\"latency_us\":{\"n\":%u,\"p50\":%u,\"p99\":%u,\"max\":%u}"
          ",\"connect_us\":{\"p50\":%u,\"p99\":%u,\"max\":%u}"
          ",\"join_s\":%.3f,\"load_cpu_s\":%.3f}\n",
          n_viewers, g_atomic_int_get (&n_connected),
          g_atomic_int_get (&n_seated), n_failed, (double)window_us / 1e6,
          sum.n_packets, sum.n_bytes, sum.n_lost, sum.n_overrun, sum.n_rtcp,
          sum.n_opened, sum.n_bad, latencies->len, percentile (latencies, 0.5),
          percentile (latencies, 0.99), percentile (latencies, 1),
          percentile (connects, 0.5), percentile (connects, 0.99),
          percentile (connects, 1), (double)last_join_us / 1e6, own_cpu_s);
  fflush (stdout);
}

static void
raise_fd_limit (void)
{
  struct rlimit limit;

  getrlimit (RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit (RLIMIT_NOFILE, &limit);
}

static void
run_phases (void)
{
  char line[16];

  fill ();
  printf ("{\"event\":\"ready\",\"seated\":%d,\"failed\":%d}\n",
          g_atomic_int_get (&n_seated), n_failed);
  fflush (stdout);
  if (opt_hold && !fgets (line, sizeof line, stdin))
    exit (1);
  g_usleep ((gulong)(opt_settle * 1e6));
  g_atomic_int_set (&phase, RUNNING);
  printf ("{\"event\":\"start\"}\n");
  fflush (stdout);
  g_usleep ((gulong)(opt_seconds * 1e6));
  g_atomic_int_set (&phase, OVER);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  GThread *thread;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)
      || !opt_whep == !opt_janus || opt_viewers < 1 || opt_streams < 1)
    {
      fprintf (stderr, "bench-load: %s\n",
               error ? error->message : "one of --whep and --janus");
      return 2;
    }
  raise_fd_limit ();
  epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  viewers = g_new0 (BenchViewer *, opt_viewers);
  latencies = g_array_new (FALSE, FALSE, sizeof (guint32));
  connects = g_array_new (FALSE, FALSE, sizeof (guint32));
  thread = g_thread_new ("media", run_media, NULL);
  run_phases ();
  g_thread_join (thread);
  print_result ();
  return n_failed > 0 || g_atomic_int_get (&n_seated) < opt_viewers;
}
