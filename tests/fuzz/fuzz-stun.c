/* SPDX-License-Identifier: Apache-2.0 */
/* What an unknown source may send to a worker's port: told apart, then read
 * as a check by an agent that knows one ufrag. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "rtc/ice.h"
#include "rtc/rtp.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static RtcIceCredentials credentials = {
  .local_ufrag = (char *)"localufrag",
  .local_pwd = (char *)"localpassword12345678901",
  .remote_ufrag = (char *)"remoteufrag",
  .remote_pwd = (char *)"remotepassword1234567890",
};

static const RtcIceCredentials *
lookup (const char *ufrag, gpointer data)
{
  return strcmp (ufrag, credentials.local_ufrag) == 0 ? &credentials : NULL;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static RtcIce *ice;
  RtcIceCheck check;
  RtcIceResult result;
  RtcAddr from;

  if (ice == NULL)
    ice = rtc_ice_new (lookup, NULL);
  rtc_addr_from_string (size % 2 ? "192.0.2.1" : "2001:db8::1", 4711, &from);
  rtc_demux (data, size);
  result = rtc_ice_receive (ice, data, size, &from, &check);
  g_assert (check.reply_len <= sizeof check.reply);
  /* silence towards whoever names no ufrag of ours */
  g_assert (check.credentials != NULL || check.reply_len == 0
            || result == RTC_ICE_OK);
  g_assert (result != RTC_ICE_OK || check.credentials == &credentials);
  return 0;
}
