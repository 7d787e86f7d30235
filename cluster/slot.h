/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster/slot: a subtree's place in the store, slot:{tree}: by its ordinal,
 * which of its lives it is in (gen), and how far that one is. Who changes it
 * names the state it comes from (mt_slot in mtctl-scaling.lua), and the store
 * refuses what is no step of the way
 *
 *   none, gone ─► planned ─► starting ─► joined ─► serving ─► draining ─► gone
 *
 * where all but none and gone may go to draining, planned at once to gone, and
 * none to serving: subtrees that serve while the store has lost what it knew.
 *   joined and not serving is what a warm slot is: it has all that it needs,
 * media too, and is closed to viewers.
 * Plain values. Thread: any.
 */
#pragma once

#include <glib.h>

typedef enum
{
  CLUSTER_SLOT_NONE, /* the store has never heard of it */
  CLUSTER_SLOT_PLANNED,
  CLUSTER_SLOT_STARTING, /* instances are made */
  CLUSTER_SLOT_JOINED,   /* they have joined, and receive media */
  CLUSTER_SLOT_SERVING,  /* open to viewers */
  CLUSTER_SLOT_DRAINING,
  CLUSTER_SLOT_GONE, /* kept, so that gen only grows */
  CLUSTER_SLOT_N
} ClusterSlotState;

typedef struct
{
  guint ordinal;
  guint gen; /* 1 or more */
  ClusterSlotState state;
  gint64 at_wall_ms; /* the store's clock: since when */
} ClusterSlot;

/* "none", "planned", … */
const char *cluster_slot_state_get_name (ClusterSlotState state);
/* CLUSTER_SLOT_N: it is none */
ClusterSlotState cluster_slot_state_parse (const char *text);
gboolean cluster_slot_may_go (ClusterSlotState from, ClusterSlotState to);
/* planned to serving: it shall be there */
gboolean cluster_slot_is_active (ClusterSlotState state);
