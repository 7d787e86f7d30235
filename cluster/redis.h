/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterRedis: one connection to a Redis server or a sentinel, from connect
 * to its end; it is not used again. Commands go out in a pipeline and are
 * answered in order. GIO connects, resolves names and does TLS; hiredis
 * formats and reads. Nothing blocks.
 *   Given up: connecting takes longer than connect_ms, the oldest command is
 * not answered within command_ms, the server says nonsense or more than
 * max_reply_bytes, or hangs up.
 * Owner:  who made it. Thread: main.
 */
#pragma once

#include <gio/gio.h>

#include "cluster/redis-reply.h"

typedef struct _ClusterRedis ClusterRedis;

typedef struct
{
  guint connect_ms, command_ms;
  guint ping_ms; /* a subscriber asks for a sign of life so often */
  guint backoff_min_ms, backoff_max_ms; /* used by ClusterRedisLink */
  guint max_pending;                    /* commands */
  gsize max_reply_bytes;
  guint max_reply_items;
} ClusterRedisLimits;

extern const ClusterRedisLimits cluster_redis_limits;

typedef struct
{
  void (*on_ready) (ClusterRedis *redis, gpointer data);
  /* (nullable) a message of a channel that was subscribed to */
  void (*on_message) (const char *channel, const char *text, gpointer data);
  /* once, after all pending commands were told; only free may follow */
  void (*on_closed) (const GError *error, gpointer data);
} ClusterRedisCallbacks;

/* @reply is borrowed; NULL when @error is set: AWAY, TIMEOUT, PROTOCOL. An
 * error of the server is a reply. */
typedef void (*ClusterReplyFunc) (const ClusterReply *reply,
                                  const GError *error, gpointer data);

/* @is_tls: with verification against @ca, (nullable) the system's store */
ClusterRedis *cluster_redis_new (const char *host, guint16 port,
                                 gboolean is_tls, GTlsDatabase *ca,
                                 const ClusterRedisLimits *limits,
                                 const ClusterRedisCallbacks *callbacks,
                                 gpointer data);
/* drops what is pending without running its functions */
void cluster_redis_free (ClusterRedis *self);
/* @argv: NULL-terminated; texts
 * @drop: (nullable): for @data, when @func will not be run
 * Returns: FALSE when it is not ready or has max_pending commands: neither
 * @func nor @drop is run */
gboolean cluster_redis_send (ClusterRedis *self, const char *const *argv,
                             ClusterReplyFunc func, gpointer data,
                             GDestroyNotify drop);
/* gives it up: on_closed from the main loop's next turn */
void cluster_redis_close_later (ClusterRedis *self, const GError *error);
gboolean cluster_redis_is_ready (ClusterRedis *self);
/* one command: NULL-terminated arguments */
gboolean cluster_redis_ask (ClusterRedis *self, ClusterReplyFunc func,
                            gpointer data, ...) G_GNUC_NULL_TERMINATED;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClusterRedis, cluster_redis_free)
