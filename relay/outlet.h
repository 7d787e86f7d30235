/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayOutlet: one stream's children. A receiver on the home worker's feed: a
 * burst is sealed once and sent to every child that is live; a child that
 * begins at the GOP, or at a number, is a cursor into the log, paced, until it
 * is live. NACKs are answered from the log. While no media goes out for 20 ms
 * a child hears STATUS (1 s while nobody publishes).
 * Owner:  RelayLinkServer. Thread: media, the stream's home.
 */
#pragma once

#include "relay/feed.h"
#include "relay/link-message.h"

typedef struct _RelayOutlet RelayOutlet;

typedef struct {
  guint64 n_packets[RTC_MEDIA_N_KINDS], n_bytes; /* sent on links */
  guint64 n_repairs, n_repairs_missing; /* NACKed: sent; not held any more */
  guint64 n_expired, n_refused_full;
} RelayOutletStats;

/* @batch: borrowed: sends from --relay-port; flushed by its worker's turn */
RelayOutlet *relay_outlet_new (RelayStream *stream, RtcBatch *batch,
                               RelayLinkKeys *keys, const char *node_id,
                               guint max_children);
void relay_outlet_free (RelayOutlet *self);
/* one checked message of a child whose address is proven */
void relay_outlet_on_message (RelayOutlet *self, const RtcPath *path,
                              const guint8 sender[RELAY_ID_BYTES],
                              const RelayLinkMessage *message, gint64 now_us);
/* each 10 ms: keepalives, expiry. Returns: children left */
guint relay_outlet_tick (RelayOutlet *self, gint64 now_us);
void relay_outlet_leave (RelayOutlet *self, RelayLinkReason reason);
const RelayOutletStats *relay_outlet_get_stats (RelayOutlet *self);
