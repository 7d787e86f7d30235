/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingController: the loop: read, understand, decide. */
#include "scaling/controller-private.h"

#include "base/clock.h"
#include "scaling/log.h"

#include <string.h>

#define TICK_MS 1000
/* big trees are read less often: up to 500 nodes each second, 4,096 each 8 */
#define READ_US_PER_NODE (2 * BASE_US_PER_MS)

void
scaling_controller_fail (ScalingController *self, const GError *error)
{
  if (error->domain == CLUSTER_ERROR && error->code < CLUSTER_ERROR_N)
    self->n_failures[error->code]++;
  GST_DEBUG ("the store: %s", error->message);
}

gboolean
scaling_controller_is_leader (ScalingController *self)
{
  return self->config.ledger != NULL
         && cluster_lease_is_valid (
             cluster_ledger_get_lease (self->config.ledger), 0);
}

/* --- trees -------------------------------------------------------------- */

static ScalingTree *
tree_new (ScalingController *self, const char *tree_id)
{
  ScalingTree *tree = g_new0 (ScalingTree, 1);

  tree->controller = self;
  tree->tree_id = g_strdup (tree_id);
  tree->survey = scaling_survey_new (tree_id);
  tree->history = g_new0 (ScalingHistory, 1);
  tree->tape = scaling_tape_new (0);
  scaling_tape_begin (tree->tape);
  return tree;
}

static void
tree_free (gpointer data)
{
  ScalingTree *tree = data;

  cluster_scaling_clear (&tree->scaling);
  cluster_steering_clear (&tree->steering);
  g_clear_pointer (&tree->beats, g_ptr_array_unref);
  g_clear_pointer (&tree->policies, scaling_policies_free);
  scaling_controller_close_sources (tree);
  scaling_survey_free (tree->survey);
  g_free (tree->history);
  scaling_tape_free (tree->tape);
  g_free (tree->fault);
  g_free (tree->asked_text);
  g_free (tree->learned_text);
  g_free (tree->tree_id);
  g_free (tree);
}

static int
compare_trees (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(ScalingTree *const *)a)->tree_id,
                 (*(ScalingTree *const *)b)->tree_id);
}

static ScalingTree *
find_tree (ScalingController *self, const char *tree_id)
{
  for (guint i = 0; i < self->trees->len; i++)
    {
      ScalingTree *tree = self->trees->pdata[i];

      if (strcmp (tree->tree_id, tree_id) == 0)
        return tree;
    }
  return NULL;
}

/* forget: a new leader begins with what it sees itself */
static void
forget (ScalingTree *tree)
{
  memset (tree->history, 0, sizeof *tree->history);
  scaling_tape_begin (tree->tape);
  memset (tree->notes, 0, sizeof tree->notes);
  tree->snapshot = NULL;
  tree->is_acting = tree->is_limited = FALSE;
  tree->reacting_us = 0;
  tree->learning = SCALING_LEARNING_NOTHING;
  tree->learned = (ScalingLearned){ 0 };
  g_clear_pointer (&tree->learned_text, g_free);
  scaling_controller_close_sources (tree);
  scaling_survey_disturb (tree->survey, base_clock_now_us ());
}

/* --- policies ----------------------------------------------------------- */

static guint
to_subtrees (const ScalingPolicy *policy, guint n_egress)
{
  guint per_subtree = MAX (policy->egress_per_subtree, 1);

  return (n_egress + per_subtree - 1) / per_subtree;
}

gboolean
scaling_controller_get_bounds (const ScalingPolicies *policies,
                               const char *tree_id, ClusterPolicy *ret)
{
  const ScalingPolicy *policy =
      scaling_policies_find (policies, SCALING_SERVICE, tree_id);
  guint n_max, n_hard;

  if (policy == NULL)
    return FALSE;
  n_max = policy->max_replicas;
  for (guint i = 0; i < policy->n_schedules; i++)
    n_max = MAX (n_max, policy->schedules[i].min_replicas);
  n_hard = policy->n_max_nodes / (policy->egress_per_subtree + 1);
  ret->min = 0;
  ret->max = MIN (to_subtrees (policy, n_max), n_hard);
  ret->step_out = MAX (policy->max_step, 1);
  ret->step_in = MAX (to_subtrees (policy, policy->scale_down_by), 1);
  ret->cool_out_ms = policy->cooldown_up_us / BASE_US_PER_MS;
  ret->cool_in_ms = policy->cooldown_down_us / BASE_US_PER_MS;
  return TRUE;
}

/* adopt: @policies: (transfer full) */
static void
adopt (ScalingTree *tree, ScalingPolicies *policies)
{
  const ScalingControllerConfig *config = &tree->controller->config;
  const ScalingPolicy *found =
      scaling_policies_find (policies, SCALING_SERVICE, tree->tree_id);

  g_clear_pointer (&tree->policies, scaling_policies_free);
  tree->policies = policies;
  tree->has_policy = found != NULL;
  if (found == NULL)
    return;
  tree->policy = *found;
  if (config->min_replicas > 0)
    tree->policy.min_replicas = config->min_replicas;
  if (config->max_replicas > 0)
    tree->policy.max_replicas = config->max_replicas;
  tree->policy.max_replicas =
      MAX (tree->policy.max_replicas, tree->policy.min_replicas);
  if (config->max_total > 0)
    tree->policy.n_max_nodes =
        MIN (tree->policy.n_max_nodes, config->max_total);
  scaling_tape_set_policy (tree->tape, policies, &tree->policy);
}

static ScalingPolicies *
copy_default (ScalingController *self)
{
  g_autofree char *text = NULL;

  if (self->config.policies == NULL)
    return scaling_policies_new_default ();
  text = json_to_string (self->config.policies->json, FALSE);
  return scaling_policies_parse (text, strlen (text), NULL);
}

/* read_policy: FALSE: nothing to decide by */
static gboolean
read_policy (ScalingTree *tree)
{
  const ClusterPolicy *stored = &tree->scaling.policy;
  g_autoptr (GError) error = NULL;
  ScalingPolicies *policies;

  if (tree->policies != NULL && stored->version == tree->policy_version)
    return tree->has_policy;
  tree->policy_version = stored->version;
  policies = stored->version == 0 || stored->text == NULL
                 ? copy_default (tree->controller)
                 : scaling_policies_parse (stored->text, strlen (stored->text),
                                           &error);
  g_clear_pointer (&tree->fault, g_free);
  if (policies != NULL)
    {
      adopt (tree, policies);
      return tree->has_policy;
    }
  tree->controller->n_failures[SCALING_FAILURE_POLICY]++;
  tree->fault =
      g_strdup_printf ("policy %" G_GUINT64_FORMAT ": %s", stored->version,
                       error != NULL ? error->message : "is not understood");
  GST_WARNING ("tree %s: the policy before stays: %s", tree->tree_id,
               tree->fault);
  if (tree->policies == NULL)
    adopt (tree, copy_default (tree->controller));
  return tree->has_policy;
}

/* --- one tree's turn ---------------------------------------------------- */

static guint
count_elsewhere (const ScalingTree *tree)
{
  GPtrArray *trees = tree->controller->trees;
  guint n = 0;

  for (guint i = 0; i < trees->len; i++)
    {
      const ScalingTree *other = trees->pdata[i];

      if (other != tree && other->is_listed && other->snapshot != NULL)
        n += other->snapshot->n_nodes;
    }
  return n;
}

static void
observe_reaction (ScalingTree *tree)
{
  double us = (double)(tree->snapshot->now_us - tree->reacting_us);

  if (tree->reacting_us == 0 || tree->snapshot->n_serving < tree->n_reacting)
    return;
  base_histogram_observe (tree->controller->reaction_seconds,
                          us / BASE_US_PER_S);
  tree->reacting_us = 0;
}

/* take_slots: the driver's last step is a second old: as old as heartbeats.
 * While it rests heartbeats alone count. */
static void
take_slots (ScalingTree *tree)
{
  ScalingSubtreesDriver *subtrees = tree->controller->subtrees;
  const ScalingSubtreesSummary *summary =
      subtrees != NULL && tree->is_acting
          ? scaling_subtrees_driver_get_summary (subtrees, tree->tree_id)
          : NULL;

  tree->is_limited = summary != NULL && summary->is_limited;
  if (summary != NULL)
    scaling_survey_take_slots (tree->survey, summary);
}

gboolean
scaling_tree_may_act (const ScalingTree *tree)
{
  return scaling_controller_is_enabled (tree->controller)
         && !tree->controller->config.is_dry_run && tree->policy.is_enabled;
}

/* carry_out: what is desired, when the store says something of it, with as many
 * warm slots as the decision asks for. Whoever was stopped begins with what is
 * there: what it remembers is of another time. */
static void
carry_out (ScalingTree *tree)
{
  ScalingController *self = tree->controller;
  ScalingPolicy policy = tree->policy;
  ScalingSubtreesView view = {
    .tree_id = tree->tree_id,
    .policy = &policy,
    .n_desired = tree->scaling.n_desired,
    .beats = tree->beats,
    .n_nodes_elsewhere = tree->snapshot->n_nodes_elsewhere,
    .now_us = tree->snapshot->now_us,
    .now_wall_ms = tree->scaling.now_wall_ms,
  };
  gboolean is_acting = self->subtrees != NULL && scaling_tree_may_act (tree)
                       && tree->scaling.version > 0;

  policy.n_warm = tree->decision.n_warm;
  if (is_acting != tree->is_acting && self->subtrees != NULL)
    scaling_subtrees_driver_forget (self->subtrees);
  tree->is_acting = is_acting;
  if (is_acting)
    scaling_subtrees_driver_take (self->subtrees, &view);
}

static void
take_turn (ScalingTree *tree)
{
  if (!read_policy (tree))
    {
      tree->controller->n_failures[SCALING_FAILURE_POLICY]++;
      return;
    }
  scaling_controller_read_sources (tree, base_clock_now_us ());
  scaling_controller_learn (tree);
  tree->snapshot = scaling_survey_take (
      tree->survey, tree->beats, &tree->scaling, count_elsewhere (tree),
      base_clock_now_us (), base_clock_wall_us ());
  take_slots (tree);
  scaling_decide (&tree->policy, tree->snapshot, tree->history,
                  &tree->decision);
  scaling_tape_add (tree->tape, tree->snapshot, &tree->decision);
  tree->n_decisions[tree->decision.action]++;
  /* half a tick early, so that it is this tick or that one */
  tree->next_us = tree->snapshot->now_us
                  + tree->snapshot->n_nodes * READ_US_PER_NODE
                  - TICK_MS * BASE_US_PER_MS / 2;
  observe_reaction (tree);
  scaling_controller_act (tree);
  carry_out (tree);
}

/* --- reading ------------------------------------------------------------ */

static void
take_answer (ScalingTree *tree, const GError *error)
{
  if (error != NULL)
    {
      tree->is_failed = TRUE;
      scaling_controller_fail (tree->controller, error);
    }
  if (--tree->n_due > 0)
    return;
  if (!tree->is_failed && tree->is_listed
      && scaling_controller_is_leader (tree->controller))
    take_turn (tree);
  g_clear_pointer (&tree->beats, g_ptr_array_unref);
}

static void
on_scaling (const ClusterScaling *scaling, const GError *error, gpointer data)
{
  ScalingTree *tree = data;

  if (scaling != NULL)
    cluster_scaling_copy (scaling, &tree->scaling);
  take_answer (tree, error);
}

/* The switch is of all trees, whichever is read. */
static void
on_steering (const ClusterSteering *steering, const GError *error,
             gpointer data)
{
  ScalingTree *tree = data;
  ScalingController *self = tree->controller;

  if (steering != NULL)
    {
      cluster_steering_copy (steering, &tree->steering);
      self->has_switch = steering->version > 0;
      self->is_on = steering->is_on;
    }
  take_answer (tree, error);
}

static void
on_beats (GPtrArray *rows, const GError *error, gpointer data)
{
  ScalingTree *tree = data;

  g_clear_pointer (&tree->beats, g_ptr_array_unref);
  tree->beats = rows != NULL ? g_ptr_array_ref (rows) : NULL;
  take_answer (tree, error);
}

void
scaling_controller_read_tree (ScalingTree *tree)
{
  ClusterLedger *ledger = tree->controller->config.ledger;

  if (tree->n_due > 0)
    {
      tree->controller->n_failures[SCALING_FAILURE_LATE]++;
      return;
    }
  if (base_clock_now_us () < tree->next_us)
    return;
  tree->n_due = 3;
  tree->is_failed = FALSE;
  cluster_ledger_read_scaling (ledger, tree->tree_id, on_scaling, tree);
  cluster_ledger_read_steering (ledger, tree->tree_id, on_steering, tree);
  cluster_ledger_read_beats (ledger, tree->tree_id, on_beats, tree);
}

/* A tree that nobody is in any more is forgotten once its answers are here. */
static void
drop_unlisted (ScalingController *self)
{
  for (guint i = self->trees->len; i-- > 0;)
    {
      ScalingTree *tree = self->trees->pdata[i];

      if (!tree->is_listed && tree->n_due == 0 && !tree->is_asking
          && !tree->is_putting && !tree->is_proposing && tree->n_told == 0)
        g_ptr_array_remove_index (self->trees, i);
    }
}

static void
on_trees (const char *const *trees, const GError *error, gpointer data)
{
  ScalingController *self = data;

  self->is_reading = FALSE;
  if (error != NULL)
    {
      scaling_controller_fail (self, error);
      return;
    }
  for (guint i = 0; i < self->trees->len; i++)
    ((ScalingTree *)self->trees->pdata[i])->is_listed = FALSE;
  for (; *trees != NULL; trees++)
    {
      ScalingTree *tree = find_tree (self, *trees);

      if (tree == NULL)
        {
          tree = tree_new (self, *trees);
          g_ptr_array_add (self->trees, tree);
        }
      tree->is_listed = TRUE;
    }
  g_ptr_array_sort (self->trees, compare_trees);
  drop_unlisted (self);
  for (guint i = 0; i < self->trees->len; i++)
    if (((ScalingTree *)self->trees->pdata[i])->is_listed)
      scaling_controller_read_tree (self->trees->pdata[i]);
}

/* see_term: the store has another master, which may have lost writes */
static void
see_term (ScalingController *self)
{
  guint64 term =
      cluster_lease_get_term (cluster_ledger_get_lease (self->config.ledger));

  if (term != self->term)
    scaling_controller_disturb (self);
  self->term = term;
}

static gboolean
on_tick (gpointer data)
{
  ScalingController *self = data;

  if (!scaling_controller_is_leader (self))
    return G_SOURCE_CONTINUE;
  see_term (self);
  if (self->is_reading)
    {
      self->n_failures[SCALING_FAILURE_LATE]++;
      return G_SOURCE_CONTINUE;
    }
  self->is_reading = TRUE;
  cluster_ledger_read_trees (self->config.ledger, on_trees, self);
  return G_SOURCE_CONTINUE;
}

/* --- life --------------------------------------------------------------- */

ScalingController *
scaling_controller_new (const ScalingControllerConfig *config)
{
  ScalingController *self = g_new0 (ScalingController, 1);

  self->config = *config;
  self->trees = g_ptr_array_new_with_free_func (tree_free);
  if (config->metrics != NULL)
    scaling_controller_add_metrics (self);
  if (config->ledger != NULL)
    self->tick_id = g_timeout_add (TICK_MS, on_tick, self);
  return self;
}

void
scaling_controller_free (ScalingController *self)
{
  g_return_if_fail (self != NULL);

  g_clear_handle_id (&self->tick_id, g_source_remove);
  g_ptr_array_unref (self->trees);
  g_clear_pointer (&self->config.policies, scaling_policies_free);
  g_free (self->provisioner);
  g_free (self);
}

void
scaling_controller_set_provisioner (ScalingController *self, const char *kind)
{
  g_free (self->provisioner);
  self->provisioner = g_strdup (kind);
}

void
scaling_controller_set_subtrees (ScalingController *self,
                                 ScalingSubtreesDriver *subtrees)
{
  self->subtrees = subtrees;
}

void
scaling_controller_on_served (const char *tree_id, gboolean is_warm, gint64 us,
                              gpointer data)
{
  ScalingController *self = data;
  BaseHistogram *seconds = self->provision_seconds[is_warm ? 0 : 1];
  ScalingTree *tree = find_tree (self, tree_id);

  if (tree != NULL)
    scaling_learned_add_lead (&tree->learned, is_warm, us);
  if (seconds != NULL)
    base_histogram_observe (seconds, (double)us / BASE_US_PER_S);
}

GBytes *
scaling_controller_dup_record (ScalingController *self, const char *tree_id)
{
  ScalingTree *tree = find_tree (self, tree_id);

  return tree != NULL && scaling_tape_get_n_ticks (tree->tape) > 0
             ? scaling_tape_dup_bytes (tree->tape)
             : NULL;
}

gboolean
scaling_controller_is_enabled (ScalingController *self)
{
  return self->has_switch ? self->is_on : self->config.is_enabled;
}

void
scaling_controller_leader_changed (ScalingController *self, gboolean is_leader)
{
  for (guint i = 0; i < self->trees->len; i++)
    forget (self->trees->pdata[i]);
  if (self->subtrees != NULL)
    scaling_subtrees_driver_forget (self->subtrees);
  if (is_leader)
    on_tick (self);
}

void
scaling_controller_disturb (ScalingController *self)
{
  for (guint i = 0; i < self->trees->len; i++)
    scaling_survey_disturb (((ScalingTree *)self->trees->pdata[i])->survey,
                            base_clock_now_us ());
}
