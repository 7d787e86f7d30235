/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcDtlsFlight: the datagrams of a handshake's last flight, kept to be said
 * again word for word when the peer did not get them (RFC 6347 4.2.4), without
 * the session that wrote them: some 80 bytes instead of 60 KB. A record that
 * is said twice is the same record: the peer's replay window drops it, and no
 * nonce is used for other bytes.
 * Owner:  RtcDtls. Thread: media.
 */
#pragma once

#include "rtc/types.h"

#define RTC_DTLS_FLIGHT_MAX_BYTES 256
#define RTC_DTLS_FLIGHT_MAX_REPEATS 16 /* more asks than a real peer's */

typedef struct _RtcDtlsFlight RtcDtlsFlight;

RtcDtlsFlight *rtc_dtls_flight_new (void);
void rtc_dtls_flight_free (RtcDtlsFlight *self);
void rtc_dtls_flight_clear (RtcDtlsFlight *self);
/* one datagram more; what does not fit makes the flight useless */
void rtc_dtls_flight_add (RtcDtlsFlight *self, const guint8 *data, gsize len);
/* Returns: %TRUE when all that was added is there, and that is something */
gboolean rtc_dtls_flight_is_whole (const RtcDtlsFlight *self);

/* rtc_dtls_flight_is_asked: does @data (hostile) hold a handshake record of the
 * new epoch, the peer's Finished once more? Counts; %FALSE after
 * RTC_DTLS_FLIGHT_MAX_REPEATS, so that nobody can use us to send much. */
gboolean rtc_dtls_flight_is_asked (RtcDtlsFlight *self, const guint8 *data,
                                   gsize len);
/* rtc_dtls_flight_next: the datagrams in order; begin with *@at 0
 * Returns: (transfer none) (nullable): %NULL at the end */
const guint8 *rtc_dtls_flight_next (const RtcDtlsFlight *self, guint *at,
                                    gsize *ret_len);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtcDtlsFlight, rtc_dtls_flight_free)
