/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BaseSignaling: the HTTP half that WHIP (RFC 9725) and WHEP share: endpoint
 * and session resources, methods, CORS, content types, bearer tokens, ETag and
 * If-Match rules, ICE restart and trickle by PATCH, DELETE, Link ice-server.
 * SDP is opaque text here; a protocol gives callbacks.
 *   {prefix}/{stream}                    endpoint
 *   {prefix}/{stream}/{session}          session: PATCH, DELETE, GET, OPTIONS
 *   {prefix}/{stream}/{session}/{rest}   handed to on_sub_request
 * Owner:  whip/ and egress/ each have one. Thread: main.
 */
#pragma once

#include "base/auth.h"

#define BASE_SIGNALING_MAX_BODY_BYTES (64 * 1024)
#define BASE_STREAM_NAME_MAX_CHARS 64

typedef struct _BaseSignaling BaseSignaling;

typedef enum {
  BASE_PATCH_TRICKLED,  /* 204 */
  BASE_PATCH_RESTARTED, /* 200 + @ret_fragment, new ETag */
  BASE_PATCH_STALE,     /* 412: fragment's ufrag is not the session's and the
                           request asked for no restart */
  BASE_PATCH_MALFORMED, /* 400 */
  BASE_PATCH_REFUSED,   /* 422: session stays as it was */
} BasePatchResult;

typedef struct {
  /* POST with a valid token, type and body. Success: returns the protocol's
   * session and sets @ret_answer (full) and @ret_status (201, or 406 for a
   * counter-offer; then @ret_content_type (full, nullable) may carry
   * parameters). Failure: answers @msg itself (base_http_problem) and returns
   * NULL. @id: the new session's id, already unguessable. */
  gpointer (*create) (const char *stream, const char *id, const char *offer,
                      SoupServerMessage *msg, guint *ret_status,
                      char **ret_content_type, char **ret_answer,
                      gpointer user_data);
  /* PATCH application/trickle-ice-sdpfrag. @wants_restart: If-Match was "*" */
  BasePatchResult (*patch_fragment) (gpointer session, const char *fragment,
                                     gboolean wants_restart,
                                     char **ret_fragment, gpointer user_data);
  /* (nullable) PATCH application/sdp (WHEP answer to a counter-offer): answers
   * @msg itself, 204 when all is well */
  void (*patch_sdp) (gpointer session, const char *sdp,
                     SoupServerMessage *msg, gpointer user_data);
  /* DELETE: end it; the session is out of the table already. Also run for
   * each session by base_signaling_free. */
  void (*destroy) (gpointer session, gpointer user_data);
  /* (nullable) further resources below the session; no token is checked here
   * (EventSource cannot send one): the session id is the secret.
   * Returns: %FALSE = 404 */
  gboolean (*on_sub_request) (gpointer session, SoupServerMessage *msg,
                              const char *rest, gpointer user_data);
  /* (nullable) extra headers for the 201/406 (Link of extensions) */
  void (*add_headers) (gpointer session, SoupServerMessage *msg,
                       gpointer user_data);
  /* (nullable) HEAD on the endpoint; default 204 as GET */
  void (*on_head) (const char *stream, SoupServerMessage *msg,
                   gpointer user_data);
} BaseSignalingCallbacks;

typedef struct {
  const char *prefix;           /* "/whip"; static */
  BaseAuthSurface surface;
  gboolean strict_etags;        /* 428 when If-Match is missing (N1) */
  const char *const *ice_servers; /* as --ice-servers has them:
                                   "stun:h:p" or "turn:user:cred@h:p?transport=udp" */
  guint max_sessions;           /* 503 + Retry-After beyond it */
} BaseSignalingConfig;

BaseSignaling *base_signaling_new (const BaseSignalingConfig *config,
                                   BaseAuth *auth,
                                   const BaseSignalingCallbacks *callbacks,
                                   gpointer user_data);
void base_signaling_free (BaseSignaling *self);

/* base_signaling_handle: every request at or below the prefix; always answers
 * (DELETE 200, GET 204, OPTIONS 200, PUT 405 + Allow, …) */
void base_signaling_handle (BaseSignaling *self, SoupServerMessage *msg,
                            const char *path);

/* base_signaling_remove: the session ended by itself (peer closed, ICE
 * timeout): its resource is 404 from now on; destroy is NOT called */
void base_signaling_remove (BaseSignaling *self, const char *id);
gpointer base_signaling_lookup (BaseSignaling *self, const char *id);
guint base_signaling_get_n_sessions (BaseSignaling *self);
/* POSTs refused because of max_sessions (a counter) */
guint64 base_signaling_get_n_refused (BaseSignaling *self);

gboolean base_stream_name_is_valid (const char *name);
/* as above, and '~': streams that nodes carry and no client can ask for by
 * name, such as the lower renditions of a mountpoint */
static inline gboolean
base_carried_name_is_valid (const char *name)
{
  char plain[BASE_STREAM_NAME_MAX_CHARS + 2];

  g_strlcpy (plain, name, sizeof plain);
  return base_stream_name_is_valid (g_strdelimit (plain, "~", '_'));
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BaseSignaling, base_signaling_free)
