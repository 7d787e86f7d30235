/* SPDX-License-Identifier: Apache-2.0 */
/* A real worker on loopback against tests/peer/rtc-client. */
#include "rtc/dtls.h"
#include "rtc/transport.h"

#include <netinet/in.h>
#include <string.h>

#include "rtc/transport-private.h"
#include "tests/peer/rtc-client.h"
#include "wait.h"

#define WAIT_US (60 * G_USEC_PER_SEC) /* machines are slow at times */
#define CLIENT_UFRAG "cliu"
#define CLIENT_PWD "clientpassword1234567890"

typedef struct
{
  GMutex lock, hold;
  GCond cond;
  RtcCertificate *certificate;
  RtcWorker *worker;
  RtcTransport *transport;
  char *ufrag, *pwd;
  RtcClient *client;
  gboolean is_connected, is_closed, is_freed;
  RtcCloseReason reason;
  RtcWill will; /* of the last on_connected or on_path */
  gboolean has_will;
  guint n_paths;
  guint n_rtp, n_rtcp, n_mail;
  gsize last_len;
  guint8 last[2048];
} Fixture;

typedef struct
{
  gboolean server_is_client, use_tcp, use_v6, bad_fingerprint, bad_remote_pwd,
      bad_remote_ufrag;
  RtcClientProfiles profiles;
} Case;

static void
on_connected (RtcTransport *t, gpointer data)
{
  Fixture *f = data;

  g_assert_true (rtc_worker_is_current (f->worker));
  g_mutex_lock (&f->lock);
  f->is_connected = TRUE;
  f->has_will = rtc_transport_get_will (t, &f->will);
  g_cond_broadcast (&f->cond);
  g_mutex_unlock (&f->lock);
}

static void
on_packet (Fixture *f, const guint8 *packet, gsize len, guint *counter)
{
  g_mutex_lock (&f->lock);
  memcpy (f->last, packet, len);
  f->last_len = len;
  ++*counter;
  g_cond_broadcast (&f->cond);
  g_mutex_unlock (&f->lock);
}

static void
on_rtp (RtcTransport *t, guint8 *packet, gsize len, gint64 now_us,
        gpointer data)
{
  on_packet (data, packet, len, &((Fixture *)data)->n_rtp);
}

static void
on_rtcp (RtcTransport *t, const guint8 *packet, gsize len, gint64 now_us,
         gpointer data)
{
  on_packet (data, packet, len, &((Fixture *)data)->n_rtcp);
}

static void
on_closed (RtcTransport *t, RtcCloseReason reason, gpointer data)
{
  Fixture *f = data;

  g_mutex_lock (&f->lock);
  g_assert_false (f->is_closed);
  f->is_closed = TRUE;
  f->reason = reason;
  g_cond_broadcast (&f->cond);
  g_mutex_unlock (&f->lock);
}

static void
on_path (RtcTransport *t, gpointer data)
{
  Fixture *f = data;

  g_mutex_lock (&f->lock);
  f->has_will = rtc_transport_get_will (t, &f->will);
  f->n_paths++;
  g_cond_broadcast (&f->cond);
  g_mutex_unlock (&f->lock);
}

static void
on_freed (gpointer data)
{
  Fixture *f = data;

  g_mutex_lock (&f->lock);
  f->is_freed = TRUE;
  g_cond_broadcast (&f->cond);
  g_mutex_unlock (&f->lock);
}

/* Waits for a condition on the fixture. */
#define UNTIL(f, condition)                                                    \
  G_STMT_START                                                                 \
  {                                                                            \
    gint64 end_us_ = g_get_monotonic_time () + WAIT_US;                        \
    g_mutex_lock (&(f)->lock);                                                 \
    while (!(condition)                                                        \
           && g_cond_wait_until (&(f)->cond, &(f)->lock, end_us_))             \
      ;                                                                        \
    g_assert_true (condition);                                                 \
    g_mutex_unlock (&(f)->lock);                                               \
  }                                                                            \
  G_STMT_END

static void
wait_count (Fixture *f, RtcCount which, guint64 at_least)
{
  gint64 end_us = g_get_monotonic_time () + WAIT_US;

  while (rtc_worker_get_count (f->worker, which) < at_least)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end_us);
      wait_a_little ();
    }
}

static RtcClient *
make_client (Fixture *f, const Case *c)
{
  RtcClientParams p = {
    .local_ufrag = CLIENT_UFRAG,
    .local_pwd = CLIENT_PWD,
    .remote_ufrag = f->ufrag,
    .remote_pwd = c->bad_remote_pwd ? "notthepasswordatall12345" : f->pwd,
    .remote_fingerprint = rtc_certificate_get_fingerprint (f->certificate),
    .dtls_client = !c->server_is_client,
    .use_tcp = c->use_tcp,
    .profiles = c->profiles,
  };
  struct sockaddr_in a4 = { .sin_family = AF_INET,
                            .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
                             .sin6_addr = IN6ADDR_LOOPBACK_INIT };

  if (c->bad_remote_ufrag)
    p.remote_ufrag = "nobodyhasthisone";
  a4.sin_port = a6.sin6_port = htons (rtc_worker_get_port (f->worker));
  return rtc_client_new (&p, c->use_v6 ? (struct sockaddr *)&a6
                                       : (struct sockaddr *)&a4);
}

static RtcTransport *
make_transport (Fixture *f, const Case *c)
{
  static const RtcTransportCallbacks callbacks = { on_connected, on_rtp,
                                                   on_rtcp,      on_closed,
                                                   on_freed,     on_path };
  RtcTransportParams p = {
    .id = "test",
    .local_ufrag = f->ufrag,
    .local_pwd = f->pwd,
    .remote_ufrag = CLIENT_UFRAG,
    .remote_pwd = CLIENT_PWD,
    .fingerprint_hash = "sha-256",
    .fingerprint = c->bad_fingerprint
                       ? rtc_certificate_get_fingerprint (f->certificate)
                       : rtc_client_get_fingerprint (),
    .dtls_client = c->server_is_client,
  };

  return rtc_transport_new (f->worker, &p, &callbacks, f);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  static const Case none;
  const Case *c = data != NULL ? data : &none;
  g_autoptr (GError) error = NULL;

  memset (f, 0, sizeof *f);
  g_mutex_init (&f->lock);
  g_cond_init (&f->cond);
  f->certificate = rtc_certificate_new (&error);
  g_assert_no_error (error);
  f->worker = rtc_worker_new (0, 0, f->certificate, NULL, &error);
  g_assert_no_error (error);
  f->ufrag = rtc_transport_make_ufrag ();
  f->pwd = rtc_transport_make_pwd ();
  f->transport = make_transport (f, c);
  rtc_transport_start (f->transport);
  f->client = make_client (f, c);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  rtc_client_free (f->client);
  rtc_worker_free (f->worker);
  g_assert_true (f->is_closed && f->is_freed);
  rtc_transport_unref (f->transport);
  rtc_certificate_unref (f->certificate);
  g_free (f->ufrag);
  g_free (f->pwd);
  g_mutex_clear (&f->lock);
  g_cond_clear (&f->cond);
}

static void
make_rtp (guint8 *p, gsize len, guint16 seq)
{
  for (gsize i = 12; i < len; i++)
    p[i] = (guint8)(i * 7 + seq);
  memcpy (p, "\x80\x60\0\0\0\0\0\x01\x11\x22\x33\x44", 12);
  p[2] = (guint8)(seq >> 8);
  p[3] = (guint8)seq;
}

#define N_SENT 100
#define SENT_BYTES 1000

/* media: a frame's worth of packets, sealed straight into the batch */
static void
send_burst (gpointer data)
{
  Fixture *f = data;
  RtcSrtpOut *out = rtc_transport_get_srtp_out (f->transport);
  RtcBatch *batch = rtc_worker_get_batch (f->worker);

  for (guint i = 0; i < N_SENT; i++)
    {
      guint8 packet[SENT_BYTES];
      guint8 *p =
          rtc_batch_reserve (batch, rtc_transport_get_path (f->transport),
                             SENT_BYTES + RTC_SRTP_MAX_TRAILER);

      make_rtp (packet, sizeof packet, (guint16)i);
      memcpy (p, packet, 12);
      rtc_batch_commit (batch,
                        rtc_srtp_out_seal (out, p, 12, NULL, 0, packet + 12,
                                           sizeof packet - 12, 0));
    }
}

static void
send_will (gpointer data)
{
  Fixture *f = data;
  RtcBatch *batch = rtc_worker_get_batch (f->worker);

  memcpy (rtc_batch_reserve (batch, &f->will.path, f->will.record_len),
          f->will.record, f->will.record_len);
  rtc_batch_commit (batch, f->will.record_len);
}

static void
send_rtcp (gpointer data)
{
  Fixture *f = data;

  rtc_transport_send_rtcp (f->transport,
                           (const guint8 *)"\x81\xce\0\2\0\0\0\1\0\0\0\2", 12);
}

static void
check_media_out (Fixture *f)
{
  guint8 buf[2048], want[SENT_BYTES];
  gsize len;

  rtc_worker_post (f->worker, send_burst, f, NULL);
  for (guint i = 0; i < N_SENT; i++)
    {
      g_assert_cmpint (
          rtc_client_receive (f->client, buf, sizeof buf, &len, WAIT_US), ==,
          RTC_CLIENT_RTP);
      make_rtp (want, sizeof want, (guint16)i);
      g_assert_cmpmem (buf, len, want, sizeof want);
    }
  rtc_worker_post (f->worker, send_rtcp, f, NULL);
  g_assert_cmpint (
      rtc_client_receive (f->client, buf, sizeof buf, &len, WAIT_US), ==,
      RTC_CLIENT_RTCP);
  g_assert_cmpuint (len, ==, 12);
  g_assert_cmpuint (rtc_client_get_n_bad_packets (f->client), ==, 0);
}

static void
check_media_in (Fixture *f, guint16 first_seq)
{
  guint8 packet[SENT_BYTES];
  guint n_rtp = f->n_rtp, n_rtcp = f->n_rtcp;

  for (guint i = 0; i < 20; i++)
    {
      make_rtp (packet, sizeof packet, (guint16)(first_seq + i));
      g_assert_true (rtc_client_send_rtp (f->client, packet, sizeof packet));
    }
  UNTIL (f, f->n_rtp == n_rtp + 20);
  g_assert_cmpmem (f->last, f->last_len, packet, sizeof packet);
  rtc_client_send_rtcp (f->client, (const guint8 *)"\x80\xc9\0\1\0\0\0\1", 8);
  UNTIL (f, f->n_rtcp == n_rtcp + 1);
}

static void
test_whole_path (Fixture *f, gconstpointer data)
{
  const Case *c = data;
  gint64 start_us = g_get_monotonic_time ();

  g_assert_true (rtc_client_connect (f->client, WAIT_US));
  UNTIL (f, f->is_connected);
  g_test_message ("connected in %d ms",
                  (int)((g_get_monotonic_time () - start_us) / 1000));
  if (c->profiles != 0)
    g_assert_cmpint (rtc_client_get_profile (f->client), ==, c->profiles);
  else
    g_assert_cmpint (rtc_client_get_profile (f->client), ==, RTC_CLIENT_GCM);
  check_media_out (f);
  check_media_in (f, 1);
  g_assert_cmpuint (rtc_worker_get_n_transports (f->worker), ==, 1);

  rtc_transport_close (f->transport, RTC_CLOSE_LOCAL);
  UNTIL (f, f->is_closed);
  g_assert_cmpint (f->reason, ==, RTC_CLOSE_LOCAL);
  g_assert_cmpint (rtc_client_receive (f->client, NULL, 0, NULL, WAIT_US), ==,
                   RTC_CLIENT_CLOSED);
  g_assert_cmpuint (rtc_worker_get_n_transports (f->worker), ==, 0);
}

static const Case cases[] = {
  { .server_is_client = TRUE },
  { .server_is_client = FALSE },
  { .server_is_client = TRUE, .profiles = RTC_CLIENT_CM },
  { .server_is_client = FALSE, .profiles = RTC_CLIENT_CM },
  { .server_is_client = TRUE, .use_v6 = TRUE },
  { .server_is_client = TRUE, .use_tcp = TRUE },
  { .server_is_client = FALSE, .use_tcp = TRUE, .use_v6 = TRUE },
};
static const char *const case_names[] = {
  "active-gcm", "passive-gcm", "active-cm",     "passive-cm",
  "v6",         "tcp",         "tcp-v6-passive"
};

static void
test_fingerprint (Fixture *f, gconstpointer data)
{
  g_assert_false (rtc_client_connect (f->client, WAIT_US));
  UNTIL (f, f->is_closed);
  g_assert_cmpint (f->reason, ==, RTC_CLOSE_FINGERPRINT);
  g_assert_false (f->is_connected);
  g_assert_cmpuint (
      rtc_worker_get_count (f->worker, RTC_COUNT_DTLS_FINGERPRINT), ==, 1);
}

static void
test_bad_integrity (Fixture *f, gconstpointer data)
{
  g_assert_false (rtc_client_check (f->client, FALSE, WAIT_US));
  g_assert_cmpint (rtc_client_get_stun_error (f->client), ==, 401);
  g_assert_cmpuint (
      rtc_worker_get_count (f->worker, RTC_COUNT_STUN_BAD_INTEGRITY), ==, 1);
  g_assert_cmpint (f->transport->stats.first_check_us, ==, 0);
}

/* Nobody's ufrag, or another client's: not a word. */
static void
test_unknown_ufrag (Fixture *f, gconstpointer data)
{
  rtc_client_send_check (f->client, TRUE);
  wait_count (f, RTC_COUNT_STUN_UNKNOWN_UFRAG, 1);
  rtc_client_set_credentials (f->client, "otherclient", CLIENT_PWD, f->ufrag,
                              f->pwd);
  rtc_client_send_check (f->client, TRUE);
  wait_count (f, RTC_COUNT_STUN_REMOTE_UFRAG, 1);
  g_assert_cmpuint (rtc_worker_get_count (f->worker, RTC_COUNT_TX_PACKETS), ==,
                    0);
}

/* Only what passed a check gets further than one hash look-up. */
static void
test_unknown_address (Fixture *f, gconstpointer data)
{
  static const guint8 dtls[] = { 22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
  static const guint8 rtp[] = { 0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
  static const guint8 stun[20] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 };

  rtc_client_send_raw (f->client, dtls, sizeof dtls);
  rtc_client_send_raw (f->client, rtp, sizeof rtp);
  wait_count (f, RTC_COUNT_DROP_UNKNOWN_ADDRESS, 2);
  rtc_client_send_raw (f->client, stun, sizeof stun);
  rtc_client_send_raw (f->client, stun, 8);
  wait_count (f, RTC_COUNT_STUN_REQUESTS, 1);
  /* then it still works; media before DTLS is dropped */
  g_assert_true (rtc_client_check (f->client, FALSE, WAIT_US));
  rtc_client_send_raw (f->client, rtp, sizeof rtp);
  wait_count (f, RTC_COUNT_DROP_NOT_CONNECTED, 1);
  g_assert_true (rtc_client_connect (f->client, WAIT_US));
  rtc_client_send_raw (f->client, rtp, sizeof rtp);
  wait_count (f, RTC_COUNT_DROP_MALFORMED, 1);
}

static void
test_restart (Fixture *f, gconstpointer data)
{
  g_autofree char *ufrag = rtc_transport_make_ufrag ();
  g_autofree char *pwd = rtc_transport_make_pwd ();

  g_assert_true (rtc_client_connect (f->client, WAIT_US));
  rtc_transport_restart_ice (f->transport, ufrag, pwd, "newu",
                             "newclientpassword1234567");
  /* the old ones go on until the new ones are used */
  g_assert_true (rtc_client_check (f->client, TRUE, WAIT_US));
  check_media_in (f, 1);
  rtc_client_set_credentials (f->client, "newu", "newclientpassword1234567",
                              ufrag, pwd);
  rtc_client_rebind (f->client);
  g_assert_true (rtc_client_check (f->client, FALSE, WAIT_US));
  check_media_out (f); /* DTLS stayed, the path moved */
  check_media_in (f, 100);
  rtc_client_set_credentials (f->client, CLIENT_UFRAG, CLIENT_PWD, f->ufrag,
                              f->pwd);
  rtc_client_send_check (f->client, TRUE);
  wait_count (f, RTC_COUNT_STUN_UNKNOWN_UFRAG, 1);
}

static void
test_roaming (Fixture *f, gconstpointer data)
{
  g_assert_true (rtc_client_connect (f->client, WAIT_US));
  UNTIL (f, f->is_connected);
  for (guint i = 0; i < RTC_TRANSPORT_MAX_PATHS + 3; i++)
    {
      rtc_client_rebind (f->client);
      g_assert_true (rtc_client_check (f->client, TRUE, WAIT_US));
    }
  check_media_out (f);
  check_media_in (f, 1);
}

static guint
get_client_port (Fixture *f)
{
  struct sockaddr_in a;
  socklen_t len = sizeof a;

  g_assert_cmpint (
      getsockname (rtc_client_get_fd (f->client), (struct sockaddr *)&a, &len),
      ==, 0);
  return ntohs (a.sin_port);
}

/* The will follows the peer; the record in it stays the same. */
static void
test_will (Fixture *f, gconstpointer data)
{
  RtcWill first;

  g_assert_true (rtc_client_connect (f->client, WAIT_US));
  UNTIL (f, f->is_connected);
  g_assert_true (f->has_will);
  first = f->will;
  g_assert_cmpuint (first.port, ==, rtc_worker_get_port (f->worker));
  g_assert_cmpuint (ntohs (first.path.remote.in.sin_port), ==,
                    get_client_port (f));
  check_media_in (f, 1);
  rtc_client_rebind (f->client);
  g_assert_true (rtc_client_check (f->client, TRUE, WAIT_US));
  UNTIL (f, f->n_paths == 1);
  g_assert_cmpuint (ntohs (f->will.path.remote.in.sin_port), ==,
                    get_client_port (f));
  g_assert_cmpmem (f->will.record, f->will.record_len, first.record,
                   first.record_len);
  /* here the next process sends it */
  g_assert_true (f->has_will);
  rtc_worker_post (f->worker, send_will, f, NULL);
  g_assert_cmpint (rtc_client_receive (f->client, NULL, 0, NULL, WAIT_US), ==,
                   RTC_CLIENT_CLOSED);
}

/* The kernel ends a dead process's connections itself. */
static void
test_will_tcp (Fixture *f, gconstpointer data)
{
  g_assert_true (rtc_client_connect (f->client, WAIT_US));
  UNTIL (f, f->is_connected);
  g_assert_false (f->has_will);
}

static void
test_peer_closes (Fixture *f, gconstpointer data)
{
  g_assert_true (rtc_client_connect (f->client, WAIT_US));
  UNTIL (f, f->is_connected);
  rtc_client_close (f->client);
  UNTIL (f, f->is_closed);
  g_assert_cmpint (f->reason, ==, RTC_CLOSE_PEER);
}

/* After close_notify nothing is answered: consent is revoked. */
static void
test_revoked (Fixture *f, gconstpointer data)
{
  g_assert_true (rtc_client_connect (f->client, WAIT_US));
  rtc_transport_close (f->transport, RTC_CLOSE_LOCAL);
  rtc_transport_close (f->transport, RTC_CLOSE_LOCAL);
  UNTIL (f, f->is_closed);
  rtc_client_send_check (f->client, TRUE);
  wait_count (f, RTC_COUNT_STUN_UNKNOWN_UFRAG, 1);
}

static void
test_consent (Fixture *f, gconstpointer data)
{
  g_assert_true (rtc_client_connect (f->client, WAIT_US));
  UNTIL (f, f->is_connected);
  rtc_worker_advance_clock (f->worker, 25 * G_USEC_PER_SEC);
  g_assert_true (rtc_client_check (f->client, TRUE, WAIT_US));
  rtc_worker_advance_clock (f->worker, 25 * G_USEC_PER_SEC);
  check_media_in (f, 1); /* media is no consent, but it still flows */
  g_assert_false (f->is_closed);
  rtc_worker_advance_clock (f->worker, 6 * G_USEC_PER_SEC);
  UNTIL (f, f->is_closed);
  g_assert_cmpint (f->reason, ==, RTC_CLOSE_CONSENT);
}

static void
on_mail (gpointer data)
{
  Fixture *f = data;

  g_mutex_lock (&f->lock);
  f->n_mail++;
  g_cond_broadcast (&f->cond);
  g_mutex_unlock (&f->lock);
}

static void
test_ice_timeout (Fixture *f, gconstpointer data)
{
  /* the transport has started once the worker has read later mail */
  rtc_worker_post (f->worker, on_mail, f, NULL);
  UNTIL (f, f->n_mail == 1);
  rtc_worker_advance_clock (f->worker, 16 * G_USEC_PER_SEC);
  UNTIL (f, f->is_closed);
  g_assert_cmpint (f->reason, ==, RTC_CLOSE_ICE_TIMEOUT);
}

/* Checks go on, but the DTLS client never speaks. */
static void
test_dtls_timeout (Fixture *f, gconstpointer data)
{
  g_assert_true (rtc_client_check (f->client, TRUE, WAIT_US));
  rtc_worker_advance_clock (f->worker, 10 * G_USEC_PER_SEC);
  g_assert_true (rtc_client_check (f->client, TRUE, WAIT_US));
  g_assert_false (f->is_closed);
  rtc_worker_advance_clock (f->worker, 6 * G_USEC_PER_SEC);
  UNTIL (f, f->is_closed);
  g_assert_cmpint (f->reason, ==, RTC_CLOSE_DTLS_FAILED);
}

static void
close_second (gpointer data)
{
  rtc_transport_end (data, RTC_CLOSE_LOCAL);
}

/* An address with a living session stays with it: a second session's check
 * from there (a forged source) is not answered. */
static void
test_address_taken (Fixture *f, gconstpointer data)
{
  Fixture g;
  static const Case none;

  memset (&g, 0, sizeof g);
  g_mutex_init (&g.lock);
  g_cond_init (&g.cond);
  g.certificate = f->certificate;
  g.worker = f->worker;
  g.ufrag = rtc_transport_make_ufrag ();
  g.pwd = rtc_transport_make_pwd ();
  g.transport = make_transport (&g, &none);
  rtc_transport_start (g.transport);
  g_assert_true (rtc_client_connect (f->client, WAIT_US));
  UNTIL (f, f->is_connected);
  rtc_client_set_credentials (f->client, CLIENT_UFRAG, CLIENT_PWD, g.ufrag,
                              g.pwd);
  rtc_client_send_check (f->client, TRUE);
  wait_count (f, RTC_COUNT_STUN_ADDRESS_TAKEN, 1);
  check_media_in (f, 1);
  /* a silent owner loses it */
  rtc_worker_advance_clock (f->worker, 11 * G_USEC_PER_SEC);
  g_assert_true (rtc_client_check (f->client, TRUE, WAIT_US));
  rtc_worker_post (f->worker, close_second, g.transport, NULL);
  UNTIL (&g, g.is_freed);
  rtc_transport_unref (g.transport);
  g_free (g.ufrag);
  g_free (g.pwd);
  g_mutex_clear (&g.lock);
  g_cond_clear (&g.cond);
}

/* The TCP connection ends: the session lives on, another path takes it. */
static void
test_tcp_ends (Fixture *f, gconstpointer data)
{
  g_assert_true (rtc_client_connect (f->client, WAIT_US));
  rtc_client_rebind (f->client);
  wait_count (f, RTC_COUNT_TCP_PEER, 1);
  g_assert_false (f->is_closed);
  g_assert_true (rtc_client_check (f->client, TRUE, WAIT_US));
  check_media_in (f, 1);
  check_media_out (f);
}

static void
test_never_started (void)
{
  g_autoptr (GError) error = NULL;
  RtcCertificate *certificate = rtc_certificate_new (&error);
  RtcWorker *worker = rtc_worker_new (3, 0, certificate, NULL, &error);
  static const RtcTransportCallbacks callbacks = { .data_free = g_free };
  RtcTransportParams p = { "x", "u", "p", "u2", "p2", "sha-256", "AB", TRUE };
  RtcTransport *t;
  RtcWorker *second;
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  t = rtc_transport_new (worker, &p, &callbacks, g_strdup ("data"));
  rtc_transport_close (t, RTC_CLOSE_LOCAL);
  second = rtc_worker_new (4, rtc_worker_get_port (worker), certificate, NULL,
                           &error);
  g_assert_null (second);
  g_assert_error (error, RTC_WORKER_ERROR, RTC_WORKER_ERROR_BIND);
  text = rtc_worker_describe (worker);
  g_assert_true (g_str_has_prefix (text, "{\"index\":3,"));
  rtc_worker_free (worker);
  rtc_transport_unref (t);
  rtc_certificate_unref (certificate);
}

static void
hold_worker (gpointer data)
{
  Fixture *f = data;

  on_mail (f);
  g_mutex_lock (&f->hold);
  g_mutex_unlock (&f->hold);
}

/* A flood of handshake datagrams between two turns: a few wait, the rest is
 * dropped and counted, and the handshake still comes to its end. */
static void
test_pending_limit (Fixture *f, gconstpointer data)
{
  guint8 junk[100] = { 22, 254, 253 };
  const guint n = 40;

  g_mutex_init (&f->hold);
  g_assert_true (rtc_client_check (f->client, FALSE, WAIT_US));
  g_mutex_lock (&f->hold);
  rtc_worker_post (f->worker, hold_worker, f, NULL);
  UNTIL (f, f->n_mail == 1);
  for (guint i = 0; i < n; i++)
    rtc_client_send_raw (f->client, junk, sizeof junk);
  g_mutex_unlock (&f->hold);
  wait_count (f, RTC_COUNT_DROP_LIMIT, n - RTC_TRANSPORT_MAX_PENDING);
  g_assert_true (rtc_client_connect (f->client, WAIT_US));
  g_mutex_clear (&f->hold);
}

static void
on_closed_count (RtcTransport *t, RtcCloseReason reason, gpointer data)
{
  guint *n = data;

  n[reason]++;
}

static void
test_worker_limit (void)
{
  static const RtcTransportCallbacks callbacks = { .on_closed =
                                                       on_closed_count };
  guint n[RTC_CLOSE_LIMIT + 1] = { 0 };
  RtcCertificate *certificate = rtc_certificate_new (NULL);
  RtcWorker *worker = rtc_worker_new (0, 0, certificate, NULL, NULL);

  for (guint i = 0; i < RTC_TRANSPORT_MAX_PER_WORKER + 3; i++)
    {
      g_autofree char *ufrag = g_strdup_printf ("u%u", i);
      RtcTransportParams p = { "x",  ufrag,     "p",  "u2",
                               "p2", "sha-256", "AB", FALSE };
      RtcTransport *t = rtc_transport_new (worker, &p, &callbacks, n);

      rtc_transport_start (t);
      rtc_transport_unref (t);
    }
  rtc_worker_free (worker); /* its mail is read in order: starts, then end */
  g_assert_cmpuint (n[RTC_CLOSE_LOCAL], ==, RTC_TRANSPORT_MAX_PER_WORKER);
  g_assert_cmpuint (n[RTC_CLOSE_LIMIT], ==, 3);
  rtc_certificate_unref (certificate);
}

static const Case bad_fingerprint = { .server_is_client = TRUE,
                                      .bad_fingerprint = TRUE };
static const Case bad_fingerprint_passive = { .bad_fingerprint = TRUE };
static const Case bad_remote_pwd = { .bad_remote_pwd = TRUE };
static const Case bad_remote_ufrag = { .bad_remote_ufrag = TRUE };
static const Case active = { .server_is_client = TRUE };
static const Case tcp = { .server_is_client = TRUE, .use_tcp = TRUE };

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *name =
          g_strdup_printf ("/rtc/transport/whole/%s", case_names[i]);

      g_test_add (name, Fixture, &cases[i], set_up, test_whole_path, tear_down);
    }
#define ADD(name, arg, func)                                                   \
  g_test_add ("/rtc/transport/" name, Fixture, arg, set_up, func, tear_down)
  ADD ("pending-limit", NULL, test_pending_limit);
  g_test_add_func ("/rtc/transport/worker-limit", test_worker_limit);
  ADD ("fingerprint/active", &bad_fingerprint, test_fingerprint);
  ADD ("fingerprint/passive", &bad_fingerprint_passive, test_fingerprint);
  ADD ("bad-integrity", &bad_remote_pwd, test_bad_integrity);
  ADD ("unknown-ufrag", &bad_remote_ufrag, test_unknown_ufrag);
  ADD ("unknown-address", NULL, test_unknown_address);
  ADD ("restart/active", &active, test_restart);
  ADD ("restart/passive", NULL, test_restart);
  ADD ("roaming", &active, test_roaming);
  ADD ("roaming/tcp", &tcp, test_roaming);
  ADD ("will/active", &active, test_will);
  ADD ("will/passive", NULL, test_will);
  ADD ("will/tcp", &tcp, test_will_tcp);
  ADD ("peer-closes", &active, test_peer_closes);
  ADD ("revoked", &active, test_revoked);
  ADD ("consent", &active, test_consent);
  ADD ("ice-timeout", NULL, test_ice_timeout);
  ADD ("dtls-timeout", NULL, test_dtls_timeout);
  ADD ("address-taken", &active, test_address_taken);
  ADD ("tcp-ends", &tcp, test_tcp_ends);
  g_test_add_func ("/rtc/transport/never-started", test_never_started);
  return g_test_run ();
}
