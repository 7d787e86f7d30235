/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterRedisLink: keeps one connection to the master alive: asks the
 * sentinels where it is (if there are any), connects, says AUTH and SELECT,
 * checks that ROLE is master behind sentinels, and begins again when it
 * breaks: 100 ms to 4 s later, with jitter, for ever.
 * Owner:  the store. Thread: main.
 */
#pragma once

#include "cluster/redis-sentinel.h"
#include "cluster/redis-url.h"
#include "cluster/redis.h"

typedef struct _ClusterRedisLink ClusterRedisLink;

typedef struct
{
  /* may be used now */
  void (*on_up) (gpointer data);
  /* it broke, or an attempt failed */
  void (*on_down) (const GError *error, gpointer data);
  void (*on_message) (const char *channel, const char *text, gpointer data);
} ClusterRedisLinkCallbacks;

/* @sentinel: (nullable): for sentinel:// URLs; borrowed, as are @url, @limits
 * and @ca (nullable) */
ClusterRedisLink *
cluster_redis_link_new (const ClusterRedisUrl *url, ClusterSentinel *sentinel,
                        GTlsDatabase *ca, const ClusterRedisLimits *limits,
                        const ClusterRedisLinkCallbacks *callbacks,
                        gpointer data);
void cluster_redis_link_free (ClusterRedisLink *self);
/* (nullable) (transfer none): while it is up */
ClusterRedis *cluster_redis_link_get (ClusterRedisLink *self);
/* gives the connection up, and begins again; @at_once: without waiting */
void cluster_redis_link_drop (ClusterRedisLink *self, const char *why,
                              gboolean at_once);
/* "127.0.0.1:6379" (nullable) (transfer none): where it is connected */
const char *cluster_redis_link_get_address (ClusterRedisLink *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClusterRedisLink, cluster_redis_link_free)
