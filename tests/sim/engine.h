/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/engine: what makes instances on hosts 3 and 4, and the instances: each
 * is a whole subtree of one process. It is slow, fails, does what it was asked
 * and does not say so, and lists what was there some seconds ago. Names are
 * unique on one host only.
 *   An instance claims its ordinal (mt_join, confirmed by WAIT), opens to
 * viewers, and beats; who is refused ends without ever having opened.
 */
#pragma once

#include "world.h"

#define SIM_MAX_NODES 64
#define SIM_TREE "live"
#define SIM_PREFIX "mt:"
#define SIM_URL "sentinel://a:1,b:2,c:3/mt"
#define SIM_NO_ORDINAL G_MAXUINT

typedef struct
{
  char name[48];
  guint ordinal, gen;
  guint host;
  gboolean is_running; /* the process; FALSE: it has ended */
  gboolean is_open, is_draining;
} SimInstance;

/* @is_done: FALSE: it failed, or nobody knows */
typedef void (*SimEngineDone) (gboolean is_done, gpointer data);
/* @instances: (nullable) (element-type SimInstance): NULL: no answer */
typedef void (*SimEngineListed) (GArray *instances, gpointer data);

void sim_engine_begin (void);
void sim_engine_end (void);

/* for the process that asks; who is dead by then gets no answer */
void sim_engine_ensure (const char *name, guint ordinal, guint gen, guint host,
                        SimEngineDone done, gpointer data);
void sim_engine_remove (const char *name, SimEngineDone done, gpointer data);
void sim_engine_list (SimEngineListed listed, gpointer data);
/* POST /api/drain of that node */
void sim_engine_drain (const char *name);

/* --- for faults and checks ------------------------------------------------ */

/* is it troubled at all */
void sim_engine_set_faulty (gboolean is_faulty);
void sim_engine_crash_one (void);
/* (element-type SimInstance): as they are now */
const GArray *sim_engine_look (void);
/* mutations: nodes open without a claim */
void sim_engine_forget_join (gboolean is_forgotten);
