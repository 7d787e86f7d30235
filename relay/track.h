/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayTrack: turns a publisher's sequence numbers and timestamps into the
 * stream's own, which go on over publishers: a new one continues one after the
 * last, its timestamps moved on by the time that has passed.
 * Owner:  RelayStream. Thread: home. Pure: the clock is passed in.
 */
#pragma once

#include "rtc/types.h"

/* a jump of the source beyond this is a new source, not loss */
#define RELAY_TRACK_MAX_JUMP 3000
#define RELAY_TRACK_FIRST_EXT_SEQ 65536

typedef struct
{
  guint32 clock_hz;
  gboolean is_started; /* this publication's first packet is in */
  guint64 source_highest, source_first;
  guint64 seq_offset; /* ext_seq = source + offset, modulo 2^64 */
  guint32 ts_offset;
  guint64 highest; /* ext_seq; 0 = nothing yet */
  guint32 highest_ts;
  gint64 highest_us;
} RelayTrack;

/* relay_track_restart: the next packet comes from a new source */
void relay_track_restart (RelayTrack *self, guint32 clock_hz);

typedef enum {
  RELAY_TRACK_NEXT,     /* one or more above the highest */
  RELAY_TRACK_LATE,     /* below it: reordered or repaired */
  RELAY_TRACK_TOO_OLD,  /* before this publication's first: dropped */
} RelayTrackResult;

RelayTrackResult relay_track_map (RelayTrack *self, guint16 seq,
                                  guint32 rtp_ts, gint64 now_us,
                                  guint64 *ret_ext_seq, guint32 *ret_rtp_ts);

/* relay_track_put: a packet whose number is ours already (a link's): only its
 * timestamp is moved on, as that of a new source. */
RelayTrackResult relay_track_put (RelayTrack *self, guint64 ext_seq,
                                  guint32 rtp_ts, gint64 now_us,
                                  guint32 *ret_rtp_ts);
/* the number that a new source's first packet gets */
guint64 relay_track_get_next (const RelayTrack *self);
