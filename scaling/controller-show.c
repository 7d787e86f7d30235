/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingController: metrics and JSON. */
#include "scaling/controller-private.h"

#include "base/clock.h"
#include "base/json.h"

static const char *const result_names[] = { "done", "refused", "dry_run",
                                            "approval" };

/* --- words -------------------------------------------------------------- */

const char *
scaling_controller_get_why (ScalingController *self)
{
  if (self->config.ledger == NULL)
    return self->provisioner == NULL
               ? "there is no redis-url: this machine is alone, and nothing "
                 "scales"
               : "there is no redis-url: what the provisioner would start "
                 "could not join this machine, and nothing scales";
  if (!scaling_controller_is_leader (self))
    return "another node leads, or none: this one decides nothing";
  if (!scaling_controller_is_enabled (self))
    return "autoscaling is off: decisions are only shown";
  if (self->config.is_dry_run)
    return "dry run: decisions go to the audit, and nothing is asked for";
  if (self->provisioner == NULL)
    return "there is no provisioner: what is desired is written down, and "
           "nothing is started";
  return "";
}

/* get_why: of one tree; the first that is true */
static const char *
get_why (const ScalingTree *tree)
{
  const char *why = scaling_controller_get_why (tree->controller);

  if (*why != '\0')
    return why;
  if (!tree->has_policy)
    return "no policy is for the tree's egress nodes";
  if (!tree->policy.is_enabled)
    return "the tree's policy is not enabled: decisions are only shown";
  if (tree->is_limited)
    return "hardLimit or max-total-replicas: the nodes of all trees are as "
           "many as may be";
  return "";
}

static void
add_decision (JsonBuilder *json, const ScalingDecision *decision)
{
  base_json_add_text (json, "action",
                      scaling_action_get_name (decision->action));
  base_json_add_text (json, "urgency",
                      scaling_urgency_get_name (decision->urgency));
  base_json_add_int (json, "wanted", decision->n_wanted);
  base_json_add_double (json, "confidence", decision->confidence);
  base_json_add_int (json, "score_up", decision->score_up);
  base_json_add_int (json, "score_down", decision->score_down);
  base_json_add_double (json, "need", decision->need);
  base_json_add_double (json, "joins_per_second", decision->joins_per_s);
  base_json_add_int (json, "slots", decision->n_slots_total);
  base_json_add_bool (json, "needs_approval", decision->needs_approval);
  base_json_add_text (json, "reason", decision->reason);
}

/* add_signals: what is not known is null, not 0 */
static void
add_signals (JsonBuilder *json, const ScalingDecision *decision)
{
  json_builder_set_member_name (json, "signals");
  json_builder_begin_object (json);
  for (guint i = 0; i < SCALING_SIGNAL_N; i++)
    if (decision->readings[i].is_known)
      base_json_add_double (json, scaling_signal_get_name ((ScalingSignal)i),
                            decision->readings[i].value);
    else
      base_json_add_text (json, scaling_signal_get_name ((ScalingSignal)i),
                          NULL);
  json_builder_end_object (json);
}

char *
scaling_tree_describe_change (const ScalingTree *tree, const char *outcome)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (json);
  base_json_add_text (json, "outcome", outcome);
  base_json_add_int (json, "before", tree->snapshot->n_desired);
  base_json_add_int (json, "after", tree->decision.n_wanted);
  base_json_add_int (json, "serving", tree->snapshot->n_serving);
  base_json_add_int (json, "egress",
                     scaling_survey_get_n_egress (tree->survey));
  base_json_add_int (json, "viewers",
                     scaling_survey_get_n_viewers (tree->survey));
  base_json_add_int (json, "policy", (gint64)tree->policy_version);
  add_decision (json, &tree->decision);
  add_signals (json, &tree->decision);
  json_builder_end_object (json);
  root = json_builder_get_root (json);
  return json_to_string (root, FALSE);
}

static void
add_controller (JsonBuilder *json, ScalingController *self, const char *why)
{
  base_json_add_bool (json, "enabled", scaling_controller_is_enabled (self));
  base_json_add_bool (json, "dry_run", self->config.is_dry_run);
  base_json_add_text (json, "provisioner", self->provisioner);
  base_json_add_text (json, "why", why);
}

/* add_limits: what may be asked for, and what counts against hardLimit */
static void
add_limits (JsonBuilder *json, const ScalingTree *tree)
{
  guint n_min, n_max;

  scaling_decide_bounds (&tree->policy, tree->snapshot, &n_min, &n_max);
  base_json_add_int (json, "max_subtrees", n_max);
  base_json_add_int (json, "max_nodes", tree->policy.n_max_nodes);
  base_json_add_int (json, "nodes", tree->snapshot->n_nodes);
  base_json_add_int (json, "nodes_elsewhere",
                     tree->snapshot->n_nodes_elsewhere);
  base_json_add_bool (json, "limited", tree->is_limited);
}

static void
add_tree (JsonBuilder *json, const ScalingTree *tree)
{
  json_builder_begin_object (json);
  base_json_add_text (json, "tree", tree->tree_id);
  base_json_add_int (json, "policy", (gint64)tree->policy_version);
  base_json_add_text (json, "policy_fault", tree->fault);
  add_controller (json, tree->controller, get_why (tree));
  if (tree->snapshot != NULL)
    {
      base_json_add_int (json, "evaluated_s", tree->snapshot->now_wall_s);
      base_json_add_int (json, "desired", tree->snapshot->n_desired);
      base_json_add_int (json, "serving", tree->snapshot->n_serving);
      base_json_add_int (json, "starting", tree->snapshot->n_starting);
      base_json_add_int (json, "draining", tree->snapshot->n_draining);
      base_json_add_int (json, "warm", tree->snapshot->n_warm);
      add_limits (json, tree);
      base_json_add_int (json, "egress",
                         scaling_survey_get_n_egress (tree->survey));
      base_json_add_int (json, "static",
                         scaling_survey_get_n_static (tree->survey));
      base_json_add_int (json, "viewers",
                         scaling_survey_get_n_viewers (tree->survey));
      add_decision (json, &tree->decision);
      add_signals (json, &tree->decision);
    }
  json_builder_end_object (json);
}

char *
scaling_tree_describe (const ScalingTree *tree)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  add_tree (json, tree);
  root = json_builder_get_root (json);
  return json_to_string (root, FALSE);
}

JsonNode *
scaling_controller_describe (ScalingController *self)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();

  json_builder_begin_object (json);
  add_controller (json, self, scaling_controller_get_why (self));
  json_builder_set_member_name (json, "trees");
  json_builder_begin_array (json);
  for (guint i = 0; i < self->trees->len; i++)
    add_tree (json, self->trees->pdata[i]);
  json_builder_end_array (json);
  json_builder_end_object (json);
  return json_builder_get_root (json);
}

/* --- metrics ------------------------------------------------------------ */

static void
write_labelled (BaseMetricsWriter *writer, const ScalingTree *tree,
                const char *name, const char *type, const char *help,
                const char *key, const char *value, double number)
{
  g_autofree char *labels = base_metrics_label ("tree", tree->tree_id);

  if (key != NULL)
    {
      g_autofree char *more = base_metrics_label (key, value);
      char *both = g_strconcat (labels, ",", more, NULL);

      g_free (labels);
      labels = both;
    }
  base_metrics_write (writer, name, type, help, labels, number);
}

static void
write_gauge (BaseMetricsWriter *writer, const ScalingTree *tree,
             const char *name, const char *help, double number)
{
  write_labelled (writer, tree, name, "gauge", help, NULL, NULL, number);
}

static void
write_subtrees (BaseMetricsWriter *writer, const ScalingTree *tree)
{
  const ScalingSnapshot *snapshot = tree->snapshot;
  const struct
  {
    const char *state;
    guint n;
  } rows[] = {
    { "desired", snapshot->n_desired },    { "serving", snapshot->n_serving },
    { "wanted", tree->decision.n_wanted }, { "starting", snapshot->n_starting },
    { "draining", snapshot->n_draining },  { "warm", snapshot->n_warm }
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    write_labelled (writer, tree, "media_tree_scaling_subtrees", "gauge",
                    "Subtrees of egress nodes, by state", "state",
                    rows[i].state, rows[i].n);
}

static void
write_decision (BaseMetricsWriter *writer, const ScalingTree *tree)
{
  const ScalingDecision *decision = &tree->decision;
  static const char *const help =
      "How much speaks for more (of 15) or fewer (of 7) nodes";

  write_labelled (writer, tree, "media_tree_scaling_score", "gauge", help,
                  "direction", "up", decision->score_up);
  write_labelled (writer, tree, "media_tree_scaling_score", "gauge", help,
                  "direction", "down", decision->score_down);
  write_gauge (writer, tree, "media_tree_scaling_confidence_ratio",
               "How sure the last decision is", decision->confidence);
  write_gauge (writer, tree, "media_tree_scaling_egress_nodes",
               "Egress nodes whose heartbeat is there",
               scaling_survey_get_n_egress (tree->survey));
  write_gauge (writer, tree, "media_tree_scaling_need",
               "Viewers to have room for when what is started now serves",
               decision->need);
  write_gauge (writer, tree, "media_tree_scaling_slots",
               "Viewers that fit on the nodes that serve",
               decision->n_slots_total);
  write_gauge (writer, tree, "media_tree_scaling_joins_per_second",
               "Attempts to join less leaves: the trend",
               decision->joins_per_s);
}

static void
write_counters (BaseMetricsWriter *writer, ScalingController *self)
{
  for (guint action = SCALING_OUT; action < SCALING_N_ACTIONS; action++)
    for (guint result = 0; result < SCALING_RESULT_N; result++)
      {
        g_autofree char *labels =
            g_strdup_printf ("action=\"%s\",result=\"%s\"",
                             scaling_action_get_name ((ScalingAction)action),
                             result_names[result]);

        base_metrics_write (writer, "media_tree_scaling_actions_total",
                            "counter",
                            "Changes that were to be made, by what came of it",
                            labels, (double)self->n_results[action][result]);
      }
  for (guint i = 0; i < SCALING_FAILURE_N; i++)
    {
      static const char *const own[] = { "policy", "late", "not_durable" };
      g_autofree char *label = base_metrics_label (
          "reason", i < CLUSTER_ERROR_N
                        ? cluster_error_get_name ((ClusterError)i)
                        : own[i - CLUSTER_ERROR_N]);

      base_metrics_write (writer, "media_tree_scaling_failures_total",
                          "counter", "What the leader could not do", label,
                          (double)self->n_failures[i]);
    }
}

static void
write_sources (BaseMetricsWriter *writer, ScalingController *self)
{
  for (guint i = 0; i < SCALING_PROMETHEUS_N_RESULTS; i++)
    {
      g_autofree char *label = base_metrics_label (
          "result",
          scaling_prometheus_result_get_name ((ScalingPrometheusResult)i));

      base_metrics_write (writer, "media_tree_scaling_prometheus_queries_total",
                          "counter",
                          "What Prometheus was asked, by what came of it",
                          label, (double)self->n_prometheus[i]);
    }
}

static void
collect (BaseMetricsWriter *writer, gpointer data)
{
  ScalingController *self = data;
  gboolean is_leader = scaling_controller_is_leader (self);

  base_metrics_write (writer, "media_tree_scaling_enabled", "gauge",
                      "Whether this node, when it leads, acts on decisions",
                      NULL, scaling_controller_is_enabled (self));
  write_counters (writer, self);
  write_sources (writer, self);
  for (guint i = 0; i < self->trees->len; i++)
    {
      const ScalingTree *tree = self->trees->pdata[i];

      for (guint k = 0; k < SCALING_N_ACTIONS; k++)
        write_labelled (writer, tree, "media_tree_scaling_decisions_total",
                        "counter", "Decisions made, one a second", "action",
                        scaling_action_get_name ((ScalingAction)k),
                        (double)tree->n_decisions[k]);
      /* what another leader sees now is not ours to say */
      if (!is_leader || tree->snapshot == NULL)
        continue;
      write_subtrees (writer, tree);
      write_decision (writer, tree);
    }
}

void
scaling_controller_add_metrics (ScalingController *self)
{
  static const double bounds[] = {
    0.5, 1, 2, 3, 5, 8, 12, 20, 30, 60, 120, 300
  };
  static const char *const pools[] = { "pool=\"warm\"", "pool=\"cold\"" };
  BaseMetrics *metrics = self->config.metrics;

  self->reaction_seconds = base_metrics_add_histogram (
      metrics, "media_tree_scaling_reaction_seconds", NULL,
      "From the decision for more until that many subtrees serve", bounds,
      G_N_ELEMENTS (bounds));
  for (guint i = 0; i < G_N_ELEMENTS (pools); i++)
    self->provision_seconds[i] = base_metrics_add_histogram (
        metrics, "media_tree_scaling_provision_seconds", pools[i],
        "From asking for a subtree until it serves", bounds,
        G_N_ELEMENTS (bounds));
  base_metrics_add_collector (metrics, collect, self);
}
