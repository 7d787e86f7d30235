/* SPDX-License-Identifier: Apache-2.0 */
/* whip/publisher-private: what publisher.c (RTP in) and feedback.c (RTCP) of
 * one WhipPublisher share. Thread: media. */
#pragma once

#include "rtc/twcc.h"
#include "whip/publisher.h"
#include "whip/receiver.h"

typedef enum { WHIP_SOURCE_MEDIA, WHIP_SOURCE_RTX, WHIP_SOURCE_LAYER } WhipRole;

typedef struct {
  guint32 ssrc;
  RtcMediaKind kind;
  WhipRole role;
  WhipReceiver *receiver; /* owned; of WHIP_SOURCE_MEDIA */
  guint32 last_ts;        /* of the packet with the highest number */
} WhipSource;

struct _WhipPublisher
{
  char *id; /* owned */
  WhipPlan plan;
  gboolean repair;
  const WhipCounters *counters;  /* borrowed */
  RtcTransport *transport;       /* borrowed; between connect, disconnect */
  RelayPublication *publication; /* borrowed; the same */

  WhipSource sources[WHIP_PUBLISHER_MAX_SSRCS];
  guint n_sources;
  WhipSource *media[RTC_MEDIA_N_KINDS]; /* into sources, nullable */
  gboolean has_warned_b_frames;

  RtcTwcc *twcc; /* owned, nullable */
  guint32 local_ssrc;
  guint8 fir_seq;
  GSource *timer; /* owned, nullable */
  guint n_ticks;
  gboolean is_keyframe_due; /* asked for, but the SSRC is not known yet */
  gint64 keyframe_asked_us;

  WhipPublisherStats stats; /* written on media, relaxed */
  WhipPublisherStats reported;
};

#define WHIP_STAT_SET(self, field, value)                                      \
  __atomic_store_n (&(self)->stats.field, (value), __ATOMIC_RELAXED)
#define WHIP_STAT_ADD(self, field, n)                                          \
  WHIP_STAT_SET (self, field, (self)->stats.field + (n))

void whip_feedback_start (WhipPublisher *self);
void whip_feedback_stop (WhipPublisher *self);
/* there may be something to ask for at the end of this turn */
void whip_feedback_defer (WhipPublisher *self);
/* the video's SSRC has just become known */
void whip_feedback_on_video (WhipPublisher *self);
