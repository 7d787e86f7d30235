/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-replay: a fixed stream through the node's own packet path, for
 * tests/perf to count instructions: a real worker, stream, publication and
 * N_VIEWERS real viewers. Only their handshakes are left out: keys and paths
 * are put into their transports. Bursts come on a virtual clock; the replay is
 * one piece of mail on the worker's thread, so that no timer runs within it.
 * Callgrind collects in replay_count() only.
 * Prints "packets N messages N": what left in that time. Exit status 77: the
 * kernel has no GSO, the count would be another's.
 */
#include "base/clock.h"
#include "egress/viewer.h"
#include "relay/hub.h"
#include "rtc/transport-private.h"

#include <stdio.h>
#include <unistd.h>

#define N_VIEWERS 50
#define EXIT_SKIPPED 77
/* 2.5 Mbit/s at 30 frames/s: frames of 9 packets, some bytes more or less */
#define FRAME_US (BASE_US_PER_S / 30)
#define AUDIO_US (20 * BASE_US_PER_MS)
#define FRAME_PACKETS 9
#define KEYFRAME_PACKETS 27
#define GOP_FRAMES 60
#define MAX_PAYLOAD_BYTES 1170
#define AUDIO_BYTES 80 /* and up to 80 more */
/* the history is full before anybody joins, and joins are over before the
 * count begins */
#define FILL_US (12 * BASE_US_PER_S + 100 * BASE_US_PER_MS)
#define JOINED_US (FILL_US + 400 * BASE_US_PER_MS)
#define END_US (JOINED_US + 4 * BASE_US_PER_S)
/* ahead of the worker's own clock, however slow this runs */
#define CLOCK_AHEAD_US (3600 * BASE_US_PER_S)

typedef struct
{
  RtcWorker *worker;
  RelayHub *hub;
  RelayStream *stream; /* one reference */
  RelayPublication *publication;
  EgressViewer *viewers[N_VIEWERS];
  int fds[N_VIEWERS]; /* owned; nobody reads them */
  RtcPath paths[N_VIEWERS];
  guint n_closed;   /* main */
  gboolean is_done; /* main */
  guint64 n_expected, n_packets, n_messages, n_dropped;

  gint64 begin_us, next_frame_us, next_audio_us; /* media, as all below */
  guint n_frames, n_pushed;
  guint16 seqs[RTC_MEDIA_N_KINDS];
  guint32 random;
  guint8 payload[MAX_PAYLOAD_BYTES];
} Replay;

/* --- the stream ---------------------------------------------------------- */

static guint32
next_random (Replay *self)
{
  self->random = self->random * 1664525 + 1013904223;
  return self->random >> 8;
}

static void
push (Replay *self, RtcMediaKind kind, gint64 at_us, gboolean marker,
      guint n_bytes)
{
  guint32 clock_hz = kind == RTC_MEDIA_AUDIO ? 48000 : 90000;

  relay_publication_push (self->publication, kind, self->seqs[kind]++,
                          (guint32)(at_us * clock_hz / BASE_US_PER_S), marker,
                          NULL, 0, self->payload, n_bytes, FALSE,
                          self->begin_us + at_us);
  self->n_pushed++;
}

/* One frame as FU-A packets (RFC 6184 5.8), the last one shorter. */
static void
push_frame (Replay *self, gint64 at_us)
{
  gboolean is_key = self->n_frames++ % GOP_FRAMES == 0;
  guint n = is_key ? KEYFRAME_PACKETS : FRAME_PACKETS;

  self->payload[0] = 0x7c;
  for (guint i = 0; i < n; i++)
    {
      guint8 type = is_key ? 5 : 1;

      if (i == 0)
        type |= 0x80;
      if (i == n - 1)
        type |= 0x40;
      self->payload[1] = type;
      push (self, RTC_MEDIA_VIDEO, at_us, i == n - 1,
            i < n - 1 ? MAX_PAYLOAD_BYTES
                      : 500 + next_random (self) % (MAX_PAYLOAD_BYTES - 500));
    }
}

/* Each wake-up is one turn; video and audio sometimes share it. */
static void
run_until (Replay *self, gint64 end_us)
{
  for (;;)
    {
      gint64 at_us = MIN (self->next_frame_us, self->next_audio_us);

      if (at_us >= end_us)
        return;
      if (self->next_frame_us <= at_us + BASE_US_PER_MS)
        {
          push_frame (self, at_us);
          self->next_frame_us += FRAME_US;
        }
      if (self->next_audio_us <= at_us + BASE_US_PER_MS)
        {
          push (self, RTC_MEDIA_AUDIO, at_us, TRUE,
                AUDIO_BYTES + next_random (self) % AUDIO_BYTES);
          self->next_audio_us += AUDIO_US;
        }
      rtc_worker_end_turn (self->worker);
    }
}

/* --- mail: on the worker's thread ---------------------------------------- */

/* What a handshake leaves behind. */
static void
connect_transport (RtcTransport *transport, const RtcPath *path, gint64 now_us)
{
  const RtcSrtpKey key = { .key = { 1, 2, 3 }, .salt = { 4, 5, 6 } };

  transport->srtp = rtc_srtp_new (RTC_SRTP_AEAD_AES_128_GCM, &key, &key);
  transport->srtp_out = rtc_srtp_out_new (RTC_SRTP_AEAD_AES_128_GCM, &key);
  /* the worker's clock never gets there: it is not timed out */
  transport->stats.first_check_us = transport->stats.last_consent_us = now_us;
  rtc_transport_set_path (transport, path);
  transport->callbacks.on_connected (transport, transport->data);
}

static void
replay_prepare (gpointer data)
{
  Replay *self = data;
  GList *link = rtc_worker_get_transports (self->worker)->head;

  self->begin_us = base_clock_now_us () + CLOCK_AHEAD_US;
  relay_publication_begin (self->publication);
  run_until (self, FILL_US);
  for (guint i = 0; i < N_VIEWERS; i++, link = link->next)
    connect_transport (link->data, &self->paths[i], self->begin_us);
  run_until (self, JOINED_US);
}

static guint64
count_dropped (const RtcBatchStats *stats)
{
  return stats->n_dropped_again + stats->n_dropped_error + stats->n_dropped_tcp;
}

/* Named in tests/perf: only ever called as mail, so it keeps its name. */
static void
replay_count (gpointer data)
{
  Replay *self = data;
  const RtcBatchStats *stats =
      rtc_batch_get_stats (rtc_worker_get_batch (self->worker));
  RtcBatchStats before = *stats;
  guint n_pushed = self->n_pushed;

  run_until (self, END_US);
  self->n_expected = (guint64)(self->n_pushed - n_pushed) * N_VIEWERS;
  self->n_packets = stats->n_packets - before.n_packets;
  self->n_messages = stats->n_messages - before.n_messages;
  self->n_dropped = count_dropped (stats) - count_dropped (&before);
}

static void
done_arrive (gpointer data)
{
  ((Replay *)data)->is_done = TRUE;
}

static void
replay_end (gpointer data)
{
  Replay *self = data;

  relay_publication_end (self->publication);
  base_mailbox_post (base_mailbox_get_main (), done_arrive, self, NULL);
}

/* --- main ---------------------------------------------------------------- */

static void
on_keyframe_wanted (gpointer data)
{
}

static void
on_replaced (gpointer data)
{
}

static void
on_connected (EgressViewer *viewer, gpointer data)
{
}

static void
on_closed (EgressViewer *viewer, RtcCloseReason reason, gpointer data)
{
  ((Replay *)data)->n_closed++;
}

static void
open_receiver (int *fd, RtcPath *path)
{
  struct sockaddr_in address = { .sin_family = AF_INET };
  socklen_t len = sizeof address;

  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  *fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (*fd < 0 || bind (*fd, (struct sockaddr *)&address, len) != 0
      || getsockname (*fd, (struct sockaddr *)&address, &len) != 0)
    g_error ("no UDP socket on 127.0.0.1");
  path->remote.in = address;
  path->local.in = address.sin_addr;
}

static EgressViewer *
make_viewer (Replay *self, guint index)
{
  static const EgressViewerCallbacks callbacks = { .on_connected = on_connected,
                                                   .on_closed = on_closed };
  g_autofree char *ufrag = rtc_transport_make_ufrag ();
  g_autofree char *pwd = rtc_transport_make_pwd ();
  EgressViewerParams params = {
    .sources = { .audio = self->stream,
                 .video = { self->stream },
                 .n_video = 1 },
    .layers = EGRESS_LAYERS_DEFAULT,
    .worker = self->worker,
    .transport = { .id = "replay",
                   .local_ufrag = ufrag,
                   .local_pwd = pwd,
                   .remote_ufrag = "remote",
                   .remote_pwd = "remote",
                   .fingerprint_hash = "sha-256",
                   .fingerprint = "" },
    .cname = "replay",
    .repair = TRUE,
    .join_rate_bps = 10 * 1000 * 1000,
    .playout_delay_min_ms = -1,
    .playout_delay_max_ms = -1,
  };

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      params.tracks[k].is_active = TRUE;
      params.tracks[k].pt = (guint8)(96 + k);
      params.tracks[k].rtx_pt = -1;
      params.tracks[k].ssrc = index * RTC_MEDIA_N_KINDS + k + 1;
    }
  return egress_viewer_new (&params, &callbacks, self);
}

static void
set_up (Replay *self, RtcCertificate *certificate, BaseMetrics *metrics)
{
  static const RelayPublicationCallbacks callbacks = { on_keyframe_wanted,
                                                       on_replaced };
  RelayStreamInfo info = { 0 };
  g_autoptr (GError) error = NULL;

  self->worker = rtc_worker_new (0, 0, certificate, metrics, &error);
  if (self->worker == NULL)
    g_error ("%s", error->message);
  egress_viewer_register_metrics (metrics);
  self->hub = relay_hub_new (&self->worker, 1, 0, metrics);
  self->stream =
      relay_stream_ref (relay_hub_ensure (self->hub, "replay", NULL));
  info.tracks[RTC_MEDIA_AUDIO].is_present = TRUE;
  info.tracks[RTC_MEDIA_AUDIO].codec = RTC_CODEC_OPUS;
  info.tracks[RTC_MEDIA_VIDEO].is_present = TRUE;
  info.tracks[RTC_MEDIA_VIDEO].codec = RTC_CODEC_H264;
  self->publication = relay_stream_add_publication (self->stream, &info,
                                                    &callbacks, self, NULL);
  for (guint i = 0; i < N_VIEWERS; i++)
    {
      open_receiver (&self->fds[i], &self->paths[i]);
      self->viewers[i] = make_viewer (self, i);
      egress_viewer_start (self->viewers[i]);
    }
}

static void
tear_down (Replay *self)
{
  for (guint i = 0; i < N_VIEWERS; i++)
    egress_viewer_close (self->viewers[i], RTC_CLOSE_LOCAL);
  while (self->n_closed < N_VIEWERS)
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 0; i < N_VIEWERS; i++)
    {
      egress_viewer_unref (self->viewers[i]);
      close (self->fds[i]);
    }
  relay_publication_unref (self->publication);
  relay_stream_unref (self->stream);
  rtc_worker_stop (self->worker);
  rtc_worker_free (self->worker);
  relay_hub_free (self->hub);
}

int
main (void)
{
  g_autoptr (GError) error = NULL;
  RtcCertificate *certificate = rtc_certificate_new (&error);
  g_autoptr (BaseMetrics) metrics = base_metrics_new ();
  Replay self = { .random = 1 };

  if (certificate == NULL)
    g_error ("%s", error->message);
  set_up (&self, certificate, metrics);
  rtc_worker_post (self.worker, replay_prepare, &self, NULL);
  rtc_worker_post (self.worker, replay_count, &self, NULL);
  rtc_worker_post (self.worker, replay_end, &self, NULL);
  while (!self.is_done)
    g_main_context_iteration (NULL, TRUE);
  tear_down (&self);
  rtc_certificate_unref (certificate);
  printf ("packets %" G_GUINT64_FORMAT " messages %" G_GUINT64_FORMAT "\n",
          self.n_packets, self.n_messages);
  if (self.n_packets != self.n_expected || self.n_dropped > 0)
    {
      fprintf (stderr,
               "bench-replay: %" G_GUINT64_FORMAT " packets expected, "
               "%" G_GUINT64_FORMAT " dropped\n",
               self.n_expected, self.n_dropped);
      return 1;
    }
  return self.n_messages == self.n_packets ? EXIT_SKIPPED : 0;
}
