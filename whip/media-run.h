/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WhipMediaRun: one GStreamer pipeline of a WhipMediaInput, from its start to
 * its end: one connection to a camera, or one time through a file. What comes
 * out is RTP, into a WhipMediaQueue.
 *   RTSP's packets stay as they are. A file's get sequence numbers and
 * timestamps by a WhipMediaTimeline, which goes on over runs: its loop has no
 * seam.
 * Owner:  WhipMediaInput's thread. Thread: that one, which may block, but where
 * said; pads and packets: GStreamer's.
 */
#pragma once

#include "whip/media-input.h"
#include "whip/media-queue.h"

#define WHIP_MEDIA_RUN_SILENCE_US (10 * G_USEC_PER_SEC)

typedef struct _WhipMediaRun WhipMediaRun;

/* A file's clock over its runs; a plain value, zeroed at first */
typedef struct
{
  gint64 wall_us;    /* wall clock at the first run's start; 0 = none yet */
  guint64 clock_ns;  /* the pipeline clock's time of the next run's start */
  guint64 offset_ns; /* length of all runs so far */
  struct
  {
    guint32 ssrc, rtp_ts; /* random */
    guint16 seq;          /* of the next packet */
  } tracks[RTC_MEDIA_N_KINDS];
} WhipMediaTimeline;

/* What a source carries; a plain value but for @params */
typedef struct
{
  RelayStreamInfo info;
  guint8 pts[RTC_MEDIA_N_KINDS];
  GBytes *params; /* owned, nullable: see WhipFeederConfig */
} WhipMediaFound;

/* @queue, @timeline: borrowed, outlive it */
WhipMediaRun *whip_media_run_new (const WhipMediaInputConfig *config,
                                  WhipMediaQueue *queue,
                                  WhipMediaTimeline *timeline);
/* stops the pipeline; may block for some 100 ms */
void whip_media_run_free (WhipMediaRun *self);
/* any: open and play return soon */
void whip_media_run_interrupt (WhipMediaRun *self);

/* whip_media_run_open: until it is known what the source carries, and its
 * first packet is there.
 * @ret: (out): its params: (transfer full)
 * Returns: FALSE with WHIP_MEDIA_INPUT_ERROR (OPEN when interrupted) */
gboolean whip_media_run_open (WhipMediaRun *self, WhipMediaFound *ret,
                              GError **error);
/* whip_media_run_play: until the source ends.
 * Returns: TRUE: a file's end, or interrupted; FALSE with
 * WHIP_MEDIA_INPUT_ERROR */
gboolean whip_media_run_play (WhipMediaRun *self, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (WhipMediaRun, whip_media_run_free)
