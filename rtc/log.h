/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/log: this room's log category; see base/log.h. */
#pragma once

#include "base/log.h"

BASE_LOG_DECLARE (rtc);
#define GST_CAT_DEFAULT (rtc_log_get ())
