/* SPDX-License-Identifier: Apache-2.0 */
/* Auth: tokens, JSON Web Tokens and the attacks on them, protected mode. */
#include "base/auth.h"

#include <glib/gstdio.h>
#include <jwt.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/clock.h"
#include "loopback.h"

#define NOW_S 1000000
#define SECRET "a secret of no less than 32 bytes!"

typedef struct
{
  char *private_pem;
  char *public_pem;
} KeyPair;

static KeyPair rsa, ec, small_rsa, p384;

static char *
pem_of (EVP_PKEY *key, gboolean is_private)
{
  BIO *bio = BIO_new (BIO_s_mem ());
  char *data, *text;
  long n_bytes;

  if (is_private)
    PEM_write_bio_PrivateKey (bio, key, NULL, NULL, 0, NULL, NULL);
  else
    PEM_write_bio_PUBKEY (bio, key);
  n_bytes = BIO_get_mem_data (bio, &data);
  text = g_strndup (data, (gsize)n_bytes);
  BIO_free (bio);
  return text;
}

static void
take_key (KeyPair *pair, EVP_PKEY *key)
{
  g_assert_nonnull (key);
  pair->private_pem = pem_of (key, TRUE);
  pair->public_pem = pem_of (key, FALSE);
  EVP_PKEY_free (key);
}

static void
clear_key (KeyPair *pair)
{
  g_free (pair->private_pem);
  g_free (pair->public_pem);
}

/* make_token: (transfer full): @claims: JSON; @alg NONE = unsigned */
static char *
make_token (const char *claims, jwt_alg_t alg, const char *key)
{
  jwt_t *jwt;
  char *text, *copy;

  g_assert_cmpint (jwt_new (&jwt), ==, 0);
  g_assert_cmpint (jwt_add_grants_json (jwt, claims), ==, 0);
  g_assert_cmpint (jwt_set_alg (jwt, alg, (const unsigned char *)key,
                                key ? (int)strlen (key) : 0),
                   ==, 0);
  text = jwt_encode_str (jwt);
  g_assert_nonnull (text);
  copy = g_strdup (text);
  free (text);
  jwt_free (jwt);
  return copy;
}

/* auth_with_key: %NULL with @error when @key is refused */
static BaseAuth *
auth_with_key (const char *key, gssize n_bytes, GError **error)
{
  const char *none[BASE_AUTH_N_SURFACES] = { NULL };
  g_autofree char *path = NULL;
  BaseAuth *auth;
  int fd = g_file_open_tmp ("jwt-key-XXXXXX", &path, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_assert_true (g_close (fd, NULL));
  g_assert_true (g_file_set_contents (path, key, n_bytes, NULL));
  auth = base_auth_new (none, path, FALSE, error);
  g_remove (path);
  return auth;
}

static BaseAuthResult
check_claims (BaseAuth *auth, BaseAuthSurface surface, const char *stream,
              const char *claims, jwt_alg_t alg, const char *key)
{
  g_autofree char *token = make_token (claims, alg, key);

  return base_auth_check_token (auth, surface, stream, token, NOW_S);
}

static void
test_static_tokens (void)
{
  const char *tokens[BASE_AUTH_N_SURFACES] = {
    [BASE_AUTH_PUBLISH] = "pub", [BASE_AUTH_ADMIN] = ""
  };
  g_autoptr (BaseAuth) auth = base_auth_new (tokens, NULL, FALSE, NULL);
  g_autofree char *huge = g_strnfill (100000, 'p');

#define CHECK(surface, token)                                                  \
  base_auth_check_token (auth, surface, "s", token, NOW_S)
  g_assert_cmpint (CHECK (BASE_AUTH_PUBLISH, "pub"), ==, BASE_AUTH_OK);
  g_assert_cmpint (CHECK (BASE_AUTH_PUBLISH, NULL), ==, BASE_AUTH_MISSING);
  g_assert_cmpint (CHECK (BASE_AUTH_PUBLISH, ""), ==, BASE_AUTH_MISSING);
  g_assert_cmpint (CHECK (BASE_AUTH_PUBLISH, "pu"), ==, BASE_AUTH_WRONG);
  g_assert_cmpint (CHECK (BASE_AUTH_PUBLISH, "pubx"), ==, BASE_AUTH_WRONG);
  g_assert_cmpint (CHECK (BASE_AUTH_PUBLISH, huge), ==, BASE_AUTH_WRONG);
  g_assert_cmpint (CHECK (BASE_AUTH_WATCH, "pub"), ==, BASE_AUTH_PROTECTED);
  /* An empty setting is no secret. */
  g_assert_cmpint (CHECK (BASE_AUTH_ADMIN, ""), ==, BASE_AUTH_PROTECTED);
  g_assert_true (base_auth_is_open (auth, BASE_AUTH_PUBLISH));
  g_assert_false (base_auth_is_open (auth, BASE_AUTH_WATCH));
}

static void
test_insecure (void)
{
  const char *tokens[BASE_AUTH_N_SURFACES] = { [BASE_AUTH_PUBLISH] = "pub" };
  g_autoptr (BaseAuth) auth = base_auth_new (tokens, NULL, TRUE, NULL);

  g_assert_cmpint (CHECK (BASE_AUTH_WATCH, NULL), ==, BASE_AUTH_OK);
  g_assert_true (base_auth_is_open (auth, BASE_AUTH_WATCH));
  /* A secret that is there is asked for all the same. */
  g_assert_cmpint (CHECK (BASE_AUTH_PUBLISH, NULL), ==, BASE_AUTH_MISSING);
}

static void
test_claims (void)
{
  static const struct
  {
    const char *claims;
    BaseAuthSurface surface;
    const char *stream;
    BaseAuthResult result;
  } rows[] = {
#define EXP "\"exp\":1000100"
    { "{\"stream\":\"a\",\"action\":\"publish\"," EXP "}", BASE_AUTH_PUBLISH,
      "a", BASE_AUTH_OK },
    { "{\"stream\":\"a\",\"action\":\"publish\"," EXP "}", BASE_AUTH_PUBLISH,
      "b", BASE_AUTH_FORBIDDEN },
    { "{\"stream\":\"a\",\"action\":\"publish\"," EXP "}", BASE_AUTH_PUBLISH,
      "aa", BASE_AUTH_FORBIDDEN },
    { "{\"stream\":\"a\",\"action\":\"watch\"," EXP "}", BASE_AUTH_PUBLISH, "a",
      BASE_AUTH_FORBIDDEN },
    { "{\"stream\":\"*\",\"action\":\"watch\"," EXP "}", BASE_AUTH_WATCH, "any",
      BASE_AUTH_OK },
    { "{\"stream\":\"a*\",\"action\":\"watch\"," EXP "}", BASE_AUTH_WATCH, "ab",
      BASE_AUTH_FORBIDDEN },
    { "{\"action\":\"watch\"," EXP "}", BASE_AUTH_WATCH, "a",
      BASE_AUTH_FORBIDDEN },
    { "{\"stream\":[\"a\"],\"action\":\"watch\"," EXP "}", BASE_AUTH_WATCH, "a",
      BASE_AUTH_FORBIDDEN },
    { "{\"stream\":\"*\"," EXP "}", BASE_AUTH_WATCH, "a", BASE_AUTH_FORBIDDEN },
    { "{\"action\":\"admin\"," EXP "}", BASE_AUTH_ADMIN, NULL, BASE_AUTH_OK },
    { "{\"action\":\"admin\"," EXP "}", BASE_AUTH_METRICS, NULL, BASE_AUTH_OK },
    { "{\"action\":\"admin\",\"stream\":\"*\"," EXP "}", BASE_AUTH_WATCH, "a",
      BASE_AUTH_FORBIDDEN },
    /* Time. */
    { "{\"stream\":\"a\",\"action\":\"watch\"}", BASE_AUTH_WATCH, "a",
      BASE_AUTH_WRONG },
    { "{\"stream\":\"a\",\"action\":\"watch\",\"exp\":999995}", BASE_AUTH_WATCH,
      "a", BASE_AUTH_WRONG },
    { "{\"stream\":\"a\",\"action\":\"watch\",\"exp\":999996}", BASE_AUTH_WATCH,
      "a", BASE_AUTH_OK }, /* within the skew */
    { "{\"stream\":\"a\",\"action\":\"watch\",\"exp\":1000060.5}",
      BASE_AUTH_WATCH, "a", BASE_AUTH_OK },
    { "{\"stream\":\"a\",\"action\":\"watch\",\"exp\":\"1000100\"}",
      BASE_AUTH_WATCH, "a", BASE_AUTH_WRONG },
    { "{\"stream\":\"a\",\"action\":\"watch\",\"exp\":null}", BASE_AUTH_WATCH,
      "a", BASE_AUTH_WRONG },
    { "{\"stream\":\"a\",\"action\":\"watch\",\"exp\":true}", BASE_AUTH_WATCH,
      "a", BASE_AUTH_WRONG },
    { "{\"stream\":\"a\",\"action\":\"watch\",\"nbf\":1000006," EXP "}",
      BASE_AUTH_WATCH, "a", BASE_AUTH_WRONG },
    { "{\"stream\":\"a\",\"action\":\"watch\",\"nbf\":1000005," EXP "}",
      BASE_AUTH_WATCH, "a", BASE_AUTH_OK },
    { "{\"stream\":\"a\",\"action\":\"watch\",\"nbf\":\"x\"," EXP "}",
      BASE_AUTH_WATCH, "a", BASE_AUTH_WRONG },
  };
  g_autoptr (BaseAuth) auth = auth_with_key (SECRET "\n", -1, NULL);

  g_assert_nonnull (auth);
  g_assert_true (base_auth_is_open (auth, BASE_AUTH_METRICS));
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_test_message ("%s", rows[i].claims);
      g_assert_cmpint (check_claims (auth, rows[i].surface, rows[i].stream,
                                     rows[i].claims, JWT_ALG_HS256, SECRET),
                       ==, rows[i].result);
    }
}

#define GOOD "{\"stream\":\"*\",\"action\":\"watch\"," EXP "}"

static void
test_algorithms (void)
{
  g_autoptr (BaseAuth) hs = auth_with_key (SECRET, -1, NULL);
  g_autoptr (BaseAuth) rs = auth_with_key (rsa.public_pem, -1, NULL);
  g_autoptr (BaseAuth) es = auth_with_key (ec.public_pem, -1, NULL);

#define GOOD_BY(auth, alg, key)                                                \
  check_claims (auth, BASE_AUTH_WATCH, "a", GOOD, alg, key)
  g_assert_cmpint (GOOD_BY (hs, JWT_ALG_HS256, SECRET), ==, BASE_AUTH_OK);
  g_assert_cmpint (GOOD_BY (rs, JWT_ALG_RS256, rsa.private_pem), ==,
                   BASE_AUTH_OK);
  g_assert_cmpint (GOOD_BY (es, JWT_ALG_ES256, ec.private_pem), ==,
                   BASE_AUTH_OK);
  /* Another key. */
  g_assert_cmpint (GOOD_BY (hs, JWT_ALG_HS256, SECRET "x"), ==,
                   BASE_AUTH_WRONG);
  /* Another algorithm of the same family. */
  g_assert_cmpint (GOOD_BY (hs, JWT_ALG_HS512, SECRET), ==, BASE_AUTH_WRONG);
  g_assert_cmpint (GOOD_BY (rs, JWT_ALG_RS512, rsa.private_pem), ==,
                   BASE_AUTH_WRONG);
  /* No signature. */
  g_assert_cmpint (GOOD_BY (hs, JWT_ALG_NONE, NULL), ==, BASE_AUTH_WRONG);
  g_assert_cmpint (GOOD_BY (rs, JWT_ALG_NONE, NULL), ==, BASE_AUTH_WRONG);
  g_assert_cmpint (GOOD_BY (es, JWT_ALG_NONE, NULL), ==, BASE_AUTH_WRONG);
  /* A public key is public: it must not pass as a secret. */
  g_assert_cmpint (GOOD_BY (rs, JWT_ALG_HS256, rsa.public_pem), ==,
                   BASE_AUTH_WRONG);
  g_assert_cmpint (GOOD_BY (es, JWT_ALG_HS256, ec.public_pem), ==,
                   BASE_AUTH_WRONG);
  g_assert_cmpint (GOOD_BY (rs, JWT_ALG_ES256, ec.private_pem), ==,
                   BASE_AUTH_WRONG);
}

static void
test_mangled (void)
{
  g_autoptr (BaseAuth) auth = auth_with_key (SECRET, -1, NULL);
  g_autofree char *good = make_token (GOOD, JWT_ALG_HS256, SECRET);
  static const char *const bad[] = { ".",
                                     "..",
                                     "...",
                                     "a.b.c",
                                     "eyJhbGciOiJIUzI1NiJ9..",
                                     "eyJhbGciOiJub25lIn0.e30.",
                                     "\xff\xff.\xff.\xff" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_cmpint (
        base_auth_check_token (auth, BASE_AUTH_WATCH, "a", bad[i], NOW_S), ==,
        BASE_AUTH_WRONG);
  for (gsize n = 0; good[n]; n++)
    {
      g_autofree char *cut = g_strndup (good, n);
      g_autofree char *other = g_strdup (good);
      BaseAuthResult result;

      result = base_auth_check_token (auth, BASE_AUTH_WATCH, "a", cut, NOW_S);
      g_assert_cmpint (result, ==, n ? BASE_AUTH_WRONG : BASE_AUTH_MISSING);
      /* The last letter has bits that no byte takes. */
      other[n] = other[n] == 'A' ? 'B' : 'A';
      if (good[n + 1])
        g_assert_cmpint (
            base_auth_check_token (auth, BASE_AUTH_WATCH, "a", other, NOW_S),
            ==, BASE_AUTH_WRONG);
    }
}

static void
assert_key_refused (const char *key, gssize n_bytes, const char *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (auth_with_key (key, n_bytes, &error));
  g_assert_error (error, BASE_AUTH_ERROR, BASE_AUTH_ERROR_KEY_FILE);
  g_assert_nonnull (strstr (error->message, part));
}

static void
test_key_files (void)
{
  const char *none[BASE_AUTH_N_SURFACES] = { NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *huge = g_strnfill (20000, 'x');
  char binary[32];
  g_autoptr (BaseAuth) auth = NULL;

  g_assert_null (base_auth_new (none, "/nonexistent", FALSE, &error));
  g_assert_error (error, BASE_AUTH_ERROR, BASE_AUTH_ERROR_KEY_FILE);
  assert_key_refused ("", 0, "32 bytes");
  assert_key_refused ("short\n", -1, "32 bytes");
  assert_key_refused (huge, -1, "16 KiB");
  assert_key_refused (rsa.private_pem, -1, "public key");
  assert_key_refused (small_rsa.public_pem, -1, "2048");
  assert_key_refused (p384.public_pem, -1, "P-256");
  assert_key_refused ("-----BEGIN PUBLIC KEY-----\nAAAA\n", -1, "public key");
  /* A binary secret keeps a last byte that looks like a newline. */
  memset (binary, 0x80, sizeof binary);
  binary[31] = '\n';
  auth = auth_with_key (binary, sizeof binary, NULL);
  g_assert_nonnull (auth);
}

static void
answer (SoupServerMessage *msg, gpointer data)
{
  if (base_auth_require (data, BASE_AUTH_WATCH, "a", msg))
    soup_server_message_set_status (msg, 200, NULL);
}

static void
test_require (Loopback *f, gconstpointer data)
{
  const char *tokens[BASE_AUTH_N_SURFACES] = { [BASE_AUTH_WATCH] = "tok" };
  g_autoptr (BaseAuth) auth = base_auth_new (tokens, NULL, FALSE, NULL);
  const char *right[] = { "Authorization", "Bearer tok", NULL };
  const char *lower[] = { "Authorization", "bEARER   tok ", NULL };
  const char *wrong[] = { "Authorization", "Bearer x", NULL };
  const char *basic[] = { "Authorization", "Basic dG9rOnRvaw==", NULL };

  f->handler = answer;
  f->data = auth;
#define ASK(method, path, headers)                                             \
  loopback_ask (f, method, path, headers, NULL, 0)
  g_assert_cmpuint (ASK ("POST", "/", right), ==, 200);
  g_assert_cmpuint (ASK ("POST", "/", lower), ==, 200);
  g_assert_cmpuint (ASK ("GET", "/?x=1&access_token=tok", NULL), ==, 200);
  g_assert_cmpuint (base_auth_get_refused (auth, BASE_AUTH_WATCH), ==, 0);
  g_assert_cmpuint (ASK ("POST", "/?access_token=tok", NULL), ==, 401);
  g_assert_cmpuint (ASK ("GET", "/?access_token=tok", wrong), ==, 401);
  g_assert_nonnull (strstr (loopback_header (f, "WWW-Authenticate"),
                            "error=\"invalid_token\""));
  g_assert_nonnull (strstr (f->text, "error:token-invalid"));
  g_assert_cmpuint (ASK ("POST", "/", basic), ==, 401);
  g_assert_cmpuint (ASK ("POST", "/", NULL), ==, 401);
  g_assert_cmpstr (loopback_header (f, "WWW-Authenticate"), ==,
                   "Bearer realm=\"media-tree\"");
  g_assert_cmpuint (base_auth_get_refused (auth, BASE_AUTH_WATCH), ==, 4);
  g_assert_cmpuint (base_auth_get_refused (auth, BASE_AUTH_ADMIN), ==, 0);
}

static void
test_require_jwt (Loopback *f, gconstpointer data)
{
  g_autoptr (BaseAuth) auth = auth_with_key (SECRET, -1, NULL);
  g_autofree char *claims = g_strdup_printf (
      "{\"stream\":\"b\",\"action\":\"watch\",\"exp\":%" G_GINT64_FORMAT "}",
      base_clock_wall_us () / BASE_US_PER_S + 60);
  g_autofree char *token = make_token (claims, JWT_ALG_HS256, SECRET);
  g_autofree char *header = g_strconcat ("Bearer ", token, NULL);
  const char *headers[] = { "Authorization", header, NULL };

  f->handler = answer;
  f->data = auth;
  g_assert_cmpuint (ASK ("POST", "/", headers), ==, 403);
  g_assert_nonnull (
      strstr (loopback_header (f, "WWW-Authenticate"), "insufficient_scope"));
  g_assert_nonnull (strstr (f->text, "error:token-forbidden"));
}

static void
test_require_protected (Loopback *f, gconstpointer data)
{
  const char *none[BASE_AUTH_N_SURFACES] = { NULL };
  g_autoptr (BaseAuth) closed = base_auth_new (none, NULL, FALSE, NULL);
  g_autoptr (BaseAuth) open = base_auth_new (none, NULL, TRUE, NULL);
  const char *foreign[] = { "Host", "evil.example", NULL };

  f->handler = answer;
  f->data = closed;
  g_assert_cmpuint (ASK ("POST", "/", NULL), ==, 200);
  g_assert_cmpuint (ASK ("POST", "/", foreign), ==, 403);
  g_assert_nonnull (strstr (f->text, "error:protected-mode"));
  g_assert_null (loopback_header (f, "WWW-Authenticate"));
  f->data = open;
  g_assert_cmpuint (ASK ("POST", "/", foreign), ==, 200);
}

static void
test_is_secret (void)
{
  g_assert_true (base_auth_is_secret ("1234", "1234"));
  g_assert_false (base_auth_is_secret (NULL, "1234"));
  g_assert_false (base_auth_is_secret ("", "1234"));
  g_assert_false (base_auth_is_secret ("1235", "1234"));
  g_assert_false (base_auth_is_secret ("12345", "1234"));
  g_assert_false (base_auth_is_secret ("123", "1234"));
}

int
main (int argc, char **argv)
{
  int failed;

  g_test_init (&argc, &argv, NULL);
  take_key (&rsa, EVP_RSA_gen (2048));
  take_key (&small_rsa, EVP_RSA_gen (1024));
  take_key (&ec, EVP_EC_gen ("P-256"));
  take_key (&p384, EVP_EC_gen ("P-384"));

  g_test_add_func ("/base/auth/static-tokens", test_static_tokens);
  g_test_add_func ("/base/auth/is-secret", test_is_secret);
  g_test_add_func ("/base/auth/insecure", test_insecure);
  g_test_add_func ("/base/auth/claims", test_claims);
  g_test_add_func ("/base/auth/algorithms", test_algorithms);
  g_test_add_func ("/base/auth/mangled", test_mangled);
  g_test_add_func ("/base/auth/key-files", test_key_files);
#define ADD(name, func)                                                        \
  g_test_add ("/base/auth/" name, Loopback, NULL, loopback_set_up, func,       \
              loopback_tear_down)
  ADD ("require", test_require);
  ADD ("require-jwt", test_require_jwt);
  ADD ("require-protected", test_require_protected);
  failed = g_test_run ();

  clear_key (&rsa);
  clear_key (&small_rsa);
  clear_key (&ec);
  clear_key (&p384);
  return failed;
}
