/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingController: where the signals of a tree's policy come from beside
 * heartbeats: the nodes, and a Prometheus. They are asked while this node leads
 * and the policy says so.
 */
#include "scaling/controller-private.h"

#include "scaling/log.h"

static guint
get_signals (const ScalingPolicy *policy, ScalingSource source)
{
  guint signals = 0;

  for (guint i = 0; i < policy->n_metrics; i++)
    if (policy->metrics[i].source == source)
      signals |= 1u << policy->metrics[i].signal;
  return signals;
}

static void
open_peers (ScalingTree *tree)
{
  const ScalingControllerConfig *config = &tree->controller->config;
  guint signals = get_signals (&tree->policy, SCALING_SOURCE_PEERS);

  if (signals
      == (tree->peers != NULL ? scaling_peers_get_signals (tree->peers) : 0))
    return;
  scaling_survey_set_peers (tree->survey, NULL);
  g_clear_pointer (&tree->peers, scaling_peers_free);
  if (signals == 0)
    return;
  tree->peers = scaling_peers_new (config->metrics_token, signals, 0);
  scaling_survey_set_peers (tree->survey, tree->peers);
}

static void
open_prometheus (ScalingTree *tree)
{
  ScalingController *self = tree->controller;
  guint signals = get_signals (&tree->policy, SCALING_SOURCE_PROMETHEUS);

  if (self->config.prometheus.url == NULL)
    {
      if (signals != 0 && !tree->has_missed)
        GST_WARNING ("tree %s: its policy asks for Prometheus, and there is no "
                     "prometheus-url: those metrics stay unknown",
                     tree->tree_id);
      tree->has_missed = signals != 0;
      return;
    }
  if (signals
      == (tree->prometheus != NULL
              ? scaling_prometheus_get_signals (tree->prometheus)
              : 0))
    return;
  g_clear_pointer (&tree->prometheus, scaling_prometheus_free);
  scaling_survey_set_external (tree->survey, NULL);
  if (signals != 0)
    tree->prometheus = scaling_prometheus_new (
        &self->config.prometheus, tree->tree_id, signals, self->n_prometheus);
}

void
scaling_controller_read_sources (ScalingTree *tree, gint64 now_us)
{
  ScalingReading readings[SCALING_SIGNAL_N];

  open_peers (tree);
  open_prometheus (tree);
  if (tree->peers != NULL)
    scaling_peers_follow (tree->peers, tree->beats);
  if (tree->prometheus == NULL)
    return;
  scaling_prometheus_read (tree->prometheus, now_us, readings);
  scaling_survey_set_external (tree->survey, readings);
}

void
scaling_controller_close_sources (ScalingTree *tree)
{
  scaling_survey_set_peers (tree->survey, NULL);
  scaling_survey_set_external (tree->survey, NULL);
  g_clear_pointer (&tree->peers, scaling_peers_free);
  g_clear_pointer (&tree->prometheus, scaling_prometheus_free);
}
