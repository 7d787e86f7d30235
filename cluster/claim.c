/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterClaim: see claim.h. */
#include "cluster/claim.h"

#include "cluster/store.h"

struct _ClusterClaim
{
  gboolean is_relay;
  gboolean is_asking, has_joined, is_open, is_over;
  gint64 started_us, asked_us;
  ClusterSlotState state;
};

ClusterClaim *
cluster_claim_new (gboolean is_relay, gint64 now_us)
{
  ClusterClaim *self = g_new0 (ClusterClaim, 1);

  self->is_relay = is_relay;
  self->started_us = now_us;
  return self;
}

void
cluster_claim_free (ClusterClaim *self)
{
  g_return_if_fail (self != NULL);

  g_free (self);
}

gboolean
cluster_claim_begin (ClusterClaim *self, gint64 now_us, gboolean *ret_waits)
{
  if (self->is_over || self->is_asking
      || (self->is_open
          && now_us - self->asked_us < CLUSTER_CLAIM_OPEN_ASKS_US))
    return FALSE;
  self->is_asking = TRUE;
  self->asked_us = now_us;
  *ret_waits = !self->is_open;
  return TRUE;
}

/* take_state: of a store that knows our subtree, or does not */
static ClusterClaimStep
take_state (ClusterClaim *self, ClusterSlotState state, gboolean is_durable)
{
  self->state = state;
  if (cluster_slot_is_active (state))
    {
      self->has_joined |= is_durable;
      self->is_open |= is_durable && state == CLUSTER_SLOT_SERVING;
      return CLUSTER_CLAIM_NOTHING;
    }
  if (!self->has_joined)
    {
      self->is_over = TRUE;
      return CLUSTER_CLAIM_END;
    }
  return state == CLUSTER_SLOT_GONE
                 || (state == CLUSTER_SLOT_DRAINING && !self->is_relay)
             ? CLUSTER_CLAIM_LEAVE
             : CLUSTER_CLAIM_NOTHING;
}

ClusterClaimStep
cluster_claim_answer (ClusterClaim *self, ClusterSlotState state,
                      gboolean is_durable, const GError *error, gint64 now_us)
{
  self->is_asking = FALSE;
  if (error == NULL)
    return take_state (self, state, is_durable);
  if (!g_error_matches (error, CLUSTER_ERROR, CLUSTER_ERROR_TAKEN)
      || self->has_joined
      || now_us - self->started_us <= CLUSTER_CLAIM_TAKEN_US)
    return CLUSTER_CLAIM_NOTHING;
  self->is_over = TRUE;
  return CLUSTER_CLAIM_END;
}

gboolean
cluster_claim_has_joined (const ClusterClaim *self)
{
  return self->has_joined;
}

gboolean
cluster_claim_is_open (const ClusterClaim *self)
{
  return self->is_open;
}

gboolean
cluster_claim_is_over (const ClusterClaim *self)
{
  return self->is_over;
}

ClusterSlotState
cluster_claim_get_state (const ClusterClaim *self)
{
  return self->state;
}
