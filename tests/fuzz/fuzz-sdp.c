/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes rtc/sdp: what can be read can be written, and read again. */
#include <stdint.h>
#include <string.h>

#include "rtc/sdp.h"

static void
check (const RtcSdp *sdp, gboolean is_offer)
{
  g_autofree char *text = rtc_sdp_to_string (sdp);
  g_autoptr (GError) error = NULL;
  RtcSdp *again;
  gboolean is_usable = FALSE;

  for (guint i = 0; i < sdp->media->len; i++)
    {
      const RtcSdpMedia *media = g_ptr_array_index (sdp->media, i);

      is_usable |=
          !media->is_other && !media->is_rejected && media->codecs->len > 0;
      for (int codec = RTC_CODEC_NONE; codec <= RTC_CODEC_AV1; codec++)
        rtc_sdp_pick_codec (media, (RtcCodec)codec, "profile=1", 0x64001f);
    }
  if (!is_usable) /* all sections are written as rejected then */
    return;
  again = rtc_sdp_parse (text, is_offer, &error);
  if (again == NULL && error->code != RTC_SDP_ERROR_TOO_BIG)
    g_error ("%s in\n%s", error->message, text);
  if (again != NULL && again->media->len != sdp->media->len)
    g_error ("sections lost in\n%s", text);
  rtc_sdp_free (again);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autofree char *text = g_strndup ((const char *)data, len);

  for (int is_offer = 0; is_offer < 2; is_offer++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (RtcSdp) sdp = rtc_sdp_parse (text, is_offer, &error);

      if ((sdp == NULL) == (error == NULL))
        g_error ("neither or both");
      if (sdp != NULL)
        check (sdp, is_offer);
    }
  return 0;
}
