/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingTrace: curves, and which line is wrong. */
#include <string.h>

#include "scaling/trace.h"

static void
test_values (void)
{
  static const char text[] = "# how it was\r\nseconds,viewers,joins\n"
                             "0, 100 ,1\n\n10,200,3\r\n12,1e3";
  g_autoptr (GError) error = NULL;
  g_autoptr (ScalingTrace) trace =
      scaling_trace_parse (text, strlen (text), &error);
  const struct
  {
    double at_s, n_viewers, joins_per_s;
  } rows[] = { { 0, 100, 1 },    { 5, 150, 2 },   { 10, 200, 3 },
               { 11, 600, 1.5 }, { 12, 1000, 0 }, { 99, 1000, 0 },
               { 2.5, 125, 1.5 } };
  guint hint = 0;

  g_assert_no_error (error);
  g_assert_cmpuint (trace->n_points, ==, 3);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      ScalingTracePoint point = scaling_trace_get (trace, rows[i].at_s, &hint);

      g_assert_cmpfloat (point.n_viewers, ==, rows[i].n_viewers);
      g_assert_cmpfloat (point.joins_per_s, ==, rows[i].joins_per_s);
    }
}

static const struct
{
  const char *text, *fault;
} faults[] = {
  { "", "line 0: the trace ends with less than two points" },
  { "0,1\n", "line 1: the trace ends with less than two points" },
  { "0,1\n0,2\n", "line 2: 0 s is not after 0 s" },
  { "0,1\n1\n", "line 2: has 1 column; say seconds,viewers or" },
  { "0,1\n1,2,3,4\n", "line 2: has 4 columns; say seconds,viewers or" },
  { "0,1\n\n#\n1,x\n", "line 4: \"x\" is no number (viewers)" },
  { "0,1\n1,\n", "line 2: \"\" is no number (viewers)" },
  { "0,1\n1,0x10\n", "line 2: \"0x10\" is no number (viewers)" },
  { "0,1\n1,nan\n", "line 2: \"nan\" is no number (viewers)" },
  { "0,1\n1,1e999\n", "line 2: viewers is not from 0 to 1000000000: \"1e999" },
  { "0,1\n1,-5\n", "line 2: viewers is not from 0 to 1000000000: \"-5\"" },
  { "0,1\n1e9,5\n", "line 2: seconds is not from 0 to 604800: \"1e9\"" },
  { "0,1\n1,5,-1\n", "line 2: joins is not from 0 to 1000000000: \"-1\"" },
  { "0,1\nseconds,viewers\n", "line 2: \"seconds\" is no number (seconds)" },
  { "0,1\n\xff,3\n", "line 2: is no text" },
};

static void
assert_fault (const char *text, gsize n_bytes, const char *fault)
{
  g_autoptr (GError) error = NULL;
  ScalingTrace *trace = scaling_trace_parse (text, n_bytes, &error);

  g_assert_null (trace);
  g_assert_error (error, SCALING_TRACE_ERROR, SCALING_TRACE_ERROR_INVALID);
  if (!g_str_has_prefix (error->message, fault))
    g_error ("%.80s\n  says %s\n  not  %s", text, error->message, fault);
}

static void
test_faults (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    assert_fault (faults[i].text, strlen (faults[i].text), faults[i].fault);
  assert_fault ("0,1\n1,2\0,3\n", 11, "line 2: is no text");
}

static void
test_bounds (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *blank = g_strnfill (SCALING_TRACE_MAX_BYTES + 1, ' ');
  g_autoptr (GError) error = NULL;
  g_autoptr (ScalingTrace) trace = NULL;

  assert_fault (blank, SCALING_TRACE_MAX_BYTES + 1,
                "line 1: the text has more than 16777216 bytes");
  for (guint i = 0; i < SCALING_TRACE_MAX_POINTS; i++)
    g_string_append_printf (text, "%u,1\n", i);
  trace = scaling_trace_parse (text->str, text->len, &error);
  g_assert_no_error (error);
  g_string_append (text, "300000,1");
  assert_fault (text->str, text->len, "line 200001: is the 200001th point");
  g_string_assign (text, "0,1\n1,");
  for (guint i = 0; i < 200; i++)
    g_string_append_c (text, '1');
  assert_fault (text->str, text->len, "line 2: has more than 200 characters");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/trace/values", test_values);
  g_test_add_func ("/scaling/trace/faults", test_faults);
  g_test_add_func ("/scaling/trace/bounds", test_bounds);
  return g_test_run ();
}
