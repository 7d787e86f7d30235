/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterFunctions: a connection to the master on which mtctl.lua's functions
 * can be called: by FCALL, or by EVALSHA where the server lacks functions or
 * forbids them. Which of both is found out at each connect, and the functions
 * are loaded when they are missing or old. A server that says that it is no
 * master is left, and looked for again.
 * Owner:  the store, the ledger. Thread: main.
 */
#pragma once

#include "cluster/redis-link.h"

typedef struct _ClusterFunctions ClusterFunctions;

typedef struct
{
  void (*on_ready) (gpointer data);
  /* the connection broke, or an attempt failed */
  void (*on_down) (const GError *error, gpointer data);
} ClusterFunctionsCallbacks;

/* @prefix: copied; the rest as cluster_redis_link_new() has it */
ClusterFunctions *cluster_functions_new (
    const char *prefix, const ClusterRedisUrl *url, ClusterSentinel *sentinel,
    GTlsDatabase *ca, const ClusterRedisLimits *limits,
    const ClusterFunctionsCallbacks *callbacks, gpointer data);
void cluster_functions_free (ClusterFunctions *self);
/* cluster_functions_call: prefix and @tree_id, then @args, are what the
 * function gets
 * @args: (element-type utf8): texts
 * Returns: FALSE when it is not ready or has too much to do: then neither @func
 * nor @drop is run */
gboolean cluster_functions_call (ClusterFunctions *self, const char *func_name,
                                 const char *tree_id, GPtrArray *args,
                                 ClusterReplyFunc func, gpointer data,
                                 GDestroyNotify drop);
/* (transfer none): to drop it, to ask where it is, or what is no function */
ClusterRedisLink *cluster_functions_get_link (ClusterFunctions *self);
gboolean cluster_functions_is_ready (ClusterFunctions *self);
/* by EVAL */
gboolean cluster_functions_is_eval (ClusterFunctions *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClusterFunctions, cluster_functions_free)
