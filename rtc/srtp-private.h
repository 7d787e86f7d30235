/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/srtp-private: what the files share, and what the unit test needs to use
 * the RFCs' vectors and to try every sealer. */
#pragma once

#include "rtc/srtp-in.h"

#define RTC_SRTP_AUTH_BYTES 20

enum {
  RTC_SRTP_LABEL_ENCRYPTION = 0,
  RTC_SRTP_LABEL_AUTH = 1,
  RTC_SRTP_LABEL_SALT = 2,
  RTC_SRTCP_LABEL_ENCRYPTION = 3,
  RTC_SRTCP_LABEL_AUTH = 4,
  RTC_SRTCP_LABEL_SALT = 5,
};

/* rtc_srtp_kdf: RFC 3711 4.3.1, AES-CM PRF, rate 0; @len <= 32 */
gboolean rtc_srtp_kdf (const RtcSrtpKey *key, guint8 label, guint8 *ret,
                       gsize len);
/* Who does AES-128-GCM; CM is always OpenSSL's. */
typedef enum {
  RTC_SRTP_SEALER_OPENSSL,
  RTC_SRTP_SEALER_IPSEC_MB, /* only where rtc_srtp_mb_get_name () is there */
} RtcSrtpSealer;

RtcSrtpOut *rtc_srtp_out_new_with (RtcSrtpSealer sealer,
                                   RtcSrtpProfile profile,
                                   const RtcSrtpKey *key);
/* from session keys; @auth: 20 bytes, CM only */
RtcSrtpOut *rtc_srtp_out_new_session (RtcSrtpSealer sealer,
                                      RtcSrtpProfile profile,
                                      const guint8 *key, const guint8 *salt,
                                      const guint8 *auth);

/* from session keys */
RtcSrtpIn *rtc_srtp_in_new_session (RtcSrtpSealer sealer, const guint8 *key,
                                    const guint8 *salt);

/* RtcSrtcp: session keys of one direction's RTCP; a plain value */
#define RTC_SRTCP_MAX_INDEX 0x7fffffffu
typedef struct {
  gboolean is_gcm;
  guint8 key[16], salt[14], auth[RTC_SRTP_AUTH_BYTES];
} RtcSrtcp;

void rtc_srtcp_init (RtcSrtcp *self, RtcSrtpProfile profile,
                     const RtcSrtpKey *key);
/* @len: >= 8. @index: never twice. Returns: the sealed length, <= @len + 20 */
gsize rtc_srtcp_seal (const RtcSrtcp *self, guint8 *data, gsize len,
                      guint32 index);
/* Returns: %FALSE when it is too short or not encrypted; not authentic yet */
gboolean rtc_srtcp_read_index (const RtcSrtcp *self, const guint8 *data,
                               gsize len, guint32 *ret_index);
/* @index: as read. Returns: %FALSE when not authentic; @data is lost then */
gboolean rtc_srtcp_open (const RtcSrtcp *self, guint8 *data, gsize *len,
                         guint32 index);
