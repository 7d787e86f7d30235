/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcCertificate: key, certificate and the shared SSL context. A plain
 * certificate as browsers make it: some peers stumble over anything else.
 */
#include "rtc/dtls-private.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/srtp.h>
#include <string.h>

#define VALID_S (10L * 365 * 24 * 3600)
#define CIPHERS                                                                \
  "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                 \
  "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                 \
  "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"                 \
  "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA"

struct _RtcCertificate
{
  gatomicrefcount ref_count;
  SSL_CTX *context;  /* owned */
  char *fingerprint; /* owned */
};

GQuark
rtc_dtls_error_quark (void)
{
  return g_quark_from_static_string ("rtc-dtls-error");
}

static X509 *
make_x509 (EVP_PKEY *key)
{
  X509 *x = X509_new ();
  X509_NAME *name;
  guint64 serial = 0;

  if (x == NULL || RAND_bytes ((guint8 *)&serial, sizeof serial) != 1)
    goto fail;
  name = X509_get_subject_name (x);
  if (!X509_set_version (x, 2)
      || !ASN1_INTEGER_set_uint64 (X509_get_serialNumber (x), serial >> 1)
      || !X509_gmtime_adj (X509_getm_notBefore (x), -24L * 3600)
      || !X509_gmtime_adj (X509_getm_notAfter (x), VALID_S)
      || !X509_NAME_add_entry_by_txt (name, "CN", MBSTRING_ASC,
                                      (const guint8 *)"WebRTC", -1, -1, 0)
      || !X509_set_issuer_name (x, name) || !X509_set_pubkey (x, key)
      || !X509_sign (x, key, EVP_sha256 ()))
    goto fail;
  return x;
fail:
  X509_free (x);
  return NULL;
}

/* The context never trusts a chain: RtcDtls's callback compares the digest. */
static gboolean
set_up_context (SSL_CTX *ctx, EVP_PKEY *key, X509 *x)
{
  SSL_CTX_set_options (ctx, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET
                                | SSL_OP_NO_RENEGOTIATION
                                | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode (ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode (ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_read_ahead (ctx, 1);
  SSL_CTX_set_verify (ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                      NULL);
  SSL_CTX_set_cert_verify_callback (ctx, rtc_dtls_verify, NULL);
  return SSL_CTX_set_min_proto_version (ctx, DTLS1_2_VERSION)
         && SSL_CTX_set_max_proto_version (ctx, DTLS1_2_VERSION)
         && SSL_CTX_set_cipher_list (ctx, CIPHERS)
         && SSL_CTX_set1_groups_list (ctx, "X25519:P-256")
         && SSL_CTX_set_tlsext_use_srtp (
                ctx, "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80")
                == 0
         && SSL_CTX_use_certificate (ctx, x)
         && SSL_CTX_use_PrivateKey (ctx, key);
}

RtcCertificate *
rtc_certificate_new (GError **error)
{
  RtcCertificate *self = NULL;
  EVP_PKEY *key = EVP_EC_gen ("P-256");
  X509 *x = key != NULL ? make_x509 (key) : NULL;
  SSL_CTX *ctx = SSL_CTX_new (DTLS_method ());

  if (x == NULL || ctx == NULL || !set_up_context (ctx, key, x))
    g_set_error (error, RTC_DTLS_ERROR, 0,
                 "OpenSSL could not make the DTLS certificate: %s",
                 ERR_reason_error_string (ERR_peek_last_error ()) ?: "unknown");
  else
    {
      self = g_new0 (RtcCertificate, 1);
      g_atomic_ref_count_init (&self->ref_count);
      self->fingerprint = rtc_dtls_digest_x509 (x, EVP_sha256 ());
      self->context = g_steal_pointer (&ctx);
    }
  ERR_clear_error ();
  SSL_CTX_free (ctx);
  X509_free (x);
  EVP_PKEY_free (key);
  return self;
}

RtcCertificate *
rtc_certificate_ref (RtcCertificate *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
rtc_certificate_unref (RtcCertificate *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  SSL_CTX_free (self->context);
  g_free (self->fingerprint);
  g_free (self);
}

const char *
rtc_certificate_get_fingerprint (RtcCertificate *self)
{
  return self->fingerprint;
}

SSL_CTX *
rtc_certificate_get_context (RtcCertificate *self)
{
  return self->context;
}
