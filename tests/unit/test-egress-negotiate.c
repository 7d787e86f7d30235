/* SPDX-License-Identifier: Apache-2.0 */
/* egress/negotiate: real viewers' offers against streams of all kinds. */
#include "egress/negotiate.h"

#include <string.h>

#define FINGERPRINT                                                            \
  "7B:B4:66:32:65:D4:AE:C5:F7:89:59:F7:AC:F2:FE:13:25:85:BC:88:61:84:C3:12:"   \
  "CA:43:4E:16:17:64:D5:AE"
#define TRANSPORT                                                              \
  "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n"                                   \
  "a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 " FINGERPRINT   \
  "\r\na=rtcp-mux\r\n"

static EgressTerms
make_terms (RtcCodec audio, RtcCodec video)
{
  EgressTerms terms = {
    .stream_name = "show",
    .cname = "cname",
    .ice_ufrag = "ours",
    .ice_pwd = "ourpasswordourpassword00",
    .fingerprint = FINGERPRINT,
  };

  terms.info.tracks[RTC_MEDIA_AUDIO].is_present = audio != RTC_CODEC_NONE;
  terms.info.tracks[RTC_MEDIA_AUDIO].codec = audio;
  terms.info.tracks[RTC_MEDIA_AUDIO].channels = 2;
  terms.info.tracks[RTC_MEDIA_VIDEO].is_present = video != RTC_CODEC_NONE;
  terms.info.tracks[RTC_MEDIA_VIDEO].codec = video;
  egress_terms_draw_ssrcs (&terms);
  return terms;
}

static RtcSdp *
parse (const char *text, gboolean is_offer)
{
  g_autoptr (GError) error = NULL;
  RtcSdp *sdp = rtc_sdp_parse (text, is_offer, &error);

  g_assert_no_error (error);
  return sdp;
}

static RtcSdp *
load_offer (const char *name)
{
  g_autofree char *path =
      g_build_filename (TEST_DATA_DIR, "offers", name, NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return parse (text, TRUE);
}

/* make_offer: sections as "kind direction payload-lines" triples */
static RtcSdp *
make_offer (const char *first, ...)
{
  g_autoptr (GString) text = g_string_new (
      "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE");
  g_autoptr (GString) sections = g_string_new (NULL);
  guint n = 0;
  va_list args;

  va_start (args, first);
  for (const char *m = first; m; m = va_arg (args, const char *), n++)
    {
      const char *direction = va_arg (args, const char *);
      const char *lines = va_arg (args, const char *);

      g_string_append_printf (text, " s%u", n);
      g_string_append_printf (
          sections, "m=%s\r\n%sa=setup:actpass\r\na=mid:s%u\r\na=%s\r\n%s", m,
          TRANSPORT, n, direction, lines);
    }
  va_end (args);
  g_string_append_printf (text, "\r\n%s", sections->str);
  return parse (text->str, TRUE);
}

#define OPUS                                                                   \
  "audio 9 UDP/TLS/RTP/SAVPF 111", "recvonly",                                 \
      "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\n"
#define VP8                                                                    \
  "video 9 UDP/TLS/RTP/SAVPF 96", "recvonly",                                  \
      "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack "       \
      "pli\r\n"
#define SAFARI                                                                 \
  "video 9 UDP/TLS/RTP/SAVPF 96 97 98 99", "recvonly",                         \
      "a=rtpmap:96 H264/90000\r\na=fmtp:96 level-asymmetry-allowed=1;"         \
      "packetization-mode=1;profile-level-id=640c1f\r\n"                       \
      "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"                          \
      "a=rtpmap:98 H264/90000\r\na=fmtp:98 level-asymmetry-allowed=1;"         \
      "packetization-mode=1;profile-level-id=42e01f\r\n"                       \
      "a=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=98\r\n"

static const RtcSdpMedia *
section (RtcSdp *sdp, guint index)
{
  g_assert_cmpuint (index, <, sdp->media->len);
  return sdp->media->pdata[index];
}

static const RtcSdpCodec *
only_codec (const RtcSdpMedia *media)
{
  g_assert_cmpuint (media->codecs->len, ==, 1);
  return &g_array_index (media->codecs, RtcSdpCodec, 0);
}

/* Through text, as the client sees it. */
static RtcSdp *
reread (RtcSdp *sdp, gboolean is_offer)
{
  g_autofree char *text = rtc_sdp_to_string (sdp);

  return parse (text, is_offer);
}

static void
test_chromium (void)
{
  EgressTerms terms = make_terms (RTC_CODEC_OPUS, RTC_CODEC_H264);
  g_autoptr (RtcSdp) offer = load_offer ("chromium-156-recvonly.sdp");
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS];
  g_autoptr (GError) error = NULL;
  g_autoptr (RtcSdp) answer = NULL, seen = NULL;
  g_autofree char *text = NULL;

  terms.h264_profile = 0x64001f;
  answer = egress_negotiate_answer (&terms, offer, tracks, &error);
  g_assert_no_error (error);
  text = rtc_sdp_to_string (answer);
  seen = reread (answer, FALSE);
  g_assert_cmpint (seen->setup, ==, RTC_SETUP_PASSIVE);
  g_assert_cmpstr (section (seen, 0)->mid, ==, "0");
  g_assert_cmpint (section (seen, 0)->kind, ==, RTC_MEDIA_VIDEO);
  g_assert_cmpint (section (seen, 0)->direction, ==, RTC_DIR_SENDONLY);
  g_assert_cmpint (section (seen, 1)->direction, ==, RTC_DIR_SENDONLY);
  /* no high profile in Chromium's offer: constrained baseline */
  g_assert_cmpint (only_codec (section (seen, 0))->pt, ==, 108);
  g_assert_cmpint (only_codec (section (seen, 0))->rtx_pt, ==, 109);
  g_assert_true (only_codec (section (seen, 0))->nack);
  g_assert_true (only_codec (section (seen, 0))->pli);
  g_assert_true (only_codec (section (seen, 0))->fir);
  g_assert_false (only_codec (section (seen, 0))->remb);
  g_assert_false (only_codec (section (seen, 0))->twcc);
  g_assert_nonnull (strstr (only_codec (section (seen, 0))->fmtp, "42e01f"));
  g_assert_true (section (seen, 0)->rtcp_mux_only);
  g_assert_true (section (seen, 0)->rtcp_rsize);
  g_assert_cmpstr (section (seen, 0)->msid_stream, ==,
                   section (seen, 1)->msid_stream);
  g_assert_nonnull (strstr (text, "a=group:BUNDLE 0 1\r\n"));
  g_assert_nonnull (strstr (text, "a=ice-lite\r\n"));
  g_assert_nonnull (strstr (text, "a=ssrc-group:FID "));
  g_assert_nonnull (strstr (
      text, "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1"));

  g_assert_cmpint (tracks[RTC_MEDIA_VIDEO].pt, ==, 108);
  g_assert_cmpint (tracks[RTC_MEDIA_VIDEO].rtx_pt, ==, 109);
  g_assert_cmpuint (tracks[RTC_MEDIA_VIDEO].ssrc, ==,
                    section (seen, 0)->ssrcs[0]);
  g_assert_cmpuint (tracks[RTC_MEDIA_VIDEO].rtx_ssrc, ==,
                    section (seen, 0)->rtx_ssrcs[0]);
  g_assert_cmpint (tracks[RTC_MEDIA_VIDEO].ext_ids[RTC_EXT_VIDEO_ORIENTATION],
                   ==, 3);
  g_assert_cmpint (tracks[RTC_MEDIA_VIDEO].ext_ids[RTC_EXT_PLAYOUT_DELAY], ==,
                   0);
  g_assert_cmpint (tracks[RTC_MEDIA_VIDEO].ext_ids[RTC_EXT_TRANSPORT_CC], ==,
                   0);
  g_assert_cmpint (tracks[RTC_MEDIA_AUDIO].ext_ids[RTC_EXT_AUDIO_LEVEL], ==,
                   14);
  g_assert_cmpint (tracks[RTC_MEDIA_AUDIO].rtx_pt, ==, -1);
}

static void
test_playout_delay (void)
{
  static const struct
  {
    const char *offer;
    guint8 id;
  } cases[] = { { "chromium-156-recvonly.sdp", 5 },
                { "firefox-153-recvonly.sdp", 6 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      EgressTerms terms = make_terms (RTC_CODEC_OPUS, RTC_CODEC_VP8);
      g_autoptr (RtcSdp) offer = load_offer (cases[i].offer);
      EgressViewerTrack tracks[RTC_MEDIA_N_KINDS];
      g_autoptr (RtcSdp) answer = NULL;

      terms.with_playout_delay = TRUE;
      answer = egress_negotiate_answer (&terms, offer, tracks, NULL);
      g_assert_nonnull (answer);
      g_assert_cmpint (tracks[RTC_MEDIA_VIDEO].ext_ids[RTC_EXT_PLAYOUT_DELAY],
                       ==, cases[i].id);
      g_assert_cmpint (section (answer, 0)->ext_ids[RTC_EXT_PLAYOUT_DELAY], ==,
                       cases[i].id);
    }
}

/* E26: no H264 in Firefox's offer: an error, and a counter-offer that its
 * answer can accept (with the plugin) or take the audio of. */
static void
test_firefox_counter_offer (void)
{
  EgressTerms terms = make_terms (RTC_CODEC_OPUS, RTC_CODEC_H264);
  g_autoptr (RtcSdp) offer = load_offer ("firefox-153-recvonly.sdp");
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS];
  g_autoptr (GError) error = NULL;
  g_autoptr (RtcSdp) ours = NULL, seen = NULL, yes = NULL, audio = NULL;
  g_autoptr (RtcSdp) other = NULL;

  g_assert_null (egress_negotiate_answer (&terms, offer, tracks, &error));
  g_assert_error (error, EGRESS_NEGOTIATE_ERROR, EGRESS_NEGOTIATE_ERROR_CODEC);
  g_assert_cmpstr (egress_negotiate_error_code (error), ==, "codec-mismatch");
  g_assert_nonnull (strstr (error->message, "H264"));
  g_clear_error (&error);

  ours = egress_negotiate_counter_offer (&terms, offer);
  g_assert_nonnull (ours);
  seen = reread (ours, TRUE);
  g_assert_cmpint (seen->setup, ==, RTC_SETUP_ACTPASS);
  g_assert_cmpuint (seen->media->len, ==, 2);
  g_assert_cmpint (section (seen, 0)->direction, ==, RTC_DIR_SENDONLY);
  g_assert_nonnull (strstr (only_codec (section (seen, 0))->fmtp, "42e01f"));

#define ANSWER(port)                                                           \
  "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"  \
  "m=video " port " UDP/TLS/RTP/SAVPF 96 97\r\n" TRANSPORT                     \
  "a=setup:active\r\na=mid:0\r\na=recvonly\r\na=rtpmap:96 H264/90000\r\n"      \
  "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\n"                 \
  "a=rtcp-fb:96 nack\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"         \
  "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" TRANSPORT                              \
  "a=setup:active\r\na=mid:1\r\na=recvonly\r\na=rtpmap:111 opus/48000/2\r\n"
  yes = parse (ANSWER ("9"), FALSE);
  g_assert_true (egress_negotiate_accept (&terms, ours, yes, tracks, &error));
  g_assert_cmpint (tracks[RTC_MEDIA_VIDEO].pt, ==, 96);
  g_assert_cmpint (tracks[RTC_MEDIA_VIDEO].rtx_pt, ==, 97);
  g_assert_cmpuint (tracks[RTC_MEDIA_VIDEO].ssrc, ==,
                    section (seen, 0)->ssrcs[0]);

  audio = parse (ANSWER ("0"), FALSE);
  g_assert_true (egress_negotiate_accept (&terms, ours, audio, tracks, &error));
  g_assert_false (tracks[RTC_MEDIA_VIDEO].is_active);
  g_assert_true (tracks[RTC_MEDIA_AUDIO].is_active);

  other = make_offer (VP8, OPUS, NULL);
  g_assert_false (
      egress_negotiate_accept (&terms, ours, other, tracks, &error));
  g_assert_error (error, EGRESS_NEGOTIATE_ERROR, EGRESS_NEGOTIATE_ERROR_ANSWER);
}

static void
test_safari_profile (void)
{
  static const struct
  {
    guint32 sps;
    int pt;
  } cases[] = { { 0x64001f, 96 }, { 0x640c28, 96 }, { 0x42e01f, 98 },
                { 0x42c01f, 98 }, { 0x4d001f, 98 }, { 0, 98 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      EgressTerms terms = make_terms (RTC_CODEC_OPUS, RTC_CODEC_H264);
      g_autoptr (RtcSdp) offer = make_offer (OPUS, SAFARI, NULL);
      EgressViewerTrack tracks[RTC_MEDIA_N_KINDS];
      g_autoptr (RtcSdp) answer = NULL;

      terms.h264_profile = cases[i].sps;
      answer = egress_negotiate_answer (&terms, offer, tracks, NULL);
      g_assert_nonnull (answer);
      g_assert_cmpint (tracks[RTC_MEDIA_VIDEO].pt, ==, cases[i].pt);
      g_assert_cmpint (tracks[RTC_MEDIA_VIDEO].rtx_pt, ==, cases[i].pt + 1);
      /* the offer's own parameters, not the SPS's */
      g_assert_nonnull (strstr (only_codec (section (answer, 1))->fmtp,
                                cases[i].pt == 96 ? "640c1f" : "42e01f"));
    }
}

/* E25, E27: order and mids kept, further sections refused. */
static void
test_extra_sections (void)
{
  EgressTerms terms = make_terms (RTC_CODEC_OPUS, RTC_CODEC_VP8);
  g_autoptr (RtcSdp) offer = make_offer (
      OPUS, VP8, OPUS, VP8, "application 9 UDP/DTLS/SCTP webrtc-datachannel",
      "sendrecv", "a=sctp-port:5000\r\n", NULL);
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS];
  g_autoptr (GError) error = NULL;
  g_autoptr (RtcSdp) answer =
      egress_negotiate_answer (&terms, offer, tracks, &error);
  g_autofree char *text = NULL;
  g_autoptr (RtcSdp) seen = NULL;

  g_assert_no_error (error);
  text = rtc_sdp_to_string (answer);
  g_assert_nonnull (strstr (text, "a=group:BUNDLE s0 s1\r\n"));
  g_assert_nonnull (
      strstr (text, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"));
  seen = reread (answer, FALSE);
  g_assert_cmpuint (seen->media->len, ==, 5);
  for (guint i = 0; i < 5; i++)
    {
      g_autofree char *mid = g_strdup_printf ("s%u", i);

      g_assert_cmpstr (section (seen, i)->mid, ==, mid);
      g_assert_cmpint (section (seen, i)->is_rejected, ==, i >= 2);
    }
}

static void
test_directions (void)
{
  static const char *const directions[] = { "sendrecv", "recvonly", "sendonly",
                                            "inactive" };

  for (guint i = 0; i < G_N_ELEMENTS (directions); i++)
    {
      EgressTerms terms = make_terms (RTC_CODEC_OPUS, RTC_CODEC_VP8);
      g_autoptr (RtcSdp) offer =
          make_offer (OPUS, "video 9 UDP/TLS/RTP/SAVPF 96", directions[i],
                      "a=rtpmap:96 VP8/90000\r\n", NULL);
      EgressViewerTrack tracks[RTC_MEDIA_N_KINDS];
      g_autoptr (GError) error = NULL;
      g_autoptr (RtcSdp) answer =
          egress_negotiate_answer (&terms, offer, tracks, &error);

      if (i < 2)
        {
          g_assert_no_error (error);
          g_assert_cmpint (section (answer, 1)->direction, ==,
                           RTC_DIR_SENDONLY);
        }
      else
        g_assert_error (error, EGRESS_NEGOTIATE_ERROR,
                        EGRESS_NEGOTIATE_ERROR_DIRECTION);
    }
}

static void
test_one_kind (void)
{
  EgressTerms audio_only = make_terms (RTC_CODEC_OPUS, RTC_CODEC_NONE);
  EgressTerms both = make_terms (RTC_CODEC_OPUS, RTC_CODEC_VP8);
  g_autoptr (RtcSdp) asks_both = make_offer (VP8, OPUS, NULL);
  g_autoptr (RtcSdp) asks_video = make_offer (VP8, NULL);
  g_autoptr (RtcSdp) asks_audio = make_offer (OPUS, NULL);
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS];
  g_autoptr (GError) error = NULL;
  g_autoptr (RtcSdp) answer = NULL;

  answer = egress_negotiate_answer (&audio_only, asks_both, tracks, &error);
  g_assert_no_error (error);
  g_assert_true (section (answer, 0)->is_rejected);
  g_assert_false (section (answer, 1)->is_rejected);
  g_assert_false (tracks[RTC_MEDIA_VIDEO].is_active);
  g_assert_true (tracks[RTC_MEDIA_AUDIO].is_active);
  g_clear_pointer (&answer, rtc_sdp_free);

  answer = egress_negotiate_answer (&both, asks_audio, tracks, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (answer->media->len, ==, 1);
  g_assert_false (tracks[RTC_MEDIA_VIDEO].is_active);
  g_clear_pointer (&answer, rtc_sdp_free);

  g_assert_null (
      egress_negotiate_answer (&audio_only, asks_video, tracks, &error));
  g_assert_error (error, EGRESS_NEGOTIATE_ERROR, EGRESS_NEGOTIATE_ERROR_MEDIA);
  g_assert_null (egress_negotiate_counter_offer (&audio_only, asks_video));
}

static void
test_ssrcs (void)
{
  for (guint i = 0; i < 1000; i++)
    {
      EgressTerms terms = { 0 };

      egress_terms_draw_ssrcs (&terms);
      g_assert_cmpuint (terms.ssrcs[0], !=, 0);
      g_assert_cmpuint (terms.ssrcs[0], !=, terms.ssrcs[1]);
      g_assert_cmpuint (terms.ssrcs[1], !=, terms.rtx_ssrcs[1]);
      g_assert_cmpuint (terms.rtx_ssrcs[0], !=, terms.rtx_ssrcs[1]);
    }
}

static void
assert_own_offer (const RtcSdp *sdp, const char *text)
{
  const RtcSdpMedia *sound = sdp->media->pdata[0];
  const RtcSdpMedia *picture = sdp->media->pdata[1];
  const RtcSdpCodec *h264 = only_codec (picture);

  g_assert_cmpstr (sdp->session_name, ==, "Mountpoint 2");
  g_assert_cmpint (sdp->setup, ==, RTC_SETUP_ACTPASS);
  g_assert_cmpint (sound->kind, ==, RTC_MEDIA_AUDIO);
  g_assert_cmpstr (sound->mid, ==, "a");
  g_assert_cmpstr (picture->mid, ==, "1");
  g_assert_cmpint (picture->direction, ==, RTC_DIR_SENDONLY);
  g_assert_nonnull (strstr (text, "a=msid:janus janus1\r\n"));
  g_assert_nonnull (strstr (text, "profile-level-id=42e01f"));
  g_assert_cmpint (h264->codec, ==, RTC_CODEC_H264);
  g_assert_cmpint (h264->rtx_pt, ==, h264->pt + 1);
  g_assert_true (h264->nack && h264->pli && h264->fir);
  g_assert_false (h264->remb || h264->twcc);
  g_assert_cmpuint (picture->ext_ids[RTC_EXT_MID], !=, 0);
  g_assert_cmpuint (picture->ext_ids[RTC_EXT_ABS_CAPTURE_TIME], ==, 0);
  g_assert_cmpuint (picture->ext_ids[RTC_EXT_PLAYOUT_DELAY], ==, 0);
}

/* J51: nobody asked; the source's high profile is not told (4.2) */
static void
test_own_offer (void)
{
  EgressTerms terms = make_terms (RTC_CODEC_OPUS, RTC_CODEC_H264);
  EgressOfferWishes wishes = { .wants = { TRUE, TRUE },
                               .mids = { "a" },
                               .msids = { "janus", "janus" },
                               .session_name = "Mountpoint 2" };
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS];
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autoptr (RtcSdp) ours = NULL, read = NULL;

  terms.h264_profile = 0x640c1f;
  ours = egress_negotiate_offer (&terms, &wishes, &error);
  g_assert_no_error (error);
  text = rtc_sdp_to_string (ours);
  read = parse (text, TRUE);
  assert_own_offer (read, text);
  ((RtcSdpMedia *)read->media->pdata[0])->direction = RTC_DIR_RECVONLY;
  ((RtcSdpMedia *)read->media->pdata[1])->direction = RTC_DIR_RECVONLY;
  g_assert_true (egress_negotiate_accept (&terms, ours, read, tracks, &error));
  g_assert_true (tracks[RTC_MEDIA_AUDIO].is_active);
  g_assert_cmpint (tracks[RTC_MEDIA_VIDEO].rtx_pt, ==, 97);
  g_assert_cmpuint (tracks[RTC_MEDIA_VIDEO].ext_ids[RTC_EXT_MID], ==, 0);
}

static void
test_own_offer_order (void)
{
  EgressTerms terms = make_terms (RTC_CODEC_OPUS, RTC_CODEC_H264);
  EgressOfferWishes wishes = { .wants = { TRUE, TRUE }, .video_first = TRUE };
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS];
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autoptr (RtcSdp) ours = NULL, read = NULL;

  ours = egress_negotiate_offer (&terms, &wishes, &error);
  g_assert_no_error (error);
  g_assert_cmpint (section (ours, 0)->kind, ==, RTC_MEDIA_VIDEO);
  g_assert_cmpint (section (ours, 1)->kind, ==, RTC_MEDIA_AUDIO);
  text = rtc_sdp_to_string (ours);
  read = parse (text, TRUE);
  for (guint i = 0; i < read->media->len; i++)
    ((RtcSdpMedia *)read->media->pdata[i])->direction = RTC_DIR_RECVONLY;
  g_assert_true (egress_negotiate_accept (&terms, ours, read, tracks, &error));
  g_assert_true (tracks[RTC_MEDIA_AUDIO].is_active);
  g_assert_cmpint (tracks[RTC_MEDIA_VIDEO].rtx_pt, ==, 97);
}

static void
test_own_offer_extensions (void)
{
  EgressTerms terms = make_terms (RTC_CODEC_OPUS, RTC_CODEC_VP8);
  EgressOfferWishes wishes = { .wants = { [RTC_MEDIA_VIDEO] = TRUE },
                               .with_capture_time = TRUE };
  g_autoptr (GError) error = NULL;
  g_autoptr (RtcSdp) ours = NULL;

  terms.with_playout_delay = TRUE;
  ours = egress_negotiate_offer (&terms, &wishes, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (ours->media->len, ==, 1);
  g_assert_cmpint (section (ours, 0)->kind, ==, RTC_MEDIA_VIDEO);
  g_assert_cmpstr (section (ours, 0)->mid, ==, "0");
  g_assert_cmpuint (section (ours, 0)->ext_ids[RTC_EXT_PLAYOUT_DELAY], !=, 0);
  g_assert_cmpuint (section (ours, 0)->ext_ids[RTC_EXT_ABS_CAPTURE_TIME], !=,
                    0);
  /* of a stream that has none of it */
  terms.info.tracks[RTC_MEDIA_VIDEO].is_present = FALSE;
  g_assert_null (egress_negotiate_offer (&terms, &wishes, &error));
  g_assert_error (error, EGRESS_NEGOTIATE_ERROR, EGRESS_NEGOTIATE_ERROR_MEDIA);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/egress/negotiate/chromium", test_chromium);
  g_test_add_func ("/egress/negotiate/playout-delay", test_playout_delay);
  g_test_add_func ("/egress/negotiate/counter-offer",
                   test_firefox_counter_offer);
  g_test_add_func ("/egress/negotiate/own-offer", test_own_offer);
  g_test_add_func ("/egress/negotiate/own-offer/order", test_own_offer_order);
  g_test_add_func ("/egress/negotiate/own-offer-extensions",
                   test_own_offer_extensions);
  g_test_add_func ("/egress/negotiate/safari-profile", test_safari_profile);
  g_test_add_func ("/egress/negotiate/extra-sections", test_extra_sections);
  g_test_add_func ("/egress/negotiate/directions", test_directions);
  g_test_add_func ("/egress/negotiate/one-kind", test_one_kind);
  g_test_add_func ("/egress/negotiate/ssrcs", test_ssrcs);
  return g_test_run ();
}
