/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayPacket: one RTP packet of a stream as it lies in the history: the
 * stream's own sequence number and timestamp (not the publisher's), known
 * header extensions in the fixed table's ids, payload in a shared chunk.
 * Records are copied freely; bytes never.
 */
#pragma once

#include "rtc/types.h"

typedef struct _RelayChunk RelayChunk;

typedef enum {
  RELAY_PACKET_MARKER = 1 << 0,
  RELAY_PACKET_KEYFRAME = 1 << 1, /* video: a keyframe begins in it */
  RELAY_PACKET_PARAMS = 1 << 2,   /* video: parameter sets */
  RELAY_PACKET_LATE = 1 << 3,     /* repaired or reordered: below the head */
} RelayPacketFlags;

typedef struct {
  guint64 ext_seq; /* of this track, grows over publications */
  gint64 recv_us;
  RelayChunk *chunk;     /* borrowed from the feed that holds the record */
  const guint8 *payload; /* inside chunk */
  guint32 rtp_ts;
  guint16 payload_len; /* bytes; 0 = padding only, fills a sequence number */
  guint8 kind;         /* RtcMediaKind */
  guint8 flags;        /* RelayPacketFlags */
  guint8 ext_len;      /* bytes of extension elements before payload:
                          [table id][len][data] each; 0 = none */
  guint8 publication;  /* which of the stream's, modulo 256 */
} RelayPacket;

static inline const guint8 *
relay_packet_get_ext (const RelayPacket *packet)
{
  return packet->payload - packet->ext_len;
}
