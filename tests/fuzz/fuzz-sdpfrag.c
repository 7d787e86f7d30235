/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes trickle-ice-sdpfrag reading. */
#include <stdint.h>

#include "rtc/sdp.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autofree char *text = g_strndup ((const char *)data, len);
  g_autoptr (GError) error = NULL;
  RtcSdpFrag frag = { 0 };

  if (rtc_sdp_frag_parse (text, &frag, &error)
          ? frag.n_candidates > RTC_SDP_MAX_CANDIDATES || error != NULL
          : error == NULL)
    g_error ("frag");
  rtc_sdp_frag_clear (&frag);
  return 0;
}
