/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/http: what every HTTP surface says the same way: JSON replies,
 * problem+json errors (RFC 9457), CORS, body and content-type checks.
 * Thread: main.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

/* base_http_problem: answers with application/problem+json
 *   {"type":"urn:media-tree:error:@code","title","status","detail"}.
 * @code: stable kebab-case name a program can match, e.g. "sdp-no-ice-ufrag";
 *   documented in docs/ERRORS.md and api/openapi.yaml
 * @detail: printf-like, a sentence a person can act on */
void base_http_problem (SoupServerMessage *msg, guint status, const char *code,
                        const char *detail, ...) G_GNUC_PRINTF (4, 5);

/* base_http_retry_after: seconds; call before or after the problem */
void base_http_retry_after (SoupServerMessage *msg, guint seconds);

/* base_http_json: @root: (transfer full) */
void base_http_json (SoupServerMessage *msg, guint status, JsonNode *root);
void base_http_text (SoupServerMessage *msg, guint status,
                     const char *content_type, const char *text);
void base_http_empty (SoupServerMessage *msg, guint status);

/* base_http_cors: sets Access-Control-Allow-Origin: * and Expose-Headers on
 * any reply. base_http_preflight answers OPTIONS whole (200): Allow,
 * Access-Control-Allow-Methods = @methods, -Headers echoed from the request
 * (default "Authorization, Content-Type, If-Match"), Max-Age, and
 * Accept-Post: @accept_post (nullable). */
void base_http_cors (SoupServerMessage *msg);
void base_http_preflight (SoupServerMessage *msg, const char *methods,
                          const char *accept_post);
gboolean base_http_is_preflight (SoupServerMessage *msg);

/* base_http_has_type: media type of the request equals @type, case and
 * parameters ignored */
gboolean base_http_has_type (SoupServerMessage *msg, const char *type);

/* base_http_dup_body: (transfer full) (nullable): the request body as a
 * NUL-terminated string when it has no NUL and at most @max_bytes; else the
 * problem (400 body-has-nul, 413 body-too-large, 400 body-empty) has been
 * answered */
char *base_http_dup_body (SoupServerMessage *msg, gsize max_bytes);

/* base_http_random_id: (transfer full): 128 random bits, URL-safe */
char *base_http_random_id (void);

/* base_http_peer_is_loopback: protected mode's test: peer, Host, Origin all
 * loopback and no Forwarded / X-Forwarded-For (see DESIGN.md) */
gboolean base_http_peer_is_loopback (SoupServerMessage *msg);

/* base_http_get_socket: (transfer none) (nullable): the connection that @msg
 * came by, TLS or not. Who hands libsoup a stream of its own sets it as
 * BASE_HTTP_SOCKET_KEY of the remote address. */
#define BASE_HTTP_SOCKET_KEY "media-tree-socket"
GSocket *base_http_get_socket (SoupServerMessage *msg);

/* base_http_get_hop: how often other nodes of the cluster have sent the client
 * on before it came here: 0 or 1. Known after base_auth_require. A browser
 * that was sent to another origin says Origin: null, which then does not stand
 * against loopback. */
guint base_http_get_hop (SoupServerMessage *msg);
void base_http_set_hop (SoupServerMessage *msg, guint hop);
/* The first characters of a session's id, by which logs call it: enough to find
 * it, too few to open it. A client that was sent here by another node of the
 * cluster is called as there.
 * get: (transfer none) (nullable): by another node */
#define BASE_HTTP_LOG_ID_CHARS 8
const char *base_http_get_log_id (SoupServerMessage *msg);
void base_http_set_log_id (SoupServerMessage *msg, const char *id);
