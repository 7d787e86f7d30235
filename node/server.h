/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeServer: the HTTP server: listening sockets, TLS, and the table that says
 * who answers which path. What nobody answers is 404 problem+json.
 * Owner:  main.c. Thread: main.
 */
#pragma once

#include "node/state.h"

typedef struct _NodeServer NodeServer;

typedef enum {
  NODE_SERVER_ERROR_TLS,  /* certificate or key cannot be used */
  NODE_SERVER_ERROR_BIND, /* message names address and port */
} NodeServerError;
#define NODE_SERVER_ERROR (node_server_error_quark ())
GQuark node_server_error_quark (void);

/* @parts: borrowed, complete */
NodeServer *node_server_new (const NodeParts *parts, GError **error);
void node_server_free (NodeServer *self);

gboolean node_server_listen (NodeServer *self, GError **error);
/* accepts nobody any more; what is connected stays */
void node_server_stop_listening (NodeServer *self);

/* where browsers find us: --public-url, else the first listening address */
const char *node_server_get_url (NodeServer *self);

/* reads --tls-cert and --tls-key again; the old ones stay when they are bad */
gboolean node_server_reload_tls (NodeServer *self, GError **error);

/* (transfer full): see node_state_describe() */
JsonNode *node_server_describe (NodeServer *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeServer, node_server_free)
