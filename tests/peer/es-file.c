/* SPDX-License-Identifier: Apache-2.0 */
/* es-file: see es-file.h */
#include "tests/peer/es-file.h"

#include <string.h>

#define HEADER_BYTES 16
#define UNIT_HEADER_BYTES 8

static guint32
read_u32 (const char *at)
{
  guint32 value;
  memcpy (&value, at, sizeof value);
  return GUINT32_FROM_LE (value);
}

void
es_file_free (EsFile *self)
{
  if (self == NULL)
    return;
  g_free (self->units);
  g_free (self->contents);
  g_free (self);
}

EsFile *
es_file_load (const char *path, GError **error)
{
  g_autoptr (EsFile) self = g_new0 (EsFile, 1);
  gsize len = 0, at = HEADER_BYTES;

  if (!g_file_get_contents (path, &self->contents, &len, error))
    return NULL;
  if (len < HEADER_BYTES || memcmp (self->contents, "MTES", 4) != 0)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: not MTES",
                   path);
      return NULL;
    }
  memcpy (self->codec, self->contents + 4, 4);
  g_strchomp (self->codec);
  self->unit_us = read_u32 (self->contents + 8);
  self->n_units = read_u32 (self->contents + 12);
  self->units = g_new0 (EsUnit, self->n_units + 1);
  for (guint i = 0; i < self->n_units; i++)
    {
      guint32 n = at + UNIT_HEADER_BYTES <= len ? read_u32 (self->contents + at)
                                                : G_MAXUINT32;
      if (n > len - at - UNIT_HEADER_BYTES)
        {
          g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: cut short",
                       path);
          return NULL;
        }
      self->units[i].is_key = read_u32 (self->contents + at + 4) & 1;
      self->units[i].len = n;
      self->units[i].data =
          (const guint8 *)self->contents + at + UNIT_HEADER_BYTES;
      at += UNIT_HEADER_BYTES + n;
    }
  return g_steal_pointer (&self);
}

/* One NAL unit; @header_len 1 (H264) or 2 (H265). Fragments when too long. */
static void
packetize_nal (const guint8 *nal, gsize len, gsize header_len, gboolean is_last,
               EsPayloadFunc func, gpointer user_data)
{
  guint8 out[ES_MAX_PAYLOAD_BYTES];
  gsize prefix = header_len + 1;
  guint8 type =
      header_len == 1 ? nal[0] & 0x1f : (guint8)((nal[0] >> 1) & 0x3f);

  if (len <= ES_MAX_PAYLOAD_BYTES)
    {
      func (nal, len, is_last, user_data);
      return;
    }
  if (header_len == 1)
    {
      out[0] = (nal[0] & 0xe0) | 28;
    }
  else
    {
      out[0] = (nal[0] & 0x81) | (49 << 1);
      out[1] = nal[1];
    }
  for (gsize at = header_len; at < len;)
    {
      gsize n = MIN (len - at, ES_MAX_PAYLOAD_BYTES - prefix);
      gboolean is_end = at + n == len;
      out[header_len] =
          type | (at == header_len ? 0x80 : 0) | (is_end ? 0x40 : 0);
      memcpy (out + prefix, nal + at, n);
      func (out, prefix + n, is_last && is_end, user_data);
      at += n;
    }
}

/* Position of the next start code at or after @at, @len when there is none */
static gsize
find_start_code (const guint8 *data, gsize len, gsize at)
{
  for (; at + 3 <= len; at++)
    if (data[at] == 0 && data[at + 1] == 0 && data[at + 2] == 1)
      return at;
  return len;
}

static void
packetize_annex_b (const EsUnit *unit, gsize header_len, guint8 delimiter_type,
                   EsPayloadFunc func, gpointer user_data)
{
  gsize at = find_start_code (unit->data, unit->len, 0);
  while (at < unit->len)
    {
      gsize start = at + 3;
      at = find_start_code (unit->data, unit->len, start);
      gsize end = at;
      if (at < unit->len)
        while (end > start && unit->data[end - 1] == 0)
          end--;
      if (end < start + header_len)
        continue;
      const guint8 *nal = unit->data + start;
      guint8 type =
          header_len == 1 ? nal[0] & 0x1f : (guint8)((nal[0] >> 1) & 0x3f);
      if (type != delimiter_type) /* OBS's encoders write no delimiters */
        packetize_nal (nal, end - start, header_len, at >= unit->len, func,
                       user_data);
    }
}

/* Reads LEB128. Returns: bytes taken, 0 when malformed */
static gsize
read_leb128 (const guint8 *data, gsize len, guint64 *ret)
{
  *ret = 0;
  for (gsize i = 0; i < MIN (len, 8); i++)
    {
      *ret |= (guint64)(data[i] & 0x7f) << (7 * i);
      if (!(data[i] & 0x80))
        return i + 1;
    }
  return 0;
}

/* One OBU without its size field, one element a packet (W = 1) */
static void
packetize_obu (const guint8 *obu, gsize len, gboolean is_sequence_start,
               gboolean is_last, EsPayloadFunc func, gpointer user_data)
{
  guint8 out[ES_MAX_PAYLOAD_BYTES];
  for (gsize at = 0; at < len;)
    {
      gsize n = MIN (len - at, ES_MAX_PAYLOAD_BYTES - 1);
      gboolean is_end = at + n == len;
      out[0] = (at > 0 ? 0x80 : 0) | (is_end ? 0 : 0x40) | (1 << 4)
               | (is_sequence_start && at == 0 ? 0x08 : 0);
      memcpy (out + 1, obu + at, n);
      func (out, n + 1, is_last && is_end, user_data);
      at += n;
    }
}

static void
packetize_av1 (const EsUnit *unit, EsPayloadFunc func, gpointer user_data)
{
  gboolean is_first = TRUE;
  g_autofree guint8 *obu = g_malloc (unit->len + 2);
  for (gsize at = 0; at < unit->len;)
    {
      guint8 header = unit->data[at], type = (header >> 3) & 0xf;
      gsize header_len = header & 0x04 ? 2 : 1, size_len;
      guint64 n;
      if (!(header & 0x02) || at + header_len >= unit->len)
        return;
      size_len = read_leb128 (unit->data + at + header_len,
                              unit->len - at - header_len, &n);
      gsize start = at + header_len + size_len;
      if (size_len == 0 || n > unit->len - start)
        return;
      obu[0] = header & ~0x02;
      if (header_len == 2)
        obu[1] = unit->data[at + 1];
      memcpy (obu + header_len, unit->data + start, n);
      at = start + n;
      if (type == 2) /* temporal delimiters do not travel */
        continue;
      packetize_obu (obu, header_len + n, is_first && unit->is_key,
                     at >= unit->len, func, user_data);
      is_first = FALSE;
    }
}

static void
packetize_vp8 (const EsUnit *unit, EsPayloadFunc func, gpointer user_data)
{
  guint8 out[ES_MAX_PAYLOAD_BYTES];
  for (gsize at = 0; at < unit->len;)
    {
      gsize n = MIN (unit->len - at, ES_MAX_PAYLOAD_BYTES - 1);
      out[0] = at == 0 ? 0x10 : 0;
      memcpy (out + 1, unit->data + at, n);
      at += n;
      func (out, n + 1, at == unit->len, user_data);
    }
}

void
es_packetize (const EsFile *self, const EsUnit *unit, EsPayloadFunc func,
              gpointer user_data)
{
  if (g_str_equal (self->codec, "H264"))
    packetize_annex_b (unit, 1, 9, func, user_data);
  else if (g_str_equal (self->codec, "H265"))
    packetize_annex_b (unit, 2, 35, func, user_data);
  else if (g_str_equal (self->codec, "AV1"))
    packetize_av1 (unit, func, user_data);
  else if (g_str_equal (self->codec, "VP8"))
    packetize_vp8 (unit, func, user_data);
  else
    func (unit->data, unit->len, FALSE, user_data);
}

static gboolean
is_h264_key_type (guint8 type)
{
  return type == 5 || type == 7;
}

static gboolean
is_h265_key_type (guint8 type)
{
  return (type >= 16 && type <= 21) || (type >= 32 && type <= 33);
}

/* STAP-A: a length and a NAL unit, again and again */
static gboolean
has_key_in_stap_a (const guint8 *payload, gsize len)
{
  for (gsize at = 1; at + 3 <= len;)
    {
      if (is_h264_key_type (payload[at + 2] & 0x1f))
        return TRUE;
      at += 2 + ((gsize)payload[at] << 8 | payload[at + 1]);
    }
  return FALSE;
}

gboolean
es_is_keyframe_start (const char *codec, const guint8 *payload, gsize len)
{
  if (len < 4)
    return FALSE;
  if (g_str_equal (codec, "H264"))
    {
      guint8 type = payload[0] & 0x1f;
      if (type == 28)
        return payload[1] & 0x80 && is_h264_key_type (payload[1] & 0x1f);
      return type == 24 ? has_key_in_stap_a (payload, len)
                        : is_h264_key_type (type);
    }
  if (g_str_equal (codec, "H265"))
    {
      guint8 type = (payload[0] >> 1) & 0x3f;
      if (type == 49)
        return payload[2] & 0x80 && is_h265_key_type (payload[2] & 0x3f);
      return is_h265_key_type (type);
    }
  if (g_str_equal (codec, "AV1"))
    return payload[0] & 0x08;
  return g_str_equal (codec, "VP8") && payload[0] & 0x10
         && !(payload[1] & 0x01);
}

guint32
es_crc32 (guint32 crc, const guint8 *data, gsize len)
{
  crc = ~crc;
  for (gsize i = 0; i < len; i++)
    {
      crc ^= data[i];
      for (int bit = 0; bit < 8; bit++)
        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
  return ~crc;
}
