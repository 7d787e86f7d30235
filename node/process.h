/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/process: this process in /metrics, by the names that Prometheus's own
 * client libraries use: CPU seconds, memory, descriptors, threads, start time.
 * Read from /proc at scrape time. Thread: main.
 */
#pragma once

#include "base/metrics.h"

/* @started_wall_us: when the program began */
void node_process_register_metrics (BaseMetrics *metrics,
                                    gint64 started_wall_us);

guint node_process_count_fds (void);
/* user and system time of all threads */
double node_process_get_cpu_seconds (void);
guint64 node_process_get_rss_bytes (void);
/* the soft limit of descriptors; 0: none is known */
guint64 node_process_get_max_fds (void);
/* soft limit of descriptors raised to the hard one. Returns: the limit */
guint64 node_process_raise_fd_limit (void);
