/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeGuard: what libsoup's server leaves open: how many connections there
 * may be, how long a client may take to send its request, how large a body may
 * become. libsoup itself bounds nothing of these but the header block.
 *   connections above the maximum   closed at once, counted
 *   request not complete after 30 s closed, counted (idle ones too)
 *   body above NODE_MAX_BODY_BYTES  not kept; the router answers 413
 *   reply not taken for 30 s        closed by the kernel (TCP_USER_TIMEOUT)
 * A reply in progress (server-sent events) is not timed here.
 * Owner:  NodeServer. Thread: main.
 */
#pragma once

#include "base/metrics.h"

#include <libsoup/soup.h>

#define NODE_MAX_BODY_BYTES (256 * 1024)
#define NODE_REQUEST_TIMEOUT_US (30 * G_USEC_PER_SEC)
#define NODE_REPLY_TIMEOUT_MS 30000

typedef struct _NodeGuard NodeGuard;

/* @server: a reference is taken. @metrics: borrowed */
NodeGuard *node_guard_new (SoupServer *server, guint max_connections,
                           BaseMetrics *metrics);
void node_guard_free (NodeGuard *self);

guint node_guard_get_n_connections (NodeGuard *self);
/* the body was cut: answer 413 */
gboolean node_guard_is_too_large (NodeGuard *self, SoupServerMessage *msg);
/* closes what is past its time; run once a second. @now_us: passed in, so
 * that tests need no sleep */
void node_guard_expire (NodeGuard *self, gint64 now_us);
/* shuts all connections down, for the end of the program */
void node_guard_close_all (NodeGuard *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeGuard, node_guard_free)
