/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WhipRtpInput: a stream fed by plain RTP on UDP ports (an encoder's rtp://
 * output, a Janus-like rtp mountpoint). Each track has a port and a payload
 * type; two tracks may share a port. RTCP is taken on a port of its own or
 * multiplexed: sender reports set the stream's clock, all else is ignored, and
 * nothing is ever sent back: the sender's own keyframe interval decides how
 * soon a viewer sees a picture.
 *   The stream is live with the first packet, idle after 5 s without any, and
 * live again with the next; it is never removed. Another publisher of the same
 * stream takes it over; the ports have it again when he has gone.
 *   A track's source is its SSRC. Another SSRC takes its place (continued
 * numbers, a keyframe awaited) when the first was silent for 100 ms; until
 * then its packets are dropped and counted.
 * Owner:  its maker; inside ref-counted: media, publications.
 * Thread: main, but where said.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "relay/hub.h"
#include "rtc/path.h"

#define WHIP_RTP_INPUT_IDLE_US (5 * G_USEC_PER_SEC)
#define WHIP_RTP_INPUT_SOURCE_US (G_USEC_PER_SEC / 10)

typedef struct {
  RelayTrackInfo info; /* is_present: FALSE = no such track */
  guint8 pt;
  RtcAddr address;     /* with its port; 0 = any free one (tests) */
  guint rtcp_port;     /* 0 = multiplexed only */
} WhipRtpTrack;

typedef struct {
  char *name; /* of the stream */
  WhipRtpTrack tracks[RTC_MEDIA_N_KINDS];
} WhipRtpConfig;

typedef enum {
  WHIP_RTP_DROP_MALFORMED,
  WHIP_RTP_DROP_PAYLOAD_TYPE,
  WHIP_RTP_DROP_OTHER_SOURCE,
  WHIP_RTP_DROP_DUPLICATE,
  WHIP_RTP_DROP_REPLACED, /* another publisher has the stream */
  WHIP_RTP_N_DROPS
} WhipRtpDrop;

typedef struct {
  guint64 n_packets[RTC_MEDIA_N_KINDS], n_bytes[RTC_MEDIA_N_KINDS];
  guint64 n_lost[RTC_MEDIA_N_KINDS];
  guint64 n_sources[RTC_MEDIA_N_KINDS]; /* SSRCs taken */
  guint64 n_sender_reports;
  guint64 n_dropped[WHIP_RTP_N_DROPS];
} WhipRtpInputStats;

typedef struct _WhipRtpInput WhipRtpInput;

/* whip_rtp_input_new: @config: copied; at least one track
 * Returns: (transfer full) (nullable): NULL with RTC_WORKER_ERROR_BIND or
 * RELAY_ERROR. @hub outlives it */
WhipRtpInput *whip_rtp_input_new (RelayHub *hub, const WhipRtpConfig *config,
                                  GError **error);
/* whip_rtp_input_free: before the workers end: the stream is left, the ports
 * are closed, soon */
void whip_rtp_input_free (WhipRtpInput *self);

guint whip_rtp_input_get_port (WhipRtpInput *self, RtcMediaKind kind);
/* any thread, until free: a relaxed copy */
void whip_rtp_input_get_stats (WhipRtpInput *self, WhipRtpInputStats *ret);
/* (transfer full): JSON object for /debug/state */
JsonNode *whip_rtp_input_describe (WhipRtpInput *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (WhipRtpInput, whip_rtp_input_free)
