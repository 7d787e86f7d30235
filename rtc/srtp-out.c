/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcSrtpOut: sealing of outgoing RTP with OpenSSL, or ipsec-mb (srtp-mb). Key
 * schedules are made once; a packet only sets the nonce (RFC 3711 4.1.1,
 * RFC 7714 8.1).
 */
#include "rtc/srtp-private.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

#include "rtc/srtp-mb.h"

#define CM_TAG_BYTES 10
#define GCM_TAG_BYTES 16

struct _RtcSrtpOut
{
  RtcSrtpProfile profile;
  guint8 salt[14];        /* session salt; GCM uses 12 of it */
  RtcSrtpMb *mb;          /* owned, nullable; GCM only, then without cipher */
  EVP_CIPHER_CTX *cipher; /* owned, nullable */
  EVP_MAC_CTX *mac;       /* owned; CM only */
};

gboolean
rtc_srtp_kdf (const RtcSrtpKey *key, guint8 label, guint8 *ret, gsize len)
{
  EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new ();
  guint8 iv[16] = { 0 };
  guint8 zero[32] = { 0 };
  int n = 0;
  gboolean ok;

  g_return_val_if_fail (len <= sizeof zero, FALSE);
  memcpy (iv, key->salt, 14);
  iv[7] ^= label;
  ok = EVP_EncryptInit_ex (ctx, EVP_aes_128_ctr (), NULL, key->key, iv) == 1
       && EVP_EncryptUpdate (ctx, ret, &n, zero, (int)len) == 1;
  EVP_CIPHER_CTX_free (ctx);
  return ok;
}

/* GCM salts have 12 bytes; the KDF pads them with zeros (RFC 7714 11). */
static RtcSrtpKey
normalised_key (RtcSrtpProfile profile, const RtcSrtpKey *key)
{
  RtcSrtpKey k = *key;

  if (profile == RTC_SRTP_AEAD_AES_128_GCM)
    k.salt[12] = k.salt[13] = 0;
  return k;
}

static EVP_MAC_CTX *
make_mac (const guint8 *auth)
{
  char digest[] = "SHA1";
  OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string (
                              OSSL_MAC_PARAM_DIGEST, digest, 0),
                          OSSL_PARAM_construct_end () };
  EVP_MAC *mac = EVP_MAC_fetch (NULL, "HMAC", NULL);
  EVP_MAC_CTX *ctx = EVP_MAC_CTX_new (mac);

  EVP_MAC_free (mac);
  if (EVP_MAC_init (ctx, auth, RTC_SRTP_AUTH_BYTES, params) != 1)
    g_error ("rtc: OpenSSL has no HMAC-SHA1");
  return ctx;
}

RtcSrtpOut *
rtc_srtp_out_new_session (RtcSrtpSealer sealer, RtcSrtpProfile profile,
                          const guint8 *key, const guint8 *salt,
                          const guint8 *auth)
{
  RtcSrtpOut *self = g_new0 (RtcSrtpOut, 1);
  gboolean is_gcm = profile == RTC_SRTP_AEAD_AES_128_GCM;

  self->profile = profile;
  memcpy (self->salt, salt, is_gcm ? 12 : 14);
  if (is_gcm && sealer == RTC_SRTP_SEALER_IPSEC_MB)
    {
      self->mb = rtc_srtp_mb_new (key);
      return self;
    }
  self->cipher = EVP_CIPHER_CTX_new ();
  if (EVP_EncryptInit_ex (self->cipher,
                          is_gcm ? EVP_aes_128_gcm () : EVP_aes_128_ctr (),
                          NULL, key, NULL)
      != 1)
    g_error ("rtc: OpenSSL has no AES-128");
  if (!is_gcm)
    self->mac = make_mac (auth);
  return self;
}

RtcSrtpOut *
rtc_srtp_out_new_with (RtcSrtpSealer sealer, RtcSrtpProfile profile,
                       const RtcSrtpKey *key)
{
  RtcSrtpOut *self;
  RtcSrtpKey k = normalised_key (profile, key);
  guint8 session[16], salt[14], auth[RTC_SRTP_AUTH_BYTES];

  g_return_val_if_fail (profile != RTC_SRTP_NONE, NULL);
  if (!rtc_srtp_kdf (&k, RTC_SRTP_LABEL_ENCRYPTION, session, sizeof session)
      || !rtc_srtp_kdf (&k, RTC_SRTP_LABEL_SALT, salt, sizeof salt)
      || !rtc_srtp_kdf (&k, RTC_SRTP_LABEL_AUTH, auth, sizeof auth))
    g_error ("rtc: OpenSSL has no AES-128");
  self = rtc_srtp_out_new_session (sealer, profile, session, salt, auth);
  OPENSSL_cleanse (session, sizeof session);
  OPENSSL_cleanse (salt, sizeof salt);
  OPENSSL_cleanse (auth, sizeof auth);
  OPENSSL_cleanse (&k, sizeof k);
  return self;
}

RtcSrtpOut *
rtc_srtp_out_new (RtcSrtpProfile profile, const RtcSrtpKey *key)
{
  return rtc_srtp_out_new_with (rtc_srtp_mb_get_name () != NULL
                                    ? RTC_SRTP_SEALER_IPSEC_MB
                                    : RTC_SRTP_SEALER_OPENSSL,
                                profile, key);
}

const char *
rtc_srtp_out_get_sealer_name (void)
{
  const char *name = rtc_srtp_mb_get_name ();

  return name != NULL ? name : "OpenSSL";
}

void
rtc_srtp_out_free (RtcSrtpOut *self)
{
  g_clear_pointer (&self->mb, rtc_srtp_mb_free);
  EVP_CIPHER_CTX_free (self->cipher);
  EVP_MAC_CTX_free (self->mac);
  OPENSSL_cleanse (self->salt, sizeof self->salt);
  g_free (self);
}

guint
rtc_srtp_out_get_trailer (const RtcSrtpOut *self)
{
  return self->profile == RTC_SRTP_AEAD_AES_128_GCM ? GCM_TAG_BYTES
                                                    : CM_TAG_BYTES;
}

static inline void
put_be32 (guint8 *p, guint32 v)
{
  v = GUINT32_TO_BE (v);
  memcpy (p, &v, 4);
}

/* @iv at the SSRC's place: SSRC | ROC | SEQ, xor salt */
static inline void
make_iv (const RtcSrtpOut *self, const guint8 *header, guint32 roc, guint8 *iv,
         guint ssrc_at, guint len)
{
  memset (iv, 0, 16);
  memcpy (iv + ssrc_at, header + 8, 4);
  put_be32 (iv + ssrc_at + 4, roc);
  memcpy (iv + ssrc_at + 8, header + 2, 2);
  for (guint i = 0; i < len; i++)
    iv[i] ^= self->salt[i];
}

static inline gsize
encrypt_body (RtcSrtpOut *self, guint8 *out, const guint8 *prefix,
              gsize prefix_len, const guint8 *payload, gsize payload_len)
{
  int n = 0;
  gboolean ok = TRUE;

  if (prefix_len > 0)
    ok = EVP_EncryptUpdate (self->cipher, out, &n, prefix, (int)prefix_len);
  if (payload_len > 0)
    ok = ok
         && EVP_EncryptUpdate (self->cipher, out + prefix_len, &n, payload,
                               (int)payload_len);
  if (G_UNLIKELY (!ok))
    g_error ("rtc: encryption failed");
  return prefix_len + payload_len;
}

static gsize
seal_gcm (RtcSrtpOut *self, guint8 *dst, gsize header_len, const guint8 *prefix,
          gsize prefix_len, const guint8 *payload, gsize payload_len,
          guint32 roc)
{
  guint8 iv[16];
  gsize len;
  int n = 0;

  make_iv (self, dst, roc, iv, 2, 12);
  if (self->mb != NULL)
    return rtc_srtp_mb_seal (self->mb, iv, dst, header_len, prefix, prefix_len,
                             payload, payload_len)
           + GCM_TAG_BYTES;
  if (G_UNLIKELY (
          EVP_EncryptInit_ex (self->cipher, NULL, NULL, NULL, iv) != 1
          || EVP_EncryptUpdate (self->cipher, NULL, &n, dst, (int)header_len)
                 != 1))
    g_error ("rtc: GCM failed");
  len = header_len
        + encrypt_body (self, dst + header_len, prefix, prefix_len, payload,
                        payload_len);
  if (G_UNLIKELY (EVP_EncryptFinal_ex (self->cipher, dst + len, &n) != 1
                  || EVP_CIPHER_CTX_ctrl (self->cipher, EVP_CTRL_AEAD_GET_TAG,
                                          GCM_TAG_BYTES, dst + len)
                         != 1))
    g_error ("rtc: GCM failed");
  return len + GCM_TAG_BYTES;
}

static gsize
seal_cm (RtcSrtpOut *self, guint8 *dst, gsize header_len, const guint8 *prefix,
         gsize prefix_len, const guint8 *payload, gsize payload_len,
         guint32 roc)
{
  guint8 iv[16], tag[20], roc_be[4];
  gsize len, tag_len = 0;

  make_iv (self, dst, roc, iv, 4, 14);
  if (G_UNLIKELY (EVP_EncryptInit_ex (self->cipher, NULL, NULL, NULL, iv) != 1))
    g_error ("rtc: CTR failed");
  len = header_len
        + encrypt_body (self, dst + header_len, prefix, prefix_len, payload,
                        payload_len);
  put_be32 (roc_be, roc);
  if (G_UNLIKELY (EVP_MAC_init (self->mac, NULL, 0, NULL) != 1
                  || EVP_MAC_update (self->mac, dst, len) != 1
                  || EVP_MAC_update (self->mac, roc_be, 4) != 1
                  || EVP_MAC_final (self->mac, tag, &tag_len, sizeof tag) != 1))
    g_error ("rtc: HMAC failed");
  memcpy (dst + len, tag, CM_TAG_BYTES);
  return len + CM_TAG_BYTES;
}

gsize
rtc_srtp_out_seal (RtcSrtpOut *self, guint8 *dst, gsize header_len,
                   const guint8 *prefix, gsize prefix_len,
                   const guint8 *payload, gsize payload_len, guint32 roc)
{
  if (self->profile == RTC_SRTP_AEAD_AES_128_GCM)
    return seal_gcm (self, dst, header_len, prefix, prefix_len, payload,
                     payload_len, roc);
  return seal_cm (self, dst, header_len, prefix, prefix_len, payload,
                  payload_len, roc);
}
