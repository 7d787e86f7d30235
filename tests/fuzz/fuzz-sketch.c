/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the sketches that other nodes send: what is taken is written as it was
 * read, and its quantiles are between its bounds. */
#include <stdint.h>

#include "base/sketch.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (BaseSketch) sketch = NULL;
  g_autoptr (BaseSketch) again = NULL;
  g_autoptr (JsonNode) node = NULL;
  double before = 0;

  if (len > 65536
      || !json_parser_load_from_data (parser, (const char *)data, (gssize)len,
                                      NULL))
    return 0;
  sketch = base_sketch_from_json (json_parser_get_root (parser), NULL);
  if (!sketch)
    return 0;
  for (guint i = 0; i <= 4; i++)
    {
      double value = base_sketch_quantile (sketch, i / 4.0);

      if (value < before || value < (double)base_sketch_get_min (sketch)
          || value > (double)base_sketch_get_max (sketch))
        g_error ("quantile %u of 4 is %f", i, value);
      before = value;
    }
  node = base_sketch_to_json (sketch);
  again = base_sketch_from_json (node, NULL);
  if (!again)
    g_error ("does not read what it wrote");
  base_sketch_merge (sketch, again);
  if (base_sketch_get_n (sketch) > 2 * base_sketch_get_n (again))
    g_error ("merged too much");
  return 0;
}
