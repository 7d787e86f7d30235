/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeWorkers: how busy the media workers are, and whether they turn.
 *   Busy: CPU time of the thread, the kernel's part included, over the last
 * NODE_WORKERS_WINDOW_S seconds.
 *   A stall: a worker whose coarse timer, which runs twice a second, has not
 * come by for NODE_WORKERS_STALL_US; counted once, until it turns again. When
 * main itself did not run for as long (the whole program was stopped), nobody
 * is blamed.
 * Owner:  NodeServer. Thread: main; the clock is passed in.
 */
#pragma once

#include "base/metrics.h"
#include "rtc/worker.h"

#define NODE_WORKERS_WINDOW_S 10
#define NODE_WORKERS_STALL_US (2 * G_USEC_PER_SEC)

typedef struct _NodeWorkers NodeWorkers;

/* @workers: borrowed, as is what it points to */
NodeWorkers *node_workers_new (RtcWorker *const *workers, guint n_workers,
                               BaseMetrics *metrics);
void node_workers_free (NodeWorkers *self);

/* node_workers_sample: once a second */
void node_workers_sample (NodeWorkers *self, gint64 now_us);

/* of the last seconds; 0 when nothing was sampled yet */
double node_workers_get_busy_ratio (NodeWorkers *self, guint worker);
/* since the start, all workers */
guint64 node_workers_get_n_stalls (NodeWorkers *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeWorkers, node_workers_free)
