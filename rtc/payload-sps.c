/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/payload-sps: the H264 sequence parameter set (ITU-T H.264, 7.3.2.1.1) */
#include "rtc/payload.h"

#include <string.h>

#define MAX_SPS_BYTES 512
#define MAX_SIDE_PX 16384
#define MACROBLOCK_PX 16

/* Bits of a NAL whose emulation prevention bytes are gone */
typedef struct
{
  const guint8 *data;
  guint n_bits, pos;
  gboolean failed;
} Bits;

static guint32
get_bits (Bits *self, guint n)
{
  guint32 value = 0;

  if (n > self->n_bits - self->pos)
    {
      self->failed = TRUE;
      self->pos = self->n_bits;
      return 0;
    }
  for (guint i = 0; i < n; i++, self->pos++)
    value = value << 1 | (self->data[self->pos / 8] >> (7 - self->pos % 8) & 1);
  return value;
}

/* Exp-Golomb; values of more than 31 bits are nothing that an SPS has */
static guint32
get_ue (Bits *self)
{
  guint n_zeros = 0;

  while (!self->failed && get_bits (self, 1) == 0)
    if (++n_zeros > 31)
      self->failed = TRUE;
  return self->failed ? 0 : (1u << n_zeros) - 1 + get_bits (self, n_zeros);
}

static gint32
get_se (Bits *self)
{
  guint32 value = get_ue (self);

  return value & 1 ? (gint32)(value / 2 + 1) : -(gint32)(value / 2);
}

static void
skip_scaling_list (Bits *bits, guint size)
{
  gint32 last = 8, next = 8;

  for (guint i = 0; i < size && !bits->failed; i++)
    {
      if (next != 0)
        next = (gint32)((guint32)(last + 256) + (guint32)get_se (bits)) & 0xff;
      if (next != 0)
        last = next;
    }
}

static gboolean
has_chroma_info (guint profile_idc)
{
  static const guint8 idcs[] = { 100, 110, 122, 244, 44,  83, 86,
                                 118, 128, 138, 139, 134, 135 };

  return memchr (idcs, (int)profile_idc, sizeof idcs) != NULL;
}

/* Returns: ChromaArrayType, which the crop's units depend on */
static guint
read_chroma (Bits *bits)
{
  guint format = get_ue (bits), array_type = format;

  if (format > 3)
    bits->failed = TRUE;
  if (format == 3 && get_bits (bits, 1)) /* separate_colour_plane_flag */
    array_type = 0;
  get_ue (bits);
  get_ue (bits);
  get_bits (bits, 1);
  if (get_bits (bits, 1)) /* seq_scaling_matrix_present_flag */
    for (guint i = 0; i < (format == 3 ? 12u : 8u) && !bits->failed; i++)
      if (get_bits (bits, 1))
        skip_scaling_list (bits, i < 6 ? 16 : 64);
  return array_type;
}

static void
skip_order_count (Bits *bits)
{
  guint type = get_ue (bits);

  if (type == 0)
    get_ue (bits);
  else if (type == 1)
    {
      guint n;

      get_bits (bits, 1);
      get_se (bits);
      get_se (bits);
      n = get_ue (bits);
      if (n > 255)
        bits->failed = TRUE;
      for (guint i = 0; i < n && !bits->failed; i++)
        get_se (bits);
    }
  else if (type > 2)
    bits->failed = TRUE;
}

static gboolean
read_size (Bits *bits, guint chroma, RtcH264Sps *sps)
{
  guint64 width, height, crop_x, crop_y;
  guint is_frame, unit_x, unit_y;
  guint32 crop[4] = { 0 };

  width = ((guint64)get_ue (bits) + 1) * MACROBLOCK_PX;
  height = ((guint64)get_ue (bits) + 1) * MACROBLOCK_PX;
  is_frame = get_bits (bits, 1);
  if (!is_frame)
    get_bits (bits, 1);
  get_bits (bits, 1);
  height *= 2 - is_frame;
  if (get_bits (bits, 1))
    for (guint i = 0; i < 4; i++)
      crop[i] = get_ue (bits);
  unit_x = chroma == 1 || chroma == 2 ? 2 : 1;
  unit_y = (chroma == 1 ? 2 : 1) * (2 - is_frame);
  crop_x = ((guint64)crop[0] + crop[1]) * unit_x;
  crop_y = ((guint64)crop[2] + crop[3]) * unit_y;
  if (bits->failed || width > MAX_SIDE_PX || height > MAX_SIDE_PX
      || crop_x >= width || crop_y >= height)
    return FALSE;
  sps->width_px = (guint)(width - crop_x);
  sps->height_px = (guint)(height - crop_y);
  return TRUE;
}

gboolean
rtc_payload_h264_sps (const guint8 *sps, gsize len, RtcH264Sps *ret)
{
  guint8 rbsp[MAX_SPS_BYTES];
  Bits bits = { .data = rbsp };
  RtcH264Sps out = { 0 };
  guint n = 0, n_zeros = 0, chroma = 1;

  if (len < 5 || (sps[0] & 0x1f) != 7)
    return FALSE;
  for (gsize i = 1; i < len && n < MAX_SPS_BYTES; i++)
    {
      if (n_zeros >= 2 && sps[i] == 3) /* emulation prevention */
        {
          n_zeros = 0;
          continue;
        }
      n_zeros = sps[i] == 0 ? n_zeros + 1 : 0;
      rbsp[n++] = sps[i];
    }
  bits.n_bits = n * 8;
  out.profile_idc = (guint8)get_bits (&bits, 8);
  out.constraints = (guint8)get_bits (&bits, 8);
  out.level_idc = (guint8)get_bits (&bits, 8);
  get_ue (&bits); /* seq_parameter_set_id */
  if (has_chroma_info (out.profile_idc))
    chroma = read_chroma (&bits);
  get_ue (&bits); /* log2_max_frame_num_minus4 */
  skip_order_count (&bits);
  get_ue (&bits);      /* max_num_ref_frames */
  get_bits (&bits, 1); /* gaps_in_frame_num_value_allowed_flag */
  if (!read_size (&bits, chroma, &out))
    return FALSE;
  *ret = out;
  return TRUE;
}
