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

/* The first packet of a source: one after the last, now. */
static void
track_start (RelayTrack *self, guint16 seq, guint32 rtp_ts, gint64 now_us)
{
  guint64 next =
      self->highest == 0 ? RELAY_TRACK_FIRST_EXT_SEQ : self->highest + 1;

  self->is_started = TRUE;
  self->source_first = (G_GUINT64_CONSTANT (1) << 32) + seq;
  self->source_highest = self->source_first;
  self->seq_offset = next - self->source_first;
  if (self->highest == 0)
    {
      self->ts_offset = 0;
    }
  else
    {
      gint64 elapsed_us = MAX (now_us - self->highest_us, 0);
      gint64 elapsed = elapsed_us * self->clock_hz / BASE_US_PER_S;

      self->ts_offset = self->highest_ts + (guint32)MAX (elapsed, 1) - rtp_ts;
    }
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
  if (*ret_ext_seq <= self->highest)
    return RELAY_TRACK_LATE;
  self->source_highest = source;
  self->highest = *ret_ext_seq;
  self->highest_ts = *ret_rtp_ts;
  self->highest_us = now_us;
  return RELAY_TRACK_NEXT;
}
