/* SPDX-License-Identifier: Apache-2.0 */
/* Reading of rtc/sdp: the offers of real clients and what may not be. */
#include "tests/unit/sdp-helpers.h"

static void
test_obs (gconstpointer data)
{
  const char *name = data;
  g_autoptr (RtcSdp) sdp = parse_offer (name);
  gboolean is_master = g_str_has_prefix (name, "obs-master");
  gboolean is_simulcast = strstr (name, "simulcast") != NULL;
  RtcSdpMedia *audio = media_at (sdp, 0), *video = media_at (sdp, 1);
  RtcSdpCodec *codec;

  g_assert_cmpuint (sdp->media->len, ==, 2);
  g_assert_cmpuint (strlen (sdp->ice_ufrag), ==, 4);
  g_assert_cmpuint (strlen (sdp->ice_pwd), ==, 22);
  g_assert_true (sdp->has_trickle); /* "ice2,trickle" is one word */
  g_assert_false (sdp->ice_lite);
  g_assert_cmpstr (sdp->fingerprint_hash, ==, "sha-256");
  g_assert_cmpuint (strlen (sdp->fingerprint), ==, 95);
  g_assert_cmpint (sdp->setup, ==, RTC_SETUP_ACTPASS);
  g_assert_cmpuint (sdp->candidates->len, ==, 0);
  g_assert_cmpuint (sdp->session_id, >, 0);
  g_assert_cmpuint (sdp->session_version, ==, 0);

  g_assert_cmpint (audio->kind, ==, RTC_MEDIA_AUDIO);
  g_assert_cmpstr (audio->mid, ==, "0");
  g_assert_false (audio->is_rejected); /* port 9 */
  g_assert_cmpint (audio->direction, ==, RTC_DIR_SENDONLY);
  g_assert_true (audio->rtcp_mux);
  g_assert_false (audio->rtcp_mux_only);
  g_assert_false (audio->rtcp_rsize);
  g_assert_cmpuint (audio->n_ssrcs, ==, 1);
  g_assert_cmpuint (audio->ssrcs[0], ==, 305419896);
  g_assert_cmpstr (audio->cname, ==, "CNAME16CHARSxxxx");
  g_assert_cmpstr (audio->msid_stream, ==, "MEDIASTREAMID123");
  g_assert_cmpstr (audio->msid_track, ==, "MEDIASTREAMID123-audio");
  g_assert_cmpuint (audio->codecs->len, ==, 1);
  codec = codec_at (audio, 0);
  g_assert_cmpint (codec->codec, ==, RTC_CODEC_OPUS);
  g_assert_cmpuint (codec->pt, ==, 111);
  g_assert_cmpuint (codec->channels, ==, 2);
  g_assert_cmpuint (codec->clock_hz, ==, 48000);
  g_assert_cmpint (codec->rtx_pt, ==, -1);
  g_assert_false (codec->nack);
  g_assert_cmpstr (codec->fmtp, ==,
                   "minptime=10;maxaveragebitrate=96000;stereo=1;"
                   "sprop-stereo=1;useinbandfec=1");

  g_assert_cmpint (video->kind, ==, RTC_MEDIA_VIDEO);
  g_assert_cmpstr (video->mid, ==, "1");
  g_assert_cmpuint (video->ext_ids[RTC_EXT_MID], ==, 1);
  g_assert_cmpuint (video->ext_ids[RTC_EXT_RID], ==, 2);
  g_assert_cmpuint (video->ext_ids[RTC_EXT_TRANSPORT_CC], ==, 0);
  g_assert_cmpuint (video->codecs->len, ==, 1);
  codec = codec_at (video, 0);
  g_assert_cmpuint (codec->pt, ==, 96);
  g_assert_cmpuint (codec->channels, ==, 0);
  g_assert_cmpint (codec->codec, ==,
                   strstr (name, "av1")    ? RTC_CODEC_AV1
                   : strstr (name, "hevc") ? RTC_CODEC_H265
                                           : RTC_CODEC_H264);
  if (codec->codec == RTC_CODEC_H264)
    g_assert_cmpstr (codec->fmtp, ==,
                     "profile-level-id=42e01f;packetization-mode=1;"
                     "level-asymmetry-allowed=1");
  else
    g_assert_null (codec->fmtp);
  g_assert_true (codec->nack && codec->pli && codec->remb);
  g_assert_cmpint (codec->fir, ==, is_master);
  g_assert_false (codec->twcc);
  g_assert_cmpint (video->has_simulcast, ==, is_simulcast);
  g_assert_cmpuint (video->n_rids, ==, is_simulcast ? 3 : 0);
  g_assert_cmpuint (video->n_ssrcs, ==, is_simulcast ? 0 : 1);
  for (guint i = 0; i < video->n_rids; i++)
    g_assert_cmpint (video->rids[i][0], ==, '0' + (int)i);
}

static void
test_chromium (void)
{
  g_autoptr (RtcSdp) sdp = parse_offer ("chromium-156-recvonly.sdp");
  RtcSdpMedia *video = media_at (sdp, 0), *audio = media_at (sdp, 1);
  const RtcSdpCodec *codec;

  g_assert_cmpuint (sdp->session_id, ==,
                    G_GUINT64_CONSTANT (1109611402328057565));
  g_assert_cmpuint (sdp->session_version, ==, 2);
  g_assert_cmpstr (sdp->ice_ufrag, ==, "Bsjb");
  g_assert_cmpstr (sdp->ice_pwd, ==, "ctP0GlfeSpFuwrhnJToTtADd");
  g_assert_true (g_str_has_prefix (sdp->fingerprint, "7B:B4:66:32"));
  g_assert_cmpint (video->direction, ==, RTC_DIR_RECVONLY);
  g_assert_true (video->rtcp_rsize);
  g_assert_false (video->rtcp_mux_only);
  g_assert_cmpuint (video->ext_ids[RTC_EXT_ABS_SEND_TIME], ==, 2);
  g_assert_cmpuint (video->ext_ids[RTC_EXT_VIDEO_ORIENTATION], ==, 3);
  g_assert_cmpuint (video->ext_ids[RTC_EXT_TRANSPORT_CC], ==, 4);
  g_assert_cmpuint (video->ext_ids[RTC_EXT_PLAYOUT_DELAY], ==, 5);
  g_assert_cmpuint (video->ext_ids[RTC_EXT_MID], ==, 9);
  g_assert_cmpuint (video->ext_ids[RTC_EXT_RID], ==, 10);
  g_assert_cmpuint (video->ext_ids[RTC_EXT_REPAIRED_RID], ==, 11);
  g_assert_cmpuint (audio->ext_ids[RTC_EXT_AUDIO_LEVEL], ==, 14);
  /* VP8, 4 VP9, 8 H264, 2 AV1; red, ulpfec and flexfec are not codecs */
  g_assert_cmpuint (video->codecs->len, ==, 15);
  codec = codec_at (video, 0);
  g_assert_cmpint (codec->codec, ==, RTC_CODEC_VP8);
  g_assert_cmpint (codec->rtx_pt, ==, 97);
  g_assert_true (codec->nack && codec->pli && codec->fir && codec->remb
                 && codec->twcc);
  codec = codec_at (video, 3); /* payload types below 64 are in use */
  g_assert_cmpuint (codec->pt, ==, 35);
  g_assert_cmpint (codec->rtx_pt, ==, 36);
  g_assert_cmpuint (audio->codecs->len, ==, 1);

  codec = rtc_sdp_pick_codec (video, RTC_CODEC_H264, NULL, 0);
  g_assert_cmpuint (codec->pt, ==, 108);
  codec = rtc_sdp_pick_codec (video, RTC_CODEC_H264, NULL, 0x640c28);
  g_assert_cmpuint (codec->pt, ==, 108); /* no high: 42e01f */
  codec = rtc_sdp_pick_codec (video, RTC_CODEC_H264, NULL, 0x4d0029);
  g_assert_cmpuint (codec->pt, ==, 116);
  codec = rtc_sdp_pick_codec (video, RTC_CODEC_H264, NULL, 0x420028);
  g_assert_cmpuint (codec->pt, ==, 102);
  codec = rtc_sdp_pick_codec (video, RTC_CODEC_H264, NULL, 0xf40028);
  g_assert_cmpuint (codec->pt, ==, 41);
  codec = rtc_sdp_pick_codec (video, RTC_CODEC_VP9, NULL, 0);
  g_assert_cmpuint (codec->pt, ==, 98);
  codec = rtc_sdp_pick_codec (video, RTC_CODEC_VP9, "profile-id=2", 0);
  g_assert_cmpuint (codec->pt, ==, 100);
  codec = rtc_sdp_pick_codec (video, RTC_CODEC_AV1, NULL, 0);
  g_assert_cmpuint (codec->pt, ==, 45);
  g_assert_null (rtc_sdp_pick_codec (video, RTC_CODEC_AV1, "profile=2", 0));
  g_assert_null (rtc_sdp_pick_codec (video, RTC_CODEC_H265, NULL, 0));
  g_assert_null (rtc_sdp_pick_codec (video, RTC_CODEC_NONE, NULL, 0));
  codec = rtc_sdp_pick_codec (audio, RTC_CODEC_OPUS, "stereo=1", 0);
  g_assert_cmpuint (codec->pt, ==, 111);
}

static void
test_firefox (void)
{
  g_autoptr (RtcSdp) sdp = parse_offer ("firefox-153-recvonly.sdp");
  RtcSdpMedia *video = media_at (sdp, 0), *audio = media_at (sdp, 1);

  g_assert_true (g_str_has_prefix (sdp->fingerprint, "76:63:A4"));
  g_assert_cmpstr (sdp->ice_ufrag, ==, "197b1f98");
  g_assert_true (sdp->has_trickle);
  g_assert_cmpuint (video->ext_ids[RTC_EXT_PLAYOUT_DELAY], ==, 6);
  g_assert_cmpuint (video->ext_ids[RTC_EXT_MID], ==, 3);
  g_assert_cmpuint (audio->ext_ids[RTC_EXT_AUDIO_LEVEL], ==, 1);
  g_assert_cmpuint (video->codecs->len, ==, 3);
  g_assert_cmpint (codec_at (video, 0)->codec, ==, RTC_CODEC_VP8);
  g_assert_cmpint (codec_at (video, 0)->rtx_pt, ==, 124);
  g_assert_cmpint (codec_at (video, 1)->rtx_pt, ==, 125);
  g_assert_cmpint (codec_at (video, 2)->codec, ==, RTC_CODEC_AV1);
  g_assert_cmpint (codec_at (video, 2)->rtx_pt, ==, 100);
  g_assert_null (rtc_sdp_pick_codec (video, RTC_CODEC_H264, NULL, 0));
  g_assert_cmpuint (video->ssrcs[0], ==, 3749351505);
  g_assert_cmpuint (audio->codecs->len, ==, 1);
  g_assert_cmpuint (codec_at (audio, 0)->pt, ==, 109);
}

static void
test_safari_high (void)
{
  g_autofree char *text = load_offer ("chromium-156-recvonly.sdp");
  g_autofree char *safari =
      replace (text, "profile-level-id=42001f", "profile-level-id=640c1f");
  g_autoptr (RtcSdp) sdp = parse (safari, TRUE);
  RtcSdpMedia *video = media_at (sdp, 0);

  g_assert_cmpuint (
      rtc_sdp_pick_codec (video, RTC_CODEC_H264, NULL, 0x640028)->pt, ==, 102);
  g_assert_cmpuint (
      rtc_sdp_pick_codec (video, RTC_CODEC_H264, NULL, 0x42c01e)->pt, ==, 108);
}

static void
assert_error (const char *text, gboolean is_offer, RtcSdpError code,
              const char *name)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (rtc_sdp_parse (text, is_offer, &error));
  g_assert_error (error, RTC_SDP_ERROR, (int)code);
  g_assert_cmpstr (rtc_sdp_error_code (error), ==, name);
}

static void
test_errors (void)
{
  static const struct
  {
    const char *old, *new;
    RtcSdpError code;
    const char *name;
  } rows[] = {
    { "v=0\r\n", "", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "v=0", "v=1", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "o=rtc", "x=rtc", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "s=-", "\x01", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "s=-", "s=\x80", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "s=-", "hello", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "s=-", "s=a\rb", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "m=audio 9 UDP", "m=audio x UDP", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "m=audio 9 UDP", "m=audio 65536 UDP", RTC_SDP_ERROR_SYNTAX,
      "sdp-syntax" },
    { "m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=audio", RTC_SDP_ERROR_SYNTAX,
      "sdp-syntax" },
    { "SAVPF 111", "SAVPF abc", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "SAVPF 111", "SAVPF 128", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "H264/90000", "H264", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "H264/90000", "H264/9z", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "rtpmap:96", "rtpmap:9x", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "fmtp:96", "fmtp:", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "rtcp-fb:96", "rtcp-fb:x", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "extmap:1 ", "extmap:x ", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "extmap:1 ", "extmap:1,", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "ssrc:305419896 c", "ssrc:30541989600 c", RTC_SDP_ERROR_SYNTAX,
      "sdp-syntax" },
    { "sha-256 B2", "sha-256 G2", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "sha-256 B2:", "sha-256 ", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "a=mid:0", "a=mid:a b", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "a=mid:0", "a=mid:", RTC_SDP_ERROR_SYNTAX, "sdp-syntax" },
    { "a=mid:0", "a=mid:12345678901234567", RTC_SDP_ERROR_LIMIT, "sdp-limit" },
    { "a=mid:1", "a=mid:0", RTC_SDP_ERROR_BUNDLE, "sdp-bundle" },
    { "a=mid:1", "a=foo", RTC_SDP_ERROR_BUNDLE, "sdp-bundle" },
    { "a=group:BUNDLE 0 1", "a=group:BUNDLE 0", RTC_SDP_ERROR_BUNDLE,
      "sdp-bundle" },
    { "a=group:BUNDLE 0 1", "a=group:LS 0 1", RTC_SDP_ERROR_BUNDLE,
      "sdp-bundle" },
    { "a=fingerprint:sha-256", "a=fingerprint:md5",
      RTC_SDP_ERROR_NO_FINGERPRINT, "sdp-no-fingerprint" },
    { "a=fingerprint", "a=x", RTC_SDP_ERROR_NO_FINGERPRINT,
      "sdp-no-fingerprint" },
    { "a=ice-ufrag:FV4I", "a=x", RTC_SDP_ERROR_NO_ICE, "sdp-no-ice" },
    { "a=ice-ufrag:FV4I", "a=ice-ufrag:FV4", RTC_SDP_ERROR_NO_ICE,
      "sdp-no-ice" },
    { "a=ice-ufrag:FV4I", "a=ice-ufrag:FV:I", RTC_SDP_ERROR_NO_ICE,
      "sdp-no-ice" },
    { "a=ice-pwd:H", "a=ice-pwd:", RTC_SDP_ERROR_NO_ICE, "sdp-no-ice" },
    { "a=ice-pwd:", "a=x:", RTC_SDP_ERROR_NO_ICE, "sdp-no-ice" },
    { "a=setup:actpass", "a=setup:passive", RTC_SDP_ERROR_SETUP, "sdp-setup" },
    { "a=setup:actpass", "a=setup:holdconn", RTC_SDP_ERROR_SETUP, "sdp-setup" },
    { "a=setup:actpass", "a=x", RTC_SDP_ERROR_SETUP, "sdp-setup" },
  };
  g_autofree char *offer = load_offer ("obs-v0.21-h264.sdp");

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *text = replace (offer, rows[i].old, rows[i].new);
      g_test_message ("row %u: %s", i, rows[i].old);
      assert_error (text, TRUE, rows[i].code, rows[i].name);
    }
  assert_error (offer, FALSE, RTC_SDP_ERROR_SETUP, "sdp-setup");
  assert_error ("", TRUE, RTC_SDP_ERROR_SYNTAX, "sdp-syntax");
  assert_error ("{\"a\":1}", TRUE, RTC_SDP_ERROR_SYNTAX, "sdp-syntax");
  g_assert_cmpstr (rtc_sdp_error_code (NULL), ==, "sdp-syntax");
}

static void
test_no_media (void)
{
  g_autofree char *offer = load_offer ("obs-v0.21-h264.sdp");
  g_autofree char *bare =
      g_strndup (offer, (gsize)(strstr (offer, "m=audio") - offer));
  g_autofree char *half = replace (offer, "m=audio 9", "m=audio 0");
  g_autofree char *none = replace (half, "m=video 9", "m=video 0");
  g_autofree char *data = replace (half, "m=video 9 UDP/TLS/RTP/SAVPF 96",
                                   "m=application 9 UDP/DTLS/SCTP x");
  g_autoptr (RtcSdp) sdp = NULL;

  assert_error (bare, TRUE, RTC_SDP_ERROR_NO_MEDIA, "sdp-no-media");
  assert_error (none, TRUE, RTC_SDP_ERROR_NO_MEDIA, "sdp-no-media");
  assert_error (data, TRUE, RTC_SDP_ERROR_NO_MEDIA, "sdp-no-media");
  sdp = parse (half, TRUE);
  g_assert_true (media_at (sdp, 0)->is_rejected);
  g_assert_false (media_at (sdp, 1)->is_rejected);
}

/* One below and one above each bound */
static void
test_limits (void)
{
  g_autofree char *offer = load_offer ("obs-v0.21-h264.sdp");
  g_autofree char *simulcast = load_offer ("obs-v0.21-h264-simulcast.sdp");

  for (int over = 0; over < 2; over++)
    {
      GString *text = g_string_new (offer);
      g_autoptr (GString) rids = g_string_new ("a=simulcast:send r0");
      g_autoptr (GString) formats = g_string_new ("SAVPF 111");
      g_autofree char *many_rids = NULL, *many_formats = NULL;

      while (text->len < RTC_SDP_MAX_BYTES - 4)
        g_string_append (text, "a=x\n");
      g_string_append_len (text, "a=xxxx",
                           RTC_SDP_MAX_BYTES - (gssize)text->len);
      g_string_append (text, over ? "x" : "");
      for (guint i = 1; i < RTC_SDP_MAX_RIDS + (guint)over; i++)
        g_string_append_printf (rids, ";r%u", i);
      for (guint i = 1; i < RTC_SDP_MAX_CODECS + (guint)over; i++)
        g_string_append (formats, " 111"); /* the number of words counts */
      many_rids = replace (simulcast, "a=simulcast:send 0;1;2", rids->str);
      many_formats = replace (offer, "SAVPF 111", formats->str);
      if (over)
        {
          assert_error (text->str, TRUE, RTC_SDP_ERROR_TOO_BIG, "sdp-too-big");
          assert_error (many_rids, TRUE, RTC_SDP_ERROR_LIMIT, "sdp-limit");
          assert_error (many_formats, TRUE, RTC_SDP_ERROR_LIMIT, "sdp-limit");
        }
      else
        {
          g_autoptr (RtcSdp) a = parse (text->str, TRUE);
          g_autoptr (RtcSdp) b = parse (many_rids, TRUE);
          g_autoptr (RtcSdp) c = parse (many_formats, TRUE);
          g_assert_nonnull (a);
          g_assert_cmpuint (media_at (b, 1)->n_rids, ==, RTC_SDP_MAX_RIDS);
          g_assert_cmpuint (media_at (c, 0)->codecs->len, ==, 1);
        }
      g_string_free (text, TRUE);
    }
}

static void
test_limit_media (void)
{
  g_autofree char *offer = load_offer ("obs-v0.21-h264.sdp");
  g_autoptr (GString) text = g_string_new (offer);
  g_autoptr (RtcSdp) sdp = NULL;

  for (guint i = 2; i < RTC_SDP_MAX_MEDIA; i++)
    g_string_append (text, "m=application 0 UDP/DTLS/SCTP x\r\n");
  sdp = parse (text->str, TRUE);
  g_assert_cmpuint (sdp->media->len, ==, RTC_SDP_MAX_MEDIA);
  g_string_append (text, "m=application 0 UDP/DTLS/SCTP x\r\n");
  assert_error (text->str, TRUE, RTC_SDP_ERROR_LIMIT, "sdp-limit");
}

/* Candidates and SSRCs above the bound are not kept, and refuse nothing. */
static void
test_limit_kept (void)
{
  g_autofree char *offer = load_offer ("obs-v0.21-h264.sdp");
  g_autoptr (GString) lines = g_string_new ("a=mid:0\r\n");
  g_autofree char *text = NULL;
  g_autoptr (RtcSdp) sdp = NULL;
  RtcSdpCandidate *candidate;

  g_string_append (lines, "a=candidate:1 1 udp 1 x.local 1 typ host\r\n"
                          "a=candidate:1 2 udp 1 1.2.3.4 1 typ host\r\n"
                          "a=candidate:1 1 udp 1 1.2.3.4 0 typ host\r\n"
                          "a=candidate:junk\r\n");
  for (guint i = 0; i < RTC_SDP_MAX_CANDIDATES + 10; i++)
    g_string_append_printf (lines,
                            "a=candidate:1 1 UDP %u 10.0.0.1 %u typ host "
                            "generation 0\r\n",
                            1000 + i, 5000 + i);
  for (guint i = 0; i < RTC_SDP_MAX_SSRCS + 10; i++)
    g_string_append_printf (lines, "a=ssrc:%u cname:x\r\n", i + 1);
  text = replace (offer, "a=mid:0\r\n", lines->str);
  sdp = parse (text, TRUE);
  g_assert_cmpuint (sdp->candidates->len, ==, RTC_SDP_MAX_CANDIDATES);
  candidate = &g_array_index (sdp->candidates, RtcSdpCandidate, 1);
  g_assert_cmpstr (candidate->address, ==, "10.0.0.1");
  g_assert_cmpuint (candidate->port, ==, 5001);
  g_assert_cmpuint (candidate->priority, ==, 1001);
  g_assert_cmpuint (media_at (sdp, 0)->n_ssrcs, ==, RTC_SDP_MAX_SSRCS);
}

static void
test_shapes (void)
{
  g_autofree char *offer = load_offer ("obs-v0.21-h264.sdp");
  GString *lf = g_string_new (offer);
  g_autofree char *many = NULL, *only = NULL, *bundle_only = NULL;

  g_string_replace (lf, "\r\n", "\n", 0);
  {
    g_autoptr (RtcSdp) sdp = parse (lf->str, TRUE);
    g_assert_cmpuint (sdp->media->len, ==, 2);
  }
  g_string_free (lf, TRUE);

  /* the strongest-supported hash of several; upper case out */
  many = replace (offer, "a=fingerprint:",
                  "a=fingerprint:md5 00:11\r\na=fingerprint:SHA-1 "
                  "aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa"
                  "\r\na=fingerprint:");
  {
    g_autoptr (RtcSdp) sdp = parse (many, TRUE);
    g_assert_cmpstr (sdp->fingerprint_hash, ==, "sha-256");
    g_assert_true (g_str_has_prefix (sdp->fingerprint, "B2:12"));
  }
  /* one section needs neither BUNDLE nor mid */
  g_free (many);
  many = replace (offer, "a=group:BUNDLE 0 1\r\n", "");
  *strstr (many, "m=video") = '\0';
  only = replace (many, "a=mid:0\r\n", "");
  {
    g_autoptr (RtcSdp) sdp = parse (only, TRUE);
    g_assert_null (media_at (sdp, 0)->mid);
  }
  bundle_only = replace (offer, "m=video 9 UDP/TLS/RTP/SAVPF 96",
                         "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only");
  {
    g_autoptr (RtcSdp) sdp = parse (bundle_only, TRUE);
    g_assert_false (media_at (sdp, 1)->is_rejected);
  }
}

static void
test_details (void)
{
  g_autofree char *offer = load_offer ("obs-v0.21-h264.sdp");
  g_autofree char *text = replace (
      offer, "a=mid:1\r\n",
      "a=mid:1\r\n"
      "a=ssrc:7 cname:other\r\n"
      "a=ssrc-group:FID 305419897 7\r\n"
      "a=ssrc-group:SIM 1 2\r\n"
      "a=ssrc-group:FID x\r\n"
      "a=rtcp-fb:* transport-cc\r\n"
      "a=extmap:3/sendonly "
      "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time\r\n"
      "a=extmap:4/recvonly urn:3gpp:video-orientation\r\n"
      "a=extmap:15 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n"
      "a=rid:hi send\r\na=rid:lo recv\r\n"
      "a=rtpmap:127 foo\r\n");
  g_autoptr (RtcSdp) sdp = parse (text, TRUE);
  RtcSdpMedia *video = media_at (sdp, 1);
  g_autofree char *mode =
      rtc_sdp_fmtp_get (" A=b; Packetization-Mode = 1", "packetization-mode");
  g_autofree char *flag = rtc_sdp_fmtp_get ("x;usedtx", "usedtx");

  g_assert_cmpuint (video->n_ssrcs, ==, 1);
  g_assert_cmpuint (video->ssrcs[0], ==, 305419897);
  g_assert_cmpuint (video->rtx_ssrcs[0], ==, 7);
  g_assert_true (codec_at (video, 0)->twcc);
  g_assert_cmpuint (video->ext_ids[RTC_EXT_ABS_CAPTURE_TIME], ==, 3);
  g_assert_cmpuint (video->ext_ids[RTC_EXT_VIDEO_ORIENTATION], ==, 0);
  g_assert_cmpuint (video->ext_ids[RTC_EXT_REPAIRED_RID], ==, 0);
  g_assert_cmpuint (video->n_rids, ==, 1);
  g_assert_cmpstr (video->rids[0], ==, "hi");
  g_assert_false (video->has_simulcast);
  g_assert_cmpstr (mode, ==, "1");
  g_assert_cmpstr (flag, ==, "");
  g_assert_null (rtc_sdp_fmtp_get ("modes=1", "mode"));
  g_assert_null (rtc_sdp_fmtp_get (NULL, "mode"));
}

int
main (int argc, char **argv)
{
  static const char *const files[] = {
    "obs-master-av1.sdp",  "obs-master-h264-simulcast.sdp",
    "obs-master-h264.sdp", "obs-master-hevc.sdp",
    "obs-v0.21-av1.sdp",   "obs-v0.21-h264-simulcast.sdp",
    "obs-v0.21-h264.sdp",  "obs-v0.21-hevc.sdp",
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *name = g_strconcat ("/rtc/sdp/read/", files[i], NULL);

      g_test_add_data_func (name, files[i], test_obs);
    }
  g_test_add_func ("/rtc/sdp/chromium", test_chromium);
  g_test_add_func ("/rtc/sdp/firefox", test_firefox);
  g_test_add_func ("/rtc/sdp/safari-high", test_safari_high);
  g_test_add_func ("/rtc/sdp/errors", test_errors);
  g_test_add_func ("/rtc/sdp/no-media", test_no_media);
  g_test_add_func ("/rtc/sdp/limits", test_limits);
  g_test_add_func ("/rtc/sdp/limit-media", test_limit_media);
  g_test_add_func ("/rtc/sdp/limit-kept", test_limit_kept);
  g_test_add_func ("/rtc/sdp/shapes", test_shapes);
  g_test_add_func ("/rtc/sdp/details", test_details);
  return g_test_run ();
}
