/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/log: defines this room's log category. */
#include "rtc/log.h"

BASE_LOG_DEFINE (rtc)
