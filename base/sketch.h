/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BaseSketch: how often which value came, in buckets of a fixed logarithmic
 * scale: quantiles are right to 1 %, and the sum of two sketches is the sketch
 * of both, which no average of percentiles is (Masson, Rim, Lee: DDSketch,
 * VLDB 2019; here with a fixed range, so that none is ever collapsed).
 *   Values are whole numbers in the unit of who adds them, mostly µs: 0, and 1
 * to BASE_SKETCH_MAX; smaller and larger ones count as these. Bucket 0 holds
 * 0, bucket i what is in (g^(i-2), g^(i-1)], g = 1.01/0.99. A bucket counts to
 * 2^32 - 1; what comes to a full one counts nowhere but in min and max.
 * Owner:  who made it. Thread: one; add_atomic: any, and then only take()
 *         looks inside.
 */
#pragma once

#include <json-glib/json-glib.h>

#define BASE_SKETCH_N_BUCKETS 1027
#define BASE_SKETCH_MAX G_GINT64_CONSTANT (800000000) /* 800 s in µs */
#define BASE_SKETCH_ERROR_RATIO 0.01

typedef enum
{
  BASE_SKETCH_ERROR_INVALID, /* is no sketch; the message says why */
} BaseSketchError;
#define BASE_SKETCH_ERROR (base_sketch_error_quark ())
GQuark base_sketch_error_quark (void);

typedef struct _BaseSketch BaseSketch;

BaseSketch *base_sketch_new (void);
void base_sketch_free (BaseSketch *self);
void base_sketch_clear (BaseSketch *self);

void base_sketch_add (BaseSketch *self, gint64 value);
/* base_sketch_add_atomic: for a sketch that threads share; never waits */
void base_sketch_add_atomic (BaseSketch *self, gint64 value);
/* base_sketch_take: adds to @into what is in @self, which is empty then;
 * others may add to @self meanwhile and none of it is lost */
void base_sketch_take (BaseSketch *self, BaseSketch *into);
void base_sketch_merge (BaseSketch *self, const BaseSketch *other);

guint64 base_sketch_get_n (const BaseSketch *self);
/* of an empty one: 0 */
gint64 base_sketch_get_sum (const BaseSketch *self);
gint64 base_sketch_get_min (const BaseSketch *self);
gint64 base_sketch_get_max (const BaseSketch *self);
/* base_sketch_quantile: the value at rank ceil (@q n), within 1 %.
 * @q: 0 to 1
 * Returns: 0 when the sketch is empty */
double base_sketch_quantile (const BaseSketch *self, double q);

/* base_sketch_get_bucket: for who tells values with their counts to others.
 * @i: below BASE_SKETCH_N_BUCKETS, smaller values first
 * @ret_value: (out) (nullable): within 1 % of what it holds
 * Returns: how many it holds */
guint32 base_sketch_get_bucket (const BaseSketch *self, guint i,
                                double *ret_value);

/* base_sketch_to_json: (transfer full): {"scale", "n", "sum", "min", "max",
 * "buckets": [[index, count], ...]}, buckets with nothing left out */
JsonNode *base_sketch_to_json (const BaseSketch *self);
/* base_sketch_from_json: @node may come from anybody.
 * Returns: (transfer full) (nullable): %NULL: BASE_SKETCH_ERROR_INVALID */
BaseSketch *base_sketch_from_json (JsonNode *node, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BaseSketch, base_sketch_free)
