/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ViewerFixture: one EgressViewer on a real worker, fed by streams of this and
 * of another worker that the test publishes on a clock of its own; a handshake
 * is left out (keys and path are put into the transport), what he gets is read
 * from a socket and opened. What is done "on media" is mail to a worker, waited
 * for, and for what it makes the workers write to each other.
 */
#pragma once

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "egress/viewer.h"
#include "relay/hub.h"
#include "rtc/rtp.h"
#include "rtc/transport-private.h"
#include "rtc/worker-private.h"

#define VIEWER_STREAMS 3
#define VIEWER_WORKERS 2
#define VIEWER_MAX_GOT 4096
#define VIEWER_WAIT_US (10 * G_USEC_PER_SEC)
#define VIEWER_SSRC(kind) (100u + (kind))
#define VIEWER_RTX_SSRC 200u
#define VIEWER_PT(kind) (96u + (kind))
#define VIEWER_RTX_PT 120
#define FRAME_US (BASE_US_PER_S / 30)

/* what he got */
typedef struct
{
  guint16 seq;
  guint32 rtp_ts, ssrc;
  guint8 pt, payload[32]; /* its first bytes */
  guint len;
  gboolean marker;
} ViewerGot;

typedef struct _ViewerFixture ViewerFixture;

/* a stream and its publisher */
typedef struct
{
  ViewerFixture *f;
  RelayStream *stream;
  RelayPublication *publication;
  guint16 seqs[RTC_MEDIA_N_KINDS];
  guint16 picture_id;
  guint8 tl0;
  guint32 ts_base;
  gint64 at_us; /* of the next frame */
} ViewerSource;

struct _ViewerFixture
{
  RtcCertificate *certificate;
  BaseMetrics *metrics;
  RtcWorker *workers[VIEWER_WORKERS];
  RtcWorker *worker, *running; /* borrowed: his; where mail is run */
  RelayHub *hub;
  ViewerSource sources[VIEWER_STREAMS];
  EgressViewer *viewer;
  RtcTransport *transport; /* borrowed */
  RtcCodec codec;
  int fd;
  RtcPath path;
  RtcSrtp *in;
  ViewerGot got[VIEWER_MAX_GOT];
  guint n_got;
  gboolean is_closed;
  EgressLayers layers; /* as last told */
  guint n_layers;
  guint n_slow; /* packets he missed, as last told */
  /* mail */
  GMutex lock;
  GCond cond;
  gboolean is_done;
  void (*run) (ViewerFixture *f, gpointer data);
  gpointer run_data;
};

static inline void
viewer_mail (gpointer data)
{
  ViewerFixture *f = data;

  f->run (f, f->run_data);
  rtc_worker_end_turn (f->running);
  g_mutex_lock (&f->lock);
  f->is_done = TRUE;
  g_cond_signal (&f->cond);
  g_mutex_unlock (&f->lock);
}

/* viewer_run: runs @func on @worker's thread, after all that was posted to it
 * before, and ends its turn */
static inline void
viewer_run (ViewerFixture *f, RtcWorker *worker,
            void (*func) (ViewerFixture *f, gpointer data), gpointer data)
{
  f->run = func;
  f->run_data = data;
  f->running = worker;
  f->is_done = FALSE;
  rtc_worker_post (worker, viewer_mail, f, NULL);
  g_mutex_lock (&f->lock);
  while (!f->is_done)
    g_cond_wait (&f->cond, &f->lock);
  g_mutex_unlock (&f->lock);
}

static inline void
viewer_nothing (ViewerFixture *f, gpointer data)
{
}

/* viewer_media: as above, on his; then what follows from it: a subscription
 * goes there, a burst comes back */
static inline void
viewer_media (ViewerFixture *f, void (*func) (ViewerFixture *f, gpointer data),
              gpointer data)
{
  viewer_run (f, f->worker, func, data);
  for (guint i = 0; i < VIEWER_WORKERS; i++)
    viewer_run (f, f->workers[i], viewer_nothing, NULL);
  viewer_run (f, f->worker, viewer_nothing, NULL);
}

/* viewer_home: on that of @source; he has what he gets by it */
static inline void
viewer_home (ViewerFixture *f, guint source,
             void (*func) (ViewerFixture *f, gpointer data), gpointer data)
{
  viewer_run (f, relay_stream_get_home (f->sources[source].stream), func, data);
  viewer_media (f, viewer_nothing, NULL);
}

/* --- publishing ----------------------------------------------------------- */

static inline void
viewer_push (ViewerSource *s, RtcMediaKind kind, gboolean marker,
             const guint8 *payload, guint len)
{
  guint32 clock_hz = kind == RTC_MEDIA_AUDIO ? 48000 : 90000;

  relay_publication_push (s->publication, kind, s->seqs[kind]++,
                          s->ts_base
                              + (guint32)(s->at_us * clock_hz / BASE_US_PER_S),
                          marker, NULL, 0, payload, len, FALSE, s->at_us);
}

/* A VP8 frame of two packets, with picture id and layers; or an H264 one. */
static inline void
viewer_push_frame (ViewerSource *s, gboolean is_key, guint temporal_id,
                   gboolean is_sync)
{
  guint8 vp8[32] = { 0x90, 0xe0 };
  guint8 h264[32] = { 0x7c, 0x81 };

  vp8[2] = (guint8)(0x80 | s->picture_id >> 8);
  vp8[3] = (guint8)s->picture_id;
  s->tl0 = (guint8)(s->tl0 + (temporal_id == 0));
  vp8[4] = s->tl0;
  vp8[5] = (guint8)(temporal_id << 6 | (is_sync ? 0x20 : 0));
  vp8[6] = is_key ? 0 : 1;
  h264[1] = is_key ? 0x85 : 0x81;
  if (s->f->codec == RTC_CODEC_VP8)
    {
      viewer_push (s, RTC_MEDIA_VIDEO, FALSE, vp8, sizeof vp8);
      vp8[0] = 0x80;
      viewer_push (s, RTC_MEDIA_VIDEO, TRUE, vp8, sizeof vp8);
    }
  else
    {
      viewer_push (s, RTC_MEDIA_VIDEO, FALSE, h264, sizeof h264);
      h264[1] = is_key ? 0x45 : 0x41;
      viewer_push (s, RTC_MEDIA_VIDEO, TRUE, h264, sizeof h264);
    }
  viewer_push (s, RTC_MEDIA_AUDIO, TRUE, (const guint8 *)"opus", 4);
  s->picture_id = (guint16)((s->picture_id + 1) & 0x7fff);
  s->at_us += FRAME_US;
}

typedef struct
{
  ViewerSource *source;
  guint n_frames;
  gboolean is_key; /* the first */
} ViewerFrames;

static inline void
viewer_push_frames (ViewerFixture *f, gpointer data)
{
  const ViewerFrames *frames = data;

  for (guint i = 0; i < frames->n_frames; i++)
    viewer_push_frame (frames->source, frames->is_key && i == 0, 0, FALSE);
}

/* viewer_gop: @n frames, the first of them a keyframe; the last is at @end_us
 * or, 0, goes on from the last */
static inline void
viewer_gop (ViewerFixture *f, guint source, guint n, gint64 end_us)
{
  ViewerFrames frames = { &f->sources[source], n, TRUE };

  if (end_us != 0)
    f->sources[source].at_us = end_us - (n - 1) * FRAME_US;
  viewer_home (f, source, viewer_push_frames, &frames);
}

static inline void
viewer_deltas (ViewerFixture *f, guint source, guint n)
{
  ViewerFrames frames = { &f->sources[source], n, FALSE };

  viewer_home (f, source, viewer_push_frames, &frames);
}

/* --- what he gets --------------------------------------------------------- */

/* viewer_receive: all that has come, over what came before.
 * Returns: how many packets */
static inline guint
viewer_receive (ViewerFixture *f)
{
  guint8 buf[2048];
  ssize_t n;

  f->n_got = 0;
  while ((n = recv (f->fd, buf, sizeof buf, MSG_DONTWAIT)) > 0)
    {
      ViewerGot *got = &f->got[f->n_got];
      gsize len = (gsize)n;
      RtcRtp rtp;

      if (buf[1] >= 192 && buf[1] < 224) /* a report */
        continue;
      g_assert_cmpuint (f->n_got++, <, VIEWER_MAX_GOT);
      g_assert_cmpint (rtc_srtp_open_rtp (f->in, buf, &len), ==, RTC_SRTP_OK);
      g_assert_true (rtc_rtp_parse (buf, len, &rtp));
      *got = (ViewerGot){ .seq = rtp.seq,
                          .rtp_ts = rtp.rtp_ts,
                          .ssrc = rtp.ssrc,
                          .pt = rtp.pt,
                          .len = rtp.payload_len,
                          .marker = rtp.marker };
      memcpy (got->payload, rtp.payload,
              MIN (rtp.payload_len, sizeof got->payload));
    }
  return f->n_got;
}

/* viewer_next: (nullable): the next packet of @ssrc after @last (NULL: the
 * first) */
static inline const ViewerGot *
viewer_next (ViewerFixture *f, guint32 ssrc, const ViewerGot *last)
{
  for (guint i = last ? (guint)(last - f->got) + 1 : 0; i < f->n_got; i++)
    if (f->got[i].ssrc == ssrc)
      return &f->got[i];
  return NULL;
}

static inline const ViewerGot *
viewer_last (ViewerFixture *f, guint32 ssrc)
{
  const ViewerGot *last = NULL, *next;

  while ((next = viewer_next (f, ssrc, last)) != NULL)
    last = next;
  return last;
}

static inline guint
viewer_count (ViewerFixture *f, guint32 ssrc)
{
  guint n = 0;

  for (const ViewerGot *got = NULL; (got = viewer_next (f, ssrc, got));)
    n++;
  return n;
}

/* --- the viewer ----------------------------------------------------------- */

static inline void
viewer_on_connected (EgressViewer *viewer, gpointer data)
{
}

static inline void
viewer_on_closed (EgressViewer *viewer, RtcCloseReason reason, gpointer data)
{
  ((ViewerFixture *)data)->is_closed = TRUE;
}

static inline void
viewer_on_layers (EgressViewer *viewer, const EgressLayers *now, gpointer data)
{
  ViewerFixture *f = data;

  f->layers = *now;
  f->n_layers++;
}

static inline void
viewer_on_slow_link (EgressViewer *viewer, RtcMediaKind kind, guint n_nacked,
                     gpointer data)
{
  g_assert_cmpint (kind, ==, RTC_MEDIA_VIDEO);
  ((ViewerFixture *)data)->n_slow = n_nacked;
}

static inline void
viewer_on_keyframe_wanted (gpointer data)
{
}

/* Its first step is to take the keys: see bench/replay.c. */
static inline void
viewer_do_connect (ViewerFixture *f, gpointer data)
{
  const RtcSrtpKey key = { .key = { 1, 2, 3 }, .salt = { 4, 5, 6 } };
  RtcTransport *transport = rtc_worker_get_transports (f->worker)->head->data;
  gint64 now_us = base_clock_now_us ();

  f->transport = transport;
  transport->srtp = rtc_srtp_new (RTC_SRTP_AEAD_AES_128_GCM, &key, &key);
  transport->srtp_out = rtc_srtp_out_new (RTC_SRTP_AEAD_AES_128_GCM, &key);
  transport->stats.first_check_us = transport->stats.last_consent_us = now_us;
  rtc_transport_set_path (transport, &f->path);
  transport->callbacks.on_connected (transport, transport->data);
}

static inline void
viewer_connect (ViewerFixture *f)
{
  for (guint i = 0; i < VIEWER_WORKERS; i++)
    if (rtc_worker_get_n_transports (f->workers[i]) > 0)
      f->worker = f->workers[i];
  viewer_media (f, viewer_do_connect, NULL);
}

static inline EgressSources
viewer_sources (ViewerFixture *f, guint index)
{
  RelayStream *stream = f->sources[index].stream;

  return (EgressSources){ .audio = stream, .video = { stream }, .n_video = 1 };
}

/* viewer_make: as yet without media */
static inline void
viewer_make (ViewerFixture *f, const EgressSources *sources, gboolean has_rtx)
{
  static const EgressViewerCallbacks callbacks = {
    .on_connected = viewer_on_connected,
    .on_closed = viewer_on_closed,
    .on_layers = viewer_on_layers,
    .on_slow_link = viewer_on_slow_link,
  };
  EgressViewerParams params = {
    .sources = *sources,
    .layers = EGRESS_LAYERS_DEFAULT,
    .worker = f->worker,
    .transport = { .id = "test",
                   .local_ufrag = "local",
                   .local_pwd = "local",
                   .remote_ufrag = "remote",
                   .remote_pwd = "remote",
                   .fingerprint_hash = "sha-256",
                   .fingerprint = "" },
    .cname = "test",
    .repair = TRUE,
    .join_rate_bps = 100 * 1000 * 1000,
    .playout_delay_min_ms = -1,
    .playout_delay_max_ms = -1,
  };

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    params.tracks[k] = (EgressViewerTrack){
      .is_active = TRUE,
      .codec = k == RTC_MEDIA_AUDIO ? RTC_CODEC_OPUS : f->codec,
      .pt = (guint8)VIEWER_PT (k),
      .rtx_pt = -1,
      .ssrc = VIEWER_SSRC (k),
    };
  if (has_rtx)
    {
      params.tracks[RTC_MEDIA_VIDEO].rtx_pt = VIEWER_RTX_PT;
      params.tracks[RTC_MEDIA_VIDEO].rtx_ssrc = VIEWER_RTX_SSRC;
    }
  f->viewer = egress_viewer_new (&params, &callbacks, f);
  egress_viewer_start (f->viewer);
}

/* --- life ----------------------------------------------------------------- */

static inline void
viewer_do_begin (ViewerFixture *f, gpointer publication)
{
  relay_publication_begin (publication);
}

static inline void
viewer_do_end (ViewerFixture *f, gpointer publication)
{
  relay_publication_end (publication);
}

static inline void
viewer_make_sources (ViewerFixture *f)
{
  static const RelayPublicationCallbacks callbacks = {
    viewer_on_keyframe_wanted, viewer_on_keyframe_wanted
  };
  RelayStreamInfo info = { 0 };

  info.tracks[RTC_MEDIA_AUDIO].is_present = TRUE;
  info.tracks[RTC_MEDIA_AUDIO].codec = RTC_CODEC_OPUS;
  info.tracks[RTC_MEDIA_VIDEO].is_present = TRUE;
  info.tracks[RTC_MEDIA_VIDEO].codec = f->codec;
  for (guint i = 0; i < VIEWER_STREAMS; i++)
    {
      ViewerSource *source = &f->sources[i];
      char name[] = { (char)('a' + i), 0 };

      source->f = f;
      source->ts_base = 0xfffff000u + i * 77777777u;
      source->picture_id = (guint16)(0x7ff0 + 100 * i);
      source->tl0 = (guint8)(250 + 50 * i);
      source->stream = relay_stream_ref (relay_hub_ensure (f->hub, name, NULL));
      source->publication = relay_stream_add_publication (source->stream, &info,
                                                          &callbacks, f, NULL);
      viewer_home (f, i, viewer_do_begin, source->publication);
    }
}

static inline void
viewer_set_up (ViewerFixture *f, gconstpointer codec)
{
  const RtcSrtpKey key = { .key = { 1, 2, 3 }, .salt = { 4, 5, 6 } };
  struct sockaddr_in address = { .sin_family = AF_INET };
  socklen_t len = sizeof address;
  g_autoptr (GError) error = NULL;

  g_mutex_init (&f->lock);
  g_cond_init (&f->cond);
  f->codec = (RtcCodec)GPOINTER_TO_INT (codec);
  f->certificate = rtc_certificate_new (&error);
  g_assert_no_error (error);
  f->metrics = base_metrics_new ();
  for (guint i = 0; i < VIEWER_WORKERS; i++)
    {
      f->workers[i] = rtc_worker_new (i, 0, f->certificate, f->metrics, &error);
      g_assert_no_error (error);
    }
  f->worker = f->workers[1];
  f->hub = relay_hub_new (f->workers, VIEWER_WORKERS, 0, f->metrics);
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  f->fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (f->fd, (struct sockaddr *)&address, len), ==, 0);
  g_assert_cmpint (getsockname (f->fd, (struct sockaddr *)&address, &len), ==,
                   0);
  g_assert_cmpint (setsockopt (f->fd, SOL_SOCKET, SO_RCVBUF, &(int){ 1 << 20 },
                               sizeof (int)),
                   ==, 0);
  f->path.remote.in = address;
  f->path.local.in = address.sin_addr;
  f->in = rtc_srtp_new (RTC_SRTP_AEAD_AES_128_GCM, &key, &key);
  viewer_make_sources (f);
}

static inline void
viewer_tear_down (ViewerFixture *f, gconstpointer data)
{
  if (f->viewer)
    egress_viewer_close (f->viewer, RTC_CLOSE_LOCAL);
  while (f->viewer && !f->is_closed)
    g_main_context_iteration (NULL, TRUE);
  g_clear_pointer (&f->viewer, egress_viewer_unref);
  for (guint i = 0; i < VIEWER_STREAMS; i++)
    {
      viewer_home (f, i, viewer_do_end, f->sources[i].publication);
      relay_publication_unref (f->sources[i].publication);
      relay_stream_unref (f->sources[i].stream);
    }
  for (guint i = 0; i < VIEWER_WORKERS; i++)
    rtc_worker_stop (f->workers[i]);
  for (guint i = 0; i < VIEWER_WORKERS; i++)
    rtc_worker_free (f->workers[i]);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  relay_hub_free (f->hub);
  rtc_srtp_free (f->in);
  close (f->fd);
  base_metrics_free (f->metrics);
  rtc_certificate_unref (f->certificate);
  g_cond_clear (&f->cond);
  g_mutex_clear (&f->lock);
}
