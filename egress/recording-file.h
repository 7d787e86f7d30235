/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressRecordingFile: pictures and sounds into a Matroska file, by a GStreamer
 * pipeline that ends in a descriptor. RTP is put together again, nothing is
 * encoded. What the caller pushes waits in the pipeline; is_full
 * says when it is enough.
 *   A change of the picture's size goes into the file as it comes: decoders
 * read it in band.
 * Owner:  EgressRecording's thread. Thread: that one; free may block as long as
 * the disk does.
 */
#pragma once

#include "egress/recording-order.h"
#include "egress/recording.h"

#define EGRESS_RECORDING_FILE_QUEUED_BYTES (1024 * 1024) /* each track */

typedef struct _EgressRecordingFile EgressRecordingFile;

/* egress_recording_file_new:
 * @codecs: of the tracks there shall be; NONE = no such track
 * @fd: written to; borrowed, outlives it
 * Returns: (transfer full) (nullable): NULL with EGRESS_RECORDING_ERROR_CODEC
 * when a plugin is missing */
EgressRecordingFile *
egress_recording_file_new (const RtcCodec codecs[RTC_MEDIA_N_KINDS], int fd,
                           GError **error);
void egress_recording_file_free (EgressRecordingFile *self);

/* egress_recording_file_push: in order, none missing in a picture.
 * @pts_ns: since the file's begin */
void egress_recording_file_push (EgressRecordingFile *self, RtcMediaKind kind,
                                 guint64 pts_ns, gboolean is_marked,
                                 const guint8 *payload, gsize len);
/* something of @kind is missing before what is pushed next */
void egress_recording_file_break (EgressRecordingFile *self, RtcMediaKind kind);
/* each track for itself: the muxer may wait for the other one */
gboolean egress_recording_file_is_full (EgressRecordingFile *self,
                                        RtcMediaKind kind);
/* egress_recording_file_check: FALSE with EGRESS_RECORDING_ERROR (WRITE,
 * CODEC): it is over */
gboolean egress_recording_file_check (EgressRecordingFile *self,
                                      GError **error);
/* no more is pushed: the index and the length are written. has_ended: they
 * are; FALSE with @error: never, without: not yet. */
void egress_recording_file_end (EgressRecordingFile *self);
gboolean egress_recording_file_has_ended (EgressRecordingFile *self,
                                          GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressRecordingFile, egress_recording_file_free)
