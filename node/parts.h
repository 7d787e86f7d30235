/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeParts: what the program is made of, for those who show or route to it.
 * main.c builds it and takes it apart again in the order it documents.
 * Thread: main.
 */
#pragma once

#include "egress/snapshot.h"
#include "egress/whep.h"
#include "node/settings.h"
#include "whip/endpoint.h"
#include "whip/rtp-input.h"

typedef struct _NodeCluster NodeCluster;     /* node/cluster.h */
typedef struct _NodeAdmission NodeAdmission; /* node/admission.h */
typedef struct _NodeDrain NodeDrain;         /* node/drain.h */
typedef struct _NodeJanus NodeJanus;         /* node/janus.h */
typedef struct _NodeLoad NodeLoad;           /* node/load.h */
typedef struct _NodeMonitor NodeMonitor;     /* node/monitor.h */
typedef struct _NodeMetricsRole NodeMetricsRole; /* node/metrics-role.h */
typedef struct _NodeScaling NodeScaling;     /* node/scaling.h */

typedef struct {
  BaseSettings *settings; /* all owned by main.c */
  NodeOptions *options;
  BaseAuth *auth;
  BaseMetrics *metrics;
  NodeMonitor *monitor;
  NodeMetricsRole *metrics_role; /* (nullable): another role */
  RtcCertificate *certificate;
  RtcAddresses *addresses;
  RtcWorker *workers[NODE_MAX_WORKERS];
  guint n_workers;
  RtcWillStore *wills; /* (nullable): no --state-dir, or no publishers here */
  RelayHub *hub;
  NodeLoad *load;
  NodeCluster *cluster; /* always: alone too */
  NodeScaling *scaling; /* likewise */
  NodeAdmission *admission;
  NodeDrain *drain;
  WhipEndpoint *whip; /* (nullable): role without injection */
  GPtrArray *rtp_inputs; /* (element-type WhipRtpInput) */
  EgressGate *gate; /* (nullable): roles without egress and injection */
  NodeJanus *janus; /* (nullable): likewise */
  EgressWhep *whep; /* (nullable): likewise */
  EgressSnapshot *snapshot;
  gint64 started_us, started_wall_us;
  gboolean is_ready; /* serving; FALSE again while stopping */
} NodeParts;
