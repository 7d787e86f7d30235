/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/wire-private: for wire.c (links, connections) and wire-sentinel.c (what a
 * client knows of sentinels) alone.
 */
#pragma once

#include "wire.h"

#include "cluster/redis-sentinel.h"

struct _ClusterSentinel
{
  ClusterSwitchFunc func;
  gpointer data;
  SimProc *proc;
  guint64 epoch;
  guint master;
  gboolean knows;
};

void sim_wire_begin_sentinels (void);
void sim_wire_end_sentinels (void);
