/* SPDX-License-Identifier: Apache-2.0 */
/* RtcDtlsTail: see dtls-tail.h. */
#include "rtc/dtls-tail.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#define RANDOM_BYTES 32
#define MAX_KEY_BYTES 32
#define SALT_BYTES 4
#define NONCE_BYTES 8
#define TAG_BYTES 16
#define HEADER_BYTES 13
#define ALERT_BYTES 2
#define ALERT_RECORD_BYTES                                                     \
  (HEADER_BYTES + NONCE_BYTES + ALERT_BYTES + TAG_BYTES)
#define CONTENT_ALERT 21
#define LEVEL_WARNING 1
#define LEVEL_FATAL 2
#define CLOSE_NOTIFY 0
/* above any that OpenSSL wrote before us, or still writes when this record is
 * kept as a will: receivers take any number above those seen */
#define CLOSE_RECORD_SEQ (G_GUINT64_CONSTANT (1) << 32)

typedef struct
{
  guint8 key[MAX_KEY_BYTES];
  guint8 salt[SALT_BYTES];
} Half;

struct _RtcDtlsTail
{
  guint key_len; /* bytes: 16 or 32 */
  gboolean has_written;
  Half in, out;
};

/* RFC 5246 6.3: the key block, by OpenSSL's TLS1-PRF */
static gboolean
derive (SSL *ssl, const char *digest, guint8 *block, gsize len)
{
  EVP_KDF *kdf = EVP_KDF_fetch (NULL, "TLS1-PRF", NULL);
  EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new (kdf) : NULL;
  guint8 master[SSL_MAX_MASTER_KEY_LENGTH];
  guint8 seed[13 + 2 * RANDOM_BYTES] = "key expansion";
  OSSL_PARAM params[4];
  gsize n =
      SSL_SESSION_get_master_key (SSL_get_session (ssl), master, sizeof master);
  gboolean ok;

  SSL_get_server_random (ssl, seed + 13, RANDOM_BYTES);
  SSL_get_client_random (ssl, seed + 13 + RANDOM_BYTES, RANDOM_BYTES);
  params[0] = OSSL_PARAM_construct_utf8_string (OSSL_KDF_PARAM_DIGEST,
                                                (char *)digest, 0);
  params[1] =
      OSSL_PARAM_construct_octet_string (OSSL_KDF_PARAM_SECRET, master, n);
  params[2] = OSSL_PARAM_construct_octet_string (OSSL_KDF_PARAM_SEED, seed,
                                                 sizeof seed);
  params[3] = OSSL_PARAM_construct_end ();
  ok = ctx != NULL && n > 0 && EVP_KDF_derive (ctx, block, len, params) == 1;
  OPENSSL_cleanse (master, sizeof master);
  EVP_KDF_CTX_free (ctx);
  EVP_KDF_free (kdf);
  return ok;
}

RtcDtlsTail *
rtc_dtls_tail_new (SSL *ssl)
{
  const SSL_CIPHER *suite = SSL_get_current_cipher (ssl);
  guint8 block[2 * (MAX_KEY_BYTES + SALT_BYTES)];
  int nid = suite != NULL ? SSL_CIPHER_get_cipher_nid (suite) : NID_undef;
  gboolean is_128 = nid == NID_aes_128_gcm;
  RtcDtlsTail *self;
  Half client = { 0 }, server = { 0 };
  gsize k = is_128 ? 16 : 32;

  if ((!is_128 && nid != NID_aes_256_gcm)
      || !derive (ssl, is_128 ? "SHA256" : "SHA384", block,
                  2 * (k + SALT_BYTES)))
    return NULL;
  memcpy (client.key, block, k);
  memcpy (server.key, block + k, k);
  memcpy (client.salt, block + 2 * k, SALT_BYTES);
  memcpy (server.salt, block + 2 * k + SALT_BYTES, SALT_BYTES);
  self = g_new0 (RtcDtlsTail, 1);
  self->key_len = (guint)k;
  self->in = SSL_is_server (ssl) ? client : server;
  self->out = SSL_is_server (ssl) ? server : client;
  OPENSSL_cleanse (block, sizeof block);
  OPENSSL_cleanse (&client, sizeof client);
  OPENSSL_cleanse (&server, sizeof server);
  return self;
}

void
rtc_dtls_tail_free (RtcDtlsTail *self)
{
  OPENSSL_cleanse (self, sizeof *self);
  g_free (self);
}

/* One record, sealed or opened: @text in, @text out, both ALERT_BYTES.
 * @header: the record's 13 bytes; @tag: written or checked */
static gboolean
crypt_alert (const RtcDtlsTail *self, const Half *half, gboolean seal,
             const guint8 header[HEADER_BYTES], const guint8 *nonce,
             guint8 *text, guint8 *tag)
{
  const EVP_CIPHER *cipher =
      self->key_len == 16 ? EVP_aes_128_gcm () : EVP_aes_256_gcm ();
  EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new ();
  guint8 iv[SALT_BYTES + NONCE_BYTES], aad[HEADER_BYTES];
  int n;
  gboolean ok;

  memcpy (iv, half->salt, SALT_BYTES);
  memcpy (iv + SALT_BYTES, nonce, NONCE_BYTES);
  /* epoch and sequence, type, version, length of the plain text */
  memcpy (aad, header + 3, 8);
  memcpy (aad + 8, header, 3);
  aad[11] = 0;
  aad[12] = ALERT_BYTES;
  ok = ctx != NULL
       && EVP_CipherInit_ex (ctx, cipher, NULL, half->key, iv, seal) == 1
       && (seal
           || EVP_CIPHER_CTX_ctrl (ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag)
                  == 1)
       && EVP_CipherUpdate (ctx, NULL, &n, aad, sizeof aad) == 1
       && EVP_CipherUpdate (ctx, text, &n, text, ALERT_BYTES) == 1
       && EVP_CipherFinal_ex (ctx, text + ALERT_BYTES, &n) == 1
       && (!seal
           || EVP_CIPHER_CTX_ctrl (ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag)
                  == 1);
  EVP_CIPHER_CTX_free (ctx);
  return ok;
}

gsize
rtc_dtls_tail_write_close (RtcDtlsTail *self,
                           guint8 dst[RTC_DTLS_TAIL_MAX_BYTES])
{
  guint64 seq =
      GUINT64_TO_BE ((G_GUINT64_CONSTANT (1) << 48) | CLOSE_RECORD_SEQ);
  guint8 *nonce = dst + HEADER_BYTES, *text = nonce + NONCE_BYTES;
  guint8 alert[ALERT_BYTES + TAG_BYTES] = { LEVEL_WARNING, CLOSE_NOTIFY };

  /* OpenSSL's own nonces count on from a random start; so does this one */
  if (self->has_written || RAND_bytes (nonce, NONCE_BYTES) != 1)
    return 0;
  self->has_written = TRUE;
  dst[0] = CONTENT_ALERT;
  dst[1] = 0xfe;
  dst[2] = 0xfd;
  memcpy (dst + 3, &seq, sizeof seq);
  dst[11] = 0;
  dst[12] = NONCE_BYTES + ALERT_BYTES + TAG_BYTES;
  if (!crypt_alert (self, &self->out, TRUE, dst, nonce, alert,
                    text + ALERT_BYTES))
    return 0;
  memcpy (text, alert, ALERT_BYTES);
  return ALERT_RECORD_BYTES;
}

static gboolean
record_is_close (RtcDtlsTail *self, const guint8 *record)
{
  guint8 text[ALERT_BYTES + TAG_BYTES], tag[TAG_BYTES];
  const guint8 *nonce = record + HEADER_BYTES;

  memcpy (text, nonce + NONCE_BYTES, ALERT_BYTES);
  memcpy (tag, nonce + NONCE_BYTES + ALERT_BYTES, TAG_BYTES);
  return crypt_alert (self, &self->in, FALSE, record, nonce, text, tag)
         && (text[0] == LEVEL_FATAL || text[1] == CLOSE_NOTIFY);
}

gboolean
rtc_dtls_tail_is_alert (const guint8 *data, gsize len)
{
  return len == ALERT_RECORD_BYTES && data[0] == CONTENT_ALERT
         && data[1] == 0xfe && data[2] == 0xfd && data[3] == 0 && data[4] == 1
         && data[11] == 0 && data[12] == ALERT_RECORD_BYTES - HEADER_BYTES;
}

gboolean
rtc_dtls_tail_is_close (RtcDtlsTail *self, const guint8 *data, gsize len)
{
  while (len >= HEADER_BYTES)
    {
      gsize record_len = HEADER_BYTES + ((gsize)data[11] << 8 | data[12]);

      if (record_len > len)
        return FALSE;
      /* an alert of epoch 1; a replayed one could only close us once */
      if (data[0] == CONTENT_ALERT && data[3] == 0 && data[4] == 1
          && record_len == ALERT_RECORD_BYTES && record_is_close (self, data))
        return TRUE;
      data += record_len;
      len -= record_len;
    }
  return FALSE;
}
