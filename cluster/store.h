/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterStore: where nodes meet. One interface, two implementations: memory
 * (one process; the default) and Redis (redis://, rediss://, sentinel://).
 * Every call is asynchronous and never blocks; its callback is run once, on
 * main, from the main loop (never from within the call), with an error when
 * the store could not be asked or answered nonsense. Freeing the store drops
 * what is under way without running callbacks.
 *   Writes that several nodes may make at once are atomic in the store: Redis
 * Functions (library "mtctl"), EVAL where the server lacks them.
 * Owner:  ClusterMember. Thread: main.
 */
#pragma once

#include "base/metrics.h"
#include "cluster/types.h"

typedef struct _ClusterStore ClusterStore;

typedef enum
{
  CLUSTER_ERROR_URL,      /* --redis-url is not understood: message says why */
  CLUSTER_ERROR_AWAY,     /* not connected, or the connection broke */
  CLUSTER_ERROR_TIMEOUT,  /* no reply in 2 s; the connection is given up */
  CLUSTER_ERROR_PROTOCOL, /* the reply is not what the protocol says */
  CLUSTER_ERROR_REPLY,    /* the server's own error, in the message */
  CLUSTER_ERROR_TAKEN,    /* another living boot has this node id */
  CLUSTER_ERROR_LOOP,     /* the parent hangs below the node, or rank */
  CLUSTER_ERROR_FULL,     /* the parent has its maximum of children */
  CLUSTER_ERROR_DEAD,     /* the parent has no heartbeat */
  CLUSTER_ERROR_CONFLICT, /* the stream's epoch is another's already */
  CLUSTER_ERROR_STALE,    /* sentinels of an older time than the store's */
  CLUSTER_ERROR_FENCED,   /* another node leads */
  CLUSTER_ERROR_BOUND,    /* more than the policy, or a limit, allows */
  CLUSTER_ERROR_COOLDOWN, /* too soon after the last change */
  CLUSTER_ERROR_MISSING,  /* there is no such thing */
  CLUSTER_ERROR_N,
} ClusterError;
#define CLUSTER_ERROR (cluster_error_quark ())
GQuark cluster_error_quark (void);
/* "url", "away", …: for metrics */
const char *cluster_error_get_name (ClusterError code);

typedef enum
{
  CLUSTER_STORE_AWAY,
  CLUSTER_STORE_CONNECTED,
} ClusterStoreState;

typedef enum
{
  CLUSTER_HINT_STATE,    /* state changed; after CONNECTED re-read all */
  CLUSTER_HINT_TOPOLOGY, /* topology:{node} of ours was published */
  CLUSTER_HINT_EMPTIED,  /* we were in the store and are not: say all again */
  CLUSTER_HINT_STREAMS,  /* a stream of the tree began, ended or moved */
  CLUSTER_HINT_LEASE,    /* the leader has resigned */
} ClusterHint;
typedef void (*ClusterHintFunc) (ClusterHint hint, gpointer data);

typedef void (*ClusterDoneFunc) (const GError *error, gpointer data);
/* @peers: (element-type ClusterPeer) (nullable): borrowed */
typedef void (*ClusterPeersFunc) (GPtrArray *peers, const GError *error,
                                  gpointer data);
/* @streams: (element-type ClusterStream) (nullable): borrowed */
typedef void (*ClusterStreamsFunc) (GPtrArray *streams, const GError *error,
                                    gpointer data);
/* @current: (nullable): what the store holds now, on CONFLICT too */
typedef void (*ClusterClaimFunc) (const ClusterStream *current,
                                  const GError *error, gpointer data);

ClusterStore *cluster_store_new_memory (const char *tree_id);
/* @url: see DESIGN.md; @prefix: (nullable): before every key and channel.
 * Connecting goes on in the background for ever, 100 ms to 5 s apart with
 * jitter. Returns: NULL with CLUSTER_ERROR_URL only */
ClusterStore *cluster_store_new_redis (const char *url, const char *prefix,
                                       const char *tree_id, GError **error);
void cluster_store_free (ClusterStore *self);
void cluster_store_set_hint_func (ClusterStore *self, ClusterHintFunc func,
                                  gpointer data);
/* counts errors, reconnects and the time that calls take */
void cluster_store_set_metrics (ClusterStore *self, BaseMetrics *metrics);
ClusterStoreState cluster_store_get_state (ClusterStore *self);
/* "redis 127.0.0.1:6379", "memory": for logs and /debug/state */
char *cluster_store_describe (ClusterStore *self); /* (transfer full) */

/* heartbeat: writes hb: and, when it is missing, node:; nodes:{tree}:egress,
 * trees:active. TAKEN when another boot lives under the id. */
void cluster_store_beat (ClusterStore *self, const ClusterNode *node,
                         const ClusterLoad *load, ClusterDoneFunc func,
                         gpointer data);
/* removes all that the node wrote, its streams' too when it is their origin */
void cluster_store_leave (ClusterStore *self, const ClusterNode *node,
                          ClusterDoneFunc func, gpointer data);
/* place: sets parent, backup, rank, children atomically; LOOP, FULL, DEAD.
 * Publishes topology:{node} to the node and to both parents. Idempotent: a
 * node repeats it when the store came back empty.
 * @max_children: primary children of one parent */
void cluster_store_place (ClusterStore *self, const char *node_id,
                          const ClusterPlace *place, guint max_children,
                          ClusterDoneFunc func, gpointer data);
/* every node of the tree that beats, with load and place; and for a minute,
 * not alive, those that stopped without leaving */
void cluster_store_read_peers (ClusterStore *self, ClusterPeersFunc func,
                               gpointer data);
/* live ones, and those that ended within the last hour (without an origin):
 * a next publication goes on from their numbers */
void cluster_store_read_streams (ClusterStore *self, ClusterStreamsFunc func,
                                 gpointer data);
/* claim: writes @stream when its epoch is above the store's, or equal with
 * the same publication (a refresh); else CONFLICT with the current one */
void cluster_store_claim_stream (ClusterStore *self,
                                 const ClusterStream *stream,
                                 ClusterClaimFunc func, gpointer data);
/* ends it when the publication is still @publication (else CONFLICT); its epoch
 * and numbers stay for an hour, so that the next publication goes on from them
 */
void cluster_store_end_stream (ClusterStore *self, const char *name,
                               const char *publication, ClusterDoneFunc func,
                               gpointer data);

/* --- mountpoints: what nodes tell each other of those that somebody created;
 * the values are the callers' matter (JSON text) ------------------------- */

#define CLUSTER_MAX_MOUNTPOINTS 1024 /* all fit into one reply */
#define CLUSTER_MAX_MOUNTPOINT_BYTES 8192
typedef struct
{
  char *id, *text; /* owned */
} ClusterMountpoint;
ClusterMountpoint *cluster_mountpoint_new (const char *id, const char *text);
void cluster_mountpoint_free (ClusterMountpoint *self);
/* @mountpoints: (element-type ClusterMountpoint) (nullable): borrowed */
typedef void (*ClusterMountpointsFunc) (GPtrArray *mountpoints,
                                        const GError *error, gpointer data);
/* writes it under its id in mountpoints:{tree}; with @is_new CONFLICT when the
 * id is there already; FULL. @id: a stream's name; @text: at most
 * CLUSTER_MAX_MOUNTPOINT_BYTES. It stays until it is removed, whoever dies.
 * Publishes the STREAMS hint, as remove does. */
void cluster_store_put_mountpoint (ClusterStore *self, const char *id,
                                   const char *text, gboolean is_new,
                                   ClusterDoneFunc func, gpointer data);
void cluster_store_remove_mountpoint (ClusterStore *self, const char *id,
                                      ClusterDoneFunc func, gpointer data);
void cluster_store_read_mountpoints (ClusterStore *self,
                                     ClusterMountpointsFunc func,
                                     gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClusterStore, cluster_store_free)
