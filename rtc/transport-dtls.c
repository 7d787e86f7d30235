/* SPDX-License-Identifier: Apache-2.0 */
/* RtcTransport's handshake: steps, retransmission, keys, and its time limits.
 */
#include "rtc/transport-private.h"

#include <string.h>

#include "rtc/log.h"

static void
send_datagram (const guint8 *data, gsize len, gpointer user_data)
{
  RtcTransport *self = user_data;
  RtcBatch *batch = rtc_worker_get_batch (self->worker);
  guint8 *p;

  if (len > RTC_MAX_PACKET_BYTES)
    return;
  p = rtc_batch_reserve (batch, &self->path, len);
  memcpy (p, data, len);
  rtc_batch_commit (batch, len);
}

/* Those that have begun go first, so that few sessions of OpenSSL are open at
 * once however many come; with more steps than a handshake takes, as others. */
void
rtc_transport_queue_handshake (RtcTransport *self)
{
  GQueue *queue = rtc_worker_get_handshakes (self->worker);

  if (self->dtls_begun_us == 0)
    self->dtls_begun_us = rtc_worker_get_turn_us (self->worker);
  if (self->in_handshakes)
    return;
  self->in_handshakes = TRUE;
  if (self->n_steps > 0 && self->n_steps < RTC_TRANSPORT_QUICK_STEPS)
    g_queue_push_head_link (queue, &self->handshake_link);
  else
    g_queue_push_tail_link (queue, &self->handshake_link);
}

static void
set_timer (RtcTransport *self, gboolean on)
{
  GQueue *timers = rtc_worker_get_dtls_timers (self->worker);

  if (on == self->in_timers)
    return;
  self->in_timers = on;
  if (on)
    g_queue_push_tail_link (timers, &self->timer_link);
  else
    g_queue_unlink (timers, &self->timer_link);
}

static void
on_handshake_done (RtcTransport *self)
{
  RtcSrtpKey in, out;
  RtcSrtpProfile profile = rtc_dtls_get_keys (self->dtls, &in, &out);

  set_timer (self, FALSE);
  if (profile == RTC_SRTP_NONE)
    {
      rtc_worker_count (self->worker, RTC_COUNT_DTLS_FAILED, 1);
      rtc_transport_end (self, RTC_CLOSE_DTLS_FAILED);
      return;
    }
  rtc_worker_count (self->worker, RTC_COUNT_DTLS_OK, 1);
  /* before what lives on is allocated: into the room it had */
  rtc_dtls_shed (self->dtls);
  self->srtp = rtc_srtp_new (profile, &in, &out);
  self->srtp_out = rtc_srtp_out_new (profile, &out);
  memset (&in, 0, sizeof in);
  memset (&out, 0, sizeof out);
  self->stats.profile = profile;
  self->stats.connected_us = rtc_worker_get_turn_us (self->worker);
  rtc_worker_observe_handshake (self->worker,
                                self->stats.connected_us - self->dtls_begun_us);
  GST_DEBUG ("session=%s connected", self->id);
  if (self->callbacks.on_connected != NULL)
    self->callbacks.on_connected (self, self->data);
}

static void
on_dtls_result (RtcTransport *self, RtcDtlsResult result)
{
  switch (result)
    {
    case RTC_DTLS_AGAIN:
      self->dtls_timer_us = 0;
      set_timer (self, TRUE);
      break;
    case RTC_DTLS_DATA:
      break;
    case RTC_DTLS_CONNECTED:
      on_handshake_done (self);
      break;
    case RTC_DTLS_CLOSED:
      rtc_transport_end (self, RTC_CLOSE_PEER);
      break;
    case RTC_DTLS_BAD_FINGERPRINT:
      rtc_worker_count (self->worker, RTC_COUNT_DTLS_FINGERPRINT, 1);
      rtc_transport_end (self, RTC_CLOSE_FINGERPRINT);
      break;
    case RTC_DTLS_FAILED:
      rtc_worker_count (self->worker, RTC_COUNT_DTLS_FAILED, 1);
      rtc_transport_end (self, RTC_CLOSE_DTLS_FAILED);
      break;
    }
}

void
rtc_transport_step_handshake (RtcTransport *self)
{
  RtcDtlsResult result = RTC_DTLS_AGAIN;
  gboolean is_first = self->dtls == NULL;

  self->n_steps = MIN (self->n_steps + 1, RTC_TRANSPORT_QUICK_STEPS);
  if (is_first)
    self->dtls = rtc_dtls_new (rtc_worker_get_certificate (self->worker),
                               self->dtls_client, self->fingerprint_hash,
                               self->fingerprint, send_datagram, self);
  if (is_first && self->dtls_client)
    result = rtc_dtls_start (self->dtls);
  else if (self->n_pending > 0)
    {
      g_autoptr (GBytes) bytes = self->pending[0];
      gsize len;
      const guint8 *data = g_bytes_get_data (bytes, &len);

      memmove (self->pending, self->pending + 1,
               --self->n_pending * sizeof *self->pending);
      result = rtc_dtls_receive (self->dtls, data, len);
    }
  if (self->n_pending > 0)
    rtc_transport_queue_handshake (self);
  on_dtls_result (self, result);
}

void
rtc_transport_on_dtls_timer (RtcTransport *self, gint64 now_us)
{
  gint64 wait_us;
  RtcDtlsResult result;

  if (now_us < self->dtls_timer_us)
    return;
  result = rtc_dtls_on_timer (self->dtls, &wait_us);
  if (result == RTC_DTLS_AGAIN)
    self->dtls_timer_us = wait_us > 0 ? now_us + wait_us : 0;
  else
    on_dtls_result (self, result);
}

/* What the peer sealed with our keys says that he has our last flight; so does
 * his silence for longer than any retransmission waits. */
static gboolean
has_last_flight (const RtcTransport *self, gint64 now_us)
{
  return self->stats.n_rtp_in + self->stats.n_rtcp_in > 0
         || now_us - self->last_dtls_us >= RTC_TRANSPORT_DTLS_QUIET_US;
}

static void
on_connected_tick (RtcTransport *self, gint64 now_us)
{
  if (has_last_flight (self, now_us))
    {
      rtc_dtls_forget_flight (self->dtls);
      if (!rtc_dtls_is_shed (self->dtls))
        rtc_dtls_shed (self->dtls);
    }
  if (self->has_moved && self->callbacks.on_path != NULL)
    self->callbacks.on_path (self, self->data);
  self->has_moved = FALSE;
}

gboolean
rtc_transport_get_will (RtcTransport *self, RtcWill *ret)
{
  GBytes *record;

  if (self->dtls == NULL || self->path.tcp != NULL
      || self->path.remote.sa.sa_family == AF_UNSPEC)
    return FALSE;
  record = rtc_dtls_get_close (self->dtls);
  if (record == NULL)
    return FALSE;
  memset (ret, 0, sizeof *ret);
  ret->path = self->path;
  ret->port = rtc_worker_get_port (self->worker);
  ret->record_len = g_bytes_get_size (record);
  memcpy (ret->record, g_bytes_get_data (record, NULL), ret->record_len);
  return TRUE;
}

void
rtc_transport_on_tick (RtcTransport *self, gint64 now_us)
{
  const RtcTransportStats *s = &self->stats;

  if (s->first_check_us == 0)
    {
      if (now_us - s->created_us >= RTC_TRANSPORT_ICE_TIMEOUT_US)
        rtc_transport_end (self, RTC_CLOSE_ICE_TIMEOUT);
    }
  else if (now_us - s->last_consent_us >= RTC_TRANSPORT_CONSENT_US)
    rtc_transport_end (self, RTC_CLOSE_CONSENT);
  else if (s->connected_us == 0
           && now_us - s->first_check_us >= RTC_TRANSPORT_DTLS_TIMEOUT_US)
    on_dtls_result (self, RTC_DTLS_FAILED);
  else if (s->connected_us != 0)
    on_connected_tick (self, now_us);
}

void
rtc_transport_on_dtls (RtcTransport *self, const RtcPath *path,
                       const guint8 *data, gsize len)
{
  self->last_dtls_us = rtc_worker_get_turn_us (self->worker);
  if (self->srtp != NULL)
    {
      on_dtls_result (self, rtc_dtls_receive (self->dtls, data, len));
      return;
    }
  /* not nominated yet: the peer speaks DTLS where it first got through */
  if (!self->is_nominated)
    rtc_transport_set_path (self, path);
  if (self->n_pending == RTC_TRANSPORT_MAX_PENDING)
    {
      rtc_worker_count (self->worker, RTC_COUNT_DROP_LIMIT, 1);
      return;
    }
  self->pending[self->n_pending++] = g_bytes_new (data, len);
  rtc_transport_queue_handshake (self);
}
