/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes rtc/payload and rtc/descriptor: the first byte chooses the codec. What
 * is written into a descriptor reads the same again. */
#include <stdint.h>
#include <string.h>

#include "rtc/descriptor.h"
#include "rtc/payload.h"

static void
check_descriptor (RtcCodec codec, const guint8 *data, gsize len)
{
  RtcDescriptor was, is;
  g_autofree guint8 *copy = NULL;
  guint end;

  if (!rtc_descriptor_read (codec, data, len, &was))
    return;
  end = rtc_descriptor_get_ids_end (&was);
  if (was.len >= len || end > was.len || end > 8)
    g_error ("a descriptor of %u bytes, ids to %u", was.len, end);
  copy = g_memdup2 (data, len);
  rtc_descriptor_write_ids (&was, copy, 0x5a5a, 0xa5);
  if (!rtc_descriptor_read (codec, copy, len, &is) || is.len != was.len
      || memcmp (copy + end, data + end, len - end) != 0
      || (was.tl0_at != 0 && is.tl0 != 0xa5)
      || (was.picture_id_len == 2 && is.picture_id != 0x5a5a)
      || (was.picture_id_len == 1 && is.picture_id != 0x5a))
    g_error ("another descriptor");
}

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
  check_descriptor ((RtcCodec)(data[0] % (RTC_CODEC_AV1 + 1)), data + 1,
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
