/* SPDX-License-Identifier: Apache-2.0 */
/* EgressViewer: packets: joins, live, pauses. */
#include "egress/viewer-private.h"

#include "base/clock.h"

/* a joiner's first packets leave at once, so that the picture is there */
#define JOIN_BURST_BYTES (256 * 1024)
/* older audio is not sent to a joiner: a player would keep what it gets before
 * its time as a delay of seconds */
#define JOIN_AUDIO_US (60 * BASE_US_PER_MS)
#define KEYFRAME_RETRY_US (500 * BASE_US_PER_MS)

static struct
{
  BaseCounter *frames_dropped, *bursts_cut;
} counters; /* set once before any viewer, then only read */

void
egress_viewer_register_media_metrics (BaseMetrics *metrics)
{
  counters.frames_dropped = base_metrics_add_counter (
      metrics, "media_tree_viewer_congestion_drops_total", NULL,
      "Times a TCP viewer was cut to the next keyframe");
  counters.bursts_cut = base_metrics_add_counter (
      metrics, "media_tree_viewer_catch_up_cuts_total", NULL,
      "Times a joiner fell out of the history and started again");
}

/* --- video: from a GOP's start to live -------------------------------- */

void
egress_viewer_ask_keyframe (EgressViewer *self, RelayFeed *feed)
{
  gint64 now_us = rtc_worker_get_turn_us (self->worker);

  if (self->keyframe_asked_us != 0
      && now_us - self->keyframe_asked_us < KEYFRAME_RETRY_US)
    return;
  self->keyframe_asked_us = now_us;
  relay_feed_request_keyframe (feed);
}

static void
set_pacing (EgressViewer *self, gboolean is_on)
{
  relay_feed_set_pacing (self->picture->feed, &self->picture->receiver, is_on);
}

static void
viewer_wait (EgressViewer *self, guint64 pos)
{
  set_pacing (self, FALSE);
  self->video = VIDEO_WAITING;
  self->wait_pos = pos;
}

/* Sends video from the cursor while there are tokens; then live. */
static void
viewer_catch_up (EgressViewer *self)
{
  RelayFeed *feed = self->picture->feed;
  guint64 head = relay_feed_get_head (feed);

  if (self->cursor < relay_feed_get_tail (feed))
    {
      base_counter_add (counters.bursts_cut, 1);
      viewer_wait (self, self->cursor);
      return;
    }
  for (; self->cursor < head && self->tokens_bytes > 0; self->cursor++)
    {
      const RelayPacket *packet = relay_feed_at (feed, self->cursor);

      if (packet->kind == RTC_MEDIA_VIDEO)
        self->tokens_bytes -=
            (gint64)egress_sender_send (&self->sender, packet);
    }
  if (self->cursor < head)
    return;
  self->video = VIDEO_LIVE;
  set_pacing (self, FALSE);
}

static void
viewer_refill (EgressViewer *self, gint64 now_us)
{
  self->tokens_bytes +=
      (now_us - self->paced_us) * self->join_rate_bps / 8 / BASE_US_PER_S;
  self->tokens_bytes = MIN (self->tokens_bytes, JOIN_BURST_BYTES);
  self->paced_us = now_us;
}

/* viewer_begin_catching_up: from the cursor on, with a burst; who switches all
 * the time gets no more by it */
static void
viewer_begin_catching_up (EgressViewer *self)
{
  self->video = VIDEO_CATCHING_UP;
  if (self->paced_us == 0)
    self->tokens_bytes = JOIN_BURST_BYTES;
  viewer_refill (self, rtc_worker_get_turn_us (self->worker));
  viewer_catch_up (self);
  if (self->video == VIDEO_CATCHING_UP)
    set_pacing (self, TRUE);
}

typedef struct
{
  guint64 ext_seq; /* of the first; lowest, whatever the order */
  gboolean has_params;
  EgressBegin begin;
} GopStart;

/* The lowest sequence number of the frame that begins at @pos: reordering may
 * have put it behind another of its packets. */
static void
viewer_find_first (RelayFeed *feed, guint64 pos, GopStart *ret)
{
  guint64 head = relay_feed_get_head (feed);
  guint32 rtp_ts = relay_feed_at (feed, pos)->rtp_ts;

  *ret = (GopStart){ .ext_seq = G_MAXUINT64 };
  for (; pos < head; pos++)
    {
      const RelayPacket *packet = relay_feed_at (feed, pos);

      if (packet->kind != RTC_MEDIA_VIDEO)
        continue;
      if (packet->rtp_ts != rtp_ts)
        break;
      if (packet->ext_seq < ret->ext_seq)
        {
          ret->ext_seq = packet->ext_seq;
          ret->begin.first = packet;
        }
      ret->has_params |= (packet->flags & RELAY_PACKET_PARAMS) != 0;
    }
}

/* The newest picture, by its place in time, from @from on. */
static void
viewer_find_head (RelayFeed *feed, guint64 from, EgressBegin *begin)
{
  guint64 pos = relay_feed_get_head (feed);

  begin->head_rtp_ts = begin->first->rtp_ts;
  begin->head_us = begin->first->recv_us;
  while (pos-- > from)
    {
      const RelayPacket *packet = relay_feed_at (feed, pos);

      if (packet->kind != RTC_MEDIA_VIDEO || packet->flags & RELAY_PACKET_LATE)
        continue;
      begin->head_rtp_ts = packet->rtp_ts;
      begin->head_us = packet->recv_us;
      return;
    }
}

static void
viewer_start_video (EgressViewer *self, guint64 pos)
{
  RelayFeed *feed = self->picture->feed;
  guint params_len = 0;
  const guint8 *params = relay_feed_get_params (feed, &params_len);
  GopStart start;

  viewer_find_first (feed, pos, &start);
  viewer_find_head (feed, pos, &start.begin);
  if (start.has_params)
    params = NULL;
  egress_sender_join (&self->sender, RTC_MEDIA_VIDEO, start.ext_seq,
                      params != NULL, &start.begin);
  if (params != NULL)
    egress_sender_send_params (&self->sender, params, params_len,
                               start.begin.first->rtp_ts);
  if (self->stats.first_video_us == 0)
    self->stats.first_video_us = rtc_worker_get_turn_us (self->worker);
  self->cursor = pos;
  viewer_begin_catching_up (self);
}

static void
viewer_try_video (EgressViewer *self)
{
  RelayFeed *feed = self->picture->feed;
  guint64 gop = relay_feed_get_gop_start (feed);

  if (gop != RELAY_POS_NONE && gop >= self->wait_pos
      && gop < relay_feed_get_head (feed))
    viewer_start_video (self, gop);
  else if (relay_feed_get_head (feed) > 0)
    egress_viewer_ask_keyframe (self, feed);
}

void
egress_viewer_begin_video (EgressViewer *self)
{
  viewer_wait (self, 0);
  viewer_try_video (self);
}

void
egress_viewer_on_pace (RelayReceiver *receiver, RelayFeed *feed, gint64 now_us)
{
  EgressViewer *self = ((EgressInput *)receiver)->viewer;

  viewer_refill (self, now_us);
  viewer_catch_up (self);
}

/* --- pauses ----------------------------------------------------------------
 */

static void
pause_video (EgressViewer *self)
{
  RelayFeed *feed = self->picture->feed;

  if (self->video == VIDEO_LIVE)
    self->cursor = relay_feed_get_head (feed);
  else if (self->video == VIDEO_WAITING)
    self->cursor = RELAY_POS_NONE;
  set_pacing (self, FALSE);
  self->video = VIDEO_PAUSED;
  egress_sender_leave (&self->sender, feed, RTC_MEDIA_VIDEO, FALSE);
}

/* Where he left it, when that GOP is still the newest: he has its beginning.
 * Else the newest. */
static void
resume_video (EgressViewer *self)
{
  RelayFeed *feed = self->picture->feed;
  guint64 gop = relay_feed_get_gop_start (feed);

  if (self->cursor == RELAY_POS_NONE || gop == RELAY_POS_NONE
      || gop > self->cursor || self->cursor < relay_feed_get_tail (feed))
    {
      egress_viewer_begin_video (self);
      return;
    }
  egress_sender_resume (&self->sender, RTC_MEDIA_VIDEO);
  viewer_begin_catching_up (self);
}

void
egress_viewer_update_flow (EgressViewer *self)
{
  gboolean is_off = !viewer_flows (self, RTC_MEDIA_VIDEO);

  if (!self->is_attached)
    return;
  if (self->video != VIDEO_NONE && is_off != (self->video == VIDEO_PAUSED))
    {
      if (is_off)
        pause_video (self);
      else
        resume_video (self);
    }
  if (self->sound && !viewer_flows (self, RTC_MEDIA_AUDIO))
    egress_sender_leave (&self->sender, self->sound->feed, RTC_MEDIA_AUDIO,
                         FALSE);
}

/* --- live ---------------------------------------------------------------- */

/* A TCP viewer that cannot keep up: nothing until a keyframe it can take.
 */
static gboolean
viewer_is_cut (EgressViewer *self)
{
  if (!rtc_transport_is_congested (self->transport))
    return FALSE;
  if (self->video == VIDEO_LIVE || self->video == VIDEO_CATCHING_UP)
    {
      viewer_wait (self, relay_feed_get_head (self->picture->feed));
      self->stats.n_frames_dropped++;
      base_counter_add (counters.frames_dropped, 1);
    }
  return TRUE;
}

/* from when on he hears what came */
static gint64
audio_from_us (EgressViewer *self, const EgressInput *input)
{
  if (input != self->sound || !viewer_flows (self, RTC_MEDIA_AUDIO))
    return G_MAXINT64;
  return self->sender.tracks[RTC_MEDIA_AUDIO].is_started
             ? 0
             : rtc_worker_get_turn_us (self->worker) - JOIN_AUDIO_US;
}

void
egress_viewer_on_packets (RelayReceiver *receiver, RelayFeed *feed,
                          guint64 from, guint64 to)
{
  EgressInput *input = (EgressInput *)receiver;
  EgressViewer *self = input->viewer;
  EgressSender *sender = &self->sender;
  gboolean is_picture = input == self->picture;
  gboolean is_live = is_picture && self->video == VIDEO_LIVE;
  gint64 from_us = audio_from_us (self, input);

  egress_sender_set_path (sender, rtc_transport_get_path (self->transport));
  if (G_UNLIKELY (viewer_is_cut (self)))
    return;
  for (guint64 pos = from; pos < to; pos++)
    {
      const RelayPacket *packet = relay_feed_at (feed, pos);

      if (packet->kind == RTC_MEDIA_VIDEO ? is_live
                                          : packet->recv_us >= from_us)
        egress_sender_send (sender, packet);
    }
  if (is_picture && G_UNLIKELY (self->video == VIDEO_WAITING))
    viewer_try_video (self);
  else if (is_picture
           && G_UNLIKELY (self->video == VIDEO_CATCHING_UP
                          && self->tokens_bytes > 0))
    viewer_catch_up (self);
  if (G_UNLIKELY (self->n_renditions > 1))
    egress_viewer_input_came (self, input, from, to);
  if (G_UNLIKELY (sender->tracks[RTC_MEDIA_VIDEO].rewrite != NULL))
    egress_viewer_tell_layers (self);
}
