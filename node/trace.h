/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/trace: what this node knows of the way of one viewer's media, for
 * `media-tree ctl trace`, which asks each node on it:
 *   GET /api/sessions/{id}          the viewer, when he is here
 *   GET /api/streams/{stream}/path  from whom the stream comes, how well, and
 *                                   how late it arrives
 * Thread: main.
 */
#pragma once

#include "node/parts.h"

/* a path of the second kind: /api/streams/ has others */
gboolean node_trace_is_path (const char *path);
/* answers @msg; for admins */
void node_trace_handle (const NodeParts *parts, SoupServerMessage *msg,
                        const char *path);
