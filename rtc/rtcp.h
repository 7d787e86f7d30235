/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc/rtcp: reads and writes RTCP compounds (RFC 3550, 4585, 5104, 5506, RTX
 * needs RFC 4585 generic NACK; transport-wide feedback is rtc/twcc.h).
 * Reading: hostile bytes, stops at the first malformed block and says so.
 * Thread: any. No allocation.
 */
#pragma once

#include "rtc/types.h"

typedef struct {
  guint32 ssrc;          /* whom the block is about */
  guint8 fraction_lost;  /* of 256 */
  gint32 n_lost;         /* cumulative, 24 bit signed */
  guint32 ext_highest_seq;
  guint32 jitter;        /* in the stream's clock units */
  guint32 last_sr, delay_since_sr; /* middle 32 bits NTP; 1/65536 s */
} RtcReportBlock;

typedef struct {
  void (*on_sr) (guint32 ssrc, guint64 ntp, guint32 rtp_ts,
                 guint32 n_packets, guint32 n_octets, gpointer data);
  void (*on_report) (guint32 sender_ssrc, const RtcReportBlock *block,
                     gpointer data);
  void (*on_nack) (guint32 media_ssrc, const guint16 *seqs, guint n_seqs,
                   gpointer data); /* at most 17 per FCI entry; called per
                                      feedback packet, n_seqs <= 512 */
  void (*on_pli) (guint32 media_ssrc, gpointer data);
  void (*on_fir) (guint32 media_ssrc, guint8 fir_seq, gpointer data);
  void (*on_remb) (guint64 bitrate_bps, gpointer data);
  void (*on_twcc) (const guint8 *fci, gsize len, gpointer data);
  void (*on_bye) (guint32 ssrc, gpointer data);
} RtcRtcpSink; /* each (nullable) */

/* rtc_rtcp_read: Returns: %FALSE when any part was malformed (what came before
 * has been delivered). Reduced size (RFC 5506) is accepted. */
gboolean rtc_rtcp_read (const guint8 *data, gsize len, const RtcRtcpSink *sink,
                        gpointer user_data);

/* Writers append one packet at @buf + *@len (capacity @cap) and move *@len.
 * Returns: %FALSE when it does not fit (nothing is written). */
gboolean rtc_rtcp_write_sr (guint8 *buf, gsize cap, gsize *len, guint32 ssrc,
                            guint64 ntp, guint32 rtp_ts, guint32 n_packets,
                            guint32 n_octets);
gboolean rtc_rtcp_write_rr (guint8 *buf, gsize cap, gsize *len, guint32 ssrc,
                            const RtcReportBlock *blocks, guint n_blocks);
gboolean rtc_rtcp_write_sdes_cname (guint8 *buf, gsize cap, gsize *len,
                                    guint32 ssrc, const char *cname);
gboolean rtc_rtcp_write_nack (guint8 *buf, gsize cap, gsize *len,
                              guint32 sender_ssrc, guint32 media_ssrc,
                              const guint16 *seqs, guint n_seqs);
gboolean rtc_rtcp_write_pli (guint8 *buf, gsize cap, gsize *len,
                             guint32 sender_ssrc, guint32 media_ssrc);
gboolean rtc_rtcp_write_fir (guint8 *buf, gsize cap, gsize *len,
                             guint32 sender_ssrc, guint32 media_ssrc,
                             guint8 fir_seq);
gboolean rtc_rtcp_write_remb (guint8 *buf, gsize cap, gsize *len,
                              guint32 sender_ssrc, guint64 bitrate_bps,
                              const guint32 *ssrcs, guint n_ssrcs);
gboolean rtc_rtcp_write_bye (guint8 *buf, gsize cap, gsize *len, guint32 ssrc);

/* 64 bit NTP time from microseconds since 1970, and back */
guint64 rtc_ntp_from_wall_us (gint64 wall_us);
gint64 rtc_ntp_to_wall_us (guint64 ntp);
