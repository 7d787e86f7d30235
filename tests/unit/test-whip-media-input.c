/* SPDX-License-Identifier: Apache-2.0 */
/* whip/media-input on a real worker: files made here by GStreamer arrive at a
 * receiver of the stream; sources that are wrong are named. */
#include "whip/media-input.h"

#include <glib/gstdio.h>
#include <gst/gst.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mailbox.h"
#include "relay/feed.h"
#include "rtc/dtls.h"
#include "rtc/worker-private.h"
#include "wait.h"
#include "whip/feeder.h"

#define FRAMES 15
#define FRAME_TS 3000 /* 30 a second */

typedef struct
{
  RelayReceiver base;
  /* media */
  guint64 last_seq[RTC_MEDIA_N_KINDS];
  guint32 last_ts[RTC_MEDIA_N_KINDS];
  /* atomic */
  gint n_frames, n_keyframes, n_sounds, n_gaps, n_odd_steps, has_clock;
} Receiver;

typedef struct
{
  RtcCertificate *certificate;
  RtcWorker *worker;
  RelayHub *hub;
  WhipMediaInput *input;
  RelayStream *stream;
  Receiver receiver;
  char *dir;
  /* what was heard */
  gint n_opened, n_idle;
  RelayStreamInfo info;
  GError *error;
} Fixture;

static void
note (Receiver *self, const RelayPacket *packet)
{
  RtcMediaKind kind = packet->kind;
  guint32 step = packet->rtp_ts - self->last_ts[kind];

  if (self->last_seq[kind] && packet->ext_seq != self->last_seq[kind] + 1)
    g_atomic_int_inc (&self->n_gaps);
  if (kind == RTC_MEDIA_AUDIO)
    g_atomic_int_inc (&self->n_sounds);
  else if (!self->last_seq[kind] || step)
    {
      /* two of a loop's seam may differ by the sound's length */
      if (self->last_seq[kind] && (step < FRAME_TS - 90 || step > 2 * FRAME_TS))
        g_atomic_int_inc (&self->n_odd_steps);
      g_atomic_int_inc (&self->n_frames);
      if (packet->flags & RELAY_PACKET_KEYFRAME)
        g_atomic_int_inc (&self->n_keyframes);
    }
  self->last_seq[kind] = packet->ext_seq;
  self->last_ts[kind] = packet->rtp_ts;
}

static void
receiver_on_packets (RelayReceiver *base, RelayFeed *feed, guint64 from,
                     guint64 to)
{
  guint64 ntp[2];
  guint32 rtp_ts[2];

  for (guint64 pos = from; pos < to; pos++)
    note ((Receiver *)base, relay_feed_at (feed, pos));
  if (relay_feed_get_clock (feed, RTC_MEDIA_AUDIO, 0, &ntp[0], &rtp_ts[0])
      && relay_feed_get_clock (feed, RTC_MEDIA_VIDEO, 0, &ntp[1], &rtp_ts[1]))
    g_atomic_int_set (&((Receiver *)base)->has_clock, 1);
}

static void
receiver_on_time (RelayReceiver *base, RelayFeed *feed, gint64 now_us)
{
}

static void
on_event (RelayHub *hub, RelayStream *stream, RelayHubEvent event,
          gpointer data)
{
  Fixture *f = data;

  f->n_idle += event == RELAY_HUB_IDLE;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->certificate = rtc_certificate_new (&error);
  f->worker = rtc_worker_new (0, 0, f->certificate, NULL, &error);
  g_assert_no_error (error);
  f->hub = relay_hub_new (&f->worker, 1, 0, NULL);
  relay_hub_add_listener (f->hub, on_event, f);
  f->receiver.base.on_packets = receiver_on_packets;
  f->receiver.base.on_tick = f->receiver.base.on_pace = receiver_on_time;
  f->dir = g_dir_make_tmp ("media-input-XXXXXX", &error);
  g_assert_no_error (error);
}

typedef struct
{
  Fixture *f;
  gint done;
} Call;

static void
receiver_join (gpointer data)
{
  Call *call = data;
  Fixture *f = call->f;
  RelayFeed *feed = relay_stream_get_feed (f->stream, f->worker);

  /* what came before us */
  receiver_on_packets (&f->receiver.base, feed, relay_feed_get_tail (feed),
                       relay_feed_get_head (feed));
  relay_feed_add_receiver (feed, &f->receiver.base);
  g_atomic_int_set (&call->done, 1);
}

static void
receiver_look (gpointer data)
{
  Call *call = data;

  g_atomic_int_set (&call->done, 1);
}

static void
receiver_leave (gpointer data)
{
  Call *call = data;
  Fixture *f = call->f;

  relay_feed_remove_receiver (relay_stream_get_feed (f->stream, f->worker),
                              &f->receiver.base);
  g_atomic_int_set (&call->done, 1);
}

static void
call_on_worker (Fixture *f, BaseMailFunc func)
{
  Call call = { f, 0 };

  rtc_worker_post (f->worker, func, &call, NULL);
  WAIT_FOR (g_atomic_int_get (&call.done));
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  const char *name;
  GDir *dir;

  if (f->stream)
    call_on_worker (f, receiver_leave);
  if (f->input)
    whip_media_input_free (f->input);
  g_clear_pointer (&f->stream, relay_stream_unref);
  rtc_worker_free (f->worker);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  relay_hub_free (f->hub);
  g_assert_true (whip_media_inputs_join (10 * G_USEC_PER_SEC));
  base_mailbox_clear_main ();
  rtc_certificate_unref (f->certificate);
  g_clear_error (&f->error);
  dir = g_dir_open (f->dir, 0, NULL);
  while ((name = g_dir_read_name (dir)))
    {
      g_autofree char *path = g_build_filename (f->dir, name, NULL);

      g_unlink (path);
    }
  g_dir_close (dir);
  g_rmdir (f->dir);
  g_free (f->dir);
}

/* --- sources ----------------------------------------------------------------
 */

/* make_file: @pipeline: ends with "! filesink name=file". (transfer full) */
static char *
make_file (Fixture *f, const char *name, const char *pipeline)
{
  g_autoptr (GError) error = NULL;
  char *path = g_build_filename (f->dir, name, NULL);
  GstElement *bin = gst_parse_launch (pipeline, &error);
  GstElement *file;
  GstMessage *message;
  GstBus *bus;

  g_assert_no_error (error);
  file = gst_bin_get_by_name (GST_BIN (bin), "file");
  g_object_set (file, "location", path, NULL);
  gst_object_unref (file);
  bus = gst_element_get_bus (bin);
  gst_element_set_state (bin, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
                                        GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_cmpstr (GST_MESSAGE_TYPE_NAME (message), ==, "eos");
  gst_message_unref (message);
  gst_object_unref (bus);
  gst_element_set_state (bin, GST_STATE_NULL);
  gst_object_unref (bin);
  return path;
}

#define RAW_VIDEO                                                              \
  "videotestsrc num-buffers=15 ! "                                             \
  "video/x-raw,width=64,height=48,framerate=30/1 ! "
#define RAW_AUDIO "audiotestsrc num-buffers=25 samplesperbuffer=960 ! "
#define WEBM                                                                   \
  RAW_VIDEO "vp8enc keyframe-max-dist=100 deadline=1 ! webmmux name=mux ! "    \
            "filesink name=file " RAW_AUDIO                                    \
            "audio/x-raw,rate=48000,channels=2 ! opusenc ! mux."

static void
on_opened (WhipMediaInput *input, const RelayStreamInfo *info,
           const GError *error, gpointer data)
{
  Fixture *f = data;

  g_assert_true (input == f->input);
  g_assert_true ((info == NULL) == (error != NULL));
  f->n_opened++;
  if (info)
    f->info = *info;
  f->error = error ? g_error_copy (error) : NULL;
}

static void
open_input (Fixture *f, WhipMediaKind kind, const char *source)
{
  WhipMediaInputConfig config = {
    .name = "film", .kind = kind, .source = source, .wants = { TRUE, TRUE }
  };
  g_autoptr (GError) error = NULL;

  f->input = whip_media_input_new (f->hub, &config, on_opened, f, &error);
  g_assert_no_error (error);
  WAIT_FOR (f->n_opened == 1);
  if (!f->error)
    {
      f->stream = relay_stream_ref (relay_hub_lookup (f->hub, "film"));
      call_on_worker (f, receiver_join);
    }
}

static void
assert_refused (Fixture *f, const char *source, WhipMediaInputError code,
                const char *text)
{
  open_input (f, WHIP_MEDIA_FILE_ONCE, source);
  g_assert_error (f->error, WHIP_MEDIA_INPUT_ERROR, (int)code);
  if (!strstr (f->error->message, text))
    g_error ("\"%s\" lacks \"%s\"", f->error->message, text);
}

static gboolean
has_ended (Fixture *f)
{
  g_autoptr (JsonNode) node = whip_media_input_describe (f->input);

  return g_str_equal (
      json_object_get_string_member (json_node_get_object (node), "state"),
      "ended");
}

/* the file is over, and 5 s later */
static void
wait_idle (Fixture *f)
{
  WAIT_FOR (has_ended (f));
  call_on_worker (f, receiver_look); /* what is on its way has come */
  rtc_worker_advance_clock (f->worker, WHIP_FEEDER_IDLE_US);
  WAIT_FOR (f->n_idle == 1);
}

/* --- tests -------------------------------------------------------------- */

static void
test_once (Fixture *f, gconstpointer data)
{
  g_autofree char *path = make_file (f, "film.webm", WEBM);
  gint64 age_us;

  open_input (f, WHIP_MEDIA_FILE_ONCE, path);
  g_assert_no_error (f->error);
  g_assert_cmpint (f->info.tracks[RTC_MEDIA_VIDEO].codec, ==, RTC_CODEC_VP8);
  g_assert_cmpint (f->info.tracks[RTC_MEDIA_AUDIO].codec, ==, RTC_CODEC_OPUS);
  WAIT_FOR (g_atomic_int_get (&f->receiver.n_frames) == FRAMES);
  wait_idle (f);
  g_assert_cmpint (f->receiver.n_frames, ==, FRAMES);
  g_assert_cmpint (f->receiver.n_sounds, >=, 25);
  g_assert_cmpint (f->receiver.n_gaps, ==, 0);
  g_assert_cmpint (f->receiver.n_odd_steps, ==, 0);
  g_assert_cmpint (f->receiver.has_clock, ==, 1);
  g_assert_true (relay_hub_lookup (f->hub, "film") == f->stream);
  g_assert_true (whip_media_input_get_age (f->input, RTC_MEDIA_VIDEO,
                                           G_MAXINT64 / 2, &age_us));
}

/* The loop has no seam: numbers and timestamps go on. */
static void
test_loop (Fixture *f, gconstpointer data)
{
  g_autofree char *path = make_file (f, "film.webm", WEBM);
  gint64 start_us, took_us;

  open_input (f, WHIP_MEDIA_FILE_LOOP, path);
  g_assert_no_error (f->error);
  WAIT_FOR (g_atomic_int_get (&f->receiver.n_frames) > 0);
  start_us = g_get_monotonic_time ();
  WAIT_FOR (g_atomic_int_get (&f->receiver.n_frames) >= 5 * FRAMES);
  took_us = g_get_monotonic_time () - start_us;
  g_assert_cmpint (g_atomic_int_get (&f->receiver.n_keyframes), >=, 5);
  g_assert_cmpint (f->receiver.n_gaps, ==, 0);
  g_assert_cmpint (f->receiver.n_odd_steps, ==, 0);
  g_assert_cmpint (f->n_idle, ==, 0);
  /* 4.9 files of half a second; what the seams cost is caught up with */
  g_assert_cmpint (took_us, >, G_USEC_PER_SEC);
}

static void
test_disabled (Fixture *f, gconstpointer data)
{
  g_autofree char *path = make_file (f, "film.webm", WEBM);
  gint n_frames;

  open_input (f, WHIP_MEDIA_FILE_LOOP, path);
  WAIT_FOR (g_atomic_int_get (&f->receiver.n_frames) > 0);
  whip_media_input_set_enabled (f->input, FALSE);
  rtc_worker_advance_clock (f->worker, WHIP_FEEDER_IDLE_US);
  WAIT_FOR (f->n_idle == 1);
  n_frames = g_atomic_int_get (&f->receiver.n_frames);
  whip_media_input_set_enabled (f->input, TRUE);
  WAIT_FOR (g_atomic_int_get (&f->receiver.n_frames) > n_frames);
}

/* --- what is wrong with files --- */

static void
test_no_file (Fixture *f, gconstpointer data)
{
  assert_refused (f, "/nowhere/film.webm", WHIP_MEDIA_INPUT_ERROR_OPEN,
                  "No such file");
}

static void
test_fifo (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->dir, "fifo", NULL);

  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
  assert_refused (f, path, WHIP_MEDIA_INPUT_ERROR_OPEN, "no regular file");
}

static void
test_empty (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->dir, "empty", NULL);

  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  assert_refused (f, path, WHIP_MEDIA_INPUT_ERROR_CODEC, "");
}

static void
test_junk (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->dir, "junk", NULL);
  g_autofree char *bytes = g_malloc (100000);

  for (guint i = 0; i < 100000; i++)
    bytes[i] = (char)(i * i >> 3);
  g_assert_true (g_file_set_contents (path, bytes, 100000, NULL));
  assert_refused (f, path, WHIP_MEDIA_INPUT_ERROR_CODEC, "");
}

/* cut in the middle: what is there is played */
static void
test_cut (Fixture *f, gconstpointer data)
{
  g_autofree char *path = make_file (f, "film.webm", WEBM);
  struct stat st;

  g_assert_cmpint (stat (path, &st), ==, 0);
  g_assert_cmpint (truncate (path, st.st_size / 2), ==, 0);
  open_input (f, WHIP_MEDIA_FILE_ONCE, path);
  g_assert_no_error (f->error);
  wait_idle (f);
  g_assert_cmpint (g_atomic_int_get (&f->receiver.n_frames), <, FRAMES);
  g_assert_cmpint (g_atomic_int_get (&f->receiver.n_frames), >, 0);
}

static void
test_codec (Fixture *f, gconstpointer data)
{
  g_autofree char *path =
      make_file (f, "film.mkv",
                 RAW_VIDEO "vp8enc deadline=1 ! matroskamux name=mux ! "
                           "filesink name=file " RAW_AUDIO
                           "audioconvert ! avenc_aac ! mux.");

  assert_refused (f, path, WHIP_MEDIA_INPUT_ERROR_CODEC, "audio/mpeg");
}

/* --- cameras that are none ---------------------------------------------- */

static void
test_scheme (Fixture *f, gconstpointer data)
{
  open_input (f, WHIP_MEDIA_RTSP, "http://127.0.0.1:1/");
  g_assert_error (f->error, WHIP_MEDIA_INPUT_ERROR,
                  WHIP_MEDIA_INPUT_ERROR_OPEN);
  g_assert_nonnull (strstr (f->error->message, "rtsp://"));
}

static void
test_nobody (Fixture *f, gconstpointer data)
{
  open_input (f, WHIP_MEDIA_RTSP, "rtsp://127.0.0.1:1/");
  g_assert_error (f->error, WHIP_MEDIA_INPUT_ERROR,
                  WHIP_MEDIA_INPUT_ERROR_OPEN);
}

/* takes the connection and says nothing: 10 s */
static void
test_mute (Fixture *f, gconstpointer data)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  guint port = g_socket_listener_add_any_inet_port (listener, NULL, NULL);
  g_autofree char *url = g_strdup_printf ("rtsp://127.0.0.1:%u/cam", port);

  open_input (f, WHIP_MEDIA_RTSP, url);
  g_assert_error (f->error, WHIP_MEDIA_INPUT_ERROR,
                  WHIP_MEDIA_INPUT_ERROR_OPEN);
}

/* to be let go while it waits is no matter of seconds */
static void
test_free_early (Fixture *f, gconstpointer data)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  guint port = g_socket_listener_add_any_inet_port (listener, NULL, NULL);
  g_autofree char *url = g_strdup_printf ("rtsp://127.0.0.1:%u/cam", port);
  WhipMediaInputConfig config = { .name = "film",
                                  .kind = WHIP_MEDIA_RTSP,
                                  .source = url,
                                  .wants = { TRUE, TRUE } };
  gint64 start_us = g_get_monotonic_time ();

  for (guint i = 0; i < 10; i++)
    whip_media_input_free (
        whip_media_input_new (f->hub, &config, on_opened, f, NULL));
  g_assert_cmpint (g_get_monotonic_time () - start_us, <, G_USEC_PER_SEC);
  g_assert_true (whip_media_inputs_join (5 * G_USEC_PER_SEC));
  g_assert_cmpint (f->n_opened, ==, 0);
}

static void
test_limit (Fixture *f, gconstpointer data)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  guint port = g_socket_listener_add_any_inet_port (listener, NULL, NULL);
  g_autofree char *url = g_strdup_printf ("rtsp://127.0.0.1:%u/cam", port);
  WhipMediaInput *inputs[WHIP_MEDIA_INPUTS_MAX];
  WhipMediaInputConfig config = { .name = "film",
                                  .kind = WHIP_MEDIA_RTSP,
                                  .source = url,
                                  .wants = { TRUE, TRUE } };
  g_autoptr (GError) error = NULL;
  guint n = 0;

  for (guint i = 0; i < WHIP_MEDIA_INPUTS_MAX; i++)
    {
      inputs[n] = whip_media_input_new (f->hub, &config, on_opened, f, &error);
      n += inputs[n] != NULL;
    }
  g_assert_no_error (error);
  g_assert_null (whip_media_input_new (f->hub, &config, on_opened, f, &error));
  g_assert_error (error, WHIP_MEDIA_INPUT_ERROR, WHIP_MEDIA_INPUT_ERROR_LIMIT);
  while (n > 0)
    whip_media_input_free (inputs[--n]);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*func) (Fixture *, gconstpointer);
  } tests[] = {
    { "/whip/media-input/once", test_once },
    { "/whip/media-input/loop", test_loop },
    { "/whip/media-input/disabled", test_disabled },
    { "/whip/media-input/no-file", test_no_file },
    { "/whip/media-input/fifo", test_fifo },
    { "/whip/media-input/empty", test_empty },
    { "/whip/media-input/junk", test_junk },
    { "/whip/media-input/cut", test_cut },
    { "/whip/media-input/codec", test_codec },
    { "/whip/media-input/scheme", test_scheme },
    { "/whip/media-input/nobody", test_nobody },
    { "/whip/media-input/mute", test_mute },
    { "/whip/media-input/free-early", test_free_early },
    { "/whip/media-input/limit", test_limit },
  };

  g_test_init (&argc, &argv, NULL);
  gst_init (NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].func, tear_down);
  return g_test_run ();
}
