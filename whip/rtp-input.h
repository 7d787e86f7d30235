/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WhipRtpInput: a stream fed by plain RTP on UDP ports (an encoder's rtp://
 * output, a Janus-like rtp mountpoint). Each track has a port and a payload
 * type; two tracks may share a port; a port may be a multicast group's. RTCP
 * is taken on a port of its own or multiplexed: sender reports set the stream's
 * clock, all else is ignored, and nothing is ever sent back: the sender's own
 * keyframe interval decides how soon a viewer sees a picture.
 *   With SRTP (a key agreed beforehand, as SDES has it) what is not authentic
 * or comes twice is dropped and counted. A sender that starts anew with the
 * same key needs another SSRC (RFC 3711 9.1). 32 SSRCs a track are known; one
 * more is taken when the last one is silent, and the others are forgotten.
 *   How streams live, idle and get lost to others: whip/feeder.h.
 * Owner:  its maker; inside ref-counted: media. Thread: main, but where said.
 */
#pragma once

#include "base/mailbox.h"
#include "rtc/srtp.h"
#include "rtc/udp-place.h"
#include "whip/feeder.h"

typedef struct
{
  RelayTrackInfo info; /* is_present: FALSE = no such track */
  guint8 pt;           /* or WHIP_FEEDER_ANY_PT */
  RtcUdpPlace place;   /* port 0 = any free one */
  gboolean has_rtcp;   /* a port of its own for RTCP, at the same address */
  guint rtcp_port;     /* 0 = any free one */
} WhipRtpTrack;

typedef struct
{
  char *name; /* of the stream */
  WhipRtpTrack tracks[RTC_MEDIA_N_KINDS];
  RtcSrtpProfile srtp; /* RTC_SRTP_NONE: in the clear */
  RtcSrtpKey key;
  guint8 capture_time_id; /* see WhipFeederConfig */
  gint64 collision_us;
  /* (nullable): mail to main once all its ports are closed, which is some time
   * after free; also where new fails. @closed_discard: see BaseMailbox */
  BaseMailFunc closed;
  gpointer closed_data;
  GDestroyNotify closed_discard;
} WhipRtpConfig;

typedef struct _WhipRtpInput WhipRtpInput;

/* whip_rtp_config_set_srtp: any.
 * @suite: 32 or 80: AES_CM_128_HMAC_SHA1_32, _80; RTCP's tag has 80 bits in
 *   both (RFC 4568 6.2)
 * @crypto: base64 of 16 bytes key and 14 bytes salt (RFC 4568)
 * Returns: %FALSE: one of them is wrong; nothing is changed */
gboolean whip_rtp_config_set_srtp (WhipRtpConfig *self, int suite,
                                   const char *crypto);

/* whip_rtp_input_new: @config: copied; at least one track
 * Returns: (transfer full) (nullable): NULL with RTC_WORKER_ERROR_BIND or
 * RELAY_ERROR. @hub outlives it */
WhipRtpInput *whip_rtp_input_new (RelayHub *hub, const WhipRtpConfig *config,
                                  GError **error);
/* whip_rtp_input_free: before the workers end: the stream is left, the ports
 * are closed, soon (closed). Not from within a hub's listener. */
void whip_rtp_input_free (WhipRtpInput *self);

guint whip_rtp_input_get_port (WhipRtpInput *self, RtcMediaKind kind);
/* 0 = none of its own */
guint whip_rtp_input_get_rtcp_port (WhipRtpInput *self, RtcMediaKind kind);
/* (transfer none): enable and disable, age, statistics */
WhipFeeder *whip_rtp_input_get_feeder (WhipRtpInput *self);
/* (transfer full): JSON object for /debug/state */
JsonNode *whip_rtp_input_describe (WhipRtpInput *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (WhipRtpInput, whip_rtp_input_free)
