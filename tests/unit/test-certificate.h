/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-certificate: a key and a certificate that signs itself, for 127.0.0.1,
 * as PEM. Thread: any.
 */
#pragma once

#include <glib.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* AddressSanitizer's books of thread-local memory are wrong in the threads that
 * gnutls, a module loaded late, shakes hands in: its search for leaks crashed.
 */
const char *__asan_default_options (void);

const char *
__asan_default_options (void)
{
  return "intercept_tls_get_addr=0";
}

static inline void
test_certificate_extend (X509 *x509, int nid, const char *value)
{
  X509_EXTENSION *extension = X509V3_EXT_conf_nid (NULL, NULL, nid, value);

  g_assert_nonnull (extension);
  g_assert_cmpint (X509_add_ext (x509, extension, -1), ==, 1);
  X509_EXTENSION_free (extension);
}

static inline char *
test_certificate_to_pem (X509 *x509, EVP_PKEY *key)
{
  BIO *bio = BIO_new (BIO_s_mem ());
  char *data, *text;
  long n;

  if (x509 != NULL)
    g_assert_cmpint (PEM_write_bio_X509 (bio, x509), ==, 1);
  else
    g_assert_cmpint (
        PEM_write_bio_PrivateKey (bio, key, NULL, NULL, 0, NULL, NULL), ==, 1);
  n = BIO_get_mem_data (bio, &data);
  text = g_strndup (data, (gsize)n);
  BIO_free (bio);
  return text;
}

/* both (transfer full) */
static inline void
test_certificate_new (char **ret_certificate, char **ret_key)
{
  EVP_PKEY *key = EVP_EC_gen ("P-256");
  X509 *x509 = X509_new ();

  X509_set_version (x509, 2);
  ASN1_INTEGER_set (X509_get_serialNumber (x509), 1);
  X509_gmtime_adj (X509_getm_notBefore (x509), -3600);
  X509_gmtime_adj (X509_getm_notAfter (x509), 3600);
  X509_set_pubkey (x509, key);
  X509_NAME_add_entry_by_txt (X509_get_subject_name (x509), "CN", MBSTRING_ASC,
                              (const guchar *)"test", -1, -1, 0);
  X509_set_issuer_name (x509, X509_get_subject_name (x509));
  test_certificate_extend (x509, NID_subject_alt_name, "IP:127.0.0.1");
  test_certificate_extend (x509, NID_basic_constraints, "critical,CA:TRUE");
  g_assert_cmpint (X509_sign (x509, key, EVP_sha256 ()), >, 0);
  *ret_certificate = test_certificate_to_pem (x509, NULL);
  *ret_key = test_certificate_to_pem (NULL, key);
  X509_free (x509);
  EVP_PKEY_free (key);
}
