/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayPortPool: the UDP ports of --rtp-port-range: one for each stream that
 * is carried, one for each RTP input that asks for port 0. Ports are given out
 * round robin, so that one that was just freed is not used at once; one that
 * another program holds is skipped for a second (mark_taken): no longer, as it
 * may be one of ours whose worker has not closed it yet.
 * Owner:  node; ref-counted for ports that are still being closed. Thread:
 * main. The clock is passed in.
 */
#pragma once

#include "base/metrics.h"

typedef struct _RelayPortPool RelayPortPool;

/* @metrics: (nullable): port_pool_utilization_percent,
 * media_tree_port_pool_ports, media_tree_port_pool_refused_total; not to be
 * rendered after free */
RelayPortPool *relay_port_pool_new (guint first, guint last,
                                    BaseMetrics *metrics);
/* relay_port_pool_ref, _free: main; free gives one reference back */
RelayPortPool *relay_port_pool_ref (RelayPortPool *self);
void relay_port_pool_free (RelayPortPool *self);
/* Returns: a port; 0 = none left (counted) */
guint relay_port_pool_take (RelayPortPool *self, gint64 now_us);
void relay_port_pool_give_back (RelayPortPool *self, guint port);
/* bind failed for one that was taken: it is somebody else's. Given back too */
void relay_port_pool_mark_taken (RelayPortPool *self, guint port,
                                 gint64 now_us);
guint relay_port_pool_get_n_used (RelayPortPool *self);
guint relay_port_pool_get_n_ports (RelayPortPool *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayPortPool, relay_port_pool_free)
