/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc/sdp-private: what the files of rtc/sdp share. Not for other rooms.
 * Thread: main.
 */
#pragma once

#include <gst/sdp/sdp.h>

#include "rtc/sdp.h"

#define RTC_SDP_MAX_RID_CHARS 16

/* rtc_sdp_clean_text: the same lines with CRLF, blank ones left out. Refuses
 * what is no "x=…" line, control bytes, bad UTF-8 and bad m-lines, so that
 * GstSDPMessage, which forgives all that, sees well-formed text only.
 * Returns: (transfer full) (nullable) */
char *rtc_sdp_clean_text (const char *text, GError **error);

/* RFC 8866 token, 1..@max_chars */
gboolean rtc_sdp_is_token (const char *s, gsize max_chars);
/* ICE credential that may stand in an attribute and in a STUN username */
gboolean rtc_sdp_is_ice_string (const char *s, gsize min, gsize max);
/* rtc_sdp_parse_number: whole decimal number at *@s, moves *@s behind it */
gboolean rtc_sdp_parse_number (const char **s, guint64 max, guint64 *ret);

/* rtc_sdp_candidate_parse: @value: what follows "a=candidate:". %FALSE: not
 * usable (component 2, .local, FQDN, unknown transport, malformed) */
gboolean rtc_sdp_candidate_parse (const char *value, RtcSdpCandidate *ret);
/* (transfer full) (nullable): value of a=candidate, NULL when the address is
 * no IP literal or the port none */
char *rtc_sdp_candidate_to_string (const RtcSdpCandidate *candidate,
                                   guint index);

/* rtc_sdp_media_read: fills @self from @media; @session gives defaults */
gboolean rtc_sdp_media_read (RtcSdpMedia *self, const GstSDPMessage *session,
                             const GstSDPMedia *media, gboolean is_offer,
                             GError **error);
