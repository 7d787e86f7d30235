/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WhipFeeder: RTP of a source that nobody can talk back to (ports for plain
 * RTP, GStreamer) into a stream. What WhipRtpInput and WhipMediaInput share.
 *   The stream is live with the first packet, idle after 5 s without any, and
 * live again with the next; it is there as long as the feeder is. Another
 * publisher of the same stream, here or on another node
 * (relay_stream_set_taken), takes it over: what comes meanwhile is dropped;
 * the feeder has it again when he has gone.
 *   A track's source is its SSRC. Another SSRC takes its place (continued
 * numbers, a keyframe awaited) when the first was silent for the collision
 * time; until then its packets are dropped and counted.
 * Owner:  its maker, by close(); inside ref-counted: media, publications.
 * Thread: stated per function; home = the worker of get_home ().
 */
#pragma once

#include <json-glib/json-glib.h>

#include "relay/hub.h"

#define WHIP_FEEDER_IDLE_US (5 * G_USEC_PER_SEC)
#define WHIP_FEEDER_COLLISION_US (G_USEC_PER_SEC / 10)
/* whatever comes on a port that one track has for itself */
#define WHIP_FEEDER_ANY_PT 255

typedef struct
{
  const char *name; /* of the stream */
  RelayStreamInfo info;
  guint8 pts[RTC_MEDIA_N_KINDS]; /* payload types in the source's RTP */
  guint8 capture_time_id; /* its extension id for abs-capture-time; 0 = none */
  gint64 collision_us;    /* 0 = WHIP_FEEDER_COLLISION_US */
  GBytes *params; /* nullable: H264's parameter sets, as a STAP-A payload, of a
                     source that may have none in band */
} WhipFeederConfig;

typedef enum
{
  WHIP_FEED_DROP_MALFORMED,
  WHIP_FEED_DROP_PAYLOAD_TYPE,
  WHIP_FEED_DROP_OTHER_SOURCE,
  WHIP_FEED_DROP_DUPLICATE,
  WHIP_FEED_DROP_REPLACED, /* another publisher has the stream */
  WHIP_FEED_DROP_DISABLED,
  WHIP_FEED_DROP_SRTP,  /* not authentic, or a replay */
  WHIP_FEED_DROP_QUEUE, /* media was too busy to take it */
  WHIP_FEED_N_DROPS
} WhipFeedDrop;

typedef struct
{
  guint64 n_packets[RTC_MEDIA_N_KINDS], n_bytes[RTC_MEDIA_N_KINDS];
  guint64 n_lost[RTC_MEDIA_N_KINDS];
  guint64 n_sources[RTC_MEDIA_N_KINDS]; /* SSRCs taken */
  guint64 n_sender_reports;
  guint64 n_dropped[WHIP_FEED_N_DROPS];
} WhipFeederStats;

typedef struct _WhipFeeder WhipFeeder;

/* whip_feeder_new: main. @config: copied; at least one track
 * Returns: (transfer full) (nullable): NULL with RELAY_ERROR. @hub outlives
 * it */
WhipFeeder *whip_feeder_new (RelayHub *hub, const WhipFeederConfig *config,
                             GError **error);
/* whip_feeder_close: main, before the workers end: the stream is left, soon;
 * the maker's reference is gone */
void whip_feeder_close (WhipFeeder *self);
WhipFeeder *whip_feeder_ref (WhipFeeder *self); /* any */
void whip_feeder_unref (WhipFeeder *self);      /* any */

RtcWorker *whip_feeder_get_home (WhipFeeder *self); /* any */
/* any: whose payload type, of those in @kinds (bit k: RtcMediaKind k)
 * Returns: %FALSE: nobody's */
gboolean whip_feeder_find_pt (WhipFeeder *self, guint kinds, guint8 pt,
                              RtcMediaKind *ret);
/* home: whose SSRC now */
gboolean whip_feeder_find_ssrc (WhipFeeder *self, guint kinds, guint32 ssrc,
                                RtcMediaKind *ret);
/* home: may another SSRC take the track? */
gboolean whip_feeder_is_silent (WhipFeeder *self, RtcMediaKind kind,
                                gint64 now_us);

/* whip_feeder_take: home. RTP or RTCP in the clear.
 * @kinds: whose packets may come this way */
void whip_feeder_take (WhipFeeder *self, guint kinds, const guint8 *data,
                       gsize len, gint64 now_us);
/* home: for a source without sender reports */
void whip_feeder_set_clock (WhipFeeder *self, RtcMediaKind kind, guint64 ntp,
                            guint32 rtp_ts, gint64 now_us);
/* home: dropped before it came here */
void whip_feeder_count_drop (WhipFeeder *self, WhipFeedDrop drop,
                             guint64 n_packets);

/* any: FALSE: what comes is dropped; the stream and its viewers stay */
void whip_feeder_set_enabled (WhipFeeder *self, gboolean is_enabled);
/* any: since the last packet that came, dropped by set_enabled or not.
 * Returns: %FALSE: none yet */
gboolean whip_feeder_get_age (WhipFeeder *self, RtcMediaKind kind,
                              gint64 now_us, gint64 *ret_age_us);
guint whip_feeder_get_n_receivers (WhipFeeder *self); /* any: of the stream */
/* any thread: a relaxed copy */
void whip_feeder_get_stats (WhipFeeder *self, WhipFeederStats *ret);
/* (transfer full): JSON object for /debug/state */
JsonObject *whip_feeder_describe (WhipFeeder *self);
