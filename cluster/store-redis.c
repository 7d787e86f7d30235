/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in Redis: two connections, one for calls and one that hears hints.
 */
#include "cluster/store-redis.h"

#include "cluster/log.h"
#include "cluster/store-redis-private.h"

#include <string.h>

/* the same kind of complaint is not logged again so soon */
#define LOG_AGAIN_US (60 * BASE_US_PER_S)
#define MAX_COMPLAINTS 64

/* --- saying what is wrong, once ----------------------------------------- */

void
cluster_store_redis_complain (ClusterStoreRedis *self, const char *kind,
                              const char *what)
{
  gint64 now_us = base_clock_now_us ();
  gint64 *last_us = g_hash_table_lookup (self->complaints, kind);

  if (last_us != NULL && now_us - *last_us < LOG_AGAIN_US)
    {
      GST_DEBUG ("store: %s", what);
      return;
    }
  if (g_hash_table_size (self->complaints) >= MAX_COMPLAINTS)
    g_hash_table_remove_all (self->complaints);
  last_us = g_new (gint64, 1);
  *last_us = now_us;
  g_hash_table_insert (self->complaints, g_strdup (kind), last_us);
  GST_WARNING ("store: %s", what);
}

/* --- connections -------------------------------------------------------- */

static void
on_calls_ready (gpointer data)
{
  ClusterStoreRedis *self = data;

  GST_INFO (
      "the store at %s answers%s",
      cluster_redis_link_get_address (cluster_functions_get_link (self->calls)),
      cluster_functions_is_eval (self->calls) ? ", without functions: by EVAL"
                                              : "");
  if (self->was_connected)
    base_counter_add (self->base.n_reconnects, 1);
  self->was_connected = TRUE;
  self->has_told = TRUE;
  cluster_store_set_state (&self->base, CLUSTER_STORE_CONNECTED);
}

static void
on_calls_down (const GError *error, gpointer data)
{
  ClusterStoreRedis *self = data;
  g_autofree char *where = cluster_redis_url_describe (self->url);
  g_autofree char *what =
      g_strdup_printf ("the store at %s is away: %s", where, error->message);
  /* not by the text, in which there may be bytes of a server gone mad */
  g_autofree char *kind = g_strdup_printf ("away %d", error->code);

  cluster_store_redis_complain (self, kind, what);
  if (self->base.state == CLUSTER_STORE_CONNECTED)
    cluster_store_set_state (&self->base, CLUSTER_STORE_AWAY);
  base_counter_add (self->base.n_errors[error->code], 1);
  if (!self->has_told)
    {
      self->has_told = TRUE; /* the store has been tried once */
      cluster_store_hint (&self->base, CLUSTER_HINT_STATE);
    }
}

/* What was said before somebody listened is read. */
static void
on_streams_heard (const ClusterReply *reply, const GError *error, gpointer data)
{
  if (reply != NULL)
    cluster_store_hint (data, CLUSTER_HINT_STREAMS);
}

static void
on_topology_heard (const ClusterReply *reply, const GError *error,
                   gpointer data)
{
  if (reply != NULL)
    cluster_store_hint (data, CLUSTER_HINT_TOPOLOGY);
}

static void
subscribe (ClusterStoreRedis *self, const char *kind, const char *name,
           ClusterReplyFunc func)
{
  ClusterRedis *redis = cluster_redis_link_get (self->hints);
  g_autofree char *channel = g_strconcat (self->prefix, kind, name, NULL);

  if (redis != NULL)
    cluster_redis_ask (redis, func, self, "SUBSCRIBE", channel, NULL);
}

void
cluster_store_redis_subscribe_node (ClusterStoreRedis *self)
{
  if (self->node_id != NULL)
    subscribe (self, "topology:", self->node_id, on_topology_heard);
}

static void
on_hints_up (gpointer data)
{
  ClusterStoreRedis *self = data;

  subscribe (self, "streams:", self->base.tree_id, on_streams_heard);
  subscribe (self, "lease:", "scaler", NULL);
  cluster_store_redis_subscribe_node (self);
}

static void
on_hints_down (const GError *error, gpointer data)
{
  GST_DEBUG ("hints: %s", error->message);
}

static void
on_message (const char *channel, const char *text, gpointer data)
{
  ClusterStoreRedis *self = data;

  if (!g_str_has_prefix (channel, self->prefix))
    return;
  channel += strlen (self->prefix);
  if (g_str_has_prefix (channel, "topology:"))
    cluster_store_hint (&self->base, CLUSTER_HINT_TOPOLOGY);
  else if (g_str_has_prefix (channel, "streams:"))
    cluster_store_hint (&self->base, CLUSTER_HINT_STREAMS);
  else if (strcmp (channel, "lease:scaler") == 0)
    cluster_store_hint (&self->base, CLUSTER_HINT_LEASE);
}

static void
on_switch (gpointer data)
{
  ClusterStoreRedis *self = data;

  const char *why = "the master is another one now";

  cluster_redis_link_drop (cluster_functions_get_link (self->calls), why, TRUE);
  cluster_redis_link_drop (self->hints, why, TRUE);
}

/* --- life --------------------------------------------------------------- */

static void
redis_free (ClusterStore *store)
{
  ClusterStoreRedis *self = (ClusterStoreRedis *)store;

  g_clear_pointer (&self->calls, cluster_functions_free);
  g_clear_pointer (&self->hints, cluster_redis_link_free);
  g_clear_pointer (&self->sentinel, cluster_sentinel_free);
  g_clear_pointer (&self->url, cluster_redis_url_free);
  g_clear_object (&self->ca);
  g_free (self->prefix);
  g_free (self->node_id);
  g_hash_table_unref (self->complaints);
  cluster_store_clear (store);
}

static char *
redis_describe (ClusterStore *store)
{
  ClusterStoreRedis *self = (ClusterStoreRedis *)store;
  const char *address =
      cluster_redis_link_get_address (cluster_functions_get_link (self->calls));

  return self->url->is_sentinel && address != NULL
             ? g_strdup_printf ("redis %s, by sentinels", address)
             : cluster_redis_url_describe (self->url);
}

static const ClusterStoreClass redis_class = {
  .free = redis_free,
  .describe = redis_describe,
  .beat = cluster_store_redis_beat,
  .leave = cluster_store_redis_leave,
  .place = cluster_store_redis_place,
  .read_peers = cluster_store_redis_read_peers,
  .read_streams = cluster_store_redis_read_streams,
  .claim_stream = cluster_store_redis_claim_stream,
  .end_stream = cluster_store_redis_end_stream,
  .put_mountpoint = cluster_store_redis_put_mountpoint,
  .remove_mountpoint = cluster_store_redis_remove_mountpoint,
  .read_mountpoints = cluster_store_redis_read_mountpoints,
};

static void
open_links (ClusterStoreRedis *self)
{
  static const ClusterFunctionsCallbacks calls = { on_calls_ready,
                                                   on_calls_down };
  static const ClusterRedisLinkCallbacks hints = { on_hints_up, on_hints_down,
                                                   on_message };

  if (self->url->is_sentinel)
    self->sentinel = cluster_sentinel_new (self->url, self->ca, &self->limits,
                                           on_switch, self);
  self->calls = cluster_functions_new (self->prefix, self->url, self->sentinel,
                                       self->ca, &self->limits, &calls, self);
  self->hints = cluster_redis_link_new (self->url, self->sentinel, self->ca,
                                        &self->limits, &hints, self);
}

ClusterStore *
cluster_store_new_redis (const char *url, const char *prefix,
                         const char *tree_id, GError **error)
{
  ClusterRedisUrl *parsed = cluster_redis_url_parse (url, error);
  ClusterStoreRedis *self;

  if (parsed == NULL)
    return NULL;
  self = g_new0 (ClusterStoreRedis, 1);
  cluster_store_init (&self->base, &redis_class, tree_id);
  self->url = parsed;
  self->prefix = g_strdup (prefix != NULL ? prefix : "");
  self->limits = cluster_redis_limits;
  self->complaints =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  if (!cluster_redis_url_load_ca (self->url, &self->ca, error))
    {
      redis_free (&self->base);
      return NULL;
    }
  open_links (self);
  return &self->base;
}

void
cluster_store_redis_set_limits (ClusterStore *store,
                                const ClusterRedisLimits *limits)
{
  ((ClusterStoreRedis *)store)->limits = *limits;
}
