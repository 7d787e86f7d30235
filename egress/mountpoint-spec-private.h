/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/mountpoint-spec-private: what the files that read `create` share:
 * mountpoint-spec-parse.c has the whole of it, mountpoint-spec-media.c what is
 * said of media. FALSE comes with EGRESS_STREAMING_ERROR.
 * Thread: any.
 */
#pragma once

#include "egress/janus-params.h"
#include "egress/mountpoint-spec.h"

/* always FALSE */
gboolean egress_mountpoint_spec_fail (GError **error, EgressStreamingCode code,
                                      const char *format, ...)
    G_GNUC_PRINTF (3, 4);
/* always FALSE: neither audio nor video; @type: "rtp" */
gboolean egress_mountpoint_spec_fail_empty (const char *type, GError **error);
gboolean egress_mountpoint_spec_check (JsonObject *object,
                                       const EgressJanusParam *params,
                                       guint n_params, GError **error);
/* a string of at most @max_chars bytes, if there is one; one that goes into
 * SDP has no control characters */
gboolean egress_mountpoint_spec_take_text (JsonObject *object,
                                           const char *member, gsize max_chars,
                                           gboolean is_for_sdp, char **ret,
                                           GError **error);
/* as above, of EGRESS_MOUNTPOINT_MAX_NAME_CHARS at most */
gboolean egress_mountpoint_spec_take_name (JsonObject *object,
                                           const char *member, char **ret,
                                           GError **error);
gboolean egress_mountpoint_spec_take_number (JsonObject *object,
                                             const char *member, gint64 max,
                                             gint64 or_else, gint64 *ret,
                                             GError **error);

/* the form with `media` */
gboolean egress_mountpoint_spec_read_media (EgressMountpointSpec *self,
                                            JsonArray *array, GError **error);
/* the form with `audio` and `video` */
gboolean egress_mountpoint_spec_read_old_form (EgressMountpointSpec *self,
                                               JsonObject *body,
                                               GError **error);
/* which of audio and video there shall be; mids "a" and "v" as Janus's.
 * Returns: FALSE: none, without an error */
gboolean egress_mountpoint_spec_read_wants (EgressMountpointSpec *self,
                                            JsonObject *body);
