/* SPDX-License-Identifier: Apache-2.0 */
/* RtcWorker: what it has counted. */
#include <time.h>

#include "base/clock.h"
#include "rtc/worker-state.h"

static void
observe_messages (RtcWorker *self, const RtcBatchStats *b)
{
  double n_more = (double)(b->n_in_messages - self->n_in_messages);

  if (b->n_in_messages == self->n_in_messages)
    return;
  self->n_in_messages = b->n_in_messages;
  for (guint i = 0; i < RTC_BATCH_N_SIZES; i++)
    {
      guint64 n = b->n_of_size[i] - self->n_of_size[i];

      if (n == 0)
        continue;
      self->n_of_size[i] = b->n_of_size[i];
      base_histogram_add (self->message_packets, i, n, n_more);
      n_more = 0; /* the sum is of all buckets */
    }
}

void
rtc_worker_update_counts (RtcWorker *self)
{
  const RtcBatchStats *b = rtc_batch_get_stats (self->batch);
  const RtcTcpStats *t = rtc_tcp_get_stats (self->tcp);
  const struct
  {
    RtcCount which;
    guint64 n;
  } words[] = {
    { RTC_COUNT_TX_PACKETS, b->n_packets },
    { RTC_COUNT_TX_BYTES, b->n_bytes },
    { RTC_COUNT_TX_MESSAGES, b->n_messages },
    { RTC_COUNT_TX_SYSCALLS, b->n_syscalls },
    { RTC_COUNT_TX_OVERSIZE, b->n_oversize },
    { RTC_COUNT_TX_DROP_FULL, b->n_dropped_again },
    { RTC_COUNT_TX_DROP_ERROR, b->n_dropped_error },
    { RTC_COUNT_TX_DROP_TCP, b->n_dropped_tcp },
    { RTC_COUNT_TCP_ACCEPTED, t->n_accepted },
    { RTC_COUNT_TCP_REFUSED, t->n_refused_limit },
    { RTC_COUNT_TCP_TIMEOUT, t->n_closed_timeout },
    { RTC_COUNT_TCP_FRAME, t->n_closed_frame },
    { RTC_COUNT_TCP_PEER, t->n_closed_peer },
  };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    rtc_counts_set (&self->counts, words[i].which, words[i].n);
  rtc_counts_publish (&self->counts);
  observe_messages (self, b);
}

void
rtc_worker_add_bytes (RtcWorker *self, guint64 *tx_bytes, guint64 *rx_bytes)
{
  *tx_bytes += rtc_counts_get (&self->counts, RTC_COUNT_TX_BYTES);
  *rx_bytes += rtc_counts_get (&self->counts, RTC_COUNT_RX_BYTES);
}

gint64
rtc_worker_get_ticked_us (RtcWorker *self)
{
  return __atomic_load_n (&self->ticked_us, __ATOMIC_RELAXED);
}

gint64
rtc_worker_get_cpu_us (RtcWorker *self)
{
  clockid_t clock = __atomic_load_n (&self->cpu_clock, __ATOMIC_ACQUIRE);
  struct timespec now;

  if (clock == 0 || clock_gettime (clock, &now) < 0)
    return 0;
  return (gint64)now.tv_sec * BASE_US_PER_S + now.tv_nsec / 1000;
}

char *
rtc_worker_describe (RtcWorker *self)
{
  g_autofree char *counts = rtc_counts_describe (&self->counts);

  return g_strdup_printf ("{\"index\":%u,\"port\":%u,\"transports\":%u,"
                          "\"mail\":%u,\"counts\":%s}",
                          self->index, self->port,
                          rtc_worker_get_n_transports (self),
                          base_mailbox_get_depth (self->mailbox), counts);
}

void
rtc_worker_count (RtcWorker *self, RtcCount which, guint64 n)
{
  rtc_counts_add (&self->counts, which, n);
}

guint64
rtc_worker_get_count (RtcWorker *self, RtcCount which)
{
  return rtc_counts_get (&self->counts, which);
}

void
rtc_worker_observe_handshake (RtcWorker *self, gint64 took_us)
{
  base_histogram_observe (self->handshake_seconds,
                          (double)took_us / BASE_US_PER_S);
}
