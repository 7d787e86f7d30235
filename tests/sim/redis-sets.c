/* SPDX-License-Identifier: Apache-2.0 */
/* sim/redis-model: sets and streams. */
#include "redis-private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STREAM 512 /* newest entries; more than a run makes matter */

static int
find_member (const SimValue *value, const char *member)
{
  for (guint i = 0; value != NULL && i < value->items->len; i++)
    if (strcmp (value->items->pdata[i], member) == 0)
      return (int)i;
  return -1;
}

/* --- sets ----------------------------------------------------------------- */

ClusterReply *
sim_redis_do_sadd (SimRedis *self, const char *const *argv)
{
  SimValue *value = sim_redis_find_or_add (self, argv[1], VALUE_SET);
  gint64 n = 0;

  if (value == NULL)
    return sim_redis_wrong_type ();
  for (guint i = 2; argv[i] != NULL; i++)
    if (find_member (value, argv[i]) < 0)
      {
        g_ptr_array_add (value->items, g_strdup (argv[i]));
        n++;
      }
  if (n > 0)
    sim_redis_note (self, argv);
  return sim_reply_integer (n);
}

ClusterReply *
sim_redis_do_srem (SimRedis *self, const char *const *argv)
{
  SimValue *value = sim_redis_find (self, argv[1]);
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
      sim_redis_note (self, argv);
      sim_redis_drop_if_empty (self, argv[1], value);
    }
  return sim_reply_integer (n);
}

ClusterReply *
sim_redis_do_smembers (SimRedis *self, const char *const *argv)
{
  SimValue *value = sim_redis_find (self, argv[1]);
  GPtrArray *items = g_ptr_array_new ();

  for (guint i = 0; value != NULL && i < value->items->len; i++)
    g_ptr_array_add (items, sim_reply_text (value->items->pdata[i]));
  return sim_reply_array (items);
}

ClusterReply *
sim_redis_do_sismember (SimRedis *self, const char *const *argv)
{
  return sim_reply_integer (
      find_member (sim_redis_find (self, argv[1]), argv[2]) >= 0);
}

ClusterReply *
sim_redis_do_scard (SimRedis *self, const char *const *argv)
{
  SimValue *value = sim_redis_find (self, argv[1]);

  return sim_reply_integer (value != NULL ? value->items->len : 0);
}

/* key [count]: distinct ones */
ClusterReply *
sim_redis_do_srandmember (SimRedis *self, const char *const *argv)
{
  SimValue *value = sim_redis_find (self, argv[1]);
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
ClusterReply *
sim_redis_do_xadd (SimRedis *self, const char *const *argv)
{
  SimValue *value = sim_redis_find_or_add (self, argv[1], VALUE_STREAM);
  gint64 ms = MAX (self->wall_us / SIM_US_PER_MS, self->last_ms);
  g_auto (GStrv) told = g_strdupv ((char **)argv);

  if (value == NULL)
    return sim_redis_wrong_type ();
  if (strcmp (told[5], "*") == 0)
    {
      self->last_number = ms == self->last_ms ? self->last_number + 1 : 0;
      self->last_ms = ms;
      g_free (told[5]);
      told[5] =
          g_strdup_printf ("%" G_GINT64_FORMAT "-%u", ms, self->last_number);
    }
  else
    sscanf (told[5], "%" G_GINT64_FORMAT "-%u", &self->last_ms,
            &self->last_number);
  g_ptr_array_add (value->items, g_strdupv (told + 5));
  if (value->items->len > MAX_STREAM)
    g_ptr_array_remove_range (value->items, 0, MAX_STREAM / 4);
  sim_redis_note (self, (const char *const *)told);
  return sim_reply_text (told[5]);
}

/* key + - COUNT n: the newest; nobody here pages */
ClusterReply *
sim_redis_do_xrevrange (SimRedis *self, const char *const *argv)
{
  SimValue *value = sim_redis_find (self, argv[1]);
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
