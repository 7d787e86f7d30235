/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingTrace: see trace.h. */
#include "scaling/trace.h"

#include <math.h>
#include <string.h>

#define N_COLUMNS 3
#define LINE_MAX_CHARS 200
#define SHOWN_MAX_CHARS 40

G_DEFINE_QUARK (scaling - trace - error - quark, scaling_trace_error)

void
scaling_trace_free (ScalingTrace *self)
{
  g_free (self);
}

static gboolean fault (GError **error, guint line, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/* Returns: FALSE */
static gboolean
fault (GError **error, guint line, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, SCALING_TRACE_ERROR, SCALING_TRACE_ERROR_INVALID,
               "line %u: %s", line, text);
  return FALSE;
}

static gboolean
parse_number (char *text, guint line, const char *name, double max,
              double *value, GError **error)
{
  char *end;

  g_strstrip (text);
  /* no hexadecimal, no "inf": what a spreadsheet writes */
  if (text[0] == '\0' || text[strspn (text, "0123456789.eE+-")] != '\0')
    return fault (error, line, "\"%.*s\" is no number (%s)", SHOWN_MAX_CHARS,
                  text, name);
  *value = g_ascii_strtod (text, &end);
  if (*end != '\0')
    return fault (error, line, "\"%.*s\" is no number (%s)", SHOWN_MAX_CHARS,
                  text, name);
  if (!(*value >= 0 && *value <= max))
    return fault (error, line, "%s is not from 0 to %.0f: \"%.*s\"", name, max,
                  SHOWN_MAX_CHARS, text);
  return TRUE;
}

static gboolean
parse_line (char *text, guint line, ScalingTracePoint *point, GError **error)
{
  g_auto (GStrv) cells = g_strsplit (text, ",", N_COLUMNS + 1);
  guint n_cells = g_strv_length (cells);

  *point = (ScalingTracePoint){ 0 };
  if (n_cells < 2 || n_cells > N_COLUMNS)
    return fault (error, line,
                  "has %u column%s; say seconds,viewers or "
                  "seconds,viewers,joins",
                  n_cells, n_cells == 1 ? "" : "s");
  return parse_number (cells[0], line, "seconds", SCALING_TRACE_MAX_S,
                       &point->at_s, error)
         && parse_number (cells[1], line, "viewers", SCALING_TRACE_MAX_VIEWERS,
                          &point->n_viewers, error)
         && (n_cells < 3
             || parse_number (cells[2], line, "joins",
                              SCALING_TRACE_MAX_VIEWERS, &point->joins_per_s,
                              error));
}

static gboolean
is_names (const char *text)
{
  return g_ascii_isalpha (text[0]);
}

/* add_line: @text as a point, if it is one */
static gboolean
add_line (GArray *points, char *text, guint line, GError **error)
{
  const ScalingTracePoint *last =
      points->len > 0
          ? &g_array_index (points, ScalingTracePoint, points->len - 1)
          : NULL;
  ScalingTracePoint point;

  g_strstrip (text);
  if (text[0] == '\0' || text[0] == '#' || (last == NULL && is_names (text)))
    return TRUE;
  if (strlen (text) > LINE_MAX_CHARS)
    return fault (error, line, "has more than %d characters", LINE_MAX_CHARS);
  if (!parse_line (text, line, &point, error))
    return FALSE;
  if (last != NULL && point.at_s <= last->at_s)
    return fault (error, line, "%g s is not after %g s", point.at_s,
                  last->at_s);
  if (points->len == SCALING_TRACE_MAX_POINTS)
    return fault (error, line, "is the %dth point; one too many",
                  SCALING_TRACE_MAX_POINTS + 1);
  g_array_append_val (points, point);
  return TRUE;
}

ScalingTrace *
scaling_trace_parse (const char *text, gsize n_bytes, GError **error)
{
  g_autoptr (GArray) points =
      g_array_new (FALSE, FALSE, sizeof (ScalingTracePoint));
  const char *end = text + n_bytes;
  ScalingTrace *self;
  guint line = 0;

  if (n_bytes > SCALING_TRACE_MAX_BYTES)
    {
      fault (error, 1, "the text has more than %d bytes",
             SCALING_TRACE_MAX_BYTES);
      return NULL;
    }
  while (text < end)
    {
      const char *next = memchr (text, '\n', (gsize)(end - text));
      gsize length = (gsize)((next != NULL ? next : end) - text);
      g_autofree char *row = g_strndup (text, length);

      line++;
      if (!g_utf8_validate (text, (gssize)length, NULL))
        {
          fault (error, line, "is no text");
          return NULL;
        }
      if (!add_line (points, row, line, error))
        return NULL;
      text += MIN (length + 1, (gsize)(end - text));
    }
  if (points->len < 2)
    {
      fault (error, line, "the trace ends with less than two points");
      return NULL;
    }
  self = g_malloc (sizeof *self + points->len * sizeof self->points[0]);
  self->n_points = points->len;
  memcpy (self->points, points->data, points->len * sizeof self->points[0]);
  return self;
}

ScalingTracePoint
scaling_trace_get (const ScalingTrace *self, double at_s, guint *hint)
{
  const ScalingTracePoint *points = self->points;
  guint i = MIN (*hint, self->n_points - 1);
  double part;

  while (i > 0 && points[i].at_s > at_s)
    i--;
  while (i + 1 < self->n_points && points[i + 1].at_s <= at_s)
    i++;
  *hint = i;
  if (i + 1 == self->n_points || at_s <= points[i].at_s)
    return points[i];
  part = (at_s - points[i].at_s) / (points[i + 1].at_s - points[i].at_s);
  return (ScalingTracePoint){
    .at_s = at_s,
    .n_viewers = points[i].n_viewers
                 + part * (points[i + 1].n_viewers - points[i].n_viewers),
    .joins_per_s = points[i].joins_per_s
                   + part * (points[i + 1].joins_per_s - points[i].joins_per_s),
  };
}
