/* SPDX-License-Identifier: Apache-2.0 */
/* node/log: this room's log category; see base/log.h. */
#pragma once

#include "base/log.h"

BASE_LOG_DECLARE (node);
#define GST_CAT_DEFAULT (node_log_get ())
