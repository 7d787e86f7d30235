/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/store: a Redis on each of hosts 0 to 2, one of them master, and a
 * sentinel beside each. Replication is asynchronous; a failover takes the
 * replica that has most, and what the old master wrote beyond is lost. The
 * old master goes on as one until it hears of the new one. While a failover is
 * under way SENTINEL MASTER still has the old address with the new epoch
 * (CONTROL-PLANE.md, decision 3); a sentinel that is cut off has the old of
 * both.
 */
#pragma once

#include "redis-lua.h"
#include "world.h"

#define SIM_N_STORES 3

typedef struct
{
  guint by_name; /* SENTINEL GET-MASTER-ADDR-BY-NAME */
  guint by_info; /* SENTINEL MASTER: its address, */
  guint64 epoch; /* and its config-epoch */
} SimSentinelView;

/* @lua: borrowed */
void sim_store_begin (SimLua *lua);
void sim_store_end (void);

gboolean sim_store_is_up (guint server);
gboolean sim_store_is_master (guint server);
/* grows when all its connections break */
guint sim_store_get_life (guint server);
/* the newest one that sentinels agreed on */
guint sim_store_get_master (void);
SimRedis *sim_store_get_redis (guint server);
/* of the failover that made it master */
guint64 sim_store_get_epoch (guint server);

/* sim_store_call: a function, as a master
 * @ret_offset: (out): what it has written until then
 * Returns: (transfer full) */
ClusterReply *sim_store_call (guint server, const char *func, GPtrArray *args,
                              guint64 *ret_offset);
/* sim_store_wait: @func: when @k replicas have @offset, or the time is over;
 * how many it was is sim_store_count(). Not while it is down.
 * @drop: of @data, last */
void sim_store_wait (guint server, guint64 offset, guint k, gint64 timeout_us,
                     SimFunc func, gpointer data, GDestroyNotify drop);
guint sim_store_count (guint server, guint64 offset);

void sim_sentinel_get_view (guint sentinel, SimSentinelView *ret);
/* @func: a sentinel has another master than before */
void sim_sentinel_watch (void (*func) (guint sentinel));

/* --- faults --------------------------------------------------------------- */

void sim_store_kill (guint server);
void sim_store_start (guint server);
/* how wrong its wall clock is */
void sim_store_set_skew (guint server, gint64 by_us);
/* nothing is under way: one master, both replicas follow */
gboolean sim_store_is_settled (void);
