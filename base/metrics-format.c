/* SPDX-License-Identifier: Apache-2.0 */
/* base/metrics: which exposition a client asks for. */
#include <libsoup/soup.h>

#include "base/metrics.h"

/* read_item: one of an Accept: its q where it asks for @type, else 0 */
static double
read_item (const char *item, const char *type, const char *version)
{
  g_autoptr (GHashTable) params = soup_header_parse_semi_param_list (item);
  const char *asked = g_hash_table_lookup (params, "version");
  const char *q = g_hash_table_lookup (params, "q");

  if (!g_hash_table_contains (params, type)
      || (asked && version && !g_str_equal (asked, version)))
    return 0;
  return q ? g_ascii_strtod (q, NULL) : 1;
}

BaseMetricsFormat
base_metrics_pick_format (const char *accept)
{
  GSList *items = accept ? soup_header_parse_list (accept) : NULL;
  double openmetrics = 0, text = 0;

  for (GSList *l = items; l; l = l->next)
    {
      double q = read_item (l->data, "application/openmetrics-text", "1.0.0");
      double other = read_item (l->data, "text/plain", NULL);

      openmetrics = MAX (openmetrics, q);
      text = MAX (text, other);
    }
  soup_header_free_list (items);
  return openmetrics > 0 && openmetrics >= text ? BASE_METRICS_OPENMETRICS
                                                : BASE_METRICS_TEXT;
}

const char *
base_metrics_get_content_type (BaseMetricsFormat format)
{
  return format == BASE_METRICS_OPENMETRICS
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}
