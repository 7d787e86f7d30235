/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of the autoscaling API: good, and named faults. */
#include "scaling/order.h"

#include <string.h>

static gboolean
parse (ScalingOrderKind kind, const char *text, ScalingOrder *ret,
       GError **error)
{
  return scaling_order_parse (kind, text, text != NULL ? strlen (text) : 0, ret,
                              error);
}

static void
test_good (void)
{
  ScalingOrder order;

  g_assert_true (parse (SCALING_ORDER_ENABLE,
                        "{\"enabled\":true,\"by\":\"anna\",\"reason\":\"x\"}",
                        &order, NULL));
  g_assert_true (order.is_on);
  g_assert_cmpstr (order.by, ==, "anna");
  g_assert_cmpstr (order.reason, ==, "x");
  g_assert_true (
      parse (SCALING_ORDER_ENABLE, "{\"enabled\":false}", &order, NULL));
  g_assert_false (order.is_on);
  g_assert_cmpstr (order.by, ==, "");
  g_assert_true (parse (SCALING_ORDER_TEST, "{\"replicas\":3}", &order, NULL));
  g_assert_cmpuint (order.n_replicas, ==, 3);
  g_assert_cmpint (order.hold_us, ==, SCALING_ORDER_HOLD_S * G_USEC_PER_SEC);
  g_assert_true (parse (SCALING_ORDER_TEST, "{\"replicas\":0,\"holdFor\":0}",
                        &order, NULL));
  g_assert_cmpint (order.hold_us, ==, 0);
  g_assert_true (
      parse (SCALING_ORDER_APPROVAL, "{\"approve\":true}", &order, NULL));
  g_assert_true (order.is_on);
  g_assert_true (parse (SCALING_ORDER_ROLLBACK, NULL, &order, NULL));
  g_assert_true (
      parse (SCALING_ORDER_ROLLBACK, "{\"holdFor\":86400}", &order, NULL));
  g_assert_cmpint (order.hold_us, ==, 86400 * (gint64)G_USEC_PER_SEC);
}

static void
test_bad (void)
{
  static const struct
  {
    ScalingOrderKind kind;
    const char *text, *fault;
  } rows[] = {
    { SCALING_ORDER_ENABLE, NULL, "$: the body is empty" },
    { SCALING_ORDER_ENABLE, "{}", "enabled: is missing" },
    { SCALING_ORDER_ENABLE, "{\"enabled\":1}",
      "enabled: 1 is neither true nor false" },
    { SCALING_ORDER_ENABLE, "{\"enabled\":true,\"force\":1}",
      "$: \"force\" is not known here" },
    { SCALING_ORDER_ENABLE, "[]", "$: [] is no object" },
    { SCALING_ORDER_ENABLE, "{", "$: the text is no JSON" },
    { SCALING_ORDER_ENABLE, "{\"enabled\":true,\"by\":\"a b\"}",
      "by: \"a b\" is no name" },
    { SCALING_ORDER_ENABLE, "{\"enabled\":true,\"reason\":7}",
      "reason: is no text" },
    { SCALING_ORDER_TEST, "{}", "replicas: is missing" },
    { SCALING_ORDER_TEST, "{\"replicas\":-1}",
      "replicas: -1 is not a whole number" },
    { SCALING_ORDER_TEST, "{\"replicas\":1.5}",
      "replicas: 1.5 is not a whole number" },
    { SCALING_ORDER_TEST, "{\"replicas\":65537}",
      "replicas: 65537 is not a whole number" },
    { SCALING_ORDER_TEST, "{\"replicas\":3,\"holdFor\":86401}",
      "holdFor: 86401 is not a whole number" },
    { SCALING_ORDER_APPROVAL, "{\"holdFor\":1}",
      "$: \"holdFor\" is not known here" },
    { SCALING_ORDER_APPROVAL, "{}", "approve: is missing" },
    { SCALING_ORDER_ROLLBACK, "7", "$: 7 is no object" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      ScalingOrder order = { .n_replicas = 77 };

      g_assert_false (parse (rows[i].kind, rows[i].text, &order, &error));
      g_assert_error (error, SCALING_POLICY_ERROR,
                      SCALING_POLICY_ERROR_INVALID);
      g_assert_true (g_str_has_prefix (error->message, rows[i].fault));
      g_assert_cmpuint (order.n_replicas, ==, 77);
    }
}

static void
test_limits (void)
{
  g_autofree char *spaces = g_strnfill (SCALING_ORDER_MAX_BYTES - 2, ' ');
  g_autofree char *fits = g_strconcat ("{", spaces, "}", NULL);
  g_autofree char *too_long = g_strconcat (fits, " ", NULL);
  g_autofree char *words = g_strnfill (SCALING_REASON_MAX_CHARS, 'x');
  g_autofree char *reason = g_strdup_printf ("{\"reason\":\"%s\"}", words);
  g_autofree char *more = g_strdup_printf ("{\"reason\":\"%sx\"}", words);
  ScalingOrder order;

  g_assert_true (parse (SCALING_ORDER_ROLLBACK, fits, &order, NULL));
  g_assert_false (parse (SCALING_ORDER_ROLLBACK, too_long, &order, NULL));
  g_assert_true (parse (SCALING_ORDER_ROLLBACK, reason, &order, NULL));
  g_assert_cmpstr (order.reason, ==, words);
  g_assert_false (parse (SCALING_ORDER_ROLLBACK, more, &order, NULL));
}

static void
test_subtrees (void)
{
  g_assert_cmpuint (scaling_order_count_subtrees (0, 0, 16), ==, 0);
  g_assert_cmpuint (scaling_order_count_subtrees (1, 0, 16), ==, 1);
  g_assert_cmpuint (scaling_order_count_subtrees (17, 0, 16), ==, 2);
  g_assert_cmpuint (scaling_order_count_subtrees (17, 1, 16), ==, 1);
  g_assert_cmpuint (scaling_order_count_subtrees (3, 8, 16), ==, 0);
  g_assert_cmpuint (scaling_order_count_subtrees (3, 0, 0), ==, 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/order/good", test_good);
  g_test_add_func ("/scaling/order/bad", test_bad);
  g_test_add_func ("/scaling/order/limits", test_limits);
  g_test_add_func ("/scaling/order/subtrees", test_subtrees);
  return g_test_run ();
}
