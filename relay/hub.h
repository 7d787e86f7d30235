/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayHub: the streams of this node by name, and what happens to them.
 * Owner:  node. Thread: main.
 */
#pragma once

/* of a histogram that has several owners: whip and relay */
#define RELAY_REPAIR_SECONDS "media_tree_repair_seconds"
#define RELAY_REPAIR_SECONDS_HELP                                              \
  "From when a packet was missed to when it came after it was asked for."
#define RELAY_REPAIR_BOUNDS 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2

/* likewise: relay and egress. The name as it stands is what dashboards for SFUs
 * ask for. */
#define RELAY_PACKETS_LOST "rtp_packets_lost_total"
#define RELAY_PACKETS_LOST_HELP                                                \
  "RTP packets lost for good on the way from a publisher, from a parent, or "  \
  "(as their receiver reports say, before repair) to viewers."

#include "relay/stream.h"

#define RELAY_HUB_MAX_STREAMS 1024

typedef struct _RelayHub RelayHub;

typedef enum
{
  RELAY_HUB_LIVE,    /* a publication began (the first, or again) */
  RELAY_HUB_IDLE,    /* its publisher is gone; viewers may stay */
  RELAY_HUB_CHANGED, /* a publication with other codecs began: viewers that
                        negotiated the old ones must go */
  RELAY_HUB_REMOVED, /* linger is over: viewers must go */
} RelayHubEvent;
typedef void (*RelayHubFunc) (RelayHub *hub, RelayStream *stream,
                              RelayHubEvent event, gpointer data);

typedef enum
{
  RELAY_ERROR_STREAM_LIMIT,
  RELAY_ERROR_UNKNOWN, /* no such stream in the tree */
  RELAY_ERROR_NO_PORT, /* --rtp-port-range is used up */
} RelayError;
#define RELAY_ERROR (relay_error_quark ())
GQuark relay_error_quark (void);

/* @workers: (transfer none): rtc_worker_free stops them before the hub is
 * freed. @linger_us: how long a stream without a publisher is kept */
RelayHub *relay_hub_new (RtcWorker *const *workers, guint n_workers,
                         gint64 linger_us, BaseMetrics *metrics);
void relay_hub_free (RelayHub *self);
void relay_hub_add_listener (RelayHub *self, RelayHubFunc func, gpointer data);
/* not from within a listener */
void relay_hub_remove_listener (RelayHub *self, RelayHubFunc func,
                                gpointer data);

/* (transfer none) (nullable) */
RelayStream *relay_hub_lookup (RelayHub *self, const char *name);
/* (transfer none): made when missing; a stream that never went live is
 * dropped when its last publication is. */
RelayStream *relay_hub_ensure (RelayHub *self, const char *name,
                               GError **error);
/* (transfer container) (element-type RelayStream): live and lingering ones */
GPtrArray *relay_hub_list (RelayHub *self);
/* least loaded worker, for a new viewer */
RtcWorker *relay_hub_pick_worker (RelayHub *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayHub, relay_hub_free)
