/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/mountpoint-private: what the registry (mountpoints.c) and its
 * mountpoints (mountpoint.c) share.
 * Thread: main.
 */
#pragma once

#include "egress/mountpoints.h"

struct _EgressMountpoint
{
  grefcount n_refs;
  EgressMountpoints *registry; /* borrowed; NULL once it is gone */
  EgressMountpointSpec *spec;  /* owned */
  gboolean is_ours;            /* made on this node */
  EgressMountpointPorts ports;
  RelayStreamInfo info; /* what the source said when it was opened */
  gboolean has_info;
  GArray *viewers; /* owned (element-type Watcher) */
  /* owned: those that nobody publishes yet, kept for who waits for them */
  RelayStream *held[EGRESS_MAX_RENDITIONS];
};

/* @spec: (transfer full); @ports, @info: (nullable) */
EgressMountpoint *egress_mountpoint_new (EgressMountpoints *registry,
                                         EgressMountpointSpec *spec,
                                         gboolean is_ours,
                                         const EgressMountpointPorts *ports,
                                         const RelayStreamInfo *info);
/* another node changed it; @spec: (transfer full) */
void egress_mountpoint_set_spec (EgressMountpoint *self,
                                 EgressMountpointSpec *spec);
/* it is there no more: its viewers are told so */
void egress_mountpoint_end (EgressMountpoint *self);
/* as above, where nobody can be told any more */
void egress_mountpoint_detach (EgressMountpoint *self);
/* FALSE with EGRESS_STREAMING_ERROR: what is asked for is the matter of the
 * node that made it */
gboolean egress_mountpoint_check_ours (EgressMountpoint *self, GError **error);

/* what a spec says of its media; FALSE: not all of it is known */
gboolean egress_mountpoint_spec_get_info (const EgressMountpointSpec *spec,
                                          RelayStreamInfo *ret);
/* (transfer full): a stream of the tree as a mountpoint */
EgressMountpointSpec *
egress_mountpoint_spec_of_stream (const char *id, const char *stream,
                                  const RelayStreamInfo *info);
/* the source has said what it carries */
void egress_mountpoint_spec_learn (EgressMountpointSpec *spec,
                                   const RelayStreamInfo *info);
/* (transfer full): for /debug/state */
JsonObject *egress_mountpoint_describe (EgressMountpoint *self);
