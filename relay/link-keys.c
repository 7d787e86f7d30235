/* SPDX-License-Identifier: Apache-2.0 */
/* RelayLinkKeys: see the header; docs/LINKS.md has the bytes. */
#include "relay/link-keys-private.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/clock.h"

#define SALT "media-tree link 1"
#define CONTROL "control" /* without its NUL */
#define CONTROL_BYTES (sizeof CONTROL - 1)
#define MAGIC 'M'
#define VERSION 1
#define HASH_BYTES 32
#define KEY_BYTES 16
#define IV_BYTES 12
#define TAG_BYTES 16
#define COUNTER_AT (2 + RELAY_ID_BYTES)
#define HEADER_BYTES (COUNTER_AT + 8)
#define COOKIE_SLOT_US (16 * BASE_US_PER_S)

/* key and IV of one sender */
typedef struct
{
  guint8 key[KEY_BYTES], iv[IV_BYTES];
} Control;

struct _RelayLinkKeys
{
  EVP_KDF *kdf;    /* owned */
  EVP_CIPHER *gcm; /* owned */
  guint8 prk[HASH_BYTES];
  guint8 boot_id[RELAY_ID_BYTES];
  Control own;
  guint8 cookie_key[HASH_BYTES];
  guint64 counter; /* atomic: of the last message */
};

/* @key: the secret, or the PRK; @other: salt or info */
static void
hkdf (RelayLinkKeys *self, int mode, const guint8 *key, gsize key_len,
      const char *other_name, const guint8 *other, gsize other_len, guint8 *ret,
      gsize len)
{
  EVP_KDF_CTX *ctx = EVP_KDF_CTX_new (self->kdf);
  char digest[] = "SHA256";
  OSSL_PARAM params[] = {
    OSSL_PARAM_construct_int (OSSL_KDF_PARAM_MODE, &mode),
    OSSL_PARAM_construct_utf8_string (OSSL_KDF_PARAM_DIGEST, digest, 0),
    OSSL_PARAM_construct_octet_string (OSSL_KDF_PARAM_KEY, (void *)key,
                                       key_len),
    OSSL_PARAM_construct_octet_string (other_name, (void *)other, other_len),
    OSSL_PARAM_construct_end (),
  };

  if (EVP_KDF_derive (ctx, ret, len, params) != 1)
    g_error ("relay: OpenSSL's HKDF failed");
  EVP_KDF_CTX_free (ctx);
}

void
relay_link_keys_expand (RelayLinkKeys *self, const guint8 *info, gsize info_len,
                        guint8 *ret, gsize len)
{
  hkdf (self, EVP_KDF_HKDF_MODE_EXPAND_ONLY, self->prk, sizeof self->prk,
        OSSL_KDF_PARAM_INFO, info, info_len, ret, len);
}

static void
make_control (RelayLinkKeys *self, const guint8 *boot_id, Control *ret)
{
  guint8 info[CONTROL_BYTES + RELAY_ID_BYTES], out[KEY_BYTES + IV_BYTES];

  memcpy (info, CONTROL, CONTROL_BYTES);
  memcpy (info + CONTROL_BYTES, boot_id, RELAY_ID_BYTES);
  relay_link_keys_expand (self, info, sizeof info, out, sizeof out);
  memcpy (ret->key, out, KEY_BYTES);
  memcpy (ret->iv, out + KEY_BYTES, IV_BYTES);
  OPENSSL_cleanse (out, sizeof out);
}

RelayLinkKeys *
relay_link_keys_new (const char *secret, const guint8 boot_id[RELAY_ID_BYTES])
{
  RelayLinkKeys *self;

  g_return_val_if_fail (secret && *secret && boot_id, NULL);
  self = g_new0 (RelayLinkKeys, 1);
  self->kdf = EVP_KDF_fetch (NULL, "HKDF", NULL);
  self->gcm = EVP_CIPHER_fetch (NULL, "AES-128-GCM", NULL);
  if (!self->kdf || !self->gcm
      || RAND_bytes (self->cookie_key, sizeof self->cookie_key) != 1)
    g_error ("relay: OpenSSL has no HKDF, no AES-128 or no randomness");
  hkdf (self, EVP_KDF_HKDF_MODE_EXTRACT_ONLY, (const guint8 *)secret,
        strlen (secret), OSSL_KDF_PARAM_SALT, (const guint8 *)SALT,
        sizeof SALT - 1, self->prk, sizeof self->prk);
  memcpy (self->boot_id, boot_id, RELAY_ID_BYTES);
  make_control (self, boot_id, &self->own);
  return self;
}

void
relay_link_keys_free (RelayLinkKeys *self)
{
  g_return_if_fail (self);
  EVP_KDF_free (self->kdf);
  EVP_CIPHER_free (self->gcm);
  OPENSSL_cleanse (self, sizeof *self);
  g_free (self);
}

const guint8 *
relay_link_keys_get_boot_id (RelayLinkKeys *self)
{
  return self->boot_id;
}

static void
make_iv (const Control *control, guint64 counter, guint8 ret[IV_BYTES])
{
  memcpy (ret, control->iv, IV_BYTES);
  for (guint i = 0; i < 8; i++)
    ret[IV_BYTES - 1 - i] ^= (guint8)(counter >> 8 * i);
}

gsize
relay_link_keys_seal (RelayLinkKeys *self, const guint8 *body, gsize body_len,
                      guint8 *dst)
{
  guint64 counter = __atomic_add_fetch (&self->counter, 1, __ATOMIC_RELAXED);
  guint64 counter_be = GUINT64_TO_BE (counter);
  EVP_CIPHER_CTX *ctx;
  guint8 iv[IV_BYTES];
  int n = 0;

  g_return_val_if_fail (body_len <= RELAY_LINK_MAX_BODY_BYTES, 0);
  dst[0] = MAGIC;
  dst[1] = VERSION;
  memcpy (dst + 2, self->boot_id, RELAY_ID_BYTES);
  memcpy (dst + COUNTER_AT, &counter_be, 8);
  make_iv (&self->own, counter, iv);
  ctx = EVP_CIPHER_CTX_new ();
  if (EVP_EncryptInit_ex (ctx, self->gcm, NULL, self->own.key, iv) != 1
      || EVP_EncryptUpdate (ctx, NULL, &n, dst, HEADER_BYTES) != 1
      || EVP_EncryptUpdate (ctx, dst + HEADER_BYTES, &n, body, (int)body_len)
             != 1
      || EVP_EncryptFinal_ex (ctx, dst + HEADER_BYTES + body_len, &n) != 1
      || EVP_CIPHER_CTX_ctrl (ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES,
                              dst + HEADER_BYTES + body_len)
             != 1)
    g_error ("relay: OpenSSL's GCM failed");
  EVP_CIPHER_CTX_free (ctx);
  return HEADER_BYTES + body_len + TAG_BYTES;
}

static gboolean
decrypt (RelayLinkKeys *self, const Control *control, guint64 counter,
         const guint8 *data, gsize body_len, guint8 *ret_body)
{
  const guint8 *body = data + HEADER_BYTES;
  EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new ();
  guint8 iv[IV_BYTES];
  gboolean ok;
  int n = 0;

  make_iv (control, counter, iv);
  ok = EVP_DecryptInit_ex (ctx, self->gcm, NULL, control->key, iv) == 1
       && EVP_DecryptUpdate (ctx, NULL, &n, data, HEADER_BYTES) == 1
       && EVP_DecryptUpdate (ctx, ret_body, &n, body, (int)body_len) == 1
       && EVP_CIPHER_CTX_ctrl (ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES,
                               (void *)(body + body_len))
              == 1
       && EVP_DecryptFinal_ex (ctx, ret_body + body_len, &n) == 1;
  EVP_CIPHER_CTX_free (ctx);
  return ok;
}

gboolean
relay_link_keys_open (RelayLinkKeys *self, const guint8 *data, gsize len,
                      guint8 ret_sender[RELAY_ID_BYTES], guint64 *ret_counter,
                      guint8 *ret_body, gsize *ret_body_len)
{
  gsize body_len = len - RELAY_LINK_OVERHEAD_BYTES;
  guint64 counter;
  Control control;
  gboolean ok;

  if (len < RELAY_LINK_OVERHEAD_BYTES || len > RELAY_LINK_MAX_MESSAGE_BYTES
      || data[0] != MAGIC || data[1] != VERSION)
    return FALSE;
  memcpy (&counter, data + COUNTER_AT, 8);
  counter = GUINT64_FROM_BE (counter);
  make_control (self, data + 2, &control);
  ok = decrypt (self, &control, counter, data, body_len, ret_body);
  OPENSSL_cleanse (&control, sizeof control);
  if (!ok)
    return FALSE;
  memcpy (ret_sender, data + 2, RELAY_ID_BYTES);
  *ret_counter = counter;
  *ret_body_len = body_len;
  return TRUE;
}

/* --- Cookies ----------------------------------------------------------- */

static void
make_cookie (RelayLinkKeys *self, const RtcAddr *address, gint64 slot,
             guint8 ret[RELAY_LINK_COOKIE_BYTES])
{
  guint64 slot_be = GUINT64_TO_BE ((guint64)slot);
  guint8 text[8 + 2 + 16], hash[HASH_BYTES];
  gsize len = 10;

  memcpy (text, &slot_be, 8);
  if (address->sa.sa_family == AF_INET)
    {
      memcpy (text + 8, &address->in.sin_port, 2);
      memcpy (text + len, &address->in.sin_addr, 4);
      len += 4;
    }
  else
    {
      memcpy (text + 8, &address->in6.sin6_port, 2);
      memcpy (text + len, &address->in6.sin6_addr, 16);
      len += 16;
    }
  if (!HMAC (EVP_sha256 (), self->cookie_key, sizeof self->cookie_key, text,
             len, hash, NULL))
    g_error ("relay: OpenSSL's HMAC failed");
  memcpy (ret, hash, RELAY_LINK_COOKIE_BYTES);
}

void
relay_link_keys_make_cookie (RelayLinkKeys *self, const RtcAddr *address,
                             gint64 now_us, guint8 ret[RELAY_LINK_COOKIE_BYTES])
{
  make_cookie (self, address, now_us / COOKIE_SLOT_US, ret);
}

gboolean
relay_link_keys_check_cookie (RelayLinkKeys *self, const RtcAddr *address,
                              gint64 now_us,
                              const guint8 cookie[RELAY_LINK_COOKIE_BYTES])
{
  gint64 slot = now_us / COOKIE_SLOT_US;
  guint8 want[RELAY_LINK_COOKIE_BYTES];

  for (gint64 s = slot; s >= slot - 1; s--)
    {
      make_cookie (self, address, s, want);
      if (CRYPTO_memcmp (want, cookie, sizeof want) == 0)
        return TRUE;
    }
  return FALSE;
}
