/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc/rtp: reads RTP headers (RFC 3550 5.1, RFC 8285 extensions) and tells
 * RTP, RTCP, DTLS and STUN apart (RFC 7983). Pure functions on bytes from the
 * network: never read past @len, never allocate, never log.
 * Thread: any.
 */
#pragma once

#include "rtc/types.h"

typedef enum {
  RTC_DEMUX_STUN,
  RTC_DEMUX_DTLS,
  RTC_DEMUX_RTP,
  RTC_DEMUX_RTCP,
  RTC_DEMUX_UNKNOWN
} RtcDemux;

RtcDemux rtc_demux (const guint8 *data, gsize len);

typedef struct {
  guint8 pt;
  gboolean marker;
  guint16 seq;
  guint32 rtp_ts;
  guint32 ssrc;
  guint16 ext_profile;     /* 0 = no extension block */
  const guint8 *ext;       /* borrowed: the block's elements */
  guint ext_len;           /* bytes */
  const guint8 *payload;   /* borrowed: without padding */
  guint payload_len;       /* may be 0 (padding only) */
  guint header_len;        /* 12 + CSRCs + extension block */
} RtcRtp;

/* rtc_rtp_parse: %FALSE when @data is no whole RTP packet; @ret untouched */
gboolean rtc_rtp_parse (const guint8 *data, gsize len, RtcRtp *ret);

/* rtc_rtp_ext_find: element @id of a one- or two-byte block.
 * Returns: (nullable): its bytes; @ret_len may be 0 in the two-byte form */
const guint8 *rtc_rtp_ext_find (const RtcRtp *rtp, guint id, guint *ret_len);

/* rtc_rtp_ext_next: walks elements; *@offset starts at 0.
 * Returns: %FALSE at the end or at a malformed element */
gboolean rtc_rtp_ext_next (const RtcRtp *rtp, guint *offset, guint *ret_id,
                           const guint8 **ret_data, guint *ret_len);

/* rtc_seq_unwrap: extends @seq to 64 bits, nearest to @last (RFC 3550 A.1) */
guint64 rtc_seq_unwrap (guint64 last, guint16 seq);
gint64 rtc_ts_unwrap (gint64 last, guint32 rtp_ts);
