/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/viewer-stats: a viewer's statistics as JSON.
 * Thread: main.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "egress/viewer.h"

/* adds members to @object, for /debug/state; @created_us: of his request */
void egress_viewer_stats_fill (const EgressViewerStats *stats,
                               gint64 created_us, JsonObject *object);
