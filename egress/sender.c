/* SPDX-License-Identifier: Apache-2.0 */
/* EgressSender: see sender.h. */
#include "egress/sender.h"

#include <string.h>

#include "base/clock.h"
#include "rtc/rtp.h"

#define RTP_HEADER_BYTES 12
#define MAX_EXT_BYTES 300
#define EXT_ONE_BYTE 0xbede
#define EXT_TWO_BYTE 0x1000
/* repairs may use half of what the viewer gets, and this much at once */
#define REPAIR_BURST_BYTES (256 * 1024)
/* a track whose last packet is gone was looked at within a second before */
#define IDS_A_SECOND 125
#define MIN_REPAIR_INTERVAL_US (5 * BASE_US_PER_MS)

void
egress_sender_init (EgressSender *self,
                    const EgressViewerTrack tracks[RTC_MEDIA_N_KINDS])
{
  memset (self, 0, sizeof *self);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      self->tracks[k].params = tracks[k];
      self->tracks[k].rtx_next = (guint64)g_random_int_range (1, 1 << 15);
    }
  self->repair_tokens_bytes = REPAIR_BURST_BYTES;
  self->rtt_us = 20 * BASE_US_PER_MS;
}

void
egress_sender_clear (EgressSender *self)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    g_clear_pointer (&self->tracks[k].rewrite, egress_rewrite_free);
}

void
egress_sender_set_playout_delay (EgressSender *self, int min_ms, int max_ms)
{
  guint min, max;
  EgressTrack *video = &self->tracks[RTC_MEDIA_VIDEO];

  /* the same number never with other bytes */
  video->repair_from = video->highest_out + 1;
  self->has_playout_delay = min_ms >= 0 && max_ms >= min_ms;
  if (!self->has_playout_delay)
    return;
  min = (guint)MIN (min_ms / 10, 4095);
  max = (guint)MIN (max_ms / 10, 4095);
  self->playout_delay[0] = (guint8)(min >> 4);
  self->playout_delay[1] = (guint8)(min << 4 | max >> 8);
  self->playout_delay[2] = (guint8)max;
}

static inline void
put16 (guint8 *at, guint v)
{
  at[0] = (guint8)(v >> 8);
  at[1] = (guint8)v;
}

static inline void
put32 (guint8 *at, guint32 v)
{
  put16 (at, v >> 16);
  put16 (at + 2, v & 0xffff);
}

/* next_element: the next of @packet's extension elements that this viewer has
 * negotiated. Stops at one that is not whole.
 * Returns: its id for the viewer; 0 at the end */
static inline guint8
next_element (const EgressTrack *track, const RelayPacket *packet, guint *at,
              const guint8 **ret_element)
{
  const guint8 *ext = relay_packet_get_ext (packet);

  while (*at + 2 <= packet->ext_len
         && *at + 2 + ext[*at + 1] <= packet->ext_len)
    {
      const guint8 *element = ext + *at;

      *at += 2 + element[1];
      if (element[0] < RTC_EXT_N && track->params.ext_ids[element[0]] != 0)
        {
          *ret_element = element;
          return track->params.ext_ids[element[0]];
        }
    }
  return 0;
}

/* RFC 8285: the one-byte form unless an element does not fit it. */
static guint
write_extensions (guint8 *at, const EgressSender *self,
                  const EgressTrack *track, const RelayPacket *packet)
{
  guint8 delay_id = self->has_playout_delay && packet->kind == RTC_MEDIA_VIDEO
                        ? track->params.ext_ids[RTC_EXT_PLAYOUT_DELAY]
                        : 0;
  gboolean is_wide = delay_id > 14;
  const guint8 *element;
  guint len = 4, at_element = 0;
  guint8 id;

  while ((id = next_element (track, packet, &at_element, &element)) != 0)
    if (element[1] > 16 || element[1] == 0 || id > 14)
      is_wide = TRUE;
#define PUT_ELEMENT(id, data, n)                                               \
  G_STMT_START                                                                 \
  {                                                                            \
    if (is_wide)                                                               \
      {                                                                        \
        at[len++] = (id);                                                      \
        at[len++] = (guint8)(n);                                               \
      }                                                                        \
    else                                                                       \
      at[len++] = (guint8)((id) << 4 | ((n)-1));                               \
    memcpy (at + len, (data), (n));                                            \
    len += (n);                                                                \
  }                                                                            \
  G_STMT_END
  if (delay_id != 0)
    PUT_ELEMENT (delay_id, self->playout_delay, 3);
  at_element = 0;
  while ((id = next_element (track, packet, &at_element, &element)) != 0)
    {
      PUT_ELEMENT (id, element + 2, element[1]);
      if (G_UNLIKELY (track->rewrite != NULL
                      && element[0] == RTC_EXT_DEPENDENCY_DESCRIPTOR))
        egress_rewrite_put_frame_number (track->rewrite, at + len - element[1],
                                         element[1]);
    }
#undef PUT_ELEMENT
  if (len == 4)
    return 0;
  while (len % 4 != 0)
    at[len++] = 0;
  put16 (at, is_wide ? EXT_TWO_BYTE : EXT_ONE_BYTE);
  put16 (at + 2, (len - 4) / 4);
  return len;
}

static inline guint
write_header (guint8 *at, const EgressSender *self, const EgressTrack *track,
              const RelayPacket *packet, guint8 pt, guint64 out, guint32 ssrc)
{
  guint ext_len = 0;

  at[0] = 0x80;
  at[1] = (guint8)(pt | (packet->flags & RELAY_PACKET_MARKER ? 0x80 : 0));
  put16 (at + 2, (guint)(out & 0xffff));
  put32 (at + 4, packet->rtp_ts + track->ts_offset);
  put32 (at + 8, ssrc);
  if (G_UNLIKELY (packet->ext_len > 0 || self->has_playout_delay))
    ext_len = write_extensions (at + RTP_HEADER_BYTES, self, track, packet);
  if (ext_len > 0)
    at[0] |= 0x10;
  return RTP_HEADER_BYTES + ext_len;
}

/* Seals one packet under its own number: the same bytes each time.
 * @head: instead of so many bytes of the payload */
static inline gsize
sender_put (EgressSender *self, EgressTrack *track, const RelayPacket *packet,
            guint64 out, const guint8 *head, guint head_len)
{
  guint8 *at =
      rtc_batch_reserve (self->batch, self->path,
                         RTP_HEADER_BYTES + MAX_EXT_BYTES + packet->payload_len
                             + RTC_SRTP_MAX_TRAILER);
  guint header_len = write_header (at, self, track, packet, track->params.pt,
                                   out, track->params.ssrc);
  gsize len = rtc_srtp_out_seal (
      self->srtp, at, header_len, head, head_len, packet->payload + head_len,
      packet->payload_len - head_len, (guint32)(out >> 16));

  rtc_batch_commit (self->batch, len);
  return len;
}

static gsize
sender_put_rtx (EgressSender *self, EgressTrack *track,
                const RelayPacket *packet, guint64 out, const guint8 *head,
                guint head_len)
{
  guint8 *at =
      rtc_batch_reserve (self->batch, self->path,
                         RTP_HEADER_BYTES + MAX_EXT_BYTES + 2
                             + packet->payload_len + RTC_SRTP_MAX_TRAILER);
  guint64 rtx = track->rtx_next++;
  guint header_len =
      write_header (at, self, track, packet, (guint8)track->params.rtx_pt, rtx,
                    track->params.rtx_ssrc);
  guint8 prefix[2 + EGRESS_REWRITE_MAX_HEAD];
  gsize len;

  put16 (prefix, (guint)(out & 0xffff));
  memcpy (prefix + 2, head, head_len);
  len =
      rtc_srtp_out_seal (self->srtp, at, header_len, prefix, 2 + head_len,
                         packet->payload + head_len,
                         packet->payload_len - head_len, (guint32)(rtx >> 16));
  rtc_batch_commit (self->batch, len);
  return len;
}

static void
change_publication (EgressTrack *track, guint8 publication)
{
  guint64 n_packets = track->n_packets - track->part.n_packets;

  if (n_packets > 0)
    {
      track->before_publication = track->publication;
      track->before.n_packets += n_packets;
      track->before.n_bytes += track->n_bytes - track->part.n_bytes;
      track->part = (RelaySent){ track->n_packets, track->n_bytes };
    }
  track->publication = publication;
}

guint
egress_sender_take_sent (EgressSender *self, RtcMediaKind kind,
                         EgressSentPart ret[2])
{
  EgressTrack *track = &self->tracks[kind];
  guint n = 0;

  if (track->before.n_packets > 0)
    ret[n++] = (EgressSentPart){ track->before_publication, track->before };
  if (track->n_packets > track->part.n_packets)
    ret[n++] = (EgressSentPart){
      track->publication,
      { track->n_packets - track->part.n_packets,
        track->n_bytes - track->part.n_bytes },
    };
  track->before = (RelaySent){ 0 };
  track->part = (RelaySent){ track->n_packets, track->n_bytes };
  return n;
}

static void
count_sent (EgressSender *self, EgressTrack *track, guint64 out,
            guint payload_len, guint8 publication)
{
  if (G_UNLIKELY (publication != track->publication))
    change_publication (track, publication);
  if (out > track->highest_out)
    track->highest_out = out;
  track->n_packets++;
  track->n_bytes += payload_len;
  self->repair_tokens_bytes =
      MIN (self->repair_tokens_bytes + payload_len / 2, REPAIR_BURST_BYTES);
}

/* edited: @packet as the viewer gets it */
static RelayPacket
edited (const RelayPacket *packet, const EgressEdit *edit)
{
  RelayPacket copy = *packet;

  copy.rtp_ts = edit->rtp_ts;
  copy.flags = edit->marker ? RELAY_PACKET_MARKER : 0;
  if (edit->is_empty)
    copy.payload_len = 0;
  return copy;
}

static gsize
sender_send_rewritten (EgressSender *self, EgressTrack *track,
                       const RelayPacket *packet)
{
  RelayPacket copy;
  EgressEdit edit;
  guint64 out;

  if (!egress_rewrite_pass (track->rewrite, packet, &edit))
    return 0;
  copy = edited (packet, &edit);
  out = packet->ext_seq + track->seq_offset - edit.n_before;
  if (egress_rewrite_has_changed (track->rewrite))
    track->repair_from = MAX (track->repair_from, out);
  /* late, and perhaps repaired under this number, as it was to be then */
  if (out < track->repair_from && track->params.rtx_pt < 0)
    return 0;
  count_sent (self, track, out, copy.payload_len, copy.publication);
  return sender_put (self, track, &copy, out, edit.head, edit.head_len);
}

gsize
egress_sender_send (EgressSender *self, const RelayPacket *packet)
{
  EgressTrack *track = &self->tracks[packet->kind];
  guint64 out;

  if (!track->params.is_active)
    return 0;
  if (G_UNLIKELY (!track->is_started))
    {
      EgressBegin begin = { packet, packet->rtp_ts, packet->recv_us };

      egress_sender_join (self, packet->kind, packet->ext_seq, FALSE, &begin);
    }
  if (packet->ext_seq < track->first_ext_seq)
    return 0;
  if (G_UNLIKELY (track->rewrite != NULL))
    return sender_send_rewritten (self, track, packet);
  out = packet->ext_seq + track->seq_offset;
  count_sent (self, track, out, packet->payload_len, packet->publication);
  return sender_put (self, track, packet, out, NULL, 0);
}

void
egress_sender_send_params (EgressSender *self, const guint8 *payload,
                           guint payload_len, guint32 rtp_ts)
{
  EgressTrack *track = &self->tracks[RTC_MEDIA_VIDEO];
  RelayPacket packet = {
    .payload = payload,
    .payload_len = (guint16)payload_len,
    .rtp_ts = track->rewrite ? egress_rewrite_map_ts (track->rewrite, rtp_ts)
                             : rtp_ts,
    .kind = RTC_MEDIA_VIDEO,
  };

  sender_put (self, track, &packet, track->highest_out, NULL, 0);
  track->n_packets++;
  track->n_bytes += payload_len;
}

/* find_sent: (nullable): the packet that went as @out */
static const RelayPacket *
find_sent (const EgressTrack *track, RelayFeed *feed, RtcMediaKind kind,
           guint64 out)
{
  guint64 ext_seq = out - track->seq_offset;

  if (out > track->highest_out || out < track->repair_from
      || (track->rewrite
          && !egress_rewrite_find (track->rewrite, ext_seq, &ext_seq))
      || ext_seq < track->first_ext_seq || ext_seq > G_MAXINT64)
    return NULL;
  return relay_feed_find (feed, kind, ext_seq);
}

/* may_repair: %FALSE: over the share, or just done */
static gboolean
may_repair (EgressSender *self, const RelayPacket *packet, gint64 now_us)
{
  guint slot = packet->ext_seq % EGRESS_SENDER_N_RECENT;
  EgressRecent *recent = &self->recent[packet->kind][slot];

  if (self->repair_tokens_bytes < packet->payload_len
      || (recent->ext_seq == packet->ext_seq
          && now_us - recent->at_us
                 < MAX (self->rtt_us, MIN_REPAIR_INTERVAL_US)))
    return FALSE;
  recent->ext_seq = packet->ext_seq;
  recent->at_us = now_us;
  return TRUE;
}

gboolean
egress_sender_repair (EgressSender *self, RelayFeed *feed, RtcMediaKind kind,
                      guint16 seq, gint64 now_us)
{
  EgressTrack *track = &self->tracks[kind];
  guint64 out = rtc_seq_unwrap (track->highest_out, seq);
  const RelayPacket *packet =
      track->is_started ? find_sent (track, feed, kind, out) : NULL;
  EgressEdit edit = { 0 };
  RelayPacket copy;

  if (packet == NULL)
    return FALSE;
  if (G_UNLIKELY (track->rewrite != NULL))
    {
      if (!egress_rewrite_again (track->rewrite, packet, &edit))
        return FALSE;
      copy = edited (packet, &edit);
      packet = &copy;
    }
  if (!may_repair (self, packet, now_us))
    return FALSE;
  self->repair_tokens_bytes -=
      (gint64)(track->params.rtx_pt >= 0
                   ? sender_put_rtx (self, track, packet, out, edit.head,
                                     edit.head_len)
                   : sender_put (self, track, packet, out, edit.head,
                                 edit.head_len));
  return TRUE;
}

/* --- beginning, leaving, going on ----------------------------------------
 */

void
egress_sender_start (EgressSender *self, RtcMediaKind kind,
                     guint64 first_ext_seq, gboolean with_params)
{
  EgressTrack *track = &self->tracks[kind];
  guint64 first_out = track->highest_out > 0
                          ? track->highest_out + (with_params ? 2 : 1)
                          : (guint64)g_random_int_range (2, 1 << 15);

  track->is_started = TRUE;
  track->first_ext_seq = first_ext_seq;
  track->seq_offset = first_out - first_ext_seq;
  track->highest_out = first_out - 1;
  if (track->rewrite)
    egress_rewrite_restart (track->rewrite);
}

static void
ensure_rewrite (EgressTrack *track)
{
  guint64 highest =
      track->highest_out > 0 ? track->highest_out - track->seq_offset : 0;

  if (!track->rewrite)
    track->rewrite = egress_rewrite_new (track->params.codec, highest);
}

void
egress_sender_join (EgressSender *self, RtcMediaKind kind,
                    guint64 first_ext_seq, gboolean with_params,
                    const EgressBegin *begin)
{
  EgressTrack *track = &self->tracks[kind];

  egress_sender_start (self, kind, first_ext_seq, with_params);
  change_publication (track, begin->first->publication);
  if (!track->is_left)
    return;
  track->is_left = FALSE;
  if (!track->last.is_known)
    return;
  ensure_rewrite (track);
  egress_rewrite_splice (track->rewrite, &track->last, begin,
                         &track->ts_offset);
}

gboolean
egress_sender_remember (EgressSender *self, RelayFeed *feed, RtcMediaKind kind)
{
  EgressTrack *track = &self->tracks[kind];
  guint64 ext_seq = track->highest_out - track->seq_offset;
  const RelayPacket *packet = NULL;

  if (!track->is_started)
    return FALSE;
  if (!track->rewrite
      || egress_rewrite_find (track->rewrite, ext_seq, &ext_seq))
    packet = ext_seq >= track->first_ext_seq && ext_seq <= G_MAXINT64
                 ? relay_feed_find (feed, kind, ext_seq)
                 : NULL;
  if (packet == NULL)
    return FALSE;
  egress_rewrite_remember (track->rewrite, track->params.codec, packet,
                           track->ts_offset, &track->last);
  return TRUE;
}

void
egress_sender_leave (EgressSender *self, RelayFeed *feed, RtcMediaKind kind,
                     gboolean is_source_left)
{
  EgressTrack *track = &self->tracks[kind];

  if (track->is_started && !egress_sender_remember (self, feed, kind))
    {
      track->last.picture_id += IDS_A_SECOND;
      track->last.tl0 += IDS_A_SECOND;
      track->last.frame_number += IDS_A_SECOND;
    }
  track->is_started = FALSE;
  track->is_left |= is_source_left;
}

void
egress_sender_resume (EgressSender *self, RtcMediaKind kind)
{
  self->tracks[kind].is_started = TRUE;
}

static guint
to_layer (int layer)
{
  return layer < 0 || layer >= EGRESS_LAYER_MAX ? EGRESS_REWRITE_ALL_LAYERS
                                                : (guint)layer;
}

void
egress_sender_set_layers (EgressSender *self, int spatial_layer,
                          int temporal_layer)
{
  EgressTrack *track = &self->tracks[RTC_MEDIA_VIDEO];

  ensure_rewrite (track);
  egress_rewrite_set_layers (track->rewrite, to_layer (spatial_layer),
                             to_layer (temporal_layer));
}
