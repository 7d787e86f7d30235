/* SPDX-License-Identifier: Apache-2.0 */
/* Writing of rtc/sdp: answers that read back and that OBS survives, and the
 * fragments of trickling. */
#include <gst/sdp/sdp.h>

#include "tests/unit/sdp-helpers.h"

/* What an endpoint does: answers every section of the offer. */
static RtcSdp *
make_answer (const RtcSdp *offer)
{
  RtcSdp *answer = rtc_sdp_new ();

  answer->session_id = 42;
  answer->session_version = 1;
  answer->ice_ufrag = g_strdup ("abcdefghijklmnop");
  answer->ice_pwd = g_strdup ("abcdefghijklmnopqrstuvwx");
  answer->ice_lite = answer->has_trickle = TRUE;
  answer->fingerprint_hash = g_strdup ("sha-256");
  answer->fingerprint = g_strdup (offer->fingerprint);
  answer->setup = RTC_SETUP_PASSIVE;
  for (guint i = 0; i < offer->media->len; i++)
    {
      const RtcSdpMedia *from = g_ptr_array_index (offer->media, i);
      RtcSdpMedia *to = rtc_sdp_add_media (answer, from->kind, from->mid);

      to->direction = (RtcDirection)((from->direction & 1) << 1
                                     | (from->direction & 2) >> 1);
      to->rtcp_mux = to->rtcp_mux_only = to->rtcp_rsize = TRUE;
      to->raw_type = g_strdup (from->raw_type);
      to->raw_proto = g_strdup (from->raw_proto);
      to->raw_formats = g_strdup (from->raw_formats);
      to->is_other = from->is_other;
      to->is_rejected = from->is_rejected;
      if (from->codecs->len > 0)
        rtc_sdp_media_add_codec (to,
                                 &g_array_index (from->codecs, RtcSdpCodec, 0));
      memcpy (to->ext_ids, from->ext_ids, sizeof to->ext_ids);
      for (guint k = 0; k < from->n_rids; k++)
        to->rids[to->n_rids++] = g_strdup (from->rids[k]);
      to->has_simulcast = from->has_simulcast;
      if (to->direction == RTC_DIR_SENDONLY)
        {
          to->msid_stream = g_strdup ("live");
          to->msid_track = g_strdup_printf ("t%u", i);
          to->cname = g_strdup ("live");
          to->ssrcs[0] = 1000 + i;
          to->rtx_ssrcs[0] = codec_at (to, 0)->rtx_pt >= 0 ? 2000 + i : 0;
          to->n_ssrcs = 1;
        }
    }
  rtc_sdp_add_candidate (answer, "192.0.2.7", 7200, FALSE);
  rtc_sdp_add_candidate (answer, "2001:db8::7", 7200, FALSE);
  rtc_sdp_add_candidate (answer, "192.0.2.7", 7200, TRUE);
  return answer;
}

static guint
count (const char *text, const char *what)
{
  guint n = 0;

  for (const char *p = text; (p = strstr (p, what)) != NULL; p++)
    n++;
  return n;
}

static const char *const candidate_re =
    "^a=candidate:[0-9]+ 1 (udp|tcp) [0-9]+ [0-9a-f.:]+ [0-9]+ typ host"
    "( tcptype passive)?$";

/* PROTOCOLS.md 1.4: each of these lines, malformed, ends the OBS process. */
static void
assert_survivable (const char *text)
{
  static const char *const rows[][2] = {
    { "a=candidate:", NULL },
    { "a=fingerprint:",
      "^a=fingerprint:sha-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}$" },
    { "a=rtpmap:", "^a=rtpmap:[0-9]+ [A-Za-z0-9]+/[0-9]+(/[0-9]+)?$" },
    { "a=fmtp:", "^a=fmtp:[0-9]+ .+$" },
    { "a=rtcp-fb:", "^a=rtcp-fb:[0-9]+ .+$" },
    { "a=extmap:", "^a=extmap:[0-9]+ [^ ]+$" },
    { "m=", "^m=[a-z]+ [0-9]+ [A-Z/]+( [^ ]+)+$" },
    { "a=rid:", "^a=rid:[^ ]+ (send|recv)$" },
    { "a=simulcast:", "^a=simulcast:(send|recv) [^ ]+$" },
    { "a=ssrc:", "^a=ssrc:[0-9]+ (cname|msid):.+$" },
    { "a=setup:", "^a=setup:(active|passive|actpass)$" },
    { "a=ice-ufrag:", "^a=ice-ufrag:.{4,256}$" },
    { "a=ice-pwd:", "^a=ice-pwd:.{22,256}$" },
    { "a=mid:", "^a=mid:[^ ]+$" },
    { "a=group:", "^a=group:BUNDLE( [^ ]+)+$" },
  };
  g_auto (GStrv) lines = g_strsplit (text, "\r\n", -1);
  guint n = g_strv_length (lines);

  g_assert_true (g_str_has_prefix (text, "v=0\r\no=- "));
  g_assert_true (g_str_has_suffix (text, "\r\n"));
  g_assert_cmpuint (count (text, "\n"), ==, count (text, "\r\n"));
  g_assert_cmpuint (count (text, "\r"), ==, count (text, "\r\n"));
  g_assert_cmpuint (count (text, "\r\nb="), ==, 0);
  for (guint i = 0; i + 1 < n; i++)
    {
      g_assert_true (g_regex_match_simple ("^[a-z]=.", lines[i], 0, 0));
      for (guint k = 0; k < G_N_ELEMENTS (rows); k++)
        if (g_str_has_prefix (lines[i], rows[k][0])
            && !g_regex_match_simple (rows[k][1] ? rows[k][1] : candidate_re,
                                      lines[i], 0, 0))
          g_error ("malformed: %s", lines[i]);
    }
  /* one fingerprint a section, all the same */
  g_assert_cmpuint (count (text, "a=fingerprint:"), ==,
                    count (text, "a=setup:"));
}

static void
assert_same_media (const RtcSdpMedia *a, const RtcSdpMedia *b)
{
  g_assert_cmpint (a->kind, ==, b->kind);
  g_assert_cmpstr (a->mid, ==, b->mid);
  g_assert_cmpint (a->is_other, ==, b->is_other);
  g_assert_cmpstr (a->raw_proto, ==, b->raw_proto);
  g_assert_cmpint (a->direction, ==, b->direction);
  g_assert_cmpint (a->rtcp_mux, ==, b->rtcp_mux);
  g_assert_cmpint (a->rtcp_mux_only, ==, b->rtcp_mux_only);
  g_assert_cmpint (a->rtcp_rsize, ==, b->rtcp_rsize);
  g_assert_cmpstr (a->msid_stream, ==, b->msid_stream);
  g_assert_cmpstr (a->msid_track, ==, b->msid_track);
  g_assert_cmpmem (a->ext_ids, sizeof a->ext_ids, b->ext_ids,
                   sizeof b->ext_ids);
  g_assert_cmpuint (a->n_ssrcs, ==, b->n_ssrcs);
  for (guint i = 0; i < a->n_ssrcs; i++)
    {
      g_assert_cmpuint (a->ssrcs[i], ==, b->ssrcs[i]);
      g_assert_cmpuint (a->rtx_ssrcs[i], ==, b->rtx_ssrcs[i]);
    }
  g_assert_cmpuint (a->n_rids, ==, b->n_rids);
  for (guint i = 0; i < a->n_rids; i++)
    g_assert_cmpstr (a->rids[i], ==, b->rids[i]);
  g_assert_cmpint (a->has_simulcast, ==, b->has_simulcast);
  g_assert_cmpuint (a->codecs->len, ==, b->codecs->len);
  for (guint i = 0; i < a->codecs->len; i++)
    {
      RtcSdpCodec *x = &g_array_index (a->codecs, RtcSdpCodec, i);
      RtcSdpCodec *y = &g_array_index (b->codecs, RtcSdpCodec, i);

      g_assert_cmpuint (x->pt, ==, y->pt);
      g_assert_cmpint (x->codec, ==, y->codec);
      g_assert_cmpuint (x->clock_hz, ==, y->clock_hz);
      g_assert_cmpuint (x->channels, ==, y->channels);
      g_assert_cmpstr (x->fmtp, ==, y->fmtp);
      g_assert_cmpint (x->rtx_pt, ==, y->rtx_pt);
      g_assert_true (x->nack == y->nack && x->pli == y->pli && x->fir == y->fir
                     && x->remb == y->remb && x->twcc == y->twcc);
    }
}

static void
assert_same (const RtcSdp *a, const RtcSdp *b)
{
  g_assert_cmpuint (a->session_id, ==, b->session_id);
  g_assert_cmpuint (a->session_version, ==, b->session_version);
  g_assert_cmpstr (a->ice_ufrag, ==, b->ice_ufrag);
  g_assert_cmpstr (a->ice_pwd, ==, b->ice_pwd);
  g_assert_cmpint (a->ice_lite, ==, b->ice_lite);
  g_assert_cmpint (a->has_trickle, ==, b->has_trickle);
  g_assert_cmpstr (a->fingerprint_hash, ==, b->fingerprint_hash);
  g_assert_cmpstr (a->fingerprint, ==, b->fingerprint);
  g_assert_cmpint (a->setup, ==, b->setup);
  g_assert_cmpuint (a->media->len, ==, b->media->len);
  for (guint i = 0; i < a->media->len; i++)
    assert_same_media (g_ptr_array_index (a->media, i),
                       g_ptr_array_index (b->media, i));
  g_assert_cmpuint (a->candidates->len, ==, b->candidates->len);
  for (guint i = 0; i < a->candidates->len; i++)
    {
      RtcSdpCandidate *x = &g_array_index (a->candidates, RtcSdpCandidate, i);
      RtcSdpCandidate *y = &g_array_index (b->candidates, RtcSdpCandidate, i);

      g_assert_cmpstr (x->address, ==, y->address);
      g_assert_cmpuint (x->port, ==, y->port);
      g_assert_cmpint (x->is_tcp, ==, y->is_tcp);
    }
}

static void
assert_gst_reads (const char *text, guint n_media)
{
  GstSDPMessage *message;

  gst_sdp_message_new (&message);
  g_assert_cmpint (gst_sdp_message_parse_buffer ((const guint8 *)text,
                                                 (guint)strlen (text), message),
                   ==, GST_SDP_OK);
  g_assert_cmpuint (gst_sdp_message_medias_len (message), ==, n_media);
  for (guint i = 0; i < n_media; i++)
    {
      const GstSDPMedia *media = gst_sdp_message_get_media (message, i);

      g_assert_nonnull (gst_sdp_media_get_attribute_val (media, "mid"));
      if (gst_sdp_media_get_port (media) == 0)
        continue;
      g_assert_nonnull (gst_sdp_media_get_attribute_val (media, "rtpmap"));
    }
  gst_sdp_message_free (message);
}

static void
test_round_trip (gconstpointer data)
{
  g_autoptr (RtcSdp) offer = parse_offer (data);
  g_autoptr (RtcSdp) answer = make_answer (offer), again = NULL;
  g_autoptr (RtcSdp) offer_again = NULL;
  g_autofree char *text = rtc_sdp_to_string (answer);
  g_autofree char *offer_text = rtc_sdp_to_string (offer);
  const char *first_mid = strstr (text, "a=mid:0\r\n");
  guint n_rids = media_at (offer, 1)->n_rids;

  assert_survivable (text);
  again = parse (text, FALSE);
  assert_same (answer, again);
  assert_gst_reads (text, 2);
  g_assert_nonnull (strstr (text, "\r\na=group:BUNDLE 0 1\r\n"));
  g_assert_nonnull (strstr (text, "\r\no=- 42 1 IN IP4 127.0.0.1\r\n"));
  g_assert_nonnull (strstr (text, "\r\na=ice-lite\r\n"));
  g_assert_nonnull (strstr (text, "\r\na=msid-semantic:WMS *\r\n"));
  g_assert_nonnull (first_mid);
  g_assert_nonnull (strstr (first_mid, "a=mid:1\r\n"));
  g_assert_cmpuint (count (text, "a=rtcp-mux-only\r\n"), ==, 2);
  g_assert_cmpuint (count (text, "a=candidate:"), ==, 3);
  g_assert_cmpuint (count (text, "a=end-of-candidates\r\n"), ==, 1);
  g_assert_cmpuint (count (text, " tcptype passive\r\n"), ==, 1);
  g_assert_cmpuint (count (text, "a=rid:"), ==, n_rids);
  if (n_rids > 0)
    g_assert_nonnull (strstr (text, "\r\na=simulcast:recv 0;1;2\r\n"));
  /* what was read can be written as well */
  assert_survivable (offer_text);
  offer_again = parse (offer_text, TRUE);
  assert_same (offer, offer_again);
}

static void
test_rejected (void)
{
  g_autofree char *text = load_offer ("chromium-156-recvonly.sdp");
  g_autofree char *bundled = replace (text, "BUNDLE 0 1", "BUNDLE 0 1 2 3");
  g_autofree char *more =
      g_strconcat (bundled,
                   "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
                   "a=mid:2\r\na=sctp-port:5000\r\n"
                   "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
                   "a=mid:3\r\na=recvonly\r\na=rtpmap:96 theora/90000\r\n",
                   NULL);
  g_autoptr (RtcSdp) offer = parse (more, TRUE), answer = NULL, again = NULL;
  g_autofree char *written = NULL;

  g_assert_true (media_at (offer, 2)->is_other);
  g_assert_cmpstr (media_at (offer, 2)->raw_type, ==, "application");
  g_assert_cmpstr (media_at (offer, 2)->raw_formats, ==, "webrtc-datachannel");
  g_assert_cmpuint (media_at (offer, 3)->codecs->len, ==, 0);
  media_at (offer, 3)->is_rejected = TRUE;
  media_at (offer, 3)->direction = RTC_DIR_INACTIVE;
  answer = make_answer (offer);
  media_at (answer, 0)->is_rejected = TRUE; /* the candidates move on */
  written = rtc_sdp_to_string (answer);
  assert_survivable (written);
  assert_gst_reads (written, 4);
  g_assert_nonnull (strstr (written, "\r\na=group:BUNDLE 1\r\n"));
  g_assert_nonnull (
      strstr (written, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
  g_assert_nonnull (strstr (written, "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n"));
  g_assert_true (strstr (written, "a=candidate:")
                 > strstr (written, "m=audio"));
  again = parse (written, FALSE);
  g_assert_true (media_at (again, 0)->is_rejected);
  g_assert_true (media_at (again, 3)->is_rejected);
  g_assert_cmpstr (media_at (again, 2)->mid, ==, "2");
  g_assert_cmpuint (again->candidates->len, ==, 3);
}

/* Whatever stands in the struct, no malformed line comes out. */
static void
test_write_hostile (void)
{
  g_autoptr (RtcSdp) offer = parse_offer ("obs-master-h264-simulcast.sdp");
  g_autoptr (RtcSdp) answer = make_answer (offer), again = NULL;
  RtcSdpMedia *video = media_at (answer, 1);
  g_autofree char *text = NULL;

  answer->session_name = g_strdup ("a\r\nm=video");
  g_free (codec_at (video, 0)->fmtp);
  codec_at (video, 0)->fmtp = g_strdup ("x=1\r\nm=video");
  video->msid_stream = g_strdup ("a\nb");
  rtc_sdp_add_candidate (answer, "example.org", 7200, FALSE);
  rtc_sdp_add_candidate (answer, "192.0.2.1\r\nm=video", 7200, FALSE);
  rtc_sdp_add_candidate (answer, "fe80::1%eth0", 7200, FALSE);
  rtc_sdp_add_candidate (answer, "192.0.2.1", 0, FALSE);
  rtc_sdp_add_candidate (answer, "192.0.2.1", 65536, FALSE);
  video->ext_ids[RTC_EXT_KEYFRAME_START] = 5; /* never leaves the tree */
  text = rtc_sdp_to_string (answer);
  assert_survivable (text);
  again = parse (text, FALSE);
  g_assert_cmpuint (again->candidates->len, ==, 3);
  g_assert_cmpuint (again->media->len, ==, 2);
  g_assert_null (codec_at (media_at (again, 1), 0)->fmtp);
  g_assert_null (strstr (text, "extmap:5"));
  for (guint i = 0; i < 2 * RTC_SDP_MAX_CANDIDATES; i++)
    rtc_sdp_add_candidate (answer, "192.0.2.1", 1, FALSE);
  g_assert_cmpuint (answer->candidates->len, ==, RTC_SDP_MAX_CANDIDATES);
}

static void
test_candidate_priorities (void)
{
  g_autoptr (RtcSdp) offer = parse_offer ("obs-v0.21-h264.sdp");
  g_autoptr (RtcSdp) answer = make_answer (offer), again = NULL;
  g_autofree char *text = rtc_sdp_to_string (answer);
  RtcSdpCandidate *c;

  again = parse (text, FALSE);
  c = (RtcSdpCandidate *)(gpointer)again->candidates->data;
  g_assert_cmpuint (c[0].priority, ==, 126u << 24 | 65535u << 8 | 255);
  g_assert_cmpuint (c[0].priority, >, c[1].priority);
  g_assert_cmpuint (c[1].priority, >, c[2].priority);
  g_assert_true (c[2].is_tcp);
}

static void
test_frag_shapes (void)
{
  static const struct
  {
    const char *text;
    guint n_candidates, n_skipped;
    gboolean has_end, has_ufrag;
  } rows[] = {
    { "a=end-of-candidates\r\n", 0, 0, TRUE, FALSE },
    { "a=end-of-candidates", 0, 0, TRUE, FALSE },
    { "a=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuv\n"
      "m=audio 9 RTP/AVP 0\na=mid:audio0\n"
      "a=candidate:1 1 UDP 2122 192.0.2.1 5000 typ host generation 0\n",
      1, 0, FALSE, TRUE },
    { "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
      "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
      "a=candidate:1 1 tcp 2122 192.0.2.1 9 typ host tcptype active\r\n"
      "a=candidate:1 1 udp 2122 x-y.local 5000 typ host\r\n"
      "a=candidate:1 1 udp 2122 example.org 5000 typ host\r\n"
      "a=candidate:1 1 udp 2122 192.0.2.1 99999 typ host\r\n"
      "a=candidate:1 1 sctp 2122 192.0.2.1 5 typ host\r\n"
      "a=candidate:zzz\r\n"
      "a=candidate:2 1 udp 21 2001:db8::1 6 typ srflx raddr ::1 rport 3\r\n"
      "a=end-of-candidates\r\n",
      2, 5, TRUE, TRUE },
    { "m=audio 9 RTP/AVP 0\na=mid:0\na=candidate:\n", 0, 0, TRUE, FALSE },
    { "a=mid:0\r\n", 0, 0, FALSE, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      RtcSdpFrag frag = { 0 };

      g_assert_true (rtc_sdp_frag_parse (rows[i].text, &frag, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (frag.n_candidates, ==, rows[i].n_candidates);
      g_assert_cmpuint (frag.n_skipped, ==, rows[i].n_skipped);
      g_assert_cmpint (frag.has_end, ==, rows[i].has_end);
      if (rows[i].has_ufrag)
        {
          g_assert_cmpstr (frag.ice_ufrag, ==, "abcd");
          g_assert_cmpstr (frag.ice_pwd, ==, "abcdefghijklmnopqrstuv");
        }
      else
        g_assert_null (frag.ice_ufrag);
      rtc_sdp_frag_clear (&frag);
      g_assert_null (frag.ice_ufrag);
    }
}

static void
test_frag_malformed (void)
{
  static const struct
  {
    const char *text;
    RtcSdpError code;
  } rows[] = {
    { "", RTC_SDP_ERROR_SYNTAX },
    { "\r\n\r\n", RTC_SDP_ERROR_SYNTAX },
    { "{\"candidate\":\"\"}", RTC_SDP_ERROR_SYNTAX },
    { "candidate:1 1 udp 1 1.2.3.4 5 typ host", RTC_SDP_ERROR_SYNTAX },
    { "a=mid:0\nm=audio\n", RTC_SDP_ERROR_SYNTAX },
    { "a=ice-ufrag:abcd\na=ice-pwd:short\n", RTC_SDP_ERROR_NO_ICE },
    { "a=ice-ufrag:a\n", RTC_SDP_ERROR_NO_ICE },
  };
  GString *big = g_string_new (NULL);
  RtcSdpFrag frag = { .n_candidates = 7 };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_assert_false (rtc_sdp_frag_parse (rows[i].text, &frag, &error));
      g_assert_error (error, RTC_SDP_ERROR, (int)rows[i].code);
      g_clear_error (&error);
      g_assert_cmpuint (frag.n_candidates, ==, 7); /* untouched */
    }
  for (guint i = 0; i < RTC_SDP_MAX_CANDIDATES + 3; i++)
    g_string_append (big, "a=candidate:1 1 udp 1 1.2.3.4 5 typ host\n");
  g_assert_true (rtc_sdp_frag_parse (big->str, &frag, NULL));
  g_assert_cmpuint (frag.n_candidates, ==, RTC_SDP_MAX_CANDIDATES);
  g_assert_cmpuint (frag.n_skipped, ==, 3);
  while (big->len <= RTC_SDP_MAX_BYTES)
    g_string_append (big, "a=mid:0\n");
  g_assert_false (rtc_sdp_frag_parse (big->str, &frag, &error));
  g_assert_error (error, RTC_SDP_ERROR, RTC_SDP_ERROR_TOO_BIG);
  g_string_free (big, TRUE);
}

static void
test_frag_write (void)
{
  g_autoptr (RtcSdp) offer = parse_offer ("obs-v0.21-h264.sdp");
  g_autoptr (RtcSdp) answer = make_answer (offer);
  g_autofree char *text = rtc_sdp_frag_to_string (answer);
  RtcSdpFrag frag = { 0 };

  g_assert_true (rtc_sdp_frag_parse (text, &frag, NULL));
  g_assert_cmpstr (frag.ice_ufrag, ==, answer->ice_ufrag);
  g_assert_cmpstr (frag.ice_pwd, ==, answer->ice_pwd);
  g_assert_cmpuint (frag.n_candidates, ==, 3);
  g_assert_true (frag.has_end);
  g_assert_true (g_str_has_prefix (
      text, "a=ice-lite\r\na=ice-options:trickle\r\na=group:BUNDLE 0 1\r\n"
            "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"));
  rtc_sdp_frag_clear (&frag);
}

int
main (int argc, char **argv)
{
  static const char *const files[] = {
    "obs-master-av1.sdp",        "obs-master-h264-simulcast.sdp",
    "obs-master-h264.sdp",       "obs-master-hevc.sdp",
    "obs-v0.21-av1.sdp",         "obs-v0.21-h264-simulcast.sdp",
    "obs-v0.21-h264.sdp",        "obs-v0.21-hevc.sdp",
    "chromium-156-recvonly.sdp", "firefox-153-recvonly.sdp",
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *name = g_strconcat ("/rtc/sdp/trip/", files[i], NULL);

      g_test_add_data_func (name, files[i], test_round_trip);
    }
  g_test_add_func ("/rtc/sdp/rejected", test_rejected);
  g_test_add_func ("/rtc/sdp/write-hostile", test_write_hostile);
  g_test_add_func ("/rtc/sdp/priorities", test_candidate_priorities);
  g_test_add_func ("/rtc/sdp/frag-shapes", test_frag_shapes);
  g_test_add_func ("/rtc/sdp/frag-malformed", test_frag_malformed);
  g_test_add_func ("/rtc/sdp/frag-write", test_frag_write);
  return g_test_run ();
}
