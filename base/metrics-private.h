/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/metrics-private: what metrics.c (the registry) and metrics-writer.c (the
 * exposition's text) share. Thread: main.
 */
#pragma once

#include "base/metrics.h"

typedef enum
{
  BASE_METRICS_COUNTER,
  BASE_METRICS_GAUGE,
  BASE_METRICS_HISTOGRAM,
} BaseMetricsKind;

/* Used again for each scrape of its format.
 * @common: borrowed */
BaseMetricsWriter *base_metrics_writer_new (BaseMetricsFormat format,
                                            const char *common);
void base_metrics_writer_free (BaseMetricsWriter *self);

/* base_metrics_writer_open: the group of @name, made when it is new; %NULL when
 * @name is known as another kind */
BaseMetricsGroup *base_metrics_writer_open (BaseMetricsWriter *self,
                                            const char *name,
                                            BaseMetricsKind kind,
                                            const char *help);

/* the numbers of a histogram, copied */
typedef struct
{
  const double *bounds; /* n_bounds, ascending */
  const guint64 *n;     /* n_bounds + 1, each for itself */
  guint n_bounds;
  double sum;
} BaseMetricsBuckets;
void base_metrics_writer_put_histogram (BaseMetricsWriter *self,
                                        BaseMetricsGroup *group,
                                        const char *labels,
                                        const BaseMetricsBuckets *buckets);

/* (transfer full): all groups in the order of their beginning; then it is empty
 * again */
char *base_metrics_writer_finish (BaseMetricsWriter *self);
