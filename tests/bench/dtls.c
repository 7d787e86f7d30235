/* SPDX-License-Identifier: Apache-2.0 */
/* bench_dtls: see dtls.h. */
#include "tests/bench/dtls.h"

#include <openssl/srtp.h>
#include <string.h>
#include <sys/socket.h>

static char fingerprint[96 + 1];
static SSL_CTX *context;
static BIO_METHOD *bio_method;

static int
accept_any (X509_STORE_CTX *store, void *data)
{
  return 1; /* whom we measure is known */
}

static int
bio_write (BIO *bio, const char *buf, int len)
{
  BenchWire *wire = BIO_get_data (bio);

  (void)!send (wire->fd, buf, (gsize)len, 0);
  return len;
}

static int
bio_read (BIO *bio, char *buf, int cap)
{
  BenchWire *wire = BIO_get_data (bio);
  gsize n = MIN ((gsize)cap, wire->in_len);

  BIO_clear_retry_flags (bio);
  if (!wire->in)
    {
      BIO_set_retry_read (bio);
      return -1;
    }
  memcpy (buf, wire->in, n);
  wire->in = NULL;
  return (int)n;
}

static long
bio_ctrl (BIO *bio, int cmd, long number, void *data)
{
  return cmd == BIO_CTRL_FLUSH;
}

static void
make_certificate (void)
{
  EVP_PKEY *key = EVP_EC_gen ("P-256");
  X509 *x = X509_new ();
  guint8 digest[EVP_MAX_MD_SIZE];
  unsigned int n = 0;
  GString *text = g_string_new (NULL);

  X509_set_version (x, 2);
  ASN1_INTEGER_set (X509_get_serialNumber (x), 1);
  X509_gmtime_adj (X509_getm_notBefore (x), -3600);
  X509_gmtime_adj (X509_getm_notAfter (x), 86400);
  X509_NAME_add_entry_by_txt (X509_get_subject_name (x), "CN", MBSTRING_ASC,
                              (const guint8 *)"bench", -1, -1, 0);
  X509_set_issuer_name (x, X509_get_subject_name (x));
  X509_set_pubkey (x, key);
  X509_sign (x, key, EVP_sha256 ());
  X509_digest (x, EVP_sha256 (), digest, &n);
  for (unsigned int i = 0; i < n; i++)
    g_string_append_printf (text, i ? ":%02X" : "%02X", digest[i]);
  g_strlcpy (fingerprint, text->str, sizeof fingerprint);
  g_string_free (text, TRUE);
  context = SSL_CTX_new (DTLS_method ());
  SSL_CTX_use_certificate (context, x);
  SSL_CTX_use_PrivateKey (context, key);
  SSL_CTX_set_verify (context,
                      SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  SSL_CTX_set_cert_verify_callback (context, accept_any, NULL);
  SSL_CTX_set_options (context, SSL_OP_NO_QUERY_MTU);
  SSL_CTX_set_tlsext_use_srtp (context, "SRTP_AEAD_AES_128_GCM:"
                                        "SRTP_AES128_CM_SHA1_80");
  X509_free (x);
  EVP_PKEY_free (key);
}

static void
init_process (void)
{
  static gsize once = 0;

  if (!g_once_init_enter (&once))
    return;
  make_certificate ();
  bio_method =
      BIO_meth_new (BIO_get_new_index () | BIO_TYPE_SOURCE_SINK, "bench");
  BIO_meth_set_write (bio_method, bio_write);
  BIO_meth_set_read (bio_method, bio_read);
  BIO_meth_set_ctrl (bio_method, bio_ctrl);
  g_once_init_leave (&once, 1);
}

const char *
bench_fingerprint (void)
{
  init_process ();
  return fingerprint;
}

SSL *
bench_dtls_new (BenchWire *wire, gboolean is_client)
{
  SSL *ssl;
  BIO *bio;

  init_process ();
  ssl = SSL_new (context);
  bio = BIO_new (bio_method);
  BIO_set_data (bio, wire);
  BIO_set_init (bio, 1);
  SSL_set_bio (ssl, bio, bio);
  SSL_set_mtu (ssl, 1200);
  if (is_client)
    SSL_set_connect_state (ssl);
  else
    SSL_set_accept_state (ssl);
  return ssl;
}
