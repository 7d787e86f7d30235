/* SPDX-License-Identifier: Apache-2.0 */
/* node/log: defines this room's log category. */
#include "node/log.h"

BASE_LOG_DEFINE (node)
