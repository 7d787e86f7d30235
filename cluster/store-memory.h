/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterMemory: what the in-process store holds. The program has one store
 * on one of these; tests let several members meet in one, empty it, take it
 * away and move its clock.
 * Owner:  counted; each store has a reference. Thread: main.
 */
#pragma once

#include "base/clock.h"
#include "cluster/store.h"

#define CLUSTER_HEARTBEAT_TTL_US (3 * BASE_US_PER_S)
/* who is silent so long is forgotten with its place */
#define CLUSTER_FORGET_US (60 * BASE_US_PER_S)
#define CLUSTER_ENDED_TTL_US (3600 * BASE_US_PER_S)

typedef struct _ClusterMemory ClusterMemory;

ClusterMemory *cluster_memory_new (const char *tree_id);
ClusterMemory *cluster_memory_ref (ClusterMemory *self);
void cluster_memory_unref (ClusterMemory *self);
/* (transfer full): may outlive the caller's reference */
ClusterStore *cluster_memory_open (ClusterMemory *self);

/* for tests */
void cluster_memory_empty (ClusterMemory *self);
void cluster_memory_set_away (ClusterMemory *self, gboolean is_away);
void cluster_memory_set_clock (ClusterMemory *self, const gint64 *now_us);
/* how many calls that write came; and hints that were sent */
guint cluster_memory_count_places (ClusterMemory *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClusterMemory, cluster_memory_unref)
