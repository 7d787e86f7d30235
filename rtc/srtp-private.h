/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/srtp-private: what the unit test needs to use the RFCs' vectors, and to
 * try every sealer. */
#pragma once

#include "rtc/srtp.h"

#define RTC_SRTP_AUTH_BYTES 20

enum {
  RTC_SRTP_LABEL_ENCRYPTION = 0,
  RTC_SRTP_LABEL_AUTH = 1,
  RTC_SRTP_LABEL_SALT = 2,
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
