/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WhipReceiver: what must be known about one incoming SSRC: RFC 3550 reception
 * statistics, which packets are missing, when to ask for them again, and the
 * retransmission payload of RFC 4588. Pure: no sockets, the clock passed in.
 *   A hole is asked for at once, then every 1.5 round trips (50 ms until one
 * has been measured) up to 10 times and 1 s; then it is given up. At most 512
 * holes are kept: beyond it the oldest are given up. A jump ahead of more than
 * 3000 packets is not repaired; two packets in sequence far behind the highest
 * are a sender that started anew (RFC 3550 A.1).
 * Owner:  WhipPublisher. Thread: media.
 */
#pragma once

#include "rtc/rtcp.h"

#define WHIP_RECEIVER_MAX_HOLES 512
#define WHIP_RECEIVER_MAX_TRIES 10
#define WHIP_RECEIVER_MAX_JUMP_PACKETS 3000

typedef struct _WhipReceiver WhipReceiver;

typedef enum {
  WHIP_RECEIVED_NEXT,      /* the highest sequence number so far */
  WHIP_RECEIVED_LATE,      /* fills a hole that was not asked for yet */
  WHIP_RECEIVED_REPAIR,    /* fills a hole that was asked for */
  WHIP_RECEIVED_DUPLICATE, /* had it, or gave it up: not for the viewers */
  WHIP_RECEIVED_STRAY,     /* far behind: nothing is to be done with it */
} WhipReceived;

typedef struct {
  guint64 n_packets, n_duplicates;
  guint64 n_lost;     /* given up */
  guint64 n_repaired; /* came after having been asked for */
  guint64 n_nacked;   /* sequence numbers asked for, again ones included */
} WhipReceiverStats;

/* @repair: ask for what is missing; without it holes only grow old */
WhipReceiver *whip_receiver_new (guint32 ssrc, guint32 clock_hz,
                                 gboolean repair);
void whip_receiver_free (WhipReceiver *self);
guint32 whip_receiver_get_ssrc (WhipReceiver *self);

/* @is_rtx: undone retransmission: says nothing about jitter */
WhipReceived whip_receiver_on_packet (WhipReceiver *self, guint16 seq,
                                      guint32 rtp_ts, gboolean is_rtx,
                                      gint64 now_us);

/* whip_receiver_get_repair_us: how long the last REPAIR had been missing */
gint64 whip_receiver_get_repair_us (WhipReceiver *self);

/* whip_receiver_has_holes: is there anything for collect_nacks to look at? */
gboolean whip_receiver_has_holes (WhipReceiver *self);

/* whip_receiver_collect_nacks: gives up what is too old, then writes what is
 * due to be asked for into @seqs (ascending) and counts it as asked.
 * @max: at least 1. Returns: how many */
guint whip_receiver_collect_nacks (WhipReceiver *self, gint64 now_us,
                                   guint16 *seqs, guint max);

void whip_receiver_on_sr (WhipReceiver *self, guint64 ntp, gint64 now_us);

/* whip_receiver_take_report: begins a new interval.
 * Returns: %FALSE when nothing has been received yet */
gboolean whip_receiver_take_report (WhipReceiver *self, gint64 now_us,
                                    RtcReportBlock *ret);

/* estimated from asking to repair; 0 = not known */
gint64 whip_receiver_get_rtt_us (WhipReceiver *self);
const WhipReceiverStats *whip_receiver_get_stats (WhipReceiver *self);

/* whip_rtx_undo: RFC 4588: the payload's first two bytes are the original
 * sequence number. Returns: %FALSE: padding only */
gboolean whip_rtx_undo (const guint8 *payload, guint len, guint16 *ret_osn);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (WhipReceiver, whip_receiver_free)
