/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay/stream-private: what stream.c, publication.c, feed.c and hub.c share.
 * Which thread may touch a field stands beside it.
 */
#pragma once

#include "relay/feed.h"
#include "relay/hub.h"
#include "relay/link-keys.h"
#include "relay/track.h"
#include "relay/transit.h"

typedef struct
{
  gboolean is_known;
  guint64 ntp;     /* the publisher's */
  guint32 rtp_ts;  /* the stream's */
  gint64 at_us;
} RelayClock;

/* A burst on its way to another worker's feed. */
typedef struct
{
  RelayFeed *feed;
  RelayStream *stream; /* one reference: keeps the feed */
  guint subscription;
  gboolean is_reset; /* forget what came before */
  RelayClock clocks[RTC_MEDIA_N_KINDS];
  GBytes *params; /* nullable */
  guint n_packets;
  RelayPacket packets[]; /* one chunk reference for each run of a chunk */
} RelayBurst;

/* Home's view of another worker's feed. */
typedef struct
{
  RelayFeed *feed; /* NULL = not subscribed */
  guint subscription;
  guint64 next; /* first position of home's history not yet sent */
  gboolean needs_reset;
} RelaySubscriber;

struct _RelayFeed
{
  RelayStream *stream; /* borrowed: owns us */
  RtcWorker *worker;
  gboolean is_home;
  RelayHistory *history;
  GPtrArray *receivers; /* of RelayReceiver, borrowed */
  GPtrArray *paced;     /* those of them that are catching up */
  GSource *tick, *pace; /* owned, NULL while there is nobody */
  guint tick_slot;
  guint64 dispatched;   /* receivers have been told up to here */
  gboolean is_deferred; /* dispatch is due this turn; holds a stream ref */
  RelayClock clocks[RTC_MEDIA_N_KINDS];
  GBytes *params;       /* nullable */
  gboolean is_subscribed; /* foreign: home knows of us */
  guint subscription;
  gint64 keyframe_asked_us; /* foreign: home was last asked; 0 = never */
};

/* One publication's way into the tree and back, per kind. */
typedef struct
{
  RtcCodec codec;
  gboolean is_mapped; /* the offset is known */
  guint64 offset;     /* the tree's number = ours + offset, modulo 2^64 */
  guint32 ts_offset;  /* ours = the tree's timestamp + ts_offset */
  guint64 first;      /* ours: nothing before it belongs here; 0 = no bound */
  guint64 last;       /* ours: the highest; 0 = none yet */
} RelayTreeTrack;

/* A publication as its records need it: the last ones are kept, for what is
 * still in the log. */
#define RELAY_STREAM_TREES 4
typedef struct
{
  guint8 serial;         /* RelayPacket.publication */
  gboolean is_used;
  RelayLinkMedia *media; /* one reference; NULL = not known, or not yet */
  RelayTreeTrack tracks[RTC_MEDIA_N_KINDS];
} RelayTree;

struct _RelayStream
{
  gatomicrefcount ref;
  char *name;
  RelayHub *hub; /* borrowed; posts to main only while streams live */
  BaseMailbox *main_mail; /* borrowed from the hub */
  RtcWorker *home;
  guint n_workers;

  /* main */
  RelayStreamInfo info;
  gboolean has_info, is_live, was_ever_live;
  gint64 live_since_us, idle_since_us;
  gboolean is_origin, has_id; /* of the last that began */
  guint8 id[RELAY_ID_BYTES], id_serial;

  /* home */
  RelayPublication *current; /* one reference */
  RelayStreamInfo home_info;
  gboolean has_home_info;
  RelayTrack tracks[RTC_MEDIA_N_KINDS];
  RelayChunk *chunk; /* being filled */
  GByteArray *sps, *pps; /* last seen, nullable */
  gint64 last_key_us, last_request_us;
  guint32 last_key_ts;
  gboolean is_keyframe_wanted;
  guint8 serial; /* of the last publication that began */
  RelayTree trees[RELAY_STREAM_TREES]; /* that of a serial: modulo */
  RelaySubscriber *subscribers; /* one per worker */

  /* slot i: only worker i */
  RelayFeed **feeds;

  /* any thread, atomic */
  gint n_publications_open, n_receivers, is_taken;
  guint64 tree_numbers[RTC_MEDIA_N_KINDS]; /* of the current publication */
  guint32 tree_ts[RTC_MEDIA_N_KINDS];
  RelayTransit transits[RTC_MEDIA_N_KINDS];
  guint h264_profile, width_px, height_px;
  RelayStreamStats stats; /* written by home, relaxed */
  RelaySent sent[RELAY_STREAM_SENT_SLOTS][RTC_MEDIA_N_KINDS];
  gint64 created_wall_us; /* never changes */
};

struct _RelayPublication
{
  gatomicrefcount ref;
  RelayStream *stream; /* one reference */
  RelayStreamInfo info;
  RelayPublicationCallbacks callbacks;
  gpointer data;
  GDestroyNotify data_free;
  guint8 id[RELAY_ID_BYTES]; /* random; a link's: the tree's */
  /* home */
  gboolean has_begun, has_ended;
  gboolean is_video_open; /* the first keyframe is in */
  gboolean is_link;       /* its numbers are the tree's */
  gboolean has_tree;
  RelayTreeInfo tree;     /* its media: one reference */
  guint8 serial;
  guint64 gate_seq; /* a link's video: the tree's number that opened it */
};

RelayStream *relay_stream_new (RelayHub *hub, BaseMailbox *main_mail,
                               const char *name, RtcWorker *home,
                               guint n_workers);

/* the feed's worker: receivers hear of what is new at the end of the turn */
void relay_feed_defer_dispatch (RelayFeed *self);
/* home */
void relay_feed_reset (RelayFeed *self);
void relay_stream_want_keyframe (RelayStream *self, gint64 now_us);

/* any thread: tells main; the hub's listeners run there.
 * @publication: (nullable): the one that began */
void relay_stream_post_event (RelayStream *self, RelayHubEvent event,
                              RelayPublication *publication);
void relay_hub_on_stream_event (RelayHub *self, RelayStream *stream,
                                RelayHubEvent event,
                                const RelayStreamInfo *info);

/* home: packets that were given up, for the metrics */
void relay_hub_count_lost (RelayHub *self, gboolean is_link,
                           RtcMediaKind kind, guint n_packets);

/* home: a record whose numbers, flags and lengths are set goes into the log.
 * @result: of the track. Returns: %FALSE: it is there already */
gboolean relay_publication_store (RelayPublication *self, RelayPacket *packet,
                                  RelayTrackResult result, const guint8 *ext,
                                  const guint8 *payload, gboolean is_repair,
                                  gint64 now_us);
/* home: H264's parameter sets and picture size */
void relay_publication_keep_params (RelayPublication *self,
                                    const guint8 *payload, guint payload_len);
/* home: the stream's numbers of a publication that begins */
void relay_stream_begin_tree (RelayStream *self, RelayPublication *publication);
/* home: after a record of the current publication was stored */
void relay_stream_note_tree (RelayStream *self, const RelayPacket *packet,
                             RelayTrackResult result);
void relay_stream_clear_trees (RelayStream *self);

#define RELAY_STAT_ADD(stream, field, n)                                      \
  __atomic_fetch_add (&(stream)->stats.field, (n), __ATOMIC_RELAXED)
#define RELAY_STAT_SET(stream, field, v)                                      \
  __atomic_store_n (&(stream)->stats.field, (v), __ATOMIC_RELAXED)
