/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes rtc/twcc: reading a feedback, and writing one from odd arrivals. */
#include <stdint.h>

#include "rtc/rtcp.h"
#include "rtc/twcc.h"

static void
on_packet (guint16 seq, gint64 arrival_us, gpointer data)
{
  (*(guint *)data)++;
}

static void
on_twcc (const guint8 *fci, gsize len, gpointer data)
{
  if (!rtc_twcc_read (fci, len, on_packet, data))
    g_error ("cannot read what was written");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  static const RtcRtcpSink sink = { .on_twcc = on_twcc };
  g_autoptr (RtcTwcc) twcc = rtc_twcc_new ();
  guint8 buf[1200];
  gint64 now_us = 0;
  guint n = 0, n_feedbacks = 0;

  rtc_twcc_read (data, len, on_packet, &n);
  for (size_t i = 0; i + 4 <= len; i += 4)
    {
      now_us += (gint64)data[i + 2] * data[i + 3] * 100;
      rtc_twcc_on_packet (twcc, (guint16)(data[i] << 8 | data[i + 1]), now_us);
    }
  for (gsize n_bytes = 0;
       rtc_twcc_write (twcc, buf, sizeof buf, &n_bytes, 1, 2); n_bytes = 0)
    if (!rtc_rtcp_read (buf, n_bytes, &sink, &n)
        || ++n_feedbacks > RTC_TWCC_MAX_PENDING)
      g_error ("feedback");
  return 0;
}
