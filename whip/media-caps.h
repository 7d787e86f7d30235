/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whip/media-caps: what GStreamer's caps say of a track, in the relay's words.
 * Thread: any (pure).
 */
#pragma once

#include <gst/gst.h>

#include "relay/stream.h"

typedef struct
{
  RelayTrackInfo info; /* is_present: FALSE = nothing that browsers play */
  guint8 pt;
  char params[256]; /* H264's sprop-parameter-sets; "" = none, or too long */
} WhipMediaTrack;

typedef struct
{
  const char *caps; /* of what is parsed */
  RtcCodec codec;
  const char *parser; /* nullable */
  const char *payloader;
  gboolean has_config_interval;
} WhipMediaPayloader;

/* whip_media_caps_read_rtp: of RTP.
 * @ret_what: (transfer none): its name, for messages; lives as long as @caps
 * Returns: FALSE: neither audio nor video */
gboolean whip_media_caps_read_rtp (const GstCaps *caps, RtcMediaKind *ret_kind,
                                   WhipMediaTrack *ret, const char **ret_what);
/* whip_media_caps_read_parsed: of what a parser says.
 * @ret_with: (transfer none): who makes RTP of it, if that is installed */
gboolean whip_media_caps_read_parsed (const GstCaps *caps,
                                      RtcMediaKind *ret_kind,
                                      WhipMediaTrack *ret,
                                      const WhipMediaPayloader **ret_with,
                                      const char **ret_what);
/* whip_media_caps_make_params: sprop-parameter-sets (RFC 6184 8.1) as a STAP-A
 * payload. Returns: (transfer full) (nullable): NULL: nonsense */
GBytes *whip_media_caps_make_params (const char *sprop);
