/* SPDX-License-Identifier: Apache-2.0 */
/* RtcTransport: its life, and packets in and out. */
#include "rtc/transport-private.h"

#include <openssl/rand.h>
#include <string.h>

#include "rtc/log.h"
#include "rtc/rtp.h"

#define UFRAG_CHARS 16
#define PWD_CHARS 24
#define MAX_RTCP_BYTES 1200
#define RTCP_GROWTH_BYTES 32

/* --- life -------------------------------------------------------------- */

const char *
rtc_close_reason_name (RtcCloseReason reason)
{
  static const char *const names[] = { "local",   "peer",        "ice-timeout",
                                       "consent", "dtls-failed", "fingerprint",
                                       "limit" };

  return reason < G_N_ELEMENTS (names) ? names[reason] : "unknown";
}

static char *
make_ice_chars (guint n_chars)
{
  static const char alphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  guint8 random[32];
  char *text = g_malloc (n_chars + 1);

  g_assert (n_chars <= sizeof random);
  if (RAND_bytes (random, (int)n_chars) != 1)
    g_error ("rtc: no random bytes");
  for (guint i = 0; i < n_chars; i++)
    text[i] = alphabet[random[i] & 63];
  text[n_chars] = '\0';
  return text;
}

char *
rtc_transport_make_ufrag (void)
{
  return make_ice_chars (UFRAG_CHARS);
}

char *
rtc_transport_make_pwd (void)
{
  return make_ice_chars (PWD_CHARS);
}

static RtcIceCredentials *
make_credentials (RtcTransport *self, const char *local_ufrag,
                  const char *local_pwd, const char *remote_ufrag,
                  const char *remote_pwd)
{
  RtcIceCredentials *c = g_new0 (RtcIceCredentials, 1);

  c->local_ufrag = g_strdup (local_ufrag);
  c->local_pwd = g_strdup (local_pwd);
  c->remote_ufrag = g_strdup (remote_ufrag);
  c->remote_pwd = g_strdup (remote_pwd);
  c->owner = self;
  return c;
}

static void
free_credentials (RtcIceCredentials *c)
{
  if (c == NULL)
    return;
  rtc_ice_credentials_clear (c);
  g_free (c);
}

RtcTransport *
rtc_transport_new (RtcWorker *worker, const RtcTransportParams *params,
                   const RtcTransportCallbacks *callbacks, gpointer data)
{
  RtcTransport *self = g_new0 (RtcTransport, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->worker = worker;
  self->id = g_strdup (params->id);
  self->callbacks = *callbacks;
  self->data = data;
  self->link.data = self->handshake_link.data = self->timer_link.data = self;
  self->current =
      make_credentials (self, params->local_ufrag, params->local_pwd,
                        params->remote_ufrag, params->remote_pwd);
  self->dtls_client = params->dtls_client;
  self->fingerprint_hash = g_strdup (params->fingerprint_hash);
  self->fingerprint = g_strdup (params->fingerprint);
  return self;
}

RtcTransport *
rtc_transport_ref (RtcTransport *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
rtc_transport_unref (RtcTransport *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  if (self->callbacks.data_free != NULL)
    self->callbacks.data_free (self->data); /* was never started */
  free_credentials (self->current);
  free_credentials (self->next);
  g_clear_pointer (&self->dtls, rtc_dtls_free);
  g_free (self->id);
  g_free (self->fingerprint_hash);
  g_free (self->fingerprint);
  g_free (self);
}

static void
unlink_all (RtcTransport *self)
{
  RtcWorker *worker = self->worker;

  if (self->in_handshakes)
    g_queue_unlink (rtc_worker_get_handshakes (worker), &self->handshake_link);
  if (self->in_timers)
    g_queue_unlink (rtc_worker_get_dtls_timers (worker), &self->timer_link);
  self->in_handshakes = self->in_timers = FALSE;
  g_queue_unlink (rtc_worker_get_transports (worker), &self->link);
  rtc_worker_remove_ufrag (worker, self->current);
  if (self->next != NULL)
    rtc_worker_remove_ufrag (worker, self->next);
  rtc_transport_drop_slots (self);
}

static void
free_crypto (RtcTransport *self)
{
  for (guint i = 0; i < self->n_pending; i++)
    g_bytes_unref (self->pending[i]);
  self->n_pending = 0;
  g_clear_pointer (&self->dtls, rtc_dtls_free);
  g_clear_pointer (&self->srtp, rtc_srtp_free);
  g_clear_pointer (&self->srtp_out, rtc_srtp_out_free);
}

static void
say_closed (RtcTransport *self, RtcCloseReason reason)
{
  /* DEBUG: its session tells how it went */
  GST_DEBUG ("session=%s transport closed: %s", self->id,
             rtc_close_reason_name (reason));
  rtc_worker_count (self->worker, RTC_COUNT_CLOSED_LOCAL + reason, 1);
  g_atomic_int_set (&self->state, RTC_STATE_CLOSED);
  rtc_worker_add_n_transports (self->worker, -1);
  if (self->callbacks.on_closed != NULL)
    self->callbacks.on_closed (self, reason, self->data);
  if (self->callbacks.data_free != NULL)
    self->callbacks.data_free (self->data);
  self->callbacks.data_free = NULL;
}

void
rtc_transport_end (RtcTransport *self, RtcCloseReason reason)
{
  if (g_atomic_int_get (&self->state) != RTC_STATE_LIVE)
    return;
  if (self->dtls != NULL)
    rtc_dtls_close (self->dtls);
  /* TCP: what is queued is written by the slot's close, before the batch */
  unlink_all (self);
  say_closed (self, reason);
  free_crypto (self);
  rtc_transport_unref (self);
}

static void
start_on_media (gpointer data)
{
  RtcTransport *self = data; /* the worker's reference from now on */
  GQueue *all = rtc_worker_get_transports (self->worker);

  if (all->length >= RTC_TRANSPORT_MAX_PER_WORKER)
    {
      say_closed (self, RTC_CLOSE_LIMIT);
      rtc_transport_unref (self);
      return;
    }
  g_atomic_int_set (&self->state, RTC_STATE_LIVE);
  self->stats.created_us = rtc_worker_get_turn_us (self->worker);
  g_queue_push_tail_link (all, &self->link);
  rtc_worker_add_ufrag (self->worker, self->current);
}

/* The worker ended before the mail was read. */
static void
discard_start (gpointer data)
{
  RtcTransport *self = data;

  say_closed (self, RTC_CLOSE_LOCAL);
  rtc_transport_unref (self);
}

void
rtc_transport_start (RtcTransport *self)
{
  rtc_worker_add_n_transports (self->worker, 1);
  rtc_worker_post (self->worker, start_on_media, rtc_transport_ref (self),
                   discard_start);
}

typedef struct
{
  RtcTransport *transport; /* owned */
  RtcCloseReason reason;
  RtcIceCredentials *credentials; /* owned */
} Mail;

static Mail *
mail_new (RtcTransport *self)
{
  Mail *mail = g_new0 (Mail, 1);

  mail->transport = rtc_transport_ref (self);
  return mail;
}

static void
mail_free (gpointer data)
{
  Mail *mail = data;

  free_credentials (mail->credentials);
  rtc_transport_unref (mail->transport);
  g_free (mail);
}

static void
close_on_media (gpointer data)
{
  Mail *mail = data;

  rtc_transport_end (mail->transport, mail->reason);
  mail_free (mail);
}

void
rtc_transport_close (RtcTransport *self, RtcCloseReason reason)
{
  Mail *mail;

  if (g_atomic_int_get (&self->state) == RTC_STATE_CLOSED)
    return;
  mail = mail_new (self);
  mail->reason = reason;
  rtc_worker_post (self->worker, close_on_media, mail, mail_free);
}

static void
restart_on_media (gpointer data)
{
  Mail *mail = data;
  RtcTransport *self = mail->transport;

  if (g_atomic_int_get (&self->state) == RTC_STATE_LIVE)
    {
      if (self->next != NULL)
        {
          rtc_worker_remove_ufrag (self->worker, self->next);
          free_credentials (self->next);
        }
      self->next = g_steal_pointer (&mail->credentials);
      rtc_worker_add_ufrag (self->worker, self->next);
    }
  mail_free (mail);
}

void
rtc_transport_restart_ice (RtcTransport *self, const char *local_ufrag,
                           const char *local_pwd, const char *remote_ufrag,
                           const char *remote_pwd)
{
  Mail *mail;

  if (g_atomic_int_get (&self->state) == RTC_STATE_CLOSED)
    return;
  mail = mail_new (self);
  mail->credentials =
      make_credentials (self, local_ufrag, local_pwd, remote_ufrag, remote_pwd);
  rtc_worker_post (self->worker, restart_on_media, mail, mail_free);
}

/* --- packets ---------------------------------------------------------------
 */

static void
count_drop (RtcTransport *self, RtcSrtpResult result)
{
  switch (result)
    {
    case RTC_SRTP_BAD_AUTH:
      self->stats.n_bad_auth++;
      rtc_worker_count (self->worker, RTC_COUNT_DROP_BAD_AUTH, 1);
      break;
    case RTC_SRTP_REPLAY:
      self->stats.n_replay++;
      rtc_worker_count (self->worker, RTC_COUNT_DROP_REPLAY, 1);
      break;
    case RTC_SRTP_LIMIT:
      rtc_worker_count (self->worker, RTC_COUNT_DROP_LIMIT, 1);
      break;
    case RTC_SRTP_MALFORMED:
    case RTC_SRTP_OK:
    default:
      self->stats.n_malformed++;
      rtc_worker_count (self->worker, RTC_COUNT_DROP_MALFORMED, 1);
      break;
    }
}

static void
on_media_packet (RtcTransport *self, guint8 *data, gsize len, gboolean is_rtp)
{
  gint64 now_us = rtc_worker_get_turn_us (self->worker);
  RtcSrtpResult result;

  if (self->srtp == NULL)
    {
      rtc_worker_count (self->worker, RTC_COUNT_DROP_NOT_CONNECTED, 1);
      return;
    }
  self->stats.n_bytes_in += len;
  result = is_rtp ? rtc_srtp_open_rtp (self->srtp, data, &len)
                  : rtc_srtp_open_rtcp (self->srtp, data, &len);
  if (result != RTC_SRTP_OK)
    count_drop (self, result);
  else if (is_rtp)
    {
      self->stats.n_rtp_in++;
      if (self->callbacks.on_rtp != NULL)
        self->callbacks.on_rtp (self, data, len, now_us, self->data);
    }
  else
    {
      self->stats.n_rtcp_in++;
      if (self->callbacks.on_rtcp != NULL)
        self->callbacks.on_rtcp (self, data, len, now_us, self->data);
    }
}

void
rtc_transport_on_packet (RtcTransport *self, const RtcPath *path, guint8 *data,
                         gsize len)
{
  switch (rtc_demux (data, len))
    {
    case RTC_DEMUX_DTLS:
      if (len <= RTC_MAX_PACKET_BYTES)
        rtc_transport_on_dtls (self, path, data, len);
      else
        count_drop (self, RTC_SRTP_MALFORMED);
      break;
    case RTC_DEMUX_RTP:
      on_media_packet (self, data, len, TRUE);
      break;
    case RTC_DEMUX_RTCP:
      on_media_packet (self, data, len, FALSE);
      break;
    case RTC_DEMUX_STUN:
    case RTC_DEMUX_UNKNOWN:
    default:
      count_drop (self, RTC_SRTP_MALFORMED);
      break;
    }
}

void
rtc_transport_send_rtcp (RtcTransport *self, const guint8 *data, gsize len)
{
  RtcBatch *batch = rtc_worker_get_batch (self->worker);
  guint8 *p;

  g_return_if_fail (len <= MAX_RTCP_BYTES);
  if (self->srtp == NULL)
    return;
  p = rtc_batch_reserve (batch, &self->path, len + RTCP_GROWTH_BYTES);
  memcpy (p, data, len);
  if (rtc_srtp_seal_rtcp (self->srtp, p, &len) != RTC_SRTP_OK)
    len = 0;
  else
    self->stats.n_rtcp_out++;
  rtc_batch_commit (batch, len);
}

/* --- getters
 * ------------------------------------------------------------------ */

RtcWorker *
rtc_transport_get_worker (RtcTransport *self)
{
  return self->worker;
}

const RtcPath *
rtc_transport_get_path (RtcTransport *self)
{
  return &self->path;
}

RtcSrtpOut *
rtc_transport_get_srtp_out (RtcTransport *self)
{
  return self->srtp_out;
}

gboolean
rtc_transport_is_congested (RtcTransport *self)
{
  return self->path.tcp != NULL && rtc_tcp_conn_is_congested (self->path.tcp);
}

const RtcTransportStats *
rtc_transport_get_stats (RtcTransport *self)
{
  return &self->stats;
}
