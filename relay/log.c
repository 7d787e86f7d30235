/* SPDX-License-Identifier: Apache-2.0 */
/* relay/log: defines this room's log category. */
#include "relay/log.h"

BASE_LOG_DEFINE (relay)
