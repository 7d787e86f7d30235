/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingPoint: see point.h. */
#include "scaling/point.h"

#include <string.h>

#define COUNTER(key, unit, help)                                               \
  {                                                                            \
    key, SCALING_POINT_COUNTER, unit, 1, help                                  \
  }
#define GAUGE(key, unit, help)                                                 \
  {                                                                            \
    key, SCALING_POINT_GAUGE, unit, 1, help                                    \
  }
#define SECONDS(key, help)                                                     \
  {                                                                            \
    key, SCALING_POINT_DISTRIBUTION, "seconds", 1e-6, help                     \
  }

/* by name: scaling_key_find() halves */
/* clang-format off: one row a key */
static const ScalingKey keys[] = {
  GAUGE ("cluster.cpu_max_ratio", "ratio", "CPU of the busiest node."),
  GAUGE ("cluster.cpu_ratio", "ratio", "CPU of the nodes, on average."),
  SECONDS ("cluster.http_seconds", "Times of HTTP answers."),
  GAUGE ("cluster.memory_bytes", "bytes", "Resident memory of all nodes."),
  GAUGE ("cluster.memory_max_ratio", "ratio",
         "Memory of the node that is nearest to its limit."),
  GAUGE ("cluster.nodes", "", "Nodes, silent ones included."),
  GAUGE ("cluster.nodes_draining", "", "Nodes that take nobody any more."),
  GAUGE ("cluster.nodes_stale", "", "Nodes that are silent."),
  GAUGE ("cluster.oldest_report_seconds", "seconds",
         "Age of the oldest node's last report."),
  GAUGE ("cluster.ports", "", "Ports of the pools."),
  GAUGE ("cluster.ports_used", "", "Ports of the pools in use."),
  GAUGE ("cluster.received_bps", "bits_per_second", "Rate that comes in."),
  GAUGE ("cluster.sent_bps", "bits_per_second", "Rate that goes out."),
  COUNTER ("egress.bytes_sent_total", "bytes", "RTP payload sent to viewers."),
  COUNTER ("egress.failures_total", "", "Joins that failed by our fault."),
  SECONDS ("egress.join_seconds", "From a viewer's POST to its connection."),
  COUNTER ("egress.joins_total", "", "Viewers let in."),
  COUNTER ("egress.leaves_total", "", "Viewers that went."),
  GAUGE ("egress.max_viewers", "", "Viewers that the nodes may take."),
  COUNTER ("egress.packets_repaired_total", "",
           "Packets sent again to viewers."),
  COUNTER ("egress.packets_sent_total", "", "RTP packets sent to viewers."),
  COUNTER ("egress.refused_total", "", "Viewers not let in."),
  COUNTER ("egress.repair_failures_total", "",
           "Packets that viewers asked for and did not get."),
  COUNTER ("egress.send_drops_total", "", "Packets not sent."),
  GAUGE ("egress.slots", "", "Viewers that fit by the tightest limit."),
  GAUGE ("egress.utilization_ratio", "ratio", "Viewers of the slots."),
  GAUGE ("egress.viewers", "", "Viewers."),
  GAUGE ("egress.waiting", "", "Viewers with a place and no media yet."),
  COUNTER ("ingress.bytes_received_total", "bytes", "RTP from publishers."),
  GAUGE ("ingress.max_publishers", "", "Publishers that the nodes may take."),
  COUNTER ("ingress.packets_lost_total", "",
           "RTP packets of publishers that were given up."),
  COUNTER ("ingress.packets_received_total", "",
           "RTP packets from publishers."),
  COUNTER ("ingress.packets_repaired_total", "",
           "RTP packets of publishers that came after a NACK."),
  GAUGE ("ingress.publishers", "", "Publishers."),
  COUNTER ("relay.bytes_sent_total", "bytes", "Media sent to other nodes."),
  GAUGE ("relay.links", "", "Parents that nodes take streams from."),
  GAUGE ("relay.loss_max_ratio", "ratio",
         "Loss of the worst link, before repair."),
  COUNTER ("relay.packets_lost_total", "", "Packets that came from no parent."),
  COUNTER ("relay.packets_received_total", "",
           "Packets that came from other nodes, each once."),
  COUNTER ("relay.packets_repaired_total", "",
           "Packets of other nodes that came when asked for."),
  COUNTER ("relay.packets_sent_total", "", "Packets sent to other nodes."),
  SECONDS ("relay.repair_seconds",
           "From when a packet was missed to when it came."),
  GAUGE ("relay.streams", "", "Streams that nodes carry, each on each node."),
};
/* clang-format on */

static const char *const kind_names[] = {
  [SCALING_POINT_COUNTER] = "counter",
  [SCALING_POINT_GAUGE] = "gauge",
  [SCALING_POINT_DISTRIBUTION] = "distribution",
};

const ScalingKey *
scaling_key_list (guint *ret_n)
{
  *ret_n = G_N_ELEMENTS (keys);
  return keys;
}

const ScalingKey *
scaling_key_find (const char *key)
{
  guint low = 0, high = G_N_ELEMENTS (keys);

  while (low < high)
    {
      guint middle = (low + high) / 2;
      int order = strcmp (key, keys[middle].key);

      if (order == 0)
        return &keys[middle];
      if (order < 0)
        high = middle;
      else
        low = middle + 1;
    }
  return NULL;
}

const char *
scaling_point_kind_get_name (ScalingPointKind kind)
{
  return kind_names[kind];
}

void
scaling_point_free (ScalingPoint *self)
{
  g_return_if_fail (self);
  for (guint i = 0; i < self->n_labels; i++)
    g_free (self->labels[i].value);
  g_clear_pointer (&self->sketch, base_sketch_free);
  g_free (self);
}

const char *
scaling_point_get_label (const ScalingPoint *self, const char *name)
{
  for (guint i = 0; i < self->n_labels; i++)
    if (strcmp (self->labels[i].name, name) == 0)
      return self->labels[i].value;
  return NULL;
}
