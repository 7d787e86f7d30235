/* SPDX-License-Identifier: Apache-2.0 */
/* RelayStream, RelayFeed and RelayHub on two real workers: what is pushed at
 * home arrives at receivers of both, once, in order and byte for byte. */
#include "base/clock.h"
#include "relay/feed.h"
#include "relay/hub.h"
#include "rtc/dtls.h"
#include "wait.h"

#include <string.h>

#define N_WORKERS 2

typedef struct
{
  RelayReceiver base;
  RelayStream *stream; /* one reference */
  RtcWorker *worker;
  GByteArray *got; /* media; payload bytes in order */
  gint n_packets;  /* atomic */
} Receiver;

typedef struct
{
  RtcCertificate *certificate;
  RtcWorker *workers[N_WORKERS];
  RelayHub *hub;
  gint n_events[RELAY_HUB_REMOVED + 1];
  gint n_replaced, n_keyframes_wanted; /* atomic */
} Fixture;

static void
on_event (RelayHub *hub, RelayStream *stream, RelayHubEvent event,
          gpointer data)
{
  ((Fixture *)data)->n_events[event]++;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  memset (f, 0, sizeof *f);
  f->certificate = rtc_certificate_new (&error);
  g_assert_no_error (error);
  for (guint i = 0; i < N_WORKERS; i++)
    {
      f->workers[i] = rtc_worker_new (i, 0, f->certificate, NULL, &error);
      g_assert_no_error (error);
    }
  f->hub = relay_hub_new (f->workers, N_WORKERS, 0, NULL);
  relay_hub_add_listener (f->hub, on_event, f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < N_WORKERS; i++)
    rtc_worker_stop (f->workers[i]);
  for (guint i = 0; i < N_WORKERS; i++)
    rtc_worker_free (f->workers[i]);
  relay_hub_free (f->hub);
  rtc_certificate_unref (f->certificate);
}

/* --- calls on a worker, waited for ------------------------------------- */

typedef struct
{
  BaseMailFunc func;
  gpointer data;
  gint done;
} Call;

static void
call_run (gpointer data)
{
  Call *call = data;

  call->func (call->data);
  g_atomic_int_set (&call->done, 1);
}

static void
call_on (RtcWorker *worker, BaseMailFunc func, gpointer data)
{
  Call call = { func, data, 0 };

  rtc_worker_post (worker, call_run, &call, NULL);
  WAIT_FOR (g_atomic_int_get (&call.done));
}

static void
receiver_on_packets (RelayReceiver *base, RelayFeed *feed, guint64 from,
                     guint64 to)
{
  Receiver *self = (Receiver *)base;

  for (guint64 pos = from; pos < to; pos++)
    {
      const RelayPacket *packet = relay_feed_at (feed, pos);

      g_byte_array_append (self->got, packet->payload, packet->payload_len);
    }
  g_atomic_int_add (&self->n_packets, (int)(to - from));
}

static void
receiver_on_time (RelayReceiver *base, RelayFeed *feed, gint64 now_us)
{
}

static void
receiver_join (gpointer data)
{
  Receiver *self = data;

  g_assert_true (relay_feed_add_receiver (
      relay_stream_get_feed (self->stream, self->worker), &self->base));
}

static void
receiver_leave (gpointer data)
{
  Receiver *self = data;

  relay_feed_remove_receiver (
      relay_stream_get_feed (self->stream, self->worker), &self->base);
}

static void
receiver_init (Receiver *self, RelayStream *stream, RtcWorker *worker)
{
  memset (self, 0, sizeof *self);
  self->base.on_packets = receiver_on_packets;
  self->base.on_tick = self->base.on_pace = receiver_on_time;
  self->stream = relay_stream_ref (stream);
  self->worker = worker;
  self->got = g_byte_array_new ();
  call_on (worker, receiver_join, self);
}

static void
receiver_clear (Receiver *self)
{
  call_on (self->worker, receiver_leave, self);
  g_byte_array_unref (self->got);
  relay_stream_unref (self->stream);
}

/* --- a VP8 publisher: payload descriptor, then key or delta frame -------- */

typedef struct
{
  RelayPublication *publication;
  guint16 seq;
  gboolean is_key;
  guint n;
} Push;

static void
push_run (gpointer data)
{
  Push *push = data;
  guint8 payload[200] = { 0x10, push->is_key ? 0x00 : 0x01 };

  for (guint i = 0; i < push->n; i++)
    {
      payload[10] = (guint8)push->seq;
      payload[11] = (guint8)(push->seq >> 8);
      relay_publication_push (push->publication, RTC_MEDIA_VIDEO, push->seq,
                              push->seq * 3000u, TRUE, NULL, 0, payload,
                              sizeof payload, FALSE, base_clock_now_us ());
      push->seq++;
      push->is_key = FALSE;
      payload[1] = 0x01;
    }
}

static void
push (Fixture *f, RelayStream *stream, RelayPublication *publication,
      guint16 seq, gboolean is_key, guint n)
{
  Push job = { publication, seq, is_key, n };

  call_on (relay_stream_get_home (stream), push_run, &job);
}

static void
on_keyframe_wanted (gpointer data)
{
  g_atomic_int_inc (&((Fixture *)data)->n_keyframes_wanted);
}

static void
on_replaced (gpointer data)
{
  ((Fixture *)data)->n_replaced++;
}

static RelayPublication *
publish (Fixture *f, RelayStream *stream, RtcCodec codec)
{
  static const RelayPublicationCallbacks callbacks = { on_keyframe_wanted,
                                                       on_replaced };
  RelayStreamInfo info = { 0 };
  RelayPublication *publication;

  info.tracks[RTC_MEDIA_VIDEO].is_present = TRUE;
  info.tracks[RTC_MEDIA_VIDEO].codec = codec;
  publication =
      relay_stream_add_publication (stream, &info, &callbacks, f, NULL);
  call_on (relay_stream_get_home (stream),
           (BaseMailFunc)relay_publication_begin, publication);
  return publication;
}

static void
unpublish (RelayStream *stream, RelayPublication *publication)
{
  call_on (relay_stream_get_home (stream), (BaseMailFunc)relay_publication_end,
           publication);
  relay_publication_unref (publication);
}

static void
test_fan_out (Fixture *f, gconstpointer data)
{
  RelayStream *stream = relay_hub_ensure (f->hub, "a", NULL);
  RelayPublication *publication = publish (f, stream, RTC_CODEC_VP8);
  Receiver here, there;

  /* what comes before a keyframe is held back, and one is asked for */
  push (f, stream, publication, 65500, FALSE, 5);
  g_assert_cmpint (g_atomic_int_get (&f->n_keyframes_wanted), ==, 1);
  push (f, stream, publication, 65505, TRUE, 20);
  receiver_init (&there, stream, f->workers[1]);
  receiver_init (&here, stream, f->workers[0]);
  /* the other worker's feed fills with the GOP by itself */
  WAIT_FOR (g_atomic_int_get (&there.n_packets) == 20);
  push (f, stream, publication, 65525, FALSE, 100);
  WAIT_FOR (g_atomic_int_get (&there.n_packets) == 120);
  g_assert_cmpint (g_atomic_int_get (&here.n_packets), ==, 100);
  g_assert_cmpmem (here.got->data, here.got->len, there.got->data + 20 * 200,
                   there.got->len - 20 * 200);
  for (guint i = 0; i < 100; i++)
    g_assert_cmpuint (here.got->data[i * 200 + 10], ==, (guint8)(65525 + i));
  /* a duplicate reaches nobody */
  push (f, stream, publication, 65530, FALSE, 1);
  push (f, stream, publication, (guint16)65625, FALSE, 1);
  WAIT_FOR (g_atomic_int_get (&there.n_packets) == 121);
  receiver_clear (&here);
  receiver_clear (&there);
  unpublish (stream, publication);
}

static void
test_rejoin (Fixture *f, gconstpointer data)
{
  RelayStream *stream = relay_hub_ensure (f->hub, "a", NULL);
  RelayPublication *publication = publish (f, stream, RTC_CODEC_VP8);
  Receiver there;

  push (f, stream, publication, 1, TRUE, 10);
  for (guint i = 0; i < 20; i++)
    {
      receiver_init (&there, stream, f->workers[1]);
      WAIT_FOR (g_atomic_int_get (&there.n_packets) == 10);
      receiver_clear (&there);
    }
  unpublish (stream, publication);
}

static void
test_takeover (Fixture *f, gconstpointer data)
{
  RelayStream *stream = relay_hub_ensure (f->hub, "a", NULL);
  RelayPublication *first = publish (f, stream, RTC_CODEC_VP8), *second;
  Receiver there;

  receiver_init (&there, stream, f->workers[1]);
  push (f, stream, first, 1, TRUE, 10);
  WAIT_FOR (g_atomic_int_get (&there.n_packets) == 10);
  second = publish (f, stream, RTC_CODEC_VP8);
  push (f, stream, first, 11, FALSE, 10);
  push (f, stream, second, 40000, FALSE, 10);
  push (f, stream, second, 40010, TRUE, 3);
  WAIT_FOR (g_atomic_int_get (&there.n_packets) == 13 && f->n_replaced == 1);
  g_assert_cmpint (f->n_events[RELAY_HUB_CHANGED], ==, 0);
  unpublish (stream, first);
  WAIT_FOR (f->n_events[RELAY_HUB_LIVE] == 2);
  g_assert_cmpint (f->n_events[RELAY_HUB_IDLE], ==, 0);
  g_assert_true (relay_stream_is_live (stream));
  unpublish (stream, second);
  receiver_clear (&there);
  WAIT_FOR (f->n_events[RELAY_HUB_REMOVED] == 1);
  g_assert_null (relay_hub_lookup (f->hub, "a"));
}

static void
test_codec_change (Fixture *f, gconstpointer data)
{
  RelayStream *stream = relay_hub_ensure (f->hub, "a", NULL);
  RelayPublication *first = publish (f, stream, RTC_CODEC_VP8), *second;
  Receiver there;

  push (f, stream, first, 1, TRUE, 10);
  second = publish (f, stream, RTC_CODEC_VP9);
  WAIT_FOR (f->n_events[RELAY_HUB_CHANGED] == 1);
  receiver_init (&there, stream, f->workers[1]);
  /* a VP9 key frame's first packet: B bit, no inter-picture prediction */
  push (f, stream, second, 500, FALSE, 0);
  g_assert_cmpint (g_atomic_int_get (&there.n_packets), ==, 0);
  receiver_clear (&there);
  unpublish (stream, first);
  unpublish (stream, second);
}

typedef struct
{
  RelayFeed *feed;
  RtcWorker *home, *other;
  char *home_state; /* owned */
} Flood;

static void
flood_run (gpointer data)
{
  Flood *flood = data;

  for (guint i = 0; i < 1000; i++)
    relay_feed_request_keyframe (flood->feed);
}

/* holds home's worker while the other one writes to it */
static void
flood_while_home_waits (gpointer data)
{
  Flood *flood = data;
  Call call = { flood_run, flood, 0 };

  rtc_worker_post (flood->other, call_run, &call, NULL);
  while (!g_atomic_int_get (&call.done))
    g_thread_yield ();
  flood->home_state = rtc_worker_describe (flood->home);
}

/* A packet of RTCP has room for a hundred requests. */
static void
test_keyframe_flood (Fixture *f, gconstpointer data)
{
  RelayStream *stream = relay_hub_ensure (f->hub, "a", NULL);
  RelayPublication *publication = publish (f, stream, RTC_CODEC_VP8);
  Receiver there;
  Flood flood = { 0 };

  receiver_init (&there, stream, f->workers[1]);
  flood.feed = relay_stream_get_feed (stream, f->workers[1]);
  flood.home = f->workers[0];
  flood.other = f->workers[1];
  call_on (f->workers[0], flood_while_home_waits, &flood);
  g_assert_nonnull (strstr (flood.home_state, "\"mail\":1,"));
  g_free (flood.home_state);
  receiver_clear (&there);
  unpublish (stream, publication);
}

static void
receiver_leave_for_good (gpointer data)
{
  Receiver *self = data;

  receiver_leave (self);
  g_byte_array_unref (self->got);
  relay_stream_unref (self->stream);
  g_free (self);
}

/* Workers write to each other until the last has stopped. */
static void
test_end (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < N_WORKERS; i++)
    {
      g_autofree char *name = g_strdup_printf ("s%u", i);
      RelayStream *stream = relay_hub_ensure (f->hub, name, NULL);
      Receiver *there = g_new (Receiver, 1);
      guint home = rtc_worker_get_index (relay_stream_get_home (stream));

      receiver_init (there, stream, f->workers[!home]);
      rtc_worker_post (there->worker, receiver_leave_for_good, there, NULL);
    }
}

static void
test_limit (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < RELAY_HUB_MAX_STREAMS; i++)
    {
      g_autofree char *name = g_strdup_printf ("s%u", i);

      g_assert_nonnull (relay_hub_ensure (f->hub, name, NULL));
    }
  g_assert_null (relay_hub_ensure (f->hub, "one-more", &error));
  g_assert_error (error, RELAY_ERROR, RELAY_ERROR_STREAM_LIMIT);
  g_assert_nonnull (relay_hub_ensure (f->hub, "s5", NULL));
  /* streams that nobody publishes are dropped */
  WAIT_FOR (relay_hub_lookup (f->hub, "s5") == NULL);
}

#define ADD(name, func)                                                        \
  g_test_add (name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/relay/stream/fan-out", test_fan_out);
  ADD ("/relay/stream/rejoin", test_rejoin);
  ADD ("/relay/stream/takeover", test_takeover);
  ADD ("/relay/stream/codec-change", test_codec_change);
  ADD ("/relay/stream/keyframe-flood", test_keyframe_flood);
  ADD ("/relay/stream/end", test_end);
  ADD ("/relay/stream/limit", test_limit);
  return g_test_run ();
}
