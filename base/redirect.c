/* SPDX-License-Identifier: Apache-2.0 */
/* BaseRedirect: see redirect.h. */
#include "base/redirect.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <string.h>
#include <sys/random.h>

#include "base/signaling.h"

#define KEY_BYTES 32
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define VERSION 1
#define HEAD_BYTES 11 /* version, action, hop, time */
#define MAX_PLAIN_BYTES (HEAD_BYTES + BASE_STREAM_NAME_MAX_CHARS)
#define MAX_BYTES (NONCE_BYTES + MAX_PLAIN_BYTES + TAG_BYTES)
#define INFO "redirect"

struct _BaseRedirect
{
  guint8 key[KEY_BYTES];
};

static void
derive (const char *secret, guint8 ret[KEY_BYTES])
{
  EVP_KDF *kdf = EVP_KDF_fetch (NULL, "HKDF", NULL);
  EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new (kdf) : NULL;
  OSSL_PARAM params[] = {
    OSSL_PARAM_construct_utf8_string (OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
    OSSL_PARAM_construct_octet_string (OSSL_KDF_PARAM_KEY, (void *)secret,
                                       strlen (secret)),
    OSSL_PARAM_construct_octet_string (OSSL_KDF_PARAM_INFO, INFO,
                                       strlen (INFO)),
    OSSL_PARAM_construct_end (),
  };

  if (!context || EVP_KDF_derive (context, ret, KEY_BYTES, params) != 1)
    g_error ("OpenSSL cannot derive a key");
  EVP_KDF_CTX_free (context);
  EVP_KDF_free (kdf);
}

BaseRedirect *
base_redirect_new (const char *secret)
{
  BaseRedirect *self;

  g_return_val_if_fail (secret && *secret, NULL);
  self = g_new0 (BaseRedirect, 1);
  derive (secret, self->key);
  return self;
}

void
base_redirect_free (BaseRedirect *self)
{
  g_return_if_fail (self);
  OPENSSL_cleanse (self->key, sizeof self->key);
  g_free (self);
}

/* dup_text: (transfer full): base64url without padding */
static char *
dup_text (const guint8 *bytes, gsize n_bytes)
{
  char *text = g_base64_encode (bytes, n_bytes);

  g_strdelimit (text, "+", '-');
  g_strdelimit (text, "/", '_');
  text[strcspn (text, "=")] = '\0';
  return text;
}

/* read_text: Returns: bytes; 0: no base64url, or too long */
static gsize
read_text (const char *text, guint8 ret[MAX_BYTES])
{
  gsize n_chars = strnlen (text, MAX_BYTES * 2), n_bytes = 0;
  g_autofree char *padded = NULL;
  g_autofree guchar *bytes = NULL;

  if (n_chars == MAX_BYTES * 2
      || strspn (text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                       "0123456789-_")
             != n_chars)
    return 0;
  padded = g_strdup_printf ("%s%.*s", text, (int)((4 - n_chars % 4) % 4), "==");
  g_strdelimit (padded, "-", '+');
  g_strdelimit (padded, "_", '/');
  bytes = g_base64_decode (padded, &n_bytes);
  if (n_bytes > MAX_BYTES)
    return 0;
  memcpy (ret, bytes, n_bytes);
  return n_bytes;
}

/* crypt_gcm: @from to @to, of the same length, and the tag, which is written
 * or checked.
 * Returns: %FALSE: the tag is wrong */
static gboolean
crypt_gcm (BaseRedirect *self, gboolean is_seal, const guint8 *nonce,
           const guint8 *from, gsize n_bytes, guint8 *to, guint8 *tag)
{
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new ();
  int n = 0;
  gboolean is_good;

  is_good = EVP_CipherInit_ex (context, EVP_aes_256_gcm (), NULL, self->key,
                               nonce, is_seal)
            && EVP_CipherUpdate (context, to, &n, from, (int)n_bytes)
            && (is_seal
                || EVP_CIPHER_CTX_ctrl (context, EVP_CTRL_GCM_SET_TAG,
                                        TAG_BYTES, tag))
            && EVP_CipherFinal_ex (context, to + n, &n)
            && (!is_seal
                || EVP_CIPHER_CTX_ctrl (context, EVP_CTRL_GCM_GET_TAG,
                                        TAG_BYTES, tag));
  EVP_CIPHER_CTX_free (context);
  return is_good;
}

char *
base_redirect_seal (BaseRedirect *self, BaseAuthSurface surface,
                    const char *stream, guint hop, gint64 now_us)
{
  guint8 plain[MAX_PLAIN_BYTES] = { VERSION, (guint8)surface, (guint8)hop };
  guint8 bytes[MAX_BYTES];
  guint64 time_ms = GUINT64_TO_BE ((guint64)(now_us / 1000));
  gsize n_name = strlen (stream), n_plain = HEAD_BYTES + n_name;

  g_return_val_if_fail (n_name <= BASE_STREAM_NAME_MAX_CHARS, NULL);
  g_return_val_if_fail (hop > 0 && hop <= G_MAXUINT8, NULL);
  memcpy (plain + 3, &time_ms, sizeof time_ms);
  memcpy (plain + HEAD_BYTES, stream, n_name);
  if (getrandom (bytes, NONCE_BYTES, 0) != NONCE_BYTES)
    g_error ("The kernel gives no random bytes");
  if (!crypt_gcm (self, TRUE, bytes, plain, n_plain, bytes + NONCE_BYTES,
                  bytes + NONCE_BYTES + n_plain))
    g_error ("OpenSSL cannot seal");
  return dup_text (bytes, NONCE_BYTES + n_plain + TAG_BYTES);
}

guint
base_redirect_open (BaseRedirect *self, const char *token,
                    BaseAuthSurface surface, const char *stream, gint64 now_us)
{
  guint8 bytes[MAX_BYTES], plain[MAX_PLAIN_BYTES];
  gsize n_bytes = read_text (token, bytes), n_plain;
  guint64 time_ms;
  gint64 age_us;

  if (n_bytes <= NONCE_BYTES + HEAD_BYTES + TAG_BYTES)
    return 0;
  n_plain = n_bytes - NONCE_BYTES - TAG_BYTES;
  if (!crypt_gcm (self, FALSE, bytes, bytes + NONCE_BYTES, n_plain, plain,
                  bytes + NONCE_BYTES + n_plain))
    return 0;
  memcpy (&time_ms, plain + 3, sizeof time_ms);
  age_us = now_us - (gint64)GUINT64_FROM_BE (time_ms) * 1000;
  if (plain[0] != VERSION || plain[1] != (guint8)surface
      || n_plain - HEAD_BYTES != strlen (stream)
      || memcmp (plain + HEAD_BYTES, stream, n_plain - HEAD_BYTES) != 0
      || age_us < -BASE_REDIRECT_SKEW_US || age_us > BASE_REDIRECT_LIFETIME_US)
    return 0;
  return plain[2];
}
