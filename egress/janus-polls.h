/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressJanusPolls: long polls of sessions (J14, J15, J58): each waits for
 * events of its session, at most EGRESS_JANUS_POLL_US.
 * Bounds: see egress/janus-http.h.
 * Owner:  EgressJanusHttp. Thread: main.
 */
#pragma once

#include <libsoup/soup.h>

#include "egress/janus.h"

typedef struct _EgressJanusPolls EgressJanusPolls;

/* both borrowed */
EgressJanusPolls *egress_janus_polls_new (EgressJanus *core,
                                          BaseMetrics *metrics);
/* what waits gets a keepalive */
void egress_janus_polls_free (EgressJanusPolls *self);
/* @msg waits from now on. @n_max: events at most; more than 1: an array */
void egress_janus_polls_add (EgressJanusPolls *self, SoupServerMessage *msg,
                             guint64 session_id, gint64 n_max);
/* events of @session that wait, to the newest poll that waits, if any */
void egress_janus_polls_deliver (EgressJanusPolls *self,
                                 EgressJanusSession *session);
/* @session is over: its last events are delivered, other polls get a 404 */
void egress_janus_polls_end (EgressJanusPolls *self,
                             EgressJanusSession *session);
/* what has waited long enough, or whose client has gone, gets a keepalive */
void egress_janus_polls_expire (EgressJanusPolls *self, gint64 now_us);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EgressJanusPolls, egress_janus_polls_free)
