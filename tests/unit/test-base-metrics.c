/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics: the text that Prometheus reads, and counting from many threads. */
#include "base/metrics.h"

#include <math.h>
#include <string.h>

#include "base/window.h"

static void
test_counter (void)
{
  g_autoptr (BaseMetrics) metrics = base_metrics_new ();
  BaseCounter *a, *b;
  g_autofree char *text = NULL;

  a = base_metrics_add_counter (metrics, "m_joins_total", "kind=\"whep\"",
                                "Joins.\nAnd \\ more");
  b = base_metrics_add_counter (metrics, "m_joins_total", NULL, "x");
  g_assert_true (a != b);
  g_assert_true (a
                 == base_metrics_add_counter (metrics, "m_joins_total",
                                              "kind=\"whep\"", "x"));
  base_counter_add (a, 3);
  base_counter_add (a, 4);
  base_counter_set (base_metrics_add_gauge (metrics, "m_now", NULL, "Now."),
                    -5);
  text = base_metrics_render (metrics);
  g_assert_cmpstr (text, ==,
                   "# HELP m_joins_total Joins.\\nAnd \\\\ more\n"
                   "# TYPE m_joins_total counter\n"
                   "m_joins_total{kind=\"whep\"} 7\n"
                   "m_joins_total 0\n"
                   "# HELP m_now Now.\n"
                   "# TYPE m_now gauge\n"
                   "m_now -5\n");
}

static void
test_null_is_fine (void)
{
  base_counter_add (NULL, 1);
  base_counter_set (NULL, 1);
  base_histogram_observe (NULL, 1);
  g_assert_cmpint (base_counter_get (NULL), ==, 0);
}

static void
test_common_labels (void)
{
  g_autoptr (BaseMetrics) metrics = base_metrics_new ();
  g_autofree char *text = NULL;

  base_metrics_add_counter (metrics, "a_total", NULL, "A.");
  base_metrics_add_counter (metrics, "b_total", "x=\"1\"", "B.");
  base_metrics_set_common_labels (metrics, "tree_id=\"main\"");
  text = base_metrics_render (metrics);
  g_assert_nonnull (strstr (text, "\na_total{tree_id=\"main\"} 0\n"));
  g_assert_nonnull (strstr (text, "\nb_total{tree_id=\"main\",x=\"1\"} 0\n"));
}

static void
test_histogram (void)
{
  static const double bounds[] = { 0.005, 0.1, 1 };
  g_autoptr (BaseMetrics) metrics = base_metrics_new ();
  BaseHistogram *histogram = base_metrics_add_histogram (
      metrics, "h_seconds", "p=\"a\"", "H.", bounds, 3);
  g_autofree char *text = NULL;

  g_assert_true (histogram
                 == base_metrics_add_histogram (metrics, "h_seconds", "p=\"a\"",
                                                "H.", bounds, 3));
  base_histogram_observe (histogram, 0.005); /* bounds are inclusive */
  base_histogram_observe (histogram, 0.0625);
  base_histogram_observe (histogram, 0.5);
  base_histogram_observe (histogram, 64);
  base_histogram_observe (histogram, NAN); /* would spoil the sum for ever */
  text = base_metrics_render (metrics);
  g_assert_cmpstr (text, ==,
                   "# HELP h_seconds H.\n"
                   "# TYPE h_seconds histogram\n"
                   "h_seconds_bucket{p=\"a\",le=\"0.005\"} 1\n"
                   "h_seconds_bucket{p=\"a\",le=\"0.1\"} 2\n"
                   "h_seconds_bucket{p=\"a\",le=\"1\"} 3\n"
                   "h_seconds_bucket{p=\"a\",le=\"+Inf\"} 4\n"
                   "h_seconds_sum{p=\"a\"} 64.5675\n"
                   "h_seconds_count{p=\"a\"} 4\n");
}

static void
collect (BaseMetricsWriter *writer, gpointer data)
{
  base_metrics_write (writer, "s_bytes", "gauge", "S.", "s=\"1\"", 1);
  base_metrics_write (writer, "t_total", "counter", "T.", NULL, NAN);
  base_metrics_write (writer, "s_bytes", "gauge", "S.", "s=\"2\"", 2.5);
  base_metrics_write (writer, "r_total", "counter", "R.", "s=\"3\"", -INFINITY);
}

static void
test_collector_groups (void)
{
  g_autoptr (BaseMetrics) metrics = base_metrics_new ();
  g_autofree char *text = NULL, *again = NULL;

  base_metrics_add_counter (metrics, "r_total", NULL, "R.");
  base_metrics_add_collector (metrics, collect, NULL);
  text = base_metrics_render (metrics);
  g_assert_cmpstr (text, ==,
                   "# HELP r_total R.\n# TYPE r_total counter\n"
                   "r_total 0\nr_total{s=\"3\"} -Inf\n"
                   "# HELP s_bytes S.\n# TYPE s_bytes gauge\n"
                   "s_bytes{s=\"1\"} 1\ns_bytes{s=\"2\"} 2.5\n"
                   "# HELP t_total T.\n# TYPE t_total counter\n"
                   "t_total NaN\n");
  again = base_metrics_render (metrics);
  g_assert_cmpstr (text, ==, again);
}

static gint64 numbers_written;

static double
next_number (GRand *rand)
{
  double value = g_rand_double (rand);

  switch (numbers_written++ % 6)
    {
    case 0:
      return floor (value * 9e15);
    case 1:
      return floor (value * 1e12) / 1e6; /* a time in whole microseconds */
    case 2:
      return -floor (value * 1e9) / 1e3;
    case 3:
      return value;
    case 4:
      return value * 1e-7;
    default:
      return value * 1e300;
    }
}

static void
collect_numbers (BaseMetricsWriter *writer, gpointer data)
{
  BaseMetricsGroup *group = base_metrics_open (writer, "n", "gauge", "N.");

  for (guint i = 0; i < 6000; i++)
    base_metrics_put (group, NULL, next_number (data));
}

/* What is read back is the number that was written, however it was; the second
 * time the writer's memory is used again. */
static void
test_numbers (void)
{
  g_autoptr (BaseMetrics) metrics = base_metrics_new ();
  GRand *rand = g_rand_new_with_seed (5), *again = g_rand_new_with_seed (5);

  base_metrics_add_collector (metrics, collect_numbers, rand);
  for (guint round = 0; round < 2; round++)
    {
      g_autofree char *text = base_metrics_render (metrics);
      g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

      g_assert_cmpuint (g_strv_length (lines), ==, 2 + 6000 + 1);
      numbers_written = 0;
      for (guint i = 2; i < 6002; i++)
        {
          g_assert_true (g_str_has_prefix (lines[i], "n "));
          g_assert_true (g_ascii_strtod (lines[i] + 2, NULL)
                         == next_number (again));
        }
    }
  g_rand_free (rand);
  g_rand_free (again);
}

/* those who count by themselves */
static void
test_histogram_add (void)
{
  static const double bounds[] = { 1, 2, 4 };
  g_autoptr (BaseMetrics) metrics = base_metrics_new ();
  BaseHistogram *histogram =
      base_metrics_add_histogram (metrics, "h_packets", NULL, "H.", bounds, 3);
  g_autofree char *text = NULL;

  base_histogram_add (NULL, 0, 1, 1);
  base_histogram_add (histogram, 0, 5, 5);
  base_histogram_add (histogram, 2, 2, 7);
  base_histogram_add (histogram, 3, 1, 64);
  text = base_metrics_render (metrics);
  g_assert_cmpstr (text, ==,
                   "# HELP h_packets H.\n"
                   "# TYPE h_packets histogram\n"
                   "h_packets_bucket{le=\"1\"} 5\n"
                   "h_packets_bucket{le=\"2\"} 5\n"
                   "h_packets_bucket{le=\"4\"} 7\n"
                   "h_packets_bucket{le=\"+Inf\"} 8\n"
                   "h_packets_sum 76\n"
                   "h_packets_count 8\n");
}

static void
test_watch (void)
{
  static const double bounds[] = { 1 };
  g_autoptr (BaseMetrics) metrics = base_metrics_new ();
  g_autoptr (BaseWindow) window = base_window_new ();
  g_autoptr (BaseSketch) sketch = base_sketch_new ();
  BaseHistogram *before, *after, *other;

  before = base_metrics_add_histogram (metrics, "h_seconds", "a=\"1\"", "H.",
                                       bounds, 1);
  other =
      base_metrics_add_histogram (metrics, "o_seconds", NULL, "O.", bounds, 1);
  base_metrics_watch (metrics, "h_seconds", window);
  after = base_metrics_add_histogram (metrics, "h_seconds", "a=\"2\"", "H.",
                                      bounds, 1);
  base_histogram_observe (before, 0.25);
  base_histogram_observe (after, 1e300);
  base_histogram_observe (after, -1);
  base_histogram_observe (after, NAN);
  base_histogram_observe (other, 0.5);
  base_metrics_watch (metrics, "h_seconds", NULL);
  base_histogram_observe (before, 3);
  base_histogram_observe (after, 3);
  base_window_tick (window, 1);
  base_window_merge (window, BASE_SPAN_1M, sketch);
  g_assert_cmpuint (base_sketch_get_n (sketch), ==, 3);
  g_assert_cmpint (base_sketch_get_sum (sketch), ==, 250000 + BASE_SKETCH_MAX);
}

/* without_times: the value of each _created, which is now, as "NOW" */
static char *
without_times (const char *text)
{
  g_autoptr (GRegex) regex =
      g_regex_new ("(_created(?:\\{[^}]*\\})?) ([0-9.]+)", 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  double now_s = (double)g_get_real_time () / 1e6;

  g_regex_match (regex, text, 0, &match);
  for (; g_match_info_matches (match); g_match_info_next (match, NULL))
    {
      g_autofree char *number = g_match_info_fetch (match, 2);
      double created_s = g_ascii_strtod (number, NULL);

      g_assert_true (created_s == 1234.5
                     || (created_s > now_s - 60 && created_s < now_s + 1));
    }
  return g_regex_replace (regex, text, -1, 0, "\\1 NOW", 0, NULL);
}

static void
collect_old (BaseMetricsWriter *writer, gpointer data)
{
  base_metrics_write (writer, "new_total", "counter", "N.", NULL, 1);
  base_metrics_set_created (writer, 1234500000);
  base_metrics_write (writer, "old_total", "counter", "O.", NULL, 2);
}

static void
test_openmetrics (void)
{
  static const double bounds[] = { 0.5, 2, 1e20 };
  g_autoptr (BaseMetrics) metrics = base_metrics_new ();
  g_autofree char *text = NULL, *plain = NULL;

  base_counter_add (base_metrics_add_counter (metrics, "a_bytes_total",
                                              "k=\"v\"", "\"A\"\n\\."),
                    3);
  base_histogram_observe (
      base_metrics_add_histogram (metrics, "h_seconds", NULL, "H.", bounds, 3),
      1);
  base_metrics_add_gauge (metrics, "seconds", NULL, "S.");
  base_metrics_add_collector (metrics, collect_old, NULL);
  base_metrics_add_collector (metrics, collect, NULL);
  text = base_metrics_render_as (metrics, BASE_METRICS_OPENMETRICS);
  g_assert_nonnull (strstr (text, "old_created 1234.5\n"));
  g_assert_null (strstr (text, "new_created 1234.5\n"));
  plain = without_times (text);
  g_assert_cmpstr (plain, ==,
                   "# HELP a_bytes \\\"A\\\"\\n\\\\.\n"
                   "# TYPE a_bytes counter\n"
                   "# UNIT a_bytes bytes\n"
                   "a_bytes_total{k=\"v\"} 3\n"
                   "a_bytes_created{k=\"v\"} NOW\n"
                   "# HELP h_seconds H.\n"
                   "# TYPE h_seconds histogram\n"
                   "# UNIT h_seconds seconds\n"
                   "h_seconds_bucket{le=\"0.5\"} 0\n"
                   "h_seconds_bucket{le=\"2.0\"} 1\n"
                   "h_seconds_bucket{le=\"1e+20\"} 1\n"
                   "h_seconds_bucket{le=\"+Inf\"} 1\n"
                   "h_seconds_sum 1\n"
                   "h_seconds_count 1\n"
                   "h_seconds_created NOW\n"
                   "# HELP seconds S.\n"
                   "# TYPE seconds gauge\n"
                   "seconds 0\n"
                   "# HELP new N.\n# TYPE new counter\n"
                   "new_total 1\nnew_created NOW\n"
                   "# HELP old O.\n# TYPE old counter\n"
                   "old_total 2\nold_created NOW\n"
                   "# HELP s_bytes S.\n# TYPE s_bytes gauge\n"
                   "# UNIT s_bytes bytes\n"
                   "s_bytes{s=\"1\"} 1\ns_bytes{s=\"2\"} 2.5\n"
                   "# HELP t T.\n# TYPE t counter\n"
                   "t_total NaN\nt_created NOW\n"
                   "# HELP r R.\n# TYPE r counter\n"
                   "r_total{s=\"3\"} -Inf\nr_created{s=\"3\"} NOW\n"
                   "# EOF\n");
}

static void
test_sum (void)
{
  g_autoptr (BaseMetrics) metrics = base_metrics_new ();

  g_assert_cmpuint (base_metrics_get_sum (metrics, "a_total"), ==, 0);
  base_counter_add (
      base_metrics_add_counter (metrics, "a_total", "k=\"1\"", ""), 3);
  base_counter_add (
      base_metrics_add_counter (metrics, "a_total", "k=\"2\"", ""), 4);
  base_counter_add (base_metrics_add_counter (metrics, "b_total", NULL, ""), 5);
  g_assert_cmpuint (base_metrics_get_sum (metrics, "a_total"), ==, 7);
}

static void
test_accept (void)
{
  static const struct
  {
    const char *accept;
    BaseMetricsFormat format;
  } cases[] = {
    { NULL, BASE_METRICS_TEXT },
    { "", BASE_METRICS_TEXT },
    { "*/*", BASE_METRICS_TEXT },
    { "text/html,application/xml;q=0.9,*/*;q=0.8", BASE_METRICS_TEXT },
    /* Prometheus 2.42, 2.50 and 3 */
    { "application/openmetrics-text;version=1.0.0,"
      "application/openmetrics-text;version=0.0.1;q=0.75,"
      "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
      BASE_METRICS_OPENMETRICS },
    { "application/openmetrics-text;version=1.0.0;q=0.5,"
      "text/plain;version=0.0.4;q=0.4,*/*;q=0.3",
      BASE_METRICS_OPENMETRICS },
    { "application/openmetrics-text", BASE_METRICS_OPENMETRICS },
    { "Application/OpenMetrics-Text; Version=\"1.0.0\"",
      BASE_METRICS_OPENMETRICS },
    { "application/openmetrics-text;version=0.0.1", BASE_METRICS_TEXT },
    { "application/openmetrics-text;version=2.0.0,*/*;q=0.1",
      BASE_METRICS_TEXT },
    { "application/openmetrics-text;q=0.4,text/plain;q=0.5",
      BASE_METRICS_TEXT },
    { "application/openmetrics-text;q=0", BASE_METRICS_TEXT },
    { "application/openmetrics-text;q=nan", BASE_METRICS_TEXT },
    { ",;=,\"", BASE_METRICS_TEXT },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_test_message ("%s", cases[i].accept);
      g_assert_cmpint (base_metrics_pick_format (cases[i].accept), ==,
                       cases[i].format);
    }
  g_assert_cmpstr (base_metrics_get_content_type (BASE_METRICS_OPENMETRICS), ==,
                   "application/openmetrics-text; version=1.0.0; "
                   "charset=utf-8");
}

static void
test_label_escapes (void)
{
  g_autofree char *label = base_metrics_label ("s", "a\"b\\c\nd\xff");

  g_assert_cmpstr (label, ==, "s=\"a\\\"b\\\\c\\nd\357\277\275\"");
}

#define N_THREADS 4
#define N_ADDS 20000

typedef struct
{
  BaseCounter *counter;
  BaseHistogram *histogram;
} Pair;

static gpointer
adder (gpointer data)
{
  Pair *pair = data;

  for (int i = 0; i < N_ADDS; i++)
    {
      base_counter_add (pair->counter, 1);
      base_histogram_observe (pair->histogram, 0.5);
    }
  return NULL;
}

static void
test_many_threads (void)
{
  static const double bounds[] = { 1 };
  g_autoptr (BaseMetrics) metrics = base_metrics_new ();
  Pair pair = {
    base_metrics_add_counter (metrics, "c_total", NULL, "C."),
    base_metrics_add_histogram (metrics, "h", NULL, "H.", bounds, 1),
  };
  GThread *threads[N_THREADS];
  g_autofree char *text = NULL;

  for (int i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("adder", adder, &pair);
  for (int i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  g_assert_cmpint (base_counter_get (pair.counter), ==, N_THREADS * N_ADDS);
  text = base_metrics_render (metrics);
  g_assert_nonnull (strstr (text, "\nh_count 80000\n"));
  g_assert_nonnull (strstr (text, "\nh_sum 40000\n"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/metrics/counter", test_counter);
  g_test_add_func ("/base/metrics/null-is-fine", test_null_is_fine);
  g_test_add_func ("/base/metrics/common-labels", test_common_labels);
  g_test_add_func ("/base/metrics/histogram", test_histogram);
  g_test_add_func ("/base/metrics/collector-groups", test_collector_groups);
  g_test_add_func ("/base/metrics/numbers", test_numbers);
  g_test_add_func ("/base/metrics/histogram-add", test_histogram_add);
  g_test_add_func ("/base/metrics/watch", test_watch);
  g_test_add_func ("/base/metrics/openmetrics", test_openmetrics);
  g_test_add_func ("/base/metrics/sum", test_sum);
  g_test_add_func ("/base/metrics/accept", test_accept);
  g_test_add_func ("/base/metrics/label-escapes", test_label_escapes);
  g_test_add_func ("/base/metrics/many-threads", test_many_threads);
  return g_test_run ();
}
