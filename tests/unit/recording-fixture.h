/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of egress/recording share: RTP that GStreamer made, a stream
 * that it is pushed into, and what a player sees in the file.
 */
#pragma once

#include <gst/app/gstappsink.h>
#include <gst/rtp/gstrtpbuffer.h>
#include <glib/gstdio.h>

#include "av1-packets.h"
#include "base/mailbox.h"
#include "relay/feed.h"
#include "relay/hub.h"
#include "rtc/dtls.h"
#include "wait.h"

#define FRAME_TS 3000
#define SOUND_TS 960
#define FRAME_US 33333
#define SOUND_US 20000

/* one packet of a source: its times are counted from the source's begin */
typedef struct
{
  guint16 seq;
  guint32 rtp_ts;
  gboolean is_marked;
  GBytes *payload; /* owned */
} Rtp;

static void
rtp_free (gpointer data)
{
  Rtp *rtp = data;

  g_bytes_unref (rtp->payload);
  g_free (rtp);
}

static GPtrArray *
pull_buffers (const char *chain)
{
  g_autofree char *text =
      g_strdup_printf ("%s ! appsink name=sink sync=false", chain);
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (text, &error), *sink;
  GPtrArray *buffers =
      g_ptr_array_new_with_free_func ((GDestroyNotify)gst_buffer_unref);
  GstSample *sample;

  g_assert_no_error (error);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while ((sample = gst_app_sink_pull_sample (GST_APP_SINK (sink))))
    {
      g_ptr_array_add (buffers,
                       gst_buffer_ref (gst_sample_get_buffer (sample)));
      gst_sample_unref (sample);
    }
  gst_object_unref (sink);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  g_assert_cmpuint (buffers->len, >, 0);
  return buffers;
}

/* pull_rtp: (transfer full) (element-type Rtp): @chain ends with a payloader */
static GPtrArray *
pull_rtp (const char *chain)
{
  g_autoptr (GPtrArray) buffers = pull_buffers (chain);
  GPtrArray *list = g_ptr_array_new_with_free_func (rtp_free);
  guint32 first_ts = 0;

  for (guint i = 0; i < buffers->len; i++)
    {
      GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
      Rtp *own = g_new0 (Rtp, 1);

      gst_rtp_buffer_map (buffers->pdata[i], GST_MAP_READ, &rtp);
      if (i == 0)
        first_ts = gst_rtp_buffer_get_timestamp (&rtp);
      own->seq = (guint16)i;
      own->rtp_ts = gst_rtp_buffer_get_timestamp (&rtp) - first_ts;
      own->is_marked = gst_rtp_buffer_get_marker (&rtp);
      own->payload = g_bytes_new (gst_rtp_buffer_get_payload (&rtp),
                                  gst_rtp_buffer_get_payload_len (&rtp));
      gst_rtp_buffer_unmap (&rtp);
      g_ptr_array_add (list, own);
    }
  return list;
}

static inline GPtrArray *
pull_av1 (const char *chain)
{
  g_autoptr (GPtrArray) units = pull_buffers (chain);
  GPtrArray *list = g_ptr_array_new_with_free_func (rtp_free);

  for (guint i = 0; i < units->len; i++)
    {
      g_autoptr (GPtrArray) payloads = packetize_av1 (units->pdata[i], 500);

      for (guint j = 0; j < payloads->len; j++)
        {
          Rtp *own = g_new0 (Rtp, 1);

          own->seq = (guint16)list->len;
          own->rtp_ts = i * FRAME_TS;
          own->is_marked = j + 1 == payloads->len;
          own->payload = g_bytes_ref (payloads->pdata[j]);
          g_ptr_array_add (list, own);
        }
    }
  return list;
}

/* --- a stream ----------------------------------------------------------- */

typedef struct
{
  RtcCertificate *certificate;
  RtcWorker *worker;
  RelayHub *hub;
  RelayStream *stream;
  RelayStreamInfo info;
  RelayPublication *publication;
  gint64 base_us; /* when the publication's first packet came */
  char *dir;
} Stream;

static void
on_nothing (gpointer data)
{
}

typedef struct
{
  BaseMailFunc func;
  gpointer data;
  gint is_done;
} Call;

static void
call_run (gpointer data)
{
  Call *call = data;

  call->func (call->data);
  g_atomic_int_set (&call->is_done, 1);
}

static void
call_home (Stream *s, BaseMailFunc func, gpointer data)
{
  Call call = { func, data, 0 };

  rtc_worker_post (s->worker, call_run, &call, NULL);
  WAIT_FOR (g_atomic_int_get (&call.is_done));
}

static void
publish_run (gpointer data)
{
  Stream *s = data;

  relay_publication_begin (s->publication);
}

static void
unpublish_run (gpointer data)
{
  Stream *s = data;

  relay_publication_end (s->publication);
}

/* publish: a publisher comes; the one before goes. @codecs: NONE: no track */
static void
publish (Stream *s, RtcCodec audio, RtcCodec video)
{
  static const RelayPublicationCallbacks callbacks = { on_nothing, on_nothing };
  const RtcCodec codecs[RTC_MEDIA_N_KINDS] = { audio, video };
  RelayPublication *old = s->publication;

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      s->info.tracks[k].is_present = codecs[k] != RTC_CODEC_NONE;
      s->info.tracks[k].codec = codecs[k];
      s->info.tracks[k].channels = k == RTC_MEDIA_AUDIO ? 2 : 0;
    }
  s->publication =
      relay_stream_add_publication (s->stream, &s->info, &callbacks, s, NULL);
  call_home (s, publish_run, s);
  if (old)
    relay_publication_unref (old);
  WAIT_FOR (relay_stream_is_live (s->stream));
}

static void
stream_open (Stream *s)
{
  g_autoptr (GError) error = NULL;

  s->certificate = rtc_certificate_new (&error);
  s->worker = rtc_worker_new (0, 0, s->certificate, NULL, &error);
  g_assert_no_error (error);
  s->hub = relay_hub_new (&s->worker, 1, 30 * G_USEC_PER_SEC, NULL);
  s->stream = relay_stream_ref (relay_hub_ensure (s->hub, "show", &error));
  s->base_us = g_get_monotonic_time ();
  s->dir = g_dir_make_tmp ("recording-XXXXXX", &error);
  g_assert_no_error (error);
}

static void
stream_close (Stream *s)
{
  const char *name;
  GDir *dir;

  if (s->publication)
    {
      call_home (s, unpublish_run, s);
      relay_publication_unref (s->publication);
    }
  relay_stream_unref (s->stream);
  rtc_worker_free (s->worker);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  relay_hub_free (s->hub);
  base_mailbox_clear_main ();
  rtc_certificate_unref (s->certificate);
  dir = g_dir_open (s->dir, 0, NULL);
  while ((name = g_dir_read_name (dir)))
    {
      g_autofree char *path = g_build_filename (s->dir, name, NULL);

      g_assert_cmpint (g_unlink (path), ==, 0);
    }
  g_dir_close (dir);
  g_rmdir (s->dir);
  g_free (s->dir);
}

/* --- pushing -------------------------------------------------------------- */

typedef struct
{
  Stream *s;
  RtcMediaKind kind;
  GPtrArray *list;         /* of Rtp */
  guint from, to, without; /* one is left out; G_MAXUINT = none */
} Push;

static void
push_run (gpointer data)
{
  Push *push = data;

  for (guint i = push->from; i < push->to; i++)
    {
      const Rtp *rtp = push->list->pdata[i];
      gint64 at_us = (gint64)rtp->rtp_ts * 1000000
                     / (push->kind == RTC_MEDIA_VIDEO ? 90000 : 48000);
      gsize len;
      const guint8 *bytes = g_bytes_get_data (rtp->payload, &len);

      if (i != push->without)
        relay_publication_push (push->s->publication, push->kind, rtp->seq,
                                rtp->rtp_ts, rtp->is_marked, NULL, 0, bytes,
                                (guint)len, FALSE, push->s->base_us + at_us);
    }
}

/* push: packets [from, to) of @list */
static void
push_some (Stream *s, RtcMediaKind kind, GPtrArray *list, guint from, guint to,
           guint without)
{
  Push push = { s, kind, list, from, MIN (to, list->len), without };

  call_home (s, push_run, &push);
  /* receivers hear of it at the end of the turn */
  call_home (s, on_nothing, NULL);
}

static void
push_all (Stream *s, RtcMediaKind kind, GPtrArray *list)
{
  push_some (s, kind, list, 0, G_MAXUINT, G_MAXUINT);
}

/* find_frame: index of the first packet of picture @n */
static inline guint
find_frame (GPtrArray *list, guint n)
{
  guint i = 0;

  while (i < list->len && ((Rtp *)list->pdata[i])->rtp_ts < n * FRAME_TS - 90)
    i++;
  return i;
}

/* --- playing ----------------------------------------------------------------
 */

/* play: (transfer full) (element-type gint64): times in µs of all decoded
 * pictures or sounds; any complaint of the decoder ends the test */
static GArray *
play (const char *path, const char *track)
{
  g_autofree char *text = g_strdup_printf (
      "filesrc location=%s ! matroskademux name=demux demux.%s ! queue ! "
      "decodebin ! appsink name=sink sync=false",
      path, track);
  GArray *times = g_array_new (FALSE, FALSE, sizeof (gint64));
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (text, &error), *sink;
  GstMessage *message;
  GstSample *sample;
  GstBus *bus;

  g_assert_no_error (error);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while ((sample = gst_app_sink_pull_sample (GST_APP_SINK (sink))))
    {
      gint64 at_us =
          (gint64)GST_BUFFER_PTS (gst_sample_get_buffer (sample)) / 1000;

      g_array_append_val (times, at_us);
      gst_sample_unref (sample);
    }
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
  if (message)
    g_error ("%s: %s", path, GST_MESSAGE_TYPE_NAME (message));
  gst_object_unref (bus);
  gst_object_unref (sink);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  return times;
}
