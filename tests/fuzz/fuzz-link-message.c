/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes relay/link-message: bodies, and the info's JSON. What was read is
 * written and read again: nothing may have changed. */
#include <stdint.h>
#include <string.h>

#include "relay/link-message.h"

static void
try_message (const guint8 *data, gsize len)
{
  RelayLinkMessage message, again;
  guint8 body[RELAY_LINK_MAX_BODY_BYTES];
  gsize n;

  if (len > sizeof body || !relay_link_message_read (data, len, &message))
    return;
  n = relay_link_message_write (&message, body);
  if (n == 0 || !relay_link_message_read (body, n, &again))
    g_error ("cannot write, or read again, what was read");
  if (message.type == RELAY_LINK_STATUS && message.status.has_info
      && !again.status.has_info)
    return; /* our JSON is longer than theirs */
  if (memcmp (&message, &again, sizeof again) != 0)
    g_error ("read again, it is another");
}

static void
try_info (const guint8 *data, gsize len)
{
  g_autofree char *text = g_strndup ((const char *)data, len);
  g_autofree char *ours = NULL;
  RelayStreamInfo info, again;

  if (!relay_stream_info_from_json (text, &info))
    return;
  ours = relay_stream_info_to_json (&info);
  if (!relay_stream_info_from_json (ours, &again)
      || memcmp (&info, &again, sizeof again) != 0)
    g_error ("read again, it is another: %s", ours);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  try_message (data, len);
  try_info (data, len);
  return 0;
}
