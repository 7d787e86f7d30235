/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterSentinel: three questions to one of the sentinels, then listening. */
#include "cluster/redis-sentinel.h"

#include "cluster/log.h"
#include "cluster/store.h"

#include <string.h>

#define N_QUESTIONS 3
/* the watch that broke is opened again after so long */
#define WATCH_AGAIN_MS 2000

typedef struct
{
  ClusterResolveFunc func; /* NULL once forgotten */
  gpointer data;
} Waiter;

struct _ClusterSentinel
{
  const ClusterRedisUrl *url;       /* borrowed */
  GTlsDatabase *ca;                 /* borrowed, nullable */
  const ClusterRedisLimits *limits; /* borrowed */
  ClusterSwitchFunc func;
  gpointer data;       /* borrowed */
  ClusterRedis *redis; /* owned, nullable: to the one that is asked */
  GArray *waiters;     /* owned (element-type Waiter) */
  GSource *timer;      /* owned, nullable */
  guint current;       /* index of the host that is asked */
  guint n_tried;       /* in this round */
  gboolean is_asking;
  char *found[N_QUESTIONS]; /* owned: "host port" of each answer, nullable */
  guint n_answers;
  guint64 found_epoch, config_epoch; /* of MASTER's answer; of @master */
  char *master; /* owned, nullable: "host port" that was told last */
};

static void ask_one (ClusterSentinel *self);

static void
drop_timer (ClusterSentinel *self)
{
  if (self->timer == NULL)
    return;
  g_source_destroy (self->timer);
  g_clear_pointer (&self->timer, g_source_unref);
}

static void
clear_found (ClusterSentinel *self)
{
  for (guint i = 0; i < N_QUESTIONS; i++)
    g_clear_pointer (&self->found[i], g_free);
  self->n_answers = 0;
}

/* tell: all who wait, with the master or @error */
static void
tell (ClusterSentinel *self, const GError *error)
{
  g_autoptr (GArray) waiters = g_steal_pointer (&self->waiters);
  g_auto (GStrv) words =
      error == NULL ? g_strsplit (self->master, " ", 2) : NULL;
  guint16 port =
      words != NULL ? (guint16)g_ascii_strtoull (words[1], NULL, 10) : 0;

  self->waiters = g_array_new (FALSE, FALSE, sizeof (Waiter));
  for (guint i = 0; i < waiters->len; i++)
    {
      Waiter *waiter = &g_array_index (waiters, Waiter, i);
      waiter->func (words != NULL ? words[0] : NULL, port, error, waiter->data);
    }
}

/* --- again later -------------------------------------------------------- */

static gboolean
on_timer (gpointer data)
{
  ClusterSentinel *self = data;

  g_clear_pointer (&self->timer, g_source_unref);
  if (!self->is_asking && self->redis == NULL)
    {
      self->is_asking = TRUE;
      self->n_tried = 0;
      ask_one (self);
    }
  return G_SOURCE_REMOVE;
}

static void
watch_again (ClusterSentinel *self)
{
  if (self->timer != NULL)
    return;
  self->timer = g_timeout_source_new (WATCH_AGAIN_MS);
  g_source_set_static_name (self->timer, "cluster-sentinel");
  g_source_set_callback (self->timer, on_timer, self, NULL);
  g_source_attach (self->timer, NULL);
}

/* next: the one that is asked does not know */
static void
next (ClusterSentinel *self, const char *why)
{
  const ClusterRedisHost *host = self->url->hosts->pdata[self->current];
  g_autoptr (GError) error = NULL;

  GST_DEBUG ("sentinel %s:%u: %s", host->host, host->port, why);
  g_clear_pointer (&self->redis, cluster_redis_free);
  clear_found (self);
  self->current = (self->current + 1) % self->url->hosts->len;
  if (++self->n_tried < self->url->hosts->len)
    {
      ask_one (self);
      return;
    }
  self->is_asking = FALSE;
  watch_again (self);
  error = g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_AWAY,
                       "no sentinel knows the master %s; the last one: %s",
                       self->url->master_name, why);
  tell (self, error);
}

/* --- answers ------------------------------------------------------------ */

static char *
join (const char *host, const char *port)
{
  guint64 number;

  if (host == NULL || port == NULL || host[0] == '\0' || strlen (host) > 255
      || strpbrk (host, " \r\n\t/@") != NULL
      || !g_ascii_string_to_unsigned (port, 10, 1, 65535, &number, NULL))
    return NULL;
  return g_strconcat (host, " ", port, NULL);
}

/* get-master-addr-by-name: [host, port] */
static char *
read_address (const ClusterReply *reply)
{
  return join (cluster_reply_get_text (cluster_reply_get_item (reply, 0)),
               cluster_reply_get_text (cluster_reply_get_item (reply, 1)));
}

/* MASTER: [name, value, name, value, …] */
static char *
read_master (const ClusterReply *reply, guint64 *ret_epoch)
{
  const char *host = NULL, *port = NULL, *epoch = NULL;

  for (guint i = 0; i + 1 < reply->n_items; i += 2)
    {
      const char *key =
          cluster_reply_get_text (cluster_reply_get_item (reply, i));
      const char *value =
          cluster_reply_get_text (cluster_reply_get_item (reply, i + 1));
      if (g_strcmp0 (key, "ip") == 0)
        host = value;
      else if (g_strcmp0 (key, "port") == 0)
        port = value;
      else if (g_strcmp0 (key, "config-epoch") == 0)
        epoch = value;
    }
  if (epoch == NULL
      || !g_ascii_string_to_unsigned (epoch, 10, 0, CLUSTER_EPOCH_MAX,
                                      ret_epoch, NULL))
    return NULL;
  return join (host, port);
}

static void
on_watching (const ClusterReply *reply, const GError *error, gpointer data)
{
  if (reply != NULL && reply->type == CLUSTER_REPLY_ERROR)
    GST_DEBUG ("the sentinel lets us not watch: %s", reply->text);
}

static void
decide (ClusterSentinel *self)
{
  gboolean has_moved;

  for (guint i = 0; i < N_QUESTIONS; i++)
    if (self->found[i] == NULL || strcmp (self->found[i], self->found[0]) != 0)
      {
        next (self, "its answers do not agree");
        return;
      }
  has_moved =
      self->master != NULL && strcmp (self->master, self->found[0]) != 0;
  g_free (self->master);
  self->master = g_strdup (self->found[0]);
  self->config_epoch = self->found_epoch;
  clear_found (self);
  self->is_asking = FALSE;
  self->n_tried = 0;
  cluster_redis_ask (self->redis, on_watching, self, "SUBSCRIBE",
                     "+switch-master", NULL);
  if (has_moved)
    self->func (self->data);
  tell (self, NULL);
}

static void
take_answer (ClusterSentinel *self, const ClusterReply *reply)
{
  char *found = NULL;

  if (reply == NULL)
    return; /* on_closed follows */
  if (reply->type == CLUSTER_REPLY_ARRAY)
    found = self->n_answers == 1 ? read_master (reply, &self->found_epoch)
                                 : read_address (reply);
  self->found[self->n_answers++] = found;
}

static void
on_answer (const ClusterReply *reply, const GError *error, gpointer data)
{
  take_answer (data, reply);
}

static gboolean
on_decide (gpointer data)
{
  ClusterSentinel *self = data;

  g_clear_pointer (&self->timer, g_source_unref);
  decide (self);
  return G_SOURCE_REMOVE;
}

/* The connection may be freed by what is decided: not within its callback. */
static void
on_last_answer (const ClusterReply *reply, const GError *error, gpointer data)
{
  ClusterSentinel *self = data;

  take_answer (self, reply);
  if (reply == NULL)
    return;
  drop_timer (self);
  self->timer = g_idle_source_new ();
  g_source_set_priority (self->timer, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->timer, on_decide, self, NULL);
  g_source_attach (self->timer, NULL);
}

static void
on_ready (ClusterRedis *redis, gpointer data)
{
  ClusterSentinel *self = data;
  const char *name = self->url->master_name;
  const char *user = self->url->sentinel_user;
  const char *password = self->url->sentinel_password;

  if (password != NULL && user != NULL)
    cluster_redis_ask (redis, NULL, NULL, "AUTH", user, password, NULL);
  else if (password != NULL)
    cluster_redis_ask (redis, NULL, NULL, "AUTH", password, NULL);
  cluster_redis_ask (redis, on_answer, self, "SENTINEL",
                     "get-master-addr-by-name", name, NULL);
  cluster_redis_ask (redis, on_answer, self, "SENTINEL", "MASTER", name, NULL);
  cluster_redis_ask (redis, on_last_answer, self, "SENTINEL",
                     "get-master-addr-by-name", name, NULL);
}

/* "name old-host old-port new-host new-port" */
static void
on_message (const char *channel, const char *text, gpointer data)
{
  ClusterSentinel *self = data;
  g_auto (GStrv) words = g_strsplit (text, " ", 6);
  g_autofree char *master = NULL;

  if (g_strv_length (words) != 5
      || strcmp (words[0], self->url->master_name) != 0)
    return;
  master = join (words[3], words[4]);
  if (master == NULL || g_strcmp0 (master, self->master) == 0)
    return;
  GST_INFO ("the sentinels have made %s the master", master);
  g_free (self->master);
  self->master = g_steal_pointer (&master);
  self->func (self->data);
}

static void
on_closed (const GError *error, gpointer data)
{
  ClusterSentinel *self = data;

  g_clear_pointer (&self->redis, cluster_redis_free);
  if (self->is_asking)
    next (self, error->message);
  else
    watch_again (self);
}

/* --- asking ------------------------------------------------------------- */

static void
ask_one (ClusterSentinel *self)
{
  static const ClusterRedisCallbacks callbacks = { on_ready, on_message,
                                                   on_closed };
  const ClusterRedisHost *host = self->url->hosts->pdata[self->current];

  drop_timer (self);
  g_clear_pointer (&self->redis, cluster_redis_free);
  clear_found (self);
  self->redis = cluster_redis_new (host->host, host->port, self->url->is_tls,
                                   self->ca, self->limits, &callbacks, self);
}

void
cluster_sentinel_resolve (ClusterSentinel *self, ClusterResolveFunc func,
                          gpointer data)
{
  Waiter waiter = { func, data };

  g_array_append_val (self->waiters, waiter);
  if (self->is_asking)
    return;
  self->is_asking = TRUE;
  self->n_tried = 0;
  ask_one (self);
}

void
cluster_sentinel_forget (ClusterSentinel *self, gpointer data)
{
  for (guint i = self->waiters->len; i-- > 0;)
    if (g_array_index (self->waiters, Waiter, i).data == data)
      g_array_remove_index (self->waiters, i);
}

guint64
cluster_sentinel_get_config_epoch (ClusterSentinel *self)
{
  return self->config_epoch;
}

ClusterSentinel *
cluster_sentinel_new (const ClusterRedisUrl *url, GTlsDatabase *ca,
                      const ClusterRedisLimits *limits, ClusterSwitchFunc func,
                      gpointer data)
{
  ClusterSentinel *self = g_new0 (ClusterSentinel, 1);

  self->url = url;
  self->ca = ca;
  self->limits = limits;
  self->func = func;
  self->data = data;
  self->waiters = g_array_new (FALSE, FALSE, sizeof (Waiter));
  return self;
}

void
cluster_sentinel_free (ClusterSentinel *self)
{
  drop_timer (self);
  g_clear_pointer (&self->redis, cluster_redis_free);
  clear_found (self);
  g_array_unref (self->waiters);
  g_free (self->master);
  g_free (self);
}
