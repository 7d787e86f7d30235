/* SPDX-License-Identifier: Apache-2.0 */
/* RelayHistory: see history.h. */
#include "relay/history.h"

#include <string.h>

#define MIN_CAPACITY 256
/* a keyframe's first packet that was repaired is looked for so far back */
#define MAX_FRAME_PACKETS 2048

typedef struct
{
  RelayChunk *chunk; /* one reference */
  guint64 end;       /* position after the last record inside it */
} HeldChunk;

struct _RelayHistory
{
  RelayPacket *log;                  /* owned, capacity is a power of two */
  guint64 *slots[RTC_MEDIA_N_KINDS]; /* owned: ext_seq & mask -> position */
  guint capacity;
  guint64 tail, head;
  gsize n_bytes;
  guint64 gop_start;
  /* first position of the video frame that is arriving */
  guint64 frame_start;
  guint32 frame_ts;
  gboolean has_frame;
  GQueue chunks; /* of HeldChunk, oldest first */
};

static void
history_alloc (RelayHistory *self, guint capacity)
{
  self->capacity = capacity;
  self->log = g_new (RelayPacket, capacity);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      self->slots[k] = g_new (guint64, capacity);
      memset (self->slots[k], 0xff, capacity * sizeof (guint64));
    }
}

RelayHistory *
relay_history_new (void)
{
  RelayHistory *self = g_new0 (RelayHistory, 1);

  history_alloc (self, MIN_CAPACITY);
  self->gop_start = RELAY_POS_NONE;
  g_queue_init (&self->chunks);
  return self;
}

void
relay_history_free (RelayHistory *self)
{
  relay_history_clear (self);
  g_free (self->log);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    g_free (self->slots[k]);
  g_free (self);
}

static void
history_grow (RelayHistory *self)
{
  RelayPacket *old = self->log;
  guint old_mask = self->capacity - 1;

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    g_free (self->slots[k]);
  history_alloc (self, self->capacity * 2);
  for (guint64 pos = self->tail; pos < self->head; pos++)
    {
      RelayPacket *packet = &self->log[pos & (self->capacity - 1)];

      *packet = old[pos & old_mask];
      self->slots[packet->kind][packet->ext_seq & (self->capacity - 1)] = pos;
    }
  g_free (old);
}

static void
history_hold_chunk (RelayHistory *self, RelayChunk *chunk)
{
  HeldChunk *last = g_queue_peek_tail (&self->chunks);

  if (last == NULL || last->chunk != chunk)
    {
      last = g_new (HeldChunk, 1);
      last->chunk = relay_chunk_ref (chunk);
      g_queue_push_tail (&self->chunks, last);
    }
  last->end = self->head;
}

static void
history_drop_tail (RelayHistory *self)
{
  const RelayPacket *packet = relay_history_at (self, self->tail);
  HeldChunk *first = g_queue_peek_head (&self->chunks);

  self->n_bytes -= packet->payload_len + packet->ext_len;
  self->tail++;
  if (self->gop_start < self->tail)
    self->gop_start = RELAY_POS_NONE;
  if (first != NULL && first->end <= self->tail)
    {
      g_queue_pop_head (&self->chunks);
      relay_chunk_unref (first->chunk);
      g_free (first);
    }
}

void
relay_history_trim (RelayHistory *self, gint64 now_us)
{
  while (self->tail < self->head
         && (self->n_bytes > RELAY_HISTORY_MAX_BYTES
             || self->head - self->tail > RELAY_HISTORY_MAX_PACKETS
             || relay_history_at (self, self->tail)->recv_us
                    < now_us - RELAY_HISTORY_MAX_US))
    history_drop_tail (self);
}

void
relay_history_clear (RelayHistory *self)
{
  while (self->tail < self->head)
    history_drop_tail (self);
  self->has_frame = FALSE;
}

/* Where the frame of @rtp_ts begins in the log: reordering may have put later
 * packets of it before its first one. */
static guint64
history_find_frame (const RelayHistory *self, guint32 rtp_ts)
{
  guint64 floor = self->head - self->tail > MAX_FRAME_PACKETS
                      ? self->head - MAX_FRAME_PACKETS
                      : self->tail;
  guint64 found = self->head - 1;

  for (guint64 pos = self->head; pos > floor; pos--)
    {
      const RelayPacket *packet = relay_history_at (self, pos - 1);

      if (packet->kind == RTC_MEDIA_VIDEO && packet->rtp_ts == rtp_ts)
        found = pos - 1;
    }
  return found;
}

static void
history_note_frame (RelayHistory *self, const RelayPacket *packet)
{
  guint64 start;

  if (!self->has_frame || (gint32)(packet->rtp_ts - self->frame_ts) > 0)
    {
      self->has_frame = TRUE;
      self->frame_ts = packet->rtp_ts;
      self->frame_start = self->head - 1;
    }
  if (!(packet->flags & RELAY_PACKET_KEYFRAME))
    return;
  start = packet->rtp_ts == self->frame_ts
              ? MAX (self->frame_start, self->tail)
              : history_find_frame (self, packet->rtp_ts);
  /* a late packet of an older keyframe does not move the start back */
  if (self->gop_start == RELAY_POS_NONE || start > self->gop_start)
    self->gop_start = start;
}

gboolean
relay_history_append (RelayHistory *self, const RelayPacket *packet)
{
  if (relay_history_find (self, packet->kind, packet->ext_seq) != NULL)
    return FALSE;
  if (self->head - self->tail == self->capacity)
    history_grow (self);
  self->log[self->head & (self->capacity - 1)] = *packet;
  self->slots[packet->kind][packet->ext_seq & (self->capacity - 1)] =
      self->head;
  self->head++;
  self->n_bytes += packet->payload_len + packet->ext_len;
  history_hold_chunk (self, packet->chunk);
  if (packet->kind == RTC_MEDIA_VIDEO)
    history_note_frame (self, packet);
  return TRUE;
}

guint64
relay_history_get_tail (const RelayHistory *self)
{
  return self->tail;
}

guint64
relay_history_get_head (const RelayHistory *self)
{
  return self->head;
}

guint64
relay_history_get_gop_start (const RelayHistory *self)
{
  return self->gop_start;
}

gsize
relay_history_get_bytes (const RelayHistory *self)
{
  return self->n_bytes;
}

const RelayPacket *
relay_history_at (const RelayHistory *self, guint64 pos)
{
  return &self->log[pos & (self->capacity - 1)];
}

const RelayPacket *
relay_history_find (const RelayHistory *self, RtcMediaKind kind,
                    guint64 ext_seq)
{
  guint64 pos = self->slots[kind][ext_seq & (self->capacity - 1)];
  const RelayPacket *packet;

  if (pos < self->tail || pos >= self->head)
    return NULL;
  packet = relay_history_at (self, pos);
  if (packet->kind != kind || packet->ext_seq != ext_seq)
    return NULL;
  return packet;
}
