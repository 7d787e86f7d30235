/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/rtcp: RTCP compounds; see the header. */
#include "rtc/rtcp.h"

#include <string.h>

#define HEADER_BYTES 4
#define BLOCK_BYTES 24
#define MAX_BLOCKS 31
#define MAX_NACK_SEQS 512
#define MAX_CNAME_BYTES 255

/* seconds between 1900 (NTP) and 1970 */
#define NTP_OFFSET_S G_GUINT64_CONSTANT (2208988800)

enum
{
  PT_SR = 200,
  PT_RR = 201,
  PT_SDES = 202,
  PT_BYE = 203,
  PT_RTPFB = 205,
  PT_PSFB = 206,
};

enum
{
  RTPFB_NACK = 1,
  RTPFB_TWCC = 15,
  PSFB_PLI = 1,
  PSFB_FIR = 4,
  PSFB_AFB = 15, /* REMB is one of these */
};

static inline guint16
read_u16 (const guint8 *p)
{
  return (guint16)(p[0] << 8 | p[1]);
}

static inline guint32
read_u24 (const guint8 *p)
{
  return (guint32)p[0] << 16 | (guint32)p[1] << 8 | p[2];
}

static inline guint32
read_u32 (const guint8 *p)
{
  return (guint32)p[0] << 24 | read_u24 (p + 1);
}

static inline void
write_u16 (guint8 *p, guint32 v)
{
  p[0] = (guint8)(v >> 8);
  p[1] = (guint8)v;
}

static inline void
write_u24 (guint8 *p, guint32 v)
{
  p[0] = (guint8)(v >> 16);
  write_u16 (p + 1, v);
}

static inline void
write_u32 (guint8 *p, guint32 v)
{
  p[0] = (guint8)(v >> 24);
  write_u24 (p + 1, v);
}

/* One packet of the compound, its header taken off */
typedef struct
{
  guint8 count; /* or FMT */
  guint8 pt;
  const guint8 *body;
  gsize len; /* without padding */
} Packet;

static void
read_block (const guint8 *p, RtcReportBlock *ret)
{
  guint32 lost = read_u24 (p + 5);

  ret->ssrc = read_u32 (p);
  ret->fraction_lost = p[4];
  ret->n_lost = (gint32)lost - (lost & 0x800000 ? 0x1000000 : 0);
  ret->ext_highest_seq = read_u32 (p + 8);
  ret->jitter = read_u32 (p + 12);
  ret->last_sr = read_u32 (p + 16);
  ret->delay_since_sr = read_u32 (p + 20);
}

/* Sender info and the reports behind it; what follows is an extension. */
static gboolean
read_reports (const Packet *packet, const RtcRtcpSink *sink, gpointer data)
{
  gsize pos = packet->pt == PT_SR ? 24 : 4;
  const guint8 *p = packet->body;

  if (packet->len < pos + (gsize)packet->count * BLOCK_BYTES)
    return FALSE;
  if (packet->pt == PT_SR && sink->on_sr != NULL)
    sink->on_sr (read_u32 (p),
                 (guint64)read_u32 (p + 4) << 32 | read_u32 (p + 8),
                 read_u32 (p + 12), read_u32 (p + 16), read_u32 (p + 20), data);
  for (guint i = 0; i < packet->count && sink->on_report != NULL; i++)
    {
      RtcReportBlock block;

      read_block (p + pos + i * BLOCK_BYTES, &block);
      sink->on_report (read_u32 (p), &block, data);
    }
  return TRUE;
}

static gboolean
read_bye (const Packet *packet, const RtcRtcpSink *sink, gpointer data)
{
  if (packet->len < (gsize)packet->count * 4)
    return FALSE;
  for (guint i = 0; i < packet->count && sink->on_bye != NULL; i++)
    sink->on_bye (read_u32 (packet->body + i * 4), data);
  return TRUE;
}

static void
read_nack (guint32 media_ssrc, const guint8 *fci, gsize len,
           const RtcRtcpSink *sink, gpointer data)
{
  guint16 seqs[MAX_NACK_SEQS];
  guint n = 0;

  if (sink->on_nack == NULL)
    return;
  for (gsize pos = 0; pos + 4 <= len; pos += 4)
    {
      guint16 pid = read_u16 (fci + pos), mask = read_u16 (fci + pos + 2);

      if (n < MAX_NACK_SEQS)
        seqs[n++] = pid;
      for (guint bit = 0; bit < 16 && n < MAX_NACK_SEQS; bit++)
        if (mask >> bit & 1)
          seqs[n++] = (guint16)(pid + bit + 1);
    }
  if (n > 0)
    sink->on_nack (media_ssrc, seqs, n, data);
}

static gboolean
read_rtpfb (const Packet *packet, const RtcRtcpSink *sink, gpointer data)
{
  const guint8 *fci = packet->body + 8;

  if (packet->len < 8)
    return FALSE;
  if (packet->count == RTPFB_NACK)
    {
      if (packet->len == 8)
        return FALSE;
      read_nack (read_u32 (packet->body + 4), fci, packet->len - 8, sink, data);
    }
  else if (packet->count == RTPFB_TWCC && sink->on_twcc != NULL)
    sink->on_twcc (fci, packet->len - 8, data);
  return TRUE;
}

/* "REMB", number of SSRCs, 6 bits exponent, 18 bits mantissa */
static gboolean
read_remb (const guint8 *fci, gsize len, const RtcRtcpSink *sink, gpointer data)
{
  guint64 mantissa;
  guint exponent;

  if (len < 4 || memcmp (fci, "REMB", 4) != 0)
    return TRUE; /* some other application's */
  if (len < 8 || len < 8 + (gsize)fci[4] * 4)
    return FALSE;
  exponent = fci[5] >> 2;
  mantissa = read_u24 (fci + 5) & 0x3ffff;
  if (exponent > 46) /* 18 + 46 = 64 bits */
    return FALSE;
  if (sink->on_remb != NULL)
    sink->on_remb (mantissa << exponent, data);
  return TRUE;
}

static gboolean
read_psfb (const Packet *packet, const RtcRtcpSink *sink, gpointer data)
{
  const guint8 *fci = packet->body + 8;

  if (packet->len < 8)
    return FALSE;
  switch (packet->count)
    {
    case PSFB_PLI:
      if (sink->on_pli != NULL)
        sink->on_pli (read_u32 (packet->body + 4), data);
      return TRUE;
    case PSFB_FIR:
      if (packet->len < 16 || packet->len % 8 != 0)
        return FALSE;
      for (gsize pos = 0; pos + 8 <= packet->len - 8; pos += 8)
        if (sink->on_fir != NULL)
          sink->on_fir (read_u32 (fci + pos), fci[pos + 4], data);
      return TRUE;
    case PSFB_AFB:
      return read_remb (fci, packet->len - 8, sink, data);
    default:
      return TRUE;
    }
}

static gboolean
read_packet (const Packet *packet, const RtcRtcpSink *sink, gpointer data)
{
  switch (packet->pt)
    {
    case PT_SR:
    case PT_RR:
      return read_reports (packet, sink, data);
    case PT_BYE:
      return read_bye (packet, sink, data);
    case PT_RTPFB:
      return read_rtpfb (packet, sink, data);
    case PT_PSFB:
      return read_psfb (packet, sink, data);
    default: /* SDES, APP, XR: nothing that is needed */
      return TRUE;
    }
}

gboolean
rtc_rtcp_read (const guint8 *data, gsize len, const RtcRtcpSink *sink,
               gpointer user_data)
{
  gsize pos = 0;

  if (len == 0)
    return FALSE;
  while (pos < len)
    {
      Packet packet;
      gsize n_bytes;

      if (len - pos < HEADER_BYTES || data[pos] >> 6 != 2)
        return FALSE;
      n_bytes = HEADER_BYTES + 4 * (gsize)read_u16 (data + pos + 2);
      if (n_bytes > len - pos)
        return FALSE;
      packet.count = data[pos] & 0x1f;
      packet.pt = data[pos + 1];
      packet.body = data + pos + HEADER_BYTES;
      packet.len = n_bytes - HEADER_BYTES;
      if (data[pos] & 0x20) /* padding: its last byte counts it */
        {
          guint8 n_padding = data[pos + n_bytes - 1];

          if (packet.len == 0 || n_padding == 0 || n_padding > packet.len)
            return FALSE;
          packet.len -= n_padding;
        }
      if (!read_packet (&packet, sink, user_data))
        return FALSE;
      pos += n_bytes;
    }
  return TRUE;
}

/* Reserves a packet of @body_bytes and writes its header.
 * Returns: (nullable): where the body begins */
static guint8 *
begin (guint8 *buf, gsize cap, gsize *len, guint pt, guint count,
       gsize body_bytes)
{
  gsize n_bytes = HEADER_BYTES + body_bytes;
  guint8 *p = buf + *len;

  if (*len > cap || n_bytes > cap - *len || n_bytes / 4 - 1 > G_MAXUINT16)
    return NULL;
  p[0] = (guint8)(0x80 | count);
  p[1] = (guint8)pt;
  write_u16 (p + 2, (guint32)(n_bytes / 4 - 1));
  *len += n_bytes;
  return p + HEADER_BYTES;
}

gboolean
rtc_rtcp_write_sr (guint8 *buf, gsize cap, gsize *len, guint32 ssrc,
                   guint64 ntp, guint32 rtp_ts, guint32 n_packets,
                   guint32 n_octets)
{
  guint8 *p = begin (buf, cap, len, PT_SR, 0, 24);

  if (p == NULL)
    return FALSE;
  write_u32 (p, ssrc);
  write_u32 (p + 4, (guint32)(ntp >> 32));
  write_u32 (p + 8, (guint32)ntp);
  write_u32 (p + 12, rtp_ts);
  write_u32 (p + 16, n_packets);
  write_u32 (p + 20, n_octets);
  return TRUE;
}

gboolean
rtc_rtcp_write_rr (guint8 *buf, gsize cap, gsize *len, guint32 ssrc,
                   const RtcReportBlock *blocks, guint n_blocks)
{
  guint8 *p;

  g_return_val_if_fail (n_blocks <= MAX_BLOCKS, FALSE);
  p = begin (buf, cap, len, PT_RR, n_blocks, 4 + n_blocks * BLOCK_BYTES);
  if (p == NULL)
    return FALSE;
  write_u32 (p, ssrc);
  p += 4;
  for (guint i = 0; i < n_blocks; i++, p += BLOCK_BYTES)
    {
      gint32 lost = CLAMP (blocks[i].n_lost, -0x800000, 0x7fffff);

      write_u32 (p, blocks[i].ssrc);
      p[4] = blocks[i].fraction_lost;
      write_u24 (p + 5, (guint32)lost);
      write_u32 (p + 8, blocks[i].ext_highest_seq);
      write_u32 (p + 12, blocks[i].jitter);
      write_u32 (p + 16, blocks[i].last_sr);
      write_u32 (p + 20, blocks[i].delay_since_sr);
    }
  return TRUE;
}

gboolean
rtc_rtcp_write_sdes_cname (guint8 *buf, gsize cap, gsize *len, guint32 ssrc,
                           const char *cname)
{
  gsize n = MIN (strlen (cname), MAX_CNAME_BYTES);
  /* SSRC, item type and length, text, 1 to 4 zeros up to a whole word */
  gsize body_bytes = (4 + 2 + n) / 4 * 4 + 4;
  guint8 *p = begin (buf, cap, len, PT_SDES, 1, body_bytes);

  if (p == NULL)
    return FALSE;
  memset (p, 0, body_bytes);
  write_u32 (p, ssrc);
  p[4] = 1; /* CNAME */
  p[5] = (guint8)n;
  memcpy (p + 6, cname, n);
  return TRUE;
}

/* How many of @seqs one FCI entry holds, and its mask: the first, then those
 * up to 16 above it, as long as the list goes upward. */
static guint
pack_nack (const guint16 *seqs, guint n_seqs, guint16 *ret_mask)
{
  guint used = 1;

  *ret_mask = 0;
  for (; used < n_seqs; used++)
    {
      guint16 distance = (guint16)(seqs[used] - seqs[0]);

      if (distance > 16)
        break;
      if (distance > 0)
        *ret_mask |= (guint16)(1u << (distance - 1));
    }
  return used;
}

gboolean
rtc_rtcp_write_nack (guint8 *buf, gsize cap, gsize *len, guint32 sender_ssrc,
                     guint32 media_ssrc, const guint16 *seqs, guint n_seqs)
{
  guint n_entries = 0;
  guint16 mask;
  guint8 *p;

  if (n_seqs == 0)
    return TRUE;
  for (guint i = 0; i < n_seqs; n_entries++)
    i += pack_nack (seqs + i, n_seqs - i, &mask);
  p = begin (buf, cap, len, PT_RTPFB, RTPFB_NACK, 8 + 4 * (gsize)n_entries);
  if (p == NULL)
    return FALSE;
  write_u32 (p, sender_ssrc);
  write_u32 (p + 4, media_ssrc);
  p += 8;
  for (guint i = 0; i < n_seqs; p += 4)
    {
      write_u16 (p, seqs[i]);
      i += pack_nack (seqs + i, n_seqs - i, &mask);
      write_u16 (p + 2, mask);
    }
  return TRUE;
}

gboolean
rtc_rtcp_write_pli (guint8 *buf, gsize cap, gsize *len, guint32 sender_ssrc,
                    guint32 media_ssrc)
{
  guint8 *p = begin (buf, cap, len, PT_PSFB, PSFB_PLI, 8);

  if (p == NULL)
    return FALSE;
  write_u32 (p, sender_ssrc);
  write_u32 (p + 4, media_ssrc);
  return TRUE;
}

gboolean
rtc_rtcp_write_fir (guint8 *buf, gsize cap, gsize *len, guint32 sender_ssrc,
                    guint32 media_ssrc, guint8 fir_seq)
{
  guint8 *p = begin (buf, cap, len, PT_PSFB, PSFB_FIR, 16);

  if (p == NULL)
    return FALSE;
  write_u32 (p, sender_ssrc);
  write_u32 (p + 4, 0); /* RFC 5104 4.3.1.2: not used */
  write_u32 (p + 8, media_ssrc);
  write_u32 (p + 12, (guint32)fir_seq << 24);
  return TRUE;
}

gboolean
rtc_rtcp_write_remb (guint8 *buf, gsize cap, gsize *len, guint32 sender_ssrc,
                     guint64 bitrate_bps, const guint32 *ssrcs, guint n_ssrcs)
{
  guint exponent = 0;
  guint8 *p;

  g_return_val_if_fail (n_ssrcs <= G_MAXUINT8, FALSE);
  p = begin (buf, cap, len, PT_PSFB, PSFB_AFB, 16 + 4 * (gsize)n_ssrcs);
  if (p == NULL)
    return FALSE;
  while (bitrate_bps >> exponent > 0x3ffff)
    exponent++;
  write_u32 (p, sender_ssrc);
  write_u32 (p + 4, 0);
  memcpy (p + 8, "REMB", 4);
  p[12] = (guint8)n_ssrcs;
  write_u24 (p + 13, exponent << 18 | (guint32)(bitrate_bps >> exponent));
  for (guint i = 0; i < n_ssrcs; i++)
    write_u32 (p + 16 + i * 4, ssrcs[i]);
  return TRUE;
}

gboolean
rtc_rtcp_write_bye (guint8 *buf, gsize cap, gsize *len, guint32 ssrc)
{
  guint8 *p = begin (buf, cap, len, PT_BYE, 1, 4);

  if (p == NULL)
    return FALSE;
  write_u32 (p, ssrc);
  return TRUE;
}

guint64
rtc_ntp_from_wall_us (gint64 wall_us)
{
  guint64 us = (guint64)wall_us + NTP_OFFSET_S * G_USEC_PER_SEC;
  guint64 fraction = ((us % G_USEC_PER_SEC) << 32) / G_USEC_PER_SEC;

  return us / G_USEC_PER_SEC << 32 | fraction;
}

gint64
rtc_ntp_to_wall_us (guint64 ntp)
{
  guint64 seconds = ntp >> 32;
  guint64 us = ((ntp & 0xffffffff) * G_USEC_PER_SEC + (1u << 31)) >> 32;

  return (gint64)(seconds * G_USEC_PER_SEC + us)
         - (gint64)(NTP_OFFSET_S * G_USEC_PER_SEC);
}
