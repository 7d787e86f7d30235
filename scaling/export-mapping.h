/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingExportMapping: what internal keys are called outside. Without a word
 * about it "egress.viewers" is media_tree_cluster_egress_viewers for Prometheus
 * and egress.viewers for CloudWatch. METRICS_MAPPING_JSON is an object; a
 * member is
 *   "key": "Name"                                  another name
 *   "key": {"name": "Name", "unit": "Milliseconds"}  and CloudWatch's unit,
 *                                                  values are converted
 *   "key": null or false                           not sent at all
 * In names for Prometheus what may not stand there becomes "_".
 * Owner:  the exporter. Immutable. Thread: main.
 */
#pragma once

#include "scaling/point.h"

#define SCALING_EXPORT_NAME_MAX_CHARS 255

typedef struct
{
  char *prometheus; /* owned */
  char *cloudwatch; /* owned */
  const char *unit; /* CloudWatch's, static */
  double factor;    /* from the key's unit to that */
  gboolean is_dropped;
} ScalingExportName;

typedef struct _ScalingExportMapping ScalingExportMapping;

/* scaling_export_mapping_new:
 * @json: (nullable): "" too
 * Returns: (nullable): SCALING_EXPORT_ERROR_CONFIG: no JSON (where), an unknown
 *   key (the how manieth member), a name that is none or is taken, a unit that
 *   does not fit */
ScalingExportMapping *scaling_export_mapping_new (const char *json,
                                                  GError **error);
void scaling_export_mapping_free (ScalingExportMapping *self);

/* scaling_export_mapping_get: (nullable): %NULL: it is not sent */
const ScalingExportName *
scaling_export_mapping_get (const ScalingExportMapping *self,
                            const ScalingKey *key);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingExportMapping,
                               scaling_export_mapping_free)
