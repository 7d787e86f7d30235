/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingCloudwatchCalls: see cloudwatch-calls.h. Members are numbered within
 * their call: what does not fit any more is written anew into the next. */
#include "scaling/cloudwatch-calls.h"

#include <gio/gio.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "scaling/export-error.h"
#include "scaling/export-text.h"
#include "scaling/json-text.h"

struct _ScalingCloudwatchCalls
{
  char *head;            /* owned: what each call begins with */
  GPtrArray *dimensions; /* owned (element-type ScalingLabel), nullable */
  GPtrArray *calls;      /* owned (element-type ScalingCloudwatchCall) */
  GString *body;         /* owned: of the call that is being made */
  GPtrArray *tags;       /* owned: its data's */
  guint n_data;
};

/* A datum as it is sent: one value, or some with their counts. */
typedef struct
{
  const ScalingCloudwatchDatum *datum;
  gboolean has_counts;
  guint n;
  double values[SCALING_CLOUDWATCH_MAX_VALUES];
  guint32 counts[SCALING_CLOUDWATCH_MAX_VALUES];
} Piece;

gboolean
scaling_cloudwatch_is_number (double value)
{
  return isfinite (value) && fabs (value) <= ldexp (1, 360);
}

void
scaling_cloudwatch_call_free (ScalingCloudwatchCall *self)
{
  g_bytes_unref (self->body);
  g_ptr_array_unref (self->tags);
  g_free (self);
}

static void
free_call (gpointer call)
{
  scaling_cloudwatch_call_free (call);
}

ScalingCloudwatchCalls *
scaling_cloudwatch_calls_new (const ScalingCloudwatchCommon *common)
{
  ScalingCloudwatchCalls *self = g_new0 (ScalingCloudwatchCalls, 1);
  g_autofree char *namespace =
      g_uri_escape_string (common->namespace, NULL, FALSE);

  self->head = g_strdup_printf (
      "Action=PutMetricData&Version=2010-08-01&Namespace=%s", namespace);
  self->dimensions =
      common->dimensions ? g_ptr_array_ref (common->dimensions) : NULL;
  self->calls = g_ptr_array_new_with_free_func (free_call);
  self->body = g_string_new (self->head);
  self->tags = g_ptr_array_new ();
  return self;
}

void
scaling_cloudwatch_calls_free (ScalingCloudwatchCalls *self)
{
  g_free (self->head);
  g_clear_pointer (&self->dimensions, g_ptr_array_unref);
  g_ptr_array_unref (self->calls);
  g_string_free (self->body, TRUE);
  g_ptr_array_unref (self->tags);
  g_free (self);
}

/* --- Calls -------------------------------------------------------------- */

static GBytes *
compress (const char *text, gsize n_bytes)
{
  g_autoptr (GConverter) gzip =
      G_CONVERTER (g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, -1));
  g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();
  g_autoptr (GOutputStream) out = g_converter_output_stream_new (memory, gzip);

  if (!g_output_stream_write_all (out, text, n_bytes, NULL, NULL, NULL)
      || !g_output_stream_close (out, NULL, NULL))
    return NULL;
  return g_memory_output_stream_steal_as_bytes (
      G_MEMORY_OUTPUT_STREAM (memory));
}

/* end_call: what is there goes, if anything is */
static void
end_call (ScalingCloudwatchCalls *self)
{
  ScalingCloudwatchCall *call;

  if (self->n_data == 0)
    return;
  call = g_new0 (ScalingCloudwatchCall, 1);
  call->n_data = self->n_data;
  call->n_plain_bytes = self->body->len;
  if (self->body->len >= SCALING_CLOUDWATCH_GZIP_BYTES)
    call->body = compress (self->body->str, self->body->len);
  call->is_gzip = call->body != NULL;
  if (!call->body)
    call->body = g_bytes_new (self->body->str, self->body->len);
  call->tags = self->tags;
  g_ptr_array_add (self->calls, call);
  self->tags = g_ptr_array_new ();
  self->n_data = 0;
  g_string_assign (self->body, self->head);
}

GPtrArray *
scaling_cloudwatch_calls_end (ScalingCloudwatchCalls *self)
{
  GPtrArray *calls;

  end_call (self);
  calls = self->calls;
  self->calls = g_ptr_array_new_with_free_func (free_call);
  return calls;
}

/* --- Data --------------------------------------------------------------- */

/* write_text: what CloudWatch does not take would cost the whole call */
static void
write_text (GString *body, const char *text)
{
  guint n = 0;

  for (; text[n] && n < SCALING_CLOUDWATCH_DIMENSION_MAX_CHARS; n++)
    {
      char letter[] = { g_ascii_isprint (text[n]) ? text[n] : '?', '\0' };

      g_string_append_uri_escaped (body, letter, NULL, FALSE);
    }
}

static gboolean
is_blank (const char *text)
{
  return text[strspn (text, " ")] == '\0';
}

static void
write_dimension (GString *body, guint number, guint n,
                 const ScalingLabel *label)
{
  g_string_append_printf (
      body, "&MetricData.member.%u.Dimensions.member.%u.Name=", number, n);
  g_string_append_uri_escaped (body, label->name, NULL, FALSE);
  g_string_append_printf (
      body, "&MetricData.member.%u.Dimensions.member.%u.Value=", number, n);
  write_text (body, label->value);
}

static void
write_dimensions (ScalingCloudwatchCalls *self, guint number,
                  const ScalingCloudwatchDatum *datum)
{
  guint n = 0;

  for (guint i = 0; i < datum->n_labels; i++)
    if (!is_blank (datum->labels[i].value))
      write_dimension (self->body, number, ++n, &datum->labels[i]);
  for (guint i = 0; self->dimensions && i < self->dimensions->len; i++)
    if (n < SCALING_CLOUDWATCH_MAX_DIMENSIONS)
      write_dimension (self->body, number, ++n, self->dimensions->pdata[i]);
}

/* write_number: 5 digits are enough for what is right to 1 % */
static void
write_number (GString *body, double value, gboolean is_rough)
{
  char digits[G_ASCII_DTOSTR_BUF_SIZE];

  if (is_rough)
    g_ascii_formatd (digits, sizeof digits, "%.5g", value);
  else
    scaling_export_text_format (digits, value);
  g_string_append_uri_escaped (body, digits, NULL, FALSE);
}

static void
write_piece (ScalingCloudwatchCalls *self, guint number, const Piece *piece)
{
  const ScalingCloudwatchDatum *datum = piece->datum;
  g_autoptr (GDateTime) at =
      g_date_time_new_from_unix_utc (datum->at_wall_us / BASE_US_PER_S);
  g_autofree char *when = g_date_time_format (at, "%Y-%m-%dT%H:%M:%SZ");
  GString *body = self->body;

  g_string_append_printf (body, "&MetricData.member.%u.MetricName=", number);
  g_string_append_uri_escaped (body, datum->name, NULL, FALSE);
  g_string_append_printf (body, "&MetricData.member.%u.Unit=", number);
  g_string_append_uri_escaped (body, datum->unit, NULL, FALSE);
  g_string_append_printf (body, "&MetricData.member.%u.Timestamp=", number);
  g_string_append_uri_escaped (body, when, NULL, FALSE);
  write_dimensions (self, number, datum);
  for (guint i = 0; piece->has_counts && i < piece->n; i++)
    {
      g_string_append_printf (
          body, "&MetricData.member.%u.Values.member.%u=", number, i + 1);
      write_number (body, piece->values[i], TRUE);
      g_string_append_printf (body, "&MetricData.member.%u.Counts.member.%u=%u",
                              number, i + 1, piece->counts[i]);
    }
  if (!piece->has_counts)
    {
      g_string_append_printf (body, "&MetricData.member.%u.Value=", number);
      write_number (body, piece->values[0], FALSE);
    }
}

static void
add_piece (ScalingCloudwatchCalls *self, const Piece *piece)
{
  write_piece (self, ++self->n_data, piece);
  g_ptr_array_add (self->tags, piece->datum->tag);
}

static void
add_value (ScalingCloudwatchCalls *self, const ScalingCloudwatchDatum *datum,
           double value)
{
  Piece piece = { .datum = datum, .n = 1 };

  piece.values[0] = value;
  add_piece (self, &piece);
}

static void
add_sketch (ScalingCloudwatchCalls *self, const ScalingCloudwatchDatum *datum,
            const BaseSketch *sketch, double factor)
{
  Piece piece = { .datum = datum, .has_counts = TRUE };

  for (guint i = 0; i < BASE_SKETCH_N_BUCKETS; i++)
    {
      double value;
      guint32 n = base_sketch_get_bucket (sketch, i, &value);

      if (n == 0)
        continue;
      piece.values[piece.n] = value * factor;
      piece.counts[piece.n++] = n;
      if (piece.n < SCALING_CLOUDWATCH_MAX_VALUES)
        continue;
      add_piece (self, &piece);
      piece.n = 0;
    }
  if (piece.n > 0)
    add_piece (self, &piece);
}

/* write_datum: @sketch: (nullable): @number is the value, else the factor of
 * its values */
static void
write_datum (ScalingCloudwatchCalls *self, const ScalingCloudwatchDatum *datum,
             const BaseSketch *sketch, double number)
{
  if (sketch)
    add_sketch (self, datum, sketch, number);
  else
    add_value (self, datum, number);
}

/* add: whole, into this call or the next: a distribution of which half a call
 * was accepted would be a wrong one */
static void
add (ScalingCloudwatchCalls *self, const ScalingCloudwatchDatum *datum,
     const BaseSketch *sketch, double number)
{
  gsize n_bytes = self->body->len;
  guint n_data = self->n_data;

  write_datum (self, datum, sketch, number);
  if (n_data == 0
      || (self->n_data <= SCALING_CLOUDWATCH_MAX_DATA
          && self->body->len <= SCALING_CLOUDWATCH_MAX_BYTES))
    return;
  g_string_truncate (self->body, n_bytes);
  g_ptr_array_set_size (self->tags, (int)n_data);
  self->n_data = n_data;
  end_call (self);
  write_datum (self, datum, sketch, number);
}

void
scaling_cloudwatch_calls_add_value (ScalingCloudwatchCalls *self,
                                    const ScalingCloudwatchDatum *datum,
                                    double value)
{
  add (self, datum, NULL, value);
}

void
scaling_cloudwatch_calls_add_sketch (ScalingCloudwatchCalls *self,
                                     const ScalingCloudwatchDatum *datum,
                                     const BaseSketch *sketch, double factor)
{
  add (self, datum, sketch, factor);
}

/* --- Settings ----------------------------------------------------------- */

static gboolean G_GNUC_PRINTF (2, 3)
    fail (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (SCALING_EXPORT_ERROR,
                                                SCALING_EXPORT_ERROR_CONFIG,
                                                format, args));
  va_end (args);
  return FALSE;
}

gboolean
scaling_cloudwatch_check_namespace (const char *name, GError **error)
{
  gsize n = 0;

  while (name[n] && (g_ascii_isalnum (name[n]) || strchr (".-_/#: ", name[n])))
    n++;
  if (n == 0 || name[n] || n > SCALING_CLOUDWATCH_NAME_MAX_CHARS
      || name[0] == ':' || g_str_has_prefix (name, "AWS/"))
    return fail (error,
                 "METRICS_CLOUDWATCH_NAMESPACE: is none: 1 to %d of letters, "
                 "digits and .-_/#: and blanks, not beginning with : or AWS/",
                 SCALING_CLOUDWATCH_NAME_MAX_CHARS);
  return TRUE;
}

static gboolean
is_text (const char *text, gsize max_chars)
{
  gboolean is_visible = FALSE;
  gsize n = 0;

  for (; text[n]; n++)
    {
      if (n >= max_chars || !g_ascii_isprint (text[n]))
        return FALSE;
      is_visible = is_visible || text[n] != ' ';
    }
  return is_visible;
}

static gboolean
add_dimension (GPtrArray *dimensions, const char *name, const char *value,
               GError **error)
{
  static const char *const taken[] = { "tree", "role", "project", NULL };
  g_autofree char *escaped = g_strescape (name, NULL);
  ScalingLabel *label;

  if (!is_text (name, SCALING_CLOUDWATCH_NAME_MAX_CHARS) || name[0] == ':'
      || g_strv_contains (taken, name))
    return fail (error, "\"%.64s\" is no name for a dimension, or is taken",
                 escaped);
  if (!value || !is_text (value, SCALING_CLOUDWATCH_DIMENSION_MAX_CHARS))
    return fail (error,
                 "\"%s\": its value is no printable ASCII of 1 to %d "
                 "characters",
                 name, SCALING_CLOUDWATCH_DIMENSION_MAX_CHARS);
  label = g_new0 (ScalingLabel, 1);
  label->name = g_intern_string (name);
  label->value = g_strdup (value);
  g_ptr_array_add (dimensions, label);
  return TRUE;
}

static void
free_label (gpointer data)
{
  ScalingLabel *label = data;

  g_free (label->value);
  g_free (label);
}

static gboolean
read_dimensions (GPtrArray *dimensions, const char *json, GError **error)
{
  g_autoptr (JsonObject) object =
      scaling_json_read_object (json, strlen (json), error);
  guint n_max = SCALING_CLOUDWATCH_MAX_DIMENSIONS - SCALING_POINT_MAX_LABELS;
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  if (!object)
    return FALSE;
  if (json_object_get_size (object) > n_max)
    return fail (error, "has more than %u dimensions", n_max);
  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    if (!add_dimension (dimensions, name, scaling_json_get_text (object, name),
                        error))
      return FALSE;
  return TRUE;
}

GPtrArray *
scaling_cloudwatch_read_dimensions (const char *json, GError **error)
{
  GPtrArray *dimensions = g_ptr_array_new_with_free_func (free_label);

  if (!json || !*json || read_dimensions (dimensions, json, error))
    return dimensions;
  g_prefix_error (error, "METRICS_CLOUDWATCH_DIMENSIONS_JSON: ");
  g_ptr_array_unref (dimensions);
  return NULL;
}
