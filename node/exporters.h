/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeExporters: the exporters of the role metrics, as the settings have them:
 * mapping, targets, schedule.
 * Owner:  the role. Thread: main.
 */
#pragma once

#include "base/settings.h"
#include "scaling/export.h"

typedef struct _NodeExporters NodeExporters;

/* node_exporters_new:
 * @settings, @metrics: borrowed
 * @env: as from g_get_environ(): AWS_…
 * @on_done: run-once is through: the process is to end with that code
 * Returns: (nullable): SCALING_EXPORT_ERROR_CONFIG; the message names the
 *   setting */
NodeExporters *node_exporters_new (BaseSettings *settings, BaseMetrics *metrics,
                                   char **env, ScalingExportPoints get_points,
                                   ScalingExportExitFunc on_done, gpointer data,
                                   GError **error);
void node_exporters_free (NodeExporters *self);

/* node_exporters_start: when points can be asked for */
void node_exporters_start (NodeExporters *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeExporters, node_exporters_free)
