/* SPDX-License-Identifier: Apache-2.0 */
/* EgressViewer: its life, joins and RTCP; see viewer.h. The packet path is
 * egress/sender.c. */
#include "egress/viewer.h"

#include <string.h>

#include "base/clock.h"
#include "egress/log.h"
#include "egress/sender.h"
#include "rtc/rtcp.h"

/* a joiner's first packets leave at once, so that the picture is there */
#define JOIN_BURST_BYTES (256 * 1024)
/* older audio is not sent to a joiner: a player would keep what it gets before
 * its time as a delay of seconds */
#define JOIN_AUDIO_US (60 * BASE_US_PER_MS)
#define KEYFRAME_RETRY_US (500 * BASE_US_PER_MS)

typedef enum
{
  VIDEO_NONE,        /* audio only, or not connected */
  VIDEO_WAITING,     /* until a GOP begins at or after wait_pos */
  VIDEO_CATCHING_UP, /* cursor walks from a GOP's start to the head */
  VIDEO_LIVE,        /* cursor is the head */
} VideoState;

struct _EgressViewer
{
  RelayReceiver receiver; /* first: the feed calls with it */
  EgressSender sender;    /* the packet path's record */
  RelayFeed *feed;        /* media; borrowed, stream holds it */
  VideoState video;
  guint64 cursor;   /* VIDEO_CATCHING_UP */
  guint64 wait_pos; /* VIDEO_WAITING */
  gint64 tokens_bytes, paced_us;
  gint64 join_rate_bps;
  gint64 keyframe_asked_us;
  gboolean repair;

  gatomicrefcount ref;
  RelayStream *stream;             /* one reference */
  RtcWorker *worker;               /* borrowed */
  RtcTransport *transport;         /* one reference */
  EgressViewerCallbacks callbacks; /* run on main */
  gpointer data;
  char cname[24];
  RtcCloseReason close_reason;

  GMutex lock; /* guards published; held for a copy only */
  EgressViewerStats published;
  EgressViewerStats stats; /* media */
};

static struct
{
  BaseCounter *packets[RTC_MEDIA_N_KINDS], *bytes[RTC_MEDIA_N_KINDS];
  BaseCounter *nacked, *rtx, *rtx_refused, *plis, *frames_dropped;
  BaseCounter *bursts_cut;
} counters; /* set once before any viewer, then only read */

void
egress_viewer_register_metrics (BaseMetrics *metrics)
{
  static const char *const kinds[] = { "audio", "video" };

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      g_autofree char *label = base_metrics_label ("stream_type", kinds[k]);

      counters.packets[k] = base_metrics_add_counter (
          metrics, "media_tree_rtp_packets_sent_total", label,
          "RTP packets sent to viewers");
      counters.bytes[k] =
          base_metrics_add_counter (metrics, "media_tree_rtp_sent_bytes_total",
                                    label, "RTP payload bytes sent to viewers");
    }
  counters.nacked = base_metrics_add_counter (
      metrics, "media_tree_viewer_nacked_packets_total", NULL,
      "Packets that viewers asked for again");
  counters.rtx = base_metrics_add_counter (
      metrics, "media_tree_viewer_repaired_packets_total", NULL,
      "Packets sent again to viewers");
  counters.rtx_refused = base_metrics_add_counter (
      metrics, "media_tree_viewer_repair_failures_total", NULL,
      "Packets asked for that were not held or over the viewer's share");
  counters.plis = base_metrics_add_counter (
      metrics, "media_tree_viewer_keyframe_requests_total", NULL,
      "Keyframe requests from viewers");
  counters.frames_dropped = base_metrics_add_counter (
      metrics, "media_tree_viewer_congestion_drops_total", NULL,
      "Times a TCP viewer was cut to the next keyframe");
  counters.bursts_cut = base_metrics_add_counter (
      metrics, "media_tree_viewer_catch_up_cuts_total", NULL,
      "Times a joiner fell out of the history and started again");
}

/* --- video: from a GOP's start to live -------------------------------- */

static void
viewer_ask_keyframe (EgressViewer *self, gint64 now_us)
{
  if (self->keyframe_asked_us != 0
      && now_us - self->keyframe_asked_us < KEYFRAME_RETRY_US)
    return;
  self->keyframe_asked_us = now_us;
  relay_feed_request_keyframe (self->feed);
}

static void
viewer_wait (EgressViewer *self, guint64 pos)
{
  relay_feed_set_pacing (self->feed, &self->receiver, FALSE);
  self->video = VIDEO_WAITING;
  self->wait_pos = pos;
}

/* Sends video from the cursor while there are tokens; then live. */
static void
viewer_catch_up (EgressViewer *self)
{
  guint64 head = relay_feed_get_head (self->feed);

  if (self->cursor < relay_feed_get_tail (self->feed))
    {
      base_counter_add (counters.bursts_cut, 1);
      viewer_wait (self, self->cursor);
      return;
    }
  for (; self->cursor < head && self->tokens_bytes > 0; self->cursor++)
    {
      const RelayPacket *packet = relay_feed_at (self->feed, self->cursor);

      if (packet->kind == RTC_MEDIA_VIDEO)
        self->tokens_bytes -=
            (gint64)egress_sender_send (&self->sender, packet);
    }
  if (self->cursor < head)
    return;
  self->video = VIDEO_LIVE;
  relay_feed_set_pacing (self->feed, &self->receiver, FALSE);
}

/* The lowest sequence number of the frame that begins at @pos: reordering may
 * have put it behind another of its packets. */
static guint64
viewer_find_first (EgressViewer *self, guint64 pos, gboolean *ret_has_params)
{
  guint64 head = relay_feed_get_head (self->feed);
  guint64 first = G_MAXUINT64;
  guint32 rtp_ts = relay_feed_at (self->feed, pos)->rtp_ts;

  *ret_has_params = FALSE;
  for (; pos < head; pos++)
    {
      const RelayPacket *packet = relay_feed_at (self->feed, pos);

      if (packet->kind != RTC_MEDIA_VIDEO)
        continue;
      if (packet->rtp_ts != rtp_ts)
        break;
      first = MIN (first, packet->ext_seq);
      if (packet->flags & RELAY_PACKET_PARAMS)
        *ret_has_params = TRUE;
    }
  return first;
}

static void
viewer_start_video (EgressViewer *self, guint64 pos)
{
  gint64 now_us = rtc_worker_get_turn_us (self->worker);
  const RelayPacket *packet = relay_feed_at (self->feed, pos);
  gboolean has_params;
  guint64 first = viewer_find_first (self, pos, &has_params);
  guint params_len;
  const guint8 *params = relay_feed_get_params (self->feed, &params_len);

  egress_sender_start (&self->sender, RTC_MEDIA_VIDEO, first);
  if (!has_params && params != NULL)
    egress_sender_send_params (&self->sender, params, params_len,
                               packet->rtp_ts);
  if (self->stats.first_video_us == 0)
    self->stats.first_video_us = now_us;
  self->video = VIDEO_CATCHING_UP;
  self->cursor = pos;
  self->tokens_bytes = JOIN_BURST_BYTES;
  self->paced_us = now_us;
  viewer_catch_up (self);
  if (self->video == VIDEO_CATCHING_UP)
    relay_feed_set_pacing (self->feed, &self->receiver, TRUE);
}

static void
viewer_try_video (EgressViewer *self)
{
  guint64 gop = relay_feed_get_gop_start (self->feed);

  if (gop != RELAY_POS_NONE && gop >= self->wait_pos
      && gop < relay_feed_get_head (self->feed))
    viewer_start_video (self, gop);
  else if (relay_feed_get_head (self->feed) > 0)
    viewer_ask_keyframe (self, rtc_worker_get_turn_us (self->worker));
}

static void
viewer_on_pace (RelayReceiver *receiver, RelayFeed *feed, gint64 now_us)
{
  EgressViewer *self = (EgressViewer *)receiver;

  self->tokens_bytes +=
      (now_us - self->paced_us) * self->join_rate_bps / 8 / BASE_US_PER_S;
  self->tokens_bytes = MIN (self->tokens_bytes, JOIN_BURST_BYTES);
  self->paced_us = now_us;
  viewer_catch_up (self);
}

/* --- live ---------------------------------------------------------------- */

/* A TCP viewer that cannot keep up: nothing until a keyframe it can take. */
static gboolean
viewer_is_cut (EgressViewer *self, guint64 to)
{
  if (!rtc_transport_is_congested (self->transport))
    return FALSE;
  if (self->video == VIDEO_LIVE || self->video == VIDEO_CATCHING_UP)
    {
      viewer_wait (self, to);
      self->stats.n_frames_dropped++;
      base_counter_add (counters.frames_dropped, 1);
    }
  return TRUE;
}

static void
viewer_on_packets (RelayReceiver *receiver, RelayFeed *feed, guint64 from,
                   guint64 to)
{
  EgressViewer *self = (EgressViewer *)receiver;
  EgressSender *sender = &self->sender;
  gboolean is_live = self->video == VIDEO_LIVE;
  gint64 audio_from_us =
      sender->tracks[RTC_MEDIA_AUDIO].is_started
          ? 0
          : rtc_worker_get_turn_us (self->worker) - JOIN_AUDIO_US;

  egress_sender_set_path (sender, rtc_transport_get_path (self->transport));
  if (G_UNLIKELY (viewer_is_cut (self, to)))
    return;
  for (guint64 pos = from; pos < to; pos++)
    {
      const RelayPacket *packet = relay_feed_at (feed, pos);

      if (packet->kind == RTC_MEDIA_VIDEO ? is_live
                                          : packet->recv_us >= audio_from_us)
        egress_sender_send (sender, packet);
    }
  if (G_UNLIKELY (self->video == VIDEO_WAITING))
    viewer_try_video (self);
  else if (G_UNLIKELY (self->video == VIDEO_CATCHING_UP
                       && self->tokens_bytes > 0))
    viewer_catch_up (self);
}

/* --- RTCP ------------------------------------------------------------------
 */

static void
viewer_flush_counters (EgressViewer *self)
{
  EgressSender *sender = &self->sender;

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      EgressTrack *track = &sender->tracks[k];

      base_counter_add (counters.packets[k],
                        (gint64)(track->n_packets - track->n_packets_told));
      base_counter_add (counters.bytes[k],
                        (gint64)(track->n_bytes - track->n_bytes_told));
      self->stats.n_packets += track->n_packets - track->n_packets_told;
      self->stats.n_bytes += track->n_bytes - track->n_bytes_told;
      track->n_packets_told = track->n_packets;
      track->n_bytes_told = track->n_bytes;
    }
}

static void
viewer_publish_stats (EgressViewer *self)
{
  self->stats.is_catching_up = self->video == VIDEO_CATCHING_UP;
  self->stats.is_tcp = rtc_transport_get_stats (self->transport)->is_tcp;
  g_mutex_lock (&self->lock);
  self->published = self->stats;
  g_mutex_unlock (&self->lock);
}

/* Sender reports on the publisher's clock, for lip-sync. */
static void
viewer_on_tick (RelayReceiver *receiver, RelayFeed *feed, gint64 now_us)
{
  EgressViewer *self = (EgressViewer *)receiver;
  guint8 buf[512];
  gsize len = 0;

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      EgressTrack *track = &self->sender.tracks[k];
      guint64 ntp;
      guint32 rtp_ts;

      if (!track->is_started
          || !relay_feed_get_clock (feed, k, now_us, &ntp, &rtp_ts))
        continue;
      rtc_rtcp_write_sr (buf, sizeof buf, &len, track->params.ssrc, ntp,
                         rtp_ts + track->ts_offset, (guint32)track->n_packets,
                         (guint32)track->n_bytes);
      rtc_rtcp_write_sdes_cname (buf, sizeof buf, &len, track->params.ssrc,
                                 self->cname);
    }
  if (len > 0)
    rtc_transport_send_rtcp (self->transport, buf, len);
  viewer_flush_counters (self);
  viewer_publish_stats (self);
}

static int
viewer_find_kind (EgressViewer *self, guint32 ssrc)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (self->sender.tracks[k].params.is_active
        && self->sender.tracks[k].params.ssrc == ssrc)
      return (int)k;
  return -1;
}

static void
on_report (guint32 sender_ssrc, const RtcReportBlock *block, gpointer data)
{
  EgressViewer *self = data;
  int kind = viewer_find_kind (self, block->ssrc);
  guint32 clock_hz = kind == RTC_MEDIA_AUDIO ? 48000 : 90000;
  guint64 ntp;
  guint32 rtp_ts;

  if (kind < 0)
    return;
  if (kind == RTC_MEDIA_VIDEO || self->video == VIDEO_NONE)
    {
      self->stats.fraction_lost_256 = block->fraction_lost;
      self->stats.n_lost = block->n_lost;
      self->stats.jitter_us =
          (guint32)((guint64)block->jitter * BASE_US_PER_S / clock_hz);
    }
  if (block->last_sr != 0
      && relay_feed_get_clock (self->feed, kind, base_clock_now_us (), &ntp,
                               &rtp_ts))
    {
      gint32 rtt = (gint32)((guint32)(ntp >> 16) - block->last_sr
                            - block->delay_since_sr);

      if (rtt >= 0 && rtt < 65536 * 10)
        {
          self->stats.rtt_us = (guint32)((guint64)rtt * BASE_US_PER_S / 65536);
          self->sender.rtt_us = self->stats.rtt_us;
        }
    }
}

static void
on_nack (guint32 media_ssrc, const guint16 *seqs, guint n_seqs, gpointer data)
{
  EgressViewer *self = data;
  int kind = viewer_find_kind (self, media_ssrc);
  guint n_sent = 0;

  if (kind < 0)
    return;
  self->stats.n_nacked += n_seqs;
  base_counter_add (counters.nacked, n_seqs);
  if (!self->repair)
    return;
  for (guint i = 0; i < n_seqs; i++)
    if (egress_sender_repair (&self->sender, self->feed, kind, seqs[i],
                              rtc_worker_get_turn_us (self->worker)))
      n_sent++;
  self->stats.n_rtx += n_sent;
  self->stats.n_rtx_refused += n_seqs - n_sent;
  base_counter_add (counters.rtx, n_sent);
  base_counter_add (counters.rtx_refused, n_seqs - n_sent);
}

static void
on_pli (guint32 media_ssrc, gpointer data)
{
  EgressViewer *self = data;

  self->stats.n_plis++;
  base_counter_add (counters.plis, 1);
  relay_feed_request_keyframe (self->feed);
}

static void
on_fir (guint32 media_ssrc, guint8 fir_seq, gpointer data)
{
  on_pli (media_ssrc, data);
}

static void
viewer_on_rtcp (RtcTransport *transport, const guint8 *packet, gsize len,
                gint64 now_us, gpointer data)
{
  static const RtcRtcpSink sink = {
    .on_report = on_report,
    .on_nack = on_nack,
    .on_pli = on_pli,
    .on_fir = on_fir,
  };
  EgressViewer *self = data;

  if (self->feed == NULL)
    return;
  egress_sender_set_path (&self->sender,
                          rtc_transport_get_path (self->transport));
  rtc_rtcp_read (packet, len, &sink, self);
}

/* --- life ------------------------------------------------------------------
 */

static void
connected_arrive (gpointer data)
{
  g_autoptr (EgressViewer) self = data;

  self->callbacks.on_connected (self, self->data);
}

static void
closed_arrive (gpointer data)
{
  g_autoptr (EgressViewer) self = data;

  self->callbacks.on_closed (self, self->close_reason, self->data);
}

static void
viewer_on_connected (RtcTransport *transport, gpointer data)
{
  EgressViewer *self = data;
  RelayFeed *feed = relay_stream_get_feed (self->stream, self->worker);
  gboolean has_video = self->sender.tracks[RTC_MEDIA_VIDEO].params.is_active;

  self->stats.connected_us = base_clock_now_us ();
  self->sender.batch = rtc_worker_get_batch (self->worker);
  self->sender.srtp = rtc_transport_get_srtp_out (transport);
  egress_sender_set_path (&self->sender, rtc_transport_get_path (transport));
  if (!relay_feed_add_receiver (feed, &self->receiver))
    {
      rtc_transport_close (transport, RTC_CLOSE_LIMIT);
      return;
    }
  self->feed = feed;
  self->video = has_video ? VIDEO_WAITING : VIDEO_NONE;
  if (has_video)
    viewer_try_video (self);
  viewer_publish_stats (self);
  base_mailbox_post (base_mailbox_get_main (), connected_arrive,
                     egress_viewer_ref (self),
                     (GDestroyNotify)egress_viewer_unref);
}

/* The reference of start() goes to main with the news. */
static void
viewer_on_closed (RtcTransport *transport, RtcCloseReason reason, gpointer data)
{
  EgressViewer *self = data;

  if (self->feed != NULL)
    {
      relay_feed_remove_receiver (self->feed, &self->receiver);
      self->feed = NULL;
    }
  viewer_flush_counters (self);
  viewer_publish_stats (self);
  self->close_reason = reason;
  base_mailbox_post (base_mailbox_get_main (), closed_arrive, self,
                     (GDestroyNotify)egress_viewer_unref);
}

static void
viewer_on_rtp (RtcTransport *transport, guint8 *packet, gsize len,
               gint64 now_us, gpointer data)
{
  /* viewers send none; what comes is counted by the transport */
}

EgressViewer *
egress_viewer_new (const EgressViewerParams *params,
                   const EgressViewerCallbacks *callbacks, gpointer data)
{
  static const RtcTransportCallbacks transport_callbacks = {
    .on_connected = viewer_on_connected,
    .on_rtp = viewer_on_rtp,
    .on_rtcp = viewer_on_rtcp,
    .on_closed = viewer_on_closed,
  };
  EgressViewer *self = g_new0 (EgressViewer, 1);

  g_atomic_ref_count_init (&self->ref);
  g_mutex_init (&self->lock);
  self->receiver.on_packets = viewer_on_packets;
  self->receiver.on_tick = viewer_on_tick;
  self->receiver.on_pace = viewer_on_pace;
  egress_sender_init (&self->sender, params->tracks);
  egress_sender_set_playout_delay (&self->sender, params->playout_delay_min_ms,
                                   params->playout_delay_max_ms);
  self->stream = relay_stream_ref (params->stream);
  self->worker = params->worker;
  self->repair = params->repair;
  self->join_rate_bps = params->join_rate_bps;
  self->callbacks = *callbacks;
  self->data = data;
  g_strlcpy (self->cname, params->cname, sizeof self->cname);
  self->stats.created_us = base_clock_now_us ();
  self->published = self->stats;
  self->transport = rtc_transport_new (params->worker, &params->transport,
                                       &transport_callbacks, self);
  return self;
}

EgressViewer *
egress_viewer_ref (EgressViewer *self)
{
  g_atomic_ref_count_inc (&self->ref);
  return self;
}

void
egress_viewer_unref (EgressViewer *self)
{
  if (!g_atomic_ref_count_dec (&self->ref))
    return;
  rtc_transport_unref (self->transport);
  relay_stream_unref (self->stream);
  g_mutex_clear (&self->lock);
  g_free (self);
}

void
egress_viewer_start (EgressViewer *self)
{
  egress_viewer_ref (self);
  rtc_transport_start (self->transport);
}

void
egress_viewer_close (EgressViewer *self, RtcCloseReason reason)
{
  rtc_transport_close (self->transport, reason);
}

void
egress_viewer_restart_ice (EgressViewer *self, const char *local_ufrag,
                           const char *local_pwd, const char *remote_ufrag,
                           const char *remote_pwd)
{
  rtc_transport_restart_ice (self->transport, local_ufrag, local_pwd,
                             remote_ufrag, remote_pwd);
}

void
egress_viewer_get_stats (EgressViewer *self, EgressViewerStats *ret)
{
  g_mutex_lock (&self->lock);
  *ret = self->published;
  g_mutex_unlock (&self->lock);
}
