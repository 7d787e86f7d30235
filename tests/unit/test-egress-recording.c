/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/recording: what is published is in the file, as players see it:
 * every picture, at its time. Holes, publishers that come and go, disks that
 * are full or hang.
 */
#include "egress/recording-private.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "recording-fixture.h"

#define FRAMES 30
#define GOP "10"
#define VIDEO                                                                  \
  "videotestsrc num-buffers=30 ! "                                             \
  "video/x-raw,width=320,height=240,framerate=30/1,format=I420 ! "
#define VP8                                                                    \
  VIDEO "vp8enc deadline=1 keyframe-max-dist=" GOP " ! rtpvp8pay mtu=1200"
#define SNOW /* much of it */                                                  \
  "videotestsrc num-buffers=30 pattern=snow ! "                                \
  "video/x-raw,width=640,height=480,framerate=30/1,format=I420 ! "             \
  "vp8enc deadline=1 target-bitrate=20000000 ! rtpvp8pay mtu=1200"
#define H264                                                                   \
  VIDEO "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=" GOP     \
        " ! rtph264pay mtu=1200 config-interval=-1"
#define OPUS                                                                   \
  "audiotestsrc num-buffers=50 samplesperbuffer=960 ! "                        \
  "audio/x-raw,rate=48000,channels=2 ! opusenc ! rtpopuspay"

typedef struct
{
  Stream s;
  EgressRecording *recording;
  char *path; /* owned */
  gint n_started, n_ended, n_finished;
  GError *error; /* owned: of the last word */
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  stream_open (&f->s);
  f->path = g_build_filename (f->s.dir, "show.mkv", NULL);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_assert_true (egress_recordings_join (10 * G_USEC_PER_SEC));
  stream_close (&f->s);
  g_free (f->path);
  g_clear_error (&f->error);
}

static void
keep_error (Fixture *f, const GError *error)
{
  g_clear_error (&f->error);
  f->error = error ? g_error_copy (error) : NULL;
}

static void
on_started (EgressRecording *recording, const GError *error, gpointer data)
{
  Fixture *f = data;

  f->n_started++;
  keep_error (f, error);
}

static void
on_ended (EgressRecording *recording, const GError *error, gpointer data)
{
  Fixture *f = data;

  f->n_ended++;
  g_assert_nonnull (error);
  keep_error (f, error);
}

static void
on_finished (const GError *error, gpointer data)
{
  Fixture *f = data;

  f->n_finished++;
  keep_error (f, error);
}

static const EgressRecordingCallbacks callbacks = { on_started, on_ended };

static void
start (Fixture *f, gboolean sound, gboolean picture)
{
  f->recording = egress_recording_new (sound ? f->s.stream : NULL,
                                       picture ? f->s.stream : NULL, f->path,
                                       &callbacks, f);
  WAIT_FOR (f->n_started == 1);
  g_assert_no_error (f->error);
  call_home (&f->s, on_nothing, NULL); /* it has joined */
}

static void
stop (Fixture *f)
{
  egress_recording_stop (f->recording, on_finished, f);
  WAIT_FOR (f->n_finished == 1);
  g_assert_cmpint (f->n_ended, ==, 0);
}

/* assert_times: @n of them, @step_us apart but where a @hole is (-1: none) */
static void
assert_times (GArray *times, guint n, gint64 step_us, int hole)
{
  g_assert_cmpuint (times->len, ==, n);
  for (guint i = 1; i < n; i++)
    {
      gint64 step = g_array_index (times, gint64, i)
                    - g_array_index (times, gint64, i - 1);

      if ((int)i != hole)
        g_assert_cmpint (ABS (step - step_us), <, 2000);
    }
}

/* --- what is published is in the file ------------------------------------- */

typedef struct
{
  const char *name;
  RtcCodec codec;
  const char *chain;
  const char *needs;
} Case;

static const Case cases[] = {
  { "h264", RTC_CODEC_H264, H264, "x264enc" },
  { "h265", RTC_CODEC_H265,
    VIDEO "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=" GOP
          " ! h265parse config-interval=-1 ! rtph265pay mtu=1200 "
          "config-interval=-1",
    "x265enc" },
  { "vp8", RTC_CODEC_VP8, VP8, "vp8enc" },
  { "vp9", RTC_CODEC_VP9,
    VIDEO "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=" GOP
          " ! rtpvp9pay mtu=1200",
    "vp9enc" },
  { "av1", RTC_CODEC_AV1,
    VIDEO "av1enc cpu-used=8 usage-profile=realtime keyframe-max-dist=" GOP
          " ! av1parse ! video/x-av1,stream-format=obu-stream,alignment=tu",
    "av1enc" },
};

static void
test_codec (Fixture *f, gconstpointer data)
{
  const Case *c = data;
  g_autoptr (GPtrArray) video = NULL, audio = NULL;
  g_autoptr (GArray) pictures = NULL, sounds = NULL;
  g_autoptr (GstElementFactory) encoder = gst_element_factory_find (c->needs);
  guint64 n_bytes;
  gint64 duration_us;

  if (!encoder)
    {
      g_test_skip ("no encoder");
      return;
    }
  video = c->codec == RTC_CODEC_AV1 ? pull_av1 (c->chain) : pull_rtp (c->chain);
  audio = pull_rtp (OPUS);
  publish (&f->s, RTC_CODEC_OPUS, c->codec);
  start (f, TRUE, TRUE);
  push_all (&f->s, RTC_MEDIA_VIDEO, video);
  push_all (&f->s, RTC_MEDIA_AUDIO, audio);
  WAIT_FOR ((egress_recording_get_stats (f->recording, &n_bytes, &duration_us),
             duration_us > (FRAMES - 2) * FRAME_US));
  stop (f);
  g_assert_no_error (f->error);
  pictures = play (f->path, "video_0");
  assert_times (pictures, FRAMES, FRAME_US, -1);
  sounds = play (f->path, "audio_0");
  g_assert_cmpuint (sounds->len, >=, 49);
}

/* The newest GOP held is the begin, whatever its publisher sends now. */
static void
test_gop (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) video = pull_rtp (VP8);
  g_autoptr (GArray) pictures = NULL;
  guint middle = find_frame (video, 15);

  publish (&f->s, RTC_CODEC_NONE, RTC_CODEC_VP8);
  push_some (&f->s, RTC_MEDIA_VIDEO, video, 0, middle, G_MAXUINT);
  start (f, FALSE, TRUE);
  push_some (&f->s, RTC_MEDIA_VIDEO, video, middle, G_MAXUINT, G_MAXUINT);
  stop (f);
  g_assert_no_error (f->error);
  pictures = play (f->path, "video_0");
  assert_times (pictures, 20, FRAME_US, -1);
}

/* What got lost costs pictures up to the next keyframe, and no time. */
static void
test_hole (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) video = pull_rtp (VP8);
  g_autoptr (GArray) pictures = NULL;
  guint lost = find_frame (video, 14);
  gint64 step_us;

  publish (&f->s, RTC_CODEC_NONE, RTC_CODEC_VP8);
  start (f, FALSE, TRUE);
  push_some (&f->s, RTC_MEDIA_VIDEO, video, 0, G_MAXUINT, lost);
  stop (f);
  g_assert_no_error (f->error);
  pictures = play (f->path, "video_0");
  assert_times (pictures, 24, FRAME_US, 14);
  step_us = g_array_index (pictures, gint64, 14)
            - g_array_index (pictures, gint64, 13);
  g_assert_cmpint (ABS (step_us - 7 * FRAME_US), <, 3000);
}

/* A publisher that comes back goes on in the same file. */
static void
test_comes_back (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) video = pull_rtp (VP8);
  g_autoptr (GArray) pictures = NULL;
  gint64 step_us;

  publish (&f->s, RTC_CODEC_NONE, RTC_CODEC_VP8);
  start (f, FALSE, TRUE);
  push_all (&f->s, RTC_MEDIA_VIDEO, video);
  f->s.base_us += 3 * G_USEC_PER_SEC;
  publish (&f->s, RTC_CODEC_NONE, RTC_CODEC_VP8);
  push_all (&f->s, RTC_MEDIA_VIDEO, video);
  stop (f);
  g_assert_no_error (f->error);
  pictures = play (f->path, "video_0");
  assert_times (pictures, 2 * FRAMES, FRAME_US, FRAMES);
  step_us = g_array_index (pictures, gint64, FRAMES)
            - g_array_index (pictures, gint64, FRAMES - 1);
  g_assert_cmpint (ABS (step_us - 3 * G_USEC_PER_SEC + 29 * FRAME_US), <, 5000);
}

static void
test_other_codec (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) video = pull_rtp (VP8), other = pull_rtp (H264);
  g_autoptr (GArray) pictures = NULL;

  publish (&f->s, RTC_CODEC_NONE, RTC_CODEC_VP8);
  start (f, FALSE, TRUE);
  push_all (&f->s, RTC_MEDIA_VIDEO, video);
  publish (&f->s, RTC_CODEC_NONE, RTC_CODEC_H264);
  push_all (&f->s, RTC_MEDIA_VIDEO, other);
  WAIT_FOR (f->n_ended == 1);
  g_assert_error (f->error, EGRESS_RECORDING_ERROR,
                  EGRESS_RECORDING_ERROR_CODEC);
  g_assert_true (egress_recordings_join (10 * G_USEC_PER_SEC));
  pictures = play (f->path, "video_0"); /* what came before is whole */
  assert_times (pictures, FRAMES, FRAME_US, -1);
}

/* A sound track that never sounds does not keep the pictures. */
static void
test_silent (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) video = pull_rtp (VP8);
  g_autoptr (GArray) pictures = NULL;
  guint64 n_bytes;
  gint64 duration_us;

  publish (&f->s, RTC_CODEC_OPUS, RTC_CODEC_VP8);
  start (f, TRUE, TRUE);
  for (guint i = 0; i < 10; i++)
    {
      for (guint p = 0; i > 0 && p < video->len; p++)
        {
          ((Rtp *)video->pdata[p])->seq += (guint16)video->len;
          ((Rtp *)video->pdata[p])->rtp_ts += FRAMES * FRAME_TS;
        }
      push_all (&f->s, RTC_MEDIA_VIDEO, video);
    }
  /* most of it is in the file before it is asked to stop */
  WAIT_FOR ((egress_recording_get_stats (f->recording, &n_bytes, &duration_us),
             n_bytes > 20000));
  stop (f);
  g_assert_no_error (f->error);
  pictures = play (f->path, "video_0");
  assert_times (pictures, 10 * FRAMES, FRAME_US, -1);
}

/* Browsers send larger pictures as they learn what the line carries. */
static void
test_size (Fixture *f, gconstpointer data)
{
  const Case *c = data;
  g_autofree char *larger = NULL;
  g_auto (GStrv) parts = g_strsplit (c->chain, "width=320,height=240", 2);
  g_autoptr (GPtrArray) video = pull_rtp (c->chain), large = NULL;
  g_autoptr (GArray) pictures = NULL;

  larger = g_strjoinv ("width=640,height=480", parts);
  large = pull_rtp (larger);
  for (guint p = 0; p < large->len; p++)
    {
      ((Rtp *)large->pdata[p])->seq += (guint16)video->len;
      ((Rtp *)large->pdata[p])->rtp_ts += FRAMES * FRAME_TS;
    }
  publish (&f->s, RTC_CODEC_NONE, c->codec);
  start (f, FALSE, TRUE);
  push_all (&f->s, RTC_MEDIA_VIDEO, video);
  push_all (&f->s, RTC_MEDIA_VIDEO, large);
  stop (f);
  g_assert_no_error (f->error);
  pictures = play (f->path, "video_0");
  assert_times (pictures, 2 * FRAMES, FRAME_US, -1);
}

static void
test_sound (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) audio = pull_rtp (OPUS);
  g_autoptr (GArray) sounds = NULL;

  publish (&f->s, RTC_CODEC_OPUS, RTC_CODEC_VP8);
  start (f, TRUE, FALSE);
  push_all (&f->s, RTC_MEDIA_AUDIO, audio);
  stop (f);
  g_assert_no_error (f->error);
  sounds = play (f->path, "audio_0");
  g_assert_cmpuint (sounds->len, >=, 49);
}

static void
test_nothing (Fixture *f, gconstpointer data)
{
  start (f, TRUE, TRUE); /* nobody ever published */
  stop (f);
  g_assert_no_error (f->error);
  g_assert_false (g_file_test (f->path, G_FILE_TEST_EXISTS));
}

/* --- disks ---------------------------------------------------------------- */

static void
assert_refused (Fixture *f, const char *path)
{
  (void)egress_recording_new (NULL, f->s.stream, path, &callbacks, f);
  WAIT_FOR (f->n_started == 1);
  g_assert_error (f->error, EGRESS_RECORDING_ERROR,
                  EGRESS_RECORDING_ERROR_FILE);
}

static void
test_is_there (Fixture *f, gconstpointer data)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_set_contents (f->path, "mine", 4, NULL));
  assert_refused (f, f->path);
  g_assert_true (g_file_get_contents (f->path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "mine");
}

static void
test_no_directory (Fixture *f, gconstpointer data)
{
  assert_refused (f, "/nowhere/show.mkv");
}

static void
start_at (Fixture *f, int fd)
{
  f->recording = egress_recording_new_at (NULL, f->s.stream, NULL, fd,
                                          G_USEC_PER_SEC / 5, &callbacks, f);
  WAIT_FOR (f->n_started == 1);
  g_assert_no_error (f->error);
  call_home (&f->s, on_nothing, NULL);
}

static void
test_full (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) video = pull_rtp (VP8);

  publish (&f->s, RTC_CODEC_NONE, RTC_CODEC_VP8);
  start_at (f, open ("/dev/full", O_WRONLY | O_CLOEXEC));
  push_all (&f->s, RTC_MEDIA_VIDEO, video);
  WAIT_FOR (f->n_ended == 1);
  g_assert_error (f->error, EGRESS_RECORDING_ERROR,
                  EGRESS_RECORDING_ERROR_WRITE);
}

typedef struct
{
  RelayReceiver base;
  gint n_packets; /* atomic */
} Viewer;

static void
viewer_on_packets (RelayReceiver *base, RelayFeed *feed, guint64 from,
                   guint64 to)
{
  g_atomic_int_add (&((Viewer *)base)->n_packets, (gint)(to - from));
}

static void
viewer_on_time (RelayReceiver *base, RelayFeed *feed, gint64 now_us)
{
}

typedef struct
{
  Fixture *f;
  Viewer viewer;
} Watch;

static void
join_run (gpointer data)
{
  Watch *watch = data;

  relay_feed_add_receiver (
      relay_stream_get_feed (watch->f->s.stream, watch->f->s.worker),
      &watch->viewer.base);
}

static void
leave_run (gpointer data)
{
  Watch *watch = data;

  relay_feed_remove_receiver (
      relay_stream_get_feed (watch->f->s.stream, watch->f->s.worker),
      &watch->viewer.base);
}

/* A disk that hangs ends the recording; who watches misses nothing, and
 * nobody waits for it. */
static void
test_hangs (Fixture *f, gconstpointer data)
{
  Watch watch = { .f = f };
  g_autoptr (GPtrArray) video = pull_rtp (SNOW);
  guint n_pushed = 0;
  char sink[4096];
  int ends[2];

  watch.viewer.base.on_packets = viewer_on_packets;
  watch.viewer.base.on_tick = watch.viewer.base.on_pace = viewer_on_time;
  g_assert_cmpint (pipe2 (ends, O_CLOEXEC), ==, 0);
  publish (&f->s, RTC_CODEC_NONE, RTC_CODEC_VP8);
  call_home (&f->s, join_run, &watch);
  start_at (f, ends[1]);
  while (f->n_ended == 0) /* some 20 MB */
    {
      push_all (&f->s, RTC_MEDIA_VIDEO, video);
      n_pushed += video->len;
      for (guint p = 0; p < video->len; p++)
        {
          ((Rtp *)video->pdata[p])->seq += (guint16)video->len;
          ((Rtp *)video->pdata[p])->rtp_ts += FRAMES * FRAME_TS;
        }
    }
  g_assert_error (f->error, EGRESS_RECORDING_ERROR,
                  EGRESS_RECORDING_ERROR_SLOW);
  g_assert_cmpint (g_atomic_int_get (&watch.viewer.n_packets), ==,
                   (gint)n_pushed);
  call_home (&f->s, leave_run, &watch);
  /* it is well again: the thread comes to its end */
  while (!egress_recordings_join (0))
    (void)!read (ends[0], sink, sizeof sink);
  close (ends[0]);
}

/* A disk that hangs when it is asked to stop: that is said, in time. */
static void
test_hangs_at_end (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) video = pull_rtp (SNOW);
  char sink[4096];
  int ends[2];

  g_assert_cmpint (pipe2 (ends, O_CLOEXEC), ==, 0);
  publish (&f->s, RTC_CODEC_NONE, RTC_CODEC_VP8);
  start_at (f, ends[1]);
  push_all (&f->s, RTC_MEDIA_VIDEO, video);
  stop (f);
  g_assert_error (f->error, EGRESS_RECORDING_ERROR,
                  EGRESS_RECORDING_ERROR_SLOW);
  while (!egress_recordings_join (0))
    (void)!read (ends[0], sink, sizeof sink);
  close (ends[0]);
}

static void
count_started (EgressRecording *recording, const GError *error, gpointer data)
{
  guint *counts = data;

  if (!error)
    counts[0]++;
  else if (g_error_matches (error, EGRESS_RECORDING_ERROR,
                            EGRESS_RECORDING_ERROR_LIMIT))
    counts[1]++;
}

static void
test_limit (Fixture *f, gconstpointer data)
{
  const EgressRecordingCallbacks counting = { count_started, NULL };
  EgressRecording *recordings[EGRESS_RECORDINGS_MAX];
  guint counts[2] = { 0 };

  for (guint i = 0; i <= EGRESS_RECORDINGS_MAX; i++)
    {
      g_autofree char *path = g_strdup_printf ("%s-%u", f->path, i);
      EgressRecording *recording =
          egress_recording_new (NULL, f->s.stream, path, &counting, counts);

      if (i < EGRESS_RECORDINGS_MAX)
        recordings[i] = recording;
    }
  WAIT_FOR (counts[0] == EGRESS_RECORDINGS_MAX && counts[1] == 1);
  for (guint i = 0; i < EGRESS_RECORDINGS_MAX; i++)
    egress_recording_stop (recordings[i], NULL, NULL);
}

static void
test_paths (Fixture *f, gconstpointer data)
{
  static const char *const bad[] = { "",     ".",  "..",  ".hidden", "a/b",
                                     "../a", "/a", "a\n", "a\xff" };
  g_autofree char *plain = egress_recording_make_path ("/rec", "show 1");
  g_autofree char *named = egress_recording_make_path ("/rec", "show.mkv");
  g_autofree char *endless = g_strnfill (300, 'a');

  g_assert_cmpstr (plain, ==, "/rec/show 1.mkv");
  g_assert_cmpstr (named, ==, "/rec/show.mkv");
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_null (egress_recording_make_path ("/rec", bad[i]));
  g_assert_null (egress_recording_make_path ("/rec", endless));
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*func) (Fixture *, gconstpointer);
  } tests[] = {
    { "/egress/recording/gop", test_gop },
    { "/egress/recording/hole", test_hole },
    { "/egress/recording/comes-back", test_comes_back },
    { "/egress/recording/other-codec", test_other_codec },
    { "/egress/recording/silent", test_silent },
    { "/egress/recording/sound", test_sound },
    { "/egress/recording/nothing", test_nothing },
    { "/egress/recording/is-there", test_is_there },
    { "/egress/recording/no-directory", test_no_directory },
    { "/egress/recording/full", test_full },
    { "/egress/recording/hangs", test_hangs },
    { "/egress/recording/hangs-at-end", test_hangs_at_end },
    { "/egress/recording/limit", test_limit },
    { "/egress/recording/paths", test_paths },
  };

  g_test_init (&argc, &argv, NULL);
  gst_init (NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path =
          g_strdup_printf ("/egress/recording/codec/%s", cases[i].name);

      g_test_add (path, Fixture, &cases[i], set_up, test_codec, tear_down);
    }
  g_test_add ("/egress/recording/size/h264", Fixture, &cases[0], set_up,
              test_size, tear_down);
  g_test_add ("/egress/recording/size/vp8", Fixture, &cases[2], set_up,
              test_size, tear_down);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].func, tear_down);
  return g_test_run ();
}
