/* SPDX-License-Identifier: Apache-2.0 */
/* What keys are called outside, and what METRICS_MAPPING_JSON may say; the text
 * for Prometheus. */
#include "scaling/export-mapping.h"

#include <math.h>
#include <string.h>

#include "scaling-points.h"
#include "scaling/export-error.h"
#include "scaling/export-text.h"

static const ScalingExportName *
get (ScalingExportMapping *mapping, const char *key)
{
  return scaling_export_mapping_get (mapping, scaling_key_find (key));
}

static void
test_defaults (void)
{
  g_autoptr (ScalingExportMapping) mapping =
      scaling_export_mapping_new (NULL, NULL);
  const ScalingKey *keys;
  guint n;

  keys = scaling_key_list (&n);
  for (guint i = 0; i < n; i++)
    {
      const ScalingExportName *name =
          scaling_export_mapping_get (mapping, &keys[i]);

      g_assert_nonnull (name);
      g_assert_cmpstr (name->cloudwatch, ==, keys[i].key);
      g_assert_true (
          g_str_has_prefix (name->prometheus, "media_tree_cluster_"));
      /* each unit of ours is one of CloudWatch's */
      g_assert_true (strcmp (name->unit, "None") != 0
                     || strcmp (keys[i].unit, "ratio") == 0);
    }
  g_assert_cmpstr (get (mapping, "cluster.nodes")->prometheus, ==,
                   "media_tree_cluster_nodes");
  g_assert_cmpstr (get (mapping, "egress.viewers")->prometheus, ==,
                   "media_tree_cluster_egress_viewers");
  g_assert_cmpstr (get (mapping, "egress.join_seconds")->unit, ==, "Seconds");
}

static void
test_mapping (void)
{
  g_autoptr (ScalingExportMapping) mapping = scaling_export_mapping_new (
      "{\"egress.viewers\": \"Egress/Viewers\",\n"
      " \"egress.join_seconds\": {\"name\": \"Join\", \"unit\": "
      "\"Milliseconds\"},\n"
      " \"egress.utilization_ratio\": {\"unit\": \"Percent\"},\n"
      " \"relay.links\": null, \"relay.streams\": false}",
      NULL);

  g_assert_nonnull (mapping);
  g_assert_cmpstr (get (mapping, "egress.viewers")->cloudwatch, ==,
                   "Egress/Viewers");
  g_assert_cmpstr (get (mapping, "egress.viewers")->prometheus, ==,
                   "Egress_Viewers");
  g_assert_cmpstr (get (mapping, "egress.viewers")->unit, ==, "Count");
  g_assert_cmpstr (get (mapping, "egress.join_seconds")->unit, ==,
                   "Milliseconds");
  g_assert_cmpfloat (get (mapping, "egress.join_seconds")->factor, ==, 1000);
  g_assert_cmpfloat (get (mapping, "egress.utilization_ratio")->factor, ==,
                     100);
  g_assert_cmpstr (get (mapping, "egress.utilization_ratio")->cloudwatch, ==,
                   "egress.utilization_ratio");
  g_assert_null (get (mapping, "relay.links"));
  g_assert_null (get (mapping, "relay.streams"));
}

static void
test_refused (void)
{
  static const struct
  {
    const char *json, *says;
  } rows[] = {
    { "{", "line 1" },
    { "{\n\"egress.viewers\": }", "line 2" },
    { " ", "line 1" },
    { "[]", "no JSON object" },
    { "{\"egress.viewers\": \"a\", \"egress.wievers\": \"b\"}",
      "member 2: \"egress.wievers\" is no internal key" },
    { "{\"egress.viewers\": 7}", "member 1, \"egress.viewers\"" },
    { "{\"egress.viewers\": true}", "member 1, \"egress.viewers\"" },
    { "{\"egress.viewers\": \"\"}", "name is missing" },
    { "{\"egress.viewers\": \"\\u00e9\"}", "printable ASCII" },
    { "{\"egress.viewers\": {\"unit\": \"Seconds\"}}", "no unit" },
    { "{\"egress.viewers\": {\"unit\": 3}}", "no unit" },
    { "{\"egress.viewers\": {\"nam\": \"x\"}}", "other members" },
    { "{\"egress.viewers\": {}}", "other members" },
    { "{\"egress.viewers\": \"x/y\", \"egress.slots\": \"x.y\"}",
      "x_y is another's too" },
    { "{\"egress.viewers\": \"media_tree_cluster_egress_slots\"}",
      "another's too" },
  };
  g_autofree char *deep = g_strnfill (100000, '[');
  g_autofree char *longest = g_strnfill (SCALING_EXPORT_NAME_MAX_CHARS, 'n');
  g_autofree char *fits =
      g_strdup_printf ("{\"egress.viewers\": \"%s\"}", longest);
  g_autofree char *exceeds =
      g_strdup_printf ("{\"egress.viewers\": \"%sn\"}", longest);
  g_autoptr (ScalingExportMapping) mapping = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (scaling_export_mapping_new (rows[i].json, &error));
      g_assert_error (error, SCALING_EXPORT_ERROR, SCALING_EXPORT_ERROR_CONFIG);
      g_assert_true (
          g_str_has_prefix (error->message, "METRICS_MAPPING_JSON: "));
      if (!strstr (error->message, rows[i].says))
        g_error ("%s: %s", rows[i].json, error->message);
    }
  g_assert_null (scaling_export_mapping_new (deep, NULL));
  g_assert_null (scaling_export_mapping_new (exceeds, NULL));
  mapping = scaling_export_mapping_new (fits, NULL);
  g_assert_nonnull (mapping);
}

static void
test_text (void)
{
  g_autoptr (ScalingExportMapping) mapping =
      scaling_export_mapping_new ("{\"relay.links\": null}", NULL);
  g_autoptr (GPtrArray) points = points_new ();
  g_autofree char *text = NULL;
  ScalingPoint *join;
  guint n;

  points_add (points, "egress.joins_total", "main", NULL, 1e15 + 1);
  points_add (points, "egress.joins_total", "main", "egress", 1e15 + 1);
  join = points_add (points, "egress.join_seconds", "main", NULL, 0);
  for (guint i = 0; i < 100; i++)
    base_sketch_add (join->sketch, 250000);
  points_add (points, "egress.join_seconds", "empty", NULL, 0);
  points_add (points, "egress.utilization_ratio", "a\"b", "egress", 0.25);
  points_add (points, "egress.viewers", "main", "egress", NAN);
  points_add (points, "relay.links", "main", "egress", 3);
  text =
      g_string_free (scaling_export_text_render (points, mapping, &n), FALSE);
  g_assert_cmpuint (n, ==, 3);
  g_assert_cmpstr (
      text, ==,
      "# HELP media_tree_cluster_egress_joins_total Viewers let in.\n"
      "# TYPE media_tree_cluster_egress_joins_total counter\n"
      "media_tree_cluster_egress_joins_total{tree=\"main\",role=\"egress\"} "
      "1000000000000001\n"
      "# HELP media_tree_cluster_egress_join_seconds From a viewer's POST to "
      "its connection.\n"
      "# TYPE media_tree_cluster_egress_join_seconds gauge\n"
      "media_tree_cluster_egress_join_seconds{tree=\"main\",percentile=\"50\"}"
      " 0.25\n"
      "media_tree_cluster_egress_join_seconds{tree=\"main\",percentile=\"95\"}"
      " 0.25\n"
      "media_tree_cluster_egress_join_seconds{tree=\"main\",percentile=\"99\"}"
      " 0.25\n"
      "# HELP media_tree_cluster_egress_utilization_ratio Viewers of the "
      "slots.\n"
      "# TYPE media_tree_cluster_egress_utilization_ratio gauge\n"
      "media_tree_cluster_egress_utilization_ratio{tree=\"a\\\"b\",role="
      "\"egress\"} 0.25\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/export-mapping/defaults", test_defaults);
  g_test_add_func ("/scaling/export-mapping/mapping", test_mapping);
  g_test_add_func ("/scaling/export-mapping/refused", test_refused);
  g_test_add_func ("/scaling/export-mapping/text", test_text);
  return g_test_run ();
}
