/* SPDX-License-Identifier: Apache-2.0 */
/* whip/media-run-private: what media-run.c (the pipeline's life) and
 * media-pads.c (what its pads bring) share. */
#pragma once

#include <gst/gst.h>

#include "whip/media-caps.h"
#include "whip/media-run.h"

typedef struct
{
  WhipMediaRun *run; /* borrowed */
  RtcMediaKind kind;

  /* with the run's lock */
  gboolean is_used;
  WhipMediaTrack track;     /* before the first packet */
  GstElement *sink;         /* borrowed from the pipeline; nullable */
  guint64 last_ns, step_ns; /* running time of the last picture or sound */
  guint64 told_ns;          /* of the last packet with a clock */
  gboolean has_last;
} WhipMediaBranch;

struct _WhipMediaRun
{
  const WhipMediaInputConfig *config; /* borrowed */
  WhipMediaQueue *queue;              /* borrowed */
  WhipMediaTimeline *timeline;        /* borrowed */
  GstElement *pipeline;               /* owned */
  GstElement *multiqueue;             /* borrowed, nullable: files */
  GstBus *bus;                        /* owned */
  guint64 n_at_start;                 /* packets of runs before */
  gint64 start_wall_us;
  gint is_interrupted; /* atomic */

  GMutex lock; /* GStreamer's threads, and ours: what follows, the timeline */
  WhipMediaBranch branches[RTC_MEDIA_N_KINDS];
  char *refused; /* owned, nullable: what was wanted and cannot be had */
};

static inline gboolean
whip_media_run_is_file (const WhipMediaRun *self)
{
  return self->config->kind != WHIP_MEDIA_RTSP;
}

/* Signals of rtspsrc and parsebin; @data: the run. GStreamer's threads. */
gboolean whip_media_run_on_select_stream (GstElement *source, guint number,
                                          GstCaps *caps, gpointer data);
void whip_media_run_on_rtsp_pad (GstElement *source, GstPad *pad,
                                 gpointer data);
void whip_media_run_on_file_pad (GstElement *parsebin, GstPad *pad,
                                 gpointer data);
