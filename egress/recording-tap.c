/* SPDX-License-Identifier: Apache-2.0 */
/* EgressRecordingInbox, EgressRecordingTap: see recording-tap.h. */
#include "egress/recording-tap.h"

#include <string.h>

#include "egress/log.h"

struct _EgressRecordingInbox
{
  gatomicrefcount ref;
  GMutex lock;
  GCond cond;
  EgressRecordingNews news;
  gsize n_bytes;    /* in the news */
  gsize held_bytes; /* by the thread */
  guint n_taps;
  gboolean is_stopping;
};

struct _EgressRecordingTap
{
  RelayReceiver base;
  EgressRecordingInbox *inbox; /* one reference */
  RelayStream *stream;         /* one reference */
  RtcWorker *home;             /* borrowed */
  gboolean wants[RTC_MEDIA_N_KINDS];

  /* home */
  RelayFeed *feed;    /* nullable */
  guint8 publication; /* of the last packet */
  gboolean has_info;
  gboolean is_off; /* there was trouble */
  RelayStreamInfo info;
};

/* --- The inbox ------------------------------------------------------------ */

EgressRecordingInbox *
egress_recording_inbox_new (void)
{
  EgressRecordingInbox *self = g_new0 (EgressRecordingInbox, 1);

  g_atomic_ref_count_init (&self->ref);
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  g_queue_init (&self->news.packets);
  return self;
}

EgressRecordingInbox *
egress_recording_inbox_ref (EgressRecordingInbox *self)
{
  g_atomic_ref_count_inc (&self->ref);
  return self;
}

void
egress_recording_inbox_unref (EgressRecordingInbox *self)
{
  if (!g_atomic_ref_count_dec (&self->ref))
    return;
  g_queue_clear_full (&self->news.packets, g_free);
  g_clear_pointer (&self->news.params, g_bytes_unref);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  g_free (self);
}

static gboolean
has_news (const EgressRecordingInbox *self)
{
  return self->news.packets.length > 0
         || self->news.trouble != EGRESS_RECORDING_FINE
         || (self->is_stopping && self->n_taps == 0);
}

void
egress_recording_inbox_wait (EgressRecordingInbox *self, gint64 timeout_us,
                             gsize held_bytes, EgressRecordingNews *ret)
{
  gint64 until_us = g_get_monotonic_time () + timeout_us;

  g_mutex_lock (&self->lock);
  self->held_bytes = held_bytes;
  while (!has_news (self)
         && g_cond_wait_until (&self->cond, &self->lock, until_us))
    ;
  *ret = self->news;
  ret->is_over = self->is_stopping && self->n_taps == 0;
  g_queue_init (&self->news.packets);
  self->held_bytes += self->n_bytes;
  self->n_bytes = 0;
  g_mutex_unlock (&self->lock);
}

void
egress_recording_inbox_stop (EgressRecordingInbox *self)
{
  g_mutex_lock (&self->lock);
  self->is_stopping = TRUE;
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* --- Home ---------------------------------------------------------------- */

static void
report_trouble (EgressRecordingTap *self, EgressRecordingTrouble trouble)
{
  EgressRecordingInbox *inbox = self->inbox;

  self->is_off = TRUE;
  g_mutex_lock (&inbox->lock);
  inbox->news.trouble = trouble;
  g_cond_signal (&inbox->cond);
  g_mutex_unlock (&inbox->lock);
}

/* read_info: FALSE: not what it was */
static gboolean
read_info (EgressRecordingTap *self)
{
  RelayStreamInfo info;

  if (!relay_stream_get_home_info (self->stream, &info))
    return TRUE;
  for (guint k = 0; self->has_info && k < RTC_MEDIA_N_KINDS; k++)
    if (self->wants[k]
        && (info.tracks[k].is_present != self->info.tracks[k].is_present
            || info.tracks[k].codec != self->info.tracks[k].codec))
      return FALSE;
  self->info = info;
  self->has_info = TRUE;
  return TRUE;
}

/* copy: the records' bytes, while nobody waits for us */
static gsize
copy (EgressRecordingTap *self, RelayFeed *feed, guint64 from, guint64 to,
      GQueue *ret)
{
  gsize n_bytes = 0;

  for (guint64 pos = from; pos < to; pos++)
    {
      const RelayPacket *packet = relay_feed_at (feed, pos);
      EgressRecordingPacket *own;

      if (!self->wants[packet->kind])
        continue;
      own = egress_recording_packet_new (packet);
      n_bytes += egress_recording_packet_get_bytes (own);
      g_queue_push_tail (ret, own);
    }
  return n_bytes;
}

static void
fill_news (EgressRecordingTap *self, RelayFeed *feed, EgressRecordingNews *news)
{
  gint64 now_us = rtc_worker_get_turn_us (self->home);
  const guint8 *params;
  guint len;

  if (self->wants[RTC_MEDIA_VIDEO] && !news->params
      && (params = relay_feed_get_params (feed, &len)))
    news->params = g_bytes_new (params, len);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      EgressRecordingClock *clock = &news->clocks[k];

      if (!self->wants[k])
        continue;
      news->has_info[k] = self->has_info;
      news->codecs[k] = self->has_info && self->info.tracks[k].is_present
                            ? self->info.tracks[k].codec
                            : RTC_CODEC_NONE;
      if (!clock->is_known)
        clock->is_known =
            relay_feed_get_clock (feed, k, now_us, &clock->ntp, &clock->rtp_ts);
    }
}

static void
tap_on_packets (RelayReceiver *base, RelayFeed *feed, guint64 from, guint64 to)
{
  EgressRecordingTap *self = (EgressRecordingTap *)base;
  EgressRecordingInbox *inbox = self->inbox;
  GQueue packets = G_QUEUE_INIT;
  gboolean is_too_much;
  gsize n_bytes;

  if (self->is_off || from == to)
    return;
  if (relay_feed_at (feed, to - 1)->publication != self->publication
      || !self->has_info)
    {
      self->publication = relay_feed_at (feed, to - 1)->publication;
      if (!read_info (self))
        {
          report_trouble (self, EGRESS_RECORDING_CHANGED);
          return;
        }
    }
  n_bytes = copy (self, feed, from, to, &packets);
  g_mutex_lock (&inbox->lock);
  fill_news (self, feed, &inbox->news);
  is_too_much = inbox->n_bytes + inbox->held_bytes + n_bytes
                > EGRESS_RECORDING_MAX_QUEUED_BYTES;
  if (!is_too_much)
    {
      inbox->n_bytes += n_bytes;
      while (packets.length > 0)
        g_queue_push_tail_link (&inbox->news.packets,
                                g_queue_pop_head_link (&packets));
      g_cond_signal (&inbox->cond);
    }
  g_mutex_unlock (&inbox->lock);
  g_queue_clear_full (&packets, g_free);
  if (is_too_much)
    report_trouble (self, EGRESS_RECORDING_TOO_MUCH);
}

static void
tap_on_time (RelayReceiver *base, RelayFeed *feed, gint64 now_us)
{
}

static void
tap_join (gpointer data)
{
  EgressRecordingTap *self = data;
  guint64 start;

  self->feed = relay_stream_get_feed (self->stream, self->home);
  self->base.on_packets = tap_on_packets;
  self->base.on_tick = self->base.on_pace = tap_on_time;
  start = self->wants[RTC_MEDIA_VIDEO] ? relay_feed_get_gop_start (self->feed)
                                       : RELAY_POS_NONE;
  if (start != RELAY_POS_NONE)
    tap_on_packets (&self->base, self->feed, start,
                    relay_feed_get_head (self->feed));
  else if (self->wants[RTC_MEDIA_VIDEO])
    relay_feed_request_keyframe (self->feed);
  if (relay_feed_add_receiver (self->feed, &self->base))
    return;
  self->feed = NULL;
  report_trouble (self, EGRESS_RECORDING_TOO_MUCH);
}

static void
tap_discard (gpointer data)
{
  EgressRecordingTap *self = data;
  EgressRecordingInbox *inbox = self->inbox;

  g_mutex_lock (&inbox->lock);
  inbox->n_taps--;
  g_cond_signal (&inbox->cond);
  g_mutex_unlock (&inbox->lock);
  egress_recording_inbox_unref (inbox);
  relay_stream_unref (self->stream);
  g_free (self);
}

static void
tap_leave (gpointer data)
{
  EgressRecordingTap *self = data;

  if (self->feed)
    relay_feed_remove_receiver (self->feed, &self->base);
  tap_discard (self);
}

/* --- Main ---------------------------------------------------------------- */

EgressRecordingTap *
egress_recording_tap_new (RelayStream *stream, EgressRecordingInbox *inbox,
                          const gboolean wants[RTC_MEDIA_N_KINDS])
{
  EgressRecordingTap *self = g_new0 (EgressRecordingTap, 1);

  self->inbox = egress_recording_inbox_ref (inbox);
  self->stream = relay_stream_ref (stream);
  self->home = relay_stream_get_home (stream);
  memcpy (self->wants, wants, sizeof self->wants);
  g_mutex_lock (&inbox->lock);
  inbox->n_taps++;
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    inbox->news.wants[k] |= wants[k];
  g_mutex_unlock (&inbox->lock);
  rtc_worker_post (self->home, tap_join, self, NULL);
  return self;
}

void
egress_recording_tap_free (EgressRecordingTap *self)
{
  rtc_worker_post (self->home, tap_leave, self, tap_discard);
}
