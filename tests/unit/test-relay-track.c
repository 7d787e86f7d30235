/* SPDX-License-Identifier: Apache-2.0 */
/* RelayTrack: numbers that go on over publishers. */
#include "relay/track.h"

static guint64
map_ok (RelayTrack *track, guint16 seq, guint32 rtp_ts, gint64 now_us,
        RelayTrackResult want, guint32 *ret_ts)
{
  guint64 ext_seq = 0;
  guint32 ts = 0;

  g_assert_cmpint (relay_track_map (track, seq, rtp_ts, now_us, &ext_seq, &ts),
                   ==, want);
  if (ret_ts != NULL)
    *ret_ts = ts;
  return ext_seq;
}

static void
test_order (void)
{
  RelayTrack track = { 0 };
  guint64 a, b, late;

  relay_track_restart (&track, 90000);
  a = map_ok (&track, 65534, 1000, 0, RELAY_TRACK_NEXT, NULL);
  b = map_ok (&track, 1, 1000, 10, RELAY_TRACK_NEXT, NULL);
  g_assert_cmpuint (b - a, ==, 3);
  late = map_ok (&track, 65535, 1000, 20, RELAY_TRACK_LATE, NULL);
  g_assert_cmpuint (late, ==, a + 1);
  map_ok (&track, 65533, 900, 30, RELAY_TRACK_TOO_OLD, NULL);
}

/* A publisher who comes back has other numbers: viewers must not see it. */
static void
test_takeover (void)
{
  RelayTrack track = { 0 };
  guint64 a, b;
  guint32 ts_a, ts_b;

  relay_track_restart (&track, 90000);
  a = map_ok (&track, 500, 90000, G_USEC_PER_SEC, RELAY_TRACK_NEXT, &ts_a);
  relay_track_restart (&track, 90000);
  b = map_ok (&track, 40000, 7, 3 * G_USEC_PER_SEC, RELAY_TRACK_NEXT, &ts_b);
  g_assert_cmpuint (b, ==, a + 1);
  g_assert_cmpuint (ts_b - ts_a, ==, 2 * 90000);
  /* what the new one sent before his first is nobody's */
  map_ok (&track, 39999, 7, 3 * G_USEC_PER_SEC, RELAY_TRACK_TOO_OLD, NULL);
  b = map_ok (&track, 40001, 3007, 3 * G_USEC_PER_SEC, RELAY_TRACK_NEXT, &ts_a);
  g_assert_cmpuint (b, ==, a + 2);
  g_assert_cmpuint (ts_a - ts_b, ==, 3000);
}

/* A jump far beyond any loss is a new source, at both sides of the bound. */
static void
test_jump (void)
{
  RelayTrack track = { 0 };
  guint64 a, b;

  relay_track_restart (&track, 48000);
  a = map_ok (&track, 10, 0, 0, RELAY_TRACK_NEXT, NULL);
  b = map_ok (&track, 10 + RELAY_TRACK_MAX_JUMP, 960, 10, RELAY_TRACK_NEXT,
              NULL);
  g_assert_cmpuint (b - a, ==, RELAY_TRACK_MAX_JUMP);
  a = b;
  b = map_ok (&track, 10 + 2 * RELAY_TRACK_MAX_JUMP + 1, 960, 20,
              RELAY_TRACK_NEXT, NULL);
  g_assert_cmpuint (b - a, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relay/track/order", test_order);
  g_test_add_func ("/relay/track/takeover", test_takeover);
  g_test_add_func ("/relay/track/jump", test_jump);
  return g_test_run ();
}
