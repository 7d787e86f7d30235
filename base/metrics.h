/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BaseMetrics: the registry behind /metrics: Prometheus text 0.0.4, and
 * OpenMetrics 1.0.0 (the same samples with units and the times when counters
 * began; without exemplars) for those who ask for it.
 * Counters and gauges are one relaxed atomic word: packet paths add once a
 * burst, never once a packet. Values that live elsewhere, and label sets that
 * come and go (streams), are written by collectors at scrape time.
 * Owner:  node; process-long.
 * Thread: add/set/observe: any. Registration, collectors, scrape: main.
 */
#pragma once

#include <glib.h>

typedef struct _BaseMetrics BaseMetrics;
typedef struct _BaseCounter BaseCounter;     /* also serves as a gauge */
typedef struct _BaseHistogram BaseHistogram; /* fixed bounds, in base units */
typedef struct _BaseMetricsWriter BaseMetricsWriter;
typedef struct _BaseMetricsGroup BaseMetricsGroup;
typedef struct _BaseWindow BaseWindow; /* base/window.h */

BaseMetrics *base_metrics_new (void);
void base_metrics_free (BaseMetrics *self);

/* base_metrics_set_common_labels: added to every sample, e.g. tree_id.
 * @labels: (nullable): rendered "a=\"b\",c=\"d\"" without braces */
void base_metrics_set_common_labels (BaseMetrics *self, const char *labels);

/* base_metrics_add_counter / _gauge / _histogram:
 * @name: e.g. "media_tree_joins_total"; @labels: (nullable): fixed labels,
 *   rendered as base_metrics_label() does
 * The same (name, labels) twice returns the same object.
 * Returns: (transfer none): lives as long as @self */
BaseCounter *base_metrics_add_counter (BaseMetrics *self, const char *name,
                                       const char *labels, const char *help);
BaseCounter *base_metrics_add_gauge (BaseMetrics *self, const char *name,
                                     const char *labels, const char *help);
BaseHistogram *base_metrics_add_histogram (BaseMetrics *self, const char *name,
                                           const char *labels, const char *help,
                                           const double *bounds,
                                           guint n_bounds);

/* base_metrics_get_sum: of all label sets of counter @name; 0 when there is
 * none; collectors' are not known to it. Main. */
guint64 base_metrics_get_sum (BaseMetrics *self, const char *name);

/* base_metrics_watch: what histograms of this name observe, whenever they are
 * made, goes to @window too, in millionths of the unit: µs for seconds.
 * @window: (nullable): from now on to none; borrowed until then */
void base_metrics_watch (BaseMetrics *self, const char *name,
                         BaseWindow *window);

/* All take (nullable) self, so that a unit test needs no registry. */
void base_counter_add (BaseCounter *self, gint64 n);
void base_counter_set (BaseCounter *self, gint64 n);
gint64 base_counter_get (BaseCounter *self);
void base_histogram_observe (BaseHistogram *self, double value);
/* for those who count by themselves: @n more values in the bucket of that index
 * (the last one: above all bounds), which add up to @sum; who watches does not
 * hear of it */
void base_histogram_add (BaseHistogram *self, guint bucket, guint64 n,
                         double sum);

/* base_metrics_add_collector: @func is run at each scrape, on main */
typedef void (*BaseCollectFunc) (BaseMetricsWriter *writer, gpointer data);
void base_metrics_add_collector (BaseMetrics *self, BaseCollectFunc func,
                                 gpointer data);
/* For collectors: samples of one name need not be adjacent, the writer groups
 * them. @type "counter" or "gauge". */
void base_metrics_write (BaseMetricsWriter *writer, const char *name,
                         const char *type, const char *help, const char *labels,
                         double value);

/* base_metrics_open, base_metrics_put: as write(), for those who have a sample
 * for each of many streams: the name is looked up once.
 * Returns: (transfer none): until the collector is left */
BaseMetricsGroup *base_metrics_open (BaseMetricsWriter *writer,
                                     const char *name, const char *type,
                                     const char *help);
void base_metrics_put (BaseMetricsGroup *group, const char *labels,
                       double value);

/* base_metrics_set_created: for collectors: when the counters that this one
 * writes from now on began, µs since 1970; before that it is the registry's
 * own begin */
void base_metrics_set_created (BaseMetricsWriter *writer, gint64 wall_us);

/* base_metrics_label: (transfer full): 'key="escaped value"' */
char *base_metrics_label (const char *key, const char *value);

typedef enum
{
  BASE_METRICS_TEXT,
  BASE_METRICS_OPENMETRICS,
} BaseMetricsFormat;

/* base_metrics_pick_format: what a client's Accept asks for: OpenMetrics when
 * it is named in version 1.0.0 or in none, and text/plain not above it.
 * @accept: (nullable) */
BaseMetricsFormat base_metrics_pick_format (const char *accept);
const char *base_metrics_get_content_type (BaseMetricsFormat format);

/* base_metrics_render: (transfer full): the whole exposition, as text */
char *base_metrics_render (BaseMetrics *self);
char *base_metrics_render_as (BaseMetrics *self, BaseMetricsFormat format);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BaseMetrics, base_metrics_free)
