/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayLinkServer: the parent's side of links: --relay-port. It opens control
 * messages, makes children prove their address (cookie), and hands them to the
 * outlet of their stream.
 *   One socket, read on the first worker; each stream's home worker sends from
 * the same descriptor. A SUBSCRIBE without a good cookie is answered by a
 * COOKIE, smaller than itself, and nothing else. A child's counters must grow
 * (64 numbers of reordering); they are kept a minute after its last message,
 * longer than a cookie lives. A subscription that is not repeated for 1 s ends.
 *   Bounds: max_children a stream, 4096 known senders, 65,536 control messages
 * a second (more are dropped); each with a counter.
 * Owner:  node. Thread: main; packets: media.
 */
#pragma once

#include "relay/hub.h"
#include "relay/link-keys.h"

typedef struct _RelayLinkServer RelayLinkServer;

typedef struct {
  RelayHub *hub;              /* all borrowed */
  RtcWorker *const *workers;
  guint n_workers;
  RelayLinkKeys *keys;
  BaseMetrics *metrics;       /* (nullable) */
  const char *node_id;        /* ourselves, on paths; copied */
  RtcAddr address;            /* --cluster-address and --relay-port */
  guint max_children;         /* subscriptions of one stream (2 × degree) */
  /* main: a child asks for a stream that is not carried here. It is answered
   * PENDING while this is %TRUE, else UNKNOWN. At most once a 100 ms a stream */
  gboolean (*on_stream_wanted) (const char *stream, gpointer data);
  gpointer data;
} RelayLinkServerConfig;

/* Returns: NULL with RTC_WORKER_ERROR_BIND */
RelayLinkServer *relay_link_server_new (const RelayLinkServerConfig *config,
                                        GError **error);
/* tells children BYE (LEAVING), refuses new ones */
void relay_link_server_leave (RelayLinkServer *self);
/* after the workers have been stopped */
void relay_link_server_free (RelayLinkServer *self);
guint relay_link_server_get_port (RelayLinkServer *self);

typedef struct {
  char stream[65], node[65];
  guint64 n_packets, n_bytes, n_repairs; /* sent, as answers to NACK */
  guint32 n_received, n_lost, rtt_us, jitter_us; /* the child's own report */
} RelayLinkChild;
/* main: (transfer full) (element-type RelayLinkChild): at most 2 s old */
GArray *relay_link_server_list (RelayLinkServer *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayLinkServer, relay_link_server_free)
