/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterFunctions: functions or EVAL, then calls. */
#include "cluster/functions.h"

#include "cluster/mtctl.h"
#include "cluster/store-read.h"

struct _ClusterFunctions
{
  ClusterRedisLink *link; /* owned */
  ClusterFunctionsCallbacks callbacks;
  gpointer data;                /* borrowed */
  char *prefix;                 /* owned */
  char *library, *script, *sha; /* owned: mtctl.lua in both forms */
  gboolean is_eval, is_ready;
};

/* What a call was about, until it is answered. */
typedef struct
{
  ClusterFunctions *self;
  ClusterReplyFunc func;
  gpointer data;
  GDestroyNotify drop;
} Call;

static void negotiate (ClusterFunctions *self);

/* --- functions or EVAL -------------------------------------------------- */

static void
go_ready (ClusterFunctions *self, gboolean is_eval)
{
  self->is_eval = is_eval;
  if (self->is_ready)
    return;
  self->is_ready = TRUE;
  self->callbacks.on_ready (self->data);
}

static void
give_up (ClusterFunctions *self, const char *what, const ClusterReply *reply)
{
  g_autofree char *said = g_strescape (
      reply->type == CLUSTER_REPLY_ERROR ? reply->text : "nonsense", NULL);
  g_autofree char *why = g_strdup_printf ("%s: %s", what, said);

  cluster_redis_link_drop (self->link, why, FALSE);
}

static void
on_eval (const ClusterReply *reply, const GError *error, gpointer data)
{
  ClusterFunctions *self = data;

  if (reply == NULL)
    return;
  if (reply->type != CLUSTER_REPLY_INTEGER)
    give_up (self, "EVAL", reply);
  else
    go_ready (self, TRUE);
}

/* EVAL leaves the script in the server's cache, where EVALSHA finds it. */
static void
use_eval (ClusterFunctions *self)
{
  cluster_redis_ask (cluster_redis_link_get (self->link), on_eval, self, "EVAL",
                     self->script, "0", "mt_version", NULL);
}

static gboolean
is_unknown (const ClusterReply *reply)
{
  return cluster_reply_is_error (reply, "unknown command")
         || cluster_reply_is_error (reply, "NOPERM");
}

static void
on_loaded (const ClusterReply *reply, const GError *error, gpointer data)
{
  ClusterFunctions *self = data;

  if (reply == NULL || cluster_redis_link_get (self->link) == NULL)
    return;
  if (is_unknown (reply))
    use_eval (self);
  else if (reply->type == CLUSTER_REPLY_ERROR)
    give_up (self, "FUNCTION LOAD", reply);
  else
    go_ready (self, FALSE);
}

static void
on_version (const ClusterReply *reply, const GError *error, gpointer data)
{
  ClusterFunctions *self = data;
  ClusterRedis *redis = cluster_redis_link_get (self->link);

  if (reply == NULL || redis == NULL)
    return;
  if (reply->type == CLUSTER_REPLY_INTEGER
      && reply->integer >= CLUSTER_MTCTL_VERSION)
    go_ready (self, FALSE);
  else if (is_unknown (reply))
    use_eval (self);
  else if (reply->type == CLUSTER_REPLY_INTEGER
           || cluster_reply_is_error (reply, "Function not found"))
    cluster_redis_ask (redis, on_loaded, self, "FUNCTION", "LOAD", "REPLACE",
                       self->library, NULL);
  else
    give_up (self, "FCALL", reply);
}

static void
negotiate (ClusterFunctions *self)
{
  ClusterRedis *redis = cluster_redis_link_get (self->link);

  if (redis != NULL)
    cluster_redis_ask (redis, on_version, self, "FCALL", "mt_version", "0",
                       NULL);
}

static void
on_up (gpointer data)
{
  negotiate (data);
}

static void
on_down (const GError *error, gpointer data)
{
  ClusterFunctions *self = data;

  self->is_ready = FALSE;
  self->callbacks.on_down (error, self->data);
}

/* --- calls -------------------------------------------------------------- */

/* check_server: errors that say that this is not the server we took it for */
static void
check_server (ClusterFunctions *self, const ClusterReply *reply)
{
  if (cluster_reply_is_error (reply, "READONLY")
      || cluster_reply_is_error (reply, "MASTERDOWN"))
    cluster_redis_link_drop (self->link, "the server is no master", FALSE);
  else if (cluster_reply_is_error (reply, "NOSCRIPT")
           || cluster_reply_is_error (reply, "Function not found"))
    negotiate (self);
}

static void
on_reply (const ClusterReply *reply, const GError *error, gpointer data)
{
  g_autofree Call *call = data;

  if (reply != NULL && reply->type == CLUSTER_REPLY_ERROR)
    check_server (call->self, reply);
  call->func (reply, error, call->data);
}

static void
call_drop (gpointer data)
{
  g_autofree Call *call = data;

  if (call->drop != NULL)
    call->drop (call->data);
}

gboolean
cluster_functions_call (ClusterFunctions *self, const char *func_name,
                        const char *tree_id, GPtrArray *args,
                        ClusterReplyFunc func, gpointer data,
                        GDestroyNotify drop)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  ClusterRedis *redis = cluster_redis_link_get (self->link);
  Call *call;

  if (redis == NULL || !self->is_ready)
    return FALSE;
  g_ptr_array_add (argv, self->is_eval ? "EVALSHA" : "FCALL");
  g_ptr_array_add (argv, self->is_eval ? self->sha : (char *)func_name);
  g_ptr_array_add (argv, "0");
  if (self->is_eval)
    g_ptr_array_add (argv, (char *)func_name);
  g_ptr_array_add (argv, self->prefix);
  g_ptr_array_add (argv, (char *)tree_id);
  g_ptr_array_extend (argv, args, NULL, NULL);
  g_ptr_array_add (argv, NULL);
  call = g_new (Call, 1);
  *call = (Call){ self, func, data, drop };
  if (cluster_redis_send (redis, (const char *const *)argv->pdata, on_reply,
                          call, call_drop))
    return TRUE;
  g_free (call);
  return FALSE;
}

/* --- life --------------------------------------------------------------- */

ClusterFunctions *
cluster_functions_new (const char *prefix, const ClusterRedisUrl *url,
                       ClusterSentinel *sentinel, GTlsDatabase *ca,
                       const ClusterRedisLimits *limits,
                       const ClusterFunctionsCallbacks *callbacks,
                       gpointer data)
{
  static const ClusterRedisLinkCallbacks link = { on_up, on_down, NULL };
  ClusterFunctions *self = g_new0 (ClusterFunctions, 1);

  self->callbacks = *callbacks;
  self->data = data;
  self->prefix = g_strdup (prefix);
  self->library = cluster_mtctl_library ();
  self->script = cluster_mtctl_script ();
  self->sha = g_compute_checksum_for_string (G_CHECKSUM_SHA1, self->script, -1);
  self->link = cluster_redis_link_new (url, sentinel, ca, limits, &link, self);
  return self;
}

void
cluster_functions_free (ClusterFunctions *self)
{
  g_return_if_fail (self != NULL);

  cluster_redis_link_free (self->link);
  g_free (self->prefix);
  g_free (self->library);
  g_free (self->script);
  g_free (self->sha);
  g_free (self);
}

ClusterRedisLink *
cluster_functions_get_link (ClusterFunctions *self)
{
  return self->link;
}

gboolean
cluster_functions_is_ready (ClusterFunctions *self)
{
  return self->is_ready && cluster_redis_link_get (self->link) != NULL;
}

gboolean
cluster_functions_is_eval (ClusterFunctions *self)
{
  return self->is_eval;
}
