/* SPDX-License-Identifier: Apache-2.0 */
/* So many at once, then so many a second; the clock is the test's. */
#include "node/rate.h"

static void
test_rate (void)
{
  NodeRate rate = { .n_max = 3, .per_s = 0.5 };
  gint64 now_us = 1000;
  guint wait_s = 0;

  for (guint i = 0; i < 3; i++)
    g_assert_true (node_rate_take (&rate, now_us, &wait_s));
  g_assert_false (node_rate_take (&rate, now_us, &wait_s));
  g_assert_cmpuint (wait_s, ==, 2);
  now_us += G_USEC_PER_SEC;
  g_assert_false (node_rate_take (&rate, now_us, &wait_s));
  g_assert_cmpuint (wait_s, ==, 1);
  now_us += G_USEC_PER_SEC;
  g_assert_true (node_rate_take (&rate, now_us, &wait_s));
  g_assert_false (node_rate_take (&rate, now_us, &wait_s));
  /* who was quiet for long has no more than the most */
  now_us += 3600 * (gint64)G_USEC_PER_SEC;
  for (guint i = 0; i < 3; i++)
    g_assert_true (node_rate_take (&rate, now_us, &wait_s));
  g_assert_false (node_rate_take (&rate, now_us, &wait_s));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/node/rate", test_rate);
  return g_test_run ();
}
