/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of PutMetricData at the limits of a call, and what CloudWatch says
 * against one. */
#include "scaling/cloudwatch-calls.h"

#include <gio/gio.h>
#include <libsoup/soup.h>
#include <math.h>
#include <string.h>

#include "scaling/cloudwatch-error.h"
#include "scaling/export-error.h"

static int tags[4000];

static ScalingCloudwatchDatum
datum_of (ScalingLabel *label, gpointer tag)
{
  return (ScalingCloudwatchDatum){
    .name = "egress.viewers",
    .unit = "Count",
    .labels = label,
    .n_labels = 1,
    .at_wall_us = G_GINT64_CONSTANT (1700000000) * G_USEC_PER_SEC,
    .tag = tag,
  };
}

/* dup_plain: (transfer full): the body as it was before gzip */
static char *
dup_plain (ScalingCloudwatchCall *call)
{
  g_autoptr (GConverter) gzip =
      G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP));
  g_autoptr (GInputStream) memory =
      g_memory_input_stream_new_from_bytes (call->body);
  g_autoptr (GInputStream) in = g_converter_input_stream_new (memory, gzip);
  char *text = g_malloc0 (call->n_plain_bytes + 1);
  gsize n = 0;

  if (call->is_gzip)
    {
      g_assert_true (g_input_stream_read_all (in, text, call->n_plain_bytes + 1,
                                              &n, NULL, NULL));
      g_assert_cmpuint (n, ==, call->n_plain_bytes);
      return text;
    }
  memcpy (text, g_bytes_get_data (call->body, &n), call->n_plain_bytes);
  g_assert_cmpuint (n, ==, call->n_plain_bytes);
  return text;
}

/* read_form: (transfer full): names → values; of the whole body */
static GHashTable *
read_form (ScalingCloudwatchCall *call)
{
  g_autofree char *text = dup_plain (call);

  return soup_form_decode (text);
}

static void
test_small (void)
{
  g_autoptr (GPtrArray) dimensions =
      scaling_cloudwatch_read_dimensions ("{\"env\": \"prod & more\"}", NULL);
  ScalingCloudwatchCommon common = { "Media Tree/x", dimensions };
  g_autoptr (ScalingCloudwatchCalls) calls =
      scaling_cloudwatch_calls_new (&common);
  ScalingLabel labels[] = { { "tree", (char *)"m\xc3\xa4in" },
                            { "role", (char *)" " } };
  ScalingCloudwatchDatum datum = datum_of (labels, &tags[7]);
  g_autoptr (GPtrArray) done = NULL;
  g_autoptr (GHashTable) form = NULL;
  ScalingCloudwatchCall *call;

  datum.n_labels = 2;
  scaling_cloudwatch_calls_add_value (calls, &datum, -0.125);
  done = scaling_cloudwatch_calls_end (calls);
  g_assert_cmpuint (done->len, ==, 1);
  call = done->pdata[0];
  g_assert_false (call->is_gzip);
  g_assert_cmpuint (call->tags->len, ==, 1);
  g_assert_true (call->tags->pdata[0] == &tags[7]);
  form = read_form (call);
  g_assert_cmpuint (g_hash_table_size (form), ==, 11);
#define IS(name, value)                                                        \
  g_assert_cmpstr (g_hash_table_lookup (form, name), ==, value)
  IS ("Action", "PutMetricData");
  IS ("Version", "2010-08-01");
  IS ("Namespace", "Media Tree/x");
  IS ("MetricData.member.1.MetricName", "egress.viewers");
  IS ("MetricData.member.1.Unit", "Count");
  IS ("MetricData.member.1.Timestamp", "2023-11-14T22:13:20Z");
  IS ("MetricData.member.1.Value", "-0.125");
  IS ("MetricData.member.1.Dimensions.member.1.Name", "tree");
  IS ("MetricData.member.1.Dimensions.member.1.Value", "m??in");
  IS ("MetricData.member.1.Dimensions.member.2.Name", "env");
  IS ("MetricData.member.1.Dimensions.member.2.Value", "prod & more");
#undef IS
}

/* 1,000 data are one call, the next one begins another */
static void
test_data_limit (void)
{
  ScalingCloudwatchCommon common = { "n", NULL };
  g_autoptr (ScalingCloudwatchCalls) calls =
      scaling_cloudwatch_calls_new (&common);
  ScalingLabel label = { "tree", (char *)"main" };
  ScalingCloudwatchCall *call;

  for (guint n = 1000; n <= 1001; n++)
    {
      g_autoptr (GPtrArray) done = NULL;
      g_autoptr (GHashTable) form = NULL;

      for (guint i = 0; i < n; i++)
        {
          ScalingCloudwatchDatum datum = datum_of (&label, &tags[i]);

          scaling_cloudwatch_calls_add_value (calls, &datum, i);
        }
      done = scaling_cloudwatch_calls_end (calls);
      g_assert_cmpuint (done->len, ==, n - 999);
      call = done->pdata[0];
      g_assert_cmpuint (call->n_data, ==, 1000);
      g_assert_true (call->is_gzip);
      form = read_form (call);
      g_assert_cmpstr (
          g_hash_table_lookup (form, "MetricData.member.1000.Value"), ==,
          "999");
      if (n == 1000)
        continue;
      call = done->pdata[1];
      g_assert_cmpuint (call->n_data, ==, 1);
      g_assert_true (call->tags->pdata[0] == &tags[1000]);
      g_clear_pointer (&form, g_hash_table_unref);
      form = read_form (call);
      g_assert_cmpstr (g_hash_table_lookup (form, "MetricData.member.1.Value"),
                       ==, "1000");
    }
}

/* long values: more than 1 MB in all, never in one call; none is lost */
static void
test_bytes_limit (void)
{
  g_autofree char *filler =
      g_strnfill (SCALING_CLOUDWATCH_DIMENSION_MAX_CHARS + 9, '/');
  ScalingLabel label = { "tree", filler };
  ScalingCloudwatchCommon common = { "n", NULL };
  g_autoptr (ScalingCloudwatchCalls) calls =
      scaling_cloudwatch_calls_new (&common);
  g_autoptr (GPtrArray) done = NULL;
  guint n_data = 0;

  for (guint i = 0; i < 900; i++)
    {
      ScalingCloudwatchDatum datum = datum_of (&label, &tags[i]);

      scaling_cloudwatch_calls_add_value (calls, &datum, i);
    }
  done = scaling_cloudwatch_calls_end (calls);
  g_assert_cmpuint (done->len, ==, 4);
  for (guint i = 0; i < done->len; i++)
    {
      ScalingCloudwatchCall *call = done->pdata[i];
      g_autoptr (GHashTable) form = read_form (call);

      g_assert_cmpuint (call->n_plain_bytes, <=, SCALING_CLOUDWATCH_MAX_BYTES);
      if (i + 1 < done->len) /* one more would not have fitted */
        g_assert_cmpuint (call->n_plain_bytes, >,
                          SCALING_CLOUDWATCH_MAX_BYTES - 4000);
      g_assert_cmpuint (
          strlen (g_hash_table_lookup (
              form, "MetricData.member.1.Dimensions.member.1.Value")),
          ==, SCALING_CLOUDWATCH_DIMENSION_MAX_CHARS);
      for (guint k = 0; k < call->n_data; k++)
        g_assert_true (call->tags->pdata[k] == &tags[n_data++]);
    }
  g_assert_cmpuint (n_data, ==, 900);
}

/* fill: @n buckets, bucket k with k + 1 values. Returns: of them all */
static guint64
fill (BaseSketch *sketch, guint n)
{
  double value = 10000;
  guint64 n_values = 0;

  for (guint k = 0; k < n; k++, value *= 1.01 / 0.99)
    for (guint i = 0; i <= k; i++, n_values++)
      base_sketch_add (sketch, (gint64)value);
  return n_values;
}

static int
compare (gconstpointer a, gconstpointer b)
{
  double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

/* quantile_of: of the values that all data of @done have */
static double
quantile_of (GPtrArray *done, double q, guint64 *ret_n, guint *ret_n_data)
{
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (double));

  *ret_n_data = 0;
  for (guint i = 0; i < done->len; i++)
    {
      ScalingCloudwatchCall *call = done->pdata[i];
      g_autoptr (GHashTable) form = read_form (call);

      *ret_n_data += call->n_data;
      for (guint d = 1; d <= call->n_data; d++)
        for (guint v = 1; v <= SCALING_CLOUDWATCH_MAX_VALUES + 1; v++)
          {
            g_autofree char *name =
                g_strdup_printf ("MetricData.member.%u.Values.member.%u", d, v);
            g_autofree char *count =
                g_strdup_printf ("MetricData.member.%u.Counts.member.%u", d, v);
            const char *text = g_hash_table_lookup (form, name);
            double value = text ? g_ascii_strtod (text, NULL) : 0;
            guint64 n = 0;

            if (!text)
              continue;
            g_assert_cmpuint (v, <=, SCALING_CLOUDWATCH_MAX_VALUES);
            g_assert_true (
                g_ascii_string_to_unsigned (g_hash_table_lookup (form, count),
                                            10, 1, G_MAXUINT32, &n, NULL));
            for (guint64 k = 0; k < n; k++)
              g_array_append_val (all, value);
          }
    }
  *ret_n = all->len;
  g_array_sort (all, compare);
  return g_array_index (all, double, (guint)ceil (q * all->len) - 1);
}

/* 150 values are one datum, 151 two; the percentiles are the sketch's */
static void
test_sketch (void)
{
  ScalingCloudwatchCommon common = { "n", NULL };
  g_autoptr (ScalingCloudwatchCalls) calls =
      scaling_cloudwatch_calls_new (&common);
  ScalingLabel label = { "tree", (char *)"main" };

  for (guint n = 150; n <= 151; n++)
    {
      g_autoptr (BaseSketch) sketch = base_sketch_new ();
      g_autoptr (GPtrArray) done = NULL;
      ScalingCloudwatchDatum datum = datum_of (&label, &tags[0]);
      guint64 n_values = fill (sketch, n), n_there;
      guint n_data;
      double p95;

      scaling_cloudwatch_calls_add_sketch (calls, &datum, sketch, 1e-6);
      done = scaling_cloudwatch_calls_end (calls);
      p95 = quantile_of (done, 0.95, &n_there, &n_data);
      g_assert_cmpuint (n_there, ==, n_values);
      g_assert_cmpuint (n_data, ==, n - 149);
      g_assert_cmpfloat_with_epsilon (
          p95, base_sketch_quantile (sketch, 0.95) * 1e-6, p95 * 1e-4);
    }
}

/* one that does not fit whole is in the next call whole */
static void
test_sketch_together (void)
{
  ScalingCloudwatchCommon common = { "n", NULL };
  g_autoptr (ScalingCloudwatchCalls) calls =
      scaling_cloudwatch_calls_new (&common);
  g_autoptr (BaseSketch) sketch = base_sketch_new ();
  g_autoptr (BaseSketch) empty = base_sketch_new ();
  ScalingLabel label = { "tree", (char *)"main" };
  ScalingCloudwatchDatum datum = datum_of (&label, &tags[0]);
  g_autoptr (GPtrArray) done = NULL;
  ScalingCloudwatchCall *call;

  fill (sketch, 300);
  for (guint i = 0; i < 999; i++)
    scaling_cloudwatch_calls_add_value (calls, &datum, i);
  scaling_cloudwatch_calls_add_sketch (calls, &datum, empty, 1);
  scaling_cloudwatch_calls_add_sketch (calls, &datum, sketch, 1);
  done = scaling_cloudwatch_calls_end (calls);
  g_assert_cmpuint (done->len, ==, 2);
  call = done->pdata[0];
  g_assert_cmpuint (call->n_data, ==, 999);
  call = done->pdata[1];
  g_assert_cmpuint (call->n_data, ==, 2);
}

static void
test_settings (void)
{
  static const char *const good[] = { "MediaTree", "a.b-c_d/e#f:g h" };
  static const char *const bad[] = { "", ":a", "AWS/EC2", "a%", "\xc3\xa9" };
  static const char *const bad_dimensions[] = {
    "{",
    "[]",
    "{\"a\": 1}",
    "{\"a\": \"\"}",
    "{\"a\": \"  \"}",
    "{\":a\": \"b\"}",
    "{\"\": \"b\"}",
    "{\"tree\": \"b\"}",
    "{\"a\": \"\\u00e9\"}",
    "{\"a\\n\": \"b\"}",
  };
  g_autofree char *longest = g_strnfill (256, 'n');
  g_autoptr (GString) json = g_string_new ("{");

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    g_assert_true (scaling_cloudwatch_check_namespace (good[i], NULL));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (scaling_cloudwatch_check_namespace (bad[i], NULL));
  g_assert_false (scaling_cloudwatch_check_namespace (longest, NULL));
  g_assert_true (scaling_cloudwatch_check_namespace (longest + 1, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (bad_dimensions); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (
          scaling_cloudwatch_read_dimensions (bad_dimensions[i], &error));
      g_assert_error (error, SCALING_EXPORT_ERROR, SCALING_EXPORT_ERROR_CONFIG);
      g_assert_true (g_str_has_prefix (error->message,
                                       "METRICS_CLOUDWATCH_DIMENSIONS_JSON: "));
    }
  /* 27, and the three that points have */
  for (guint n = 1; n <= 28; n++)
    {
      g_autoptr (GPtrArray) dimensions = NULL;
      g_autofree char *text = NULL;

      g_string_append_printf (json, "%s\"d%u\": \"v\"", n > 1 ? "," : "", n);
      text = g_strconcat (json->str, "}", NULL);
      dimensions = scaling_cloudwatch_read_dimensions (text, NULL);
      g_assert_true ((dimensions != NULL) == (n <= 27));
    }
  g_assert_false (scaling_cloudwatch_is_number (NAN));
  g_assert_false (scaling_cloudwatch_is_number (INFINITY));
  g_assert_false (scaling_cloudwatch_is_number (ldexp (1.1, 360)));
  g_assert_true (scaling_cloudwatch_is_number (-ldexp (1, 360)));
}

#define XML(code)                                                              \
  "<ErrorResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\">"  \
  "<Error><Type>Sender</Type><Code>" code                                      \
  "</Code><Message>why &amp; how</Message></Error></ErrorResponse>"

static void
test_errors (void)
{
  static const struct
  {
    guint status;
    const char *body;
    int code;
    gboolean has_expired;
    const char *says;
  } rows[] = {
    { 400, XML ("Throttling"), SCALING_EXPORT_ERROR_AWAY, FALSE,
      "400 Throttling: why & how" },
    { 429, "", SCALING_EXPORT_ERROR_AWAY, FALSE, "429" },
    { 500, XML ("InternalFailure"), SCALING_EXPORT_ERROR_AWAY, FALSE,
      "InternalFailure" },
    { 503, "<html>busy", SCALING_EXPORT_ERROR_AWAY, FALSE, "503" },
    { 400, XML ("InvalidParameterValue"), SCALING_EXPORT_ERROR_REFUSED, FALSE,
      "InvalidParameterValue" },
    { 413, "", SCALING_EXPORT_ERROR_REFUSED, FALSE, "413" },
    { 403, XML ("SignatureDoesNotMatch"), SCALING_EXPORT_ERROR_CREDENTIALS,
      FALSE, "SignatureDoesNotMatch" },
    { 403, XML ("ExpiredToken"), SCALING_EXPORT_ERROR_CREDENTIALS, TRUE,
      "ExpiredToken" },
    { 400, XML ("RequestExpired"), SCALING_EXPORT_ERROR_CREDENTIALS, TRUE,
      "RequestExpired" },
    { 400, "\xff\n<Error><Code>\xff", SCALING_EXPORT_ERROR_REFUSED, FALSE,
      "400" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      gboolean has_expired;
      g_autoptr (GError) error = scaling_cloudwatch_error_new (
          rows[i].status, rows[i].body, strlen (rows[i].body), &has_expired);

      g_assert_error (error, SCALING_EXPORT_ERROR, rows[i].code);
      g_assert_cmpint (has_expired, ==, rows[i].has_expired);
      g_assert_nonnull (strstr (error->message, rows[i].says));
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/cloudwatch-calls/small", test_small);
  g_test_add_func ("/scaling/cloudwatch-calls/data-limit", test_data_limit);
  g_test_add_func ("/scaling/cloudwatch-calls/bytes-limit", test_bytes_limit);
  g_test_add_func ("/scaling/cloudwatch-calls/sketch", test_sketch);
  g_test_add_func ("/scaling/cloudwatch-calls/sketch-together",
                   test_sketch_together);
  g_test_add_func ("/scaling/cloudwatch-calls/settings", test_settings);
  g_test_add_func ("/scaling/cloudwatch-calls/errors", test_errors);
  return g_test_run ();
}
