/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/metrics-writer: the exposition's text. A group has what all its samples
 * begin with, so that a sample costs two copies and a number: a scrape of a
 * thousand streams has tens of thousands of them. Groups stay for the next
 * scrape: fresh memory, page by page, would cost as much as the writing.
 */
#include "base/metrics-private.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"

#define MAX_EXACT 9007199254740992.0 /* 2^53 */
#define MAX_DIGITS 20                /* of a guint64 */
#define MAX_NUMBER_BYTES G_ASCII_DTOSTR_BUF_SIZE
#define MAX_MARKS 4 /* of a line: brackets, comma, space, line feed */
/* what most groups need for a start; one for each stream grows */
#define GROUP_BYTES 512

static const char *const kind_names[] = { "counter", "gauge", "histogram" };

/* One group of the exposition while it grows. */
struct _BaseMetricsGroup
{
  BaseMetricsWriter *writer; /* borrowed */
  BaseMetricsKind kind;
  char *family;  /* owned: its name in the exposition */
  char *prefix;  /* owned: name and common labels, open */
  char *created; /* owned (nullable): likewise, of the time it began */
  gsize prefix_len, created_len;
  GString *text;    /* owned */
  gsize head_len;   /* of it: what says what it is */
  gboolean is_used; /* in this scrape */
};

struct _BaseMetricsWriter
{
  BaseMetricsFormat format;
  const char *common; /* borrowed from BaseMetrics */
  char began[32];     /* when what is written next began, as text */
  gsize began_len;
  GHashTable *groups; /* (element-type utf8 BaseMetricsGroup) owned */
  GPtrArray *order;   /* (element-type BaseMetricsGroup) borrowed: used ones */
};

static void
group_free (gpointer data)
{
  BaseMetricsGroup *group = data;

  g_string_free (group->text, TRUE);
  g_free (group->family);
  g_free (group->prefix);
  g_free (group->created);
  g_free (group);
}

BaseMetricsWriter *
base_metrics_writer_new (BaseMetricsFormat format, const char *common)
{
  BaseMetricsWriter *self = g_new0 (BaseMetricsWriter, 1);

  self->format = format;
  self->common = common;
  self->groups =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, group_free);
  self->order = g_ptr_array_new ();
  return self;
}

void
base_metrics_writer_free (BaseMetricsWriter *self)
{
  g_ptr_array_unref (self->order);
  g_hash_table_unref (self->groups);
  g_free (self);
}

/* --- Numbers --------------------------------------------------------------
 */

/* each writes at @at, and returns where it ended */
static char *
write_uint (char *at, guint64 value, guint min_digits)
{
  char digits[MAX_DIGITS];
  guint from = MAX_DIGITS;

  for (; value > 0 || MAX_DIGITS - from < min_digits; value /= 10)
    digits[--from] = (char)('0' + value % 10);
  memcpy (at, digits + from, MAX_DIGITS - from);
  return at + MAX_DIGITS - from;
}

/* write_millionths: what a time in microseconds has behind its point */
static char *
write_millionths (char *at, guint millionths)
{
  guint n_digits = 6;

  for (; millionths % 10 == 0; millionths /= 10)
    n_digits--;
  *at++ = '.';
  return write_uint (at, millionths, n_digits);
}

static char *
write_any (char *at, double value)
{
  if (isnan (value))
    return g_stpcpy (at, "NaN");
  if (isinf (value))
    return g_stpcpy (at, value > 0 ? "+Inf" : "-Inf");
  /* The shortest of the two that reads back as the same number. */
  g_ascii_formatd (at, MAX_NUMBER_BYTES, "%.15g", value);
  if (g_ascii_strtod (at, NULL) != value)
    g_ascii_formatd (at, MAX_NUMBER_BYTES, "%.17g", value);
  return at + strlen (at);
}

/* Integers and whole microseconds are nearly all there is, and printf takes
 * longer than all the rest of a sample. At most MAX_NUMBER_BYTES. */
static char *
write_number (char *at, double value)
{
  double size = fabs (value), whole = floor (size);
  double us = whole < MAX_EXACT / 1e6 ? round (size * 1e6) : -1;

  if (!(size < MAX_EXACT) || (whole != size && us / 1e6 != size)
      || (size > 0 && size < 1e-4))
    return write_any (at, value);
  if (value < 0)
    *at++ = '-';
  at = write_uint (at, (guint64)whole, 1);
  return whole != size ? write_millionths (at, (guint)((guint64)us % 1000000))
                       : at;
}

static void
append_number (GString *text, double value)
{
  char number[MAX_NUMBER_BYTES];

  g_string_append_len (text, number, write_number (number, value) - number);
}

/* --- Samples --------------------------------------------------------------
 */

/* reserve: room for @n_bytes more; GString looks after its end with each
 * piece, which is most of a sample's cost */
static inline char *
reserve (GString *text, gsize n_bytes)
{
  gsize len = text->len;

  if (len + n_bytes >= text->allocated_len)
    {
      g_string_set_size (text, len + n_bytes);
      g_string_truncate (text, len);
    }
  return text->str + len;
}

static inline void
finish (GString *text, char *end)
{
  *end = '\0';
  text->len = (gsize)(end - text->str);
}

/* @prefix: name, and common labels where there are any, open */
static inline char *
write_line (char *at, const char *prefix, gsize prefix_len, gboolean is_open,
            const char *labels, gsize labels_len)
{
  memcpy (at, prefix, prefix_len);
  at += prefix_len;
  if (labels_len > 0)
    {
      *at++ = is_open ? ',' : '{';
      memcpy (at, labels, labels_len);
      at += labels_len;
      is_open = TRUE;
    }
  if (is_open)
    *at++ = '}';
  *at++ = ' ';
  return at;
}

static inline gboolean
has_common (const BaseMetricsWriter *writer)
{
  return writer->common[0] != '\0';
}

static void
append_created (BaseMetricsGroup *group, const char *labels, gsize labels_len)
{
  BaseMetricsWriter *writer = group->writer;
  char *at = reserve (group->text, group->created_len + labels_len
                                       + writer->began_len + MAX_MARKS);

  at = write_line (at, group->created, group->created_len, has_common (writer),
                   labels, labels_len);
  memcpy (at, writer->began, writer->began_len);
  finish (group->text, at + writer->began_len);
}

static void
append_sample (BaseMetricsGroup *group, const char *prefix, gsize prefix_len,
               const char *labels, gsize labels_len, double value)
{
  char *at = reserve (group->text,
                      prefix_len + labels_len + MAX_NUMBER_BYTES + MAX_MARKS);

  at = write_line (at, prefix, prefix_len, has_common (group->writer), labels,
                   labels_len);
  at = write_number (at, value);
  *at++ = '\n';
  finish (group->text, at);
}

void
base_metrics_put (BaseMetricsGroup *group, const char *labels, double value)
{
  gsize labels_len = labels ? strlen (labels) : 0;

  append_sample (group, group->prefix, group->prefix_len, labels, labels_len,
                 value);
  if (group->created)
    append_created (group, labels, labels_len);
}

void
base_metrics_set_created (BaseMetricsWriter *writer, gint64 wall_us)
{
  g_autoptr (GString) text = NULL;

  if (writer->format != BASE_METRICS_OPENMETRICS)
    return;
  text = g_string_sized_new (sizeof writer->began);
  append_number (text, (double)(wall_us / BASE_US_PER_MS) / 1000);
  g_string_append_c (text, '\n');
  writer->began_len = text->len;
  g_strlcpy (writer->began, text->str, sizeof writer->began);
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
dup_family (const char *name, BaseMetricsKind kind, BaseMetricsFormat format)
{
  gsize len = strlen (name);

  if (format == BASE_METRICS_OPENMETRICS && kind == BASE_METRICS_COUNTER
      && g_str_has_suffix (name, "_total"))
    len -= strlen ("_total");
  return g_strndup (name, len);
}

static char *
dup_prefix (const BaseMetricsWriter *self, const char *name, const char *suffix)
{
  return g_strconcat (name, suffix, has_common (self) ? "{" : "", self->common,
                      NULL);
}

static BaseMetricsGroup *
group_new (BaseMetricsWriter *self, const char *name, BaseMetricsKind kind,
           const char *help)
{
  BaseMetricsGroup *group = g_new0 (BaseMetricsGroup, 1);

  group->writer = self;
  group->kind = kind;
  group->family = dup_family (name, kind, self->format);
  group->prefix = dup_prefix (self, name, "");
  group->prefix_len = strlen (group->prefix);
  if (self->format == BASE_METRICS_OPENMETRICS && kind != BASE_METRICS_GAUGE)
    {
      group->created = dup_prefix (self, group->family, "_created");
      group->created_len = strlen (group->created);
    }
  group->text = g_string_sized_new (GROUP_BYTES);
  append_help (group->text, group->family, help, self->format);
  g_string_append_printf (group->text, "# TYPE %s %s\n", group->family,
                          kind_names[kind]);
  if (self->format == BASE_METRICS_OPENMETRICS)
    append_unit (group->text, group->family);
  group->head_len = group->text->len;
  return group;
}

BaseMetricsGroup *
base_metrics_writer_open (BaseMetricsWriter *self, const char *name,
                          BaseMetricsKind kind, const char *help)
{
  BaseMetricsGroup *group = g_hash_table_lookup (self->groups, name);

  if (!group)
    {
      group = group_new (self, name, kind, help);
      g_hash_table_insert (self->groups, g_strdup (name), group);
    }
  if (!group->is_used)
    {
      group->is_used = TRUE;
      g_ptr_array_add (self->order, group);
    }
  return group->kind == kind ? group : NULL;
}

BaseMetricsGroup *
base_metrics_open (BaseMetricsWriter *writer, const char *name,
                   const char *type, const char *help)
{
  BaseMetricsGroup *group = base_metrics_writer_open (
      writer, name,
      g_strcmp0 (type, "counter") == 0 ? BASE_METRICS_COUNTER
                                       : BASE_METRICS_GAUGE,
      help);

  g_return_val_if_fail (group, NULL);
  return group;
}

void
base_metrics_write (BaseMetricsWriter *writer, const char *name,
                    const char *type, const char *help, const char *labels,
                    double value)
{
  BaseMetricsGroup *group;

  g_return_if_fail (writer && name);
  group = base_metrics_open (writer, name, type, help);
  if (group)
    base_metrics_put (group, labels, value);
}

/* --- Histograms -----------------------------------------------------------
 */

static char *
dup_le (const BaseMetricsBuckets *buckets, guint i, BaseMetricsFormat format)
{
  GString *le = g_string_new ("le=\"");
  double bound = i < buckets->n_bounds ? buckets->bounds[i] : (double)INFINITY;

  append_number (le, bound);
  /* there a bound is always written as a float */
  if (format == BASE_METRICS_OPENMETRICS && isfinite (bound)
      && !strpbrk (le->str + strlen ("le=\""), ".e"))
    g_string_append (le, ".0");
  g_string_append_c (le, '"');
  return g_string_free (le, FALSE);
}

static void
put_part (BaseMetricsGroup *group, const char *suffix, const char *labels,
          double value)
{
  g_autofree char *prefix = dup_prefix (group->writer, group->family, suffix);

  append_sample (group, prefix, strlen (prefix), labels, strlen (labels),
                 value);
}

void
base_metrics_writer_put_histogram (BaseMetricsWriter *self,
                                   BaseMetricsGroup *group, const char *labels,
                                   const BaseMetricsBuckets *buckets)
{
  guint64 count = 0;

  for (guint i = 0; i <= buckets->n_bounds; i++)
    {
      g_autofree char *le = dup_le (buckets, i, self->format);
      g_autofree char *both =
          g_strconcat (labels, *labels ? "," : "", le, NULL);

      count += buckets->n[i];
      put_part (group, "_bucket", both, (double)count);
    }
  put_part (group, "_sum", labels, buckets->sum);
  put_part (group, "_count", labels, (double)count);
  if (group->created)
    append_created (group, labels, strlen (labels));
}

/* --- All of it ------------------------------------------------------------
 */

/* is_over: nobody wrote to it this time; else it is emptied for the next */
static gboolean
is_over (gpointer name, gpointer value, gpointer data)
{
  BaseMetricsGroup *group = value;

  if (!group->is_used)
    return TRUE;
  group->is_used = FALSE;
  g_string_truncate (group->text, group->head_len);
  return FALSE;
}

char *
base_metrics_writer_finish (BaseMetricsWriter *self)
{
  gsize len = sizeof "# EOF\n";
  GString *all;

  for (guint i = 0; i < self->order->len; i++)
    len += ((BaseMetricsGroup *)self->order->pdata[i])->text->len;
  all = g_string_sized_new (len);
  for (guint i = 0; i < self->order->len; i++)
    {
      BaseMetricsGroup *group = self->order->pdata[i];

      g_string_append_len (all, group->text->str, (gssize)group->text->len);
    }
  if (self->format == BASE_METRICS_OPENMETRICS)
    g_string_append (all, "# EOF\n");
  g_hash_table_foreach_remove (self->groups, is_over, NULL);
  g_ptr_array_set_size (self->order, 0);
  return g_string_free (all, FALSE);
}
