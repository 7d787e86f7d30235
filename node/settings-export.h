/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/settings-export: the settings of the role metrics' exporters, and their
 * names in the environment (METRICS_…).
 * Thread: main.
 */
#pragma once

#include "base/settings.h"

/* part of node_settings_new: rows and aliases */
void node_settings_add_export (BaseSettings *settings);
