/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/streaming: how a handle comes to watch (PROTOCOLS.md J46-J52): with
 * our offer or the viewer's, again, restarted, refused; with a client that
 * really connects.
 */
#include "tests/unit/streaming-client.h"

static void
test_idle (StreamingFixture *f, gconstpointer data)
{
  streaming_expect_event_error (f, "{'request':'start'}", 455,
                                "Can't start: no mountpoint set");
  streaming_expect_event_error (f, "{'request':'pause'}", 455,
                                "Can't start: no mountpoint set");
  streaming_expect_event_error (f, "{'request':'configure','video':'x'}", 455,
                                "Can't configure: not on a mountpoint");
  streaming_expect_event_error (f, "{'request':'switch','id':'x'}", 455,
                                "Can't switch: not on a mountpoint");
  streaming_expect_status (f, "{'request':'STOP'}", "idle");
  g_assert_cmpstr (
      streaming_ask_with (
          f, "{'request':'start'}", "answer",
          "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
          "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
          "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:" STREAMING_PWD
          "\r\na=fingerprint:sha-256 "
          "7B:B4:66:32:65:D4:AE:C5:F7:89:59:F7:AC:F2:FE:13:25:85:"
          "BC:88:61:84:C3:12:CA:43:4E:16:17:64:D5:AE\r\n"
          "a=setup:active\r\na=mid:0\r\na=rtcp-mux\r\n"
          "a=recvonly\r\na=rtpmap:111 opus/48000/2\r\n"),
      ==, "469 Unexpected ANSWER (did we offer?)");
}

static void
test_watch_errors (StreamingFixture *f, gconstpointer data)
{
  static const char *const booleans[] = { "restart", "offer_audio",
                                          "offer_video", "offer_data" };

  streaming_create (f, 1, "h264", "");
  streaming_create (f, 2, "h264", ",'pin':'pw'");
  streaming_expect_event_error (f, "{'request':'watch'}", 453,
                                "Missing mandatory element (id)");
  streaming_expect_event_error (
      f, "{'request':'watch','id':'abc'}", 454,
      "Invalid element type (id should be a positive integer)");
  streaming_expect_event_error (f, "{'request':'watch','id':77}", 455,
                                "No such mountpoint/stream 77");
  streaming_expect_event_error (f, "{'request':'watch','id':2}", 453,
                                "Missing mandatory element (pin)");
  streaming_expect_event_error (
      f, "{'request':'watch','id':2,'pin':5}", 454,
      "Invalid element type (pin should be a string)");
  streaming_expect_event_error (f, "{'request':'watch','id':2,'pin':'x'}", 457,
                                "Unauthorized (wrong pin)");
  streaming_expect_event_error (
      f, "{'request':'watch','id':'x','media':5}", 454,
      "Invalid element type (media should be an array)");
  streaming_expect_event_error (
      f, "{'request':'watch','id':2,'media':['v',5]}", 454,
      "The media array must only contain strings (mid values)");
  streaming_expect_event_error (
      f, "{'request':'watch','id':1,'offer_audio':false,'offer_video':false}",
      452,
      "Can't offer an SDP with no audio, video or data for this mountpoint");
  /* Debian's janus never answers this one */
  streaming_expect_event_error (
      f, "{'request':'watch','id':1,'media':['zz']}", 452,
      "Can't offer an SDP with no audio, video or data for this mountpoint");
  streaming_expect_event_error (f, "{'request':'watch','id':1,'restart':true}",
                                460,
                                "Can't restart: not watching mountpoint 1");
  for (guint i = 0; i < G_N_ELEMENTS (booleans); i++)
    {
      g_autofree char *body =
          g_strdup_printf ("{'request':'watch','id':1,'%s':'x'}", booleans[i]);
      g_autofree char *event = g_strdup_printf (
          "t: {'streaming':'event','error_code':454,'error':'Invalid element "
          "type (%s should be a boolean)'}",
          booleans[i]);

      streaming_expect_event (f, body, event);
    }
  g_assert_cmpuint (streaming_get_n_viewers (f, 1), ==, 0);
  g_assert_cmpuint (egress_gate_get_n_viewers (f->gate, NULL), ==, 0);
}

static void
test_media_bound (StreamingFixture *f, gconstpointer data)
{
  GString *body = g_string_new ("{'request':'watch','id':1,'media':['v'");

  streaming_create (f, 1, "h264", "");
  for (guint i = 1; i < 16; i++)
    g_string_append (body, ",'v'");
  g_string_append (body, "]}");
  streaming_expect_event (f, body->str, STREAMING_PREPARING);
  streaming_attach (f);
  g_string_truncate (body, body->len - strlen ("]}"));
  g_string_append (body, ",'v']}");
  streaming_expect_event_error (
      f, body->str, 454,
      "Invalid value (media can't have more than 16 entries)");
  g_string_free (body, TRUE);
}

static void
test_offers (StreamingFixture *f, gconstpointer data)
{
  static const struct
  {
    const char *more;
    gboolean audio, video;
  } cases[] = {
    { "", TRUE, TRUE },
    { ",'media':[]", TRUE, TRUE },
    { ",'media':['v']", FALSE, TRUE },
    { ",'media':['V','zz']", FALSE, TRUE },
    { ",'media':['v','a']", TRUE, TRUE },
    { ",'offer_video':false", TRUE, FALSE },
    { ",'offer_audio':false,'media':['v','a']", FALSE, TRUE },
  };

  streaming_create (f, 1, "h264", "");
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *body =
          g_strdup_printf ("{'request':'watch','id':1%s}", cases[i].more);

      streaming_attach (f);
      streaming_expect_event (f, body, STREAMING_PREPARING);
      g_assert_cmpuint (streaming_count (f->sdp, "m=audio"), ==,
                        cases[i].audio);
      g_assert_cmpuint (streaming_count (f->sdp, "m=video"), ==,
                        cases[i].video);
      g_assert_cmpuint (streaming_count (f->sdp, "a=mid:a\r\n"), ==,
                        cases[i].audio);
      g_assert_cmpuint (streaming_count (f->sdp, "a=mid:v\r\n"), ==,
                        cases[i].video);
      g_assert_nonnull (strstr (f->sdp, "s=Mountpoint 1\r\n"));
      g_assert_nonnull (strstr (f->sdp, "a=sendonly\r\n"));
    }
  streaming_create (f, 2, "vp8", ",'e2ee':true");
  streaming_attach (f);
  streaming_expect_event (f, "{'request':'watch','id':2}",
                          STREAMING_PREPARING " e2ee");
  g_assert_cmpuint (streaming_get_n_viewers (f, 1), ==, G_N_ELEMENTS (cases));
}

/* a stream of the tree, and a mountpoint that nothing has come for yet */
static void
test_play (StreamingFixture *f, gconstpointer data)
{
  g_autoptr (RtcClient) client = NULL;
  g_autoptr (RtcClient) other = NULL;

  streaming_publish (f, "51", RTC_CODEC_OPUS, RTC_CODEC_VP8);
  client = streaming_play (f, 51);
  streaming_expect_status (f, "{'request':'start'}", "started");
  streaming_create (f, 1, "h264", "");
  streaming_expect_event_error (f, "{'request':'watch','id':1}", 460,
                                "Already watching mountpoint 51");
  streaming_attach (f);
  other = streaming_play (f, 1);
  g_assert_cmpuint (streaming_get_n_viewers (f, 1), ==, 1);
  g_assert_cmpuint (streaming_get_n_viewers (f, 51), ==, 1);
  g_assert_cmpuint (egress_gate_get_n_viewers (f->gate, NULL), ==, 2);
}

static void
test_watch_twice (StreamingFixture *f, gconstpointer data)
{
  streaming_create (f, 1, "h264", "");
  streaming_create (f, 2, "h264", "");
  streaming_watch (f, 1);
  streaming_expect_event_error (f, "{'request':'watch','id':1}", 460,
                                "Already watching mountpoint 1");
  streaming_expect_event_error (f, "{'request':'watch','id':2}", 460,
                                "Already watching mountpoint 1");
  streaming_expect_event_error (f, "{'request':'watch','id':77}", 455,
                                "No such mountpoint/stream 77");
  streaming_expect_status (f, "{'request':'start'}", "starting");
  streaming_expect_status (f, "{'request':'pause'}", "pausing");
  /* Debian's janus says nothing here, and keeps the viewer */
  streaming_expect_status (f, "{'request':'stop'}", "stopping");
  g_assert_cmpstr (streaming_event (f), ==, "hangup Close PC");
  streaming_watch (f, 2);
}

static void
test_restart (StreamingFixture *f, gconstpointer data)
{
  g_autoptr (RtcClient) client = NULL;
  g_autofree char *answer = NULL;
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;

  streaming_create (f, 1, "h264", "");
  client = streaming_play (f, 1);
  before = streaming_dup_attribute (f->sdp, "ice-ufrag");
  streaming_expect_event (
      f, "{'request':'watch','id':1,'restart':true}",
      "t: " STREAMING_STATUS ("updating") " +offer restart");
  after = streaming_dup_attribute (f->sdp, "ice-ufrag");
  g_assert_cmpstr (before, !=, after);
  g_assert_nonnull (strstr (f->sdp, " 2 IN IP4"));
  /* again before it is answered, and once more without `restart` */
  streaming_expect_event (
      f, "{'request':'watch','id':1,'restart':true}",
      "t: " STREAMING_STATUS ("updating") " +offer restart");
  streaming_expect_event (f, "{'request':'watch','id':1}", STREAMING_PREPARING);
  answer = streaming_make_answer (f->sdp);
  g_assert_cmpstr (
      streaming_ask_with (f, "{'request':'start'}", "answer", answer), ==,
      "ack");
  g_assert_cmpstr (streaming_event (f), ==, "t: " STREAMING_STATUS ("started"));
  {
    g_autofree char *ufrag = streaming_dup_attribute (f->sdp, "ice-ufrag");
    g_autofree char *pwd = streaming_dup_attribute (f->sdp, "ice-pwd");

    rtc_client_set_credentials (client, "abcd", STREAMING_PWD, ufrag, pwd);
    g_assert_true (rtc_client_check (client, TRUE, STREAMING_CONNECT_US));
  }
}

static void
test_answers (StreamingFixture *f, gconstpointer data)
{
  g_autofree char *answer = NULL;
  g_autofree char *wrong = NULL;
  g_auto (GStrv) parts = NULL;

  streaming_create (f, 1, "h264", "");
  streaming_watch (f, 1);
  answer = streaming_make_answer (f->sdp);
  /* a codec that was not offered */
  parts = g_strsplit (answer, "opus/48000", -1);
  wrong = g_strjoinv ("PCMU/8000", parts);
  {
    g_auto (GStrv) more = g_strsplit (wrong, "H264/90000", -1);
    g_autofree char *none = g_strjoinv ("VP8/90000", more);

    g_assert_true (g_str_has_prefix (
        streaming_ask_with (f, "{'request':'start'}", "answer", none), "465 "));
  }
  g_assert_true (g_str_has_prefix (
      streaming_ask_with (f, "{'request':'start'}", "answer",
                          "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\nt=0 0\r\n"
                          "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"),
      "465 "));
  /* the right one is still taken; that it comes twice is nothing */
  for (guint i = 0; i < 2; i++)
    {
      g_assert_cmpstr (
          streaming_ask_with (f, "{'request':'start'}", "answer", answer), ==,
          "ack");
      g_assert_cmpstr (streaming_event (f), ==,
                       "t: " STREAMING_STATUS ("starting"));
    }
}

static char *
make_offer (const char *codec)
{
  return g_strdup_printf (
      "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
      "a=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
      "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:" STREAMING_PWD
      "\r\na=fingerprint:sha-256 %s\r\na=rtcp-mux\r\na=mid:0\r\n"
      "a=setup:actpass\r\na=recvonly\r\na=rtpmap:96 %s/90000\r\n"
      "a=rtcp-fb:96 nack\r\n",
      rtc_client_get_fingerprint (), codec);
}

/* J50: the viewer offers, we answer */
static void
test_his_offer (StreamingFixture *f, gconstpointer data)
{
  g_autofree char *offer = make_offer ("VP8");
  g_autofree char *other = make_offer ("VP9");
  g_autoptr (RtcClient) client = NULL;

  streaming_create (f, 1, "vp8", "");
  g_assert_cmpstr (
      streaming_ask_with (f, "{'request':'watch','id':1}", "offer", other), ==,
      "ack");
  g_assert_true (g_str_has_prefix (
      streaming_event (f), "t: {'streaming':'event','error_code':461,"));
  g_assert_cmpuint (egress_gate_get_n_viewers (f->gate, NULL), ==, 0);
  g_assert_cmpstr (
      streaming_ask_with (f, "{'request':'watch','id':1}", "offer", offer), ==,
      "ack");
  g_assert_cmpstr (streaming_event (f), ==,
                   "t: " STREAMING_STATUS ("starting") " +answer");
  client = streaming_connect_to (f->sdp);
  g_assert_cmpstr (streaming_event (f), ==, STREAMING_STATUS ("started"));
  g_assert_cmpstr (streaming_event (f), ==, "webrtcup");
  /* with anything else it is refused by name */
  g_assert_cmpstr (
      streaming_ask_with (f, "{'request':'start'}", "offer", offer), ==, "ack");
  g_assert_cmpstr (streaming_event (f), ==,
                   "t: {'streaming':'event','error_code':461,'error':'An offer "
                   "can come with watch only, not with start'}");
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *path;
    const StreamingOptions *options;
    void (*run) (StreamingFixture *f, gconstpointer data);
  } tests[] = {
    { "/streaming-viewer/idle", NULL, test_idle },
    { "/streaming-viewer/watch-errors", NULL, test_watch_errors },
    { "/streaming-viewer/media-bound", NULL, test_media_bound },
    { "/streaming-viewer/offers", NULL, test_offers },
    { "/streaming-viewer/play", NULL, test_play },
    { "/streaming-viewer/watch-twice", NULL, test_watch_twice },
    { "/streaming-viewer/restart", NULL, test_restart },
    { "/streaming-viewer/answers", NULL, test_answers },
    { "/streaming-viewer/his-offer", NULL, test_his_offer },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, StreamingFixture, tests[i].options,
                streaming_set_up, tests[i].run, streaming_tear_down);
  return g_test_run ();
}
