/* SPDX-License-Identifier: Apache-2.0 */
/* peer-track: see peer-track.h */
#include "tests/peer/peer-track.h"

#include <string.h>

#include "tests/peer/es-file.h"

#define NACK_INTERVAL_US (30 * 1000)
#define NACK_MAX_TIMES 12
#define FRAME_TICKS_UNKNOWN 0

typedef struct
{
  gint64 at_us;    /* arrival; of a hole: when it was noticed */
  gint64 asked_us; /* last NACK */
  guint32 rtp_ts;
  guint8 n_asked;
  gboolean is_here : 1, marker : 1;
} PeerTrackRecord;

void
peer_track_init (PeerTrack *self, const char *codec)
{
  *self = (PeerTrack){ 0 };
  g_strlcpy (self->codec, codec, sizeof self->codec);
  self->records = g_array_new (FALSE, TRUE, sizeof (PeerTrackRecord));
}

void
peer_track_clear (PeerTrack *self)
{
  g_clear_pointer (&self->records, g_array_unref);
}

static guint64
extend (const PeerTrack *self, guint16 seq)
{
  return self->last_ext + (gint16)(seq - (guint16)self->last_ext);
}

/* The records up to @ext exist after this. Returns: (nullable) */
static PeerTrackRecord *
record_at (PeerTrack *self, guint64 ext, gint64 now_us)
{
  guint64 index = ext - self->first_ext;
  if (index >= PEER_TRACK_MAX_PACKETS)
    return NULL;
  while (self->records->len <= index)
    {
      PeerTrackRecord hole = { .at_us = now_us };
      g_array_append_val (self->records, hole);
    }
  return &g_array_index (self->records, PeerTrackRecord, index);
}

static void
begin (PeerTrack *self, const PeerRtp *packet, guint16 seq, gint64 now_us)
{
  self->is_begun = TRUE;
  self->ssrc = packet->ssrc;
  self->first_ext = self->last_ext = 65536 + seq;
  self->first_ts = self->last_ts = packet->rtp_ts;
  self->first_us = self->last_us = now_us;
}

/* A packet that is newer than all before it */
static void
advance (PeerTrack *self, const PeerRtp *packet, guint64 ext)
{
  gint32 ticks = (gint32)(packet->rtp_ts - self->last_ts);
  if (ticks < 0)
    self->n_ts_backwards++;
  if ((ticks != 0 || ext == self->first_ext)
      && es_is_keyframe_start (self->codec, packet->payload,
                               packet->payload_len))
    self->n_keyframes++;
  self->last_ext = ext;
  self->last_ts = packet->rtp_ts;
}

void
peer_track_add (PeerTrack *self, const PeerRtp *packet, guint16 seq,
                gboolean is_repair, gint64 now_us)
{
  if (!self->is_begun)
    begin (self, packet, seq, now_us);
  guint64 ext = extend (self, seq);
  if (!is_repair && packet->ssrc != self->ssrc)
    {
      self->n_ssrc_changes++;
      self->ssrc = packet->ssrc;
    }
  if (ext < self->first_ext)
    {
      self->n_before_first++;
      return;
    }
  PeerTrackRecord *record = record_at (self, ext, now_us);
  if (record != NULL && record->is_here)
    {
      self->n_doubled++;
      return;
    }
  if (record != NULL)
    {
      record->is_here = TRUE;
      record->marker = packet->marker;
      record->rtp_ts = packet->rtp_ts;
      record->at_us = now_us;
    }
  if (packet->rtp_ts == self->first_ts)
    {
      self->first_crc =
          es_crc32 (self->first_crc, packet->payload, packet->payload_len);
      self->is_first_key |= es_is_keyframe_start (self->codec, packet->payload,
                                                  packet->payload_len);
    }
  self->n_packets++;
  self->n_bytes += packet->payload_len;
  self->n_repaired += is_repair;
  if (ext < self->last_ext)
    self->n_late++;
  else
    advance (self, packet, ext);
  self->max_silence_us = MAX (self->max_silence_us, now_us - self->last_us);
  self->last_us = now_us;
}

guint
peer_track_take_missing (PeerTrack *self, gint64 now_us, guint16 *seqs,
                         guint max_seqs)
{
  guint n = 0;
  guint from = self->records->len > 512 ? self->records->len - 512 : 0;
  for (guint i = from; i < self->records->len && n < max_seqs; i++)
    {
      PeerTrackRecord *record =
          &g_array_index (self->records, PeerTrackRecord, i);
      if (record->is_here || record->n_asked >= NACK_MAX_TIMES
          || now_us - record->asked_us < NACK_INTERVAL_US)
        continue;
      record->n_asked++;
      record->asked_us = now_us;
      seqs[n++] = (guint16)(self->first_ext + i);
    }
  return n;
}

/* The commonest distance of two frames, from the first ones received */
static guint32
guess_frame_ticks (const PeerTrack *self)
{
  guint32 ticks = FRAME_TICKS_UNKNOWN;
  for (guint i = 1; i < self->records->len; i++)
    {
      const PeerTrackRecord *a =
          &g_array_index (self->records, PeerTrackRecord, i - 1);
      const PeerTrackRecord *b = a + 1;
      gint32 distance = (gint32)(b->rtp_ts - a->rtp_ts);
      if (a->is_here && b->is_here && distance > 0
          && (ticks == FRAME_TICKS_UNKNOWN || (guint32)distance < ticks)
          && distance > 500)
        ticks = (guint32)distance;
    }
  return ticks;
}

/* Frames that the hole between @a and @b cost (@b is the next one here) */
static guint64
frames_lost_between (const PeerTrackRecord *a, const PeerTrackRecord *b,
                     guint32 frame_ticks)
{
  gint32 distance = (gint32)(b->rtp_ts - a->rtp_ts);
  guint64 n_between = 0;
  if (distance <= 0 || frame_ticks == FRAME_TICKS_UNKNOWN)
    return 1;
  n_between = (distance + frame_ticks / 2) / frame_ticks - 1;
  /* a whole frame before the hole: what is missing is later */
  return MAX (1, n_between + (a->marker ? 0 : 1));
}

void
peer_track_get_loss (const PeerTrack *self, gint64 now_us, gint64 settle_us,
                     PeerTrackLoss *ret)
{
  const PeerTrackRecord *last_here = NULL;
  guint32 frame_ticks = guess_frame_ticks (self);
  gboolean in_hole = FALSE;

  *ret = (PeerTrackLoss){ 0 };
  for (guint i = 0; i < self->records->len; i++)
    {
      const PeerTrackRecord *record =
          &g_array_index (self->records, PeerTrackRecord, i);
      if (now_us - record->at_us < settle_us)
        continue;
      if (!record->is_here)
        {
          ret->n_missing++;
          in_hole = TRUE;
          continue;
        }
      if (last_here == NULL || record->rtp_ts != last_here->rtp_ts)
        ret->n_frames++;
      if (in_hole && last_here != NULL)
        ret->n_frames_lost +=
            frames_lost_between (last_here, record, frame_ticks);
      in_hole = FALSE;
      last_here = record;
    }
}
