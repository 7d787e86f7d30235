/* SPDX-License-Identifier: Apache-2.0 */
/* NodeSessions: lines of publications that come and go over the bound, late
 * words of those that ended, and sums that never fall. */
#include "node/sessions.h"

#include "relay-helpers.h"

#define MAX_SHOWN 3
#define PACKETS "media_tree_rtp_packets_sent_total{stream_type=\"video\","
#define MAX_PUBLICATIONS 64

typedef struct
{
  RelayWorld world;
  BaseMetrics *metrics;
  NodeSessions *sessions;
  GHashTable *open; /* RelayPublication (one reference) -> its RtcWorker */
  guint64 n_told;   /* packets of video, all publications */
  guint64 sum;      /* as last read */
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  memset (f, 0, sizeof *f);
  f->metrics = base_metrics_new ();
  relay_world_init (&f->world, NULL);
  f->sessions = node_sessions_new (f->world.hub, f->metrics, MAX_SHOWN);
  f->open = g_hash_table_new (NULL, NULL);
}

static void
on_replaced (gpointer data)
{
}

static void
on_keyframe_wanted (gpointer data)
{
}

/* home */
static void
begin (gpointer data)
{
  relay_publication_begin (data);
}

/* home */
static void
end (gpointer data)
{
  relay_publication_end (data);
  relay_publication_unref (data);
}

static RelayStream *
stream_of (Fixture *f, const char *name)
{
  return relay_hub_ensure (f->world.hub, name, NULL);
}

static gboolean
has_id (RelayStream *stream, const guint8 *before, gboolean had)
{
  guint8 id[RELAY_ID_BYTES];

  return relay_stream_get_publication_id (stream, id)
         && (!had || memcmp (id, before, sizeof id) != 0);
}

/* publish: @name goes live with another publication, and main has heard */
static RelayPublication *
publish (Fixture *f, const char *name)
{
  static const RelayPublicationCallbacks callbacks = { on_keyframe_wanted,
                                                       on_replaced };
  RelayStreamInfo info = { 0 };
  RelayStream *stream = stream_of (f, name);
  guint8 before[RELAY_ID_BYTES];
  gboolean had = relay_stream_get_publication_id (stream, before);
  RelayPublication *publication;

  info.tracks[RTC_MEDIA_VIDEO].is_present = TRUE;
  info.tracks[RTC_MEDIA_VIDEO].codec = RTC_CODEC_H264;
  publication =
      relay_stream_add_publication (stream, &info, &callbacks, NULL, NULL);
  g_hash_table_insert (f->open, publication, relay_stream_get_home (stream));
  relay_call_on (relay_stream_get_home (stream), begin, publication);
  WAIT_FOR (has_id (stream, before, had));
  return publication;
}

static void
unpublish (Fixture *f, const char *name, RelayPublication *publication)
{
  RelayStream *stream = stream_of (f, name);

  g_assert_true (g_hash_table_remove (f->open, publication));
  relay_call_on (relay_stream_get_home (stream), end, publication);
  WAIT_FOR (!relay_stream_is_live (stream));
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  GHashTableIter iter;
  gpointer publication, home;

  g_hash_table_iter_init (&iter, f->open);
  while (g_hash_table_iter_next (&iter, &publication, &home))
    relay_call_on (home, end, publication);
  g_hash_table_unref (f->open);
  node_sessions_free (f->sessions);
  relay_world_stop (&f->world);
  relay_world_clear (&f->world);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  base_mailbox_clear_main ();
  base_metrics_free (f->metrics);
}

/* tell: what viewers were sent of the publication that began @ago before the
 * stream's last */
static void
tell (Fixture *f, const char *name, guint ago, guint n)
{
  RelayStream *stream = stream_of (f, name);
  RelaySent sent = { n, 100 * n };
  guint slot = relay_stream_get_publication_slot (stream);

  relay_stream_add_sent (stream, (guint8)(slot - ago), RTC_MEDIA_VIDEO, &sent);
  f->n_told += n;
}

typedef struct
{
  guint n_lines;
  guint64 sum, other, of_id;
} Read;

/* read: the lines of video; of_id: that of @id */
static Read
read_lines (Fixture *f, const char *id)
{
  g_autofree char *text = base_metrics_render (f->metrics);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autofree char *wanted = g_strdup_printf ("session_id=\"%s\"", id);
  Read ret = { 0 };

  for (guint i = 0; lines[i]; i++)
    {
      guint64 value;

      if (!g_str_has_prefix (lines[i], PACKETS))
        continue;
      value = g_ascii_strtoull (strrchr (lines[i], ' ') + 1, NULL, 10);
      ret.n_lines++;
      ret.sum += value;
      if (strstr (lines[i], "session_id=\"other\""))
        ret.other = value;
      if (strstr (lines[i], wanted))
        ret.of_id = value;
    }
  g_assert_cmpuint (ret.n_lines, <=, MAX_SHOWN + 1);
  g_assert_cmpuint (ret.sum, >=, f->sum);
  g_assert_cmpuint (ret.sum, ==, f->n_told);
  f->sum = ret.sum;
  return ret;
}

static void
get_id (Fixture *f, const char *name, char id[33])
{
  guint8 bytes[RELAY_ID_BYTES];

  g_assert_true (relay_stream_get_publication_id (stream_of (f, name), bytes));
  for (guint i = 0; i < sizeof bytes; i++)
    g_snprintf (id + 2 * i, 3, "%02x", bytes[i]);
}

static void
test_one (Fixture *f, gconstpointer data)
{
  char id[33];
  Read read = read_lines (f, "other");

  g_assert_cmpuint (read.n_lines, ==, 1);
  publish (f, "a");
  get_id (f, "a", id);
  tell (f, "a", 0, 5);
  read = read_lines (f, id);
  g_assert_cmpuint (read.of_id, ==, 5);
  g_assert_cmpuint (read.other, ==, 0);
  tell (f, "a", 0, 2);
  g_assert_cmpuint (read_lines (f, id).of_id, ==, 7);
}

/* what is told of the former publication when the next has begun is its own */
static void
test_late_words (Fixture *f, gconstpointer data)
{
  char first[33], second[33];

  publish (f, "a");
  get_id (f, "a", first);
  tell (f, "a", 0, 5);
  publish (f, "a");
  get_id (f, "a", second);
  tell (f, "a", 1, 3);
  tell (f, "a", 0, 4);
  g_assert_cmpuint (read_lines (f, first).of_id, ==, 8);
  g_assert_cmpuint (read_lines (f, second).of_id, ==, 4);
}

static void
test_bound (Fixture *f, gconstpointer data)
{
  static const char *const names[] = { "a", "b", "c", "d", "e" };
  RelayPublication *publications[G_N_ELEMENTS (names)];
  char ids[G_N_ELEMENTS (names)][33];
  Read read;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      publications[i] = publish (f, names[i]);
      get_id (f, names[i], ids[i]);
      tell (f, names[i], 0, 10 + i);
    }
  read = read_lines (f, ids[0]);
  g_assert_cmpuint (read.n_lines, ==, MAX_SHOWN + 1);
  g_assert_cmpuint (read.of_id, ==, 10);
  g_assert_cmpuint (read.other, ==, 13 + 14);

  /* its place is the next one's, who begins at 0 */
  unpublish (f, "b", publications[1]);
  tell (f, "b", 0, 1); /* late */
  node_sessions_sample (f->sessions, base_clock_now_us ());
  read = read_lines (f, ids[3]);
  g_assert_cmpuint (read.of_id, ==, 0);
  g_assert_cmpuint (read.other, ==, 13 + 14 + 11 + 1);
  tell (f, "d", 0, 100);
  tell (f, "e", 0, 1000);
  read = read_lines (f, ids[3]);
  g_assert_cmpuint (read.of_id, ==, 100);
  g_assert_cmpuint (read.other, ==, 13 + 14 + 11 + 1 + 1000);
  g_assert_cmpuint (read_lines (f, ids[1]).of_id, ==, 0);
}

/* nobody waits: one that is over stays for a while */
static void
test_keeps (Fixture *f, gconstpointer data)
{
  RelayPublication *publication = publish (f, "a");
  gint64 now_us;
  char id[33];

  get_id (f, "a", id);
  tell (f, "a", 0, 7);
  unpublish (f, "a", publication);
  now_us = base_clock_now_us ();
  node_sessions_sample (f->sessions, now_us + NODE_SESSIONS_KEEP_US / 2);
  g_assert_cmpuint (read_lines (f, id).of_id, ==, 7);
  node_sessions_sample (f->sessions, now_us + 2 * NODE_SESSIONS_KEEP_US);
  g_assert_cmpuint (read_lines (f, id).n_lines, ==, 1);
  g_assert_cmpuint (read_lines (f, id).other, ==, 7);
}

/* Streams come and go at random, more than there are places; read_lines()
 * holds the sum against what was told, each time. */
static void
test_random (Fixture *f, gconstpointer data)
{
  RelayPublication *live[8] = { NULL };
  GRand *rand = g_rand_new_with_seed (7);
  gint64 ahead_us = 0;

  for (guint round = 0; round < 300; round++)
    {
      guint i = (guint)g_rand_int_range (rand, 0, G_N_ELEMENTS (live));
      char name[] = { (char)('a' + i), '\0' };

      if (!live[i] || g_rand_int_range (rand, 0, 3) == 0)
        {
          if (live[i] && g_rand_boolean (rand))
            unpublish (f, name, live[i]);
          live[i] = publish (f, name);
        }
      tell (f, name, 0, (guint)g_rand_int_range (rand, 1, 1000));
      if (round % 7 == 0)
        ahead_us += NODE_SESSIONS_KEEP_US / 2;
      node_sessions_sample (f->sessions, base_clock_now_us () + ahead_us);
      read_lines (f, "other");
    }
  g_assert_cmpuint (f->sum, >, 10000);
  g_rand_free (rand);
}

/* no publisher, no receiver, linger over: nothing of it is kept, and its
 * numbers are */
static void
test_removed (Fixture *f, gconstpointer data)
{
  RelayPublication *publication = publish (f, "a");
  gint64 now_us;

  tell (f, "a", 0, 9);
  unpublish (f, "a", publication);
  WAIT_FOR (!relay_hub_lookup (f->world.hub, "a"));
  now_us = base_clock_now_us ();
  node_sessions_sample (f->sessions, now_us);
  node_sessions_sample (f->sessions, now_us + 2 * NODE_SESSIONS_KEEP_US);
  g_assert_cmpuint (read_lines (f, "other").other, ==, 9);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, test)                                                        \
  g_test_add ("/node/sessions/" path, Fixture, NULL, set_up, test, tear_down)
  ADD ("one", test_one);
  ADD ("late-words", test_late_words);
  ADD ("bound", test_bound);
  ADD ("keeps", test_keeps);
  ADD ("random", test_random);
  ADD ("removed", test_removed);
  return g_test_run ();
}
