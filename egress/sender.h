/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressSender: the packet path of one viewer: turns the stream's packets into
 * the viewer's (header, SSRC, sequence, extensions), seals them straight from
 * the ring into the send batch, and answers NACKs.
 * Sequence numbers: out = ext_seq + seq_offset, 64 bit; its low 16 bits go on
 * the wire, the rest is the rollover counter. The first is random below 2^15
 * with ROC 0. After a cut, start() continues one after the highest.
 *   A track may change its source (leave, then join): timestamps and picture
 * ids then go on by an EgressRewrite, which other tracks do not have. What was
 * sent before the last start is not repaired: its numbers belong to other
 * packets.
 * Owner:  EgressViewer (embedded). Thread: media. No lock, no allocation but
 *         for a rewrite.
 */
#pragma once

#include "egress/rewrite.h"
#include "egress/viewer.h"

#define EGRESS_SENDER_N_RECENT 64

typedef struct
{
  EgressViewerTrack params;
  gboolean is_started;
  gboolean is_left; /* the next start is of another source */
  guint32 ts_offset;
  guint64 first_ext_seq; /* lower ones are not this viewer's */
  guint64 seq_offset;
  guint64 highest_out;
  guint64 repair_from;    /* out: what went before was made otherwise */
  EgressRewrite *rewrite; /* owned (nullable) */
  EgressLast last;
  guint64 rtx_next; /* 64 bit, as seq */
  guint64 n_packets, n_bytes;
  /* what of these was not taken yet: of the publication before (nothing:
   * n_packets 0), then of this one, from part on */
  guint8 publication;
  RelaySent part, before;
  guint8 before_publication;
} EgressTrack;

typedef struct
{
  guint64 ext_seq;
  gint64 at_us;
} EgressRecent;

typedef struct
{
  RtcBatch *batch;  /* borrowed from the worker */
  RtcSrtpOut *srtp; /* borrowed from the transport */
  const RtcPath *path;
  EgressTrack tracks[RTC_MEDIA_N_KINDS];
  guint8 playout_delay[3];
  gboolean has_playout_delay;
  gint64 repair_tokens_bytes;
  guint32 rtt_us;
  /* packets repaired lately: not again within a round trip */
  EgressRecent recent[RTC_MEDIA_N_KINDS][EGRESS_SENDER_N_RECENT];
} EgressSender;

void egress_sender_init (EgressSender *self,
                         const EgressViewerTrack tracks[RTC_MEDIA_N_KINDS]);
void egress_sender_clear (EgressSender *self);
/* both < 0: not sent (0..40950 ms) */
void egress_sender_set_playout_delay (EgressSender *self, int min_ms,
                                      int max_ms);
static inline void
egress_sender_set_path (EgressSender *self, const RtcPath *path)
{
  self->path = path;
}

/* egress_sender_start: the track's packets from @first_ext_seq on are sent
 * @with_params: a number is left for send_params() */
void egress_sender_start (EgressSender *self, RtcMediaKind kind,
                          guint64 first_ext_seq, gboolean with_params);
/* egress_sender_join: as start(), of another source if the last was left.
 * @begin: its packets */
void egress_sender_join (EgressSender *self, RtcMediaKind kind,
                         guint64 first_ext_seq, gboolean with_params,
                         const EgressBegin *begin);
/* egress_sender_leave: nothing is sent or repaired until the next start.
 * @feed: where it was sent from
 * @is_source_left: what comes then is another source's */
void egress_sender_leave (EgressSender *self, RelayFeed *feed,
                          RtcMediaKind kind, gboolean is_source_left);
/* where the track stands; once a second. FALSE: the packet is not held */
gboolean egress_sender_remember (EgressSender *self, RelayFeed *feed,
                                 RtcMediaKind kind);
/* after leave(), of the same source: from the next packet on */
void egress_sender_resume (EgressSender *self, RtcMediaKind kind);
/* see egress/rewrite.h */
/* EGRESS_LAYER_MAX: all there are */
void egress_sender_set_layers (EgressSender *self, int spatial_layer,
                               int temporal_layer);
/* Returns: bytes sent; 0 when the packet is not this viewer's. An audio track
 * starts by itself. */
gsize egress_sender_send (EgressSender *self, const RelayPacket *packet);
/* parameter sets just before the first packet of a start() */
void egress_sender_send_params (EgressSender *self, const guint8 *payload,
                                guint payload_len, guint32 rtp_ts);
/* egress_sender_take_sent: what was sent since the last call, repairs left out.
 * Of three publications within that time, the first counts as the second.
 * Returns: how many parts, each of one publication */
typedef struct
{
  guint8 publication; /* RelayPacket.publication */
  RelaySent sent;
} EgressSentPart;
guint egress_sender_take_sent (EgressSender *self, RtcMediaKind kind,
                               EgressSentPart ret[2]);
/* answers a NACK. Returns: %FALSE: not held, over the share, just sent */
gboolean egress_sender_repair (EgressSender *self, RelayFeed *feed,
                               RtcMediaKind kind, guint16 seq, gint64 now_us);
