/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcDtls: OpenSSL over a BIO of our own that keeps datagram borders: what is
 * written is one datagram, what is read is the one datagram being received.
 */
#include "rtc/dtls-private.h"

#include <openssl/err.h>
#include <openssl/srtp.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>

#include "rtc/dtls-flight.h"
#include "rtc/dtls-tail.h"

#define MTU_BYTES 1200
#define FIRST_TIMEOUT_US 100000u /* a lost flight costs little */
#define MAX_TIMEOUT_US 1600000u
#define PATIENT_TIMEOUT_US 60000000u
#define EXPORTER_LABEL "EXTRACTOR-dtls_srtp"

struct _RtcDtls
{
  RtcCertificate *certificate; /* owned */
  SSL *ssl;                    /* owned, NULL once shed */
  RtcDtlsTail *tail;           /* owned, nullable: instead of ssl */
  RtcDtlsFlight *flight;       /* owned, nullable: server's, until forgotten */
  GBytes *close;               /* owned, nullable: sealed for later */
  const EVP_MD *hash;          /* nullable: unknown hash */
  char *fingerprint;           /* owned: of the peer */
  RtcDtlsSendFunc send;
  gpointer data;
  const guint8 *in; /* borrowed while a datagram is received */
  gsize in_len;
  gboolean is_connected, bad_fingerprint, is_closed;
};

/* --- BIO ------------------------------------------------------------- */

static int
bio_write (BIO *bio, const char *buf, int len)
{
  RtcDtls *self = BIO_get_data (bio);

  if (len > 0 && self->flight != NULL && !self->is_connected)
    rtc_dtls_flight_add (self->flight, (const guint8 *)buf, (gsize)len);
  if (len > 0)
    self->send ((const guint8 *)buf, (gsize)len, self->data);
  return len;
}

static int
bio_read (BIO *bio, char *buf, int cap)
{
  RtcDtls *self = BIO_get_data (bio);
  int n;

  BIO_clear_retry_flags (bio);
  if (self->in == NULL || cap <= 0)
    {
      BIO_set_retry_read (bio);
      return -1;
    }
  n = (int)MIN ((gsize)cap, self->in_len); /* a datagram's rest is lost */
  memcpy (buf, self->in, (gsize)n);
  self->in = NULL;
  return n;
}

static long
bio_ctrl (BIO *bio, int cmd, long num, void *ptr)
{
  switch (cmd)
    {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP:
      return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
      return MTU_BYTES;
    default:
      return 0;
    }
}

static BIO_METHOD *
bio_method (void)
{
  static gsize once = 0;

  if (g_once_init_enter (&once))
    {
      BIO_METHOD *m =
          BIO_meth_new (BIO_get_new_index () | BIO_TYPE_SOURCE_SINK, "rtc");

      BIO_meth_set_write (m, bio_write);
      BIO_meth_set_read (m, bio_read);
      BIO_meth_set_ctrl (m, bio_ctrl);
      g_once_init_leave (&once, (gsize)m);
    }
  return (BIO_METHOD *)once;
}

/* --- the peer's certificate ------------------------------------------- */

char *
rtc_dtls_digest_x509 (X509 *x, const EVP_MD *md)
{
  guint8 digest[EVP_MAX_MD_SIZE];
  unsigned int n = 0;
  GString *text;

  if (X509_digest (x, md, digest, &n) != 1)
    return NULL;
  text = g_string_sized_new (n * 3);
  for (unsigned int i = 0; i < n; i++)
    g_string_append_printf (text, "%s%02X", i > 0 ? ":" : "", digest[i]);
  return g_string_free (text, FALSE);
}

int
rtc_dtls_verify (X509_STORE_CTX *store, void *data)
{
  SSL *ssl =
      X509_STORE_CTX_get_ex_data (store, SSL_get_ex_data_X509_STORE_CTX_idx ());
  RtcDtls *self = SSL_get_app_data (ssl);
  X509 *x = X509_STORE_CTX_get0_cert (store);
  g_autofree char *digest = NULL;

  if (x != NULL && self->hash != NULL)
    digest = rtc_dtls_digest_x509 (x, self->hash);
  if (digest != NULL && g_ascii_strcasecmp (digest, self->fingerprint) == 0)
    return 1;
  self->bad_fingerprint = TRUE;
  X509_STORE_CTX_set_error (store, X509_V_ERR_CERT_REJECTED);
  return 0;
}

static const EVP_MD *
hash_from_name (const char *name)
{
  if (g_ascii_strcasecmp (name, "sha-256") == 0)
    return EVP_sha256 ();
  if (g_ascii_strcasecmp (name, "sha-384") == 0)
    return EVP_sha384 ();
  if (g_ascii_strcasecmp (name, "sha-512") == 0)
    return EVP_sha512 ();
  if (g_ascii_strcasecmp (name, "sha-1") == 0)
    return EVP_sha1 ();
  return NULL;
}

/* --- handshake --------------------------------------------------------- */

static unsigned int
next_patient_timeout (SSL *ssl, unsigned int timeout_us)
{
  return PATIENT_TIMEOUT_US;
}

void
rtc_dtls_be_patient (RtcDtls *self)
{
  DTLS_set_timer_cb (self->ssl, next_patient_timeout);
}

static unsigned int
next_timeout (SSL *ssl, unsigned int timeout_us)
{
  if (timeout_us == 0)
    return FIRST_TIMEOUT_US;
  return MIN (timeout_us * 2, MAX_TIMEOUT_US);
}

RtcDtls *
rtc_dtls_new (RtcCertificate *certificate, gboolean is_client,
              const char *fingerprint_hash, const char *fingerprint,
              RtcDtlsSendFunc send, gpointer data)
{
  RtcDtls *self = g_new0 (RtcDtls, 1);
  BIO *bio = BIO_new (bio_method ());

  self->certificate = rtc_certificate_ref (certificate);
  self->hash = hash_from_name (fingerprint_hash);
  self->fingerprint = g_strdup (fingerprint);
  self->send = send;
  self->data = data;
  self->ssl = SSL_new (rtc_certificate_get_context (certificate));
  if (self->ssl == NULL || bio == NULL)
    g_error ("rtc: OpenSSL is out of memory");
  BIO_set_data (bio, self);
  BIO_set_init (bio, 1);
  SSL_set_bio (self->ssl, bio, bio);
  SSL_set_app_data (self->ssl, self);
  SSL_set_mtu (self->ssl, MTU_BYTES);
  DTLS_set_timer_cb (self->ssl, next_timeout);
  if (is_client)
    SSL_set_connect_state (self->ssl);
  else
    {
      SSL_set_accept_state (self->ssl);
      self->flight = rtc_dtls_flight_new ();
    }
  return self;
}

void
rtc_dtls_free (RtcDtls *self)
{
  SSL_free (self->ssl);
  g_clear_pointer (&self->tail, rtc_dtls_tail_free);
  g_clear_pointer (&self->flight, rtc_dtls_flight_free);
  g_clear_pointer (&self->close, g_bytes_unref);
  g_clear_pointer (&self->certificate, rtc_certificate_unref);
  g_free (self->fingerprint);
  g_free (self);
}

void
rtc_dtls_shed (RtcDtls *self)
{
  if (!self->is_connected || self->is_closed || self->ssl == NULL
      || (self->flight != NULL && !rtc_dtls_flight_is_whole (self->flight)))
    return;
  self->tail = rtc_dtls_tail_new (self->ssl);
  ERR_clear_error ();
  if (self->tail == NULL)
    return;
  SSL_free (self->ssl);
  self->ssl = NULL;
  g_clear_pointer (&self->certificate, rtc_certificate_unref);
  g_clear_pointer (&self->fingerprint, g_free);
}

void
rtc_dtls_forget_flight (RtcDtls *self)
{
  if (self->is_connected)
    g_clear_pointer (&self->flight, rtc_dtls_flight_free);
}

gboolean
rtc_dtls_is_shed (RtcDtls *self)
{
  return self->ssl == NULL;
}

static RtcDtlsResult
fail (RtcDtls *self)
{
  ERR_clear_error ();
  self->is_closed = TRUE;
  return self->bad_fingerprint ? RTC_DTLS_BAD_FINGERPRINT : RTC_DTLS_FAILED;
}

static RtcDtlsResult
step_handshake (RtcDtls *self)
{
  int n, err;

  ERR_clear_error ();
  if (self->flight != NULL)
    rtc_dtls_flight_clear (self->flight);
  n = SSL_do_handshake (self->ssl);
  err = SSL_get_error (self->ssl, n);
  if (n != 1)
    return err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE
               ? RTC_DTLS_AGAIN
               : fail (self);
  if (SSL_get_selected_srtp_profile (self->ssl) == NULL)
    return fail (self);
  self->is_connected = TRUE;
  return RTC_DTLS_CONNECTED;
}

static RtcDtlsResult
read_data (RtcDtls *self)
{
  char ignored[512];
  int n, err;

  ERR_clear_error ();
  /* one datagram holds few records: the loop ends by WANT_READ */
  while ((n = SSL_read (self->ssl, ignored, sizeof ignored)) > 0)
    ;
  err = SSL_get_error (self->ssl, n);
  if (err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE)
    return RTC_DTLS_DATA;
  ERR_clear_error ();
  self->is_closed = TRUE;
  return RTC_DTLS_CLOSED;
}

RtcDtlsResult
rtc_dtls_start (RtcDtls *self)
{
  return self->is_connected ? RTC_DTLS_DATA : step_handshake (self);
}

static RtcDtlsResult
receive_shed (RtcDtls *self, const guint8 *data, gsize len)
{
  const guint8 *datagram;
  guint at = 0;
  gsize n;

  if (self->flight != NULL
      && rtc_dtls_flight_is_asked (self->flight, data, len))
    while ((datagram = rtc_dtls_flight_next (self->flight, &at, &n)) != NULL)
      self->send (datagram, n, self->data);
  self->is_closed = rtc_dtls_tail_is_close (self->tail, data, len);
  ERR_clear_error ();
  return self->is_closed ? RTC_DTLS_CLOSED : RTC_DTLS_DATA;
}

RtcDtlsResult
rtc_dtls_receive (RtcDtls *self, const guint8 *data, gsize len)
{
  RtcDtlsResult result;

  if (self->is_closed)
    return RTC_DTLS_CLOSED;
  if (self->tail != NULL)
    return receive_shed (self, data, len);
  self->in = data;
  self->in_len = len;
  if (self->is_connected)
    result = read_data (self);
  else
    {
      result = step_handshake (self);
      if (result == RTC_DTLS_AGAIN && self->in != NULL)
        result = step_handshake (self); /* it had only sent its own flight */
    }
  self->in = NULL;
  return result;
}

RtcDtlsResult
rtc_dtls_on_timer (RtcDtls *self, gint64 *ret_wait_us)
{
  struct timeval tv;

  *ret_wait_us = -1;
  if (self->is_closed)
    return RTC_DTLS_CLOSED;
  if (self->ssl == NULL)
    return RTC_DTLS_DATA;
  ERR_clear_error ();
  if (DTLSv1_handle_timeout (self->ssl) < 0)
    return fail (self);
  if (DTLSv1_get_timeout (self->ssl, &tv) == 1)
    *ret_wait_us = (gint64)tv.tv_sec * G_USEC_PER_SEC + tv.tv_usec;
  return self->is_connected ? RTC_DTLS_DATA : RTC_DTLS_AGAIN;
}

RtcSrtpProfile
rtc_dtls_get_keys (RtcDtls *self, RtcSrtpKey *ret_inbound,
                   RtcSrtpKey *ret_outbound)
{
  const SRTP_PROTECTION_PROFILE *p;
  RtcSrtpKey client, server;
  guint8 m[60];
  gsize salt_len;
  gboolean is_gcm;

  if (self->ssl == NULL || !self->is_connected)
    return RTC_SRTP_NONE;
  p = SSL_get_selected_srtp_profile (self->ssl);
  if (p == NULL)
    return RTC_SRTP_NONE;
  is_gcm = p->id == SRTP_AEAD_AES_128_GCM;
  salt_len = is_gcm ? 12 : 14;
  if (SSL_export_keying_material (self->ssl, m, 32 + 2 * salt_len,
                                  EXPORTER_LABEL, strlen (EXPORTER_LABEL), NULL,
                                  0, 0)
      != 1)
    return RTC_SRTP_NONE;
  memset (&client, 0, sizeof client);
  memset (&server, 0, sizeof server);
  memcpy (client.key, m, 16);
  memcpy (server.key, m + 16, 16);
  memcpy (client.salt, m + 32, salt_len);
  memcpy (server.salt, m + 32 + salt_len, salt_len);
  *ret_inbound = SSL_is_server (self->ssl) ? client : server;
  *ret_outbound = SSL_is_server (self->ssl) ? server : client;
  OPENSSL_cleanse (m, sizeof m);
  OPENSSL_cleanse (&client, sizeof client);
  OPENSSL_cleanse (&server, sizeof server);
  return is_gcm ? RTC_SRTP_AEAD_AES_128_GCM : RTC_SRTP_AES128_CM_SHA1_80;
}

GBytes *
rtc_dtls_get_close (RtcDtls *self)
{
  g_autoptr (RtcDtlsTail) early = NULL; /* OpenSSL's session is still there */
  guint8 record[RTC_DTLS_TAIL_MAX_BYTES];
  RtcDtlsTail *tail = self->tail;
  gsize len;

  if (!self->is_connected || self->is_closed)
    return NULL;
  if (self->close != NULL)
    return self->close;
  if (tail == NULL && self->ssl != NULL)
    tail = early = rtc_dtls_tail_new (self->ssl);
  len = tail != NULL ? rtc_dtls_tail_write_close (tail, record) : 0;
  ERR_clear_error ();
  if (len > 0)
    self->close = g_bytes_new (record, len);
  return self->close;
}

void
rtc_dtls_close (RtcDtls *self)
{
  guint8 record[RTC_DTLS_TAIL_MAX_BYTES];
  gsize len;

  if (self->close != NULL && !self->is_closed)
    self->send (g_bytes_get_data (self->close, NULL),
                g_bytes_get_size (self->close), self->data);
  else if (self->is_connected && !self->is_closed && self->ssl != NULL)
    SSL_shutdown (self->ssl);
  else if (self->tail != NULL && !self->is_closed
           && (len = rtc_dtls_tail_write_close (self->tail, record)) > 0)
    self->send (record, len, self->data);
  ERR_clear_error ();
  self->is_closed = TRUE;
}
