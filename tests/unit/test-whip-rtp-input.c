/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/input and whip/rtp-input on a real worker: plain RTP by loopback UDP
 * arrives at a receiver of the stream; silence and sources by a clock that is
 * moved. */
#include "whip/rtp-input.h"

#include <gst/gst.h>
#include <unistd.h>

#include "relay/feed.h"
#include "rtc/dtls.h"
#include "rtc/input.h"
#include "rtc/rtcp.h"
#include "rtc/worker-private.h"

#define VIDEO_PT 96
#define AUDIO_PT 111
#define SSRC_A 0xaaaa0001
#define SSRC_B 0xbbbb0001

typedef struct
{
  RelayReceiver base;
  gint n_packets, n_keyframes; /* atomic */
  guint64 last_seq;            /* of video; media */
  gint has_gap;
} Receiver;

typedef struct
{
  RtcCertificate *certificate;
  RtcWorker *worker;
  RelayHub *hub;
  WhipRtpInput *input;
  RelayStream *stream;
  Receiver receiver;
  int fd;
  gint n_live, n_idle;
} Fixture;

#define WAIT_FOR(condition)                                                    \
  while (!(condition))                                                         \
  g_main_context_iteration (NULL, FALSE)

static void
on_event (RelayHub *hub, RelayStream *stream, RelayHubEvent event,
          gpointer data)
{
  Fixture *f = data;

  f->n_live += event == RELAY_HUB_LIVE;
  f->n_idle += event == RELAY_HUB_IDLE;
}

static void
receiver_on_packets (RelayReceiver *base, RelayFeed *feed, guint64 from,
                     guint64 to)
{
  Receiver *self = (Receiver *)base;

  for (guint64 pos = from; pos < to; pos++)
    {
      const RelayPacket *packet = relay_feed_at (feed, pos);

      if (packet->kind != RTC_MEDIA_VIDEO)
        continue;
      if (self->last_seq != 0 && packet->ext_seq != self->last_seq + 1)
        g_atomic_int_set (&self->has_gap, 1);
      self->last_seq = packet->ext_seq;
      if (packet->flags & RELAY_PACKET_KEYFRAME)
        g_atomic_int_inc (&self->n_keyframes);
    }
  g_atomic_int_add (&self->n_packets, (int)(to - from));
}

static void
receiver_on_time (RelayReceiver *base, RelayFeed *feed, gint64 now_us)
{
}

typedef struct
{
  BaseMailFunc func;
  gpointer data;
  gint done;
} Call;

static void
call_run (gpointer data)
{
  Call *call = data;

  call->func (call->data);
  g_atomic_int_set (&call->done, 1);
}

static void
call_on (RtcWorker *worker, BaseMailFunc func, gpointer data)
{
  Call call = { func, data, 0 };

  rtc_worker_post (worker, call_run, &call, NULL);
  WAIT_FOR (g_atomic_int_get (&call.done));
}

/* --- the stream, its input, its receiver --------------------------------- */

static void
receiver_join (gpointer data)
{
  Fixture *f = data;

  relay_feed_add_receiver (relay_stream_get_feed (f->stream, f->worker),
                           &f->receiver.base);
}

static void
receiver_leave (gpointer data)
{
  Fixture *f = data;

  relay_feed_remove_receiver (relay_stream_get_feed (f->stream, f->worker),
                              &f->receiver.base);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  WhipRtpConfig config = { .name = (char *)"cam" };
  g_autoptr (GError) error = NULL;

  f->certificate = rtc_certificate_new (&error);
  f->worker = rtc_worker_new (0, 0, f->certificate, NULL, &error);
  g_assert_no_error (error);
  f->hub = relay_hub_new (&f->worker, 1, 0, NULL);
  relay_hub_add_listener (f->hub, on_event, f);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      WhipRtpTrack *track = &config.tracks[k];

      track->info.is_present = TRUE;
      track->info.codec = k == RTC_MEDIA_VIDEO ? RTC_CODEC_VP8 : RTC_CODEC_OPUS;
      track->pt = k == RTC_MEDIA_VIDEO ? VIDEO_PT : AUDIO_PT;
      g_assert_true (rtc_addr_from_string ("127.0.0.1", 0, &track->address));
    }
  f->input = whip_rtp_input_new (f->hub, &config, &error);
  g_assert_no_error (error);
  f->stream = relay_stream_ref (relay_hub_lookup (f->hub, "cam"));
  f->receiver.base.on_packets = receiver_on_packets;
  f->receiver.base.on_tick = f->receiver.base.on_pace = receiver_on_time;
  call_on (f->worker, receiver_join, f);
  f->fd = socket (AF_INET, SOCK_DGRAM, 0);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  close (f->fd);
  call_on (f->worker, receiver_leave, f);
  if (f->input)
    whip_rtp_input_free (f->input);
  relay_stream_unref (f->stream);
  rtc_worker_free (f->worker);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  relay_hub_free (f->hub);
  base_mailbox_clear_main ();
  rtc_certificate_unref (f->certificate);
}

/* --- a sender of VP8 ------------------------------------------------------ */

static void
send_bytes (Fixture *f, RtcMediaKind kind, const void *data, gsize len)
{
  RtcAddr to;

  g_assert_true (rtc_addr_from_string (
      "127.0.0.1", whip_rtp_input_get_port (f->input, kind), &to));
  g_assert_cmpint (sendto (f->fd, data, len, 0, &to.sa, sizeof to.in), ==,
                   (gssize)len);
}

static void
send_rtp (Fixture *f, RtcMediaKind kind, guint8 pt, guint32 ssrc, guint16 seq,
          gboolean is_key)
{
  guint8 p[60] = { 0x80, pt | 0x80 };

  p[2] = (guint8)(seq >> 8);
  p[3] = (guint8)seq;
  p[6] = (guint8)(seq >> 4); /* some timestamp that grows */
  p[7] = (guint8)(seq << 4);
  for (guint i = 0; i < 4; i++)
    p[8 + i] = (guint8)(ssrc >> (24 - 8 * i));
  p[12] = 0x10;
  p[13] = is_key ? 0x00 : 0x01;
  send_bytes (f, kind, p, sizeof p);
}

static void
send_video (Fixture *f, guint32 ssrc, guint16 seq, gboolean is_key)
{
  send_rtp (f, RTC_MEDIA_VIDEO, VIDEO_PT, ssrc, seq, is_key);
}

static WhipRtpInputStats
get_stats (Fixture *f)
{
  WhipRtpInputStats stats;

  whip_rtp_input_get_stats (f->input, &stats);
  return stats;
}

#define WAIT_PACKETS(f, n)                                                     \
  WAIT_FOR (g_atomic_int_get (&(f)->receiver.n_packets) >= (n))

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
  WAIT_FOR (get_stats (f).n_dropped[WHIP_RTP_DROP_MALFORMED] == 2);
  g_assert_cmpuint (get_stats (f).n_dropped[WHIP_RTP_DROP_PAYLOAD_TYPE], ==, 2);
  g_assert_false (relay_stream_is_live (f->stream));
  send_video (f, SSRC_A, 1, TRUE);
  send_video (f, SSRC_A, 2, FALSE);
  send_video (f, SSRC_A, 2, FALSE);
  WAIT_FOR (get_stats (f).n_dropped[WHIP_RTP_DROP_DUPLICATE] == 1);
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
  g_assert_cmpuint (get_stats (f).n_dropped[WHIP_RTP_DROP_OTHER_SOURCE], ==, 1);
  rtc_worker_advance_clock (f->worker, WHIP_RTP_INPUT_SOURCE_US);
  send_video (f, SSRC_B, 40001, FALSE); /* held back: no keyframe yet */
  send_video (f, SSRC_B, 40002, TRUE);
  send_video (f, SSRC_B, 40003, FALSE);
  WAIT_PACKETS (f, 4);
  g_assert_cmpint (g_atomic_int_get (&f->receiver.has_gap), ==, 0);
  g_assert_cmpuint (get_stats (f).n_sources[RTC_MEDIA_VIDEO], ==, 2);
  WAIT_FOR (f->n_live == 1);
}

static void
on_nothing (gpointer data)
{
}

static void
test_silence (Fixture *f, gconstpointer data)
{
  for (int round = 1; round <= 3; round++)
    {
      send_video (f, SSRC_A, (guint16)(round * 10), TRUE);
      WAIT_FOR (f->n_live == round);
      WAIT_PACKETS (f, round);
      rtc_worker_advance_clock (f->worker, WHIP_RTP_INPUT_IDLE_US);
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
  WAIT_FOR (get_stats (f).n_dropped[WHIP_RTP_DROP_REPLACED] == 1);
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
      &track->address));
  g_assert_null (whip_rtp_input_new (f->hub, &config, &error));
  g_assert_error (error, RTC_WORKER_ERROR, RTC_WORKER_ERROR_BIND);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*func) (Fixture *, gconstpointer);
  } tests[] = {
    { "/whip/rtp-input/live", test_live },
    { "/whip/rtp-input/drops", test_drops },
    { "/whip/rtp-input/sources", test_sources },
    { "/whip/rtp-input/silence", test_silence },
    { "/whip/rtp-input/replaced", test_replaced },
    { "/whip/rtp-input/sender-report", test_sender_report },
    { "/whip/rtp-input/port-taken", test_port_taken },
  };

  g_test_init (&argc, &argv, NULL);
  gst_init (NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].func, tear_down);
  return g_test_run ();
}
