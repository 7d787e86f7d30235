/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterSteering: shape first, then values. */
#include "cluster/steering.h"

#include "cluster/encode.h"
#include "cluster/ledger-read.h"
#include "cluster/store-read.h"

#include <string.h>

#define NAME_MAX_BYTES 200

enum
{
  AT_SWITCH,                   /* ver on by at */
  AT_DECISION = AT_SWITCH + 4, /* JSON */
  AT_PIN = AT_DECISION + 1,    /* kind n until */
  AT_PROPOSAL = AT_PIN + 3,    /* id state ver was n reason at exp by */
  AT_NOW = AT_PROPOSAL + 9,
  N_ITEMS,
};

static const char *const state_names[] = { "none",     "waiting",  "approved",
                                           "rejected", "replaced", "expired" };

const char *
cluster_proposal_state_get_name (ClusterProposalState state)
{
  return state_names[state];
}

void
cluster_steering_clear (ClusterSteering *self)
{
  g_free (self->by);
  g_free (self->decision);
  g_free (self->proposal.id);
  g_free (self->proposal.reason);
  g_free (self->proposal.by);
  memset (self, 0, sizeof *self);
}

void
cluster_steering_copy (const ClusterSteering *from, ClusterSteering *to)
{
  cluster_steering_clear (to);
  *to = *from;
  to->by = g_strdup (from->by);
  to->decision = g_strdup (from->decision);
  to->proposal.id = g_strdup (from->proposal.id);
  to->proposal.reason = g_strdup (from->proposal.reason);
  to->proposal.by = g_strdup (from->proposal.by);
}

gboolean
cluster_entry_is_valid (const char *id)
{
  const char *dash = strchr (id, '-');
  gsize n_digits = strspn (id, "0123456789");

  return dash != NULL && n_digits > 0 && id + n_digits == dash
         && dash[1] != '\0' && dash[1 + strspn (dash + 1, "0123456789")] == '\0'
         && strlen (id) <= CLUSTER_ENTRY_MAX_CHARS;
}

static gboolean
read_pin (const ClusterReply *reply, ClusterSteering *ret)
{
  const char *kind = cluster_reply_get_text_at (reply, AT_PIN);
  guint64 n, until;

  if (!cluster_reply_get_number_at (reply, AT_PIN + 1, CLUSTER_MAX_SUBTREES, &n)
      || !cluster_reply_get_number_at (reply, AT_PIN + 2, CLUSTER_EPOCH_MAX,
                                       &until))
    return FALSE;
  ret->n_pin = (guint)n;
  ret->pin_end_wall_ms = (gint64)until;
  ret->pin_is_floor = g_strcmp0 (kind, "min") == 0;
  ret->has_pin = kind != NULL && ret->pin_end_wall_ms > ret->now_wall_ms;
  return TRUE;
}

/* read_state: of what the store says; what waited too long has expired */
static gboolean
read_state (const char *text, ClusterSteering *ret)
{
  ClusterProposal *proposal = &ret->proposal;

  if (text == NULL)
    return TRUE;
  for (guint i = CLUSTER_PROPOSAL_WAITING; i < CLUSTER_PROPOSAL_EXPIRED; i++)
    if (strcmp (text, state_names[i]) == 0)
      {
        proposal->state = (ClusterProposalState)i;
        if (i == CLUSTER_PROPOSAL_WAITING
            && proposal->end_wall_ms <= ret->now_wall_ms)
          proposal->state = CLUSTER_PROPOSAL_EXPIRED;
        return TRUE;
      }
  return FALSE;
}

static gboolean
read_proposal (const ClusterReply *reply, ClusterSteering *ret)
{
  const char *id = cluster_reply_get_text_at (reply, AT_PROPOSAL);
  ClusterProposal *proposal = &ret->proposal;
  guint64 version, before, after, at, end;

  if (id == NULL)
    return TRUE;
  if (!cluster_entry_is_valid (id)
      || !cluster_reply_get_number_at (reply, AT_PROPOSAL + 2,
                                       CLUSTER_EPOCH_MAX, &version)
      || !cluster_reply_get_number_at (reply, AT_PROPOSAL + 3,
                                       CLUSTER_MAX_SUBTREES, &before)
      || !cluster_reply_get_number_at (reply, AT_PROPOSAL + 4,
                                       CLUSTER_MAX_SUBTREES, &after)
      || !cluster_reply_get_number_at (reply, AT_PROPOSAL + 6,
                                       CLUSTER_EPOCH_MAX, &at)
      || !cluster_reply_get_number_at (reply, AT_PROPOSAL + 7,
                                       CLUSTER_EPOCH_MAX, &end))
    return FALSE;
  proposal->id = g_strdup (id);
  proposal->version = version;
  proposal->n_before = (guint)before;
  proposal->n_after = (guint)after;
  proposal->reason = cluster_reply_dup_text_at (reply, AT_PROPOSAL + 5,
                                                CLUSTER_REASON_MAX_BYTES);
  proposal->at_wall_ms = (gint64)at;
  proposal->end_wall_ms = (gint64)end;
  proposal->by =
      cluster_reply_dup_text_at (reply, AT_PROPOSAL + 8, NAME_MAX_BYTES);
  return read_state (cluster_reply_get_text_at (reply, AT_PROPOSAL + 1), ret);
}

static gboolean
read_all (const ClusterReply *reply, ClusterSteering *ret)
{
  const char *on = cluster_reply_get_text_at (reply, AT_SWITCH + 1);
  guint64 version, at, now;

  if (!cluster_reply_get_number_at (reply, AT_SWITCH, CLUSTER_EPOCH_MAX,
                                    &version)
      || !cluster_reply_get_number_at (reply, AT_SWITCH + 3, CLUSTER_EPOCH_MAX,
                                       &at)
      || !cluster_reply_get_number_at (reply, AT_NOW, CLUSTER_EPOCH_MAX, &now)
      || (version > 0 && g_strcmp0 (on, "0") != 0 && g_strcmp0 (on, "1") != 0))
    return FALSE;
  ret->version = version;
  ret->is_on = version > 0 && strcmp (on, "1") == 0;
  ret->by = cluster_reply_dup_text_at (reply, AT_SWITCH + 2, NAME_MAX_BYTES);
  ret->at_wall_ms = (gint64)at;
  ret->now_wall_ms = (gint64)now;
  ret->decision = cluster_reply_dup_text_at (reply, AT_DECISION,
                                             CLUSTER_DECISION_MAX_BYTES);
  return read_pin (reply, ret) && read_proposal (reply, ret);
}

gboolean
cluster_read_steering (const ClusterReply *reply, ClusterSteering *ret,
                       GError **error)
{
  ClusterSteering steering = { 0 };

  if (reply->type == CLUSTER_REPLY_ERROR)
    return cluster_read_status (reply, NULL, error);
  if (reply->type == CLUSTER_REPLY_ARRAY && reply->n_items == N_ITEMS
      && read_all (reply, &steering))
    {
      *ret = steering;
      return TRUE;
    }
  cluster_steering_clear (&steering);
  g_set_error_literal (error, CLUSTER_ERROR, CLUSTER_ERROR_PROTOCOL,
                       "the store's answer on what steers makes no sense");
  return FALSE;
}
