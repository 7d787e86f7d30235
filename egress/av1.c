/* SPDX-License-Identifier: Apache-2.0 */
/* egress/av1: RTP payloads to OBUs with sizes. */
#include "egress/av1.h"

#define AGGREGATION_Z 0x80 /* first element goes on from the last packet */
#define AGGREGATION_Y 0x40 /* last element goes on in the next packet */
#define AGGREGATION_W(b) ((b) >> 4 & 3) /* number of elements, 0 = unknown */

#define OBU_HAS_SIZE 0x02
#define OBU_HAS_EXTENSION 0x04
#define OBU_TYPE(b) ((b) >> 3 & 0xf)
#define OBU_TEMPORAL_DELIMITER 2
#define OBU_TILE_LIST 8
#define OBU_PADDING 15

/* read_leb128: up to 4 bytes: no packet holds more than they count */
static gboolean
read_leb128 (const guint8 *data, gsize len, gsize *offset, gsize *ret)
{
  gsize value = 0;

  for (guint i = 0; i < 4 && *offset < len; i++)
    {
      guint8 byte = data[(*offset)++];

      value |= (gsize)(byte & 0x7f) << (7 * i);
      if (!(byte & 0x80))
        {
          *ret = value;
          return TRUE;
        }
    }
  return FALSE;
}

static void
write_leb128 (GByteArray *out, gsize value)
{
  do
    {
      guint8 byte = value & 0x7f;

      value >>= 7;
      if (value > 0)
        byte |= 0x80;
      g_byte_array_append (out, &byte, 1);
    }
  while (value > 0);
}

/* flush: one whole OBU goes to @out, with a size */
static gboolean
flush (GByteArray *obu, GByteArray *out)
{
  guint header_len = obu->len > 0 && obu->data[0] & OBU_HAS_EXTENSION ? 2 : 1;
  guint8 first;
  guint type;

  if (obu->len < header_len)
    return FALSE;
  first = obu->data[0];
  type = OBU_TYPE (first);
  if (first & OBU_HAS_SIZE)
    g_byte_array_append (out, obu->data, obu->len);
  else if (type != OBU_TEMPORAL_DELIMITER && type != OBU_TILE_LIST
           && type != OBU_PADDING)
    {
      first |= OBU_HAS_SIZE;
      g_byte_array_append (out, &first, 1);
      g_byte_array_append (out, obu->data + 1, header_len - 1);
      write_leb128 (out, obu->len - header_len);
      g_byte_array_append (out, obu->data + header_len, obu->len - header_len);
    }
  g_byte_array_set_size (obu, 0);
  return TRUE;
}

/* add_payload: @obu holds what is not yet whole */
static gboolean
add_payload (const guint8 *data, gsize len, GByteArray *obu, GByteArray *out)
{
  gsize offset = 1;
  guint n_elements, index;
  gboolean goes_on;

  if (len < 2)
    return FALSE;
  n_elements = AGGREGATION_W (data[0]);
  goes_on = (data[0] & AGGREGATION_Z) != 0;
  if (goes_on != (obu->len > 0))
    return FALSE;
  for (index = 1; offset < len; index++)
    {
      gsize n = len - offset;

      if (index != n_elements && !read_leb128 (data, len, &offset, &n))
        return FALSE;
      if (n > len - offset || (n_elements > 0 && index > n_elements))
        return FALSE;
      g_byte_array_append (obu, data + offset, (guint)n);
      offset += n;
      if (offset == len && data[0] & AGGREGATION_Y)
        return obu->len > 0;
      if (!flush (obu, out))
        return FALSE;
    }
  return TRUE;
}

GBytes *
egress_av1_assemble (GPtrArray *payloads)
{
  static const guint8 delimiter[] = {
    OBU_TEMPORAL_DELIMITER << 3 | OBU_HAS_SIZE, 0
  };
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (GByteArray) obu = g_byte_array_new ();

  g_byte_array_append (out, delimiter, sizeof delimiter);
  for (guint i = 0; i < payloads->len; i++)
    {
      gsize len;
      const guint8 *data = g_bytes_get_data (payloads->pdata[i], &len);

      if (!add_payload (data, len, obu, out))
        return NULL;
    }
  if (obu->len > 0)
    return NULL; /* the last packet is missing */
  return g_byte_array_free_to_bytes (g_steal_pointer (&out));
}
