/* SPDX-License-Identifier: Apache-2.0 */
/* whip/log: this room's log category; see base/log.h. */
#pragma once

#include "base/log.h"

BASE_LOG_DECLARE (whip);
#define GST_CAT_DEFAULT (whip_log_get ())
