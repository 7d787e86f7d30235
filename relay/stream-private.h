/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay/stream-private: what stream.c, publication.c, feed.c and hub.c share.
 * Which thread may touch a field stands beside it.
 */
#pragma once

#include "relay/feed.h"
#include "relay/hub.h"
#include "relay/track.h"

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
  RelaySubscriber *subscribers; /* one per worker */

  /* slot i: only worker i */
  RelayFeed **feeds;

  /* any thread, atomic */
  gint n_publications_open;
  guint h264_profile, width_px, height_px;
  RelayStreamStats stats; /* written by home, relaxed */
};

struct _RelayPublication
{
  gatomicrefcount ref;
  RelayStream *stream; /* one reference */
  RelayStreamInfo info;
  RelayPublicationCallbacks callbacks;
  gpointer data;
  GDestroyNotify data_free;
  gboolean has_ended;      /* home */
  gboolean is_video_open;  /* home: the first keyframe is in */
};

RelayStream *relay_stream_new (RelayHub *hub, BaseMailbox *main_mail,
                               const char *name, RtcWorker *home,
                               guint n_workers);

/* the feed's worker: receivers hear of what is new at the end of the turn */
void relay_feed_defer_dispatch (RelayFeed *self);
/* home */
void relay_feed_reset (RelayFeed *self);
void relay_stream_want_keyframe (RelayStream *self, gint64 now_us);

/* any thread: tells main; the hub's listeners run there */
void relay_stream_post_event (RelayStream *self, RelayHubEvent event,
                              const RelayStreamInfo *info);
void relay_hub_on_stream_event (RelayHub *self, RelayStream *stream,
                                RelayHubEvent event,
                                const RelayStreamInfo *info);

#define RELAY_STAT_ADD(stream, field, n)                                      \
  __atomic_fetch_add (&(stream)->stats.field, (n), __ATOMIC_RELAXED)
#define RELAY_STAT_SET(stream, field, v)                                      \
  __atomic_store_n (&(stream)->stats.field, (v), __ATOMIC_RELAXED)
