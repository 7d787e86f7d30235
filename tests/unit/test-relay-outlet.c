/* SPDX-License-Identifier: Apache-2.0 */
/* RelayOutlet: what a child is told, and how long it is one; the clock is
 * passed in. */
#include "outlet-helpers.h"

static void
test_keyframe (Fixture *f, gconstpointer data)
{
  RelayLinkMessage message = { .type = RELAY_LINK_KEYFRAME };
  LinkChild children[2];
  LinkDatagram got;
  int n_before;

  begin (f, 1, FIRST);
  push (f, FIRST, 1, TRUE);
  for (guint i = 0; i < 2; i++)
    {
      child_init (f, &children[i], (guint8)(i + 1));
      join (f, &children[i], RELAY_LINK_START_LIVE, &got);
    }
  message.subscription = children[0].subscription;
  relay_call_on (f->home, run_forget, f);
  n_before = g_atomic_int_get (&f->n_wanted);
  for (guint i = 0; i < 10; i++)
    say (f, &children[i % 2], &message);
  g_assert_cmpint (g_atomic_int_get (&f->n_wanted), ==, n_before + 1);
  for (guint i = 0; i < 2; i++)
    link_child_clear (&children[i]);
}

static void
test_expiry (Fixture *f, gconstpointer data)
{
  LinkChild a;
  LinkDatagram got;
  RelayLinkMessage message = { .type = RELAY_LINK_LEAVE };

  begin (f, 1, FIRST);
  child_init (f, &a, 1);
  join (f, &a, RELAY_LINK_START_LIVE, &got);
  g_assert_cmpuint (tick (f, f->now_us + RELAY_OUTLET_EXPIRY_US), ==, 1);
  f->now_us += RELAY_OUTLET_EXPIRY_US;
  subscribe (f, &a, RELAY_LINK_START_LIVE);
  g_assert_cmpuint (tick (f, f->now_us + RELAY_OUTLET_EXPIRY_US), ==, 1);
  g_assert_cmpuint (relay_stream_get_n_receivers (f->stream), ==, 1);
  g_assert_cmpuint (tick (f, f->now_us + RELAY_OUTLET_EXPIRY_US + 1), ==, 0);
  g_assert_cmpuint (relay_stream_get_n_receivers (f->stream), ==, 0);
  g_assert_cmpuint (relay_outlet_get_stats (f->outlet)->n_expired, ==, 1);
  subscribe (f, &a, RELAY_LINK_START_LIVE);
  message.subscription = a.subscription;
  say (f, &a, &message);
  g_assert_cmpuint (tick (f, f->now_us), ==, 0);
  link_child_clear (&a);
}

static void
test_keepalive (Fixture *f, gconstpointer data)
{
  LinkChild a;
  LinkDatagram got;
  gint64 sent_us = f->now_us;

  begin (f, 1, FIRST);
  child_init (f, &a, 1);
  join (f, &a, RELAY_LINK_START_LIVE, &got);
  tick (f, sent_us + RELAY_OUTLET_KEEPALIVE_US - 1);
  g_assert_false (link_child_read (&a, &got));
  tick (f, sent_us + RELAY_OUTLET_KEEPALIVE_US);
  link_child_expect (&a, RELAY_LINK_STATUS, &got);
  g_assert_false (got.message.status.is_reply);
  g_assert_true (got.message.status.is_live);
  sent_us += RELAY_OUTLET_KEEPALIVE_US;
  /* nobody publishes: that is said at once, and again, then rarely */
  relay_call_on (f->home, run_end, f);
  for (guint i = 0; i < RELAY_OUTLET_ANNOUNCE_TICKS + 1; i++)
    {
      if (i > 0)
        tick (f, ++sent_us);
      else
        subscribe (f, &a, RELAY_LINK_START_LIVE);
      link_child_expect (&a, RELAY_LINK_STATUS, &got);
      g_assert_false (got.message.status.is_live);
      g_assert_cmpuint (got.message.status.epoch, ==, 1);
    }
  while (link_child_read (&a, &got))
    ;
  f->now_us = sent_us;
  subscribe (f, &a, RELAY_LINK_START_LIVE);
  link_child_expect (&a, RELAY_LINK_STATUS, &got);
  tick (f, sent_us + RELAY_OUTLET_IDLE_KEEPALIVE_US - 1);
  g_assert_false (link_child_read (&a, &got));
  tick (f, sent_us + RELAY_OUTLET_IDLE_KEEPALIVE_US);
  link_child_expect (&a, RELAY_LINK_STATUS, &got);
  link_child_clear (&a);
}

static void
test_full (Fixture *f, gconstpointer data)
{
  LinkChild children[MAX_CHILDREN + 1];
  LinkDatagram got;

  begin (f, 1, FIRST);
  for (guint i = 0; i < MAX_CHILDREN; i++)
    {
      child_init (f, &children[i], (guint8)(i + 1));
      join (f, &children[i], RELAY_LINK_START_LIVE, &got);
    }
  child_init (f, &children[MAX_CHILDREN], 9);
  subscribe (f, &children[MAX_CHILDREN], RELAY_LINK_START_LIVE);
  link_child_expect_refuse (&children[MAX_CHILDREN], RELAY_LINK_REASON_FULL);
  g_assert_cmpuint (relay_outlet_get_stats (f->outlet)->n_refused_full, ==, 1);
  join (f, &children[0], RELAY_LINK_START_LIVE, &got); /* not those inside */
  for (guint i = 0; i <= MAX_CHILDREN; i++)
    link_child_clear (&children[i]);
}

static void
test_loop (Fixture *f, gconstpointer data)
{
  LinkChild a;
  LinkDatagram got;

  begin (f, 1, FIRST);
  child_init (f, &a, 1);
  strcpy (a.node, "origin");
  subscribe (f, &a, RELAY_LINK_START_LIVE);
  link_child_expect_refuse (&a, RELAY_LINK_REASON_LOOP);
  strcpy (a.node, "parent");
  subscribe (f, &a, RELAY_LINK_START_LIVE);
  link_child_expect_refuse (&a, RELAY_LINK_REASON_LOOP);
  strcpy (a.node, "origin2");
  join (f, &a, RELAY_LINK_START_LIVE, &got);
  link_child_clear (&a);
}

static void
test_leave (Fixture *f, gconstpointer data)
{
  LinkChild a;
  LinkDatagram got;
  Job job = { .f = f };

  begin (f, 1, FIRST);
  child_init (f, &a, 1);
  join (f, &a, RELAY_LINK_START_LIVE, &got);
  relay_call_on (f->home, run_leave, &job);
  link_child_expect (&a, RELAY_LINK_BYE, &got);
  g_assert_cmpint (got.message.bye.reason, ==, RELAY_LINK_REASON_LEAVING);
  g_assert_cmpuint (tick (f, f->now_us), ==, 0);
  link_child_clear (&a);
}

#define ADD(name, func)                                                        \
  g_test_add (name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/relay/outlet/keyframe", test_keyframe);
  ADD ("/relay/outlet/expiry", test_expiry);
  ADD ("/relay/outlet/keepalive", test_keepalive);
  ADD ("/relay/outlet/full", test_full);
  ADD ("/relay/outlet/loop", test_loop);
  ADD ("/relay/outlet/leave", test_leave);
  return g_test_run ();
}
