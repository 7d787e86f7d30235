/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcWill: the goodbye of a process that may die without one: where a peer is,
 * and the close_notify that his DTLS accepts, sealed while he is served. The
 * next process on the same port sends it.
 * No key is in it, and no nonce is used for anything else: the record is
 * sealed once, with a record number of its own (rtc/dtls-tail), and a living
 * process that closes sends these very bytes too (rtc_dtls_get_close). So one
 * nonce has one plain text, whoever sends it and however often.
 * Value. Thread: any.
 */
#pragma once

#include "rtc/path.h"

#define RTC_WILL_BYTES 128 /* as it is kept */
#define RTC_WILL_MAX_RECORD_BYTES 64

typedef struct {
  RtcPath path; /* UDP: tcp is NULL (a connection ends with its process) */
  guint port;   /* the worker's, host byte order */
  guint8 record[RTC_WILL_MAX_RECORD_BYTES];
  gsize record_len;
} RtcWill;

void rtc_will_write (const RtcWill *self, guint8 dst[RTC_WILL_BYTES]);
/* rtc_will_read: what a dead process wrote, or anybody else.
 * Returns: %FALSE when @data is no will; @ret is untouched then */
gboolean rtc_will_read (const guint8 *data, gsize len, RtcWill *ret);
