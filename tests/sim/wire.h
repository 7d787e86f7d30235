/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/wire: connections of processes to the model's servers, in place of
 * cluster/redis-link, redis and redis-sentinel (their names are defined here,
 * so that theirs are not linked): what stands above them, from
 * cluster/functions up, is the production code.
 *   A connection keeps the order of commands; WAIT holds up what is behind it.
 * A command without an answer for 2 s breaks it, and may be done all the same,
 * then or later. Where the master is is asked as cluster/redis-sentinel asks:
 * address, description, address of one sentinel, that must agree.
 */
#pragma once

#include "world.h"

void sim_wire_begin (void);
void sim_wire_end (void);
/* mutations: WAIT is answered as if all replicas had it, to all or to the nodes
 * on hosts that have no Redis; one question of a
 * sentinel is enough */
void sim_wire_forget_wait (gboolean is_forgotten);
void sim_wire_forget_nodes_wait (gboolean is_forgotten);
void sim_wire_ask_once (gboolean is_once);
