/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingSurvey: a tree as its heartbeats have it, each second anew: what
 * scaling_decide() is given. Which subtree a node is of stands in its name
 * (scaling_provision_dup_name()). It remembers the last time only to see what
 * disturbs: a node that is gone without having drained, and one that drains.
 * Owner:  ScalingController. Thread: main. Clocks are passed in.
 */
#pragma once

#include "cluster/ledger-read.h"
#include "scaling/peers.h"
#include "scaling/subtrees.h"
#include "scaling/types.h"

#define SCALING_FRESH_MS 2000 /* a heartbeat that is older counts as silent */

typedef struct _ScalingSurvey ScalingSurvey;

ScalingSurvey *scaling_survey_new (const char *tree_id);
void scaling_survey_free (ScalingSurvey *self);

/* something else disturbed the tree: a new leader, another store, a person */
void scaling_survey_disturb (ScalingSurvey *self, gint64 now_us);
/* @peers: (nullable): borrowed: whose word counts instead of heartbeats' */
void scaling_survey_set_peers (ScalingSurvey *self, ScalingPeers *peers);
/* @readings: (nullable): [SCALING_SIGNAL_N]: what somebody else measured; NULL:
 * nobody did */
void scaling_survey_set_external (ScalingSurvey *self,
                                  const ScalingReading *readings);
/* scaling_survey_take: @beats: (element-type ClusterBeat)
 * @n_nodes_elsewhere: of other trees
 * Returns: (transfer none): valid until the next */
const ScalingSnapshot *scaling_survey_take (ScalingSurvey *self,
                                            GPtrArray *beats,
                                            const ClusterScaling *scaling,
                                            guint n_nodes_elsewhere,
                                            gint64 now_us, gint64 wall_us);
/* scaling_survey_take_slots: what the leader has of subtrees counts for the
 * last snapshot instead of what heartbeats show */
void scaling_survey_take_slots (ScalingSurvey *self,
                                const ScalingSubtreesSummary *summary);
/* scaling_survey_set_leads: of the next snapshots; 0: not known */
void scaling_survey_set_leads (ScalingSurvey *self, gint64 warm_us,
                               gint64 cold_us);
/* of egress nodes: all, and viewers on them */
guint scaling_survey_get_n_egress (ScalingSurvey *self);
guint scaling_survey_get_n_viewers (ScalingSurvey *self);
/* egress nodes of no subtree: others run them */
guint scaling_survey_get_n_static (ScalingSurvey *self);

/* scaling_survey_find_subtree: from a node's name: ordinal + 1, or 0 */
guint scaling_survey_find_subtree (const char *tree_id, const char *node_id);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingSurvey, scaling_survey_free)
