/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeListener: one TCP address where HTTP connections come in, with or
 * without TLS. It accepts by itself and hands libsoup a stream: libsoup 3.2's
 * own listener keeps every accepted socket for ever.
 * When no descriptor is left it waits a moment instead of spinning.
 * Owner:  NodeServer. Thread: main.
 */
#pragma once

#include <libsoup/soup.h>

#include "base/metrics.h"

typedef struct _NodeListener NodeListener;

/* node_listener_new: binds and listens; accepts from the next turn of main on.
 * @soup: a reference is taken; its TLS certificate is used when @use_tls.
 * @n_failed: (nullable): counts connections that could not be accepted
 * Returns: (nullable): @error is GIO's */
NodeListener *node_listener_new (SoupServer *soup, GSocketAddress *address,
                                 gboolean use_tls, BaseCounter *n_failed,
                                 GError **error);
void node_listener_free (NodeListener *self);

/* node_listener_dup_url: (transfer full): as a client on this machine would
 * call it */
char *node_listener_dup_url (NodeListener *self);

/* node_listener_get_socket: (transfer none) (nullable): the connection that
 * @msg came by, when a NodeListener accepted it */
GSocket *node_listener_get_socket (SoupServerMessage *msg);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeListener, node_listener_free)
