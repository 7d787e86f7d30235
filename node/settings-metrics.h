/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/settings-metrics: the settings of --role=metrics, their names in the
 * environment (METRICS_…, GATEWAY_CONFIG_JSON), and what follows from them.
 * Thread: main.
 */
#pragma once

#include "node/settings.h"

/* part of node_settings_new: rows and aliases */
void node_settings_add_metrics (BaseSettings *settings);

/* node_settings_read_metrics: part of node_options_new: @self has its roles
 * already. Without the role nothing is read. With it, and where they are not
 * given: http-listen is *:metrics-port; tree-id is GATEWAY_CONFIG_JSON's
 * tenant. */
gboolean node_settings_read_metrics (NodeOptions *self, BaseSettings *settings,
                                     GError **error);
