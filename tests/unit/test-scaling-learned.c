/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingLearned: leads, and the text that the store has of them. */
#include "scaling/learned.h"

#include "base/clock.h"
#include "cluster/ledger-read.h"

#include <string.h>

#define S BASE_US_PER_S

static void
test_leads (void)
{
  ScalingLearned learned = { 0 };

  g_assert_cmpint (scaling_learned_get_lead (&learned, TRUE, 2 * S), ==, 0);
  /* few: the guess counts while it is longer */
  scaling_learned_add_lead (&learned, TRUE, S);
  g_assert_cmpint (scaling_learned_get_lead (&learned, TRUE, 2 * S), ==, 2 * S);
  g_assert_cmpint (scaling_learned_get_lead (&learned, TRUE, S / 2), ==, S);
  g_assert_cmpint (scaling_learned_get_lead (&learned, FALSE, S), ==, 0);
  for (guint i = 0; i < 4; i++)
    scaling_learned_add_lead (&learned, TRUE, S);
  g_assert_cmpint (scaling_learned_get_lead (&learned, TRUE, 2 * S), ==, S);
  /* 95 of a hundred: of 20 the 19th, of 32 the 31st */
  learned = (ScalingLearned){ 0 };
  for (guint i = 20; i > 0; i--)
    scaling_learned_add_lead (&learned, FALSE, i * S);
  g_assert_cmpint (scaling_learned_get_lead (&learned, FALSE, 0), ==, 19 * S);
  for (guint i = 0; i < 12; i++)
    scaling_learned_add_lead (&learned, FALSE, (100 + i) * S);
  g_assert_cmpint (scaling_learned_get_lead (&learned, FALSE, 0), ==, 110 * S);
  /* the newest count, however many there were */
  for (guint i = 0; i < 10 * SCALING_LEARNED_N_LEADS; i++)
    scaling_learned_add_lead (&learned, FALSE, 3 * S);
  g_assert_cmpint (scaling_learned_get_lead (&learned, FALSE, 0), ==, 3 * S);
  /* none is no time at all, none is longer than an hour */
  learned = (ScalingLearned){ 0 };
  scaling_learned_add_lead (&learned, TRUE, 0);
  scaling_learned_add_lead (&learned, FALSE, G_MAXINT64);
  g_assert_cmpint (scaling_learned_get_lead (&learned, TRUE, 0), ==, 1000);
  g_assert_cmpint (scaling_learned_get_lead (&learned, FALSE, 0), ==, 3600 * S);
}

/* What the next leader reads is what this one knew, however much it was. */
static void
test_text (void)
{
  for (guint n = 0; n < 3 * SCALING_LEARNED_N_LEADS; n++)
    {
      ScalingLearned learned = { 0 }, read;
      g_autofree char *text = NULL, *again = NULL;

      for (guint i = 0; i < n; i++)
        {
          scaling_learned_add_lead (&learned, TRUE, i * S);
          scaling_learned_add_lead (&learned, FALSE, 3599 * S + i);
        }
      learned.mark = (ScalingMark){ .n_in_row = n,
                                    .last_wall_ms = 1795219200000,
                                    .wait_wall_ms = 1795219260000,
                                    .fault = SCALING_FAULT_NO_MEDIA,
                                    .ordinal = 3,
                                    .gen = G_MAXINT32 };
      text = scaling_learned_dup_text (&learned);
      g_assert_cmpuint (strlen (text), <, CLUSTER_LEARNED_MAX_BYTES);
      g_assert_cmpuint (scaling_learned_parse (text, &read), ==, 0);
      again = scaling_learned_dup_text (&read);
      g_assert_cmpstr (text, ==, again);
      g_assert_cmpuint (read.mark.n_in_row, ==, n);
      for (guint is_warm = 0; is_warm < 2; is_warm++)
        g_assert_cmpint (scaling_learned_get_lead (&read, is_warm, S), ==,
                         scaling_learned_get_lead (&learned, is_warm, S));
    }
}

static void
test_bad_text (void)
{
  static const struct
  {
    const char *text;
    guint n_bad, n_warm, n_in_row;
  } rows[] = {
    { NULL, 0, 0, 0 },
    { "", 0, 0, 0 },
    { "warm 1 2\ncold 3\n", 0, 2, 0 },
    /* of a newer program */
    { "warm 1 2\nluck 7\n", 1, 2, 0 },
    { "warm 1 -2\n", 1, 0, 0 },
    { "warm 1 3600001\n", 1, 0, 0 },
    { "warm 1 2 \n", 1, 0, 0 },
    { "rollback 2 5 6 drops 1 1\n", 0, 0, 2 },
    { "rollback 0 5 6 drops 1 1\n", 1, 0, 0 },
    { "rollback 2 5 6 gone 1 1\n", 1, 0, 0 },
    { "rollback 2 5 6 drops 1\n", 1, 0, 0 },
    { "rollback 1001 5 6 drops 1 1\n", 1, 0, 0 },
    { "rollback 2 5 100000000000001 drops 1 1\n", 1, 0, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      ScalingLearned learned;

      g_assert_cmpuint (scaling_learned_parse (rows[i].text, &learned), ==,
                        rows[i].n_bad);
      g_assert_cmpuint (learned.warm.n, ==, rows[i].n_warm);
      g_assert_cmpuint (learned.mark.n_in_row, ==, rows[i].n_in_row);
    }
}

/* More than are kept are not understood. */
static void
test_many (void)
{
  g_autoptr (GString) text = g_string_new ("warm");
  ScalingLearned learned;

  for (guint i = 0; i < SCALING_LEARNED_N_LEADS; i++)
    g_string_append (text, " 7");
  g_assert_cmpuint (scaling_learned_parse (text->str, &learned), ==, 0);
  g_assert_cmpuint (learned.warm.n, ==, SCALING_LEARNED_N_LEADS);
  g_string_append (text, " 7");
  g_assert_cmpuint (scaling_learned_parse (text->str, &learned), ==, 1);
  g_assert_cmpuint (learned.warm.n, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/learned/leads", test_leads);
  g_test_add_func ("/scaling/learned/text", test_text);
  g_test_add_func ("/scaling/learned/bad-text", test_bad_text);
  g_test_add_func ("/scaling/learned/many", test_many);
  return g_test_run ();
}
