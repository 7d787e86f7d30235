/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster/store-private: what the two stores share: the table of functions,
 * answers that wait for the main loop, and numbers.
 * Thread: main.
 */
#pragma once

#include <glib-object.h>

#include "cluster/store.h"

typedef struct _ClusterAnswer ClusterAnswer;
typedef struct _ClusterStoreClass ClusterStoreClass;

/* Takes the answer to a call until there is something to say. */
struct _ClusterStoreClass
{
  void (*free) (ClusterStore *self);
  char *(*describe) (ClusterStore *self);
  void (*beat) (ClusterStore *self, const ClusterNode *node,
                const ClusterLoad *load, ClusterAnswer *answer);
  void (*leave) (ClusterStore *self, const ClusterNode *node,
                 ClusterAnswer *answer);
  void (*place) (ClusterStore *self, const char *node_id,
                 const ClusterPlace *place, guint max_children,
                 ClusterAnswer *answer);
  void (*read_peers) (ClusterStore *self, ClusterAnswer *answer);
  void (*read_streams) (ClusterStore *self, ClusterAnswer *answer);
  void (*claim_stream) (ClusterStore *self, const ClusterStream *stream,
                        ClusterAnswer *answer);
  void (*end_stream) (ClusterStore *self, const char *name,
                      const char *publication, ClusterAnswer *answer);
  void (*put_mountpoint) (ClusterStore *self, const char *id, const char *text,
                          gboolean is_new, ClusterAnswer *answer);
  void (*remove_mountpoint) (ClusterStore *self, const char *id,
                             ClusterAnswer *answer);
  void (*read_mountpoints) (ClusterStore *self, ClusterAnswer *answer);
};

struct _ClusterStore
{
  const ClusterStoreClass *klass;
  char *tree_id; /* owned */
  ClusterStoreState state;
  ClusterHintFunc hint_func; /* (nullable) */
  gpointer hint_data;        /* borrowed */
  GQueue later;              /* (element-type ClusterAnswer), for idle */
  GSource *idle;             /* owned, nullable */

  /* (nullable) borrowed from the registry */
  BaseCounter *is_connected, *n_reconnects;
  BaseCounter *n_errors[CLUSTER_ERROR_N];
  BaseCounter *n_bad_values;
  BaseHistogram *seconds;
};

/* What a call will say: one of the four functions, and to whom. */
struct _ClusterAnswer
{
  ClusterStore *store; /* borrowed */
  GCallback func;      /* nullable */
  gpointer data;       /* the caller's */
  void (*run) (ClusterAnswer *self);
  gint64 asked_us;
  GError *error;          /* owned, nullable */
  GPtrArray *rows;        /* owned, nullable: peers, streams, mountpoints */
  ClusterStream *current; /* owned, nullable */
};

void cluster_store_init (ClusterStore *self, const ClusterStoreClass *klass,
                         const char *tree_id);
/* drops what waits; frees @self's memory */
void cluster_store_clear (ClusterStore *self);
/* runs the caller's function now (from the main loop only) and frees */
void cluster_answer_finish (ClusterAnswer *self);
/* the same from the main loop's next turn */
void cluster_answer_finish_later (ClusterAnswer *self);
void cluster_answer_free (ClusterAnswer *self);
/* also from the main loop only */
void cluster_store_hint (ClusterStore *self, ClusterHint hint);
void cluster_store_set_state (ClusterStore *self, ClusterStoreState state);
