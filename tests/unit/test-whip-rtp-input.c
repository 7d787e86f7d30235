/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/input and whip/rtp-input on a real worker: plain RTP by loopback UDP
 * arrives at a receiver of the stream; silence and sources by a clock that is
 * moved. */
#include "rtp-input-fixture.h"

static void
test_live (Fixture *f, gconstpointer data)
{
  g_assert_false (relay_stream_is_live (f->stream));
  send_video (f, SSRC_A, 65534, TRUE);
  for (guint i = 1; i < 5; i++)
    send_video (f, SSRC_A, (guint16)(65534 + i), FALSE);
  send_rtp (f, RTC_MEDIA_AUDIO, AUDIO_PT, SSRC_B, 7, FALSE);
  WAIT_PACKETS (f, 6);
  WAIT_FOR (f->n_live == 1);
  g_assert_true (relay_stream_is_live (f->stream));
  g_assert_cmpint (g_atomic_int_get (&f->receiver.n_keyframes), ==, 1);
  g_assert_cmpint (g_atomic_int_get (&f->receiver.has_gap), ==, 0);
  g_assert_cmpuint (get_stats (f).n_packets[RTC_MEDIA_VIDEO], ==, 5);
  g_assert_cmpuint (get_stats (f).n_packets[RTC_MEDIA_AUDIO], ==, 1);
}

static void
test_drops (Fixture *f, gconstpointer data)
{
  static const guint8 junk[RTC_MAX_PACKET_BYTES + 1] = { 0x80, VIDEO_PT };

  send_rtp (f, RTC_MEDIA_VIDEO, 97, SSRC_A, 1, TRUE);
  send_rtp (f, RTC_MEDIA_VIDEO, AUDIO_PT, SSRC_A, 1, TRUE); /* not here */
  send_bytes (f, RTC_MEDIA_VIDEO, junk, 5);
  send_bytes (f, RTC_MEDIA_VIDEO, junk, 1);
  send_bytes (f, RTC_MEDIA_VIDEO, junk, sizeof junk);
  send_bytes (f, RTC_MEDIA_VIDEO, junk, 0);
  WAIT_FOR (get_stats (f).n_dropped[WHIP_FEED_DROP_MALFORMED] == 2);
  g_assert_cmpuint (get_stats (f).n_dropped[WHIP_FEED_DROP_PAYLOAD_TYPE], ==,
                    2);
  g_assert_false (relay_stream_is_live (f->stream));
  send_video (f, SSRC_A, 1, TRUE);
  send_video (f, SSRC_A, 2, FALSE);
  send_video (f, SSRC_A, 2, FALSE);
  WAIT_FOR (get_stats (f).n_dropped[WHIP_FEED_DROP_DUPLICATE] == 1);
  WAIT_PACKETS (f, 2);
}

/* A second sender is not heard while the first sends; then it takes over. */
static void
test_sources (Fixture *f, gconstpointer data)
{
  send_video (f, SSRC_A, 100, TRUE);
  send_video (f, SSRC_B, 40000, TRUE);
  send_video (f, SSRC_A, 101, FALSE);
  WAIT_PACKETS (f, 2);
  g_assert_cmpuint (get_stats (f).n_dropped[WHIP_FEED_DROP_OTHER_SOURCE], ==,
                    1);
  rtc_worker_advance_clock (f->worker, WHIP_FEEDER_COLLISION_US);
  send_video (f, SSRC_B, 40001, FALSE); /* held back: no keyframe yet */
  send_video (f, SSRC_B, 40002, TRUE);
  send_video (f, SSRC_B, 40003, FALSE);
  WAIT_PACKETS (f, 4);
  g_assert_cmpint (g_atomic_int_get (&f->receiver.has_gap), ==, 0);
  g_assert_cmpuint (get_stats (f).n_sources[RTC_MEDIA_VIDEO], ==, 2);
  WAIT_FOR (f->n_live == 1);
}

static void
test_silence (Fixture *f, gconstpointer data)
{
  for (int round = 1; round <= 3; round++)
    {
      send_video (f, SSRC_A, (guint16)(round * 10), TRUE);
      WAIT_FOR (f->n_live == round);
      WAIT_PACKETS (f, round);
      rtc_worker_advance_clock (f->worker, WHIP_FEEDER_IDLE_US);
      WAIT_FOR (f->n_idle == round);
      g_assert_false (relay_stream_is_live (f->stream));
      /* the next publication is on its way by this worker's mail */
      call_on (f->worker, on_nothing, NULL);
    }
  g_assert_cmpint (g_atomic_int_get (&f->receiver.has_gap), ==, 0);
}

static void
begin_run (gpointer data)
{
  relay_publication_begin (data);
}

static void
end_run (gpointer data)
{
  relay_publication_end (data);
}

/* Another publisher takes the stream, and gives it back. */
static void
test_replaced (Fixture *f, gconstpointer data)
{
  static const RelayPublicationCallbacks callbacks = { on_nothing, on_nothing };
  RelayStreamInfo info = { 0 };
  RelayPublication *other;

  send_video (f, SSRC_A, 1, TRUE);
  WAIT_FOR (f->n_live == 1);
  g_assert_true (relay_stream_get_info (f->stream, &info));
  other =
      relay_stream_add_publication (f->stream, &info, &callbacks, NULL, NULL);
  call_on (f->worker, begin_run, other);
  send_video (f, SSRC_A, 2, FALSE);
  WAIT_FOR (get_stats (f).n_dropped[WHIP_FEED_DROP_REPLACED] == 1);
  call_on (f->worker, end_run, other);
  relay_publication_unref (other);
  WAIT_FOR (f->n_idle == 1);
  call_on (f->worker, on_nothing, NULL);
  send_video (f, SSRC_A, 3, TRUE);
  WAIT_FOR (f->n_live == 3);
  WAIT_PACKETS (f, 2);
}

static void
clock_run (gpointer data)
{
  Fixture *f = data;
  guint64 ntp;
  guint32 rtp_ts;

  if (relay_feed_get_clock (relay_stream_get_feed (f->stream, f->worker),
                            RTC_MEDIA_VIDEO, rtc_worker_get_turn_us (f->worker),
                            &ntp, &rtp_ts))
    f->n_idle = 100; /* read by main after the call */
}

static void
test_sender_report (Fixture *f, gconstpointer data)
{
  guint8 bytes[64];
  gsize len = 0;

  g_assert_true (rtc_rtcp_write_sr (bytes, sizeof bytes, &len, SSRC_A,
                                    rtc_ntp_from_wall_us (1e15), 5, 1, 1));
  send_bytes (f, RTC_MEDIA_VIDEO, bytes, len); /* of nobody yet: ignored */
  send_video (f, SSRC_A, 1, TRUE);
  send_bytes (f, RTC_MEDIA_VIDEO, bytes, len);
  WAIT_FOR (get_stats (f).n_sender_reports == 1);
  call_on (f->worker, clock_run, f);
  g_assert_cmpint (f->n_idle, ==, 100);
}

static void
test_port_taken (Fixture *f, gconstpointer data)
{
  WhipRtpConfig config = { .name = (char *)"other" };
  WhipRtpTrack *track = &config.tracks[RTC_MEDIA_AUDIO];
  g_autoptr (GError) error = NULL;

  track->info.is_present = TRUE;
  track->info.codec = RTC_CODEC_OPUS;
  g_assert_true (rtc_addr_from_string (
      "127.0.0.1", whip_rtp_input_get_port (f->input, RTC_MEDIA_AUDIO),
      &track->place.address));
  g_assert_null (whip_rtp_input_new (f->hub, &config, &error));
  g_assert_error (error, RTC_WORKER_ERROR, RTC_WORKER_ERROR_BIND);
}

int
main (int argc, char **argv)
{
  static const Test tests[] = {
    { "/whip/rtp-input/live", test_live, { 0 } },
    { "/whip/rtp-input/drops", test_drops, { 0 } },
    { "/whip/rtp-input/sources", test_sources, { 0 } },
    { "/whip/rtp-input/silence", test_silence, { 0 } },
    { "/whip/rtp-input/replaced", test_replaced, { 0 } },
    { "/whip/rtp-input/sender-report", test_sender_report, { 0 } },
    { "/whip/rtp-input/port-taken", test_port_taken, { 0 } },
  };

  return run_tests (argc, argv, tests, G_N_ELEMENTS (tests));
}
