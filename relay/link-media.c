/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayLinkMedia: see relay/link-keys.h. A packet has one form only: what
 * open() takes, seal() would have written, bit by bit, so that a node that
 * passes a packet on sends what it received.
 */
#include <openssl/crypto.h>
#include <string.h>

#include "relay/link-keys-private.h"
#include "rtc/rtp.h"
#include "rtc/srtp-in.h"

#define MEDIA "media" /* without its NUL */
#define MEDIA_BYTES (sizeof MEDIA - 1)
#define KEY_BYTES 16
#define SALT_BYTES 12
#define HEADER_BYTES 12
#define TAG_BYTES 16
#define HAS_EXT 0x10
#define MARK_BYTES 3
#define MARK_KEYFRAME 1
#define MARK_PARAMS 2
#define FIRST_PT 96
#define MAX_EXT_BYTES 255 /* as a RelayPacket holds */
#define MAX_INDEX G_GUINT64_CONSTANT (0xffffffffffff) /* RFC 3711 3.3.1 */

G_STATIC_ASSERT (HEADER_BYTES + 4 + MARK_BYTES + MAX_EXT_BYTES + 3
                     + RTC_MAX_PACKET_BYTES + TAG_BYTES
                 <= RELAY_LINK_MAX_PACKET_BYTES);

struct _RelayLinkMedia
{
  gatomicrefcount refs;
  guint32 ssrc[RTC_MEDIA_N_KINDS];
  RtcSrtpOut *out; /* owned */
  RtcSrtpIn *in;   /* owned */
};

RelayLinkMedia *
relay_link_media_new (RelayLinkKeys *keys, const char *stream,
                      const guint8 publication[RELAY_ID_BYTES])
{
  guint8 info[RELAY_LINK_MAX_INFO_BYTES], out[KEY_BYTES + SALT_BYTES + 4];
  gsize name_len = strlen (stream), info_len = MEDIA_BYTES + RELAY_ID_BYTES;
  RelayLinkMedia *self;
  RtcSrtpKey key = { 0 };
  guint32 ssrc;

  g_return_val_if_fail (info_len + name_len <= sizeof info, NULL);
  memcpy (info, MEDIA, MEDIA_BYTES);
  memcpy (info + MEDIA_BYTES, publication, RELAY_ID_BYTES);
  memcpy (info + info_len, stream, name_len);
  relay_link_keys_expand (keys, info, info_len + name_len, out, sizeof out);
  memcpy (key.key, out, KEY_BYTES);
  memcpy (key.salt, out + KEY_BYTES, SALT_BYTES);
  memcpy (&ssrc, out + KEY_BYTES + SALT_BYTES, 4);
  ssrc = GUINT32_FROM_BE (ssrc);

  self = g_new0 (RelayLinkMedia, 1);
  g_atomic_ref_count_init (&self->refs);
  self->ssrc[RTC_MEDIA_AUDIO] = ssrc & ~1u;
  self->ssrc[RTC_MEDIA_VIDEO] = ssrc | 1;
  self->out = rtc_srtp_out_new (RTC_SRTP_AEAD_AES_128_GCM, &key);
  self->in = rtc_srtp_in_new (&key);
  OPENSSL_cleanse (out, sizeof out);
  OPENSSL_cleanse (&key, sizeof key);
  return self;
}

RelayLinkMedia *
relay_link_media_ref (RelayLinkMedia *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
relay_link_media_unref (RelayLinkMedia *self)
{
  g_return_if_fail (self);
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  rtc_srtp_out_free (self->out);
  rtc_srtp_in_free (self->in);
  g_free (self);
}

guint32
relay_link_media_get_ssrc (RelayLinkMedia *self, RtcMediaKind kind)
{
  return self->ssrc[kind];
}

static inline void
put_u16 (guint8 *p, guint v)
{
  p[0] = (guint8)(v >> 8);
  p[1] = (guint8)v;
}

static inline void
put_u32 (guint8 *p, guint32 v)
{
  put_u16 (p, v >> 16);
  put_u16 (p + 2, v & 0xffff);
}

static inline guint
read_u16 (const guint8 *p)
{
  return (guint)p[0] << 8 | p[1];
}

static inline guint32
read_u32 (const guint8 *p)
{
  return (guint32)read_u16 (p) << 16 | read_u16 (p + 2);
}

/* put_ext: the block with the mark first. Returns: its bytes */
static inline gsize
put_ext (guint8 *dst, guint mark, const guint8 *ext, guint ext_len)
{
  gsize pos = 4, padded;

  if (mark != 0)
    {
      dst[pos++] = RTC_EXT_KEYFRAME_START;
      dst[pos++] = 1;
      dst[pos++] = (guint8)mark;
    }
  if (ext_len > 0)
    memcpy (dst + pos, ext, ext_len);
  pos += ext_len;
  padded = (pos + 3) & ~(gsize)3;
  memset (dst + pos, 0, padded - pos);
  put_u16 (dst, 0x1000);
  put_u16 (dst + 2, (guint)(padded - 4) / 4);
  return padded;
}

gsize
relay_link_media_seal (RelayLinkMedia *self, const RelayLinkPacket *packet,
                       guint8 *dst)
{
  guint mark = (packet->is_keyframe ? MARK_KEYFRAME : 0)
               | (packet->has_params ? MARK_PARAMS : 0);
  gsize header_len = HEADER_BYTES;
  gboolean has_ext = mark != 0 || packet->ext_len > 0;

  /* the index may never wrap: nonces would come again */
  g_return_val_if_fail (packet->ext_seq <= MAX_INDEX, 0);
  g_return_val_if_fail (packet->ext_len <= MAX_EXT_BYTES
                            && packet->payload_len <= RTC_MAX_PACKET_BYTES,
                        0);
  dst[0] = has_ext ? 0x80 | HAS_EXT : 0x80;
  dst[1] = (guint8)((packet->marker ? 0x80 : 0) | (FIRST_PT + packet->codec));
  put_u16 (dst + 2, (guint)(packet->ext_seq & 0xffff));
  put_u32 (dst + 4, packet->rtp_ts);
  put_u32 (dst + 8, self->ssrc[packet->kind]);
  if (has_ext)
    header_len +=
        put_ext (dst + HEADER_BYTES, mark, packet->ext, packet->ext_len);
  return rtc_srtp_out_seal (self->out, dst, header_len, NULL, 0,
                            packet->payload, packet->payload_len,
                            (guint32)(packet->ext_seq >> 16));
}

/* has_form: the first twelve bytes are a packet's of this publication */
static inline gboolean
has_form (RelayLinkMedia *self, const guint8 *data, gsize len,
          RtcMediaKind *ret_kind)
{
  guint codec;

  if (len < HEADER_BYTES + TAG_BYTES || (data[0] & ~HAS_EXT) != 0x80)
    return FALSE;
  *ret_kind = data[11] & 1 ? RTC_MEDIA_VIDEO : RTC_MEDIA_AUDIO;
  codec = (data[1] & 0x7fu) - FIRST_PT;
  return read_u32 (data + 8) == self->ssrc[*ret_kind] && codec >= RTC_CODEC_OPUS
         && codec <= RTC_CODEC_AV1
         && rtc_codec_kind ((RtcCodec)codec) == *ret_kind;
}

gboolean
relay_link_media_peek (RelayLinkMedia *self, const guint8 *data, gsize len,
                       const guint64 highest[RTC_MEDIA_N_KINDS],
                       RtcMediaKind *ret_kind, guint64 *ret_ext_seq)
{
  RtcMediaKind kind;
  guint64 ext_seq;

  if (!has_form (self, data, len, &kind))
    return FALSE;
  ext_seq = rtc_seq_unwrap (highest[kind], (guint16)read_u16 (data + 2));
  if (ext_seq > MAX_INDEX)
    return FALSE;
  *ret_kind = kind;
  *ret_ext_seq = ext_seq;
  return TRUE;
}

/* read_elements: the block's bytes after its four. Returns: %FALSE: not the
 * form that put_ext gives, or an element that is not the tree's */
static gboolean
read_elements (const guint8 *ext, gsize len, RelayLinkPacket *ret)
{
  gsize pos = 0, from = 0;

  if (ext[0] == RTC_EXT_KEYFRAME_START)
    {
      if (ext[1] != 1 || ext[2] == 0
          || (ext[2] & ~(MARK_KEYFRAME | MARK_PARAMS)) != 0)
        return FALSE;
      ret->is_keyframe = ext[2] & MARK_KEYFRAME ? TRUE : FALSE;
      ret->has_params = ext[2] & MARK_PARAMS ? TRUE : FALSE;
      pos = from = MARK_BYTES;
    }
  while (pos < len && ext[pos] != 0)
    {
      if (ext[pos] >= RTC_EXT_KEYFRAME_START || pos + 2 > len
          || ext[pos + 1] > len - pos - 2)
        return FALSE;
      pos += 2u + ext[pos + 1];
    }
  ret->ext = ext + from;
  ret->ext_len = (guint)(pos - from);
  if (pos == 0 || len - pos > 3 || ret->ext_len > MAX_EXT_BYTES)
    return FALSE;
  while (pos < len)
    if (ext[pos++] != 0)
      return FALSE;
  return TRUE;
}

static gboolean
read_ext (const guint8 *data, gsize len, gsize *header_len,
          RelayLinkPacket *ret)
{
  gsize n_bytes;

  if (len < HEADER_BYTES + 4 + 4 + TAG_BYTES
      || read_u16 (data + HEADER_BYTES) != 0x1000)
    return FALSE;
  n_bytes = 4 * (gsize)read_u16 (data + HEADER_BYTES + 2);
  if (n_bytes == 0 || n_bytes > len - HEADER_BYTES - 4 - TAG_BYTES)
    return FALSE;
  *header_len = HEADER_BYTES + 4 + n_bytes;
  return read_elements (data + HEADER_BYTES + 4, n_bytes, ret);
}

gboolean
relay_link_media_open (RelayLinkMedia *self, guint8 *data, gsize len,
                       guint64 ext_seq, RelayLinkPacket *ret)
{
  RelayLinkPacket packet = { .ext_seq = ext_seq };
  gsize header_len = HEADER_BYTES, payload_len;

  if (len > RELAY_LINK_MAX_PACKET_BYTES || ext_seq > MAX_INDEX
      || !has_form (self, data, len, &packet.kind)
      || (ext_seq & 0xffff) != read_u16 (data + 2))
    return FALSE;
  if ((data[0] & HAS_EXT) && !read_ext (data, len, &header_len, &packet))
    return FALSE;
  if (!rtc_srtp_in_open (self->in, data, len, header_len,
                         (guint32)(ext_seq >> 16), &payload_len)
      || payload_len > RTC_MAX_PACKET_BYTES)
    return FALSE;
  packet.codec = (RtcCodec)((data[1] & 0x7fu) - FIRST_PT);
  packet.marker = data[1] >> 7;
  packet.rtp_ts = read_u32 (data + 4);
  packet.payload = data + header_len;
  packet.payload_len = (guint)payload_len;
  *ret = packet;
  return TRUE;
}
