/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressJanusWs: the Janus API over WebSockets (J32, J33): one JSON object a
 * text frame, requests one way, replies and events the other.
 *   Who does not ask for EGRESS_JANUS_WS_PROTOCOL gets HTTP 400 (Janus closes
 * the connection without a word).
 *   Who sends nothing for EGRESS_JANUS_WS_DEAD_US, not even the answer to our
 * pings, is closed.
 * Bounds: EGRESS_JANUS_MAX_BODY_BYTES a message, EGRESS_JANUS_WS_MAX_CLIENTS,
 * EGRESS_JANUS_WS_MAX_UNSENT_BYTES for who does not read (then closed).
 * Owner:  node. Thread: main.
 */
#pragma once

#include <libsoup/soup.h>

#include "egress/janus.h"

#define EGRESS_JANUS_WS_PROTOCOL "janus-protocol"
#define EGRESS_JANUS_WS_MAX_CLIENTS 4096
#define EGRESS_JANUS_WS_MAX_UNSENT_BYTES (1024 * 1024)
#define EGRESS_JANUS_WS_PING_S 25
#define EGRESS_JANUS_WS_DEAD_US (90 * G_USEC_PER_SEC)

typedef struct _EgressJanusWs EgressJanusWs;

/* both borrowed; @core outlives it */
EgressJanusWs *egress_janus_ws_new (EgressJanus *core, BaseMetrics *metrics);
/* instead of EGRESS_JANUS_WS_MAX_CLIENTS */
void egress_janus_ws_set_max_clients (EgressJanusWs *self, guint max_clients);
/* closes all */
void egress_janus_ws_free (EgressJanusWs *self);
/* egress_janus_ws_serve: @path of @server is where clients come in, until
 * soup_server_remove_handler (@server, @path) */
void egress_janus_ws_serve (EgressJanusWs *self, SoupServer *server,
                            const char *path);
/* egress_janus_ws_take: a client of /janus/ws.
 * @msg: its upgrade; protected mode is judged by it
 * @connection: a reference is taken */
void egress_janus_ws_take (EgressJanusWs *self, SoupServerMessage *msg,
                           SoupWebsocketConnection *connection);
/* closes who does not read and who is dead; the transport's tick runs it.
 * @now_us: passed in, so that tests need no sleep */
void egress_janus_ws_expire (EgressJanusWs *self, gint64 now_us);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressJanusWs, egress_janus_ws_free)
