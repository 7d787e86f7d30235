/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayStream: one stream on this node: who publishes it now, its tracks, its
 * history and who is fed from it. It owns SSRC-less sequence numbers and
 * timestamps, so that publishers come and go and viewers see one stream.
 * A stream is pinned to one worker (its home) for life: its publishers'
 * transports live there, so that its history has one writer.
 * Owner:  RelayHub and everyone who holds a reference.
 * Thread: stated per function; home = the media thread of get_home().
 */
#pragma once

#include "relay/packet.h"
#include "rtc/worker.h"

typedef struct _RelayStream RelayStream;
typedef struct _RelayFeed RelayFeed;
typedef struct _RelayPublication RelayPublication;

typedef struct {
  gboolean is_present;
  RtcCodec codec;
  guint channels;     /* audio */
  char fmtp[256];     /* as the publisher offered it, "" = none */
} RelayTrackInfo;

typedef struct {
  RelayTrackInfo tracks[RTC_MEDIA_N_KINDS];
} RelayStreamInfo;

RelayStream *relay_stream_ref (RelayStream *self);
void relay_stream_unref (RelayStream *self);
const char *relay_stream_get_name (RelayStream *self);        /* any */
RtcWorker *relay_stream_get_home (RelayStream *self);         /* any */

/* main: what the current (or last) publication carries; %FALSE = none yet */
gboolean relay_stream_get_info (RelayStream *self, RelayStreamInfo *ret);
gboolean relay_stream_is_live (RelayStream *self);            /* main */
gint64 relay_stream_get_live_since_us (RelayStream *self);    /* main */
/* any: 0x64001f-like from the last SPS seen, 0 = unknown; picture size */
guint32 relay_stream_get_h264_profile (RelayStream *self);
void relay_stream_get_size (RelayStream *self, guint *ret_width_px,
                            guint *ret_height_px);

typedef struct {
  guint64 n_packets[RTC_MEDIA_N_KINDS], n_bytes[RTC_MEDIA_N_KINDS];
  guint64 n_lost[RTC_MEDIA_N_KINDS];     /* never repaired, given up */
  guint64 n_repaired[RTC_MEDIA_N_KINDS]; /* came late after a NACK */
  guint64 n_keyframes, n_keyframe_requests, n_b_frames;
  gint64 gop_us;                          /* last full GOP's length */
  guint64 n_publications;
} RelayStreamStats;
/* any thread: a relaxed copy */
void relay_stream_get_stats (RelayStream *self, RelayStreamStats *ret);

/* --- Publishing ------------------------------------------------------ */

typedef struct {
  /* home: viewers need a keyframe (already merged: at most one a second) */
  void (*on_keyframe_wanted) (gpointer data);
  /* main: another publication took the stream over; close yours */
  void (*on_replaced) (gpointer data);
} RelayPublicationCallbacks;

/* relay_stream_add_publication: main. Nothing changes until begin().
 * @data_free: (nullable): run when the last reference is gone, any thread */
RelayPublication *
relay_stream_add_publication (RelayStream *self, const RelayStreamInfo *info,
                              const RelayPublicationCallbacks *callbacks,
                              gpointer data, GDestroyNotify data_free);
RelayPublication *relay_publication_ref (RelayPublication *self);
void relay_publication_unref (RelayPublication *self);

/* home: the publisher is connected; from now on the stream is his. Video is
 * held back until his first keyframe. The former publication's pushes are
 * ignored and its on_replaced runs on main. */
void relay_publication_begin (RelayPublication *self);
/* home: the publisher is gone. After this no callback runs on home. */
void relay_publication_end (RelayPublication *self);

/* relay_publication_push: home. One opened RTP packet, RTX already undone.
 * @ext: known extensions, [table id][len][data] each; copied
 * @is_repair: it came as an answer to a NACK
 * Fan-out happens at the end of the worker's turn. */
void relay_publication_push (RelayPublication *self, RtcMediaKind kind,
                             guint16 seq, guint32 rtp_ts, gboolean marker,
                             const guint8 *ext, guint ext_len,
                             const guint8 *payload, guint payload_len,
                             gboolean is_repair, gint64 now_us);
/* home: the publisher's sender report: his clock for lip-sync */
void relay_publication_set_clock (RelayPublication *self, RtcMediaKind kind,
                                  guint64 ntp, guint32 rtp_ts, gint64 now_us);
/* home: that many packets were given up */
void relay_publication_add_lost (RelayPublication *self, RtcMediaKind kind,
                                 guint n_packets);
/* home: @kind goes on from another source (a new SSRC): its numbers and
 * timestamps are continued, its clock is forgotten, video waits for a
 * keyframe */
void relay_publication_restart_track (RelayPublication *self,
                                      RtcMediaKind kind);
/* home: %FALSE when another publication has taken over, or it has ended */
gboolean relay_publication_is_current (RelayPublication *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayStream, relay_stream_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayPublication, relay_publication_unref)
