/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes whip/answer: an offer that is taken has an answer that can be read,
 * with as many sections; one that is refused has a documented code. */
#include <stdint.h>
#include <string.h>

#include "whip/answer.h"

#define FINGERPRINT                                                            \
  "7B:B4:66:32:65:D4:AE:C5:F7:89:59:F7:AC:F2:FE:13:25:85:BC:88:61:84:C3:12:"   \
  "CA:43:4E:16:17:64:D5:AE"

static void
check_answer (RtcSdp *answer, const RtcSdp *offer)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (RtcSdp) again = NULL;
  g_autofree char *text = NULL;
  gboolean is_usable = FALSE;

  if (answer->media->len != offer->media->len)
    g_error ("sections lost");
  for (guint i = 0; i < answer->media->len; i++)
    {
      const RtcSdpMedia *media = g_ptr_array_index (answer->media, i);

      is_usable |= !media->is_rejected;
      if (!media->is_rejected && media->codecs->len != 1)
        g_error ("section %u has %u codecs", i, media->codecs->len);
    }
  answer->ice_ufrag = g_strdup ("ours");
  answer->ice_pwd = g_strdup ("ourpasswordourpassword00");
  answer->fingerprint_hash = g_strdup ("sha-256");
  answer->fingerprint = g_strdup (FINGERPRINT);
  rtc_sdp_add_candidate (answer, "192.0.2.1", 7200, FALSE);
  rtc_sdp_add_candidate (answer, "2001:db8::1", 7200, TRUE);
  if (!is_usable)
    return;
  text = rtc_sdp_to_string (answer);
  again = rtc_sdp_parse (text, FALSE, &error);
  if (again == NULL && error->code != RTC_SDP_ERROR_TOO_BIG)
    g_error ("%s in\n%s", error->message, text);
  if (again != NULL && again->media->len != offer->media->len)
    g_error ("sections lost in\n%s", text);
}

static void
check_plan (const WhipPlan *plan, const RelayStreamInfo *info)
{
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      const WhipTrack *track = &plan->tracks[k];

      if (track->is_present != info->tracks[k].is_present
          || track->codec != info->tracks[k].codec)
        g_error ("plan and stream disagree");
      if (track->is_present
          && (track->codec == RTC_CODEC_NONE
              || rtc_codec_kind (track->codec) != (RtcMediaKind)k
              || track->pt > 127 || track->rtx_pt > 127
              || track->n_other_ssrcs >= RTC_SDP_MAX_SSRCS))
        g_error ("track %u", k);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autofree char *text = g_strndup ((const char *)data, len);
  g_autoptr (RtcSdp) offer = rtc_sdp_parse (text, TRUE, NULL);
  g_autoptr (RtcSdp) answer = NULL;
  g_autoptr (GError) error = NULL;
  RelayStreamInfo info;
  WhipPlan plan;

  if (offer == NULL)
    return 0;
  answer = whip_answer_new (offer, text, &plan, &info, &error);
  if ((answer == NULL) == (error == NULL))
    g_error ("neither or both");
  if (answer == NULL)
    {
      if (!g_str_has_prefix (whip_error_code (error), "sdp-"))
        g_error ("code of %s", error->message);
      if (!g_utf8_validate (error->message, -1, NULL))
        g_error ("the message is no text");
      return 0;
    }
  check_plan (&plan, &info);
  check_answer (answer, offer);
  return 0;
}
