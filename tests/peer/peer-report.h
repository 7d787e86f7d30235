/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PeerReport: a viewer's receiver reports of one media line (RFC 3550, 6.4.2,
 * A.3, A.8): loss before repair, jitter, and what the server needs to measure
 * the round trip. Clock passed in.
 * Owner: a viewer. Thread: one.
 */
#pragma once

#include "tests/peer/peer-track.h"

#define PEER_REPORT_BYTES 32

typedef struct {
  guint32 clock_hz;       /* of RTP timestamps */
  gboolean has_transit;
  gint64 transit;         /* of the last packet, in clock_hz */
  double jitter;          /* in clock_hz */
  guint64 n_received;     /* repairs left out */
  guint64 n_expected_before, n_received_before; /* at the last report */
  guint32 last_sr;        /* middle of its NTP time; 0 = none yet */
  gint64 last_sr_us;
} PeerReport;

void peer_report_init (PeerReport *self, guint32 clock_hz);
/* each packet that is no repair */
void peer_report_add (PeerReport *self, guint32 rtp_ts, gint64 now_us);
void peer_report_take_sr (PeerReport *self, guint32 ntp_middle, gint64 now_us);
/* Returns: bytes written to @out; @track has begun */
gsize peer_report_write (PeerReport *self, const PeerTrack *track,
                         gint64 now_us, guint8 out[PEER_REPORT_BYTES]);
