/* SPDX-License-Identifier: Apache-2.0 */
/* egress/snapshot-decode: appsrc ! depay ! decoder ! scale ! jpegenc. */
#include "egress/snapshot-decode.h"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/rtp/gstrtpbuffer.h>

#include "egress/av1.h"
#include "egress/log.h"

#define SNAPSHOT_PT 96
#define OUTPUT                                                                 \
  "videoconvert ! videoscale ! video/x-raw,width=[1,640],height=[1,640],"      \
  "pixel-aspect-ratio=1/1 ! jpegenc ! appsink name=sink sync=false"

typedef struct
{
  RtcCodec codec;
  const char *caps;        /* of what is pushed */
  const char *elements[5]; /* before OUTPUT; the last one decodes */
} Chain;

#define RTP_CAPS(name)                                                         \
  "application/x-rtp,media=video,clock-rate=90000,payload=96,encoding-"        \
  "name=" name

/* In order of preference: the first whose plugins are all there is taken. */
static const Chain chains[] = {
  { RTC_CODEC_H264, RTP_CAPS ("H264"), { "rtph264depay", "avdec_h264" } },
  { RTC_CODEC_H264,
    RTP_CAPS ("H264"),
    { "rtph264depay", "h264parse", "openh264dec" } },
  { RTC_CODEC_H265,
    RTP_CAPS ("H265"),
    { "rtph265depay", "h265parse", "avdec_h265" } },
  { RTC_CODEC_VP8, RTP_CAPS ("VP8"), { "rtpvp8depay", "vp8dec" } },
  { RTC_CODEC_VP8, RTP_CAPS ("VP8"), { "rtpvp8depay", "avdec_vp8" } },
  { RTC_CODEC_VP9, RTP_CAPS ("VP9"), { "rtpvp9depay", "vp9dec" } },
  { RTC_CODEC_AV1,
    "video/x-av1,stream-format=obu-stream,alignment=tu",
    { "av1parse", "av1dec" } },
  { RTC_CODEC_AV1,
    "video/x-av1,stream-format=obu-stream,alignment=tu",
    { "av1parse", "dav1ddec" } },
};

static gboolean
has_element (const char *name)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (name);

  return factory != NULL;
}

/* find_missing: (nullable): first element of the chain that is not installed */
static const char *
find_missing (const Chain *chain)
{
  static const char *const output[] = { "videoconvert", "videoscale", "jpegenc",
                                        "appsrc", "appsink" };

  for (const char *const *name = chain->elements; *name; name++)
    if (!has_element (*name))
      return *name;
  for (guint i = 0; i < G_N_ELEMENTS (output); i++)
    if (!has_element (output[i]))
      return output[i];
  return NULL;
}

static const Chain *
pick_chain (RtcCodec codec, GError **error)
{
  const char *missing = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (chains); i++)
    {
      const char *element;

      if (chains[i].codec != codec)
        continue;
      element = find_missing (&chains[i]);
      if (!element)
        return &chains[i];
      if (!missing)
        missing = element;
    }
  g_set_error (error, EGRESS_SNAPSHOT_ERROR, EGRESS_SNAPSHOT_ERROR_DECODER,
               "No decoder for %s: GStreamer's element \"%s\" is not installed",
               rtc_codec_name (codec), missing ? missing : "?");
  return NULL;
}

/* new_pipeline: (transfer full) (nullable) */
static GstElement *
new_pipeline (const Chain *chain, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) failure = NULL;
  GstElement *pipeline;

  g_string_printf (text, "appsrc name=src format=time caps=\"%s\" ! ",
                   chain->caps);
  for (const char *const *name = chain->elements; *name; name++)
    g_string_append_printf (text, "%s ! ", *name);
  g_string_append (text, OUTPUT);
  pipeline = gst_parse_launch_full (text->str, NULL,
                                    GST_PARSE_FLAG_FATAL_ERRORS, &failure);
  if (!pipeline)
    g_set_error (error, EGRESS_SNAPSHOT_ERROR, EGRESS_SNAPSHOT_ERROR_DECODER,
                 "The decoder's pipeline cannot be made: %s", failure->message);
  return pipeline;
}

static GstBuffer *
new_rtp (GBytes *payload, guint16 seq, gboolean marker)
{
  gsize len;
  const guint8 *data = g_bytes_get_data (payload, &len);
  GstBuffer *buffer = gst_rtp_buffer_new_allocate ((guint)len, 0, 0);
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;

  gst_rtp_buffer_map (buffer, GST_MAP_WRITE, &rtp);
  gst_rtp_buffer_set_payload_type (&rtp, SNAPSHOT_PT);
  gst_rtp_buffer_set_seq (&rtp, seq);
  gst_rtp_buffer_set_timestamp (&rtp, 0);
  gst_rtp_buffer_set_ssrc (&rtp, 1);
  gst_rtp_buffer_set_marker (&rtp, marker);
  memcpy (gst_rtp_buffer_get_payload (&rtp), data, len);
  gst_rtp_buffer_unmap (&rtp);
  GST_BUFFER_PTS (buffer) = 0;
  return buffer;
}

/* push: FALSE when the payloads make no frame */
static gboolean
push (GstAppSrc *src, RtcCodec codec, GPtrArray *payloads)
{
  if (codec == RTC_CODEC_AV1)
    {
      g_autoptr (GBytes) unit = egress_av1_assemble (payloads);
      GstBuffer *buffer;

      if (!unit)
        return FALSE;
      buffer = gst_buffer_new_wrapped_bytes (unit);
      GST_BUFFER_PTS (buffer) = 0;
      gst_app_src_push_buffer (src, buffer);
    }
  else
    for (guint i = 0; i < payloads->len; i++)
      gst_app_src_push_buffer (src, new_rtp (payloads->pdata[i], (guint16)i,
                                             i + 1 == payloads->len));
  gst_app_src_end_of_stream (src);
  return TRUE;
}

/* set_failure: what the pipeline said, or that it said nothing */
static void
set_failure (GstElement *pipeline, RtcCodec codec, GError **error)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message =
      gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  g_autoptr (GError) failure = NULL;

  if (message)
    gst_message_parse_error (message, &failure, NULL);
  g_set_error (error, EGRESS_SNAPSHOT_ERROR, EGRESS_SNAPSHOT_ERROR_DECODER,
               "The keyframe (%s) was not decoded: %s", rtc_codec_name (codec),
               failure ? failure->message : "no picture came out");
}

static GBytes *
dup_picture (GstSample *sample)
{
  GstBuffer *buffer = gst_sample_get_buffer (sample);
  gsize len = buffer ? gst_buffer_get_size (buffer) : 0;
  guint8 *data;

  if (len == 0)
    return NULL;
  data = g_malloc (len);
  gst_buffer_extract (buffer, 0, data, len);
  return g_bytes_new_take (data, len);
}

GBytes *
egress_snapshot_decode (RtcCodec codec, GPtrArray *payloads, GError **error)
{
  const Chain *chain = pick_chain (codec, error);
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GstElement) src = NULL, sink = NULL;
  g_autoptr (GstSample) sample = NULL;
  GBytes *picture = NULL;

  if (!chain)
    return NULL;
  pipeline = new_pipeline (chain, error);
  if (!pipeline)
    return NULL;
  gst_object_ref_sink (pipeline);
  src = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  if (push (GST_APP_SRC (src), codec, payloads))
    sample = gst_app_sink_try_pull_sample (
        GST_APP_SINK (sink), EGRESS_SNAPSHOT_TIMEOUT_US * GST_USECOND);
  if (sample)
    picture = dup_picture (sample);
  if (!picture)
    set_failure (pipeline, codec, error);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return picture;
}
