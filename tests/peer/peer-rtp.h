/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer-rtp: the RTP and RTCP bytes that the test peers write and read, apart
 * from rtc/ on purpose.
 * Thread: any. No state.
 */
#pragma once

#include <glib.h>

#define PEER_RTP_HEADER_BYTES 12

typedef struct {
  guint8 pt;
  gboolean marker;
  guint16 seq;
  guint32 rtp_ts, ssrc;
  const guint8 *payload; /* borrowed; padding removed */
  gsize payload_len;
} PeerRtp;

gboolean peer_rtp_parse (const guint8 *data, gsize len, PeerRtp *ret);

/* Returns: bytes written. @mid, @rid: (nullable): one character each, ids 1
 * and 2, as OBS writes them */
gsize peer_rtp_write_header (guint8 *out, const PeerRtp *header,
                             const char *mid, const char *rid);

typedef struct {
  void (*on_nack) (guint32 ssrc, guint16 seq, gpointer user_data);
  void (*on_keyframe_request) (gpointer user_data); /* PLI or FIR */
  /* @ntp_middle: of its time, as receiver reports give it back */
  void (*on_sender_report) (guint32 ssrc, guint32 ntp_middle,
                            gpointer user_data);
} PeerRtcpSink; /* each (nullable) */
void peer_rtcp_read (const guint8 *data, gsize len, const PeerRtcpSink *sink,
                     gpointer user_data);

/* SR + SDES cname. Returns: bytes written (<= 64) */
gsize peer_rtcp_write_sr (guint8 *out, guint32 ssrc, gint64 wall_us,
                          guint32 rtp_ts, guint32 n_packets, guint32 n_octets);
/* empty RR + generic NACK of @n_seqs ascending seqs. Returns: bytes written,
 * at most 20 + 4 * @n_seqs */
gsize peer_rtcp_write_nack (guint8 *out, guint32 media_ssrc,
                            const guint16 *seqs, guint n_seqs);
