/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayOutlet: one stream's children. A receiver on the home worker's feed: a
 * burst is sealed once and sent to every child that is live; a child that
 * begins at the GOP, or at a number, is a cursor into the log, paced, until it
 * is live. NACKs are answered from the log. While no media goes out for 20 ms
 * a child hears STATUS (1 s while nobody publishes); at once when the
 * publication changes.
 *   Bounds: children, and repairs of a child a second (outlet-private.h).
 * Owner:  RelayLinkServer. Thread: media, the stream's home.
 */
#pragma once

#include "relay/feed.h"
#include "relay/link-sender.h"

typedef struct _RelayOutlet RelayOutlet;

typedef struct {
  guint64 n_packets[RTC_MEDIA_N_KINDS], n_bytes; /* sent on links */
  /* NACKed: sent; not held any more; beyond what a child may have */
  guint64 n_repairs, n_repairs_missing, n_repairs_limited;
  guint64 n_expired, n_refused_full;
  guint64 n_unknown; /* messages but SUBSCRIBE of who is no child */
} RelayOutletStats;

/* a child, as it is told of to others */
typedef struct {
  char stream[RELAY_LINK_NAME_CHARS + 1], node[RELAY_LINK_NAME_CHARS + 1];
  guint64 n_packets, n_bytes, n_repairs; /* sent; of them answers to NACK */
  guint32 n_received, n_lost, rtt_us, jitter_us; /* the child's own report */
} RelayLinkChild;

/* @sender: borrowed; what a call queues, it flushes
 * @node_id: ourselves, copied */
RelayOutlet *relay_outlet_new (RelayStream *stream, RelayLinkSender *sender,
                               const char *node_id, guint max_children);
void relay_outlet_free (RelayOutlet *self);
/* one checked message of a child whose address is proven */
void relay_outlet_on_message (RelayOutlet *self, const RtcPath *path,
                              const guint8 sender[RELAY_ID_BYTES],
                              const RelayLinkMessage *message, gint64 now_us);
/* each 10 ms: keepalives, expiry. Returns: children left */
guint relay_outlet_tick (RelayOutlet *self, gint64 now_us);
/* BYE to all */
void relay_outlet_leave (RelayOutlet *self, RelayLinkReason reason);
const RelayOutletStats *relay_outlet_get_stats (RelayOutlet *self);
/* @list: (element-type RelayLinkChild) */
void relay_outlet_append_children (RelayOutlet *self, GArray *list);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayOutlet, relay_outlet_free)
