/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/metrics: the registry: families in the order of their registration; a
 * scrape renders the registered words, then lets the collectors add theirs.
 */
#include "base/metrics-private.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/window.h"

struct _BaseCounter
{
  gint64 value; /* relaxed atomic */
};

struct _BaseHistogram
{
  double *bounds; /* owned, ascending */
  guint n_bounds;
  guint64 *buckets;   /* owned; relaxed atomics; n_bounds + 1, not cumulative */
  guint64 sum_bits;   /* a double's bits; compare and swap */
  BaseWindow *window; /* borrowed, nullable, atomic */
};

/* more than what fits a window; and what a gint64 holds of it in millionths */
#define MAX_WATCHED 1e9

typedef struct
{
  char *labels;      /* owned, "" when none */
  gint64 created_us; /* wall time */
  BaseCounter counter;
  BaseHistogram histogram;
} Series;

typedef struct
{
  char *name; /* owned */
  char *help; /* owned */
  BaseMetricsKind kind;
  GPtrArray *series; /* (element-type Series) owned */
} Family;

typedef struct
{
  BaseCollectFunc func;
  gpointer data;
} Collector;

struct _BaseMetrics
{
  GHashTable *by_name; /* (element-type utf8 Family) borrowed from families */
  GPtrArray *families; /* (element-type Family) owned */
  GArray *collectors;  /* (element-type Collector) owned */
  GHashTable *windows; /* (element-type utf8 BaseWindow) values borrowed */
  char *common;        /* owned, "" when none */
  BaseMetricsWriter *writers[2]; /* owned, by format, NULL until asked for */
  gint64 created_us;             /* wall time */
};

static void
series_free (gpointer data)
{
  Series *series = data;

  g_free (series->labels);
  g_free (series->histogram.bounds);
  g_free (series->histogram.buckets);
  g_free (series);
}

static void
family_free (gpointer data)
{
  Family *family = data;

  g_free (family->name);
  g_free (family->help);
  g_ptr_array_unref (family->series);
  g_free (family);
}

BaseMetrics *
base_metrics_new (void)
{
  BaseMetrics *self = g_new0 (BaseMetrics, 1);

  self->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  self->families = g_ptr_array_new_with_free_func (family_free);
  self->collectors = g_array_new (FALSE, FALSE, sizeof (Collector));
  self->windows = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->common = g_strdup ("");
  self->created_us = base_clock_wall_us ();
  return self;
}

static void
drop_writers (BaseMetrics *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (self->writers); i++)
    g_clear_pointer (&self->writers[i], base_metrics_writer_free);
}

void
base_metrics_free (BaseMetrics *self)
{
  g_return_if_fail (self);
  g_hash_table_unref (self->by_name);
  g_ptr_array_unref (self->families);
  g_array_unref (self->collectors);
  g_hash_table_unref (self->windows);
  drop_writers (self);
  g_free (self->common);
  g_free (self);
}

void
base_metrics_set_common_labels (BaseMetrics *self, const char *labels)
{
  g_return_if_fail (self);
  drop_writers (self);
  g_free (self->common);
  self->common = g_strdup (labels ? labels : "");
}

/* ensure_series: the one of (@name, @labels), made when it is new; %NULL when
 * @name is known as another kind, which is a caller's bug. */
static Series *
ensure_series (BaseMetrics *self, BaseMetricsKind kind, const char *name,
               const char *labels, const char *help)
{
  Family *family = g_hash_table_lookup (self->by_name, name);
  Series *series;

  if (!labels)
    labels = "";
  if (!family)
    {
      family = g_new0 (Family, 1);
      family->name = g_strdup (name);
      family->help = g_strdup (help ? help : "");
      family->kind = kind;
      family->series = g_ptr_array_new_with_free_func (series_free);
      g_ptr_array_add (self->families, family);
      g_hash_table_insert (self->by_name, family->name, family);
    }
  g_return_val_if_fail (family->kind == kind, NULL);

  for (guint i = 0; i < family->series->len; i++)
    {
      series = g_ptr_array_index (family->series, i);
      if (g_str_equal (series->labels, labels))
        return series;
    }
  series = g_new0 (Series, 1);
  series->labels = g_strdup (labels);
  series->created_us = base_clock_wall_us ();
  g_ptr_array_add (family->series, series);
  return series;
}

BaseCounter *
base_metrics_add_counter (BaseMetrics *self, const char *name,
                          const char *labels, const char *help)
{
  Series *series;

  g_return_val_if_fail (self && name, NULL);
  series = ensure_series (self, BASE_METRICS_COUNTER, name, labels, help);
  return series ? &series->counter : NULL;
}

BaseCounter *
base_metrics_add_gauge (BaseMetrics *self, const char *name, const char *labels,
                        const char *help)
{
  Series *series;

  g_return_val_if_fail (self && name, NULL);
  series = ensure_series (self, BASE_METRICS_GAUGE, name, labels, help);
  return series ? &series->counter : NULL;
}

BaseHistogram *
base_metrics_add_histogram (BaseMetrics *self, const char *name,
                            const char *labels, const char *help,
                            const double *bounds, guint n_bounds)
{
  Series *series;
  BaseHistogram *histogram;

  g_return_val_if_fail (self && name && bounds && n_bounds > 0, NULL);
  for (guint i = 1; i < n_bounds; i++)
    g_return_val_if_fail (bounds[i - 1] < bounds[i], NULL);

  series = ensure_series (self, BASE_METRICS_HISTOGRAM, name, labels, help);
  if (!series)
    return NULL;
  histogram = &series->histogram;
  if (!histogram->buckets)
    {
      histogram->bounds = g_memdup2 (bounds, n_bounds * sizeof (double));
      histogram->n_bounds = n_bounds;
      histogram->buckets = g_new0 (guint64, n_bounds + 1);
      histogram->window = g_hash_table_lookup (self->windows, name);
    }
  return histogram;
}

guint64
base_metrics_get_sum (BaseMetrics *self, const char *name)
{
  Family *family = g_hash_table_lookup (self->by_name, name);
  gint64 sum = 0;

  g_return_val_if_fail (!family || family->kind == BASE_METRICS_COUNTER, 0);
  for (guint i = 0; family && i < family->series->len; i++)
    sum += base_counter_get (&((Series *)family->series->pdata[i])->counter);
  return (guint64)MAX (sum, 0);
}

void
base_metrics_watch (BaseMetrics *self, const char *name, BaseWindow *window)
{
  Family *family = g_hash_table_lookup (self->by_name, name);

  g_return_if_fail (!family || family->kind == BASE_METRICS_HISTOGRAM);
  g_hash_table_replace (self->windows, g_strdup (name), window);
  for (guint i = 0; family && i < family->series->len; i++)
    {
      Series *series = g_ptr_array_index (family->series, i);

      __atomic_store_n (&series->histogram.window, window, __ATOMIC_RELEASE);
    }
}

void
base_counter_add (BaseCounter *self, gint64 n)
{
  if (self)
    __atomic_fetch_add (&self->value, n, __ATOMIC_RELAXED);
}

void
base_counter_set (BaseCounter *self, gint64 n)
{
  if (self)
    __atomic_store_n (&self->value, n, __ATOMIC_RELAXED);
}

gint64
base_counter_get (BaseCounter *self)
{
  return self ? __atomic_load_n (&self->value, __ATOMIC_RELAXED) : 0;
}

static double
double_from_bits (guint64 bits)
{
  double value;

  memcpy (&value, &bits, sizeof value);
  return value;
}

void
base_histogram_observe (BaseHistogram *self, double value)
{
  guint i = 0;

  if (!self || isnan (value))
    return;
  while (i < self->n_bounds && value > self->bounds[i])
    i++;
  base_histogram_add (self, i, 1, value);
  base_window_add (__atomic_load_n (&self->window, __ATOMIC_ACQUIRE),
                   (gint64)(CLAMP (value, 0, MAX_WATCHED) * 1e6));
}

void
base_histogram_add (BaseHistogram *self, guint bucket, guint64 n, double sum)
{
  guint64 before, after;
  double all;

  if (!self)
    return;
  g_return_if_fail (bucket <= self->n_bounds);
  __atomic_fetch_add (&self->buckets[bucket], n, __ATOMIC_RELAXED);
  before = __atomic_load_n (&self->sum_bits, __ATOMIC_RELAXED);
  do
    {
      all = double_from_bits (before) + sum;
      memcpy (&after, &all, sizeof after);
    }
  while (!__atomic_compare_exchange_n (&self->sum_bits, &before, after, TRUE,
                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

void
base_metrics_add_collector (BaseMetrics *self, BaseCollectFunc func,
                            gpointer data)
{
  Collector collector = { func, data };

  g_return_if_fail (self && func);
  g_array_append_val (self->collectors, collector);
}

/* --- Rendering ------------------------------------------------------------
 */

static void
render_histogram (BaseMetricsWriter *writer, BaseMetricsGroup *group,
                  const Series *series)
{
  const BaseHistogram *histogram = &series->histogram;
  g_autofree guint64 *n = g_new (guint64, histogram->n_bounds + 1);
  BaseMetricsBuckets buckets = {
    .bounds = histogram->bounds,
    .n = n,
    .n_bounds = histogram->n_bounds,
    .sum = double_from_bits (
        __atomic_load_n (&histogram->sum_bits, __ATOMIC_RELAXED)),
  };

  for (guint i = 0; i <= histogram->n_bounds; i++)
    n[i] = __atomic_load_n (&histogram->buckets[i], __ATOMIC_RELAXED);
  base_metrics_writer_put_histogram (writer, group, series->labels, &buckets);
}

static void
render_family (BaseMetricsWriter *writer, Family *family)
{
  BaseMetricsGroup *group = base_metrics_writer_open (
      writer, family->name, family->kind, family->help);

  for (guint i = 0; i < family->series->len; i++)
    {
      Series *series = g_ptr_array_index (family->series, i);

      base_metrics_set_created (writer, series->created_us);
      if (family->kind == BASE_METRICS_HISTOGRAM)
        render_histogram (writer, group, series);
      else
        base_metrics_put (group, series->labels,
                          (double)base_counter_get (&series->counter));
    }
}

char *
base_metrics_label (const char *key, const char *value)
{
  g_autofree char *valid = NULL;
  GString *text;

  g_return_val_if_fail (key, NULL);
  valid = g_utf8_make_valid (value ? value : "", -1);
  text = g_string_new (key);
  g_string_append (text, "=\"");
  for (const char *p = valid; *p; p++)
    if (*p == '\\' || *p == '"')
      g_string_append_printf (text, "\\%c", *p);
    else if (*p == '\n')
      g_string_append (text, "\\n");
    else
      g_string_append_c (text, *p);
  g_string_append_c (text, '"');
  return g_string_free (text, FALSE);
}

char *
base_metrics_render_as (BaseMetrics *self, BaseMetricsFormat format)
{
  BaseMetricsWriter *writer;

  g_return_val_if_fail (self, NULL);
  if (!self->writers[format])
    self->writers[format] = base_metrics_writer_new (format, self->common);
  writer = self->writers[format];
  for (guint i = 0; i < self->families->len; i++)
    render_family (writer, g_ptr_array_index (self->families, i));
  for (guint i = 0; i < self->collectors->len; i++)
    {
      Collector *c = &g_array_index (self->collectors, Collector, i);

      base_metrics_set_created (writer, self->created_us);
      c->func (writer, c->data);
    }
  return base_metrics_writer_finish (writer);
}

char *
base_metrics_render (BaseMetrics *self)
{
  return base_metrics_render_as (self, BASE_METRICS_TEXT);
}
