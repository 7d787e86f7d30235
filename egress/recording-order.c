/* SPDX-License-Identifier: Apache-2.0 */
/* EgressRecordingOrder: see recording-order.h. */
#include "egress/recording-order.h"

#include <string.h>

struct _EgressRecordingOrder
{
  RtcMediaKind kind;
  GQueue waiting;   /* of EgressRecordingPacket (owned), by number */
  guint64 next;     /* number; 0 = none taken yet */
  gint64 newest_us; /* when the latest came */
  gboolean is_shut; /* video: until a keyframe begins */
  guint64 n_lost;
  gsize n_bytes; /* of those that wait */
};

EgressRecordingPacket *
egress_recording_packet_new (const RelayPacket *packet)
{
  EgressRecordingPacket *self = g_malloc (sizeof *self + packet->payload_len);

  self->ext_seq = packet->ext_seq;
  self->recv_us = packet->recv_us;
  self->rtp_ts = packet->rtp_ts;
  self->len = packet->payload_len;
  self->kind = packet->kind;
  self->flags = packet->flags;
  if (packet->payload_len > 0)
    memcpy (self->payload, packet->payload, packet->payload_len);
  return self;
}

EgressRecordingOrder *
egress_recording_order_new (RtcMediaKind kind)
{
  EgressRecordingOrder *self = g_new0 (EgressRecordingOrder, 1);

  self->kind = kind;
  self->is_shut = kind == RTC_MEDIA_VIDEO;
  g_queue_init (&self->waiting);
  return self;
}

void
egress_recording_order_free (EgressRecordingOrder *self)
{
  g_queue_clear_full (&self->waiting, g_free);
  g_free (self);
}

void
egress_recording_order_push (EgressRecordingOrder *self,
                             EgressRecordingPacket *packet)
{
  GList *at = self->waiting.tail;

  while (at && ((EgressRecordingPacket *)at->data)->ext_seq > packet->ext_seq)
    at = at->prev;
  if (packet->ext_seq < self->next
      || (at
          && ((EgressRecordingPacket *)at->data)->ext_seq == packet->ext_seq))
    {
      g_free (packet);
      return;
    }
  self->n_bytes += egress_recording_packet_get_bytes (packet);
  self->newest_us = MAX (self->newest_us, packet->recv_us);
  if (at)
    g_queue_insert_after (&self->waiting, at, packet);
  else
    g_queue_push_head (&self->waiting, packet);
}

/* is_passed_over: it is the head's turn; is it not for the file? */
static gboolean
is_passed_over (EgressRecordingOrder *self, const EgressRecordingPacket *head)
{
  if (self->next && head->ext_seq > self->next)
    {
      self->n_lost += head->ext_seq - self->next;
      self->is_shut = self->kind == RTC_MEDIA_VIDEO;
    }
  self->next = head->ext_seq;
  if (head->flags & (RELAY_PACKET_KEYFRAME | RELAY_PACKET_PARAMS))
    self->is_shut = FALSE;
  return self->is_shut || head->len == 0;
}

EgressRecordingPacket *
egress_recording_order_take (EgressRecordingOrder *self)
{
  EgressRecordingPacket *head = g_queue_pop_head (&self->waiting);

  if (!head)
    return NULL;
  self->next = head->ext_seq + 1;
  self->n_bytes -= egress_recording_packet_get_bytes (head);
  return head;
}

const EgressRecordingPacket *
egress_recording_order_peek (EgressRecordingOrder *self, gboolean is_last)
{
  EgressRecordingPacket *head;

  while ((head = g_queue_peek_head (&self->waiting)))
    {
      if (!is_last && self->next && head->ext_seq != self->next
          && self->newest_us - head->recv_us < EGRESS_RECORDING_REPAIR_US)
        return NULL;
      if (!is_passed_over (self, head))
        return head;
      g_free (egress_recording_order_take (self));
    }
  return NULL;
}

gsize
egress_recording_order_get_bytes (const EgressRecordingOrder *self)
{
  return self->n_bytes;
}

gint64
egress_recording_order_get_newest_us (const EgressRecordingOrder *self)
{
  return self->newest_us;
}

guint64
egress_recording_order_get_n_lost (const EgressRecordingOrder *self)
{
  return self->n_lost;
}
