/* SPDX-License-Identifier: Apache-2.0 */
/* whip/log: defines this room's log category. */
#include "whip/log.h"

BASE_LOG_DEFINE (whip)
