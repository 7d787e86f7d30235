/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterReader: hiredis's reader with bounded objects. */
#include "cluster/redis-reply.h"

#include "cluster/store.h"

#include <hiredis/read.h>
#include <string.h>

struct _ClusterReader
{
  redisReader *reader;      /* owned */
  gsize n_bytes, max_bytes; /* since the last whole reply */
  guint n_items, max_items; /* of the reply that is being read */
};

void
cluster_reply_free (ClusterReply *self)
{
  for (guint i = 0; i < self->n_items; i++)
    g_clear_pointer (&self->items[i], cluster_reply_free);
  g_free (self->items);
  g_free (self->text);
  g_free (self);
}

const char *
cluster_reply_get_text (const ClusterReply *self)
{
  if (self == NULL || self->type != CLUSTER_REPLY_TEXT
      || strlen (self->text) != self->n_bytes)
    return NULL;
  return self->text;
}

const ClusterReply *
cluster_reply_get_item (const ClusterReply *self, guint index)
{
  if (self == NULL || self->type != CLUSTER_REPLY_ARRAY
      || index >= self->n_items)
    return NULL;
  return self->items[index];
}

const char *
cluster_reply_get_text_at (const ClusterReply *self, guint index)
{
  return cluster_reply_get_text (cluster_reply_get_item (self, index));
}

gboolean
cluster_reply_get_number_at (const ClusterReply *self, guint index, guint64 max,
                             guint64 *ret)
{
  const char *text = cluster_reply_get_text_at (self, index);

  *ret = 0;
  return text == NULL
         || g_ascii_string_to_unsigned (text, 10, 0, max, ret, NULL);
}

char *
cluster_reply_dup_text_at (const ClusterReply *self, guint index,
                           gsize max_bytes)
{
  const char *text = cluster_reply_get_text_at (self, index);

  return text != NULL && strlen (text) <= max_bytes
                 && g_utf8_validate (text, -1, NULL)
             ? g_strdup (text)
             : NULL;
}

/* --- hiredis's way to make objects: NULL = give up ---------------------- */

static ClusterReply *
add (const redisReadTask *task, ClusterReplyType type, guint n_items)
{
  ClusterReader *reader = task->privdata;
  ClusterReply *reply;

  if (reader->n_items + 1 + (guint64)n_items > reader->max_items)
    return NULL;
  /* an array's places are counted when they are allocated */
  reader->n_items += task->parent == NULL ? 1 + n_items : n_items;
  reply = g_new0 (ClusterReply, 1);
  reply->type = type;
  if (task->parent != NULL)
    ((ClusterReply *)task->parent->obj)->items[task->idx] = reply;
  return reply;
}

static void *
create_string (const redisReadTask *task, char *text, size_t n_bytes)
{
  ClusterReply *reply =
      add (task,
           task->type == REDIS_REPLY_ERROR ? CLUSTER_REPLY_ERROR
                                           : CLUSTER_REPLY_TEXT,
           0);

  if (reply == NULL)
    return NULL;
  reply->text = g_malloc (n_bytes + 1);
  memcpy (reply->text, text, n_bytes);
  reply->text[n_bytes] = '\0';
  reply->n_bytes = n_bytes;
  return reply;
}

static void *
create_array (const redisReadTask *task, int n)
{
  ClusterReply *reply = add (task, CLUSTER_REPLY_ARRAY, (guint)MAX (n, 0));

  if (reply == NULL)
    return NULL;
  reply->n_items = (guint)MAX (n, 0);
  reply->items = g_new0 (ClusterReply *, reply->n_items);
  return reply;
}

static void *
create_integer (const redisReadTask *task, long long value)
{
  ClusterReply *reply = add (task, CLUSTER_REPLY_INTEGER, 0);

  if (reply != NULL)
    reply->integer = value;
  return reply;
}

static void *
create_nil (const redisReadTask *task)
{
  return add (task, CLUSTER_REPLY_NIL, 0);
}

static void
free_object (void *object)
{
  if (object != NULL)
    cluster_reply_free (object);
}

static redisReplyObjectFunctions functions = {
  create_string, create_array, create_integer, create_nil, free_object,
};

/* --- reading ------------------------------------------------------------ */

ClusterReader *
cluster_reader_new (gsize max_bytes, guint max_items)
{
  ClusterReader *self = g_new0 (ClusterReader, 1);

  self->reader = redisReaderCreateWithFunctions (&functions);
  g_assert (self->reader != NULL);
  self->reader->privdata = self;
  self->max_bytes = max_bytes;
  self->max_items = max_items;
  return self;
}

void
cluster_reader_free (ClusterReader *self)
{
  redisReaderFree (self->reader);
  g_free (self);
}

gboolean
cluster_reader_feed (ClusterReader *self, const void *data, gsize n_bytes,
                     GError **error)
{
  self->n_bytes += n_bytes;
  if (self->n_bytes <= self->max_bytes
      && redisReaderFeed (self->reader, data, n_bytes) == 0)
    return TRUE;
  g_set_error (error, CLUSTER_ERROR, CLUSTER_ERROR_PROTOCOL,
               "a reply has more than %" G_GSIZE_FORMAT " bytes",
               self->max_bytes);
  return FALSE;
}

gboolean
cluster_reader_next (ClusterReader *self, ClusterReply **ret, GError **error)
{
  void *reply = NULL;

  if (redisReaderGetReply (self->reader, &reply) != 0)
    {
      g_autofree char *why = g_strescape (self->reader->errstr, NULL);
      g_set_error (error, CLUSTER_ERROR, CLUSTER_ERROR_PROTOCOL,
                   self->reader->err == REDIS_ERR_OOM
                       ? "a reply has too many items (%s)"
                       : "a reply is no reply: %s",
                   why);
      return FALSE;
    }
  *ret = reply;
  if (reply != NULL)
    {
      self->n_items = 0;
      self->n_bytes = self->reader->len - self->reader->pos;
    }
  return TRUE;
}
