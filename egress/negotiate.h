/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/negotiate: which of a viewer's sections, codecs and header extensions
 * a stream is sent with. Pure: a description and facts in, a description and
 * the tracks that EgressViewer needs out.
 * The viewer offers: one section of each kind is answered sendonly, in the
 * offer's order with its mids; further ones are rejected (port 0). Where a
 * codec does not fit, the counter-offer (WHEP: 406) says what the stream has,
 * and the viewer's answer to it is read by egress_negotiate_accept().
 * Thread: any.
 */
#pragma once

#include "egress/viewer.h"
#include "rtc/sdp.h"

typedef enum
{
  EGRESS_NEGOTIATE_ERROR_DIRECTION, /* sendonly or inactive */
  EGRESS_NEGOTIATE_ERROR_MEDIA,     /* nothing asked for is in the stream */
  EGRESS_NEGOTIATE_ERROR_CODEC,     /* message names what the stream has */
  EGRESS_NEGOTIATE_ERROR_ANSWER,    /* does not fit our counter-offer */
} EgressNegotiateError;
#define EGRESS_NEGOTIATE_ERROR (egress_negotiate_error_quark ())
GQuark egress_negotiate_error_quark (void);
/* "sdp-direction", "media-mismatch", "codec-mismatch", "answer-mismatch" */
const char *egress_negotiate_error_code (const GError *error);

typedef struct
{
  RelayStreamInfo info;
  guint32 h264_profile;    /* 0x42e01f-like, 0 = unknown */
  const char *stream_name; /* msid */
  const char *cname;
  const char *ice_ufrag, *ice_pwd, *fingerprint; /* ours; sha-256 */
  gboolean with_playout_delay;
  guint32 ssrcs[RTC_MEDIA_N_KINDS], rtx_ssrcs[RTC_MEDIA_N_KINDS];
} EgressTerms;

/* egress_terms_draw_ssrcs: four random ones, all different, none 0 */
void egress_terms_draw_ssrcs (EgressTerms *self);

/* egress_negotiate_answer: candidates are the caller's to add.
 * @ret_tracks: (out): untouched on failure
 * Returns: (transfer full) (nullable) */
RtcSdp *egress_negotiate_answer (const EgressTerms *terms, const RtcSdp *offer,
                                 EgressViewerTrack ret_tracks[],
                                 GError **error);

/* egress_negotiate_counter_offer: our own offer of what @offer asked for.
 * Returns: (transfer full) (nullable): %NULL when nothing can be offered */
RtcSdp *egress_negotiate_counter_offer (const EgressTerms *terms,
                                        const RtcSdp *offer);

/* what our own offer has; strings: (nullable) */
typedef struct
{
  gboolean wants[RTC_MEDIA_N_KINDS];
  const char *mids[RTC_MEDIA_N_KINDS];  /* "0", "1" */
  const char *msids[RTC_MEDIA_N_KINDS]; /* "STREAM" or "STREAM TRACK" */
  const char *session_name;
  gboolean video_first; /* else sound, then the picture */
  gboolean with_capture_time;
} EgressOfferWishes;

/* egress_negotiate_offer: our own, asked by nobody.
 * Returns: (transfer full) (nullable): NULL with EGRESS_NEGOTIATE_ERROR_MEDIA:
 *   nothing is left to offer */
RtcSdp *egress_negotiate_offer (const EgressTerms *terms,
                                const EgressOfferWishes *wishes,
                                GError **error);

/* egress_negotiate_accept: @answer to @ours, an offer of ours made from
 * @terms. A section that the viewer rejects is not sent; one must be left. */
gboolean egress_negotiate_accept (const EgressTerms *terms, const RtcSdp *ours,
                                  const RtcSdp *answer,
                                  EgressViewerTrack ret_tracks[],
                                  GError **error);
