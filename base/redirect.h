/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BaseRedirect: the sealed word that a node gives a client whom it sends to
 * another node (307): "this one may do that with this stream, in the next 10 s,
 * and is not to be sent on". Browsers strip Authorization when a redirect goes
 * to another origin, so it stands in the URL: ?redirect=…
 *   Bytes: nonce (12), AES-256-GCM of {version, action, hop, time (8, ms since
 * 1970), stream}, tag (16), as base64url. Key: HKDF-SHA256 (RFC 5869) of the
 * cluster secret, info "redirect". The nonce is random: 2^32 of them are safe
 * under one key, a thousand a second for seven weeks; what a repeated one could
 * give away is a stream's name, and forgery of a word that lives 10 s.
 *   Its first BASE_HTTP_LOG_ID_CHARS are the nonce's: both nodes' logs call the
 * session by them.
 *   Nodes' clocks may differ: BASE_REDIRECT_SKEW_US ahead is taken too, behind
 * costs lifetime.
 * Owner:  node. Thread: main.
 */
#pragma once

#include "base/auth.h"

#define BASE_REDIRECT_LIFETIME_US (10 * G_USEC_PER_SEC)
#define BASE_REDIRECT_SKEW_US (5 * G_USEC_PER_SEC)
#define BASE_REDIRECT_PARAMETER "redirect"

/* @secret: --cluster-secret */
BaseRedirect *base_redirect_new (const char *secret);
void base_redirect_free (BaseRedirect *self);

/* base_redirect_seal: (transfer full). @hop: 1, the first
 * @now_us: wall clock */
char *base_redirect_seal (BaseRedirect *self, BaseAuthSurface surface,
                          const char *stream, guint hop, gint64 now_us);
/* base_redirect_open: @token: from anybody
 * Returns: the hop; 0: forged, too old, for another stream or action */
guint base_redirect_open (BaseRedirect *self, const char *token,
                          BaseAuthSurface surface, const char *stream,
                          gint64 now_us);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BaseRedirect, base_redirect_free)
