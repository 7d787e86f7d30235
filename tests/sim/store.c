/* SPDX-License-Identifier: Apache-2.0 */
/* sim/store: sim_servers, replication, sentinels. */
#include "store-private.h"

#include "check.h"

#include <string.h>

typedef struct
{
  guint64 offset;
  guint k;
  SimFunc func;
  gpointer data;
  GDestroyNotify drop;
  gboolean is_over;
} Wait;

SimServer sim_servers[SIM_N_STORES];
static SimLua *functions;

/* --- waiting -------------------------------------------------------------- */

guint
sim_store_count (guint server, guint64 offset)
{
  guint n = 0;

  for (guint i = 0; i < SIM_N_STORES; i++)
    n += i != server && sim_servers[server].acked[i] >= offset;
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
look_at_waits (SimServer *self)
{
  g_autoptr (GPtrArray) over = g_ptr_array_new ();

  for (guint i = 0; i < self->waits->len;)
    {
      Wait *wait = self->waits->pdata[i];

      if (sim_store_count ((guint)(self - sim_servers), wait->offset) < wait->k)
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
    g_ptr_array_remove (sim_servers[i].waits, wait);
  end_wait (wait, TRUE);
}

void
sim_store_wait (guint server, guint64 offset, guint k, gint64 timeout_us,
                SimFunc func, gpointer data, GDestroyNotify drop)
{
  Wait *wait = g_new0 (Wait, 1);

  *wait = (Wait){ offset, k, func, data, drop, FALSE };
  g_ptr_array_add (sim_servers[server].waits, wait);
  sim_at (sim_now () + timeout_us, NULL, on_wait_over, wait, g_free);
  look_at_waits (&sim_servers[server]);
}

void
sim_server_drop_waits (SimServer *self)
{
  while (self->waits->len > 0)
    end_wait (g_ptr_array_steal_index (self->waits, 0), FALSE);
}

void
sim_server_break (SimServer *self)
{
  self->life++;
  sim_server_drop_waits (self);
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
  SimServer *master = &sim_servers[packet->to];

  if (!master->is_up || !master->is_master
      || sim_servers[packet->from].link != packet->link)
    return;
  master->acked[packet->from] =
      MAX (master->acked[packet->from], packet->offset);
  look_at_waits (master);
}

static void
acknowledge (SimServer *self)
{
  Packet *packet = g_new0 (Packet, 1);
  guint index = (guint)(self - sim_servers);

  *packet = (Packet){ index, self->master, self->link, self->offset, NULL };
  sim_channel_send (sim_servers[self->master].back[index], NULL, on_ack, packet,
                    packet_free);
}

static void
on_effect (gpointer data)
{
  const Packet *packet = data;
  SimServer *self = &sim_servers[packet->to];

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
replicate (SimServer *self)
{
  g_autoptr (GPtrArray) effects = sim_redis_take_effects (self->redis);
  guint index = (guint)(self - sim_servers);

  for (guint i = 0; effects != NULL && i < effects->len; i++)
    {
      self->offset++;
      for (guint k = 0; k < SIM_N_STORES; k++)
        {
          SimServer *replica = &sim_servers[k];
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
close_channels (SimServer *self, guint replica)
{
  if (self->to[replica] == NULL)
    return;
  sim_channel_close (g_steal_pointer (&self->to[replica]), FALSE);
  sim_channel_close (g_steal_pointer (&self->back[replica]), FALSE);
}

void
sim_server_synchronise (SimServer *self)
{
  guint index = (guint)(self - sim_servers);
  SimServer *master;

  if (self->is_synced || !self->is_up || self->is_master
      || self->master == SIM_NO_SERVER)
    return;
  master = &sim_servers[self->master];
  if (!master->is_up || !master->is_master
      || !sim_host_reaches (index, self->master) || sim_chance (500))
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
  SimServer *self = &sim_servers[server];
  ClusterReply *reply;

  sim_redis_set_wall_us (self->redis, sim_proc_wall_us (NULL) + self->skew_us);
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
  return sim_servers[server].is_up;
}

gboolean
sim_store_is_master (guint server)
{
  return sim_servers[server].is_up && sim_servers[server].is_master;
}

guint
sim_store_get_life (guint server)
{
  return sim_servers[server].life;
}

SimRedis *
sim_store_get_redis (guint server)
{
  return sim_servers[server].redis;
}

guint64
sim_store_get_epoch (guint server)
{
  return sim_servers[server].epoch;
}

/* --- faults --------------------------------------------------------------- */

void
sim_store_kill (guint server)
{
  SimServer *self = &sim_servers[server];

  if (!self->is_up)
    return;
  sim_trace ("redis %u dies", server);
  self->is_up = self->is_synced = FALSE;
  self->link++;
  sim_server_break (self);
}

/* it has its file: what it had written until it died */
void
sim_store_start (guint server)
{
  SimServer *self = &sim_servers[server];

  if (self->is_up)
    return;
  sim_trace ("redis %u is back", server);
  self->is_up = TRUE;
  for (guint i = 0; i < SIM_N_STORES; i++)
    if (self->is_master && sim_servers[i].master == server)
      sim_servers[i].is_synced = FALSE;
}

void
sim_store_set_skew (guint server, gint64 by_us)
{
  sim_servers[server].skew_us = by_us;
}

/* --- life ----------------------------------------------------------------- */

void
sim_store_begin (SimLua *lua)
{
  functions = lua;
  memset (sim_servers, 0, sizeof sim_servers);
  for (guint i = 0; i < SIM_N_STORES; i++)
    {
      sim_servers[i].redis = sim_redis_new ();
      sim_servers[i].waits = g_ptr_array_new ();
      sim_servers[i].is_up = TRUE;
      sim_servers[i].is_master = i == 0;
      sim_servers[i].master = i == 0 ? SIM_NO_SERVER : 0;
      sim_servers[i].wrong_us = -1;
    }
  sim_sentinels_begin ();
}

void
sim_store_end (void)
{
  for (guint i = 0; i < SIM_N_STORES; i++)
    {
      sim_server_drop_waits (&sim_servers[i]);
      sim_redis_free (sim_servers[i].redis);
      g_ptr_array_unref (sim_servers[i].waits);
    }
}
