/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcCertificate: the node's self-signed ECDSA P-256 certificate and the SSL
 * context that all handshakes share (DTLS 1.2, use_srtp profiles, request of
 * the peer's certificate, verified by fingerprint only).
 * RtcDtls: one handshake and its close, without sockets: bytes in, bytes out.
 * Thread: certificate: made on main, then read by all. RtcDtls: media.
 */
#pragma once

#include "rtc/srtp.h"

typedef struct _RtcCertificate RtcCertificate;
RtcCertificate *rtc_certificate_new (GError **error);
RtcCertificate *rtc_certificate_ref (RtcCertificate *self);
void rtc_certificate_unref (RtcCertificate *self);
/* "AB:CD:…" sha-256 (transfer none) */
const char *rtc_certificate_get_fingerprint (RtcCertificate *self);

typedef struct _RtcDtls RtcDtls;
typedef enum {
  RTC_DTLS_AGAIN,     /* handshake goes on */
  RTC_DTLS_CONNECTED, /* just now: keys can be taken */
  RTC_DTLS_DATA,      /* established; bytes consumed (data is ignored) */
  RTC_DTLS_CLOSED,    /* close_notify or fatal alert */
  RTC_DTLS_FAILED,
  RTC_DTLS_BAD_FINGERPRINT,
} RtcDtlsResult;
typedef void (*RtcDtlsSendFunc) (const guint8 *data, gsize len, gpointer data2);

RtcDtls *rtc_dtls_new (RtcCertificate *certificate, gboolean is_client,
                       const char *fingerprint_hash, const char *fingerprint,
                       RtcDtlsSendFunc send, gpointer data);
void rtc_dtls_free (RtcDtls *self);
RtcDtlsResult rtc_dtls_start (RtcDtls *self);       /* client: ClientHello */
RtcDtlsResult rtc_dtls_receive (RtcDtls *self, const guint8 *data, gsize len);
/* retransmission: @ret_wait_us until it is to be called again, -1 = not */
RtcDtlsResult rtc_dtls_on_timer (RtcDtls *self, gint64 *ret_wait_us);
RtcSrtpProfile rtc_dtls_get_keys (RtcDtls *self, RtcSrtpKey *ret_inbound,
                                  RtcSrtpKey *ret_outbound);
/* rtc_dtls_shed: gives back OpenSSL's session and keeps what close_notify needs
 * (rtc/dtls-tail.h) and, as a server, the last flight (rtc/dtls-flight.h). Take
 * the keys first. Keeps the session when the cipher suite is none the tail
 * knows, or when the flight is longer than expected. */
void rtc_dtls_shed (RtcDtls *self);
/* rtc_dtls_forget_flight: the peer has shown that he has it */
void rtc_dtls_forget_flight (RtcDtls *self);
gboolean rtc_dtls_is_shed (RtcDtls *self);
/* rtc_dtls_get_close: close_notify for later, sealed at the first call: what
 * rtc_dtls_close sends from then on, so that its nonce is for these bytes only
 * (rtc/will.h).
 * Returns: (transfer none) (nullable): %NULL unless connected, and for cipher
 * suites that rtc/dtls-tail does not know */
GBytes *rtc_dtls_get_close (RtcDtls *self);
void rtc_dtls_close (RtcDtls *self);                /* sends close_notify */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtcDtls, rtc_dtls_free)
