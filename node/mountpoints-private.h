/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeMountpoints inside: mountpoints.c reads what the store has and answers
 * the registry, mountpoints-share.c tells and keeps what is ours.
 * Thread: main.
 */
#pragma once

#include "node/cluster.h"
#include "node/mountpoint-file.h"
#include "node/mountpoint-sources.h"
#include "node/mountpoints.h"

/* One of ours, as it is told. */
typedef struct
{
  char *text; /* owned: JSON */
  gboolean is_permanent;
  gboolean is_told; /* the store has had it from us */
} NodeMountpointOurs;

struct _NodeMountpoints
{
  const NodeParts *parts;         /* borrowed */
  EgressMountpoints *registry;    /* borrowed; NULL before start() */
  NodeMountpointSources *sources; /* owned */
  NodeMountpointFile *file;       /* owned, nullable: cluster, no state-dir */
  gboolean string_ids;
  GHashTable *ours; /* owned: id -> Ours */
  GHashTable *rows; /* owned: id -> Row */
  guint turn;
  guint timer_id;
  gboolean is_reading, is_stale; /* under way; and to be done again */
  gboolean has_read;             /* once, so that ours are made again */
  gboolean is_leaving;
  GHashTable *waits;  /* owned (element-type Wait): the store is to answer */
  BaseCounter *n_bad; /* borrowed */
};

/* Who waits until a mountpoint is told, or kept. */
typedef struct
{
  NodeMountpoints *self; /* borrowed */
  char *id;              /* owned */
  EgressMountpointDone done;
  gpointer data;
} NodeMountpointWait;

void node_mountpoints_ours_free (gpointer ours);
void node_mountpoints_wait_free (gpointer wait);
ClusterStore *node_mountpoints_get_store (NodeMountpoints *self);
/* hooks */
void node_mountpoints_on_share (const EgressMountpointSpec *spec,
                                EgressMountpointDone done, gpointer done_data,
                                gpointer data);
void node_mountpoints_on_unshare (const char *id, gpointer data);
/* what an earlier life of this node has left; @spec: (transfer full) */
void node_mountpoints_remake (NodeMountpoints *self,
                              EgressMountpointSpec *spec);
void node_mountpoints_remake_from_file (NodeMountpoints *self);
/* those of ours that the store should have and has not */
void node_mountpoints_say_again (NodeMountpoints *self);
