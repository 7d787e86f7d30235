/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/streaming with packets: what `pause`, `start`, `configure` and
 * `switch` (PROTOCOLS.md J52-J55) do to what a connected viewer gets. Each
 * frame is a keyframe of one packet that carries a number of its own.
 */
#include "base/clock.h"
#include "tests/unit/streaming-client.h"

typedef struct
{
  RelayPublication *publication; /* borrowed */
  guint8 number;
} Frame;

static void
push_frame (gpointer data)
{
  g_autofree Frame *frame = data;
  gint64 now_us = base_clock_now_us ();
  /* VP8: start of a partition; a keyframe */
  const guint8 payload[] = { 0x10, 0x00, 0, 0, 0, frame->number };

  relay_publication_push (frame->publication, RTC_MEDIA_VIDEO, frame->number,
                          frame->number * 3000u, TRUE, NULL, 0, payload,
                          sizeof payload, FALSE, now_us);
}

static void
push (StreamingFixture *f, const char *name, guint8 number)
{
  StreamingSource *source = g_hash_table_lookup (f->sources, name);
  Frame *frame = g_new0 (Frame, 1);

  frame->publication = source->publication;
  frame->number = number;
  rtc_worker_post (f->worker, push_frame, frame, g_free);
}

typedef struct
{
  guint16 seq;
  guint32 rtp_ts, ssrc;
  guint8 number;
} Got;

/* the next frame that the client gets */
static Got
receive (RtcClient *client)
{
  guint8 packet[RTC_MAX_PACKET_BYTES];
  gsize n_bytes = 0;
  RtcClientEvent event;
  Got got;

  do
    event = rtc_client_receive (client, packet, sizeof packet, &n_bytes,
                                STREAMING_CONNECT_US);
  while (event == RTC_CLIENT_RTCP);
  g_assert_cmpint (event, ==, RTC_CLIENT_RTP);
  got.seq = (guint16)(packet[2] << 8 | packet[3]);
  got.rtp_ts = (guint32)packet[4] << 24 | (guint32)packet[5] << 16
               | (guint32)packet[6] << 8 | packet[7];
  got.ssrc = (guint32)packet[8] << 24 | (guint32)packet[9] << 16
             | (guint32)packet[10] << 8 | packet[11];
  got.number = packet[n_bytes - 1];
  return got;
}

/* It is @number, and to the viewer nothing has happened in between. */
static void
expect_next (RtcClient *client, Got *last, guint8 number)
{
  Got got = receive (client);

  g_assert_cmpuint (got.number, ==, number);
  g_assert_cmpuint (got.ssrc, ==, last->ssrc);
  g_assert_cmpuint (got.seq, ==, (guint16)(last->seq + 1));
  g_assert_cmpint ((gint32)(got.rtp_ts - last->rtp_ts), >, 0);
  *last = got;
}

/* a viewer who has frame 1 of mountpoint 1 */
static RtcClient *
play (StreamingFixture *f, Got *ret_last)
{
  RtcClient *client;

  streaming_create (f, 1, "vp8", "");
  streaming_create (f, 2, "vp8", "");
  streaming_go_live (f, "1");
  streaming_go_live (f, "2");
  client = streaming_play (f, 1);
  push (f, "1", 1);
  *ret_last = receive (client);
  g_assert_cmpuint (ret_last->number, ==, 1);
  return client;
}

static void
test_pause (StreamingFixture *f, gconstpointer data)
{
  Got last;
  g_autoptr (RtcClient) client = play (f, &last);

  streaming_expect_status (f, "{'request':'pause'}", "pausing");
  streaming_expect_status (f, "{'request':'pause'}", "pausing");
  push (f, "1", 2);
  push (f, "1", 3);
  streaming_expect_status (f, "{'request':'start'}", "started");
  expect_next (client, &last, 3); /* the newest there is */
  push (f, "1", 4);
  expect_next (client, &last, 4);
}

static void
test_paused_from_the_start (StreamingFixture *f, gconstpointer data)
{
  g_autoptr (RtcClient) client = NULL;
  g_autofree char *answer = NULL;

  streaming_create (f, 1, "vp8", "");
  streaming_go_live (f, "1");
  streaming_watch (f, 1);
  streaming_expect_status (f, "{'request':'pause'}", "pausing");
  answer = streaming_make_answer (f->sdp);
  /* Janus's `start` ends a pause, whatever it brings along */
  g_assert_cmpstr (
      streaming_ask_with (f, "{'request':'start'}", "answer", answer), ==,
      "ack");
  g_assert_cmpstr (streaming_event (f), ==,
                   "t: " STREAMING_STATUS ("starting"));
  client = streaming_connect_to (f->sdp);
  g_assert_cmpstr (streaming_event (f), ==, STREAMING_STATUS ("started"));
  push (f, "1", 9);
  g_assert_cmpuint (receive (client).number, ==, 9);
}

static void
test_configure (StreamingFixture *f, gconstpointer data)
{
  static const char *const off[] = {
    "{'request':'configure','video':false}",
    "{'request':'configure','mid':'v','send':false}",
    "{'request':'configure','streams':[{'mid':'a'},{'mid':'v',"
    "'send':false}]}"
  };
  Got last;
  g_autoptr (RtcClient) client = play (f, &last);
  guint8 number = 1;

  for (guint i = 0; i < G_N_ELEMENTS (off); i++)
    {
      streaming_expect_event (
          f, off[i],
          "t: {'streaming':'event','result':{'event':'configured'}}");
      push (f, "1", ++number);
      push (f, "1", ++number);
      streaming_expect_event (
          f, "{'request':'configure','send':true}",
          "t: {'streaming':'event','result':{'event':'configured'}}");
      expect_next (client, &last, number);
    }
}

static void
test_switch (StreamingFixture *f, gconstpointer data)
{
  Got last;
  g_autoptr (RtcClient) client = play (f, &last);

  push (f, "2", 101);
  push (f, "2", 102);
  streaming_expect_event (
      f, "{'request':'switch','id':2}",
      "t: {'streaming':'event','result':{'switched':'ok','id':2}}");
  expect_next (client, &last, 102);
  push (f, "1", 2); /* is not his any more */
  push (f, "2", 103);
  expect_next (client, &last, 103);
  push (f, "1", 3);
  /* a pause ends with a switch */
  streaming_expect_status (f, "{'request':'pause'}", "pausing");
  streaming_expect_event (
      f, "{'request':'switch','id':1}",
      "t: {'streaming':'event','result':{'switched':'ok','id':1}}");
  expect_next (client, &last, 3);
}

/* the source is disabled and enabled: the viewer stays */
static void
test_destroy_other (StreamingFixture *f, gconstpointer data)
{
  Got last;
  g_autoptr (RtcClient) client = play (f, &last);

  streaming_expect (f, "{'request':'destroy','id':2}",
                    "{'streaming':'destroyed','destroyed':2}");
  push (f, "1", 2);
  expect_next (client, &last, 2);
  streaming_expect (f, "{'request':'disable','id':1}", "{'streaming':'ok'}");
  streaming_expect (f, "{'request':'enable','id':1}", "{'streaming':'ok'}");
  push (f, "1", 3);
  expect_next (client, &last, 3);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    void (*run) (StreamingFixture *f, gconstpointer data);
  } tests[] = {
    { "/streaming-media/pause", test_pause },
    { "/streaming-media/paused-from-the-start", test_paused_from_the_start },
    { "/streaming-media/configure", test_configure },
    { "/streaming-media/switch", test_switch },
    { "/streaming-media/destroy-other", test_destroy_other },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, StreamingFixture, NULL, streaming_set_up,
                tests[i].run, streaming_tear_down);
  return g_test_run ();
}
