/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/leader: the candidates on hosts 0 to 2. Each has the production ledger
 * (so lease, functions, what is read) and, as leader, each second: reads what
 * is desired, wants another number now and then, reads slots, lists instances,
 * and does what sim/plan says.
 */
#pragma once

#include "world.h"

#define SIM_N_LEADERS 3
#define SIM_MAX_SUBTREES 6

void sim_leaders_begin (void);
void sim_leaders_end (void);
void sim_leader_kill (guint index);
void sim_leader_start (guint index);
void sim_leader_resign (guint index);
SimProc *sim_leader_get_proc (guint index);
/* its lease is valid now, by its own clock */
gboolean sim_leader_is_acting (guint index);
/* nobody wants another number any more */
void sim_leaders_calm (void);
/* mutation: instances have names of their own instead of ordinals */
void sim_leaders_forget_ordinals (gboolean is_forgotten);
