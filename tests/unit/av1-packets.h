/* SPDX-License-Identifier: Apache-2.0 */
/* av1-packets: AV1 RTP payloads, which Debian 12's GStreamer cannot make. */
#pragma once

#include <gst/gst.h>

/* packetize: a temporal unit as an encoder writes it, cut into packets of
 * @mtu; sizes are stripped as the payload format asks */
static inline GPtrArray *
packetize_av1 (GstBuffer *unit, gsize mtu)
{
  g_autoptr (GByteArray) stream = g_byte_array_new ();
  GPtrArray *payloads =
      g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  GstMapInfo map;
  gsize pos = 0;

  gst_buffer_map (unit, &map, GST_MAP_READ);
  while (pos < map.size)
    {
      guint8 header = map.data[pos];
      gsize header_len = header & 4 ? 2 : 1, size = 0, at = pos + header_len;
      gboolean goes_on = FALSE;
      guint shift = 0;

      g_assert_true (header & 2);
      do
        size |= (gsize)(map.data[at] & 0x7f) << shift, shift += 7;
      while (map.data[at++] & 0x80);
      g_byte_array_set_size (stream, 0);
      header &= (guint8)~2;
      g_byte_array_append (stream, &header, 1);
      g_byte_array_append (stream, map.data + pos + 1, (guint)header_len - 1);
      g_byte_array_append (stream, map.data + at, (guint)size);
      pos = at + size;
      if ((header >> 3 & 0xf) == 2)
        continue;
      /* W = 1: one element a packet */
      for (gsize from = 0; from < stream->len; from += mtu, goes_on = TRUE)
        {
          gsize n = MIN (mtu, stream->len - from);
          guint8 first =
              (goes_on ? 0x80 : 0) | 0x10 | (from + n < stream->len ? 0x40 : 0);
          GByteArray *packet = g_byte_array_new ();

          g_byte_array_append (packet, &first, 1);
          g_byte_array_append (packet, stream->data + from, (guint)n);
          g_ptr_array_add (payloads, g_byte_array_free_to_bytes (packet));
        }
    }
  gst_buffer_unmap (unit, &map);
  return payloads;
}
