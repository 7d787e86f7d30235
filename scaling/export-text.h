/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scaling/export-text: points in Prometheus's text form 0.0.4, without times,
 * which a Pushgateway refuses; by names and labels as /metrics of the role has
 * them: counters and gauges of roles, of distributions the label percentile
 * (50, 95, 99) from merged buckets of the last minute.
 * Thread: main.
 */
#pragma once

#include "scaling/export-mapping.h"

/* scaling_export_text_render:
 * @points: (element-type ScalingPoint): those of one key side by side
 * @ret_n: (out): how many of them are in it
 * Returns: (transfer full) */
GString *scaling_export_text_render (GPtrArray *points,
                                     const ScalingExportMapping *mapping,
                                     guint *ret_n);

/* scaling_export_text_format: whole numbers to 2^53 exactly, others to 15
 * digits */
void scaling_export_text_format (char digits[G_ASCII_DTOSTR_BUF_SIZE],
                                 double value);
