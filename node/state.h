/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/state: /healthz, /readyz, /metrics, /monitoring/system, /debug/state.
 * healthz: the program answers. readyz: ports are bound and it is not about
 * to stop. Both are open to all; metrics and state have their surfaces.
 * Thread: main.
 */
#pragma once

#include "node/streams.h"

/* node_state_register_metrics: build info, auth refusals */
void node_state_register_metrics (const NodeParts *parts);

/* node_state_handle: Returns: %FALSE when @path is not one of these */
gboolean node_state_handle (const NodeParts *parts, NodeStreams *streams,
                            SoupServerMessage *msg, const char *path);

/* node_state_describe: (transfer full): the whole program */
JsonNode *node_state_describe (const NodeParts *parts, NodeStreams *streams);
