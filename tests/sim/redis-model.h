/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/redis-model: the keys of one Redis 7 in memory, with the commands that
 * mtctl*.lua use. What a command changed is written down as the commands that
 * a replica gets: with absolute times and ids, so that a replica whose clock
 * is wrong keeps a key longer or shorter, as a real one does once it is asked
 * as a master. Errors are those that Redis would give; a command that is not
 * here is one.
 * Owner: SimStore. Clocks are passed in.
 */
#pragma once

#include "cluster/redis-reply.h"

typedef struct _SimRedis SimRedis;

SimRedis *sim_redis_new (void);
void sim_redis_free (SimRedis *self);
/* everything of @from instead of what is there: a full synchronisation */
void sim_redis_copy (SimRedis *self, const SimRedis *from);
void sim_redis_set_wall_us (SimRedis *self, gint64 wall_us);

/* sim_redis_call: as a master; @argv: NULL-terminated
 * Returns: (transfer full) */
ClusterReply *sim_redis_call (SimRedis *self, const char *const *argv);
/* (transfer full) (nullable) (element-type GStrv): what was changed since this
 * was asked last */
GPtrArray *sim_redis_take_effects (SimRedis *self);
/* one of them, on a replica */
void sim_redis_apply (SimRedis *self, const char *const *argv);

/* for checks: what is there, expired or not. (nullable) (transfer none) */
const char *sim_redis_peek (SimRedis *self, const char *key, const char *field);

/* (transfer full) */
ClusterReply *sim_reply_text (const char *text);
ClusterReply *sim_reply_error (const char *text);
ClusterReply *sim_reply_integer (gint64 integer);
ClusterReply *sim_reply_nil (void);
/* @items: (transfer full) (element-type ClusterReply) */
ClusterReply *sim_reply_array (GPtrArray *items);
