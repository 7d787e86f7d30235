/* SPDX-License-Identifier: Apache-2.0 */
/* RelayFeed: see feed.h. */
#include "relay/stream-private.h"

#include "base/clock.h"
#include "relay/log.h"

#define TICK_SLOTS 10 /* parts of a second */
/* home asks its publisher once a second: more mail would only be work */
#define KEYFRAME_MAIL_INTERVAL_US (20 * BASE_US_PER_MS)

static RelayFeed *
feed_new (RelayStream *stream, RtcWorker *worker)
{
  RelayFeed *self = g_new0 (RelayFeed, 1);

  self->stream = stream;
  self->worker = worker;
  self->is_home = worker == stream->home;
  self->history = relay_history_new ();
  self->receivers = g_ptr_array_new ();
  self->paced = g_ptr_array_new ();
  return self;
}

/* --- from home to the other workers ---------------------------------- */

static void
burst_free (gpointer data)
{
  RelayBurst *burst = data;

  for (guint i = 0; i < burst->n_packets; i++)
    if (i == 0 || burst->packets[i].chunk != burst->packets[i - 1].chunk)
      relay_chunk_unref (burst->packets[i].chunk);
  g_clear_pointer (&burst->params, g_bytes_unref);
  relay_stream_unref (burst->stream);
  g_free (burst);
}

/* The receiving worker's thread. */
static void
burst_arrive (gpointer data)
{
  RelayBurst *burst = data;
  RelayFeed *feed = burst->feed;

  if (feed->is_subscribed && feed->subscription == burst->subscription)
    {
      if (burst->is_reset)
        relay_feed_reset (feed);
      for (guint i = 0; i < burst->n_packets; i++)
        relay_history_append (feed->history, &burst->packets[i]);
      relay_history_trim (feed->history, rtc_worker_get_turn_us (feed->worker));
      memcpy (feed->clocks, burst->clocks, sizeof feed->clocks);
      if (burst->params != NULL)
        {
          g_clear_pointer (&feed->params, g_bytes_unref);
          feed->params = g_steal_pointer (&burst->params);
        }
      relay_feed_defer_dispatch (feed);
    }
  burst_free (burst);
}

/* home: everything from subscriber->next on. */
static void
subscriber_send (RelayFeed *home, RelaySubscriber *subscriber)
{
  guint64 from = MAX (subscriber->next, relay_history_get_tail (home->history));
  guint64 to = relay_history_get_head (home->history);
  guint n = (guint)(to - from);
  RelayBurst *burst = g_malloc (sizeof *burst + n * sizeof burst->packets[0]);

  burst->feed = subscriber->feed;
  burst->stream = relay_stream_ref (home->stream);
  burst->subscription = subscriber->subscription;
  burst->is_reset = subscriber->needs_reset;
  burst->params = home->params != NULL ? g_bytes_ref (home->params) : NULL;
  memcpy (burst->clocks, home->clocks, sizeof burst->clocks);
  burst->n_packets = n;
  for (guint i = 0; i < n; i++)
    {
      burst->packets[i] = *relay_history_at (home->history, from + i);
      if (i == 0 || burst->packets[i].chunk != burst->packets[i - 1].chunk)
        relay_chunk_ref (burst->packets[i].chunk);
    }
  subscriber->next = to;
  subscriber->needs_reset = FALSE;
  rtc_worker_post (subscriber->feed->worker, burst_arrive, burst, burst_free);
}

static void
feed_dispatch (gpointer data)
{
  RelayFeed *self = data;
  g_autoptr (RelayStream) stream = self->stream; /* defer's reference */
  guint64 from = MAX (self->dispatched, relay_history_get_tail (self->history));
  guint64 to = relay_history_get_head (self->history);

  self->is_deferred = FALSE;
  if (from == to)
    return;
  self->dispatched = to;
  for (guint i = 0; i < self->receivers->len; i++)
    {
      RelayReceiver *receiver = self->receivers->pdata[i];

      receiver->on_packets (receiver, self, from, to);
    }
  if (!self->is_home)
    return;
  for (guint i = 0; i < stream->n_workers; i++)
    if (stream->subscribers[i].feed != NULL)
      subscriber_send (self, &stream->subscribers[i]);
}

void
relay_feed_defer_dispatch (RelayFeed *self)
{
  if (self->is_deferred)
    return;
  self->is_deferred = TRUE;
  relay_stream_ref (self->stream);
  rtc_worker_defer (self->worker, feed_dispatch, self);
}

/* The codecs changed: what is held can be sent to nobody any more. */
void
relay_feed_reset (RelayFeed *self)
{
  relay_history_clear (self->history);
  self->dispatched = relay_history_get_head (self->history);
  g_clear_pointer (&self->params, g_bytes_unref);
  memset (self->clocks, 0, sizeof self->clocks);
  if (self->is_home)
    for (guint i = 0; i < self->stream->n_workers; i++)
      {
        self->stream->subscribers[i].needs_reset = TRUE;
        self->stream->subscribers[i].next = self->dispatched;
      }
}

/* --- subscribing at home ---------------------------------------------- */

typedef struct
{
  RelayStream *stream; /* one reference */
  RelayFeed *feed;
  guint subscription;
  gboolean is_on;
} SubscribeMail;

static void
subscribe_mail_free (gpointer data)
{
  SubscribeMail *mail = data;

  relay_stream_unref (mail->stream);
  g_free (mail);
}

/* home */
static void
subscribe_arrive (gpointer data)
{
  SubscribeMail *mail = data;
  RelayStream *stream = mail->stream;
  RelayFeed *home = relay_stream_get_feed (stream, stream->home);
  RelaySubscriber *subscriber =
      &stream->subscribers[rtc_worker_get_index (mail->feed->worker)];

  if (mail->is_on)
    {
      guint64 gop = relay_history_get_gop_start (home->history);

      subscriber->feed = mail->feed;
      subscriber->subscription = mail->subscription;
      subscriber->needs_reset = TRUE;
      subscriber->next =
          gop != RELAY_POS_NONE ? gop : relay_history_get_head (home->history);
      subscriber_send (home, subscriber);
    }
  else if (subscriber->subscription == mail->subscription)
    subscriber->feed = NULL;
  subscribe_mail_free (mail);
}

static void
feed_subscribe (RelayFeed *self, gboolean is_on)
{
  SubscribeMail *mail;

  if (self->is_home || self->is_subscribed == is_on)
    return;
  self->is_subscribed = is_on;
  if (is_on)
    self->subscription++;
  else
    relay_feed_reset (self);
  mail = g_new (SubscribeMail, 1);
  mail->stream = relay_stream_ref (self->stream);
  mail->feed = self;
  mail->subscription = self->subscription;
  mail->is_on = is_on;
  rtc_worker_post (self->stream->home, subscribe_arrive, mail,
                   subscribe_mail_free);
}

RelayFeed *
relay_stream_get_feed (RelayStream *self, RtcWorker *worker)
{
  RelayFeed **slot = &self->feeds[rtc_worker_get_index (worker)];

  if (*slot == NULL)
    *slot = feed_new (self, worker);
  return *slot;
}

/* One timer serves all: each of its TICK_SLOTS turns a part of them. */
static gboolean
feed_on_tick (gpointer data)
{
  RelayFeed *self = data;
  gint64 now_us = base_clock_now_us ();

  self->tick_slot = (self->tick_slot + 1) % TICK_SLOTS;
  for (guint i = self->tick_slot; i < self->receivers->len; i += TICK_SLOTS)
    {
      RelayReceiver *receiver = self->receivers->pdata[i];

      receiver->on_tick (receiver, self, now_us);
    }
  return G_SOURCE_CONTINUE;
}

static gboolean
feed_on_pace (gpointer data)
{
  RelayFeed *self = data;
  gint64 now_us = base_clock_now_us ();

  /* backwards: who is done takes himself out */
  for (guint i = self->paced->len; i > 0; i--)
    {
      RelayReceiver *receiver = self->paced->pdata[i - 1];

      receiver->on_pace (receiver, self, now_us);
    }
  if (self->paced->len > 0)
    return G_SOURCE_CONTINUE;
  g_clear_pointer (&self->pace, g_source_unref);
  return G_SOURCE_REMOVE;
}

static void
timer_stop (GSource **timer)
{
  if (*timer == NULL)
    return;
  g_source_destroy (*timer);
  g_clear_pointer (timer, g_source_unref);
}

void
relay_feed_set_pacing (RelayFeed *self, RelayReceiver *receiver, gboolean is_on)
{
  guint index = receiver->pace_index;

  if (is_on == (index != G_MAXUINT))
    return;
  if (is_on)
    {
      receiver->pace_index = self->paced->len;
      g_ptr_array_add (self->paced, receiver);
      if (self->pace == NULL)
        self->pace = rtc_worker_add_timer (self->worker, RELAY_FEED_PACE_US,
                                           feed_on_pace, self);
      return;
    }
  receiver->pace_index = G_MAXUINT;
  g_ptr_array_remove_index_fast (self->paced, index);
  if (index < self->paced->len)
    ((RelayReceiver *)self->paced->pdata[index])->pace_index = index;
}

gboolean
relay_feed_add_receiver (RelayFeed *self, RelayReceiver *receiver)
{
  if (self->receivers->len >= RELAY_FEED_MAX_RECEIVERS)
    return FALSE;
  receiver->index = self->receivers->len;
  receiver->pace_index = G_MAXUINT;
  g_ptr_array_add (self->receivers, receiver);
  g_atomic_int_inc (&self->stream->n_receivers);
  if (self->tick == NULL)
    self->tick = rtc_worker_add_tick (self->worker, G_USEC_PER_SEC / TICK_SLOTS,
                                      feed_on_tick, self);
  feed_subscribe (self, TRUE);
  return TRUE;
}

void
relay_feed_remove_receiver (RelayFeed *self, RelayReceiver *receiver)
{
  guint index = receiver->index;

  g_return_if_fail (index < self->receivers->len
                    && self->receivers->pdata[index] == receiver);
  relay_feed_set_pacing (self, receiver, FALSE);
  g_ptr_array_remove_index_fast (self->receivers, index);
  g_atomic_int_add (&self->stream->n_receivers, -1);
  if (index < self->receivers->len)
    ((RelayReceiver *)self->receivers->pdata[index])->index = index;
  if (self->receivers->len > 0)
    return;
  timer_stop (&self->tick);
  timer_stop (&self->pace);
  feed_subscribe (self, FALSE);
}

/* --- looking ----------------------------------------------------------- */

guint64
relay_feed_get_tail (RelayFeed *self)
{
  return relay_history_get_tail (self->history);
}

guint64
relay_feed_get_head (RelayFeed *self)
{
  return self->dispatched;
}

guint64
relay_feed_get_gop_start (RelayFeed *self)
{
  return relay_history_get_gop_start (self->history);
}

const RelayPacket *
relay_feed_at (RelayFeed *self, guint64 pos)
{
  return relay_history_at (self->history, pos);
}

const RelayPacket *
relay_feed_find (RelayFeed *self, RtcMediaKind kind, guint64 ext_seq)
{
  return relay_history_find (self->history, kind, ext_seq);
}

const guint8 *
relay_feed_get_params (RelayFeed *self, guint *ret_len)
{
  gsize len;
  const guint8 *bytes;

  if (self->params == NULL)
    return NULL;
  bytes = g_bytes_get_data (self->params, &len);
  *ret_len = (guint)len;
  return bytes;
}

gboolean
relay_feed_get_clock (RelayFeed *self, RtcMediaKind kind, gint64 now_us,
                      guint64 *ret_ntp, guint32 *ret_rtp_ts)
{
  const RelayClock *clock = &self->clocks[kind];
  gint64 elapsed_us;

  if (!clock->is_known)
    return FALSE;
  elapsed_us = now_us - clock->at_us;
  *ret_ntp = clock->ntp
             + (guint64)((double)elapsed_us * 4294967296.0 / G_USEC_PER_SEC);
  *ret_rtp_ts =
      clock->rtp_ts
      + (guint32)(elapsed_us * (kind == RTC_MEDIA_AUDIO ? 48000 : 90000)
                  / G_USEC_PER_SEC);
  return TRUE;
}

static void
keyframe_arrive (gpointer data)
{
  RelayStream *stream = data;

  relay_stream_want_keyframe (stream, rtc_worker_get_turn_us (stream->home));
  relay_stream_unref (stream);
}

void
relay_feed_request_keyframe (RelayFeed *self)
{
  gint64 now_us = rtc_worker_get_turn_us (self->worker);

  if (self->is_home)
    {
      relay_stream_want_keyframe (self->stream, now_us);
      return;
    }
  if (self->keyframe_asked_us != 0
      && now_us - self->keyframe_asked_us < KEYFRAME_MAIL_INTERVAL_US)
    return;
  self->keyframe_asked_us = now_us;
  rtc_worker_post (self->stream->home, keyframe_arrive,
                   relay_stream_ref (self->stream),
                   (GDestroyNotify)relay_stream_unref);
}
