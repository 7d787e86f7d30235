/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/log: defines this room's log category. */
#include "scaling/log.h"

BASE_LOG_DEFINE (scaling)
