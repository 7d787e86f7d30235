/* SPDX-License-Identifier: Apache-2.0 */
/* sim/redis-model: values by key, a table of commands, their effects. */
#include "redis-private.h"

#include <stdlib.h>
#include <string.h>

/* --- values --------------------------------------------------------------- */

static void
value_free (gpointer data)
{
  SimValue *value = data;

  g_free (value->text);
  g_clear_pointer (&value->hash, g_hash_table_unref);
  g_clear_pointer (&value->items, g_ptr_array_unref);
  g_free (value);
}

static SimValue *
value_new (SimValueType type)
{
  SimValue *value = g_new0 (SimValue, 1);

  value->type = type;
  if (type == VALUE_HASH)
    value->hash =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  if (type == VALUE_SET)
    value->items = g_ptr_array_new_with_free_func (g_free);
  if (type == VALUE_STREAM)
    value->items = g_ptr_array_new_with_free_func ((GDestroyNotify)g_strfreev);
  return value;
}

static SimValue *
value_copy (const SimValue *from)
{
  SimValue *value = value_new (from->type);
  GHashTableIter iter;
  gpointer field, text;

  value->expires_ms = from->expires_ms;
  value->text = g_strdup (from->text);
  if (from->hash != NULL)
    {
      g_hash_table_iter_init (&iter, from->hash);
      while (g_hash_table_iter_next (&iter, &field, &text))
        g_hash_table_insert (value->hash, g_strdup (field), g_strdup (text));
    }
  for (guint i = 0; from->items != NULL && i < from->items->len; i++)
    g_ptr_array_add (value->items,
                     from->type == VALUE_SET
                         ? (gpointer)g_strdup (from->items->pdata[i])
                         : (gpointer)g_strdupv (from->items->pdata[i]));
  return value;
}

void
sim_redis_note (SimRedis *self, const char *const *argv)
{
  if (self->effects == NULL)
    self->effects = g_ptr_array_new_with_free_func ((GDestroyNotify)g_strfreev);
  g_ptr_array_add (self->effects, g_strdupv ((char **)argv));
}

SimValue *
sim_redis_find (SimRedis *self, const char *key)
{
  SimValue *value = g_hash_table_lookup (self->keys, key);
  const char *gone[] = { "DEL", key, NULL };

  if (value == NULL || value->expires_ms == 0
      || value->expires_ms > self->wall_us / SIM_US_PER_MS)
    return value;
  sim_redis_note (self, gone);
  g_hash_table_remove (self->keys, key);
  return NULL;
}

/* NULL: it is of another type */
SimValue *
sim_redis_find_or_add (SimRedis *self, const char *key, SimValueType type)
{
  SimValue *value = sim_redis_find (self, key);

  if (value == NULL)
    {
      value = value_new (type);
      g_hash_table_insert (self->keys, g_strdup (key), value);
    }
  return value->type == type ? value : NULL;
}

void
sim_redis_drop_if_empty (SimRedis *self, const char *key, const SimValue *value)
{
  guint n =
      value->hash != NULL ? g_hash_table_size (value->hash) : value->items->len;

  if (n == 0)
    g_hash_table_remove (self->keys, key);
}

static const char *
get_field (const SimValue *value, const char *field)
{
  return value != NULL ? g_hash_table_lookup (value->hash, field) : NULL;
}

/* --- texts ---------------------------------------------------------------- */

static ClusterReply *
do_get (SimRedis *self, const char *const *argv)
{
  SimValue *value = sim_redis_find (self, argv[1]);

  if (value != NULL && value->type != VALUE_TEXT)
    return sim_redis_wrong_type ();
  return sim_redis_text_or_nil (value != NULL ? value->text : NULL);
}

static ClusterReply *
do_mget (SimRedis *self, const char *const *argv)
{
  GPtrArray *items = g_ptr_array_new ();

  for (argv++; *argv != NULL; argv++)
    {
      SimValue *value = sim_redis_find (self, *argv);

      g_ptr_array_add (
          items, sim_redis_text_or_nil (value != NULL ? value->text : NULL));
    }
  return sim_reply_array (items);
}

/* key value [PX ms | PXAT ms] */
static ClusterReply *
do_set (SimRedis *self, const char *const *argv)
{
  SimValue *value = value_new (VALUE_TEXT);
  gint64 wall_ms = self->wall_us / SIM_US_PER_MS;
  char at[24];
  const char *told[] = { "SET", argv[1], argv[2], "PXAT", at, NULL };

  value->text = g_strdup (argv[2]);
  if (argv[3] != NULL && argv[4] != NULL)
    value->expires_ms =
        atoll (argv[4]) + (strcmp (argv[3], "PX") == 0 ? wall_ms : 0);
  else
    told[3] = NULL;
  g_snprintf (at, sizeof at, "%" G_GINT64_FORMAT, value->expires_ms);
  g_hash_table_replace (self->keys, g_strdup (argv[1]), value);
  sim_redis_note (self, told);
  return sim_reply_text ("OK");
}

/* --- any key -------------------------------------------------------------- */

static ClusterReply *
do_exists (SimRedis *self, const char *const *argv)
{
  gint64 n = 0;

  for (argv++; *argv != NULL; argv++)
    n += sim_redis_find (self, *argv) != NULL;
  return sim_reply_integer (n);
}

static ClusterReply *
do_del (SimRedis *self, const char *const *argv)
{
  gint64 n = 0;

  for (const char *const *key = argv + 1; *key != NULL; key++)
    n += sim_redis_find (self, *key) != NULL
         && g_hash_table_remove (self->keys, *key);
  if (n > 0)
    sim_redis_note (self, argv);
  return sim_reply_integer (n);
}

static ClusterReply *
do_pttl (SimRedis *self, const char *const *argv)
{
  SimValue *value = sim_redis_find (self, argv[1]);

  if (value == NULL)
    return sim_reply_integer (-2);
  if (value->expires_ms == 0)
    return sim_reply_integer (-1);
  return sim_reply_integer (value->expires_ms - self->wall_us / SIM_US_PER_MS);
}

static ClusterReply *
do_pexpireat (SimRedis *self, const char *const *argv)
{
  SimValue *value = g_hash_table_lookup (self->keys, argv[1]);

  if (value == NULL)
    return sim_reply_integer (0);
  value->expires_ms = atoll (argv[2]);
  sim_redis_note (self, argv);
  return sim_reply_integer (1);
}

static ClusterReply *
do_pexpire (SimRedis *self, const char *const *argv)
{
  char at[24];
  const char *told[] = { "PEXPIREAT", argv[1], at, NULL };

  if (sim_redis_find (self, argv[1]) == NULL)
    return sim_reply_integer (0);
  g_snprintf (at, sizeof at, "%" G_GINT64_FORMAT,
              self->wall_us / SIM_US_PER_MS + (gint64)atoll (argv[2]));
  return do_pexpireat (self, told);
}

/* --- hashes --------------------------------------------------------------- */

static SimValue *
find_hash (SimRedis *self, const char *key, ClusterReply **ret_error)
{
  SimValue *value = sim_redis_find (self, key);

  *ret_error = NULL;
  if (value != NULL && value->type != VALUE_HASH)
    *ret_error = sim_redis_wrong_type ();
  return value;
}

static ClusterReply *
do_hset (SimRedis *self, const char *const *argv)
{
  SimValue *value = sim_redis_find_or_add (self, argv[1], VALUE_HASH);
  gint64 n = 0;

  if (value == NULL)
    return sim_redis_wrong_type ();
  for (guint i = 2; argv[i] != NULL && argv[i + 1] != NULL; i += 2)
    n += g_hash_table_replace (value->hash, g_strdup (argv[i]),
                               g_strdup (argv[i + 1]));
  sim_redis_note (self, argv);
  return sim_reply_integer (n);
}

static ClusterReply *
do_hdel (SimRedis *self, const char *const *argv)
{
  ClusterReply *error;
  SimValue *value = find_hash (self, argv[1], &error);
  gint64 n = 0;

  if (error != NULL)
    return error;
  for (guint i = 2; value != NULL && argv[i] != NULL; i++)
    n += g_hash_table_remove (value->hash, argv[i]);
  if (n > 0)
    {
      sim_redis_note (self, argv);
      sim_redis_drop_if_empty (self, argv[1], value);
    }
  return sim_reply_integer (n);
}

static ClusterReply *
do_hget (SimRedis *self, const char *const *argv)
{
  ClusterReply *error;
  SimValue *value = find_hash (self, argv[1], &error);

  return error != NULL ? error
                       : sim_redis_text_or_nil (get_field (value, argv[2]));
}

static ClusterReply *
do_hmget (SimRedis *self, const char *const *argv)
{
  ClusterReply *error;
  SimValue *value = find_hash (self, argv[1], &error);
  GPtrArray *items;

  if (error != NULL)
    return error;
  items = g_ptr_array_new ();
  for (argv += 2; *argv != NULL; argv++)
    g_ptr_array_add (items, sim_redis_text_or_nil (get_field (value, *argv)));
  return sim_reply_array (items);
}

static ClusterReply *
do_hexists (SimRedis *self, const char *const *argv)
{
  ClusterReply *error;
  SimValue *value = find_hash (self, argv[1], &error);

  return error != NULL ? error
                       : sim_reply_integer (get_field (value, argv[2]) != NULL);
}

static ClusterReply *
do_hlen (SimRedis *self, const char *const *argv)
{
  ClusterReply *error;
  SimValue *value = find_hash (self, argv[1], &error);

  if (error != NULL)
    return error;
  return sim_reply_integer (value != NULL ? g_hash_table_size (value->hash)
                                          : 0);
}

static ClusterReply *
do_hgetall (SimRedis *self, const char *const *argv)
{
  ClusterReply *error;
  SimValue *value = find_hash (self, argv[1], &error);
  GPtrArray *items;
  GHashTableIter iter;
  gpointer field, text;

  if (error != NULL)
    return error;
  items = g_ptr_array_new ();
  if (value != NULL)
    {
      g_hash_table_iter_init (&iter, value->hash);
      while (g_hash_table_iter_next (&iter, &field, &text))
        {
          g_ptr_array_add (items, sim_reply_text (field));
          g_ptr_array_add (items, sim_reply_text (text));
        }
    }
  return sim_reply_array (items);
}

static ClusterReply *
do_hvals (SimRedis *self, const char *const *argv)
{
  ClusterReply *error;
  SimValue *value = find_hash (self, argv[1], &error);
  GPtrArray *items;
  GHashTableIter iter;
  gpointer text;

  if (error != NULL)
    return error;
  items = g_ptr_array_new ();
  if (value != NULL)
    {
      g_hash_table_iter_init (&iter, value->hash);
      while (g_hash_table_iter_next (&iter, NULL, &text))
        g_ptr_array_add (items, sim_reply_text (text));
    }
  return sim_reply_array (items);
}

/* --- others --------------------------------------------------------------- */

static ClusterReply *
do_time (SimRedis *self, const char *const *argv)
{
  GPtrArray *items = g_ptr_array_new ();
  char text[24];

  g_snprintf (text, sizeof text, "%" G_GINT64_FORMAT,
              self->wall_us / SIM_US_PER_S);
  g_ptr_array_add (items, sim_reply_text (text));
  g_snprintf (text, sizeof text, "%" G_GINT64_FORMAT,
              self->wall_us % SIM_US_PER_S);
  g_ptr_array_add (items, sim_reply_text (text));
  return sim_reply_array (items);
}

/* told to whoever listens on the master and its replicas */
static ClusterReply *
do_publish (SimRedis *self, const char *const *argv)
{
  sim_redis_note (self, argv);
  return sim_reply_integer (0);
}

/* --- calls ---------------------------------------------------------------- */

static const struct
{
  const char *name;
  guint min_args;
  ClusterReply *(*func) (SimRedis *self, const char *const *argv);
} commands[] = {
  { "GET", 1, do_get },
  { "MGET", 1, do_mget },
  { "SET", 2, do_set },
  { "EXISTS", 1, do_exists },
  { "DEL", 1, do_del },
  { "PTTL", 1, do_pttl },
  { "PEXPIRE", 2, do_pexpire },
  { "PEXPIREAT", 2, do_pexpireat },
  { "HSET", 3, do_hset },
  { "HDEL", 2, do_hdel },
  { "HGET", 2, do_hget },
  { "HMGET", 2, do_hmget },
  { "HEXISTS", 2, do_hexists },
  { "HLEN", 1, do_hlen },
  { "HGETALL", 1, do_hgetall },
  { "HVALS", 1, do_hvals },
  { "SADD", 2, sim_redis_do_sadd },
  { "SREM", 2, sim_redis_do_srem },
  { "SMEMBERS", 1, sim_redis_do_smembers },
  { "SISMEMBER", 2, sim_redis_do_sismember },
  { "SCARD", 1, sim_redis_do_scard },
  { "SRANDMEMBER", 1, sim_redis_do_srandmember },
  { "XADD", 7, sim_redis_do_xadd },
  { "XREVRANGE", 3, sim_redis_do_xrevrange },
  { "TIME", 0, do_time },
  { "PUBLISH", 2, do_publish },
};

ClusterReply *
sim_redis_call (SimRedis *self, const char *const *argv)
{
  g_autofree char *why = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (strcmp (commands[i].name, argv[0]) == 0)
      {
        if (g_strv_length ((char **)argv) - 1 < commands[i].min_args)
          break;
        return commands[i].func (self, argv);
      }
  why = g_strdup_printf ("ERR the model has no such command: %s", argv[0]);
  return sim_reply_error (why);
}

GPtrArray *
sim_redis_take_effects (SimRedis *self)
{
  return g_steal_pointer (&self->effects);
}

void
sim_redis_apply (SimRedis *self, const char *const *argv)
{
  gint64 wall_us = self->wall_us;

  if (strcmp (argv[0], "PUBLISH") == 0)
    return;
  self->wall_us = 0; /* a replica waits for the master's DEL */
  cluster_reply_free (sim_redis_call (self, argv));
  self->wall_us = wall_us;
  g_clear_pointer (&self->effects, g_ptr_array_unref);
}

const char *
sim_redis_peek (SimRedis *self, const char *key, const char *field)
{
  SimValue *value = g_hash_table_lookup (self->keys, key);

  if (value == NULL)
    return NULL;
  return field != NULL ? get_field (value, field) : value->text;
}

/* --- life ----------------------------------------------------------------- */

SimRedis *
sim_redis_new (void)
{
  SimRedis *self = g_new0 (SimRedis, 1);

  self->keys =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, value_free);
  return self;
}

void
sim_redis_free (SimRedis *self)
{
  g_hash_table_unref (self->keys);
  g_clear_pointer (&self->effects, g_ptr_array_unref);
  g_free (self);
}

void
sim_redis_copy (SimRedis *self, const SimRedis *from)
{
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_remove_all (self->keys);
  g_clear_pointer (&self->effects, g_ptr_array_unref);
  self->last_ms = from->last_ms;
  self->last_number = from->last_number;
  g_hash_table_iter_init (&iter, from->keys);
  while (g_hash_table_iter_next (&iter, &key, &value))
    g_hash_table_insert (self->keys, g_strdup (key), value_copy (value));
}

void
sim_redis_set_wall_us (SimRedis *self, gint64 wall_us)
{
  self->wall_us = wall_us;
}
