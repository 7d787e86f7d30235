/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterSentinel: where the master is. Asks the sentinels one after the
 * other, the one that answered last first. An answer counts when
 * get-master-addr-by-name, MASTER and get-master-addr-by-name once more agree:
 * during a failover they do not (the old address with the new epoch). Then it
 * stays subscribed to that sentinel's +switch-master.
 * Owner:  the store. Thread: main.
 */
#pragma once

#include "cluster/redis-url.h"
#include "cluster/redis.h"

typedef struct _ClusterSentinel ClusterSentinel;

/* @host: NULL with @error when no sentinel knows */
typedef void (*ClusterResolveFunc) (const char *host, guint16 port,
                                    const GError *error, gpointer data);
/* the master is another one than was said before */
typedef void (*ClusterSwitchFunc) (gpointer data);

/* @url, @limits, @ca: borrowed */
ClusterSentinel *cluster_sentinel_new (const ClusterRedisUrl *url,
                                       GTlsDatabase *ca,
                                       const ClusterRedisLimits *limits,
                                       ClusterSwitchFunc func, gpointer data);
void cluster_sentinel_free (ClusterSentinel *self);
/* @func: once, from the main loop */
void cluster_sentinel_resolve (ClusterSentinel *self, ClusterResolveFunc func,
                               gpointer data);
/* of the failover that made the master that was resolved last: the same answers
 * said it */
guint64 cluster_sentinel_get_config_epoch (ClusterSentinel *self);
/* @data's functions are not run any more */
void cluster_sentinel_forget (ClusterSentinel *self, gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClusterSentinel, cluster_sentinel_free)
