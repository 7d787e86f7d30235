/* SPDX-License-Identifier: Apache-2.0 */
/* sim/store: servers, replication, sentinels. */
#include "store.h"

#include "check.h"

#include <string.h>

#define NONE SIM_N_STORES
#define TICK_US (100 * SIM_US_PER_MS)
#define VOTE_US (2 * SIM_US_PER_S)
#define DOWN_AFTER_US (1 * SIM_US_PER_S)

typedef struct
{
  guint64 offset;
  guint k;
  SimFunc func;
  gpointer data;
  GDestroyNotify drop;
  gboolean is_over;
} Wait;

typedef struct
{
  SimRedis *redis; /* owned */
  gboolean is_up, is_master, is_synced;
  guint master; /* whom it follows */
  guint life, link;
  guint64 offset, epoch;
  guint64 acked[SIM_N_STORES];
  SimChannel *to[SIM_N_STORES], *back[SIM_N_STORES]; /* (nullable) borrowed */
  GPtrArray *waits;                                  /* owned */
  gint64 skew_us, wrong_us; /* wrong: since when it should follow another */
  gint64 patience_us;
} Server;

typedef struct
{
  SimSentinelView view;
  gint64 unseen_us[SIM_N_STORES]; /* since when; -1 = is there */
  gboolean is_failing_over;
  guint64 promised;        /* the epoch that it voted in last, */
  gint64 promised_until_us; /* and how long it votes for nobody else */
} Sentinel;

static Server servers[SIM_N_STORES];
static Sentinel sentinels[SIM_N_STORES];
static SimLua *functions;
static gint64 deserted_us;
static void (*watcher) (guint sentinel);

static gboolean
reaches (guint host, guint other)
{
  return !sim_is_cut (host, other) && !sim_is_cut (other, host);
}

/* --- waiting -------------------------------------------------------------- */

guint
sim_store_count (guint server, guint64 offset)
{
  guint n = 0;

  for (guint i = 0; i < SIM_N_STORES; i++)
    n += i != server && servers[server].acked[i] >= offset;
  return n;
}

static void
end_wait (Wait *wait, gboolean is_told)
{
  if (wait->is_over)
    return;
  wait->is_over = TRUE;
  if (is_told)
    wait->func (wait->data);
  wait->drop (wait->data);
}

static void
look_at_waits (Server *self)
{
  g_autoptr (GPtrArray) over = g_ptr_array_new ();

  for (guint i = 0; i < self->waits->len;)
    {
      Wait *wait = self->waits->pdata[i];

      if (sim_store_count ((guint)(self - servers), wait->offset) < wait->k)
        {
          i++;
          continue;
        }
      g_ptr_array_add (over, wait);
      g_ptr_array_remove_index (self->waits, i);
    }
  for (guint i = 0; i < over->len; i++)
    end_wait (over->pdata[i], TRUE);
}

static void
on_wait_over (gpointer data)
{
  Wait *wait = data;

  if (wait->is_over)
    return;
  for (guint i = 0; i < SIM_N_STORES; i++)
    g_ptr_array_remove (servers[i].waits, wait);
  end_wait (wait, TRUE);
}

void
sim_store_wait (guint server, guint64 offset, guint k, gint64 timeout_us,
                SimFunc func, gpointer data, GDestroyNotify drop)
{
  Wait *wait = g_new0 (Wait, 1);

  *wait = (Wait){ offset, k, func, data, drop, FALSE };
  g_ptr_array_add (servers[server].waits, wait);
  sim_at (sim_now () + timeout_us, NULL, on_wait_over, wait, g_free);
  look_at_waits (&servers[server]);
}

static void
drop_waits (Server *self)
{
  while (self->waits->len > 0)
    end_wait (g_ptr_array_steal_index (self->waits, 0), FALSE);
}

/* --- replication ---------------------------------------------------------- */

typedef struct
{
  guint from, to, link;
  guint64 offset;
  char **argv; /* owned; NULL: an acknowledgement */
} Packet;

static void
packet_free (gpointer data)
{
  Packet *packet = data;

  g_strfreev (packet->argv);
  g_free (packet);
}

static void
on_ack (gpointer data)
{
  const Packet *packet = data;
  Server *master = &servers[packet->to];

  if (!master->is_up || !master->is_master
      || servers[packet->from].link != packet->link)
    return;
  master->acked[packet->from] =
      MAX (master->acked[packet->from], packet->offset);
  look_at_waits (master);
}

static void
acknowledge (Server *self)
{
  Packet *packet = g_new0 (Packet, 1);
  guint index = (guint)(self - servers);

  *packet = (Packet){ index, self->master, self->link, self->offset, NULL };
  sim_channel_send (servers[self->master].back[index], NULL, on_ack, packet,
                    packet_free);
}

static void
on_effect (gpointer data)
{
  const Packet *packet = data;
  Server *self = &servers[packet->to];

  if (!self->is_up || !self->is_synced || self->link != packet->link)
    return;
  if (packet->offset != self->offset + 1)
    {
      self->is_synced = FALSE;
      return;
    }
  self->offset = packet->offset;
  sim_redis_apply (self->redis, (const char *const *)packet->argv);
  acknowledge (self);
}

static void
replicate (Server *self)
{
  g_autoptr (GPtrArray) effects = sim_redis_take_effects (self->redis);
  guint index = (guint)(self - servers);

  for (guint i = 0; effects != NULL && i < effects->len; i++)
    {
      self->offset++;
      for (guint k = 0; k < SIM_N_STORES; k++)
        {
          Server *replica = &servers[k];
          Packet *packet;

          if (replica->master != index || !replica->is_synced)
            continue;
          packet = g_new0 (Packet, 1);
          *packet = (Packet){ index, k, replica->link, self->offset,
                              g_strdupv (effects->pdata[i]) };
          sim_channel_send (self->to[k], NULL, on_effect, packet, packet_free);
        }
    }
}

static void
close_channels (Server *self, guint replica)
{
  if (self->to[replica] == NULL)
    return;
  sim_channel_close (g_steal_pointer (&self->to[replica]), FALSE);
  sim_channel_close (g_steal_pointer (&self->back[replica]), FALSE);
}

static void
synchronise (Server *self)
{
  guint index = (guint)(self - servers);
  Server *master;

  if (self->is_synced || !self->is_up || self->is_master
      || self->master == NONE)
    return;
  master = &servers[self->master];
  if (!master->is_up || !master->is_master || !reaches (index, self->master)
      || sim_chance (500))
    return;
  close_channels (master, index);
  master->to[index] = sim_channel_new (self->master, index);
  master->back[index] = sim_channel_new (index, self->master);
  master->acked[index] = 0;
  sim_redis_copy (self->redis, master->redis);
  self->offset = master->offset;
  self->is_synced = TRUE;
  self->link++;
  sim_trace ("redis %u follows %u", index, self->master);
  acknowledge (self);
}

/* --- calls ---------------------------------------------------------------- */

ClusterReply *
sim_store_call (guint server, const char *func, GPtrArray *args,
                guint64 *ret_offset)
{
  Server *self = &servers[server];
  ClusterReply *reply;

  sim_redis_set_wall_us (self->redis,
                         sim_proc_wall_us (NULL) + self->skew_us);
  sim_check_before_call (server, func, args);
  reply = sim_lua_call (functions, self->redis, func, args);
  sim_check_after_call (server, func, args, reply);
  replicate (self);
  *ret_offset = self->offset;
  return reply;
}

gboolean
sim_store_is_up (guint server)
{
  return servers[server].is_up;
}

gboolean
sim_store_is_master (guint server)
{
  return servers[server].is_up && servers[server].is_master;
}

guint
sim_store_get_life (guint server)
{
  return servers[server].life;
}

SimRedis *
sim_store_get_redis (guint server)
{
  return servers[server].redis;
}

guint64
sim_store_get_epoch (guint server)
{
  return servers[server].epoch;
}

guint
sim_store_get_master (void)
{
  guint best = 0;

  for (guint i = 1; i < SIM_N_STORES; i++)
    if (sentinels[i].view.epoch > sentinels[best].view.epoch)
      best = i;
  return sentinels[best].view.by_name;
}

/* --- sentinels ------------------------------------------------------------ */

void
sim_sentinel_get_view (guint sentinel, SimSentinelView *ret)
{
  *ret = sentinels[sentinel].view;
}

gint64
sim_store_get_deserted_us (void)
{
  return deserted_us;
}

void
sim_sentinel_watch (void (*func) (guint sentinel))
{
  watcher = func;
}

static gboolean
sees_down (guint sentinel)
{
  const Sentinel *self = &sentinels[sentinel];
  gint64 since_us = self->unseen_us[self->view.by_name];

  return since_us >= 0 && sim_now () - since_us >= DOWN_AFTER_US;
}

/* those who see it down too */
static guint
count_witnesses (guint sentinel)
{
  guint n = 1;

  for (guint i = 0; i < SIM_N_STORES; i++)
    n += i != sentinel && reaches (sentinel, i)
         && sentinels[i].view.epoch == sentinels[sentinel].view.epoch
         && sees_down (i);
  return n;
}

/* get_elected: a majority votes for it, each for one in an epoch */
static gboolean
get_elected (guint sentinel)
{
  guint64 epoch = 0;
  guint n = 0;

  for (guint i = 0; i < SIM_N_STORES; i++)
    if (i == sentinel || reaches (sentinel, i))
      {
        n += sim_now () >= sentinels[i].promised_until_us;
        epoch = MAX (epoch, MAX (sentinels[i].promised,
                                 sentinels[i].view.epoch));
      }
  if (n < 2 || sim_now () < sentinels[sentinel].promised_until_us)
    return FALSE;
  for (guint i = 0; i < SIM_N_STORES; i++)
    if ((i == sentinel || reaches (sentinel, i))
        && sim_now () >= sentinels[i].promised_until_us)
      {
        sentinels[i].promised = epoch + 1;
        sentinels[i].promised_until_us = sim_now () + VOTE_US;
      }
  return TRUE;
}

static guint
choose (guint sentinel)
{
  guint best = NONE;

  for (guint i = 0; i < SIM_N_STORES; i++)
    if (i != sentinels[sentinel].view.by_name && servers[i].is_up
        && !servers[i].is_master && reaches (sentinel, i)
        && (best == NONE || servers[i].offset > servers[best].offset))
      best = i;
  return best;
}

static void
break_connections (Server *self)
{
  self->life++;
  drop_waits (self);
}

static void
follow (Server *self, guint master)
{
  guint index = (guint)(self - servers);

  if (!self->is_master && self->is_synced && servers[self->master].is_master
      && servers[self->master].is_up && reaches (index, self->master))
    deserted_us = sim_now ();
  self->is_master = FALSE;
  self->is_synced = FALSE;
  self->master = master;
  self->link++;
  self->wrong_us = -1;
  break_connections (self);
}

static void
on_failover_over (gpointer data)
{
  Sentinel *self = data;

  self->view.by_info = self->view.by_name;
  self->is_failing_over = FALSE;
}

static void
on_promote (gpointer data)
{
  Sentinel *self = data;
  guint index = (guint)(self - sentinels), chosen = choose (index);
  Server *server;

  if (!sees_down (index) || count_witnesses (index) < 2 || chosen == NONE)
    {
      self->is_failing_over = FALSE;
      return;
    }
  server = &servers[chosen];
  server->is_master = TRUE;
  server->master = NONE;
  server->is_synced = FALSE;
  server->link++;
  memset (server->acked, 0, sizeof server->acked);
  server->epoch = self->view.epoch = self->promised;
  break_connections (server);
  self->view.by_name = chosen;
  sim_trace ("sentinel %u: redis %u is master, epoch %" G_GUINT64_FORMAT, index,
             chosen, self->view.epoch);
  sim_at (sim_now () + sim_between (20, 600) * SIM_US_PER_MS, NULL,
          on_failover_over, self, NULL);
  if (watcher != NULL)
    watcher (index);
}

static void
gossip (guint from, guint to)
{
  Sentinel *self = &sentinels[to];
  const Sentinel *other = &sentinels[from];

  if (from == to || other->is_failing_over || !reaches (from, to)
      || other->view.epoch <= self->view.epoch || sim_chance (600))
    return;
  self->view = other->view;
  if (watcher != NULL)
    watcher (to);
}

/* who is led astray follows the newest master that a sentinel knows */
static void
set_right (guint sentinel, guint server)
{
  Server *self = &servers[server];
  const SimSentinelView *view = &sentinels[sentinel].view;

  if (!self->is_up || !reaches (sentinel, server)
      || view->by_name != sim_store_get_master () || server == view->by_name
      || (!self->is_master && self->master == view->by_name))
    return;
  if (self->wrong_us < 0)
    {
      self->wrong_us = sim_now ();
      self->patience_us = self->is_master
                              ? sim_between (1, 10) * SIM_US_PER_S
                              : sim_between (0, 1000) * SIM_US_PER_MS;
    }
  if (sim_now () - self->wrong_us < self->patience_us)
    return;
  sim_trace ("sentinel %u: redis %u%s shall follow %u", sentinel, server,
             self->is_master ? ", a master," : "", view->by_name);
  follow (self, view->by_name);
}

static void
look (guint sentinel)
{
  Sentinel *self = &sentinels[sentinel];

  for (guint i = 0; i < SIM_N_STORES; i++)
    {
      if (servers[i].is_up && reaches (sentinel, i))
        self->unseen_us[i] = -1;
      else if (self->unseen_us[i] < 0)
        self->unseen_us[i] = sim_now ();
      set_right (sentinel, i);
      gossip (i, sentinel);
    }
  for (guint i = 0; i < SIM_N_STORES; i++)
    if (sentinels[i].is_failing_over && reaches (i, sentinel))
      return;
  if (self->is_failing_over || !sees_down (sentinel)
      || count_witnesses (sentinel) < 2 || sim_chance (700)
      || !get_elected (sentinel))
    return;
  self->is_failing_over = TRUE;
  sim_at (sim_now () + sim_between (20, 400) * SIM_US_PER_MS, NULL, on_promote,
          self, NULL);
}

static void
on_tick (gpointer data)
{
  for (guint i = 0; i < SIM_N_STORES; i++)
    {
      look (i);
      synchronise (&servers[i]);
    }
  sim_at (sim_now () + TICK_US, NULL, on_tick, NULL, NULL);
}

/* --- faults --------------------------------------------------------------- */

void
sim_store_kill (guint server)
{
  Server *self = &servers[server];

  if (!self->is_up)
    return;
  sim_trace ("redis %u dies", server);
  self->is_up = self->is_synced = FALSE;
  self->link++;
  break_connections (self);
}

/* it has its file: what it had written until it died */
void
sim_store_start (guint server)
{
  Server *self = &servers[server];

  if (self->is_up)
    return;
  sim_trace ("redis %u is back", server);
  self->is_up = TRUE;
  for (guint i = 0; i < SIM_N_STORES; i++)
    if (self->is_master && servers[i].master == server)
      servers[i].is_synced = FALSE;
}

void
sim_store_set_skew (guint server, gint64 by_us)
{
  servers[server].skew_us = by_us;
}

gboolean
sim_store_is_settled (void)
{
  guint master = sim_store_get_master ();

  for (guint i = 0; i < SIM_N_STORES; i++)
    if (sentinels[i].view.by_name != master || sentinels[i].is_failing_over
        || (i != master && (servers[i].master != master
                            || !servers[i].is_synced)))
      return FALSE;
  return sim_store_is_master (master);
}

/* --- life ----------------------------------------------------------------- */

void
sim_store_begin (SimLua *lua)
{
  functions = lua;
  watcher = NULL;
  deserted_us = G_MININT64 / 2;
  memset (servers, 0, sizeof servers);
  memset (sentinels, 0, sizeof sentinels);
  for (guint i = 0; i < SIM_N_STORES; i++)
    {
      servers[i].redis = sim_redis_new ();
      servers[i].waits = g_ptr_array_new ();
      servers[i].is_up = TRUE;
      servers[i].is_master = i == 0;
      servers[i].master = i == 0 ? NONE : 0;
      servers[i].wrong_us = -1;
      for (guint k = 0; k < SIM_N_STORES; k++)
        sentinels[i].unseen_us[k] = -1;
    }
  sim_at (0, NULL, on_tick, NULL, NULL);
}

void
sim_store_end (void)
{
  for (guint i = 0; i < SIM_N_STORES; i++)
    {
      drop_waits (&servers[i]);
      sim_redis_free (servers[i].redis);
      g_ptr_array_unref (servers[i].waits);
    }
}
