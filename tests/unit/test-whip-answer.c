/* SPDX-License-Identifier: Apache-2.0 */
/* whip/answer on the offers of real clients and on bad ones. */
#include "whip/answer.h"

#include <string.h>

#define FINGERPRINT                                                            \
  "a=fingerprint:sha-256 14:F8:83:8F:19:06:B4:A0:FC:BF:64:F9:56:58:9D:48:68:"  \
  "1C:D2:8E:92:5B:F3:9B:DD:8D:6A:25:EB:3D:CB:80\r\n"
#define HEAD(bundle, setup)                                                    \
  "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE " bundle  \
  "\r\na=setup:" setup "\r\na=ice-ufrag:abcd\r\n"                              \
  "a=ice-pwd:0123456789012345678901\r\n" FINGERPRINT
#define AUDIO(mid)                                                             \
  "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:" mid          \
  "\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
#define VIDEO(mid, more)                                                       \
  "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100\r\nc=IN IP4 "                   \
  "0.0.0.0\r\na=mid:" mid                                                      \
  "\r\na=sendrecv\r\na=rtcp-mux\r\na=rtcp-rsize\r\n" more

typedef struct
{
  RtcSdp *answer;
  char *text;
  WhipPlan plan;
  RelayStreamInfo info;
  GError *error;
} Result;

static void
result_clear (Result *self)
{
  rtc_sdp_free (self->answer);
  g_free (self->text);
  g_clear_error (&self->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

static void
answer_text (const char *text, Result *r)
{
  g_autoptr (RtcSdp) offer = rtc_sdp_parse (text, TRUE, &r->error);

  g_assert_no_error (r->error);
  r->answer = whip_answer_new (offer, text, &r->plan, &r->info, &r->error);
  if (!r->answer)
    return;
  g_assert_no_error (r->error);
  /* what a session adds */
  r->answer->ice_ufrag = g_strdup ("ufragufragufrag1");
  r->answer->ice_pwd = g_strdup ("passwordpasswordpassword");
  r->answer->fingerprint_hash = g_strdup ("sha-256");
  r->answer->fingerprint = g_strdup (offer->fingerprint);
  rtc_sdp_add_candidate (r->answer, "192.0.2.1", 7200, FALSE);
  r->text = rtc_sdp_to_string (r->answer);
}

static void
answer_file (const char *name, Result *r)
{
  g_autofree char *path =
      g_build_filename (TEST_DATA_DIR, "offers", name, NULL);
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  answer_text (text, r);
}

static guint
n_lines (const char *text, const char *line)
{
  g_autofree char *whole = g_strconcat ("\r\n", line, "\r\n", NULL);
  guint n = 0;

  for (const char *at = text; (at = strstr (at, whole)); at += 2)
    n++;
  return n;
}

/* Rows of PROTOCOLS.md 1.4, and W5, W30, W31: what must hold for any answer */
static void
check_answer (const Result *r, guint n_sections)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (RtcSdp) parsed = rtc_sdp_parse (r->text, FALSE, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (parsed->media->len, ==, n_sections);
  g_assert_true (g_str_has_prefix (r->text, "v=0\r\n"));
  g_assert_true (g_str_has_suffix (r->text, "\r\n"));
  g_assert_cmpuint (n_lines (r->text, "a=recvonly"), ==, n_sections);
  g_assert_cmpuint (n_lines (r->text, "a=rtcp-mux"), ==, n_sections);
  g_assert_cmpuint (n_lines (r->text, "a=rtcp-mux-only"), ==, n_sections);
  g_assert_cmpuint (n_lines (r->text, "a=ice-lite"), ==, 1);
  g_assert_cmpuint (n_lines (r->text, "a=end-of-candidates"), ==, 1);
  g_assert_cmpuint (n_lines (r->text, "a=setup:actpass"), ==, 0);
  g_assert_null (strstr (r->text, "m=audio 0"));
  g_assert_null (strstr (r->text, "m=video 0"));
  for (guint i = 0; i < parsed->media->len; i++)
    {
      const RtcSdpMedia *media = g_ptr_array_index (parsed->media, i);

      g_assert_cmpuint (media->codecs->len, ==, 1);
    }
}

static void
test_obs (void)
{
  static const struct
  {
    const char *name;
    RtcCodec codec;
    guint n_rids;
    gboolean fir;
  } rows[] = {
    { "obs-v0.21-h264.sdp", RTC_CODEC_H264, 0, FALSE },
    { "obs-v0.21-hevc.sdp", RTC_CODEC_H265, 0, FALSE },
    { "obs-v0.21-av1.sdp", RTC_CODEC_AV1, 0, FALSE },
    { "obs-v0.21-h264-simulcast.sdp", RTC_CODEC_H264, 3, FALSE },
    { "obs-master-h264.sdp", RTC_CODEC_H264, 0, TRUE },
    { "obs-master-hevc.sdp", RTC_CODEC_H265, 0, TRUE },
    { "obs-master-av1.sdp", RTC_CODEC_AV1, 0, TRUE },
    { "obs-master-h264-simulcast.sdp", RTC_CODEC_H264, 3, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_auto (Result) r = { 0 };
      const WhipTrack *video = &r.plan.tracks[RTC_MEDIA_VIDEO];
      const WhipTrack *audio = &r.plan.tracks[RTC_MEDIA_AUDIO];

      g_test_message ("%s", rows[i].name);
      answer_file (rows[i].name, &r);
      g_assert_no_error (r.error);
      check_answer (&r, 2);
      g_assert_cmpuint (n_lines (r.text, "a=setup:active"), ==, 2);
      g_assert_cmpuint (n_lines (r.text, "a=group:BUNDLE 0 1"), ==, 1);
      g_assert_cmpuint (n_lines (r.text, "a=mid:0"), ==, 1);
      g_assert_cmpuint (n_lines (r.text, "a=mid:1"), ==, 1);
      g_assert_cmpuint (
          n_lines (r.text,
                   "a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"),
          ==, 1);
      g_assert_cmpuint (n_lines (r.text, "a=rtcp-rsize"), ==, 0);
      g_assert_cmpuint (n_lines (r.text, "a=rtcp-fb:96 goog-remb"), ==, 1);
      g_assert_cmpuint (n_lines (r.text, "a=rtcp-fb:96 ccm fir"), ==,
                        rows[i].fir ? 1 : 0);
      g_assert_nonnull (strstr (r.text, "stereo=1;sprop-stereo=1"));

      g_assert_false (r.plan.rtcp_rsize);
      g_assert_cmpint (video->codec, ==, rows[i].codec);
      g_assert_cmpint (r.info.tracks[RTC_MEDIA_VIDEO].codec, ==, rows[i].codec);
      g_assert_cmpuint (video->pt, ==, 96);
      g_assert_true (video->nack && video->pli && video->remb);
      g_assert_false (video->twcc);
      g_assert_cmpint (audio->codec, ==, RTC_CODEC_OPUS);
      g_assert_cmpuint (audio->ssrc, ==, 305419896);
      g_assert_cmpint (r.plan.exts[1], ==, RTC_EXT_MID);
      g_assert_cmpint (r.plan.exts[2], ==, RTC_EXT_RID);
      if (rows[i].n_rids > 0)
        {
          g_assert_cmpuint (n_lines (r.text, "a=simulcast:recv 0;1;2"), ==, 1);
          g_assert_cmpuint (n_lines (r.text, "a=rid:0 recv"), ==, 1);
          g_assert_cmpuint (n_lines (r.text, "a=rid:2 recv"), ==, 1);
          g_assert_cmpstr (video->rid, ==, "0");
          g_assert_cmpuint (video->ssrc, ==, 0);
        }
      else
        {
          g_assert_null (strstr (r.text, "simulcast"));
          g_assert_cmpstr (video->rid, ==, "");
          g_assert_cmpuint (video->ssrc, ==, 305419897);
        }
    }
}

static void
test_one_track (void)
{
  g_auto (Result) audio = { 0 }, video = { 0 };

  /* OBS gives a lone video section mid 1 */
  answer_text (HEAD ("1", "actpass") VIDEO ("1", "a=rtpmap:96 VP8/90000\r\n"),
               &video);
  check_answer (&video, 1);
  g_assert_false (video.info.tracks[RTC_MEDIA_AUDIO].is_present);
  g_assert_cmpuint (n_lines (video.text, "a=mid:1"), ==, 1);
  g_assert_true (video.plan.rtcp_rsize);
  answer_text (HEAD ("0", "active") AUDIO ("0"), &audio);
  check_answer (&audio, 1);
  g_assert_cmpuint (n_lines (audio.text, "a=setup:passive"), ==, 1);
  g_assert_false (audio.info.tracks[RTC_MEDIA_VIDEO].is_present);
  g_assert_cmpuint (audio.info.tracks[RTC_MEDIA_AUDIO].channels, ==, 2);
}

static void
test_choice (void)
{
  g_auto (Result) order = { 0 }, h264 = { 0 }, stereo = { 0 };

  /* the order is the offer's, and so is the preference */
  answer_text (HEAD ("v a", "actpass") VIDEO (
                   "v", "a=rtpmap:96 VP7/90000\r\n"
                        "a=rtpmap:97 VP9/90000\r\n"
                        "a=fmtp:97 profile-id=0\r\n"
                        "a=rtpmap:98 rtx/90000\r\na=fmtp:98 apt=97\r\n"
                        "a=rtpmap:99 H264/90000\r\n"
                        "a=rtcp-fb:97 nack\r\na=rtcp-fb:97 transport-cc\r\n"
                        "a=rtcp-fb:97 goog-remb\r\n"
                        "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-"
                        "transport-wide-cc-extensions-01\r\n"
                        "a=extmap:9 urn:example:unknown\r\n"
                        "a=ssrc-group:FID 11 12\r\na=ssrc:11 cname:c\r\n"
                        "a=ssrc:12 cname:c\r\n") AUDIO ("a"),
               &order);
  check_answer (&order, 2);
  g_assert_nonnull (strstr (order.text, "m=video 9 UDP/TLS/RTP/SAVPF 97 98"));
  g_assert_true (strstr (order.text, "m=video")
                 < strstr (order.text, "m=audio"));
  g_assert_cmpuint (n_lines (order.text, "a=fmtp:98 apt=97"), ==, 1);
  g_assert_cmpuint (n_lines (order.text, "a=rtcp-fb:97 transport-cc"), ==, 1);
  g_assert_null (strstr (order.text, "unknown"));
  g_assert_true (order.plan.tracks[RTC_MEDIA_VIDEO].twcc);
  g_assert_false (order.plan.rtcp_rsize); /* audio lacks it */
  g_assert_cmpint (order.plan.tracks[RTC_MEDIA_VIDEO].rtx_pt, ==, 98);
  g_assert_cmpuint (order.plan.tracks[RTC_MEDIA_VIDEO].ssrc, ==, 11);
  g_assert_cmpuint (order.plan.tracks[RTC_MEDIA_VIDEO].rtx_ssrc, ==, 12);
  g_assert_cmpstr (order.info.tracks[RTC_MEDIA_VIDEO].fmtp, ==, "profile-id=0");

  answer_text (HEAD ("v", "actpass")
                   VIDEO ("v", "a=rtpmap:96 H264/90000\r\n"
                               "a=fmtp:96 profile-level-id=640c1f\r\n"
                               "a=rtpmap:97 H264/90000\r\n"
                               "a=fmtp:97 packetization-mode=1;"
                               "profile-level-id=4d001f\r\n"),
               &h264);
  g_assert_cmpuint (h264.plan.tracks[RTC_MEDIA_VIDEO].pt, ==, 97);

  answer_text (HEAD ("a", "actpass")
                   AUDIO ("a") "a=fmtp:111 useinbandfec=1;stereo=1\r\n",
               &stereo);
  g_assert_cmpuint (
      n_lines (stereo.text,
               "a=fmtp:111 useinbandfec=1;stereo=1;sprop-stereo=1"),
      ==, 1);
}

static void
check_refused (const char *text, const char *code, const char *detail)
{
  g_auto (Result) r = { 0 };

  answer_text (text, &r);
  g_assert_null (r.answer);
  g_assert_nonnull (r.error);
  g_assert_cmpstr (whip_error_code (r.error), ==, code);
  if (detail)
    g_assert_nonnull (strstr (r.error->message, detail));
}

/* W6, W32, W33 */
static void
test_refused (void)
{
  static const char *const viewers[] = { "chromium-156-recvonly.sdp",
                                         "firefox-153-recvonly.sdp" };

  for (guint i = 0; i < G_N_ELEMENTS (viewers); i++)
    {
      g_auto (Result) r = { 0 };

      answer_file (viewers[i], &r);
      g_assert_error (r.error, WHIP_ERROR, WHIP_ERROR_DIRECTION);
    }
  check_refused (HEAD ("0 1", "actpass") AUDIO ("0") AUDIO ("1"),
                 "sdp-two-audio", NULL);
  check_refused (HEAD ("0 1", "actpass")
                     VIDEO ("0", "a=rtpmap:96 VP8/90000\r\n")
                         VIDEO ("1", "a=rtpmap:96 VP8/90000\r\n"),
                 "sdp-two-video", NULL);
  check_refused (HEAD ("0 1", "actpass") AUDIO ("0") "a=msid:one a\r\n" VIDEO (
                     "1", "a=rtpmap:96 VP8/90000\r\na=msid:two v\r\n"),
                 "sdp-two-streams", NULL);
  check_refused (HEAD ("0 1", "actpass") AUDIO ("0")
                     VIDEO ("1", "a=rtpmap:96 VP7/90000\r\n"
                                 "a=rtpmap:97 theora/90000\r\n"),
                 "sdp-unknown-codec", "VP7, theora");
  check_refused (HEAD ("0 1", "actpass") AUDIO (
                     "0") "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
                          "c=IN IP4 0.0.0.0\r\na=mid:1\r\na=sctp-port:5000\r\n",
                 "sdp-other-media", "application");
  check_refused (
      HEAD ("0",
            "actpass") "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n"
                       "a=mid:0\r\na=sendonly\r\na=rtpmap:111 opus/48000/2\r\n",
      "sdp-no-rtcp-mux", NULL);
  check_refused (
      HEAD ("0 1", "actpass") AUDIO (
          "0") "a=extmap:1 "
               "urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n" VIDEO (
                   "1", "a=rtpmap:96 VP8/90000\r\n"
                        "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"),
      "sdp-extmap", NULL);
}

static void
test_long_fmtp (void)
{
  g_autofree char *sprop = g_strnfill (400, 'A');
  g_autofree char *text = g_strconcat (
      HEAD ("v", "actpass") VIDEO ("v", "a=rtpmap:96 H264/90000\r\n"),
      "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f;sprop=", sprop,
      "\r\n", NULL);
  g_auto (Result) r = { 0 };

  answer_text (text, &r);
  g_assert_cmpstr (r.info.tracks[RTC_MEDIA_VIDEO].fmtp, ==,
                   "packetization-mode=1;profile-level-id=42e01f");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/answer/obs", test_obs);
  g_test_add_func ("/answer/one-track", test_one_track);
  g_test_add_func ("/answer/choice", test_choice);
  g_test_add_func ("/answer/refused", test_refused);
  g_test_add_func ("/answer/long-fmtp", test_long_fmtp);
  return g_test_run ();
}
