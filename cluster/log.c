/* SPDX-License-Identifier: Apache-2.0 */
/* cluster/log: defines this room's log category. */
#include "cluster/log.h"

BASE_LOG_DEFINE (cluster)
