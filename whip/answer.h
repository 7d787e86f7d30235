/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whip/answer: what a broadcaster's offer may be, and the answer to it. Every
 * section is taken or the whole offer is refused: OBS sends both tracks
 * whatever an answer says. One codec a section: the first offered that we
 * know; H264 with packetization-mode=1 before one without.
 * Pure. Thread: main.
 */
#pragma once

#include "relay/stream.h"
#include "rtc/sdp.h"

typedef enum {
  WHIP_ERROR_NO_RTCP_MUX,   /* "sdp-no-rtcp-mux" */
  WHIP_ERROR_DIRECTION,     /* "sdp-direction": it would not send */
  WHIP_ERROR_TWO_AUDIO,     /* "sdp-two-audio" */
  WHIP_ERROR_TWO_VIDEO,     /* "sdp-two-video" */
  WHIP_ERROR_TWO_STREAMS,   /* "sdp-two-streams": MediaStreams */
  WHIP_ERROR_OTHER_MEDIA,   /* "sdp-other-media": m=application */
  WHIP_ERROR_UNKNOWN_CODEC, /* "sdp-unknown-codec" */
  WHIP_ERROR_EXTMAP,        /* "sdp-extmap": one id, two meanings */
  WHIP_N_ERRORS
} WhipError;
#define WHIP_ERROR (whip_error_quark ())
GQuark whip_error_quark (void);
const char *whip_error_code (const GError *error);

#define WHIP_MAX_RID_CHARS 16

/* What the media thread must know of one section. */
typedef struct {
  gboolean is_present;
  RtcCodec codec;
  guint32 clock_hz;
  guint8 pt;
  int rtx_pt;              /* -1: none */
  gboolean nack, pli, fir, remb, twcc;
  char mid[RTC_MAX_MID_CHARS + 1];
  char rid[WHIP_MAX_RID_CHARS + 1]; /* the layer that is forwarded, or "" */
  guint32 ssrc, rtx_ssrc;  /* as announced; 0 = not */
  guint32 other_ssrcs[RTC_SDP_MAX_SSRCS]; /* of layers that are not used */
  guint n_other_ssrcs;
} WhipTrack;

typedef struct {
  WhipTrack tracks[RTC_MEDIA_N_KINDS];
  guint8 exts[256];   /* RtcExt by the offer's id: one table for the bundle */
  gboolean rtcp_rsize; /* in all sections */
} WhipPlan;

/* whip_answer_new: the answer without credentials, fingerprint and candidates.
 * @text: the offer as it came, to name a codec that we do not know
 * @ret_plan, @ret_info: (out): set on success
 * Returns: (transfer full) (nullable) */
RtcSdp *whip_answer_new (const RtcSdp *offer, const char *text,
                         WhipPlan *ret_plan, RelayStreamInfo *ret_info,
                         GError **error);
