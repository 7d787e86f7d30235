/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingPrometheus: what a Prometheus measured of one tree, for policies'
 * metrics of that source: each interval each query once, at /api/v1/query
 * (https://prometheus.io/docs/prometheus/latest/querying/api/). A query is
 * PromQL with $tree in place of the tree's name; its result must be one sample,
 * or a scalar. No sample, NaN, an answer that is late, broken or old: nothing
 * is known; it is never 0. Units are the signals' (scaling/types.h): percent
 * for cpu, memory, ports; packets a second for drops. Bounds:
 * SCALING_PROMETHEUS_MAX_BYTES an answer, one question of each signal at a
 * time; what is known is forgotten after three intervals. Owner:
 * ScalingController, one for each tree. Thread: main. Nothing blocks.
 */
#pragma once

#include "scaling/types.h"

#define SCALING_PROMETHEUS_MAX_BYTES 65536
#define SCALING_PROMETHEUS_MAX_QUERY_CHARS 2000

typedef enum
{
  SCALING_PROMETHEUS_OK,
  SCALING_PROMETHEUS_NOTHING, /* no sample, or NaN */
  SCALING_PROMETHEUS_AWAY,    /* no answer */
  SCALING_PROMETHEUS_REFUSED, /* another status: the query is wrong, or we may
                               * not */
  SCALING_PROMETHEUS_GARBAGE, /* not understood, or several samples */
  SCALING_PROMETHEUS_N_RESULTS,
} ScalingPrometheusResult;
/* "ok", "nothing", "away", "refused", "garbage" */
const char *scaling_prometheus_result_get_name (ScalingPrometheusResult result);

typedef struct
{
  const char *url; /* http(s)://[USER:PASSWORD@]HOST[:PORT][/PATH]: of the
                    * server */
  /* (nullable): PromQL of each signal; NULL: the one that ships, if any */
  const char *queries[SCALING_SIGNAL_N];
  gint64 interval_us, timeout_us;
} ScalingPrometheusConfig;

typedef struct _ScalingPrometheus ScalingPrometheus;

/* http or https, with a host */
gboolean scaling_prometheus_url_is_valid (const char *url);
/* (nullable): what ships: cpu, memory, ports, drops */
const char *scaling_prometheus_get_default (ScalingSignal signal);

/* scaling_prometheus_new: asks at once.
 * @signals: bit i: of signal i; those without a query stay unknown
 * @n_results: (nullable) borrowed: [SCALING_PROMETHEUS_N_RESULTS], counted */
ScalingPrometheus *
scaling_prometheus_new (const ScalingPrometheusConfig *config,
                        const char *tree_id, guint signals, guint64 *n_results);
void scaling_prometheus_free (ScalingPrometheus *self);
guint scaling_prometheus_get_signals (ScalingPrometheus *self);

/* scaling_prometheus_read: @ret: [SCALING_SIGNAL_N]: those that are not known
 * are set so */
void scaling_prometheus_read (ScalingPrometheus *self, gint64 now_us,
                              ScalingReading *ret);

/* scaling_prometheus_parse: pure: an answer of /api/v1/query.
 * @ret: (out): on SCALING_PROMETHEUS_OK */
ScalingPrometheusResult scaling_prometheus_parse (const char *text,
                                                  gsize n_bytes, double *ret);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingPrometheus, scaling_prometheus_free)
