/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingSimulation: the traces that ship, and what decisions are to do with
 * them. Pure computation: the same figures on every machine.
 */
#include <string.h>

#include "scaling/simulate.h"

#define TRACES SCALING_DIR "/traces/"

typedef struct
{
  ScalingPolicies *policies; /* owned */
  const ScalingPolicy *policy;
  ScalingTrace *trace; /* owned */
  ScalingSimulateOptions options;
} Case;

static void
case_clear (Case *self)
{
  scaling_policies_free (self->policies);
  scaling_trace_free (self->trace);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Case, case_clear)

/* load: a trace with the policy for large trees */
static Case
load (const char *name)
{
  g_autofree char *path = g_strconcat (TRACES, name, NULL);
  g_autofree char *text = NULL, *json = NULL;
  g_autoptr (GError) error = NULL;
  Case self = { 0 };
  gsize n_bytes;

  g_file_get_contents (TRACES "large.json", &json, &n_bytes, &error);
  g_assert_no_error (error);
  self.policies = scaling_policies_parse (json, n_bytes, &error);
  g_assert_no_error (error);
  g_file_get_contents (path, &text, &n_bytes, &error);
  g_assert_no_error (error);
  self.trace = scaling_trace_parse (text, n_bytes, &error);
  g_assert_no_error (error);
  self.policy = scaling_policies_find (self.policies, "egress", "main");
  self.options = scaling_simulate_default (self.policy);
  return self;
}

static ScalingSimulation *
run (const Case *self)
{
  ScalingSimulation *result =
      scaling_simulate (self->policy, self->trace, &self->options);

  g_test_message ("over %.4f under %.4f short %.4f wait %.3f s, %u out, %u in, "
                  "%u turns, %u subtrees",
                  result->over_ratio, result->under_ratio,
                  result->under_time_ratio, result->wait_s, result->n_out,
                  result->n_in, result->n_turns_10min, result->n_most);
  return result;
}

/* 1.1 million a minute, 2 warm slots, 12 s for a cold one. */
static void
test_million (void)
{
  g_auto (Case) self = load ("million.csv");
  g_autoptr (ScalingSimulation) result = run (&self);

  g_assert_cmpuint (self.options.n_warm, ==, 2);
  g_assert_cmpfloat (self.options.cold_lead_s, ==, 12);
  g_assert_cmpfloat (result->peak_viewers, ==, 1e6);
  g_assert_cmpfloat (result->wait_s, <=, 5);
  g_assert_cmpfloat (result->over_ratio, <=, 0.5);
  g_assert_cmpuint (result->n_turns_10min, <=, 1);
}

static void
test_crowd (void)
{
  g_auto (Case) self = load ("crowd.csv");
  g_autoptr (ScalingSimulation) result = run (&self);

  g_assert_cmpfloat (result->wait_s, ==, 0);
  g_assert_cmpfloat (result->under_ratio, ==, 0);
}

static void
test_push (void)
{
  g_auto (Case) self = load ("push.csv");
  g_autoptr (ScalingSimulation) result = run (&self);

  g_assert_cmpfloat (result->wait_s, <=, 3);
  g_assert_cmpuint (result->n_turns_10min, <=, 1);
}

static void
test_oscillating (void)
{
  g_auto (Case) self = load ("oscillating.csv");
  g_autoptr (ScalingSimulation) result = run (&self);

  g_assert_cmpfloat (result->over_ratio, <=, 0.6);
  g_assert_cmpfloat (result->wait_s, <=, 0.1);
  g_assert_cmpuint (result->n_turns_10min, <=, 1);
}

static void
test_day (void)
{
  g_auto (Case) self = load ("day.csv");
  g_autoptr (ScalingSimulation) result = run (&self);

  g_assert_cmpfloat (result->under_ratio, <=, 0.001);
  g_assert_cmpfloat (result->over_ratio, <=, 1);
  g_assert_cmpuint (result->n_turns_10min, <=, 1);
  g_assert_cmpuint (result->n_in, >, 10);
}

/* One subtree a second is too slow: the figures can tell. */
static void
test_slow_steps (void)
{
  g_auto (Case) self = load ("million.csv");
  g_autoptr (ScalingSimulation) result = NULL;
  ScalingPolicy policy = *self.policy;

  policy.max_step = 1;
  self.policy = &policy;
  result = run (&self);
  g_assert_cmpfloat (result->wait_s, >, 20);
}

static void
test_svg (void)
{
  g_auto (Case) self = load ("day.csv");
  g_autoptr (ScalingSimulation) result = run (&self);
  g_autofree char *svg = scaling_simulation_to_svg (result, "<b> & \"quotes\"");
  g_autoptr (GMarkupParseContext) context = NULL;
  g_autoptr (GError) error = NULL;
  const GMarkupParser nothing = { 0 };
  g_auto (GStrv) titles = g_strsplit (svg, "<title>", -1);

  context = g_markup_parse_context_new (&nothing, 0, NULL, NULL);
  g_markup_parse_context_parse (context, svg, -1, &error);
  g_assert_no_error (error);
  g_markup_parse_context_end_parse (context, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length (titles) - 1, ==, result->moves->len);
  g_assert_nonnull (strstr (svg, "&lt;b&gt; &amp; &quot;quotes&quot;"));
  g_assert_nonnull (strstr (svg, "time, hours"));
  g_assert_cmpuint (strlen (svg), <, 400000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/simulate/million", test_million);
  g_test_add_func ("/scaling/simulate/crowd", test_crowd);
  g_test_add_func ("/scaling/simulate/push", test_push);
  g_test_add_func ("/scaling/simulate/oscillating", test_oscillating);
  g_test_add_func ("/scaling/simulate/day", test_day);
  g_test_add_func ("/scaling/simulate/slow-steps", test_slow_steps);
  g_test_add_func ("/scaling/simulate/svg", test_svg);
  return g_test_run ();
}
