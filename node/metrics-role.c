/* SPDX-License-Identifier: Apache-2.0 */
/* NodeMetricsRole: see metrics-role.h. */
#include "node/metrics-role.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "node/log.h"
#include "scaling/proxy.h"

#define TICK_INTERVAL_MS 1000
#define PREFIX "media_tree_cluster_"
#define MAX_ERROR_CHARS 200

/* the reads of the store have become rare in a big tree: as ClusterMember */
#define READ_US_PER_NODE (20 * BASE_US_PER_MS)
#define READ_MAX_US (10 * BASE_US_PER_S)

static const struct
{
  const char *name;
  double q;
} percentiles[] = { { "50", 0.5 }, { "95", 0.95 }, { "99", 0.99 } };

struct _NodeMetricsRole
{
  const NodeParts *parts; /* borrowed */
  ScalingAggregate *aggregate;
  ScalingProxy *proxy; /* owned, nullable: METRICS_MODE=redis */
  char **names;        /* owned: by key, as /metrics has them */
  gint64 read_us;      /* of the last good read; 0 = none yet */
  gboolean is_well;    /* the store answered the last time */
  char *error;         /* owned, nullable: why not */
  guint tick_id;
  BaseCounter *n_store_errors; /* borrowed */
  GPtrArray *scraped;          /* owned, nullable: points of the last scrape */
  gint64 scraped_us, scrape_ttl_us;
};

/* --- hearing -------------------------------------------------------------- */

static void
put (NodeMetricsRole *self, const ClusterNode *node, const ClusterLoad *load)
{
  scaling_aggregate_put (self->aggregate, node, load, base_clock_now_us (),
                         base_clock_wall_us ());
}

static void
on_report (const ClusterNode *node, const ClusterLoad *load, gpointer data)
{
  put (data, node, load);
}

void
node_metrics_role_hear (NodeMetricsRole *self, GPtrArray *peers,
                        const GError *error)
{
  if (self->proxy)
    return;
  self->is_well = peers != NULL;
  g_clear_pointer (&self->error, g_free);
  if (!peers)
    {
      self->error = g_strndup (error->message, MAX_ERROR_CHARS);
      base_counter_add (self->n_store_errors, 1);
      return;
    }
  self->read_us = base_clock_now_us ();
  scaling_aggregate_set_stale_us (
      self->aggregate,
      NODE_METRICS_STALE_US + MIN (peers->len * READ_US_PER_NODE, READ_MAX_US));
  for (guint i = 0; i < peers->len; i++)
    {
      const ClusterPeer *peer = peers->pdata[i];

      if (peer->is_alive) /* else its load is empty */
        put (self, &peer->node, &peer->load);
    }
}

static gboolean
on_tick (gpointer data)
{
  NodeMetricsRole *self = data;
  /* when no node at all answers it is rather us */
  gboolean is_well =
      self->proxy ? scaling_proxy_get_n_well (self->proxy) > 0 : self->is_well;

  scaling_aggregate_tick (self->aggregate, base_clock_now_us (), is_well);
  return G_SOURCE_CONTINUE;
}

gboolean
node_metrics_role_has_data (NodeMetricsRole *self)
{
  return self->proxy ? scaling_proxy_get_n_well (self->proxy) > 0
                     : self->read_us > 0;
}

GPtrArray *
node_metrics_role_get_points (NodeMetricsRole *self)
{
  return scaling_aggregate_get_points (self->aggregate, base_clock_now_us ());
}

/* --- /metrics -------------------------------------------------------------
 */

/* dup_labels: (transfer full): @percentile: (nullable) */
static char *
dup_labels (const ScalingPoint *point, const char *percentile)
{
  g_autoptr (GString) labels = g_string_new (NULL);

  for (guint i = 0; i < point->n_labels; i++)
    {
      g_autofree char *label =
          base_metrics_label (point->labels[i].name, point->labels[i].value);

      g_string_append_printf (labels, "%s%s", i > 0 ? "," : "", label);
    }
  if (percentile)
    g_string_append_printf (labels, ",percentile=\"%s\"", percentile);
  return g_string_free (g_steal_pointer (&labels), FALSE);
}

/* write_percentiles: NaN where nothing came: that is not 0 */
static void
write_percentiles (BaseMetricsWriter *writer, const char *name,
                   const ScalingPoint *point)
{
  gboolean is_empty = base_sketch_get_n (point->sketch) == 0;

  for (guint i = 0; i < G_N_ELEMENTS (percentiles); i++)
    {
      g_autofree char *labels = dup_labels (point, percentiles[i].name);

      base_metrics_write (writer, name, "gauge", point->key->help, labels,
                          is_empty ? NAN
                                   : point->key->scale
                                         * base_sketch_quantile (
                                             point->sketch, percentiles[i].q));
    }
}

static void
write_point (NodeMetricsRole *self, BaseMetricsWriter *writer,
             const ScalingPoint *point)
{
  const ScalingKey *key = point->key;
  guint n_keys;
  const char *name = self->names[key - scaling_key_list (&n_keys)];
  g_autofree char *labels = NULL;

  if (key->kind == SCALING_POINT_DISTRIBUTION)
    {
      write_percentiles (writer, name, point);
      return;
    }
  /* the tree's own would be added to those of its roles */
  if (!scaling_point_get_label (point, "role"))
    return;
  labels = dup_labels (point, NULL);
  base_metrics_write (writer, name, scaling_point_kind_get_name (key->kind),
                      key->help, labels, point->value);
}

/* get_scraped: (transfer none): not older than METRICS_PROM_SCRAPE_TTL_SEC;
 * that nothing is known yet is no answer to keep */
static GPtrArray *
get_scraped (NodeMetricsRole *self)
{
  gint64 now_us = base_clock_now_us ();

  if (self->scraped && self->scraped->len > 0
      && now_us - self->scraped_us < self->scrape_ttl_us)
    return self->scraped;
  g_clear_pointer (&self->scraped, g_ptr_array_unref);
  self->scraped = node_metrics_role_get_points (self);
  self->scraped_us = now_us;
  return self->scraped;
}

static void
collect (BaseMetricsWriter *writer, gpointer data)
{
  NodeMetricsRole *self = data;
  GPtrArray *points = get_scraped (self);
  ScalingAggregateStats stats;

  for (guint i = 0; i < points->len; i++)
    write_point (self, writer, points->pdata[i]);
  scaling_aggregate_get_stats (self->aggregate, base_clock_now_us (), &stats);
  base_metrics_write (writer, "media_tree_metrics_reports_refused_total",
                      "counter",
                      "Reports of nodes that the metrics role has no room for.",
                      NULL, (double)stats.n_refused);
  base_metrics_write (writer, "media_tree_metrics_node_restarts_total",
                      "counter", "Nodes that came again as another process.",
                      NULL, (double)stats.n_restarts);
}

/* dup_name: (transfer full): "egress.viewers" is media_tree_cluster_egress_…,
 * "cluster.nodes" media_tree_cluster_nodes */
static char *
dup_name (const char *key)
{
  const char *rest =
      g_str_has_prefix (key, "cluster.") ? key + strlen ("cluster.") : key;
  char *name = g_strconcat (PREFIX, rest, NULL);

  return g_strdelimit (name, ".", '_');
}

/* --- /monitoring/system ----------------------------------------------------
 */

static void
add_source (NodeMetricsRole *self, JsonBuilder *json)
{
  gint64 now_us = base_clock_now_us ();

  json_builder_set_member_name (json, "source");
  json_builder_begin_object (json);
  base_json_add_text (json, "mode", self->proxy ? "proxy" : "redis");
  if (self->proxy)
    {
      json_builder_set_member_name (json, "targets");
      json_builder_add_value (json,
                              scaling_proxy_describe (self->proxy, now_us));
    }
  else
    {
      base_json_add_bool (json, "is_well", self->is_well);
      base_json_add_text (json, "error", self->error);
    }
  json_builder_end_object (json);
}

static void
add_node (const ScalingAggregateNode *node, gpointer data)
{
  JsonBuilder *json = data;
  g_autofree char *role = cluster_roles_to_node_type (node->node->roles);

  json_builder_begin_object (json);
  base_json_add_text (json, "node_id", node->node->node_id);
  base_json_add_text (json, "tree", node->node->tree_id);
  base_json_add_text (json, "role", role);
  base_json_add_double (json, "age_s", (double)node->age_us / BASE_US_PER_S);
  base_json_add_bool (json, "is_stale", node->is_stale);
  json_builder_end_object (json);
}

static void
add_distribution (JsonBuilder *json, const ScalingPoint *point)
{
  const BaseSketch *sketch = point->sketch;
  double scale = point->key->scale;

  json_builder_set_member_name (json, "n");
  json_builder_add_int_value (json, (gint64)base_sketch_get_n (sketch));
  if (base_sketch_get_n (sketch) > 0)
    {
      base_json_add_double (json, "min",
                            scale * (double)base_sketch_get_min (sketch));
      base_json_add_double (json, "max",
                            scale * (double)base_sketch_get_max (sketch));
      base_json_add_double (json, "p50",
                            scale * base_sketch_quantile (sketch, 0.5));
      base_json_add_double (json, "p95",
                            scale * base_sketch_quantile (sketch, 0.95));
      base_json_add_double (json, "p99",
                            scale * base_sketch_quantile (sketch, 0.99));
    }
}

static void
add_point (JsonBuilder *json, const ScalingPoint *point)
{
  json_builder_begin_object (json);
  base_json_add_text (json, "key", point->key->key);
  base_json_add_text (json, "kind",
                      scaling_point_kind_get_name (point->key->kind));
  base_json_add_text (json, "unit", point->key->unit);
  json_builder_set_member_name (json, "labels");
  json_builder_begin_object (json);
  for (guint i = 0; i < point->n_labels; i++)
    base_json_add_text (json, point->labels[i].name, point->labels[i].value);
  json_builder_end_object (json);
  if (point->sketch)
    add_distribution (json, point);
  else
    base_json_add_double (json, "value", point->value);
  base_json_add_bool (json, "is_stale", point->is_stale);
  base_json_add_double (json, "at", (double)point->at_wall_us / BASE_US_PER_S);
  json_builder_end_object (json);
}

void
node_metrics_role_describe (NodeMetricsRole *self, JsonBuilder *json)
{
  g_autoptr (GPtrArray) points = node_metrics_role_get_points (self);

  add_source (self, json);
  json_builder_set_member_name (json, "nodes");
  json_builder_begin_array (json);
  scaling_aggregate_foreach (self->aggregate, base_clock_now_us (), add_node,
                             json);
  json_builder_end_array (json);
  json_builder_set_member_name (json, "points");
  json_builder_begin_array (json);
  for (guint i = 0; i < points->len; i++)
    add_point (json, points->pdata[i]);
  json_builder_end_array (json);
}

/* --- life ----------------------------------------------------------------- */

static void
make_proxy (NodeMetricsRole *self, BaseSettings *settings)
{
  ScalingProxyConfig config = {
    .urls = { base_settings_get_list (settings, "metrics-ingress-base-url"),
              base_settings_get_list (settings, "metrics-proc-base-url") },
    .header_name =
        base_settings_get_string (settings, "metrics-auth-header-name"),
    .header_value =
        base_settings_get_string (settings, "metrics-auth-header-value"),
    .interval_us =
        base_settings_get_duration_us (settings, "metrics-poll-interval"),
    .timeout_us =
        base_settings_get_duration_us (settings, "metrics-poll-timeout"),
    .metrics = self->parts->metrics,
    .on_report = on_report,
    .data = self,
  };

  scaling_aggregate_set_stale_us (self->aggregate, NODE_METRICS_STALE_US
                                                       + config.interval_us
                                                       + config.timeout_us);
  self->proxy = scaling_proxy_new (&config);
}

NodeMetricsRole *
node_metrics_role_new (const NodeParts *parts)
{
  NodeMetricsRole *self = g_new0 (NodeMetricsRole, 1);
  gboolean is_proxy = g_str_equal (
      base_settings_get_string (parts->settings, "metrics-mode"), "proxy");
  ScalingAggregateConfig config = { .stale_us = NODE_METRICS_STALE_US,
                                    .gone_us = is_proxy
                                                   ? NODE_METRICS_GONE_PROXY_US
                                                   : NODE_METRICS_GONE_REDIS_US,
                                    .project = parts->options->project };
  guint n_keys;
  const ScalingKey *keys = scaling_key_list (&n_keys);

  self->parts = parts;
  self->scrape_ttl_us = base_settings_get_duration_us (
      parts->settings, "metrics-prom-scrape-ttl");
  self->aggregate = scaling_aggregate_new (&config);
  self->names = g_new0 (char *, n_keys + 1);
  for (guint i = 0; i < n_keys; i++)
    self->names[i] = dup_name (keys[i].key);
  self->n_store_errors = base_metrics_add_counter (
      parts->metrics, "media_tree_metrics_store_errors_total", NULL,
      "Times that the store did not tell the metrics role of the nodes.");
  base_metrics_add_collector (parts->metrics, collect, self);
  if (is_proxy)
    make_proxy (self, parts->settings);
  self->tick_id = g_timeout_add (TICK_INTERVAL_MS, on_tick, self);
  return self;
}

void
node_metrics_role_free (NodeMetricsRole *self)
{
  if (!self)
    return;
  g_source_remove (self->tick_id);
  g_clear_pointer (&self->proxy, scaling_proxy_free);
  scaling_aggregate_free (self->aggregate);
  g_clear_pointer (&self->scraped, g_ptr_array_unref);
  g_strfreev (self->names);
  g_free (self->error);
  g_free (self);
}
