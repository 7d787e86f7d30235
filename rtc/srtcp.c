/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcSrtcp: one packet of RTCP sealed or opened (RFC 3711 3.4, RFC 7714 9).
 * Reports are few and viewers are many, so a key schedule is made for each
 * packet and kept for none.
 */
#include "rtc/srtp-private.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define HEADER_BYTES 8 /* in the clear */
#define WORD_BYTES 4   /* E flag and index */
#define ENCRYPTED 0x80000000u
#define CM_TAG_BYTES 10
#define GCM_TAG_BYTES 16

void
rtc_srtcp_init (RtcSrtcp *self, RtcSrtpProfile profile, const RtcSrtpKey *key)
{
  RtcSrtpKey k = *key;

  self->is_gcm = profile == RTC_SRTP_AEAD_AES_128_GCM;
  if (self->is_gcm)
    k.salt[12] = k.salt[13] = 0; /* RFC 7714 11 */
  if (!rtc_srtp_kdf (&k, RTC_SRTCP_LABEL_ENCRYPTION, self->key,
                     sizeof self->key)
      || !rtc_srtp_kdf (&k, RTC_SRTCP_LABEL_AUTH, self->auth, sizeof self->auth)
      || !rtc_srtp_kdf (&k, RTC_SRTCP_LABEL_SALT, self->salt,
                        sizeof self->salt))
    g_error ("rtc: OpenSSL has no AES-128");
  OPENSSL_cleanse (&k, sizeof k);
}

static gsize
trailer_bytes (const RtcSrtcp *self)
{
  return WORD_BYTES + (self->is_gcm ? GCM_TAG_BYTES : CM_TAG_BYTES);
}

/* SSRC and index at their places, xor salt */
static void
make_iv (const RtcSrtcp *self, const guint8 *data, guint32 index, guint8 iv[16])
{
  guint32 index_be = GUINT32_TO_BE (index);
  guint len = self->is_gcm ? 12 : 14;

  memset (iv, 0, 16);
  memcpy (iv + (self->is_gcm ? 2 : 4), data + 4, 4);
  memcpy (iv + len - 4, &index_be, 4);
  for (guint i = 0; i < len; i++)
    iv[i] ^= self->salt[i];
}

/* @tag: written or checked; what stands before it in memory does not matter */
static gboolean
crypt_gcm (const RtcSrtcp *self, gboolean seal, guint8 *data, gsize text_len,
           guint32 index, const guint8 *word, guint8 *tag)
{
  EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new ();
  guint8 iv[16], *text = data + HEADER_BYTES, none[GCM_TAG_BYTES];
  int n = 0;
  gboolean ok;

  make_iv (self, data, index, iv);
  ok = ctx != NULL
       && EVP_CipherInit_ex (ctx, EVP_aes_128_gcm (), NULL, self->key, iv, seal)
              == 1
       && (seal
           || EVP_CIPHER_CTX_ctrl (ctx, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_BYTES,
                                   tag)
                  == 1)
       && EVP_CipherUpdate (ctx, NULL, &n, data, HEADER_BYTES) == 1
       && EVP_CipherUpdate (ctx, NULL, &n, word, WORD_BYTES) == 1
       && (text_len == 0
           || EVP_CipherUpdate (ctx, text, &n, text, (int)text_len) == 1)
       && EVP_CipherFinal_ex (ctx, none, &n) == 1
       && (!seal
           || EVP_CIPHER_CTX_ctrl (ctx, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_BYTES,
                                   tag)
                  == 1);
  EVP_CIPHER_CTX_free (ctx);
  return ok;
}

static gboolean
crypt_cm (const RtcSrtcp *self, guint8 *data, gsize text_len, guint32 index)
{
  EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new ();
  guint8 iv[16], *text = data + HEADER_BYTES;
  int n = 0;
  gboolean ok;

  make_iv (self, data, index, iv);
  ok = ctx != NULL
       && EVP_EncryptInit_ex (ctx, EVP_aes_128_ctr (), NULL, self->key, iv) == 1
       && (text_len == 0
           || EVP_EncryptUpdate (ctx, text, &n, text, (int)text_len) == 1);
  EVP_CIPHER_CTX_free (ctx);
  return ok;
}

static gboolean
make_mac (const RtcSrtcp *self, const guint8 *data, gsize len,
          guint8 tag[EVP_MAX_MD_SIZE])
{
  return HMAC (EVP_sha1 (), self->auth, sizeof self->auth, data, len, tag, NULL)
         != NULL;
}

gsize
rtc_srtcp_seal (const RtcSrtcp *self, guint8 *data, gsize len, guint32 index)
{
  guint32 word = GUINT32_TO_BE (index | ENCRYPTED);
  gsize text_len = len - HEADER_BYTES;
  guint8 tag[EVP_MAX_MD_SIZE];
  gboolean ok;

  g_return_val_if_fail (len >= HEADER_BYTES && index <= RTC_SRTCP_MAX_INDEX, 0);
  if (self->is_gcm)
    {
      ok = crypt_gcm (self, TRUE, data, text_len, index, (guint8 *)&word, tag);
      memcpy (data + len, tag, GCM_TAG_BYTES);
      memcpy (data + len + GCM_TAG_BYTES, &word, WORD_BYTES);
    }
  else
    {
      ok = crypt_cm (self, data, text_len, index);
      memcpy (data + len, &word, WORD_BYTES);
      ok = ok && make_mac (self, data, len + WORD_BYTES, tag);
      memcpy (data + len + WORD_BYTES, tag, CM_TAG_BYTES);
    }
  if (!ok)
    g_error ("rtc: OpenSSL cannot seal RTCP");
  return len + trailer_bytes (self);
}

static const guint8 *
find_word (const RtcSrtcp *self, const guint8 *data, gsize len)
{
  return data + len - (self->is_gcm ? WORD_BYTES : trailer_bytes (self));
}

gboolean
rtc_srtcp_read_index (const RtcSrtcp *self, const guint8 *data, gsize len,
                      guint32 *ret_index)
{
  guint32 word;

  if (len < HEADER_BYTES + trailer_bytes (self))
    return FALSE;
  memcpy (&word, find_word (self, data, len), WORD_BYTES);
  word = GUINT32_FROM_BE (word);
  if (!(word & ENCRYPTED))
    return FALSE; /* both profiles encrypt */
  *ret_index = word & ~ENCRYPTED;
  return TRUE;
}

gboolean
rtc_srtcp_open (const RtcSrtcp *self, guint8 *data, gsize *len, guint32 index)
{
  const guint8 *word = find_word (self, data, *len);
  gsize plain_len = *len - trailer_bytes (self);
  guint8 tag[EVP_MAX_MD_SIZE];
  gboolean ok;

  if (self->is_gcm)
    ok = crypt_gcm (self, FALSE, data, plain_len - HEADER_BYTES, index, word,
                    data + plain_len);
  else
    ok = make_mac (self, data, *len - CM_TAG_BYTES, tag)
         && CRYPTO_memcmp (tag, data + *len - CM_TAG_BYTES, CM_TAG_BYTES) == 0
         && crypt_cm (self, data, plain_len - HEADER_BYTES, index);
  if (ok)
    *len = plain_len;
  return ok;
}
