/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/store-private: for store.c (servers, replication) and sentinel.c (who is
 * master) alone.
 */
#pragma once

#include "store.h"

#define SIM_NO_SERVER SIM_N_STORES

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
} SimServer;

extern SimServer sim_servers[SIM_N_STORES];

/* both ways */
gboolean sim_host_reaches (guint host, guint other);
void sim_server_drop_waits (SimServer *self);
void sim_server_break (SimServer *self);
/* a replica that has lost its master's stream tries to begin anew */
void sim_server_synchronise (SimServer *self);
void sim_sentinels_begin (void);
