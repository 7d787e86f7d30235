/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingCoder: see coder.h. */
#include "scaling/coder.h"

#include <math.h>
#include <string.h>

#define VARINT_MAX_BYTES 10
#define MILLIONTHS 1e6
#define EXACT_MAX 1e12 /* millionths up to here are exact */

void
scaling_coder_put_varint (GByteArray *out, guint64 value)
{
  guint8 bytes[VARINT_MAX_BYTES];
  guint n = 0;

  while (value >= 0x80)
    {
      bytes[n++] = (guint8)(value | 0x80);
      value >>= 7;
    }
  bytes[n++] = (guint8)value;
  g_byte_array_append (out, bytes, n);
}

guint64
scaling_coder_take_varint (ScalingCoder *coder)
{
  guint64 value = 0;

  for (guint shift = 0; shift < 64 && coder->at < coder->end; shift += 7)
    {
      guint8 byte = *coder->at++;

      value |= (guint64)(byte & 0x7f) << shift;
      if (byte < 0x80)
        return value;
    }
  coder->is_bad = TRUE;
  return 0;
}

void
scaling_coder_uint64 (ScalingCoder *coder, guint64 *value)
{
  if (coder->out != NULL)
    scaling_coder_put_varint (coder->out, *value);
  else
    *value = scaling_coder_take_varint (coder);
}

/* code_int64: @value as the difference to @last */
void
scaling_coder_int64 (ScalingCoder *coder, gint64 *value, gint64 last)
{
  /* wraps, both ways */
  gint64 delta = (gint64)((guint64)*value - (guint64)last);
  guint64 zigzag = ((guint64)delta << 1) ^ (guint64)(delta >> 63);

  scaling_coder_uint64 (coder, &zigzag);
  delta = (gint64)(zigzag >> 1) ^ -(gint64)(zigzag & 1);
  *value = (gint64)((guint64)last + (guint64)delta);
}

void
scaling_coder_counter (ScalingCoder *coder, guint64 *value, guint64 last)
{
  gint64 number = (gint64)*value;

  scaling_coder_int64 (coder, &number, (gint64)last);
  *value = (guint64)number;
}

void
scaling_coder_uint (ScalingCoder *coder, guint *value, guint last, guint max)
{
  gint64 number = *value;

  scaling_coder_int64 (coder, &number, last);
  if (number < 0 || number > max)
    {
      coder->is_bad = TRUE;
      number = 0;
    }
  *value = (guint)number;
}

static gboolean
is_in_millionths (double value)
{
  double scaled = rint (value * MILLIONTHS);

  return fabs (scaled) <= EXACT_MAX && scaled / MILLIONTHS == value
         && !(value == 0 && signbit (value));
}

/* even: millionths; odd: eight bytes follow */
void
scaling_coder_double (ScalingCoder *coder, double *value, double last)
{
  gint64 before =
      is_in_millionths (last) ? (gint64)rint (last * MILLIONTHS) : 0;
  gint64 number =
      is_in_millionths (*value) ? (gint64)rint (*value * MILLIONTHS) : 0;
  gint64 delta = number - before;
  guint64 code = (((guint64)delta << 1) ^ (guint64)(delta >> 63)) << 1, bits;

  memcpy (&bits, value, sizeof bits);
  if (coder->out != NULL && !is_in_millionths (*value))
    code = 1;
  scaling_coder_uint64 (coder, &code);
  if ((code & 1) != 0)
    {
      scaling_coder_uint64 (coder, &bits);
      memcpy (value, &bits, sizeof bits);
    }
  else
    {
      code >>= 1;
      delta = (gint64)(code >> 1) ^ -(gint64)(code & 1);
      number = (gint64)((guint64)before + (guint64)delta);
      *value = (double)number / MILLIONTHS;
    }
}

void
scaling_coder_text (ScalingCoder *coder, char *text, gsize max_chars)
{
  guint64 length = coder->out != NULL ? strlen (text) : 0;

  scaling_coder_uint64 (coder, &length);
  if (coder->out != NULL)
    {
      g_byte_array_append (coder->out, (const guint8 *)text, (guint)length);
      return;
    }
  if (length > max_chars || length > (gsize)(coder->end - coder->at)
      || memchr (coder->at, '\0', length) != NULL)
    {
      coder->is_bad = TRUE;
      length = 0;
    }
  memcpy (text, coder->at, length);
  text[length] = '\0';
  coder->at += length;
}
