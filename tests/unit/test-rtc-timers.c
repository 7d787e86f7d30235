/* SPDX-License-Identifier: Apache-2.0 */
/* RtcTimers: one grid, early runs, cancelling, what the loop waits for. */
#include "rtc/timers.h"

#define INTERVAL_US (100 * 1000)

typedef struct
{
  RtcTimers *timers;
  GMainContext *context;
  guint n_runs;
  guint stop_after;
  GSource *victim; /* owned, nullable: cancelled by the callback */
  GSource *added;  /* owned, nullable */
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->context = g_main_context_new ();
  f->timers = rtc_timers_new (f->context);
}

static void
cancel (GSource **timer)
{
  if (*timer == NULL)
    return;
  g_source_destroy (*timer);
  g_clear_pointer (timer, g_source_unref);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  cancel (&f->victim);
  cancel (&f->added);
  rtc_timers_free (f->timers);
  g_main_context_unref (f->context);
}

static gboolean
count (gpointer data)
{
  Fixture *f = data;

  f->n_runs++;
  return f->stop_after != f->n_runs ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean
cancel_other (gpointer data)
{
  Fixture *f = data;

  cancel (&f->victim);
  return G_SOURCE_REMOVE;
}

static gboolean
add_other (gpointer data)
{
  Fixture *f = data;

  f->added = rtc_timers_add (f->timers, INTERVAL_US, count, f);
  return G_SOURCE_REMOVE;
}

static GSource *
add (Fixture *f, GSourceFunc func)
{
  return rtc_timers_add (f->timers, INTERVAL_US, func, f);
}

/* the grid's next point from @now_us on */
static gint64
point_after (gint64 now_us)
{
  return (now_us / INTERVAL_US + 1) * INTERVAL_US;
}

static void
test_grid (Fixture *f, gconstpointer data)
{
  gint64 now_us = g_get_monotonic_time ();
  g_autoptr (GSource) a = add (f, count);
  g_autoptr (GSource) b = add (f, count);
  /* both stand at one of the two points within one and a half intervals */
  gint64 first_us = point_after (now_us + INTERVAL_US / 2);

  g_assert_false (rtc_timers_run_early (f->timers, first_us - INTERVAL_US / 4));
  g_assert_cmpuint (f->n_runs, ==, 0);
  /* should the clock have passed a point between the two adds, the later one
   * has passed at the next */
  g_assert_true (rtc_timers_run_early (f->timers, first_us + INTERVAL_US));
  g_assert_cmpuint (f->n_runs, ==, 2);
  /* late: once, not once for each interval that was missed */
  g_assert_true (rtc_timers_run_early (f->timers, first_us + 10 * INTERVAL_US));
  g_assert_cmpuint (f->n_runs, ==, 4);
}

static void
test_early (Fixture *f, gconstpointer data)
{
  g_autoptr (GSource) a = add (f, count);
  gint64 due_us = point_after (g_get_monotonic_time ()) + 9 * INTERVAL_US;

  g_assert_true (rtc_timers_run_early (f->timers, due_us));
  g_assert_cmpuint (f->n_runs, ==, 1);
  g_assert_false (
      rtc_timers_run_early (f->timers, due_us + INTERVAL_US * 3 / 4));
  g_assert_true (
      rtc_timers_run_early (f->timers, due_us + INTERVAL_US * 7 / 8));
  /* an early run takes the place of the one that was due */
  g_assert_false (rtc_timers_run_early (f->timers, due_us + INTERVAL_US));
  g_assert_cmpuint (f->n_runs, ==, 2);
}

static void
test_short_is_never_early (Fixture *f, gconstpointer data)
{
  g_autoptr (GSource) a = rtc_timers_add (f->timers, 5000, count, f);

  g_assert_false (rtc_timers_run_early (f->timers, g_get_monotonic_time ()
                                                       + G_USEC_PER_SEC));
}

static void
test_cancel (Fixture *f, gconstpointer data)
{
  gint64 late_us = g_get_monotonic_time () + 10 * INTERVAL_US;
  g_autoptr (GSource) a = add (f, cancel_other);

  f->victim = add (f, count);
  g_assert_true (rtc_timers_run_early (f->timers, late_us));
  g_assert_null (f->victim);
  g_assert_cmpuint (f->n_runs, ==, 0);
  /* none is left: the one removed itself, the other was cancelled */
  g_assert_false (rtc_timers_run_early (f->timers, late_us + 10 * INTERVAL_US));
}

static void
test_add (Fixture *f, gconstpointer data)
{
  gint64 late_us = g_get_monotonic_time () + 10 * INTERVAL_US;
  g_autoptr (GSource) a = add (f, add_other);
  guint n_runs;

  g_assert_true (rtc_timers_run_early (f->timers, late_us));
  g_assert_nonnull (f->added);
  n_runs = f->n_runs;
  g_assert_true (rtc_timers_run_early (f->timers, late_us + INTERVAL_US));
  g_assert_cmpuint (f->n_runs, ==, n_runs + 1);
  cancel (&f->added);
  rtc_timers_run_early (f->timers, late_us + 2 * INTERVAL_US);
  g_assert_cmpuint (f->n_runs, ==, n_runs + 1);
}

static void
test_loop (Fixture *f, gconstpointer data)
{
  g_autoptr (GSource) a = rtc_timers_add (f->timers, 2000, count, f);

  f->stop_after = 3;
  while (!g_source_is_destroyed (a))
    g_main_context_iteration (f->context, TRUE);
  g_assert_cmpuint (f->n_runs, ==, 3);
  g_assert_false (g_main_context_iteration (f->context, FALSE));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/rtc/timers/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("grid", test_grid);
  ADD ("early", test_early);
  ADD ("short-is-never-early", test_short_is_never_early);
  ADD ("cancel", test_cancel);
  ADD ("add", test_add);
  ADD ("loop", test_loop);
#undef ADD
  return g_test_run ();
}
