/* SPDX-License-Identifier: Apache-2.0 */
/* RtcWorker: the way of a packet from the sockets to its transport. */
#include <glib-unix.h>
#include <string.h>

#include "rtc/rtp.h"
#include "rtc/transport-private.h"
#include "rtc/worker-state.h"

static const RtcIceCredentials *
lookup_ufrag (const char *ufrag, gpointer data)
{
  RtcWorker *self = data;

  return g_hash_table_lookup (self->by_ufrag, ufrag);
}

static void
send_reply (RtcWorker *self, const RtcPath *path, const RtcIceCheck *check)
{
  guint8 *p;

  if (check->reply_len == 0)
    return;
  p = rtc_batch_reserve (self->batch, path, check->reply_len);
  memcpy (p, check->reply, check->reply_len);
  rtc_batch_commit (self->batch, check->reply_len);
}

/* Returns: %TRUE when it was a valid check */
static gboolean
on_stun (RtcWorker *self, const RtcPath *path, const guint8 *data, gsize len)
{
  static const RtcCount reasons[] = {
    [RTC_ICE_MALFORMED] = RTC_COUNT_STUN_MALFORMED,
    [RTC_ICE_NOT_REQUEST] = RTC_COUNT_STUN_NOT_REQUEST,
    [RTC_ICE_NO_CREDENTIALS] = RTC_COUNT_STUN_NO_CREDENTIALS,
    [RTC_ICE_UNKNOWN_UFRAG] = RTC_COUNT_STUN_UNKNOWN_UFRAG,
    [RTC_ICE_REMOTE_UFRAG] = RTC_COUNT_STUN_REMOTE_UFRAG,
    [RTC_ICE_BAD_INTEGRITY] = RTC_COUNT_STUN_BAD_INTEGRITY,
    [RTC_ICE_UNKNOWN_ATTRIBUTE] = RTC_COUNT_STUN_UNKNOWN_ATTRIBUTE,
    [RTC_ICE_ROLE_CONFLICT] = RTC_COUNT_STUN_ROLE_CONFLICT,
  };
  RtcIceCheck check;
  RtcIceResult result =
      rtc_ice_receive (self->ice, data, len, &path->remote, &check);

  rtc_counts_add (&self->counts, RTC_COUNT_STUN_REQUESTS, 1);
  if (result != RTC_ICE_OK)
    {
      rtc_counts_add (&self->counts, reasons[result], 1);
      if (self->n_stun_errors++ < RTC_WORKER_MAX_STUN_ERRORS)
        send_reply (self, path, &check);
      return FALSE;
    }
  if (!rtc_transport_on_check (check.credentials->owner, check.credentials,
                               path, check.use_candidate))
    {
      rtc_counts_add (&self->counts, RTC_COUNT_STUN_ADDRESS_TAKEN, 1);
      return FALSE;
    }
  send_reply (self, path, &check);
  return TRUE;
}

static void
on_udp_packet (const RtcPath *path, guint8 *data, gsize len, gpointer user_data)
{
  RtcWorker *self = user_data;
  RtcTransport *transport;

  rtc_counts_add (&self->counts, RTC_COUNT_RX_PACKETS, 1);
  rtc_counts_add (&self->counts, RTC_COUNT_RX_BYTES, len);
  if (rtc_demux (data, len) == RTC_DEMUX_STUN)
    {
      on_stun (self, path, data, len);
      return;
    }
  transport = g_hash_table_lookup (self->by_address, &path->remote);
  if (transport == NULL)
    rtc_counts_add (&self->counts, RTC_COUNT_DROP_UNKNOWN_ADDRESS, 1);
  else
    rtc_transport_on_packet (transport, path, data, len);
}

static gboolean
on_tcp_frame (const RtcPath *path, guint8 *data, gsize len, gpointer user_data)
{
  RtcWorker *self = user_data;
  RtcTransport *owner = rtc_tcp_conn_get_owner (path->tcp);

  rtc_counts_add (&self->counts, RTC_COUNT_RX_PACKETS, 1);
  rtc_counts_add (&self->counts, RTC_COUNT_RX_BYTES, len);
  if (rtc_demux (data, len) == RTC_DEMUX_STUN)
    {
      gboolean ok = on_stun (self, path, data, len);

      return ok || owner != NULL;
    }
  if (owner == NULL)
    return FALSE;
  rtc_transport_on_packet (owner, path, data, len);
  return TRUE;
}

static void
on_tcp_closed (RtcTcpConn *conn, gpointer owner, gpointer user_data)
{
  if (owner != NULL)
    rtc_transport_on_tcp_closed (owner, conn);
}

static void
on_udp4_ready (guint32 events, gpointer data)
{
  RtcWorker *self = data;

  rtc_udp_reader_read (self->reader, self->sockets.udp4, on_udp_packet, self);
}

static void
on_udp6_ready (guint32 events, gpointer data)
{
  RtcWorker *self = data;

  rtc_udp_reader_read (self->reader, self->sockets.udp6, on_udp_packet, self);
}

static gboolean
on_poll_ready (int fd, GIOCondition condition, gpointer data)
{
  RtcWorker *self = data;

  rtc_tcp_set_now (self->tcp, rtc_worker_get_turn_us (self));
  rtc_poll_dispatch (self->poll);
  return G_SOURCE_CONTINUE;
}

static void
add_poll_source (RtcWorker *self)
{
  GSource *source =
      g_unix_fd_source_new (rtc_poll_get_fd (self->poll), G_IO_IN);

  g_source_set_callback (source, G_SOURCE_FUNC (on_poll_ready), self, NULL);
  /* else GLib takes its descriptor out and puts it back at each dispatch, and
   * wakes its own loop for both: four system calls a wake-up */
  g_source_set_can_recurse (source, TRUE);
  g_source_attach (source, self->context);
  g_source_unref (source);
}

void
rtc_worker_set_up_io (RtcWorker *self)
{
  static const RtcTcpCallbacks callbacks = { on_tcp_frame, on_tcp_closed };
  RtcSockets *s = &self->sockets;

  self->watch4 = (RtcWatch){ on_udp4_ready, self };
  self->watch6 = (RtcWatch){ on_udp6_ready, self };
  rtc_poll_add (self->poll, s->udp4, EPOLLIN, &self->watch4);
  if (s->udp6 >= 0)
    rtc_poll_add (self->poll, s->udp6, EPOLLIN, &self->watch6);
  self->reader = rtc_udp_reader_new ();
  self->batch = rtc_batch_new (s->udp4, s->udp6);
  self->tcp = rtc_tcp_new (self->poll, s->tcp4, s->tcp6, &callbacks, self);
  s->tcp4 = s->tcp6 = -1; /* the listener's now */
  self->ice = rtc_ice_new (lookup_ufrag, self);
  add_poll_source (self);
}
