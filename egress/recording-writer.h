/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressRecordingWriter: what came out of the inbox, in order, on one timeline,
 * into the file. Pictures and sound are laid together by the publisher's
 * clocks where both are known, else by their times of arrival. Where a sound
 * track falls silent, a short silence now and then lets the pictures go on.
 * Owner:  EgressRecording's thread. Thread: that one.
 */
#pragma once

#include "egress/recording-file.h"
#include "egress/recording-tap.h"

typedef struct _EgressRecordingWriter EgressRecordingWriter;

/* @fd: borrowed, outlives it */
EgressRecordingWriter *egress_recording_writer_new (int fd);
/* may block as long as the disk does */
void egress_recording_writer_free (EgressRecordingWriter *self);
/* egress_recording_writer_take: @news: its packets are taken
 * Returns: FALSE with EGRESS_RECORDING_ERROR: it is over */
gboolean egress_recording_writer_take (EgressRecordingWriter *self,
                                       EgressRecordingNews *news,
                                       GError **error);
/* egress_recording_writer_end: writes what it holds, the index and the length.
 * Returns: FALSE with EGRESS_RECORDING_ERROR; SLOW after @timeout_us */
gboolean egress_recording_writer_end (EgressRecordingWriter *self,
                                      gint64 timeout_us, GError **error);
gsize egress_recording_writer_get_held_bytes (EgressRecordingWriter *self);
/* any */
gint64 egress_recording_writer_get_duration_us (EgressRecordingWriter *self);
/* nothing was ever written */
gboolean egress_recording_writer_is_empty (EgressRecordingWriter *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressRecordingWriter,
                               egress_recording_writer_free)
