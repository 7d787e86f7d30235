/* SPDX-License-Identifier: Apache-2.0 */
/* EgressViewer: its life and RTCP; see viewer.h. */
#include <string.h>

#include "egress/viewer-private.h"

#include "base/clock.h"
#include "egress/log.h"
#include "rtc/rtcp.h"

#define MAX_RTT_US (10 * BASE_US_PER_S)

static struct
{
  BaseCounter *nacked, *rtx, *rtx_refused, *plis;
} counters; /* set once before any viewer, then only read */

void
egress_viewer_register_metrics (BaseMetrics *metrics)
{
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
  egress_viewer_register_media_metrics (metrics);
  egress_viewer_register_report_metrics (metrics);
}

/* --- statistics -----------------------------------------------------------
 */

static void
flush_kind (EgressViewer *self, RtcMediaKind kind)
{
  EgressInput *input = kind == RTC_MEDIA_VIDEO ? self->picture : self->sound;
  EgressKindStats *stats = &self->stats.kinds[kind];
  EgressSentPart parts[2];
  guint n = egress_sender_take_sent (&self->sender, kind, parts);

  for (guint i = 0; i < n; i++)
    {
      const RelaySent *sent = &parts[i].sent;

      if (input)
        relay_stream_add_sent (input->stream, parts[i].publication, kind, sent);
      stats->n_packets += sent->n_packets;
      stats->n_bytes += sent->n_bytes;
      self->stats.n_packets += sent->n_packets;
      self->stats.n_bytes += sent->n_bytes;
    }
}

void
egress_viewer_flush_sent (EgressViewer *self)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    flush_kind (self, k);
}

static void
viewer_publish_stats (EgressViewer *self)
{
  self->stats.is_catching_up = self->video == VIDEO_CATCHING_UP;
  self->stats.is_tcp = rtc_transport_get_stats (self->transport)->is_tcp;
  self->stats.substream = self->told.substream;
  self->stats.spatial_layer = self->told.spatial_layer;
  self->stats.temporal_layer = self->told.temporal_layer;
  g_mutex_lock (&self->lock);
  self->published = self->stats;
  g_mutex_unlock (&self->lock);
}

/* --- news for main --------------------------------------------------------
 */

typedef struct
{
  EgressViewer *viewer; /* one reference */
  EgressLayers layers;
  RtcMediaKind kind;
  guint n_nacked;
} News;

static void
news_free (gpointer data)
{
  News *news = data;

  egress_viewer_unref (news->viewer);
  g_free (news);
}

static void
post_news (EgressViewer *self, BaseMailFunc arrive, const News *news)
{
  News *copy = g_new (News, 1);

  *copy = *news;
  copy->viewer = egress_viewer_ref (self);
  base_mailbox_post (base_mailbox_get_main (), arrive, copy, news_free);
}

static void
layers_arrive (gpointer data)
{
  News *news = data;
  EgressViewer *self = news->viewer;

  self->callbacks.on_layers (self, &news->layers, self->data);
  news_free (news);
}

static int
rendition_sent (EgressViewer *self)
{
  for (guint i = 0; i < self->n_renditions && self->n_renditions > 1; i++)
    if (self->renditions[i] == self->picture)
      return (int)i;
  return -1;
}

void
egress_viewer_tell_layers (EgressViewer *self)
{
  EgressRewrite *rewrite = self->sender.tracks[RTC_MEDIA_VIDEO].rewrite;
  EgressLayers *told = &self->told;
  EgressLayers now = *told;
  guint spatial, temporal;
  News news;

  now.substream = rendition_sent (self);
  if (rewrite && egress_rewrite_take_change (rewrite, &spatial, &temporal))
    {
      now.spatial_layer = (int)MIN (spatial, EGRESS_LAYER_MAX);
      now.temporal_layer = (int)MIN (temporal, EGRESS_LAYER_MAX);
    }
  if (now.substream == told->substream
      && now.spatial_layer == told->spatial_layer
      && now.temporal_layer == told->temporal_layer)
    return;
  *told = now;
  news = (News){ .layers = now };
  if (self->callbacks.on_layers)
    post_news (self, layers_arrive, &news);
}

static void
slow_link_arrive (gpointer data)
{
  News *news = data;
  EgressViewer *self = news->viewer;

  self->callbacks.on_slow_link (self, news->kind, news->n_nacked, self->data);
  news_free (news);
}

static void
check_slow_link (EgressViewer *self, RtcMediaKind kind)
{
  guint64 n_nacked = self->stats.kinds[kind].n_nacked;
  News news = { .kind = kind,
                .n_nacked = (guint)(n_nacked - self->n_nacked_told[kind]) };

  self->n_nacked_told[kind] = n_nacked;
  if (news.n_nacked >= EGRESS_SLOW_LINK_NACKS && self->callbacks.on_slow_link)
    post_news (self, slow_link_arrive, &news);
}

/* --- RTCP ------------------------------------------------------------------
 */

/* get_clock: a time, and the track's timestamp then, as he gets it. Sound and
 * picture of one stream: its publisher's clock; of two: ours, by which they
 * came here, or they would never meet. */
static gboolean
get_clock (EgressViewer *self, guint kind, gint64 now_us, guint64 *ret_ntp,
           guint32 *ret_rtp_ts)
{
  EgressTrack *track = &self->sender.tracks[kind];
  gint64 elapsed_us;

  if (!self->sound || !self->picture || self->sound == self->picture)
    {
      if (!relay_feed_get_clock (viewer_feed_of (self, kind), kind, now_us,
                                 ret_ntp, ret_rtp_ts))
        return FALSE;
      *ret_rtp_ts += track->ts_offset;
      return TRUE;
    }
  if (!track->last.is_known)
    return FALSE;
  elapsed_us = now_us - track->last.at_us;
  *ret_ntp = rtc_ntp_from_wall_us (base_clock_wall_us ());
  *ret_rtp_ts = track->last.rtp_ts
                + (guint32)(elapsed_us * (kind == RTC_MEDIA_AUDIO ? 48 : 90)
                            / BASE_US_PER_MS);
  return TRUE;
}

/* For lip-sync, and for the round trip that his answer tells. */
static void
send_reports (EgressViewer *self, gint64 now_us)
{
  guint8 buf[512];
  gsize len = 0;
  guint slot = self->n_reports++ % VIEWER_REPORTS_KEPT;

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      EgressTrack *track = &self->sender.tracks[k];
      guint64 ntp;
      guint32 rtp_ts;

      if (!track->is_started || !get_clock (self, k, now_us, &ntp, &rtp_ts))
        continue;
      rtc_rtcp_write_sr (buf, sizeof buf, &len, track->params.ssrc, ntp, rtp_ts,
                         (guint32)track->n_packets, (guint32)track->n_bytes);
      rtc_rtcp_write_sdes_cname (buf, sizeof buf, &len, track->params.ssrc,
                                 self->cname);
      self->reports[k][slot] = (ViewerReport){ (guint32)(ntp >> 16), now_us };
    }
  if (len > 0)
    rtc_transport_send_rtcp (self->transport, buf, len);
}

void
egress_viewer_on_tick (RelayReceiver *receiver, RelayFeed *feed, gint64 now_us)
{
  EgressInput *input = (EgressInput *)receiver;
  EgressViewer *self = input->viewer;

  if (input != self->inputs[0]) /* each input ticks */
    return;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      if (self->sender.tracks[k].is_started)
        egress_sender_remember (&self->sender, viewer_feed_of (self, k), k);
      check_slow_link (self, k);
    }
  send_reports (self, now_us);
  egress_viewer_flush_sent (self);
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

/* The round trip by our own clock, whoever's the report was on.
 * Returns: %FALSE: it answers no report of ours */
static gboolean
take_round_trip (EgressViewer *self, guint kind, const RtcReportBlock *block)
{
  for (guint i = 0; i < VIEWER_REPORTS_KEPT; i++)
    {
      const ViewerReport *report = &self->reports[kind][i];
      gint64 rtt_us;

      if (block->last_sr == 0 || report->ntp_mid != block->last_sr)
        continue;
      rtt_us = base_clock_now_us () - report->sent_us
               - (gint64)block->delay_since_sr * BASE_US_PER_S / 65536;
      if (rtt_us < 0 || rtt_us >= MAX_RTT_US)
        return FALSE;
      self->stats.rtt_us = self->sender.rtt_us = (guint32)rtt_us;
      return TRUE;
    }
  return FALSE;
}

static void
on_report (guint32 sender_ssrc, const RtcReportBlock *block, gpointer data)
{
  EgressViewer *self = data;
  int kind = viewer_find_kind (self, block->ssrc);
  guint32 clock_hz = kind == RTC_MEDIA_AUDIO ? 48000 : 90000;
  EgressKindStats *stats;

  if (kind < 0)
    return;
  stats = &self->stats.kinds[kind];
  stats->fraction_lost_256 = block->fraction_lost;
  stats->n_lost = block->n_lost;
  stats->jitter_us =
      (guint32)((guint64)block->jitter * BASE_US_PER_S / clock_hz);
  if (kind == RTC_MEDIA_VIDEO || self->video == VIDEO_NONE)
    {
      self->stats.fraction_lost_256 = stats->fraction_lost_256;
      self->stats.n_lost = stats->n_lost;
      self->stats.jitter_us = stats->jitter_us;
    }
  egress_viewer_count_report (self, (RtcMediaKind)kind,
                              take_round_trip (self, (guint)kind, block));
}

static void
on_nack (guint32 media_ssrc, const guint16 *seqs, guint n_seqs, gpointer data)
{
  EgressViewer *self = data;
  int kind = viewer_find_kind (self, media_ssrc);
  RelayFeed *feed = kind < 0 ? NULL : viewer_feed_of (self, (guint)kind);
  guint n_sent = 0;

  if (kind < 0)
    return;
  self->stats.n_nacked += n_seqs;
  self->stats.kinds[kind].n_nacked += n_seqs;
  base_counter_add (counters.nacked, n_seqs);
  if (!self->repair)
    return;
  for (guint i = 0; i < n_seqs && feed; i++)
    if (egress_sender_repair (&self->sender, feed, (RtcMediaKind)kind, seqs[i],
                              rtc_worker_get_turn_us (self->worker)))
      n_sent++;
  self->stats.n_rtx += n_sent;
  self->stats.kinds[kind].n_rtx += n_sent;
  self->stats.n_rtx_refused += n_seqs - n_sent;
  base_counter_add (counters.rtx, n_sent);
  base_counter_add (counters.rtx_refused, n_seqs - n_sent);
}

static void
on_pli (guint32 media_ssrc, gpointer data)
{
  EgressViewer *self = data;

  self->stats.n_plis++;
  self->stats.kinds[RTC_MEDIA_VIDEO].n_plis++;
  base_counter_add (counters.plis, 1);
  if (self->picture)
    relay_feed_request_keyframe (self->picture->feed);
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

  if (!self->is_attached)
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

  self->stats.connected_us = base_clock_now_us ();
  self->sender.batch = rtc_worker_get_batch (self->worker);
  self->sender.srtp = rtc_transport_get_srtp_out (transport);
  egress_sender_set_path (&self->sender, rtc_transport_get_path (transport));
  if (!egress_viewer_attach_inputs (self))
    {
      rtc_transport_close (transport, RTC_CLOSE_LIMIT);
      return;
    }
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

  self->is_closed = TRUE;
  egress_viewer_clear_inputs (self);
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

static void
init_media (EgressViewer *self, const EgressViewerParams *params)
{
  egress_sender_init (&self->sender, params->tracks);
  egress_sender_set_playout_delay (&self->sender, params->playout_delay_min_ms,
                                   params->playout_delay_max_ms);
  self->told = params->layers;
  self->told.substream = -1;
  self->told.spatial_layer = self->told.temporal_layer = EGRESS_LAYER_MAX;
  egress_viewer_apply_layers (self, &params->layers);
  egress_viewer_set_inputs (self, &params->sources);
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
  self->worker = params->worker;
  self->repair = params->repair;
  self->join_rate_bps = params->join_rate_bps;
  self->callbacks = *callbacks;
  self->data = data;
  g_strlcpy (self->cname, params->cname, sizeof self->cname);
  init_media (self, params);
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
  egress_viewer_clear_inputs (self); /* of one that was never started */
  egress_sender_clear (&self->sender);
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
