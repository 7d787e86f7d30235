/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer-http: what the test peers say over HTTP, and the few lines of an
 * answer they need, read as a thin client would (no SDP library).
 * Thread: main.
 */
#pragma once

#include <libsoup/soup.h>

typedef struct {
  char *ufrag, *pwd;       /* owned */
  char *hash, *fingerprint; /* owned */
  char *setup;             /* owned: "active" or "passive" */
  char *address;           /* owned: of the first UDP candidate */
  guint port;
} PeerAnswer;

void peer_answer_clear (PeerAnswer *self);
/* %FALSE: something that a client cannot do without is missing */
gboolean peer_answer_parse (const char *sdp, PeerAnswer *ret);

typedef struct {
  guint status;  /* 0: no HTTP reply */
  char *location; /* owned, nullable: absolute */
  char *etag;     /* owned, nullable */
  char *body;     /* owned, nullable: text */
} PeerReply;

void peer_reply_clear (PeerReply *self);
/* blocking; @body (nullable), @token (nullable). Follows 307 and 308 with body
 * and token, as libcurl in OBS does (UNRESTRICTED_AUTH) */
void peer_http_send (SoupSession *session, const char *method,
                     const char *url, const char *token, const char *body,
                     PeerReply *ret);
/* the same without blocking; @func gets a reply it must clear */
typedef void (*PeerReplyFunc) (PeerReply *reply, gpointer user_data);
void peer_http_send_async (SoupSession *session, const char *method,
                           const char *url, const char *token,
                           const char *body, PeerReplyFunc func,
                           gpointer user_data);

/* peer_sdp_personalize: (transfer full): @sdp with the values of ufrag, pwd
 * and fingerprint replaced wherever they stand, and those of a=setup by
 * @setup (nullable: left); every other byte stays */
char *peer_sdp_personalize (const char *sdp, const char *ufrag,
                            const char *pwd, const char *fingerprint,
                            const char *setup);
