/* SPDX-License-Identifier: Apache-2.0 */
/* cluster/log: this room's log category; see base/log.h. */
#pragma once

#include "base/log.h"

BASE_LOG_DECLARE (cluster);
#define GST_CAT_DEFAULT (cluster_log_get ())
