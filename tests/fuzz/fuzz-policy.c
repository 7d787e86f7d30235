/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes policies: what is accepted keeps its bounds, and decides; what is not
 * has an error with a path.
 */
#include <stdint.h>

#include "scaling/decide.h"

static void
check_policy (const ScalingPolicy *policy)
{
  if (policy->min_replicas > policy->max_replicas
      || policy->max_replicas > SCALING_MAX_REPLICAS
      || policy->n_metrics > SCALING_MAX_METRICS
      || policy->n_thresholds > SCALING_MAX_THRESHOLDS
      || policy->n_schedules > SCALING_MAX_SCHEDULES
      || policy->egress_per_subtree < 1 || policy->evaluation_us <= 0
      || policy->max_step < 1 || !(policy->headroom_ratio >= 0))
    g_error ("a bad policy came through");
  for (guint i = 0; i < policy->n_thresholds; i++)
    if (policy->thresholds[i].metric >= policy->n_metrics)
      g_error ("a threshold of no metric came through");
}

static void
decide (const ScalingPolicy *policy)
{
  ScalingNode node = { .node_id = "a",
                       .roles = CLUSTER_ROLE_EGRESS,
                       .is_fresh = TRUE,
                       .n_viewers = 5000,
                       .n_slots = 100,
                       .cpu_ratio = 0.9 };
  ScalingSnapshot snapshot = { .now_us = 1,
                               .now_wall_s = 1795219200,
                               .tree_id = "main",
                               .n_nodes = 1,
                               .nodes = &node,
                               .disturbed_us = G_MININT64 };
  static ScalingHistory history;
  ScalingDecision decision;
  guint n_min, n_max;

  history = (ScalingHistory){ 0 };
  scaling_decide_bounds (policy, &snapshot, &n_min, &n_max);
  for (guint i = 0; i < 3; i++)
    {
      snapshot.now_us += G_USEC_PER_SEC;
      scaling_decide (policy, &snapshot, &history, &decision);
      if (n_min > n_max || decision.n_wanted > MAX (n_max, 0))
        g_error ("%u wanted of %u to %u", decision.n_wanted, n_min, n_max);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ScalingPolicies) policies =
      scaling_policies_parse ((const char *)data, len, &error);

  if ((policies == NULL) != (error != NULL))
    g_error ("neither policies nor an error");
  if (policies == NULL)
    return 0;
  if (policies->n_policies < 1 || policies->n_policies > SCALING_MAX_POLICIES)
    g_error ("%u policies came through", policies->n_policies);
  for (guint i = 0; i < policies->n_policies; i++)
    {
      check_policy (&policies->policies[i]);
      decide (&policies->policies[i]);
    }
  return 0;
}
