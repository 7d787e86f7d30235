/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodePages: the web pages, compiled into the program. Each has a strong ETag
 * and is revalidated (no-cache), a strict Content-Security-Policy and no
 * inline script or style. Pages are served to everybody; what they call is
 * not.
 * Owner:  NodeServer. Thread: main.
 */
#pragma once

#include <libsoup/soup.h>

typedef struct _NodePages NodePages;

/* @has_cluster: their scripts may be sent on to other nodes */
NodePages *node_pages_new (gboolean has_cluster);
void node_pages_free (NodePages *self);

/* node_pages_handle: Returns: %FALSE when there is no page at @path */
gboolean node_pages_handle (NodePages *self, SoupServerMessage *msg,
                            const char *path);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodePages, node_pages_free)
