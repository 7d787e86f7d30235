/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/check: what must hold in every world (CONTROL-PLANE.md A3, B):
 *   I1  on one line of masters only the holder of the lease writes, and tokens
 *       grow;
 *   I2  tokens of two lines are ordered: each has its failover's epoch, no two
 *       are equal;
 *   I3  n stays within the policy and moves by its steps;
 *   I4  a subtree serves only while its claim is in the line that survives,
 *       one for an ordinal, none beyond what was desired lately;
 *   G2  no two act as leader at the same moment.
 * It looks from outside, at what each server accepted; it has no part in it.
 */
#pragma once

#include "cluster/redis-reply.h"
#include "node.h"
#include "world.h"

void sim_check_begin (void);
void sim_check_end (void);

/* around each function on each server */
void sim_check_before_call (guint server, const char *func, GPtrArray *args);
void sim_check_after_call (guint server, const char *func, GPtrArray *args,
                           const ClusterReply *reply);
/* a node whose claim was answered opens: one server could take that back */
void sim_check_opens (const SimInstance *opened);
/* after each event */
void sim_check_now (void);

/* sim_check_describe: (transfer full): what all worlds had
 * @ret_is_rich: (out): something of everything */
char *sim_check_describe (gboolean *ret_is_rich);
