/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/metrics: families in the order of their registration; a scrape renders
 * the registered words, lets the collectors add theirs, and joins the groups.
 */
#include "base/metrics.h"

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

typedef enum
{
  KIND_COUNTER,
  KIND_GAUGE,
  KIND_HISTOGRAM,
} Kind;

/* more than what fits a window; and what a gint64 holds of it in millionths */
#define MAX_WATCHED 1e9

static const char *const kind_names[] = { "counter", "gauge", "histogram" };

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
  Kind kind;
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
  gint64 created_us;   /* wall time */
};

/* One group of the exposition while it grows. */
typedef struct
{
  Kind kind;
  char *family;  /* owned: its name in the exposition */
  GString *text; /* owned */
} Group;

struct _BaseMetricsWriter
{
  BaseMetricsFormat format;
  const char *common; /* borrowed from BaseMetrics */
  gint64 created_us;  /* of what the collector writes; wall time */
  GHashTable *groups; /* (element-type utf8 Group) owned */
  GPtrArray *order;   /* (element-type Group) borrowed from groups */
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

static void
group_free (gpointer data)
{
  Group *group = data;

  g_string_free (group->text, TRUE);
  g_free (group->family);
  g_free (group);
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

void
base_metrics_free (BaseMetrics *self)
{
  g_return_if_fail (self);
  g_hash_table_unref (self->by_name);
  g_ptr_array_unref (self->families);
  g_array_unref (self->collectors);
  g_hash_table_unref (self->windows);
  g_free (self->common);
  g_free (self);
}

void
base_metrics_set_common_labels (BaseMetrics *self, const char *labels)
{
  g_return_if_fail (self);
  g_free (self->common);
  self->common = g_strdup (labels ? labels : "");
}

/* ensure_series: the one of (@name, @labels), made when it is new; %NULL when
 * @name is known as another kind, which is a caller's bug. */
static Series *
ensure_series (BaseMetrics *self, Kind kind, const char *name,
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
  series = ensure_series (self, KIND_COUNTER, name, labels, help);
  return series ? &series->counter : NULL;
}

BaseCounter *
base_metrics_add_gauge (BaseMetrics *self, const char *name, const char *labels,
                        const char *help)
{
  Series *series;

  g_return_val_if_fail (self && name, NULL);
  series = ensure_series (self, KIND_GAUGE, name, labels, help);
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

  series = ensure_series (self, KIND_HISTOGRAM, name, labels, help);
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

void
base_metrics_watch (BaseMetrics *self, const char *name, BaseWindow *window)
{
  Family *family = g_hash_table_lookup (self->by_name, name);

  g_return_if_fail (!family || family->kind == KIND_HISTOGRAM);
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
  guint64 before, after;
  double sum;

  if (!self || isnan (value))
    return;
  while (i < self->n_bounds && value > self->bounds[i])
    i++;
  __atomic_fetch_add (&self->buckets[i], 1, __ATOMIC_RELAXED);
  base_window_add (__atomic_load_n (&self->window, __ATOMIC_ACQUIRE),
                   (gint64)(CLAMP (value, 0, MAX_WATCHED) * 1e6));

  before = __atomic_load_n (&self->sum_bits, __ATOMIC_RELAXED);
  do
    {
      sum = double_from_bits (before) + value;
      memcpy (&after, &sum, sizeof after);
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

static void
append_number (GString *text, double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  if (isnan (value))
    g_string_append (text, "NaN");
  else if (isinf (value))
    g_string_append (text, value > 0 ? "+Inf" : "-Inf");
  else if (value == floor (value) && fabs (value) < 9007199254740992.0)
    g_string_append_printf (text, "%" G_GINT64_FORMAT, (gint64)value);
  else
    {
      /* The shortest of the two that reads back as the same number. */
      g_ascii_formatd (buffer, sizeof buffer, "%.15g", value);
      if (g_ascii_strtod (buffer, NULL) != value)
        g_ascii_formatd (buffer, sizeof buffer, "%.17g", value);
      g_string_append (text, buffer);
    }
}

/* append_sample: name + @suffix, the labels (each part may be empty), value */
static void
append_sample (BaseMetricsWriter *writer, GString *text, const char *name,
               const char *suffix, const char *labels, const char *le,
               double value)
{
  const char *const parts[] = { writer->common, labels, le };
  const char *separator = "{";

  g_string_append (text, name);
  g_string_append (text, suffix);
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    if (parts[i] && *parts[i])
      {
        g_string_append (text, separator);
        g_string_append (text, parts[i]);
        separator = ",";
      }
  g_string_append (text, *separator == ',' ? "} " : " ");
  append_number (text, value);
  g_string_append_c (text, '\n');
}

/* append_created: when the counter that was just written began. The family's
 * name stands without its suffix. */
static void
append_created (BaseMetricsWriter *writer, GString *text, const char *family,
                const char *labels, gint64 created_us)
{
  if (writer->format == BASE_METRICS_OPENMETRICS)
    append_sample (writer, text, family, "_created", labels, NULL,
                   (double)(created_us / BASE_US_PER_MS) / 1000);
}

/* --- Groups ---------------------------------------------------------------
 */

static void
append_help (GString *text, const char *name, const char *help,
             BaseMetricsFormat format)
{
  g_string_append_printf (text, "# HELP %s ", name);
  for (const char *p = help ? help : ""; *p; p++)
    if (*p == '\\' || (*p == '"' && format == BASE_METRICS_OPENMETRICS))
      g_string_append_printf (text, "\\%c", *p);
    else if (*p == '\n')
      g_string_append (text, "\\n");
    else
      g_string_append_c (text, *p);
  g_string_append_c (text, '\n');
}

/* append_unit: the unit is the last word of the name */
static void
append_unit (GString *text, const char *family)
{
  static const char *const units[] = { "seconds", "bytes", "ratio", "percent" };
  const char *last = strrchr (family, '_');

  for (guint i = 0; last && i < G_N_ELEMENTS (units); i++)
    if (g_str_equal (last + 1, units[i]))
      g_string_append_printf (text, "# UNIT %s %s\n", family, units[i]);
}

/* dup_family: OpenMetrics's families of counters are named without _total */
static char *
dup_family (const char *name, Kind kind, BaseMetricsFormat format)
{
  gsize len = strlen (name);

  if (format == BASE_METRICS_OPENMETRICS && kind == KIND_COUNTER
      && g_str_has_suffix (name, "_total"))
    len -= strlen ("_total");
  return g_strndup (name, len);
}

/* ensure_group: %NULL when @name is known as another kind */
static Group *
ensure_group (BaseMetricsWriter *writer, const char *name, Kind kind,
              const char *help)
{
  Group *group = g_hash_table_lookup (writer->groups, name);

  if (!group)
    {
      group = g_new0 (Group, 1);
      group->kind = kind;
      group->family = dup_family (name, kind, writer->format);
      group->text = g_string_new (NULL);
      append_help (group->text, group->family, help, writer->format);
      g_string_append_printf (group->text, "# TYPE %s %s\n", group->family,
                              kind_names[kind]);
      if (writer->format == BASE_METRICS_OPENMETRICS)
        append_unit (group->text, group->family);
      g_hash_table_insert (writer->groups, g_strdup (name), group);
      g_ptr_array_add (writer->order, group);
    }
  return group->kind == kind ? group : NULL;
}

/* append_value: a counter or a gauge */
static void
append_value (BaseMetricsWriter *writer, Group *group, const char *name,
              const char *labels, double value, gint64 created_us)
{
  append_sample (writer, group->text, name, "", labels, NULL, value);
  if (group->kind == KIND_COUNTER)
    append_created (writer, group->text, group->family, labels, created_us);
}

void
base_metrics_write (BaseMetricsWriter *writer, const char *name,
                    const char *type, const char *help, const char *labels,
                    double value)
{
  Kind kind = g_strcmp0 (type, "counter") == 0 ? KIND_COUNTER : KIND_GAUGE;
  Group *group;

  g_return_if_fail (writer && name);
  group = ensure_group (writer, name, kind, help);
  g_return_if_fail (group);
  append_value (writer, group, name, labels, value, writer->created_us);
}

void
base_metrics_set_created (BaseMetricsWriter *writer, gint64 wall_us)
{
  writer->created_us = wall_us;
}

static char *
dup_le (const BaseHistogram *histogram, guint i, BaseMetricsFormat format)
{
  GString *le = g_string_new ("le=\"");
  double bound =
      i < histogram->n_bounds ? histogram->bounds[i] : (double)INFINITY;

  append_number (le, bound);
  /* there a bound is always written as a float */
  if (format == BASE_METRICS_OPENMETRICS && isfinite (bound)
      && !strpbrk (le->str + strlen ("le=\""), ".e"))
    g_string_append (le, ".0");
  g_string_append_c (le, '"');
  return g_string_free (le, FALSE);
}

static void
render_histogram (BaseMetricsWriter *writer, GString *text, const char *name,
                  Series *series)
{
  BaseHistogram *histogram = &series->histogram;
  guint64 count = 0;

  for (guint i = 0; i <= histogram->n_bounds; i++)
    {
      g_autofree char *le = dup_le (histogram, i, writer->format);

      count += __atomic_load_n (&histogram->buckets[i], __ATOMIC_RELAXED);
      append_sample (writer, text, name, "_bucket", series->labels, le,
                     (double)count);
    }
  append_sample (writer, text, name, "_sum", series->labels, NULL,
                 double_from_bits (
                     __atomic_load_n (&histogram->sum_bits, __ATOMIC_RELAXED)));
  append_sample (writer, text, name, "_count", series->labels, NULL,
                 (double)count);
  append_created (writer, text, name, series->labels, series->created_us);
}

static void
render_family (BaseMetricsWriter *writer, Family *family)
{
  Group *group =
      ensure_group (writer, family->name, family->kind, family->help);

  for (guint i = 0; i < family->series->len; i++)
    {
      Series *series = g_ptr_array_index (family->series, i);

      if (family->kind == KIND_HISTOGRAM)
        render_histogram (writer, group->text, family->name, series);
      else
        append_value (writer, group, family->name, series->labels,
                      (double)base_counter_get (&series->counter),
                      series->created_us);
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
  BaseMetricsWriter writer = { .format = format };
  GString *all = g_string_new (NULL);

  g_return_val_if_fail (self, NULL);
  writer.common = self->common;
  writer.groups =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, group_free);
  writer.order = g_ptr_array_new ();

  for (guint i = 0; i < self->families->len; i++)
    render_family (&writer, g_ptr_array_index (self->families, i));
  for (guint i = 0; i < self->collectors->len; i++)
    {
      Collector *c = &g_array_index (self->collectors, Collector, i);

      writer.created_us = self->created_us;
      c->func (&writer, c->data);
    }

  for (guint i = 0; i < writer.order->len; i++)
    {
      Group *group = g_ptr_array_index (writer.order, i);
      g_string_append_len (all, group->text->str, (gssize)group->text->len);
    }
  if (format == BASE_METRICS_OPENMETRICS)
    g_string_append (all, "# EOF\n");
  g_ptr_array_unref (writer.order);
  g_hash_table_unref (writer.groups);
  return g_string_free (all, FALSE);
}

char *
base_metrics_render (BaseMetrics *self)
{
  return base_metrics_render_as (self, BASE_METRICS_TEXT);
}
