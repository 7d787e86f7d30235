/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterRedisLink: resolve, connect, introduce ourselves; again and again. */
#include "cluster/redis-link.h"

#include "base/clock.h"
#include "cluster/log.h"
#include "cluster/store.h"

#include <string.h>

/* a connection that held so long starts the waiting times anew */
#define STABLE_US (5 * BASE_US_PER_S)

struct _ClusterRedisLink
{
  const ClusterRedisUrl *url;       /* borrowed */
  ClusterSentinel *sentinel;        /* borrowed, nullable */
  GTlsDatabase *ca;                 /* borrowed, nullable */
  const ClusterRedisLimits *limits; /* borrowed */
  ClusterRedisLinkCallbacks callbacks;
  gpointer data;       /* borrowed */
  ClusterRedis *redis; /* owned, nullable */
  char *address;       /* owned, nullable */
  GSource *timer;      /* owned, nullable: until the next attempt */
  guint n_failures;
  gint64 up_us; /* since when; 0 = it is not up */
  gboolean wants_at_once, is_refused;
};

static void attempt (ClusterRedisLink *self);

static gboolean
on_timer (gpointer data)
{
  ClusterRedisLink *self = data;

  g_clear_pointer (&self->timer, g_source_unref);
  attempt (self);
  return G_SOURCE_REMOVE;
}

static void
attempt_in (ClusterRedisLink *self, guint ms)
{
  if (self->timer != NULL)
    {
      g_source_destroy (self->timer);
      g_source_unref (self->timer);
    }
  self->timer = g_timeout_source_new (ms);
  g_source_set_static_name (self->timer, "cluster-redis-link");
  g_source_set_callback (self->timer, on_timer, self, NULL);
  g_source_attach (self->timer, NULL);
}

/* doubles up to three quarters of the most, and up to a third more */
static guint
next_wait_ms (ClusterRedisLink *self)
{
  guint64 step = (guint64)self->limits->backoff_min_ms << self->n_failures;
  guint ms = (guint)MIN (step, self->limits->backoff_max_ms * 3 / 4);

  if (self->n_failures < 16)
    self->n_failures++;
  return ms + (guint)g_random_int_range (0, (gint32)(ms / 3) + 1);
}

static void
go_down (ClusterRedisLink *self, const GError *error)
{
  if (self->up_us != 0 && base_clock_now_us () - self->up_us > STABLE_US)
    self->n_failures = 0;
  self->up_us = 0;
  g_clear_pointer (&self->redis, cluster_redis_free);
  attempt_in (self, self->wants_at_once ? 0 : next_wait_ms (self));
  self->wants_at_once = FALSE;
  self->callbacks.on_down (error, self->data);
}

static void
refuse (ClusterRedisLink *self, const char *what, const ClusterReply *reply)
{
  g_autofree char *said = reply->type == CLUSTER_REPLY_ERROR
                              ? g_strescape (reply->text, NULL)
                              : g_strdup ("another answer than expected");
  g_autoptr (GError) error =
      g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_REPLY, "%s: %s", what, said);

  self->is_refused = TRUE;
  cluster_redis_close_later (self->redis, error);
}

/* --- the introduction --------------------------------------------------- */

static void
go_up (ClusterRedisLink *self)
{
  if (self->is_refused)
    return;
  self->up_us = base_clock_now_us ();
  self->callbacks.on_up (self->data);
}

static void
on_auth (const ClusterReply *reply, const GError *error, gpointer data)
{
  if (reply != NULL && g_strcmp0 (cluster_reply_get_text (reply), "OK") != 0)
    refuse (data, "AUTH", reply);
}

static void
on_select (const ClusterReply *reply, const GError *error, gpointer data)
{
  ClusterRedisLink *self = data;

  if (reply == NULL)
    return;
  if (reply->type == CLUSTER_REPLY_ERROR)
    refuse (self, self->url->db != 0 ? "SELECT" : "PING", reply);
  else if (self->sentinel == NULL)
    go_up (self);
}

static void
on_role (const ClusterReply *reply, const GError *error, gpointer data)
{
  ClusterRedisLink *self = data;

  if (reply == NULL)
    return;
  if (g_strcmp0 (cluster_reply_get_text (cluster_reply_get_item (reply, 0)),
                 "master")
      != 0)
    refuse (self, "ROLE is not master", reply);
  else
    go_up (self);
}

static void
on_ready (ClusterRedis *redis, gpointer data)
{
  ClusterRedisLink *self = data;
  const ClusterRedisUrl *url = self->url;
  char db[12];

  self->is_refused = FALSE;
  g_snprintf (db, sizeof db, "%u", url->db);
  if (url->password != NULL && url->user != NULL)
    cluster_redis_ask (redis, on_auth, self, "AUTH", url->user, url->password,
                       NULL);
  else if (url->password != NULL)
    cluster_redis_ask (redis, on_auth, self, "AUTH", url->password, NULL);
  if (url->db != 0)
    cluster_redis_ask (redis, on_select, self, "SELECT", db, NULL);
  else
    cluster_redis_ask (redis, on_select, self, "PING", NULL);
  if (self->sentinel != NULL)
    cluster_redis_ask (redis, on_role, self, "ROLE", NULL);
}

static void
on_message (const char *channel, const char *text, gpointer data)
{
  ClusterRedisLink *self = data;

  if (self->callbacks.on_message != NULL)
    self->callbacks.on_message (channel, text, self->data);
}

static void
on_closed (const GError *error, gpointer data)
{
  go_down (data, error);
}

static void
connect_to (ClusterRedisLink *self, const char *host, guint16 port)
{
  static const ClusterRedisCallbacks callbacks = { on_ready, on_message,
                                                   on_closed };

  g_free (self->address);
  self->address = strchr (host, ':') != NULL
                      ? g_strdup_printf ("[%s]:%u", host, port)
                      : g_strdup_printf ("%s:%u", host, port);
  self->redis = cluster_redis_new (host, port, self->url->is_tls, self->ca,
                                   self->limits, &callbacks, self);
}

static void
on_resolved (const char *host, guint16 port, const GError *error, gpointer data)
{
  ClusterRedisLink *self = data;

  if (error != NULL)
    go_down (self, error);
  else
    connect_to (self, host, port);
}

static void
attempt (ClusterRedisLink *self)
{
  const ClusterRedisHost *host = self->url->hosts->pdata[0];

  if (self->sentinel != NULL)
    cluster_sentinel_resolve (self->sentinel, on_resolved, self);
  else
    connect_to (self, host->host, host->port);
}

/* --- life --------------------------------------------------------------- */

ClusterRedisLink *
cluster_redis_link_new (const ClusterRedisUrl *url, ClusterSentinel *sentinel,
                        GTlsDatabase *ca, const ClusterRedisLimits *limits,
                        const ClusterRedisLinkCallbacks *callbacks,
                        gpointer data)
{
  ClusterRedisLink *self = g_new0 (ClusterRedisLink, 1);

  self->url = url;
  self->sentinel = sentinel;
  self->ca = ca;
  self->limits = limits;
  self->callbacks = *callbacks;
  self->data = data;
  attempt_in (self, 0);
  return self;
}

void
cluster_redis_link_free (ClusterRedisLink *self)
{
  if (self->timer != NULL)
    {
      g_source_destroy (self->timer);
      g_source_unref (self->timer);
    }
  if (self->sentinel != NULL)
    cluster_sentinel_forget (self->sentinel, self);
  g_clear_pointer (&self->redis, cluster_redis_free);
  g_free (self->address);
  g_free (self);
}

ClusterRedis *
cluster_redis_link_get (ClusterRedisLink *self)
{
  return self->up_us != 0 && self->redis != NULL
                 && cluster_redis_is_ready (self->redis)
             ? self->redis
             : NULL;
}

void
cluster_redis_link_drop (ClusterRedisLink *self, const char *why,
                         gboolean at_once)
{
  g_autoptr (GError) error =
      g_error_new_literal (CLUSTER_ERROR, CLUSTER_ERROR_AWAY, why);

  if (self->redis != NULL)
    {
      self->wants_at_once = at_once;
      cluster_redis_close_later (self->redis, error);
    }
  else if (at_once && self->timer != NULL)
    attempt_in (self, 0);
}

const char *
cluster_redis_link_get_address (ClusterRedisLink *self)
{
  return self->up_us != 0 ? self->address : NULL;
}
