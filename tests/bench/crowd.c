/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-crowd: viewers that come, wait where there is no room, move when their
 * node goes, and leave. Commands on stdin, a line each:
 *   join N [A-SECOND]   so many more
 *   leave N [PLACE]     so many fewer, of those at PLACE (http://host:port)
 *   reset               the largest gap, freezes: from now on
 *   stats               {"event":"stats",…}
 * The end of stdin, or SIGINT: all leave, and a last stats.
 * On stdout, a JSON object a line: refused, seated, moved, cut, failed as they
 * happen, with "t", monotonic us. --say: words each second instead, and
 * no commands.
 */
#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "tests/bench/follower.h"

#define MAX_EVENTS 256
#define LOOK_MS 2 /* at the sockets: being woken at each packet costs more */
#define TICK_US (G_USEC_PER_SEC / 100)
#define MAX_VIEWERS 100000
#define HTTP_TIMEOUT_S 30
#define GOODBYE_US (5 * G_USEC_PER_SEC)
#define MAX_JOINS_A_LOOK 50

typedef struct
{
  guint64 n_refused, n_seated, n_moved, n_cut, n_failed;
} Happened;

static char *opt_whep;
static int opt_viewers;
static double opt_join_rate;
static gboolean opt_say;

static GMainLoop *loop;
static BenchFollowerPlan plan;
static GPtrArray *followers; /* element-type BenchFollower */
static Happened happened;
static BenchFollowerCounts gone; /* of those who left */
static guint n_due;              /* that are still to join */
static double per_s;             /* 0: at once */
static gint64 next_join_us;

static GOptionEntry entries[] = {
  { "whep", 0, 0, G_OPTION_ARG_STRING, &opt_whep, "where they join", "URL" },
  { "viewers", 0, 0, G_OPTION_ARG_INT, &opt_viewers, "that join first", "N" },
  { "join-rate", 0, 0, G_OPTION_ARG_DOUBLE, &opt_join_rate,
    "of them a second, 0: at once", "N" },
  { "say", 0, 0, G_OPTION_ARG_NONE, &opt_say, "in words, each second", NULL },
  { NULL }
};

/* --- what happens --------------------------------------------------------- */

static void G_GNUC_PRINTF (2, 3)
    tell (const char *event, const char *format, ...)
{
  va_list args;

  if (opt_say)
    return;
  printf ("{\"event\":\"%s\",\"t\":%" G_GINT64_FORMAT, event,
          g_get_monotonic_time ());
  va_start (args, format);
  vprintf (format, args);
  va_end (args);
  printf ("}\n");
  fflush (stdout);
}

static void
on_refused (gpointer data)
{
  happened.n_refused++;
  tell ("refused", "%s", "");
}

static void
on_seated (const char *at, gint64 took_us, gpointer data)
{
  happened.n_seated++;
  tell ("seated", ",\"at\":\"%s\",\"took_us\":%" G_GINT64_FORMAT, at, took_us);
}

static void
on_moved (const char *from, const char *at, gint64 took_us, gpointer data)
{
  happened.n_moved++;
  tell ("moved", ",\"from\":\"%s\",\"at\":\"%s\",\"took_us\":%" G_GINT64_FORMAT,
        from, at, took_us);
}

static void
on_cut (const char *at, gpointer data)
{
  happened.n_cut++;
  tell ("cut", ",\"at\":\"%s\"", at);
}

static void
on_failed (const char *why, gpointer data)
{
  g_autofree char *escaped = g_strescape (why, NULL);

  happened.n_failed++;
  tell ("failed", ",\"why\":\"%s\"", escaped);
}

/* --- how it is ------------------------------------------------------------ */

static BenchFollowerCounts
add_up (void)
{
  BenchFollowerCounts sum = gone;

  for (guint i = 0; i < followers->len; i++)
    bench_follower_add_counts (followers->pdata[i], &sum);
  return sum;
}

static guint
count_watching (void)
{
  guint n = 0;

  for (guint i = 0; i < followers->len; i++)
    n += bench_follower_is_watching (followers->pdata[i]);
  return n;
}

static void
print_places (void)
{
  g_autoptr (GHashTable) places = g_hash_table_new (g_str_hash, g_str_equal);
  GHashTableIter iter;
  gpointer place, n;
  const char *separator = "";

  for (guint i = 0; i < followers->len; i++)
    {
      const char *at = bench_follower_get_place (followers->pdata[i]);

      if (!at)
        continue;
      n = g_hash_table_lookup (places, at);
      g_hash_table_replace (places, (gpointer)at,
                            GUINT_TO_POINTER (GPOINTER_TO_UINT (n) + 1));
    }
  printf (",\"places\":{");
  g_hash_table_iter_init (&iter, places);
  while (g_hash_table_iter_next (&iter, &place, &n))
    {
      printf ("%s\"%s\":%u", separator, (char *)place, GPOINTER_TO_UINT (n));
      separator = ",";
    }
  printf ("}");
}

static void
print_stats (void)
{
  BenchFollowerCounts sum = add_up ();

  printf ("{\"event\":\"stats\",\"viewers\":%u,\"due\":%u,\"watching\":%u,"
          "\"refused\":%" G_GUINT64_FORMAT ",\"seated\":%" G_GUINT64_FORMAT
          ",\"moved\":%" G_GUINT64_FORMAT ",\"cut\":%" G_GUINT64_FORMAT
          ",\"failed\":%" G_GUINT64_FORMAT ",\"packets\":%" G_GUINT64_FORMAT
          ",\"lost\":%" G_GUINT64_FORMAT ",\"freezes\":%" G_GUINT64_FORMAT
          ",\"max_gap_us\":%" G_GINT64_FORMAT,
          followers->len, n_due, count_watching (), happened.n_refused,
          happened.n_seated, happened.n_moved, happened.n_cut,
          happened.n_failed, sum.n_packets, sum.n_lost, sum.n_freezes,
          sum.max_gap_us);
  print_places ();
  printf ("}\n");
  fflush (stdout);
}

static gboolean
on_second (gpointer data)
{
  BenchFollowerCounts sum = add_up ();
  guint n_watching = count_watching ();

  printf ("%u watch, %u wait; since the start %" G_GUINT64_FORMAT
          " refused, %" G_GUINT64_FORMAT " moved, %" G_GUINT64_FORMAT
          " cut off, largest gap %" G_GINT64_FORMAT " ms\n",
          n_watching, followers->len - n_watching + n_due, happened.n_refused,
          happened.n_moved, happened.n_cut, sum.max_gap_us / 1000);
  fflush (stdout);
  return G_SOURCE_CONTINUE;
}

/* --- coming and going ----------------------------------------------------- */

static void
join_due (gint64 now_us)
{
  for (guint n = 0; n_due > 0 && now_us >= next_join_us && n < MAX_JOINS_A_LOOK;
       n++)
    {
      g_ptr_array_add (followers, bench_follower_new (&plan));
      n_due--;
      next_join_us = per_s > 0 ? MAX (next_join_us, now_us - G_USEC_PER_SEC)
                                     + (gint64)(G_USEC_PER_SEC / per_s)
                               : now_us;
    }
}

/* who is still to come is the first who does not */
static void
leave (guint n, const char *place)
{
  guint n_off = place ? 0 : MIN (n, n_due);

  n_due -= n_off;
  n -= n_off;
  for (guint i = followers->len; i-- > 0 && n > 0;)
    {
      BenchFollower *follower = followers->pdata[i];

      if (place && g_strcmp0 (place, bench_follower_get_place (follower)) != 0)
        continue;
      bench_follower_add_counts (follower, &gone);
      bench_follower_free (follower);
      g_ptr_array_remove_index (followers, i);
      n--;
    }
}

static gboolean
on_look (gpointer data)
{
  static gint64 next_tick_us;
  struct epoll_event events[MAX_EVENTS];
  gint64 now_us = g_get_monotonic_time ();
  int n;

  do
    {
      n = epoll_wait (plan.epoll_fd, events, MAX_EVENTS, 0);
      for (int i = 0; i < n; i++)
        bench_follower_receive (events[i].data.ptr, now_us);
    }
  while (n == MAX_EVENTS);
  if (now_us >= next_tick_us)
    {
      for (guint i = 0; i < followers->len; i++)
        bench_follower_tick (followers->pdata[i], now_us);
      next_tick_us = now_us + TICK_US;
    }
  join_due (now_us);
  return G_SOURCE_CONTINUE;
}

/* --- commands ------------------------------------------------------------- */

static void
obey (char **words)
{
  guint n_words = g_strv_length (words);
  guint n = n_words > 1 ? (guint)g_ascii_strtoull (words[1], NULL, 10) : 0;

  if (n_words >= 2 && g_str_equal (words[0], "join") && n <= MAX_VIEWERS)
    {
      n_due += n;
      per_s = n_words > 2 ? g_ascii_strtod (words[2], NULL) : 0;
      next_join_us = g_get_monotonic_time ();
    }
  else if (n_words >= 2 && g_str_equal (words[0], "leave"))
    leave (n, words[2]);
  else if (n_words == 1 && g_str_equal (words[0], "reset"))
    {
      for (guint i = 0; i < followers->len; i++)
        bench_follower_reset_gaps (followers->pdata[i]);
      gone.max_gap_us = 0;
      gone.n_freezes = 0;
    }
  else if (n_words == 1 && g_str_equal (words[0], "stats"))
    print_stats ();
  else
    fprintf (stderr, "bench-crowd: no command: %s\n", words[0]);
}

static gboolean
on_command (GIOChannel *channel, GIOCondition condition, gpointer data)
{
  g_autofree char *line = NULL;
  g_auto (GStrv) words = NULL;

  if (g_io_channel_read_line (channel, &line, NULL, NULL, NULL)
      != G_IO_STATUS_NORMAL)
    {
      g_main_loop_quit (loop);
      return G_SOURCE_REMOVE;
    }
  words = g_strsplit (g_strstrip (line), " ", 4);
  if (words[0])
    obey (words);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_end (gpointer data)
{
  g_main_loop_quit (loop);
  return G_SOURCE_CONTINUE;
}

/* --- the process ---------------------------------------------------------- */

static void
raise_fd_limit (void)
{
  struct rlimit limit;

  getrlimit (RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit (RLIMIT_NOFILE, &limit);
}

static void
start (void)
{
  g_autoptr (GIOChannel) commands = g_io_channel_unix_new (0);

  plan = (BenchFollowerPlan){
    .session = soup_session_new_with_options (
        "max-conns", 4 * MAX_VIEWERS, "max-conns-per-host", 4 * MAX_VIEWERS,
        "timeout", HTTP_TIMEOUT_S, NULL),
    .url = opt_whep,
    .epoll_fd = epoll_create1 (EPOLL_CLOEXEC),
    .on_refused = on_refused,
    .on_seated = on_seated,
    .on_moved = on_moved,
    .on_cut = on_cut,
    .on_failed = on_failed,
  };
  followers = g_ptr_array_new ();
  n_due = (guint)opt_viewers;
  per_s = opt_join_rate;
  next_join_us = g_get_monotonic_time ();
  g_timeout_add (LOOK_MS, on_look, NULL);
  g_unix_signal_add (SIGINT, on_end, NULL);
  g_unix_signal_add (SIGTERM, on_end, NULL);
  if (opt_say)
    g_timeout_add_seconds (1, on_second, NULL);
  else
    g_io_add_watch (commands, G_IO_IN | G_IO_HUP | G_IO_ERR, on_command, NULL);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || !opt_whep
      || opt_viewers < 0 || opt_viewers > MAX_VIEWERS || opt_join_rate < 0)
    {
      fprintf (stderr, "bench-crowd: %s\n",
               error ? error->message : "--whep URL is needed");
      return 2;
    }
  raise_fd_limit ();
  loop = g_main_loop_new (NULL, FALSE);
  start ();
  g_main_loop_run (loop);
  if (opt_say)
    on_second (NULL);
  else
    print_stats ();
  n_due = 0;
  leave (G_MAXUINT, NULL);
  for (gint64 until_us = g_get_monotonic_time () + GOODBYE_US;
       bench_follower_count_goodbyes () > 0
       && g_get_monotonic_time () < until_us;)
    g_main_context_iteration (NULL, TRUE);
  return happened.n_cut > 0;
}
