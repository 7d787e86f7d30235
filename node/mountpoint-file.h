/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeMountpointFile: permanent mountpoints of a node that is alone, in
 * mountpoints.json of its --state-dir, readable by this user only (there are
 * secrets in it). Written whole, by rename, off the main thread; who comes
 * while one is written waits for the next.
 * Owner:  NodeMountpoints. Thread: main.
 */
#pragma once

#include "egress/mountpoints.h"

#define NODE_MOUNTPOINT_FILE_MAX_BYTES (16 * 1024 * 1024)

typedef struct _NodeMountpointFile NodeMountpointFile;

NodeMountpointFile *node_mountpoint_file_new (const char *directory);
/* what is not written yet is written now; nobody is told any more */
void node_mountpoint_file_free (NodeMountpointFile *self);
/* node_mountpoint_file_read: at the start; no file is none.
 * Returns: (transfer full) (element-type JsonObject) (nullable): NULL with
 *   G_FILE_ERROR, G_IO_ERROR, JSON_PARSER_ERROR */
GPtrArray *node_mountpoint_file_read (NodeMountpointFile *self, GError **error);
/* node_mountpoint_file_set_aside: what was read makes no sense, not all of it:
 * it is there by another name ("….bad") for who mends it.
 * Returns: %FALSE: it could not be */
gboolean node_mountpoint_file_set_aside (NodeMountpointFile *self);
/* node_mountpoint_file_write:
 * @text: (transfer full): the whole of it
 * @done: (nullable): once, later, when this text or a later one is there */
void node_mountpoint_file_write (NodeMountpointFile *self, char *text,
                                 EgressMountpointDone done, gpointer data);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeMountpointFile, node_mountpoint_file_free)
