/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's calls: each is one function of mtctl-scaling.lua. */
#include "cluster/ledger-private.h"

#include "cluster/store-read.h"

#include <string.h>

static void
count_bad (ClusterLedgerCall *call, guint n_bad)
{
  base_counter_add (call->self->n_bad_values, n_bad);
}

/* --- reading ------------------------------------------------------------ */

static void
read_trees (ClusterLedgerCall *call, const ClusterReply *reply)
{
  call->trees = cluster_read_trees (reply, &call->error);
}

static void
finish_trees (ClusterLedgerCall *call)
{
  ((ClusterTreesFunc)call->func) ((const char *const *)call->trees, call->error,
                                  call->data);
}

void
cluster_ledger_read_trees (ClusterLedger *self, ClusterTreesFunc func,
                           gpointer data)
{
  cluster_ledger_start (self,
                        cluster_ledger_call_new (self, read_trees, finish_trees,
                                                 G_CALLBACK (func), data),
                        "mt_trees", self->tree_id, g_ptr_array_new (), FALSE);
}

static void
read_scaling (ClusterLedgerCall *call, const ClusterReply *reply)
{
  cluster_read_scaling (reply, &call->scaling, &call->error);
}

static void
finish_scaling (ClusterLedgerCall *call)
{
  ((ClusterScalingFunc)call->func) (call->error == NULL ? &call->scaling : NULL,
                                    call->error, call->data);
}

void
cluster_ledger_read_scaling (ClusterLedger *self, const char *tree_id,
                             ClusterScalingFunc func, gpointer data)
{
  cluster_ledger_start (self,
                        cluster_ledger_call_new (self, read_scaling,
                                                 finish_scaling,
                                                 G_CALLBACK (func), data),
                        "mt_scaling", tree_id, g_ptr_array_new (), FALSE);
}

static void
finish_rows (ClusterLedgerCall *call)
{
  ((ClusterRowsFunc)call->func) (call->rows, call->error, call->data);
}

static void
read_beats (ClusterLedgerCall *call, const ClusterReply *reply)
{
  guint n_bad;

  call->rows = cluster_read_beats (reply, call->tree_id, &n_bad, &call->error);
  count_bad (call, n_bad);
}

void
cluster_ledger_read_beats (ClusterLedger *self, const char *tree_id,
                           ClusterRowsFunc func, gpointer data)
{
  ClusterLedgerCall *call = cluster_ledger_call_new (
      self, read_beats, finish_rows, G_CALLBACK (func), data);

  call->tree_id = g_strdup (tree_id);
  cluster_ledger_start (self, call, "mt_beats", tree_id, g_ptr_array_new (),
                        FALSE);
}

static void
read_slots (ClusterLedgerCall *call, const ClusterReply *reply)
{
  guint n_bad;

  call->slots = cluster_read_slots (reply, &n_bad, &call->error);
  count_bad (call, n_bad);
}

static void
finish_slots (ClusterLedgerCall *call)
{
  ((ClusterSlotsFunc)call->func) (call->slots, call->error, call->data);
}

void
cluster_ledger_read_slots (ClusterLedger *self, const char *tree_id,
                           ClusterSlotsFunc func, gpointer data)
{
  cluster_ledger_start (self,
                        cluster_ledger_call_new (self, read_slots, finish_slots,
                                                 G_CALLBACK (func), data),
                        "mt_slots", tree_id, g_ptr_array_new (), FALSE);
}

static void
read_learned (ClusterLedgerCall *call, const ClusterReply *reply)
{
  if (reply->type == CLUSTER_REPLY_TEXT
      && reply->n_bytes <= CLUSTER_LEARNED_MAX_BYTES)
    call->text = g_strndup (reply->text, reply->n_bytes);
  else if (reply->type == CLUSTER_REPLY_ERROR)
    cluster_read_status (reply, NULL, &call->error);
  else if (reply->type != CLUSTER_REPLY_NIL)
    g_set_error (&call->error, CLUSTER_ERROR, CLUSTER_ERROR_PROTOCOL,
                 "the store's answer is nothing that was learned");
}

static void
finish_learned (ClusterLedgerCall *call)
{
  ((ClusterLearnedFunc)call->func) (call->text, call->error, call->data);
}

void
cluster_ledger_read_learned (ClusterLedger *self, const char *tree_id,
                             ClusterLearnedFunc func, gpointer data)
{
  cluster_ledger_start (self,
                        cluster_ledger_call_new (self, read_learned,
                                                 finish_learned,
                                                 G_CALLBACK (func), data),
                        "mt_learned", tree_id, g_ptr_array_new (), FALSE);
}

static void
read_history (ClusterLedgerCall *call, const ClusterReply *reply)
{
  guint n_bad;

  call->rows = cluster_read_history (reply, &n_bad, &call->error);
  count_bad (call, n_bad);
}

/* "1700000000000-0" → "(1700000000000-0": older than it */
static char *
dup_before (const char *before)
{
  if (before == NULL || before[strspn (before, "0123456789-")] != '\0')
    return g_strdup ("+");
  return g_strconcat ("(", before, NULL);
}

void
cluster_ledger_read_history (ClusterLedger *self, const char *tree_id,
                             const char *before, guint n, ClusterRowsFunc func,
                             gpointer data)
{
  g_autofree char *from = dup_before (before);
  char count[12];

  g_snprintf (count, sizeof count, "%u", MIN (n, CLUSTER_MAX_HISTORY));
  cluster_ledger_start (
      self,
      cluster_ledger_call_new (self, read_history, finish_rows,
                               G_CALLBACK (func), data),
      "mt_history", tree_id, cluster_ledger_list (from, count, NULL), FALSE);
}

/* is_durable: WAIT said so, or there is nobody to wait for */
static gboolean
is_durable (const ClusterLedgerCall *call)
{
  return call->self->min_replicas == NULL
         || (call->waits && call->n_replicas > 0);
}

static void
read_join (ClusterLedgerCall *call, const ClusterReply *reply)
{
  call->state = cluster_slot_state_parse (cluster_reply_get_text (reply));
  if (reply->type == CLUSTER_REPLY_ERROR)
    cluster_read_status (reply, NULL, &call->error);
  else if (call->state == CLUSTER_SLOT_N)
    g_set_error (&call->error, CLUSTER_ERROR, CLUSTER_ERROR_PROTOCOL,
                 "the store's answer is no state of a subtree");
}

/* finish_join: who opened on a word that no replica has might serve beside the
 * one whom the next master knows of */
static void
finish_join (ClusterLedgerCall *call)
{
  ((ClusterJoinFunc)call->func) (
      call->error != NULL ? CLUSTER_SLOT_N : call->state,
      call->error == NULL && is_durable (call), call->error, call->data);
}

void
cluster_ledger_join (ClusterLedger *self, guint ordinal, guint gen,
                     const char *boot_id, gboolean waits, ClusterJoinFunc func,
                     gpointer data)
{
  char texts[2][12];

  g_snprintf (texts[0], sizeof texts[0], "%u", ordinal);
  g_snprintf (texts[1], sizeof texts[1], "%u", gen);
  cluster_ledger_start (
      self,
      cluster_ledger_call_new (self, read_join, finish_join, G_CALLBACK (func),
                               data),
      "mt_join", self->tree_id,
      cluster_ledger_list (texts[0], texts[1], self->node_id, boot_id, NULL),
      waits);
}

/* --- writing ------------------------------------------------------------ */

const char *
cluster_cause_get_name (ClusterCause cause)
{
  static const char *const names[] = { "demand", "threshold", "manual" };

  return names[cause];
}

static void
read_version (ClusterLedgerCall *call, const ClusterReply *reply)
{
  gint64 version = 0;

  if (cluster_read_status (reply, &version, &call->error))
    call->version = (guint64)MAX (version, 0);
}

/* check_fence: the store knows of a leader after us */
static void
check_fence (ClusterLedgerCall *call)
{
  ClusterLease *lease = call->self->lease;

  if (g_error_matches (call->error, CLUSTER_ERROR, CLUSTER_ERROR_FENCED)
      && g_strcmp0 (call->token, cluster_lease_get_token (lease)) == 0)
    cluster_lease_lost (lease);
}

static void
finish_version (ClusterLedgerCall *call)
{
  check_fence (call);
  if (call->func != NULL)
    ((ClusterVersionFunc)call->func) (call->version,
                                      call->error == NULL && is_durable (call),
                                      call->error, call->data);
}

ClusterLedgerCall *
cluster_ledger_call_new_version (ClusterLedger *self, ClusterVersionFunc func,
                                 gpointer data)
{
  return cluster_ledger_call_new (self, read_version, finish_version,
                                  G_CALLBACK (func), data);
}

static void
read_done (ClusterLedgerCall *call, const ClusterReply *reply)
{
  cluster_read_status (reply, NULL, &call->error);
}

static void
finish_done (ClusterLedgerCall *call)
{
  check_fence (call);
  if (call->func != NULL)
    ((ClusterDoneFunc)call->func) (call->error, call->data);
}

ClusterLedgerCall *
cluster_ledger_call_new_done (ClusterLedger *self, ClusterDoneFunc func,
                              gpointer data)
{
  return cluster_ledger_call_new (self, read_done, finish_done,
                                  G_CALLBACK (func), data);
}

gboolean
cluster_ledger_sign (ClusterLedgerCall *call)
{
  ClusterLease *lease = call->self->lease;

  if (cluster_lease_is_valid (lease, 0))
    {
      call->token = g_strdup (cluster_lease_get_token (lease));
      return TRUE;
    }
  call->error = g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_FENCED,
                             "this node does not lead: %s",
                             cluster_lease_get_why (lease));
  cluster_ledger_finish_later (call->self, call);
  return FALSE;
}

void
cluster_ledger_put_policy (ClusterLedger *self, const char *tree_id,
                           const ClusterPolicy *policy, ClusterVersionFunc func,
                           gpointer data)
{
  const guint64 numbers[] = { policy->version,
                              policy->min,
                              policy->max,
                              policy->step_out,
                              policy->step_in,
                              (guint64)policy->cool_out_ms,
                              (guint64)policy->cool_in_ms };
  char texts[G_N_ELEMENTS (numbers)][24];
  GPtrArray *args = g_ptr_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_snprintf (texts[i], sizeof texts[i], "%" G_GUINT64_FORMAT, numbers[i]);
      g_ptr_array_add (args, texts[i]);
    }
  g_ptr_array_add (args, policy->by);
  g_ptr_array_add (args, policy->text);
  cluster_ledger_start (self,
                        cluster_ledger_call_new_version (self, func, data),
                        "mt_policy", tree_id, args, TRUE);
}

void
cluster_ledger_desire (ClusterLedger *self, const char *tree_id,
                       guint64 version, guint n, ClusterCause cause,
                       const char *reason, const char *text,
                       ClusterVersionFunc func, gpointer data)
{
  ClusterLedgerCall *call = cluster_ledger_call_new_version (self, func, data);
  char expected[24], wanted[12];

  if (!cluster_ledger_sign (call))
    return;
  g_snprintf (expected, sizeof expected, "%" G_GUINT64_FORMAT, version);
  g_snprintf (wanted, sizeof wanted, "%u", n);
  cluster_ledger_start (self, call, "mt_desire", tree_id,
                        cluster_ledger_list (call->token, expected, wanted,
                                             cluster_cause_get_name (cause),
                                             reason, text, NULL),
                        TRUE);
}

void
cluster_ledger_move_slot (ClusterLedger *self, const char *tree_id,
                          const ClusterSlot *slot, ClusterSlotState to,
                          const char *text, ClusterVersionFunc func,
                          gpointer data)
{
  ClusterLedgerCall *call = cluster_ledger_call_new (
      self, read_version, finish_version, G_CALLBACK (func), data);
  char ordinal[12], gen[12];

  if (!cluster_ledger_sign (call))
    return;
  g_snprintf (ordinal, sizeof ordinal, "%u", slot->ordinal);
  g_snprintf (gen, sizeof gen, "%u", slot->gen);
  cluster_ledger_start (
      self, call, "mt_slot", tree_id,
      cluster_ledger_list (call->token, ordinal, gen,
                           cluster_slot_state_get_name (slot->state),
                           cluster_slot_state_get_name (to), text, NULL),
      TRUE);
}

void
cluster_ledger_learn (ClusterLedger *self, const char *tree_id,
                      const char *text, ClusterDoneFunc func, gpointer data)
{
  ClusterLedgerCall *call = cluster_ledger_call_new_done (self, func, data);

  if (cluster_ledger_sign (call))
    cluster_ledger_start (self, call, "mt_learn", tree_id,
                          cluster_ledger_list (call->token, text, NULL), FALSE);
}

void
cluster_ledger_audit (ClusterLedger *self, const char *tree_id,
                      const char *kind, const char *by, const char *text,
                      ClusterDoneFunc func, gpointer data)
{
  ClusterLedgerCall *call = cluster_ledger_call_new_done (self, func, data);

  if (by == NULL && !cluster_ledger_sign (call))
    return;
  cluster_ledger_start (
      self, call, "mt_audit", tree_id,
      cluster_ledger_list (call->token != NULL ? call->token : "", kind,
                           by != NULL ? by : self->node_id, text, NULL),
      FALSE);
}
