/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingTrace: a curve of viewers over time, from CSV:
 *
 *     # a comment
 *     seconds,viewers,joins
 *     0,1000,20
 *     60,5000,180
 *
 * Seconds from the beginning, rising; viewers who want to watch; joins
 * (optional): how many a second come besides those the curve needs, and as many
 * leave. Between two lines it is straight. The line of names may be missing.
 * Bounds: the maxima below. Errors name the line.
 * Owner: who parsed it. Thread: any.
 */
#pragma once

#include <glib.h>

#define SCALING_TRACE_MAX_BYTES (16 * 1024 * 1024)
#define SCALING_TRACE_MAX_POINTS 200000
#define SCALING_TRACE_MAX_S (7 * 24 * 3600)
#define SCALING_TRACE_MAX_VIEWERS 1e9

typedef enum
{
  SCALING_TRACE_ERROR_INVALID, /* "line 7: …" */
} ScalingTraceError;
#define SCALING_TRACE_ERROR (scaling_trace_error_quark ())
GQuark scaling_trace_error_quark (void);

typedef struct
{
  double at_s, n_viewers, joins_per_s;
} ScalingTracePoint;

typedef struct
{
  guint n_points; /* at least 2 */
  ScalingTracePoint points[];
} ScalingTrace;

/* scaling_trace_parse: @text need not end with a NUL.
 * Returns: (transfer full) (nullable): %NULL: SCALING_TRACE_ERROR_INVALID */
ScalingTrace *scaling_trace_parse (const char *text, gsize n_bytes,
                                   GError **error);
void scaling_trace_free (ScalingTrace *self);

/* scaling_trace_get: @at_s from its first to its last second; outside: as there
 * @hint: (inout): 0 at first; makes a walk through it fast */
ScalingTracePoint scaling_trace_get (const ScalingTrace *self, double at_s,
                                     guint *hint);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingTrace, scaling_trace_free)
