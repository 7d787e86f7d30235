/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcIce: the lite agent's half of a connectivity check: one datagram in, at
 * most one reply out (RFC 8445, 8489), with libnice's STUN library. Nothing is
 * hashed for a ufrag that nobody has. A reply never outgrows its request by
 * more than the fixed attributes, so the port is no amplifier.
 * Owner: RtcWorker. Thread: media. No allocation.
 */
#pragma once

#include "rtc/path.h"

#define RTC_ICE_MAX_UFRAG_CHARS 256
#define RTC_ICE_MAX_REPLY_BYTES 1024

typedef struct {
  char *local_ufrag, *local_pwd, *remote_ufrag, *remote_pwd; /* owned */
  gpointer owner; /* borrowed: the transport */
} RtcIceCredentials;

typedef enum {
  RTC_ICE_OK,
  RTC_ICE_MALFORMED,
  RTC_ICE_NOT_REQUEST, /* response, indication, other method */
  RTC_ICE_NO_CREDENTIALS,
  RTC_ICE_UNKNOWN_UFRAG,
  RTC_ICE_REMOTE_UFRAG, /* ours known, theirs is another's */
  RTC_ICE_BAD_INTEGRITY,
  RTC_ICE_UNKNOWN_ATTRIBUTE,
  RTC_ICE_ROLE_CONFLICT,
} RtcIceResult;

/* Returns: (transfer none) (nullable): who has this local ufrag */
typedef const RtcIceCredentials *(*RtcIceLookupFunc) (const char *ufrag,
                                                      gpointer data);

typedef struct {
  const RtcIceCredentials *credentials; /* set whenever the ufrag was known */
  gboolean use_candidate;
  guint8 reply[RTC_ICE_MAX_REPLY_BYTES];
  gsize reply_len; /* 0: say nothing; else an answer or an error */
} RtcIceCheck;

typedef struct _RtcIce RtcIce;
RtcIce *rtc_ice_new (RtcIceLookupFunc lookup, gpointer data);
void rtc_ice_free (RtcIce *self);
RtcIceResult rtc_ice_receive (RtcIce *self, const guint8 *data, gsize len,
                              const RtcAddr *from, RtcIceCheck *ret);
void rtc_ice_credentials_clear (RtcIceCredentials *self);
