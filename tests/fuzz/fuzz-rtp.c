/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes rtc/rtp: header, extensions, demultiplexing. */
#include <stdint.h>

#include "rtc/rtp.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  guint offset = 0, id, ext_len, sum = 0;
  const guint8 *ext;
  RtcRtp rtp;

  if (rtc_demux (data, len) > RTC_DEMUX_UNKNOWN)
    g_error ("demux");
  if (!rtc_rtp_parse (data, len, &rtp))
    return 0;
  if ((gsize)rtp.header_len + rtp.payload_len > len)
    g_error ("payload beyond the packet");
  while (rtc_rtp_ext_next (&rtp, &offset, &id, &ext, &ext_len))
    for (guint i = 0; i < ext_len; i++)
      sum += ext[i];
  for (id = 0; id < 256; id++)
    {
      ext = rtc_rtp_ext_find (&rtp, id, &ext_len);
      sum += ext != NULL && ext_len > 0 ? ext[ext_len - 1] : 0;
    }
  for (guint i = 0; i < rtp.payload_len; i++)
    sum += rtp.payload[i];
  return sum == G_MAXUINT; /* 0, but every byte has been read */
}
