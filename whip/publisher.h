/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WhipPublisher: the media half of a publisher's session: sorts incoming RTP
 * by SSRC, keeps reception state, undoes RTX, strips what the tree does not
 * carry, pushes into the RelayPublication, and answers with RTCP.
 *   An SSRC is known from the offer's a=ssrc, else latched by its MID and RID
 * extensions, else by a payload type that only one section has; 8 at most,
 * packets of others are dropped and counted. Of simulcast layers the offer's
 * first goes on, the others are dropped and counted.
 * Owner:  WhipSession. Thread: new: main; free: any, after disconnect;
 * get_stats: any; the rest: media, of the stream's home worker.
 */
#pragma once

#include "base/metrics.h"
#include "rtc/transport.h"
#include "whip/answer.h"

#define WHIP_PUBLISHER_MAX_SSRCS 8

typedef struct _WhipPublisher WhipPublisher;

typedef enum {
  WHIP_DROP_UNKNOWN_SSRC,
  WHIP_DROP_LAYER,        /* a simulcast layer that is not used */
  WHIP_DROP_PAYLOAD_TYPE, /* not the one that was agreed on */
  WHIP_DROP_DUPLICATE,
  WHIP_DROP_MALFORMED,
  WHIP_N_DROPS
} WhipDrop;

/* One set a node; each (nullable). Added to about once a second. */
typedef struct {
  BaseCounter *packets[RTC_MEDIA_N_KINDS], *bytes[RTC_MEDIA_N_KINDS];
  BaseCounter *lost[RTC_MEDIA_N_KINDS], *repaired[RTC_MEDIA_N_KINDS];
  BaseCounter *nacked[RTC_MEDIA_N_KINDS];
  BaseCounter *keyframe_requests;
  BaseCounter *dropped[WHIP_N_DROPS];
  BaseHistogram *repair_seconds; /* at once, not once a second */
} WhipCounters;

void whip_counters_register (WhipCounters *self, BaseMetrics *metrics);

typedef struct {
  guint64 n_packets[RTC_MEDIA_N_KINDS], n_bytes[RTC_MEDIA_N_KINDS];
  guint64 n_lost[RTC_MEDIA_N_KINDS], n_repaired[RTC_MEDIA_N_KINDS];
  guint64 n_nacked[RTC_MEDIA_N_KINDS];
  guint64 n_keyframe_requests;
  guint64 n_dropped[WHIP_N_DROPS];
} WhipPublisherStats;

/* @id: for logs and as CNAME; @counters: borrowed, outlive every session.
 * @repair: NACK what is lost */
WhipPublisher *whip_publisher_new (const char *id, const WhipPlan *plan,
                                   gboolean repair,
                                   const WhipCounters *counters);
void whip_publisher_free (WhipPublisher *self);

/* what the transport and the relay say, handed on by the session */
void whip_publisher_connect (WhipPublisher *self, RtcTransport *transport,
                             RelayPublication *publication);
void whip_publisher_on_rtp (WhipPublisher *self, const guint8 *packet,
                            gsize len, gint64 now_us);
void whip_publisher_on_rtcp (WhipPublisher *self, const guint8 *packet,
                             gsize len, gint64 now_us);
void whip_publisher_want_keyframe (WhipPublisher *self);
/* nothing is sent or pushed after it */
void whip_publisher_disconnect (WhipPublisher *self);

/* any thread: a relaxed copy */
void whip_publisher_get_stats (WhipPublisher *self, WhipPublisherStats *ret);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (WhipPublisher, whip_publisher_free)
