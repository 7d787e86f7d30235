/* SPDX-License-Identifier: Apache-2.0 */
/* EgressRecordingFile: see recording-file.h. */
#include "egress/recording-file.h"

#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <string.h>

#include "egress/av1.h"
#include "egress/log.h"

#define PT 96
#define SSRC 1
#define RTP_HEADER_BYTES 12
#define CHECK_NS (G_GUINT64_CONSTANT (20000000))
#define MAX_UNIT_PAYLOADS 8192 /* of one AV1 picture */

typedef struct
{
  RtcCodec codec;
  const char *caps; /* of what is pushed */
  const char *elements[3];
} Chain;

#define RTP_CAPS(name)                                                         \
  "application/x-rtp,media=video,clock-rate=90000,payload=96,encoding-"        \
  "name=" name

static const Chain chains[] = {
  { RTC_CODEC_H264, RTP_CAPS ("H264"), { "rtph264depay", "h264parse" } },
  { RTC_CODEC_H265, RTP_CAPS ("H265"), { "rtph265depay", "h265parse" } },
  { RTC_CODEC_VP8, RTP_CAPS ("VP8"), { "rtpvp8depay" } },
  { RTC_CODEC_VP9, RTP_CAPS ("VP9"), { "rtpvp9depay" } },
  { RTC_CODEC_AV1,
    "video/x-av1,stream-format=obu-stream,alignment=tu",
    { "av1parse" } },
  { RTC_CODEC_OPUS,
    "audio/x-opus,channel-mapping-family=0,channels=2,rate=48000",
    { NULL } },
};

typedef struct
{
  RtcCodec codec;
  GstAppSrc *source; /* borrowed from the pipeline; NULL = no such track */
  guint16 seq;
  GPtrArray *unit; /* owned, nullable: AV1's payloads of one picture */
  guint64 unit_ns;
  gboolean is_unit_broken;
  gboolean has_caps; /* gst: the muxer knows them */
} Track;

struct _EgressRecordingFile
{
  GstElement *pipeline; /* owned */
  GstElement *muxer;    /* borrowed */
  GstBus *bus;          /* owned */
  Track tracks[RTC_MEDIA_N_KINDS];
};

static gboolean
fail (GError **error, EgressRecordingError code, const char *text)
{
  g_set_error_literal (error, EGRESS_RECORDING_ERROR, code, text);
  return FALSE;
}

/* --- Building ----------------------------------------------------------- */

/* make: (transfer none) (nullable): in the pipeline */
static GstElement *
make (EgressRecordingFile *self, const char *factory, GError **error)
{
  GstElement *element = gst_element_factory_make (factory, NULL);

  if (!element)
    {
      g_set_error (error, EGRESS_RECORDING_ERROR, EGRESS_RECORDING_ERROR_CODEC,
                   "GStreamer's %s is not installed", factory);
      return NULL;
    }
  gst_bin_add (GST_BIN (self->pipeline), element);
  return element;
}

/* The muxer takes a track's first caps; a change of size would end the file */
static GstPadProbeReturn
on_event (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Track *track = data;

  if (GST_EVENT_TYPE (info->data) != GST_EVENT_CAPS)
    return GST_PAD_PROBE_OK;
  if (track->has_caps)
    return GST_PAD_PROBE_DROP;
  track->has_caps = TRUE;
  return GST_PAD_PROBE_OK;
}

static gboolean
link_to_muxer (EgressRecordingFile *self, Track *track, GstElement *last,
               RtcMediaKind kind)
{
  GstPad *from = gst_element_get_static_pad (last, "src");
  GstPad *to = gst_element_request_pad_simple (
      self->muxer, kind == RTC_MEDIA_VIDEO ? "video_%u" : "audio_%u");
  gboolean ok = gst_pad_link (from, to) == GST_PAD_LINK_OK;

  gst_pad_add_probe (from, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_event, track,
                     NULL);
  gst_object_unref (from);
  gst_object_unref (to);
  return ok;
}

static gboolean
add_track (EgressRecordingFile *self, RtcMediaKind kind, RtcCodec codec,
           GError **error)
{
  Track *track = &self->tracks[kind];
  const Chain *chain = chains;
  GstElement *last = make (self, "appsrc", error);
  GstCaps *caps;

  while (chain->codec != codec)
    chain++;
  if (!last)
    return FALSE;
  track->codec = codec;
  track->source = GST_APP_SRC (last);
  if (codec == RTC_CODEC_AV1)
    track->unit =
        g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  caps = gst_caps_from_string (chain->caps);
  g_object_set (last, "caps", caps, "format", GST_FORMAT_TIME, "max-bytes",
                (guint64)0, NULL);
  gst_caps_unref (caps);
  for (const char *const *name = chain->elements; *name; name++)
    {
      GstElement *next = make (self, *name, error);

      if (!next)
        return FALSE;
      if (g_str_has_suffix (*name, "264parse")
          || g_str_has_suffix (*name, "265parse"))
        g_object_set (next, "config-interval", -1, NULL);
      gst_element_link (last, next);
      last = next;
    }
  return link_to_muxer (self, track, last, kind)
         || fail (error, EGRESS_RECORDING_ERROR_CODEC,
                  "Matroska does not take it");
}

EgressRecordingFile *
egress_recording_file_new (const RtcCodec codecs[RTC_MEDIA_N_KINDS], int fd,
                           GError **error)
{
  g_autoptr (EgressRecordingFile) self = g_new0 (EgressRecordingFile, 1);
  GstElement *sink;

  self->pipeline = gst_pipeline_new (NULL);
  self->bus = gst_element_get_bus (self->pipeline);
  self->muxer = make (self, "matroskamux", error);
  sink = self->muxer ? make (self, "fdsink", error) : NULL;
  if (!sink)
    return NULL;
  g_object_set (self->muxer, "writing-app", "media-tree", NULL);
  g_object_set (sink, "fd", fd, "sync", FALSE, "async", FALSE, NULL);
  gst_element_link (self->muxer, sink);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    if (codecs[k] != RTC_CODEC_NONE
        && !add_track (self, (RtcMediaKind)k, codecs[k], error))
      return NULL;
  gst_element_set_state (self->pipeline, GST_STATE_PLAYING);
  return g_steal_pointer (&self);
}

void
egress_recording_file_free (EgressRecordingFile *self)
{
  gst_element_set_state (self->pipeline, GST_STATE_NULL);
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    g_clear_pointer (&self->tracks[k].unit, g_ptr_array_unref);
  gst_object_unref (self->bus);
  gst_object_unref (self->pipeline);
  g_free (self);
}

/* --- Pushing ------------------------------------------------------------- */

static void
push_bytes (Track *track, guint64 pts_ns, const guint8 *head, gsize head_len,
            const guint8 *data, gsize len)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, head_len + len, NULL);

  if (head_len)
    gst_buffer_fill (buffer, 0, head, head_len);
  gst_buffer_fill (buffer, head_len, data, len);
  GST_BUFFER_PTS (buffer) = pts_ns;
  gst_app_src_push_buffer (track->source, buffer);
}

/* flush_unit: AV1 has no depayloader in GStreamer 1.22; see egress/av1.h */
static void
flush_unit (Track *track)
{
  g_autoptr (GBytes) unit = NULL;

  if (track->unit->len > 0 && !track->is_unit_broken)
    unit = egress_av1_assemble (track->unit);
  if (unit)
    push_bytes (track, track->unit_ns, NULL, 0, g_bytes_get_data (unit, NULL),
                g_bytes_get_size (unit));
  g_ptr_array_set_size (track->unit, 0);
  track->is_unit_broken = FALSE;
}

static void
push_av1 (Track *track, guint64 pts_ns, gboolean is_marked,
          const guint8 *payload, gsize len)
{
  if (track->unit->len > 0 && track->unit_ns != pts_ns)
    flush_unit (track);
  track->unit_ns = pts_ns;
  if (track->unit->len < MAX_UNIT_PAYLOADS)
    g_ptr_array_add (track->unit, g_bytes_new (payload, len));
  else
    track->is_unit_broken = TRUE;
  if (is_marked)
    flush_unit (track);
}

static void
push_rtp (Track *track, guint64 pts_ns, gboolean is_marked,
          const guint8 *payload, gsize len)
{
  guint32 rtp_ts = (guint32)gst_util_uint64_scale_round (
      pts_ns, rtc_codec_clock_hz (track->codec), GST_SECOND);
  guint8 header[RTP_HEADER_BYTES] = { 0x80, is_marked ? PT | 0x80 : PT };

  track->seq++;
  header[2] = (guint8)(track->seq >> 8);
  header[3] = (guint8)track->seq;
  for (guint i = 0; i < 4; i++)
    header[4 + i] = (guint8)(rtp_ts >> (24 - 8 * i));
  header[11] = SSRC;
  push_bytes (track, pts_ns, header, sizeof header, payload, len);
}

void
egress_recording_file_push (EgressRecordingFile *self, RtcMediaKind kind,
                            guint64 pts_ns, gboolean is_marked,
                            const guint8 *payload, gsize len)
{
  Track *track = &self->tracks[kind];

  if (!track->source)
    return;
  if (track->codec == RTC_CODEC_AV1)
    push_av1 (track, pts_ns, is_marked, payload, len);
  else if (track->codec == RTC_CODEC_OPUS)
    push_bytes (track, pts_ns, NULL, 0, payload, len);
  else
    push_rtp (track, pts_ns, is_marked, payload, len);
}

void
egress_recording_file_break (EgressRecordingFile *self, RtcMediaKind kind)
{
  Track *track = &self->tracks[kind];

  track->seq++; /* the depayloader throws its half picture away */
  if (track->unit)
    g_ptr_array_set_size (track->unit, 0);
}

gboolean
egress_recording_file_is_full (EgressRecordingFile *self, RtcMediaKind kind)
{
  GstAppSrc *source = self->tracks[kind].source;

  return source
         && gst_app_src_get_current_level_bytes (source)
                >= EGRESS_RECORDING_FILE_QUEUED_BYTES;
}

/* --- What came of it ------------------------------------------------------ */

static void
take_error (GstMessage *message, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *debug = NULL;
  EgressRecordingError code = EGRESS_RECORDING_ERROR_CODEC;

  gst_message_parse_error (message, &cause, &debug);
  GST_DEBUG ("recording: %s (%s)", cause->message, debug);
  if (cause->domain == GST_RESOURCE_ERROR)
    code = EGRESS_RECORDING_ERROR_WRITE;
  g_set_error_literal (error, EGRESS_RECORDING_ERROR, code, cause->message);
}

gboolean
egress_recording_file_check (EgressRecordingFile *self, GError **error)
{
  GstMessage *message = gst_bus_pop_filtered (self->bus, GST_MESSAGE_ERROR);

  if (!message)
    return TRUE;
  take_error (message, error);
  gst_message_unref (message);
  return FALSE;
}

void
egress_recording_file_end (EgressRecordingFile *self)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      Track *track = &self->tracks[k];

      if (!track->source)
        continue;
      if (track->unit)
        flush_unit (track);
      gst_app_src_end_of_stream (track->source);
    }
}

gboolean
egress_recording_file_has_ended (EgressRecordingFile *self, GError **error)
{
  GstMessage *message = gst_bus_timed_pop_filtered (
      self->bus, CHECK_NS, GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
  gboolean has_ended = message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;

  if (message && !has_ended)
    take_error (message, error);
  g_clear_pointer (&message, gst_message_unref);
  return has_ended;
}
