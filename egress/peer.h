/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressPeer: one viewer's peer connection as the main thread sees it, whatever
 * door he came by: credentials, descriptions, what he is sent, and the
 * EgressViewer that sends it. A door (EgressSession for WHEP, the Janus plugin)
 * puts its protocol on top.
 *   A peer begins with answer() to his offer, or with offer() or
 * counter_offer(), whose answer goes to accept().
 * Owner:  its door, until egress_peer_close(); the viewer holds it until its
 *         last callback.
 * Thread: main.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "egress/gate.h"
#include "egress/viewer.h"
#include "rtc/addresses.h"
#include "rtc/dtls.h"
#include "rtc/sdp.h"

#define EGRESS_COUNTER_OFFER_VALID_S 30

typedef struct
{
  EgressGate *gate; /* all borrowed, outlive the peers */
  RelayHub *hub;
  RtcCertificate *certificate;
  RtcAddresses *addresses;
  gboolean ice_tcp;
  gboolean repair;      /* answer NACKs (off only in trials) */
  gint64 join_rate_bps; /* pace of a joiner's GOP burst */
  int playout_delay_min_ms, playout_delay_max_ms; /* -1 = extension not sent */
} EgressPeerConfig;

typedef struct
{
  EgressSources sources;
  /* what they carry when no publication has begun yet; NULL: ask the streams */
  const RelayStreamInfo *info;
  gboolean wants[RTC_MEDIA_N_KINDS];   /* FALSE: no section for it in offer() */
  const char *mids[RTC_MEDIA_N_KINDS]; /* (nullable): "0", "1"; ours */
  const char *msids[RTC_MEDIA_N_KINDS]; /* (nullable): "STREAM[ TRACK]" */
  const char *session_name;             /* (nullable): s= of offer() */
  gboolean video_first;                 /* in offer(); else sound is */
  const char *log_id;
  gboolean peer_is_loopback;                      /* gets loopback candidates */
  gboolean with_playout_delay, with_capture_time; /* extensions in offer();
                               playout delay also when the config sends it */
} EgressPeerParams;

typedef struct _EgressPeer EgressPeer;

/* None runs after egress_peer_close(); each but the first may be NULL. */
typedef struct
{
  /* it is over by itself; once. close() it then */
  void (*on_ended) (EgressPeer *peer, RtcCloseReason reason, gpointer data);
  void (*on_connected) (EgressPeer *peer, gint64 join_us, gpointer data);
  /* he gets these now (substream -1: the sources have one rendition) */
  void (*on_layers) (EgressPeer *peer, const EgressLayers *now, gpointer data);
  /* so many NACKed packets within the last second, when that is at least
   * EGRESS_SLOW_LINK_NACKS */
  void (*on_slow_link) (EgressPeer *peer, RtcMediaKind kind, guint n_nacked,
                        gpointer data);
} EgressPeerCallbacks;

EgressPeer *egress_peer_new (const EgressPeerConfig *config,
                             const EgressPeerParams *params,
                             const EgressPeerCallbacks *callbacks,
                             gpointer data);
/* why it is going to be closed by us, for the log; the first word counts */
void egress_peer_set_cause (EgressPeer *self, const char *cause);
/* egress_peer_close: consumes the owner's reference; close_notify goes out */
void egress_peer_close (EgressPeer *self, RtcCloseReason reason);

/* egress_peer_answer: starts the viewer.
 * Returns: (transfer full) (nullable): SDP; NULL with EGRESS_NEGOTIATE_ERROR */
char *egress_peer_answer (EgressPeer *self, const RtcSdp *offer,
                          GError **error);
/* egress_peer_counter_offer: to an offer that does not fit (WHEP: 406).
 * Returns: (transfer full) (nullable): SDP; NULL: nothing to offer */
char *egress_peer_counter_offer (EgressPeer *self, const RtcSdp *offer);
/* egress_peer_offer: our own, of what params asked for (PROTOCOLS.md J51).
 * Returns: (transfer full) (nullable): SDP; NULL with EGRESS_NEGOTIATE_ERROR
 *   MEDIA: nothing is wanted */
char *egress_peer_offer (EgressPeer *self, GError **error);
/* egress_peer_accept: the answer to any offer of ours: the first starts the
 * viewer, one to restart_offer() restarts ICE. */
gboolean egress_peer_accept (EgressPeer *self, const RtcSdp *answer,
                             GError **error);
gboolean egress_peer_is_waiting (EgressPeer *self); /* for an answer of his */
gboolean egress_peer_is_connected (EgressPeer *self);
/* egress_peer_restart_offer: the offer again with new credentials and the next
 * version (J49). Returns: (transfer full) (nullable): NULL: not started yet, or
 * it was he who offered */
char *egress_peer_restart_offer (EgressPeer *self);
/* egress_peer_restart: he restarts (PATCH). Returns: (transfer none): ours,
 * with new credentials */
const RtcSdp *egress_peer_restart (EgressPeer *self, const char *remote_ufrag,
                                   const char *remote_pwd);
/* (transfer none) (nullable) */
const char *egress_peer_get_remote_ufrag (EgressPeer *self);

/* Nothing is sent until FALSE; then video goes on with the newest GOP, SSRC,
 * numbers and timestamps continued. May be set before the viewer connects. */
void egress_peer_set_paused (EgressPeer *self, gboolean is_paused);
void egress_peer_set_sending (EgressPeer *self, RtcMediaKind kind,
                              gboolean is_on);
/* egress_peer_switch: other sources, no renegotiation: SSRC, numbers,
 * timestamps and picture ids go on; the picture from the newest GOP held.
 * Returns: FALSE with EGRESS_NEGOTIATE_ERROR_CODEC: not what was negotiated */
gboolean egress_peer_switch (EgressPeer *self, const EgressSources *sources,
                             GError **error);
void egress_peer_set_layers (EgressPeer *self, const EgressLayers *target);
void egress_peer_set_playout_delay (EgressPeer *self, int min_ms, int max_ms);

/* (transfer none): sources.video's last, or audio */
RelayStream *egress_peer_get_stream (EgressPeer *self);
/* FALSE: no viewer yet */
gboolean egress_peer_get_stats (EgressPeer *self, EgressViewerStats *ret);
gint64 egress_peer_get_created_us (EgressPeer *self);
/* (transfer full): members of a /debug/state object */
JsonNode *egress_peer_describe (EgressPeer *self);
