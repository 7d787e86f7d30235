/* SPDX-License-Identifier: Apache-2.0 */
/* What may lie in --state-dir: read as a will; what is one writes itself
 * again, byte for byte where a reader looks. The last bytes, a sum that a
 * mutation would always break, are made right first when the length is. */
#include <stdint.h>
#include <string.h>

#include "rtc/dtls-tail.h"
#include "rtc/will.h"

#define SUM_AT 116

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  guint8 copy[RTC_WILL_BYTES], again[RTC_WILL_BYTES], digest[32];
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize n = sizeof digest;
  RtcWill will, second;

  if (rtc_will_read (data, size, &will))
    g_assert (size == RTC_WILL_BYTES);
  if (size != RTC_WILL_BYTES)
    return 0;
  memcpy (copy, data, sizeof copy);
  g_checksum_update (sum, copy, SUM_AT);
  g_checksum_get_digest (sum, digest, &n);
  memcpy (copy + SUM_AT, digest, sizeof copy - SUM_AT);
  if (!rtc_will_read (copy, sizeof copy, &will))
    return 0;
  g_assert (rtc_dtls_tail_is_alert (will.record, will.record_len));
  g_assert (will.port > 0 && will.port <= 65535 && will.path.tcp == NULL);
  rtc_will_write (&will, again);
  g_assert (rtc_will_read (again, sizeof again, &second));
  g_assert (memcmp (&will, &second, sizeof will) == 0);
  return 0;
}
