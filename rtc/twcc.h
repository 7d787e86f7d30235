/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcTwcc: receiver side of transport-wide congestion control
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01): remembers arrival
 * times by transport sequence number and writes the feedback a sender's
 * bandwidth estimate needs.
 * Owner:  the publisher's session. Thread: media. Clock passed in.
 */
#pragma once

#include "rtc/types.h"

#define RTC_TWCC_MAX_PENDING 2048 /* arrivals kept between two feedbacks */

typedef struct _RtcTwcc RtcTwcc;
RtcTwcc *rtc_twcc_new (void);
void rtc_twcc_free (RtcTwcc *self);
void rtc_twcc_on_packet (RtcTwcc *self, guint16 transport_seq, gint64 now_us);

/* rtc_twcc_write: appends one feedback packet (PT 205, FMT 15) for all
 * arrivals since the last one; splits by itself when it would not fit: call
 * until it returns %FALSE.
 * Returns: %FALSE when there is nothing (more) to say or no room */
gboolean rtc_twcc_write (RtcTwcc *self, guint8 *buf, gsize cap, gsize *len,
                         guint32 sender_ssrc, guint32 media_ssrc);

/* rtc_twcc_read: walks a feedback's FCI, for a sender.
 * @on_packet: arrival_us relative to the feedback's reference time; -1 lost */
typedef void (*RtcTwccPacketFunc) (guint16 transport_seq, gint64 arrival_us,
                                   gpointer data);
gboolean rtc_twcc_read (const guint8 *fci, gsize len,
                        RtcTwccPacketFunc on_packet, gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtcTwcc, rtc_twcc_free)
