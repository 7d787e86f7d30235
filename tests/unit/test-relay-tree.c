/* SPDX-License-Identifier: Apache-2.0 */
/* A stream's numbers and the tree's: own ones go on over publications of every
 * kind, the tree's belong to one, and what is sealed has the tree's. */
#include "relay-helpers.h"

#define V RTC_MEDIA_VIDEO
#define A RTC_MEDIA_AUDIO
#define KEY RELAY_PACKET_KEYFRAME
#define MS 1000

typedef struct
{
  RelayWorld world;
  RelayStream *stream; /* one reference */
  gint64 now_us;
  gint n_wanted;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  memset (f, 0, sizeof *f);
  relay_world_init (&f->world, NULL);
  f->stream = relay_stream_ref (relay_hub_ensure (f->world.hub, "s", NULL));
  f->now_us = base_clock_now_us ();
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  relay_world_stop (&f->world);
  relay_stream_unref (f->stream);
  relay_world_clear (&f->world);
}

static void
on_keyframe_wanted (gpointer data)
{
  ((Fixture *)data)->n_wanted++;
}

static void
on_replaced (gpointer data)
{
}

static RelayPublication *
add (Fixture *f, RtcCodec video)
{
  static const RelayPublicationCallbacks callbacks = { on_keyframe_wanted,
                                                       on_replaced };
  RelayStreamInfo info = { 0 };

  info.tracks[A] =
      (RelayTrackInfo){ .is_present = TRUE, .codec = RTC_CODEC_OPUS };
  info.tracks[V] = (RelayTrackInfo){ .is_present = TRUE, .codec = video };
  return relay_stream_add_publication (f->stream, &info, &callbacks, f, NULL);
}

static void
end (RelayPublication *publication)
{
  relay_publication_end (publication);
  relay_publication_unref (publication);
}

/* a tree of publication @id; @ret's media: one reference, of the caller */
static void
make_tree (Fixture *f, RelayTreeInfo *ret, guint8 id, guint64 audio,
           guint64 video)
{
  memset (ret, 0, sizeof *ret);
  ret->id[0] = id;
  ret->epoch = id;
  ret->first[A] = audio;
  ret->first[V] = video;
  ret->n_path = 1;
  strcpy (ret->path[0], "origin");
  ret->media = relay_link_media_new (f->world.keys, "s", ret->id);
}

static RelayPublication *
begin_link_as (Fixture *f, RtcCodec codec, guint8 id, guint64 audio,
               guint64 video)
{
  RelayPublication *publication = add (f, codec);
  RelayTreeInfo tree;

  make_tree (f, &tree, id, audio, video);
  relay_publication_set_tree (publication, &tree);
  relay_link_media_unref (tree.media);
  relay_publication_begin (publication);
  return publication;
}

static RelayPublication *
begin_link (Fixture *f, guint8 id, guint64 audio, guint64 video)
{
  return begin_link_as (f, RTC_CODEC_VP8, id, audio, video);
}

static gboolean
push (Fixture *f, RelayPublication *publication, RtcMediaKind kind,
      guint64 tree_seq, guint32 rtp_ts, guint8 flags)
{
  guint8 payload[8] = { 0x10, flags & KEY ? 0 : 1, (guint8)tree_seq };

  return relay_publication_push_tree (publication, kind, tree_seq, rtp_ts,
                                      flags, NULL, 0, payload, sizeof payload,
                                      FALSE, f->now_us);
}

static void
push_own (Fixture *f, RelayPublication *publication, guint16 seq,
          guint32 rtp_ts, gboolean is_key)
{
  guint8 payload[8] = { 0x10, is_key ? 0 : 1, (guint8)seq };

  relay_publication_push (publication, V, seq, rtp_ts, TRUE, NULL, 0, payload,
                          sizeof payload, FALSE, f->now_us);
}

static RelayFeed *
home_feed (Fixture *f)
{
  return relay_stream_get_feed (f->stream, relay_stream_get_home (f->stream));
}

/* the home feed tells of what is dispatched, we look at once: by number */
static const RelayPacket *
find_own (Fixture *f, RtcMediaKind kind, guint64 ext_seq)
{
  return relay_feed_find (home_feed (f), kind, ext_seq);
}

static void
assert_tree_of (Fixture *f, guint64 ext_seq, guint64 tree_seq, guint32 rtp_ts,
                RelayLinkMedia *media)
{
  const RelayPacket *packet = find_own (f, V, ext_seq);
  RelayLinkMedia *found_media = NULL;
  RtcCodec codec = RTC_CODEC_NONE;
  guint64 found_seq = 0;
  guint32 found_ts = 0;

  g_assert_nonnull (packet);
  g_assert_cmpint (relay_stream_get_packet_tree (f->stream, packet,
                                                 &found_media, &codec,
                                                 &found_seq, &found_ts),
                   ==, RELAY_TREE_KNOWN);
  g_assert_cmpuint (found_seq, ==, tree_seq);
  g_assert_cmpuint (found_ts, ==, rtp_ts);
  g_assert_cmpint (codec, ==, RTC_CODEC_VP8);
  if (media != NULL)
    g_assert_true (found_media == media);
  g_assert_true (relay_stream_find_tree (f->stream, V, tree_seq) == packet);
}

/* link → link of a higher epoch → a publisher here → link: viewers' numbers
 * and timestamps go on, the tree's are each publication's own. */
static void
run_continuity (gpointer data)
{
  Fixture *f = data;
  RelayPublication *a = begin_link (f, 1, 1000, 5000), *b, *c, *d;
  RelayTreeInfo tree;
  guint64 head[RTC_MEDIA_N_KINDS];

  g_assert_true (push (f, a, V, 5000, 90000, KEY));
  g_assert_true (push (f, a, V, 5001, 93000, 0));
  g_assert_true (push (f, a, A, 1000, 7, 0));
  g_assert_nonnull (find_own (f, V, 5000)); /* the first: our numbers too */
  assert_tree_of (f, 5001, 5001, 93000, NULL);

  f->now_us += 100 * MS;
  b = begin_link (f, 2, 0, 71000);
  g_assert_false (push (f, a, V, 5002, 96000, KEY));
  g_assert_true (push (f, b, V, 71000, 1234, KEY));
  g_assert_true (push (f, b, V, 71001, 4234, 0));
  g_assert_cmpuint (find_own (f, V, 5002)->rtp_ts, ==, 93000 + 9000);
  g_assert_cmpuint (find_own (f, V, 5003)->rtp_ts, ==, 93000 + 9000 + 3000);
  assert_tree_of (f, 5003, 71001, 4234, NULL);
  assert_tree_of (f, 5001, 5001, 93000, NULL);
  g_assert_false (push (f, b, V, 70999, 0, KEY)); /* before its first */

  f->now_us += 100 * MS;
  c = add (f, RTC_CODEC_VP8);
  relay_publication_begin (c);
  push_own (f, c, 60000, 500000, TRUE);
  g_assert_cmpuint (find_own (f, V, 5004)->rtp_ts, ==, 105000 + 9000);
  g_assert_false (relay_stream_get_tree (f->stream, &tree, head));
  make_tree (f, &tree, 3, 1000, 71001);
  relay_publication_set_tree (c, &tree);
  g_assert_false (relay_stream_get_tree (f->stream, &tree, head));
  relay_link_media_unref (tree.media);
  end (c);

  d = begin_link (f, 4, 0, 0);
  g_assert_true (push (f, d, V, 300000, 50, KEY));
  assert_tree_of (f, 5005, 300000, 50, NULL);
  g_assert_true (relay_stream_get_tree (f->stream, &tree, head));
  g_assert_cmpuint (tree.epoch, ==, 4);
  g_assert_cmpuint (tree.first[V], ==, 300000);
  g_assert_cmpuint (head[V], ==, 300000);
  g_assert_cmpuint (head[A], ==, 0);
  end (a);
  end (b);
  end (d);
  g_assert_false (relay_stream_get_tree (f->stream, &tree, head));
}

/* A parent that is live has answered first, the one with the GOP after it:
 * the GOP begins the video all the same, on a stream that is new here and on
 * one that had another publication. */
static void
run_gop_below_first (gpointer data)
{
  Fixture *f = data;
  RelayPublication *a = begin_link (f, 1, 100, 5040), *b;

  g_assert_true (push (f, a, A, 100, 0, 0));
  g_assert_false (push (f, a, V, 5040, 9000, 0));
  g_assert_false (relay_publication_has_tree (a, V, 5000));
  g_assert_true (push (f, a, V, 5000, 3000, KEY));
  g_assert_true (push (f, a, V, 5001, 6000, 0));
  g_assert_true (push (f, a, V, 5040, 9000, 0));
  g_assert_false (push (f, a, V, 4999, 0, KEY));
  end (a);

  b = begin_link (f, 2, 0, 71040);
  g_assert_false (push (f, b, V, 71040, 9000, 0));
  g_assert_true (push (f, b, V, 71000, 3000, KEY));
  assert_tree_of (f, 5041, 71000, 3000, NULL);
  g_assert_true (push (f, b, V, 71040, 9000, 0));
  assert_tree_of (f, 5081, 71040, 9000, NULL);
  end (b);
}

static void
run_order (gpointer data)
{
  Fixture *f = data;
  RelayPublication *a = begin_link (f, 1, 0, 65530);

  g_assert_true (push (f, a, V, 65530, 0, KEY));
  for (guint64 seq = 65532; seq < 65545; seq++)
    g_assert_true (push (f, a, V, seq, (guint32)seq, 0));
  /* late and once; the number before the first is too old to matter */
  g_assert_false (relay_publication_has_tree (a, V, 65531));
  g_assert_true (push (f, a, V, 65531, 65531, 0));
  g_assert_true (find_own (f, V, 65531)->flags & RELAY_PACKET_LATE);
  g_assert_true (relay_publication_has_tree (a, V, 65531));
  g_assert_false (push (f, a, V, 65531, 65531, 0));
  g_assert_false (push (f, a, V, 65540, 65540, 0));
  g_assert_true (relay_publication_has_tree (a, V, 65529));
  g_assert_false (push (f, a, V, 65529, 0, KEY));
  g_assert_false (relay_publication_has_tree (a, V, 65545));
  g_assert_false (relay_publication_has_tree (a, A, 1));
  g_assert_true (find_own (f, V, 65544) != NULL);
  /* a jump, and what no log holds any more at both sides of the bound */
  g_assert_true (push (f, a, V, 300000, 1, 0));
  g_assert_true (
      relay_publication_has_tree (a, V, 300000 - RELAY_HISTORY_MAX_PACKETS));
  g_assert_false (relay_publication_has_tree (
      a, V, 300000 - RELAY_HISTORY_MAX_PACKETS + 1));
  g_assert_false (push (f, a, V, 300000 - RELAY_HISTORY_MAX_PACKETS, 1, 0));
  g_assert_true (push (f, a, V, 300000 - RELAY_HISTORY_MAX_PACKETS + 1, 1, 0));
  relay_publication_end (a);
  g_assert_false (push (f, a, V, 300001, 1, KEY));
  relay_publication_unref (a);
}

static void
run_gate (gpointer data)
{
  Fixture *f = data;
  RelayPublication *a = begin_link (f, 1, 0, 100);
  int n_wanted = f->n_wanted;

  f->now_us += 2 * G_USEC_PER_SEC;
  g_assert_false (push (f, a, V, 100, 1, 0));
  g_assert_cmpint (f->n_wanted, ==, n_wanted + 1);
  g_assert_false (relay_publication_has_tree (a, V, 100));
  g_assert_true (push (f, a, V, 105, 2, KEY));
  /* parameter sets that the network put behind the keyframe are let in, what
   * comes before them is not */
  g_assert_false (push (f, a, V, 103, 1, 0));
  g_assert_true (push (f, a, V, 104, 2, RELAY_PACKET_PARAMS));
  g_assert_false (push (f, a, V, 103, 1, 0));
  g_assert_true (push (f, a, V, 106, 2, 0));
  g_assert_true (push (f, a, A, 1, 0, 0)); /* sound does not wait */
  end (a);
}

static void
run_codecs (gpointer data)
{
  Fixture *f = data;
  RelayPublication *a = begin_link (f, 1, 0, 100), *b;

  g_assert_true (push (f, a, V, 100, 1, KEY));
  b = begin_link_as (f, RTC_CODEC_VP9, 2, 0, 200000);
  g_assert_null (find_own (f, V, 100));
  g_assert_false (relay_publication_has_tree (b, V, 200000));
  g_assert_true (push (f, b, V, 200000, 1, KEY));
  g_assert_nonnull (find_own (f, V, 101));
  end (a);
  end (b);
}

static gsize
seal (RelayLinkMedia *media, guint64 tree_seq, guint32 rtp_ts, RtcCodec codec,
      const RelayPacket *packet, guint8 *dst)
{
  RelayLinkPacket link = { .kind = packet->kind,
                           .codec = codec,
                           .ext_seq = tree_seq,
                           .rtp_ts = rtp_ts,
                           .is_keyframe = (packet->flags & KEY) != 0,
                           .payload = packet->payload,
                           .payload_len = packet->payload_len };

  return relay_link_media_seal (media, &link, dst);
}

/* Records of two publications in one log give the bytes that their origin,
 * whose numbers are the tree's, gives. */
static void
run_sealed (gpointer data)
{
  Fixture *f = data;
  RelayPublication *a = begin_link (f, 1, 0, 100);
  RelayPublication *b;

  push (f, a, V, 100, 9000, KEY);
  f->now_us += MS;
  b = begin_link (f, 2, 0, 131072);
  push (f, b, V, 131072, 77, KEY);
  for (guint i = 0; i < 2; i++)
    {
      const RelayPacket *packet = find_own (f, V, 100 + i);
      guint8 id[RELAY_ID_BYTES] = { (guint8)(i + 1) };
      g_autoptr (RelayLinkMedia) origin =
          relay_link_media_new (f->world.keys, "s", id);
      guint8 want[RELAY_LINK_MAX_PACKET_BYTES];
      guint8 got[RELAY_LINK_MAX_PACKET_BYTES];
      RelayLinkMedia *media;
      RtcCodec codec;
      guint64 tree_seq;
      guint32 rtp_ts;
      gsize want_len, got_len;

      g_assert_cmpint (relay_stream_get_packet_tree (f->stream, packet, &media,
                                                     &codec, &tree_seq,
                                                     &rtp_ts),
                       ==, RELAY_TREE_KNOWN);
      got_len = seal (media, tree_seq, rtp_ts, codec, packet, got);
      want_len = seal (origin, i == 0 ? 100 : 131072, i == 0 ? 9000 : 77,
                       RTC_CODEC_VP8, packet, want);
      g_assert_cmpmem (got, got_len, want, want_len);
    }
  end (a);
  end (b);
}

/* Four publications are kept. */
static void
run_kept (gpointer data)
{
  Fixture *f = data;
  RelayPublication *all[5];
  RelayLinkMedia *media;
  RtcCodec codec;
  guint64 tree_seq;
  guint32 rtp_ts;

  for (guint i = 0; i < 5; i++)
    {
      all[i] = begin_link (f, (guint8)(i + 1), 0, 1000 * (i + 1));
      g_assert_true (push (f, all[i], V, 1000 * (i + 1), 0, KEY));
      if (i == 3)
        assert_tree_of (f, 1000, 1000, 0, NULL);
    }
  g_assert_cmpint (relay_stream_get_packet_tree (f->stream,
                                                 find_own (f, V, 1000), &media,
                                                 &codec, &tree_seq, &rtp_ts),
                   ==, RELAY_TREE_GONE);
  g_assert_null (relay_stream_find_tree (f->stream, V, 1000));
  for (guint i = 1; i < 5; i++)
    assert_tree_of (f, 1000 + i, 1000 * (i + 1), 0, NULL);
  for (guint i = 0; i < 5; i++)
    end (all[i]);
}

#define ADD_HOME(name, func)                                                   \
  static void test_##name (Fixture *f, gconstpointer data)                     \
  {                                                                            \
    relay_call_on (relay_stream_get_home (f->stream), func, f);                \
  }

/* clang-format off */
ADD_HOME (continuity, run_continuity)
ADD_HOME (gop_below_first, run_gop_below_first)
ADD_HOME (order, run_order)
ADD_HOME (gate, run_gate)
ADD_HOME (codecs, run_codecs)
ADD_HOME (sealed, run_sealed)
ADD_HOME (kept, run_kept)
/* clang-format on */

/* --- the origin: main knows the floor, home does not wait for it ---------- */

typedef struct
{
  Fixture *f;
  RelayPublication *publication;
  guint16 seq;
  guint32 rtp_ts;
  guint64 head;
  RelayTreeResult result;
} Job;

static void
run_begin_and_push (gpointer data)
{
  Job *job = data;

  if (!relay_publication_is_current (job->publication))
    relay_publication_begin (job->publication);
  push_own (job->f, job->publication, job->seq, job->rtp_ts, TRUE);
}

static void
run_look (gpointer data)
{
  Job *job = data;
  RelayStream *stream = job->f->stream;
  const RelayPacket *packet = find_own (job->f, V, 65536);
  RelayLinkMedia *media;
  RtcCodec codec;
  RelayTreeInfo tree;
  guint64 seq, head[RTC_MEDIA_N_KINDS] = { 0 };
  guint32 rtp_ts;

  job->result = relay_stream_get_packet_tree (stream, packet, &media, &codec,
                                              &seq, &rtp_ts);
  relay_stream_get_tree (stream, &tree, head);
  job->head = head[V];
}

static void
run_end (gpointer data)
{
  end (((Job *)data)->publication);
}

/* own first 65536; @floor → first number of the tree */
static void
check_floor (Fixture *f, guint64 floor, guint64 first)
{
  RtcWorker *home = relay_stream_get_home (f->stream);
  Job job = { f, add (f, RTC_CODEC_VP8), 10, 4000, 0, 0 };
  RelayTreeInfo tree;
  guint8 id[RELAY_ID_BYTES];
  guint64 seqs[RTC_MEDIA_N_KINDS];
  guint32 stamps[RTC_MEDIA_N_KINDS];

  relay_call_on (home, run_begin_and_push, &job);
  WAIT_FOR (relay_stream_is_live (f->stream));
  g_assert_true (relay_stream_is_origin (f->stream));
  g_assert_true (relay_stream_get_publication_id (f->stream, id));
  relay_call_on (home, run_look, &job);
  g_assert_cmpint (job.result, ==, RELAY_TREE_PENDING);
  relay_stream_get_numbers (f->stream, seqs, stamps);
  g_assert_cmpuint (seqs[V], ==, 0);

  make_tree (f, &tree, 0, 0, floor);
  relay_stream_post_tree (f->stream, &tree); /* of somebody else: ignored */
  memcpy (tree.id, id, sizeof id);
  relay_call_on (home, run_look, &job);
  g_assert_cmpint (job.result, ==, RELAY_TREE_PENDING);
  relay_stream_post_tree (f->stream, &tree);
  relay_link_media_unref (tree.media);
  relay_call_on (home, run_look, &job);
  g_assert_cmpint (job.result, ==, RELAY_TREE_KNOWN);
  g_assert_cmpuint (job.head, ==, first);
  relay_stream_get_numbers (f->stream, seqs, stamps);
  g_assert_cmpuint (seqs[V], ==, first);
  g_assert_cmpuint (stamps[V], ==, 4000);
  g_assert_cmpuint (seqs[A], ==, 0);

  job.seq++;
  job.rtp_ts += 3000;
  relay_call_on (home, run_begin_and_push, &job);
  relay_stream_get_numbers (f->stream, seqs, stamps);
  g_assert_cmpuint (seqs[V], ==, first + 1);
  g_assert_cmpuint (stamps[V], ==, 7000);
  relay_call_on (home, run_end, &job);
  WAIT_FOR (!relay_stream_is_live (f->stream));
}

static void
test_floor (Fixture *f, gconstpointer data)
{
  static const struct
  {
    guint64 floor, first;
  } rows[] = {
    { 0, 65536 },
    { 65535, 65536 },
    { 65536, 2 * 65536 },
    { 65537, 3 * 65536 },
    { 131072, 3 * 65536 },
    { 131073, 4 * 65536 },
    { 5000000, 78 * 65536 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *name = g_strdup_printf ("s%u", i);

      relay_stream_unref (f->stream);
      f->stream =
          relay_stream_ref (relay_hub_ensure (f->world.hub, name, NULL));
      check_floor (f, rows[i].floor, rows[i].first);
    }
}

static void
run_begin_link (gpointer data)
{
  Job *job = data;

  job->publication = begin_link (job->f, 9, 0, 0);
}

static void
test_link_is_no_origin (Fixture *f, gconstpointer data)
{
  RtcWorker *home = relay_stream_get_home (f->stream);
  Job job = { .f = f };
  guint8 id[RELAY_ID_BYTES];

  g_assert_false (relay_stream_get_publication_id (f->stream, id));
  relay_call_on (home, run_begin_link, &job);
  WAIT_FOR (relay_stream_is_live (f->stream));
  g_assert_false (relay_stream_is_origin (f->stream));
  g_assert_true (relay_stream_get_publication_id (f->stream, id));
  g_assert_cmpuint (id[0], ==, 9);
  relay_call_on (home, run_end, &job);
}

#define ADD(name, func)                                                        \
  g_test_add (name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/relay/tree/continuity", test_continuity);
  ADD ("/relay/tree/gop-below-first", test_gop_below_first);
  ADD ("/relay/tree/order", test_order);
  ADD ("/relay/tree/gate", test_gate);
  ADD ("/relay/tree/codecs", test_codecs);
  ADD ("/relay/tree/sealed", test_sealed);
  ADD ("/relay/tree/kept", test_kept);
  ADD ("/relay/tree/floor", test_floor);
  ADD ("/relay/tree/link-is-no-origin", test_link_is_no_origin);
  return g_test_run ();
}
