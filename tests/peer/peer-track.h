/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PeerTrack: the books of one received media line: continuity of SSRC, seq
 * and timestamps, what is missing, what came again, frames that are not whole.
 * Keeps a record per sequence number (PEER_TRACK_MAX_PACKETS, then only
 * counters go on). Clock passed in.
 * Owner: a viewer. Thread: one.
 */
#pragma once

#include "tests/peer/peer-rtp.h"

#define PEER_TRACK_MAX_PACKETS (1 << 20)

typedef struct {
  char codec[8];        /* as rtpmap names it */
  guint32 ssrc;         /* of the last packet */
  gboolean is_begun;
  guint64 first_ext, last_ext; /* extended seq, from 65536 up */
  guint32 first_ts, last_ts;
  gint64 first_us, last_us, max_silence_us;
  guint64 n_packets, n_bytes, n_doubled, n_late, n_repaired, n_before_first;
  guint n_ssrc_changes, n_ts_backwards;
  gboolean is_first_key;
  guint32 first_crc;    /* of the first frame's payloads, joined */
  guint64 n_keyframes;
  GArray *records;      /* owned, of PeerTrackRecord, by ext - first_ext */
} PeerTrack;

void peer_track_init (PeerTrack *self, const char *codec);
void peer_track_clear (PeerTrack *self);

/* @is_repair: came as RTX */
void peer_track_add (PeerTrack *self, const PeerRtp *packet, guint16 seq,
                     gboolean is_repair, gint64 now_us);

/* Seqs missing and worth asking for (again) now. Returns: their number */
guint peer_track_take_missing (PeerTrack *self, gint64 now_us, guint16 *seqs,
                               guint max_seqs);

typedef struct {
  guint64 n_missing;    /* of the seqs from first to last */
  guint64 n_frames, n_frames_lost; /* video: whole or not */
} PeerTrackLoss;
/* @settle_us: newer ones may still be on their way and are not counted */
void peer_track_get_loss (const PeerTrack *self, gint64 now_us,
                          gint64 settle_us, PeerTrackLoss *ret);
