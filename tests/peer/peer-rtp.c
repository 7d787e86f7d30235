/* SPDX-License-Identifier: Apache-2.0 */
/* peer-rtp: see peer-rtp.h */
#include "tests/peer/peer-rtp.h"

#include <string.h>

#define NTP_UNIX_OFFSET_S G_GUINT64_CONSTANT (2208988800)
#define OUR_SSRC 1 /* receivers': as Chromium's */

static guint32
get_u32 (const guint8 *at)
{
  return (guint32)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

static guint16
get_u16 (const guint8 *at)
{
  return (guint16)(at[0] << 8 | at[1]);
}

static void
put_u32 (guint8 *at, guint32 value)
{
  value = GUINT32_TO_BE (value);
  memcpy (at, &value, sizeof value);
}

static void
put_u16 (guint8 *at, guint16 value)
{
  value = GUINT16_TO_BE (value);
  memcpy (at, &value, sizeof value);
}

gboolean
peer_rtp_parse (const guint8 *data, gsize len, PeerRtp *ret)
{
  gsize at = PEER_RTP_HEADER_BYTES;
  if (len < at || data[0] >> 6 != 2)
    return FALSE;
  at += 4 * (gsize)(data[0] & 0xf);
  if (data[0] & 0x10)
    {
      if (len < at + 4)
        return FALSE;
      at += 4 + 4 * (gsize)get_u16 (data + at + 2);
    }
  gsize padding = data[0] & 0x20 ? data[len - 1] : 0;
  if (len < at + padding)
    return FALSE;
  ret->marker = data[1] >> 7;
  ret->pt = data[1] & 0x7f;
  ret->seq = get_u16 (data + 2);
  ret->rtp_ts = get_u32 (data + 4);
  ret->ssrc = get_u32 (data + 8);
  ret->payload = data + at;
  ret->payload_len = len - at - padding;
  return TRUE;
}

gsize
peer_rtp_write_header (guint8 *out, const PeerRtp *header, const char *mid,
                       const char *rid)
{
  gsize len = PEER_RTP_HEADER_BYTES;
  out[0] = 0x80 | (mid != NULL ? 0x10 : 0);
  out[1] = header->pt | (header->marker ? 0x80 : 0);
  put_u16 (out + 2, header->seq);
  put_u32 (out + 4, header->rtp_ts);
  put_u32 (out + 8, header->ssrc);
  if (mid == NULL)
    return len;
  put_u16 (out + 12, 0xbede);
  put_u16 (out + 14, 1);
  out[16] = 1 << 4; /* one byte follows */
  out[17] = (guint8)mid[0];
  out[18] = rid != NULL ? 2 << 4 : 0;
  out[19] = rid != NULL ? (guint8)rid[0] : 0;
  return len + 8;
}

static void
read_feedback (const guint8 *data, gsize len, const PeerRtcpSink *sink,
               gpointer user_data)
{
  guint8 format = data[0] & 0x1f;
  if (data[1] == 205 && format == 1 && sink->on_nack != NULL)
    {
      for (gsize at = 12; at + 4 <= len; at += 4)
        {
          guint16 seq = get_u16 (data + at), mask = get_u16 (data + at + 2);
          sink->on_nack (get_u32 (data + 8), seq, user_data);
          for (guint bit = 0; bit < 16; bit++)
            if (mask >> bit & 1)
              sink->on_nack (get_u32 (data + 8), (guint16)(seq + bit + 1),
                             user_data);
        }
    }
  if (data[1] == 206 && (format == 1 || format == 4)
      && sink->on_keyframe_request != NULL)
    sink->on_keyframe_request (user_data);
}

void
peer_rtcp_read (const guint8 *data, gsize len, const PeerRtcpSink *sink,
                gpointer user_data)
{
  while (len >= 8)
    {
      gsize n = 4 * ((gsize)get_u16 (data + 2) + 1);
      if (n > len || n < 8)
        return;
      if (data[1] == 200 && n >= 16 && sink->on_sender_report != NULL)
        sink->on_sender_report (get_u32 (data + 4), get_u32 (data + 10),
                                user_data);
      else if (n >= 12)
        read_feedback (data, n, sink, user_data);
      data += n;
      len -= n;
    }
}

gsize
peer_rtcp_write_sr (guint8 *out, guint32 ssrc, gint64 wall_us, guint32 rtp_ts,
                    guint32 n_packets, guint32 n_octets)
{
  static const char cname[] = "CNAME16CHARSxxxx";
  guint64 s = (guint64)wall_us / G_USEC_PER_SEC;
  guint64 us = (guint64)wall_us % G_USEC_PER_SEC;

  out[0] = 0x80;
  out[1] = 200;
  put_u16 (out + 2, 6);
  put_u32 (out + 4, ssrc);
  put_u32 (out + 8, (guint32)(s + NTP_UNIX_OFFSET_S));
  put_u32 (out + 12, (guint32)((us << 32) / G_USEC_PER_SEC));
  put_u32 (out + 16, rtp_ts);
  put_u32 (out + 20, n_packets);
  put_u32 (out + 24, n_octets);
  guint8 *sdes = out + 28;
  memset (sdes, 0, 28);
  sdes[0] = 0x81;
  sdes[1] = 202;
  put_u16 (sdes + 2, 6);
  put_u32 (sdes + 4, ssrc);
  sdes[8] = 1;
  sdes[9] = sizeof cname - 1;
  memcpy (sdes + 10, cname, sizeof cname - 1);
  return 28 + 28;
}

gsize
peer_rtcp_write_nack (guint8 *out, guint32 media_ssrc, const guint16 *seqs,
                      guint n_seqs)
{
  guint8 *nack = out + 8;
  gsize len = 12;

  out[0] = 0x80;
  out[1] = 201;
  put_u16 (out + 2, 1);
  put_u32 (out + 4, OUR_SSRC);
  nack[0] = 0x81;
  nack[1] = 205;
  put_u32 (nack + 4, OUR_SSRC);
  put_u32 (nack + 8, media_ssrc);
  for (guint i = 0; i < n_seqs;)
    {
      guint16 first = seqs[i++], mask = 0;
      for (; i < n_seqs && (guint16)(seqs[i] - first) <= 16 && seqs[i] != first;
           i++)
        mask |= (guint16)(1 << ((guint16)(seqs[i] - first) - 1));
      put_u16 (nack + len, first);
      put_u16 (nack + len + 2, mask);
      len += 4;
    }
  put_u16 (nack + 2, (guint16)(len / 4 - 1));
  return 8 + len;
}
