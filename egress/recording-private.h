/* SPDX-License-Identifier: Apache-2.0 */
/* egress/recording-private: what the tests need to try disks that are full or
 * hang. */
#pragma once

#include "egress/recording.h"

/* @fd: (transfer full): there already: @path may be NULL; -1: open @path
 * @end_us: how long the disk may take for the end */
EgressRecording *egress_recording_new_at (
    RelayStream *sound, RelayStream *picture, const char *path, int fd,
    gint64 end_us, const EgressRecordingCallbacks *callbacks, gpointer data);
