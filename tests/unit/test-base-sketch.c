/* SPDX-License-Identifier: Apache-2.0 */
/* Sketches: how far their quantiles are from the true ones, sums of many, the
 * bounds, and what strangers may send. */
#include "base/sketch.h"

#include <math.h>
#include <string.h>

#define N_VALUES 20000

static const double quantiles[] = { 0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1 };

typedef gint64 (*Draw) (GRand *rand);

static double
draw_normal (GRand *rand)
{
  double u = 1 - g_rand_double (rand), v = g_rand_double (rand);

  return sqrt (-2 * log (u)) * cos (2 * G_PI * v);
}

static gint64
draw_uniform (GRand *rand)
{
  return g_rand_int_range (rand, 0, 2000);
}

static gint64
draw_lognormal (GRand *rand)
{
  return (gint64)exp (9 + 1.5 * draw_normal (rand));
}

/* most take some ms, some a heavy tail (Pareto, alpha 1.1) of seconds */
static gint64
draw_two_peaks (GRand *rand)
{
  double tail_us;

  if (g_rand_double (rand) < 0.9)
    return (gint64)fabs (3000 + 400 * draw_normal (rand));
  tail_us = 1e6 * pow (1 - g_rand_double (rand), -1 / 1.1);
  return (gint64)MIN (tail_us, (double)BASE_SKETCH_MAX);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

  return (x > y) - (x < y);
}

static void
check_quantiles (BaseSketch *sketch, const gint64 *sorted, guint n)
{
  for (guint i = 0; i < G_N_ELEMENTS (quantiles); i++)
    {
      guint rank = (guint)MAX (1, ceil (quantiles[i] * n));
      double exact = (double)sorted[rank - 1];

      g_assert_cmpfloat (
          fabs (base_sketch_quantile (sketch, quantiles[i]) - exact), <=,
          BASE_SKETCH_ERROR_RATIO * exact * (1 + 1e-9));
    }
}

static void
test_quantiles (gconstpointer data)
{
  Draw draw = (Draw)data;
  g_autoptr (GRand) rand = g_rand_new_with_seed (6);
  g_autoptr (BaseSketch) sketch = base_sketch_new ();
  g_autofree gint64 *values = g_new (gint64, N_VALUES);
  gint64 sum = 0;

  for (guint i = 0; i < N_VALUES; i++)
    {
      values[i] = draw (rand);
      sum += values[i];
      base_sketch_add (sketch, values[i]);
    }
  qsort (values, N_VALUES, sizeof *values, compare);
  check_quantiles (sketch, values, N_VALUES);
  g_assert_cmpuint (base_sketch_get_n (sketch), ==, N_VALUES);
  g_assert_cmpint (base_sketch_get_sum (sketch), ==, sum);
  g_assert_cmpint (base_sketch_get_min (sketch), ==, values[0]);
  g_assert_cmpint (base_sketch_get_max (sketch), ==, values[N_VALUES - 1]);
}

static char *
dup_json (BaseSketch *sketch)
{
  g_autoptr (JsonNode) node = base_sketch_to_json (sketch);

  return json_to_string (node, FALSE);
}

static void
assert_equal (BaseSketch *a, BaseSketch *b)
{
  g_autofree char *text_a = dup_json (a), *text_b = dup_json (b);

  g_assert_cmpstr (text_a, ==, text_b);
}

static void
test_merge_of_many (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  g_autoptr (BaseSketch) all = base_sketch_new ();
  g_autoptr (BaseSketch) merged = base_sketch_new ();
  g_autoptr (BaseSketch) one = base_sketch_new ();

  for (guint i = 0; i < 100; i++)
    {
      base_sketch_clear (one);
      for (guint k = 0; k < i; k++) /* the first one is empty */
        {
          gint64 value = draw_lognormal (rand);

          base_sketch_add (one, value);
          base_sketch_add (all, value);
        }
      base_sketch_merge (merged, one);
    }
  g_assert_cmpuint (base_sketch_get_n (merged), ==, 4950);
  assert_equal (merged, all);
}

/* Each whole number is in the bucket whose value is near it, and what a sketch
 * writes of it, it reads again: bounds of buckets included. */
static void
test_every_bucket (void)
{
  double edge = 1;

  for (guint i = 0; i <= BASE_SKETCH_N_BUCKETS; i++)
    {
      for (gint64 value = MAX (0, (gint64)edge - 1); value <= (gint64)edge + 1;
           value++)
        {
          g_autoptr (BaseSketch) sketch = base_sketch_new ();
          g_autoptr (BaseSketch) again = NULL;
          g_autoptr (JsonNode) node = NULL;
          g_autoptr (GError) error = NULL;
          gint64 kept = MIN (value, BASE_SKETCH_MAX);

          base_sketch_add (sketch, value);
          g_assert_cmpfloat (base_sketch_quantile (sketch, 0.5), ==,
                             (double)kept);
          node = base_sketch_to_json (sketch);
          again = base_sketch_from_json (node, &error);
          g_assert_no_error (error);
          assert_equal (sketch, again);
        }
      edge *= 1.01 / 0.99;
    }
}

static void
test_out_of_range (void)
{
  g_autoptr (BaseSketch) sketch = base_sketch_new ();

  g_assert_cmpfloat (base_sketch_quantile (sketch, 0.5), ==, 0);
  g_assert_cmpint (base_sketch_get_min (sketch), ==, 0);
  base_sketch_add (sketch, -1);
  base_sketch_add (sketch, G_MININT64);
  base_sketch_add (sketch, G_MAXINT64);
  base_sketch_add (sketch, BASE_SKETCH_MAX + 1);
  g_assert_cmpuint (base_sketch_get_n (sketch), ==, 4);
  g_assert_cmpint (base_sketch_get_min (sketch), ==, 0);
  g_assert_cmpint (base_sketch_get_max (sketch), ==, BASE_SKETCH_MAX);
  g_assert_cmpint (base_sketch_get_sum (sketch), ==, 2 * BASE_SKETCH_MAX);
  g_assert_cmpfloat (base_sketch_quantile (sketch, 0.5), ==, 0);
  g_assert_cmpfloat (base_sketch_quantile (sketch, 0.99), ==,
                     (double)BASE_SKETCH_MAX);
}

static BaseSketch *
read_json (const char *text, GError **error)
{
  g_autoptr (JsonNode) node = json_from_string (text, NULL);

  return base_sketch_from_json (node, error);
}

/* 50 us is in bucket 197 */
#define ALMOST_FULL                                                            \
  "{\"scale\":\"log-0.01-1027\",\"n\":4294967294,\"sum\":214748364700,"        \
  "\"min\":50,\"max\":50,\"buckets\":[[197,4294967294]]}"

static void
test_full_bucket (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BaseSketch) sketch = read_json (ALMOST_FULL, &error);
  g_autoptr (BaseSketch) shared = NULL;

  g_assert_no_error (error);
  for (guint i = 0; i < 3; i++)
    base_sketch_add (sketch, 50);
  g_assert_cmpuint (base_sketch_get_n (sketch), ==, G_MAXUINT32);
  g_assert_cmpint (base_sketch_get_sum (sketch), ==, 50LL * G_MAXUINT32);

  base_sketch_merge (sketch, sketch);
  g_assert_cmpuint (base_sketch_get_n (sketch), ==, G_MAXUINT32);
  g_assert_cmpint (base_sketch_get_sum (sketch), ==, 50LL * G_MAXUINT32);

  shared = read_json (ALMOST_FULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 3; i++)
    base_sketch_add_atomic (shared, 50);
  base_sketch_clear (sketch);
  base_sketch_take (shared, sketch);
  g_assert_cmpuint (base_sketch_get_n (sketch), ==, G_MAXUINT32);
}

/* all buckets full: no sum runs over, and it still goes through JSON */
static void
test_all_full (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (BaseSketch) sketch = NULL;
  g_autoptr (BaseSketch) again = NULL;
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (GError) error = NULL;

  g_string_append_printf (
      text,
      "{\"scale\":\"log-0.01-1027\",\"n\":%" G_GINT64_FORMAT
      ",\"sum\":%" G_GINT64_FORMAT ",\"min\":0,\"max\":800000000,\"buckets\":[",
      (gint64)G_MAXUINT32 * BASE_SKETCH_N_BUCKETS, G_MAXINT64);
  for (guint i = 0; i < BASE_SKETCH_N_BUCKETS; i++)
    g_string_append_printf (text, "%s[%u,%u]", i ? "," : "", i, G_MAXUINT32);
  g_string_append (text, "]}");
  sketch = read_json (text->str, &error);
  g_assert_no_error (error);
  base_sketch_add (sketch, BASE_SKETCH_MAX);
  base_sketch_merge (sketch, sketch);
  g_assert_cmpint (base_sketch_get_sum (sketch), ==, G_MAXINT64);
  node = base_sketch_to_json (sketch);
  again = base_sketch_from_json (node, &error);
  g_assert_no_error (error);
  assert_equal (sketch, again);
}

#define SKETCH(scale, rest) "{\"scale\":" scale ",\"n\":" rest "}"
#define GOOD(rest) SKETCH ("\"log-0.01-1027\"", rest)

static void
test_garbage (void)
{
  static const struct
  {
    const char *json, *why;
  } cases[] = {
    { "[]", "object" },
    { "3", "object" },
    { "{}", "scale" },
    { "{\"scale\":[]}", "scale" },
    { SKETCH ("1", "0"), "scale" },
    { SKETCH ("\"log-0.02-1027\"", "0"), "scale" },
    { GOOD ("0"), "no buckets" },
    { GOOD ("0,\"buckets\":{}"), "no buckets" },
    { GOOD ("0,\"buckets\":[1]"), "pair" },
    { GOOD ("0,\"buckets\":[[1]]"), "pair" },
    { GOOD ("0,\"buckets\":[[1,2,3]]"), "pair" },
    { GOOD ("1,\"buckets\":[[-1,1]]"), "number" },
    { GOOD ("1,\"buckets\":[[1027,1]]"), "number" },
    { GOOD ("1,\"buckets\":[[1.5,1]]"), "number" },
    { GOOD ("1,\"buckets\":[[\"1\",1]]"), "number" },
    { GOOD ("2,\"buckets\":[[5,1],[5,1]]"), "number" },
    { GOOD ("2,\"buckets\":[[5,1],[4,1]]"), "number" },
    { GOOD ("1,\"buckets\":[[5,0]]"), "count" },
    { GOOD ("1,\"buckets\":[[5,-1]]"), "count" },
    { GOOD ("1,\"buckets\":[[5,4294967296]]"), "count" },
    { GOOD ("1,\"buckets\":[[5,null]]"), "count" },
    { GOOD ("2,\"buckets\":[[1,1]],\"min\":1,\"max\":1,\"sum\":1"), "n is" },
    { GOOD ("1.0,\"buckets\":[[1,1]],\"min\":1,\"max\":1,\"sum\":1"), "n is" },
    { GOOD ("1,\"buckets\":[[1,1]]"), "min, max" },
    { GOOD ("1,\"buckets\":[[1,1]],\"min\":1,\"max\":0,\"sum\":1"),
      "out of range" },
    { GOOD ("1,\"buckets\":[[1,1]],\"min\":1,\"max\":900000000,\"sum\":1"),
      "out of range" },
    { GOOD ("1,\"buckets\":[[1,1]],\"min\":1,\"max\":1,\"sum\":-1"),
      "out of range" },
    { GOOD ("1,\"buckets\":[[1,1]],\"min\":1,\"max\":1,\"sum\":2"),
      "buckets hold" },
    { GOOD ("1,\"buckets\":[[1,1]],\"min\":2,\"max\":2,\"sum\":2"),
      "buckets hold" },
    { GOOD ("1,\"buckets\":[[1,1]],\"min\":1,\"max\":50,\"sum\":1"),
      "buckets hold" },
    { GOOD ("0,\"buckets\":[],\"min\":0,\"max\":1,\"sum\":0"), "empty" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (BaseSketch) sketch = read_json (cases[i].json, &error);

      g_test_message ("%s", cases[i].json);
      g_assert_null (sketch);
      g_assert_error (error, BASE_SKETCH_ERROR, BASE_SKETCH_ERROR_INVALID);
      g_assert_nonnull (strstr (error->message, cases[i].why));
    }
  g_assert_null (base_sketch_from_json (NULL, NULL));
}

/* --- shared ---------------------------------------------------------------
 */

#define N_THREADS 3
#define N_ADDS 20000

typedef struct
{
  BaseSketch *sketch;
  int n_left; /* atomic */
} Shared;

static gpointer
adder (gpointer data)
{
  Shared *shared = data;

  for (gint64 i = 1; i <= N_ADDS; i++)
    base_sketch_add_atomic (shared->sketch, i);
  g_atomic_int_dec_and_test (&shared->n_left);
  return NULL;
}

static void
test_shared (void)
{
  g_autoptr (BaseSketch) shared = base_sketch_new ();
  g_autoptr (BaseSketch) taken = base_sketch_new ();
  Shared common = { shared, N_THREADS };
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("adder", adder, &common);
  do
    {
      g_autofree char *text = NULL;
      g_autoptr (BaseSketch) again = NULL;
      g_autoptr (GError) error = NULL;

      base_sketch_take (shared, taken);
      text = dup_json (taken);
      again = read_json (text, &error); /* whole at any time */
      g_assert_no_error (error);
    }
  while (g_atomic_int_get (&common.n_left) > 0);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  base_sketch_take (shared, taken);
  g_assert_cmpuint (base_sketch_get_n (taken), ==, N_THREADS * N_ADDS);
  g_assert_cmpint (base_sketch_get_max (taken), <=, N_ADDS);
  g_assert_cmpfloat (fabs (base_sketch_quantile (taken, 0.5) - N_ADDS / 2.0),
                     <=, N_ADDS / 2.0 * BASE_SKETCH_ERROR_RATIO * (1 + 1e-9));
  base_sketch_clear (taken);
  base_sketch_take (shared, taken);
  g_assert_cmpuint (base_sketch_get_n (taken), ==, 0);
}

static void
test_shared_is_exact (void)
{
  g_autoptr (BaseSketch) shared = base_sketch_new ();
  g_autoptr (BaseSketch) plain = base_sketch_new ();
  g_autoptr (BaseSketch) taken = base_sketch_new ();

  for (gint64 value = 0; value < BASE_SKETCH_MAX; value = value * 3 / 2 + 1)
    {
      base_sketch_add_atomic (shared, value);
      base_sketch_add (plain, value);
    }
  base_sketch_take (shared, taken);
  assert_equal (taken, plain);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/base/sketch/uniform", draw_uniform, test_quantiles);
  g_test_add_data_func ("/base/sketch/lognormal", draw_lognormal,
                        test_quantiles);
  g_test_add_data_func ("/base/sketch/two-peaks", draw_two_peaks,
                        test_quantiles);
  g_test_add_func ("/base/sketch/merge-of-many", test_merge_of_many);
  g_test_add_func ("/base/sketch/every-bucket", test_every_bucket);
  g_test_add_func ("/base/sketch/out-of-range", test_out_of_range);
  g_test_add_func ("/base/sketch/full-bucket", test_full_bucket);
  g_test_add_func ("/base/sketch/all-full", test_all_full);
  g_test_add_func ("/base/sketch/garbage", test_garbage);
  g_test_add_func ("/base/sketch/shared", test_shared);
  g_test_add_func ("/base/sketch/shared-is-exact", test_shared_is_exact);
  return g_test_run ();
}
