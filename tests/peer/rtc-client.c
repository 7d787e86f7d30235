/* SPDX-License-Identifier: Apache-2.0 */
/* RtcClient: STUN by libnice, DTLS by OpenSSL, SRTP by libsrtp2. */
#include "tests/peer/rtc-client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/srtp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <srtp2/srtp.h>
#include <string.h>
#include <stun/usages/ice.h>
#include <unistd.h>

#define MAX_BYTES 2048
#define RESEND_US (100 * 1000)
#define PRIORITY 1845501695u
#define TIE_BREAKER 0x1234567890abcdefull

typedef struct
{
  gboolean is_rtcp;
  gsize len;
  guint8 data[MAX_BYTES];
} Packet;

struct _RtcClient
{
  struct sockaddr_storage server;
  socklen_t server_len;
  int fd;
  gboolean use_tcp;
  guint8 in[2 + 65535]; /* TCP: bytes of the next frame */
  gsize in_len;
  StunAgent agent;
  GPtrArray *strings;   /* owned: keys that the agent may still point to */
  char *username, *pwd; /* borrowed from @strings */
  char *checker_name, *local_pwd; /* the same, of the server's checks */
  StunTransactionId last_id, nominate_id;
  guint n_checks_ok;
  int stun_error;
  gboolean is_nominated, has_last;
  SSL *ssl; /* owned */
  char *remote_fingerprint;
  const guint8 *dtls_in;
  gsize dtls_in_len;
  gboolean dtls_started, is_connected, is_closed;
  srtp_t srtp_in, srtp_out; /* owned */
  RtcClientProfiles profile;
  GQueue packets; /* owned, of Packet */
  guint n_bad;
};

/* --- certificate and context of the process ------------------------------ */

static char *process_fingerprint;
static SSL_CTX *process_context;

static char *
digest_text (X509 *x)
{
  guint8 d[EVP_MAX_MD_SIZE];
  unsigned int n = 0;
  GString *s = g_string_new (NULL);

  X509_digest (x, EVP_sha256 (), d, &n);
  for (unsigned int i = 0; i < n; i++)
    g_string_append_printf (s, i ? ":%02X" : "%02X", d[i]);
  return g_string_free (s, FALSE);
}

static int
verify_peer (X509_STORE_CTX *store, void *data)
{
  SSL *ssl =
      X509_STORE_CTX_get_ex_data (store, SSL_get_ex_data_X509_STORE_CTX_idx ());
  RtcClient *self = SSL_get_app_data (ssl);
  g_autofree char *text = digest_text (X509_STORE_CTX_get0_cert (store));

  return self->remote_fingerprint == NULL
         || g_ascii_strcasecmp (text, self->remote_fingerprint) == 0;
}

static void
init_process (void)
{
  static gsize once = 0;
  EVP_PKEY *key;
  X509 *x;

  if (!g_once_init_enter (&once))
    return;
  (void)srtp_init (); /* fails when the server in this process was first */
  key = EVP_EC_gen ("P-256");
  x = X509_new ();
  X509_set_version (x, 2);
  ASN1_INTEGER_set (X509_get_serialNumber (x), 1);
  X509_gmtime_adj (X509_getm_notBefore (x), -3600);
  X509_gmtime_adj (X509_getm_notAfter (x), 86400);
  X509_NAME_add_entry_by_txt (X509_get_subject_name (x), "CN", MBSTRING_ASC,
                              (const guint8 *)"client", -1, -1, 0);
  X509_set_issuer_name (x, X509_get_subject_name (x));
  X509_set_pubkey (x, key);
  X509_sign (x, key, EVP_sha256 ());
  process_fingerprint = digest_text (x);
  process_context = SSL_CTX_new (DTLS_method ());
  SSL_CTX_use_certificate (process_context, x);
  SSL_CTX_use_PrivateKey (process_context, key);
  SSL_CTX_set_verify (process_context,
                      SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  SSL_CTX_set_cert_verify_callback (process_context, verify_peer, NULL);
  SSL_CTX_set_options (process_context, SSL_OP_NO_QUERY_MTU);
  X509_free (x);
  EVP_PKEY_free (key);
  g_once_init_leave (&once, 1);
}

const char *
rtc_client_get_fingerprint (void)
{
  init_process ();
  return process_fingerprint;
}

/* --- socket --------------------------------------------------------------- */

static void
open_socket (RtcClient *self)
{
  self->fd =
      socket (self->server.ss_family,
              (self->use_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
  g_assert_cmpint (self->fd, >=, 0);
  if (connect (self->fd, (struct sockaddr *)&self->server, self->server_len)
      != 0)
    self->is_closed = TRUE;
  self->in_len = 0;
}

void
rtc_client_send_raw (RtcClient *self, const guint8 *data, gsize len)
{
  guint8 frame[2 + 65535];

  if (!self->use_tcp)
    {
      (void)!send (self->fd, data, len, MSG_NOSIGNAL);
      return;
    }
  frame[0] = (guint8)(len >> 8);
  frame[1] = (guint8)len;
  memcpy (frame + 2, data, len);
  for (gsize at = 0; at < len + 2;)
    {
      ssize_t n = send (self->fd, frame + at, len + 2 - at, MSG_NOSIGNAL);

      if (n <= 0)
        {
          self->is_closed = TRUE;
          return;
        }
      at += (gsize)n;
    }
}

/* --- DTLS -------------------------------------------------------------------
 */

static int
bio_write (BIO *bio, const char *buf, int len)
{
  rtc_client_send_raw (BIO_get_data (bio), (const guint8 *)buf, (gsize)len);
  return len;
}

static int
bio_read (BIO *bio, char *buf, int cap)
{
  RtcClient *self = BIO_get_data (bio);
  gsize n = MIN ((gsize)cap, self->dtls_in_len);

  BIO_clear_retry_flags (bio);
  if (self->dtls_in == NULL)
    {
      BIO_set_retry_read (bio);
      return -1;
    }
  memcpy (buf, self->dtls_in, n);
  self->dtls_in = NULL;
  return (int)n;
}

static long
bio_ctrl (BIO *bio, int cmd, long num, void *ptr)
{
  return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static void
make_ssl (RtcClient *self, const RtcClientParams *params)
{
  static BIO_METHOD *method;
  BIO *bio;
  RtcClientProfiles p = params->profiles;

  if (method == NULL)
    {
      method = BIO_meth_new (BIO_get_new_index () | BIO_TYPE_SOURCE_SINK,
                             "rtc-client");
      BIO_meth_set_write (method, bio_write);
      BIO_meth_set_read (method, bio_read);
      BIO_meth_set_ctrl (method, bio_ctrl);
    }
  bio = BIO_new (method);
  BIO_set_data (bio, self);
  BIO_set_init (bio, 1);
  self->ssl = SSL_new (process_context);
  SSL_set_bio (self->ssl, bio, bio);
  SSL_set_app_data (self->ssl, self);
  SSL_set_mtu (self->ssl, 1200);
  SSL_set_tlsext_use_srtp (self->ssl,
                           p == RTC_CLIENT_GCM  ? "SRTP_AEAD_AES_128_GCM"
                           : p == RTC_CLIENT_CM ? "SRTP_AES128_CM_SHA1_80"
                                                : "SRTP_AEAD_AES_128_GCM:"
                                                  "SRTP_AES128_CM_SHA1_80");
  if (params->dtls_client)
    SSL_set_connect_state (self->ssl);
  else
    SSL_set_accept_state (self->ssl);
}

static srtp_t
make_srtp (const guint8 *key, const guint8 *salt, gboolean is_gcm,
           srtp_ssrc_type_t type)
{
  guint8 buf[30];
  srtp_policy_t policy;
  srtp_t session = NULL;
  srtp_profile_t p =
      is_gcm ? srtp_profile_aead_aes_128_gcm : srtp_profile_aes128_cm_sha1_80;

  memset (&policy, 0, sizeof policy);
  memcpy (buf, key, 16);
  memcpy (buf + 16, salt, is_gcm ? 12 : 14);
  srtp_crypto_policy_set_from_profile_for_rtp (&policy.rtp, p);
  srtp_crypto_policy_set_from_profile_for_rtcp (&policy.rtcp, p);
  policy.ssrc.type = type;
  policy.key = buf;
  policy.window_size = 4096;
  policy.allow_repeat_tx = 1; /* a sender's answer to a NACK */
  g_assert_true (srtp_create (&session, &policy) == srtp_err_status_ok);
  return session;
}

static void
take_keys (RtcClient *self)
{
  static const char label[] = "EXTRACTOR-dtls_srtp";
  SRTP_PROTECTION_PROFILE *p = SSL_get_selected_srtp_profile (self->ssl);
  gboolean is_gcm, is_server = SSL_is_server (self->ssl);
  guint8 m[60];
  const guint8 *client_salt, *server_salt;
  gsize salt_len;

  if (p == NULL)
    return;
  is_gcm = p->id == SRTP_AEAD_AES_128_GCM;
  salt_len = is_gcm ? 12 : 14;
  SSL_export_keying_material (self->ssl, m, 32 + 2 * salt_len, label,
                              strlen (label), NULL, 0, 0);
  client_salt = m + 32;
  server_salt = client_salt + salt_len;
  self->srtp_in =
      make_srtp (is_server ? m : m + 16, is_server ? client_salt : server_salt,
                 is_gcm, ssrc_any_inbound);
  self->srtp_out =
      make_srtp (is_server ? m + 16 : m, is_server ? server_salt : client_salt,
                 is_gcm, ssrc_any_outbound);
  self->profile = is_gcm ? RTC_CLIENT_GCM : RTC_CLIENT_CM;
  self->is_connected = TRUE;
}

static void
step_dtls (RtcClient *self)
{
  char ignored[256];
  int n, err;

  self->dtls_started = TRUE;
  ERR_clear_error ();
  if (!self->is_connected)
    {
      n = SSL_do_handshake (self->ssl);
      if (n == 1)
        take_keys (self);
    }
  else
    n = SSL_read (self->ssl, ignored, sizeof ignored);
  err = SSL_get_error (self->ssl, n);
  if (n <= 0 && err != SSL_ERROR_WANT_READ && err != SSL_ERROR_WANT_WRITE)
    self->is_closed = TRUE;
}

static void
on_dtls (RtcClient *self, const guint8 *data, gsize len)
{
  self->dtls_in = data;
  self->dtls_in_len = len;
  step_dtls (self);
  if (self->dtls_in != NULL)
    step_dtls (self);
  self->dtls_in = NULL;
}

/* --- ICE
 * ----------------------------------------------------------------------- */

/* A full agent, and Janus's lite one, checks back. */
static void
answer_check (RtcClient *self, const guint8 *data, gsize len)
{
  StunDefaultValidaterData users[2] = {
    { (guint8 *)self->checker_name, strlen (self->checker_name),
      (guint8 *)self->local_pwd, strlen (self->local_pwd) },
  };
  struct sockaddr_storage peer;
  socklen_t peer_len = sizeof peer;
  StunMessage request, reply;
  guint8 buf[512];
  gsize reply_len = sizeof buf;
  bool is_controlling = true;

  if (getpeername (self->fd, (struct sockaddr *)&peer, &peer_len) == 0
      && stun_agent_validate (&self->agent, &request, data, len,
                              stun_agent_default_validater, users)
             == STUN_VALIDATION_SUCCESS
      && stun_usage_ice_conncheck_create_reply (
             &self->agent, &request, &reply, buf, &reply_len, &peer, peer_len,
             &is_controlling, TIE_BREAKER, STUN_USAGE_ICE_COMPATIBILITY_RFC5245)
             == STUN_USAGE_ICE_RETURN_SUCCESS)
    rtc_client_send_raw (self, buf, reply_len);
}

static void
on_stun (RtcClient *self, const guint8 *data, gsize len)
{
  struct sockaddr_storage mapped;
  socklen_t mapped_len = sizeof mapped;
  StunTransactionId id;
  StunMessage m;

  if (len >= 2 && data[0] == 0 && data[1] == STUN_BINDING)
    {
      answer_check (self, data, len);
      return;
    }
  if (stun_agent_validate (&self->agent, &m, data, len, NULL, NULL)
      != STUN_VALIDATION_SUCCESS)
    return;
  stun_message_id (&m, id);
  if (stun_message_get_class (&m) == STUN_ERROR)
    {
      stun_message_find_error (&m, &self->stun_error);
      return;
    }
  if (stun_usage_ice_conncheck_process (&m, &mapped, &mapped_len,
                                        STUN_USAGE_ICE_COMPATIBILITY_RFC5245)
      != STUN_USAGE_ICE_RETURN_SUCCESS)
    return;
  self->stun_error = 0;
  self->n_checks_ok++;
  if (memcmp (id, self->nominate_id, sizeof id) == 0)
    self->is_nominated = TRUE;
}

void
rtc_client_send_check (RtcClient *self, gboolean use_candidate)
{
  guint8 buf[1024];
  StunMessage m;
  gsize len;

  if (self->has_last)
    stun_agent_forget_transaction (&self->agent, self->last_id);
  len = stun_usage_ice_conncheck_create (
      &self->agent, &m, buf, sizeof buf, (guint8 *)self->username,
      strlen (self->username), (guint8 *)self->pwd, strlen (self->pwd),
      use_candidate, TRUE, PRIORITY, TIE_BREAKER, NULL,
      STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
  g_assert_cmpuint (len, >, 0);
  stun_message_id (&m, self->last_id);
  self->has_last = TRUE;
  if (use_candidate)
    memcpy (self->nominate_id, self->last_id, sizeof self->last_id);
  rtc_client_send_raw (self, buf, len);
}

void
rtc_client_set_credentials (RtcClient *self, const char *local_ufrag,
                            const char *local_pwd, const char *remote_ufrag,
                            const char *remote_pwd)
{
  self->username = g_strdup_printf ("%s:%s", remote_ufrag, local_ufrag);
  self->pwd = g_strdup (remote_pwd);
  self->checker_name = g_strdup_printf ("%s:%s", local_ufrag, remote_ufrag);
  self->local_pwd = g_strdup (local_pwd);
  g_ptr_array_add (self->strings, self->username);
  g_ptr_array_add (self->strings, self->pwd);
  g_ptr_array_add (self->strings, self->checker_name);
  g_ptr_array_add (self->strings, self->local_pwd);
}

/* --- packets
 * -------------------------------------------------------------------- */

static void
on_media (RtcClient *self, const guint8 *data, gsize len)
{
  Packet *p;
  int n = (int)len;
  srtp_err_status_t status;

  if (self->srtp_in == NULL || len > MAX_BYTES || len < 8)
    return;
  p = g_new (Packet, 1);
  memcpy (p->data, data, len);
  p->is_rtcp = data[1] >= 192 && data[1] <= 223;
  status = p->is_rtcp ? srtp_unprotect_rtcp (self->srtp_in, p->data, &n)
                      : srtp_unprotect (self->srtp_in, p->data, &n);
  if (status != srtp_err_status_ok)
    {
      self->n_bad++;
      g_free (p);
      return;
    }
  p->len = (gsize)n;
  g_queue_push_tail (&self->packets, p);
}

static void
on_datagram (RtcClient *self, const guint8 *data, gsize len)
{
  if (len == 0)
    return;
  if (data[0] < 4)
    on_stun (self, data, len);
  else if (data[0] >= 20 && data[0] <= 63)
    on_dtls (self, data, len);
  else if (data[0] >= 128 && data[0] <= 191)
    on_media (self, data, len);
}

static void
read_tcp (RtcClient *self)
{
  ssize_t n = recv (self->fd, self->in + self->in_len,
                    sizeof self->in - self->in_len, MSG_DONTWAIT);
  gsize at = 0;

  if (n <= 0)
    {
      self->is_closed = self->is_closed || n == 0 || errno != EAGAIN;
      return;
    }
  self->in_len += (gsize)n;
  while (self->in_len - at >= 2)
    {
      gsize len = (gsize)self->in[at] << 8 | self->in[at + 1];

      if (self->in_len - at - 2 < len)
        break;
      on_datagram (self, self->in + at + 2, len);
      at += 2 + len;
    }
  memmove (self->in, self->in + at, self->in_len - at);
  self->in_len -= at;
}

/* Waits for one datagram at most until @until_us and handles it. */
static void
step (RtcClient *self, gint64 until_us)
{
  struct pollfd p = { .fd = self->fd, .events = POLLIN };
  gint64 left_us = MAX (0, until_us - g_get_monotonic_time ());
  guint8 buf[65536];
  ssize_t n;

  if (!self->is_connected && self->dtls_started)
    left_us = MIN (left_us, RESEND_US);
  if (poll (&p, 1, (int)((left_us + 999) / 1000)) > 0)
    {
      if (self->use_tcp)
        read_tcp (self);
      else if ((n = recv (self->fd, buf, sizeof buf, MSG_DONTWAIT)) > 0)
        on_datagram (self, buf, (gsize)n);
    }
  if (!self->is_connected && self->dtls_started)
    DTLSv1_handle_timeout (self->ssl);
}

/* --- public
 * -------------------------------------------------------------------- */

RtcClient *
rtc_client_new (const RtcClientParams *params, const struct sockaddr *server)
{
  RtcClient *self = g_new0 (RtcClient, 1);

  init_process ();
  self->server_len = server->sa_family == AF_INET
                         ? sizeof (struct sockaddr_in)
                         : sizeof (struct sockaddr_in6);
  memcpy (&self->server, server, self->server_len);
  self->use_tcp = params->use_tcp;
  self->remote_fingerprint = g_strdup (params->remote_fingerprint);
  self->strings = g_ptr_array_new_with_free_func (g_free);
  stun_agent_init (&self->agent, STUN_ALL_KNOWN_ATTRIBUTES,
                   STUN_COMPATIBILITY_RFC5389,
                   STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS
                       | STUN_AGENT_USAGE_USE_FINGERPRINT);
  rtc_client_set_credentials (self, params->local_ufrag, params->local_pwd,
                              params->remote_ufrag, params->remote_pwd);
  make_ssl (self, params);
  open_socket (self);
  return self;
}

void
rtc_client_free (RtcClient *self)
{
  SSL_free (self->ssl);
  if (self->srtp_in != NULL)
    srtp_dealloc (self->srtp_in);
  if (self->srtp_out != NULL)
    srtp_dealloc (self->srtp_out);
  close (self->fd);
  g_ptr_array_unref (self->strings);
  g_queue_clear_full (&self->packets, g_free);
  g_free (self->remote_fingerprint);
  g_free (self);
}

gboolean
rtc_client_check (RtcClient *self, gboolean use_candidate, gint64 timeout_us)
{
  gint64 deadline_us = g_get_monotonic_time () + timeout_us;
  guint before = self->n_checks_ok;

  self->stun_error = 0;
  do
    {
      gint64 now_us = g_get_monotonic_time ();
      gint64 until_us = MIN (deadline_us, now_us + RESEND_US);

      rtc_client_send_check (self, use_candidate);
      while (self->n_checks_ok == before && self->stun_error == 0
             && !self->is_closed && g_get_monotonic_time () < until_us)
        step (self, until_us);
    }
  while (self->n_checks_ok == before && self->stun_error == 0
         && !self->is_closed && g_get_monotonic_time () < deadline_us);
  return self->n_checks_ok != before;
}

gboolean
rtc_client_connect (RtcClient *self, gint64 timeout_us)
{
  gint64 deadline_us = g_get_monotonic_time () + timeout_us;

  if (!rtc_client_check (self, FALSE, timeout_us))
    return FALSE;
  if (!SSL_is_server (self->ssl))
    step_dtls (self);
  if (!rtc_client_check (self, TRUE, deadline_us - g_get_monotonic_time ()))
    return FALSE;
  while (!self->is_connected && !self->is_closed
         && g_get_monotonic_time () < deadline_us)
    step (self, deadline_us);
  return self->is_connected && self->is_nominated;
}

gboolean
rtc_client_is_connected (RtcClient *self)
{
  return self->is_connected && !self->is_closed;
}

RtcClientProfiles
rtc_client_get_profile (RtcClient *self)
{
  return self->profile;
}

int
rtc_client_get_stun_error (RtcClient *self)
{
  return self->stun_error;
}

void
rtc_client_rebind (RtcClient *self)
{
  close (self->fd);
  open_socket (self);
}

static gboolean
send_sealed (RtcClient *self, const guint8 *data, gsize len,
             srtp_err_status_t (*protect) (srtp_t, void *, int *))
{
  guint8 buf[MAX_BYTES + SRTP_MAX_TRAILER_LEN + 4];
  int n = (int)len;

  if (self->srtp_out == NULL || len > MAX_BYTES)
    return FALSE;
  memcpy (buf, data, len);
  if (protect (self->srtp_out, buf, &n) != srtp_err_status_ok)
    return FALSE;
  rtc_client_send_raw (self, buf, (gsize)n);
  return TRUE;
}

gboolean
rtc_client_send_rtp (RtcClient *self, const guint8 *data, gsize len)
{
  return send_sealed (self, data, len, srtp_protect);
}

gboolean
rtc_client_send_rtcp (RtcClient *self, const guint8 *data, gsize len)
{
  return send_sealed (self, data, len, srtp_protect_rtcp);
}

RtcClientEvent
rtc_client_receive (RtcClient *self, guint8 *buf, gsize cap, gsize *ret_len,
                    gint64 timeout_us)
{
  gint64 deadline_us = g_get_monotonic_time () + timeout_us;
  RtcClientEvent event;
  Packet *p;

  while (g_queue_is_empty (&self->packets) && !self->is_closed
         && g_get_monotonic_time () < deadline_us)
    step (self, deadline_us);
  p = g_queue_pop_head (&self->packets);
  if (p == NULL)
    return self->is_closed ? RTC_CLIENT_CLOSED : RTC_CLIENT_TIMEOUT;
  event = p->is_rtcp ? RTC_CLIENT_RTCP : RTC_CLIENT_RTP;
  if (buf != NULL)
    memcpy (buf, p->data, MIN (cap, p->len));
  if (ret_len != NULL)
    *ret_len = p->len;
  g_free (p);
  return event;
}

void
rtc_client_close (RtcClient *self)
{
  if (self->is_connected)
    SSL_shutdown (self->ssl);
  ERR_clear_error ();
}

int
rtc_client_get_fd (RtcClient *self)
{
  return self->fd;
}

guint
rtc_client_get_n_bad_packets (RtcClient *self)
{
  return self->n_bad;
}
