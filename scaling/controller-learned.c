/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingController: what was learned of a tree, from who led before and for
 * who leads next. */
#include "scaling/controller-private.h"

#include "scaling/log.h"

#include <string.h>

static void
on_read (const char *text, const GError *error, gpointer data)
{
  ScalingTree *tree = data;
  ScalingSubtreesDriver *subtrees = tree->controller->subtrees;
  guint n_bad;

  tree->n_told--;
  if (tree->learning != SCALING_LEARNING_ASKED)
    return;
  if (error != NULL)
    {
      scaling_controller_fail (tree->controller, error);
      tree->learning = SCALING_LEARNING_NOTHING;
      return;
    }
  n_bad = scaling_learned_parse (text, &tree->learned);
  if (n_bad > 0)
    GST_WARNING ("tree %s: %u lines of what was learned are not understood",
                 tree->tree_id, n_bad);
  tree->learning = SCALING_LEARNING_DONE;
  g_free (tree->learned_text);
  tree->learned_text = g_strdup (text);
  if (subtrees != NULL)
    scaling_subtrees_driver_set_mark (subtrees, tree->tree_id,
                                      &tree->learned.mark);
}

static void
on_written (const GError *error, gpointer data)
{
  ScalingTree *tree = data;

  tree->n_told--;
  tree->is_teaching = FALSE;
  if (error == NULL)
    return;
  scaling_controller_fail (tree->controller, error);
  g_clear_pointer (&tree->learned_text, g_free); /* again */
}

/* teach: when there is something new */
static void
teach (ScalingTree *tree)
{
  ScalingSubtreesDriver *subtrees = tree->controller->subtrees;
  const ScalingMark *mark =
      subtrees != NULL
          ? scaling_subtrees_driver_get_mark (subtrees, tree->tree_id)
          : NULL;
  g_autofree char *text = NULL;

  if (mark != NULL)
    tree->learned.mark = *mark;
  text = scaling_learned_dup_text (&tree->learned);
  if (tree->is_teaching
      || strcmp (text, tree->learned_text != NULL ? tree->learned_text : "")
             == 0)
    return;
  g_free (tree->learned_text);
  tree->learned_text = g_strdup (text);
  tree->is_teaching = TRUE;
  tree->n_told++;
  cluster_ledger_learn (tree->controller->config.ledger, tree->tree_id, text,
                        on_written, tree);
}

void
scaling_controller_learn (ScalingTree *tree)
{
  const ScalingPolicy *policy = &tree->policy;

  if (tree->learning == SCALING_LEARNING_NOTHING)
    {
      tree->learning = SCALING_LEARNING_ASKED;
      tree->n_told++;
      cluster_ledger_read_learned (tree->controller->config.ledger,
                                   tree->tree_id, on_read, tree);
    }
  else if (tree->learning == SCALING_LEARNING_DONE)
    teach (tree);
  scaling_survey_set_leads (
      tree->survey,
      scaling_learned_get_lead (&tree->learned, TRUE, policy->warm_lead_us),
      scaling_learned_get_lead (&tree->learned, FALSE, policy->cold_lead_us));
}
