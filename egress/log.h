/* SPDX-License-Identifier: Apache-2.0 */
/* egress/log: this room's log category; see base/log.h. */
#pragma once

#include "base/log.h"

BASE_LOG_DECLARE (egress);
#define GST_CAT_DEFAULT (egress_log_get ())
