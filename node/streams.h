/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeStreams: the streams as the outside sees them: /api/streams,
 * /api/streams/{name}/snapshot.jpg, and the streams' metrics. Bitrates are
 * measured here, over the last few seconds, from the streams' byte counters.
 * The list is rendered at most twice a second, however many pages ask for it;
 * a stream that begins or ends shows at once.
 * Who may read: the watch or the admin token; without one, this machine.
 * Owner:  NodeServer. Thread: main.
 */
#pragma once

#include "node/parts.h"

typedef struct _NodeStreams NodeStreams;

/* @parts: borrowed. Free after the hub, which knows this as a listener */
NodeStreams *node_streams_new (const NodeParts *parts);
void node_streams_free (NodeStreams *self);

/* node_streams_handle: @path at or below /api/streams; always answers */
void node_streams_handle (NodeStreams *self, SoupServerMessage *msg,
                          const char *path);

/* run once a second */
void node_streams_sample (NodeStreams *self, gint64 now_us);

/* (transfer full): JSON array with all statistics, for /debug/state */
JsonNode *node_streams_describe (NodeStreams *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeStreams, node_streams_free)
