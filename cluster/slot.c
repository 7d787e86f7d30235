/* SPDX-License-Identifier: Apache-2.0 */
/* cluster/slot: the states and their order. */
#include "cluster/slot.h"

static const char *const names[] = {
  [CLUSTER_SLOT_NONE] = "none",         [CLUSTER_SLOT_PLANNED] = "planned",
  [CLUSTER_SLOT_STARTING] = "starting", [CLUSTER_SLOT_JOINED] = "joined",
  [CLUSTER_SLOT_SERVING] = "serving",   [CLUSTER_SLOT_DRAINING] = "draining",
  [CLUSTER_SLOT_GONE] = "gone",
};
G_STATIC_ASSERT (G_N_ELEMENTS (names) == CLUSTER_SLOT_N);

#define TO(state) (1u << CLUSTER_SLOT_##state)

static const guint ways[CLUSTER_SLOT_N] = {
  [CLUSTER_SLOT_NONE] = TO (PLANNED) | TO (SERVING),
  [CLUSTER_SLOT_PLANNED] = TO (STARTING) | TO (DRAINING) | TO (GONE),
  [CLUSTER_SLOT_STARTING] = TO (JOINED) | TO (DRAINING),
  [CLUSTER_SLOT_JOINED] = TO (SERVING) | TO (DRAINING),
  [CLUSTER_SLOT_SERVING] = TO (DRAINING),
  [CLUSTER_SLOT_DRAINING] = TO (GONE),
  [CLUSTER_SLOT_GONE] = TO (PLANNED),
};

const char *
cluster_slot_state_get_name (ClusterSlotState state)
{
  return names[state];
}

ClusterSlotState
cluster_slot_state_parse (const char *text)
{
  guint i = 0;

  while (i < CLUSTER_SLOT_N && g_strcmp0 (text, names[i]) != 0)
    i++;
  return (ClusterSlotState)i;
}

gboolean
cluster_slot_may_go (ClusterSlotState from, ClusterSlotState to)
{
  return from < CLUSTER_SLOT_N && (ways[from] & (1u << to)) != 0;
}

gboolean
cluster_slot_is_active (ClusterSlotState state)
{
  return state >= CLUSTER_SLOT_PLANNED && state <= CLUSTER_SLOT_SERVING;
}
