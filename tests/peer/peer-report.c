/* SPDX-License-Identifier: Apache-2.0 */
/* PeerReport: see peer-report.h. */
#include "tests/peer/peer-report.h"

#include <string.h>

#define OUR_SSRC 1 /* of RTCP that nobody asked a source for */

void
peer_report_init (PeerReport *self, guint32 clock_hz)
{
  memset (self, 0, sizeof *self);
  self->clock_hz = clock_hz;
}

void
peer_report_add (PeerReport *self, guint32 rtp_ts, gint64 now_us)
{
  gint64 arrival = now_us * self->clock_hz / G_USEC_PER_SEC;
  gint64 transit = (gint64)(guint32)((guint32)arrival - rtp_ts);
  gint32 change = (gint32)(guint32)(transit - self->transit);

  if (self->has_transit)
    self->jitter += (ABS ((double)change) - self->jitter) / 16;
  self->has_transit = TRUE;
  self->transit = transit;
  self->n_received++;
}

void
peer_report_take_sr (PeerReport *self, guint32 ntp_middle, gint64 now_us)
{
  self->last_sr = ntp_middle;
  self->last_sr_us = now_us;
}

static void
put_u32 (guint8 *out, guint32 value)
{
  guint32 big = GUINT32_TO_BE (value);

  memcpy (out, &big, sizeof big);
}

/* get_fraction: of 256, since the last report */
static guint32
get_fraction (PeerReport *self, guint64 n_expected)
{
  guint64 expected = n_expected - self->n_expected_before;
  guint64 received = self->n_received - self->n_received_before;

  self->n_expected_before = n_expected;
  self->n_received_before = self->n_received;
  if (received >= expected)
    return 0;
  return (guint32)MIN ((expected - received) * 256 / expected, 255);
}

gsize
peer_report_write (PeerReport *self, const PeerTrack *track, gint64 now_us,
                   guint8 out[PEER_REPORT_BYTES])
{
  guint64 n_expected = track->last_ext - track->first_ext + 1;
  guint64 n_lost = n_expected - MIN (self->n_received, n_expected);
  guint32 fraction = get_fraction (self, n_expected);

  out[0] = 0x81; /* one block */
  out[1] = 201;
  out[2] = 0;
  out[3] = PEER_REPORT_BYTES / 4 - 1;
  put_u32 (out + 4, OUR_SSRC);
  put_u32 (out + 8, track->ssrc);
  put_u32 (out + 12, fraction << 24 | (guint32)MIN (n_lost, 0x7fffff));
  put_u32 (out + 16, (guint32)track->last_ext);
  put_u32 (out + 20, (guint32)self->jitter);
  put_u32 (out + 24, self->last_sr);
  put_u32 (out + 28, self->last_sr == 0 ? 0
                                        : (guint32)((now_us - self->last_sr_us)
                                                    * 65536 / G_USEC_PER_SEC));
  return PEER_REPORT_BYTES;
}
