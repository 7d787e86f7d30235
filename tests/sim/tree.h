/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/tree: where a node hangs: each second it reads its peers, asks the
 * production topology (cluster/topology) for its parents, and the store
 * (mt_place) whether it may; in one world of six, because it costs.
 * Owner: sim/node.
 */
#pragma once

#include "cluster/ledger.h"
#include "cluster/types.h"

typedef struct _SimTree SimTree;

/* @node: copied; @ledger: borrowed, freed before */
SimTree *sim_tree_new (const ClusterNode *node, ClusterLedger *ledger);
void sim_tree_free (SimTree *self);
/* at each of its owner's, while the store can be asked */
void sim_tree_tick (SimTree *self, gint64 now_us);
/* what the store has confirmed; rank 0: nothing yet */
const ClusterPlace *sim_tree_get_place (const SimTree *self);
