/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster/store-redis-private: what the Redis store's files share.
 * store-redis.c has its connections and its life, store-redis-calls.c the
 * calls.
 * Thread: main.
 */
#pragma once

#include "base/clock.h"
#include "cluster/functions.h"
#include "cluster/store-private.h"

typedef struct
{
  ClusterStore base;
  ClusterRedisUrl *url; /* owned */
  char *prefix;         /* owned */
  GTlsDatabase *ca;     /* owned, nullable */
  ClusterRedisLimits limits;
  ClusterSentinel *sentinel; /* owned, nullable */
  ClusterFunctions *calls;   /* owned */
  ClusterRedisLink *hints;   /* owned */
  char *node_id; /* owned, nullable: who beats through this */
  gboolean has_beaten, has_told, was_connected;
  GHashTable *complaints; /* owned (element-type char* gint64 at_us) */
} ClusterStoreRedis;

/* logs @what, once a minute at most for the same @kind */
void cluster_store_redis_complain (ClusterStoreRedis *self, const char *kind,
                                   const char *what);
/* topology: of the node that beats here */
void cluster_store_redis_subscribe_node (ClusterStoreRedis *self);

/* the class's calls */
void cluster_store_redis_beat (ClusterStore *store, const ClusterNode *node,
                               const ClusterLoad *load, ClusterAnswer *answer);
void cluster_store_redis_leave (ClusterStore *store, const ClusterNode *node,
                                ClusterAnswer *answer);
void cluster_store_redis_place (ClusterStore *store, const char *node_id,
                                const ClusterPlace *place, guint max_children,
                                ClusterAnswer *answer);
void cluster_store_redis_read_peers (ClusterStore *store,
                                     ClusterAnswer *answer);
void cluster_store_redis_read_streams (ClusterStore *store,
                                       ClusterAnswer *answer);
void cluster_store_redis_claim_stream (ClusterStore *store,
                                       const ClusterStream *stream,
                                       ClusterAnswer *answer);
void cluster_store_redis_end_stream (ClusterStore *store, const char *name,
                                     const char *publication,
                                     ClusterAnswer *answer);
void cluster_store_redis_put_mountpoint (ClusterStore *store, const char *id,
                                         const char *text, gboolean is_new,
                                         ClusterAnswer *answer);
void cluster_store_redis_remove_mountpoint (ClusterStore *store, const char *id,
                                            ClusterAnswer *answer);
void cluster_store_redis_read_mountpoints (ClusterStore *store,
                                           ClusterAnswer *answer);
