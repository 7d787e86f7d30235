/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeLoad: how busy this node is, sampled once a second: for the heartbeat,
 * and for the question whether one more viewer fits into --max-bandwidth.
 * Owner:  main.c. Thread: main. The clock is passed in.
 */
#pragma once

#include "cluster/types.h"
#include "node/link-stats.h"
#include "node/parts.h"
#include "node/sessions.h"

/* @parts: borrowed */
NodeLoad *node_load_new (const NodeParts *parts);
void node_load_free (NodeLoad *self);

/* node_load_set_sessions: where it is counted what viewers were sent.
 * @sessions: (nullable): borrowed */
void node_load_set_sessions (NodeLoad *self, NodeSessions *sessions);

/* once a second */
void node_load_sample (NodeLoad *self, gint64 now_us);

/* node_load_has_room: %FALSE when sending @stream to one more viewer would
 * need more than --max-bandwidth. What was measured is a second old, so those
 * who were let in since then are added; see node_load_add_viewer. */
gboolean node_load_has_room (NodeLoad *self, RelayStream *stream);
/* a viewer of @stream was let in */
void node_load_add_viewer (NodeLoad *self, RelayStream *stream);

/* node_load_get_slots: how many viewers fit here, those who are here included,
 * by the tightest of --max-viewers and what is left of --max-bandwidth at the
 * rate of the streams that are here, each weighed by who watches it (once more
 * than that, so that one without viewers counts). No ports go to viewers, they
 * share the workers'. Draining: no more than are here. */
guint node_load_get_slots (NodeLoad *self);

/* (transfer none): what the streams' parents lose */
NodeLinkStats *node_load_get_links (NodeLoad *self);

/* the heartbeat; @load is zeroed */
void node_load_fill (NodeLoad *self, ClusterLoad *load);
/* (transfer none): what the last heartbeat said; zeros before the first */
const ClusterLoad *node_load_get_last (NodeLoad *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeLoad, node_load_free)
