/* SPDX-License-Identifier: Apache-2.0 */
/* BaseSketch: see sketch.h. */
#include "base/sketch-private.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

G_DEFINE_QUARK (base - sketch - error - quark, base_sketch_error)

/* What the numbers of the buckets mean: a node that divides otherwise says
 * otherwise, and is not mixed in. */
#define SCALE "log-0.01-1027"
#define GAMMA ((1 + BASE_SKETCH_ERROR_RATIO) / (1 - BASE_SKETCH_ERROR_RATIO))

static guint
index_of (gint64 value)
{
  const double per_log = 1 / log (GAMMA);

  return value == 0 ? 0 : 1 + (guint)ceil (log ((double)value) * per_log);
}

/* upper: the largest whole number of bucket @i */
static gint64
upper (guint i)
{
  return i == 0 ? 0 : MIN ((gint64)pow (GAMMA, i - 1.0), BASE_SKETCH_MAX);
}

static gint64
lower (guint i)
{
  return i == 0 ? 0 : upper (i - 1) + 1;
}

BaseSketch *
base_sketch_new (void)
{
  BaseSketch *self = g_new (BaseSketch, 1);

  base_sketch_clear (self);
  return self;
}

void
base_sketch_free (BaseSketch *self)
{
  g_free (self);
}

void
base_sketch_clear (BaseSketch *self)
{
  memset (self, 0, sizeof *self);
  self->min = BASE_SKETCH_NO_MIN;
}

static gint64
add_saturating (gint64 a, gint64 b)
{
  gint64 sum;

  return __builtin_add_overflow (a, b, &sum) ? G_MAXINT64 : sum;
}

static gint64
times_saturating (guint64 n, gint64 value)
{
  gint64 product;

  return __builtin_mul_overflow (n, value, &product) ? G_MAXINT64 : product;
}

void
base_sketch_add (BaseSketch *self, gint64 value)
{
  guint32 *bucket;

  value = CLAMP (value, 0, BASE_SKETCH_MAX);
  bucket = &self->buckets[index_of (value)];
  self->min = MIN (self->min, value);
  self->max = MAX (self->max, value);
  if (*bucket == G_MAXUINT32)
    return;
  ++*bucket;
  self->n++;
  self->sum = add_saturating (self->sum, value);
}

/* --- shared ----------------------------------------------------------------
 */

static void
move_bound (gint64 *bound, gint64 value, gboolean is_max)
{
  gint64 before = __atomic_load_n (bound, __ATOMIC_RELAXED);

  while ((is_max ? value > before : value < before)
         && !__atomic_compare_exchange_n (bound, &before, value, TRUE,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    ;
}

void
base_sketch_add_atomic (BaseSketch *self, gint64 value)
{
  guint32 *bucket, before;

  value = CLAMP (value, 0, BASE_SKETCH_MAX);
  move_bound (&self->min, value, FALSE);
  move_bound (&self->max, value, TRUE);
  bucket = &self->buckets[index_of (value)];
  before = __atomic_load_n (bucket, __ATOMIC_RELAXED);
  do
    if (before == G_MAXUINT32)
      return;
  while (!__atomic_compare_exchange_n (bucket, &before, before + 1, TRUE,
                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  __atomic_fetch_add (&self->sum, value, __ATOMIC_RELAXED);
}

/* settle: the words of a shared sketch are taken one by one, so that a value
 * may have come with its bucket and not yet with its sum: what does not fit the
 * buckets becomes what fits. */
static void
settle (BaseSketch *self)
{
  guint first = BASE_SKETCH_N_BUCKETS, last = 0;

  self->n = 0;
  for (guint i = 0; i < BASE_SKETCH_N_BUCKETS; i++)
    if (self->buckets[i] > 0)
      {
        self->n += self->buckets[i];
        first = MIN (first, i);
        last = i;
      }
  if (self->n == 0)
    {
      base_sketch_clear (self);
      return;
    }
  self->min = CLAMP (self->min, lower (first), upper (first));
  self->max = CLAMP (self->max, MAX (lower (last), self->min), upper (last));
  self->sum = CLAMP (self->sum, times_saturating (self->n, self->min),
                     times_saturating (self->n, self->max));
}

void
base_sketch_take (BaseSketch *self, BaseSketch *into)
{
  BaseSketch taken = { .min = BASE_SKETCH_NO_MIN };

  for (guint i = 0; i < BASE_SKETCH_N_BUCKETS; i++)
    if (__atomic_load_n (&self->buckets[i], __ATOMIC_RELAXED) > 0)
      taken.buckets[i] =
          __atomic_exchange_n (&self->buckets[i], 0, __ATOMIC_RELAXED);
  taken.sum = __atomic_exchange_n (&self->sum, 0, __ATOMIC_RELAXED);
  taken.min =
      __atomic_exchange_n (&self->min, BASE_SKETCH_NO_MIN, __ATOMIC_RELAXED);
  taken.max = __atomic_exchange_n (&self->max, 0, __ATOMIC_RELAXED);
  settle (&taken);
  base_sketch_merge (into, &taken);
}

void
base_sketch_merge (BaseSketch *self, const BaseSketch *other)
{
  if (other->n == 0)
    return;
  for (guint i = 0; i < BASE_SKETCH_N_BUCKETS; i++)
    {
      guint32 n = MIN (other->buckets[i], G_MAXUINT32 - self->buckets[i]);

      self->buckets[i] += n;
      self->n += n;
    }
  self->min = MIN (self->min, other->min);
  self->max = MAX (self->max, other->max);
  /* below what came where buckets are full */
  self->sum = MIN (add_saturating (self->sum, other->sum),
                   times_saturating (self->n, self->max));
}

/* --- what is in it ---------------------------------------------------------
 */

guint64
base_sketch_get_n (const BaseSketch *self)
{
  return self->n;
}

gint64
base_sketch_get_sum (const BaseSketch *self)
{
  return self->sum;
}

gint64
base_sketch_get_min (const BaseSketch *self)
{
  return self->n > 0 ? self->min : 0;
}

gint64
base_sketch_get_max (const BaseSketch *self)
{
  return self->max;
}

/* value_of: within 1 % of all that bucket @i holds */
static double
value_of (const BaseSketch *self, guint i)
{
  if (i == 0)
    return 0;
  return CLAMP (2 * pow (GAMMA, i - 1.0) / (GAMMA + 1), (double)self->min,
                (double)self->max);
}

guint32
base_sketch_get_bucket (const BaseSketch *self, guint i, double *ret_value)
{
  g_return_val_if_fail (i < BASE_SKETCH_N_BUCKETS, 0);
  if (ret_value)
    *ret_value = self->buckets[i] > 0 ? value_of (self, i) : 0;
  return self->buckets[i];
}

double
base_sketch_quantile (const BaseSketch *self, double q)
{
  guint64 rank, n = 0;
  guint i = 0;

  g_return_val_if_fail (q >= 0 && q <= 1, 0);
  if (self->n == 0)
    return 0;
  rank = (guint64)ceil (q * (double)self->n);
  if (rank <= 1)
    return (double)self->min;
  if (rank >= self->n)
    return (double)self->max;
  for (; i < BASE_SKETCH_N_BUCKETS - 1; i++)
    {
      n += self->buckets[i];
      if (n >= rank)
        break;
    }
  return value_of (self, i);
}

/* --- JSON ------------------------------------------------------------------
 */

JsonNode *
base_sketch_to_json (const BaseSketch *self)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();

  json_builder_begin_object (json);
  json_builder_set_member_name (json, "scale");
  json_builder_add_string_value (json, SCALE);
  base_json_add_int (json, "n", (gint64)self->n);
  base_json_add_int (json, "sum", self->sum);
  base_json_add_int (json, "min", base_sketch_get_min (self));
  base_json_add_int (json, "max", self->max);
  json_builder_set_member_name (json, "buckets");
  json_builder_begin_array (json);
  for (guint i = 0; i < BASE_SKETCH_N_BUCKETS; i++)
    if (self->buckets[i] > 0)
      {
        json_builder_begin_array (json);
        json_builder_add_int_value (json, i);
        json_builder_add_int_value (json, self->buckets[i]);
        json_builder_end_array (json);
      }
  json_builder_end_array (json);
  json_builder_end_object (json);
  return json_builder_get_root (json);
}

static gboolean
refuse (GError **error, const char *why)
{
  g_set_error (error, BASE_SKETCH_ERROR, BASE_SKETCH_ERROR_INVALID,
               "not a sketch: %s", why);
  return FALSE;
}

/* read_whole: @node is a whole number of @min to @max */
static gboolean
read_whole (JsonNode *node, gint64 min, gint64 max, gint64 *ret)
{
  if (!node || !JSON_NODE_HOLDS_VALUE (node)
      || json_node_get_value_type (node) != G_TYPE_INT64)
    return FALSE;
  *ret = json_node_get_int (node);
  return *ret >= min && *ret <= max;
}

static gboolean
read_bucket (BaseSketch *self, JsonNode *node, gint64 *after, GError **error)
{
  gint64 i, n;
  JsonArray *pair;

  if (!JSON_NODE_HOLDS_ARRAY (node))
    return refuse (error, "a bucket is no pair");
  pair = json_node_get_array (node);
  if (json_array_get_length (pair) != 2)
    return refuse (error, "a bucket is no pair");
  if (!read_whole (json_array_get_element (pair, 0), *after + 1,
                   BASE_SKETCH_N_BUCKETS - 1, &i))
    return refuse (error, "a bucket's number is no number, out of range or "
                          "not above the one before");
  if (!read_whole (json_array_get_element (pair, 1), 1, G_MAXUINT32, &n))
    return refuse (error, "a bucket's count is not of 1 to 2^32 - 1");
  self->buckets[i] = (guint32)n;
  self->n += (guint64)n;
  *after = i;
  return TRUE;
}

static gboolean
read_buckets (BaseSketch *self, JsonNode *node, GError **error)
{
  gint64 after = -1;
  JsonArray *buckets;
  guint len;

  if (!node || !JSON_NODE_HOLDS_ARRAY (node))
    return refuse (error, "it has no buckets");
  buckets = json_node_get_array (node);
  len = json_array_get_length (buckets);
  if (len > BASE_SKETCH_N_BUCKETS)
    return refuse (error, "it has too many buckets");
  for (guint i = 0; i < len; i++)
    if (!read_bucket (self, json_array_get_element (buckets, i), &after, error))
      return FALSE;
  return TRUE;
}

gboolean
base_sketch_is_sound (const BaseSketch *self)
{
  guint first = BASE_SKETCH_N_BUCKETS, last = 0;
  guint64 n = 0;

  for (guint i = 0; i < BASE_SKETCH_N_BUCKETS; i++)
    if (self->buckets[i] > 0)
      {
        n += self->buckets[i];
        first = MIN (first, i);
        last = i;
      }
  return n == self->n && n > 0 && self->min >= 0 && self->min <= upper (first)
         && self->min <= self->max && self->max >= lower (last)
         && self->max <= upper (last)
         && self->sum >= times_saturating (n, self->min)
         && self->sum <= times_saturating (n, self->max);
}

/* check_bounds: n, min, max and sum are what the buckets can have */
static gboolean
check_bounds (BaseSketch *self, JsonObject *object, GError **error)
{
  gint64 n, min, max;

  if (!read_whole (json_object_get_member (object, "n"), 0, G_MAXINT64, &n)
      || (guint64)n != self->n)
    return refuse (error, "n is not the sum of the buckets");
  if (!read_whole (json_object_get_member (object, "min"), 0, BASE_SKETCH_MAX,
                   &min)
      || !read_whole (json_object_get_member (object, "max"), min,
                      BASE_SKETCH_MAX, &max)
      || !read_whole (json_object_get_member (object, "sum"), 0, G_MAXINT64,
                      &self->sum))
    return refuse (error, "min, max or sum is missing or out of range");
  if (n == 0)
    return (min == 0 && max == 0 && self->sum == 0)
           || refuse (error, "it is empty and has min, max or sum");
  self->min = min;
  self->max = max;
  return base_sketch_is_sound (self)
         || refuse (error, "min, max or sum is not what the buckets hold");
}

BaseSketch *
base_sketch_from_json (JsonNode *node, GError **error)
{
  g_autoptr (BaseSketch) self = base_sketch_new ();
  JsonObject *object;
  JsonNode *scale;

  if (!node || !JSON_NODE_HOLDS_OBJECT (node))
    {
      refuse (error, "it is no object");
      return NULL;
    }
  object = json_node_get_object (node);
  scale = json_object_get_member (object, "scale");
  if (!scale || !JSON_NODE_HOLDS_VALUE (scale)
      || g_strcmp0 (json_node_get_string (scale), SCALE) != 0)
    {
      refuse (error, "its scale is not " SCALE);
      return NULL;
    }
  if (!read_buckets (self, json_object_get_member (object, "buckets"), error)
      || !check_bounds (self, object, error))
    return NULL;
  return g_steal_pointer (&self);
}
