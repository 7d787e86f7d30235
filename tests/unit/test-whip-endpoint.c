/* SPDX-License-Identifier: Apache-2.0 */
/* whip/endpoint with a real worker, hub, HTTP server and WebRTC client, all
 * on loopback. */
#include "whip/endpoint.h"

#include <string.h>

#include "tests/peer/rtc-client.h"
#include "tests/unit/loopback.h"

#define WAIT_US (10 * G_USEC_PER_SEC)
#define CLIENT_UFRAG "cliu"
#define CLIENT_PWD "clientpassword1234567890"
#define AUDIO_SSRC 0x1111
#define VIDEO_SSRC 0x2222

typedef struct
{
  Loopback http;
  BaseMetrics *metrics;
  BaseAuth *auth;
  RtcCertificate *certificate;
  RtcAddresses *addresses;
  RtcWorker *worker;
  RelayHub *hub;
  WhipEndpoint *endpoint;
} Fixture;

typedef struct
{
  char *location;
  RtcClient *client;
} Publisher;

static void
on_request (SoupServerMessage *msg, gpointer data)
{
  whip_endpoint_handle (((Fixture *)data)->endpoint, msg,
                        g_uri_get_path (soup_server_message_get_uri (msg)));
}

static gboolean
send_on (const char *stream, SoupServerMessage *msg, gpointer data)
{
  if (!g_str_equal (stream, "c"))
    return FALSE;
  soup_server_message_set_status (msg, 307, NULL);
  return TRUE;
}

static void
set_up (Fixture *f, gconstpointer unused)
{
  const char *const tokens[BASE_AUTH_N_SURFACES] = { NULL };
  WhipConfig config = { .repair = TRUE,
                        .max_publishers = 2,
                        .send_on = send_on };

  f->metrics = base_metrics_new ();
  f->auth = base_auth_new (tokens, NULL, TRUE, NULL);
  f->certificate = rtc_certificate_new (NULL);
  f->addresses = rtc_addresses_new (NULL, NULL);
  f->worker = rtc_worker_new (0, 0, f->certificate, f->metrics, NULL);
  g_assert_nonnull (f->worker);
  f->hub = relay_hub_new (&f->worker, 1, G_USEC_PER_SEC, f->metrics);
  config.hub = f->hub;
  config.auth = f->auth;
  config.metrics = f->metrics;
  config.certificate = f->certificate;
  config.addresses = f->addresses;
  f->endpoint = whip_endpoint_new (&config);
  loopback_set_up (&f->http, NULL);
  f->http.handler = on_request;
  f->http.data = f;
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  loopback_tear_down (&f->http, NULL);
  whip_endpoint_free (f->endpoint);
  rtc_worker_free (f->worker);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  relay_hub_free (f->hub);
  rtc_addresses_free (f->addresses);
  rtc_certificate_unref (f->certificate);
  base_auth_free (f->auth);
  base_metrics_free (f->metrics);
}

static char *
make_offer (void)
{
  return g_strdup_printf (
      "v=0\r\no=rtc 1 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
      "a=group:BUNDLE 0 1\r\n"
      "a=ice-ufrag:" CLIENT_UFRAG "\r\na=ice-pwd:" CLIENT_PWD "\r\n"
      "a=fingerprint:sha-256 %s\r\n"
      "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
      "a=setup:actpass\r\na=sendonly\r\na=ssrc:%u cname:c\r\na=rtcp-mux\r\n"
      "a=rtpmap:111 opus/48000/2\r\n"
      "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\n"
      "a=setup:actpass\r\na=sendonly\r\na=rtcp-mux\r\n"
      "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
      "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n",
      rtc_client_get_fingerprint (), AUDIO_SSRC);
}

static guint
ask (Fixture *f, const char *method, const char *path, const char *type,
     const char *body)
{
  const char *const headers[] = { "Content-Type", type, NULL };

  return loopback_ask (&f->http, method, path, type ? headers : NULL, body, -1);
}

/* publish_offer: POST, then ICE and DTLS */
static Publisher
publish_offer (Fixture *f, const char *path, const char *offer)
{
  g_autoptr (RtcSdp) answer = NULL;
  struct sockaddr_in server = { .sin_family = AF_INET };
  RtcClientParams params = { .local_ufrag = CLIENT_UFRAG,
                             .local_pwd = CLIENT_PWD };
  Publisher p;

  g_assert_cmpuint (ask (f, "POST", path, "application/sdp", offer), ==, 201);
  p.location = g_strdup (loopback_header (&f->http, "Location"));
  answer = rtc_sdp_parse (f->http.text, FALSE, NULL);
  g_assert_nonnull (answer);
  g_assert_cmpuint (answer->candidates->len, >=, 1); /* W30 */
  params.remote_ufrag = answer->ice_ufrag;
  params.remote_pwd = answer->ice_pwd;
  params.remote_fingerprint = answer->fingerprint;
  params.dtls_client = answer->setup == RTC_SETUP_PASSIVE;
  server.sin_port = g_htons (rtc_worker_get_port (f->worker));
  server.sin_addr.s_addr = g_htonl (INADDR_LOOPBACK);
  p.client = rtc_client_new (&params, (struct sockaddr *)&server);
  g_assert_true (rtc_client_connect (p.client, WAIT_US));
  return p;
}

static Publisher
publish (Fixture *f, const char *path)
{
  g_autofree char *offer = make_offer ();

  return publish_offer (f, path, offer);
}

static void
publisher_clear (Publisher *p)
{
  g_clear_pointer (&p->location, g_free);
  g_clear_pointer (&p->client, rtc_client_free);
}

static void
send_rtp (Publisher *p, guint8 pt, guint32 ssrc, guint16 seq, guint32 rtp_ts,
          gboolean is_keyframe)
{
  guint8 packet[64] = { 0x90, (guint8)(0x80 | pt), (guint8)(seq >> 8),
                        (guint8)seq, (guint8)(rtp_ts >> 24),
                        (guint8)(rtp_ts >> 16), (guint8)(rtp_ts >> 8),
                        (guint8)rtp_ts, (guint8)(ssrc >> 24),
                        (guint8)(ssrc >> 16), (guint8)(ssrc >> 8), (guint8)ssrc,
                        /* one-byte extensions: id 1 (MID) = "1" */
                        0xbe, 0xde, 0, 1, 0x10, '1', 0, 0,
                        /* VP8: start of partition 0, then a frame's header */
                        0x10, is_keyframe ? 0x00 : 0x01, 0, 0, 0x9d, 0x01, 0x2a,
                        64, 0, 64, 0 };

  if (pt == 111)
    packet[16] = 0x50; /* an id that was not offered */
  g_assert_true (rtc_client_send_rtp (p->client, packet, sizeof packet));
}

/* find_feedback: is there such a packet in the compound? */
static gboolean
find_feedback (const guint8 *data, gsize len, guint8 pt, guint8 fmt)
{
  for (gsize at = 0; at + 4 <= len;)
    {
      gsize size = 4 * (1 + (gsize)(data[at + 2] << 8 | data[at + 3]));

      if (data[at + 1] == pt && (data[at] & 0x1f) == fmt)
        return TRUE;
      at += size;
    }
  return FALSE;
}

static void
await_feedback (Publisher *p, guint8 pt, guint8 fmt)
{
  gint64 end_us = g_get_monotonic_time () + WAIT_US;
  guint8 buf[2048];
  gsize len = 0;

  while (g_get_monotonic_time () < end_us)
    if (rtc_client_receive (p->client, buf, sizeof buf, &len, WAIT_US)
            == RTC_CLIENT_RTCP
        && find_feedback (buf, len, pt, fmt))
      return;
  g_assert_not_reached ();
}

/* AWAIT: runs main until @done */
#define AWAIT(done)                                                            \
  G_STMT_START                                                                 \
  {                                                                            \
    gint64 end_us_ = g_get_monotonic_time () + WAIT_US;                        \
    guint tick_ = g_timeout_add (10, on_wake, NULL);                           \
                                                                               \
    while (!(done))                                                            \
      {                                                                        \
        g_assert_cmpint (g_get_monotonic_time (), <, end_us_);                 \
        g_main_context_iteration (NULL, TRUE);                                 \
      }                                                                        \
    g_source_remove (tick_);                                                   \
  }                                                                            \
  G_STMT_END

static gboolean
on_wake (gpointer unused)
{
  return G_SOURCE_CONTINUE;
}

static void
await_closed (Publisher *p)
{
  RtcClientEvent event;
  guint8 buf[2048];
  gsize len;

  do
    event = rtc_client_receive (p->client, buf, sizeof buf, &len, WAIT_US);
  while (event == RTC_CLIENT_RTCP);
  g_assert_cmpint (event, ==, RTC_CLIENT_CLOSED);
}

static RelayStreamStats
stats_of (Fixture *f, const char *name)
{
  RelayStream *stream = relay_hub_lookup (f->hub, name);
  RelayStreamStats stats = { 0 };

  if (stream)
    relay_stream_get_stats (stream, &stats);
  return stats;
}

static gboolean
metric_is (Fixture *f, const char *line)
{
  g_autofree char *text = base_metrics_render (f->metrics);

  return strstr (text, line) != NULL;
}

static void
test_publish (Fixture *f, gconstpointer unused)
{
  Publisher p = publish (f, "/whip/live");
  RelayStreamInfo info;

  AWAIT (relay_hub_lookup (f->hub, "live")
         && relay_stream_is_live (relay_hub_lookup (f->hub, "live")));
  AWAIT (metric_is (f, "media_tree_publishers 1\n"));
  g_assert_true (
      relay_stream_get_info (relay_hub_lookup (f->hub, "live"), &info));
  g_assert_cmpint (info.tracks[RTC_MEDIA_VIDEO].codec, ==, RTC_CODEC_VP8);

  send_rtp (&p, 111, AUDIO_SSRC, 1, 0, FALSE);
  send_rtp (&p, 96, VIDEO_SSRC, 100, 0, TRUE); /* latched by MID */
  await_feedback (&p, 206, 1); /* PLI: asked for as soon as it is known */
  send_rtp (&p, 96, VIDEO_SSRC, 101, 3000, FALSE);
  send_rtp (&p, 96, VIDEO_SSRC, 103, 9000, FALSE);
  await_feedback (&p, 205, 1); /* NACK */
  send_rtp (&p, 96, VIDEO_SSRC, 102, 6000, FALSE);
  AWAIT (stats_of (f, "live").n_repaired[RTC_MEDIA_VIDEO] == 1);
  g_assert_cmpuint (stats_of (f, "live").n_packets[RTC_MEDIA_VIDEO], ==, 4);
  g_assert_cmpuint (stats_of (f, "live").n_packets[RTC_MEDIA_AUDIO], ==, 1);
  await_feedback (&p, 201, 2); /* RR with both */
  AWAIT (metric_is (
      f, "media_tree_rtp_packets_repaired_total{kind=\"video\"} 1\n"));
  {
    g_autoptr (JsonNode) state = whip_endpoint_describe (f->endpoint);
    JsonArray *array = json_node_get_array (state);

    g_assert_cmpuint (json_array_get_length (array), ==, 1);
    g_assert_cmpstr (json_object_get_string_member (
                         json_array_get_object_element (array, 0), "state"),
                     ==, "connected");
    /* whoever reads the state (or the log) must not be able to end it */
    g_assert_cmpuint (strlen (json_object_get_string_member (
                          json_array_get_object_element (array, 0), "session")),
                      ==, 8);
  }

  /* W16, W17 */
  g_assert_cmpuint (ask (f, "DELETE", p.location, NULL, NULL), ==, 200);
  await_closed (&p);
  g_assert_cmpuint (ask (f, "DELETE", p.location, NULL, NULL), ==, 404);
  AWAIT (
      metric_is (f, "media_tree_whip_sessions_total{result=\"deleted\"} 1\n"));
  AWAIT (metric_is (f, "media_tree_publishers 0\n"));
  publisher_clear (&p);
}

#define SIMULCAST_OFFER                                                        \
  "v=0\r\no=rtc 1 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"                      \
  "a=ice-ufrag:" CLIENT_UFRAG "\r\na=ice-pwd:" CLIENT_PWD "\r\n"               \
  "a=fingerprint:sha-256 %s\r\na=setup:actpass\r\n"                            \
  "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:v\r\n"       \
  "a=sendonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"                      \
  "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtcp-fb:96 nack\r\n"         \
  "a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"               \
  "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n"      \
  "a=rid:h send\r\na=rid:l send\r\na=simulcast:send h;l\r\n"

/* send_layer: one-byte extension @ext_id with one character; @osn: RTX */
static void
send_layer (Publisher *p, guint8 pt, guint8 ssrc, guint16 seq, guint8 ext_id,
            char rid, int osn, gboolean is_empty)
{
  guint8 packet[64] = { 0x90,
                        pt,
                        (guint8)(seq >> 8),
                        (guint8)seq,
                        0,
                        0,
                        0,
                        9,
                        0,
                        0,
                        0,
                        ssrc,
                        0xbe,
                        0xde,
                        0,
                        1,
                        (guint8)(ext_id << 4),
                        (guint8)rid,
                        0,
                        0 };
  const guint8 frame[] = { 0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0 };
  gsize len = 20;

  if (osn >= 0)
    {
      packet[len++] = (guint8)(osn >> 8);
      packet[len++] = (guint8)osn;
    }
  if (is_empty)
    {
      packet[0] |= 0x20;
      packet[len + 3] = 4;
      len += 4;
    }
  else
    {
      memcpy (packet + len, frame, sizeof frame);
      len += sizeof frame;
    }
  g_assert_true (rtc_client_send_rtp (p->client, packet, len));
}

static void
test_layers (Fixture *f, gconstpointer unused)
{
  g_autofree char *offer =
      g_strdup_printf (SIMULCAST_OFFER, rtc_client_get_fingerprint ());
  Publisher p = publish_offer (f, "/whip/live", offer);

  g_assert_nonnull (strstr (f->http.text, "a=simulcast:recv h;l\r\n"));
  /* the server's half of the handshake ends later than the client's */
  AWAIT (metric_is (f, "media_tree_publishers 1\n"));
  send_layer (&p, 97, 3, 500, 3, 'h', 99, FALSE); /* nothing to repair yet */
  send_layer (&p, 96, 1, 100, 2, 'h', -1, FALSE);
  send_layer (&p, 96, 2, 900, 2, 'l', -1, FALSE);
  send_layer (&p, 96, 1, 102, 0, 0, -1, FALSE); /* latched: needs no rid */
  await_feedback (&p, 205, 1);
  send_layer (&p, 97, 3, 501, 3, 'h', 101, FALSE);
  send_layer (&p, 97, 3, 502, 3, 'h', 101, FALSE); /* again */
  send_layer (&p, 97, 3, 503, 3, 'h', -1, TRUE);   /* probe */
  send_layer (&p, 96, 1, 103, 0, 0, -1, TRUE); /* padding: a number is used */
  AWAIT (stats_of (f, "live").n_packets[RTC_MEDIA_VIDEO] == 4);
  g_assert_cmpuint (stats_of (f, "live").n_repaired[RTC_MEDIA_VIDEO], ==, 1);

  /* who has no rid is nobody's; 5 more layers fill the table, 2 do not fit */
  send_layer (&p, 96, 50, 1, 0, 0, -1, FALSE);
  for (guint8 i = 0; i < 7; i++)
    send_layer (&p, 96, 60 + i, 1, 2, 'l', -1, FALSE);
  AWAIT (metric_is (f, "media_tree_rtp_dropped_packets_total{"
                       "reason=\"unknown_ssrc\"} 4\n"));
  g_assert_true (metric_is (f, "media_tree_rtp_dropped_packets_total{"
                               "reason=\"simulcast_layer\"} 6\n"));
  g_assert_true (metric_is (
      f, "media_tree_rtp_dropped_packets_total{reason=\"duplicate\"} 1\n"));
  publisher_clear (&p);
}

static void
test_takeover (Fixture *f, gconstpointer unused)
{
  Publisher a = publish (f, "/whip/live"), b;

  AWAIT (metric_is (f, "media_tree_publishers 1\n"));
  b = publish (f, "/whip/live"); /* W42 */
  AWAIT (
      metric_is (f, "media_tree_whip_sessions_total{result=\"replaced\"} 1\n"));
  await_closed (&a);
  g_assert_cmpuint (ask (f, "GET", a.location, NULL, NULL), ==, 404);
  g_assert_cmpuint (ask (f, "GET", b.location, NULL, NULL), ==, 204);
  g_assert_true (relay_stream_is_live (relay_hub_lookup (f->hub, "live")));

  rtc_client_close (b.client); /* the peer ends it */
  AWAIT (whip_endpoint_get_n_sessions (f->endpoint) == 0);
  g_assert_cmpuint (ask (f, "GET", b.location, NULL, NULL), ==, 404);
  publisher_clear (&a);
  publisher_clear (&b);
}

/* another node has the stream now */
static void
test_close_stream (Fixture *f, gconstpointer unused)
{
  Publisher a = publish (f, "/whip/live"), b = publish (f, "/whip/other");
  g_autofree char *offer = make_offer ();

  AWAIT (metric_is (f, "media_tree_publishers 2\n"));
  /* half-open: it comes after the one that was taken over */
  g_assert_cmpuint (ask (f, "POST", "/whip/live", "application/sdp", offer), ==,
                    201);
  whip_endpoint_close_stream (f->endpoint, "nobody");
  whip_endpoint_close_stream (f->endpoint, "live");
  await_closed (&a);
  AWAIT (
      metric_is (f, "media_tree_whip_sessions_total{result=\"replaced\"} 1\n"));
  g_assert_cmpuint (ask (f, "GET", a.location, NULL, NULL), ==, 404);
  g_assert_cmpuint (ask (f, "GET", b.location, NULL, NULL), ==, 204);
  g_assert_cmpuint (whip_endpoint_get_n_sessions (f->endpoint), ==, 2);
  publisher_clear (&a);
  publisher_clear (&b);
}

static void
test_patch (Fixture *f, gconstpointer unused)
{
  const char *type = "application/trickle-ice-sdpfrag";
  const char *const restart[] = { "Content-Type", type, "If-Match", "*", NULL };
  Publisher p = publish (f, "/whip/live");
  const char *trickle = "a=ice-ufrag:" CLIENT_UFRAG "\r\na=ice-pwd:" CLIENT_PWD
                        "\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
                        "a=candidate:1 1 udp 1 x.local 9 typ host\r\n";
  const char *other = "a=ice-ufrag:newu\r\na=ice-pwd:newpassword12345678901\r\n"
                      "m=audio 9 RTP/AVP 0\r\na=mid:0\r\n";

  g_assert_cmpuint (ask (f, "PATCH", p.location, type, trickle), ==, 204);
  g_assert_cmpuint (ask (f, "PATCH", p.location, type, other), ==, 412);
  g_assert_cmpuint (ask (f, "PATCH", p.location, type, "rubbish"), ==, 400);
  g_assert_cmpuint (
      loopback_ask (&f->http, "PATCH", p.location, restart, trickle, -1), ==,
      422); /* W29 */
  g_assert_cmpuint (
      loopback_ask (&f->http, "PATCH", p.location, restart, other, -1), ==,
      200); /* W27 */
  g_assert_nonnull (strstr (f->http.text, "a=ice-ufrag:"));
  g_assert_nonnull (strstr (f->http.text, "a=candidate:"));
  g_assert_cmpuint (ask (f, "GET", p.location, NULL, NULL), ==, 204);
  publisher_clear (&p);
}

static void
test_limits (Fixture *f, gconstpointer unused)
{
  g_autofree char *offer = make_offer ();
  const char *sdp = "application/sdp";

  g_assert_cmpuint (ask (f, "POST", "/whip/a", sdp, "v=0\r\nx"), ==, 400);
  g_assert_cmpuint (ask (f, "POST", "/whip/a", sdp, offer), ==, 201);
  g_assert_cmpuint (ask (f, "POST", "/whip/b", sdp, offer), ==, 201);
  g_assert_cmpuint (ask (f, "POST", "/whip/c", sdp, offer), ==, 307); /* W35 */
  g_assert_cmpuint (ask (f, "POST", "/whip/d", sdp, offer), ==, 503); /* W36 */
  g_assert_nonnull (loopback_header (&f->http, "Retry-After"));
  g_assert_nonnull (strstr (f->http.text, "publisher-limit"));
  /* takeovers go on, once a stream */
  g_assert_cmpuint (ask (f, "POST", "/whip/a", sdp, offer), ==, 201);
  g_assert_cmpuint (ask (f, "POST", "/whip/a", sdp, offer), ==, 503);
  g_assert_cmpuint (whip_endpoint_get_n_sessions (f->endpoint), ==, 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name)                                                              \
  g_test_add ("/endpoint/" #name, Fixture, NULL, set_up, test_##name, tear_down)
  ADD (publish);
  ADD (layers);
  ADD (takeover);
  ADD (close_stream);
  ADD (patch);
  ADD (limits);
#undef ADD
  return g_test_run ();
}
