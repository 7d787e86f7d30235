/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeJanus: the Janus API of this node: builds what it is made of, in the
 * order that they need each other (mountpoints, the Streaming plugin, the core,
 * HTTP and WebSockets), and takes it apart in the other. And the word of a
 * mountpoint's pin at the other doors: WHEP, snapshots.
 *   With the role injection mountpoints can be created here, with egress they
 * can be watched; a node with neither has no Janus API.
 *   new ─► start (the cluster beats) ─► leave ─► stop ─► free
 * Owner:  main.c. Thread: main.
 */
#pragma once

#include "egress/peer.h"
#include "node/parts.h"

/* @parts: borrowed; with gate, hub, cluster, auth
 * @peer: copied */
NodeJanus *node_janus_new (const NodeParts *parts,
                           const EgressPeerConfig *peer);
/* permanent mountpoints are made again from now on */
void node_janus_start (NodeJanus *self);
/* others forget our mountpoints; before node_cluster_leave() */
void node_janus_leave (NodeJanus *self);
/* sessions, viewers and sources end; before the gate and the workers do */
void node_janus_stop (NodeJanus *self);
/* after the cluster is freed */
void node_janus_free (NodeJanus *self);

/* @path: /janus… or /admin… */
void node_janus_handle (NodeJanus *self, SoupServerMessage *msg,
                        const char *path);
/* takes WebSockets at /janus/ws of @server, until stop() */
void node_janus_add_websocket (NodeJanus *self, SoupServer *server);

/* node_janus_check_pin: a stream that is a mountpoint with a pin is for those
 * who know it: Bearer token or ?pin=.
 * Returns: FALSE: @msg is answered (401, 403 mountpoint-pin) */
gboolean node_janus_check_pin (NodeJanus *self, const char *stream,
                               SoupServerMessage *msg);
/* the pin that a request names, to be named again where it is sent on:
 * (transfer full) (nullable). @self: (nullable): ?pin= alone is looked at */
char *node_janus_dup_pin (NodeJanus *self, const char *stream,
                          SoupServerMessage *msg);
/* not to be shown in lists */
gboolean node_janus_is_private (NodeJanus *self, const char *stream);

/* node_janus_describe_session: @id: "SESSION/HANDLE" or "HANDLE".
 * Returns: (transfer full) (nullable): what this viewer gets */
JsonNode *node_janus_describe_session (NodeJanus *self, const char *id);
/* egress_streaming_find_viewers(), egress_streaming_cut() of this node's.
 * @self: (nullable) */
guint node_janus_find_viewers (NodeJanus *self, GPtrArray *ids, guint max_ids);
guint node_janus_cut (NodeJanus *self, const char *cause);
/* (transfer full): JSON object for /debug/state */
JsonNode *node_janus_describe (NodeJanus *self);
