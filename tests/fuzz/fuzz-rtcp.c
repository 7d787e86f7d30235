/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes rtc/rtcp, with the transport-wide feedback inside. */
#include <stdint.h>

#include "rtc/rtcp.h"
#include "rtc/twcc.h"

static guint64 sum;

static void
on_sr (guint32 ssrc, guint64 ntp, guint32 rtp_ts, guint32 n_packets,
       guint32 n_octets, gpointer data)
{
  sum += (guint64)rtc_ntp_to_wall_us (ntp);
}

static void
on_report (guint32 sender_ssrc, const RtcReportBlock *block, gpointer data)
{
  if (block->n_lost > 0x7fffff || block->n_lost < -0x800000)
    g_error ("lost");
}

static void
on_nack (guint32 media_ssrc, const guint16 *seqs, guint n_seqs, gpointer data)
{
  guint8 buf[4096];
  gsize len = 0;

  if (n_seqs == 0 || n_seqs > 512)
    g_error ("number of seqs");
  if (!rtc_rtcp_write_nack (buf, sizeof buf, &len, 1, media_ssrc, seqs, n_seqs))
    g_error ("does not fit");
}

static void
on_ssrc (guint32 ssrc, gpointer data)
{
  sum += ssrc;
}

static void
on_fir (guint32 media_ssrc, guint8 fir_seq, gpointer data)
{
  sum += fir_seq;
}

static void
on_remb (guint64 bitrate_bps, gpointer data)
{
  sum += bitrate_bps;
}

static void
on_packet (guint16 seq, gint64 arrival_us, gpointer data)
{
  sum += seq;
}

static void
on_twcc (const guint8 *fci, gsize len, gpointer data)
{
  rtc_twcc_read (fci, len, on_packet, NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  static const RtcRtcpSink sink = { on_sr,  on_report, on_nack, on_ssrc,
                                    on_fir, on_remb,   on_twcc, on_ssrc };
  static const RtcRtcpSink deaf = { 0 };

  if (rtc_rtcp_read (data, len, &sink, NULL)
      != rtc_rtcp_read (data, len, &deaf, NULL))
    g_error ("the sink changes the verdict");
  return 0;
}
