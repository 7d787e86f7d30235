/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressRecordingOrder: one track's packets in the order of their numbers, for
 * who writes them down. What is missing is waited for as long as a repair may
 * come (1.2 s of the packets' own time of arrival); then it is a hole. Video
 * goes on with the next keyframe after a hole, and begins with one: a file has
 * whole pictures only.
 * Owner:  EgressRecording's thread. Thread: any, one at a time; pure.
 */
#pragma once

#include "relay/packet.h"

#define EGRESS_RECORDING_REPAIR_US (12 * G_USEC_PER_SEC / 10)

/* a packet of its own */
typedef struct
{
  guint64 ext_seq;
  gint64 recv_us;
  guint32 rtp_ts;
  guint16 len;  /* of the payload, bytes */
  guint8 kind;  /* RtcMediaKind */
  guint8 flags; /* RelayPacketFlags */
  guint8 payload[];
} EgressRecordingPacket;

/* (transfer full): g_free() */
EgressRecordingPacket *egress_recording_packet_new (const RelayPacket *packet);

static inline gsize
egress_recording_packet_get_bytes (const EgressRecordingPacket *self)
{
  return sizeof *self + self->len;
}

typedef struct _EgressRecordingOrder EgressRecordingOrder;

EgressRecordingOrder *egress_recording_order_new (RtcMediaKind kind);
void egress_recording_order_free (EgressRecordingOrder *self);
/* @packet: (transfer full): one that comes twice or too late is dropped */
void egress_recording_order_push (EgressRecordingOrder *self,
                                  EgressRecordingPacket *packet);
/* egress_recording_order_peek: @is_last: nothing more will come
 * Returns: (transfer none) (nullable): what is next; NULL: wait */
const EgressRecordingPacket *
egress_recording_order_peek (EgressRecordingOrder *self, gboolean is_last);
/* (transfer full): what peek() said */
EgressRecordingPacket *egress_recording_order_take (EgressRecordingOrder *self);
/* what waits here; when the latest came; 0 = nothing yet */
gsize egress_recording_order_get_bytes (const EgressRecordingOrder *self);
gint64 egress_recording_order_get_newest_us (const EgressRecordingOrder *self);
/* packets that never came */
guint64 egress_recording_order_get_n_lost (const EgressRecordingOrder *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressRecordingOrder,
                               egress_recording_order_free)
