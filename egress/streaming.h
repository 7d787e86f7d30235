/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressStreaming: the plugin janus.plugin.streaming (PROTOCOLS.md J24,
 * J34-J57): what a client asks of mountpoints (list, info, create, edit,
 * destroy, enable, disable, recording, kick_all) and, a handle each, of one
 * viewer (watch, start, pause, configure, switch, stop). Mountpoints are
 * egress/mountpoints, the viewer's connection is egress/peer.
 * Owner:  node; freed after the EgressJanus that it was given to, before the
 *         mountpoints.
 * Thread: main.
 */
#pragma once

#include "base/auth.h"
#include "egress/janus-plugin.h"
#include "egress/mountpoints.h"

typedef struct _EgressStreaming EgressStreaming;

/* egress_streaming_new:
 * @mountpoints: borrowed; its config has gate, hub, keys and directories
 * @config: copied
 * @auth: (nullable) borrowed: JSON Web Tokens: one for watching opens its
 *   stream, verbs that change something need one for `admin` */
EgressStreaming *egress_streaming_new (EgressMountpoints *mountpoints,
                                       const EgressPeerConfig *config,
                                       BaseAuth *auth);
void egress_streaming_free (EgressStreaming *self);
/* (transfer none): for egress_janus_set_plugin() */
EgressJanusPlugin *egress_streaming_get_plugin (EgressStreaming *self);
/* (transfer full): for /debug/state */
JsonNode *egress_streaming_describe (EgressStreaming *self);
/* egress_streaming_describe_session: @session_id: 0: of whatever session.
 * Returns: (transfer full) (nullable): what a viewer's handle gets, as
 *   egress_peer_describe(); NULL: no such handle, or it watches nothing */
JsonNode *egress_streaming_describe_session (EgressStreaming *self,
                                             guint64 session_id,
                                             guint64 handle_id);
/* egress_streaming_find_viewers:
 * @ids: (element-type utf8): their handles' ids are added to it, up to @max_ids
 *   in all
 * Returns: how many there are */
guint egress_streaming_find_viewers (EgressStreaming *self, GPtrArray *ids,
                                     guint max_ids);
/* egress_streaming_cut: ends every viewer's connection: he gets `stopped` and
 * the event `hangup`. Handles and sessions stay.
 * @cause: reason of the hangup, and for the log
 * Returns: how many there were */
guint egress_streaming_cut (EgressStreaming *self, const char *cause);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressStreaming, egress_streaming_free)
