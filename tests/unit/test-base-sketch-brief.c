/* SPDX-License-Identifier: Apache-2.0 */
/* Sketches as heartbeats carry them: what comes back, what stays right when
 * there are too many buckets, and what strangers may send. */
#include "base/sketch-brief.h"

#include <math.h>
#include <string.h>

static void
assert_same (const BaseSketch *a, const BaseSketch *b)
{
  g_assert_cmpuint (base_sketch_get_n (a), ==, base_sketch_get_n (b));
  g_assert_cmpint (base_sketch_get_sum (a), ==, base_sketch_get_sum (b));
  g_assert_cmpint (base_sketch_get_min (a), ==, base_sketch_get_min (b));
  g_assert_cmpint (base_sketch_get_max (a), ==, base_sketch_get_max (b));
  for (guint i = 0; i < BASE_SKETCH_N_BUCKETS; i++)
    g_assert_cmpuint (base_sketch_get_bucket (a, i, NULL), ==,
                      base_sketch_get_bucket (b, i, NULL));
}

static void
test_there_and_back (void)
{
  static const gint64 values[] = { 0, 1, 7, 7, 7, 950, 61000, BASE_SKETCH_MAX };
  g_autoptr (BaseSketch) sketch = base_sketch_new ();
  g_autoptr (BaseSketch) back = base_sketch_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *nothing = NULL;
  g_autofree char *text = NULL;
  BaseSketchBrief brief, got;

  base_sketch_brief_init (&brief, sketch);
  nothing = base_sketch_brief_to_text (&brief);
  g_assert_cmpstr (nothing, ==, "");
  g_assert_true (base_sketch_brief_from_text ("", &got, &error));
  g_assert_cmpuint (base_sketch_brief_get_n (&got), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    base_sketch_add (sketch, values[i]);
  base_sketch_brief_init (&brief, sketch);
  g_assert_cmpuint (base_sketch_brief_get_n (&brief), ==, 8);
  g_assert_cmpuint (brief.n_buckets, ==, 6);
  text = base_sketch_brief_to_text (&brief);
  base_sketch_brief_from_text (text, &got, &error);
  g_assert_no_error (error);
  base_sketch_brief_merge (&got, back);
  assert_same (back, sketch);
}

/* 400 buckets: 192 stay, nothing is lost, what is above the fold is exact */
static void
test_too_many (void)
{
  g_autoptr (BaseSketch) sketch = base_sketch_new ();
  g_autoptr (BaseSketch) back = base_sketch_new ();
  BaseSketchBrief brief;

  for (guint i = 0; i < 400; i++)
    base_sketch_add (sketch, (gint64)(1000 * pow (1.0203, i)));
  base_sketch_brief_init (&brief, sketch);
  g_assert_cmpuint (brief.n_buckets, ==, BASE_SKETCH_BRIEF_N_BUCKETS);
  base_sketch_brief_merge (&brief, back);
  g_assert_cmpuint (base_sketch_get_n (back), ==, 400);
  g_assert_cmpint (base_sketch_get_sum (back), ==,
                   base_sketch_get_sum (sketch));
  g_assert_cmpint (base_sketch_get_min (back), ==, 1000);
  for (double q = 0.53; q <= 1; q += 0.01)
    g_assert_cmpfloat (base_sketch_quantile (back, q), ==,
                       base_sketch_quantile (sketch, q));
  g_assert_cmpfloat (base_sketch_quantile (back, 0.25), >,
                     base_sketch_quantile (sketch, 0.25));
  base_sketch_brief_shrink (&brief, 8);
  g_assert_cmpuint (brief.n_buckets, ==, 8);
  g_assert_cmpuint (base_sketch_brief_get_n (&brief), ==, 400);
  base_sketch_clear (back);
  base_sketch_brief_merge (&brief, back);
  g_assert_cmpfloat (base_sketch_quantile (back, 0.99), ==,
                     base_sketch_quantile (sketch, 0.99));
}

/* the longest there can be */
static void
test_longest (void)
{
  BaseSketchBrief brief;
  BaseSketchBrief got;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL, *longer = NULL;

  memset (&brief, 0, sizeof brief);
  brief.max = BASE_SKETCH_MAX;
  brief.n_buckets = BASE_SKETCH_BRIEF_N_BUCKETS;
  for (guint i = 0; i < BASE_SKETCH_BRIEF_N_BUCKETS; i++)
    {
      brief.index[i] = (guint16)(BASE_SKETCH_N_BUCKETS - 1
                                 - 5 * (BASE_SKETCH_BRIEF_N_BUCKETS - 1 - i));
      brief.count[i] = G_MAXUINT32;
    }
  brief.sum = (gint64)BASE_SKETCH_BRIEF_N_BUCKETS * G_MAXUINT32 * 1000000;
  text = base_sketch_brief_to_text (&brief);
  g_assert_cmpuint (strlen (text), <=, BASE_SKETCH_BRIEF_MAX_CHARS);
  base_sketch_brief_from_text (text, &got, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (&got, sizeof got, &brief, sizeof brief);
  longer = g_strnfill (BASE_SKETCH_BRIEF_MAX_CHARS + 1, 'a');
  g_assert_false (base_sketch_brief_from_text (longer, &got, NULL));
}

static void
test_garbage (void)
{
  /* sum 7, min 7, max 7, then the buckets; 7 is in bucket 99 */
  static const guint8 bad[][10] = {
    { 7, 7 },                                     /* no max */
    { 7, 7, 7 },                                  /* no buckets */
    { 7, 7, 7, 99 },                              /* no count */
    { 7, 7, 7, 99, 0 },                           /* empty bucket */
    { 7, 7, 7, 98, 1 },                           /* max is above the last */
    { 7, 7, 6, 99, 1 },                           /* min above max */
    { 8, 7, 7, 99, 1 },                           /* more than n times max */
    { 6, 7, 7, 99, 1 },                           /* less than n times min */
    { 7, 7, 7, 0x80 },                            /* breaks off */
    { 14, 7, 7, 99, 1, 0, 1 },                    /* not above the one before */
    { 7, 7, 7, 0xe3, 0x80, 0x80, 0x80, 0x80, 1 }, /* out of range */
  };
  static const guint n_bytes[] = { 2, 3, 4, 5, 5, 5, 5, 5, 4, 7, 10 };
  static const guint8 good[] = { 7, 7, 7, 99, 1 };
  g_autofree char *base64 = g_base64_encode (good, sizeof good);
  g_autofree char *text = g_strconcat ("a", base64, NULL);
  g_autofree char *other = g_strconcat ("b", base64, NULL);
  BaseSketchBrief got;

  g_assert_true (base_sketch_brief_from_text (text, &got, NULL));
  g_assert_cmpuint (got.index[0], ==, 99);
  g_assert_false (base_sketch_brief_from_text (other, &got, NULL));
  g_assert_false (base_sketch_brief_from_text (NULL, &got, NULL));
  g_assert_false (base_sketch_brief_from_text ("a", &got, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *tail = g_base64_encode (bad[i], n_bytes[i]);
      g_autofree char *row = g_strconcat ("a", tail, NULL);
      g_autoptr (GError) error = NULL;

      g_test_message ("row %u: %s", i, row);
      g_assert_false (base_sketch_brief_from_text (row, &got, &error));
      g_assert_error (error, BASE_SKETCH_ERROR, BASE_SKETCH_ERROR_INVALID);
      g_assert_cmpuint (got.n_buckets, ==, 0);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/sketch-brief/there-and-back", test_there_and_back);
  g_test_add_func ("/base/sketch-brief/too-many", test_too_many);
  g_test_add_func ("/base/sketch-brief/longest", test_longest);
  g_test_add_func ("/base/sketch-brief/garbage", test_garbage);
  return g_test_run ();
}
