/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressViewer: the media half of one viewer: a receiver on the feed of each
 * stream he is fed from (mostly one), a transport, and per track the small
 * record that turns the stream's packets into this viewer's: {ssrc, pt,
 * extension ids, seq and timestamp deltas}. A join is served from the current
 * GOP, paced, then live; both are one cursor into the feed's log. NACKs are
 * answered from it (RTX when negotiated), keyframe requests go up merged. Over
 * TCP whole frames are dropped when the queue grows. Owner:  ref-counted; the
 * session (main) and the transport (media). Thread: new, start, close: main.
 * All else: media of its worker.
 */
#pragma once

#include "relay/feed.h"
#include "rtc/transport.h"

typedef struct
{
  gboolean is_active;
  RtcCodec codec;
  guint8 pt;
  int rtx_pt;                /* -1: none; then the same packet is sent again */
  guint32 ssrc, rtx_ssrc;    /* random, in our SDP */
  guint8 ext_ids[RTC_EXT_N]; /* negotiated; 0 = not sent */
} EgressViewerTrack;

#define EGRESS_MAX_RENDITIONS 3

/* What a viewer is fed from: one stream for sound, one to three renditions of
 * the picture, lowest first. Plain streams have streams[n_video - 1] == audio.
 * The streams are referenced by who keeps the struct. */
typedef struct
{
  RelayStream *audio; /* (nullable) */
  RelayStream *video[EGRESS_MAX_RENDITIONS];
  guint n_video;
} EgressSources;
void egress_sources_ref (EgressSources *self);
void egress_sources_clear (EgressSources *self); /* unrefs them */

/* Which rendition and layers he is to get; highest that there is is the
 * default, 2 each. */
typedef struct
{
  int substream;      /* index into sources.video; -1 = any */
  int spatial_layer;  /* VP9 SVC */
  int temporal_layer; /* VP8, VP9 */
  gint64 fallback_us; /* a rendition silent so long: the next lower one */
} EgressLayers;
#define EGRESS_LAYER_MAX 2
#define EGRESS_LAYERS_DEFAULT                                                  \
  {                                                                            \
    .substream = 2, .spatial_layer = 2, .temporal_layer = 2,                   \
    .fallback_us = 250000                                                      \
  }

typedef struct
{
  EgressSources sources; /* references are taken */
  EgressLayers layers;
  RtcWorker *worker;
  RtcTransportParams transport;
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS];
  char cname[24];
  gboolean repair;
  gint64 join_rate_bps;
  int playout_delay_min_ms, playout_delay_max_ms; /* -1 = not sent */
} EgressViewerParams;

typedef struct
{
  guint64 n_packets, n_bytes, n_nacked, n_rtx, n_plis;
  guint32 fraction_lost_256, jitter_us;
  gint64 n_lost; /* as the viewer counts */
} EgressKindStats;

typedef struct
{
  gint64 created_us, connected_us, first_video_us; /* 0 = not yet */
  guint64 n_packets, n_bytes, n_nacked, n_rtx, n_rtx_refused, n_plis;
  guint64 n_frames_dropped;                     /* TCP */
  guint32 fraction_lost_256, jitter_us, rtt_us; /* last receiver report */
  gint64 n_lost;                                /* as the viewer counts */
  gboolean is_tcp, is_catching_up;
  EgressKindStats kinds[RTC_MEDIA_N_KINDS];
  int substream, spatial_layer, temporal_layer; /* he gets now; -1: there is no
                                                   choice */
} EgressViewerStats;

typedef struct _EgressViewer EgressViewer;

/* all on main; on_closed exactly once after start(), the last; on_layers,
 * on_slow_link: (nullable), see egress/peer.h */
typedef struct
{
  void (*on_connected) (EgressViewer *viewer, gpointer data);
  void (*on_closed) (EgressViewer *viewer, RtcCloseReason reason,
                     gpointer data);
  void (*on_layers) (EgressViewer *viewer, const EgressLayers *now,
                     gpointer data);
  void (*on_slow_link) (EgressViewer *viewer, RtcMediaKind kind, guint n_nacked,
                        gpointer data);
} EgressViewerCallbacks;
#define EGRESS_SLOW_LINK_NACKS 4 /* within a second */

EgressViewer *egress_viewer_new (const EgressViewerParams *params,
                                 const EgressViewerCallbacks *callbacks,
                                 gpointer data);
EgressViewer *egress_viewer_ref (EgressViewer *self);
void egress_viewer_unref (EgressViewer *self);
void egress_viewer_start (EgressViewer *self);
void egress_viewer_close (EgressViewer *self, RtcCloseReason reason);
void egress_viewer_restart_ice (EgressViewer *self, const char *local_ufrag,
                                const char *local_pwd, const char *remote_ufrag,
                                const char *remote_pwd);
/* may come before he is connected */
void egress_viewer_set_paused (EgressViewer *self, gboolean is_paused);
void egress_viewer_set_sending (EgressViewer *self, RtcMediaKind kind,
                                gboolean is_on);
void egress_viewer_switch (EgressViewer *self, const EgressSources *sources);
void egress_viewer_set_layers (EgressViewer *self, const EgressLayers *target);
void egress_viewer_set_playout_delay (EgressViewer *self, int min_ms,
                                      int max_ms);
/* any: a copy of the last second's snapshot */
void egress_viewer_get_stats (EgressViewer *self, EgressViewerStats *ret);

/* process-wide counters, added to once a burst; call once before any viewer */
void egress_viewer_register_metrics (BaseMetrics *metrics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressViewer, egress_viewer_unref)
