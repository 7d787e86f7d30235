/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of rtc/rtcp: what is written can be read, what is hostile cannot. */
#include <gst/rtp/gstrtcpbuffer.h>
#include <string.h>

#include "rtc/rtcp.h"

typedef struct
{
  guint n_sr, n_report, n_nack, n_pli, n_fir, n_remb, n_twcc, n_bye;
  guint32 ssrc, media_ssrc, rtp_ts, n_packets, n_octets;
  guint64 ntp, bitrate_bps;
  RtcReportBlock blocks[40];
  guint16 seqs[600];
  guint n_seqs;
  guint8 fir_seq;
  gsize twcc_len;
} Seen;

static void
on_sr (guint32 ssrc, guint64 ntp, guint32 rtp_ts, guint32 n_packets,
       guint32 n_octets, gpointer data)
{
  Seen *seen = data;
  seen->n_sr++;
  seen->ssrc = ssrc;
  seen->ntp = ntp;
  seen->rtp_ts = rtp_ts;
  seen->n_packets = n_packets;
  seen->n_octets = n_octets;
}

static void
on_report (guint32 sender_ssrc, const RtcReportBlock *block, gpointer data)
{
  Seen *seen = data;
  seen->ssrc = sender_ssrc;
  seen->blocks[seen->n_report++ % 40] = *block;
}

static void
on_nack (guint32 media_ssrc, const guint16 *seqs, guint n_seqs, gpointer data)
{
  Seen *seen = data;
  seen->n_nack++;
  seen->media_ssrc = media_ssrc;
  g_assert_cmpuint (n_seqs, <=, 512);
  memcpy (seen->seqs, seqs, n_seqs * sizeof *seqs);
  seen->n_seqs = n_seqs;
}

static void
on_pli (guint32 media_ssrc, gpointer data)
{
  Seen *seen = data;
  seen->n_pli++;
  seen->media_ssrc = media_ssrc;
}

static void
on_fir (guint32 media_ssrc, guint8 fir_seq, gpointer data)
{
  Seen *seen = data;
  seen->n_fir++;
  seen->media_ssrc = media_ssrc;
  seen->fir_seq = fir_seq;
}

static void
on_remb (guint64 bitrate_bps, gpointer data)
{
  Seen *seen = data;
  seen->n_remb++;
  seen->bitrate_bps = bitrate_bps;
}

static void
on_twcc (const guint8 *fci, gsize len, gpointer data)
{
  Seen *seen = data;
  seen->n_twcc++;
  seen->twcc_len = len;
}

static void
on_bye (guint32 ssrc, gpointer data)
{
  Seen *seen = data;
  seen->n_bye++;
  seen->ssrc = ssrc;
}

static const RtcRtcpSink sink = { on_sr,  on_report, on_nack, on_pli,
                                  on_fir, on_remb,   on_twcc, on_bye };
static const RtcRtcpSink deaf = { 0 };

static gsize
write_all (guint8 *buf, gsize cap)
{
  const RtcReportBlock blocks[2] = { { 0x11, 128, -5, 0x10002, 77, 0x12345678,
                                       65536 },
                                     { 0x22, 0, 0x7fffff, 1, 2, 3, 4 } };
  const guint16 seqs[] = { 65534, 65535, 0, 14, 15, 16, 100 };
  const guint32 ssrcs[] = { 5, 6 };
  gsize len = 0;

  g_assert_true (rtc_rtcp_write_sr (buf, cap, &len, 0xabc,
                                    G_GUINT64_CONSTANT (0x1122334455667788),
                                    90000, 10, 12000));
  g_assert_true (rtc_rtcp_write_rr (buf, cap, &len, 0xabc, blocks, 2));
  g_assert_true (rtc_rtcp_write_sdes_cname (buf, cap, &len, 0xabc, "live"));
  g_assert_true (rtc_rtcp_write_nack (buf, cap, &len, 1, 0x77, seqs, 7));
  g_assert_true (rtc_rtcp_write_fir (buf, cap, &len, 1, 0x88, 250));
  g_assert_true (rtc_rtcp_write_remb (buf, cap, &len, 1, 2500000, ssrcs, 2));
  g_assert_true (rtc_rtcp_write_pli (buf, cap, &len, 1, 0x99));
  g_assert_true (rtc_rtcp_write_bye (buf, cap, &len, 0xabc));
  return len;
}

static void
test_round_trip (void)
{
  guint8 buf[1200];
  gsize len = write_all (buf, sizeof buf);
  const guint16 want[] = { 65534, 65535, 0, 14, 15, 16, 100 };
  Seen seen = { 0 };

  g_assert_true (rtc_rtcp_read (buf, len, &sink, &seen));
  g_assert_true (rtc_rtcp_read (buf, len, &deaf, NULL));
  g_assert_cmpuint (seen.n_sr, ==, 1);
  g_assert_cmphex (seen.ntp, ==, G_GUINT64_CONSTANT (0x1122334455667788));
  g_assert_cmpuint (seen.rtp_ts, ==, 90000);
  g_assert_cmpuint (seen.n_packets, ==, 10);
  g_assert_cmpuint (seen.n_octets, ==, 12000);
  g_assert_cmpuint (seen.n_report, ==, 2);
  g_assert_cmpuint (seen.blocks[0].ssrc, ==, 0x11);
  g_assert_cmpuint (seen.blocks[0].fraction_lost, ==, 128);
  g_assert_cmpint (seen.blocks[0].n_lost, ==, -5);
  g_assert_cmpuint (seen.blocks[0].ext_highest_seq, ==, 0x10002);
  g_assert_cmpuint (seen.blocks[0].jitter, ==, 77);
  g_assert_cmphex (seen.blocks[0].last_sr, ==, 0x12345678);
  g_assert_cmpuint (seen.blocks[0].delay_since_sr, ==, 65536);
  g_assert_cmpint (seen.blocks[1].n_lost, ==, 0x7fffff);
  g_assert_cmpuint (seen.n_nack, ==, 1);
  g_assert_cmpuint (seen.n_seqs, ==, 7);
  g_assert_cmpmem (seen.seqs, sizeof want, want, sizeof want);
  g_assert_cmpuint (seen.n_fir, ==, 1);
  g_assert_cmpuint (seen.fir_seq, ==, 250);
  g_assert_cmpuint (seen.n_pli, ==, 1);
  g_assert_cmphex (seen.media_ssrc, ==, 0x99);
  g_assert_cmpuint (seen.bitrate_bps, ==, 2500000);
  g_assert_cmpuint (seen.n_bye, ==, 1);
  g_assert_cmphex (seen.ssrc, ==, 0xabc);
}

/* GStreamer's check of a compound, and the SDES by hand. */
static void
test_gst_reads (void)
{
  static const guint8 sdes[] = { 0x81, 202, 0,   3,   0,   0,   0x0a, 0xbc,
                                 1,    4,   'l', 'i', 'v', 'e', 0,    0 };
  guint8 buf[1200];
  gsize len = write_all (buf, sizeof buf), pos = 0;
  const guint8 types[] = { 200, 201, 202, 205, 206, 206, 206, 203 };

  g_assert_true (gst_rtcp_buffer_validate_data (buf, (guint)len));
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      gsize n_bytes = 4 + 4 * (gsize)(buf[pos + 2] << 8 | buf[pos + 3]);

      g_assert_cmpuint (buf[pos + 1], ==, types[i]);
      if (types[i] == 202)
        g_assert_cmpmem (buf + pos, n_bytes, sdes, sizeof sdes);
      pos += n_bytes;
    }
  g_assert_cmpuint (pos, ==, len);
}

/* Cut anywhere, and with any single byte changed: no read past the end. */
static void
test_hostile (void)
{
  guint8 buf[1200];
  gsize len = write_all (buf, sizeof buf);

  for (gsize n = 0; n < len; n++)
    {
      g_autofree guint8 *copy = g_memdup2 (buf, n);
      Seen seen = { 0 };
      gboolean ok = rtc_rtcp_read (copy, n, &sink, &seen);

      if (n % 4 != 0 || n == 0)
        g_assert_false (ok);
    }
  for (gsize at = 0; at < len; at++)
    for (guint value = 0; value < 256; value += 15)
      {
        g_autofree guint8 *copy = g_memdup2 (buf, len);
        Seen seen = { 0 };

        copy[at] = (guint8)value;
        rtc_rtcp_read (copy, len, &sink, &seen);
      }
}

static void
test_malformed (void)
{
  static const struct
  {
    gsize len;
    guint8 bytes[32];
  } rows[] = {
    { 3, { 0x80, 200, 0 } },
    { 4, { 0x40, 203, 0, 0 } },             /* version 1 */
    { 4, { 0x81, 203, 0, 0 } },             /* BYE of nobody */
    { 4, { 0x80, 203, 0, 1 } },             /* longer than all */
    { 8, { 0x81, 201, 0, 1, 1, 2, 3, 4 } }, /* block missing */
    { 8, { 0x80, 200, 0, 1, 1, 2, 3, 4 } }, /* no sender info */
    { 12, { 0x81, 205, 0, 2 } },            /* NACK of nothing */
    { 8, { 0x81, 206, 0, 1 } },             /* PLI cut */
    { 12, { 0x84, 206, 0, 2 } },            /* FIR without entry */
    { 8, { 0xa0, 203, 0, 1, 0, 0, 0, 0 } }, /* padding 0 */
    { 8, { 0xa0, 203, 0, 1, 0, 0, 0, 5 } }, /* padding too long */
    { 4, { 0xa0, 203, 0, 0 } },             /* padding nowhere */
    { 16, { 0x8f, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B' } },
    { 20,
      { 0x8f, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B',
        9 } }, /* 9 SSRCs, none there */
    { 20, { 0x8f, 206, 0,   4,   0,   0,   0, 1,    0,    0,
            0,    0,   'R', 'E', 'M', 'B', 0, 0xff, 0xff, 0xff } }, /* 2^63 *
                                                                       2^18 */
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree guint8 *copy = g_memdup2 (rows[i].bytes, rows[i].len);
      Seen seen = { 0 };

      g_test_message ("row %u", i);
      g_assert_false (rtc_rtcp_read (copy, rows[i].len, &sink, &seen));
      g_assert_cmpuint (seen.n_remb + seen.n_nack + seen.n_sr, ==, 0);
    }
}

static void
test_before_malformed (void)
{
  guint8 buf[64];
  gsize len = 0;
  Seen seen = { 0 };

  rtc_rtcp_write_pli (buf, sizeof buf, &len, 1, 2);
  buf[len] = 0;
  g_assert_false (rtc_rtcp_read (buf, len + 4, &sink, &seen));
  g_assert_cmpuint (seen.n_pli, ==, 1); /* what came before is delivered */
}

static void
test_nack_bounds (void)
{
  g_autofree guint8 *buf = g_malloc0 (4096);
  Seen seen = { 0 };
  gsize len = 12 + 40 * 4;
  guint16 seqs[3] = { 5, 5, 4 };

  buf[0] = 0x81;
  buf[1] = 205;
  buf[3] = (guint8)(len / 4 - 1);
  memset (buf + 12, 0xff, len - 12); /* 40 entries of 17 */
  g_assert_true (rtc_rtcp_read (buf, len, &sink, &seen));
  g_assert_cmpuint (seen.n_seqs, ==, 512);

  /* repeated and falling numbers do not break the packing */
  len = 0;
  g_assert_true (rtc_rtcp_write_nack (buf, 4096, &len, 1, 2, seqs, 3));
  g_assert_true (rtc_rtcp_read (buf, len, &sink, &seen));
  g_assert_cmpuint (seen.n_seqs, ==, 2);
  g_assert_cmpuint (seen.seqs[0], ==, 5);
  g_assert_cmpuint (seen.seqs[1], ==, 4);
}

/* Every writer leaves the buffer alone when it does not fit. */
static void
test_no_room (void)
{
  guint8 buf[64];
  const guint16 seqs[] = { 1 };
  const guint32 ssrcs[] = { 1 };
  const RtcReportBlock block = { 0 };
  gsize len = 8;

  memset (buf, 0x5a, sizeof buf);
  g_assert_false (rtc_rtcp_write_sr (buf, 35, &len, 1, 2, 3, 4, 5));
  g_assert_false (rtc_rtcp_write_rr (buf, 39, &len, 1, &block, 1));
  g_assert_false (rtc_rtcp_write_sdes_cname (buf, 23, &len, 1, "ab"));
  g_assert_false (rtc_rtcp_write_nack (buf, 23, &len, 1, 2, seqs, 1));
  g_assert_false (rtc_rtcp_write_pli (buf, 19, &len, 1, 2));
  g_assert_false (rtc_rtcp_write_fir (buf, 27, &len, 1, 2, 3));
  g_assert_false (rtc_rtcp_write_remb (buf, 31, &len, 1, 2, ssrcs, 1));
  g_assert_false (rtc_rtcp_write_bye (buf, 15, &len, 1));
  g_assert_false (rtc_rtcp_write_bye (buf, 4, &len, 1));
  g_assert_cmpuint (len, ==, 8);
  for (guint i = 0; i < sizeof buf; i++)
    g_assert_cmphex (buf[i], ==, 0x5a);
  g_assert_true (rtc_rtcp_write_sr (buf, 36, &len, 1, 2, 3, 4, 5));
  g_assert_cmpuint (len, ==, 36);
}

static void
test_ntp (void)
{
  const gint64 walls[] = { 0, 1, 999999, G_GINT64_CONSTANT (1789000000123456) };

  g_assert_cmphex (rtc_ntp_from_wall_us (0), ==,
                   G_GUINT64_CONSTANT (2208988800) << 32);
  g_assert_cmphex (rtc_ntp_from_wall_us (500000) & 0xffffffff, ==, 0x80000000);
  for (guint i = 0; i < G_N_ELEMENTS (walls); i++)
    g_assert_cmpint (rtc_ntp_to_wall_us (rtc_ntp_from_wall_us (walls[i])), ==,
                     walls[i]);
}

static void
test_remb_values (void)
{
  const guint64 values[] = { 0,       1,        0x3ffff,
                             0x40000, 10000000, G_GUINT64_CONSTANT (1) << 63 };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      guint8 buf[64];
      gsize len = 0;
      Seen seen = { 0 };

      g_assert_true (
          rtc_rtcp_write_remb (buf, sizeof buf, &len, 1, values[i], NULL, 0));
      g_assert_true (rtc_rtcp_read (buf, len, &sink, &seen));
      g_assert_cmpuint (seen.bitrate_bps, <=, values[i]);
      g_assert_cmpuint (values[i] - seen.bitrate_bps, <=, values[i] >> 17);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtc/rtcp/round-trip", test_round_trip);
  g_test_add_func ("/rtc/rtcp/gst-reads", test_gst_reads);
  g_test_add_func ("/rtc/rtcp/hostile", test_hostile);
  g_test_add_func ("/rtc/rtcp/malformed", test_malformed);
  g_test_add_func ("/rtc/rtcp/before-malformed", test_before_malformed);
  g_test_add_func ("/rtc/rtcp/nack-bounds", test_nack_bounds);
  g_test_add_func ("/rtc/rtcp/no-room", test_no_room);
  g_test_add_func ("/rtc/rtcp/ntp", test_ntp);
  g_test_add_func ("/rtc/rtcp/remb", test_remb_values);
  return g_test_run ();
}
