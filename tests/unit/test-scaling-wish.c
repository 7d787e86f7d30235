/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of the autoscaling API: good, and named faults. */
#include "scaling/wish.h"

#include <string.h>

static gboolean
parse (ScalingWishKind kind, const char *text, ScalingWish *ret, GError **error)
{
  return scaling_wish_parse (kind, text, text != NULL ? strlen (text) : 0, ret,
                             error);
}

static void
test_good (void)
{
  ScalingWish wish;

  g_assert_true (parse (SCALING_WISH_ENABLE,
                        "{\"enabled\":true,\"by\":\"anna\",\"reason\":\"x\"}",
                        &wish, NULL));
  g_assert_true (wish.is_on);
  g_assert_cmpstr (wish.by, ==, "anna");
  g_assert_cmpstr (wish.reason, ==, "x");
  g_assert_true (
      parse (SCALING_WISH_ENABLE, "{\"enabled\":false}", &wish, NULL));
  g_assert_false (wish.is_on);
  g_assert_cmpstr (wish.by, ==, "");
  g_assert_true (parse (SCALING_WISH_TEST, "{\"replicas\":3}", &wish, NULL));
  g_assert_cmpuint (wish.n_replicas, ==, 3);
  g_assert_cmpint (wish.hold_us, ==, SCALING_WISH_HOLD_S * G_USEC_PER_SEC);
  g_assert_true (
      parse (SCALING_WISH_TEST, "{\"replicas\":0,\"holdFor\":0}", &wish, NULL));
  g_assert_cmpint (wish.hold_us, ==, 0);
  g_assert_true (
      parse (SCALING_WISH_APPROVAL, "{\"approve\":true}", &wish, NULL));
  g_assert_true (wish.is_on);
  g_assert_true (parse (SCALING_WISH_ROLLBACK, NULL, &wish, NULL));
  g_assert_true (
      parse (SCALING_WISH_ROLLBACK, "{\"holdFor\":86400}", &wish, NULL));
  g_assert_cmpint (wish.hold_us, ==, 86400 * (gint64)G_USEC_PER_SEC);
}

static void
test_bad (void)
{
  static const struct
  {
    ScalingWishKind kind;
    const char *text, *fault;
  } rows[] = {
    { SCALING_WISH_ENABLE, NULL, "$: the body is empty" },
    { SCALING_WISH_ENABLE, "{}", "enabled: is missing" },
    { SCALING_WISH_ENABLE, "{\"enabled\":1}",
      "enabled: 1 is neither true nor false" },
    { SCALING_WISH_ENABLE, "{\"enabled\":true,\"force\":1}",
      "$: \"force\" is not known here" },
    { SCALING_WISH_ENABLE, "[]", "$: [] is no object" },
    { SCALING_WISH_ENABLE, "{", "$: the text is no JSON" },
    { SCALING_WISH_ENABLE, "{\"enabled\":true,\"by\":\"a b\"}",
      "by: \"a b\" is no name" },
    { SCALING_WISH_ENABLE, "{\"enabled\":true,\"reason\":7}",
      "reason: is no text" },
    { SCALING_WISH_TEST, "{}", "replicas: is missing" },
    { SCALING_WISH_TEST, "{\"replicas\":-1}",
      "replicas: -1 is not a whole number" },
    { SCALING_WISH_TEST, "{\"replicas\":1.5}",
      "replicas: 1.5 is not a whole number" },
    { SCALING_WISH_TEST, "{\"replicas\":65537}",
      "replicas: 65537 is not a whole number" },
    { SCALING_WISH_TEST, "{\"replicas\":3,\"holdFor\":86401}",
      "holdFor: 86401 is not a whole number" },
    { SCALING_WISH_APPROVAL, "{\"holdFor\":1}",
      "$: \"holdFor\" is not known here" },
    { SCALING_WISH_APPROVAL, "{}", "approve: is missing" },
    { SCALING_WISH_ROLLBACK, "7", "$: 7 is no object" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      ScalingWish wish = { .n_replicas = 77 };

      g_assert_false (parse (rows[i].kind, rows[i].text, &wish, &error));
      g_assert_error (error, SCALING_POLICY_ERROR,
                      SCALING_POLICY_ERROR_INVALID);
      g_assert_true (g_str_has_prefix (error->message, rows[i].fault));
      g_assert_cmpuint (wish.n_replicas, ==, 77);
    }
}

static void
test_limits (void)
{
  g_autofree char *spaces = g_strnfill (SCALING_WISH_MAX_BYTES - 2, ' ');
  g_autofree char *fits = g_strconcat ("{", spaces, "}", NULL);
  g_autofree char *too_long = g_strconcat (fits, " ", NULL);
  g_autofree char *words = g_strnfill (SCALING_REASON_MAX_CHARS, 'x');
  g_autofree char *reason = g_strdup_printf ("{\"reason\":\"%s\"}", words);
  g_autofree char *more = g_strdup_printf ("{\"reason\":\"%sx\"}", words);
  ScalingWish wish;

  g_assert_true (parse (SCALING_WISH_ROLLBACK, fits, &wish, NULL));
  g_assert_false (parse (SCALING_WISH_ROLLBACK, too_long, &wish, NULL));
  g_assert_true (parse (SCALING_WISH_ROLLBACK, reason, &wish, NULL));
  g_assert_cmpstr (wish.reason, ==, words);
  g_assert_false (parse (SCALING_WISH_ROLLBACK, more, &wish, NULL));
}

static void
test_subtrees (void)
{
  g_assert_cmpuint (scaling_wish_count_subtrees (0, 0, 16), ==, 0);
  g_assert_cmpuint (scaling_wish_count_subtrees (1, 0, 16), ==, 1);
  g_assert_cmpuint (scaling_wish_count_subtrees (17, 0, 16), ==, 2);
  g_assert_cmpuint (scaling_wish_count_subtrees (17, 1, 16), ==, 1);
  g_assert_cmpuint (scaling_wish_count_subtrees (3, 8, 16), ==, 0);
  g_assert_cmpuint (scaling_wish_count_subtrees (3, 0, 0), ==, 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/wish/good", test_good);
  g_test_add_func ("/scaling/wish/bad", test_bad);
  g_test_add_func ("/scaling/wish/limits", test_limits);
  g_test_add_func ("/scaling/wish/subtrees", test_subtrees);
  return g_test_run ();
}
