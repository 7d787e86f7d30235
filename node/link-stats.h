/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeLinkStats: from whom this node hears, per parent, for the heartbeat. The
 * inlets count per stream since they began; here their growth is added up over
 * the streams and over the last NODE_LINK_WINDOW_S seconds.
 *   Streams and parents that are not added any more are forgotten.
 * Owner:  NodeCluster. Thread: main.
 */
#pragma once

#include "cluster/types.h"
#include "relay/inlet.h"

#define NODE_LINK_WINDOW_S 5

typedef struct _NodeLinkStats NodeLinkStats;

NodeLinkStats *node_link_stats_new (void);
void node_link_stats_free (NodeLinkStats *self);

/* Once a second: begin, add each carried stream, fill. */
void node_link_stats_begin (NodeLinkStats *self);
void node_link_stats_add (NodeLinkStats *self, const char *stream,
                          const RelayInletStats *stats);
/* links and n_links of @load: parents by name, those subscribed to first */
void node_link_stats_fill (NodeLinkStats *self, ClusterLoad *load);

/* node_link_stats_get_ratios: of one stream from one parent; 0 when nothing came
 */
void node_link_stats_get_ratios (NodeLinkStats *self, const char *stream,
                                 const char *parent, double *ret_loss_ratio,
                                 double *ret_first_ratio);

/* carried and n_carried of @load: the live streams of @hub */
void node_link_stats_fill_carried (RelayHub *hub, ClusterLoad *load);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeLinkStats, node_link_stats_free)
