/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressRecordingInbox: what waits to be recorded, between media and the
 * recording's thread; EgressRecordingTap: who puts a stream's packets there, a
 * receiver of the feed at the stream's home. It begins with the newest GOP
 * held. What media does is to copy: it never waits, and stops when there is
 * too much.
 * Owner:  EgressRecording; ref-counted inside. Thread: stated per function.
 */
#pragma once

#include "egress/recording-order.h"
#include "egress/recording.h"

typedef struct
{
  gboolean is_known;
  guint64 ntp;
  guint32 rtp_ts;
} EgressRecordingClock;

typedef enum
{
  EGRESS_RECORDING_FINE,
  EGRESS_RECORDING_TOO_MUCH, /* EGRESS_RECORDING_MAX_QUEUED_BYTES wait */
  EGRESS_RECORDING_CHANGED,  /* other codecs */
} EgressRecordingTrouble;

/* What the thread learns at once */
typedef struct
{
  GQueue packets; /* of EgressRecordingPacket (owned), as they came */
  gboolean wants[RTC_MEDIA_N_KINDS];
  gboolean has_info[RTC_MEDIA_N_KINDS];
  RtcCodec codecs[RTC_MEDIA_N_KINDS]; /* NONE: there is no such track */
  EgressRecordingClock clocks[RTC_MEDIA_N_KINDS]; /* at the begin */
  GBytes *params; /* nullable: H264's parameter sets when media began */
  EgressRecordingTrouble trouble;
  gboolean is_over; /* asked to stop, and nothing more will come */
} EgressRecordingNews;

typedef struct _EgressRecordingInbox EgressRecordingInbox;

EgressRecordingInbox *egress_recording_inbox_new (void);
EgressRecordingInbox *egress_recording_inbox_ref (EgressRecordingInbox *self);
void egress_recording_inbox_unref (EgressRecordingInbox *self);
/* egress_recording_inbox_wait: the recording's thread: for news, at most
 * @timeout_us.
 * @held_bytes: what it holds of what it took before
 * @ret: packets: (transfer full); params: borrowed from the inbox */
void egress_recording_inbox_wait (EgressRecordingInbox *self, gint64 timeout_us,
                                  gsize held_bytes, EgressRecordingNews *ret);
/* any: no more is wanted */
void egress_recording_inbox_stop (EgressRecordingInbox *self);

typedef struct _EgressRecordingTap EgressRecordingTap;

/* egress_recording_tap_new: main; joins soon.
 * @wants: tracks of @stream that are recorded */
EgressRecordingTap *
egress_recording_tap_new (RelayStream *stream, EgressRecordingInbox *inbox,
                          const gboolean wants[RTC_MEDIA_N_KINDS]);
/* main: leaves soon; what came until then is in the inbox */
void egress_recording_tap_free (EgressRecordingTap *self);
