/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/holes on a clock of its own. whip/receiver's test has its limits. */
#include "rtc/holes.h"

#include "base/clock.h"

#define MS BASE_US_PER_MS
#define MAX_HOLES 8

static RtcHoles *
new_holes (gboolean waits)
{
  RtcHolesConfig config = {
    .max_holes = MAX_HOLES,
    .first_delay_us = 5 * MS,
    .retry_us = 30 * MS,
    .give_up_us = 400 * MS,
    .waits = waits,
  };

  return rtc_holes_new (&config);
}

static void
assert_due (RtcHoles *h, gint64 now_us, guint64 first, guint n, guint n_tries)
{
  RtcHole due[MAX_HOLES];

  g_assert_cmpuint (rtc_holes_collect (h, now_us, due, MAX_HOLES), ==, n);
  for (guint i = 0; i < n; i++)
    {
      g_assert_cmpuint (due[i].ext_seq, ==, first + i);
      g_assert_cmpuint (due[i].n_tries, ==, n_tries);
      g_assert_cmpint (due[i].asked_us, ==, now_us);
    }
}

static void
assert_holes (RtcHoles *h, guint n, const guint64 *seqs)
{
  g_assert_cmpuint (rtc_holes_get_n_holes (h), ==, n);
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (rtc_holes_peek (h, i)->ext_seq, ==, seqs[i]);
  g_assert_null (rtc_holes_peek (h, n));
}

static void
test_times (void)
{
  g_autoptr (RtcHoles) h = new_holes (FALSE);
  RtcHole hole;

  rtc_holes_add_range (h, 100, 2, 1000 * MS);
  assert_due (h, 1005 * MS - 1, 0, 0, 0);
  assert_due (h, 1005 * MS, 100, 2, 1);
  assert_due (h, 1035 * MS - 1, 0, 0, 0);
  assert_due (h, 1035 * MS, 100, 2, 2);
  /* another round trip holds for what was asked already */
  rtc_holes_set_retry_us (h, 60 * MS);
  assert_due (h, 1095 * MS - 1, 0, 0, 0);
  g_assert_true (rtc_holes_remove (h, 100, &hole));
  g_assert_cmpuint (hole.n_tries, ==, 2);
  g_assert_cmpint (hole.asked_us, ==, 1035 * MS);
  g_assert_cmpint (hole.found_us, ==, 1000 * MS);
  g_assert_false (rtc_holes_remove (h, 100, &hole));
  g_assert_false (rtc_holes_remove (h, 99, NULL));
  g_assert_false (rtc_holes_remove (h, 102, NULL));
  assert_due (h, 1095 * MS, 101, 1, 3);
  assert_due (h, 1400 * MS - 1, 101, 1, 4);
  assert_due (h, 1400 * MS, 0, 0, 0);
  assert_holes (h, 0, NULL);
  g_assert_cmpuint (rtc_holes_take_n_lost (h), ==, 1);
  g_assert_cmpuint (rtc_holes_take_n_lost (h), ==, 0);
}

/* Not asked for before the other source passed them. */
static void
test_waits (void)
{
  g_autoptr (RtcHoles) h = new_holes (TRUE);

  rtc_holes_add_range (h, 10, 4, 0);
  assert_due (h, 100 * MS, 0, 0, 0);
  rtc_holes_allow (h, 9, 100 * MS);
  assert_due (h, 110 * MS, 0, 0, 0);
  rtc_holes_allow (h, 11, 110 * MS);
  assert_due (h, 115 * MS - 1, 0, 0, 0);
  rtc_holes_allow (h, 12, 112 * MS); /* does not put 10 and 11 off */
  assert_due (h, 115 * MS, 10, 2, 1);
  rtc_holes_allow (h, 12, 116 * MS); /* nor does it ask again */
  assert_due (h, 117 * MS, 12, 1, 1);
  assert_due (h, 145 * MS, 10, 2, 2);
  assert_due (h, 146 * MS, 0, 0, 0);
  /* 13 was never allowed: it grows old all the same */
  assert_due (h, 400 * MS, 0, 0, 0);
  g_assert_cmpuint (rtc_holes_take_n_lost (h), ==, 4);
}

static void
test_tries (void)
{
  RtcHolesConfig config = { .max_holes = 1,
                            .max_tries = 2,
                            .retry_us = 10 * MS,
                            .give_up_us = G_MAXINT64 };
  g_autoptr (RtcHoles) h = rtc_holes_new (&config);

  rtc_holes_add_range (h, 5, 1, 0);
  assert_due (h, 0, 5, 1, 1);
  assert_due (h, 10 * MS, 5, 1, 2);
  assert_due (h, 20 * MS - 1, 0, 0, 0);
  g_assert_cmpuint (rtc_holes_get_n_holes (h), ==, 1);
  assert_due (h, 20 * MS, 0, 0, 0);
  g_assert_cmpuint (rtc_holes_get_n_holes (h), ==, 0);
  g_assert_cmpuint (rtc_holes_take_n_lost (h), ==, 1);
}

/* What does not fit stays due; without room nothing is asked. */
static void
test_collect_bound (void)
{
  g_autoptr (RtcHoles) h = new_holes (FALSE);
  RtcHole due[3];

  rtc_holes_add_range (h, 1, 7, 0);
  g_assert_cmpuint (rtc_holes_collect (h, 5 * MS, NULL, 0), ==, 0);
  g_assert_cmpuint (rtc_holes_collect (h, 5 * MS, due, 3), ==, 3);
  g_assert_cmpuint (due[0].ext_seq, ==, 1);
  g_assert_cmpuint (rtc_holes_collect (h, 5 * MS, due, 3), ==, 3);
  g_assert_cmpuint (due[0].ext_seq, ==, 4);
  g_assert_cmpuint (rtc_holes_collect (h, 5 * MS, due, 3), ==, 1);
  g_assert_cmpuint (due[0].ext_seq, ==, 7);
  g_assert_cmpuint (rtc_holes_collect (h, 5 * MS, due, 3), ==, 0);
}

static void
test_bounds (void)
{
  g_autoptr (RtcHoles) h = new_holes (FALSE);

  rtc_holes_add_range (h, 100, 0, 0);
  assert_holes (h, 0, NULL);
  /* more than it keeps: the highest */
  rtc_holes_add_range (h, 100, 20, 0);
  assert_holes (h, 8, (guint64[]){ 112, 113, 114, 115, 116, 117, 118, 119 });
  g_assert_cmpuint (rtc_holes_take_n_lost (h), ==, 12);
  rtc_holes_add_range (h, 121, 2, 0);
  assert_holes (h, 8, (guint64[]){ 114, 115, 116, 117, 118, 119, 121, 122 });
  g_assert_cmpuint (rtc_holes_take_n_lost (h), ==, 2);
  /* below all, when full: given up at once */
  rtc_holes_add_range (h, 50, 3, 0);
  g_assert_cmpuint (rtc_holes_take_n_lost (h), ==, 3);
  g_assert_cmpuint (rtc_holes_peek (h, 0)->ext_seq, ==, 114);
  /* in between, and those that are there already */
  rtc_holes_add_range (h, 119, 3, 0);
  assert_holes (h, 8, (guint64[]){ 115, 116, 117, 118, 119, 120, 121, 122 });
  g_assert_cmpuint (rtc_holes_take_n_lost (h), ==, 1);
  rtc_holes_give_up_below (h, 115);
  g_assert_cmpuint (rtc_holes_take_n_lost (h), ==, 0);
  rtc_holes_give_up_below (h, 119);
  assert_holes (h, 4, (guint64[]){ 119, 120, 121, 122 });
  rtc_holes_add_range (h, 100, 1, 0);
  assert_holes (h, 5, (guint64[]){ 100, 119, 120, 121, 122 });
  rtc_holes_give_up_below (h, G_MAXUINT64);
  g_assert_cmpuint (rtc_holes_take_n_lost (h), ==, 9);
  /* a number is a number */
  rtc_holes_add_range (h, 0, G_GUINT64_CONSTANT (1) << 48, 0);
  g_assert_cmpuint (rtc_holes_get_n_holes (h), ==, MAX_HOLES);
  g_assert_cmpuint (rtc_holes_take_n_lost (h), ==,
                    (G_GUINT64_CONSTANT (1) << 48) - MAX_HOLES);
}

static void
on_given_up (const RtcHole *hole, gpointer data)
{
  g_string_append_printf (data, "%" G_GUINT64_FORMAT ":%u ", hole->ext_seq,
                          hole->marks);
}

static void
assert_told (GString *told, const char *expected)
{
  g_assert_cmpstr (told->str, ==, expected);
  g_string_truncate (told, 0);
}

/* The owner hears of each that is given up, however that comes. */
static void
test_marks (void)
{
  g_autoptr (GString) told = g_string_new (NULL);
  const RtcHolesConfig config = { .max_holes = 4,
                                  .give_up_us = 400 * MS,
                                  .on_given_up = on_given_up,
                                  .data = told };
  g_autoptr (RtcHoles) h = rtc_holes_new (&config);
  RtcHole hole;

  rtc_holes_add_range (h, 10, 4, 0);
  rtc_holes_mark (h, 10, 1);
  rtc_holes_mark (h, 10, 4);
  rtc_holes_mark (h, 11, 2);
  rtc_holes_mark (h, 12, 3);
  rtc_holes_mark (h, 13, 2);
  rtc_holes_mark (h, 9, 1); /* those are no holes */
  rtc_holes_mark (h, 14, 1);
  g_assert_true (rtc_holes_remove (h, 12, &hole));
  g_assert_cmpuint (hole.marks, ==, 3);
  assert_told (told, "");
  rtc_holes_add_range (h, 20, 2, 100 * MS); /* one too many */
  assert_told (told, "10:5 ");
  rtc_holes_unmark (h, 2);
  rtc_holes_mark (h, 13, 8);
  g_assert_cmpuint (rtc_holes_collect (h, 400 * MS, NULL, 0), ==, 0);
  assert_told (told, "11:0 13:8 ");
  rtc_holes_give_up_below (h, 21);
  assert_told (told, "20:0 ");
  rtc_holes_clear (h);
  assert_told (told, "");
  g_assert_cmpuint (rtc_holes_get_n_holes (h), ==, 0);
  g_assert_cmpuint (rtc_holes_take_n_lost (h), ==, 0);
}

/* A random walk against a set of numbers. */
static void
test_model (void)
{
  g_autoptr (RtcHoles) h = new_holes (FALSE);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  gboolean is_hole[256] = { FALSE };

  for (guint step = 0; step < 20000; step++)
    {
      guint at = (guint)g_rand_int_range (rand, 0, 250);
      guint n = (guint)g_rand_int_range (rand, 0, 5), n_holes = 0, i = 0;

      if (g_rand_boolean (rand))
        {
          rtc_holes_add_range (h, at, n, 0);
          for (guint k = 0; k < n; k++)
            is_hole[at + k] = TRUE;
        }
      else
        {
          g_assert_cmpint (rtc_holes_remove (h, at, NULL), ==, is_hole[at]);
          is_hole[at] = FALSE;
        }
      for (guint k = 256; k-- > 0;)
        if (is_hole[k] && ++n_holes > MAX_HOLES)
          is_hole[k] = FALSE;
      g_assert_cmpuint (rtc_holes_get_n_holes (h), ==,
                        MIN (n_holes, MAX_HOLES));
      for (guint k = 0; k < 256; k++)
        if (is_hole[k])
          g_assert_cmpuint (rtc_holes_peek (h, i++)->ext_seq, ==, k);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/holes/times", test_times);
  g_test_add_func ("/holes/waits", test_waits);
  g_test_add_func ("/holes/tries", test_tries);
  g_test_add_func ("/holes/collect-bound", test_collect_bound);
  g_test_add_func ("/holes/bounds", test_bounds);
  g_test_add_func ("/holes/marks", test_marks);
  g_test_add_func ("/holes/model", test_model);
  return g_test_run ();
}
