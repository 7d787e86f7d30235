/* SPDX-License-Identifier: Apache-2.0 */
/* EgressViewer: which streams he is fed from: switches, renditions.
 *   All renditions feed him, and one is sent: so each of them is carried here,
 * its silence is noticed, and its GOP is at hand when it is wanted. */
#include <string.h>

#include "egress/viewer-private.h"

#include "base/clock.h"

#define WATCH_INTERVAL_US (50 * BASE_US_PER_MS)

void
egress_sources_ref (EgressSources *self)
{
  if (self->audio)
    relay_stream_ref (self->audio);
  for (guint i = 0; i < self->n_video; i++)
    relay_stream_ref (self->video[i]);
}

void
egress_sources_clear (EgressSources *self)
{
  g_clear_pointer (&self->audio, relay_stream_unref);
  for (guint i = 0; i < self->n_video; i++)
    relay_stream_unref (self->video[i]);
  self->n_video = 0;
}

/* --- inputs ---------------------------------------------------------------
 */

static void
input_free (EgressInput *self)
{
  if (self->feed)
    relay_feed_remove_receiver (self->feed, &self->receiver);
  relay_stream_unref (self->stream);
  g_free (self);
}

static gboolean
input_attach (EgressInput *self)
{
  RelayFeed *feed = relay_stream_get_feed (self->stream, self->viewer->worker);
  guint64 head = relay_feed_get_head (feed);

  if (!relay_feed_add_receiver (feed, &self->receiver))
    return FALSE;
  self->feed = feed;
  self->attached_us = rtc_worker_get_turn_us (self->viewer->worker);
  if (head > relay_feed_get_tail (feed))
    self->video_us = relay_feed_at (feed, head - 1)->recv_us;
  return TRUE;
}

static EgressInput *
find_input (EgressInput *const *inputs, guint n, const RelayStream *stream)
{
  for (guint i = 0; i < n; i++)
    if (inputs[i] && inputs[i]->stream == stream)
      return inputs[i];
  return NULL;
}

/* take_input: the one of @stream, among the new ones, or those that he had
 * (then it is taken from @old), or made */
static EgressInput *
take_input (EgressViewer *self, EgressInput **old, guint n_old,
            RelayStream *stream)
{
  EgressInput *input = find_input (self->inputs, self->n_inputs, stream);

  if (input)
    return input;
  for (guint i = 0; i < n_old && !input; i++)
    if (old[i] && old[i]->stream == stream)
      input = g_steal_pointer (&old[i]);
  if (!input)
    {
      input = g_new0 (EgressInput, 1);
      input->receiver.on_packets = egress_viewer_on_packets;
      input->receiver.on_tick = egress_viewer_on_tick;
      input->receiver.on_pace = egress_viewer_on_pace;
      input->viewer = self;
      input->stream = relay_stream_ref (stream);
    }
  self->inputs[self->n_inputs++] = input;
  return input;
}

static gboolean
sends (EgressViewer *self, RtcMediaKind kind)
{
  return self->sender.tracks[kind].params.is_active;
}

static guint
target_rendition (EgressViewer *self)
{
  guint best = self->n_renditions - 1;

  return self->target.substream < 0 ? best
                                    : MIN ((guint)self->target.substream, best);
}

static gboolean
on_watch (gpointer data)
{
  egress_viewer_choose_rendition (data);
  return G_SOURCE_CONTINUE;
}

static void
update_watch (EgressViewer *self)
{
  gboolean is_wanted = self->is_attached && self->n_renditions > 1;

  if (is_wanted == (self->watch != NULL))
    return;
  if (is_wanted)
    {
      self->watch =
          rtc_worker_add_tick (self->worker, WATCH_INTERVAL_US, on_watch, self);
      return;
    }
  g_source_destroy (self->watch);
  g_clear_pointer (&self->watch, g_source_unref);
}

static void
show_picture (EgressViewer *self)
{
  self->cursor = RELAY_POS_NONE;
  if (!self->picture)
    self->video = VIDEO_NONE;
  else if (!viewer_flows (self, RTC_MEDIA_VIDEO))
    self->video = VIDEO_PAUSED;
  else
    egress_viewer_begin_video (self);
}

/* change_picture: another input's is sent from now on */
static void
change_picture (EgressViewer *self, EgressInput *input)
{
  EgressInput *before = self->picture;

  if (before == input)
    return;
  egress_viewer_flush_sent (self);
  if (before && before->feed)
    {
      relay_feed_set_pacing (before->feed, &before->receiver, FALSE);
      egress_sender_leave (&self->sender, before->feed, RTC_MEDIA_VIDEO, TRUE);
    }
  self->picture = input;
  if (self->is_attached)
    show_picture (self);
}

static void
change_sound (EgressViewer *self, EgressInput *input)
{
  EgressInput *before = self->sound;

  if (before == input)
    return;
  egress_viewer_flush_sent (self);
  if (before && before->feed)
    egress_sender_leave (&self->sender, before->feed, RTC_MEDIA_AUDIO, TRUE);
  self->sound = input;
}

gboolean
egress_viewer_set_inputs (EgressViewer *self, const EgressSources *sources)
{
  EgressInput *old[EGRESS_MAX_INPUTS];
  guint n_old = self->n_inputs;
  EgressInput *sound = NULL, *picture = NULL;
  gboolean ok = TRUE;

  memcpy (old, self->inputs, sizeof old);
  self->n_inputs = self->n_renditions = 0;
  if (sources->audio && sends (self, RTC_MEDIA_AUDIO))
    sound = take_input (self, old, n_old, sources->audio);
  for (guint i = 0; i < sources->n_video && sends (self, RTC_MEDIA_VIDEO); i++)
    self->renditions[self->n_renditions++] =
        take_input (self, old, n_old, sources->video[i]);
  for (guint i = 0; i < self->n_inputs && self->is_attached; i++)
    ok = ok && (self->inputs[i]->feed || input_attach (self->inputs[i]));
  if (self->n_renditions > 0)
    picture = find_input (self->renditions, self->n_renditions,
                          self->picture ? self->picture->stream : NULL);
  if (self->n_renditions > 0 && !picture)
    picture = self->renditions[target_rendition (self)];
  if (ok)
    {
      change_sound (self, sound);
      change_picture (self, picture);
    }
  for (guint i = 0; i < n_old; i++)
    if (old[i])
      input_free (old[i]);
  if (!ok)
    {
      egress_viewer_clear_inputs (self);
      return FALSE;
    }
  update_watch (self);
  egress_viewer_choose_rendition (self);
  return TRUE;
}

gboolean
egress_viewer_attach_inputs (EgressViewer *self)
{
  for (guint i = 0; i < self->n_inputs; i++)
    if (!input_attach (self->inputs[i]))
      return FALSE;
  self->is_attached = TRUE;
  update_watch (self);
  show_picture (self);
  egress_viewer_choose_rendition (self);
  return TRUE;
}

void
egress_viewer_clear_inputs (EgressViewer *self)
{
  egress_viewer_flush_sent (self);
  self->is_attached = FALSE;
  self->sound = self->picture = NULL;
  self->n_renditions = 0;
  self->video = VIDEO_NONE;
  update_watch (self);
  for (guint i = 0; i < self->n_inputs; i++)
    input_free (self->inputs[i]);
  self->n_inputs = 0;
}

/* --- renditions -----------------------------------------------------------
 */

static gboolean
is_alive (EgressViewer *self, const EgressInput *input, gint64 now_us)
{
  return input->video_us != 0
         && now_us - input->video_us <= self->target.fallback_us;
}

/* He has just come, nothing is sent yet, and what another worker holds is on
 * its way: no lower one for that moment. */
static gboolean
is_awaited (EgressViewer *self, const EgressInput *input, gint64 now_us)
{
  return self->video == VIDEO_WAITING && input->video_us == 0
         && now_us - input->attached_us <= self->target.fallback_us;
}

static gboolean
has_gop (const EgressInput *input)
{
  guint64 gop = relay_feed_get_gop_start (input->feed);

  return gop != RELAY_POS_NONE && gop >= input->again_pos
         && gop < relay_feed_get_head (input->feed);
}

/* the highest up to the target, then the lowest above it */
static guint
by_preference (guint target, guint i)
{
  return i <= target ? target - i : i;
}

void
egress_viewer_choose_rendition (EgressViewer *self)
{
  gint64 now_us;
  guint target;

  if (self->n_renditions < 2 || !self->is_attached
      || self->video == VIDEO_PAUSED)
    return;
  now_us = rtc_worker_get_turn_us (self->worker);
  target = target_rendition (self);
  for (guint i = 0; i < self->n_renditions; i++)
    {
      EgressInput *input = self->renditions[by_preference (target, i)];
      gboolean is_sent = input == self->picture && self->video != VIDEO_WAITING;

      if (is_awaited (self, input, now_us))
        return;
      if (!is_alive (self, input, now_us))
        continue;
      if (is_sent || has_gop (input))
        {
          change_picture (self, input);
          egress_viewer_tell_layers (self);
          return;
        }
      egress_viewer_ask_keyframe (self, input->feed);
    }
}

void
egress_viewer_input_came (EgressViewer *self, EgressInput *input, guint64 from,
                          guint64 to)
{
  gint64 now_us = rtc_worker_get_turn_us (self->worker);
  guint64 pos = from;

  while (pos < to && relay_feed_at (input->feed, pos)->kind != RTC_MEDIA_VIDEO)
    pos++;
  if (pos == to)
    return;
  if (!is_alive (self, input, now_us) && input->video_us != 0)
    input->again_pos = pos;
  input->video_us = now_us;
  if (input != self->picture || self->video == VIDEO_WAITING)
    egress_viewer_choose_rendition (self);
}
