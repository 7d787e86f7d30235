/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/viewer-stats: a viewer's statistics as JSON, and as the one line that
 * the log has of his life.
 * Thread: main.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "egress/viewer.h"

/* adds members to @object, for /debug/state; @created_us: of his request */
void egress_viewer_stats_fill (const EgressViewerStats *stats,
                               gint64 created_us, JsonObject *object);

/* @join_us: until media went to him; -1: it never did
 * @why: it ended */
void egress_viewer_stats_log (const EgressViewerStats *stats,
                              const char *session, const char *stream,
                              gint64 created_us, gint64 join_us,
                              const char *why);
