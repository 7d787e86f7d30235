/* SPDX-License-Identifier: Apache-2.0 */
/* RelayInlet against scripted parents on loopback: every packet of the stream
 * arrives once; loss, refusals, and bytes that are not right. */
#include "inlet-fixture.h"

/* A joiner has the GOP at once, then all; numbers and timestamps are those of
 * the tree. */
static void
test_one_parent (Fixture *f, gconstpointer data)
{
  RelayInletStats stats;

  for (guint i = 0; i < GOP + 10; i++)
    push_one (f);
  start (f, TRUE, 1, 1);
  WAIT_FOR (book_count_missing (&f->book, f->first + GOP, f->next) == 0);
  stream_packets (f, 200);
  wait_for_all_from (f, f->first + GOP);
  g_assert_cmpuint (book_get_ext_seq (&f->book, f->first), ==, 0);
  g_assert_cmpuint (book_get_ext_seq (&f->book, f->next - 1), ==, f->next - 1);
  WAIT_FOR_STATS (f, &stats, stats.n_packets > 400);
  g_assert_cmpuint (stats.n_parents, ==, 1);
  g_assert_cmpstr (stats.parents[0].node, ==, "parent-0");
  g_assert_true (stats.parents[0].is_active);
  g_assert_cmpuint (stats.parents[0].rtt_us, >, 0);
  g_assert_cmpuint (stats.n_lost, ==, 0);
  g_assert_cmpuint (stats.n_bad, ==, 0);
  g_assert_cmpuint (f->parents[0].n_starts, ==, 1);
  g_assert_cmpint (f->n_events[RELAY_HUB_LIVE], ==, 1);
}

static void
test_two_parents (Fixture *f, gconstpointer data)
{
  RelayInletStats stats;

  start (f, TRUE, 2, 2);
  wait_for_media (f);
  stream_packets (f, 200);
  wait_for_all_from (f, get_first_seen (f));
  g_assert_cmpint (f->parents[0].last.start, ==, RELAY_LINK_START_GOP);
  g_assert_cmpuint (f->parents[1].n_sent, >, 300);
  WAIT_FOR_STATS (f, &stats, stats.n_duplicates > 200);
  g_assert_cmpuint (stats.n_lost, ==, 0);
  g_assert_cmpuint (stats.parents[1].n_packets, >, 200);
}

static void
test_loss_one_parent (Fixture *f, gconstpointer data)
{
  RelayInletStats stats;

  start (f, TRUE, 1, 1);
  wait_for_media (f);
  f->parents[0].loss = 0.05;
  stream_packets (f, 500);
  f->parents[0].loss = 0;
  stream_packets (f, 5);
  wait_for_all_from (f, get_first_seen (f));
  g_assert_cmpuint (f->parents[0].n_lost, >, 20);
  WAIT_FOR_STATS (f, &stats, stats.n_repaired >= 20);
  g_assert_cmpuint (stats.n_lost, ==, 0);
  g_assert_cmpuint (stats.parents[0].n_lost, >, 10);
}

/* The same packets are lost on both links. */
static void
test_loss_same_on_both (Fixture *f, gconstpointer data)
{
  RelayInletStats stats;

  start (f, TRUE, 2, 2);
  wait_for_media (f);
  WAIT_FOR (f->parents[1].has_child);
  for (guint i = 0; i < 2; i++)
    {
      f->parents[i].loss = 0.05;
      f->parents[i].seed = 7;
    }
  stream_packets (f, 500);
  f->parents[0].loss = f->parents[1].loss = 0;
  stream_packets (f, 5);
  wait_for_all_from (f, get_first_seen (f));
  WAIT_FOR_STATS (f, &stats, stats.n_repaired >= 10);
  g_assert_cmpuint (stats.n_lost, ==, 0);
}

/* The trial's other half: without repair the same loss is seen. */
static void
test_loss_without_repair (Fixture *f, gconstpointer data)
{
  RelayInletStats stats;
  guint64 first;

  start (f, FALSE, 1, 1);
  wait_for_media (f);
  first = get_first_seen (f);
  f->parents[0].loss = 0.05;
  stream_packets (f, 300);
  f->parents[0].loss = 0;
  stream_packets (f, 10);
  WAIT_FOR_STATS (f, &stats, stats.n_lost == f->parents[0].n_lost);
  g_assert_cmpuint (book_count_missing (&f->book, first, f->next), ==,
                    f->parents[0].n_lost);
  g_assert_cmpuint (stats.n_lost, >, 10);
  g_assert_cmpuint (f->parents[0].n_nacks, ==, 0);
}

/* Both lose the same packets; what is asked of them then is for the test. */
static void
lose_on_both (Fixture *f, guint n_deaf_0, guint n_deaf_1)
{
  start (f, TRUE, 2, 2);
  wait_for_media (f);
  WAIT_FOR (f->parents[1].has_child);
  for (guint i = 0; i < 2; i++)
    {
      f->parents[i].n_deaf = i == 0 ? n_deaf_0 : n_deaf_1;
      f->parents[i].seed = 7;
      f->parents[i].loss = 0.05;
    }
  stream_packets (f, 300);
}

/* It never answers; then it does, and nothing fails any more. */
static void
test_unrepaired_one (Fixture *f, gconstpointer data)
{
  LinkParent *parent = &f->parents[0];
  RelayInletStats stats;
  guint64 n_lost, n_unrepaired;

  start (f, TRUE, 1, 1);
  wait_for_media (f);
  parent->n_deaf = G_MAXUINT;
  parent->loss = 0.05;
  stream_packets (f, 300);
  parent->loss = 0;
  n_lost = parent->n_lost;
  g_assert_cmpuint (n_lost, >, 10);
  stream_packets (f, 10);
  WAIT_FOR_STATS (f, &stats, stats.n_lost >= n_lost);
  g_assert_cmpuint (stats.n_lost, ==, n_lost);
  n_unrepaired = stats.parents[0].n_unrepaired;
  g_assert_cmpuint (n_unrepaired, ==, n_lost);
  g_assert_cmpuint (stats.parents[0].n_nacked, >, n_lost);
  g_assert_cmpuint (stats.parents[0].n_repaired, ==, 0);
  parent->n_deaf = 0;
  parent->loss = 0.05;
  stream_packets (f, 200);
  parent->loss = 0;
  stream_packets (f, 10);
  WAIT_FOR_STATS (f, &stats, stats.parents[0].n_repaired > 5);
  g_assert_cmpuint (stats.parents[0].n_unrepaired, ==, n_unrepaired);
}

/* Whoever was asked has failed, each of them. */
static void
test_unrepaired_both (Fixture *f, gconstpointer data)
{
  const RelayInletParentStats *parents;
  RelayInletStats stats;
  guint n_lost;

  lose_on_both (f, G_MAXUINT, G_MAXUINT);
  n_lost = f->parents[0].n_lost;
  f->parents[0].loss = f->parents[1].loss = 0;
  stream_packets (f, 10);
  WAIT_FOR_STATS (f, &stats, stats.n_lost >= n_lost);
  parents = stats.parents;
  g_assert_cmpuint (stats.n_lost, >, 10);
  g_assert_cmpuint (parents[0].n_unrepaired, <=, stats.n_lost);
  g_assert_cmpuint (parents[1].n_unrepaired, <=, stats.n_lost);
  g_assert_cmpuint (parents[0].n_unrepaired + parents[1].n_unrepaired, >,
                    stats.n_lost);
}

/* One never answers, the other does: not at once, so that both are asked. */
static void
test_other_repairs (Fixture *f, gconstpointer data)
{
  RelayInletStats stats;

  lose_on_both (f, G_MAXUINT, 2);
  f->parents[0].loss = f->parents[1].loss = 0;
  stream_packets (f, 5);
  wait_for_all_from (f, get_first_seen (f));
  WAIT_FOR_STATS (f, &stats, stats.n_repaired >= 10);
  g_assert_cmpuint (stats.n_lost, ==, 0);
  g_assert_cmpuint (stats.parents[0].n_nacked, >, 0);
  g_assert_cmpuint (stats.parents[0].n_repaired, ==, 0);
  g_assert_cmpuint (stats.parents[0].n_unrepaired, ==, 0);
  g_assert_cmpuint (stats.parents[1].n_unrepaired, ==, 0);
}

/* More parents than there are marks, one after the other: they are used again,
 * and the last one is counted as the first would be. */
static void
test_unrepaired_after_many (Fixture *f, gconstpointer data)
{
  LinkParent *last = &f->parents[1];
  RelayInletStats stats;

  start (f, TRUE, 1, 1);
  wait_for_media (f);
  for (guint i = 0; i < 40; i++)
    {
      set_parents (f, 1, 1, 1);
      set_parents (f, 0, 1, 1); /* before the other has delivered */
    }
  set_parents (f, 1, 1, 1);
  while (f->parents[0].n_leaves == 0)
    stream_packets (f, 5);
  last->n_deaf = G_MAXUINT;
  last->loss = 0.1;
  while (last->n_lost < 5)
    stream_packets (f, 5);
  last->loss = 0;
  stream_packets (f, 10);
  WAIT_FOR_STATS (f, &stats, stats.n_lost >= last->n_lost);
  g_assert_cmpstr (stats.parents[0].node, ==, "parent-1");
  g_assert_cmpuint (stats.parents[0].n_unrepaired, ==, last->n_lost);
}

static void
test_loop (Fixture *f, gconstpointer data)
{
  RelayInletStats stats;

  g_strlcpy (f->parents[0].path[2], "child", sizeof f->parents[0].path[2]);
  g_strlcpy (f->parents[0].path[3], "parent-0", sizeof f->parents[0].path[3]);
  f->parents[0].n_path = 4;
  start (f, TRUE, 2, 2);
  WAIT_FOR (f->parents[0].n_leaves == 1);
  wait_for_media (f);
  stream_packets (f, 20);
  WAIT_FOR_STATS (f, &stats, stats.n_loops == 1);
  g_assert_false (stats.parents[0].is_active);
  g_assert_cmpuint (stats.parents[0].n_first, ==, 0);
  wait_for_all_from (f, get_first_seen (f));
}

static void
test_pending (Fixture *f, gconstpointer data)
{
  f->parents[0].refuses = RELAY_LINK_REASON_PENDING;
  start (f, TRUE, 1, 1);
  WAIT_FOR (f->parents[0].n_subscribes > 4);
  g_assert_false (f->parents[0].has_child);
  f->parents[0].refuses = 0;
  wait_for_media (f);
  stream_packets (f, 20);
  wait_for_all_from (f, get_first_seen (f));
}

/* Bytes of anybody, and old ones of our own parent. */
static void
test_bad_bytes (Fixture *f, gconstpointer data)
{
  LinkParent *parent = &f->parents[0];
  guint8 status[RELAY_LINK_MAX_MESSAGE_BYTES], junk[200];
  LinkParentPacket packet;
  RelayInletStats stats;
  gsize status_len;

  start (f, TRUE, 1, 1);
  wait_for_media (f);
  stream_packets (f, 20);
  WAIT_FOR_STATS (f, &stats, stats.n_packets >= 40);
  g_assert_cmpuint (stats.n_bad, ==, 0);
  memcpy (status, parent->status, status_len = parent->status_len);
  link_parent_send (parent, status, status_len); /* a replay */
  status[40] ^= 1;
  link_parent_send (parent, status, status_len);
  memset (junk, 0x80, sizeof junk);
  link_parent_send (parent, junk, sizeof junk);
  link_parent_send (parent, junk, 3);
  /* a packet to come, with another payload */
  packet = parent->held[RTC_MEDIA_VIDEO][(f->next - 1) % LINK_PARENT_HELD];
  packet.data[3]++;
  packet.data[50] ^= 1;
  link_parent_send (parent, packet.data, packet.len);
  /* from an address that is no parent's */
  f->parents[1].child = parent->child;
  link_parent_send (&f->parents[1], packet.data, packet.len);
  WAIT_FOR_STATS (f, &stats, stats.n_bad == 6);
  stream_packets (f, 20);
  wait_for_all_from (f, get_first_seen (f));
}

/* A publisher came to this very node. */
static void
push_begin (gpointer data)
{
  relay_publication_begin (data);
}

static void
test_replaced (Fixture *f, gconstpointer data)
{
  static const RelayPublicationCallbacks callbacks = { NULL, NULL };
  RelayStreamInfo info = { 0 };
  RelayPublication *publication;

  info.tracks[RTC_MEDIA_AUDIO] = f->info.tracks[RTC_MEDIA_AUDIO];
  start (f, TRUE, 1, 1);
  wait_for_media (f);
  publication = relay_stream_add_publication (relay_inlet_get_stream (f->inlet),
                                              &info, &callbacks, NULL, NULL);
  call_on (f->worker, push_begin, publication);
  WAIT_FOR (f->n_replaced == 1 && f->parents[0].n_leaves == 1);
  g_clear_pointer (&f->inlet, relay_inlet_free);
  g_assert_true (relay_stream_is_live (f->book.stream));
  call_on (f->worker, (BaseMailFunc)relay_publication_end, publication);
  relay_publication_unref (publication);
}

static void
test_leave (Fixture *f, gconstpointer data)
{
  start (f, TRUE, 2, 2);
  wait_for_media (f);
  WAIT_FOR (f->parents[1].has_child);
  g_clear_pointer (&f->inlet, relay_inlet_free);
  WAIT_FOR (f->parents[0].n_leaves == 1 && f->parents[1].n_leaves == 1);
  WAIT_FOR (f->n_events[RELAY_HUB_IDLE] == 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/relay/inlet/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("one-parent", test_one_parent);
  ADD ("two-parents", test_two_parents);
  ADD ("loss/one-parent", test_loss_one_parent);
  ADD ("loss/same-on-both", test_loss_same_on_both);
  ADD ("loss/without-repair", test_loss_without_repair);
  ADD ("unrepaired/one", test_unrepaired_one);
  ADD ("unrepaired/both", test_unrepaired_both);
  ADD ("unrepaired/after-many", test_unrepaired_after_many);
  ADD ("unrepaired/other-repairs", test_other_repairs);
  ADD ("loop", test_loop);
  ADD ("pending", test_pending);
  ADD ("bad-bytes", test_bad_bytes);
  ADD ("replaced", test_replaced);
  ADD ("leave", test_leave);
  return g_test_run ();
}
