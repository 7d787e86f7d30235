/* SPDX-License-Identifier: Apache-2.0 */
/* EgressRewrite: see rewrite.h. */
#include "egress/rewrite.h"

#include <string.h>

#include "base/clock.h"

/* What is squeezed keeps a ninetieth of its time at least: frames stay ticks
 * apart, and those who watch get no timestamps from the future. */
#define MAX_SQUEEZE 90
/* so long a squeezed packet may be asked for again; before the clock wraps */
#define SQUEEZE_KEPT_S 30
#define FRAME_NUMBER_AT 1 /* in a dependency descriptor, 16 bits */

typedef struct
{
  guint64 ext_seq;
  guint n_pictures; /* left out up to and with it */
} Drop;

struct _EgressRewrite
{
  RtcCodec codec;
  /* timestamps from..from + len are squeezed into to..to + span, all before
   * the track's offset; len 0 = none */
  guint32 from, len, to, span;
  gint64 ahead; /* ticks before real time: the next splice makes good */
  guint16 picture_offset, frame_offset;
  guint8 tl0_offset;

  gboolean has_layers; /* some were left out, once */
  gboolean is_changed;
  guint spatial_target, temporal_target, spatial, temporal;
  guint64 since; /* ext_seq: the layers are these from there on */
  gboolean has_seen;
  guint64 highest; /* ext_seq; only what is behind it is left out: what is
                      before has its number */
  guint32 rtp_ts;  /* of highest */
  guint32 dropped_ts;
  guint n_drops;
  guint n_pictures;
  Drop *drops; /* owned, nullable: ring of EGRESS_REWRITE_N_DROPS */
};

EgressRewrite *
egress_rewrite_new (RtcCodec codec, guint64 highest_ext_seq)
{
  EgressRewrite *self = g_new0 (EgressRewrite, 1);

  self->codec = codec;
  self->spatial = self->spatial_target = EGRESS_REWRITE_ALL_LAYERS;
  self->temporal = self->temporal_target = EGRESS_REWRITE_ALL_LAYERS;
  self->has_seen = highest_ext_seq > 0;
  self->highest = highest_ext_seq;
  return self;
}

void
egress_rewrite_free (EgressRewrite *self)
{
  if (!self)
    return;
  g_free (self->drops);
  g_free (self);
}

void
egress_rewrite_restart (EgressRewrite *self)
{
  self->has_seen = FALSE;
  self->n_drops = self->n_pictures = 0;
  self->since = 0;
}

/* --- another source --------------------------------------------------------
 */

static gboolean
read_frame_number (const RelayPacket *packet, guint16 *ret)
{
  const guint8 *ext = relay_packet_get_ext (packet);

  for (guint at = 0; at + 2 <= packet->ext_len; at += 2u + ext[at + 1])
    if (ext[at] == RTC_EXT_DEPENDENCY_DESCRIPTOR
        && ext[at + 1] >= FRAME_NUMBER_AT + 2
        && at + 2 + ext[at + 1] <= packet->ext_len)
      {
        const guint8 *number = ext + at + 2 + FRAME_NUMBER_AT;

        *ret = (guint16)(number[0] << 8 | number[1]);
        return TRUE;
      }
  return FALSE;
}

static void
splice_ids (EgressRewrite *self, const EgressLast *last,
            const RelayPacket *first)
{
  RtcDescriptor descriptor;
  guint16 frame_number;

  self->picture_offset = self->frame_offset = 0;
  self->tl0_offset = 0;
  if (rtc_descriptor_read (self->codec, first->payload, first->payload_len,
                           &descriptor))
    {
      self->picture_offset =
          (guint16)(last->picture_id + 1 - descriptor.picture_id);
      self->tl0_offset = (guint8)(last->tl0 + 1 - descriptor.tl0);
    }
  if (read_frame_number (first, &frame_number))
    self->frame_offset = (guint16)(last->frame_number + 1 - frame_number);
}

void
egress_rewrite_splice (EgressRewrite *self, const EgressLast *last,
                       const EgressBegin *begin, guint32 *ret_ts_offset)
{
  guint32 clock_hz = rtc_codec_clock_hz (self->codec);
  gint64 elapsed =
      (begin->head_us - last->at_us) * clock_hz / BASE_US_PER_S - self->ahead;
  gint32 len = (gint32)(begin->head_rtp_ts - begin->first->rtp_ts);
  gint64 span = MAX (elapsed, 1);

  egress_rewrite_restart (self);
  self->len = 0;
  len = MAX (len, 0);
  if (span <= len)
    {
      span = MAX (span, len / MAX_SQUEEZE + 1);
      self->from = begin->first->rtp_ts;
      self->len = (guint32)len;
      self->span = (guint32)(span - 1);
    }
  self->ahead = span - elapsed;
  /* the newest is at last + span */
  *ret_ts_offset = last->rtp_ts + (guint32)span - begin->head_rtp_ts;
  self->to = last->rtp_ts + 1 - *ret_ts_offset;
  splice_ids (self, last, begin->first);
}

guint32
egress_rewrite_map_ts (const EgressRewrite *self, guint32 rtp_ts)
{
  guint32 at = rtp_ts - self->from;

  if (at >= self->len)
    return rtp_ts;
  return self->to + (guint32)((guint64)at * self->span / self->len);
}

void
egress_rewrite_put_frame_number (const EgressRewrite *self, guint8 *bytes,
                                 guint len)
{
  guint8 *at = bytes + FRAME_NUMBER_AT;
  guint16 number;

  if (len < FRAME_NUMBER_AT + 2)
    return;
  number = (guint16)((at[0] << 8 | at[1]) + self->frame_offset);
  at[0] = (guint8)(number >> 8);
  at[1] = (guint8)number;
}

/* --- what was left out ----------------------------------------------------
 */

static const Drop *
drop_at (const EgressRewrite *self, guint index)
{
  return &self->drops[index % EGRESS_REWRITE_N_DROPS];
}

static guint
oldest_drop (const EgressRewrite *self)
{
  return self->n_drops > EGRESS_REWRITE_N_DROPS
             ? self->n_drops - EGRESS_REWRITE_N_DROPS
             : 0;
}

/* count_before: how many of the drops are before @n. With @is_number, @n is a
 * number as if none were left out; else an ext_seq.
 * Returns: %FALSE: too long ago */
static gboolean
count_before (const EgressRewrite *self, guint64 n, gboolean is_number,
              guint *ret)
{
  guint low = oldest_drop (self), high = self->n_drops;

  while (low < high)
    {
      guint mid = low + (high - low) / 2;
      guint64 ext_seq = drop_at (self, mid)->ext_seq;

      /* the packet behind drop mid has number ext_seq + 1 - (mid + 1) */
      if (is_number ? n >= ext_seq - mid : n > ext_seq)
        low = mid + 1;
      else
        high = mid;
    }
  if (low == oldest_drop (self) && low > 0)
    return FALSE;
  *ret = low;
  return TRUE;
}

gboolean
egress_rewrite_find (const EgressRewrite *self, guint64 number,
                     guint64 *ret_ext_seq)
{
  guint n;

  if (!count_before (self, number, TRUE, &n))
    return FALSE;
  *ret_ext_seq = number + n;
  return TRUE;
}

static void
add_drop (EgressRewrite *self, const RelayPacket *packet)
{
  Drop *drop;

  if (self->drops == NULL)
    self->drops = g_new (Drop, EGRESS_REWRITE_N_DROPS);
  /* VP9's picture has all of its spatial layers, one of them stays */
  if (self->codec == RTC_CODEC_VP8
      && (self->n_drops == 0 || packet->rtp_ts != self->dropped_ts))
    self->n_pictures++;
  self->dropped_ts = packet->rtp_ts;
  drop = &self->drops[self->n_drops++ % EGRESS_REWRITE_N_DROPS];
  drop->ext_seq = packet->ext_seq;
  drop->n_pictures = self->n_pictures;
}

/* --- layers ---------------------------------------------------------------
 */

void
egress_rewrite_set_layers (EgressRewrite *self, guint spatial_layer,
                           guint temporal_layer)
{
  self->has_layers = TRUE;
  self->spatial_target = spatial_layer;
  self->temporal_target = temporal_layer;
}

gboolean
egress_rewrite_has_changed (const EgressRewrite *self)
{
  return self->is_changed;
}

gboolean
egress_rewrite_take_change (EgressRewrite *self, guint *ret_spatial,
                            guint *ret_temporal)
{
  if (!self->is_changed)
    return FALSE;
  self->is_changed = FALSE;
  *ret_spatial = self->spatial;
  *ret_temporal = self->temporal;
  return TRUE;
}

static void
set_now (EgressRewrite *self, guint *layer, guint to, const RelayPacket *packet)
{
  if (*layer == to)
    return;
  *layer = to;
  self->is_changed = TRUE;
  self->since = packet->ext_seq;
}

/* Down with the next picture; up where nothing that was left out is needed. */
static void
choose_layers (EgressRewrite *self, const RelayPacket *packet,
               const RtcDescriptor *descriptor)
{
  gboolean is_next = !self->has_seen || packet->rtp_ts != self->rtp_ts;
  guint id = descriptor->temporal_id;

  if (is_next)
    {
      set_now (self, &self->temporal,
               MIN (self->temporal, self->temporal_target), packet);
      set_now (self, &self->spatial, MIN (self->spatial, self->spatial_target),
               packet);
    }
  if (!descriptor->is_start)
    return;
  if (descriptor->is_key)
    {
      set_now (self, &self->temporal, self->temporal_target, packet);
      set_now (self, &self->spatial, self->spatial_target, packet);
      return;
    }
  if (descriptor->is_sync && self->temporal < self->temporal_target)
    {
      if (self->codec == RTC_CODEC_VP8 && id > self->temporal
          && id <= self->temporal_target)
        set_now (self, &self->temporal, id, packet);
      else if (self->codec == RTC_CODEC_VP9 && id <= self->temporal)
        set_now (self, &self->temporal, self->temporal_target, packet);
    }
  if (descriptor->spatial_id == self->spatial + 1
      && self->spatial < self->spatial_target && !descriptor->is_inter)
    set_now (self, &self->spatial, descriptor->spatial_id, packet);
}

static gboolean
is_above (const EgressRewrite *self, const RtcDescriptor *descriptor)
{
  return descriptor->temporal_id > self->temporal
         || descriptor->spatial_id > self->spatial;
}

/* --- one packet -----------------------------------------------------------
 */

static guint16
picture_offset_at (const EgressRewrite *self, guint n_before)
{
  guint n_pictures =
      n_before > 0 ? drop_at (self, n_before - 1)->n_pictures : 0;

  return (guint16)(self->picture_offset - n_pictures);
}

static void
edit (const EgressRewrite *self, const RelayPacket *packet,
      const RtcDescriptor *descriptor, guint n_before, EgressEdit *ret)
{
  guint16 picture_offset = picture_offset_at (self, n_before);

  ret->n_before = n_before;
  ret->rtp_ts = egress_rewrite_map_ts (self, packet->rtp_ts);
  ret->marker = packet->flags & RELAY_PACKET_MARKER;
  ret->is_empty = FALSE;
  ret->head_len = 0;
  if (descriptor == NULL)
    return;
  /* of a picture from before the last change it is not known what was sent */
  if (self->has_layers && packet->ext_seq >= self->since)
    {
      /* the last layer that is sent ends the picture */
      ret->marker |=
          descriptor->is_end && descriptor->spatial_id == self->spatial;
      ret->is_empty = is_above (self, descriptor);
    }
  if (ret->is_empty || (picture_offset == 0 && self->tl0_offset == 0))
    return;
  ret->head_len = rtc_descriptor_get_ids_end (descriptor);
  memcpy (ret->head, packet->payload, ret->head_len);
  rtc_descriptor_write_ids (descriptor, ret->head,
                            (guint16)(descriptor->picture_id + picture_offset),
                            (guint8)(descriptor->tl0 + self->tl0_offset));
}

static void
forget_squeeze (EgressRewrite *self, guint32 rtp_ts)
{
  guint32 at = rtp_ts - self->from;

  if (at < G_MAXINT32
      && at > self->len + SQUEEZE_KEPT_S * rtc_codec_clock_hz (self->codec))
    self->len = 0;
}

gboolean
egress_rewrite_pass (EgressRewrite *self, const RelayPacket *packet,
                     EgressEdit *ret)
{
  gboolean is_next = !self->has_seen || packet->ext_seq > self->highest;
  RtcDescriptor read, *descriptor = NULL;
  guint n_before = self->n_drops;

  if (rtc_descriptor_read (self->codec, packet->payload, packet->payload_len,
                           &read))
    descriptor = &read;
  if (self->len > 0)
    forget_squeeze (self, packet->rtp_ts);
  if (is_next)
    {
      if (self->has_layers && descriptor)
        choose_layers (self, packet, descriptor);
      self->has_seen = TRUE;
      self->highest = packet->ext_seq;
      self->rtp_ts = packet->rtp_ts;
      if (self->has_layers && descriptor && is_above (self, descriptor))
        {
          add_drop (self, packet);
          return FALSE;
        }
    }
  else if (!count_before (self, packet->ext_seq, FALSE, &n_before))
    return FALSE;
  edit (self, packet, descriptor, n_before, ret);
  return TRUE;
}

gboolean
egress_rewrite_again (const EgressRewrite *self, const RelayPacket *packet,
                      EgressEdit *ret)
{
  RtcDescriptor read;
  gboolean has = rtc_descriptor_read (self->codec, packet->payload,
                                      packet->payload_len, &read);
  guint n_before;

  if (!count_before (self, packet->ext_seq, FALSE, &n_before))
    return FALSE;
  edit (self, packet, has ? &read : NULL, n_before, ret);
  return TRUE;
}

void
egress_rewrite_remember (const EgressRewrite *self, RtcCodec codec,
                         const RelayPacket *packet, guint32 ts_offset,
                         EgressLast *ret)
{
  RtcDescriptor descriptor;
  EgressEdit sent = { .rtp_ts = packet->rtp_ts };

  if (self && !egress_rewrite_again (self, packet, &sent))
    return;
  ret->is_known = TRUE;
  ret->ext_seq = packet->ext_seq;
  ret->rtp_ts = sent.rtp_ts + ts_offset;
  /* a squeezed one stands for a later time */
  ret->at_us = packet->recv_us
               + (gint64)(gint32)(sent.rtp_ts - packet->rtp_ts) * BASE_US_PER_S
                     / MAX (rtc_codec_clock_hz (codec), 1);
  if (read_frame_number (packet, &ret->frame_number) && self)
    ret->frame_number = (guint16)(ret->frame_number + self->frame_offset);
  if (!rtc_descriptor_read (codec, packet->payload, packet->payload_len,
                            &descriptor))
    return;
  ret->picture_id = descriptor.picture_id;
  ret->tl0 = descriptor.tl0;
  if (!self)
    return;
  ret->picture_id =
      (guint16)(ret->picture_id + picture_offset_at (self, sent.n_before));
  ret->tl0 = (guint8)(ret->tl0 + self->tl0_offset);
}
