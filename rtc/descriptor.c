/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/descriptor: see descriptor.h. */
#include "rtc/descriptor.h"

#define LONG_ID 0x80 /* the picture id has 15 bits */

/* read_picture_id: Returns: %FALSE when it does not fit */
static gboolean
read_picture_id (const guint8 *data, gsize len, gsize *pos, RtcDescriptor *ret)
{
  if (*pos >= len)
    return FALSE;
  ret->picture_id_at = (guint8)*pos;
  ret->picture_id_len = data[*pos] & LONG_ID ? 2 : 1;
  if (*pos + ret->picture_id_len > len)
    return FALSE;
  ret->picture_id = data[*pos] & 0x7f;
  if (ret->picture_id_len == 2)
    ret->picture_id = (guint16)(ret->picture_id << 8 | data[*pos + 1]);
  *pos += ret->picture_id_len;
  return TRUE;
}

/* |X|R|N|S|R|PID| |I|L|T|K| RSV | */
static gboolean
read_vp8 (const guint8 *data, gsize len, RtcDescriptor *ret)
{
  gsize pos = 1;
  guint8 ext = 0;

  if (data[0] & 0x80)
    {
      if (len < 2)
        return FALSE;
      ext = data[pos++];
    }
  if (ext & 0x80 && !read_picture_id (data, len, &pos, ret))
    return FALSE;
  if (ext & 0x40)
    {
      if (pos >= len)
        return FALSE;
      ret->tl0_at = (guint8)pos;
      ret->tl0 = data[pos++];
    }
  if (ext & 0x30)
    {
      if (pos >= len)
        return FALSE;
      ret->temporal_id = ext & 0x20 ? data[pos] >> 6 : 0;
      ret->is_sync = ext & 0x20 && data[pos] & 0x20;
      pos++;
    }
  if (pos >= len)
    return FALSE;
  ret->is_start = (data[0] & 0x17) == 0x10; /* S, partition 0 */
  ret->is_key = ret->is_start && !(data[pos] & 1);
  ret->is_inter = !ret->is_key;
  ret->len = (guint16)pos;
  return TRUE;
}

/* P_DIFFs: at most three, each says whether one more follows */
static gboolean
skip_references (const guint8 *data, gsize len, gsize *pos)
{
  for (guint n = 0, more = 1; more; n++)
    {
      if (*pos >= len || n == 3)
        return FALSE;
      more = data[(*pos)++] & 1;
    }
  return TRUE;
}

/* Returns: %FALSE when the scalability structure at *@pos does not fit */
static gboolean
skip_structure (const guint8 *data, gsize len, gsize *pos)
{
  guint8 head;
  guint n_pictures;

  if (*pos >= len)
    return FALSE;
  head = data[(*pos)++];
  if (head & 0x10) /* width and height of each layer */
    *pos += 4 * ((head >> 5) + 1u);
  if (!(head & 0x08))
    return TRUE;
  if (*pos >= len)
    return FALSE;
  n_pictures = data[(*pos)++];
  for (guint i = 0; i < n_pictures; i++)
    {
      if (*pos >= len)
        return FALSE;
      *pos += 1 + (data[*pos] >> 2 & 3u);
    }
  return TRUE;
}

/* |I|P|L|F|B|E|V|Z| */
static gboolean
read_vp9 (const guint8 *data, gsize len, RtcDescriptor *ret)
{
  guint8 head = data[0];
  gboolean is_flexible = head & 0x10;
  gsize pos = 1;

  ret->is_inter = head & 0x40;
  if (head & 0x80 && !read_picture_id (data, len, &pos, ret))
    return FALSE;
  if (head & 0x20)
    {
      if (pos + (is_flexible ? 0 : 1) >= len)
        return FALSE;
      ret->temporal_id = data[pos] >> 5;
      ret->is_sync = data[pos] & 0x10;
      ret->spatial_id = data[pos++] >> 1 & 7;
      if (!is_flexible)
        {
          ret->tl0_at = (guint8)pos;
          ret->tl0 = data[pos++];
        }
    }
  if (is_flexible && ret->is_inter && !skip_references (data, len, &pos))
    return FALSE;
  if (head & 0x02 && !skip_structure (data, len, &pos))
    return FALSE;
  if (pos >= len)
    return FALSE;
  ret->is_start = head & 0x08;
  ret->is_end = head & 0x04;
  ret->is_key = ret->is_start && !ret->is_inter && ret->spatial_id == 0;
  ret->len = (guint16)pos;
  return TRUE;
}

gboolean
rtc_descriptor_read (RtcCodec codec, const guint8 *data, gsize len,
                     RtcDescriptor *ret)
{
  RtcDescriptor read = { 0 };

  if (len == 0
      || !(codec == RTC_CODEC_VP8   ? read_vp8 (data, len, &read)
           : codec == RTC_CODEC_VP9 ? read_vp9 (data, len, &read)
                                    : FALSE))
    return FALSE;
  *ret = read;
  return TRUE;
}

void
rtc_descriptor_write_ids (const RtcDescriptor *self, guint8 *bytes,
                          guint16 picture_id, guint8 tl0)
{
  guint8 *id = bytes + self->picture_id_at;

  if (self->picture_id_len == 2)
    {
      id[0] = (guint8)(LONG_ID | (picture_id >> 8 & 0x7f));
      id[1] = (guint8)picture_id;
    }
  else if (self->picture_id_len == 1)
    id[0] = (guint8)(picture_id & 0x7f);
  if (self->tl0_at != 0)
    bytes[self->tl0_at] = tl0;
}

guint
rtc_descriptor_get_ids_end (const RtcDescriptor *self)
{
  return self->tl0_at != 0 ? self->tl0_at + 1u
                           : (guint)self->picture_id_at + self->picture_id_len;
}
