/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster/store-memory-private: what the files of the store in memory share:
 * store-memory.c has its life, nodes and places, store-memory-streams.c streams
 * and mountpoints.
 * Thread: main.
 */
#pragma once

#include "cluster/store-memory.h"
#include "cluster/store-private.h"

struct _ClusterMemory
{
  grefcount n_refs;
  char *tree_id;           /* owned */
  GHashTable *nodes;       /* owned (element-type char* MemoryNode) */
  GHashTable *streams;     /* owned (element-type char* MemoryStream) */
  GHashTable *mountpoints; /* owned (element-type char* char*) */
  GPtrArray *stores;       /* owned (element-type Memory), borrowed elements */
  const gint64 *now_us;    /* borrowed, nullable */
  gboolean is_away;
  guint n_places;
};

typedef struct
{
  ClusterPeer *peer; /* owned */
  gint64 beat_us;    /* the last one */
} MemoryNode;

typedef struct
{
  ClusterStream *stream; /* owned; without origin once ended */
  gint64 ended_us;
} MemoryStream;

typedef struct
{
  ClusterStore base;
  ClusterMemory *memory; /* counted */
  char *node_id;         /* owned, nullable: who beats through this */
  GQueue hints;          /* (element-type ClusterHint), for idle */
  GSource *idle;         /* owned, nullable */
} Memory;

/* the store's memory, or NULL when it is away: answered */
ClusterMemory *cluster_memory_of_call (ClusterStore *store,
                                       ClusterAnswer *answer);
gint64 cluster_memory_now_us (ClusterMemory *self);
/* nodes and ended streams whose time is over */
void cluster_memory_forget_old (ClusterMemory *self);
/* @node_id: (nullable): NULL = to all */
void cluster_memory_publish (ClusterMemory *self, ClusterHint hint,
                             const char *node_id);

/* the class's calls */
void cluster_memory_read_streams (ClusterStore *store, ClusterAnswer *answer);
void cluster_memory_claim_stream (ClusterStore *store,
                                  const ClusterStream *stream,
                                  ClusterAnswer *answer);
void cluster_memory_end_stream (ClusterStore *store, const char *name,
                                const char *publication, ClusterAnswer *answer);
void cluster_memory_put_mountpoint (ClusterStore *store, const char *id,
                                    const char *text, gboolean is_new,
                                    ClusterAnswer *answer);
void cluster_memory_remove_mountpoint (ClusterStore *store, const char *id,
                                       ClusterAnswer *answer);
void cluster_memory_read_mountpoints (ClusterStore *store,
                                      ClusterAnswer *answer);
