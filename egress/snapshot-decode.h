/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/snapshot-decode: one keyframe's RTP payloads to a JPEG of at most
 * 640x640 px, by a GStreamer pipeline that lives as long as the call.
 * Thread: any that may block for EGRESS_SNAPSHOT_TIMEOUT_US.
 */
#pragma once

#include "egress/snapshot.h"

#define EGRESS_SNAPSHOT_TIMEOUT_US (3 * G_USEC_PER_SEC)

/* egress_snapshot_decode:
 * @payloads: (element-type GBytes): of one frame, in order, none lost
 * Returns: (transfer full) (nullable): error DECODER names what is missing */
GBytes *egress_snapshot_decode (RtcCodec codec, GPtrArray *payloads,
                                GError **error);
