/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressMountpoints: streams as the Janus API shows them: every live stream of
 * the tree, and those that somebody created (RTP, RTSP, files), here or on
 * another node. Knows ids, secrets, pins and viewers; where the media comes
 * from is the node's matter (hooks).
 *   A created mountpoint's stream is called as its id; it exists, and can be
 * watched, before the first packet has come.
 * Owner:  node. Thread: main.
 */
#pragma once

#include "egress/mountpoint-spec.h"

#define EGRESS_MOUNTPOINTS_MAX 1024 /* created ones on this node */

typedef struct _EgressMountpoints EgressMountpoints;
typedef struct _EgressMountpoint EgressMountpoint;

/* the ports that were taken, by kind and rendition; 0 = none */
typedef struct
{
  guint ports[RTC_MEDIA_N_KINDS][EGRESS_MAX_RENDITIONS];
  guint rtcp_ports[RTC_MEDIA_N_KINDS];
} EgressMountpointPorts;
/* @error: (nullable): EGRESS_STREAMING_ERROR; @ports, @info: NULL then */
typedef void (*EgressMountpointOpened) (const EgressMountpointPorts *ports,
                                        const RelayStreamInfo *info,
                                        const GError *error, gpointer data);
typedef void (*EgressMountpointDone) (const GError *error, gpointer data);

typedef struct
{
  char *name; /* owned */
  gboolean is_live;
  RelayStreamInfo info;
} EgressStreamListed;

typedef struct
{
  /* opens what feeds spec->id's streams; @done once, from within or later */
  void (*open) (const EgressMountpointSpec *spec, EgressMountpointOpened done,
                gpointer done_data, gpointer data);
  void (*close) (const char *stream, gpointer data);
  void (*set_enabled) (const char *stream, gboolean is_enabled, gpointer data);
  /* since the last packet, or since it was opened; FALSE: not known here */
  gboolean (*get_age) (const char *stream, RtcMediaKind kind,
                       gint64 *ret_age_us, gpointer data);
  /* a file from its start for one viewer; closed by close(). @stream: a name
   * with '~' that no other has */
  void (*open_private) (const EgressMountpointSpec *spec, const char *stream,
                        EgressMountpointOpened done, gpointer done_data,
                        gpointer data);
  /* tells the cluster (always), keeps it over restarts when it is permanent;
   * error: it could not be kept; EGRESS_STREAMING_ERROR: another node has the
   * id. @done: (nullable) */
  void (*share) (const EgressMountpointSpec *spec, EgressMountpointDone done,
                 gpointer done_data, gpointer data);
  void (*unshare) (const char *id, gpointer data);
  /* (nullable): the node that made it is gone, so that anybody may destroy
   * it */
  gboolean (*is_orphan) (const EgressMountpointSpec *spec, gpointer data);
  /* (transfer full) (element-type EgressStreamListed): every live stream of
   * the tree but those with '~' */
  GPtrArray *(*list_streams) (gpointer data);
  gpointer data;
} EgressMountpointHooks;

typedef struct
{
  EgressGate *gate; /* borrowed */
  RelayHub *hub;
  BaseMetrics *metrics;
  gboolean string_ids;
  const char *admin_key; /* (nullable): `create` needs it (J36) */
  const char *node_id;
  gboolean can_open;         /* this node takes streams (role injection) */
  const char *recording_dir; /* (nullable): `recording` is refused by name */
  EgressMountpointHooks hooks;
} EgressMountpointsConfig;

/* The mountpoint's own news, to those who watch it. on_gone: destroyed (the
 * handle says "stopped", hangs up with "Close PC"); on_kicked: kick_all. */
typedef struct
{
  void (*on_gone) (gpointer viewer);
  void (*on_kicked) (gpointer viewer);
} EgressMountpointViewerFuncs;

EgressMountpoints *
egress_mountpoints_new (const EgressMountpointsConfig *config);
void egress_mountpoints_free (EgressMountpoints *self);
const EgressMountpointsConfig *
egress_mountpoints_get_config (EgressMountpoints *self);

/* (transfer none) (nullable): valid until the main loop runs again, unless
 * referenced */
EgressMountpoint *egress_mountpoints_lookup (EgressMountpoints *self,
                                             const char *id);
/* one that somebody created, here or elsewhere, by its id, which is its
 * stream's name: (transfer none) (nullable); asks nobody */
EgressMountpoint *egress_mountpoints_lookup_created (EgressMountpoints *self,
                                                     const char *id);
/* by the name of its stream */
EgressMountpoint *egress_mountpoints_lookup_stream (EgressMountpoints *self,
                                                    const char *stream);
/* (transfer full) (element-type EgressMountpoint) */
GPtrArray *egress_mountpoints_list (EgressMountpoints *self);

/* @mountpoint: (nullable): NULL with @error (EGRESS_STREAMING_ERROR);
 * @is_kept: permanent, and really kept */
typedef void (*EgressMountpointCreated) (EgressMountpoint *mountpoint,
                                         gboolean is_kept, const GError *error,
                                         gpointer data);
/* egress_mountpoints_create: @spec: (transfer full); checks id and limits,
 * opens the source; @done once, from within or later. A failed create leaves
 * nothing behind. */
void egress_mountpoints_create (EgressMountpoints *self,
                                EgressMountpointSpec *spec,
                                EgressMountpointCreated done, gpointer data);
/* egress_mountpoints_edit: the caller has changed the spec's description,
 * metadata, secret, pin, is_private by egress_mountpoint_edit */
void egress_mountpoints_share (EgressMountpoints *self,
                               EgressMountpoint *mountpoint, gboolean permanent,
                               EgressMountpointDone done, gpointer data);
/* FALSE with EGRESS_STREAMING_ERROR: not created here (a stream of the tree, or
 * another node's that is there: the text says whose) */
gboolean egress_mountpoints_destroy (EgressMountpoints *self,
                                     EgressMountpoint *mountpoint,
                                     GError **error);
gboolean egress_mountpoints_set_enabled (EgressMountpoints *self,
                                         EgressMountpoint *mountpoint,
                                         gboolean is_enabled, GError **error);

/* what other nodes made, all of it: what is missing is gone there.
 * @specs: (element-type EgressMountpointSpec) (transfer none) */
void egress_mountpoints_set_shared (EgressMountpoints *self, GPtrArray *specs);
/* (transfer full): for /debug/state */
JsonNode *egress_mountpoints_describe (EgressMountpoints *self);

/* --- one mountpoint ----------------------------------------------------- */

EgressMountpoint *egress_mountpoint_ref (EgressMountpoint *self);
void egress_mountpoint_unref (EgressMountpoint *self);
/* (transfer none); of a stream of the tree: made from what it carries. */
const EgressMountpointSpec *egress_mountpoint_get_spec (EgressMountpoint *self);
/* for `edit`: (transfer none); the id must stay. NULL with
 * EGRESS_STREAMING_ERROR: not made here, as in destroy() */
EgressMountpointSpec *egress_mountpoint_edit (EgressMountpoint *self,
                                              GError **error);
const EgressMountpointPorts *
egress_mountpoint_get_ports (EgressMountpoint *self);
const char *egress_mountpoint_get_stream (EgressMountpoint *self);
/* what viewers are offered; FALSE: not known (nothing has come yet) */
gboolean egress_mountpoint_get_info (EgressMountpoint *self,
                                     RelayStreamInfo *ret);
/* FALSE: unknown */
gboolean egress_mountpoint_get_age (EgressMountpoint *self, RtcMediaKind kind,
                                    gint64 *ret_age_us);
/* egress_mountpoint_get_sources: the streams, found (and carried) for one more
 * viewer, or for one who is in already.
 * @ret: streams are borrowed from the hub: refer to them before the loop runs
 * Returns: FALSE with EGRESS_GATE_ERROR */
gboolean egress_mountpoint_get_sources (EgressMountpoint *self,
                                        gboolean is_new_viewer,
                                        EgressSources *ret, GError **error);
/* viewers by this API; @viewer: as the funcs get it */
void egress_mountpoint_add_viewer (EgressMountpoint *self,
                                   const EgressMountpointViewerFuncs *funcs,
                                   gpointer viewer);
void egress_mountpoint_remove_viewer (EgressMountpoint *self, gpointer viewer);
guint egress_mountpoint_get_n_viewers (EgressMountpoint *self);
void egress_mountpoint_kick_all (EgressMountpoint *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressMountpoints, egress_mountpoints_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressMountpoint, egress_mountpoint_unref)
