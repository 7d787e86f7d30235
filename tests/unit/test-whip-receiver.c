/* SPDX-License-Identifier: Apache-2.0 */
/* whip/receiver on a clock of its own. */
#include "whip/receiver.h"

#include "base/clock.h"

#define MS BASE_US_PER_MS
#define SSRC 0x12345678

static WhipReceiver *
new_receiver (void)
{
  return whip_receiver_new (SSRC, 90000, TRUE);
}

static WhipReceived
feed (WhipReceiver *r, guint16 seq, gint64 now_us)
{
  return whip_receiver_on_packet (r, seq, (guint32)(now_us * 9 / 100), FALSE,
                                  now_us);
}

static guint
nacks (WhipReceiver *r, gint64 now_us, guint16 *seqs)
{
  return whip_receiver_collect_nacks (r, now_us, seqs, WHIP_RECEIVER_MAX_HOLES);
}

static void
test_in_order (void)
{
  g_autoptr (WhipReceiver) r = new_receiver ();
  guint16 seqs[WHIP_RECEIVER_MAX_HOLES];
  RtcReportBlock block;

  g_assert_false (whip_receiver_take_report (r, 0, &block));
  for (guint i = 0; i < 100; i++)
    g_assert_cmpint (feed (r, (guint16)(1000 + i), i * 10 * MS), ==,
                     WHIP_RECEIVED_NEXT);
  g_assert_cmpuint (nacks (r, 1000 * MS, seqs), ==, 0);
  g_assert_true (whip_receiver_take_report (r, 1000 * MS, &block));
  g_assert_cmpuint (block.ssrc, ==, SSRC);
  g_assert_cmpuint (block.fraction_lost, ==, 0);
  g_assert_cmpint (block.n_lost, ==, 0);
  g_assert_cmpuint (block.ext_highest_seq, ==, 1099);
  g_assert_cmpuint (block.jitter, ==, 0);
  g_assert_cmpuint (block.last_sr, ==, 0);
}

static void
test_wrap (void)
{
  g_autoptr (WhipReceiver) r = new_receiver ();
  guint16 seqs[WHIP_RECEIVER_MAX_HOLES];
  RtcReportBlock block;

  feed (r, 65534, 0);
  g_assert_cmpint (feed (r, 1, 10 * MS), ==, WHIP_RECEIVED_NEXT);
  g_assert_cmpuint (nacks (r, 10 * MS, seqs), ==, 2);
  g_assert_cmpuint (seqs[0], ==, 65535);
  g_assert_cmpuint (seqs[1], ==, 0);
  g_assert_cmpint (feed (r, 65535, 20 * MS), ==, WHIP_RECEIVED_REPAIR);
  g_assert_cmpint (feed (r, 0, 20 * MS), ==, WHIP_RECEIVED_REPAIR);
  g_assert_true (whip_receiver_take_report (r, 30 * MS, &block));
  g_assert_cmpuint (block.ext_highest_seq, ==, 65537);
  g_assert_cmpint (block.n_lost, ==, 0);
}

static void
test_reorder (void)
{
  g_autoptr (WhipReceiver) r = new_receiver ();
  guint16 seqs[WHIP_RECEIVER_MAX_HOLES];

  feed (r, 10, 0);
  g_assert_cmpint (feed (r, 12, MS), ==, WHIP_RECEIVED_NEXT);
  g_assert_true (whip_receiver_has_holes (r));
  g_assert_cmpint (feed (r, 11, MS), ==, WHIP_RECEIVED_LATE);
  g_assert_false (whip_receiver_has_holes (r));
  g_assert_cmpuint (nacks (r, MS, seqs), ==, 0);
  g_assert_cmpint (feed (r, 11, MS), ==, WHIP_RECEIVED_DUPLICATE);
  g_assert_cmpint (feed (r, 12, MS), ==, WHIP_RECEIVED_DUPLICATE);
  g_assert_cmpuint (whip_receiver_get_stats (r)->n_duplicates, ==, 2);
  g_assert_cmpuint (whip_receiver_get_stats (r)->n_packets, ==, 3);
  g_assert_cmpuint (whip_receiver_get_stats (r)->n_repaired, ==, 0);
}

static void
test_retries (void)
{
  g_autoptr (WhipReceiver) r = new_receiver ();
  guint16 seqs[WHIP_RECEIVER_MAX_HOLES];
  guint n_asked = 0;
  gint64 now_us;

  feed (r, 10, 0);
  feed (r, 12, 0);
  for (now_us = 0; now_us < 2000 * MS && whip_receiver_has_holes (r);
       now_us += 10 * MS)
    {
      guint n = nacks (r, now_us, seqs);

      n_asked += n;
      g_assert_cmpuint (n, ==,
                        now_us % (50 * MS) == 0 && now_us < 500 * MS ? 1 : 0);
    }
  g_assert_cmpuint (n_asked, ==, WHIP_RECEIVER_MAX_TRIES);
  g_assert_cmpint (now_us, ==, 510 * MS);
  g_assert_cmpuint (whip_receiver_get_stats (r)->n_lost, ==, 1);
  g_assert_cmpuint (whip_receiver_get_stats (r)->n_nacked, ==, 10);
  /* too late: the viewers were told to do without it */
  g_assert_cmpint (feed (r, 11, now_us), ==, WHIP_RECEIVED_DUPLICATE);
}

static void
test_rtt (void)
{
  g_autoptr (WhipReceiver) r = new_receiver ();
  guint16 seqs[WHIP_RECEIVER_MAX_HOLES];

  feed (r, 10, 0);
  feed (r, 12, 0);
  g_assert_cmpuint (nacks (r, 0, seqs), ==, 1);
  g_assert_cmpint (feed (r, 11, 40 * MS), ==, WHIP_RECEIVED_REPAIR);
  g_assert_cmpint (whip_receiver_get_rtt_us (r), ==, 40 * MS);
  feed (r, 14, 50 * MS);
  g_assert_cmpuint (nacks (r, 50 * MS, seqs), ==, 1);
  g_assert_cmpuint (nacks (r, 109 * MS, seqs), ==, 0); /* 1.5 round trips */
  g_assert_cmpuint (nacks (r, 110 * MS, seqs), ==, 1);
  /* slow: gives up by age, not by tries */
  g_assert_cmpuint (nacks (r, 1049 * MS, seqs), ==, 1);
  g_assert_cmpuint (nacks (r, 1050 * MS, seqs), ==, 0);
  g_assert_false (whip_receiver_has_holes (r));
}

static void
test_bounds (void)
{
  g_autoptr (WhipReceiver) r = new_receiver ();
  guint16 seqs[WHIP_RECEIVER_MAX_HOLES + 1];

  feed (r, 0, 0);
  feed (r, 601, 0); /* 600 missing: the oldest 88 are given up at once */
  g_assert_cmpuint (whip_receiver_collect_nacks (r, 0, seqs, 100), ==, 100);
  g_assert_cmpuint (seqs[0], ==, 89);
  g_assert_cmpuint (
      whip_receiver_collect_nacks (r, 0, seqs, G_N_ELEMENTS (seqs)), ==, 412);
  g_assert_cmpuint (seqs[411], ==, 600);
  g_assert_cmpuint (whip_receiver_get_stats (r)->n_lost, ==, 88);
  feed (r, 611, 0); /* 9 more push 9 out */
  g_assert_cmpuint (whip_receiver_get_stats (r)->n_lost, ==, 97);
  g_assert_cmpint (feed (r, 97, 0), ==, WHIP_RECEIVED_DUPLICATE);
  g_assert_cmpint (feed (r, 98, 0), ==, WHIP_RECEIVED_REPAIR);
  /* an outage: nothing of it is worth asking for */
  g_assert_cmpint (feed (r, 5000, MS), ==, WHIP_RECEIVED_NEXT);
  g_assert_false (whip_receiver_has_holes (r));
  g_assert_cmpuint (whip_receiver_get_stats (r)->n_lost, ==,
                    97 + 511 + 5000 - 612);
}

static void
test_restart (void)
{
  g_autoptr (WhipReceiver) r = new_receiver ();
  RtcReportBlock block;

  feed (r, 30000, 0);
  g_assert_cmpint (feed (r, 100, MS), ==, WHIP_RECEIVED_STRAY);
  g_assert_cmpint (feed (r, 30001, MS), ==, WHIP_RECEIVED_NEXT);
  g_assert_cmpint (feed (r, 101, MS), ==, WHIP_RECEIVED_STRAY);
  g_assert_cmpint (feed (r, 102, MS), ==, WHIP_RECEIVED_NEXT);
  g_assert_cmpint (feed (r, 103, MS), ==, WHIP_RECEIVED_NEXT);
  g_assert_true (whip_receiver_take_report (r, MS, &block));
  g_assert_cmpuint (block.ext_highest_seq, ==, 103);
  g_assert_cmpint (block.n_lost, ==, 0);
}

static void
test_rtx (void)
{
  g_autoptr (WhipReceiver) r = new_receiver ();
  const guint8 payload[] = { 0x12, 0x34, 0xaa };
  guint16 seqs[WHIP_RECEIVER_MAX_HOLES], osn = 0;

  g_assert_true (whip_rtx_undo (payload, 3, &osn));
  g_assert_cmpuint (osn, ==, 0x1234);
  g_assert_false (whip_rtx_undo (payload, 1, &osn));
  g_assert_false (whip_rtx_undo (payload, 0, &osn));

  g_assert_cmpint (whip_receiver_on_packet (r, 9, 0, TRUE, 0), ==,
                   WHIP_RECEIVED_STRAY);
  feed (r, 10, 0);
  feed (r, 12, 0);
  g_assert_cmpuint (nacks (r, 0, seqs), ==, 1);
  g_assert_cmpint (whip_receiver_on_packet (r, 11, 0, TRUE, 30 * MS), ==,
                   WHIP_RECEIVED_REPAIR);
  g_assert_cmpint (whip_receiver_on_packet (r, 11, 0, TRUE, 31 * MS), ==,
                   WHIP_RECEIVED_DUPLICATE);
  /* Chromium's probes repeat old packets */
  g_assert_cmpint (whip_receiver_on_packet (r, 40000, 0, TRUE, 31 * MS), ==,
                   WHIP_RECEIVED_STRAY);
  g_assert_cmpuint (whip_receiver_get_stats (r)->n_repaired, ==, 1);
}

static void
test_off (void)
{
  g_autoptr (WhipReceiver) r = whip_receiver_new (SSRC, 48000, FALSE);
  guint16 seqs[WHIP_RECEIVER_MAX_HOLES];

  feed (r, 10, 0);
  feed (r, 13, 0);
  g_assert_cmpuint (nacks (r, 0, seqs), ==, 0);
  g_assert_cmpint (feed (r, 11, 10 * MS), ==, WHIP_RECEIVED_LATE);
  g_assert_cmpuint (nacks (r, 999 * MS, seqs), ==, 0);
  g_assert_true (whip_receiver_has_holes (r));
  g_assert_cmpuint (nacks (r, 1000 * MS, seqs), ==, 0);
  g_assert_false (whip_receiver_has_holes (r));
  g_assert_cmpuint (whip_receiver_get_stats (r)->n_lost, ==, 1);
}

static void
test_report (void)
{
  g_autoptr (WhipReceiver) r = new_receiver ();
  RtcReportBlock block;
  double jitter = 0;
  gint64 last_transit = 0;

  /* 100 expected, 25 lost */
  for (guint i = 0; i < 100; i++)
    if (i % 4 != 1)
      feed (r, (guint16)i, i * MS);
  whip_receiver_on_sr (r, G_GUINT64_CONSTANT (0x1122334455667788), 100 * MS);
  g_assert_true (whip_receiver_take_report (r, 600 * MS, &block));
  g_assert_cmpint (block.n_lost, ==, 25);
  g_assert_cmpuint (block.fraction_lost, ==, 64);
  g_assert_cmpuint (block.last_sr, ==, 0x33445566);
  g_assert_cmpuint (block.delay_since_sr, ==, 32768);
  /* the next interval is whole; the repairs of the last one make it more */
  for (guint i = 100; i < 110; i++)
    feed (r, (guint16)i, i * MS);
  feed (r, 97, 110 * MS);
  g_assert_true (whip_receiver_take_report (r, 700 * MS, &block));
  g_assert_cmpuint (block.fraction_lost, ==, 0);
  g_assert_cmpint (block.n_lost, ==, 24);

  /* jitter against RFC 3550's formula in floating point */
  whip_receiver_free (g_steal_pointer (&r));
  r = new_receiver ();
  for (guint i = 0; i < 500; i++)
    {
      gint64 now_us = i * 20 * MS + (i * 7919 % 13) * MS;
      guint32 rtp_ts = i * 1800 + 4000000000u;
      gint64 transit = now_us * 9 / 100 - (gint64)i * 1800;

      whip_receiver_on_packet (r, (guint16)i, rtp_ts, FALSE, now_us);
      if (i > 0)
        jitter += ((double)ABS (transit - last_transit) - jitter) / 16;
      last_transit = transit;
    }
  g_assert_true (whip_receiver_take_report (r, 0, &block));
  g_assert_cmpfloat_with_epsilon ((double)block.jitter, jitter, 2);
  g_assert_cmpfloat (jitter, >, 100);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/receiver/in-order", test_in_order);
  g_test_add_func ("/receiver/wrap", test_wrap);
  g_test_add_func ("/receiver/reorder", test_reorder);
  g_test_add_func ("/receiver/retries", test_retries);
  g_test_add_func ("/receiver/rtt", test_rtt);
  g_test_add_func ("/receiver/bounds", test_bounds);
  g_test_add_func ("/receiver/restart", test_restart);
  g_test_add_func ("/receiver/rtx", test_rtx);
  g_test_add_func ("/receiver/off", test_off);
  g_test_add_func ("/receiver/report", test_report);
  return g_test_run ();
}
