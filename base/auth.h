/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BaseAuth: may this request do this? Static bearer tokens per surface, JSON
 * Web Tokens (claims: stream exact or "*", action publish|watch|admin, exp
 * required; HS256 by a secret file, RS256/ES256 by a PEM public key, algorithm
 * bound to the key's type), and protected mode: a surface without any secret
 * serves loopback clients only unless @insecure.
 * Owner:  node. Thread: main.
 */
#pragma once

#include <libsoup/soup.h>

typedef struct _BaseAuth BaseAuth;
typedef struct _BaseRedirect BaseRedirect; /* base/redirect.h */

typedef enum
{
  BASE_AUTH_PUBLISH,
  BASE_AUTH_WATCH,
  BASE_AUTH_ADMIN,
  BASE_AUTH_METRICS,
  BASE_AUTH_N_SURFACES
} BaseAuthSurface;

typedef enum
{
  BASE_AUTH_OK,
  BASE_AUTH_MISSING,   /* 401 + WWW-Authenticate: Bearer */
  BASE_AUTH_WRONG,     /* 401 error="invalid_token" (bad, expired) */
  BASE_AUTH_FORBIDDEN, /* 403: valid token, other stream or action */
  BASE_AUTH_PROTECTED, /* 403: protected mode, not a loopback client */
} BaseAuthResult;

typedef enum
{
  BASE_AUTH_ERROR_KEY_FILE, /* unreadable or not a key */
} BaseAuthError;
#define BASE_AUTH_ERROR (base_auth_error_quark ())
GQuark base_auth_error_quark (void);

/* base_auth_new: @tokens: one (nullable) static token per surface, copied;
 * @jwt_key_path: (nullable) */
BaseAuth *base_auth_new (const char *const tokens[BASE_AUTH_N_SURFACES],
                         const char *jwt_key_path, gboolean insecure,
                         GError **error);
void base_auth_free (BaseAuth *self);

/* base_auth_set_redirect: from now on ?redirect=… of this cluster's nodes opens
 * the stream and action that it names, and marks the request
 * (base_http_get_hop). @redirect: (nullable) borrowed */
void base_auth_set_redirect (BaseAuth *self, BaseRedirect *redirect);

/* base_auth_check_token: pure; no HTTP.
 * @stream: (nullable): what is asked for; NULL when the action has none
 * @now_s: seconds since 1970 */
BaseAuthResult base_auth_check_token (BaseAuth *self, BaseAuthSurface surface,
                                      const char *stream, const char *token,
                                      gint64 now_s);

/* base_auth_check_request: as base_auth_require, but answers and counts
 * nothing; for what several surfaces may open */
BaseAuthResult base_auth_check_request (BaseAuth *self, BaseAuthSurface surface,
                                        const char *stream,
                                        SoupServerMessage *msg);

/* base_auth_require: checks @msg (Authorization: Bearer, scheme in any case;
 * for GET also ?access_token=) and answers the problem itself.
 * Returns: %TRUE when allowed; %FALSE when @msg has been answered */
gboolean base_auth_require (BaseAuth *self, BaseAuthSurface surface,
                            const char *stream, SoupServerMessage *msg);

/* base_auth_is_secret: is @given (nullable) @secret? The time taken says
 * nothing of it, not even how long it is. Any thread. */
gboolean base_auth_is_secret (const char *given, const char *secret);
/* (transfer full) (nullable): of "Authorization: Bearer" */
char *base_auth_dup_bearer (SoupServerMessage *msg);

/* base_auth_is_open: surface has a secret, or insecure: not protected mode */
gboolean base_auth_is_open (BaseAuth *self, BaseAuthSurface surface);

/* base_auth_get_refused: refused requests so far, by surface (a counter) */
guint64 base_auth_get_refused (BaseAuth *self, BaseAuthSurface surface);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BaseAuth, base_auth_free)
