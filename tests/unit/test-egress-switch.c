/* SPDX-License-Identifier: Apache-2.0 */
/* EgressViewer, whose sources change: what he gets goes on as one stream
 * (PROTOCOLS.md 4.5). */
#include "rtc/descriptor.h"
#include "viewer-fixture.h"

#define AUDIO VIEWER_SSRC (RTC_MEDIA_AUDIO)
#define VIDEO VIEWER_SSRC (RTC_MEDIA_VIDEO)
#define MS BASE_US_PER_MS
#define TICKS(us) ((guint32)((us)*9 / 100))

/* what the last packet of each kind was */
typedef struct
{
  ViewerGot audio, video;
} Last;

static void
start (ViewerFixture *f, gboolean has_rtx, Last *ret)
{
  EgressSources sources = viewer_sources (f, 0);

  viewer_make (f, &sources, has_rtx);
  viewer_gop (f, 0, 10, base_clock_now_us ());
  viewer_connect (f);
  viewer_deltas (f, 0, 3);
  g_assert_cmpuint (viewer_receive (f), >, 0);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 26);
  g_assert_cmpuint (viewer_count (f, AUDIO), >, 0);
  ret->video = *viewer_last (f, VIDEO);
  ret->audio = *viewer_last (f, AUDIO);
}

static RtcDescriptor
descriptor_of (const ViewerGot *got)
{
  RtcDescriptor descriptor;

  g_assert_true (
      rtc_descriptor_read (RTC_CODEC_VP8, got->payload, got->len, &descriptor));
  return descriptor;
}

/* Each packet one number later, each picture one id and at least one tick. */
static void
assert_goes_on (ViewerFixture *f, const Last *last)
{
  ViewerGot before = last->video;

  for (const ViewerGot *got = NULL; (got = viewer_next (f, VIDEO, got));)
    {
      gboolean is_next = before.marker;

      g_assert_cmpuint (got->seq, ==, (guint16)(before.seq + 1));
      if (is_next)
        g_assert_cmpint ((gint32)(got->rtp_ts - before.rtp_ts), >, 0);
      else
        g_assert_cmpuint (got->rtp_ts, ==, before.rtp_ts);
      if (f->codec == RTC_CODEC_VP8)
        {
          RtcDescriptor was = descriptor_of (&before), is = descriptor_of (got);

          g_assert_cmpuint (is.picture_id, ==,
                            (was.picture_id + is_next) & 0x7fff);
          g_assert_cmpuint (is.tl0, ==, (guint8)(was.tl0 + is_next));
        }
      before = *got;
    }
  before = last->audio;
  for (const ViewerGot *got = NULL; (got = viewer_next (f, AUDIO, got));)
    {
      if (before.ssrc != 0)
        {
          g_assert_cmpuint (got->seq, ==, (guint16)(before.seq + 1));
          g_assert_cmpint ((gint32)(got->rtp_ts - before.rtp_ts), >, 0);
        }
      before = *got;
    }
}

/* but for what dividing loses */
static void
assert_near (guint32 ticks, guint32 expected)
{
  g_assert_cmpint ((gint32)(ticks - expected), >=, -2);
  g_assert_cmpint ((gint32)(ticks - expected), <=, 2);
}

/* The other's GOP is 40 frames old; its newest is 50 ms after our last. */
static void
test_switch (ViewerFixture *f, gconstpointer data)
{
  EgressSources sources = viewer_sources (f, 1);
  gint64 last_us;
  Last last;

  start (f, FALSE, &last);
  last_us = f->sources[0].at_us - FRAME_US;
  viewer_gop (f, 1, 40, last_us + 50 * MS);
  egress_viewer_switch (f->viewer, &sources);
  viewer_media (f, viewer_nothing, NULL);
  viewer_deltas (f, 1, 5);
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 90);
  g_assert_cmpuint (viewer_count (f, AUDIO), ==, 5);
  assert_goes_on (f, &last);
  /* in real time, whatever the GOP's age */
  assert_near (viewer_last (f, VIDEO)->rtp_ts - last.video.rtp_ts,
               TICKS (50 * MS + 5 * FRAME_US));
  assert_near (viewer_last (f, AUDIO)->rtp_ts - last.audio.rtp_ts,
               (guint32)((50 * MS + 5 * FRAME_US) * 48 / 1000));
  /* nothing of the first any more */
  viewer_deltas (f, 0, 3);
  g_assert_cmpuint (viewer_receive (f), ==, 0);
}

/* There and back, many times. */
static void
test_to_and_fro (ViewerFixture *f, gconstpointer data)
{
  Last last;

  start (f, FALSE, &last);
  for (guint i = 1; i < 20; i++)
    {
      EgressSources sources = viewer_sources (f, i % VIEWER_STREAMS);

      viewer_gop (f, i % VIEWER_STREAMS, 1 + i % 7,
                  base_clock_now_us () + i * 100 * MS);
      egress_viewer_switch (f->viewer, &sources);
      viewer_deltas (f, i % VIEWER_STREAMS, 3);
      viewer_receive (f);
      g_assert_cmpuint (viewer_count (f, VIDEO), ==, 2 * (1 + i % 7 + 3));
      assert_goes_on (f, &last);
      last.video = *viewer_last (f, VIDEO);
      last.audio = *viewer_last (f, AUDIO);
    }
}

/* Another picture, the same sound: nothing happens to that. */
static void
test_picture_only (ViewerFixture *f, gconstpointer data)
{
  EgressSources sources = viewer_sources (f, 0);
  Last last;

  start (f, FALSE, &last);
  sources.video[0] = f->sources[1].stream;
  viewer_gop (f, 1, 4, f->sources[0].at_us);
  egress_viewer_switch (f->viewer, &sources);
  viewer_deltas (f, 0, 3);
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 8);
  g_assert_cmpuint (viewer_count (f, AUDIO), ==, 3);
  assert_goes_on (f, &last);
  assert_near (viewer_last (f, AUDIO)->rtp_ts - last.audio.rtp_ts,
               (guint32)(3 * FRAME_US * 48 / 1000));
}

/* To one that is not live: nothing, until it is. */
static void
test_switch_to_idle (ViewerFixture *f, gconstpointer data)
{
  EgressSources sources = viewer_sources (f, 1);
  Last last;

  start (f, FALSE, &last);
  egress_viewer_switch (f->viewer, &sources);
  viewer_deltas (f, 0, 3);
  g_assert_cmpuint (viewer_receive (f), ==, 0);
  viewer_gop (f, 1, 2, base_clock_now_us () + 700 * MS);
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 4);
  assert_goes_on (f, &last);
}

/* --- repair --------------------------------------------------------------- */

static void
do_nack (ViewerFixture *f, gpointer data)
{
  guint16 seq = *(guint16 *)data;
  guint8 nack[16] = { 0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, (guint8)VIDEO };

  nack[12] = (guint8)(seq >> 8);
  nack[13] = (guint8)seq;
  f->transport->callbacks.on_rtcp (f->transport, nack, sizeof nack,
                                   base_clock_now_us (), f->transport->data);
}

/* What was sent from the source before is not sent again with other bytes; what
 * was since is, with the same ones. */
static void
test_repair (ViewerFixture *f, gconstpointer data)
{
  EgressSources sources = viewer_sources (f, 1);
  ViewerGot sent[8];
  Last last;

  start (f, TRUE, &last);
  viewer_media (f, do_nack, &last.video.seq);
  g_assert_cmpuint (viewer_receive (f), ==, 1);
  g_assert_cmpuint (f->got[0].ssrc, ==, VIEWER_RTX_SSRC);
  viewer_gop (f, 1, 4, f->sources[0].at_us);
  egress_viewer_switch (f->viewer, &sources);
  viewer_media (f, viewer_nothing, NULL);
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 8);
  memcpy (sent, f->got, sizeof sent);
  viewer_media (f, do_nack, &last.video.seq);
  g_assert_cmpuint (viewer_receive (f), ==, 0);
  for (guint i = 0; i < 8; i++)
    {
      viewer_media (f, do_nack, &sent[i].seq);
      g_assert_cmpuint (viewer_receive (f), ==, 1);
      g_assert_cmpuint (f->got[0].rtp_ts, ==, sent[i].rtp_ts);
      g_assert_cmpuint (f->got[0].payload[0] << 8 | f->got[0].payload[1], ==,
                        sent[i].seq);
      g_assert_cmpmem (f->got[0].payload + 2, 20, sent[i].payload, 20);
    }
}

static void
do_nack_many (ViewerFixture *f, gpointer data)
{
  for (guint i = 0; i < EGRESS_SLOW_LINK_NACKS; i++)
    {
      guint16 seq = (guint16)(*(guint16 *)data - i);

      do_nack (f, &seq);
    }
}

/* Told within a second or two, once it is many. */
static void
test_slow_link (ViewerFixture *f, gconstpointer data)
{
  EgressViewerStats stats;
  Last last;

  start (f, TRUE, &last);
  viewer_media (f, do_nack_many, &last.video.seq);
  while (f->n_slow == 0)
    g_main_context_iteration (NULL, TRUE);
  viewer_media (f, viewer_nothing, NULL); /* the tick is over */
  g_assert_cmpuint (f->n_slow, ==, EGRESS_SLOW_LINK_NACKS);
  egress_viewer_get_stats (f->viewer, &stats);
  g_assert_cmpuint (stats.kinds[RTC_MEDIA_VIDEO].n_nacked, ==,
                    EGRESS_SLOW_LINK_NACKS);
  g_assert_cmpuint (stats.kinds[RTC_MEDIA_VIDEO].n_rtx, ==,
                    EGRESS_SLOW_LINK_NACKS);
  g_assert_cmpuint (stats.kinds[RTC_MEDIA_VIDEO].n_packets, ==, 26);
  g_assert_cmpuint (stats.kinds[RTC_MEDIA_AUDIO].n_nacked, ==, 0);
}

/* --- layers --------------------------------------------------------------- */

static void
do_layered (ViewerFixture *f, gpointer data)
{
  static const guint layers[] = { 0, 2, 1, 2 };

  for (guint i = 0; i < 8; i++)
    viewer_push_frame (&f->sources[0], data != NULL && i == 0, layers[i % 4],
                       FALSE);
}

/* Half the rate, then all again from a keyframe on, whose number goes on. */
static void
test_layers (ViewerFixture *f, gconstpointer data)
{
  EgressLayers layers = EGRESS_LAYERS_DEFAULT;
  Last last;

  start (f, FALSE, &last);
  layers.temporal_layer = 1;
  egress_viewer_set_layers (f->viewer, &layers);
  viewer_home (f, 0, do_layered, NULL);
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 8);
  g_assert_cmpuint (viewer_count (f, AUDIO), ==, 8);
  while (f->n_layers == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (f->layers.temporal_layer, ==, 1);
  g_assert_cmpint (f->layers.substream, ==, -1);
  for (const ViewerGot *got = NULL; (got = viewer_next (f, VIDEO, got));)
    {
      RtcDescriptor was = descriptor_of (&last.video), is = descriptor_of (got);

      g_assert_cmpuint (got->seq, ==, (guint16)(last.video.seq + 1));
      g_assert_cmpuint (is.picture_id, ==,
                        (was.picture_id + last.video.marker) & 0x7fff);
      g_assert_cmpuint (is.temporal_id, <=, 1);
      last.video = *got;
    }
  layers.temporal_layer = EGRESS_LAYER_MAX;
  egress_viewer_set_layers (f->viewer, &layers);
  viewer_home (f, 0, do_layered, NULL);
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 8);
  last.video = *viewer_last (f, VIDEO);
  viewer_home (f, 0, do_layered, f);
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 16);
  g_assert_cmpuint (viewer_next (f, VIDEO, NULL)->seq, ==,
                    (guint16)(last.video.seq + 1));
  while (f->n_layers == 1)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (f->layers.temporal_layer, ==, EGRESS_LAYER_MAX);
}

/* --- pauses --------------------------------------------------------------- */

/* A short one: on where it was left, nothing is missing. A long one: from the
 * newest GOP on. */
static void
test_pause (ViewerFixture *f, gconstpointer data)
{
  Last last;

  start (f, FALSE, &last);
  egress_viewer_set_paused (f->viewer, TRUE);
  viewer_deltas (f, 0, 3);
  g_assert_cmpuint (viewer_receive (f), ==, 0);
  egress_viewer_set_paused (f->viewer, FALSE);
  viewer_deltas (f, 0, 1);
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 8);
  g_assert_cmpuint (viewer_count (f, AUDIO), ==, 1);
  assert_goes_on (f, &last);
  last.video = *viewer_last (f, VIDEO);
  last.audio = *viewer_last (f, AUDIO);
  egress_viewer_set_paused (f->viewer, TRUE);
  viewer_deltas (f, 0, 5);
  viewer_gop (f, 0, 4, 0);
  egress_viewer_set_paused (f->viewer, FALSE);
  viewer_media (f, viewer_nothing, NULL);
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 8);
  /* the source's own clock */
  assert_near (viewer_last (f, VIDEO)->rtp_ts - last.video.rtp_ts,
               TICKS (9 * FRAME_US));
  g_assert_cmpuint (viewer_next (f, VIDEO, NULL)->seq, ==,
                    (guint16)(last.video.seq + 1));
}

static void
test_sending (ViewerFixture *f, gconstpointer data)
{
  Last last;

  start (f, FALSE, &last);
  egress_viewer_set_sending (f->viewer, RTC_MEDIA_AUDIO, FALSE);
  viewer_deltas (f, 0, 3);
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, AUDIO), ==, 0);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 6);
  last.video = *viewer_last (f, VIDEO);
  egress_viewer_set_sending (f->viewer, RTC_MEDIA_AUDIO, TRUE);
  egress_viewer_set_sending (f->viewer, RTC_MEDIA_VIDEO, FALSE);
  viewer_deltas (f, 0, 3);
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, AUDIO), ==, 3);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 0);
  assert_goes_on (f, &last);
  last.audio = *viewer_last (f, AUDIO);
  egress_viewer_set_sending (f->viewer, RTC_MEDIA_VIDEO, TRUE);
  viewer_deltas (f, 0, 1);
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 8);
  assert_goes_on (f, &last);
}

/* Paused before he connects, and switched while paused. */
static void
test_paused_from_the_start (ViewerFixture *f, gconstpointer data)
{
  EgressSources first = viewer_sources (f, 0), second = viewer_sources (f, 1);

  viewer_make (f, &first, FALSE);
  egress_viewer_set_paused (f->viewer, TRUE);
  viewer_gop (f, 0, 10, base_clock_now_us ());
  viewer_gop (f, 1, 10, base_clock_now_us ());
  viewer_connect (f);
  viewer_deltas (f, 0, 3);
  g_assert_cmpuint (viewer_receive (f), ==, 0);
  egress_viewer_switch (f->viewer, &second);
  viewer_deltas (f, 1, 1);
  g_assert_cmpuint (viewer_receive (f), ==, 0);
  egress_viewer_set_paused (f->viewer, FALSE);
  viewer_deltas (f, 1, 1);
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 24);
}

/* --- renditions ----------------------------------------------------------- */

static EgressSources
renditions (ViewerFixture *f)
{
  return (EgressSources){ .audio = f->sources[2].stream,
                          .video = { f->sources[0].stream, f->sources[1].stream,
                                     f->sources[2].stream },
                          .n_video = 3 };
}

static void
wait_substream (ViewerFixture *f, int substream)
{
  while (f->layers.substream != substream)
    g_main_context_iteration (NULL, TRUE);
}

/* The best that speaks; asked for less, less. */
static void
test_renditions (ViewerFixture *f, gconstpointer data)
{
  EgressSources sources = renditions (f);
  EgressLayers layers = EGRESS_LAYERS_DEFAULT;
  Last last;

  /* none goes silent here, however slow this machine is */
  layers.fallback_us = VIEWER_WAIT_US;
  f->layers.substream = -1;
  viewer_make (f, &sources, FALSE);
  egress_viewer_set_layers (f->viewer, &layers);
  for (guint i = 0; i < 3; i++)
    viewer_gop (f, i, 5, base_clock_now_us ());
  viewer_connect (f);
  viewer_deltas (f, 2, 1);
  wait_substream (f, 2);
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 12);
  last.video = *viewer_last (f, VIDEO);
  last.audio = *viewer_last (f, AUDIO);
  layers.substream = 0;
  egress_viewer_set_layers (f->viewer, &layers);
  viewer_deltas (f, 0, 1);
  wait_substream (f, 0);
  viewer_deltas (f, 2, 2);
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 12);
  g_assert_cmpuint (viewer_count (f, AUDIO), ==, 2);
  assert_goes_on (f, &last);
}

/* Silence: the next lower one; back when it comes again, with a keyframe. */
static void
test_fallback (ViewerFixture *f, gconstpointer data)
{
  EgressSources sources = renditions (f);
  gint64 end_us = base_clock_now_us () + VIEWER_WAIT_US;
  Last last = { 0 }; /* here it is about the picture */

  f->layers.substream = -1;
  viewer_make (f, &sources, FALSE);
  for (guint i = 0; i < 3; i++)
    viewer_gop (f, i, 5, base_clock_now_us ());
  viewer_connect (f);
  viewer_gop (f, 2, 1, base_clock_now_us ());
  wait_substream (f, 2);
  viewer_receive (f);
  last.video = *viewer_last (f, VIDEO);
  while (f->layers.substream != 1)
    {
      g_assert_cmpint (base_clock_now_us (), <, end_us);
      /* frames of one time would be one */
      if (base_clock_now_us () > f->sources[1].at_us - FRAME_US + 5 * MS)
        viewer_gop (f, 1, 1, base_clock_now_us ());
      g_main_context_iteration (NULL, FALSE);
    }
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, AUDIO), ==, 0);
  assert_goes_on (f, &last);
  last.video = *viewer_last (f, VIDEO);
  viewer_deltas (f, 2, 2);
  g_assert_cmpuint (viewer_receive (f), >=, 2);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 0);
  viewer_gop (f, 2, 1, 0);
  wait_substream (f, 2);
  viewer_receive (f);
  g_assert_cmpuint (viewer_count (f, VIDEO), ==, 2);
  assert_goes_on (f, &last);
}

#define ADD(name, codec, func)                                                 \
  g_test_add ("/egress/switch/" name, ViewerFixture, GINT_TO_POINTER (codec),  \
              viewer_set_up, func, viewer_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("switch/h264", RTC_CODEC_H264, test_switch);
  ADD ("switch/vp8", RTC_CODEC_VP8, test_switch);
  ADD ("to-and-fro", RTC_CODEC_VP8, test_to_and_fro);
  ADD ("picture-only", RTC_CODEC_VP8, test_picture_only);
  ADD ("to-idle", RTC_CODEC_VP8, test_switch_to_idle);
  ADD ("repair", RTC_CODEC_VP8, test_repair);
  ADD ("slow-link", RTC_CODEC_VP8, test_slow_link);
  ADD ("layers", RTC_CODEC_VP8, test_layers);
  ADD ("pause", RTC_CODEC_H264, test_pause);
  ADD ("sending", RTC_CODEC_VP8, test_sending);
  ADD ("paused-from-the-start", RTC_CODEC_VP8, test_paused_from_the_start);
  ADD ("renditions", RTC_CODEC_VP8, test_renditions);
  ADD ("fallback", RTC_CODEC_VP8, test_fallback);
  return g_test_run ();
}
