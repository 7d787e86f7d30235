/* SPDX-License-Identifier: Apache-2.0 */
/* A worker, a hub, an input of plain RTP and a receiver of its stream, for the
 * tests of whip/rtp-input. */
#pragma once

#include "whip/rtp-input.h"

#include <gst/gst.h>
#include <unistd.h>

#include "relay/feed.h"
#include "rtc/dtls.h"
#include "rtc/input.h"
#include "rtc/rtcp.h"
#include "rtc/worker-private.h"
#include "wait.h"
#include "wait.h"

#define VIDEO_PT 96
#define AUDIO_PT 111
#define SSRC_A 0xaaaa0001
#define SSRC_B 0xbbbb0001

#define CRYPTO "WbTBosdVUZqEb6Htqhn+m3z7wUh4RJVR8nE15GbN"
#define CAPTURE_TIME_ID 7
#define COLLISION_US (G_USEC_PER_SEC / 2)

/* what is not as usual with the input */
typedef struct
{
  gint64 collision_us;
  int srtp_suite;
  gboolean has_rtcp;
  const char *group; /* of video */
} Options;

typedef struct
{
  RelayReceiver base;
  guint8 ext[64]; /* of the last packet of video; media */
  guint ext_len;
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
      self->ext_len = packet->ext_len;
      memcpy (self->ext, relay_packet_get_ext (packet),
              MIN (packet->ext_len, sizeof self->ext));
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
  const Options *options = data;
  WhipRtpConfig config = { .name = (char *)"cam",
                           .capture_time_id = CAPTURE_TIME_ID,
                           .collision_us = options->collision_us };
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
      g_assert_true (
          rtc_udp_place_parse (k == RTC_MEDIA_VIDEO ? options->group : NULL,
                               "127.0.0.1", 0, &track->place, &error));
      track->has_rtcp = options->has_rtcp;
    }
  if (options->srtp_suite)
    g_assert_true (
        whip_rtp_config_set_srtp (&config, options->srtp_suite, CRYPTO));
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

#define RTP_BYTES 60
static void
write_rtp (guint8 p[RTP_BYTES], guint8 pt, guint32 ssrc, guint16 seq,
           gboolean is_key)
{
  memset (p, 0, RTP_BYTES);
  p[0] = 0x80;
  p[1] = pt | 0x80;
  p[2] = (guint8)(seq >> 8);
  p[3] = (guint8)seq;
  p[6] = (guint8)(seq >> 4); /* some timestamp that grows */
  p[7] = (guint8)(seq << 4);
  for (guint i = 0; i < 4; i++)
    p[8 + i] = (guint8)(ssrc >> (24 - 8 * i));
  p[12] = 0x10;
  p[13] = is_key ? 0x00 : 0x01;
}

static void
send_rtp (Fixture *f, RtcMediaKind kind, guint8 pt, guint32 ssrc, guint16 seq,
          gboolean is_key)
{
  guint8 p[RTP_BYTES];

  write_rtp (p, pt, ssrc, seq, is_key);
  send_bytes (f, kind, p, sizeof p);
}

static void
send_video (Fixture *f, guint32 ssrc, guint16 seq, gboolean is_key)
{
  send_rtp (f, RTC_MEDIA_VIDEO, VIDEO_PT, ssrc, seq, is_key);
}

static WhipFeederStats
get_stats (Fixture *f)
{
  WhipFeederStats stats;

  whip_feeder_get_stats (whip_rtp_input_get_feeder (f->input), &stats);
  return stats;
}

#define WAIT_PACKETS(f, n)                                                     \
  WAIT_FOR (g_atomic_int_get (&(f)->receiver.n_packets) >= (n))

static void
on_nothing (gpointer data)
{
}

typedef struct
{
  const char *path;
  void (*func) (Fixture *, gconstpointer);
  Options options;
} Test;

static int
run_tests (int argc, char **argv, const Test *tests, guint n_tests)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (NULL, NULL);
  for (guint i = 0; i < n_tests; i++)
    g_test_add (tests[i].path, Fixture, &tests[i].options, set_up,
                tests[i].func, tear_down);
  return g_test_run ();
}
