/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressRecording: a stream into one Matroska file, by GStreamer, nothing
 * encoded again. Begins with a keyframe (the newest GOP held), goes on over
 * publishers that come and go, as long as the codecs stay.
 *   The file is made on GStreamer's threads; a disk that is full, slow or not
 * writable ends the recording (on_ended with the error) and never holds media
 * up: at most EGRESS_RECORDING_MAX_QUEUED_BYTES wait for the disk.
 * Owner:  who made it. Thread: main; packets: media of the stream's home.
 */
#pragma once

#include "relay/feed.h"

#define EGRESS_RECORDINGS_MAX 64 /* on a node */
#define EGRESS_RECORDING_MAX_QUEUED_BYTES (16 * 1024 * 1024)

typedef enum
{
  EGRESS_RECORDING_ERROR_CODEC, /* no way into Matroska */
  EGRESS_RECORDING_ERROR_FILE,  /* cannot be made, is there already */
  EGRESS_RECORDING_ERROR_WRITE, /* disk full and the like, later */
  EGRESS_RECORDING_ERROR_SLOW,  /* the disk does not keep up */
  EGRESS_RECORDING_ERROR_LIMIT,
} EgressRecordingError;
#define EGRESS_RECORDING_ERROR (egress_recording_error_quark ())
GQuark egress_recording_error_quark (void);

typedef struct _EgressRecording EgressRecording;

/* @sound, @picture: (nullable) one of them: streams to record from, often the
 *   same. A stream that has left its hub does not come back: stop.
 * @path: of the file; must not be there
 * @on_started: the file is open; main, once, later. With @error it is over.
 * @on_ended: (nullable): it ended by itself; main, once, never after stop().
 * What is over is freed after its callback: not to be stopped. */
typedef struct
{
  void (*on_started) (EgressRecording *self, const GError *error,
                      gpointer data);
  void (*on_ended) (EgressRecording *self, const GError *error, gpointer data);
} EgressRecordingCallbacks;
EgressRecording *
egress_recording_new (RelayStream *sound, RelayStream *picture,
                      const char *path,
                      const EgressRecordingCallbacks *callbacks, gpointer data);
/* egress_recording_stop: consumes it. The file is finished (cues, duration) in
 * the background; one that nothing was written to is removed.
 * @on_finished: (nullable): main, once, 12 s later at the latest */
void egress_recording_stop (EgressRecording *self,
                            void (*on_finished) (const GError *error,
                                                 gpointer data),
                            gpointer data);
/* egress_recordings_join: main, at the program's end, after the workers': waits
 * for the files of those that were stopped. Returns: %FALSE: a disk hangs */
gboolean egress_recordings_join (gint64 timeout_us);
/* main, once: of recordings that ended with an error. @counter: borrowed, for
 * ever */
void egress_recordings_count_failures (BaseCounter *counter);
/* any: what is in the file so far */
void egress_recording_get_stats (EgressRecording *self, guint64 *ret_bytes,
                                 gint64 *ret_duration_us);
/* egress_recording_make_path: inside @dir only; ".mkv" is added when missing.
 * Returns: (transfer full) (nullable): NULL: @name leaves @dir, or is no name
 */
char *egress_recording_make_path (const char *dir, const char *name);
