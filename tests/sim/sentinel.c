/* SPDX-License-Identifier: Apache-2.0 */
/* sim/store: the sentinels: who is down, who is master, who must follow. */
#include "store-private.h"

#include <string.h>

#define TICK_US (100 * SIM_US_PER_MS)
#define VOTE_US (2 * SIM_US_PER_S)
#define DOWN_AFTER_US (1 * SIM_US_PER_S)

typedef struct
{
  SimSentinelView view;
  gint64 unseen_us[SIM_N_STORES]; /* since when; -1 = is there */
  gboolean is_failing_over;
  guint64 promised;         /* the epoch that it voted in last, */
  gint64 promised_until_us; /* and how long it votes for nobody else */
} Sentinel;

static Sentinel sentinels[SIM_N_STORES];
static void (*watcher) (guint sentinel);

gboolean
sim_host_reaches (guint host, guint other)
{
  return !sim_is_cut (host, other) && !sim_is_cut (other, host);
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
    n += i != sentinel && sim_host_reaches (sentinel, i)
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
    if (i == sentinel || sim_host_reaches (sentinel, i))
      {
        n += sim_now () >= sentinels[i].promised_until_us;
        epoch =
            MAX (epoch, MAX (sentinels[i].promised, sentinels[i].view.epoch));
      }
  if (n < 2 || sim_now () < sentinels[sentinel].promised_until_us)
    return FALSE;
  for (guint i = 0; i < SIM_N_STORES; i++)
    if ((i == sentinel || sim_host_reaches (sentinel, i))
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
  guint best = SIM_NO_SERVER;

  for (guint i = 0; i < SIM_N_STORES; i++)
    if (i != sentinels[sentinel].view.by_name && sim_servers[i].is_up
        && !sim_servers[i].is_master && sim_host_reaches (sentinel, i)
        && (best == SIM_NO_SERVER
            || sim_servers[i].offset > sim_servers[best].offset))
      best = i;
  return best;
}

static void
follow (SimServer *self, guint master)
{
  self->is_master = FALSE;
  self->is_synced = FALSE;
  self->master = master;
  self->link++;
  self->wrong_us = -1;
  sim_server_break (self);
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
  SimServer *server;

  if (!sees_down (index) || count_witnesses (index) < 2
      || chosen == SIM_NO_SERVER)
    {
      self->is_failing_over = FALSE;
      return;
    }
  server = &sim_servers[chosen];
  server->is_master = TRUE;
  server->master = SIM_NO_SERVER;
  server->is_synced = FALSE;
  server->link++;
  memset (server->acked, 0, sizeof server->acked);
  server->epoch = self->view.epoch = self->promised;
  sim_server_break (server);
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

  if (from == to || other->is_failing_over || !sim_host_reaches (from, to)
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
  SimServer *self = &sim_servers[server];
  const SimSentinelView *view = &sentinels[sentinel].view;

  if (!self->is_up || !sim_host_reaches (sentinel, server)
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
      if (sim_servers[i].is_up && sim_host_reaches (sentinel, i))
        self->unseen_us[i] = -1;
      else if (self->unseen_us[i] < 0)
        self->unseen_us[i] = sim_now ();
      set_right (sentinel, i);
      gossip (i, sentinel);
    }
  for (guint i = 0; i < SIM_N_STORES; i++)
    if (sentinels[i].is_failing_over && sim_host_reaches (i, sentinel))
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
      sim_server_synchronise (&sim_servers[i]);
    }
  sim_at (sim_now () + TICK_US, NULL, on_tick, NULL, NULL);
}

gboolean
sim_store_is_settled (void)
{
  guint master = sim_store_get_master ();

  for (guint i = 0; i < SIM_N_STORES; i++)
    if (sentinels[i].view.by_name != master || sentinels[i].is_failing_over
        || (i != master
            && (sim_servers[i].master != master || !sim_servers[i].is_synced)))
      return FALSE;
  return sim_store_is_master (master);
}

void
sim_sentinels_begin (void)
{
  watcher = NULL;
  memset (sentinels, 0, sizeof sentinels);
  for (guint i = 0; i < SIM_N_STORES; i++)
    for (guint k = 0; k < SIM_N_STORES; k++)
      sentinels[i].unseen_us[k] = -1;
  sim_at (0, NULL, on_tick, NULL, NULL);
}
