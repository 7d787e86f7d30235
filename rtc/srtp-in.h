/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcSrtpIn: opens AEAD_AES_128_GCM packets (RFC 7714) whose packet index the
 * caller knows: no index is guessed, no replay list is kept, so it needs no
 * state but the key schedule. For links, where the log is the replay list.
 * ipsec-mb where that is there, else OpenSSL.
 * Owner:  whoever made it. Thread: any, one at a time.
 */
#pragma once

#include "rtc/srtp.h"

typedef struct _RtcSrtpIn RtcSrtpIn;

/* @key: master key and salt (12 bytes of it) */
RtcSrtpIn *rtc_srtp_in_new (const RtcSrtpKey *key);
void rtc_srtp_in_free (RtcSrtpIn *self); /* wipes it */
/* rtc_srtp_in_open: in place.
 * @header_len: header with CSRCs and extensions, >= 12, checked by the caller
 * @roc: rollover counter of the seq in the header
 * Returns: %FALSE: too short, or the tag is wrong; the payload is then lost */
gboolean rtc_srtp_in_open (RtcSrtpIn *self, guint8 *data, gsize len,
                           gsize header_len, guint32 roc,
                           gsize *ret_payload_len);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtcSrtpIn, rtc_srtp_in_free)
