/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeMountpointSources: what feeds the mountpoints that were made on this
 * node: ports for plain RTP (one WhipRtpInput a rendition), or GStreamer's (a
 * WhipMediaInput): an RTSP source, a file, a file for one viewer.
 *   Ports that a spec leaves to us (0) come from the RTP pool and go back to
 * it; one that another program holds is skipped. An RTSP source that is not
 * there, and need not be, is tried again 1 to 30 s apart.
 * Owner:  NodeMountpoints. Thread: main.
 */
#pragma once

#include "egress/mountpoints.h"
#include "relay/port-pool.h"

#define NODE_MOUNTPOINT_PORT_TRIES 16

typedef struct _NodeMountpointSources NodeMountpointSources;

/* @hub, @ports: borrowed */
NodeMountpointSources *node_mountpoint_sources_new (RelayHub *hub,
                                                    RelayPortPool *ports);
/* closes all; no callback runs any more */
void node_mountpoint_sources_free (NodeMountpointSources *self);

/* as EgressMountpointHooks has them; all but ondemand's are told to feed
 * streams from now on */
void node_mountpoint_sources_open (NodeMountpointSources *self,
                                   const EgressMountpointSpec *spec,
                                   EgressMountpointOpened done,
                                   gpointer done_data);
void node_mountpoint_sources_open_private (NodeMountpointSources *self,
                                           const EgressMountpointSpec *spec,
                                           const char *stream,
                                           EgressMountpointOpened done,
                                           gpointer done_data);
/* nothing is there by that name: well */
void node_mountpoint_sources_close (NodeMountpointSources *self,
                                    const char *stream);
void node_mountpoint_sources_set_enabled (NodeMountpointSources *self,
                                          const char *stream,
                                          gboolean is_enabled);
gboolean node_mountpoint_sources_get_age (NodeMountpointSources *self,
                                          const char *stream, RtcMediaKind kind,
                                          gint64 *ret_age_us);
/* (transfer full): JSON array for /debug/state */
JsonNode *node_mountpoint_sources_describe (NodeMountpointSources *self);
