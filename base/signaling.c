/* SPDX-License-Identifier: Apache-2.0 */
/* base/signaling: endpoint and session resources of WHIP and WHEP. */
#include "base/signaling.h"

#include <string.h>

#include "base/http.h"

#define SDP_TYPE "application/sdp"
#define FRAGMENT_TYPE "application/trickle-ice-sdpfrag"
#define ENDPOINT_METHODS "OPTIONS, GET, HEAD, POST"
#define SESSION_METHODS "OPTIONS, GET, HEAD, PATCH, DELETE"
/* A client may ask the endpoint what it may do with a session later on, so
 * CORS names the methods of both. */
#define CORS_METHODS "OPTIONS, GET, HEAD, POST, PATCH, DELETE"
#define FULL_RETRY_AFTER_S 5
#define STATUS_PRECONDITION_REQUIRED 428 /* RFC 6585; libsoup has no name */

typedef struct
{
  char *stream;     /* owned */
  char *etag;       /* owned: quoted; one per ICE session */
  gpointer session; /* borrowed from the protocol */
} Resource;

struct _BaseSignaling
{
  BaseSignalingConfig config; /* its strings are copied */
  char *prefix;               /* owned */
  char **ice_servers;         /* owned */
  BaseAuth *auth;             /* borrowed */
  BaseSignalingCallbacks callbacks;
  gpointer user_data;
  GHashTable *resources; /* owned: session id -> Resource */
  guint64 n_refused;
};

/* What a path names; the parts that it lacks are NULL. */
typedef struct
{
  char *stream, *id, *rest; /* owned, nullable */
} Target;

static void
target_clear (Target *self)
{
  g_free (self->stream);
  g_free (self->id);
  g_free (self->rest);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Target, target_clear)

static void
resource_free (gpointer data)
{
  Resource *self = data;

  g_free (self->stream);
  g_free (self->etag);
  g_free (self);
}

static SoupMessageHeaders *
reply_headers (SoupServerMessage *msg)
{
  return soup_server_message_get_response_headers (msg);
}

static const char *
request_header (SoupServerMessage *msg, const char *name)
{
  return soup_message_headers_get_one (
      soup_server_message_get_request_headers (msg), name);
}

static gboolean
method_is (SoupServerMessage *msg, const char *method)
{
  return g_str_equal (soup_server_message_get_method (msg), method);
}

gboolean
base_stream_name_is_valid (const char *name)
{
  gsize n_chars = strnlen (name, BASE_STREAM_NAME_MAX_CHARS + 1);

  if (n_chars == 0 || n_chars > BASE_STREAM_NAME_MAX_CHARS)
    return FALSE;
  /* No client can send these two: a URL's path is normalized. */
  if (g_str_equal (name, ".") || g_str_equal (name, ".."))
    return FALSE;
  for (; *name; name++)
    if (!g_ascii_isalnum (*name) && !strchr ("._-", *name))
      return FALSE;
  return TRUE;
}

BaseSignaling *
base_signaling_new (const BaseSignalingConfig *config, BaseAuth *auth,
                    const BaseSignalingCallbacks *callbacks, gpointer user_data)
{
  BaseSignaling *self;

  g_return_val_if_fail (config && config->prefix && auth, NULL);
  g_return_val_if_fail (callbacks && callbacks->create && callbacks->destroy
                            && callbacks->patch_fragment,
                        NULL);

  self = g_new0 (BaseSignaling, 1);
  self->config = *config;
  self->prefix = g_strdup (config->prefix);
  self->ice_servers = g_strdupv ((char **)config->ice_servers);
  self->auth = auth;
  self->callbacks = *callbacks;
  self->user_data = user_data;
  self->resources =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, resource_free);
  return self;
}

/* end_session: takes the resource away, then tells the protocol, which may
 * call back into us. */
static void
end_session (BaseSignaling *self, const char *id)
{
  Resource *resource = g_hash_table_lookup (self->resources, id);
  gpointer session = resource->session;

  g_hash_table_remove (self->resources, id);
  self->callbacks.destroy (session, self->user_data);
}

void
base_signaling_free (BaseSignaling *self)
{
  GHashTableIter iter;
  gpointer id;

  g_return_if_fail (self);

  while (g_hash_table_iter_init (&iter, self->resources),
         g_hash_table_iter_next (&iter, &id, NULL))
    {
      g_autofree char *copy = g_strdup (id);

      end_session (self, copy);
    }
  g_hash_table_unref (self->resources);
  g_strfreev (self->ice_servers);
  g_free (self->prefix);
  g_free (self);
}

/* dup_quoted: (transfer full): one half of "user:credential" (where %XX lets
 * either contain a colon) as a quoted-string (RFC 9110, 5.6.4); what no header
 * may carry is left out */
static char *
dup_quoted (const char *start, const char *end)
{
  g_autofree char *text = g_uri_unescape_segment (start, end, NULL);
  GString *string = g_string_new ("\"");

  for (const char *c = text ? text : ""; *c; c++)
    {
      if (g_ascii_iscntrl (*c))
        continue;
      if (strchr ("\"\\", *c))
        g_string_append_c (string, '\\');
      g_string_append_c (string, *c);
    }
  g_string_append_c (string, '"');
  return g_string_free (string, FALSE);
}

/* dup_link: (transfer full): "turn:user:cred@host:port?…" as a Link header */
static char *
dup_link (const char *server)
{
  const char *login = strchr (server, ':');
  const char *at = strrchr (server, '@');
  const char *colon;
  g_autofree char *user = NULL, *credential = NULL;

  if (!login || !at || at < login)
    return g_strdup_printf ("<%s>; rel=\"ice-server\"", server);
  login++;
  colon = memchr (login, ':', (gsize)(at - login));
  user = dup_quoted (login, colon ? colon : at);
  credential = dup_quoted (colon ? colon + 1 : at, at);
  return g_strdup_printf ("<%.*s%s>; rel=\"ice-server\"; username=%s; "
                          "credential=%s; credential-type=\"password\"",
                          (int)(login - server), server, at + 1, user,
                          credential);
}

/* One header per server: OBS reads no lists with credentials in them. */
static void
add_links (BaseSignaling *self, SoupServerMessage *msg)
{
  for (char **server = self->ice_servers; server && *server; server++)
    {
      g_autofree char *link = dup_link (*server);

      soup_message_headers_append (reply_headers (msg), "Link", link);
    }
}

/* may_see_links: a TURN credential is for those who may open a session.
 * Returns: %FALSE with @msg answered only when a token was sent and is bad */
static gboolean
may_see_links (BaseSignaling *self, SoupServerMessage *msg, const char *stream)
{
  BaseAuthResult result;

  if (request_header (msg, "Authorization"))
    return base_auth_require (self->auth, self->config.surface, stream, msg);
  result =
      base_auth_check_token (self->auth, self->config.surface, stream, NULL, 0);
  return result == BASE_AUTH_OK
         || (result == BASE_AUTH_PROTECTED && base_http_peer_is_loopback (msg));
}

static const char *
patch_types (BaseSignaling *self)
{
  static const char both[] = FRAGMENT_TYPE ", " SDP_TYPE;

  return self->callbacks.patch_sdp ? both : FRAGMENT_TYPE;
}

static void
answer_options (BaseSignaling *self, SoupServerMessage *msg,
                const Target *target)
{
  gboolean with_links = FALSE;

  if (!base_http_is_preflight (msg))
    {
      with_links = may_see_links (self, msg, target->stream);
      if (!with_links && request_header (msg, "Authorization"))
        return;
    }
  base_http_preflight (msg, CORS_METHODS, target->id ? NULL : SDP_TYPE);
  if (target->rest)
    return;
  soup_message_headers_replace (reply_headers (msg), "Allow",
                                target->id ? SESSION_METHODS
                                           : ENDPOINT_METHODS);
  if (target->id)
    soup_message_headers_replace (reply_headers (msg), "Accept-Patch",
                                  patch_types (self));
  if (with_links)
    add_links (self, msg);
}

static void
answer_bad_method (SoupServerMessage *msg, const char *allowed)
{
  base_http_problem (msg, SOUP_STATUS_METHOD_NOT_ALLOWED, "method-not-allowed",
                     "This resource allows %s.", allowed);
  soup_message_headers_replace (reply_headers (msg), "Allow", allowed);
}

/* find: (transfer none) (nullable) */
static const Resource *
find (BaseSignaling *self, const Target *target)
{
  const Resource *resource = g_hash_table_lookup (self->resources, target->id);

  return resource && g_str_equal (resource->stream, target->stream) ? resource
                                                                    : NULL;
}

static void
answer_no_session (SoupServerMessage *msg)
{
  base_http_problem (msg, SOUP_STATUS_NOT_FOUND, "session-not-found",
                     "There is no such session; it may have ended.");
}

static void
answer_bad_type (SoupServerMessage *msg, const char *accepted)
{
  base_http_problem (msg, SOUP_STATUS_UNSUPPORTED_MEDIA_TYPE,
                     "content-type-unsupported", "The Content-Type must be %s.",
                     accepted);
}

/* renew_etag: a new ICE session has a new tag, and the client is told */
static void
renew_etag (Resource *resource, SoupServerMessage *msg)
{
  g_autofree char *tag = base_http_random_id ();

  g_free (resource->etag);
  resource->etag = g_strdup_printf ("\"%s\"", tag);
  soup_message_headers_replace (reply_headers (msg), "ETag", resource->etag);
}

static void
answer_created (BaseSignaling *self, SoupServerMessage *msg, Resource *resource,
                const char *id, guint status, const char *content_type,
                const char *answer)
{
  g_autofree char *location =
      g_strdup_printf ("%s/%s/%s", self->prefix, resource->stream, id);

  base_http_text (msg, status, content_type ? content_type : SDP_TYPE, answer);
  soup_message_headers_replace (reply_headers (msg), "Location", location);
  soup_message_headers_replace (reply_headers (msg), "Cache-Control",
                                "no-store");
  renew_etag (resource, msg);
  add_links (self, msg);
  if (self->callbacks.add_headers)
    self->callbacks.add_headers (resource->session, msg, self->user_data);
}

static void
handle_post (BaseSignaling *self, SoupServerMessage *msg, const char *stream)
{
  g_autofree char *offer = NULL, *answer = NULL, *content_type = NULL;
  g_autofree char *id = NULL;
  guint status = SOUP_STATUS_CREATED;
  Resource *resource;
  gpointer session;

  if (!base_auth_require (self->auth, self->config.surface, stream, msg))
    return;
  if (!base_http_has_type (msg, SDP_TYPE))
    {
      answer_bad_type (msg, SDP_TYPE);
      soup_message_headers_replace (reply_headers (msg), "Accept-Post",
                                    SDP_TYPE);
      return;
    }
  offer = base_http_dup_body (msg, BASE_SIGNALING_MAX_BODY_BYTES);
  if (!offer)
    return;
  if (g_hash_table_size (self->resources) >= self->config.max_sessions)
    {
      self->n_refused++;
      base_http_problem (msg, SOUP_STATUS_SERVICE_UNAVAILABLE, "server-full",
                         "This server has as many sessions as it may have.");
      base_http_retry_after (msg, FULL_RETRY_AFTER_S);
      return;
    }
  id = base_http_random_id ();
  if (base_http_get_log_id (msg))
    memcpy (id, base_http_get_log_id (msg), BASE_HTTP_LOG_ID_CHARS);
  session = self->callbacks.create (stream, id, offer, msg, &status,
                                    &content_type, &answer, self->user_data);
  if (!session)
    return;
  resource = g_new0 (Resource, 1);
  resource->stream = g_strdup (stream);
  resource->session = session;
  g_hash_table_insert (self->resources, g_strdup (id), resource);
  answer_created (self, msg, resource, id, status, content_type, answer);
}

/* tag_matches: strong comparison of @tag with the list in If-Match */
static gboolean
tag_matches (const char *if_match, const char *tag)
{
  g_auto (GStrv) items = g_strsplit (if_match, ",", 16);

  for (char **item = items; *item; item++)
    if (g_str_equal (g_strstrip (*item), tag))
      return TRUE;
  return FALSE;
}

/* check_if_match: real players forget If-Match (PROTOCOLS.md N1), so that
 * only a wrong one is refused, unless @strict_etags.
 * Returns: %FALSE when @msg has been answered */
static gboolean
check_if_match (BaseSignaling *self, SoupServerMessage *msg,
                const Resource *resource, gboolean *ret_wants_restart)
{
  const char *header = request_header (msg, "If-Match");
  g_autofree char *if_match = header ? g_strstrip (g_strdup (header)) : NULL;

  *ret_wants_restart = FALSE;
  if (!if_match)
    {
      if (!self->config.strict_etags)
        return TRUE;
      base_http_problem (msg, STATUS_PRECONDITION_REQUIRED, "if-match-missing",
                         "Send the session's ETag in If-Match, or \"*\" to "
                         "restart ICE.");
      return FALSE;
    }
  if (g_str_equal (if_match, "*") || g_str_equal (if_match, "\"*\""))
    {
      *ret_wants_restart = TRUE;
      return TRUE;
    }
  if (tag_matches (if_match, resource->etag))
    return TRUE;
  base_http_problem (msg, SOUP_STATUS_PRECONDITION_FAILED, "etag-mismatch",
                     "If-Match is not the ETag of the current ICE session.");
  return FALSE;
}

static void
patch_fragment (BaseSignaling *self, SoupServerMessage *msg, const char *id)
{
  Resource *resource = g_hash_table_lookup (self->resources, id);
  g_autofree char *fragment = NULL, *answer = NULL;
  gboolean wants_restart;

  fragment = base_http_dup_body (msg, BASE_SIGNALING_MAX_BODY_BYTES);
  if (!fragment || !check_if_match (self, msg, resource, &wants_restart))
    return;
  switch (self->callbacks.patch_fragment (
      resource->session, fragment, wants_restart, &answer, self->user_data))
    {
    case BASE_PATCH_TRICKLED:
      base_http_empty (msg, SOUP_STATUS_NO_CONTENT);
      break;
    case BASE_PATCH_RESTARTED:
      base_http_text (msg, SOUP_STATUS_OK, FRAGMENT_TYPE, answer);
      renew_etag (resource, msg);
      break;
    case BASE_PATCH_STALE:
      base_http_problem (msg, SOUP_STATUS_PRECONDITION_FAILED,
                         "ice-session-stale",
                         "The fragment's ice-ufrag is not the session's; "
                         "send If-Match: * to restart ICE.");
      break;
    case BASE_PATCH_REFUSED:
      base_http_problem (msg, SOUP_STATUS_UNPROCESSABLE_ENTITY,
                         "sdpfrag-refused",
                         "The fragment is valid, but cannot be applied; the "
                         "session goes on as it was.");
      break;
    case BASE_PATCH_MALFORMED:
    default:
      base_http_problem (msg, SOUP_STATUS_BAD_REQUEST, "sdpfrag-malformed",
                         "The body is no SDP fragment (RFC 8840).");
      break;
    }
}

static void
handle_patch (BaseSignaling *self, SoupServerMessage *msg, const char *id)
{
  if (base_http_has_type (msg, FRAGMENT_TYPE))
    patch_fragment (self, msg, id);
  else if (self->callbacks.patch_sdp && base_http_has_type (msg, SDP_TYPE))
    {
      g_autofree char *sdp =
          base_http_dup_body (msg, BASE_SIGNALING_MAX_BODY_BYTES);

      if (sdp)
        self->callbacks.patch_sdp (base_signaling_lookup (self, id), sdp, msg,
                                   self->user_data);
    }
  else
    {
      answer_bad_type (msg, patch_types (self));
      soup_message_headers_replace (reply_headers (msg), "Accept-Patch",
                                    patch_types (self));
    }
}

static void
handle_endpoint (BaseSignaling *self, SoupServerMessage *msg,
                 const char *stream)
{
  if (method_is (msg, "POST"))
    handle_post (self, msg, stream);
  else if (method_is (msg, "HEAD") && self->callbacks.on_head)
    self->callbacks.on_head (stream, msg, self->user_data);
  else if (method_is (msg, "GET") || method_is (msg, "HEAD"))
    base_http_empty (msg, SOUP_STATUS_NO_CONTENT);
  else
    answer_bad_method (msg, ENDPOINT_METHODS);
}

static void
handle_session (BaseSignaling *self, SoupServerMessage *msg,
                const Target *target)
{
  gboolean is_patch = method_is (msg, "PATCH");
  gboolean is_delete = method_is (msg, "DELETE");

  if (!is_patch && !is_delete && !method_is (msg, "GET")
      && !method_is (msg, "HEAD"))
    {
      answer_bad_method (msg, SESSION_METHODS);
      return;
    }
  if ((is_patch || is_delete)
      && !base_auth_require (self->auth, self->config.surface, target->stream,
                             msg))
    return;
  if (!find (self, target))
    answer_no_session (msg);
  else if (is_patch)
    handle_patch (self, msg, target->id);
  else if (is_delete)
    {
      end_session (self, target->id);
      base_http_empty (msg, SOUP_STATUS_OK); /* OBS takes nothing else */
    }
  else
    base_http_empty (msg, SOUP_STATUS_NO_CONTENT);
}

static void
handle_below_session (BaseSignaling *self, SoupServerMessage *msg,
                      const Target *target)
{
  const Resource *resource = find (self, target);

  if (!resource || !self->callbacks.on_sub_request
      || !self->callbacks.on_sub_request (resource->session, msg, target->rest,
                                          self->user_data))
    answer_no_session (msg);
}

/* parse_target: %FALSE when @path names no stream */
static gboolean
parse_target (BaseSignaling *self, const char *path, Target *ret)
{
  g_auto (GStrv) parts = NULL;

  if (!g_str_has_prefix (path, self->prefix)
      || path[strlen (self->prefix)] != '/')
    return FALSE;
  parts = g_strsplit (path + strlen (self->prefix) + 1, "/", 3);
  if (!parts[0] || !base_stream_name_is_valid (parts[0]))
    return FALSE;
  ret->stream = g_strdup (parts[0]);
  if (parts[1] && *parts[1])
    {
      ret->id = g_strdup (parts[1]);
      if (parts[2] && *parts[2])
        ret->rest = g_strdup (parts[2]);
    }
  return TRUE;
}

void
base_signaling_handle (BaseSignaling *self, SoupServerMessage *msg,
                       const char *path)
{
  g_auto (Target) target = { NULL, NULL, NULL };

  g_return_if_fail (self && msg && path);

  base_http_cors (msg);
  if (!parse_target (self, path, &target))
    base_http_problem (msg, SOUP_STATUS_NOT_FOUND, "stream-name-invalid",
                       "The path must be %s/{stream}; a stream's name has 1 "
                       "to %d characters of A-Z a-z 0-9 . _ -",
                       self->prefix, BASE_STREAM_NAME_MAX_CHARS);
  else if (method_is (msg, "OPTIONS"))
    answer_options (self, msg, &target);
  else if (target.rest)
    handle_below_session (self, msg, &target);
  else if (target.id)
    handle_session (self, msg, &target);
  else
    handle_endpoint (self, msg, target.stream);
}

void
base_signaling_remove (BaseSignaling *self, const char *id)
{
  g_return_if_fail (self && id);
  g_hash_table_remove (self->resources, id);
}

gpointer
base_signaling_lookup (BaseSignaling *self, const char *id)
{
  const Resource *resource;

  g_return_val_if_fail (self && id, NULL);
  resource = g_hash_table_lookup (self->resources, id);
  return resource ? resource->session : NULL;
}

guint
base_signaling_get_n_sessions (BaseSignaling *self)
{
  g_return_val_if_fail (self, 0);
  return g_hash_table_size (self->resources);
}

guint64
base_signaling_get_n_refused (BaseSignaling *self)
{
  g_return_val_if_fail (self, 0);
  return self->n_refused;
}
