/* SPDX-License-Identifier: Apache-2.0 */
/* RtcInput: see input.h. */
#include "rtc/input.h"

#include <errno.h>
#include <unistd.h>

#include "rtc/worker-private.h"

struct _RtcInput
{
  RtcWorker *worker; /* borrowed */
  int fd;            /* owned */
  guint port;
  RtcWatch watch;
  RtcInputFunc func;
  gpointer data;
  GDestroyNotify data_free;
  RtcInputStats stats; /* written on media, relaxed */
};

#define INPUT_STAT_ADD(self, field, n)                                         \
  __atomic_store_n (&(self)->stats.field, (self)->stats.field + (n),           \
                    __ATOMIC_RELAXED)

static void
input_on_packet (const RtcPath *path, guint8 *data, gsize len,
                 gpointer user_data)
{
  RtcInput *self = user_data;

  INPUT_STAT_ADD (self, n_packets, 1);
  INPUT_STAT_ADD (self, n_bytes, len);
  rtc_worker_count (self->worker, RTC_COUNT_RX_PACKETS, 1);
  rtc_worker_count (self->worker, RTC_COUNT_RX_BYTES, len);
  if (len > RTC_MAX_PACKET_BYTES)
    {
      INPUT_STAT_ADD (self, n_dropped_size, 1);
      return;
    }
  self->func (self, path, data, len, rtc_worker_get_turn_us (self->worker),
              self->data);
}

static void
input_on_ready (guint32 events, gpointer data)
{
  RtcInput *self = data;

  rtc_udp_reader_read (rtc_worker_get_reader (self->worker), self->fd,
                       input_on_packet, self);
}

/* media */
static void
input_start (gpointer data)
{
  RtcInput *self = data;

  rtc_poll_add (rtc_worker_get_poll (self->worker), self->fd, EPOLLIN,
                &self->watch);
}

static void
input_discard (gpointer data)
{
  RtcInput *self = data;

  close (self->fd);
  if (self->data_free != NULL)
    self->data_free (self->data);
  g_free (self);
}

/* media; mail is never run from within a dispatch of RtcPoll */
static void
input_stop (gpointer data)
{
  RtcInput *self = data;

  rtc_poll_remove (rtc_worker_get_poll (self->worker), self->fd);
  input_discard (self);
}

RtcInput *
rtc_input_new_at (RtcWorker *worker, const RtcUdpPlace *place,
                  RtcInputFunc func, gpointer data, GDestroyNotify data_free,
                  GError **error)
{
  int fd = rtc_udp_place_open (place);
  RtcInput *self;

  if (fd < 0)
    {
      int e = errno;
      g_autofree char *text = rtc_addr_to_string (&place->address);

      g_set_error (error, RTC_WORKER_ERROR, RTC_WORKER_ERROR_BIND,
                   "cannot bind UDP %s: %s", text, g_strerror (e));
      return NULL;
    }
  self = g_new0 (RtcInput, 1);
  self->worker = worker;
  self->fd = fd;
  self->port = rtc_socket_get_port (fd);
  self->watch = (RtcWatch){ input_on_ready, self };
  self->func = func;
  self->data = data;
  self->data_free = data_free;
  rtc_worker_post (worker, input_start, self, NULL);
  return self;
}

RtcInput *
rtc_input_new (RtcWorker *worker, const RtcAddr *address, RtcInputFunc func,
               gpointer data, GDestroyNotify data_free, GError **error)
{
  RtcUdpPlace place = { .address = *address };

  return rtc_input_new_at (worker, &place, func, data, data_free, error);
}

void
rtc_input_free (RtcInput *self)
{
  g_return_if_fail (self);
  rtc_worker_post (self->worker, input_stop, self, input_discard);
}

guint
rtc_input_get_port (RtcInput *self)
{
  return self->port;
}

int
rtc_input_get_fd (RtcInput *self)
{
  return self->fd;
}

gboolean
rtc_input_send (RtcInput *self, const RtcAddr *to, const guint8 *data,
                gsize len)
{
  socklen_t to_len =
      to->sa.sa_family == AF_INET ? sizeof to->in : sizeof to->in6;

  return sendto (self->fd, data, len, MSG_DONTWAIT, &to->sa, to_len)
         == (gssize)len;
}

void
rtc_input_get_stats (RtcInput *self, RtcInputStats *ret)
{
  ret->n_packets = __atomic_load_n (&self->stats.n_packets, __ATOMIC_RELAXED);
  ret->n_bytes = __atomic_load_n (&self->stats.n_bytes, __ATOMIC_RELAXED);
  ret->n_dropped_size =
      __atomic_load_n (&self->stats.n_dropped_size, __ATOMIC_RELAXED);
}
