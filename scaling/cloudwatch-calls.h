/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingCloudwatchCalls: bodies of PutMetricData, each within the limits of
 * one call: 1,000 data, 150 values a datum, 30 dimensions, 1 MB before gzip.
 * A distribution goes as Values and Counts, so that CloudWatch's percentiles
 * are ours; one with more values becomes several data of one name and time,
 * which CloudWatch adds up.
 * Source: Amazon CloudWatch API Reference, "PutMetricData", "MetricDatum"; the
 * Query protocol of 2010-08-01.
 * Owner:  ScalingExportCloudwatch. Pure. Thread: any.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "scaling/point.h"

#define SCALING_CLOUDWATCH_MAX_DATA 1000
#define SCALING_CLOUDWATCH_MAX_BYTES (1000 * 1000)
#define SCALING_CLOUDWATCH_MAX_VALUES 150
#define SCALING_CLOUDWATCH_MAX_DIMENSIONS 30
#define SCALING_CLOUDWATCH_GZIP_BYTES (10 * 1024) /* from here on */
#define SCALING_CLOUDWATCH_NAME_MAX_CHARS 255
#define SCALING_CLOUDWATCH_DIMENSION_MAX_CHARS 1024

/* numbers beyond ±2^360 are refused by CloudWatch */
gboolean scaling_cloudwatch_is_number (double value);

/* One call. */
typedef struct
{
  GBytes *body;     /* owned */
  gboolean is_gzip; /* @body is */
  guint n_data;
  gsize n_plain_bytes; /* before gzip */
  GPtrArray *tags;     /* owned: of its data, as they came */
} ScalingCloudwatchCall;

void scaling_cloudwatch_call_free (ScalingCloudwatchCall *self);

typedef struct _ScalingCloudwatchCalls ScalingCloudwatchCalls;

/* What every datum has. */
typedef struct
{
  const char *namespace;
  GPtrArray *dimensions; /* (element-type ScalingLabel) (nullable) */
} ScalingCloudwatchCommon;

typedef struct
{
  const char *name;
  const char *unit;           /* CloudWatch's */
  const ScalingLabel *labels; /* dimensions besides; empty ones are left out */
  guint n_labels;
  gint64 at_wall_us;
  gpointer tag; /* who asks which calls have it */
} ScalingCloudwatchDatum;

ScalingCloudwatchCalls *
scaling_cloudwatch_calls_new (const ScalingCloudwatchCommon *common);
void scaling_cloudwatch_calls_free (ScalingCloudwatchCalls *self);

void scaling_cloudwatch_calls_add_value (ScalingCloudwatchCalls *self,
                                         const ScalingCloudwatchDatum *datum,
                                         double value);
/* scaling_cloudwatch_calls_add_sketch: of an empty one nothing is sent
 * @factor: from the sketch's whole numbers to @datum's unit */
void scaling_cloudwatch_calls_add_sketch (ScalingCloudwatchCalls *self,
                                          const ScalingCloudwatchDatum *datum,
                                          const BaseSketch *sketch,
                                          double factor);
/* scaling_cloudwatch_calls_end: (transfer full)
 * (element-type ScalingCloudwatchCall): empty when nothing was added; @self is
 * empty then */
GPtrArray *scaling_cloudwatch_calls_end (ScalingCloudwatchCalls *self);

/* scaling_cloudwatch_check_namespace: SCALING_EXPORT_ERROR_CONFIG */
gboolean scaling_cloudwatch_check_namespace (const char *name, GError **error);
/* scaling_cloudwatch_read_dimensions: an object of names and texts
 * @json: (nullable): "" too
 * Returns: (transfer full) (nullable) (element-type ScalingLabel): %NULL with
 *   SCALING_EXPORT_ERROR_CONFIG */
GPtrArray *scaling_cloudwatch_read_dimensions (const char *json,
                                               GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingCloudwatchCalls,
                               scaling_cloudwatch_calls_free)
