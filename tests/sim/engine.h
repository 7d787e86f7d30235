/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/engine: what makes instances on hosts 3 and 4 and takes them away. It is
 * slow, fails, does what it was asked and does not say so, and lists what was
 * there some seconds ago. Names are unique on one host only.
 */
#pragma once

#include "node.h"

#define SIM_MAX_NODES 256

/* @is_done: FALSE: it failed, or nobody knows */
typedef void (*SimEngineDone) (gboolean is_done, gpointer data);
/* @instances: (nullable) (element-type SimInstance): NULL: no answer */
typedef void (*SimEngineListed) (GArray *instances, gpointer data);

void sim_engine_begin (void);
void sim_engine_end (void);

/* the host of an instance: the same for all who ask */
guint sim_engine_place (const char *name);
/* for the process that asks; who is dead by then gets no answer */
void sim_engine_ensure (const SimInstance *wanted, SimEngineDone done,
                        gpointer data);
void sim_engine_remove (const char *name, SimEngineDone done, gpointer data);
void sim_engine_list (SimEngineListed listed, gpointer data);
/* POST /api/drain of that node; FALSE: it was not reached */
gboolean sim_engine_drain (const char *name);

/* --- for faults and checks ------------------------------------------------ */

/* is it troubled at all */
void sim_engine_set_faulty (gboolean is_faulty);
/* nobody wants to see it any more */
void sim_engine_send_home (void);
void sim_engine_crash_one (void);
/* (nullable): a node that has no two parents on two hosts, where nodes look for
 * parents */
const char *sim_engine_find_badly_hung (void);
/* (element-type SimInstance): as they are now */
const GArray *sim_engine_look (void);
