/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressJanusHttp: the Janus API over HTTP: requests by POST, events by long
 * polls (J1-J5, J14, J15, J18, J58), and the Admin API.
 *   A poll waits EGRESS_JANUS_POLL_US, then gets a keepalive. One that is
 * found to be abandoned takes no event with it.
 * Bounds: EGRESS_JANUS_MAX_BODY_BYTES a body (413 beyond),
 * EGRESS_JANUS_HTTP_MAX_POLLS waiting ones a session (the oldest gets a
 * keepalive then), EGRESS_JANUS_HTTP_MAX_EVENTS_A_POLL.
 * Owner:  node. Thread: main. No timer a poll: one tick for all.
 */
#pragma once

#include <libsoup/soup.h>

#include "egress/janus.h"

#define EGRESS_JANUS_HTTP_MAX_POLLS 4
#define EGRESS_JANUS_HTTP_MAX_EVENTS_A_POLL 100

typedef struct _EgressJanusHttp EgressJanusHttp;

/* both borrowed; @core outlives it */
EgressJanusHttp *egress_janus_http_new (EgressJanus *core,
                                        BaseMetrics *metrics);
/* waiting polls get a keepalive */
void egress_janus_http_free (EgressJanusHttp *self);
/* @path: /janus… or /admin…; @msg is answered, now or later, whatever it is */
void egress_janus_http_handle (EgressJanusHttp *self, SoupServerMessage *msg,
                               const char *path);
/* ends the polls whose time is over, and those whose client has gone; the
 * transport's tick runs it. @now_us: passed in, so that tests need no sleep */
void egress_janus_http_expire (EgressJanusHttp *self, gint64 now_us);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressJanusHttp, egress_janus_http_free)
