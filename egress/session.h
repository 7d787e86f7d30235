/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressSession: one WHEP viewer: its EgressPeer, and on top what WHEP has:
 * event streams and PATCH. Born from a POST, in one of two states: watching
 * (answered) or waiting for the answer to a counter-offer (30 s). Owner:
 * EgressWhep until egress_session_close(). Thread: main.
 */
#pragma once

#include "base/signaling.h"
#include "egress/events.h"
#include "egress/peer.h"

typedef struct _EgressSession EgressSession;

/* on_ended: the session is over by itself and is to be closed; not after
 * egress_session_close() */
typedef struct
{
  void (*on_ended) (EgressSession *session, RtcCloseReason reason,
                    gpointer data);
} EgressSessionCallbacks;

/* @config: borrowed until close; @id: of the resource
 * @peer_is_loopback: gets loopback candidates */
EgressSession *egress_session_new (const EgressPeerConfig *config,
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

/* PATCH of a fragment: see base/signaling.h */
BasePatchResult egress_session_patch (EgressSession *self, const char *fragment,
                                      gboolean wants_restart,
                                      char **ret_fragment);

/* egress_session_close: consumes the owner's reference; close_notify goes to
 * the viewer, event streams end.
 * @cause: (nullable): for the log, when it did not end by itself */
void egress_session_close (EgressSession *self, const char *cause);

const char *egress_session_get_id (EgressSession *self);
RelayStream *egress_session_get_stream (EgressSession *self);
/* (transfer none) (nullable): none while waiting */
EgressEvents *egress_session_get_events (EgressSession *self);
JsonNode *egress_session_describe (EgressSession *self); /* (transfer full) */
