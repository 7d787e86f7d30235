/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes traces: points rise in time and keep their bounds; between them there
 * is something to read. */
#include <stdint.h>

#include "scaling/trace.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ScalingTrace) trace =
      scaling_trace_parse ((const char *)data, len, &error);
  guint hint = 0;

  if ((trace == NULL) != (error != NULL))
    g_error ("neither a trace nor an error");
  if (trace == NULL)
    return 0;
  for (guint i = 0; i < trace->n_points; i++)
    {
      const ScalingTracePoint *point = &trace->points[i];
      ScalingTracePoint here = scaling_trace_get (trace, point->at_s, &hint);

      if (!(point->at_s >= 0 && point->at_s <= SCALING_TRACE_MAX_S)
          || !(point->n_viewers >= 0
               && point->n_viewers <= SCALING_TRACE_MAX_VIEWERS)
          || !(point->joins_per_s >= 0)
          || (i > 0 && point->at_s <= trace->points[i - 1].at_s)
          || here.n_viewers != point->n_viewers)
        g_error ("a bad point came through");
    }
  return 0;
}
