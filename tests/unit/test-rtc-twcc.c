/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of rtc/twcc: feedback written is read back as the arrivals were. */
#include "rtc/rtcp.h"
#include "rtc/twcc.h"

#define MAX_SEEN 4096

typedef struct
{
  guint16 seqs[MAX_SEEN];
  gint64 at_us[MAX_SEEN];
  guint n, n_lost, n_feedbacks;
} Seen;

static void
on_packet (guint16 seq, gint64 arrival_us, gpointer data)
{
  Seen *seen = data;

  g_assert_cmpuint (seen->n, <, MAX_SEEN);
  seen->seqs[seen->n] = seq;
  seen->at_us[seen->n++] = arrival_us;
  seen->n_lost += arrival_us == -1;
}

static void
ignore_packet (guint16 seq, gint64 arrival_us, gpointer data)
{
}

static void
on_twcc (const guint8 *fci, gsize len, gpointer data)
{
  Seen *seen = data;

  g_assert_true (rtc_twcc_read (fci, len, on_packet, seen));
  seen->n_feedbacks++;
}

static const RtcRtcpSink sink = { .on_twcc = on_twcc };

/* Returns: number of feedback packets */
static guint
drain (RtcTwcc *twcc, gsize cap, Seen *seen)
{
  g_autofree guint8 *buf = g_malloc (cap);
  guint n = 0;

  for (gsize len = 0; rtc_twcc_write (twcc, buf, cap, &len, 1, 2); len = 0)
    {
      g_assert_cmpuint (len % 4, ==, 0);
      g_assert_cmpuint (len, <=, cap);
      g_assert_true (rtc_rtcp_read (buf, len, &sink, seen));
      g_assert_cmpuint (++n, <, 1000);
    }
  return n;
}

static void
test_simple (void)
{
  g_autoptr (RtcTwcc) twcc = rtc_twcc_new ();
  Seen seen = { 0 };
  guint8 buf[64];
  gsize len = 0;

  g_assert_false (rtc_twcc_write (twcc, buf, sizeof buf, &len, 1, 2));
  rtc_twcc_on_packet (twcc, 65534, 1000000);
  rtc_twcc_on_packet (twcc, 65535, 1001000);
  rtc_twcc_on_packet (twcc, 1, 1101000); /* 0 lost; 100 ms: large delta */
  rtc_twcc_on_packet (twcc, 2, 1100500); /* earlier: negative delta */
  rtc_twcc_on_packet (twcc, 2, 1200000); /* a copy */
  g_assert_cmpuint (drain (twcc, 1200, &seen), ==, 1);
  g_assert_cmpuint (seen.n, ==, 5);
  g_assert_cmpuint (seen.seqs[0], ==, 65534);
  g_assert_cmpuint (seen.seqs[2], ==, 0);
  g_assert_cmpint (seen.at_us[1] - seen.at_us[0], ==, 1000);
  g_assert_cmpint (seen.at_us[2], ==, -1);
  g_assert_cmpint (seen.at_us[3] - seen.at_us[0], ==, 101000);
  g_assert_cmpint (seen.at_us[4] - seen.at_us[0], ==, 100500);
  /* what was reported lost is not told again when it comes late */
  rtc_twcc_on_packet (twcc, 0, 1300000);
  g_assert_cmpuint (drain (twcc, 1200, &seen), ==, 0);
  rtc_twcc_on_packet (twcc, 4, 1300000);
  g_assert_cmpuint (drain (twcc, 1200, &seen), ==, 1);
  g_assert_cmpuint (seen.n, ==, 7); /* 3 lost, 4 */
  g_assert_cmpuint (seen.seqs[6], ==, 4);
}

static void
test_reordered_start (void)
{
  g_autoptr (RtcTwcc) twcc = rtc_twcc_new ();
  Seen seen = { 0 };

  rtc_twcc_on_packet (twcc, 10, 1000);
  rtc_twcc_on_packet (twcc, 8, 2000);
  rtc_twcc_on_packet (twcc, 9, 3000);
  g_assert_cmpuint (drain (twcc, 1200, &seen), ==, 1);
  g_assert_cmpuint (seen.n, ==, 3);
  g_assert_cmpuint (seen.seqs[0], ==, 8);
  g_assert_cmpint (seen.at_us[2] - seen.at_us[0], ==, -1000);
}

/* The 1024 statuses, the bytes, and a pause beyond a delta's 16 bits split. */
static void
test_split (void)
{
  g_autoptr (RtcTwcc) twcc = rtc_twcc_new ();
  Seen seen = { 0 };

  for (guint i = 0; i < 1500; i++)
    rtc_twcc_on_packet (twcc, (guint16)i, 1000 * i);
  g_assert_cmpuint (drain (twcc, 4000, &seen), ==, 2);
  g_assert_cmpuint (seen.n, ==, 1500);
  for (guint i = 1500; i < 1600; i++)
    rtc_twcc_on_packet (twcc, (guint16)i, 1000 * i);
  g_assert_cmpuint (drain (twcc, 64, &seen), >, 2);
  g_assert_cmpuint (seen.n, ==, 1600);
  rtc_twcc_on_packet (twcc, 1600, 2 * G_USEC_PER_SEC);
  rtc_twcc_on_packet (twcc, 1601, 30 * G_USEC_PER_SEC);
  g_assert_cmpuint (drain (twcc, 1200, &seen), ==, 2);
  g_assert_cmpuint (seen.n_lost, ==, 0);
  for (guint i = 0; i < seen.n; i++)
    g_assert_cmpuint (seen.seqs[i], ==, i);
}

static void
test_bounds (void)
{
  g_autoptr (RtcTwcc) twcc = rtc_twcc_new ();
  Seen seen = { 0 };
  guint8 buf[24];
  gsize len = 0;

  for (guint i = 0; i < RTC_TWCC_MAX_PENDING + 100; i++)
    rtc_twcc_on_packet (twcc, (guint16)i, 1000 * i);
  drain (twcc, 1200, &seen);
  g_assert_cmpuint (seen.n, ==, RTC_TWCC_MAX_PENDING); /* the newest */
  g_assert_cmpuint (seen.seqs[0], ==, 100);
  /* a jump is not told as thirty thousand losses */
  rtc_twcc_on_packet (twcc, 32000, 10 * G_USEC_PER_SEC);
  seen.n = 0;
  g_assert_cmpuint (drain (twcc, 1200, &seen), ==, 1);
  g_assert_cmpuint (seen.n, ==, 1);
  rtc_twcc_on_packet (twcc, 32001, 10 * G_USEC_PER_SEC);
  g_assert_false (rtc_twcc_write (twcc, buf, 23, &len, 1, 2));
  g_assert_cmpuint (len, ==, 0);
  g_assert_true (rtc_twcc_write (twcc, buf, 24, &len, 1, 2));
  g_assert_cmpuint (len, ==, 24);
}

/* Other senders use run lengths and one-bit vectors. */
static void
test_read_chunks (void)
{
  const guint8 fci[] = {
    0x00, 0x10, 0x00, 0x13, 0, 0, 1, 7, 0x20, 0x03, /* three small deltas */
    0x00, 0x02,                                     /* two lost */
    0xa0, 0x00,                                     /* 1 of 14, one bit each */
    4,    8,    12,   16,
  };
  Seen seen = { 0 };

  g_assert_true (rtc_twcc_read (fci, sizeof fci, on_packet, &seen));
  g_assert_cmpuint (seen.n, ==, 19);
  g_assert_cmpuint (seen.seqs[0], ==, 16);
  g_assert_cmpint (seen.at_us[0], ==, 1000);
  g_assert_cmpint (seen.at_us[2], ==, 6000);
  g_assert_cmpint (seen.at_us[3], ==, -1);
  g_assert_cmpint (seen.at_us[5], ==, 10000);
  g_assert_cmpuint (seen.n_lost, ==, 15);
}

static void
test_read_hostile (void)
{
  const guint8 good[] = { 0, 1, 0, 3, 0, 0, 1, 7, 0x20, 0x03, 4, 8, 12 };
  const guint8 empty_run[] = { 0, 1, 0, 3, 0, 0, 1, 7, 0x20, 0, 0, 0 };
  const guint8 reserved[] = { 0, 1, 0, 3, 0, 0, 1, 7, 0x60, 3, 1, 1 };
  const guint8 no_statuses[] = { 0, 1, 0, 0, 0, 0, 1, 7 };

  for (gsize len = 0; len <= sizeof good; len++)
    {
      g_autofree guint8 *copy = g_memdup2 (good, len);
      g_assert_cmpint (rtc_twcc_read (copy, len, ignore_packet, NULL), ==,
                       len == sizeof good);
    }
  g_assert_false (
      rtc_twcc_read (empty_run, sizeof empty_run, ignore_packet, NULL));
  g_assert_false (
      rtc_twcc_read (reserved, sizeof reserved, ignore_packet, NULL));
  g_assert_false (
      rtc_twcc_read (no_statuses, sizeof no_statuses, ignore_packet, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtc/twcc/simple", test_simple);
  g_test_add_func ("/rtc/twcc/reordered-start", test_reordered_start);
  g_test_add_func ("/rtc/twcc/split", test_split);
  g_test_add_func ("/rtc/twcc/bounds", test_bounds);
  g_test_add_func ("/rtc/twcc/read-chunks", test_read_chunks);
  g_test_add_func ("/rtc/twcc/read-hostile", test_read_hostile);
  return g_test_run ();
}
