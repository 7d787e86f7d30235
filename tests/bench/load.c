/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-load: many viewers in one process. One thread signs them in by HTTP,
 * one runs their sockets. On stdout, a JSON object a line:
 *   {"event":"ready"}   all are seated (or the time was up)
 *   {"event":"start"}   the window begins
 *   {"event":"stop",…}  it is over: what came in it
 * The starter measures the server's CPU between the last two. With --hold it
 * waits for a line on stdin after "ready", so that two loads can agree.
 * --crowd: so many more join in the window; they are counted apart, the rest
 * are the seated.
 */
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/joins.h"

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

/* of each viewer, since its join was due; element-type guint32, us */
typedef struct
{
  GArray *answered;  /* HTTP is over */
  GArray *connected; /* DTLS is over */
  GArray *packet;    /* a first one came */
} Times;

static char *opt_whep, *opt_janus;
static int opt_viewers = 50, opt_sample = 8, opt_mountpoint = 1;
static int opt_streams = 1, opt_look_us = 500, opt_signers = 1, opt_crowd = 0;
static double opt_seconds = 10, opt_settle = 3, opt_join_rate = 0;
static double opt_crowd_s = 10;
static gboolean opt_gro, opt_hold;

static GMutex join_lock;      /* of those who add viewers */
static BenchViewer **viewers; /* those the media thread has: atomic count */
static int n_viewers, n_failed;
static int n_first; /* of them were there before the window */
static int epoll_fd;
static gint phase;                 /* atomic, Phase */
static gint n_seated, n_connected; /* atomic */
static GArray *latencies;
static Times first_times, crowd_times;
static BenchCounts sum, crowd_sum;
static gint64 window_us, all_seated_us;
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
  { "signers", 0, 0, G_OPTION_ARG_INT, &opt_signers, "threads that sign in",
    "N" },
  { "crowd", 0, 0, G_OPTION_ARG_INT, &opt_crowd, "join in the window", "N" },
  { "crowd-s", 0, 0, G_OPTION_ARG_DOUBLE, &opt_crowd_s, "within", "S" },
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

/* the first check of those who came is not left to the next tick */
static void
start_new (gint64 now_us)
{
  static int n_started;

  for (int n = g_atomic_int_get (&n_viewers); n_started < n; n_started++)
    bench_viewer_tick (viewers[n_started], now_us);
}

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
  n_first = g_atomic_int_get (&n_viewers);
  for (int i = 0; i < n_first; i++)
    bench_viewer_start_window (viewers[i], latencies);
  own_cpu_s = cpu_s ();
  window_us = g_get_monotonic_time ();
}

static void
add_time (GArray *times, gint64 us)
{
  guint32 short_us = (guint32)us;

  g_array_append_val (times, short_us);
}

static void
end_window (void)
{
  window_us = g_get_monotonic_time () - window_us;
  own_cpu_s = cpu_s () - own_cpu_s;
  for (int i = 0; i < g_atomic_int_get (&n_viewers); i++)
    {
      BenchViewer *v = viewers[i];
      gboolean is_first = i < n_first;
      Times *times = is_first ? &first_times : &crowd_times;

      bench_viewer_add_counts (v, is_first ? &sum : &crowd_sum);
      add_time (times->answered, bench_viewer_get_times (v)->signed_us);
      if (bench_viewer_is_connected (v))
        add_time (times->connected, bench_viewer_get_times (v)->connect_us);
      if (bench_viewer_is_seated (v))
        add_time (times->packet, bench_viewer_get_times (v)->media_us);
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
      start_new (now_us);
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
on_joined (BenchViewer *viewer)
{
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = viewer };

  g_mutex_lock (&join_lock);
  viewers[n_viewers] = viewer;
  epoll_ctl (epoll_fd, EPOLL_CTL_ADD, bench_viewer_get_fd (viewer), &event);
  g_atomic_int_inc (&n_viewers);
  g_mutex_unlock (&join_lock);
}

static BenchJoins *
start_joins (int first, int n, double interval_us)
{
  BenchJoinsPlan plan = {
    .whep = opt_whep,
    .janus = opt_janus,
    .mountpoint = opt_mountpoint,
    .n_streams = (guint)opt_streams,
    .n_threads = (guint)opt_signers,
    .first = (guint)first,
    .n_viewers = (guint)n,
    .n_sampled = (guint)opt_sample,
    .gro = opt_gro,
    .interval_us = (gint64)interval_us,
    .on_joined = on_joined,
  };

  return bench_joins_start (&plan);
}

static void
fill (void)
{
  gint64 start_us = g_get_monotonic_time ();
  BenchJoins *joins =
      start_joins (0, opt_viewers, opt_join_rate > 0 ? 1e6 / opt_join_rate : 0);

  n_failed = (int)bench_joins_finish (joins);
  for (gint64 until_us = g_get_monotonic_time () + SEAT_US;
       g_atomic_int_get (&n_seated) < n_viewers
       && g_get_monotonic_time () < until_us;)
    g_usleep (5000);
  all_seated_us = g_get_monotonic_time () - start_us;
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
print_times (const char *name, GArray *times)
{
  g_array_sort (times, compare_u32);
  printf (",\"%s\":{\"n\":%u,\"p50\":%u,\"p95\":%u,\"p99\":%u,\"max\":%u}",
          name, times->len, percentile (times, 0.5), percentile (times, 0.95),
          percentile (times, 0.99), percentile (times, 1));
}

static void
print_result (void)
{
  printf ("{\"event\":\"stop\",\"viewers\":%d,\"connected\":%d,\"seated\":%d,"
          "\"failed\":%d,\"seconds\":%.3f,\"packets\":%" G_GUINT64_FORMAT
          ",\"bytes\":%" G_GUINT64_FORMAT ",\"lost\":%" G_GUINT64_FORMAT
          ",\"overrun\":%" G_GUINT64_FORMAT ",\"rtcp\":%" G_GUINT64_FORMAT
          ",\"opened\":%" G_GUINT64_FORMAT ",\"bad\":%" G_GUINT64_FORMAT
          ",\"crowd_packets\":%" G_GUINT64_FORMAT
          ",\"crowd_lost\":%" G_GUINT64_FORMAT
          ",\"crowd_overrun\":%" G_GUINT64_FORMAT ",\"load_cpu_s\":%.3f",
          n_viewers, g_atomic_int_get (&n_connected),
          g_atomic_int_get (&n_seated), n_failed, (double)window_us / 1e6,
          sum.n_packets, sum.n_bytes, sum.n_lost, sum.n_overrun, sum.n_rtcp,
          sum.n_opened, sum.n_bad, crowd_sum.n_packets, crowd_sum.n_lost,
          crowd_sum.n_overrun, own_cpu_s);
  print_times ("latency_us", latencies);
  print_times ("answered_us", first_times.answered);
  print_times ("connect_us", first_times.connected);
  print_times ("first_packet_us", first_times.packet);
  print_times ("crowd_answered_us", crowd_times.answered);
  print_times ("crowd_connect_us", crowd_times.connected);
  print_times ("crowd_first_packet_us", crowd_times.packet);
  printf ("}\n");
  fflush (stdout);
}

static void
make_times (Times *times)
{
  times->answered = g_array_new (FALSE, FALSE, sizeof (guint32));
  times->connected = g_array_new (FALSE, FALSE, sizeof (guint32));
  times->packet = g_array_new (FALSE, FALSE, sizeof (guint32));
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
  gint64 end_us;

  fill ();
  printf ("{\"event\":\"ready\",\"seated\":%d,\"failed\":%d,\"join_s\":%.3f}\n",
          g_atomic_int_get (&n_seated), n_failed, (double)all_seated_us / 1e6);
  fflush (stdout);
  if (opt_hold && !fgets (line, sizeof line, stdin))
    exit (1);
  g_usleep ((gulong)(opt_settle * 1e6));
  g_atomic_int_set (&phase, RUNNING);
  printf ("{\"event\":\"start\"}\n");
  fflush (stdout);
  end_us = g_get_monotonic_time () + (gint64)(opt_seconds * 1e6);
  if (opt_crowd > 0)
    n_failed += (int)bench_joins_finish (
        start_joins (opt_viewers, opt_crowd, opt_crowd_s * 1e6 / opt_crowd));
  g_usleep ((gulong)MAX (0, end_us - g_get_monotonic_time ()));
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
      || !opt_whep == !opt_janus || opt_viewers < 1 || opt_streams < 1
      || opt_crowd < 0)
    {
      fprintf (stderr, "bench-load: %s\n",
               error ? error->message : "one of --whep and --janus");
      return 2;
    }
  raise_fd_limit ();
  epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  viewers = g_new0 (BenchViewer *, opt_viewers + opt_crowd);
  latencies = g_array_new (FALSE, FALSE, sizeof (guint32));
  make_times (&first_times);
  make_times (&crowd_times);
  thread = g_thread_new ("media", run_media, NULL);
  run_phases ();
  g_thread_join (thread);
  print_result ();
  return n_failed > 0 || g_atomic_int_get (&n_seated) < opt_viewers + opt_crowd;
}
