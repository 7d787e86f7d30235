/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/redis-private: for the model's files alone: redis-model.c has keys,
 * texts, hashes and the table of commands, redis-sets.c sets and streams,
 * redis-reply.c replies.
 */
#pragma once

#include "redis-model.h"

#include "world.h"

typedef enum
{
  VALUE_TEXT,
  VALUE_HASH,
  VALUE_SET, /* in the order in which members came */
  VALUE_STREAM,
} SimValueType;

typedef struct
{
  SimValueType type;
  gint64 expires_ms; /* wall; 0 = never */
  char *text;        /* owned */
  GHashTable *hash;  /* owned: text → text */
  GPtrArray *items;  /* owned: a set's texts, a stream's (element-type GStrv):
                      * id, then fields and values */
} SimValue;

struct _SimRedis
{
  GHashTable *keys;   /* owned: text → SimValue */
  GPtrArray *effects; /* owned, nullable */
  gint64 wall_us;
  gint64 last_ms; /* of a stream's id */
  guint last_number;
};

ClusterReply *sim_redis_text_or_nil (const char *text);
ClusterReply *sim_redis_wrong_type (void);
/* an effect */
void sim_redis_note (SimRedis *self, const char *const *argv);
/* (nullable): one that has expired is gone then */
SimValue *sim_redis_find (SimRedis *self, const char *key);
/* (nullable): it is of another type */
SimValue *sim_redis_find_or_add (SimRedis *self, const char *key,
                                 SimValueType type);
void sim_redis_drop_if_empty (SimRedis *self, const char *key,
                              const SimValue *value);

/* commands of redis-sets.c */
ClusterReply *sim_redis_do_sadd (SimRedis *self, const char *const *argv);
ClusterReply *sim_redis_do_srem (SimRedis *self, const char *const *argv);
ClusterReply *sim_redis_do_smembers (SimRedis *self, const char *const *argv);
ClusterReply *sim_redis_do_sismember (SimRedis *self, const char *const *argv);
ClusterReply *sim_redis_do_scard (SimRedis *self, const char *const *argv);
ClusterReply *sim_redis_do_srandmember (SimRedis *self,
                                        const char *const *argv);
ClusterReply *sim_redis_do_xadd (SimRedis *self, const char *const *argv);
ClusterReply *sim_redis_do_xrevrange (SimRedis *self, const char *const *argv);
