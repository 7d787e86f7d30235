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
/* node_settings_read_scaling: fills what the controller takes from settings;
 * reads the file of policies.
 * @ret: (out): policies are the caller's then
 * Returns: %FALSE: NODE_SETTINGS_ERROR */
gboolean node_settings_read_scaling (BaseSettings *settings,
                                     ScalingControllerConfig *ret,
                                     GError **error);
