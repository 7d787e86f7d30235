/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeDrain: this node shall go without cutting anybody off. From start() on
 * it takes no new viewers and publishers (sent on, else 503), its heartbeat
 * says so, and children look for other parents and leave once these feed them.
 * Viewers are told where to go on by the `reconnect` event, a share of them
 * each second and no more than others have room for. When nobody is left the
 * node ends as by SIGTERM. Viewers whose client does not listen for events, and
 * all who came by the Janus API (it has no such event), stay until they leave
 * by themselves or the deadline. Then their connections are cut, with
 * close_notify and `hangup`, and the node ends a little later: who tries again
 * at once is still sent on. Owner:  main.c. Thread: main; the clock is passed
 * in.
 */
#pragma once

#include "node/parts.h"

#define NODE_DRAIN_DEFAULT_US (G_GINT64_CONSTANT (600) * G_USEC_PER_SEC)
#define NODE_DRAIN_MAX_US (G_GINT64_CONSTANT (86400) * G_USEC_PER_SEC)
#define NODE_DRAIN_SHARE 0.02 /* of the viewers at the start, each second */
/* nobody asks for repairs any more of one who has just left */
#define NODE_DRAIN_CALM_US (2 * G_USEC_PER_SEC)
/* between the deadline's cut and the end */
#define NODE_DRAIN_CUT_US (2 * G_USEC_PER_SEC)
#define NODE_DRAIN_MAX_NAMED 16 /* sessions in one answer */

/* @on_done: the node may end; run once, from tick()
 * @parts: borrowed */
typedef void (*NodeDrainFunc) (gpointer data);
NodeDrain *node_drain_new (const NodeParts *parts, NodeDrainFunc on_done,
                           gpointer data);
void node_drain_free (NodeDrain *self);

/* again: only the deadline changes */
void node_drain_start (NodeDrain *self, gint64 for_us, gint64 now_us);
/* everybody may come again */
void node_drain_cancel (NodeDrain *self);
/* @self: (nullable) */
gboolean node_drain_is_active (NodeDrain *self);
/* once a second */
void node_drain_tick (NodeDrain *self, gint64 now_us);

/* "/api/drain": GET, POST {"deadline_s": …} and DELETE; admin's token */
void node_drain_handle (NodeDrain *self, SoupServerMessage *msg,
                        const char *path);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeDrain, node_drain_free)
