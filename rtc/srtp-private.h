/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/srtp-private: for the unit test: RFC 3711 4.3.1 key derivation. */
#pragma once

#include "rtc/srtp.h"

/* rtc_srtp_kdf: AES-CM PRF, key derivation rate 0; @len <= 32 */
gboolean rtc_srtp_kdf (const RtcSrtpKey *key, guint8 label, guint8 *ret,
                       gsize len);
