/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Redis store's calls: each is one function of mtctl.lua.
 */
#include "cluster/store-redis-private.h"

#include "cluster/encode.h"
#include "cluster/store-read.h"

#define HEARTBEAT_MS "3000"
#define KEEP_NODE_MS "60000"
#define KEEP_STREAM_MS "3600000"

/* What a call was about, until it is answered. */
typedef struct _Call Call;
struct _Call
{
  ClusterStoreRedis *self;
  ClusterAnswer *answer; /* owned */
  void (*read) (Call *call, const ClusterReply *reply);
  ClusterStream *claimed; /* owned, nullable */
};

/* --- calls -------------------------------------------------------------- */

static void
call_free (gpointer data)
{
  Call *call = data;

  g_clear_pointer (&call->answer, cluster_answer_free);
  g_clear_pointer (&call->claimed, cluster_stream_free);
  g_free (call);
}

static void
on_reply (const ClusterReply *reply, const GError *error, gpointer data)
{
  Call *call = data;
  ClusterStoreRedis *self = call->self;
  ClusterAnswer *answer = call->answer;

  if (error != NULL)
    answer->error = g_error_copy (error);
  else
    call->read (call, reply);
  if (answer->error != NULL
      && (answer->error->code == CLUSTER_ERROR_REPLY
          || (error == NULL && answer->error->code == CLUSTER_ERROR_PROTOCOL)))
    {
      g_autofree char *what =
          g_strconcat ("the store says: ", answer->error->message, NULL);
      g_autofree char *kind = g_strdup_printf ("says %d", answer->error->code);
      cluster_store_redis_complain (self, kind, what);
    }
  call->answer = NULL;
  call_free (call);
  cluster_answer_finish (answer);
}

/* @args: (transfer full): borrowed texts; @claimed: (nullable) */
static void
start_call (ClusterStore *store, ClusterAnswer *answer, const char *func,
            void (*read) (Call *call, const ClusterReply *reply),
            const ClusterStream *claimed, GPtrArray *args)
{
  ClusterStoreRedis *self = (ClusterStoreRedis *)store;
  Call *call = g_new0 (Call, 1);

  call->self = self;
  call->answer = answer;
  call->read = read;
  call->claimed = claimed != NULL ? cluster_stream_copy (claimed) : NULL;
  if (store->state != CLUSTER_STORE_CONNECTED
      || !cluster_functions_call (self->calls, func, store->tree_id, args,
                                  on_reply, call, call_free))
    {
      call->answer = NULL;
      call_free (call);
      answer->error =
          g_error_new_literal (CLUSTER_ERROR, CLUSTER_ERROR_AWAY,
                               "the store is away, or has too much to do");
      cluster_answer_finish_later (answer);
    }
  g_ptr_array_unref (args);
}

static GPtrArray *
list (const char *first, ...)
{
  GPtrArray *args = g_ptr_array_new ();
  va_list more;

  va_start (more, first);
  for (const char *arg = first; arg != NULL; arg = va_arg (more, const char *))
    g_ptr_array_add (args, (char *)arg);
  va_end (more);
  return args;
}

/* --- reading answers ---------------------------------------------------- */

static void
count_bad (ClusterStoreRedis *self, guint n_bad)
{
  if (n_bad == 0)
    return;
  base_counter_add (self->base.n_bad_values, n_bad);
  cluster_store_redis_complain (self, "bad values",
                                "the store has nodes, streams or mountpoints "
                                "that make no sense; they are left out");
}

static void
read_status (Call *call, const ClusterReply *reply)
{
  cluster_read_status (reply, NULL, &call->answer->error);
}

static void
read_beat (Call *call, const ClusterReply *reply)
{
  ClusterStoreRedis *self = call->self;
  gint64 was_missing;

  if (!cluster_read_status (reply, &was_missing, &call->answer->error))
    return;
  if (self->has_beaten && was_missing == 1)
    cluster_store_hint (&self->base, CLUSTER_HINT_EMPTIED);
  self->has_beaten = TRUE;
}

static void
read_peers (Call *call, const ClusterReply *reply)
{
  guint n_bad;

  call->answer->rows = cluster_read_peers (reply, call->self->base.tree_id,
                                           &n_bad, &call->answer->error);
  count_bad (call->self, n_bad);
}

static void
read_streams (Call *call, const ClusterReply *reply)
{
  guint n_bad;

  call->answer->rows =
      cluster_read_streams (reply, &n_bad, &call->answer->error);
  count_bad (call->self, n_bad);
}

static void
read_mountpoints (Call *call, const ClusterReply *reply)
{
  guint n_bad;

  call->answer->rows =
      cluster_read_mountpoints (reply, &n_bad, &call->answer->error);
  count_bad (call->self, n_bad);
}

static void
read_claim (Call *call, const ClusterReply *reply)
{
  ClusterAnswer *answer = call->answer;

  if (cluster_read_claim (reply, call->claimed->name, &answer->current,
                          &answer->error))
    answer->current = g_steal_pointer (&call->claimed);
}

/* --- the calls ---------------------------------------------------------- */

void
cluster_store_redis_beat (ClusterStore *store, const ClusterNode *node,
                          const ClusterLoad *load, ClusterAnswer *answer)
{
  ClusterStoreRedis *self = (ClusterStoreRedis *)store;
  g_autofree char *said = cluster_node_to_json (node);
  g_autofree char *heartbeat = cluster_load_to_json (load, node->boot_id);

  if (self->node_id == NULL)
    {
      self->node_id = g_strdup (node->node_id);
      cluster_store_redis_subscribe_node (self);
    }
  start_call (store, answer, "mt_beat", read_beat, NULL,
              list (node->node_id, node->boot_id,
                    node->roles & CLUSTER_ROLE_EGRESS ? "1" : "0", said,
                    heartbeat, HEARTBEAT_MS, KEEP_NODE_MS, NULL));
}

void
cluster_store_redis_leave (ClusterStore *store, const ClusterNode *node,
                           ClusterAnswer *answer)
{
  start_call (store, answer, "mt_leave", read_status, NULL,
              list (node->node_id, node->boot_id, KEEP_STREAM_MS, NULL));
}

void
cluster_store_redis_place (ClusterStore *store, const char *node_id,
                           const ClusterPlace *place, guint max_children,
                           ClusterAnswer *answer)
{
  char rank[12], max[12];

  g_snprintf (rank, sizeof rank, "%u", place->rank);
  g_snprintf (max, sizeof max, "%u", max_children);
  start_call (store, answer, "mt_place", read_status, NULL,
              list (node_id, place->parent != NULL ? place->parent : "",
                    place->backup != NULL ? place->backup : "", rank, max,
                    KEEP_NODE_MS, NULL));
}

void
cluster_store_redis_read_peers (ClusterStore *store, ClusterAnswer *answer)
{
  start_call (store, answer, "mt_peers", read_peers, NULL, g_ptr_array_new ());
}

void
cluster_store_redis_read_streams (ClusterStore *store, ClusterAnswer *answer)
{
  start_call (store, answer, "mt_streams", read_streams, NULL,
              list (G_STRINGIFY (CLUSTER_MAX_STREAMS), NULL));
}

void
cluster_store_redis_claim_stream (ClusterStore *store,
                                  const ClusterStream *stream,
                                  ClusterAnswer *answer)
{
  g_auto (GStrv) fields = cluster_stream_to_fields (stream);
  GPtrArray *args = list (stream->name, KEEP_STREAM_MS,
                          G_STRINGIFY (CLUSTER_MAX_STREAMS), NULL);

  for (guint i = 0; fields[i] != NULL; i++)
    g_ptr_array_add (args, fields[i]);
  start_call (store, answer, "mt_claim", read_claim, stream, args);
}

void
cluster_store_redis_end_stream (ClusterStore *store, const char *name,
                                const char *publication, ClusterAnswer *answer)
{
  start_call (store, answer, "mt_end", read_status, NULL,
              list (name, publication, KEEP_STREAM_MS, NULL));
}

void
cluster_store_redis_put_mountpoint (ClusterStore *store, const char *id,
                                    const char *text, gboolean is_new,
                                    ClusterAnswer *answer)
{
  start_call (store, answer, "mt_mount", read_status, NULL,
              list (id, text, is_new ? "1" : "0",
                    G_STRINGIFY (CLUSTER_MAX_MOUNTPOINTS), NULL));
}

void
cluster_store_redis_remove_mountpoint (ClusterStore *store, const char *id,
                                       ClusterAnswer *answer)
{
  start_call (store, answer, "mt_unmount", read_status, NULL, list (id, NULL));
}

void
cluster_store_redis_read_mountpoints (ClusterStore *store,
                                      ClusterAnswer *answer)
{
  start_call (store, answer, "mt_mounts", read_mountpoints, NULL,
              g_ptr_array_new ());
}
