/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the JSON that clients send: the event names of egress/events. */
#include <stdint.h>

#include "egress/events.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autofree char *text = g_strndup ((const char *)data, len);
  guint mask = 0;
  gboolean ok = egress_events_parse (text, &mask);

  if (ok ? mask == 0 || mask > 7 : mask != 0)
    g_error ("mask %u", mask);
  return 0;
}
