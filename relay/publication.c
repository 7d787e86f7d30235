/* SPDX-License-Identifier: Apache-2.0 */
/* RelayPublication: one publisher's time on a stream; see stream.h. */
#include "relay/stream-private.h"

#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "relay/log.h"
#include "rtc/payload.h"
#include "rtc/rtp.h"

RelayPublication *
relay_stream_add_publication (RelayStream *stream, const RelayStreamInfo *info,
                              const RelayPublicationCallbacks *callbacks,
                              gpointer data, GDestroyNotify data_free)
{
  RelayPublication *self = g_new0 (RelayPublication, 1);

  g_atomic_ref_count_init (&self->ref);
  self->stream = relay_stream_ref (stream);
  self->info = *info;
  self->callbacks = *callbacks;
  self->data = data;
  self->data_free = data_free;
  if (getrandom (self->id, sizeof self->id, 0) != sizeof self->id)
    g_error ("relay: the kernel gives no random bytes");
  g_atomic_int_inc (&stream->n_publications_open);
  return self;
}

RelayPublication *
relay_publication_ref (RelayPublication *self)
{
  g_atomic_ref_count_inc (&self->ref);
  return self;
}

void
relay_publication_unref (RelayPublication *self)
{
  if (!g_atomic_ref_count_dec (&self->ref))
    return;
  g_atomic_int_add (&self->stream->n_publications_open, -1);
  if (self->data_free != NULL)
    self->data_free (self->data);
  g_clear_pointer (&self->tree.media, relay_link_media_unref);
  relay_stream_unref (self->stream);
  g_free (self);
}

/* main */
static void
replaced_arrive (gpointer data)
{
  RelayPublication *self = data;

  self->callbacks.on_replaced (self->data);
  relay_publication_unref (self);
}

static gboolean
info_is_same (const RelayStreamInfo *a, const RelayStreamInfo *b)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (a->tracks[k].is_present != b->tracks[k].is_present
        || a->tracks[k].codec != b->tracks[k].codec)
      return FALSE;
  return TRUE;
}

void
relay_publication_begin (RelayPublication *self)
{
  RelayStream *stream = self->stream;
  RelayPublication *old = stream->current;
  gboolean is_changed =
      stream->has_home_info && !info_is_same (&stream->home_info, &self->info);

  if (self->has_ended || old == self)
    return;
  self->has_begun = TRUE;
  stream->current = relay_publication_ref (self);
  stream->home_info = self->info;
  stream->has_home_info = TRUE;
  stream->last_request_us = 0;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (self->info.tracks[k].is_present)
      relay_track_restart (&stream->tracks[k],
                           rtc_codec_clock_hz (self->info.tracks[k].codec));
  relay_stream_begin_tree (stream, self);
  memset (relay_stream_get_feed (stream, stream->home)->clocks, 0,
          sizeof (RelayClock) * RTC_MEDIA_N_KINDS);
  if (is_changed)
    {
      relay_feed_reset (relay_stream_get_feed (stream, stream->home));
      __atomic_store_n (&stream->h264_profile, 0, __ATOMIC_RELAXED);
    }
  RELAY_STAT_ADD (stream, n_publications, 1);
  if (old != NULL)
    base_mailbox_post (stream->main_mail, replaced_arrive, old,
                       (GDestroyNotify)relay_publication_unref);
  if (is_changed)
    relay_stream_post_event (stream, RELAY_HUB_CHANGED, self);
  relay_stream_post_event (stream, RELAY_HUB_LIVE, self);
  if (self->info.tracks[RTC_MEDIA_VIDEO].is_present)
    relay_stream_want_keyframe (stream, rtc_worker_get_turn_us (stream->home));
}

void
relay_publication_end (RelayPublication *self)
{
  RelayStream *stream = self->stream;

  self->has_ended = TRUE;
  if (stream->current != self)
    return;
  stream->current = NULL;
  relay_stream_post_event (stream, RELAY_HUB_IDLE, NULL);
  relay_publication_unref (self);
}

void
relay_publication_restart_track (RelayPublication *self, RtcMediaKind kind)
{
  RelayStream *stream = self->stream;

  if (stream->current != self || !self->info.tracks[kind].is_present)
    return;
  relay_track_restart (&stream->tracks[kind],
                       rtc_codec_clock_hz (self->info.tracks[kind].codec));
  memset (&relay_stream_get_feed (stream, stream->home)->clocks[kind], 0,
          sizeof (RelayClock));
  if (kind == RTC_MEDIA_VIDEO)
    self->is_video_open = FALSE;
}

gboolean
relay_publication_is_current (RelayPublication *self)
{
  return self->stream->current == self;
}

/* H264's parameter sets, as one STAP-A payload (RFC 6184 5.7.1) for joiners
 * whose keyframe has none in band. */
void
relay_publication_keep_params (RelayPublication *self, const guint8 *payload,
                               guint payload_len)
{
  RelayStream *stream = self->stream;
  RelayFeed *feed = relay_stream_get_feed (stream, stream->home);
  RtcH264Params found = { 0 };
  RtcH264Sps sps;
  GByteArray *stap;

  if (!rtc_payload_h264_params (payload, payload_len, &found))
    return;
  if (found.sps != NULL)
    {
      g_clear_pointer (&stream->sps, g_byte_array_unref);
      stream->sps =
          g_byte_array_append (g_byte_array_new (), found.sps, found.sps_len);
      if (rtc_payload_h264_sps (found.sps, found.sps_len, &sps))
        {
          __atomic_store_n (&stream->h264_profile,
                            (guint)sps.profile_idc << 16
                                | (guint)sps.constraints << 8 | sps.level_idc,
                            __ATOMIC_RELAXED);
          __atomic_store_n (&stream->width_px, sps.width_px, __ATOMIC_RELAXED);
          __atomic_store_n (&stream->height_px, sps.height_px,
                            __ATOMIC_RELAXED);
        }
    }
  if (found.pps != NULL)
    {
      g_clear_pointer (&stream->pps, g_byte_array_unref);
      stream->pps =
          g_byte_array_append (g_byte_array_new (), found.pps, found.pps_len);
    }
  if (stream->sps == NULL || stream->pps == NULL
      || stream->sps->len + stream->pps->len > 1000)
    return;
  stap = g_byte_array_new ();
  g_byte_array_append (stap, (const guint8[]){ 0x78 }, 1);
  for (guint i = 0; i < 2; i++)
    {
      GByteArray *nal = i == 0 ? stream->sps : stream->pps;
      guint8 size[2] = { (guint8)(nal->len >> 8), (guint8)nal->len };

      g_byte_array_append (stap, size, 2);
      g_byte_array_append (stap, nal->data, nal->len);
    }
  g_clear_pointer (&feed->params, g_bytes_unref);
  feed->params = g_byte_array_free_to_bytes (stap);
}

void
relay_publication_set_params (RelayPublication *self, const guint8 *payload,
                              guint payload_len)
{
  if (self->stream->current == self
      && self->info.tracks[RTC_MEDIA_VIDEO].codec == RTC_CODEC_H264)
    relay_publication_keep_params (self, payload, payload_len);
}

/* What the payload says; %FALSE: held back, the first keyframe is not in. */
static gboolean
publication_inspect (RelayPublication *self, const guint8 *payload,
                     guint payload_len, gint64 now_us, guint8 *flags)
{
  RelayStream *stream = self->stream;
  RtcCodec codec = self->info.tracks[RTC_MEDIA_VIDEO].codec;
  RtcPayloadFlags found =
      payload_len > 0 ? rtc_payload_inspect (codec, payload, payload_len) : 0;

  if (found & RTC_PAYLOAD_PARAMS)
    {
      *flags |= RELAY_PACKET_PARAMS;
      if (codec == RTC_CODEC_H264)
        relay_publication_keep_params (self, payload, payload_len);
    }
  if (found & RTC_PAYLOAD_KEYFRAME)
    *flags |= RELAY_PACKET_KEYFRAME;
  if (!self->is_video_open
      && !(found & (RTC_PAYLOAD_KEYFRAME | RTC_PAYLOAD_PARAMS)))
    {
      relay_stream_want_keyframe (stream, now_us);
      return FALSE;
    }
  self->is_video_open = TRUE;
  return TRUE;
}

static void
publication_note_keyframe (RelayStream *stream, const RelayPacket *packet,
                           gint64 now_us)
{
  if (!(packet->flags & RELAY_PACKET_KEYFRAME)
      || (stream->last_key_us != 0 && stream->last_key_ts == packet->rtp_ts))
    return;
  RELAY_STAT_ADD (stream, n_keyframes, 1);
  if (stream->last_key_us != 0)
    RELAY_STAT_SET (stream, gop_us, now_us - stream->last_key_us);
  stream->last_key_us = now_us;
  stream->last_key_ts = packet->rtp_ts;
  stream->is_keyframe_wanted = FALSE;
}

gboolean
relay_publication_store (RelayPublication *self, RelayPacket *packet,
                         RelayTrackResult result, const guint8 *ext,
                         const guint8 *payload, gboolean is_repair,
                         gint64 now_us)
{
  RelayStream *stream = self->stream;
  RelayFeed *feed = relay_stream_get_feed (stream, stream->home);
  RtcMediaKind kind = packet->kind;

  if (relay_history_find (feed->history, kind, packet->ext_seq) != NULL)
    return FALSE;
  packet->recv_us = now_us;
  packet->publication = self->serial;
  if (result == RELAY_TRACK_LATE)
    packet->flags |= RELAY_PACKET_LATE;
  if (stream->chunk == NULL)
    stream->chunk = relay_chunk_new ();
  packet->payload = relay_chunk_append (stream->chunk, ext, packet->ext_len,
                                        payload, packet->payload_len);
  if (packet->payload == NULL)
    {
      relay_chunk_unref (stream->chunk);
      stream->chunk = relay_chunk_new ();
      packet->payload = relay_chunk_append (stream->chunk, ext, packet->ext_len,
                                            payload, packet->payload_len);
    }
  packet->chunk = stream->chunk;
  relay_history_append (feed->history, packet);
  relay_history_trim (feed->history, now_us);
  relay_stream_note_tree (stream, packet, result);
  if (kind == RTC_MEDIA_VIDEO)
    publication_note_keyframe (stream, packet, now_us);
  if (stream->is_keyframe_wanted)
    relay_stream_want_keyframe (stream, now_us);
  RELAY_STAT_ADD (stream, n_packets[kind], 1);
  RELAY_STAT_ADD (stream, n_bytes[kind], packet->payload_len);
  if (is_repair)
    RELAY_STAT_ADD (stream, n_repaired[kind], 1);
  relay_feed_defer_dispatch (feed);
  return TRUE;
}

void
relay_publication_push (RelayPublication *self, RtcMediaKind kind, guint16 seq,
                        guint32 rtp_ts, gboolean marker, const guint8 *ext,
                        guint ext_len, const guint8 *payload, guint payload_len,
                        gboolean is_repair, gint64 now_us)
{
  RelayStream *stream = self->stream;
  RelayTrack *track = &stream->tracks[kind];
  guint32 old_ts = track->highest_ts;
  guint64 old_highest = track->highest;
  RelayPacket packet = { .kind = (guint8)kind };
  RelayTrackResult result;

  if (stream->current != self || !self->info.tracks[kind].is_present
      || ext_len > 255 || payload_len > RTC_MAX_PACKET_BYTES)
    return;
  if (kind == RTC_MEDIA_VIDEO
      && !publication_inspect (self, payload, payload_len, now_us,
                               &packet.flags))
    return;
  result = relay_track_map (track, seq, rtp_ts, now_us, &packet.ext_seq,
                            &packet.rtp_ts);
  if (result == RELAY_TRACK_TOO_OLD)
    return;
  if (result == RELAY_TRACK_NEXT && kind == RTC_MEDIA_VIDEO && old_highest != 0
      && (gint32)(packet.rtp_ts - old_ts) < 0)
    RELAY_STAT_ADD (stream, n_b_frames, 1);
  if (marker)
    packet.flags |= RELAY_PACKET_MARKER;
  packet.ext_len = (guint8)ext_len;
  packet.payload_len = (guint16)payload_len;
  relay_publication_store (self, &packet, result, ext, payload, is_repair,
                           now_us);
}

void
relay_publication_set_clock (RelayPublication *self, RtcMediaKind kind,
                             guint64 ntp, guint32 rtp_ts, gint64 now_us)
{
  RelayStream *stream = self->stream;
  RelayClock *clock;

  if (stream->current != self || !stream->tracks[kind].is_started)
    return;
  clock = &relay_stream_get_feed (stream, stream->home)->clocks[kind];
  clock->is_known = TRUE;
  clock->ntp = ntp;
  clock->rtp_ts = rtp_ts + stream->tracks[kind].ts_offset;
  clock->at_us = now_us;
}

void
relay_publication_add_lost (RelayPublication *self, RtcMediaKind kind,
                            guint n_packets)
{
  RELAY_STAT_ADD (self->stream, n_lost[kind], n_packets);
  relay_hub_count_lost (self->stream->hub, self->is_link, kind, n_packets);
}
