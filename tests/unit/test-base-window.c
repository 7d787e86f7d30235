/* SPDX-License-Identifier: Apache-2.0 */
/* Windows on a virtual clock: what is in which span, and until when. */
#include "base/window.h"

#include <string.h>

#include "base/clock.h"
#include "base/gauge-window.h"

#define S BASE_US_PER_S
/* a clock that does not begin at 0, and at no slot's bound */
#define T0 (123456 * S + 400000)

static guint64
count (BaseWindow *window, BaseSpan span)
{
  g_autoptr (BaseSketch) sketch = base_sketch_new ();

  base_window_merge (window, span, sketch);
  return base_sketch_get_n (sketch);
}

static void
assert_counts (BaseWindow *window, guint64 n_1m, guint64 n_15m, guint64 n_1h,
               guint64 n_max)
{
  g_assert_cmpuint (count (window, BASE_SPAN_1M), ==, n_1m);
  g_assert_cmpuint (count (window, BASE_SPAN_15M), ==, n_15m);
  g_assert_cmpuint (count (window, BASE_SPAN_1H), ==, n_1h);
  g_assert_cmpuint (count (window, BASE_SPAN_MAX), ==, n_max);
}

/* One value leaves each span when that span is over: not before its last slot
 * but one, not after its last. */
static void
test_a_value_grows_old (void)
{
  static const gint64 spans_s[] = { 60, 900, 3600 };
  g_autoptr (BaseWindow) window = base_window_new ();
  gint64 gone_s[BASE_WINDOW_N_RINGS] = { 0 };

  base_window_add (window, 7);
  assert_counts (window, 0, 0, 0, 0); /* nobody has brought it in */
  for (gint64 s = 0; s <= 3700; s++)
    {
      base_window_tick (window, T0 + s * S);
      for (guint i = 0; i < BASE_WINDOW_N_RINGS; i++)
        if (gone_s[i] == 0 && count (window, i) == 0)
          gone_s[i] = s;
        else if (gone_s[i] > 0)
          g_assert_cmpuint (count (window, i), ==, 0);
    }
  for (guint i = 0; i < BASE_WINDOW_N_RINGS; i++)
    {
      g_assert_cmpint (gone_s[i], >, spans_s[i] - spans_s[i] / 60);
      g_assert_cmpint (gone_s[i], <=, spans_s[i]);
    }
  assert_counts (window, 0, 0, 0, 1);
  g_assert_cmpuint (base_window_get_n_slots (window), ==, 0);
}

/* @t values in second @t, for an hour: each span has those of its own */
static void
test_spans (void)
{
  g_autoptr (BaseWindow) window = base_window_new ();
  g_autoptr (BaseSketch) last = base_sketch_new ();

  /* 86400 is a bound of all slots */
  for (gint64 s = 1; s <= 4000; s++)
    {
      base_window_add (window, s);
      base_window_tick (window, (86400 + s) * S);
    }
  /* slots now: second 4000; 3990 to 4004; 3960 to 4019 */
  assert_counts (window, 60, 4000 - (3990 - 59 * 15) + 1,
                 4000 - (3960 - 59 * 60) + 1, 4000);
  base_window_merge (window, BASE_SPAN_1M, last);
  g_assert_cmpint (base_sketch_get_min (last), ==, 3941);
  g_assert_cmpint (base_sketch_get_max (last), ==, 4000);
  g_assert_cmpfloat_with_epsilon (base_sketch_quantile (last, 0.5), 3970, 39.7);
  g_assert_cmpuint (base_window_get_n_slots (window), ==, 180);
}

/* the process stood still: what came before the tick counts with the tick, what
 * is too old is gone, and slots of long ago are not taken for new ones */
static void
test_late_ticks (void)
{
  g_autoptr (BaseWindow) window = base_window_new ();

  base_window_add (window, 1);
  base_window_tick (window, T0);
  base_window_add (window, 2);
  base_window_tick (window, T0 + 300 * S);
  assert_counts (window, 1, 2, 2, 2);
  /* the same slots of all rings, one whole turn later */
  base_window_tick (window, T0 + (300 + 3600) * S);
  assert_counts (window, 0, 0, 0, 2);
  base_window_add (window, 3);
  base_window_tick (window, T0 + (300 + 7200) * S);
  assert_counts (window, 1, 1, 1, 3);
  /* a year */
  base_window_tick (window, T0 + 365 * 86400 * S);
  assert_counts (window, 0, 0, 0, 3);
}

/* many ticks a second, and a clock that is asked twice out of order */
static void
test_early_ticks (void)
{
  g_autoptr (BaseWindow) window = base_window_new ();

  for (guint i = 0; i < 100; i++)
    {
      base_window_add (window, i);
      base_window_tick (window, T0 + i);
    }
  assert_counts (window, 100, 100, 100, 100);
  g_assert_cmpuint (base_window_get_n_slots (window), ==, 3);
  base_window_add (window, 5);
  base_window_tick (window, T0 - 10 * S);
  assert_counts (window, 101, 101, 101, 101);
  g_assert_cmpuint (base_window_get_n_slots (window), ==, 3);
}

/* several nodes' windows are one: what the leader does with theirs */
static void
test_nodes_add_up (void)
{
  g_autoptr (BaseWindow) all = base_window_new ();
  g_autoptr (BaseSketch) merged = base_sketch_new ();
  g_autoptr (BaseSketch) expected = base_sketch_new ();
  g_autofree char *text = NULL, *expected_text = NULL;

  for (guint node = 0; node < 5; node++)
    {
      g_autoptr (BaseWindow) window = base_window_new ();
      g_autoptr (BaseSketch) sketch = base_sketch_new ();
      g_autoptr (BaseSketch) shipped = NULL;
      g_autoptr (JsonNode) json = NULL;
      g_autoptr (GError) error = NULL;

      for (gint64 i = 0; i < 100; i++)
        {
          base_window_add (window, i * (node + 1));
          base_window_add (all, i * (node + 1));
        }
      base_window_tick (window, T0);
      base_window_merge (window, BASE_SPAN_15M, sketch);
      json = base_sketch_to_json (sketch);
      shipped = base_sketch_from_json (json, &error);
      g_assert_no_error (error);
      base_sketch_merge (merged, shipped);
    }
  base_window_tick (all, T0);
  base_window_merge (all, BASE_SPAN_15M, expected);
  {
    g_autoptr (JsonNode) a = base_sketch_to_json (merged);
    g_autoptr (JsonNode) b = base_sketch_to_json (expected);

    text = json_to_string (a, FALSE);
    expected_text = json_to_string (b, FALSE);
  }
  g_assert_cmpstr (text, ==, expected_text);
}

static void
test_names (void)
{
  static const char *const names[] = { "1m", "15m", "1h", "max" };

  for (guint i = 0; i < BASE_SPAN_N; i++)
    g_assert_cmpstr (base_span_get_name (i), ==, names[i]);
  base_window_add (NULL, 1);
}

/* --- gauges ----------------------------------------------------------------
 */

static void
assert_gauge (BaseGaugeWindow *window, BaseSpan span, gint64 now_us, guint64 n,
              double min, double mean, double max)
{
  BaseGaugeStats stats;

  g_assert_cmpint (base_gauge_window_get (window, span, now_us, &stats), ==,
                   n > 0);
  g_assert_cmpuint (stats.n, ==, n);
  g_assert_cmpfloat (stats.min, ==, min);
  g_assert_cmpfloat (stats.mean, ==, mean);
  g_assert_cmpfloat (stats.max, ==, max);
}

static void
test_gauge (void)
{
  g_autoptr (BaseGaugeWindow) window = base_gauge_window_new ();

  assert_gauge (window, BASE_SPAN_1M, T0, 0, 0, 0, 0);
  assert_gauge (window, BASE_SPAN_MAX, T0, 0, 0, 0, 0);
  g_assert_cmpfloat (base_gauge_window_get_last (window), ==, 0);
  base_gauge_window_add (window, -4, T0);
  base_gauge_window_add (window, 0.0 / 0.0, T0);
  base_gauge_window_add (window, 1.0 / 0.0, T0);
  base_gauge_window_add (window, 2, T0 + 10 * S);
  base_gauge_window_add (window, 5, T0 + 20 * S);
  g_assert_cmpfloat (base_gauge_window_get_last (window), ==, 5);
  assert_gauge (window, BASE_SPAN_1M, T0 + 20 * S, 3, -4, 1, 5);
  assert_gauge (window, BASE_SPAN_1M, T0 + 65 * S, 2, 2, 3.5, 5);
  assert_gauge (window, BASE_SPAN_15M, T0 + 65 * S, 3, -4, 1, 5);
  assert_gauge (window, BASE_SPAN_1M, T0 + 90 * S, 0, 0, 0, 0);
  assert_gauge (window, BASE_SPAN_15M, T0 + 1000 * S, 0, 0, 0, 0);
  assert_gauge (window, BASE_SPAN_1H, T0 + 1000 * S, 3, -4, 1, 5);
  assert_gauge (window, BASE_SPAN_1H, T0 + 4000 * S, 0, 0, 0, 0);
  assert_gauge (window, BASE_SPAN_MAX, T0 + 4000 * S, 3, -4, 1, 5);
  /* the same slots, hours later, after a pause */
  base_gauge_window_add (window, 9, T0 + 7200 * S);
  for (guint span = 0; span < BASE_WINDOW_N_RINGS; span++)
    assert_gauge (window, span, T0 + 7200 * S, 1, 9, 9, 9);
  /* a reader whose clock is behind */
  assert_gauge (window, BASE_SPAN_1M, T0, 1, 9, 9, 9);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/window/a-value-grows-old", test_a_value_grows_old);
  g_test_add_func ("/base/window/spans", test_spans);
  g_test_add_func ("/base/window/late-ticks", test_late_ticks);
  g_test_add_func ("/base/window/early-ticks", test_early_ticks);
  g_test_add_func ("/base/window/nodes-add-up", test_nodes_add_up);
  g_test_add_func ("/base/window/names", test_names);
  g_test_add_func ("/base/window/gauge", test_gauge);
  return g_test_run ();
}
