/* SPDX-License-Identifier: Apache-2.0 */
/* RtcWorker: thread and turn. The way of a packet is in worker-packets.c. */
#include "rtc/worker.h"

#include <errno.h>
#include <pthread.h>

#include "base/clock.h"
#include "rtc/transport-private.h"
#include "rtc/worker-state.h"

#define MAX_PORT_TRIES 16 /* port 0: UDP and TCP must agree on one */

static const double handshake_bounds[] = { 0.001, 0.002, 0.005, 0.01,
                                           0.02,  0.05,  0.1,   0.2,
                                           0.5,   1,     2,     5 };

static const double message_bounds[] = { 1, 2, 4, 8, 16, 32, 64 };
G_STATIC_ASSERT (G_N_ELEMENTS (message_bounds) == RTC_BATCH_N_SIZES);

typedef struct
{
  BaseMailFunc func;
  gpointer data;
} Deferred;

static __thread RtcWorker *current_worker;

GQuark
rtc_worker_error_quark (void)
{
  return g_quark_from_static_string ("rtc-worker-error");
}

/* --- turn ---------------------------------------------------------------- */

static void
run_deferred (RtcWorker *self)
{
  GArray *list = self->deferred;

  if (list->len == 0)
    return;
  /* what they defer themselves is for the next turn */
  self->deferred = self->running;
  self->running = list;
  for (guint i = 0; i < list->len; i++)
    {
      Deferred d = g_array_index (list, Deferred, i);

      if (d.func != NULL)
        d.func (d.data);
    }
  g_array_set_size (list, 0);
}

static void
run_handshakes (RtcWorker *self)
{
  for (guint i = 0; i < RTC_WORKER_MAX_HANDSHAKE_STEPS; i++)
    {
      GList *link = g_queue_pop_head_link (&self->handshakes);
      RtcTransport *transport;

      if (link == NULL)
        return;
      transport = link->data;
      transport->in_handshakes = FALSE;
      rtc_transport_step_handshake (transport);
    }
}

static gboolean
on_tick (gpointer data)
{
  RtcWorker *self = data;
  gint64 now_us = rtc_worker_get_turn_us (self);
  GList *next;

  __atomic_store_n (&self->ticked_us, base_clock_now_us (), __ATOMIC_RELAXED);
  self->n_stun_errors = 0;
  for (GList *l = self->transports.head; l != NULL; l = next)
    {
      next = l->next;
      rtc_transport_on_tick (l->data, now_us);
    }
  rtc_tcp_expire (self->tcp, now_us);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_dtls_tick (gpointer data)
{
  RtcWorker *self = data;
  gint64 now_us = rtc_worker_get_turn_us (self);
  GList *next;

  for (GList *l = self->dtls_timers.head; l != NULL; l = next)
    {
      next = l->next;
      rtc_transport_on_dtls_timer (l->data, now_us);
    }
  if (self->dtls_timers.length > 0)
    return G_SOURCE_CONTINUE;
  g_clear_pointer (&self->dtls_tick, g_source_unref);
  return G_SOURCE_REMOVE;
}

void
rtc_worker_end_turn (RtcWorker *self)
{
  run_deferred (self);
  rtc_batch_flush (self->batch);
  /* seated viewers' packets are out: now the costly ones, few at a time */
  if (self->handshakes.length > 0)
    {
      run_handshakes (self);
      rtc_batch_flush (self->batch);
    }
  rtc_tcp_flush (self->tcp);
  rtc_worker_update_counts (self);
  self->turn_us = 0;
  if (self->dtls_timers.length > 0 && self->dtls_tick == NULL)
    self->dtls_tick =
        rtc_worker_add_tick (self, RTC_WORKER_DTLS_TICK_US, on_dtls_tick, self);
  if (self->deferred->len > 0 || self->handshakes.length > 0)
    g_main_context_wakeup (self->context);
}

/* --- thread ----------------------------------------------------------------
 */

static void
close_all (RtcWorker *self)
{
  while (self->transports.head != NULL)
    rtc_transport_end (self->transports.head->data, RTC_CLOSE_LOCAL);
  rtc_batch_flush (self->batch);
  rtc_tcp_flush (self->tcp);
  rtc_worker_update_counts (self);
}

static gpointer
run_thread (gpointer data)
{
  RtcWorker *self = data;
  clockid_t clock;

  current_worker = self;
  if (pthread_getcpuclockid (pthread_self (), &clock) == 0)
    __atomic_store_n (&self->cpu_clock, clock, __ATOMIC_RELEASE);
  g_main_context_push_thread_default (self->context);
  while (!self->is_ending)
    {
      g_main_context_iteration (self->context, TRUE);
      rtc_worker_end_turn (self);
      /* after the packets, not before them */
      if (rtc_timers_run_early (self->timers, base_clock_now_us ()))
        rtc_worker_end_turn (self);
    }
  close_all (self);
  g_main_context_pop_thread_default (self->context);
  return NULL;
}

static void
end_thread (gpointer data)
{
  RtcWorker *self = data;

  self->is_ending = TRUE;
}

static gboolean
bind_port (RtcWorker *self, guint port, GError **error)
{
  int e = 0;

  for (guint i = 0; i < MAX_PORT_TRIES; i++)
    {
      self->port = port;
      e = rtc_sockets_open (&self->sockets, &self->port);
      if (e == 0)
        return TRUE;
      if (port != 0 || e != EADDRINUSE)
        break;
    }
  g_set_error (error, RTC_WORKER_ERROR, RTC_WORKER_ERROR_BIND,
               "cannot bind 0.0.0.0 and [::] port %u (UDP and TCP): %s", port,
               g_strerror (e));
  return FALSE;
}

static void
set_up_state (RtcWorker *self, BaseMetrics *metrics)
{
  self->context = g_main_context_new ();
  self->mailbox = base_mailbox_new (self->context);
  self->timers = rtc_timers_new (self->context);
  self->by_ufrag = g_hash_table_new (g_str_hash, g_str_equal);
  self->by_address =
      g_hash_table_new ((GHashFunc)rtc_addr_hash, (GEqualFunc)rtc_addr_equal);
  self->deferred = g_array_new (FALSE, FALSE, sizeof (Deferred));
  self->running = g_array_new (FALSE, FALSE, sizeof (Deferred));
  rtc_counts_init (&self->counts, metrics);
  if (metrics != NULL)
    self->gauge = base_metrics_add_gauge (metrics, "media_tree_rtc_transports",
                                          NULL, "Transports that are open.");
  if (metrics != NULL)
    self->handshake_seconds = base_metrics_add_histogram (
        metrics, "media_tree_dtls_handshake_seconds", NULL,
        "From a handshake's first datagram to its keys.", handshake_bounds,
        G_N_ELEMENTS (handshake_bounds));
  if (metrics != NULL)
    self->message_packets = base_metrics_add_histogram (
        metrics, "media_tree_rtc_message_packets", NULL,
        "Packets in a message handed to the kernel.", message_bounds,
        G_N_ELEMENTS (message_bounds));
  self->ticked_us = base_clock_now_us ();
}

RtcWorker *
rtc_worker_new (guint index, guint port, RtcCertificate *certificate,
                BaseMetrics *metrics, GError **error)
{
  RtcWorker *self = g_new0 (RtcWorker, 1);
  g_autofree char *name = g_strdup_printf ("media-%u", index);

  self->index = index;
  if (!bind_port (self, port, error))
    {
      g_free (self);
      return NULL;
    }
  self->poll = rtc_poll_new ();
  if (self->poll == NULL)
    {
      g_set_error (error, RTC_WORKER_ERROR, RTC_WORKER_ERROR_SYSTEM,
                   "epoll_create1: %s", g_strerror (errno));
      rtc_sockets_close (&self->sockets);
      g_free (self);
      return NULL;
    }
  self->certificate = rtc_certificate_ref (certificate);
  set_up_state (self, metrics);
  rtc_worker_set_up_io (self);
  self->tick = rtc_worker_add_tick (self, RTC_WORKER_TICK_US, on_tick, self);
  self->thread = g_thread_new (name, run_thread, self);
  return self;
}

void
rtc_worker_stop (RtcWorker *self)
{
  if (self->thread == NULL)
    return;
  rtc_worker_post (self, end_thread, self, NULL);
  g_thread_join (g_steal_pointer (&self->thread));
  __atomic_store_n (&self->cpu_clock, 0, __ATOMIC_RELEASE);
}

void
rtc_worker_free (RtcWorker *self)
{
  rtc_worker_stop (self);
  base_mailbox_free (self->mailbox);
  rtc_worker_update_counts (self);
  g_source_destroy (self->tick);
  g_source_unref (self->tick);
  if (self->dtls_tick != NULL)
    {
      g_source_destroy (self->dtls_tick);
      g_source_unref (self->dtls_tick);
    }
  rtc_timers_free (self->timers);
  rtc_tcp_free (self->tcp);
  rtc_batch_free (self->batch);
  rtc_udp_reader_free (self->reader);
  rtc_ice_free (self->ice);
  rtc_poll_free (self->poll);
  rtc_sockets_close (&self->sockets);
  g_hash_table_unref (self->by_ufrag);
  g_hash_table_unref (self->by_address);
  g_array_unref (self->deferred);
  g_array_unref (self->running);
  g_main_context_unref (self->context);
  rtc_certificate_unref (self->certificate);
  g_free (self);
}

guint
rtc_worker_get_index (RtcWorker *self)
{
  return self->index;
}

guint
rtc_worker_get_port (RtcWorker *self)
{
  return self->port;
}

void
rtc_worker_post (RtcWorker *self, BaseMailFunc func, gpointer data,
                 GDestroyNotify discard)
{
  base_mailbox_post (self->mailbox, func, data, discard);
}

gboolean
rtc_worker_is_current (RtcWorker *self)
{
  return current_worker == self;
}

void
rtc_worker_defer (RtcWorker *self, BaseMailFunc func, gpointer data)
{
  Deferred d = { func, data };

  g_return_if_fail (rtc_worker_is_current (self));
  /* a burst comes from few streams: a short list, the last one likeliest */
  for (guint i = self->deferred->len; i > 0; i--)
    {
      const Deferred *e = &g_array_index (self->deferred, Deferred, i - 1);

      if (e->func == func && e->data == data)
        return;
    }
  g_array_append_val (self->deferred, d);
}

static void
forget (GArray *list, BaseMailFunc func, gpointer data)
{
  for (guint i = 0; i < list->len; i++)
    {
      Deferred *d = &g_array_index (list, Deferred, i);

      if (d->func == func && d->data == data)
        d->func = NULL;
    }
}

void
rtc_worker_cancel_deferred (RtcWorker *self, BaseMailFunc func, gpointer data)
{
  forget (self->deferred, func, data);
  forget (self->running, func, data);
}

/* --- timers
 * ------------------------------------------------------------------- */

typedef struct
{
  GSource source;
  gint64 interval_us;
} Timer;

static gboolean
dispatch_timer (GSource *source, GSourceFunc func, gpointer data)
{
  Timer *timer = (Timer *)source;

  if (func (data) == G_SOURCE_REMOVE)
    return G_SOURCE_REMOVE;
  g_source_set_ready_time (source,
                           g_get_monotonic_time () + timer->interval_us);
  return G_SOURCE_CONTINUE;
}

GSource *
rtc_worker_add_timer (RtcWorker *self, gint64 interval_us, GSourceFunc func,
                      gpointer data)
{
  static GSourceFuncs funcs = { .dispatch = dispatch_timer };
  GSource *source = g_source_new (&funcs, sizeof (Timer));

  ((Timer *)source)->interval_us = interval_us;
  g_source_set_callback (source, func, data, NULL);
  g_source_set_ready_time (source, g_get_monotonic_time () + interval_us);
  g_source_attach (source, self->context);
  return source;
}

GSource *
rtc_worker_add_tick (RtcWorker *self, gint64 interval_us, GSourceFunc func,
                     gpointer data)
{
  return rtc_timers_add (self->timers, interval_us, func, data);
}

/* --- getters
 * ------------------------------------------------------------------ */

RtcBatch *
rtc_worker_get_batch (RtcWorker *self)
{
  return self->batch;
}

gint64
rtc_worker_get_turn_us (RtcWorker *self)
{
  const gint64 *clock_us;

  if (self->turn_us != 0)
    return self->turn_us;
  clock_us = __atomic_load_n (&self->clock_us, __ATOMIC_ACQUIRE);
  self->turn_us = clock_us != NULL
                      ? __atomic_load_n (clock_us, __ATOMIC_ACQUIRE)
                      : base_clock_now_us ();
  self->turn_us += __atomic_load_n (&self->clock_offset_us, __ATOMIC_RELAXED);
  return self->turn_us;
}

guint
rtc_worker_get_n_transports (RtcWorker *self)
{
  return (guint)MAX (0, g_atomic_int_get (&self->n_transports));
}

/* --- for the room -----------------------------------------------------------
 */

RtcCertificate *
rtc_worker_get_certificate (RtcWorker *self)
{
  return self->certificate;
}

RtcPoll *
rtc_worker_get_poll (RtcWorker *self)
{
  return self->poll;
}

RtcUdpReader *
rtc_worker_get_reader (RtcWorker *self)
{
  return self->reader;
}

void
rtc_worker_add_ufrag (RtcWorker *self, RtcIceCredentials *credentials)
{
  g_hash_table_replace (self->by_ufrag, credentials->local_ufrag, credentials);
}

void
rtc_worker_remove_ufrag (RtcWorker *self, RtcIceCredentials *credentials)
{
  if (g_hash_table_lookup (self->by_ufrag, credentials->local_ufrag)
      == credentials)
    g_hash_table_remove (self->by_ufrag, credentials->local_ufrag);
}

RtcTransport *
rtc_worker_find_address (RtcWorker *self, const RtcAddr *addr)
{
  return g_hash_table_lookup (self->by_address, addr);
}

void
rtc_worker_add_address (RtcWorker *self, const RtcAddr *addr,
                        RtcTransport *transport)
{
  g_hash_table_replace (self->by_address, (gpointer)addr, transport);
}

void
rtc_worker_remove_address (RtcWorker *self, const RtcAddr *addr)
{
  g_hash_table_remove (self->by_address, addr);
}

GQueue *
rtc_worker_get_transports (RtcWorker *self)
{
  return &self->transports;
}

GQueue *
rtc_worker_get_handshakes (RtcWorker *self)
{
  return &self->handshakes;
}

GQueue *
rtc_worker_get_dtls_timers (RtcWorker *self)
{
  return &self->dtls_timers;
}

void
rtc_worker_add_n_transports (RtcWorker *self, int n)
{
  g_atomic_int_add (&self->n_transports, n);
  base_counter_add (self->gauge, n);
}

static void
tick_now (gpointer data)
{
  on_tick (data);
}

void
rtc_worker_advance_clock (RtcWorker *self, gint64 us)
{
  __atomic_add_fetch (&self->clock_offset_us, us, __ATOMIC_RELAXED);
  rtc_worker_post (self, tick_now, self, NULL);
}

void
rtc_worker_set_clock (RtcWorker *self, const gint64 *now_us)
{
  __atomic_store_n (&self->clock_us, now_us, __ATOMIC_RELEASE);
}
