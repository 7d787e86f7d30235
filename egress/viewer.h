/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressViewer: the media half of one viewer: a receiver on a feed, a
 * transport, and per track the small record that turns the stream's packets
 * into this viewer's: {ssrc, pt, extension ids, seq and timestamp deltas}.
 * A join is served from the current GOP, paced, then live; both are one cursor
 * into the feed's log. NACKs are answered from it (RTX when negotiated),
 * keyframe requests go up merged. Over TCP whole frames are dropped when the
 * queue grows.
 * Owner:  ref-counted; the session (main) and the transport (media).
 * Thread: new, start, close: main. All else: media of its worker.
 */
#pragma once

#include "relay/feed.h"
#include "rtc/transport.h"

typedef struct {
  gboolean is_active;
  guint8 pt;
  int rtx_pt;               /* -1: none; then the same packet is sent again */
  guint32 ssrc, rtx_ssrc;   /* random, in our SDP */
  guint8 ext_ids[RTC_EXT_N]; /* negotiated; 0 = not sent */
} EgressViewerTrack;

typedef struct {
  RelayStream *stream;      /* a reference is taken */
  RtcWorker *worker;
  RtcTransportParams transport;
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS];
  char cname[24];
  gboolean repair;
  gint64 join_rate_bps;
  int playout_delay_min_ms, playout_delay_max_ms; /* -1 = not sent */
} EgressViewerParams;

typedef struct {
  gint64 created_us, connected_us, first_video_us; /* 0 = not yet */
  guint64 n_packets, n_bytes, n_nacked, n_rtx, n_rtx_refused, n_plis;
  guint64 n_frames_dropped;  /* TCP */
  guint32 fraction_lost_256, jitter_us, rtt_us; /* last receiver report */
  gint64 n_lost;             /* as the viewer counts */
  gboolean is_tcp, is_catching_up;
} EgressViewerStats;

typedef struct _EgressViewer EgressViewer;

/* @on_connected, @on_closed: main; on_closed exactly once after start() */
typedef struct {
  void (*on_connected) (EgressViewer *viewer, gpointer data);
  void (*on_closed) (EgressViewer *viewer, RtcCloseReason reason,
                     gpointer data);
} EgressViewerCallbacks;

EgressViewer *egress_viewer_new (const EgressViewerParams *params,
                                 const EgressViewerCallbacks *callbacks,
                                 gpointer data);
EgressViewer *egress_viewer_ref (EgressViewer *self);
void egress_viewer_unref (EgressViewer *self);
void egress_viewer_start (EgressViewer *self);
void egress_viewer_close (EgressViewer *self, RtcCloseReason reason);
void egress_viewer_restart_ice (EgressViewer *self, const char *local_ufrag,
                                const char *local_pwd,
                                const char *remote_ufrag,
                                const char *remote_pwd);
/* any: a copy of the last second's snapshot */
void egress_viewer_get_stats (EgressViewer *self, EgressViewerStats *ret);

/* process-wide counters, added to once a burst; call once before any viewer */
void egress_viewer_register_metrics (BaseMetrics *metrics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressViewer, egress_viewer_unref)
