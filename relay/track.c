/* SPDX-License-Identifier: Apache-2.0 */
/* RelayTrack: see track.h. */
#include "relay/track.h"

#include "base/clock.h"
#include "rtc/rtp.h"

void
relay_track_restart (RelayTrack *self, guint32 clock_hz)
{
  self->clock_hz = clock_hz;
  self->is_started = FALSE;
}

guint64
relay_track_get_next (const RelayTrack *self)
{
  return self->highest == 0 ? RELAY_TRACK_FIRST_EXT_SEQ : self->highest + 1;
}

/* The first packet of a source is now, whatever its timestamp says. */
static void
track_start_ts (RelayTrack *self, guint32 rtp_ts, gint64 now_us)
{
  gint64 elapsed_us = MAX (now_us - self->highest_us, 0);
  gint64 elapsed = elapsed_us * self->clock_hz / BASE_US_PER_S;

  self->is_started = TRUE;
  self->ts_offset = self->highest == 0
                        ? 0
                        : self->highest_ts + (guint32)MAX (elapsed, 1) - rtp_ts;
}

static void
track_start (RelayTrack *self, guint16 seq, guint32 rtp_ts, gint64 now_us)
{
  self->source_first = (G_GUINT64_CONSTANT (1) << 32) + seq;
  self->source_highest = self->source_first;
  self->seq_offset = relay_track_get_next (self) - self->source_first;
  track_start_ts (self, rtp_ts, now_us);
}

static RelayTrackResult
track_note (RelayTrack *self, guint64 ext_seq, guint32 rtp_ts, gint64 now_us)
{
  if (ext_seq <= self->highest)
    return RELAY_TRACK_LATE;
  self->highest = ext_seq;
  self->highest_ts = rtp_ts;
  self->highest_us = now_us;
  return RELAY_TRACK_NEXT;
}

RelayTrackResult
relay_track_put (RelayTrack *self, guint64 ext_seq, guint32 rtp_ts,
                 gint64 now_us, guint32 *ret_rtp_ts)
{
  if (!self->is_started)
    track_start_ts (self, rtp_ts, now_us);
  *ret_rtp_ts = rtp_ts + self->ts_offset;
  return track_note (self, ext_seq, *ret_rtp_ts, now_us);
}

RelayTrackResult
relay_track_map (RelayTrack *self, guint16 seq, guint32 rtp_ts, gint64 now_us,
                 guint64 *ret_ext_seq, guint32 *ret_rtp_ts)
{
  guint64 source;

  if (!self->is_started)
    track_start (self, seq, rtp_ts, now_us);
  source = rtc_seq_unwrap (self->source_highest, seq);
  if (source > self->source_highest + RELAY_TRACK_MAX_JUMP
      || source + RELAY_TRACK_MAX_JUMP < self->source_highest)
    {
      track_start (self, seq, rtp_ts, now_us);
      source = self->source_highest;
    }
  if (source < self->source_first)
    return RELAY_TRACK_TOO_OLD;
  *ret_ext_seq = source + self->seq_offset;
  *ret_rtp_ts = rtp_ts + self->ts_offset;
  self->source_highest = MAX (self->source_highest, source);
  return track_note (self, *ret_ext_seq, *ret_rtp_ts, now_us);
}
