/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes rtc/payload: the first byte chooses the codec. */
#include <stdint.h>

#include "rtc/payload.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  RtcH264Params params = { 0 };
  RtcH264Sps sps;
  guint sum = 0;

  if (len == 0)
    return 0;
  rtc_payload_inspect ((RtcCodec)(data[0] % (RTC_CODEC_AV1 + 1)), data + 1,
                       len - 1);
  if (rtc_payload_h264_params (data + 1, len - 1, &params))
    {
      for (guint i = 0; i < params.sps_len; i++)
        sum += params.sps[i];
      for (guint i = 0; i < params.pps_len; i++)
        sum += params.pps[i];
    }
  if (rtc_payload_h264_sps (data + 1, len - 1, &sps)
      && (sps.width_px == 0 || sps.height_px == 0))
    g_error ("size");
  return sum == G_MAXUINT;
}
