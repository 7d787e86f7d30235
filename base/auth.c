/* SPDX-License-Identifier: Apache-2.0 */
/* base/auth: static tokens, JSON Web Tokens by libjwt, protected mode. */
#include "base/auth.h"

#include <errno.h>
#include <jwt.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "base/redirect.h"

#define TOKEN_MAX_BYTES 4096
#define KEY_FILE_MAX_BYTES 16384
#define HMAC_KEY_MIN_BYTES 32 /* RFC 7518, 3.2 */
#define RSA_KEY_MIN_BITS 2048 /* RFC 7518, 3.3 */
#define DIGEST_BYTES 32
/* Nodes' clocks differ a little; NumericDate has whole seconds. */
#define CLOCK_SKEW_S 5

typedef struct
{
  gboolean has_token;
  guint8 token_digest[DIGEST_BYTES]; /* the token itself is not kept */
  guint64 n_refused;
} Surface;

struct _BaseAuth
{
  Surface surfaces[BASE_AUTH_N_SURFACES];
  gboolean is_insecure;
  BaseRedirect *redirect; /* borrowed (nullable) */
  char *jwt_key; /* owned (nullable); NUL-terminated, as PEM needs it */
  gsize n_jwt_key_bytes;
  jwt_alg_t jwt_alg; /* the one algorithm that this key may be used with */
};

G_DEFINE_QUARK (base - auth - error - quark, base_auth_error)

static const char *const surface_actions[BASE_AUTH_N_SURFACES] = {
  [BASE_AUTH_PUBLISH] = "publish",
  [BASE_AUTH_WATCH] = "watch",
  [BASE_AUTH_ADMIN] = "admin",
  [BASE_AUTH_METRICS] = "admin",
};

static void
digest_of (const char *token, guint8 ret_digest[DIGEST_BYTES])
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize n_bytes = DIGEST_BYTES;

  g_checksum_update (sum, (const guchar *)token, -1);
  g_checksum_get_digest (sum, ret_digest, &n_bytes);
}

/* pem_algorithm: what a PEM public key may verify, JWT_ALG_INVAL when it is
 * no key that we take */
static jwt_alg_t
pem_algorithm (const char *pem, gsize n_bytes)
{
  BIO *bio = BIO_new_mem_buf (pem, (int)n_bytes);
  EVP_PKEY *key = PEM_read_bio_PUBKEY (bio, NULL, NULL, NULL);
  jwt_alg_t alg = JWT_ALG_INVAL;
  char curve[32] = "";

  if (key && EVP_PKEY_is_a (key, "RSA")
      && EVP_PKEY_get_bits (key) >= RSA_KEY_MIN_BITS)
    alg = JWT_ALG_RS256;
  else if (key && EVP_PKEY_is_a (key, "EC")
           && EVP_PKEY_get_utf8_string_param (key, OSSL_PKEY_PARAM_GROUP_NAME,
                                              curve, sizeof curve, NULL)
           && g_str_equal (curve, "prime256v1"))
    alg = JWT_ALG_ES256;
  EVP_PKEY_free (key);
  BIO_free (bio);
  return alg;
}

/* strip_newline: a secret written by an editor or echo ends in one that
 * nobody means; a binary secret is left alone. */
static gsize
strip_newline (char *secret, gsize n_bytes)
{
  for (gsize i = 0; i < n_bytes; i++)
    if (!g_ascii_isprint (secret[i]) && !g_ascii_isspace (secret[i]))
      return n_bytes;
  while (n_bytes > 0 && strchr ("\r\n", secret[n_bytes - 1]))
    secret[--n_bytes] = '\0';
  return n_bytes;
}

static gboolean
load_key (BaseAuth *self, const char *path, GError **error)
{
  g_autoptr (GError) reason = NULL;
  const char *what;

  if (!g_file_get_contents (path, &self->jwt_key, &self->n_jwt_key_bytes,
                            &reason))
    {
      g_set_error (error, BASE_AUTH_ERROR, BASE_AUTH_ERROR_KEY_FILE,
                   "The JWT key cannot be read: %s", reason->message);
      return FALSE;
    }
  if (self->n_jwt_key_bytes > KEY_FILE_MAX_BYTES)
    what = "is larger than 16 KiB";
  else if (g_strstr_len (self->jwt_key, (gssize)self->n_jwt_key_bytes,
                         "-----BEGIN"))
    {
      self->jwt_alg = pem_algorithm (self->jwt_key, self->n_jwt_key_bytes);
      if (self->jwt_alg != JWT_ALG_INVAL)
        return TRUE;
      what = "is PEM, but no public key of RSA (2048 bits or more) or of "
             "P-256";
    }
  else
    {
      self->jwt_alg = JWT_ALG_HS256;
      self->n_jwt_key_bytes =
          strip_newline (self->jwt_key, self->n_jwt_key_bytes);
      if (self->n_jwt_key_bytes >= HMAC_KEY_MIN_BYTES)
        return TRUE;
      what = "is a secret shorter than 32 bytes";
    }
  g_set_error (error, BASE_AUTH_ERROR, BASE_AUTH_ERROR_KEY_FILE,
               "The JWT key %s %s", path, what);
  return FALSE;
}

BaseAuth *
base_auth_new (const char *const tokens[BASE_AUTH_N_SURFACES],
               const char *jwt_key_path, gboolean insecure, GError **error)
{
  g_autoptr (BaseAuth) self = g_new0 (BaseAuth, 1);

  self->is_insecure = insecure;
  for (guint i = 0; i < BASE_AUTH_N_SURFACES; i++)
    if (tokens && tokens[i] && *tokens[i])
      {
        self->surfaces[i].has_token = TRUE;
        digest_of (tokens[i], self->surfaces[i].token_digest);
      }
  if (jwt_key_path && !load_key (self, jwt_key_path, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
base_auth_free (BaseAuth *self)
{
  g_return_if_fail (self);
  if (self->jwt_key)
    OPENSSL_cleanse (self->jwt_key, self->n_jwt_key_bytes);
  g_free (self->jwt_key);
  g_free (self);
}

void
base_auth_set_redirect (BaseAuth *self, BaseRedirect *redirect)
{
  g_return_if_fail (self);
  self->redirect = redirect;
}

static gboolean
has_secret (BaseAuth *self, BaseAuthSurface surface)
{
  return self->surfaces[surface].has_token || self->jwt_key;
}

/* get_date: a NumericDate, which may have a fraction (RFC 7519, 2)
 * Returns: %FALSE when the claim is missing or no number */
static gboolean
get_date (jwt_t *jwt, const char *claim, double *ret_date)
{
  char *json = jwt_get_grants_json (jwt, claim);
  char *end = NULL;
  double date = json ? g_ascii_strtod (json, &end) : 0;
  gboolean is_number = json && end != json && *end == '\0';

  free (json); /* libjwt's, from malloc */
  if (is_number)
    *ret_date = date;
  return is_number;
}

/* check_claims: of a token whose signature is right */
static BaseAuthResult
check_claims (jwt_t *jwt, BaseAuthSurface surface, const char *stream,
              gint64 now_s)
{
  const char *action = jwt_get_grant (jwt, "action");
  const char *allowed = jwt_get_grant (jwt, "stream");
  char *not_before = jwt_get_grants_json (jwt, "nbf");
  gboolean has_not_before = not_before != NULL;
  double date = 0;

  free (not_before);
  if (!get_date (jwt, "exp", &date) || !((double)now_s < date + CLOCK_SKEW_S))
    return BASE_AUTH_WRONG;
  if (has_not_before
      && (!get_date (jwt, "nbf", &date)
          || !((double)now_s >= date - CLOCK_SKEW_S)))
    return BASE_AUTH_WRONG;
  if (g_strcmp0 (action, surface_actions[surface]) != 0)
    return BASE_AUTH_FORBIDDEN;
  if (stream && g_strcmp0 (allowed, "*") != 0
      && g_strcmp0 (allowed, stream) != 0)
    return BASE_AUTH_FORBIDDEN;
  return BASE_AUTH_OK;
}

/* check_jwt: the algorithm comes from the key's type. libjwt verifies by what
 * the token's header says, so that an HS256 token keyed with the text of a
 * public key would pass it: the comparison after it is what refuses that. */
static BaseAuthResult
check_jwt (BaseAuth *self, BaseAuthSurface surface, const char *stream,
           const char *token, gint64 now_s)
{
  BaseAuthResult result = BASE_AUTH_WRONG;
  jwt_t *jwt = NULL;

  if (jwt_decode (&jwt, token, (const unsigned char *)self->jwt_key,
                  (int)self->n_jwt_key_bytes)
      != 0)
    return BASE_AUTH_WRONG;
  if (jwt_get_alg (jwt) == self->jwt_alg)
    result = check_claims (jwt, surface, stream, now_s);
  jwt_free (jwt);
  return result;
}

BaseAuthResult
base_auth_check_token (BaseAuth *self, BaseAuthSurface surface,
                       const char *stream, const char *token, gint64 now_s)
{
  g_return_val_if_fail (self && surface < BASE_AUTH_N_SURFACES,
                        BASE_AUTH_WRONG);

  if (!has_secret (self, surface))
    return self->is_insecure ? BASE_AUTH_OK : BASE_AUTH_PROTECTED;
  if (!token || !*token)
    return BASE_AUTH_MISSING;
  if (strnlen (token, TOKEN_MAX_BYTES + 1) > TOKEN_MAX_BYTES)
    return BASE_AUTH_WRONG;
  if (self->surfaces[surface].has_token)
    {
      guint8 digest[DIGEST_BYTES];

      /* Digests, so that not even the length shows in the time taken. */
      digest_of (token, digest);
      if (CRYPTO_memcmp (digest, self->surfaces[surface].token_digest,
                         DIGEST_BYTES)
          == 0)
        return BASE_AUTH_OK;
    }
  return self->jwt_key ? check_jwt (self, surface, stream, token, now_s)
                       : BASE_AUTH_WRONG;
}

gboolean
base_auth_is_secret (const char *given, const char *secret)
{
  guint8 one[DIGEST_BYTES], other[DIGEST_BYTES];

  if (!given)
    return FALSE;
  digest_of (given, one);
  digest_of (secret, other);
  return CRYPTO_memcmp (one, other, DIGEST_BYTES) == 0;
}

static const char *
get_authorization (SoupServerMessage *msg)
{
  return soup_message_headers_get_one (
      soup_server_message_get_request_headers (msg), "Authorization");
}

char *
base_auth_dup_bearer (SoupServerMessage *msg)
{
  const char *header = get_authorization (msg);

  return header && g_ascii_strncasecmp (header, "Bearer ", 7) == 0
             ? g_strstrip (g_strdup (header + 7))
             : NULL;
}

/* dup_token: (transfer full) (nullable) */
static char *
dup_token (SoupServerMessage *msg)
{
  const char *query = g_uri_get_query (soup_server_message_get_uri (msg));
  g_autoptr (GHashTable) params = NULL;
  char *bearer = base_auth_dup_bearer (msg);

  if (bearer)
    return bearer;
  if (get_authorization (msg) || !query
      || !g_str_equal (soup_server_message_get_method (msg), "GET"))
    return NULL;
  params = soup_form_decode (query);
  return g_strdup (g_hash_table_lookup (params, "access_token"));
}

/* find_hop: 0: no other node of ours has sent @msg here */
static guint
find_hop (BaseAuth *self, BaseAuthSurface surface, const char *stream,
          SoupServerMessage *msg)
{
  const char *query = g_uri_get_query (soup_server_message_get_uri (msg));
  g_autoptr (GHashTable) params = NULL;
  const char *token;
  guint hop;

  if (!self->redirect || !stream || !query)
    return 0;
  params = soup_form_decode (query);
  token = g_hash_table_lookup (params, BASE_REDIRECT_PARAMETER);
  if (!token)
    return 0;
  hop = base_redirect_open (self->redirect, token, surface, stream,
                            base_clock_wall_us ());
  if (hop > 0)
    base_http_set_log_id (msg, token); /* random: its nonce comes first */
  return hop;
}

/* refuse: answers what @result asks for; not with BASE_AUTH_OK */
static void
refuse (SoupServerMessage *msg, BaseAuthResult result)
{
  const char *challenge = NULL;

  switch (result)
    {
    case BASE_AUTH_MISSING:
      base_http_problem (msg, SOUP_STATUS_UNAUTHORIZED, "token-missing",
                         "Send \"Authorization: Bearer <token>\".");
      challenge = "Bearer realm=\"media-tree\"";
      break;
    case BASE_AUTH_FORBIDDEN:
      base_http_problem (msg, SOUP_STATUS_FORBIDDEN, "token-forbidden",
                         "The token is valid, but for another stream or "
                         "another action.");
      challenge = "Bearer realm=\"media-tree\", error=\"insufficient_scope\"";
      break;
    case BASE_AUTH_PROTECTED:
      base_http_problem (msg, SOUP_STATUS_FORBIDDEN, "protected-mode",
                         "No token is configured for this, so only clients "
                         "on the same machine are served. Configure a token, "
                         "or start with --insecure to open it to everybody.");
      break;
    case BASE_AUTH_OK:
    case BASE_AUTH_WRONG:
    default:
      base_http_problem (msg, SOUP_STATUS_UNAUTHORIZED, "token-invalid",
                         "The token is wrong or has expired.");
      challenge = "Bearer realm=\"media-tree\", error=\"invalid_token\"";
      break;
    }
  if (challenge)
    soup_message_headers_replace (
        soup_server_message_get_response_headers (msg), "WWW-Authenticate",
        challenge);
}

BaseAuthResult
base_auth_check_request (BaseAuth *self, BaseAuthSurface surface,
                         const char *stream, SoupServerMessage *msg)
{
  g_autofree char *token = NULL;
  BaseAuthResult result;
  guint hop;

  g_return_val_if_fail (self && surface < BASE_AUTH_N_SURFACES,
                        BASE_AUTH_WRONG);

  hop = find_hop (self, surface, stream, msg);
  base_http_set_hop (msg, hop);
  if (hop > 0)
    return BASE_AUTH_OK;
  token = dup_token (msg);
  result = base_auth_check_token (self, surface, stream, token,
                                  base_clock_wall_us () / BASE_US_PER_S);
  if (result == BASE_AUTH_PROTECTED && base_http_peer_is_loopback (msg))
    result = BASE_AUTH_OK;
  if (token)
    OPENSSL_cleanse (token, strlen (token));
  return result;
}

gboolean
base_auth_require (BaseAuth *self, BaseAuthSurface surface, const char *stream,
                   SoupServerMessage *msg)
{
  BaseAuthResult result;

  g_return_val_if_fail (self && surface < BASE_AUTH_N_SURFACES, FALSE);

  result = base_auth_check_request (self, surface, stream, msg);
  if (result == BASE_AUTH_OK)
    return TRUE;
  self->surfaces[surface].n_refused++;
  refuse (msg, result);
  return FALSE;
}

gboolean
base_auth_is_open (BaseAuth *self, BaseAuthSurface surface)
{
  g_return_val_if_fail (self && surface < BASE_AUTH_N_SURFACES, FALSE);
  return self->is_insecure || has_secret (self, surface);
}

guint64
base_auth_get_refused (BaseAuth *self, BaseAuthSurface surface)
{
  g_return_val_if_fail (self && surface < BASE_AUTH_N_SURFACES, 0);
  return self->surfaces[surface].n_refused;
}
