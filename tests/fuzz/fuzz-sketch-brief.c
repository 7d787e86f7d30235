/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the short sketches of heartbeats: the bytes are what base64 carries.
 * What is taken is written as it was read, and merges without loss. */
#include <stdint.h>
#include <string.h>

#include "base/sketch-brief.h"

static void
check (const char *text)
{
  g_autoptr (BaseSketch) sketch = base_sketch_new ();
  g_autofree char *again = NULL;
  BaseSketchBrief brief, back;

  if (!base_sketch_brief_from_text (text, &brief, NULL))
    return;
  again = base_sketch_brief_to_text (&brief);
  if (!base_sketch_brief_from_text (again, &back, NULL)
      || memcmp (&back, &brief, sizeof back) != 0)
    g_error ("does not read what it wrote");
  base_sketch_brief_merge (&brief, sketch);
  if (base_sketch_get_n (sketch) != base_sketch_brief_get_n (&brief))
    g_error ("merged another number");
  if (base_sketch_quantile (sketch, 0.5) > base_sketch_quantile (sketch, 0.99))
    g_error ("the median is above the 99th percentile");
  if (brief.n_buckets > 1)
    base_sketch_brief_shrink (&brief, brief.n_buckets / 2);
  if (base_sketch_get_n (sketch) < base_sketch_brief_get_n (&brief))
    g_error ("shrinking made more");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autofree char *base64 = NULL, *raw = NULL, *text = NULL;

  if (len > 4096)
    return 0;
  base64 = g_base64_encode (data, len);
  text = g_strconcat ("a", base64, NULL);
  check (text);
  raw = g_strndup ((const char *)data, len);
  check (raw);
  return 0;
}
