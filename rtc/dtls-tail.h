/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcDtlsTail: what is left of a DTLS 1.2 connection once its handshake is
 * over. OpenSSL's session holds some 60 KB for nothing but two alerts; the
 * tail holds the record keys (RFC 5246 6.3, RFC 5288 AES-GCM) and says and
 * hears close_notify with them (RFC 6347 4.1).
 * Owner:  RtcDtls. Thread: media. No allocation after new().
 */
#pragma once

#include <openssl/ssl.h>

#include "rtc/types.h"

#define RTC_DTLS_TAIL_MAX_BYTES 64

typedef struct _RtcDtlsTail RtcDtlsTail;

/* rtc_dtls_tail_new: @ssl: a finished handshake
 * Returns: (nullable): %NULL for a cipher suite other than AES-GCM */
RtcDtlsTail *rtc_dtls_tail_new (SSL *ssl);
void rtc_dtls_tail_free (RtcDtlsTail *self);

/* rtc_dtls_tail_write_close: a datagram with close_notify. At most once: its
 * nonce is not made twice.
 * Returns: bytes; 0 when it was written already or OpenSSL failed */
gsize rtc_dtls_tail_write_close (RtcDtlsTail *self,
                                 guint8 dst[RTC_DTLS_TAIL_MAX_BYTES]);
/* rtc_dtls_tail_is_alert: has @data the form of what write_close writes? No key
 * is asked: it may be from a file. */
gboolean rtc_dtls_tail_is_alert (const guint8 *data, gsize len);
/* rtc_dtls_tail_is_close: does @data hold an authentic close_notify or fatal
 * alert? Hostile bytes; anything else is %FALSE. */
gboolean rtc_dtls_tail_is_close (RtcDtlsTail *self, const guint8 *data,
                                 gsize len);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtcDtlsTail, rtc_dtls_tail_free)
