/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressEvents: one viewer session's event streams (WHEP extension
 * server-sent-events): POST {session}/sse with a JSON array of event names
 * makes one, GET of its Location is the text/event-stream. A stream outlives
 * its connection, so that EventSource may reconnect; a second GET takes over.
 * Bounds: two streams a session; a reader that is EGRESS_EVENTS_MAX_QUEUED
 * events behind is cut off and may come back.
 * Owner:  EgressSession. Thread: main. The clock is passed in.
 */
#pragma once

#include <libsoup/soup.h>

#define EGRESS_EVENTS_MAX_STREAMS 2
#define EGRESS_EVENTS_MAX_QUEUED 64
#define EGRESS_EVENTS_NAMES "active,inactive,viewercount,reconnect"
#define EGRESS_EVENTS_MOVE_AGAIN_US (15 * G_USEC_PER_SEC)
#define EGRESS_EVENTS_REL "urn:ietf:params:whep:ext:core:server-sent-events"

typedef struct _EgressEvents EgressEvents;

/* @base_path: of the session's resource: "/whep/{stream}/{session}" */
EgressEvents *egress_events_new (const char *base_path);
/* ends all streams */
void egress_events_free (EgressEvents *self);

/* egress_events_handle: a request at @base_path/@rest; OPTIONS is answered
 * elsewhere.
 * Returns: %FALSE = 404, nothing answered */
gboolean egress_events_handle (EgressEvents *self, SoupServerMessage *msg,
                               const char *rest, gboolean is_live,
                               guint n_viewers, gint64 now_us);

/* the publisher came or went */
void egress_events_set_live (EgressEvents *self, gboolean is_live,
                             gint64 now_us);
/* call about once a second: sends a changed count (at most each 2 s) and keeps
 * connections open (a comment each 15 s) */
void egress_events_tick (EgressEvents *self, guint n_viewers, gint64 now_us);

/* egress_events_can_move: somebody listens for `reconnect`, and has not been
 * told for EGRESS_EVENTS_MOVE_AGAIN_US */
gboolean egress_events_can_move (EgressEvents *self, gint64 now_us);
/* somebody listens for `reconnect` now */
gboolean egress_events_hears_moves (EgressEvents *self);
/* this node goes away: @url has a place for the viewer */
void egress_events_move (EgressEvents *self, const char *url, gint64 now_us);

/* egress_events_parse: @body as an array of known names.
 * @ret_mask: (out): bit i = i-th name of EGRESS_EVENTS_NAMES */
gboolean egress_events_parse (const char *body, guint *ret_mask);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressEvents, egress_events_free)
