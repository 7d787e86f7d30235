/* SPDX-License-Identifier: Apache-2.0 */
/* cluster/store-redis: what tests set in the Redis store before it connects,
 * which is in the main loop's next turn. Thread: main. */
#pragma once

#include "cluster/redis.h"
#include "cluster/store.h"

void cluster_store_redis_set_limits (ClusterStore *store,
                                     const ClusterRedisLimits *limits);
