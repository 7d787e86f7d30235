/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/snapshot: keyframes that GStreamer's own payloaders make come out as
 * pictures; damaged ones as named errors. A codec whose plugins are not
 * installed is skipped.
 */
#include "egress/snapshot-decode.h"

#include <gst/app/gstappsink.h>
#include <gst/rtp/gstrtpbuffer.h>
#include <string.h>

#include "av1-packets.h"
#include "egress/av1.h"
#include "rtc/dtls.h"
#include "wait.h"

#define SOURCE                                                                 \
  "videotestsrc num-buffers=1 pattern=smpte ! "                                \
  "video/x-raw,width=1280,height=720,framerate=30/1,format=I420 ! "

typedef struct
{
  const char *name;
  RtcCodec codec;
  const char *chain; /* encoder ! payloader */
  const char *needs; /* encoder */
} Case;

static const Case cases[] = {
  { "h264", RTC_CODEC_H264,
    "x264enc tune=zerolatency speed-preset=ultrafast ! rtph264pay mtu=1200 "
    "config-interval=-1",
    "x264enc" },
  { "h265", RTC_CODEC_H265,
    "x265enc tune=zerolatency speed-preset=ultrafast ! h265parse "
    "config-interval=-1 ! rtph265pay mtu=1200 config-interval=-1",
    "x265enc" },
  { "vp8", RTC_CODEC_VP8, "vp8enc deadline=1 ! rtpvp8pay mtu=1200", "vp8enc" },
  { "vp9", RTC_CODEC_VP9, "vp9enc deadline=1 ! rtpvp9pay mtu=1200", "vp9enc" },
};

static gboolean
has_element (const char *name)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (name);

  return factory != NULL;
}

/* pull: (transfer full) (nullable): all buffers of @chain */
static GPtrArray *
pull (const char *chain)
{
  g_autofree char *text =
      g_strdup_printf (SOURCE "%s ! appsink name=sink sync=false", chain);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (text, &error);
  g_autoptr (GstElement) sink = NULL;
  GPtrArray *buffers =
      g_ptr_array_new_with_free_func ((GDestroyNotify)gst_buffer_unref);
  GstSample *sample;

  g_assert_no_error (error);
  gst_object_ref_sink (pipeline);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while ((sample = gst_app_sink_pull_sample (GST_APP_SINK (sink))))
    {
      g_ptr_array_add (buffers,
                       gst_buffer_ref (gst_sample_get_buffer (sample)));
      gst_sample_unref (sample);
    }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_assert_cmpuint (buffers->len, >, 0);
  return buffers;
}

static GPtrArray *
payloads_of (const Case *c)
{
  g_autoptr (GPtrArray) packets = pull (c->chain);
  GPtrArray *payloads =
      g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);

  for (guint i = 0; i < packets->len; i++)
    {
      GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;

      gst_rtp_buffer_map (packets->pdata[i], GST_MAP_READ, &rtp);
      g_ptr_array_add (payloads,
                       g_bytes_new (gst_rtp_buffer_get_payload (&rtp),
                                    gst_rtp_buffer_get_payload_len (&rtp)));
      gst_rtp_buffer_unmap (&rtp);
    }
  return payloads;
}

/* jpeg_size: from its frame header (ITU T.81 B.2.2) */
static void
jpeg_size (GBytes *jpeg, guint *ret_width, guint *ret_height)
{
  gsize len;
  const guint8 *data = g_bytes_get_data (jpeg, &len);
  gsize offset = 2;

  g_assert_cmpuint (len, >, 4);
  g_assert_cmpuint (data[0] << 8 | data[1], ==, 0xffd8);
  while (offset + 9 < len && data[offset + 1] != 0xc0)
    offset += 2 + (data[offset + 2] << 8 | data[offset + 3]);
  g_assert_cmpuint (offset + 9, <, len);
  *ret_height = data[offset + 5] << 8 | data[offset + 6];
  *ret_width = data[offset + 7] << 8 | data[offset + 8];
}

static void
assert_picture (RtcCodec codec, GPtrArray *payloads)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) jpeg = egress_snapshot_decode (codec, payloads, &error);
  guint width, height;

  g_assert_no_error (error);
  jpeg_size (jpeg, &width, &height);
  g_assert_cmpuint (width, ==, 640);
  g_assert_cmpuint (height, ==, 360);
}

static void
test_codec (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (GPtrArray) payloads = NULL;

  if (!has_element (c->needs))
    {
      g_test_skip ("no encoder");
      return;
    }
  payloads = payloads_of (c);
  assert_picture (c->codec, payloads);
}

static void
test_av1 (void)
{
  g_autoptr (GPtrArray) units = NULL, payloads = NULL;

  if (!has_element ("av1enc") || !has_element ("av1dec"))
    {
      g_test_skip ("no encoder");
      return;
    }
  units = pull ("av1enc cpu-used=8 usage-profile=realtime ! av1parse ! "
                "video/x-av1,stream-format=obu-stream,alignment=tu");
  payloads = packetize_av1 (units->pdata[0], 500);
  g_assert_cmpuint (payloads->len, >, 2);
  assert_picture (RTC_CODEC_AV1, payloads);
}

static void
test_av1_malformed (void)
{
  static const struct
  {
    const char *bytes;
    gsize len;
  } bad[] = {
    { "\x10", 1 },         /* nothing after the aggregation header */
    { "\x90\x08\x00", 3 }, /* goes on from nothing */
    { "\x50\x08\x00", 3 }, /* its rest never comes */
    { "\x00\x7f\x08", 3 }, /* element longer than the packet */
    { "\x00\xff\xff\xff\xff\xff", 6 },     /* size without an end */
    { "\x20\x01\x08\x01\x08\x01\x08", 7 }, /* last one is cut below */
    { "\x10\x0c", 2 },                     /* extension byte missing */
    { "\x00\x00", 2 },                     /* empty element */
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GPtrArray) payloads =
          g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
      g_autoptr (GBytes) unit = NULL;

      g_ptr_array_add (payloads, g_bytes_new (bad[i].bytes, bad[i].len));
      unit = egress_av1_assemble (payloads);
      if (i == 5) /* W = 2: the rest is the second element: allowed */
        g_assert_nonnull (unit);
      else
        g_assert_null (unit);
    }
}

static void
test_damaged (void)
{
  g_autoptr (GPtrArray) payloads =
      g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  static const RtcCodec codecs[] = { RTC_CODEC_H264, RTC_CODEC_H265,
                                     RTC_CODEC_VP8,  RTC_CODEC_VP9,
                                     RTC_CODEC_AV1,  RTC_CODEC_OPUS };

  for (guint i = 0; i < 3; i++)
    g_ptr_array_add (payloads, g_bytes_new_static ("\x67\x01garbage", 9));
  for (guint i = 0; i < G_N_ELEMENTS (codecs); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (egress_snapshot_decode (codecs[i], payloads, &error));
      g_assert_error (error, EGRESS_SNAPSHOT_ERROR,
                      EGRESS_SNAPSHOT_ERROR_DECODER);
    }
}

/* --- from a stream's history --------------------------------------------- */

typedef struct
{
  RtcCertificate *certificate;
  RtcWorker *worker;
  RelayHub *hub;
  RelayStream *stream; /* borrowed */
  RelayPublication *publication;
  GPtrArray *payloads;
  guint n_pushed; /* of them; home */
  gint is_pushed; /* atomic */
} Source;

static void
on_nothing (gpointer data)
{
}

/* home */
static void
push_frame (gpointer data)
{
  Source *s = data;
  gint64 now_us = g_get_monotonic_time ();

  relay_publication_begin (s->publication);
  for (guint i = 0; i < s->n_pushed; i++)
    {
      gsize len;
      const guint8 *bytes = g_bytes_get_data (s->payloads->pdata[i], &len);

      relay_publication_push (s->publication, RTC_MEDIA_VIDEO, (guint16)i, 9000,
                              i + 1 == s->payloads->len, NULL, 0, bytes,
                              (guint)len, FALSE, now_us);
    }
  g_atomic_int_set (&s->is_pushed, 1);
}

/* home */
static void
end_publication (gpointer data)
{
  relay_publication_end (data);
  relay_publication_unref (data);
}

static void
source_open (Source *s, RtcMediaKind kind, RtcCodec codec)
{
  static const RelayPublicationCallbacks callbacks = {
    .on_keyframe_wanted = on_nothing, .on_replaced = on_nothing
  };
  RelayStreamInfo info = { 0 };
  g_autoptr (GError) error = NULL;

  info.tracks[kind].is_present = TRUE;
  info.tracks[kind].codec = codec;
  s->certificate = rtc_certificate_new (&error);
  g_assert_no_error (error);
  s->worker = rtc_worker_new (0, 0, s->certificate, NULL, &error);
  g_assert_no_error (error);
  s->hub = relay_hub_new (&s->worker, 1, 0, NULL);
  s->stream = relay_hub_ensure (s->hub, "show", &error);
  g_assert_no_error (error);
  s->publication =
      relay_stream_add_publication (s->stream, &info, &callbacks, s, NULL);
  rtc_worker_post (s->worker, push_frame, s, NULL);
  while (!g_atomic_int_get (&s->is_pushed) || !relay_stream_is_live (s->stream))
    wait_a_little ();
}

static void
source_close (Source *s)
{
  rtc_worker_post (s->worker, end_publication, s->publication, NULL);
  rtc_worker_free (s->worker);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  relay_hub_free (s->hub);
  rtc_certificate_unref (s->certificate);
  g_ptr_array_unref (s->payloads);
}

typedef struct
{
  EgressSnapshot *snapshot;
  GBytes *jpegs[3];
  GError *errors[3];
  guint n_done;
} Taker;

static void
on_taken (GObject *source, GAsyncResult *result, gpointer data)
{
  Taker *t = data;

  t->jpegs[t->n_done] =
      egress_snapshot_take_finish (t->snapshot, result, &t->errors[t->n_done]);
  t->n_done++;
}

static void
take (Taker *t, RelayStream *stream, guint n)
{
  t->n_done = 0;
  for (guint i = 0; i < n; i++)
    egress_snapshot_take_async (t->snapshot, stream, on_taken, t);
  while (t->n_done < n)
    g_main_context_iteration (NULL, TRUE);
}

static void
test_stream (void)
{
  Source source = { 0 };
  Taker taker = { .snapshot = egress_snapshot_new () };
  guint width, height;

  if (!has_element ("vp8enc"))
    {
      egress_snapshot_free (taker.snapshot);
      g_test_skip ("no encoder");
      return;
    }
  source.payloads = payloads_of (&cases[2]);
  source.n_pushed = source.payloads->len;
  source_open (&source, RTC_MEDIA_VIDEO, RTC_CODEC_VP8);
  /* two who ask at once and one who comes later get one picture */
  take (&taker, source.stream, 2);
  g_assert_no_error (taker.errors[0]);
  g_assert_true (taker.jpegs[0] == taker.jpegs[1]);
  jpeg_size (taker.jpegs[0], &width, &height);
  g_assert_cmpuint (width, ==, 640);
  g_bytes_unref (taker.jpegs[1]);
  taker.jpegs[2] = g_steal_pointer (&taker.jpegs[0]);
  take (&taker, source.stream, 1);
  g_assert_true (taker.jpegs[0] == taker.jpegs[2]);
  g_bytes_unref (taker.jpegs[0]);
  g_bytes_unref (taker.jpegs[2]);
  egress_snapshot_free (taker.snapshot);
  source_close (&source);
}

/* a keyframe whose end has not come, and a stream without video */
static void
test_stream_errors (void)
{
  static const int codes[] = { EGRESS_SNAPSHOT_ERROR_NO_KEYFRAME,
                               EGRESS_SNAPSHOT_ERROR_NO_VIDEO };

  if (!has_element ("vp8enc"))
    {
      g_test_skip ("no encoder");
      return;
    }
  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      Taker taker = { .snapshot = egress_snapshot_new () };
      Source source = { .payloads = payloads_of (&cases[2]) };
      gboolean has_video = i == 0;

      source.n_pushed = has_video ? source.payloads->len - 1 : 0;
      source_open (&source, has_video ? RTC_MEDIA_VIDEO : RTC_MEDIA_AUDIO,
                   has_video ? RTC_CODEC_VP8 : RTC_CODEC_OPUS);
      take (&taker, source.stream, 1);
      g_assert_null (taker.jpegs[0]);
      g_assert_error (taker.errors[0], EGRESS_SNAPSHOT_ERROR, codes[i]);
      g_clear_error (&taker.errors[0]);
      egress_snapshot_free (taker.snapshot);
      source_close (&source);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path =
          g_strconcat ("/egress/snapshot/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_codec);
    }
  g_test_add_func ("/egress/snapshot/av1", test_av1);
  g_test_add_func ("/egress/snapshot/av1-malformed", test_av1_malformed);
  g_test_add_func ("/egress/snapshot/damaged", test_damaged);
  g_test_add_func ("/egress/snapshot/stream", test_stream);
  g_test_add_func ("/egress/snapshot/stream-errors", test_stream_errors);
  return g_test_run ();
}
