/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressViewer's inside, for its files: viewer.c (life, RTCP), viewer-orders.c
 * (what main asks for), viewer-media.c (packets: joins, live, pauses),
 * viewer-inputs.c (which streams: switches, renditions). Thread: media, but
 * where viewer.h says otherwise.
 */
#pragma once

#include "egress/sender.h"
#include "egress/viewer.h"

typedef enum
{
  VIDEO_NONE,        /* audio only, or not connected */
  VIDEO_PAUSED,      /* cursor: where to go on; RELAY_POS_NONE: nowhere */
  VIDEO_WAITING,     /* until a GOP begins at or after wait_pos */
  VIDEO_CATCHING_UP, /* cursor walks from a GOP's start to the head */
  VIDEO_LIVE,        /* cursor is the head */
} VideoState;

/* one stream that he is fed from */
typedef struct
{
  RelayReceiver receiver; /* first: the feed calls with it */
  EgressViewer *viewer;
  RelayStream *stream; /* one reference */
  RelayFeed *feed;     /* borrowed, stream holds it; NULL: not attached */
  gint64 attached_us;
  gint64 video_us;   /* renditions: when the last picture came; 0 = none */
  guint64 again_pos; /* renditions: GOPs before it end in silence */
} EgressInput;

/* a sender report that he may still answer */
#define VIEWER_REPORTS_KEPT 4
typedef struct
{
  guint32 ntp_mid; /* as his report names it; 0 = none */
  gint64 sent_us;
} ViewerReport;

#define EGRESS_MAX_INPUTS (1 + EGRESS_MAX_RENDITIONS)

struct _EgressViewer
{
  EgressSender sender;          /* the packet path's record */
  EgressInput *sound, *picture; /* borrowed from inputs, nullable */
  VideoState video;
  guint64 cursor;
  guint64 wait_pos;
  gint64 tokens_bytes, paced_us;
  gint64 join_rate_bps;
  gint64 keyframe_asked_us;
  gboolean repair;
  gboolean is_paused, is_off[RTC_MEDIA_N_KINDS];

  EgressInput *inputs[EGRESS_MAX_INPUTS]; /* owned */
  guint n_inputs;
  EgressInput *renditions[EGRESS_MAX_RENDITIONS]; /* borrowed from inputs */
  guint n_renditions;
  EgressLayers target, told;
  GSource *watch; /* owned, nullable: renditions' silence */
  gboolean is_attached, is_closed;

  gatomicrefcount ref;
  RtcWorker *worker;               /* borrowed */
  RtcTransport *transport;         /* one reference */
  EgressViewerCallbacks callbacks; /* run on main */
  gpointer data;
  char cname[24];
  RtcCloseReason close_reason;

  GMutex lock; /* guards published; held for a copy only */
  EgressViewerStats published;
  EgressViewerStats stats; /* media */
  ViewerReport reports[RTC_MEDIA_N_KINDS][VIEWER_REPORTS_KEPT];
  guint n_reports;
  guint64 n_nacked_told[RTC_MEDIA_N_KINDS]; /* to slow_link */
  gint64 n_lost_told[RTC_MEDIA_N_KINDS];    /* to the metrics: the highest */
};

static inline RelayFeed *
viewer_feed_of (EgressViewer *self, guint kind)
{
  EgressInput *input = kind == RTC_MEDIA_VIDEO ? self->picture : self->sound;

  return input ? input->feed : NULL;
}

static inline gboolean
viewer_flows (EgressViewer *self, RtcMediaKind kind)
{
  return !self->is_paused && !self->is_off[kind];
}

/* --- viewer.c --- */
void egress_viewer_on_tick (RelayReceiver *receiver, RelayFeed *feed,
                            gint64 now_us);
/* what was sent since it was last told, to the streams it came from: before
 * they change, and once a second */
void egress_viewer_flush_sent (EgressViewer *self);
/* when others are sent than main knows of */
void egress_viewer_tell_layers (EgressViewer *self);

/* --- viewer-stats.c: metrics of receiver reports --- */
void egress_viewer_register_report_metrics (BaseMetrics *metrics);
/* a report on @kind is in stats; @has_rtt: and a round trip with it */
void egress_viewer_count_report (EgressViewer *self, RtcMediaKind kind,
                                 gboolean has_rtt);

/* --- viewer-orders.c --- */
void egress_viewer_apply_layers (EgressViewer *self,
                                 const EgressLayers *target);

/* --- viewer-media.c --- */
void egress_viewer_register_media_metrics (BaseMetrics *metrics);
void egress_viewer_on_packets (RelayReceiver *receiver, RelayFeed *feed,
                               guint64 from, guint64 to);
void egress_viewer_on_pace (RelayReceiver *receiver, RelayFeed *feed,
                            gint64 now_us);
/* from the newest GOP of self->picture on; waits when there is none */
void egress_viewer_begin_video (EgressViewer *self);
/* the flags have changed: is_paused, is_off */
void egress_viewer_update_flow (EgressViewer *self);
void egress_viewer_ask_keyframe (EgressViewer *self, RelayFeed *feed);

/* --- viewer-inputs.c --- */
/* egress_viewer_set_inputs: keeps those that he had; attaches the new ones when
 * he is connected. FALSE: a feed is full */
gboolean egress_viewer_set_inputs (EgressViewer *self,
                                   const EgressSources *sources);
gboolean egress_viewer_attach_inputs (EgressViewer *self);
void egress_viewer_clear_inputs (EgressViewer *self);
/* renditions: packets [from, to) have come */
void egress_viewer_input_came (EgressViewer *self, EgressInput *input,
                               guint64 from, guint64 to);
void egress_viewer_choose_rendition (EgressViewer *self);
