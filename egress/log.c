/* SPDX-License-Identifier: Apache-2.0 */
/* egress/log: defines this room's log category. */
#include "egress/log.h"

BASE_LOG_DEFINE (egress)
