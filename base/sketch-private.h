/* SPDX-License-Identifier: Apache-2.0 */
/* base/sketch-private: what sketch.c and sketch-brief.c share. */
#pragma once

#include "base/sketch.h"

#define BASE_SKETCH_NO_MIN G_MAXINT64

struct _BaseSketch
{
  guint32 buckets[BASE_SKETCH_N_BUCKETS];
  guint64 n; /* sum of the buckets; a shared one does not keep it */
  gint64 sum;
  gint64 min; /* BASE_SKETCH_NO_MIN: empty */
  gint64 max;
};

/* base_sketch_is_sound: n, sum, min and max are what the buckets can have; min
 * may be less, where low buckets were counted in a higher one. */
gboolean base_sketch_is_sound (const BaseSketch *self);
