/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/rtp: RTP header and extension reading; see the header. */
#include "rtc/rtp.h"

#define RTP_HEADER_BYTES 12
#define STUN_HEADER_BYTES 20
#define DTLS_HEADER_BYTES 13
#define RTCP_HEADER_BYTES 4

#define ONE_BYTE_PROFILE 0xbede
#define TWO_BYTE_PROFILE 0x1000 /* the low four bits are the application's */

static inline guint16
read_u16 (const guint8 *p)
{
  return (guint16)(p[0] << 8 | p[1]);
}

static inline guint32
read_u32 (const guint8 *p)
{
  return (guint32)p[0] << 24 | (guint32)p[1] << 16 | (guint32)p[2] << 8 | p[3];
}

RtcDemux
rtc_demux (const guint8 *data, gsize len)
{
  if (len < RTCP_HEADER_BYTES)
    return RTC_DEMUX_UNKNOWN;
  if (data[0] <= 3)
    return len >= STUN_HEADER_BYTES ? RTC_DEMUX_STUN : RTC_DEMUX_UNKNOWN;
  if (data[0] >= 20 && data[0] <= 63)
    return len >= DTLS_HEADER_BYTES ? RTC_DEMUX_DTLS : RTC_DEMUX_UNKNOWN;
  if (data[0] < 128 || data[0] > 191)
    return RTC_DEMUX_UNKNOWN;
  /* RFC 5761: 64..95 with the marker bit are RTCP's packet types */
  if (data[1] >= 192 && data[1] <= 223)
    return RTC_DEMUX_RTCP;
  return len >= RTP_HEADER_BYTES ? RTC_DEMUX_RTP : RTC_DEMUX_UNKNOWN;
}

gboolean
rtc_rtp_parse (const guint8 *data, gsize len, RtcRtp *ret)
{
  RtcRtp rtp = { 0 };
  gsize pos = RTP_HEADER_BYTES, n_padding = 0;

  if (len < RTP_HEADER_BYTES || len > G_MAXUINT16 || data[0] >> 6 != 2)
    return FALSE;
  pos += 4 * (data[0] & 0x0f);
  if (data[0] & 0x10)
    {
      if (pos + 4 > len)
        return FALSE;
      rtp.ext_profile = read_u16 (data + pos);
      rtp.ext_len = 4 * read_u16 (data + pos + 2);
      rtp.ext = data + pos + 4;
      pos += 4 + rtp.ext_len;
    }
  if (pos > len)
    return FALSE;
  if (data[0] & 0x20)
    {
      n_padding = data[len - 1];
      if (n_padding == 0 || n_padding > len - pos)
        return FALSE;
    }
  rtp.marker = data[1] >> 7;
  rtp.pt = data[1] & 0x7f;
  rtp.seq = read_u16 (data + 2);
  rtp.rtp_ts = read_u32 (data + 4);
  rtp.ssrc = read_u32 (data + 8);
  rtp.payload = data + pos;
  rtp.payload_len = (guint)(len - pos - n_padding);
  rtp.header_len = (guint)pos;
  *ret = rtp;
  return TRUE;
}

gboolean
rtc_rtp_ext_next (const RtcRtp *rtp, guint *offset, guint *ret_id,
                  const guint8 **ret_data, guint *ret_len)
{
  gboolean one_byte = rtp->ext_profile == ONE_BYTE_PROFILE;
  guint pos = *offset, id, len;

  if (!one_byte && (rtp->ext_profile & 0xfff0) != TWO_BYTE_PROFILE)
    return FALSE;
  while (pos < rtp->ext_len && rtp->ext[pos] == 0)
    pos++; /* padding between elements */
  if (pos >= rtp->ext_len)
    return FALSE;
  if (one_byte)
    {
      id = rtp->ext[pos] >> 4;
      len = (rtp->ext[pos] & 0x0f) + 1;
      pos += 1;
      if (id == 0 || id == 15) /* RFC 8285 4.2: stop at these */
        return FALSE;
    }
  else
    {
      if (pos + 2 > rtp->ext_len)
        return FALSE;
      id = rtp->ext[pos];
      len = rtp->ext[pos + 1];
      pos += 2;
    }
  if (len > rtp->ext_len - pos)
    return FALSE;
  *ret_id = id;
  *ret_data = rtp->ext + pos;
  *ret_len = len;
  *offset = pos + len;
  return TRUE;
}

const guint8 *
rtc_rtp_ext_find (const RtcRtp *rtp, guint id, guint *ret_len)
{
  guint offset = 0, found, len;
  const guint8 *data;

  if (id == 0)
    return NULL;
  while (rtc_rtp_ext_next (rtp, &offset, &found, &data, &len))
    if (found == id)
      {
        *ret_len = len;
        return data;
      }
  return NULL;
}

guint64
rtc_seq_unwrap (guint64 last, guint16 seq)
{
  gint16 step = (gint16)(guint16)(seq - (guint16)last);

  /* there is nothing before 0: the next one of that number then */
  if (step < 0 && (guint64) - (gint)step > last)
    return last + (guint64)(step + 0x10000);
  return last + (guint64)(gint64)step;
}

gint64
rtc_ts_unwrap (gint64 last, guint32 rtp_ts)
{
  gint32 step = (gint32)(rtp_ts - (guint32)(guint64)last);

  return (gint64)((guint64)last + (guint64)(gint64)step);
}
