/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeMonitor: what the node has been through in the last minute, quarter and
 * hour: windows with percentiles, for /monitoring/system and for who watches
 * the load. Latencies come from the histograms of /metrics as they are
 * observed, the rest is sampled once a second.
 *   Join queue: viewers that have a place and no media yet. Pressure: that
 * queue over the joins which the workers finish in a second.
 * Owner:  main.c; made before and freed after all that observes.
 * Thread: main; the clock is passed in.
 */
#pragma once

#include "base/gauge-window.h"
#include "node/parts.h"

/* A core does about 1000 a second when it does nothing else
 * (docs/BENCHMARKS.md, Joins); half of it is the seated viewers'. */
#define NODE_MONITOR_JOINS_PER_WORKER_S 500

typedef enum
{
  NODE_METER_CONNECTIONS, /* viewers that media goes to */
  NODE_METER_JOIN_QUEUE,
  NODE_METER_JOIN_PRESSURE, /* thousandths */
  NODE_METER_PORTS,         /* thousandths of a percent */
  NODE_METER_JOIN_LATENCY,  /* µs, this one and the next */
  NODE_METER_HTTP_LATENCY,
  NODE_METER_REPAIR_LATENCY,
  NODE_METER_N
} NodeMeter;

typedef struct _NodeMonitor NodeMonitor;

/* @parts: borrowed; only metrics must be there yet */
NodeMonitor *node_monitor_new (const NodeParts *parts);
void node_monitor_free (NodeMonitor *self);

/* node_monitor_sample: once a second */
void node_monitor_sample (NodeMonitor *self, gint64 now_us);

/* node_monitor_merge: adds what @meter had over @span to @into, as of the last
 * sample */
void node_monitor_merge (NodeMonitor *self, NodeMeter meter, BaseSpan span,
                         BaseSketch *into);
/* the last sample, in the meter's whole numbers; latencies have none */
gint64 node_monitor_get_now (NodeMonitor *self, NodeMeter meter);

/* node_monitor_describe: (transfer full): /monitoring/system; brings in what
 * came since the last sample */
JsonNode *node_monitor_describe (NodeMonitor *self, gint64 now_us);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeMonitor, node_monitor_free)
