/* SPDX-License-Identifier: Apache-2.0 */
/* sim/redis-model: its replies. */
#include "redis-private.h"

#include <string.h>

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

ClusterReply *
sim_redis_text_or_nil (const char *text)
{
  return text != NULL ? sim_reply_text (text) : sim_reply_nil ();
}

ClusterReply *
sim_redis_wrong_type (void)
{
  return sim_reply_error (
      "WRONGTYPE Operation against a key holding the wrong kind of value");
}
