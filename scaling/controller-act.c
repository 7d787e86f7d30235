/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingController: what follows from a decision: a change of what is desired,
 * or a note in the audit why there is none.
 */
#include "scaling/controller-private.h"

#include "base/clock.h"
#include "base/json.h"
#include "scaling/log.h"

#include <string.h>

#define BYTES_PER_MB (1024 * 1024)
#define TELL_MS                                                                \
  10000 /* a decision is shown so long past the next one's time                \
         */

/* --- notes -------------------------------------------------------------- */

/* note: the same again only after a minute */
static void
note (ScalingTree *tree, ScalingNoteKind kind, const char *outcome)
{
  static const char *const names[] = { "hold", "dry-run", "refused" };
  ScalingNote *last = &tree->notes[kind];
  gint64 now_us = base_clock_now_us ();
  g_autofree char *text = NULL;

  if (last->at_us != 0 && last->n_wanted == tree->decision.n_wanted
      && now_us - last->at_us < SCALING_NOTE_AGAIN_US)
    return;
  last->at_us = now_us;
  last->n_wanted = tree->decision.n_wanted;
  text = scaling_tree_describe_change (tree, outcome);
  cluster_ledger_audit (tree->controller->config.ledger, tree->tree_id,
                        names[kind], NULL, text, NULL, NULL);
  if (kind != SCALING_NOTE_HOLD)
    GST_INFO ("tree %s: %s: %s", tree->tree_id, outcome, tree->decision.reason);
}

/* --- the policy's first copy in the store --------------------------------- */

static void
on_put (guint64 version, gboolean is_durable, const GError *error,
        gpointer data)
{
  ScalingTree *tree = data;

  tree->is_putting = FALSE;
  if (error != NULL)
    scaling_controller_fail (tree->controller, error);
}

/* put_policy: what the store enforces must be there first */
static void
put_policy (ScalingTree *tree)
{
  ClusterPolicy policy = { .by = (char *)"default" };
  g_autofree char *text = json_to_string (tree->policies->json, FALSE);

  if (tree->is_putting
      || !scaling_controller_get_bounds (tree->policies, tree->tree_id,
                                         &policy))
    return;
  policy.text = text;
  tree->is_putting = TRUE;
  cluster_ledger_put_policy (tree->controller->config.ledger, tree->tree_id,
                             &policy, on_put, tree);
}

/* --- what is desired ---------------------------------------------------- */

static void
count (ScalingTree *tree, ScalingAction action, ScalingResult result)
{
  tree->controller->n_results[action][result]++;
}

/* set_asked: what is asked for now, until it is answered */
static void
set_asked (ScalingTree *tree, const char *outcome)
{
  g_free (tree->asked_text);
  tree->asked_text = scaling_tree_describe_change (tree, outcome);
}

static void
notify (ScalingTree *tree, const char *event)
{
  scaling_notifier_send (tree->controller->config.notifier, event,
                         tree->tree_id, tree->asked_text);
}

static void
on_desired (guint64 version, gboolean is_durable, const GError *error,
            gpointer data)
{
  ScalingTree *tree = data;
  ScalingController *self = tree->controller;

  tree->is_asking = FALSE;
  if (error != NULL)
    {
      scaling_controller_fail (self, error);
      count (tree, tree->asked, SCALING_RESULT_REFUSED);
      if (tree->reacting_us == tree->asked_us)
        tree->reacting_us = 0;
      if (tree->snapshot != NULL && scaling_controller_is_leader (self))
        note (tree, SCALING_NOTE_REFUSED, error->message);
      return;
    }
  count (tree, tree->asked, SCALING_RESULT_DONE);
  notify (tree, "desire");
  if (!is_durable)
    self->n_failures[SCALING_FAILURE_NOT_DURABLE]++;
  GST_INFO ("tree %s: %s", tree->tree_id, tree->decision.reason);
  /* carried out at once: who is refused waits for it */
  tree->next_us = 0;
  scaling_controller_read_tree (tree);
}

static void
desire (ScalingTree *tree)
{
  const ScalingDecision *decision = &tree->decision;
  ClusterCause cause =
      decision->is_floor ? CLUSTER_CAUSE_THRESHOLD : CLUSTER_CAUSE_DEMAND;

  set_asked (tree, "asked");
  tree->is_asking = TRUE;
  tree->asked = decision->action;
  tree->asked_us = base_clock_now_us ();
  if (decision->action == SCALING_OUT && tree->reacting_us == 0)
    {
      tree->reacting_us = tree->asked_us;
      tree->n_reacting = decision->n_wanted;
    }
  cluster_ledger_desire (tree->controller->config.ledger, tree->tree_id,
                         tree->scaling.version, decision->n_wanted, cause,
                         decision->reason, tree->asked_text, on_desired, tree);
}

/* --- what a person is asked --------------------------------------------- */

static void
on_proposed (guint64 is_new, gboolean is_durable, const GError *error,
             gpointer data)
{
  ScalingTree *tree = data;
  ScalingController *self = tree->controller;

  tree->is_proposing = FALSE;
  if (error != NULL)
    scaling_controller_fail (self, error);
  else if (is_new > 0)
    {
      count (tree, tree->asked, SCALING_RESULT_APPROVAL);
      notify (tree, "propose");
      GST_INFO ("tree %s: waits for approval: %s", tree->tree_id,
                tree->decision.reason);
    }
}

/* is_proposed: it waits, or somebody said no and has not been asked long ago */
static gboolean
is_proposed (const ScalingTree *tree)
{
  const ClusterProposal *proposal = &tree->steering.proposal;
  guint n_before = tree->scaling.version > 0 ? tree->scaling.n_desired : 0;

  return (proposal->state == CLUSTER_PROPOSAL_WAITING
          || proposal->state == CLUSTER_PROPOSAL_REJECTED)
         && proposal->version == tree->scaling.version
         && (proposal->n_after > proposal->n_before)
                == (tree->decision.n_wanted > n_before)
         && proposal->end_wall_ms > tree->steering.now_wall_ms;
}

static void
propose (ScalingTree *tree)
{
  if (tree->is_proposing || tree->is_asking || is_proposed (tree))
    return;
  set_asked (tree, "waits for approval");
  tree->is_proposing = TRUE;
  tree->asked = tree->decision.action;
  cluster_ledger_propose (tree->controller->config.ledger, tree->tree_id,
                          tree->scaling.version, tree->decision.n_wanted,
                          SCALING_PROPOSAL_MS, tree->decision.reason,
                          tree->asked_text, on_proposed, tree);
}

/* --- what all nodes can show -------------------------------------------- */

static void
on_told (const GError *error, gpointer data)
{
  ScalingTree *tree = data;

  tree->n_told--;
  tree->is_telling = FALSE;
  if (error != NULL)
    scaling_controller_fail (tree->controller, error);
}

static void
tell (ScalingTree *tree)
{
  g_autofree char *text = NULL;
  gint64 until_ms =
      (tree->next_us - tree->snapshot->now_us) / BASE_US_PER_MS + TELL_MS;

  if (tree->is_telling)
    return;
  text = scaling_tree_describe (tree);
  tree->is_telling = TRUE;
  tree->n_told++;
  cluster_ledger_tell (tree->controller->config.ledger, tree->tree_id, until_ms,
                       text, on_told, tree);
}

/* notify_end: the webhook hears of it from who said it first */
static void
notify_end (ScalingTree *tree)
{
  const ClusterScaling *scaling = &tree->scaling;
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_begin_object (json);
  base_json_add_text (json, "outcome", "serves");
  base_json_add_int (json, "version", (gint64)tree->ended_version);
  base_json_add_int (json, "after", scaling->n_desired);
  base_json_add_int (json, "duration_ms",
                     MAX (0, scaling->now_wall_ms - scaling->at_wall_ms));
  base_json_add_text (json, "by", scaling->by);
  base_json_add_text (json, "cause", scaling->cause);
  base_json_add_text (json, "reason", scaling->reason);
  json_builder_end_object (json);
  root = json_builder_get_root (json);
  text = json_to_string (root, FALSE);
  scaling_notifier_send (tree->controller->config.notifier, "outcome",
                         tree->tree_id, text);
}

static void
on_ended (guint64 is_new, gboolean is_durable, const GError *error,
          gpointer data)
{
  ScalingTree *tree = data;

  tree->n_told--;
  if (error == NULL)
    {
      if (is_new > 0)
        notify_end (tree);
      return;
    }
  tree->ended_version = 0; /* again */
  scaling_controller_fail (tree->controller, error);
}

/* end_change: as many serve as are desired */
static void
end_change (ScalingTree *tree)
{
  if (tree->scaling.version == 0 || tree->scaling.version == tree->ended_version
      || tree->snapshot->n_serving != tree->scaling.n_desired
      || tree->snapshot->n_draining > 0)
    return;
  tree->ended_version = tree->scaling.version;
  tree->n_told++;
  cluster_ledger_end_change (tree->controller->config.ledger, tree->tree_id,
                             tree->scaling.version, "serves", on_ended, tree);
}

/* has_memory: FALSE: it is said why nothing is added */
static gboolean
has_memory (ScalingTree *tree)
{
  const ScalingControllerConfig *config = &tree->controller->config;
  gint64 n_bytes;
  g_autofree char *words = NULL;

  if (config->min_available_bytes == 0 || config->get_available_bytes == NULL
      || tree->decision.action != SCALING_OUT)
    return TRUE;
  n_bytes = config->get_available_bytes ();
  if (n_bytes >= config->min_available_bytes)
    return TRUE;
  words = g_strdup_printf ("MEMORY %" G_GINT64_FORMAT
                           " MB are available, min-available-memory-mb is "
                           "%" G_GINT64_FORMAT,
                           n_bytes >= 0 ? n_bytes / BYTES_PER_MB : -1,
                           config->min_available_bytes / BYTES_PER_MB);
  count (tree, SCALING_OUT, SCALING_RESULT_REFUSED);
  note (tree, SCALING_NOTE_REFUSED, words);
  return FALSE;
}

/* --- all together ------------------------------------------------------- */

void
scaling_controller_act (ScalingTree *tree)
{
  const ScalingControllerConfig *config = &tree->controller->config;
  ScalingAction action = tree->decision.action;

  tell (tree);
  end_change (tree);
  if (!scaling_controller_is_enabled (tree->controller)
      || !tree->policy.is_enabled)
    return;
  if (config->is_dry_run)
    {
      if (action != SCALING_HOLD)
        {
          count (tree, action, SCALING_RESULT_DRY_RUN);
          note (tree, SCALING_NOTE_DRY_RUN, "dry run");
        }
      return;
    }
  if (tree->scaling.policy.version == 0)
    put_policy (tree);
  else if (action == SCALING_HOLD)
    note (tree, SCALING_NOTE_HOLD, "hold");
  else if (!has_memory (tree))
    return;
  else if (tree->decision.needs_approval)
    propose (tree);
  else if (!tree->is_asking)
    desire (tree);
}
