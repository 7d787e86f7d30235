/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayFeed: a stream's history as one worker sees it, and the receivers that
 * the worker feeds from it. The home worker's feed is written by the
 * publication; other workers' feeds get each burst by mail (records copied,
 * chunks shared). The log holds packets in order of arrival; positions are
 * absolute and never reused (relay/history.h has the caps).
 * One mechanism for live, catch-up and repair: a receiver that is behind is
 * a cursor into the log.
 * Owner:  RelayStream, one per worker. Thread: media, of its worker only.
 */
#pragma once

#include "relay/history.h"
#include "relay/stream.h"



#define RELAY_FEED_MAX_RECEIVERS 16384
#define RELAY_FEED_PACE_US 5000


typedef struct _RelayReceiver RelayReceiver;
struct _RelayReceiver {
  /* packets [from, to) of the log are new */
  void (*on_packets) (RelayReceiver *self, RelayFeed *feed, guint64 from,
                      guint64 to);
  /* about once a second, spread over it: reports, statistics */
  void (*on_tick) (RelayReceiver *self, RelayFeed *feed, gint64 now_us);
  /* each RELAY_FEED_PACE_US while pacing is on. None of the three may add or
   * remove receivers. */
  void (*on_pace) (RelayReceiver *self, RelayFeed *feed, gint64 now_us);
  guint index, pace_index; /* private to the feed */
};

/* relay_stream_get_feed: the feed of @worker (the calling thread's), made on
 * first use. A new feed of another worker fills by itself within a turn or
 * two: the current GOP arrives as one on_packets. */
RelayFeed *relay_stream_get_feed (RelayStream *self, RtcWorker *worker);

/* %FALSE: full. A feed without receivers on a foreign worker is let go. */
gboolean relay_feed_add_receiver (RelayFeed *self, RelayReceiver *receiver);
void relay_feed_remove_receiver (RelayFeed *self, RelayReceiver *receiver);
/* turn on_pace on or off; may be called inside on_packets and on_pace */
void relay_feed_set_pacing (RelayFeed *self, RelayReceiver *receiver,
                            gboolean is_on);

guint64 relay_feed_get_tail (RelayFeed *self); /* oldest position held */
guint64 relay_feed_get_head (RelayFeed *self); /* next position */
/* position of the newest GOP's first packet, RELAY_POS_NONE when not held */
guint64 relay_feed_get_gop_start (RelayFeed *self);
/* valid until the next packet arrives; @pos in [tail, head) */
const RelayPacket *relay_feed_at (RelayFeed *self, guint64 pos);
/* (nullable): by the stream's own sequence number */
const RelayPacket *relay_feed_find (RelayFeed *self, RtcMediaKind kind,
                                    guint64 ext_seq);
/* H264 parameter sets for a keyframe that has none in band (nullable):
 * STAP-A payload ready to send before the GOP's first packet */
const guint8 *relay_feed_get_params (RelayFeed *self, guint *ret_len);

/* publisher's clock: NTP time of @rtp_ts; %FALSE until known */
gboolean relay_feed_get_clock (RelayFeed *self, RtcMediaKind kind,
                               gint64 now_us, guint64 *ret_ntp,
                               guint32 *ret_rtp_ts);
/* merged with others' and sent up at most once a second */
void relay_feed_request_keyframe (RelayFeed *self);
