/* SPDX-License-Identifier: Apache-2.0 */
/* NodeCluster inside: shared by cluster*.c only. Thread: main. */
#pragma once

#include "node/cluster.h"

struct _NodeCluster
{
  const NodeParts *parts; /* borrowed */
  void (*on_id_taken) (gpointer data);
  gpointer data;
  guint8 boot_id[RELAY_ID_BYTES];
  char boot_hex[2 * RELAY_ID_BYTES + 1];
  char *address;        /* owned (nullable): --cluster-address */
  guint told_port;      /* with a port of its own; 0 = --relay-port */
  ClusterStore *store;  /* owned until start() */
  ClusterMember *member; /* owned (nullable) until start() */
  RelayPortPool *ports; /* owned */
  /* owned; NULL without a Redis */
  RelayLinkKeys *keys;
  RelayLinkServer *links;
  RelayCarrier *carrier;
  GHashTable *streams; /* owned: name -> NodeClusterStream */
  guint tick_id;
  gboolean is_leaving, is_id_taken;
  ClusterHintFunc on_hint; /* nullable */
  gpointer hint_data;      /* borrowed */
};

gboolean node_cluster_parse_address (const char *text, RtcAddr *ret);
char *node_cluster_dup_hex (const guint8 id[RELAY_ID_BYTES]);
gboolean node_cluster_parse_hex (const char *text,
                                 guint8 ret[RELAY_ID_BYTES]);

/* cluster-streams.c: what is published here and elsewhere */
void node_cluster_init_streams (NodeCluster *self);
void node_cluster_start_streams (NodeCluster *self);
void node_cluster_clear_streams (NodeCluster *self);
/* streams whose origin was not known yet are given it */
void node_cluster_find_origins (NodeCluster *self);
/* streams that others took from us and that nobody has any more */
void node_cluster_release_taken (NodeCluster *self);
void node_cluster_on_stream_changed (const ClusterStream *stream,
                                     gpointer data);
void node_cluster_on_stream_ended (const char *name, gpointer data);
void node_cluster_on_stream_lost (const ClusterStream *now, gpointer data);
void node_cluster_fill_stream (ClusterStream *stream, gpointer data);
gboolean node_cluster_on_stream_wanted (const char *stream, gpointer data);
