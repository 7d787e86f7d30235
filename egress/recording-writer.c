/* SPDX-License-Identifier: Apache-2.0 */
/* EgressRecordingWriter: see recording-writer.h. */
#include "egress/recording-writer.h"

#include "egress/log.h"
#include "rtc/rtcp.h"
#include "rtc/rtp.h"

#define INFO_US (2 * G_USEC_PER_SEC) /* waited for the other stream's */
#define PICTURE_US                                                             \
  (5 * G_USEC_PER_SEC)                  /* sound waits for the first picture   \
                                         */
#define SILENCE_US (2 * G_USEC_PER_SEC) /* sound may be so far behind */
#define STEP_US 50000

typedef struct
{
  EgressRecordingOrder *order; /* owned, nullable: not wanted */
  RtcCodec codec;
  gboolean is_anchored;
  gint64 last_ts, anchor_ts; /* unwrapped RTP time */
  gint64 anchor_us;          /* on the timeline of all tracks */
  gint64 end_us;             /* since the file's begin: last packet */
  guint64 n_lost;
} Track;

struct _EgressRecordingWriter
{
  int fd;
  EgressRecordingFile *file; /* owned, nullable: not begun */
  Track tracks[RTC_MEDIA_N_KINDS];
  EgressRecordingClock clocks[RTC_MEDIA_N_KINDS];
  gboolean has_info[RTC_MEDIA_N_KINDS];
  GBytes *params;  /* one reference, nullable */
  gint64 first_us; /* when the first packet came; 0 = none yet */
  gboolean has_started;
  gint64 start_us;    /* the file's begin on the timeline */
  gint64 duration_us; /* atomic */
};

EgressRecordingWriter *
egress_recording_writer_new (int fd)
{
  EgressRecordingWriter *self = g_new0 (EgressRecordingWriter, 1);

  self->fd = fd;
  return self;
}

void
egress_recording_writer_free (EgressRecordingWriter *self)
{
  g_clear_pointer (&self->file, egress_recording_file_free);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    g_clear_pointer (&self->tracks[k].order, egress_recording_order_free);
  g_clear_pointer (&self->params, g_bytes_unref);
  g_free (self);
}

gsize
egress_recording_writer_get_held_bytes (EgressRecordingWriter *self)
{
  gsize n_bytes = 0;

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (self->tracks[k].order)
      n_bytes += egress_recording_order_get_bytes (self->tracks[k].order);
  return n_bytes;
}

gint64
egress_recording_writer_get_duration_us (EgressRecordingWriter *self)
{
  return __atomic_load_n (&self->duration_us, __ATOMIC_RELAXED);
}

gboolean
egress_recording_writer_is_empty (EgressRecordingWriter *self)
{
  return self->file == NULL;
}

/* --- The timeline -------------------------------------------------------- */

static gboolean
has_clocks (const EgressRecordingWriter *self)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (self->tracks[k].codec != RTC_CODEC_NONE && !self->clocks[k].is_known)
      return FALSE;
  return TRUE;
}

static gint64
ticks_to_us (const Track *track, gint64 n_ticks)
{
  gint64 hz = rtc_codec_clock_hz (track->codec);

  return n_ticks / hz * G_USEC_PER_SEC + n_ticks % hz * G_USEC_PER_SEC / hz;
}

/* anchor: where a track's first packet lies */
static void
anchor (EgressRecordingWriter *self, Track *track,
        const EgressRecordingPacket *packet)
{
  const EgressRecordingClock *clock = &self->clocks[packet->kind];

  track->last_ts = track->anchor_ts = packet->rtp_ts;
  track->anchor_us = packet->recv_us;
  if (has_clocks (self))
    track->anchor_us =
        rtc_ntp_to_wall_us (clock->ntp)
        + ticks_to_us (track, (gint32)(packet->rtp_ts - clock->rtp_ts));
  track->is_anchored = TRUE;
}

/* place: a packet's time on the timeline of all tracks */
static gint64
place (EgressRecordingWriter *self, const EgressRecordingPacket *packet)
{
  Track *track = &self->tracks[packet->kind];

  if (!track->is_anchored)
    anchor (self, track, packet);
  track->last_ts = rtc_ts_unwrap (track->last_ts, packet->rtp_ts);
  return track->anchor_us
         + ticks_to_us (track, track->last_ts - track->anchor_ts);
}

/* --- The file --------------------------------------------------------------
 */

/* begin_file: FALSE: not yet, or @error */
static gboolean
begin_file (EgressRecordingWriter *self, const EgressRecordingPacket *packet,
            gboolean is_last, GError **error)
{
  RtcCodec codecs[RTC_MEDIA_N_KINDS];
  gint64 newest_us =
      egress_recording_order_get_newest_us (self->tracks[packet->kind].order);

  if (self->file)
    return TRUE;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      if (self->tracks[k].order && !self->has_info[k] && !is_last
          && newest_us - self->first_us < INFO_US)
        return FALSE;
      codecs[k] = self->tracks[k].codec;
    }
  self->file = egress_recording_file_new (codecs, self->fd, error);
  if (self->file && self->params && codecs[RTC_MEDIA_VIDEO] == RTC_CODEC_H264)
    egress_recording_file_push (self->file, RTC_MEDIA_VIDEO, 0, FALSE,
                                g_bytes_get_data (self->params, NULL),
                                g_bytes_get_size (self->params));
  return self->file != NULL;
}

/* may_start: sound waits for the picture to begin */
static gboolean
may_start (EgressRecordingWriter *self, const EgressRecordingPacket *packet,
           gboolean is_last)
{
  gint64 newest_us =
      egress_recording_order_get_newest_us (self->tracks[packet->kind].order);

  return self->has_started || is_last || packet->kind == RTC_MEDIA_VIDEO
         || self->tracks[RTC_MEDIA_VIDEO].codec == RTC_CODEC_NONE
         || newest_us - packet->recv_us >= PICTURE_US;
}

/* fill_silence: the muxer writes no picture before it has a sound after it */
static void
fill_silence (EgressRecordingWriter *self, gint64 pts_us)
{
  static const guint8 silence[] = { 0xfc, 0xff, 0xfe }; /* 20 ms, stereo */
  Track *sound = &self->tracks[RTC_MEDIA_AUDIO];

  if (sound->codec == RTC_CODEC_NONE || pts_us - sound->end_us < SILENCE_US
      || egress_recording_order_get_bytes (sound->order) > 0)
    return;
  sound->end_us = pts_us - SILENCE_US / 2;
  egress_recording_file_push (self->file, RTC_MEDIA_AUDIO,
                              (guint64)sound->end_us * 1000, TRUE, silence,
                              sizeof silence);
}

static void
write_packet (EgressRecordingWriter *self, const EgressRecordingPacket *packet)
{
  Track *track = &self->tracks[packet->kind];
  gint64 at_us = place (self, packet), pts_us;
  guint64 n_lost = egress_recording_order_get_n_lost (track->order);

  if (!self->has_started)
    {
      self->has_started = TRUE;
      self->start_us = at_us;
    }
  pts_us = at_us - self->start_us;
  if (n_lost != track->n_lost)
    egress_recording_file_break (self->file, packet->kind);
  track->n_lost = n_lost;
  if (pts_us < 0 || (packet->kind == RTC_MEDIA_AUDIO && pts_us < track->end_us))
    return; /* before the begin, or before a silence that we made */
  if (packet->kind == RTC_MEDIA_VIDEO)
    fill_silence (self, pts_us);
  track->end_us = MAX (track->end_us, pts_us);
  egress_recording_file_push (self->file, packet->kind, (guint64)pts_us * 1000,
                              (packet->flags & RELAY_PACKET_MARKER) != 0,
                              packet->payload, packet->len);
  if (pts_us > self->duration_us)
    __atomic_store_n (&self->duration_us, pts_us, __ATOMIC_RELAXED);
}

/* write_track: what is due. FALSE with @error */
static gboolean
write_track (EgressRecordingWriter *self, Track *track, gboolean is_last,
             GError **error)
{
  const EgressRecordingPacket *packet;

  while (track->order
         && (packet = egress_recording_order_peek (track->order, is_last)))
    {
      g_autofree EgressRecordingPacket *own = NULL;
      g_autoptr (GError) local = NULL;

      if (track->codec != RTC_CODEC_NONE)
        {
          if (!begin_file (self, packet, is_last, &local))
            {
              if (!local)
                return TRUE;
              g_propagate_error (error, g_steal_pointer (&local));
              return FALSE;
            }
          if (!may_start (self, packet, is_last)
              || egress_recording_file_is_full (self->file,
                                                (RtcMediaKind)packet->kind))
            return TRUE;
        }
      own = egress_recording_order_take (track->order);
      if (track->codec != RTC_CODEC_NONE)
        write_packet (self, own);
    }
  return TRUE;
}

/* write_all: pictures first: they say where the file begins */
static gboolean
write_all (EgressRecordingWriter *self, gboolean is_last, GError **error)
{
  return write_track (self, &self->tracks[RTC_MEDIA_VIDEO], is_last, error)
         && write_track (self, &self->tracks[RTC_MEDIA_AUDIO], is_last, error)
         && (!self->file || egress_recording_file_check (self->file, error));
}

static void
learn (EgressRecordingWriter *self, const EgressRecordingNews *news)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      Track *track = &self->tracks[k];

      if (news->wants[k] && !track->order)
        track->order = egress_recording_order_new ((RtcMediaKind)k);
      if (self->file)
        continue; /* what it has been told stays */
      track->codec = news->codecs[k];
      self->has_info[k] = news->has_info[k];
      self->clocks[k] = news->clocks[k];
    }
  if (news->params && !self->params)
    self->params = g_bytes_ref (news->params);
}

gboolean
egress_recording_writer_take (EgressRecordingWriter *self,
                              EgressRecordingNews *news, GError **error)
{
  EgressRecordingPacket *packet;

  learn (self, news);
  while ((packet = g_queue_pop_head (&news->packets)))
    {
      if (!self->first_us)
        self->first_us = packet->recv_us;
      egress_recording_order_push (self->tracks[packet->kind].order, packet);
    }
  return write_all (self, FALSE, error);
}

gboolean
egress_recording_writer_end (EgressRecordingWriter *self, gint64 timeout_us,
                             GError **error)
{
  gint64 until_us = g_get_monotonic_time () + timeout_us;
  g_autoptr (GError) local = NULL;
  gboolean is_ending = FALSE;

  while (g_get_monotonic_time () < until_us)
    {
      if (!is_ending && !write_all (self, TRUE, error))
        return FALSE;
      if (!self->file)
        return TRUE;
      if (!is_ending && egress_recording_writer_get_held_bytes (self) == 0)
        {
          egress_recording_file_end (self->file);
          is_ending = TRUE;
        }
      if (egress_recording_file_has_ended (self->file, &local))
        return TRUE;
      if (local)
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
    }
  g_set_error_literal (error, EGRESS_RECORDING_ERROR,
                       EGRESS_RECORDING_ERROR_SLOW,
                       "the disk did not take the end in time");
  return FALSE;
}
