/* SPDX-License-Identifier: Apache-2.0 */
/* sim/redis-model: values by key, a table of commands, their effects. */
#include "redis-model.h"

#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STREAM 512 /* newest entries; more than a run makes matter */

typedef enum
{
  VALUE_TEXT,
  VALUE_HASH,
  VALUE_SET, /* in the order in which members came */
  VALUE_STREAM,
} ValueType;

typedef struct
{
  ValueType type;
  gint64 expires_ms; /* wall; 0 = never */
  char *text;        /* owned */
  GHashTable *hash;  /* owned: text → text */
  GPtrArray *items;  /* owned: a set's texts, a stream's (element-type GStrv):
                      * id, then fields and values */
} Value;

struct _SimRedis
{
  GHashTable *keys; /* owned: text → Value */
  GPtrArray *effects; /* owned, nullable */
  gint64 wall_us;
  gint64 last_ms; /* of a stream's id */
  guint last_number;
};

/* --- replies -------------------------------------------------------------- */

static ClusterReply *
reply_new (ClusterReplyType type, const char *text)
{
  ClusterReply *reply = g_new0 (ClusterReply, 1);

  reply->type = type;
  reply->text = g_strdup (text);
  reply->n_bytes = text != NULL ? strlen (text) : 0;
  return reply;
}

ClusterReply *
sim_reply_text (const char *text)
{
  return reply_new (CLUSTER_REPLY_TEXT, text);
}

ClusterReply *
sim_reply_error (const char *text)
{
  return reply_new (CLUSTER_REPLY_ERROR, text);
}

ClusterReply *
sim_reply_integer (gint64 integer)
{
  ClusterReply *reply = reply_new (CLUSTER_REPLY_INTEGER, NULL);

  reply->integer = integer;
  return reply;
}

ClusterReply *
sim_reply_nil (void)
{
  return reply_new (CLUSTER_REPLY_NIL, NULL);
}

ClusterReply *
sim_reply_array (GPtrArray *items)
{
  ClusterReply *reply = reply_new (CLUSTER_REPLY_ARRAY, NULL);

  reply->n_items = items->len;
  reply->items = (ClusterReply **)g_ptr_array_free (items, FALSE);
  return reply;
}

static ClusterReply *
text_or_nil (const char *text)
{
  return text != NULL ? sim_reply_text (text) : sim_reply_nil ();
}

static ClusterReply *
wrong_type (void)
{
  return sim_reply_error (
      "WRONGTYPE Operation against a key holding the wrong kind of value");
}

/* --- values --------------------------------------------------------------- */

static void
value_free (gpointer data)
{
  Value *value = data;

  g_free (value->text);
  g_clear_pointer (&value->hash, g_hash_table_unref);
  g_clear_pointer (&value->items, g_ptr_array_unref);
  g_free (value);
}

static Value *
value_new (ValueType type)
{
  Value *value = g_new0 (Value, 1);

  value->type = type;
  if (type == VALUE_HASH)
    value->hash = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                         g_free);
  if (type == VALUE_SET)
    value->items = g_ptr_array_new_with_free_func (g_free);
  if (type == VALUE_STREAM)
    value->items = g_ptr_array_new_with_free_func ((GDestroyNotify)g_strfreev);
  return value;
}

static Value *
value_copy (const Value *from)
{
  Value *value = value_new (from->type);
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

static void
note (SimRedis *self, const char *const *argv)
{
  if (self->effects == NULL)
    self->effects =
        g_ptr_array_new_with_free_func ((GDestroyNotify)g_strfreev);
  g_ptr_array_add (self->effects, g_strdupv ((char **)argv));
}

static Value *
find (SimRedis *self, const char *key)
{
  Value *value = g_hash_table_lookup (self->keys, key);
  const char *gone[] = { "DEL", key, NULL };

  if (value == NULL || value->expires_ms == 0
      || value->expires_ms > self->wall_us / SIM_US_PER_MS)
    return value;
  note (self, gone);
  g_hash_table_remove (self->keys, key);
  return NULL;
}

/* NULL: it is of another type */
static Value *
find_or_add (SimRedis *self, const char *key, ValueType type)
{
  Value *value = find (self, key);

  if (value == NULL)
    {
      value = value_new (type);
      g_hash_table_insert (self->keys, g_strdup (key), value);
    }
  return value->type == type ? value : NULL;
}

static void
drop_if_empty (SimRedis *self, const char *key, const Value *value)
{
  guint n = value->hash != NULL ? g_hash_table_size (value->hash)
                                : value->items->len;

  if (n == 0)
    g_hash_table_remove (self->keys, key);
}

static const char *
get_field (const Value *value, const char *field)
{
  return value != NULL ? g_hash_table_lookup (value->hash, field) : NULL;
}

static int
find_member (const Value *value, const char *member)
{
  for (guint i = 0; value != NULL && i < value->items->len; i++)
    if (strcmp (value->items->pdata[i], member) == 0)
      return (int)i;
  return -1;
}

/* --- texts ---------------------------------------------------------------- */

static ClusterReply *
do_get (SimRedis *self, const char *const *argv)
{
  Value *value = find (self, argv[1]);

  if (value != NULL && value->type != VALUE_TEXT)
    return wrong_type ();
  return text_or_nil (value != NULL ? value->text : NULL);
}

static ClusterReply *
do_mget (SimRedis *self, const char *const *argv)
{
  GPtrArray *items = g_ptr_array_new ();

  for (argv++; *argv != NULL; argv++)
    {
      Value *value = find (self, *argv);

      g_ptr_array_add (items,
                       text_or_nil (value != NULL ? value->text : NULL));
    }
  return sim_reply_array (items);
}

/* key value [PX ms | PXAT ms] */
static ClusterReply *
do_set (SimRedis *self, const char *const *argv)
{
  Value *value = value_new (VALUE_TEXT);
  gint64 wall_ms = self->wall_us / SIM_US_PER_MS;
  char at[24];
  const char *told[] = { "SET", argv[1], argv[2], "PXAT", at, NULL };

  value->text = g_strdup (argv[2]);
  if (argv[3] != NULL && argv[4] != NULL)
    value->expires_ms = atoll (argv[4])
                        + (strcmp (argv[3], "PX") == 0 ? wall_ms : 0);
  else
    told[3] = NULL;
  g_snprintf (at, sizeof at, "%" G_GINT64_FORMAT, value->expires_ms);
  g_hash_table_replace (self->keys, g_strdup (argv[1]), value);
  note (self, told);
  return sim_reply_text ("OK");
}

/* --- any key -------------------------------------------------------------- */

static ClusterReply *
do_exists (SimRedis *self, const char *const *argv)
{
  gint64 n = 0;

  for (argv++; *argv != NULL; argv++)
    n += find (self, *argv) != NULL;
  return sim_reply_integer (n);
}

static ClusterReply *
do_del (SimRedis *self, const char *const *argv)
{
  gint64 n = 0;

  for (const char *const *key = argv + 1; *key != NULL; key++)
    n += find (self, *key) != NULL && g_hash_table_remove (self->keys, *key);
  if (n > 0)
    note (self, argv);
  return sim_reply_integer (n);
}

static ClusterReply *
do_pttl (SimRedis *self, const char *const *argv)
{
  Value *value = find (self, argv[1]);

  if (value == NULL)
    return sim_reply_integer (-2);
  if (value->expires_ms == 0)
    return sim_reply_integer (-1);
  return sim_reply_integer (value->expires_ms - self->wall_us / SIM_US_PER_MS);
}

static ClusterReply *
do_pexpireat (SimRedis *self, const char *const *argv)
{
  Value *value = g_hash_table_lookup (self->keys, argv[1]);

  if (value == NULL)
    return sim_reply_integer (0);
  value->expires_ms = atoll (argv[2]);
  note (self, argv);
  return sim_reply_integer (1);
}

static ClusterReply *
do_pexpire (SimRedis *self, const char *const *argv)
{
  char at[24];
  const char *told[] = { "PEXPIREAT", argv[1], at, NULL };

  if (find (self, argv[1]) == NULL)
    return sim_reply_integer (0);
  g_snprintf (at, sizeof at, "%" G_GINT64_FORMAT,
              self->wall_us / SIM_US_PER_MS + (gint64)atoll (argv[2]));
  return do_pexpireat (self, told);
}

/* --- hashes --------------------------------------------------------------- */

static Value *
find_hash (SimRedis *self, const char *key, ClusterReply **ret_error)
{
  Value *value = find (self, key);

  *ret_error = NULL;
  if (value != NULL && value->type != VALUE_HASH)
    *ret_error = wrong_type ();
  return value;
}

static ClusterReply *
do_hset (SimRedis *self, const char *const *argv)
{
  Value *value = find_or_add (self, argv[1], VALUE_HASH);
  gint64 n = 0;

  if (value == NULL)
    return wrong_type ();
  for (guint i = 2; argv[i] != NULL && argv[i + 1] != NULL; i += 2)
    n += g_hash_table_replace (value->hash, g_strdup (argv[i]),
                               g_strdup (argv[i + 1]));
  note (self, argv);
  return sim_reply_integer (n);
}

static ClusterReply *
do_hdel (SimRedis *self, const char *const *argv)
{
  ClusterReply *error;
  Value *value = find_hash (self, argv[1], &error);
  gint64 n = 0;

  if (error != NULL)
    return error;
  for (guint i = 2; value != NULL && argv[i] != NULL; i++)
    n += g_hash_table_remove (value->hash, argv[i]);
  if (n > 0)
    {
      note (self, argv);
      drop_if_empty (self, argv[1], value);
    }
  return sim_reply_integer (n);
}

static ClusterReply *
do_hget (SimRedis *self, const char *const *argv)
{
  ClusterReply *error;
  Value *value = find_hash (self, argv[1], &error);

  return error != NULL ? error : text_or_nil (get_field (value, argv[2]));
}

static ClusterReply *
do_hmget (SimRedis *self, const char *const *argv)
{
  ClusterReply *error;
  Value *value = find_hash (self, argv[1], &error);
  GPtrArray *items;

  if (error != NULL)
    return error;
  items = g_ptr_array_new ();
  for (argv += 2; *argv != NULL; argv++)
    g_ptr_array_add (items, text_or_nil (get_field (value, *argv)));
  return sim_reply_array (items);
}

static ClusterReply *
do_hexists (SimRedis *self, const char *const *argv)
{
  ClusterReply *error;
  Value *value = find_hash (self, argv[1], &error);

  return error != NULL
             ? error
             : sim_reply_integer (get_field (value, argv[2]) != NULL);
}

static ClusterReply *
do_hlen (SimRedis *self, const char *const *argv)
{
  ClusterReply *error;
  Value *value = find_hash (self, argv[1], &error);

  if (error != NULL)
    return error;
  return sim_reply_integer (value != NULL ? g_hash_table_size (value->hash)
                                          : 0);
}

static ClusterReply *
do_hgetall (SimRedis *self, const char *const *argv)
{
  ClusterReply *error;
  Value *value = find_hash (self, argv[1], &error);
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
  Value *value = find_hash (self, argv[1], &error);
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

/* --- sets ----------------------------------------------------------------- */

static ClusterReply *
do_sadd (SimRedis *self, const char *const *argv)
{
  Value *value = find_or_add (self, argv[1], VALUE_SET);
  gint64 n = 0;

  if (value == NULL)
    return wrong_type ();
  for (guint i = 2; argv[i] != NULL; i++)
    if (find_member (value, argv[i]) < 0)
      {
        g_ptr_array_add (value->items, g_strdup (argv[i]));
        n++;
      }
  if (n > 0)
    note (self, argv);
  return sim_reply_integer (n);
}

static ClusterReply *
do_srem (SimRedis *self, const char *const *argv)
{
  Value *value = find (self, argv[1]);
  gint64 n = 0;

  for (guint i = 2; value != NULL && argv[i] != NULL; i++)
    {
      int at = find_member (value, argv[i]);

      if (at >= 0)
        {
          g_ptr_array_remove_index (value->items, (guint)at);
          n++;
        }
    }
  if (n > 0)
    {
      note (self, argv);
      drop_if_empty (self, argv[1], value);
    }
  return sim_reply_integer (n);
}

static ClusterReply *
do_smembers (SimRedis *self, const char *const *argv)
{
  Value *value = find (self, argv[1]);
  GPtrArray *items = g_ptr_array_new ();

  for (guint i = 0; value != NULL && i < value->items->len; i++)
    g_ptr_array_add (items, sim_reply_text (value->items->pdata[i]));
  return sim_reply_array (items);
}

static ClusterReply *
do_sismember (SimRedis *self, const char *const *argv)
{
  return sim_reply_integer (find_member (find (self, argv[1]), argv[2]) >= 0);
}

static ClusterReply *
do_scard (SimRedis *self, const char *const *argv)
{
  Value *value = find (self, argv[1]);

  return sim_reply_integer (value != NULL ? value->items->len : 0);
}

/* key [count]: distinct ones */
static ClusterReply *
do_srandmember (SimRedis *self, const char *const *argv)
{
  Value *value = find (self, argv[1]);
  guint n = value != NULL ? value->items->len : 0;
  guint from = n > 0 ? (guint)(sim_random () % n) : 0;
  GPtrArray *items;

  if (argv[2] == NULL)
    return n > 0 ? sim_reply_text (value->items->pdata[from])
                 : sim_reply_nil ();
  items = g_ptr_array_new ();
  for (guint i = 0; i < n && i < (guint)atoi (argv[2]); i++)
    g_ptr_array_add (items,
                     sim_reply_text (value->items->pdata[(from + i) % n]));
  return sim_reply_array (items);
}

/* --- streams -------------------------------------------------------------- */

/* key MAXLEN ~ n id|* field value … */
static ClusterReply *
do_xadd (SimRedis *self, const char *const *argv)
{
  Value *value = find_or_add (self, argv[1], VALUE_STREAM);
  gint64 ms = MAX (self->wall_us / SIM_US_PER_MS, self->last_ms);
  g_auto (GStrv) told = g_strdupv ((char **)argv);

  if (value == NULL)
    return wrong_type ();
  if (strcmp (told[5], "*") == 0)
    {
      self->last_number = ms == self->last_ms ? self->last_number + 1 : 0;
      self->last_ms = ms;
      g_free (told[5]);
      told[5] = g_strdup_printf ("%" G_GINT64_FORMAT "-%u", ms,
                                 self->last_number);
    }
  else
    sscanf (told[5], "%" G_GINT64_FORMAT "-%u", &self->last_ms,
            &self->last_number);
  g_ptr_array_add (value->items, g_strdupv (told + 5));
  if (value->items->len > MAX_STREAM)
    g_ptr_array_remove_range (value->items, 0, MAX_STREAM / 4);
  note (self, (const char *const *)told);
  return sim_reply_text (told[5]);
}

/* key + - COUNT n: the newest; nobody here pages */
static ClusterReply *
do_xrevrange (SimRedis *self, const char *const *argv)
{
  Value *value = find (self, argv[1]);
  GPtrArray *rows = g_ptr_array_new ();
  guint n = argv[5] != NULL ? (guint)atoi (argv[5]) : G_MAXUINT;

  for (guint i = value != NULL ? value->items->len : 0; i-- > 0 && n-- > 0;)
    {
      char **entry = value->items->pdata[i];
      GPtrArray *row = g_ptr_array_new (), *fields = g_ptr_array_new ();

      g_ptr_array_add (row, sim_reply_text (entry[0]));
      for (guint k = 1; entry[k] != NULL; k++)
        g_ptr_array_add (fields, sim_reply_text (entry[k]));
      g_ptr_array_add (row, sim_reply_array (fields));
      g_ptr_array_add (rows, sim_reply_array (row));
    }
  return sim_reply_array (rows);
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
  note (self, argv);
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
  { "SADD", 2, do_sadd },
  { "SREM", 2, do_srem },
  { "SMEMBERS", 1, do_smembers },
  { "SISMEMBER", 2, do_sismember },
  { "SCARD", 1, do_scard },
  { "SRANDMEMBER", 1, do_srandmember },
  { "XADD", 7, do_xadd },
  { "XREVRANGE", 3, do_xrevrange },
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
  Value *value = g_hash_table_lookup (self->keys, key);

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
