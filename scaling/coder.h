/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingCoder: values into bytes and back. One walk over the fields serves
 * both ways, so that writing and reading cannot differ: each function writes
 * what it is pointed to, or fills it.
 *   Numbers are varints, 7 bits a byte, low ones first; differences to the last
 * one are zigzag. What cannot be read sets is_bad, and is 0 or empty.
 * Owner: the stack. Thread: any.
 */
#pragma once

#include <glib.h>

typedef struct
{
  GByteArray *out;        /* (nullable) (borrowed): writes there */
  const guint8 *at, *end; /* else reads from here */
  gboolean is_bad;
} ScalingCoder;

void scaling_coder_put_varint (GByteArray *out, guint64 value);
guint64 scaling_coder_take_varint (ScalingCoder *coder);

void scaling_coder_uint64 (ScalingCoder *coder, guint64 *value);
/* as the difference to @last; wraps, both ways */
void scaling_coder_int64 (ScalingCoder *coder, gint64 *value, gint64 last);
void scaling_coder_counter (ScalingCoder *coder, guint64 *value, guint64 last);
/* more than @max is bad */
void scaling_coder_uint (ScalingCoder *coder, guint *value, guint last,
                         guint max);
/* in millionths where that is exact, else as it is in memory */
void scaling_coder_double (ScalingCoder *coder, double *value, double last);
/* @text: when reading, room for @max_chars and a NUL */
void scaling_coder_text (ScalingCoder *coder, char *text, gsize max_chars);
