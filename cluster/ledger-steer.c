/* SPDX-License-Identifier: Apache-2.0 */
/* cluster/ledger-steer: each call is one function of mtctl-steer.lua. */
#include "cluster/ledger-steer.h"

#include "cluster/ledger-private.h"
#include "cluster/store-read.h"

#define NUMBER_CHARS 24

/* --- reading ------------------------------------------------------------ */

static void
read_steering (ClusterLedgerCall *call, const ClusterReply *reply)
{
  cluster_read_steering (reply, &call->steering, &call->error);
}

static void
finish_steering (ClusterLedgerCall *call)
{
  ((ClusterSteeringFunc)call->func) (
      call->error == NULL ? &call->steering : NULL, call->error, call->data);
}

void
cluster_ledger_read_steering (ClusterLedger *self, const char *tree_id,
                              ClusterSteeringFunc func, gpointer data)
{
  cluster_ledger_start (self,
                        cluster_ledger_call_new (self, read_steering,
                                                 finish_steering,
                                                 G_CALLBACK (func), data),
                        "mt_steering", tree_id, g_ptr_array_new (), FALSE);
}

/* --- any node ----------------------------------------------------------- */

static void
write_number (char text[NUMBER_CHARS], gint64 number)
{
  g_snprintf (text, NUMBER_CHARS, "%" G_GINT64_FORMAT, number);
}

void
cluster_ledger_enable (ClusterLedger *self, gboolean is_on, const char *by,
                       const char *reason, ClusterVersionFunc func,
                       gpointer data)
{
  cluster_ledger_start (
      self, cluster_ledger_call_new_version (self, func, data), "mt_enable",
      self->tree_id, cluster_ledger_list (is_on ? "1" : "0", by, reason, NULL),
      TRUE);
}

void
cluster_ledger_set (ClusterLedger *self, const char *tree_id, guint n,
                    gint64 hold_ms, const char *by, const char *reason,
                    ClusterVersionFunc func, gpointer data)
{
  char wanted[NUMBER_CHARS], hold[NUMBER_CHARS];

  write_number (wanted, n);
  write_number (hold, hold_ms);
  cluster_ledger_start (
      self, cluster_ledger_call_new_version (self, func, data), "mt_set",
      tree_id, cluster_ledger_list (wanted, hold, by, reason, NULL), TRUE);
}

void
cluster_ledger_answer (ClusterLedger *self, const char *tree_id, const char *id,
                       gboolean is_approved, const char *by, const char *reason,
                       ClusterVersionFunc func, gpointer data)
{
  cluster_ledger_start (
      self, cluster_ledger_call_new_version (self, func, data), "mt_answer",
      tree_id,
      cluster_ledger_list (id, is_approved ? "approve" : "reject", by, reason,
                           NULL),
      TRUE);
}

void
cluster_ledger_roll_back (ClusterLedger *self, const char *tree_id,
                          const char *id, gint64 hold_ms, const char *by,
                          const char *reason, ClusterVersionFunc func,
                          gpointer data)
{
  char hold[NUMBER_CHARS];

  write_number (hold, hold_ms);
  cluster_ledger_start (
      self, cluster_ledger_call_new_version (self, func, data), "mt_rollback",
      tree_id, cluster_ledger_list (id, hold, by, reason, NULL), TRUE);
}

/* --- the leader --------------------------------------------------------- */

void
cluster_ledger_tell (ClusterLedger *self, const char *tree_id, gint64 ttl_ms,
                     const char *text, ClusterDoneFunc func, gpointer data)
{
  ClusterLedgerCall *call = cluster_ledger_call_new_done (self, func, data);
  char ttl[NUMBER_CHARS];

  write_number (ttl, ttl_ms);
  if (cluster_ledger_sign (call))
    cluster_ledger_start (self, call, "mt_tell", tree_id,
                          cluster_ledger_list (call->token, ttl, text, NULL),
                          FALSE);
}

void
cluster_ledger_end_change (ClusterLedger *self, const char *tree_id,
                           guint64 version, const char *outcome,
                           ClusterVersionFunc func, gpointer data)
{
  ClusterLedgerCall *call = cluster_ledger_call_new_version (self, func, data);
  char expected[NUMBER_CHARS];

  write_number (expected, (gint64)version);
  if (cluster_ledger_sign (call))
    cluster_ledger_start (
        self, call, "mt_outcome", tree_id,
        cluster_ledger_list (call->token, expected, outcome, NULL), FALSE);
}

void
cluster_ledger_propose (ClusterLedger *self, const char *tree_id,
                        guint64 version, guint n, gint64 ttl_ms,
                        const char *reason, const char *text,
                        ClusterVersionFunc func, gpointer data)
{
  ClusterLedgerCall *call = cluster_ledger_call_new_version (self, func, data);
  char expected[NUMBER_CHARS], wanted[NUMBER_CHARS], ttl[NUMBER_CHARS];

  write_number (expected, (gint64)version);
  write_number (wanted, n);
  write_number (ttl, ttl_ms);
  if (cluster_ledger_sign (call))
    cluster_ledger_start (self, call, "mt_propose", tree_id,
                          cluster_ledger_list (call->token, expected, wanted,
                                               ttl, reason, text, NULL),
                          TRUE);
}
