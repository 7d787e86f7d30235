/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/node: an instance's own life: it beats, and does what the production
 * claim makes of the store's answers (cluster/claim): opens to viewers, drains,
 * ends. Silence of the store changes nothing for one that is open.
 * Owner: sim/engine.
 */
#pragma once

#include "cluster/types.h"
#include "world.h"

#define SIM_TREE "live"
#define SIM_PREFIX "mt:"
#define SIM_URL "sentinel://a:1,b:2,c:3/mt"
#define SIM_NO_ORDINAL G_MAXUINT

typedef struct
{
  char name[64];
  guint ordinal, gen;
  guint host;
  gboolean is_relay;
  gboolean is_edge;     /* nobody made it: the injection node, always there */
  gboolean has_started; /* FALSE: it is made, and no more */
  gboolean is_running;  /* the process; FALSE after has_started: it has ended */
  gboolean is_open, is_draining;
} SimInstance;

/* how many viewers want each open egress node; sim/engine has it */
guint sim_crowd_get_share (void);

typedef struct _SimNode SimNode;

/* @shown: what it is; read by everybody */
SimNode *sim_node_new (const SimInstance *shown);
void sim_node_free (SimNode *self);
SimInstance *sim_node_get (SimNode *self);
/* (nullable): where it hangs, in worlds that have trees */
const ClusterPlace *sim_node_get_place (const SimNode *self);
/* whether nodes that start from now on look for parents */
void sim_node_set_trees (gboolean has_trees);
/* a new process, unless there is one */
void sim_node_start (SimNode *self);
void sim_node_end (SimNode *self, const char *why);
void sim_node_drain (SimNode *self);
/* mutation: it opens without asking */
void sim_node_forget_join (gboolean is_forgotten);
/* mutation: all say that they are on the same host */
void sim_node_forget_hosts (gboolean is_forgotten);
