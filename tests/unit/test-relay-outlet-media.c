/* SPDX-License-Identifier: Apache-2.0 */
/* RelayOutlet: what a child gets: live, from the GOP or a number, again. */
#include "outlet-helpers.h"

static void
test_live (Fixture *f, gconstpointer data)
{
  LinkChild a, b;
  LinkDatagram got;
  const RelayLinkStatus *status = &got.message.status;

  begin (f, 1, FIRST);
  push (f, FIRST, 5, TRUE);
  child_init (f, &a, 1);
  child_init (f, &b, 2);
  join (f, &a, RELAY_LINK_START_LIVE, &got);
  g_assert_true (status->is_live);
  g_assert_cmpuint (status->echo_us, ==, 4711);
  g_assert_cmpuint (status->epoch, ==, 1);
  g_assert_cmpuint (status->publication[0], ==, 1);
  g_assert_cmpuint (status->first[V], ==, FIRST + 5);
  g_assert_cmpuint (status->first[A], ==, 0);
  g_assert_cmpuint (status->head[V], ==, 0);
  g_assert_cmpuint (status->n_path, ==, 2);
  g_assert_cmpstr (status->path[0], ==, "origin");
  g_assert_cmpstr (status->path[1], ==, "parent");
  g_assert_true (status->has_info);
  g_assert_cmpint (status->info.tracks[V].codec, ==, RTC_CODEC_VP8);
  g_assert_cmpuint (relay_stream_get_n_receivers (f->stream), ==, 1);
  push (f, FIRST + 5, 70, FALSE); /* more than one burst has room for */
  join (f, &b, RELAY_LINK_START_LIVE, &got);
  push (f, FIRST + 75, 2, FALSE);
  for (guint i = 5; i < 77; i++)
    expect_packet (f, &a, FIRST + i, FALSE);
  for (guint i = 75; i < 77; i++)
    expect_packet (f, &b, FIRST + i, FALSE);
  /* repeated: soft state, not another start */
  join (f, &a, RELAY_LINK_START_GOP, &got);
  g_assert_cmpuint (status->head[V], ==, FIRST + 76);
  push (f, FIRST + 77, 1, FALSE);
  expect_packet (f, &a, FIRST + 77, FALSE);
  link_child_clear (&a);
  link_child_clear (&b);
}

static void
test_gop (Fixture *f, gconstpointer data)
{
  LinkChild a;
  LinkDatagram got;

  begin (f, 1, FIRST);
  child_init (f, &a, 1);
  /* none is held: from the next packet on, and a keyframe is asked for */
  relay_call_on (f->home, run_forget, f);
  join (f, &a, RELAY_LINK_START_GOP, &got);
  g_assert_cmpuint (got.message.status.first[V], ==, FIRST);
  g_assert_cmpint (g_atomic_int_get (&f->n_wanted), ==, 2);
  push (f, FIRST, 10, TRUE);
  for (guint i = 0; i < 10; i++)
    expect_packet (f, &a, FIRST + i, i == 0);
  push (f, FIRST + 10, 200, TRUE);
  for (guint i = 10; i < 210; i++)
    expect_packet (f, &a, FIRST + i, i == 10);
  /* another number is another start; more than is sent at once, then live */
  a.subscription++;
  join (f, &a, RELAY_LINK_START_GOP, &got);
  g_assert_cmpuint (got.message.status.first[V], ==, FIRST + 10);
  push (f, FIRST + 210, 5, FALSE);
  for (guint i = 10; i < 215; i++)
    expect_packet (f, &a, FIRST + i, i == 10);
  link_child_clear (&a);
}

static void
test_from (Fixture *f, gconstpointer data)
{
  LinkChild a;
  LinkDatagram got;
  RelayLinkMessage message;

  begin (f, 1, FIRST);
  push (f, FIRST, 100, TRUE);
  child_init (f, &a, 1);
  link_child_make_subscribe (&a, &message, RELAY_LINK_START_FROM);
  message.subscribe.from[V] = FIRST + 40;
  say (f, &a, &message);
  link_child_expect (&a, RELAY_LINK_STATUS, &got);
  g_assert_cmpuint (got.message.status.first[V], ==, FIRST + 40);
  for (guint i = 40; i < 100; i++)
    expect_packet (f, &a, FIRST + i, FALSE);
  /* what is not there yet: live */
  message.subscription++;
  message.subscribe.from[V] = FIRST + 100;
  say (f, &a, &message);
  link_child_expect (&a, RELAY_LINK_STATUS, &got);
  push (f, FIRST + 100, 1, FALSE);
  expect_packet (f, &a, FIRST + 100, FALSE);
  /* what is not there any more: the oldest that is */
  message.subscription++;
  message.subscribe.from[V] = 1;
  say (f, &a, &message);
  link_child_expect (&a, RELAY_LINK_STATUS, &got);
  g_assert_cmpuint (got.message.status.first[V], ==, FIRST);
  for (guint i = 0; i < 101; i++)
    expect_packet (f, &a, FIRST + i, i == 0);
  link_child_clear (&a);
}

static void
say_nack (Fixture *f, LinkChild *child, guint64 first, guint16 n_packets)
{
  RelayLinkMessage message = { .type = RELAY_LINK_NACK,
                               .subscription = child->subscription };

  message.nack.n_ranges = 1;
  message.nack.ranges[0] = (RelayLinkNackRange){ V, first, n_packets };
  say (f, child, &message);
}

static void
test_nack (Fixture *f, gconstpointer data)
{
  const RelayOutletStats *stats = relay_outlet_get_stats (f->outlet);
  LinkChild a, b;
  LinkDatagram got;

  begin (f, 1, FIRST);
  push (f, FIRST, 20, TRUE);
  child_init (f, &a, 1);
  child_init (f, &b, 2);
  join (f, &a, RELAY_LINK_START_LIVE, &got);
  say_nack (f, &a, FIRST, 1);
  expect_packet (f, &a, FIRST, TRUE);
  say_nack (f, &a, FIRST + 18, 4);
  expect_packet (f, &a, FIRST + 18, FALSE);
  expect_packet (f, &a, FIRST + 19, FALSE);
  g_assert_cmpuint (stats->n_repairs, ==, 3);
  g_assert_cmpuint (stats->n_repairs_missing, ==, 2);
  /* who is no child, or has another number, has nothing to ask for */
  say_nack (f, &b, FIRST, 1);
  a.subscription++;
  say_nack (f, &a, FIRST, 1);
  a.subscription--;
  g_assert_cmpuint (stats->n_unknown, ==, 2);
  g_assert_cmpuint (stats->n_repairs, ==, 3);
  /* the bound */
  say_nack (f, &a, 1000000, RELAY_OUTLET_REPAIR_BURST - 5);
  g_assert_cmpuint (stats->n_repairs_limited, ==, 0);
  say_nack (f, &a, FIRST, 3);
  g_assert_cmpuint (stats->n_repairs_limited, ==, 3);
  f->now_us += G_USEC_PER_SEC / RELAY_OUTLET_REPAIR_RATE;
  say_nack (f, &a, FIRST + 1, 2);
  expect_packet (f, &a, FIRST + 1, FALSE);
  g_assert_cmpuint (stats->n_repairs_limited, ==, 4);
  link_child_clear (&a);
  link_child_clear (&b);
}

/* A publisher's publication: pending until main has learnt its numbers; what
 * was published meanwhile is not lost to who is a child already. */
static void
test_pending (Fixture *f, gconstpointer data)
{
  Job job = { .f = f, .tree_seq = 10, .n = 3, .is_key = TRUE };
  RelayTreeInfo tree = { .epoch = 7, .first = { 0, 70000 }, .n_path = 1 };
  LinkChild a, b;
  LinkDatagram got;
  guint64 seqs[RTC_MEDIA_N_KINDS] = { 0 };
  guint32 stamps[RTC_MEDIA_N_KINDS];

  begin (f, 1, FIRST);
  child_init (f, &a, 1);
  child_init (f, &b, 2);
  join (f, &a, RELAY_LINK_START_LIVE, &got);
  push (f, FIRST, 1, TRUE);
  expect_packet (f, &a, FIRST, TRUE);
  begin (f, 0, 0);
  relay_call_on (f->home, run_push, &job);
  subscribe (f, &b, RELAY_LINK_START_LIVE);
  link_child_expect_refuse (&b, RELAY_LINK_REASON_PENDING);
  subscribe (f, &a, RELAY_LINK_START_LIVE); /* stays, without a word */
  WAIT_FOR (relay_stream_is_origin (f->stream)
            && relay_stream_is_live (f->stream));
  g_assert_true (relay_stream_get_publication_id (f->stream, tree.id));
  strcpy (tree.path[0], "parent");
  g_clear_pointer (&f->media, relay_link_media_unref);
  tree.media = f->media = relay_link_media_new (f->world.keys, "s", tree.id);
  relay_stream_post_tree (f->stream, &tree);
  link_child_expect (&a, RELAY_LINK_STATUS, &got);
  g_assert_cmpuint (got.message.status.epoch, ==, 7);
  g_assert_cmpuint (got.message.status.first[V], ==, 3 * 65536);
  g_assert_cmpuint (got.message.status.n_path, ==, 1);
  for (guint i = 0; i < 3; i++)
    {
      RelayLinkPacket packet;
      guint64 highest[RTC_MEDIA_N_KINDS] = { 0, 3 * 65536 }, seq;
      RtcMediaKind kind;

      link_child_wait_media (&a, &got);
      g_assert_true (relay_link_media_peek (f->media, got.data, got.len,
                                            highest, &kind, &seq));
      g_assert_cmpuint (seq, ==, 3 * 65536 + i);
      g_assert_true (
          relay_link_media_open (f->media, got.data, got.len, seq, &packet));
      g_assert_cmpint (packet.is_keyframe, ==, i == 0);
    }
  relay_stream_get_numbers (f->stream, seqs, stamps);
  g_assert_cmpuint (seqs[V], ==, 3 * 65536 + 2);
  join (f, &b, RELAY_LINK_START_LIVE, &got);
  link_child_clear (&a);
  link_child_clear (&b);
}

/* Children hear of another publication before its first packet. */
static void
test_change (Fixture *f, gconstpointer data)
{
  LinkChild a;
  LinkDatagram got;

  begin (f, 1, FIRST);
  child_init (f, &a, 1);
  join (f, &a, RELAY_LINK_START_LIVE, &got);
  push (f, FIRST, 2, TRUE);
  expect_packet (f, &a, FIRST, TRUE);
  expect_packet (f, &a, FIRST + 1, FALSE);
  begin (f, 2, 200000);
  push (f, 200000, 1, TRUE);
  link_child_expect (&a, RELAY_LINK_STATUS, &got);
  g_assert_cmpuint (got.message.status.epoch, ==, 2);
  g_assert_cmpuint (got.message.status.publication[0], ==, 2);
  g_assert_cmpuint (got.message.status.first[V], ==, 200000);
  g_assert_cmpuint (got.message.status.head[V], ==, 0);
  g_assert_true (got.message.status.has_info);
  expect_packet (f, &a, 200000, TRUE);
  link_child_clear (&a);
}

/* of a publisher here: the number of the next media packet */
static guint64
wait_for_number (Fixture *f, LinkChild *child)
{
  guint64 highest[RTC_MEDIA_N_KINDS] = { 0, 3 * 65536 }, seq = 0;
  LinkDatagram got;
  RtcMediaKind kind;

  link_child_wait_media (child, &got);
  g_assert_true (relay_link_media_peek (f->media, got.data, got.len, highest,
                                        &kind, &seq));
  return seq;
}

/* A frame's first packets wait for its last, but not for long, nor many. */
static void
test_gather (Fixture *f, gconstpointer data)
{
  Job job = { .f = f, .tree_seq = 10, .n = 1, .is_key = TRUE, .is_part = TRUE };
  RelayTreeInfo tree = { .epoch = 7, .first = { 0, 70000 }, .n_path = 1 };
  LinkChild a;
  LinkDatagram got;
  guint64 next = 3 * 65536;

  begin (f, 0, 0);
  WAIT_FOR (relay_stream_is_live (f->stream));
  g_assert_true (relay_stream_get_publication_id (f->stream, tree.id));
  strcpy (tree.path[0], "parent");
  tree.media = f->media = relay_link_media_new (f->world.keys, "s", tree.id);
  relay_stream_post_tree (f->stream, &tree);
  child_init (f, &a, 1);
  join (f, &a, RELAY_LINK_START_LIVE, &got);
  f->gather_us = G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC;
  relay_call_on (f->home, run_gather, f);
  relay_call_on (f->home, run_push, &job);
  relay_call_on (f->home, run_gather, f);
  g_assert_true (f->is_held);
  g_assert_false (link_child_read (&a, &got));
  /* its end comes */
  job.tree_seq++;
  job.is_key = job.is_part = FALSE;
  relay_call_on (f->home, run_push, &job);
  g_assert_cmpuint (wait_for_number (f, &a), ==, next++);
  g_assert_cmpuint (wait_for_number (f, &a), ==, next++);
  relay_call_on (f->home, run_gather, f);
  g_assert_false (f->is_held);
  /* as many as are enough: all but the last wait */
  job.is_part = TRUE;
  for (guint i = 1; i < RELAY_OUTLET_GATHER_PACKETS; i++)
    {
      job.tree_seq++;
      relay_call_on (f->home, run_push, &job);
    }
  relay_call_on (f->home, run_gather, f);
  g_assert_true (f->is_held);
  g_assert_false (link_child_read (&a, &got));
  job.tree_seq++;
  relay_call_on (f->home, run_push, &job);
  for (guint i = 0; i < RELAY_OUTLET_GATHER_PACKETS; i++)
    g_assert_cmpuint (wait_for_number (f, &a), ==, next++);
  /* its time ends: a new timer, for the old one is far off */
  f->gather_us = 1000;
  relay_call_on (f->home, run_gather, f);
  job.tree_seq++;
  relay_call_on (f->home, run_push, &job);
  g_assert_cmpuint (wait_for_number (f, &a), ==, next++);
  relay_call_on (f->home, run_gather, f);
  g_assert_false (f->is_held);
  link_child_clear (&a);
}

#define ADD(name, func)                                                        \
  g_test_add (name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/relay/outlet-media/live", test_live);
  ADD ("/relay/outlet-media/gop", test_gop);
  ADD ("/relay/outlet-media/from", test_from);
  ADD ("/relay/outlet-media/nack", test_nack);
  ADD ("/relay/outlet-media/pending", test_pending);
  ADD ("/relay/outlet-media/change", test_change);
  ADD ("/relay/outlet-media/gather", test_gather);
  return g_test_run ();
}
