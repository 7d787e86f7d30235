/* SPDX-License-Identifier: Apache-2.0 */
/* WhipPublisher: RTP in; see publisher.h. RTCP is in feedback.c. */
#include "whip/publisher-private.h"

#include <string.h>

#include "base/clock.h"
#include "rtc/rtp.h"
#include "whip/log.h"

/* The ids of these are the tree's own. */
#define LAST_TREE_EXT RTC_EXT_DEPENDENCY_DESCRIPTOR
#define MAX_TREE_EXT_BYTES 255

/* What one packet's extensions say, by the offer's ids. */
typedef struct
{
  const guint8 *mid, *rid, *repaired_rid; /* borrowed, nullable */
  guint mid_len, rid_len, repaired_rid_len;
  gboolean has_transport_seq;
  guint16 transport_seq;
  guint tree_len;
  guint8 tree[MAX_TREE_EXT_BYTES]; /* [table id][len][data] each */
} Exts;

WhipPublisher *
whip_publisher_new (const char *id, const WhipPlan *plan, gboolean repair,
                    const WhipCounters *counters)
{
  WhipPublisher *self = g_new0 (WhipPublisher, 1);

  self->id = g_strdup (id);
  self->plan = *plan;
  self->repair = repair;
  self->counters = counters;
  self->local_ssrc = g_random_int () | 1;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (plan->tracks[k].twcc && !self->twcc)
      self->twcc = rtc_twcc_new ();
  return self;
}

void
whip_publisher_free (WhipPublisher *self)
{
  g_return_if_fail (self && !self->timer);
  for (guint i = 0; i < self->n_sources; i++)
    g_clear_pointer (&self->sources[i].receiver, whip_receiver_free);
  g_clear_pointer (&self->twcc, rtc_twcc_free);
  g_free (self->id);
  g_free (self);
}

void
whip_publisher_connect (WhipPublisher *self, RtcTransport *transport,
                        RelayPublication *publication)
{
  g_return_if_fail (!self->transport);
  self->transport = transport;
  self->publication = publication;
  whip_feedback_start (self);
  relay_publication_begin (publication); /* asks for a keyframe by itself */
}

void
whip_publisher_disconnect (WhipPublisher *self)
{
  if (!self->transport)
    return;
  whip_feedback_stop (self);
  relay_publication_end (self->publication);
  self->transport = NULL;
  self->publication = NULL;
}

static void
add_tree_ext (Exts *exts, RtcExt ext, const guint8 *data, guint len)
{
  if (len > MAX_TREE_EXT_BYTES - 2
      || exts->tree_len + 2 + len > MAX_TREE_EXT_BYTES)
    return;
  exts->tree[exts->tree_len++] = (guint8)ext;
  exts->tree[exts->tree_len++] = (guint8)len;
  memcpy (exts->tree + exts->tree_len, data, len);
  exts->tree_len += len;
}

static void
read_exts (WhipPublisher *self, const RtcRtp *rtp, Exts *exts)
{
  const guint8 *data;
  guint offset = 0, id, len;

  memset (exts, 0, G_STRUCT_OFFSET (Exts, tree));
  while (rtc_rtp_ext_next (rtp, &offset, &id, &data, &len))
    {
      RtcExt ext = id < 256 ? (RtcExt)self->plan.exts[id] : RTC_EXT_NONE;

      if (ext == RTC_EXT_MID)
        {
          exts->mid = data;
          exts->mid_len = len;
        }
      else if (ext == RTC_EXT_RID)
        {
          exts->rid = data;
          exts->rid_len = len;
        }
      else if (ext == RTC_EXT_REPAIRED_RID)
        {
          exts->repaired_rid = data;
          exts->repaired_rid_len = len;
        }
      else if (ext == RTC_EXT_TRANSPORT_CC && len == 2)
        {
          exts->has_transport_seq = TRUE;
          exts->transport_seq = (guint16)(data[0] << 8 | data[1]);
        }
      else if (ext != RTC_EXT_NONE && ext <= LAST_TREE_EXT)
        add_tree_ext (exts, ext, data, len);
    }
}

static gboolean
text_equals (const char *text, const guint8 *data, guint len)
{
  return data && len > 0 && strlen (text) == len && !memcmp (text, data, len);
}

/* by_announcement: the offer's a=ssrc lines */
static gboolean
by_announcement (WhipPublisher *self, guint32 ssrc, WhipSource *ret)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      const WhipTrack *track = &self->plan.tracks[k];

      ret->kind = (RtcMediaKind)k;
      if (track->ssrc && track->ssrc == ssrc)
        {
          ret->role = WHIP_SOURCE_MEDIA;
          return TRUE;
        }
      if (track->rtx_ssrc && track->rtx_ssrc == ssrc)
        {
          ret->role = WHIP_SOURCE_RTX;
          return TRUE;
        }
      ret->role = WHIP_SOURCE_LAYER;
      for (guint i = 0; i < track->n_other_ssrcs; i++)
        if (track->other_ssrcs[i] == ssrc)
          return TRUE;
    }
  return FALSE;
}

/* find_track: whose packet it is, by MID, by RID when only one section has
 * layers, by a payload type that only one section has. (nullable) */
static const WhipTrack *
find_track (WhipPublisher *self, const RtcRtp *rtp, const Exts *exts)
{
  gboolean has_rid = exts->rid || exts->repaired_rid;
  const WhipTrack *found = NULL;

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (text_equals (self->plan.tracks[k].mid, exts->mid, exts->mid_len))
      return &self->plan.tracks[k];
  if (exts->mid)
    return NULL;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      const WhipTrack *track = &self->plan.tracks[k];

      if (!track->is_present
          || !(rtp->pt == track->pt || rtp->pt == track->rtx_pt
               || (has_rid && track->rid[0])))
        continue;
      if (found)
        return NULL;
      found = track;
    }
  return found;
}

/* by_latching: %FALSE: nothing says what this SSRC is */
static gboolean
by_latching (WhipPublisher *self, const RtcRtp *rtp, const Exts *exts,
             WhipSource *ret)
{
  const WhipTrack *track = find_track (self, rtp, exts);
  gboolean is_rtx = track && rtp->pt == track->rtx_pt;

  if (!track || (!is_rtx && rtp->pt != track->pt))
    return FALSE;
  ret->kind = (RtcMediaKind)(track - self->plan.tracks);
  ret->role = is_rtx ? WHIP_SOURCE_RTX : WHIP_SOURCE_MEDIA;
  if (track->rid[0])
    {
      const guint8 *rid = is_rtx ? exts->repaired_rid : exts->rid;
      guint len = is_rtx ? exts->repaired_rid_len : exts->rid_len;

      if (!rid)
        return FALSE; /* a layer, but which? Its next packets will tell */
      if (!text_equals (track->rid, rid, len))
        ret->role = WHIP_SOURCE_LAYER;
    }
  return TRUE;
}

/* find_source: (nullable) */
static WhipSource *
find_source (WhipPublisher *self, const RtcRtp *rtp, const Exts *exts)
{
  WhipSource source = { .ssrc = rtp->ssrc };
  WhipSource *self_source;

  for (guint i = 0; i < self->n_sources; i++)
    if (self->sources[i].ssrc == rtp->ssrc)
      return &self->sources[i];
  if (!by_announcement (self, rtp->ssrc, &source)
      && !by_latching (self, rtp, exts, &source))
    return NULL;
  if (self->n_sources == WHIP_PUBLISHER_MAX_SSRCS
      || (source.role == WHIP_SOURCE_MEDIA && self->media[source.kind]))
    return NULL;
  self_source = &self->sources[self->n_sources++];
  *self_source = source;
  GST_DEBUG ("session=%s ssrc=%08x is %s of %s", self->id, rtp->ssrc,
             source.role == WHIP_SOURCE_MEDIA ? "the media"
             : source.role == WHIP_SOURCE_RTX ? "the repair"
                                              : "an unused layer",
             source.kind == RTC_MEDIA_AUDIO ? "audio" : "video");
  if (source.role == WHIP_SOURCE_MEDIA)
    {
      const WhipTrack *track = &self->plan.tracks[source.kind];

      self_source->receiver = whip_receiver_new (rtp->ssrc, track->clock_hz,
                                                 self->repair && track->nack);
      self->media[source.kind] = self_source;
      if (source.kind == RTC_MEDIA_VIDEO)
        whip_feedback_on_video (self);
    }
  return self_source;
}

/* note_order: frames in decoding order, timestamps back and forth: B-frames,
 * which WebRTC's decoders show in the wrong order. */
static void
note_order (WhipPublisher *self, WhipSource *source, guint32 rtp_ts)
{
  gboolean is_back = (gint32)(rtp_ts - source->last_ts) < 0;

  if (is_back && source->last_ts && source->kind == RTC_MEDIA_VIDEO
      && !self->has_warned_b_frames)
    {
      self->has_warned_b_frames = TRUE;
      GST_WARNING ("session=%s the video has B-frames: browsers will stutter; "
                   "switch them off in the encoder",
                   self->id);
    }
  source->last_ts = rtp_ts;
}

typedef struct
{
  guint16 seq;
  guint32 rtp_ts;
  gboolean marker, is_rtx;
  const guint8 *payload;
  guint payload_len;
} Media;

static void
take_media (WhipPublisher *self, WhipSource *source, const Media *media,
            const Exts *exts, gint64 now_us)
{
  WhipReceived received = whip_receiver_on_packet (
      source->receiver, media->seq, media->rtp_ts, media->is_rtx, now_us);

  if (whip_receiver_has_holes (source->receiver))
    whip_feedback_defer (self);
  if (received == WHIP_RECEIVED_DUPLICATE || received == WHIP_RECEIVED_STRAY)
    {
      WHIP_STAT_ADD (self, n_dropped[WHIP_DROP_DUPLICATE], 1);
      return;
    }
  if (received == WHIP_RECEIVED_REPAIR)
    base_histogram_observe (
        self->counters->repair_seconds,
        (double)whip_receiver_get_repair_us (source->receiver) / BASE_US_PER_S);
  if (received == WHIP_RECEIVED_NEXT && media->payload_len > 0)
    note_order (self, source, media->rtp_ts);
  /* Also when it is padding only: the number must not look lost. */
  relay_publication_push (self->publication, source->kind, media->seq,
                          media->rtp_ts, media->marker, exts->tree,
                          exts->tree_len, media->payload, media->payload_len,
                          received == WHIP_RECEIVED_REPAIR, now_us);
}

static void
take_rtx (WhipPublisher *self, WhipSource *source, const RtcRtp *rtp,
          const Exts *exts, gint64 now_us)
{
  WhipSource *repaired = self->media[source->kind];
  Media media = { .rtp_ts = rtp->rtp_ts,
                  .marker = rtp->marker,
                  .is_rtx = TRUE,
                  .payload = rtp->payload + 2,
                  .payload_len = rtp->payload_len - 2 };

  if (!whip_rtx_undo (rtp->payload, rtp->payload_len, &media.seq))
    return; /* Chromium probes the path with padding on its RTX stream */
  if (repaired)
    take_media (self, repaired, &media, exts, now_us);
  else
    WHIP_STAT_ADD (self, n_dropped[WHIP_DROP_UNKNOWN_SSRC], 1);
}

void
whip_publisher_on_rtp (WhipPublisher *self, const guint8 *packet, gsize len,
                       gint64 now_us)
{
  WhipSource *source;
  RtcRtp rtp;
  Exts exts;
  Media media;

  if (!self->transport)
    return;
  if (!rtc_rtp_parse (packet, len, &rtp))
    {
      WHIP_STAT_ADD (self, n_dropped[WHIP_DROP_MALFORMED], 1);
      return;
    }
  read_exts (self, &rtp, &exts);
  if (self->twcc && exts.has_transport_seq)
    rtc_twcc_on_packet (self->twcc, exts.transport_seq, now_us);
  source = find_source (self, &rtp, &exts);
  if (!source)
    {
      WHIP_STAT_ADD (self, n_dropped[WHIP_DROP_UNKNOWN_SSRC], 1);
      return;
    }
  if (source->role == WHIP_SOURCE_LAYER)
    {
      WHIP_STAT_ADD (self, n_dropped[WHIP_DROP_LAYER], 1);
      return;
    }
  WHIP_STAT_ADD (self, n_packets[source->kind], 1);
  WHIP_STAT_ADD (self, n_bytes[source->kind], len);
  if (source->role == WHIP_SOURCE_RTX)
    {
      take_rtx (self, source, &rtp, &exts, now_us);
      return;
    }
  media = (Media){ rtp.seq, rtp.rtp_ts,  rtp.marker,
                   FALSE,   rtp.payload, rtp.payload_len };
  if (rtp.pt != self->plan.tracks[source->kind].pt)
    {
      WHIP_STAT_ADD (self, n_dropped[WHIP_DROP_PAYLOAD_TYPE], 1);
      media.payload_len = 0;
    }
  take_media (self, source, &media, &exts, now_us);
}

void
whip_publisher_get_stats (WhipPublisher *self, WhipPublisherStats *ret)
{
  const guint64 *from = (const guint64 *)&self->stats;
  guint64 *to = (guint64 *)ret;

  G_STATIC_ASSERT (sizeof (WhipPublisherStats) % sizeof (guint64) == 0);
  for (guint i = 0; i < sizeof *ret / sizeof *to; i++)
    to[i] = __atomic_load_n (&from[i], __ATOMIC_RELAXED);
}
