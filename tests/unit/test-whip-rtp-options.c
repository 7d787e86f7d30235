/* SPDX-License-Identifier: Apache-2.0 */
/* whip/rtp-input: what a mountpoint may ask for: SRTP, multicast, capture
 * times, to be disabled, to yield to another node. */
#include "rtp-input-fixture.h"

#include <srtp2/srtp.h>

#include "rtc/udp.h"

/* --- what a mountpoint may ask for ------------------------------------- */

static gboolean
get_age (Fixture *f, RtcMediaKind kind, gint64 *ret_us)
{
  return whip_feeder_get_age (whip_rtp_input_get_feeder (f->input), kind,
                              G_MAXINT64 / 2, ret_us);
}

/* What comes is dropped; the stream goes on with what comes later. */
static void
test_disabled (Fixture *f, gconstpointer data)
{
  WhipFeeder *feeder = whip_rtp_input_get_feeder (f->input);
  gint64 first_us, second_us;

  g_assert_false (get_age (f, RTC_MEDIA_VIDEO, &first_us));
  send_video (f, SSRC_A, 1, TRUE);
  WAIT_PACKETS (f, 1);
  g_assert_true (get_age (f, RTC_MEDIA_VIDEO, &first_us));
  g_assert_false (get_age (f, RTC_MEDIA_AUDIO, &second_us));
  whip_feeder_set_enabled (feeder, FALSE);
  rtc_worker_advance_clock (f->worker, 1);
  send_video (f, SSRC_A, 2, FALSE);
  send_rtp (f, RTC_MEDIA_AUDIO, AUDIO_PT, SSRC_B, 7, FALSE);
  WAIT_FOR (get_stats (f).n_dropped[WHIP_FEED_DROP_DISABLED] == 2);
  g_assert_true (get_age (f, RTC_MEDIA_VIDEO, &second_us));
  g_assert_cmpint (second_us, <, first_us);
  rtc_worker_advance_clock (f->worker, WHIP_FEEDER_IDLE_US);
  WAIT_FOR (f->n_idle == 1);
  g_assert_true (relay_hub_lookup (f->hub, "cam") == f->stream);
  call_on (f->worker, on_nothing, NULL);
  whip_feeder_set_enabled (feeder, TRUE);
  send_video (f, SSRC_A, 3, TRUE);
  WAIT_PACKETS (f, 2);
  g_assert_cmpint (g_atomic_int_get (&f->receiver.has_gap), ==, 0);
}

/* Another node has the stream: nothing of ours, until it has ended there. */
static void
test_taken (Fixture *f, gconstpointer data)
{
  send_video (f, SSRC_A, 1, TRUE);
  WAIT_FOR (f->n_live == 1);
  relay_stream_set_taken (f->stream, TRUE);
  send_video (f, SSRC_A, 2, FALSE);
  WAIT_FOR (get_stats (f).n_dropped[WHIP_FEED_DROP_REPLACED] == 1);
  rtc_worker_advance_clock (f->worker, G_USEC_PER_SEC);
  WAIT_FOR (f->n_idle == 1); /* long before it were idle by itself */
  g_assert_false (relay_stream_is_live (f->stream));
  send_video (f, SSRC_A, 3, TRUE);
  WAIT_FOR (get_stats (f).n_dropped[WHIP_FEED_DROP_REPLACED] == 2);
  relay_stream_set_taken (f->stream, FALSE);
  call_on (f->worker, on_nothing, NULL);
  send_video (f, SSRC_A, 4, TRUE);
  WAIT_FOR (f->n_live == 2);
  WAIT_PACKETS (f, 2);
}

static void
test_capture_time (Fixture *f, gconstpointer data)
{
  static const guint8 ext[] = { 0xbe,
                                0xde,
                                0,
                                4, /* words */
                                CAPTURE_TIME_ID << 4 | 7,
                                1,
                                2,
                                3,
                                4,
                                5,
                                6,
                                7,
                                8,
                                3 << 4 | 1,
                                9,
                                9,
                                0,
                                0,
                                0,
                                0 };
  static const guint8 expected[] = {
    RTC_EXT_ABS_CAPTURE_TIME, 8, 1, 2, 3, 4, 5, 6, 7, 8
  };
  guint8 p[RTP_BYTES + sizeof ext];

  write_rtp (p, VIDEO_PT, SSRC_A, 1, TRUE);
  memmove (p + 12 + sizeof ext, p + 12, RTP_BYTES - 12);
  memcpy (p + 12, ext, sizeof ext);
  p[0] |= 0x10;
  send_bytes (f, RTC_MEDIA_VIDEO, p, sizeof p);
  WAIT_PACKETS (f, 1);
  g_assert_cmpmem (f->receiver.ext, f->receiver.ext_len, expected,
                   sizeof expected);
}

static void
test_collision_time (Fixture *f, gconstpointer data)
{
  send_video (f, SSRC_A, 1, TRUE);
  WAIT_PACKETS (f, 1);
  rtc_worker_advance_clock (f->worker, COLLISION_US - G_USEC_PER_SEC / 10);
  send_video (f, SSRC_B, 1, TRUE);
  WAIT_FOR (get_stats (f).n_dropped[WHIP_FEED_DROP_OTHER_SOURCE] == 1);
  rtc_worker_advance_clock (f->worker, G_USEC_PER_SEC / 10);
  send_video (f, SSRC_B, 2, TRUE);
  WAIT_PACKETS (f, 2);
}

static void
test_rtcp_port (Fixture *f, gconstpointer data)
{
  guint port = whip_rtp_input_get_rtcp_port (f->input, RTC_MEDIA_VIDEO);
  guint8 bytes[64];
  gsize len = 0;
  RtcAddr to;

  g_assert_cmpuint (port, !=, 0);
  g_assert_cmpuint (port, !=,
                    whip_rtp_input_get_port (f->input, RTC_MEDIA_VIDEO));
  g_assert_true (rtc_addr_from_string ("127.0.0.1", port, &to));
  send_video (f, SSRC_A, 1, TRUE);
  WAIT_PACKETS (f, 1);
  g_assert_true (rtc_rtcp_write_sr (bytes, sizeof bytes, &len, SSRC_A,
                                    rtc_ntp_from_wall_us (1e15), 5, 1, 1));
  g_assert_cmpint (sendto (f->fd, bytes, len, 0, &to.sa, sizeof to.in), ==,
                   (gssize)len);
  WAIT_FOR (get_stats (f).n_sender_reports == 1);
}

static srtp_t
new_sealer (int suite)
{
  g_autofree guchar *key = NULL;
  gsize len;
  srtp_policy_t policy;
  srtp_profile_t profile = suite == 32 ? srtp_profile_aes128_cm_sha1_32
                                       : srtp_profile_aes128_cm_sha1_80;
  srtp_t sealer;

  (void)srtp_init ();
  memset (&policy, 0, sizeof policy);
  key = g_base64_decode (CRYPTO, &len);
  srtp_crypto_policy_set_from_profile_for_rtp (&policy.rtp, profile);
  srtp_crypto_policy_set_from_profile_for_rtcp (&policy.rtcp, profile);
  policy.ssrc.type = ssrc_any_outbound;
  policy.key = key;
  g_assert_cmpint (srtp_create (&sealer, &policy), ==, srtp_err_status_ok);
  return sealer;
}

static void
send_sealed (Fixture *f, srtp_t sealer, guint32 ssrc, guint16 seq,
             gboolean is_key)
{
  guint8 p[RTP_BYTES + 64];
  int len = RTP_BYTES;

  write_rtp (p, VIDEO_PT, ssrc, seq, is_key);
  g_assert_cmpint (srtp_protect (sealer, p, &len), ==, srtp_err_status_ok);
  send_bytes (f, RTC_MEDIA_VIDEO, p, (gsize)len);
}

/* by libsrtp2, as ffmpeg and GStreamer do it */
static void
test_srtp (Fixture *f, gconstpointer data)
{
  const Options *options = data;
  srtp_t sealer = new_sealer (options->srtp_suite);
  guint8 bytes[256];
  gsize len = 0;
  int n;

  send_video (f, SSRC_B, 1, TRUE); /* in the clear */
  WAIT_FOR (get_stats (f).n_dropped[WHIP_FEED_DROP_SRTP] == 1);
  send_sealed (f, sealer, SSRC_A, 1, TRUE);
  send_sealed (f, sealer, SSRC_A, 2, FALSE);
  WAIT_PACKETS (f, 2);
  g_assert_true (rtc_rtcp_write_sr (bytes, sizeof bytes, &len, SSRC_A,
                                    rtc_ntp_from_wall_us (1e15), 5, 1, 1));
  send_bytes (f, RTC_MEDIA_VIDEO, bytes, len); /* in the clear */
  WAIT_FOR (get_stats (f).n_dropped[WHIP_FEED_DROP_SRTP] == 2);
  n = (int)len;
  g_assert_cmpint (srtp_protect_rtcp (sealer, bytes, &n), ==,
                   srtp_err_status_ok);
  send_bytes (f, RTC_MEDIA_VIDEO, bytes, (gsize)n);
  WAIT_FOR (get_stats (f).n_sender_reports == 1);
  send_bytes (f, RTC_MEDIA_VIDEO, bytes, (gsize)n); /* a replay */
  WAIT_FOR (get_stats (f).n_dropped[WHIP_FEED_DROP_SRTP] == 3);
  g_assert_cmpuint (get_stats (f).n_sender_reports, ==, 1);
  srtp_dealloc (sealer);
}

/* A sender that restarts again and again is heard each time. */
static void
test_srtp_sources (Fixture *f, gconstpointer data)
{
  const Options *options = data;
  srtp_t sealer = new_sealer (options->srtp_suite);

  for (int i = 0; i < RTC_SRTP_MAX_SSRCS + 3; i++)
    {
      if (i == RTC_SRTP_MAX_SSRCS) /* one too many, and not alone */
        {
          send_sealed (f, sealer, SSRC_B, 1, TRUE);
          WAIT_FOR (get_stats (f).n_dropped[WHIP_FEED_DROP_SRTP] == 1);
        }
      rtc_worker_advance_clock (f->worker, WHIP_FEEDER_COLLISION_US);
      send_sealed (f, sealer, SSRC_A + (guint)i, 1, TRUE);
      WAIT_PACKETS (f, i + 1);
    }
  g_assert_cmpuint (get_stats (f).n_dropped[WHIP_FEED_DROP_SRTP], ==, 1);
  srtp_dealloc (sealer);
}

static void
test_srtp_config (Fixture *f, gconstpointer data)
{
  WhipRtpConfig config = { 0 };

  g_assert_false (whip_rtp_config_set_srtp (&config, 64, CRYPTO));
  g_assert_false (whip_rtp_config_set_srtp (&config, 80, NULL));
  g_assert_false (whip_rtp_config_set_srtp (&config, 80, ""));
  g_assert_false (whip_rtp_config_set_srtp (&config, 80, "x"));
  g_assert_false (whip_rtp_config_set_srtp (&config, 80, CRYPTO "AAAA"));
  g_assert_cmpint (config.srtp, ==, RTC_SRTP_NONE);
  g_assert_true (whip_rtp_config_set_srtp (&config, 32, CRYPTO));
}

static void
test_places (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *group, *iface;
  } bad[] = { { "text", NULL },
              { "10.0.0.1", NULL },
              { "239.1.2.3", "nope0" },
              { "239.1.2.3", "192.0.2.1" },
              { NULL, "nope0" } };
  RtcUdpPlace place;

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (rtc_udp_place_parse (bad[i].group, bad[i].iface, 5004,
                                           &place, &error));
      g_assert_error (error, RTC_WORKER_ERROR, RTC_WORKER_ERROR_BIND);
    }
  g_assert_true (rtc_udp_place_parse ("", "", 5004, &place, NULL));
  g_assert_true (place.is_dual);
  g_assert_true (rtc_udp_place_parse (NULL, "lo", 5004, &place, NULL));
  g_assert_cmpuint (g_ntohl (place.address.in.sin_addr.s_addr), ==,
                    INADDR_LOOPBACK);
  g_assert_true (rtc_udp_place_parse ("ff12::1", "lo", 0, &place, NULL));
  g_assert_cmpuint (place.ifindex, !=, 0);
}

/* Without an address a port hears IPv4 and IPv6. */
static void
test_dual (Fixture *f, gconstpointer data)
{
  static const char *const hosts[] = { "127.0.0.1", "::1" };
  RtcUdpPlace place;
  int fd;

  g_assert_true (rtc_udp_place_parse (NULL, NULL, 0, &place, NULL));
  fd = rtc_udp_place_open (&place);
  g_assert_cmpint (fd, >=, 0);
  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    {
      guint8 byte = (guint8)i;
      RtcAddr to;
      int out;

      g_assert_true (
          rtc_addr_from_string (hosts[i], rtc_socket_get_port (fd), &to));
      out = socket (to.sa.sa_family, SOCK_DGRAM, 0);
      if (out < 0)
        continue; /* a machine without IPv6 */
      if (sendto (out, &byte, 1, 0, &to.sa, sizeof to) == 1)
        while (recv (fd, &byte, 1, MSG_DONTWAIT) != 1)
          g_thread_yield ();
      g_assert_cmpuint (byte, ==, i);
      close (out);
    }
  close (fd);
}

static void
test_multicast (Fixture *f, gconstpointer data)
{
  const Options *options = data;
  guint port = whip_rtp_input_get_port (f->input, RTC_MEDIA_VIDEO);
  struct in_addr lo = { g_htonl (INADDR_LOOPBACK) };
  guint8 p[RTP_BYTES];
  RtcAddr to;

  setsockopt (f->fd, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof lo);
  write_rtp (p, VIDEO_PT, SSRC_A, 1, TRUE);
  g_assert_true (rtc_addr_from_string ("127.0.0.1", port, &to));
  /* to the port, but not to the group: not ours (the kernel may say so) */
  (void)!sendto (f->fd, p, sizeof p, 0, &to.sa, sizeof to.in);
  g_assert_true (rtc_addr_from_string (options->group, port, &to));
  write_rtp (p, VIDEO_PT, SSRC_A, 2, TRUE);
  (void)!sendto (f->fd, p, sizeof p, 0, &to.sa, sizeof to.in);
  write_rtp (p, VIDEO_PT, SSRC_A, 3, FALSE);
  while (get_stats (f).n_packets[RTC_MEDIA_VIDEO] < 2)
    {
      /* the first may meet the error that the wrong one left */
      (void)!sendto (f->fd, p, sizeof p, 0, &to.sa, sizeof to.in);
      wait_a_little ();
    }
  WAIT_PACKETS (f, 2);
}

int
main (int argc, char **argv)
{
  static const Test tests[] = {
    { "/whip/rtp-options/disabled", test_disabled, { 0 } },
    { "/whip/rtp-options/taken", test_taken, { 0 } },
    { "/whip/rtp-options/capture-time", test_capture_time, { 0 } },
    { "/whip/rtp-options/collision-time",
      test_collision_time,
      { .collision_us = COLLISION_US } },
    { "/whip/rtp-options/rtcp-port", test_rtcp_port, { .has_rtcp = TRUE } },
    { "/whip/rtp-options/srtp-80", test_srtp, { .srtp_suite = 80 } },
    { "/whip/rtp-options/srtp-32", test_srtp, { .srtp_suite = 32 } },
    { "/whip/rtp-options/srtp-sources",
      test_srtp_sources,
      { .srtp_suite = 80 } },
    { "/whip/rtp-options/srtp-config", test_srtp_config, { 0 } },
    { "/whip/rtp-options/places", test_places, { 0 } },
    { "/whip/rtp-options/dual", test_dual, { 0 } },
    { "/whip/rtp-options/multicast", test_multicast, { .group = "239.1.2.3" } },
  };

  return run_tests (argc, argv, tests, G_N_ELEMENTS (tests));
}
