/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcCounts: one worker's counters. Packets add to plain words; once a turn
 * what is new goes to the shared registry.
 * Owner: RtcWorker. Thread: media; get and describe: any.
 */
#pragma once

#include "base/metrics.h"

/* One word each; the table in counts.c names them. */
typedef enum {
  RTC_COUNT_RX_PACKETS,
  RTC_COUNT_RX_BYTES,
  RTC_COUNT_TX_PACKETS,
  RTC_COUNT_TX_BYTES,
  RTC_COUNT_TX_MESSAGES,
  RTC_COUNT_TX_SYSCALLS,
  RTC_COUNT_TX_OVERSIZE,
  RTC_COUNT_TX_DROP_FULL,
  RTC_COUNT_TX_DROP_ERROR,
  RTC_COUNT_TX_DROP_TCP,
  RTC_COUNT_STUN_REQUESTS,
  RTC_COUNT_STUN_MALFORMED,
  RTC_COUNT_STUN_NOT_REQUEST,
  RTC_COUNT_STUN_NO_CREDENTIALS,
  RTC_COUNT_STUN_UNKNOWN_UFRAG,
  RTC_COUNT_STUN_REMOTE_UFRAG,
  RTC_COUNT_STUN_BAD_INTEGRITY,
  RTC_COUNT_STUN_UNKNOWN_ATTRIBUTE,
  RTC_COUNT_STUN_ROLE_CONFLICT,
  RTC_COUNT_STUN_ADDRESS_TAKEN,
  RTC_COUNT_DROP_UNKNOWN_ADDRESS,
  RTC_COUNT_DROP_NOT_CONNECTED,
  RTC_COUNT_DROP_BAD_AUTH,
  RTC_COUNT_DROP_REPLAY,
  RTC_COUNT_DROP_MALFORMED,
  RTC_COUNT_DROP_LIMIT,
  RTC_COUNT_DTLS_OK,
  RTC_COUNT_DTLS_FAILED,
  RTC_COUNT_DTLS_FINGERPRINT,
  RTC_COUNT_TCP_ACCEPTED,
  RTC_COUNT_TCP_REFUSED,
  RTC_COUNT_TCP_TIMEOUT,
  RTC_COUNT_TCP_FRAME,
  RTC_COUNT_TCP_PEER,
  RTC_COUNT_CLOSED_LOCAL, /* in the order of RtcCloseReason */
  RTC_COUNT_CLOSED_PEER,
  RTC_COUNT_CLOSED_ICE_TIMEOUT,
  RTC_COUNT_CLOSED_CONSENT,
  RTC_COUNT_CLOSED_DTLS_FAILED,
  RTC_COUNT_CLOSED_FINGERPRINT,
  RTC_COUNT_CLOSED_LIMIT,
  RTC_COUNT_N
} RtcCount;

typedef struct {
  guint64 n[RTC_COUNT_N];
  guint64 published[RTC_COUNT_N];
  BaseCounter *counters[RTC_COUNT_N]; /* borrowed, nullable */
} RtcCounts;

void rtc_counts_init (RtcCounts *self, BaseMetrics *metrics); /* main */
void rtc_counts_add (RtcCounts *self, RtcCount which, guint64 n);
void rtc_counts_set (RtcCounts *self, RtcCount which, guint64 n);
guint64 rtc_counts_get (RtcCounts *self, RtcCount which);
void rtc_counts_publish (RtcCounts *self);
/* (transfer full): JSON object, zeros left out */
char *rtc_counts_describe (RtcCounts *self);
