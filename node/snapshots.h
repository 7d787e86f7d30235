/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/snapshots: /api/streams/{name}/snapshot.jpg. A stream that is published
 * elsewhere is carried for it: the first answers are 503 with a Retry-After
 * until a keyframe has come.
 * Thread: main.
 */
#pragma once

#include "node/parts.h"

/* @name: a valid one; the client has been let in. Always answers */
void node_snapshots_handle (const NodeParts *parts, SoupServerMessage *msg,
                            const char *name);
