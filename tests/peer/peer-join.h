/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer-join: from an offer's text to a connected RtcClient: what obs-client
 * and viewer-client do alike. The offer goes out as it is in the file but for
 * the peer's own credentials. Blocking; thread: main.
 */
#pragma once

#include "tests/peer/peer-http.h"
#include "tests/peer/rtc-client.h"

typedef struct {
  const char *url;
  const char *token;       /* nullable */
  const char *offer;       /* text */
  const char *setup;       /* nullable: rewrites the offer's a=setup */
  guint candidate_port;    /* 0: the answer's; else a proxy's */
  RtcClientProfiles profiles;
  gint64 timeout_us;       /* of ICE and DTLS */
  const char *fingerprint; /* nullable: announced instead of the real one */
} PeerJoinParams;

typedef struct {
  PeerReply reply;      /* of the POST */
  PeerAnswer answer;
  char *ufrag, *pwd;    /* owned: ours */
  gint64 answered_us, connected_us; /* monotonic; 0 = never */
  RtcClient *client;    /* owned; NULL when nothing was answered */
} PeerJoin;

/* %FALSE: not connected; what there is of @ret tells how far it came */
gboolean peer_join (SoupSession *session, const PeerJoinParams *params,
                    PeerJoin *ret);
void peer_join_clear (PeerJoin *self);
