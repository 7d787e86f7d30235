/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/settings-scaling: the settings of autoscaling, their second names in the
 * environment, and what is checked of them.
 * Thread: main.
 */
#pragma once

#include "node/settings.h"
#include "scaling/controller.h"

/* before load */
void node_settings_add_scaling (BaseSettings *settings);
/* node_settings_dup_log_level: (transfer full): for base_log_init(): that of
 * all, and scaling's own */
char *node_settings_dup_log_level (BaseSettings *settings);
/* node_settings_make_notifier:
 * @metrics: borrowed
 * @ret: (out) (transfer full) (nullable): NULL: nobody is to be told
 * Returns: FALSE: NODE_SETTINGS_ERROR: who is to be told cannot be */
gboolean node_settings_make_notifier (BaseSettings *settings,
                                      const char *node_id, BaseMetrics *metrics,
                                      ScalingNotifier **ret, GError **error);
/* node_settings_read_scaling: fills what the controller takes from settings;
 * reads the file of policies.
 * @ret: (out): policies are the caller's then
 * Returns: %FALSE: NODE_SETTINGS_ERROR */
gboolean node_settings_read_scaling (BaseSettings *settings,
                                     ScalingControllerConfig *ret,
                                     GError **error);
