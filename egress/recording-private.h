/* SPDX-License-Identifier: Apache-2.0 */
/* egress/recording-private: what the tests need to try disks that are full or
 * hang. */
#pragma once

#include "egress/recording.h"

/* into a descriptor that is there: (transfer full); @path: (nullable) then */
EgressRecording *egress_recording_new_at (
    RelayStream *sound, RelayStream *picture, const char *path, int fd,
    const EgressRecordingCallbacks *callbacks, gpointer data);
