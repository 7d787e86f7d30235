/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayTransit: how late packets of one kind come here, for the latency between
 * two nodes: arrival on our monotonic clock less the tree's RTP timestamp, both
 * in units of the RTP clock, modulo 2^32 (RFC 3550 A.8's transit). The tree's
 * timestamps are the same on all nodes: the difference of two nodes' transits,
 * on a clock that both share, is the time that the way between them takes.
 *   Kept is the least of the last one to two seconds: what a burst, a repair or
 * a child's catching up delays is not the way.
 * Owner:  RelayStream, one per kind. Thread: home; get: any.
 */
#pragma once

#include <glib.h>

#define RELAY_TRANSIT_WINDOW_US G_USEC_PER_SEC

typedef struct
{
  gint64 begun_us;       /* of this window; 0 = nothing came yet */
  guint32 least, before; /* of this window and of the one before */
  guint64 published;     /* atomic: 2^32 + transit; 0 = none */
} RelayTransit;

/* another publication */
void relay_transit_reset (RelayTransit *self);
void relay_transit_add (RelayTransit *self, guint32 rtp_ts, guint clock_hz,
                        gint64 now_us);
/* relay_transit_get: any.
 * @clock_offset_us: of the clock that is shared, less the monotonic one
 * Returns: %FALSE: nothing came yet */
gboolean relay_transit_get (const RelayTransit *self, guint clock_hz,
                            gint64 clock_offset_us, guint32 *ret_units);
