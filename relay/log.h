/* SPDX-License-Identifier: Apache-2.0 */
/* relay/log: this room's log category; see base/log.h. */
#pragma once

#include "base/log.h"

BASE_LOG_DECLARE (relay);
#define GST_CAT_DEFAULT (relay_log_get ())
