/* SPDX-License-Identifier: Apache-2.0 */
/* WhipMediaQueue: see media-queue.h. */
#include "whip/media-queue.h"

#include <string.h>

typedef struct
{
  RtcMediaKind kind;
  guint64 ntp; /* 0 = none */
  guint16 len; /* bytes */
  guint8 data[];
} Packet;

struct _WhipMediaQueue
{
  gatomicrefcount ref;

  /* The worker takes this one: nobody does anything slow while he has it. */
  GMutex ring_lock;
  Packet **ring; /* owned: WHIP_MEDIA_QUEUE_PACKETS places */
  guint n_packets;
  guint64 n_dropped, n_pushed;
  gboolean is_due; /* a mail is on its way, or waits for a feeder */

  /* Between main and GStreamer's threads: posting and closing. */
  GMutex door_lock;
  WhipFeeder *feeder; /* one reference, nullable */
  gboolean is_closed;

  Packet **spare; /* home: what the ring is exchanged for */
};

WhipMediaQueue *
whip_media_queue_new (void)
{
  WhipMediaQueue *self = g_new0 (WhipMediaQueue, 1);

  g_atomic_ref_count_init (&self->ref);
  g_mutex_init (&self->ring_lock);
  g_mutex_init (&self->door_lock);
  self->ring = g_new (Packet *, WHIP_MEDIA_QUEUE_PACKETS);
  self->spare = g_new (Packet *, WHIP_MEDIA_QUEUE_PACKETS);
  return self;
}

WhipMediaQueue *
whip_media_queue_ref (WhipMediaQueue *self)
{
  g_atomic_ref_count_inc (&self->ref);
  return self;
}

void
whip_media_queue_unref (WhipMediaQueue *self)
{
  if (!g_atomic_ref_count_dec (&self->ref))
    return;
  for (guint i = 0; i < self->n_packets; i++)
    g_free (self->ring[i]);
  g_free (self->ring);
  g_free (self->spare);
  g_clear_pointer (&self->feeder, whip_feeder_unref);
  g_mutex_clear (&self->ring_lock);
  g_mutex_clear (&self->door_lock);
  g_free (self);
}

typedef struct
{
  WhipMediaQueue *queue; /* one reference */
  WhipFeeder *feeder;    /* one reference */
} Drain;

static void
drain_free (gpointer data)
{
  Drain *mail = data;

  whip_media_queue_unref (mail->queue);
  whip_feeder_unref (mail->feeder);
  g_free (mail);
}

/* home */
static void
drain (gpointer data)
{
  Drain *mail = data;
  WhipMediaQueue *self = mail->queue;
  gint64 now_us = rtc_worker_get_turn_us (whip_feeder_get_home (mail->feeder));
  Packet **packets;
  guint n_packets;
  guint64 n_dropped;

  g_mutex_lock (&self->ring_lock);
  packets = self->ring;
  self->ring = self->spare;
  n_packets = self->n_packets;
  n_dropped = self->n_dropped;
  self->n_packets = 0;
  self->n_dropped = 0;
  self->is_due = FALSE;
  g_mutex_unlock (&self->ring_lock);
  self->spare = packets;

  if (n_dropped)
    whip_feeder_count_drop (mail->feeder, WHIP_FEED_DROP_QUEUE, n_dropped);
  for (guint i = 0; i < n_packets; i++)
    {
      Packet *packet = packets[i];

      whip_feeder_take (mail->feeder, 1u << packet->kind, packet->data,
                        packet->len, now_us);
      if (packet->ntp)
        {
          guint32 rtp_ts;

          memcpy (&rtp_ts, packet->data + 4, sizeof rtp_ts);
          whip_feeder_set_clock (mail->feeder, packet->kind, packet->ntp,
                                 g_ntohl (rtp_ts), now_us);
        }
      g_free (packet);
    }
  drain_free (mail);
}

/* with the door's lock */
static void
post (WhipMediaQueue *self)
{
  Drain *mail = g_new (Drain, 1);

  mail->queue = whip_media_queue_ref (self);
  mail->feeder = whip_feeder_ref (self->feeder);
  rtc_worker_post (whip_feeder_get_home (self->feeder), drain, mail,
                   drain_free);
}

void
whip_media_queue_push (WhipMediaQueue *self, RtcMediaKind kind,
                       const guint8 *data, gsize len, guint64 ntp)
{
  gboolean must_post = FALSE;
  Packet *packet = NULL;

  if (len >= 12 && len <= RTC_MAX_PACKET_BYTES)
    {
      packet = g_malloc (sizeof *packet + len);
      packet->kind = kind;
      packet->ntp = ntp;
      packet->len = (guint16)len;
      memcpy (packet->data, data, len);
    }
  g_mutex_lock (&self->ring_lock);
  self->n_pushed++;
  if (packet && self->n_packets < WHIP_MEDIA_QUEUE_PACKETS)
    {
      self->ring[self->n_packets++] = g_steal_pointer (&packet);
      must_post = !self->is_due;
      self->is_due = TRUE;
    }
  else
    self->n_dropped++;
  g_mutex_unlock (&self->ring_lock);
  g_free (packet);
  if (!must_post)
    return;
  g_mutex_lock (&self->door_lock);
  if (self->feeder && !self->is_closed)
    post (self);
  g_mutex_unlock (&self->door_lock);
}

void
whip_media_queue_set_feeder (WhipMediaQueue *self, WhipFeeder *feeder)
{
  gboolean is_due;

  g_mutex_lock (&self->door_lock);
  g_clear_pointer (&self->feeder, whip_feeder_unref);
  self->feeder = feeder ? whip_feeder_ref (feeder) : NULL;
  g_mutex_lock (&self->ring_lock);
  is_due = self->is_due;
  g_mutex_unlock (&self->ring_lock);
  /* maybe one mail more than needed: it finds nothing */
  if (is_due && self->feeder && !self->is_closed)
    post (self);
  g_mutex_unlock (&self->door_lock);
}

void
whip_media_queue_close (WhipMediaQueue *self)
{
  g_mutex_lock (&self->door_lock);
  self->is_closed = TRUE;
  g_clear_pointer (&self->feeder, whip_feeder_unref);
  g_mutex_unlock (&self->door_lock);
}

guint64
whip_media_queue_get_n_pushed (WhipMediaQueue *self)
{
  guint64 n;

  g_mutex_lock (&self->ring_lock);
  n = self->n_pushed;
  g_mutex_unlock (&self->ring_lock);
  return n;
}

gboolean
whip_media_queue_has_receivers (WhipMediaQueue *self)
{
  gboolean has;

  g_mutex_lock (&self->door_lock);
  has = self->feeder && whip_feeder_get_n_receivers (self->feeder) > 0;
  g_mutex_unlock (&self->door_lock);
  return has;
}
