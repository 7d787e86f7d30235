/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingPeers: what the nodes of a tree say of themselves by HTTP
 * (/monitoring/system), for policies' metrics of that source. Who there is, and
 * where, stands in the heartbeats; how loaded they are is asked of them.
 *   A node that has no URL, does not answer, or said something longer ago than
 * SCALING_PEERS_KEPT_US is not known; that is never 0.
 * Bounds: SCALING_PROXY_MAX_TARGETS nodes are asked, by id; of the others
 * nothing is known.
 * Owner:  ScalingController, one for each tree. Thread: main.
 */
#pragma once

#include "cluster/ledger-read.h"
#include "scaling/proxy.h"
#include "scaling/types.h"

#define SCALING_PEERS_INTERVAL_US (2 * G_GINT64_CONSTANT (1000000))
#define SCALING_PEERS_KEPT_US (6 * G_GINT64_CONSTANT (1000000))

typedef struct _ScalingPeers ScalingPeers;

/* @token: (nullable): Bearer that the nodes' /monitoring/system asks for
 * @signals: bit i: of signal i: cpu, memory, ports and drops are taken
 * @interval_us: 0: SCALING_PEERS_INTERVAL_US */
ScalingPeers *scaling_peers_new (const char *token, guint signals,
                                 gint64 interval_us);
void scaling_peers_free (ScalingPeers *self);
guint scaling_peers_get_signals (ScalingPeers *self);

/* scaling_peers_follow: @beats: (element-type ClusterBeat): by id: egress nodes
 * and relays of them are asked from now on */
void scaling_peers_follow (ScalingPeers *self, GPtrArray *beats);
/* scaling_peers_find: (transfer none) (nullable): what @node said; valid until
 * main runs again */
const ClusterLoad *scaling_peers_find (ScalingPeers *self,
                                       const ClusterNode *node, gint64 now_us);
/* scaling_peers_fill: the signals of ours in @ret, ratios below 0 where they
 * are not known */
void scaling_peers_fill (ScalingPeers *self, const ClusterNode *node,
                         gint64 now_us, ScalingNode *ret);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingPeers, scaling_peers_free)
