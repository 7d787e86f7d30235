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
/* main: the hub keeps it although nobody publishes it (yet), and it counts as
 * one receiver, so that it is carried once somebody does: for viewers who wait
 * for what is announced, and are on their way to it. As often unheld as held */
void relay_stream_hold (RelayStream *self);
void relay_stream_unhold (RelayStream *self);
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
gint64 relay_stream_get_created_wall_us (RelayStream *self); /* any */

/* What was sent to viewers, in slots: that of a publication is its serial
 * modulo RELAY_STREAM_SENT_SLOTS, so that what is told of one late, after the
 * next began, is still told apart. Slots go on counting, they never fall. */
#define RELAY_STREAM_SENT_SLOTS 4
typedef struct {
  guint64 n_packets, n_bytes; /* payload */
} RelaySent;
/* any thread; viewers: once a second, not once a packet.
 * @serial: RelayPacket.publication */
void relay_stream_add_sent (RelayStream *self, guint8 serial,
                            RtcMediaKind kind, const RelaySent *sent);
/* any thread: a relaxed copy of one slot */
void relay_stream_get_sent (RelayStream *self, guint slot,
                            RelaySent ret[RTC_MEDIA_N_KINDS]);

/* --- Publishing ------------------------------------------------------ */

typedef struct {
  /* home: viewers need a keyframe (already merged: at most one a second) */
  void (*on_keyframe_wanted) (gpointer data);
  /* main: another publication took the stream over; close yours */
  void (*on_replaced) (gpointer data);
} RelayPublicationCallbacks;

/* relay_stream_add_publication: main; on home too (a link that hears of the
 * next publication) by who holds another one open, so that the hub keeps the
 * stream. Nothing changes until begin().
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
/* home: H264's parameter sets that the publisher told otherwise than in band:
 * a STAP-A payload, for those who join at a keyframe without any */
void relay_publication_set_params (RelayPublication *self,
                                   const guint8 *payload, guint payload_len);
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

/* --- The tree ---------------------------------------------------------- */

/* What makes a publication one and the same on all nodes. The tree's sequence
 * number of a packet is the stream's own here plus an offset that holds for
 * the whole publication: every node may give its viewers numbers that go on
 * over publications, and all links still carry the same bytes. */
typedef struct _RelayLinkMedia RelayLinkMedia; /* relay/link-keys.h */
typedef struct {
  guint8 id[16];
  guint64 epoch;
  RelayLinkMedia *media;            /* (transfer none): a reference is taken */
  guint64 first[RTC_MEDIA_N_KINDS]; /* tree's number of its first packet, for a
                                       publication that comes by link (0 = not
                                       known yet, see set_tree); for the
                                       origin: the least that it may be */
  guint n_path;                     /* origin first, down to our parent */
  char path[8][65];
} RelayTreeInfo;

/* home: the origin: after begin, when main has learnt epoch and numbers; a
 * link: before begin. May be called again: with another path, and (a link)
 * with first[kind] where it was 0. That counts as long as nothing of the kind
 * has been pushed; when it is 0 until then, the first pushed is the first. */
void relay_publication_set_tree (RelayPublication *self,
                                 const RelayTreeInfo *tree);
/* home: a packet that came by link, with the tree's numbers; flags say
 * keyframe and parameter sets as the origin marked them. TOO_OLD ones and
 * those held already are dropped.
 * Returns: %TRUE when it was new */
gboolean relay_publication_push_tree (RelayPublication *self,
                                      RtcMediaKind kind, guint64 tree_seq,
                                      guint32 rtp_ts, guint8 flags,
                                      const guint8 *ext, guint ext_len,
                                      const guint8 *payload, guint payload_len,
                                      gboolean is_repair, gint64 now_us);
/* home: is it in the log (or too old to matter)? The link's first question.
 * What waited in vain for a first keyframe is not in the log. */
gboolean relay_publication_has_tree (RelayPublication *self,
                                     RtcMediaKind kind, guint64 tree_seq);

/* home: somebody publishes, be his numbers known or not */
gboolean relay_stream_is_published (RelayStream *self);
/* home: it comes by a link */
gboolean relay_stream_is_linked (RelayStream *self);
/* home: RelayPacket.publication of the one that began last */
guint8 relay_stream_get_serial (RelayStream *self);
/* home: what it carries; %FALSE = none began yet */
gboolean relay_stream_get_home_info (RelayStream *self, RelayStreamInfo *ret);
/* home: the current publication's, its first numbers as they are known here
 * (0: not yet); %FALSE: none, or its numbers are not known yet.
 * @ret_head: the tree's number of the last packet, per kind; 0 = none */
gboolean relay_stream_get_tree (RelayStream *self, RelayTreeInfo *ret,
                                guint64 ret_head[RTC_MEDIA_N_KINDS]);
typedef enum {
  RELAY_TREE_KNOWN,
  RELAY_TREE_PENDING, /* the publication's numbers are not known yet */
  RELAY_TREE_GONE,    /* it is too long ago (four are kept), or never was */
} RelayTreeResult;
/* home: of a record in the home feed: its publication's media (transfer none),
 * and the tree's number and timestamp */
RelayTreeResult relay_stream_get_packet_tree (RelayStream *self,
                                              const RelayPacket *packet,
                                              RelayLinkMedia **ret_media,
                                              RtcCodec *ret_codec,
                                              guint64 *ret_tree_seq,
                                              guint32 *ret_rtp_ts);
/* home: the current publication's clock, in the tree's timestamps */
gboolean relay_stream_get_tree_clock (RelayStream *self, RtcMediaKind kind,
                                      gint64 now_us, guint64 *ret_ntp,
                                      guint32 *ret_rtp_ts);
/* home: (nullable): the record of the tree's number, of any kept publication */
const RelayPacket *relay_stream_find_tree (RelayStream *self,
                                           RtcMediaKind kind,
                                           guint64 tree_seq);
/* The directory says that another node publishes it: who feeds it here from
 * what cannot be told to stop (whip/feeder.h) goes quiet. set: main; is: any */
void relay_stream_set_taken (RelayStream *self, gboolean is_taken);
gboolean relay_stream_is_taken (RelayStream *self);
/* any thread: receivers on all its feeds: viewers and outlets */
guint relay_stream_get_n_receivers (RelayStream *self);
/* main: the current (or last) publication came by WHIP or RTP, not by a link */
gboolean relay_stream_is_origin (RelayStream *self);
/* main: after LIVE on the origin: 16 random bytes of the publication that
 * began, and a way to set its tree from main (mail to home) */
gboolean relay_stream_get_publication_id (RelayStream *self, guint8 ret[16]);
/* main: likewise: its slot of relay_stream_get_sent() */
guint relay_stream_get_publication_slot (RelayStream *self);
void relay_stream_post_tree (RelayStream *self, const RelayTreeInfo *tree);
/* any: last tree numbers and timestamps of the current publication, for the
 * directory; relaxed copies */
void relay_stream_get_numbers (RelayStream *self,
                               guint64 ret_ext_seq[RTC_MEDIA_N_KINDS],
                               guint32 ret_rtp_ts[RTC_MEDIA_N_KINDS]);
/* main: how late packets of the current publication come here, to be compared
 * with other nodes' (relay/transit.h).
 * Returns: %FALSE: there is none of this kind, or none came yet */
gboolean relay_stream_get_transit (RelayStream *self, RtcMediaKind kind,
                                   gint64 clock_offset_us, guint32 *ret_units,
                                   guint *ret_clock_hz);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayStream, relay_stream_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayPublication, relay_publication_unref)
