/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeAdmission: any node answers any WHIP and WHEP request: it serves, or
 * sends the client on (307) to one that should, or says 503 with a Retry-After
 * of 1 to 5 s, at random, so that they do not come back together.
 *   A client is sent on once: ?redirect= (base/redirect) says so, and stands for
 * his token, which browsers take off on the way to another origin.
 *   A publisher goes to the node that is the stream's origin now, where it
 * lives and has room (nothing changes in the tree then); else, as a viewer, to
 * the better of two at random.
 * Owner:  main.c. Thread: main.
 */
#pragma once

#include "node/parts.h"

/* @parts: borrowed; with cluster and auth, which it tells of the redirects */
NodeAdmission *node_admission_new (const NodeParts *parts);
void node_admission_free (NodeAdmission *self);

/* node_admission_send_on: we have no room (or not the role).
 * @surface: PUBLISH or WATCH
 * Returns: %TRUE: @msg has been answered; %FALSE: there is nobody to send to,
 *   or the client has been sent on before */
gboolean node_admission_send_on (NodeAdmission *self, BaseAuthSurface surface,
                                 const char *stream, SoupServerMessage *msg);

/* node_admission_dup_target: (transfer full) (nullable): the address, with a
 * sealed word, where another node takes a client of @stream now */
char *node_admission_dup_target (NodeAdmission *self, BaseAuthSurface surface,
                                 const char *stream);
/* for how many more clients other nodes have room, as far as is known */
guint node_admission_count_free (NodeAdmission *self, BaseAuthSurface surface);

/* node_admission_handle: a whole surface whose role this node lacks.
 * Returns: %FALSE: this node is alone, nobody else has the role either */
gboolean node_admission_handle (NodeAdmission *self, BaseAuthSurface surface,
                                SoupServerMessage *msg, const char *path);

/* what egress/ and whip/ ask */
void node_admission_fill_hooks (NodeAdmission *self, EgressGateHooks *ret);
/* for WhipConfig; @data: NodeAdmission */
gboolean node_admission_is_closed (gpointer data);
gboolean node_admission_send_publisher_on (const char *stream,
                                           SoupServerMessage *msg,
                                           gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeAdmission, node_admission_free)
