/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/log: this room's log category; see base/log.h. */
#pragma once

#include "base/log.h"

BASE_LOG_DECLARE (scaling);
#define GST_CAT_DEFAULT (scaling_log_get ())
