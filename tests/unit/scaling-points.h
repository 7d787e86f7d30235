/* SPDX-License-Identifier: Apache-2.0 */
/* scaling-points: points as the aggregate gives them, for tests of exporters.
 */
#pragma once

#include "scaling/point.h"

static inline GPtrArray *
points_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify)scaling_point_free);
}

/* points_add: @role: (nullable) */
static inline ScalingPoint *
points_add (GPtrArray *points, const char *key, const char *tree,
            const char *role, double value)
{
  ScalingPoint *point = g_new0 (ScalingPoint, 1);

  point->key = scaling_key_find (key);
  g_assert_nonnull (point->key);
  point->labels[point->n_labels++] = (ScalingLabel){ "tree", g_strdup (tree) };
  if (role)
    point->labels[point->n_labels++] =
        (ScalingLabel){ "role", g_strdup (role) };
  if (point->key->kind == SCALING_POINT_DISTRIBUTION)
    point->sketch = base_sketch_new ();
  else
    point->value = value;
  point->at_wall_us = G_GINT64_CONSTANT (1700000000) * G_USEC_PER_SEC;
  g_ptr_array_add (points, point);
  return point;
}
