/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressMountpointSpec: what a mountpoint is, as somebody created it: the body
 * of the Streaming plugin's `create`, in its old or its `media` form
 * (PROTOCOLS.md J37-J40), checked, in one struct; and back to JSON (the `media`
 * form), as it is kept in the store and told to other nodes. Pure.
 *   One audio and one video a mountpoint; video in one to three renditions.
 * Owner:  free. Thread: any.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "egress/peer.h"

/* the plugin's error codes (PROTOCOLS.md section 3) */
typedef enum
{
  EGRESS_STREAMING_NO_MESSAGE = 450,
  EGRESS_STREAMING_INVALID_JSON = 451,
  EGRESS_STREAMING_INVALID_REQUEST = 452,
  EGRESS_STREAMING_MISSING = 453,
  EGRESS_STREAMING_INVALID_ELEMENT = 454,
  EGRESS_STREAMING_NO_SUCH = 455,
  EGRESS_STREAMING_CANT_CREATE = 456,
  EGRESS_STREAMING_UNAUTHORIZED = 457,
  EGRESS_STREAMING_CANT_SWITCH = 458,
  EGRESS_STREAMING_CANT_RECORD = 459,
  EGRESS_STREAMING_INVALID_STATE = 460,
  EGRESS_STREAMING_INVALID_SDP = 461,
  EGRESS_STREAMING_UNKNOWN = 470,
} EgressStreamingCode;
/* a GError of this domain has the plugin's code and text */
#define EGRESS_STREAMING_ERROR (egress_streaming_error_quark ())
GQuark egress_streaming_error_quark (void);

typedef enum
{
  EGRESS_MOUNTPOINT_STREAM, /* a stream of the tree; nobody created it */
  EGRESS_MOUNTPOINT_RTP,
  EGRESS_MOUNTPOINT_RTSP,
  EGRESS_MOUNTPOINT_LIVE,     /* a file, for all */
  EGRESS_MOUNTPOINT_ONDEMAND, /* a file, from its start for each viewer */
} EgressMountpointKind;

typedef struct
{
  gboolean is_present;
  guint index;              /* its place among the mountpoint's media */
  char *mid, *label, *msid; /* owned; msid nullable */
  int pt;                   /* -1: not said (not rtp) */
  RtcCodec codec;           /* NONE: told by the source (rtsp, files) */
  char *fmtp;               /* owned, nullable */
  guint ports[EGRESS_MAX_RENDITIONS]; /* 0 = of the pool; lowest first */
  guint n_ports;       /* renditions (1 unless video simulcast) */
  int rtcp_port;       /* -1 none, 0 of the pool */
  char *mcast, *iface; /* owned, nullable */
  gboolean is_simulcast, is_svc, has_skew;
} EgressMountpointMedia;

typedef struct
{
  EgressMountpointKind kind;
  char *id; /* owned: digits unless string ids; NULL in a
               create without one */
  char *name, *description,
      *metadata;      /* owned; description, metadata nullable */
  char *secret, *pin; /* owned, nullable */
  gboolean is_private, is_permanent, is_enabled;
  EgressMountpointMedia media[RTC_MEDIA_N_KINDS];
  gboolean is_old_form; /* the reply says so */
  int srtp_suite;       /* 0 = plain; 32, 80 */
  char *srtp_crypto;    /* owned, nullable: base64 */
  gboolean is_e2ee, has_playout_delay;
  int capture_time_id; /* extension id in the source's RTP; 0 none */
  guint collision_ms;  /* another SSRC is ignored so long */
  char *url, *rtsp_user, *rtsp_password; /* owned, nullable: rtsp */
  gboolean rtsp_check; /* rtsp_failcheck: fail when it is not there */
  char *filename;      /* owned, nullable: live, ondemand */
  /* where it lives: set by the node that made it */
  char *node_id;                                /* owned, nullable */
  guint threads, buffer_kf_ms, buffer_kf_bytes; /* read; we need none of it */
} EgressMountpointSpec;

#define EGRESS_MOUNTPOINT_MAX_ID (G_GINT64_CONSTANT (1) << 53)
#define EGRESS_MOUNTPOINT_MAX_NAME_CHARS 256  /* name, secret, pin, ... */
#define EGRESS_MOUNTPOINT_MAX_TEXT_CHARS 2048 /* description, metadata */
#define EGRESS_MOUNTPOINT_MAX_BYTES 8192      /* all of it, as JSON */
#define EGRESS_MOUNTPOINT_MAX_MEDIA 16        /* read; two of them can be had */

/* egress_mountpoint_spec_check_head: what is looked at before the id is looked
 * up (an id in use is complained of before anything else that is wrong).
 * @ret_id: (out) (transfer full): NULL: the body has none, or 0 */
gboolean egress_mountpoint_spec_check_head (JsonObject *body,
                                            gboolean string_ids, char **ret_id,
                                            GError **error);
/* egress_mountpoint_spec_parse: @body: of `create`
 * @string_ids: ids are strings (J35)
 * Returns: (transfer full) (nullable): NULL with EGRESS_STREAMING_ERROR.
 * Without an id, or without a name, these are NULL: set_id() gives both */
EgressMountpointSpec *egress_mountpoint_spec_parse (JsonObject *body,
                                                    gboolean string_ids,
                                                    GError **error);
/* @id: (nullable): NULL keeps it; name and description, where they are NULL,
 * are made from it as Janus does */
void egress_mountpoint_spec_set_id (EgressMountpointSpec *self, const char *id);
/* (transfer full): everything, secrets too; the id is a string */
JsonObject *egress_mountpoint_spec_to_json (const EgressMountpointSpec *self);
/* egress_mountpoint_spec_from_json: what to_json made; nothing in it is trusted
 * Returns: (transfer full) (nullable): NULL with EGRESS_STREAMING_ERROR */
EgressMountpointSpec *egress_mountpoint_spec_from_json (JsonObject *object,
                                                        gboolean string_ids,
                                                        GError **error);
EgressMountpointSpec *
egress_mountpoint_spec_copy (const EgressMountpointSpec *self);
void egress_mountpoint_spec_free (EgressMountpointSpec *self);

/* Streams of a mountpoint. The best rendition (and the sound) is the stream
 * that carries the mountpoint's name; lower ones are streams of their own with
 * a '~' in the name, which no client can ask for by name:
 *   "52~0", "52~1", "52".
 * Returns: (transfer full) */
char *egress_mountpoint_rendition_name (const char *stream, guint index,
                                        guint n_renditions);
/* A stream's Janus id (DESIGN.md): the number it spells, else 52 bits of
 * SHA-256 of its name; (transfer full): digits; with string ids: the name */
char *egress_mountpoint_id_of_stream (const char *stream, gboolean string_ids);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressMountpointSpec,
                               egress_mountpoint_spec_free)
