/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeSessions: what was sent to viewers, for each publication (a session of
 * its publisher) and kind: media_tree_rtp_packets_sent_total and
 * media_tree_rtp_sent_bytes_total with the label session_id.
 *   Viewers tell their streams once a second (RelaySent); here it is taken from
 * there on main, and no worker waits for it.
 *   At most @max_shown publications have lines of their own, the others are
 * session_id="other". One that has ended keeps its lines for
 * NODE_SESSIONS_KEEP_US, so that its last values are scraped, or until another
 * needs the place; then what it had goes on in "other". So a sum over
 * session_id never falls. One that waited for a place begins at 0 with what is
 * sent from then on: what went before stays in "other".
 *   A publication that comes by a link again has the same id and the same line.
 * Owner:  NodeServer. Thread: main; the clock is passed in.
 */
#pragma once

#include "base/metrics.h"
#include "relay/hub.h"

/* each is some 600 bytes of every scrape */
#define NODE_METRICS_MAX_STREAMS 200
#define NODE_SESSIONS_KEEP_US (5 * 60 * G_USEC_PER_SEC)

typedef struct _NodeSessions NodeSessions;

/* both borrowed. Free before the hub */
NodeSessions *node_sessions_new (RelayHub *hub, BaseMetrics *metrics,
                                 guint max_shown);
void node_sessions_free (NodeSessions *self);

/* node_sessions_sample: once a second */
void node_sessions_sample (NodeSessions *self, gint64 now_us);

/* node_sessions_get_sum: all that was ever sent, as of the last sample */
void node_sessions_get_sum (NodeSessions *self, RelaySent *ret);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeSessions, node_sessions_free)
