/* SPDX-License-Identifier: Apache-2.0 */
/* What all provisioners have in common, with a kind that answers when told. */
#include "scaling/provisioner.h"

#include <string.h>

#include "provision-wait.h"
#include "scaling/provisioner-private.h"

typedef struct
{
  ScalingProvisioner base;
  GPtrArray *begun; /* (element-type ScalingProvisionCall) each a reference */
  gboolean answers_at_once;
} Slow;

static void
slow_begin (ScalingProvisioner *base, ScalingProvisionCall *call)
{
  Slow *self = (Slow *)base;

  /* until the test finishes it, the reference is kept there */
  g_ptr_array_add (self->begun, call);
  if (self->answers_at_once)
    scaling_provision_call_finish (scaling_provision_call_ref (call), NULL);
}

static void
slow_free (ScalingProvisioner *base)
{
  g_ptr_array_unref (((Slow *)base)->begun);
}

static const ScalingProvisionClass slow_class = { .kind = "slow",
                                                  .begin = slow_begin,
                                                  .free = slow_free };

static Slow *
slow_new (gboolean answers_at_once)
{
  Slow *self = g_new0 (Slow, 1);

  scaling_provisioner_init (&self->base, &slow_class);
  self->begun = g_ptr_array_new_with_free_func (
      (GDestroyNotify)scaling_provision_call_unref);
  self->answers_at_once = answers_at_once;
  return self;
}

static const ScalingSpec spec = { .role = "egress", .tree_id = "main" };

/* --- tokens -------------------------------------------------------------- */

static void
test_token_order (void)
{
  static const char *const rising[] = { "0:1:a:x",  "0:2:a:x", "0:2:b:x",
                                        "0:10:a:x", "1:0:a:x", "1:3:a:xy" };

  for (guint i = 0; i < G_N_ELEMENTS (rising); i++)
    for (guint k = 0; k < G_N_ELEMENTS (rising); k++)
      {
        ScalingToken a = told_token (rising[i]), b = told_token (rising[k]);
        int order = scaling_token_compare (&a, &b);
        g_assert_cmpint ((order > 0) - (order < 0), ==, (i > k) - (i < k));
      }
}

static void
test_token_bad (void)
{
  static const char *const bad[] = {
    "",          "1",         "1:2",
    "1:2:",      "1:2:n",     ":2:n:x",
    "a:2:n:x",   "-1:2:n:x",  "1: 2:n:x",
    "1:2:n x:y", "1:2::x",    "1:2:n\n:x",
    "1:2:n:x:y", "1:2:n:x/y", "99999999999999999999:1:n:x"
  };
  g_autofree char *longest = g_strnfill (SCALING_TOKEN_MAX_CHARS - 6, 'n');
  g_autofree char *fits = g_strconcat ("1:2:n:", longest, NULL);
  g_autofree char *exceeds = g_strconcat ("1:2:n:", longest, "n", NULL);
  ScalingToken none = { 0 }, token = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (scaling_token_parse (bad[i], &token));
  g_assert_false (scaling_token_parse (NULL, &token));
  g_assert_cmpstr (token.text, ==, "");
  g_assert_true (scaling_token_parse (fits, &token));
  g_assert_false (scaling_token_parse (exceeds, &token));
  g_assert_cmpint (scaling_token_compare (&none, &token), <, 0);
  g_assert_cmpint (scaling_token_compare (&none, &none), ==, 0);
}

/* --- names --------------------------------------------------------------- */

static void
assert_name (const char *tree, const char *expected)
{
  g_autofree char *name = scaling_provision_dup_name (tree, 3, 2, "e11");

  g_assert_true (scaling_provision_name_is_valid (name));
  if (expected != NULL)
    g_assert_cmpstr (name, ==, expected);
}

static void
test_names (void)
{
  g_autofree char *a64 = g_strnfill (64, 'a'), *b64 = g_strnfill (64, 'b');
  g_autofree char *upper = scaling_provision_dup_name ("Main", 0, 0, "r");
  g_autofree char *lower = scaling_provision_dup_name ("main", 0, 0, "r");
  g_autofree char *dot = scaling_provision_dup_name ("ma.in", 0, 0, "r");
  g_autofree char *dash = scaling_provision_dup_name ("ma-in", 0, 0, "r");
  g_autofree char *largest =
      scaling_provision_dup_name (a64, G_MAXUINT, G_MAXUINT, "e15");

  assert_name ("main", "mt-main-s3-g2-e11");
  assert_name ("..", NULL);
  assert_name ("-_-", NULL);
  assert_name (a64, NULL);
  assert_name (b64, NULL);
  g_assert_cmpstr (upper, !=, lower);
  g_assert_cmpstr (dot, !=, dash);
  g_assert_true (scaling_provision_name_is_valid (largest));
  g_assert_false (scaling_provision_name_is_valid (NULL));
  g_assert_false (scaling_provision_name_is_valid ("../x"));
  g_assert_false (scaling_provision_name_is_valid ("-x"));
  g_assert_false (scaling_provision_name_is_valid (a64));
}

/* A place that goes moves only those that were there. */
static void
test_placement (void)
{
  static const char *const places[] = { "a", "b", "c", "d" };
  guint n_at[4] = { 0 };

  for (guint i = 0; i < 400; i++)
    {
      g_autofree char *name = scaling_provision_dup_name ("main", i, 1, "r");
      guint all = scaling_provision_place (name, places, 4);
      guint fewer = scaling_provision_place (name, places, 3);

      n_at[all]++;
      if (all < 3)
        g_assert_cmpuint (fewer, ==, all);
    }
  for (guint i = 0; i < 4; i++)
    g_assert_cmpuint (n_at[i], >, 60);
}

/* --- calls --------------------------------------------------------------- */

static void
test_fencing (void)
{
  Slow *slow = slow_new (TRUE);
  Told told = { 0 };

  g_assert_cmpstr (told_ensure (&told, &slow->base, "a", &spec, "0:7:n:x"), ==,
                   "");
  g_assert_cmpstr (told_ensure (&told, &slow->base, "a", &spec, "0:7:n:x"), ==,
                   "");
  g_assert_cmpstr (told_ensure (&told, &slow->base, "a", &spec, "0:6:n:x"), ==,
                   "fenced");
  g_assert_cmpint (scaling_provision_error_get_retry_us (told.error), ==, -1);
  g_assert_cmpstr (told_remove (&told, &slow->base, "a", "main", 0, "0:6:n:x"),
                   ==, "fenced");
  g_assert_cmpuint (slow->begun->len, ==, 2);
  /* seen on an instance */
  scaling_provisioner_note_token (&slow->base, "1:1:m:x");
  g_assert_cmpstr (told_ensure (&told, &slow->base, "a", &spec, "0:8:n:x"), ==,
                   "fenced");
  told_clear (&told);
  scaling_provisioner_free (&slow->base);
}

static void
test_one_call_a_name (void)
{
  Slow *slow = slow_new (FALSE);
  ScalingToken token = told_token ("0:1:n:x");
  Told first = { 0 }, second = { 0 }, other = { 0 };

  scaling_provisioner_ensure (&slow->base, "a", &spec, &token, told_on_done,
                              &first);
  g_assert_cmpstr (told_ensure (&second, &slow->base, "a", &spec, "0:1:n:x"),
                   ==, "busy");
  g_assert_cmpint (scaling_provision_error_get_retry_us (second.error), >, 0);
  scaling_provisioner_ensure (&slow->base, "b", &spec, &token, told_on_done,
                              &other);
  g_assert_cmpuint (slow->begun->len, ==, 2);
  scaling_provision_call_finish (slow->begun->pdata[0], NULL);
  g_ptr_array_steal_index (slow->begun, 0);
  WAIT_FOR (first.n_done > 0);
  g_assert_no_error (first.error);
  /* who is still waited for learns that nobody does it any more */
  g_assert_cmpuint (other.n_done, ==, 0);
  scaling_provisioner_free (&slow->base);
  g_assert_cmpuint (other.n_done, ==, 1);
  g_assert_cmpstr (told_get_name (&other), ==, "cancelled");
  told_clear (&second);
  told_clear (&other);
}

static void
test_deadline (void)
{
  Slow *slow = slow_new (FALSE);
  Told told = { 0 };
  ScalingProvisionCall *call;

  scaling_provisioner_set_deadline_us (&slow->base, 20000);
  g_assert_cmpstr (told_ensure (&told, &slow->base, "a", &spec, "0:1:n:x"), ==,
                   "timeout");
  g_assert_cmpint (scaling_provision_error_get_retry_us (told.error), >=, 0);
  call = slow->begun->pdata[0];
  g_assert_true (g_cancellable_is_cancelled (call->cancellable));
  g_assert_true (scaling_provision_call_is_over (call));
  /* its late answer reaches nobody */
  scaling_provision_call_finish (g_ptr_array_steal_index (slow->begun, 0),
                                 NULL);
  g_assert_cmpuint (told.n_done, ==, 1);
  /* and the name is free again */
  slow->answers_at_once = TRUE;
  scaling_provisioner_set_deadline_us (&slow->base, G_USEC_PER_SEC * 60);
  g_assert_cmpstr (told_ensure (&told, &slow->base, "a", &spec, "0:1:n:x"), ==,
                   "");
  told_clear (&told);
  scaling_provisioner_free (&slow->base);
}

static void
test_limit (void)
{
  Slow *slow = slow_new (FALSE);
  ScalingToken token = told_token ("0:1:n:x");
  Told told = { 0 }, last = { 0 };

  for (guint i = 0; i < SCALING_PROVISION_MAX_CALLS; i++)
    {
      g_autofree char *name = scaling_provision_dup_name ("main", i, 1, "r");
      scaling_provisioner_ensure (&slow->base, name, &spec, &token,
                                  told_on_done, &told);
    }
  g_assert_cmpuint (slow->begun->len, ==, SCALING_PROVISION_MAX_CALLS);
  g_assert_cmpstr (told_ensure (&last, &slow->base, "a", &spec, "0:1:n:x"), ==,
                   "limit");
  g_assert_cmpuint (slow->begun->len, ==, SCALING_PROVISION_MAX_CALLS);
  scaling_provisioner_free (&slow->base);
  g_assert_cmpuint (told.n_done, ==, SCALING_PROVISION_MAX_CALLS);
  told_clear (&told);
  told_clear (&last);
}

static void
test_bad_specs (void)
{
  static const char *const no_dashes[] = { "x=1", NULL };
  static const char *const no_equals[] = { "--x", NULL };
  static const char *const no_name[] = { "=x", NULL };
  const ScalingSpec bad[] = {
    { .role = "", .tree_id = "main" },
    { .role = "egress", .tree_id = "" },
    { .role = "egress", .tree_id = "main", .args = no_dashes },
    { .role = "egress", .tree_id = "main", .args = no_equals },
    { .role = "egress", .tree_id = "main", .env = no_name },
    { .role = "egress", .tree_id = "main", .labels = no_equals },
  };
  Slow *slow = slow_new (TRUE);
  Told told = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_cmpstr (told_ensure (&told, &slow->base, "a", &bad[i], "0:1:n:x"),
                     ==, "refused");
  g_assert_cmpstr (told_ensure (&told, &slow->base, "A/b", &spec, "0:1:n:x"),
                   ==, "refused");
  g_assert_cmpuint (slow->begun->len, ==, 0);
  told_clear (&told);
  scaling_provisioner_free (&slow->base);
}

/* What names an instance cannot be said by the caller's own labels. */
static void
test_labels (void)
{
  static const char *const labels[] = { "mt.token=9:9:z:z", "team=a=b", NULL };
  const ScalingSpec labelled = { .role = "egress",
                                 .tree_id = "main",
                                 .ordinal = 4,
                                 .gen = 2,
                                 .labels = labels };
  Slow *slow = slow_new (TRUE);
  Told told = { 0 };
  ScalingProvisionCall *call;

  g_assert_cmpstr (told_ensure (&told, &slow->base, "a", &labelled, "0:1:n:x"),
                   ==, "");
  call = slow->begun->pdata[0];
  g_assert_cmpstr (scaling_provision_call_get_label (call, "mt.token"), ==,
                   "0:1:n:x");
  g_assert_cmpstr (scaling_provision_call_get_label (call, "team"), ==, "a=b");
  g_assert_cmpstr (scaling_provision_call_get_label (call, "mt.ordinal"), ==,
                   "4");
  g_assert_cmpstr (scaling_provision_call_get_label (call, "mt.gen"), ==, "2");
  told_clear (&told);
  scaling_provisioner_free (&slow->base);
}

static void
test_describe (void)
{
  Slow *slow = slow_new (TRUE);
  Told told = { 0 };
  g_autoptr (JsonNode) root = NULL;
  JsonObject *object, *row;

  scaling_provisioner_set_cost_per_hour (&slow->base, 0.25);
  told_ensure (&told, &slow->base, "a", &spec, "0:2:n:x");
  told_ensure (&told, &slow->base, "a", &spec, "0:1:n:x");
  root = scaling_provisioner_describe (&slow->base);
  object = json_node_get_object (root);
  row = json_object_get_object_member (
      json_object_get_object_member (object, "calls"), "ensure");
  g_assert_cmpstr (json_object_get_string_member (object, "kind"), ==, "slow");
  g_assert_cmpstr (json_object_get_string_member (object, "token"), ==,
                   "0:2:n:x");
  g_assert_cmpfloat (json_object_get_double_member (object, "cost_per_hour"),
                     ==, 0.25);
  g_assert_cmpint (json_object_get_int_member (row, "calls"), ==, 2);
  g_assert_cmpint (json_object_get_int_member (row, "fenced"), ==, 1);
  told_clear (&told);
  scaling_provisioner_free (&slow->base);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/token/order", test_token_order);
  g_test_add_func ("/token/bad", test_token_bad);
  g_test_add_func ("/names", test_names);
  g_test_add_func ("/placement", test_placement);
  g_test_add_func ("/calls/fencing", test_fencing);
  g_test_add_func ("/calls/one-a-name", test_one_call_a_name);
  g_test_add_func ("/calls/deadline", test_deadline);
  g_test_add_func ("/calls/limit", test_limit);
  g_test_add_func ("/calls/bad-specs", test_bad_specs);
  g_test_add_func ("/calls/labels", test_labels);
  g_test_add_func ("/describe", test_describe);
  return g_test_run ();
}
