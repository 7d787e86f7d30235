/* SPDX-License-Identifier: Apache-2.0 */
/* RtcSrtpIn: see the header. */
#include "rtc/srtp-in.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "rtc/srtp-mb.h"
#include "rtc/srtp-private.h"

#define HEADER_BYTES 12
#define IV_BYTES 12
#define TAG_BYTES 16

struct _RtcSrtpIn
{
  guint8 salt[IV_BYTES];  /* session salt */
  RtcSrtpMb *mb;          /* owned, nullable; then without cipher */
  EVP_CIPHER_CTX *cipher; /* owned, nullable */
};

RtcSrtpIn *
rtc_srtp_in_new_session (RtcSrtpSealer sealer, const guint8 *key,
                         const guint8 *salt)
{
  RtcSrtpIn *self = g_new0 (RtcSrtpIn, 1);

  memcpy (self->salt, salt, sizeof self->salt);
  if (sealer == RTC_SRTP_SEALER_IPSEC_MB)
    {
      self->mb = rtc_srtp_mb_new (key);
      return self;
    }
  self->cipher = EVP_CIPHER_CTX_new ();
  if (EVP_DecryptInit_ex (self->cipher, EVP_aes_128_gcm (), NULL, key, NULL)
      != 1)
    g_error ("rtc: OpenSSL has no AES-128");
  return self;
}

RtcSrtpIn *
rtc_srtp_in_new (const RtcSrtpKey *key)
{
  RtcSrtpIn *self;
  RtcSrtpKey k = *key;
  guint8 session[16], salt[14];

  k.salt[12] = k.salt[13] = 0; /* RFC 7714 11 */
  if (!rtc_srtp_kdf (&k, RTC_SRTP_LABEL_ENCRYPTION, session, sizeof session)
      || !rtc_srtp_kdf (&k, RTC_SRTP_LABEL_SALT, salt, sizeof salt))
    g_error ("rtc: OpenSSL has no AES-128");
  self = rtc_srtp_in_new_session (rtc_srtp_mb_get_name () != NULL
                                      ? RTC_SRTP_SEALER_IPSEC_MB
                                      : RTC_SRTP_SEALER_OPENSSL,
                                  session, salt);
  OPENSSL_cleanse (session, sizeof session);
  OPENSSL_cleanse (salt, sizeof salt);
  OPENSSL_cleanse (&k, sizeof k);
  return self;
}

void
rtc_srtp_in_free (RtcSrtpIn *self)
{
  g_return_if_fail (self);
  g_clear_pointer (&self->mb, rtc_srtp_mb_free);
  EVP_CIPHER_CTX_free (self->cipher);
  OPENSSL_cleanse (self->salt, sizeof self->salt);
  g_free (self);
}

static gboolean
open_evp (RtcSrtpIn *self, const guint8 *iv, guint8 *data, gsize header_len,
          gsize payload_len)
{
  guint8 *payload = data + header_len;
  int n = 0;

  return EVP_DecryptInit_ex (self->cipher, NULL, NULL, NULL, iv) == 1
         && EVP_DecryptUpdate (self->cipher, NULL, &n, data, (int)header_len)
                == 1
         && (payload_len == 0
             || EVP_DecryptUpdate (self->cipher, payload, &n, payload,
                                   (int)payload_len)
                    == 1)
         && EVP_CIPHER_CTX_ctrl (self->cipher, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES,
                                 payload + payload_len)
                == 1
         && EVP_DecryptFinal_ex (self->cipher, payload + payload_len, &n) == 1;
}

gboolean
rtc_srtp_in_open (RtcSrtpIn *self, guint8 *data, gsize len, gsize header_len,
                  guint32 roc, gsize *ret_payload_len)
{
  guint8 iv[16] = { 0 };
  guint32 roc_be = GUINT32_TO_BE (roc);
  gsize payload_len;
  gboolean ok;

  if (header_len < HEADER_BYTES || len < header_len + TAG_BYTES
      || len > G_MAXUINT16)
    return FALSE;
  payload_len = len - header_len - TAG_BYTES;
  /* RFC 7714 8.1: 00 00 | SSRC | ROC | SEQ, xor salt */
  memcpy (iv + 2, data + 8, 4);
  memcpy (iv + 6, &roc_be, 4);
  memcpy (iv + 10, data + 2, 2);
  for (guint i = 0; i < IV_BYTES; i++)
    iv[i] ^= self->salt[i];
  if (self->mb != NULL)
    ok = rtc_srtp_mb_open (self->mb, iv, data, header_len, payload_len);
  else
    ok = open_evp (self, iv, data, header_len, payload_len);
  if (ok)
    *ret_payload_len = payload_len;
  return ok;
}
