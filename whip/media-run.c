/* SPDX-License-Identifier: Apache-2.0 */
/* WhipMediaRun: see media-run.h. */
#include "whip/media-run-private.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "whip/log.h"

#define UDP_TIMEOUT_US (3 * G_USEC_PER_SEC) /* then by TCP */
#define TCP_TIMEOUT_US (5 * G_USEC_PER_SEC)
#define JITTER_MS 200 /* waited for what was overtaken, no delay else */
#define MAX_READ_AHEAD_BYTES (16 * 1024 * 1024) /* each track */
#define MAX_LATE_NS (G_GUINT64_CONSTANT (1000000000))
#define POLL_NS (G_GUINT64_CONSTANT (100000000))
#define INTERRUPT "media-tree-interrupt"

/* --- The pipeline ------------------------------------------------------- */

static gboolean
fail (GError **error, WhipMediaInputError code, const char *text)
{
  g_set_error_literal (error, WHIP_MEDIA_INPUT_ERROR, code, text);
  return FALSE;
}

static GstElement *
make (WhipMediaRun *self, const char *factory)
{
  GstElement *element = gst_element_factory_make (factory, NULL);

  if (element)
    gst_bin_add (GST_BIN (self->pipeline), element);
  return element;
}

static gboolean
build_rtsp (WhipMediaRun *self, GError **error)
{
  const WhipMediaInputConfig *config = self->config;
  GstElement *source;

  if (!g_str_has_prefix (config->source, "rtsp://")
      && !g_str_has_prefix (config->source, "rtsps://"))
    return fail (error, WHIP_MEDIA_INPUT_ERROR_OPEN,
                 "a camera's address begins with rtsp:// or rtsps://");
  source = make (self, "rtspsrc");
  if (!source)
    return fail (error, WHIP_MEDIA_INPUT_ERROR_OPEN,
                 "GStreamer's rtspsrc is not installed");
  g_object_set (source, "location", config->source, "latency", JITTER_MS,
                "timeout", (guint64)UDP_TIMEOUT_US, "tcp-timeout",
                (guint64)TCP_TIMEOUT_US, NULL);
  if (config->user)
    g_object_set (source, "user-id", config->user, NULL);
  if (config->password)
    g_object_set (source, "user-pw", config->password, NULL);
  g_signal_connect (source, "select-stream",
                    G_CALLBACK (whip_media_run_on_select_stream), self);
  g_signal_connect (source, "pad-added",
                    G_CALLBACK (whip_media_run_on_rtsp_pad), self);
  return TRUE;
}

static gboolean
build_file (WhipMediaRun *self, GError **error)
{
  const char *path = self->config->source;
  GstElement *source, *parsebin;
  struct stat st;

  if (stat (path, &st) != 0)
    return fail (error, WHIP_MEDIA_INPUT_ERROR_OPEN, g_strerror (errno));
  if (!S_ISREG (st.st_mode)) /* a FIFO would hold us for ever */
    return fail (error, WHIP_MEDIA_INPUT_ERROR_OPEN, "it is no regular file");
  source = make (self, "filesrc");
  parsebin = make (self, "parsebin");
  self->multiqueue = make (self, "multiqueue");
  if (!source || !parsebin || !self->multiqueue)
    return fail (error, WHIP_MEDIA_INPUT_ERROR_OPEN,
                 "GStreamer's base plugins are not installed");
  g_object_set (self->multiqueue, "max-size-bytes", MAX_READ_AHEAD_BYTES,
                "max-size-time", (guint64)0, NULL);
  g_object_set (source, "location", path, NULL);
  gst_element_link (source, parsebin);
  g_signal_connect (parsebin, "pad-added",
                    G_CALLBACK (whip_media_run_on_file_pad), self);
  return TRUE;
}

/* take_error: what a pipeline complained of, as ours. Its debug text stays in
 * the log: it may name more than clients should know. */
static void
take_error (WhipMediaRun *self, GstMessage *message, GError **error)
{
  WhipMediaInputError code = WHIP_MEDIA_INPUT_ERROR_OPEN;
  g_autoptr (GError) cause = NULL;
  g_autofree char *debug = NULL;

  gst_message_parse_error (message, &cause, &debug);
  GST_DEBUG ("stream=%s source: %s (%s)", self->config->name, cause->message,
             debug);
  GST_DEBUG_BIN_TO_DOT_FILE (GST_BIN (self->pipeline), GST_DEBUG_GRAPH_SHOW_ALL,
                             "media-input");
  if (cause->domain == GST_STREAM_ERROR || cause->domain == GST_CORE_ERROR)
    code = WHIP_MEDIA_INPUT_ERROR_CODEC;
  g_set_error (error, WHIP_MEDIA_INPUT_ERROR, code, "%s",
               g_error_matches (cause, GST_RESOURCE_ERROR,
                                GST_RESOURCE_ERROR_NOT_AUTHORIZED)
                   ? "the source wants another user or password (401)"
                   : cause->message);
}

typedef enum
{
  HEARD_NOTHING,
  HEARD_READY, /* the pipeline has prerolled */
  HEARD_END,
  HEARD_INTERRUPT,
  HEARD_ERROR,
} Heard;

/* hear: waits for the bus for some time */
static Heard
hear (WhipMediaRun *self, GError **error)
{
  Heard heard = HEARD_NOTHING;
  GstMessage *message;

  if (g_atomic_int_get (&self->is_interrupted))
    return HEARD_INTERRUPT;
  message = gst_bus_timed_pop_filtered (self->bus, POLL_NS,
                                        GST_MESSAGE_ERROR | GST_MESSAGE_EOS
                                            | GST_MESSAGE_ASYNC_DONE
                                            | GST_MESSAGE_APPLICATION);
  if (!message)
    return HEARD_NOTHING;
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    {
      take_error (self, message, error);
      heard = HEARD_ERROR;
    }
  else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
    heard = HEARD_END;
  else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ASYNC_DONE)
    heard = HEARD_READY;
  gst_message_unref (message);
  return heard;
}

static gboolean
has_packets (WhipMediaRun *self)
{
  return whip_media_queue_get_n_pushed (self->queue) != self->n_at_start;
}

/* dup_refused: (transfer full) (nullable) */
static char *
dup_refused (WhipMediaRun *self)
{
  char *text;

  g_mutex_lock (&self->lock);
  text = g_strdup (self->refused);
  g_mutex_unlock (&self->lock);
  return text;
}

/* await: the first packet of a camera, the preroll of a file */
static gboolean
await (WhipMediaRun *self, GError **error)
{
  gint64 until_us = base_clock_now_us () + WHIP_MEDIA_INPUT_OPEN_US;
  g_autoptr (GError) local = NULL;
  g_autofree char *refused = NULL;

  while (base_clock_now_us () < until_us)
    {
      Heard heard = hear (self, &local);

      g_clear_pointer (&refused, g_free);
      refused = dup_refused (self);
      if (refused && heard != HEARD_NOTHING)
        return fail (error, WHIP_MEDIA_INPUT_ERROR_CODEC, refused);
      if (heard == HEARD_ERROR)
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
      if (heard == HEARD_INTERRUPT)
        return fail (error, WHIP_MEDIA_INPUT_ERROR_OPEN, "interrupted");
      if (heard == HEARD_END)
        return fail (error, WHIP_MEDIA_INPUT_ERROR_OPEN,
                     "there is nothing in it");
      if (whip_media_run_is_file (self) ? heard == HEARD_READY
                                        : has_packets (self))
        return refused ? fail (error, WHIP_MEDIA_INPUT_ERROR_CODEC, refused)
                       : TRUE;
    }
  return fail (error, WHIP_MEDIA_INPUT_ERROR_OPEN,
               "nothing has come within 10 s");
}

/* complete: what only the payloader's caps say */
static void
complete (WhipMediaBranch *branch)
{
  GstPad *pad = gst_element_get_static_pad (branch->sink, "sink");
  GstCaps *caps = gst_pad_get_current_caps (pad);
  WhipMediaTrack track;
  RtcMediaKind kind;
  const char *what;

  if (caps && whip_media_caps_read_rtp (caps, &kind, &track, &what)
      && track.info.is_present)
    {
      g_strlcpy (branch->track.info.fmtp, track.info.fmtp,
                 sizeof branch->track.info.fmtp);
      memcpy (branch->track.params, track.params, sizeof track.params);
    }
  g_clear_pointer (&caps, gst_caps_unref);
  gst_object_unref (pad);
}

static void
collect (WhipMediaRun *self, WhipMediaFound *ret)
{
  g_mutex_lock (&self->lock);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      WhipMediaBranch *branch = &self->branches[k];

      if (!branch->is_used)
        continue;
      if (branch->sink && whip_media_run_is_file (self))
        complete (branch);
      ret->info.tracks[k] = branch->track.info;
      ret->pts[k] = branch->track.pt;
      if (*branch->track.params && !whip_media_run_is_file (self))
        ret->params = whip_media_caps_make_params (branch->track.params);
    }
  g_mutex_unlock (&self->lock);
}

gboolean
whip_media_run_open (WhipMediaRun *self, WhipMediaFound *ret, GError **error)
{
  gboolean ok = whip_media_run_is_file (self) ? build_file (self, error)
                                              : build_rtsp (self, error);
  WhipMediaFound found = { 0 };

  if (!ok)
    return FALSE;
  self->start_wall_us = g_get_real_time ();
  gst_element_set_state (self->pipeline, whip_media_run_is_file (self)
                                             ? GST_STATE_PAUSED
                                             : GST_STATE_PLAYING);
  if (!await (self, error))
    return FALSE;
  collect (self, &found);
  if (!found.info.tracks[RTC_MEDIA_AUDIO].is_present
      && !found.info.tracks[RTC_MEDIA_VIDEO].is_present)
    return fail (error, WHIP_MEDIA_INPUT_ERROR_CODEC,
                 "it has none of the tracks that were asked for");
  *ret = found;
  return TRUE;
}

/* start_file: where the run before ended; anew when that is long ago */
static void
start_file (WhipMediaRun *self)
{
  WhipMediaTimeline *timeline = self->timeline;
  GstClock *clock = gst_system_clock_obtain ();
  guint64 now_ns = gst_clock_get_time (clock);

  g_mutex_lock (&self->lock);
  if (!timeline->wall_us)
    {
      timeline->wall_us = g_get_real_time ();
      for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
        {
          timeline->tracks[k].ssrc = g_random_int ();
          timeline->tracks[k].rtp_ts = g_random_int ();
          timeline->tracks[k].seq = (guint16)g_random_int_range (0, 32768);
        }
    }
  if (timeline->clock_ns + MAX_LATE_NS < now_ns)
    {
      if (timeline->clock_ns)
        timeline->offset_ns += now_ns - timeline->clock_ns;
      timeline->clock_ns = now_ns;
    }
  g_mutex_unlock (&self->lock);
  gst_pipeline_use_clock (GST_PIPELINE (self->pipeline), clock);
  gst_element_set_start_time (self->pipeline, GST_CLOCK_TIME_NONE);
  gst_element_set_base_time (self->pipeline, timeline->clock_ns);
  gst_object_unref (clock);
  gst_element_set_state (self->pipeline, GST_STATE_PLAYING);
}

/* end_file: the next run begins when this one's longest track is over */
static void
end_file (WhipMediaRun *self)
{
  guint64 length_ns = 0;

  gst_element_set_state (self->pipeline, GST_STATE_NULL);
  g_mutex_lock (&self->lock);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (self->branches[k].has_last)
      length_ns = MAX (length_ns,
                       self->branches[k].last_ns + self->branches[k].step_ns);
  self->timeline->offset_ns += length_ns;
  self->timeline->clock_ns += length_ns;
  g_mutex_unlock (&self->lock);
}

gboolean
whip_media_run_play (WhipMediaRun *self, GError **error)
{
  guint64 n = 0;
  gint64 heard_us = base_clock_now_us ();
  Heard heard = HEARD_NOTHING;

  if (whip_media_run_is_file (self))
    start_file (self);
  while (heard == HEARD_NOTHING || heard == HEARD_READY)
    {
      gint64 now_us = base_clock_now_us ();
      guint64 n_now = whip_media_queue_get_n_pushed (self->queue);

      if (n_now != n)
        heard_us = now_us;
      n = n_now;
      if (!whip_media_run_is_file (self)
          && now_us - heard_us > WHIP_MEDIA_RUN_SILENCE_US)
        return fail (error, WHIP_MEDIA_INPUT_ERROR_OPEN,
                     "nothing has come for 10 s");
      heard = hear (self, error);
    }
  if (whip_media_run_is_file (self))
    end_file (self);
  else if (heard == HEARD_END)
    return fail (error, WHIP_MEDIA_INPUT_ERROR_OPEN, "the source has ended");
  return heard != HEARD_ERROR;
}

void
whip_media_run_interrupt (WhipMediaRun *self)
{
  g_atomic_int_set (&self->is_interrupted, TRUE);
  gst_bus_post (self->bus, gst_message_new_application (
                               NULL, gst_structure_new_empty (INTERRUPT)));
}

WhipMediaRun *
whip_media_run_new (const WhipMediaInputConfig *config, WhipMediaQueue *queue,
                    WhipMediaTimeline *timeline)
{
  WhipMediaRun *self = g_new0 (WhipMediaRun, 1);

  self->config = config;
  self->queue = queue;
  self->timeline = timeline;
  self->n_at_start = whip_media_queue_get_n_pushed (queue);
  self->pipeline = gst_pipeline_new (NULL);
  self->bus = gst_element_get_bus (self->pipeline);
  g_mutex_init (&self->lock);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    self->branches[k] =
        (WhipMediaBranch){ .run = self, .kind = (RtcMediaKind)k };
  return self;
}

void
whip_media_run_free (WhipMediaRun *self)
{
  gst_element_set_state (self->pipeline, GST_STATE_NULL);
  gst_object_unref (self->bus);
  gst_object_unref (self->pipeline);
  g_mutex_clear (&self->lock);
  g_free (self->refused);
  g_free (self);
}
