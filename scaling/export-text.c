/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/export-text: see export-text.h. */
#include "scaling/export-text.h"

#include <math.h>

#include "base/metrics.h"

static const char *const types[] = {
  [SCALING_POINT_COUNTER] = "counter",
  [SCALING_POINT_GAUGE] = "gauge",
  [SCALING_POINT_DISTRIBUTION] = "gauge",
};

void
scaling_export_text_format (char digits[G_ASCII_DTOSTR_BUF_SIZE], double value)
{
  gboolean is_whole = value == floor (value) && fabs (value) < 0x1p53;

  g_ascii_formatd (digits, G_ASCII_DTOSTR_BUF_SIZE, is_whole ? "%.0f" : "%.15g",
                   value);
}

/* write_sample: @percentile: (nullable) */
static void
write_sample (GString *out, const char *name, const ScalingPoint *point,
              const char *percentile, double value)
{
  char digits[G_ASCII_DTOSTR_BUF_SIZE];
  const char *before = "{";

  g_string_append (out, name);
  for (guint i = 0; i < point->n_labels; i++)
    {
      g_autofree char *label =
          base_metrics_label (point->labels[i].name, point->labels[i].value);

      g_string_append_printf (out, "%s%s", before, label);
      before = ",";
    }
  if (percentile)
    g_string_append_printf (out, "%spercentile=\"%s\"", before, percentile);
  if (percentile || point->n_labels > 0)
    g_string_append_c (out, '}');
  scaling_export_text_format (digits, value);
  g_string_append_printf (out, " %s\n", digits);
}

static void
write_percentiles (GString *out, const char *name, const ScalingPoint *point)
{
  static const struct
  {
    double q;
    const char *label;
  } percentiles[] = { { 0.5, "50" }, { 0.95, "95" }, { 0.99, "99" } };

  for (guint i = 0; i < G_N_ELEMENTS (percentiles); i++)
    write_sample (out, name, point, percentiles[i].label,
                  base_sketch_quantile (point->sketch, percentiles[i].q)
                      * point->key->scale);
}

/* is_written: of nothing there is no percentile, and 0 would be a lie; the
 * tree's own number would be added to those of its roles */
static gboolean
is_written (const ScalingPoint *point)
{
  if (point->key->kind == SCALING_POINT_DISTRIBUTION)
    return base_sketch_get_n (point->sketch) > 0;
  return isfinite (point->value) && scaling_point_get_label (point, "role");
}

GString *
scaling_export_text_render (GPtrArray *points,
                            const ScalingExportMapping *mapping, guint *ret_n)
{
  GString *out = g_string_new (NULL);
  const ScalingKey *last = NULL;

  *ret_n = 0;
  for (guint i = 0; i < points->len; i++)
    {
      const ScalingPoint *point = points->pdata[i];
      const ScalingExportName *name =
          scaling_export_mapping_get (mapping, point->key);

      if (!name || !is_written (point))
        continue;
      if (point->key != last)
        g_string_append_printf (out, "# HELP %s %s\n# TYPE %s %s\n",
                                name->prometheus, point->key->help,
                                name->prometheus, types[point->key->kind]);
      last = point->key;
      ++*ret_n;
      if (point->key->kind == SCALING_POINT_DISTRIBUTION)
        write_percentiles (out, name->prometheus, point);
      else
        write_sample (out, name->prometheus, point, NULL, point->value);
    }
  return out;
}
