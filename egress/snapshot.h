/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressSnapshot: a stream's newest keyframe as a JPEG, for pages. The
 * keyframe is taken from the feed on the home worker, decoded by GStreamer
 * (appsrc ! depay ! decoder ! videoscale to <= 640 px ! jpegenc ! appsink) off
 * the main thread, kept for 5 s per stream; at most 2 decodes at once,
 * more: the old picture or 503. A keyframe that cannot be decoded is a named
 * error, never a crash.
 * Owner:  node. Thread: main.
 */
#pragma once

#include "relay/hub.h"

#include <gio/gio.h>

typedef enum {
  EGRESS_SNAPSHOT_ERROR_NO_VIDEO,
  EGRESS_SNAPSHOT_ERROR_NO_KEYFRAME,
  EGRESS_SNAPSHOT_ERROR_DECODER, /* plugin missing or decode failed */
  EGRESS_SNAPSHOT_ERROR_BUSY,
} EgressSnapshotError;
#define EGRESS_SNAPSHOT_ERROR (egress_snapshot_error_quark ())
GQuark egress_snapshot_error_quark (void);

typedef struct _EgressSnapshot EgressSnapshot;
EgressSnapshot *egress_snapshot_new (void);
/* main, once: of keyframes that were not decoded. @counter: borrowed, for ever
 */
void egress_snapshot_count_failures (EgressSnapshot *self,
                                     BaseCounter *counter);
void egress_snapshot_free (EgressSnapshot *self);
void egress_snapshot_take_async (EgressSnapshot *self, RelayStream *stream,
                                 GAsyncReadyCallback callback, gpointer data);
/* (transfer full): JPEG bytes */
GBytes *egress_snapshot_take_finish (EgressSnapshot *self,
                                     GAsyncResult *result, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressSnapshot, egress_snapshot_free)
