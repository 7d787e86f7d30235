/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressSession: one WHEP viewer as the main thread sees it: its descriptions
 * and ICE credentials, its EgressViewer once it is agreed on, its event
 * streams. Born from a POST, in one of two states: watching (answered) or
 * waiting for the answer to a counter-offer (30 s).
 * Owner:  EgressWhep until egress_session_close(); the viewer holds it until
 *         its last callback.
 * Thread: main.
 */
#pragma once

#include "egress/events.h"
#include "egress/viewer.h"
#include "egress/whep.h"

#define EGRESS_COUNTER_OFFER_VALID_S 30

typedef struct _EgressSession EgressSession;

/* Neither runs after egress_session_close(). on_ended: the session is over by
 * itself and is to be closed. */
typedef struct {
  void (*on_connected) (EgressSession *session, gint64 join_us, gpointer data);
  void (*on_ended) (EgressSession *session, RtcCloseReason reason,
                    gpointer data);
} EgressSessionCallbacks;

/* @config: borrowed until close; @id: of the resource
 * @peer_is_loopback: gets loopback candidates */
EgressSession *egress_session_new (const EgressWhepConfig *config,
                                   RelayStream *stream, const char *id,
                                   gboolean peer_is_loopback,
                                   const EgressSessionCallbacks *callbacks,
                                   gpointer data);

/* egress_session_answer: starts the viewer.
 * Returns: (transfer full) (nullable): SDP; %NULL with an error of
 *   EGRESS_NEGOTIATE_ERROR */
char *egress_session_answer (EgressSession *self, const RtcSdp *offer,
                             GError **error);
/* egress_session_counter_offer: waits for an answer from now on.
 * Returns: (transfer full) (nullable): SDP; %NULL: nothing to offer */
char *egress_session_counter_offer (EgressSession *self, const RtcSdp *offer);
/* the answer to it; starts the viewer */
gboolean egress_session_accept (EgressSession *self, const RtcSdp *answer,
                                GError **error);
gboolean egress_session_is_waiting (EgressSession *self);
gboolean egress_session_is_connected (EgressSession *self);

/* PATCH of a fragment: see base/signaling.h */
BasePatchResult egress_session_patch (EgressSession *self,
                                      const char *fragment,
                                      gboolean wants_restart,
                                      char **ret_fragment);

/* egress_session_close: consumes the owner's reference; close_notify goes to
 * the viewer, event streams end */
void egress_session_close (EgressSession *self);

const char *egress_session_get_id (EgressSession *self);
RelayStream *egress_session_get_stream (EgressSession *self);
/* (transfer none) (nullable): none while waiting */
EgressEvents *egress_session_get_events (EgressSession *self);
JsonNode *egress_session_describe (EgressSession *self); /* (transfer full) */
