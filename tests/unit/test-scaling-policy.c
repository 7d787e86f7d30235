/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingPolicies: what is read, and where a bad text's fault is. */
#include <string.h>

#include "scaling/policy.h"

#define MINUTE_US (60 * (gint64)G_USEC_PER_SEC)
/* 2026-11-21, a Saturday, 00:00 UTC */
#define SATURDAY_S G_GINT64_CONSTANT (1795219200)

#define HEAD                                                                   \
  "{\"policies\":[{\"name\":\"a\",\"service\":\"egress\",\"minReplicas\":1,"   \
  "\"maxReplicas\":9"
#define TAIL "}]}"

static ScalingPolicies *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  ScalingPolicies *policies =
      scaling_policies_parse (text, strlen (text), &error);

  g_assert_no_error (error);
  return policies;
}

static void
test_default (void)
{
  g_autoptr (ScalingPolicies) policies = scaling_policies_new_default ();
  const ScalingPolicy *policy =
      scaling_policies_find (policies, "egress", "main");
  guint weights = 0, down = 0;

  g_assert_nonnull (policy);
  g_assert_cmpuint (policy->min_replicas, ==, 8);
  g_assert_cmpuint (policy->n_max_nodes, ==, 100);
  g_assert_cmpint (policy->cooldown_up_us, ==, 5 * MINUTE_US);
  g_assert_cmpint (policy->cooldown_down_us, ==, 10 * MINUTE_US);
  g_assert_cmpuint (policy->n_warm, ==, 1);
  g_assert_cmpuint (policy->n_cold, ==, 2);
  for (guint i = 0; i < policy->n_metrics; i++)
    weights += policy->metrics[i].weight;
  for (guint i = 0; i < policy->n_thresholds; i++)
    down += policy->thresholds[i].down_weight;
  g_assert_cmpuint (weights, ==, 3 + 3 + 2 + 2 + 4);
  g_assert_cmpuint (down, ==, 2 + 2 + 1 + 1);
  g_assert_null (scaling_policies_find (policies, "relay", "main"));
}

static void
test_values (void)
{
  g_autoptr (ScalingPolicies) policies = parse (
      "{\"approval\":\"manual\",\"hardLimit\":7,\"egressPerSubtree\":2,"
      "\"slots\":{\"warm\":3,\"coldLead\":1.5},\"policies\":["
      "{\"name\":\"a\",\"service\":\"egress\",\"minReplicas\":1,"
      "\"maxReplicas\":9.0,\"cooldownPeriod\":20,\"enabled\":false,"
      "\"evaluationInterval\":5,\"headroom\":25,\"settle\":2.5,\"metrics\":[{"
      "\"name\":\"v\","
      "\"type\":\"viewers\",\"aggregation\":\"p95\",\"source\":\"prometheus\","
      "\"window\":0.5,\"weight\":4}],\"thresholds\":[{\"metric\":\"v\","
      "\"scaleUp\":50,\"comparison\":\"percentage_change\"}]},"
      "{\"name\":\"b\",\"service\":\"egress\",\"tree\":\"t\","
      "\"minReplicas\":0,\"maxReplicas\":0}]}");
  const ScalingPolicy *policy = scaling_policies_find (policies, "egress", "x");

  g_assert_cmpuint (policies->n_policies, ==, 2);
  g_assert_cmpstr (policy->name, ==, "a");
  g_assert_cmpint (policy->approval, ==, SCALING_APPROVAL_MANUAL);
  g_assert_cmpuint (policy->n_max_nodes, ==, 7);
  g_assert_cmpuint (policy->egress_per_subtree, ==, 2);
  g_assert_cmpuint (policy->n_warm, ==, 3);
  g_assert_cmpint (policy->cold_lead_us, ==, 1500000);
  g_assert_cmpuint (policy->max_replicas, ==, 9);
  g_assert_cmpint (policy->cooldown_up_us, ==, 20000000);
  g_assert_cmpint (policy->cooldown_down_us, ==, 20000000);
  g_assert_false (policy->is_enabled);
  g_assert_cmpint (policy->evaluation_us, ==, 5000000);
  g_assert_cmpfloat (policy->headroom_ratio, ==, 0.25);
  g_assert_cmpint (policy->settle_us, ==, 2500000);
  g_assert_cmpint (policies->policies[1].settle_us, ==, MINUTE_US);
  g_assert_cmpint (policy->metrics[0].window_us, ==, MINUTE_US / 2);
  g_assert_cmpint (policy->metrics[0].source, ==, SCALING_SOURCE_PROMETHEUS);
  g_assert_cmpint (policy->thresholds[0].comparison, ==,
                   SCALING_PERCENTAGE_CHANGE);
  g_assert_true (policy->thresholds[0].has_up);
  g_assert_false (policy->thresholds[0].has_down);
  /* a tree's own comes first */
  g_assert_cmpstr (scaling_policies_find (policies, "egress", "t")->name, ==,
                   "b");
}

#define METRIC ",\"metrics\":[{\"name\":\"c\",\"type\":\"cpu\"}]"
#define SCHEDULE(rest)                                                         \
  HEAD ",\"schedules\":[{\"name\":\"s\",\"minReplicas\":3," rest "}]" TAIL

static const struct
{
  const char *text, *fault;
} faults[] = {
  { "", "$: the text is empty" },
  { "[]", "$: [] is no object" },
  { "{", "$: the text is no JSON: " },
  { "{\"policies\":[[[[[[[[[", "$: the text is nested more than 8 deep" },
  { "{}", "policies: is missing" },
  { "{\"policies\":[]}", "policies: is no array of 1 to 16" },
  { "{\"policies\":[3]}", "policies[0]: 3 is no object" },
  { "{\"policies\":[{}]}", "policies[0].name: is missing" },
  { "{\"other\":1,\"policies\":[]}", "$: \"other\" is not known here" },
  { "{\"hardLimit\":0,\"policies\":[]}",
    "hardLimit: 0 is not a whole number from 1 to 65536" },
  { "{\"slots\":{\"warm\":1.5},\"policies\":[]}",
    "slots.warm: 1.5 is not a whole number from 0 to 256" },
  { HEAD ",\"x\":1" TAIL, "policies[0]: \"x\" is not known here" },
  { HEAD ",\"enabled\":1" TAIL, "policies[0].enabled: 1 is neither true nor" },
  { HEAD ",\"minReplicas\":10" TAIL,
    "policies[0].minReplicas: 10 is more than maxReplicas, 9" },
  { HEAD ",\"minReplicas\":\"2\"" TAIL,
    "policies[0].minReplicas: \"2\" is not a whole number from 0 to 65536" },
  { HEAD ",\"cooldownPeriod\":{\"scaleUp\":1}" TAIL,
    "policies[0].cooldownPeriod.scaleDown: is missing" },
  { HEAD ",\"cooldownPeriod\":-1" TAIL,
    "policies[0].cooldownPeriod: -1 is not a whole number from 0 to 86400" },
  { HEAD ",\"name\":\"a b\"" TAIL, "policies[0].name: \"a b\" is no name" },
  { HEAD ",\"metrics\":{}" TAIL,
    "policies[0].metrics: is no array of at most 16" },
  { HEAD ",\"metrics\":[{\"name\":\"c\",\"type\":\"gpu\"}]" TAIL,
    "policies[0].metrics[0].type: \"gpu\" is not one of cpu, memory, ports" },
  { HEAD ",\"metrics\":[{\"name\":\"c\",\"type\":\"cpu\"},"
         "{\"name\":\"c\",\"type\":\"cpu\"}]" TAIL,
    "policies[0].metrics[1].name: \"c\" is the name of metrics[0] too" },
  { HEAD METRIC ",\"thresholds\":[{\"metric\":\"c\",\"scaleUp\":1,"
                "\"comparison\":\"bigger\"}]" TAIL,
    "policies[0].thresholds[0].comparison: \"bigger\" is not one of "
    "greater_than, less_than, percentage_change" },
  { HEAD METRIC ",\"thresholds\":[{\"metric\":\"d\",\"scaleUp\":1,"
                "\"comparison\":\"less_than\"}]" TAIL,
    "policies[0].thresholds[0].metric: \"d\" is the name of no metric" },
  { HEAD METRIC ",\"thresholds\":[{\"metric\":\"c\","
                "\"comparison\":\"less_than\"}]" TAIL,
    "policies[0].thresholds[0].scaleUp: is missing, and scaleDown too" },
  { HEAD METRIC ",\"thresholds\":[{\"metric\":\"c\",\"scaleUp\":1,"
                "\"comparison\":\"percentage_change\"}]" TAIL,
    "policies[0].thresholds[0].comparison: percentage_change needs a metric" },
  { HEAD METRIC ",\"thresholds\":[{\"metric\":\"c\",\"scaleUp\":1,"
                "\"scaleDownRequired\":true,"
                "\"comparison\":\"less_than\"}]" TAIL,
    "policies[0].thresholds[0].scaleDownRequired: is true, and there is no" },
  { SCHEDULE ("\"start\":\"19:00\""), "policies[0].schedules[0].end: is miss" },
  { SCHEDULE ("\"start\":\"24:00\",\"end\":\"01:00\""),
    "policies[0].schedules[0].start: \"24:00\" is neither HH:MM nor" },
  { SCHEDULE ("\"start\":\"2026-02-30T00:00:00Z\",\"end\":\"01:00\""),
    "policies[0].schedules[0].start: \"2026-02-30T00:00:00Z\" is neither" },
  { SCHEDULE ("\"start\":\"2026-02-03T00:00:00Z\",\"end\":\"01:00\""),
    "policies[0].schedules[0].end: is not of the same kind as start" },
  { SCHEDULE ("\"start\":\"2026-02-03T00:00:00Z\","
              "\"end\":\"2026-02-03T00:00:00Z\""),
    "policies[0].schedules[0].end: is not after start" },
  { SCHEDULE ("\"start\":\"01:00\",\"end\":\"02:00\",\"days\":[\"mon\",3]"),
    "policies[0].schedules[0].days[1]: 3 is not one of mon, tue" },
  { "{\"policies\":[{\"name\":\"a\",\"service\":\"e\",\"minReplicas\":0,"
    "\"maxReplicas\":0},{\"name\":\"a\",\"service\":\"f\",\"minReplicas\":0,"
    "\"maxReplicas\":0}]}",
    "policies[1].name: \"a\" is the name of policies[0] too" },
};

static void
assert_fault (const char *text, gsize n_bytes, const char *fault)
{
  g_autoptr (GError) error = NULL;
  ScalingPolicies *policies = scaling_policies_parse (text, n_bytes, &error);

  g_assert_null (policies);
  g_assert_error (error, SCALING_POLICY_ERROR, SCALING_POLICY_ERROR_INVALID);
  if (!g_str_has_prefix (error->message, fault))
    g_error ("%.200s\n  says %s\n  not  %s", text, error->message, fault);
}

static void
test_faults (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    assert_fault (faults[i].text, strlen (faults[i].text), faults[i].fault);
}

static void
test_bounds (void)
{
  g_autoptr (GString) text = g_string_new ("{\"policies\":[");
  g_autofree char *blank = g_strnfill (SCALING_POLICY_MAX_BYTES + 1, ' ');

  assert_fault (blank, SCALING_POLICY_MAX_BYTES + 1,
                "$: the text has more than 65536 bytes");
  assert_fault (blank, SCALING_POLICY_MAX_BYTES, "$: the text is empty");
  for (guint i = 0; i < SCALING_MAX_POLICIES; i++)
    g_string_append_printf (text,
                            "%s{\"name\":\"p%u\",\"service\":\"egress\","
                            "\"minReplicas\":0,\"maxReplicas\":1}",
                            i > 0 ? "," : "", i);
  {
    g_autofree char *full = g_strconcat (text->str, "]}", NULL);
    g_autofree char *over = g_strconcat (text->str, ",{}]}", NULL);
    g_autoptr (ScalingPolicies) policies = parse (full);

    g_assert_cmpuint (policies->n_policies, ==, SCALING_MAX_POLICIES);
    assert_fault (over, strlen (over), "policies: is no array of 1 to 16");
  }
  assert_fault ("{\"policies\":\"\xff\"}", 15, "$: the text is not UTF");
  assert_fault ("{}\0{}", 5, "$: the text is not UTF");
}

static void
test_schedules (void)
{
  g_autoptr (ScalingPolicies) policies =
      parse (HEAD ",\"schedules\":["
                  "{\"name\":\"night\",\"minReplicas\":3,\"start\":\"22:00\","
                  "\"end\":\"02:00\",\"days\":[\"sat\"]},"
                  "{\"name\":\"once\",\"minReplicas\":3,"
                  "\"start\":\"2026-11-21T10:00:00Z\","
                  "\"end\":\"2026-11-22T10:00:00Z\"},"
                  "{\"name\":\"daily\",\"minReplicas\":3,\"start\":\"10:00\","
                  "\"end\":\"10:01\"}]" TAIL);
  const ScalingSchedule *all = policies->policies[0].schedules;
  const struct
  {
    guint schedule;
    gint64 hours, minutes;
    gboolean is_on;
  } rows[] = {
    { 0, 21, 59, FALSE }, { 0, 22, 0, TRUE },  { 0, 25, 59, TRUE },
    { 0, 26, 0, FALSE },  { 0, 1, 0, FALSE },  { 0, 22 + 24, 0, FALSE },
    { 1, 9, 59, FALSE },  { 1, 10, 0, TRUE },  { 1, 33, 59, TRUE },
    { 1, 34, 0, FALSE },  { 2, 9, 59, FALSE }, { 2, 10, 0, TRUE },
    { 2, 10, 1, FALSE },  { 2, 34, 0, TRUE },
  };

  g_assert_cmpuint (policies->policies[0].n_schedules, ==, 3);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpint (scaling_schedule_is_on (&all[rows[i].schedule],
                                             SATURDAY_S + rows[i].hours * 3600
                                                 + rows[i].minutes * 60),
                     ==, rows[i].is_on);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/policy/default", test_default);
  g_test_add_func ("/scaling/policy/values", test_values);
  g_test_add_func ("/scaling/policy/faults", test_faults);
  g_test_add_func ("/scaling/policy/bounds", test_bounds);
  g_test_add_func ("/scaling/policy/schedules", test_schedules);
  return g_test_run ();
}
