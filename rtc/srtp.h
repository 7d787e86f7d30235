/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc/srtp: SRTP keys and crypto (RFC 3711, 5764, 7714).
 * RtcSrtpOut seals outgoing RTP with kept key schedules: GCM with ipsec-mb where
 * that is there, all else with OpenSSL's EVP (the fan-out path: payload goes
 * from the ring straight into the send buffer). RtcSrtp is for what is few:
 * incoming RTP by libsrtp2, whose session (17 KB) is made when the first packet
 * comes; RTCP both ways by OpenSSL.
 * Profiles: AEAD_AES_128_GCM first, AES128_CM_HMAC_SHA1_80 second.
 * Owner:  a transport. Thread: media.
 */
#pragma once

#include "rtc/types.h"

typedef enum {
  RTC_SRTP_NONE,
  RTC_SRTP_AES128_CM_SHA1_80,
  RTC_SRTP_AEAD_AES_128_GCM,
  RTC_SRTP_AES128_CM_SHA1_32, /* RtcSrtp only: incoming (RTCP's tag is 80) */
} RtcSrtpProfile;

#define RTC_SRTP_MAX_TRAILER 16 /* bytes a sealed packet grows at most */

/* Key material of one direction: 16 bytes key, 14 (CM) or 12 (GCM) salt. */
typedef struct { guint8 key[16]; guint8 salt[14]; } RtcSrtpKey;

typedef struct _RtcSrtpOut RtcSrtpOut;
RtcSrtpOut *rtc_srtp_out_new (RtcSrtpProfile profile, const RtcSrtpKey *key);
void rtc_srtp_out_free (RtcSrtpOut *self);
/* rtc_srtp_out_seal:
 * @dst: already holds the @header_len header bytes (its SSRC and seq make the
 *   nonce); gets ciphertext and tag after them. Capacity header + prefix +
 *   payload + RTC_SRTP_MAX_TRAILER.
 * @prefix: (nullable): bytes encrypted before @payload (RTX's OSN), <= 16
 * @roc: rollover counter of the seq in the header. The caller never repeats
 *   (ssrc, roc, seq) with other bytes.
 * Returns: total length in bytes */
gsize rtc_srtp_out_seal (RtcSrtpOut *self, guint8 *dst, gsize header_len,
                         const guint8 *prefix, gsize prefix_len,
                         const guint8 *payload, gsize payload_len,
                         guint32 roc);
guint rtc_srtp_out_get_trailer (const RtcSrtpOut *self); /* 16 or 10 */
/* any thread; its first call is slow (some ms).
 * Returns: (transfer none): the library that does GCM in this process */
const char *rtc_srtp_out_get_sealer_name (void);

typedef enum {
  RTC_SRTP_OK,
  RTC_SRTP_BAD_AUTH,
  RTC_SRTP_REPLAY,
  RTC_SRTP_MALFORMED,
  RTC_SRTP_LIMIT, /* too many SSRCs */
} RtcSrtpResult;

#define RTC_SRTP_MAX_SSRCS 32 /* incoming, per session */

typedef struct _RtcSrtp RtcSrtp;
RtcSrtp *rtc_srtp_new (RtcSrtpProfile profile, const RtcSrtpKey *inbound,
                       const RtcSrtpKey *outbound);
void rtc_srtp_free (RtcSrtp *self);
/* in place; *@len shrinks, or the bytes are lost. RTP of a retransmission with the same seq is a
 * REPLAY, which is an expected outcome. */
RtcSrtpResult rtc_srtp_open_rtp (RtcSrtp *self, guint8 *data, gsize *len);
RtcSrtpResult rtc_srtp_open_rtcp (RtcSrtp *self, guint8 *data, gsize *len);
/* in place; needs room for 32 bytes more */
RtcSrtpResult rtc_srtp_seal_rtcp (RtcSrtp *self, guint8 *data, gsize *len);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtcSrtpOut, rtc_srtp_out_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtcSrtp, rtc_srtp_free)
