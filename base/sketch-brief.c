/* SPDX-License-Identifier: Apache-2.0 */
/* BaseSketchBrief: see sketch-brief.h. */
#include "base/sketch-brief.h"

#include <string.h>

#include "base/sketch-private.h"

#define SCALE 'a' /* sketch.c's "log-0.01-1027" */
#define VARINT_BITS 7
#define VARINT_MORE (1 << VARINT_BITS)

static guint32
add_counts (guint32 a, guint32 b)
{
  return a + MIN (b, G_MAXUINT32 - a);
}

static void
fill (const BaseSketchBrief *self, BaseSketch *ret)
{
  *ret = (BaseSketch){ .sum = self->sum, .min = self->min, .max = self->max };
  for (guint i = 0; i < self->n_buckets; i++)
    {
      ret->buckets[self->index[i]] = self->count[i];
      ret->n += self->count[i];
    }
}

/* add_bucket: from the highest down; what has no place goes to the lowest */
static void
add_bucket (BaseSketchBrief *self, guint index, guint32 count)
{
  guint last = BASE_SKETCH_BRIEF_N_BUCKETS - 1 - self->n_buckets;

  if (self->n_buckets == BASE_SKETCH_BRIEF_N_BUCKETS)
    {
      self->count[0] = add_counts (self->count[0], count);
      return;
    }
  self->index[last] = (guint16)index;
  self->count[last] = count;
  self->n_buckets++;
}

/* bound_sum: where counts were full, it is not more than they can have */
static void
bound_sum (BaseSketchBrief *self)
{
  guint64 n = base_sketch_brief_get_n (self);
  gint64 most;

  if (!__builtin_mul_overflow (n, self->max, &most))
    self->sum = MIN (self->sum, most);
}

void
base_sketch_brief_init (BaseSketchBrief *ret, const BaseSketch *sketch)
{
  guint first;

  memset (ret, 0, sizeof *ret);
  if (sketch->n == 0)
    return;
  for (guint i = BASE_SKETCH_N_BUCKETS; i-- > 0;)
    if (sketch->buckets[i] > 0)
      add_bucket (ret, i, sketch->buckets[i]);
  first = BASE_SKETCH_BRIEF_N_BUCKETS - ret->n_buckets;
  memmove (ret->index, ret->index + first,
           ret->n_buckets * sizeof ret->index[0]);
  memmove (ret->count, ret->count + first,
           ret->n_buckets * sizeof ret->count[0]);
  ret->sum = sketch->sum;
  ret->min = sketch->min;
  ret->max = sketch->max;
  bound_sum (ret);
}

void
base_sketch_brief_shrink (BaseSketchBrief *self, guint n_buckets)
{
  guint n_gone;

  g_return_if_fail (n_buckets > 0);
  if (self->n_buckets <= n_buckets)
    return;
  n_gone = self->n_buckets - n_buckets;
  for (guint i = 0; i < n_gone; i++)
    self->count[n_gone] = add_counts (self->count[n_gone], self->count[i]);
  memmove (self->index, self->index + n_gone,
           n_buckets * sizeof self->index[0]);
  memmove (self->count, self->count + n_gone,
           n_buckets * sizeof self->count[0]);
  self->n_buckets = n_buckets;
  bound_sum (self);
}

guint64
base_sketch_brief_get_n (const BaseSketchBrief *self)
{
  guint64 n = 0;

  for (guint i = 0; i < self->n_buckets; i++)
    n += self->count[i];
  return n;
}

void
base_sketch_brief_merge (const BaseSketchBrief *self, BaseSketch *into)
{
  BaseSketch sketch;

  if (self->n_buckets == 0)
    return;
  fill (self, &sketch);
  base_sketch_merge (into, &sketch);
}

/* --- text ----------------------------------------------------------------- */

static void
append_number (GByteArray *bytes, guint64 number)
{
  guint8 byte;

  do
    {
      byte = (guint8)(number % VARINT_MORE);
      number >>= VARINT_BITS;
      if (number > 0)
        byte |= VARINT_MORE;
      g_byte_array_append (bytes, &byte, 1);
    }
  while (number > 0);
}

char *
base_sketch_brief_to_text (const BaseSketchBrief *self)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autofree char *base64 = NULL;
  guint before = 0;

  if (self->n_buckets == 0)
    return g_strdup ("");
  append_number (bytes, (guint64)self->sum);
  append_number (bytes, (guint64)self->min);
  append_number (bytes, (guint64)self->max);
  for (guint i = 0; i < self->n_buckets; i++)
    {
      append_number (bytes, self->index[i] - before);
      append_number (bytes, self->count[i]);
      before = self->index[i];
    }
  base64 = g_base64_encode (bytes->data, bytes->len);
  return g_strdup_printf ("%c%s", SCALE, base64);
}

typedef struct
{
  const guint8 *at, *end;
} Bytes;

/* read_number: @ret is of @min to @max */
static gboolean
read_number (Bytes *bytes, guint64 min, guint64 max, guint64 *ret)
{
  guint64 number = 0;

  for (guint shift = 0; bytes->at < bytes->end && shift < 63;
       shift += VARINT_BITS)
    {
      guint8 byte = *bytes->at++;

      number |= (guint64)(byte & (VARINT_MORE - 1)) << shift;
      if (byte & VARINT_MORE)
        continue;
      *ret = number;
      return number >= min && number <= max;
    }
  return FALSE;
}

static const char *
read_buckets (Bytes *bytes, BaseSketchBrief *ret)
{
  guint64 step, count, index = 0;

  for (; bytes->at < bytes->end; ret->n_buckets++)
    {
      if (ret->n_buckets == BASE_SKETCH_BRIEF_N_BUCKETS)
        return "it has too many buckets";
      if (!read_number (bytes, ret->n_buckets > 0 ? 1 : 0,
                        BASE_SKETCH_N_BUCKETS - 1 - index, &step)
          || !read_number (bytes, 1, G_MAXUINT32, &count))
        return "a bucket is out of range";
      index += step;
      ret->index[ret->n_buckets] = (guint16)index;
      ret->count[ret->n_buckets] = (guint32)count;
    }
  return ret->n_buckets > 0 ? NULL : "it has no buckets";
}

/* read: Returns: (nullable): what is wrong */
static const char *
read_bytes (Bytes *bytes, BaseSketchBrief *ret)
{
  guint64 sum, min, max;
  BaseSketch sketch;
  const char *why;

  if (!read_number (bytes, 0, G_MAXINT64, &sum)
      || !read_number (bytes, 0, BASE_SKETCH_MAX, &min)
      || !read_number (bytes, min, BASE_SKETCH_MAX, &max))
    return "sum, min or max is missing or out of range";
  ret->sum = (gint64)sum;
  ret->min = (gint64)min;
  ret->max = (gint64)max;
  why = read_buckets (bytes, ret);
  if (why)
    return why;
  fill (ret, &sketch);
  return base_sketch_is_sound (&sketch)
             ? NULL
             : "sum, min or max is not what the buckets hold";
}

gboolean
base_sketch_brief_from_text (const char *text, BaseSketchBrief *ret,
                             GError **error)
{
  g_autofree guint8 *data = NULL;
  const char *why = NULL;
  gsize len = 0;

  memset (ret, 0, sizeof *ret);
  if (!text
      || strnlen (text, BASE_SKETCH_BRIEF_MAX_CHARS + 1)
             > BASE_SKETCH_BRIEF_MAX_CHARS)
    why = "it is too long, or nothing";
  else if (*text == '\0')
    return TRUE;
  else if (*text != SCALE)
    why = "its scale is unknown";
  else
    {
      data = g_base64_decode (text + 1, &len);
      why = read_bytes (&(Bytes){ data, data + len }, ret);
    }
  if (!why)
    return TRUE;
  memset (ret, 0, sizeof *ret);
  g_set_error (error, BASE_SKETCH_ERROR, BASE_SKETCH_ERROR_INVALID,
               "not a sketch: %s", why);
  return FALSE;
}
