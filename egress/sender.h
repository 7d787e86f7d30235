/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressSender: the packet path of one viewer: turns the stream's packets into
 * the viewer's (header, SSRC, sequence, extensions), seals them straight from
 * the ring into the send batch, and answers NACKs.
 * Sequence numbers: out = ext_seq + seq_offset, 64 bit; its low 16 bits go on
 * the wire, the rest is the rollover counter. The first is random below 2^15
 * with ROC 0. After a cut, start() continues one after the highest.
 * Owner:  EgressViewer (embedded). Thread: media. No lock, no allocation.
 */
#pragma once

#include "egress/viewer.h"

#define EGRESS_SENDER_N_RECENT 64

typedef struct
{
  EgressViewerTrack params;
  gboolean is_started;
  guint32 ts_offset;
  guint64 first_ext_seq; /* lower ones are not this viewer's */
  guint64 seq_offset;
  guint64 highest_out;
  guint64 rtx_next; /* 64 bit, as seq */
  guint64 n_packets, n_bytes, n_packets_told, n_bytes_told;
} EgressTrack;

typedef struct
{
  RtcBatch *batch; /* borrowed from the worker */
  RtcSrtpOut *srtp; /* borrowed from the transport */
  const RtcPath *path;
  EgressTrack tracks[RTC_MEDIA_N_KINDS];
  guint8 playout_delay[3];
  gboolean has_playout_delay;
  gint64 repair_tokens_bytes;
  guint32 rtt_us;
  /* packets repaired lately: not again within a round trip */
  struct
  {
    guint64 ext_seq;
    gint64 at_us;
  } recent[RTC_MEDIA_N_KINDS][EGRESS_SENDER_N_RECENT];
} EgressSender;

void egress_sender_init (EgressSender *self,
                         const EgressViewerTrack tracks[RTC_MEDIA_N_KINDS]);
/* both < 0: not sent (0..40950 ms) */
void egress_sender_set_playout_delay (EgressSender *self, int min_ms,
                                      int max_ms);
static inline void
egress_sender_set_path (EgressSender *self, const RtcPath *path)
{
  self->path = path;
}

/* egress_sender_start: the track's packets from @first_ext_seq on are sent */
void egress_sender_start (EgressSender *self, RtcMediaKind kind,
                          guint64 first_ext_seq);
/* Returns: bytes sent; 0 when the packet is not this viewer's. An audio track
 * starts by itself. */
gsize egress_sender_send (EgressSender *self, const RelayPacket *packet);
/* parameter sets just before the first packet of a start() */
void egress_sender_send_params (EgressSender *self, const guint8 *payload,
                                guint payload_len, guint32 rtp_ts);
/* answers a NACK. Returns: %FALSE: not held, over the share, just sent */
gboolean egress_sender_repair (EgressSender *self, RelayFeed *feed,
                               RtcMediaKind kind, guint16 seq, gint64 now_us);
