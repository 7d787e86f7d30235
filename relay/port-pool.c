/* SPDX-License-Identifier: Apache-2.0 */
/* RelayPortPool: see port-pool.h. */
#include "relay/port-pool.h"

#include "base/clock.h"

#define TAKEN_US BASE_US_PER_S

typedef struct
{
  gboolean is_used;
  gint64 taken_until_us; /* by somebody else; 0 = not */
} Port;

struct _RelayPortPool
{
  guint n_refs;
  guint first, n_ports, n_used;
  guint next;                 /* index where the next search begins */
  Port *ports;                /* owned */
  BaseCounter *used, *unused; /* borrowed, nullable */
  BaseCounter *refused;
};

static void
pool_collect (BaseMetricsWriter *writer, gpointer data)
{
  RelayPortPool *self = data;

  base_metrics_write (writer, "port_pool_utilization_percent", "gauge",
                      "Ports of --rtp-port-range in use, of 100.", NULL,
                      100.0 * self->n_used / self->n_ports);
}

static void
pool_count (RelayPortPool *self)
{
  base_counter_set (self->used, self->n_used);
  base_counter_set (self->unused, self->n_ports - self->n_used);
}

RelayPortPool *
relay_port_pool_new (guint first, guint last, BaseMetrics *metrics)
{
  RelayPortPool *self;

  g_return_val_if_fail (first > 0 && first <= last && last <= G_MAXUINT16,
                        NULL);
  self = g_new0 (RelayPortPool, 1);
  self->n_refs = 1;
  self->first = first;
  self->n_ports = last - first + 1;
  self->ports = g_new0 (Port, self->n_ports);
  if (metrics != NULL)
    {
      const char *help = "Ports of --rtp-port-range.";

      self->used = base_metrics_add_gauge (
          metrics, "media_tree_port_pool_ports", "state=\"used\"", help);
      self->unused = base_metrics_add_gauge (
          metrics, "media_tree_port_pool_ports", "state=\"unused\"", help);
      self->refused = base_metrics_add_counter (
          metrics, "media_tree_port_pool_refused_total", NULL,
          "Times that no port of --rtp-port-range was left.");
      base_metrics_add_collector (metrics, pool_collect, self);
    }
  pool_count (self);
  return self;
}

RelayPortPool *
relay_port_pool_ref (RelayPortPool *self)
{
  self->n_refs++;
  return self;
}

void
relay_port_pool_free (RelayPortPool *self)
{
  if (--self->n_refs > 0)
    return;
  g_free (self->ports);
  g_free (self);
}

guint
relay_port_pool_take (RelayPortPool *self, gint64 now_us)
{
  for (guint i = 0; i < self->n_ports; i++)
    {
      guint index = (self->next + i) % self->n_ports;
      Port *port = &self->ports[index];

      if (port->is_used || now_us < port->taken_until_us)
        continue;
      port->is_used = TRUE;
      self->next = index + 1;
      self->n_used++;
      pool_count (self);
      return self->first + index;
    }
  base_counter_add (self->refused, 1);
  return 0;
}

void
relay_port_pool_give_back (RelayPortPool *self, guint port)
{
  g_return_if_fail (port >= self->first && port - self->first < self->n_ports
                    && self->ports[port - self->first].is_used);
  self->ports[port - self->first].is_used = FALSE;
  self->n_used--;
  pool_count (self);
}

void
relay_port_pool_mark_taken (RelayPortPool *self, guint port, gint64 now_us)
{
  relay_port_pool_give_back (self, port);
  self->ports[port - self->first].taken_until_us = now_us + TAKEN_US;
}

guint
relay_port_pool_get_n_used (RelayPortPool *self)
{
  return self->n_used;
}

guint
relay_port_pool_get_n_ports (RelayPortPool *self)
{
  return self->n_ports;
}
