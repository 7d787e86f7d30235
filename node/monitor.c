/* SPDX-License-Identifier: Apache-2.0 */
/* NodeMonitor: see monitor.h. */
#include "node/monitor.h"

#include "base/clock.h"
#include "base/json.h"
#include "cluster/encode.h"
#include "node/cluster.h"
#include "node/load.h"
#include "node/metrics-role.h"
#include "node/process.h"

typedef struct
{
  const char *name, *unit;
  double scale;          /* of the window's whole numbers, in @unit */
  const char *histogram; /* (nullable): whose values it takes */
} MeterKind;

static const MeterKind meters[NODE_METER_N] = {
  [NODE_METER_CONNECTIONS] = { "connections", "viewers", 1, NULL },
  [NODE_METER_JOIN_QUEUE] = { "join_queue", "viewers", 1, NULL },
  [NODE_METER_JOIN_PRESSURE] = { "join_pressure", "ratio", 1e-3, NULL },
  [NODE_METER_PORTS] = { "port_pool_utilization", "percent", 1e-3, NULL },
  [NODE_METER_JOIN_LATENCY] = { "join_latency", "seconds", 1e-6,
                                "media_tree_join_seconds" },
  [NODE_METER_HTTP_LATENCY] = { "http_latency", "seconds", 1e-6,
                                "media_tree_http_request_seconds" },
  [NODE_METER_REPAIR_LATENCY] = { "repair_latency", "seconds", 1e-6,
                                  RELAY_REPAIR_SECONDS },
};

typedef enum
{
  GAUGE_CPU,
  GAUGE_BUSIEST_WORKER,
  GAUGE_MEMORY,
  GAUGE_FDS,
  GAUGE_N
} Gauge;

static const struct
{
  const char *name, *unit;
} gauges[GAUGE_N] = {
  [GAUGE_CPU] = { "cpu", "ratio" },
  [GAUGE_BUSIEST_WORKER] = { "busiest_worker", "ratio" },
  [GAUGE_MEMORY] = { "resident_memory", "bytes" },
  [GAUGE_FDS] = { "open_fds", "descriptors" },
};

struct _NodeMonitor
{
  const NodeParts *parts;             /* borrowed */
  BaseWindow *windows[NODE_METER_N];  /* owned */
  BaseGaugeWindow *gauges[GAUGE_N];   /* owned */
  gint64 sampled_us;                  /* 0 = not yet */
  double cpu_s;                       /* then */
  gint64 worker_us[NODE_MAX_WORKERS]; /* then */
  gint64 now[NODE_METER_N];           /* last samples; none of latencies */
};

NodeMonitor *
node_monitor_new (const NodeParts *parts)
{
  NodeMonitor *self = g_new0 (NodeMonitor, 1);

  self->parts = parts;
  for (guint i = 0; i < NODE_METER_N; i++)
    {
      self->windows[i] = base_window_new ();
      if (meters[i].histogram)
        base_metrics_watch (parts->metrics, meters[i].histogram,
                            self->windows[i]);
    }
  for (guint i = 0; i < GAUGE_N; i++)
    self->gauges[i] = base_gauge_window_new ();
  return self;
}

void
node_monitor_free (NodeMonitor *self)
{
  if (!self)
    return;
  for (guint i = 0; i < NODE_METER_N; i++)
    {
      if (meters[i].histogram)
        base_metrics_watch (self->parts->metrics, meters[i].histogram, NULL);
      base_window_free (self->windows[i]);
    }
  for (guint i = 0; i < GAUGE_N; i++)
    base_gauge_window_free (self->gauges[i]);
  g_free (self);
}

/* --- Sampling --------------------------------------------------------------
 */

static void
put (NodeMonitor *self, NodeMeter meter, double value)
{
  gint64 whole = (gint64)(value / meters[meter].scale + 0.5);

  self->now[meter] = whole;
  base_window_add (self->windows[meter], whole);
}

static void
sample_viewers (NodeMonitor *self)
{
  const NodeParts *parts = self->parts;
  EgressGateTotals totals = { 0 };
  guint n_connected = 0, n_waiting;

  if (parts->gate)
    {
      egress_gate_get_totals (parts->gate, &totals);
      n_connected = egress_gate_get_n_viewers (parts->gate, NULL);
    }
  n_waiting = totals.n_viewers - MIN (n_connected, totals.n_viewers);
  put (self, NODE_METER_CONNECTIONS, n_connected);
  put (self, NODE_METER_JOIN_QUEUE, n_waiting);
  put (self, NODE_METER_JOIN_PRESSURE,
       (double)n_waiting
           / (NODE_MONITOR_JOINS_PER_WORKER_S * MAX (parts->n_workers, 1)));
}

static void
sample_ports (NodeMonitor *self)
{
  RelayPortPool *ports = node_cluster_get_ports (self->parts->cluster);
  guint n_ports = relay_port_pool_get_n_ports (ports);

  if (n_ports > 0)
    put (self, NODE_METER_PORTS,
         100.0 * relay_port_pool_get_n_used (ports) / n_ports);
}

static void
sample_process (NodeMonitor *self, gint64 now_us)
{
  const NodeParts *parts = self->parts;
  gint64 passed_us = now_us - self->sampled_us;
  double cpu_s = node_process_get_cpu_seconds (), busiest = 0;

  for (guint i = 0; i < parts->n_workers; i++)
    {
      gint64 us = rtc_worker_get_cpu_us (parts->workers[i]);

      busiest = MAX (busiest, (double)(us - self->worker_us[i]));
      self->worker_us[i] = us;
    }
  if (self->sampled_us != 0 && passed_us > 0)
    {
      base_gauge_window_add (
          self->gauges[GAUGE_CPU],
          (cpu_s - self->cpu_s) * BASE_US_PER_S
              / ((double)passed_us * g_get_num_processors ()),
          now_us);
      base_gauge_window_add (self->gauges[GAUGE_BUSIEST_WORKER],
                             busiest / (double)passed_us, now_us);
    }
  self->cpu_s = cpu_s;
  self->sampled_us = now_us;
  base_gauge_window_add (self->gauges[GAUGE_MEMORY],
                         (double)node_process_get_rss_bytes (), now_us);
  base_gauge_window_add (self->gauges[GAUGE_FDS], node_process_count_fds (),
                         now_us);
}

static void
tick (NodeMonitor *self, gint64 now_us)
{
  for (guint i = 0; i < NODE_METER_N; i++)
    base_window_tick (self->windows[i], now_us);
}

void
node_monitor_sample (NodeMonitor *self, gint64 now_us)
{
  sample_viewers (self);
  sample_ports (self);
  sample_process (self, now_us);
  tick (self, now_us);
}

void
node_monitor_merge (NodeMonitor *self, NodeMeter meter, BaseSpan span,
                    BaseSketch *into)
{
  base_window_merge (self->windows[meter], span, into);
}

gint64
node_monitor_get_now (NodeMonitor *self, NodeMeter meter)
{
  return self->now[meter];
}

/* --- JSON ------------------------------------------------------------------
 */

static void
add_count (JsonBuilder *json, guint64 n)
{
  json_builder_set_member_name (json, "n");
  json_builder_add_int_value (json, (gint64)n);
}

/* add_sketch: numbers in the meter's unit, and the buckets as other nodes read
 * them; without values, n alone says so */
static void
add_sketch (JsonBuilder *json, const BaseSketch *sketch, double scale)
{
  guint64 n = base_sketch_get_n (sketch);

  json_builder_begin_object (json);
  add_count (json, n);
  if (n > 0)
    {
      base_json_add_double (json, "min",
                            scale * (double)base_sketch_get_min (sketch));
      base_json_add_double (json, "mean",
                            scale * (double)base_sketch_get_sum (sketch)
                                / (double)n);
      base_json_add_double (json, "max",
                            scale * (double)base_sketch_get_max (sketch));
      base_json_add_double (json, "p50",
                            scale * base_sketch_quantile (sketch, 0.5));
      base_json_add_double (json, "p95",
                            scale * base_sketch_quantile (sketch, 0.95));
      base_json_add_double (json, "p99",
                            scale * base_sketch_quantile (sketch, 0.99));
    }
  json_builder_set_member_name (json, "sketch");
  json_builder_add_value (json, base_sketch_to_json (sketch));
  json_builder_end_object (json);
}

static void
add_meter (NodeMonitor *self, JsonBuilder *json, NodeMeter meter)
{
  const MeterKind *kind = &meters[meter];

  json_builder_set_member_name (json, kind->name);
  json_builder_begin_object (json);
  base_json_add_text (json, "unit", kind->unit);
  base_json_add_double (json, "scale", kind->scale);
  if (!kind->histogram)
    base_json_add_double (json, "now", kind->scale * (double)self->now[meter]);
  for (guint span = 0; span < BASE_SPAN_N; span++)
    {
      g_autoptr (BaseSketch) sketch = base_sketch_new ();

      base_window_merge (self->windows[meter], span, sketch);
      json_builder_set_member_name (json, base_span_get_name (span));
      add_sketch (json, sketch, kind->scale);
    }
  json_builder_end_object (json);
}

static void
add_gauge (NodeMonitor *self, JsonBuilder *json, Gauge gauge, gint64 now_us)
{
  BaseGaugeWindow *window = self->gauges[gauge];

  json_builder_set_member_name (json, gauges[gauge].name);
  json_builder_begin_object (json);
  base_json_add_text (json, "unit", gauges[gauge].unit);
  base_json_add_double (json, "now", base_gauge_window_get_last (window));
  for (guint span = 0; span < BASE_SPAN_N; span++)
    {
      BaseGaugeStats stats;

      json_builder_set_member_name (json, base_span_get_name (span));
      json_builder_begin_object (json);
      if (base_gauge_window_get (window, span, now_us, &stats))
        {
          base_json_add_double (json, "min", stats.min);
          base_json_add_double (json, "mean", stats.mean);
          base_json_add_double (json, "max", stats.max);
        }
      add_count (json, stats.n);
      json_builder_end_object (json);
    }
  json_builder_end_object (json);
}

static void
add_roles (JsonBuilder *json, NodeRoles roles)
{
  static const struct
  {
    NodeRoles role;
    const char *name;
  } names[] = {
    { NODE_ROLE_INJECTION, "injection" },
    { NODE_ROLE_RELAY, "relay" },
    { NODE_ROLE_EGRESS, "egress" },
    { NODE_ROLE_METRICS, "metrics" },
  };

  json_builder_set_member_name (json, "roles");
  json_builder_begin_array (json);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (roles & names[i].role)
      json_builder_add_string_value (json, names[i].name);
  json_builder_end_array (json);
}

static void
add_node (NodeMonitor *self, JsonBuilder *json, gint64 now_us)
{
  const NodeParts *parts = self->parts;
  g_autoptr (GDateTime) started =
      g_date_time_new_from_unix_utc (parts->started_wall_us / BASE_US_PER_S);
  g_autofree char *text = g_date_time_format_iso8601 (started);

  json_builder_set_member_name (json, "node");
  json_builder_begin_object (json);
  base_json_add_text (json, "node_id", parts->options->node_id);
  base_json_add_text (json, "tree_id",
                      base_settings_get_string (parts->settings, "tree-id"));
  add_roles (json, parts->options->roles);
  base_json_add_text (json, "version", MEDIA_TREE_VERSION);
  base_json_add_text (json, "started", text);
  json_builder_set_member_name (json, "uptime_s");
  json_builder_add_int_value (json,
                              (now_us - parts->started_us) / BASE_US_PER_S);
  json_builder_set_member_name (json, "workers");
  json_builder_add_int_value (json, parts->n_workers);
  json_builder_end_object (json);
}

/* add_load: what the heartbeat says, for who reads it here (--role=metrics) */
static void
add_load (NodeMonitor *self, JsonBuilder *json)
{
  const NodeParts *parts = self->parts;
  g_autofree char *text =
      cluster_load_to_json (node_load_get_last (parts->load),
                            node_cluster_get_boot_id (parts->cluster));

  json_builder_set_member_name (json, "load");
  json_builder_add_value (json, json_from_string (text, NULL));
}

JsonNode *
node_monitor_describe (NodeMonitor *self, gint64 now_us)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();

  tick (self, now_us);
  json_builder_begin_object (json);
  add_node (self, json, now_us);
  if (self->parts->metrics_role)
    node_metrics_role_describe (self->parts->metrics_role, json);
  add_load (self, json);
  json_builder_set_member_name (json, "windows");
  json_builder_begin_object (json);
  for (guint i = 0; i < NODE_METER_N; i++)
    add_meter (self, json, i);
  json_builder_end_object (json);
  json_builder_set_member_name (json, "process");
  json_builder_begin_object (json);
  base_json_add_double (json, "cpu_seconds", node_process_get_cpu_seconds ());
  for (guint i = 0; i < GAUGE_N; i++)
    add_gauge (self, json, i, now_us);
  json_builder_set_member_name (json, "max_fds");
  json_builder_add_int_value (json, (gint64)node_process_get_max_fds ());
  json_builder_end_object (json);
  json_builder_end_object (json);
  return json_builder_get_root (json);
}
