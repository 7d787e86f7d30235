/* SPDX-License-Identifier: Apache-2.0 */
/* NodeLoad: see load.h. */
#include "node/load.h"

#include "base/clock.h"
#include "node/cgroup.h"
#include "node/cluster.h"
#include "node/drain.h"
#include "node/monitor.h"
#include "node/process.h"
#include "node/scaling.h"

/* what a packet has beside its payload: RTP and its extensions, the SRTP tag */
#define OVERHEAD_BYTES 36
#define MIN_SAMPLE_US (200 * BASE_US_PER_MS)

typedef struct
{
  guint64 n_bytes; /* at the last sample */
  gint64 rate_bps; /* to one viewer; 0 = not known yet */
  guint turn;
} StreamRate;

struct _NodeLoad
{
  const NodeParts *parts; /* borrowed */
  GHashTable *streams;    /* owned: name -> StreamRate */
  NodeLinkStats *links;   /* owned */
  NodeSessions *sessions; /* borrowed, nullable */
  guint turn;
  gint64 at_us; /* of the last sample; 0 = none yet */
  guint64 tx_bytes, rx_bytes;
  double cpu_s;
  gint64 tx_bps, rx_bps;
  double cpu_ratio;
  /* let in before the last sample, whose packets it had not seen, and since */
  gint64 before_bps, since_bps;
  ClusterLoad last; /* as filled */
};

static void
collect (BaseMetricsWriter *writer, gpointer data)
{
  NodeLoad *self = data;
  guint n_slots = node_load_get_slots (self);
  const char *help = "Viewers that are here, and that would fit besides: by "
                     "the tightest of --max-viewers and --max-bandwidth.";
  EgressGateTotals totals;

  if (!self->parts->gate)
    return;
  egress_gate_get_totals (self->parts->gate, &totals);
  base_metrics_write (writer, "media_tree_viewer_slots", "gauge", help,
                      "state=\"used\"", totals.n_viewers);
  base_metrics_write (writer, "media_tree_viewer_slots", "gauge", help,
                      "state=\"free\"", n_slots - totals.n_viewers);
}

NodeLoad *
node_load_new (const NodeParts *parts)
{
  NodeLoad *self = g_new0 (NodeLoad, 1);

  self->parts = parts;
  self->links = node_link_stats_new ();
  self->streams =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  base_metrics_add_collector (parts->metrics, collect, self);
  return self;
}

void
node_load_free (NodeLoad *self)
{
  if (!self)
    return;
  node_link_stats_free (self->links);
  g_hash_table_unref (self->streams);
  g_free (self);
}

void
node_load_set_sessions (NodeLoad *self, NodeSessions *sessions)
{
  self->sessions = sessions;
}

static gint64
rate_of (guint64 now, guint64 before, gint64 passed_us)
{
  return now > before
             ? (gint64)((double)(now - before) * 8 * BASE_US_PER_S / passed_us)
             : 0;
}

static void
sample_stream (NodeLoad *self, RelayStream *stream, gint64 passed_us)
{
  const char *name = relay_stream_get_name (stream);
  StreamRate *rate = g_hash_table_lookup (self->streams, name);
  gboolean is_new = rate == NULL;
  RelayStreamStats stats;
  guint64 n_bytes = 0;

  relay_stream_get_stats (stream, &stats);
  for (guint kind = 0; kind < RTC_MEDIA_N_KINDS; kind++)
    n_bytes += stats.n_bytes[kind] + stats.n_packets[kind] * OVERHEAD_BYTES;
  if (is_new)
    {
      rate = g_new0 (StreamRate, 1);
      g_hash_table_insert (self->streams, g_strdup (name), rate);
    }
  else
    {
      gint64 now_bps = rate_of (n_bytes, rate->n_bytes, passed_us);

      /* a keyframe makes one second unlike the next */
      rate->rate_bps =
          rate->rate_bps > 0 ? (3 * rate->rate_bps + now_bps) / 4 : now_bps;
    }
  rate->n_bytes = n_bytes;
  rate->turn = self->turn;
}

static void
sample_streams (NodeLoad *self, gint64 passed_us)
{
  g_autoptr (GPtrArray) streams = relay_hub_list (self->parts->hub);
  GHashTableIter iter;
  gpointer value;

  self->turn++;
  for (guint i = 0; i < streams->len; i++)
    sample_stream (self, streams->pdata[i], passed_us);
  g_hash_table_iter_init (&iter, self->streams);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((StreamRate *)value)->turn != self->turn)
      g_hash_table_iter_remove (&iter);
}

void
node_load_sample (NodeLoad *self, gint64 now_us)
{
  gint64 passed_us = now_us - self->at_us;
  guint64 tx_bytes = 0, rx_bytes = 0;
  double cpu_s = node_process_get_cpu_seconds ();

  if (self->at_us != 0 && passed_us < MIN_SAMPLE_US)
    return;
  for (guint i = 0; i < self->parts->n_workers; i++)
    rtc_worker_add_bytes (self->parts->workers[i], &tx_bytes, &rx_bytes);
  /* what goes to children does not go out by the workers' ports; made by
   * RelayLinkServer, so that its help stands */
  if (node_cluster_get_links (self->parts->cluster))
    tx_bytes += (guint64)base_counter_get (base_metrics_add_counter (
        self->parts->metrics, "media_tree_link_bytes_sent_total", NULL, NULL));
  if (self->at_us != 0)
    {
      self->tx_bps = rate_of (tx_bytes, self->tx_bytes, passed_us);
      self->rx_bps = rate_of (rx_bytes, self->rx_bytes, passed_us);
      self->cpu_ratio =
          CLAMP ((cpu_s - self->cpu_s) * BASE_US_PER_S
                     / ((double)passed_us * g_get_num_processors ()),
                 0, 1);
      sample_streams (self, passed_us);
    }
  self->before_bps = self->since_bps;
  self->since_bps = 0;
  self->tx_bytes = tx_bytes;
  self->rx_bytes = rx_bytes;
  self->cpu_s = cpu_s;
  self->at_us = now_us;
}

static gint64
viewer_bps (NodeLoad *self, RelayStream *stream)
{
  StreamRate *rate =
      g_hash_table_lookup (self->streams, relay_stream_get_name (stream));

  return rate ? rate->rate_bps : 0;
}

static gint64
max_tx_bps (NodeLoad *self)
{
  return base_settings_get_int (self->parts->settings, "max-bandwidth");
}

/* what is sent now, as far as it is known */
static gint64
sent_bps (NodeLoad *self)
{
  return self->tx_bps + self->before_bps + self->since_bps;
}

gboolean
node_load_has_room (NodeLoad *self, RelayStream *stream)
{
  gint64 max_bps = max_tx_bps (self);

  return max_bps == 0 || sent_bps (self) + viewer_bps (self, stream) <= max_bps;
}

/* next_viewer_bps: what one more viewer is likely to need; 0 = nothing that
 * is known */
static double
next_viewer_bps (NodeLoad *self)
{
  g_autoptr (GPtrArray) streams = relay_hub_list (self->parts->hub);
  double sum_bps = 0;
  guint64 n = 0;

  for (guint i = 0; i < streams->len; i++)
    {
      gint64 rate_bps = viewer_bps (self, streams->pdata[i]);
      guint weight =
          egress_gate_count (self->parts->gate, streams->pdata[i]) + 1;

      if (rate_bps == 0 || !relay_stream_is_live (streams->pdata[i]))
        continue;
      sum_bps += (double)rate_bps * weight;
      n += weight;
    }
  return n > 0 ? sum_bps / (double)n : 0;
}

guint
node_load_get_slots (NodeLoad *self)
{
  gint64 max_bps = max_tx_bps (self);
  EgressGateTotals totals;
  double free, rate_bps;

  if (!self->parts->gate)
    return 0;
  egress_gate_get_totals (self->parts->gate, &totals);
  if (totals.n_viewers >= totals.max_viewers || !self->parts->is_ready)
    return totals.n_viewers;
  free = totals.max_viewers - totals.n_viewers;
  if (max_bps > 0 && sent_bps (self) >= max_bps)
    return totals.n_viewers;
  rate_bps = max_bps > 0 ? next_viewer_bps (self) : 0;
  if (rate_bps > 0)
    free = MIN (free, (double)(max_bps - sent_bps (self)) / rate_bps);
  return totals.n_viewers + (guint)free;
}

void
node_load_add_viewer (NodeLoad *self, RelayStream *stream)
{
  self->since_bps += viewer_bps (self, stream);
}

static void
fill_viewers (NodeLoad *self, ClusterLoad *load)
{
  EgressGate *gate = self->parts->gate;
  gint64 max_bps = max_tx_bps (self);
  EgressGateTotals totals;

  load->max_tx_bps = (guint64)max_bps;
  if (!gate)
    return;
  egress_gate_get_totals (gate, &totals);
  load->n_viewers = totals.n_viewers;
  load->n_joins = totals.n_joins;
  load->n_refused = totals.n_refused;
  load->n_leaves = totals.n_leaves;
  load->n_failures = totals.n_failures;
  load->n_waiting =
      totals.n_viewers
      - MIN (egress_gate_get_n_viewers (gate, NULL), totals.n_viewers);
  load->n_slots = node_load_get_slots (self);
  /* no slot is free when the rate is used up, whatever their number */
  load->max_viewers = max_bps > 0 && sent_bps (self) >= max_bps
                          ? MIN (totals.n_viewers, totals.max_viewers)
                          : totals.max_viewers;
}

static void
add_inlet (const char *stream, const RelayInletStats *stats, gpointer data)
{
  NodeLoad *self = data;

  node_link_stats_add (self->links, stream, stats);
}

static void
fill_links (NodeLoad *self, ClusterLoad *load)
{
  RelayCarrier *carrier = node_cluster_get_carrier (self->parts->cluster);

  node_link_stats_begin (self->links);
  if (carrier)
    relay_carrier_foreach (carrier, add_inlet, self);
  node_link_stats_fill (self->links, load);
  node_link_stats_fill_carried (self->parts->hub, load);
}

static void
fill_totals (NodeLoad *self, ClusterLoad *load)
{
  static const char *const names[CLUSTER_TOTAL_N] = {
    [CLUSTER_TOTAL_IN_PACKETS] = "media_tree_rtp_packets_received_total",
    [CLUSTER_TOTAL_IN_BYTES] = "media_tree_rtp_bytes_received_total",
    [CLUSTER_TOTAL_IN_LOST] = "media_tree_rtp_packets_lost_total",
    [CLUSTER_TOTAL_IN_REPAIRED] = "media_tree_rtp_packets_repaired_total",
    [CLUSTER_TOTAL_OUT_REPAIRED] = "media_tree_viewer_repaired_packets_total",
    [CLUSTER_TOTAL_OUT_UNREPAIRED] = "media_tree_viewer_repair_failures_total",
    [CLUSTER_TOTAL_LINK_OUT_PACKETS] = "media_tree_link_packets_sent_total",
    [CLUSTER_TOTAL_LINK_OUT_BYTES] = "media_tree_link_bytes_sent_total",
  };
  BaseMetrics *metrics = self->parts->metrics;
  RelayCarrier *carrier = node_cluster_get_carrier (self->parts->cluster);

  for (guint i = 0; i < CLUSTER_TOTAL_N; i++)
    if (names[i])
      load->totals[i] = base_metrics_get_sum (metrics, names[i]);
  load->n_send_drops = base_metrics_get_sum (
      metrics, "media_tree_rtc_send_dropped_packets_total");
  if (self->sessions)
    {
      RelaySent sent;

      node_sessions_get_sum (self->sessions, &sent);
      load->totals[CLUSTER_TOTAL_OUT_PACKETS] = sent.n_packets;
      load->totals[CLUSTER_TOTAL_OUT_BYTES] = sent.n_bytes;
    }
  if (carrier)
    {
      const RelayInletStats *sum = relay_carrier_get_sum (carrier);

      load->totals[CLUSTER_TOTAL_LINK_IN_PACKETS] = sum->n_packets;
      load->totals[CLUSTER_TOTAL_LINK_LOST] = sum->n_lost;
      load->totals[CLUSTER_TOTAL_LINK_REPAIRED] = sum->n_repaired;
    }
}

static void
fill_sketches (NodeLoad *self, ClusterLoad *load)
{
  static const NodeMeter meters[CLUSTER_SKETCH_N] = {
    [CLUSTER_SKETCH_JOIN] = NODE_METER_JOIN_LATENCY,
    [CLUSTER_SKETCH_HTTP] = NODE_METER_HTTP_LATENCY,
    [CLUSTER_SKETCH_REPAIR] = NODE_METER_REPAIR_LATENCY,
  };

  for (guint i = 0; i < CLUSTER_SKETCH_N; i++)
    {
      g_autoptr (BaseSketch) sketch = base_sketch_new ();

      node_monitor_merge (self->parts->monitor, meters[i], BASE_SPAN_1M,
                          sketch);
      base_sketch_brief_init (&load->sketches[i], sketch);
    }
}

void
node_load_fill (NodeLoad *self, ClusterLoad *load)
{
  const NodeParts *parts = self->parts;
  RelayPortPool *ports = node_cluster_get_ports (parts->cluster);
  g_autoptr (GPtrArray) streams = relay_hub_list (parts->hub);

  fill_viewers (self, load);
  fill_links (self, load);
  if (parts->whip)
    {
      load->n_publishers = whip_endpoint_get_n_sessions (parts->whip);
      load->max_publishers =
          (guint)base_settings_get_int (parts->settings, "max-publishers");
    }
  for (guint i = 0; i < streams->len; i++)
    load->n_streams += relay_stream_is_live (streams->pdata[i]) ? 1 : 0;
  load->n_ports = relay_port_pool_get_n_used (ports);
  load->max_ports = relay_port_pool_get_n_ports (ports);
  load->tx_bps = (guint64)self->tx_bps;
  load->rx_bps = (guint64)self->rx_bps;
  load->cpu_ratio = self->cpu_ratio;
  load->rss_bytes = node_process_get_rss_bytes ();
  load->mem_ratio = CLAMP (
      (double)load->rss_bytes / (double)MAX (node_cgroup_get_limit_bytes (), 1),
      0, 1);
  fill_totals (self, load);
  fill_sketches (self, load);
  load->is_draining = !parts->is_ready || node_drain_is_active (parts->drain);
  load->is_warm = node_scaling_is_warm (parts->scaling);
  self->last = *load;
}

const ClusterLoad *
node_load_get_last (NodeLoad *self)
{
  return &self->last;
}

NodeLinkStats *
node_load_get_links (NodeLoad *self)
{
  return self->links;
}
