/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WhipSession: one publisher from its POST to its end: owns the RtcTransport,
 * the RelayPublication and the WhipPublisher, and carries what happens on the
 * media thread over to main.
 *   new ─► start ─► on_connected ─► … ─► on_closed (exactly once after start)
 * Owner:  ref-counted: the endpoint, the transport until it has closed, the
 * publication, mail under way.
 * Thread: main, but for ref and unref.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "base/mailbox.h"
#include "base/signaling.h"
#include "rtc/addresses.h"
#include "rtc/dtls.h"
#include "rtc/will-store.h"
#include "whip/publisher.h"

typedef struct _WhipSession WhipSession;

typedef struct {
  void (*on_connected) (WhipSession *session, gpointer data);
  /* the stream has a new publisher, @session is to be closed */
  void (*on_replaced) (WhipSession *session, gpointer data);
  void (*on_closed) (WhipSession *session, RtcCloseReason reason,
                     gpointer data);
} WhipSessionCallbacks; /* all on main */

typedef struct {
  const char *id;
  RelayStream *stream;
  RtcCertificate *certificate;
  RtcAddresses *addresses;
  BaseMailbox *mail;            /* to main; outlives every session */
  const WhipCounters *counters; /* the same */
  RtcWillStore *wills;          /* the same (nullable) */
  gboolean ice_tcp, repair, peer_is_loopback;
} WhipSessionConfig;

/* whip_session_new:
 * @answer: (transfer full): as whip_answer_new made it; completed here
 * @data: for @callbacks; @data_unref is run with it when the last reference
 *   to the session goes, on any thread */
WhipSession *whip_session_new (const WhipSessionConfig *config,
                               const RtcSdp *offer, RtcSdp *answer,
                               const WhipPlan *plan,
                               const RelayStreamInfo *info,
                               const WhipSessionCallbacks *callbacks,
                               gpointer data, GDestroyNotify data_unref);
WhipSession *whip_session_ref (WhipSession *self);
void whip_session_unref (WhipSession *self);

/* whip_session_start: begin to answer checks */
void whip_session_start (WhipSession *self);
void whip_session_close (WhipSession *self);

/* whip_session_dup_answer: (transfer full): SDP text */
char *whip_session_dup_answer (WhipSession *self);

/* whip_session_take_fragment: trickle or ICE restart.
 * @ret_answer: (out): set when RESTARTED (transfer full) */
BasePatchResult whip_session_take_fragment (WhipSession *self,
                                            const char *text,
                                            gboolean wants_restart,
                                            char **ret_answer);

const char *whip_session_get_id (WhipSession *self);
/* for what others may read: the id itself is the way into the session */
const char *whip_session_get_log_id (WhipSession *self);
const char *whip_session_get_stream_name (WhipSession *self);
/* at any time: also %TRUE after it has closed */
gboolean whip_session_was_connected (WhipSession *self);
gint64 whip_session_get_created_us (WhipSession *self);
void whip_session_get_stats (WhipSession *self, WhipPublisherStats *ret);
/* (transfer full): JSON object for /debug/state */
JsonNode *whip_session_describe (WhipSession *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (WhipSession, whip_session_unref)
