/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayLinkServer: the parent's side of links: --relay-port. It opens control
 * messages, makes children prove their address (cookie), and hands them to the
 * outlet of their stream.
 *   One socket, read on the first worker; each stream's home worker sends from
 * the same descriptor. A SUBSCRIBE without a good cookie is answered by a
 * COOKIE, smaller than itself, and nothing else. A child's counters must be new
 * (link-replay.h). A subscription that is not repeated for 1 s ends.
 *   Bounds: max_children a stream, 4096 known senders, 16,384 subscriptions,
 * 65,536 datagrams a second (more are dropped); each with a counter.
 *   Dropped messages are counted by cause and logged once a minute and cause.
 * Owner:  node. Thread: main; packets: media.
 */
#pragma once

#include "relay/hub.h"
#include "relay/link-keys.h"
#include "relay/outlet.h"

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
  /* main: a child asks for a stream that nobody publishes here. While there is
   * none at all it is answered PENDING when this is %TRUE, else UNKNOWN. At
   * most once a 100 ms a stream */
  gboolean (*on_stream_wanted) (const char *stream, gpointer data);
  gpointer data;
} RelayLinkServerConfig;

/* Returns: NULL with RTC_WORKER_ERROR_BIND */
RelayLinkServer *relay_link_server_new (const RelayLinkServerConfig *config,
                                        GError **error);
/* tells children BYE (LEAVING), refuses new ones */
void relay_link_server_leave (RelayLinkServer *self);
/* after the workers have been stopped, before they are freed */
void relay_link_server_free (RelayLinkServer *self);
guint relay_link_server_get_port (RelayLinkServer *self);

/* main: (transfer full) (element-type RelayLinkChild): at most 2 s old */
GArray *relay_link_server_list (RelayLinkServer *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayLinkServer, relay_link_server_free)
