/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeCluster: this node among the others. It makes what the other rooms have
 * for that (ClusterMember; with a Redis also RelayLinkServer, RelayCarrier and
 * their keys) and connects them: what is published here is told to the
 * directory and gets its tree numbers; what is published elsewhere is carried
 * when somebody here wants it; parents go to the links, the load to the
 * heartbeat. Without --redis-url there is the member alone, over the store in
 * memory: no port is opened, every other node is nobody.
 *   new (binds --relay-port) ─► start (beats) ─► leave ─► stop ─► free
 * Owner:  main.c. Thread: main.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "cluster/member.h"
#include "node/parts.h"
#include "relay/carrier.h"
#include "relay/link-server.h"

typedef enum {
  NODE_CLUSTER_ERROR_URL,  /* --redis-url is not understood */
  NODE_CLUSTER_ERROR_PORT, /* --relay-port cannot be bound */
  NODE_CLUSTER_ERROR_ADDRESS, /* --cluster-address cannot be used */
} NodeClusterError;
#define NODE_CLUSTER_ERROR (node_cluster_error_quark ())
GQuark node_cluster_error_quark (void);

typedef struct {
  const NodeParts *parts; /* borrowed; with hub and workers */
  /* another living node has our id: end the program */
  void (*on_id_taken) (gpointer data);
  gpointer data;
} NodeClusterConfig;

/* Returns: (nullable): @error may also be NODE_SETTINGS_ERROR: an address is
 * needed */
NodeCluster *node_cluster_new (const NodeClusterConfig *config,
                               GError **error);
/* node_cluster_start: all ports are bound; the first heartbeat goes out from
 * the main loop. @own_url: of our HTTP, as this machine would call it */
void node_cluster_start (NodeCluster *self, const char *own_url);
/* node_cluster_leave: runs the main loop until the store knows, 1 s at most;
 * then children are told BYE. Nothing is begun in the tree any more */
void node_cluster_leave (NodeCluster *self);
/* lets go of what is carried; before the workers are stopped */
void node_cluster_stop (NodeCluster *self);
/* after the workers were stopped, before they are freed */
void node_cluster_free (NodeCluster *self);

/* the store has been asked once (/readyz) */
gboolean node_cluster_has_tried (NodeCluster *self);
/* (transfer none): 128 bits in hex, of this start of the program */
const char *node_cluster_get_boot_id (NodeCluster *self);
/* after start() */
ClusterMember *node_cluster_get_member (NodeCluster *self);
/* nodes that take a stream from us, each stream counted; 0 without a Redis */
guint node_cluster_get_n_children (NodeCluster *self);
/* (nullable): without a Redis */
RelayCarrier *node_cluster_get_carrier (NodeCluster *self);
RelayLinkServer *node_cluster_get_links (NodeCluster *self);
RelayPortPool *node_cluster_get_ports (NodeCluster *self);
/* after start(), (transfer none) */
ClusterStore *node_cluster_get_store (NodeCluster *self);
/* what the store says, from start() on, for who keeps things there too */
void node_cluster_set_hint_func (NodeCluster *self, ClusterHintFunc func,
                                 gpointer data);

/* node_cluster_want_stream: for a viewer or a picture: published here, carried
 * already, or carried from now on.
 * Returns: (transfer none) (nullable): live; %NULL with a RELAY_ERROR */
RelayStream *node_cluster_want_stream (NodeCluster *self, const char *name,
                                       GError **error);

/* JSON object for /debug/state (transfer full) */
JsonNode *node_cluster_describe (NodeCluster *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeCluster, node_cluster_free)
