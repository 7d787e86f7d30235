/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcSrtpMb: one AES-128-GCM key for Intel's ipsec-mb, which seals (or opens) a
 * packet in a fraction of OpenSSL's time. Only where the build found the library
 * (option ipsec_mb) and the processor has AES-NI, PCLMULQDQ and AVX2 or more.
 * A key takes 1 KB; what it points to in the library is read only.
 * Owner:  an RtcSrtpOut or RtcSrtpIn. Thread: media; get_name: any.
 */
#pragma once

#include <glib.h>

typedef struct _RtcSrtpMb RtcSrtpMb;

/* rtc_srtp_mb_get_name: the first call looks at the processor and runs the
 * library's self-test (some ms).
 * Returns: (transfer none) (nullable): the library and what it uses of the
 *   processor; %NULL when it cannot be used here */
const char *rtc_srtp_mb_get_name (void);
/* only where get_name is not %NULL; @key: 16 bytes */
RtcSrtpMb *rtc_srtp_mb_new (const guint8 *key);
void rtc_srtp_mb_free (RtcSrtpMb *self); /* wipes it */
/* rtc_srtp_mb_seal: as rtc_srtp_out_seal
 * @iv: 12 bytes
 * Returns: length in bytes without the tag, which is written after them */
gsize rtc_srtp_mb_seal (const RtcSrtpMb *self, const guint8 *iv, guint8 *dst,
                        gsize header_len, const guint8 *prefix,
                        gsize prefix_len, const guint8 *payload,
                        gsize payload_len);
/* rtc_srtp_mb_open: in place; the tag stands after the payload.
 * Returns: %FALSE: the tag is wrong; the payload is lost */
gboolean rtc_srtp_mb_open (const RtcSrtpMb *self, const guint8 *iv,
                           guint8 *data, gsize header_len, gsize payload_len);
