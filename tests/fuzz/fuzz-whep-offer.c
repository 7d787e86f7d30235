/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes egress/negotiate: the same bytes as a viewer's offer, and as his
 * answer to our counter-offer, for streams of several kinds. */
#include <stdint.h>
#include <string.h>

#include "egress/negotiate.h"

#define FINGERPRINT                                                            \
  "7B:B4:66:32:65:D4:AE:C5:F7:89:59:F7:AC:F2:FE:13:25:85:BC:88:61:84:C3:12:"   \
  "CA:43:4E:16:17:64:D5:AE"

static const struct
{
  RtcCodec audio, video;
  guint32 h264_profile;
  const char *fmtp;
} streams[] = {
  { RTC_CODEC_OPUS, RTC_CODEC_H264, 0x64001f,
    "packetization-mode=1;profile-level-id=64001f" },
  { RTC_CODEC_OPUS, RTC_CODEC_VP8, 0, "" },
  { RTC_CODEC_OPUS, RTC_CODEC_VP9, 0, "profile-id=2" },
  { RTC_CODEC_NONE, RTC_CODEC_AV1, 0, "profile=0" },
  { RTC_CODEC_NONE, RTC_CODEC_H265, 0, "" },
  { RTC_CODEC_OPUS, RTC_CODEC_NONE, 0, "" },
};

static void
make_terms (EgressTerms *terms, guint i)
{
  RelayTrackInfo *audio = &terms->info.tracks[RTC_MEDIA_AUDIO];
  RelayTrackInfo *video = &terms->info.tracks[RTC_MEDIA_VIDEO];

  *terms = (EgressTerms){
    .h264_profile = streams[i].h264_profile,
    .stream_name = "show",
    .cname = "cname",
    .ice_ufrag = "ours",
    .ice_pwd = "ourpasswordourpassword00",
    .fingerprint = FINGERPRINT,
    .with_playout_delay = i % 2 == 0,
    .ssrcs = { 1, 2 },
    .rtx_ssrcs = { 3, 4 },
  };
  audio->is_present = streams[i].audio != RTC_CODEC_NONE;
  audio->codec = streams[i].audio;
  audio->channels = 2;
  video->is_present = streams[i].video != RTC_CODEC_NONE;
  video->codec = streams[i].video;
  g_strlcpy (video->fmtp, streams[i].fmtp, sizeof video->fmtp);
}

/* Returns: (transfer full) (nullable): @sdp as the other side reads it */
static RtcSdp *
reread (const RtcSdp *sdp, gboolean is_offer)
{
  g_autofree char *text = rtc_sdp_to_string (sdp);
  g_autoptr (GError) error = NULL;
  RtcSdp *again = rtc_sdp_parse (text, is_offer, &error);

  if (again == NULL && error->code != RTC_SDP_ERROR_TOO_BIG)
    g_error ("%s in\n%s", error->message, text);
  if (again != NULL && again->media->len != sdp->media->len)
    g_error ("sections lost in\n%s", text);
  return again;
}

static void
check_tracks (const EgressTerms *terms, const EgressViewerTrack tracks[])
{
  gboolean is_any = FALSE;

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      if (!tracks[k].is_active)
        continue;
      is_any = TRUE;
      if (!terms->info.tracks[k].is_present)
        g_error ("a track that the stream lacks");
      if (tracks[k].pt > 127 || tracks[k].rtx_pt > 127)
        g_error ("payload type");
      if (tracks[k].ssrc != terms->ssrcs[k])
        g_error ("SSRC");
    }
  if (!is_any)
    g_error ("nothing is sent");
}

static void
check_error (const GError *error)
{
  if (error == NULL)
    g_error ("refused without a reason");
  if (egress_negotiate_error_code (error) == NULL
      || !g_utf8_validate (error->message, -1, NULL))
    g_error ("code and message");
}

static void
check_counter_offer (const EgressTerms *terms, const RtcSdp *offer,
                     const RtcSdp *answer)
{
  EgressViewerTrack tracks[RTC_MEDIA_N_KINDS] = { 0 };
  g_autoptr (RtcSdp) ours = egress_negotiate_counter_offer (terms, offer);
  g_autoptr (GError) error = NULL;

  if (ours == NULL)
    return;
  rtc_sdp_free (reread (ours, TRUE));
  if (answer == NULL)
    return;
  if (egress_negotiate_accept (terms, ours, answer, tracks, &error))
    check_tracks (terms, tracks);
  else
    check_error (error);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autofree char *text = g_strndup ((const char *)data, len);
  g_autoptr (RtcSdp) offer = rtc_sdp_parse (text, TRUE, NULL);
  g_autoptr (RtcSdp) as_answer = rtc_sdp_parse (text, FALSE, NULL);

  if (offer == NULL)
    return 0;
  for (guint i = 0; i < G_N_ELEMENTS (streams); i++)
    {
      EgressViewerTrack tracks[RTC_MEDIA_N_KINDS] = { 0 };
      g_autoptr (GError) error = NULL;
      g_autoptr (RtcSdp) answer = NULL;
      EgressTerms terms;

      make_terms (&terms, i);
      answer = egress_negotiate_answer (&terms, offer, tracks, &error);
      if (answer != NULL)
        {
          if (answer->media->len != offer->media->len)
            g_error ("sections lost");
          check_tracks (&terms, tracks);
          rtc_sdp_free (reread (answer, FALSE));
        }
      else
        check_error (error);
      check_counter_offer (&terms, offer, as_answer);
    }
  return 0;
}
