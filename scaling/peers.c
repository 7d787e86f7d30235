/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingPeers: see peers.h. */
#include "scaling/peers.h"

#include <string.h>

#include "base/clock.h"

#define UNKNOWN (-1.0)

typedef struct
{
  char *boot_id; /* owned */
  ClusterLoad load;
  gint64 heard_us;
} Said;

struct _ScalingPeers
{
  ScalingProxy *proxy; /* owned, nullable: nobody is asked */
  char *header;        /* owned, nullable */
  guint signals;
  gint64 interval_us;
  GPtrArray *urls;  /* owned (element-type utf8): asked now, NULL at its end */
  GHashTable *said; /* owned: node id -> Said */
};

static void
said_free (gpointer data)
{
  Said *said = data;

  g_free (said->boot_id);
  g_free (said);
}

ScalingPeers *
scaling_peers_new (const char *token, guint signals, gint64 interval_us)
{
  ScalingPeers *self = g_new0 (ScalingPeers, 1);

  self->header = token != NULL ? g_strconcat ("Bearer ", token, NULL) : NULL;
  self->signals = signals;
  self->interval_us = interval_us > 0 ? interval_us : SCALING_PEERS_INTERVAL_US;
  self->urls = g_ptr_array_new_with_free_func (g_free);
  self->said =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, said_free);
  return self;
}

void
scaling_peers_free (ScalingPeers *self)
{
  g_return_if_fail (self != NULL);

  g_clear_pointer (&self->proxy, scaling_proxy_free);
  g_ptr_array_unref (self->urls);
  g_hash_table_unref (self->said);
  g_free (self->header);
  g_free (self);
}

guint
scaling_peers_get_signals (ScalingPeers *self)
{
  return self->signals;
}

/* --- asking ------------------------------------------------------------- */

static void
on_report (const ClusterNode *node, const ClusterLoad *load, gpointer data)
{
  ScalingPeers *self = data;
  Said *said = g_hash_table_lookup (self->said, node->node_id);

  if (said == NULL
      && g_hash_table_size (self->said) >= SCALING_PROXY_MAX_TARGETS)
    return; /* more names than nodes that were asked */
  if (said == NULL)
    {
      said = g_new0 (Said, 1);
      g_hash_table_insert (self->said, g_strdup (node->node_id), said);
    }
  g_free (said->boot_id);
  said->boot_id = g_strdup (node->boot_id);
  said->load = *load;
  said->heard_us = base_clock_now_us ();
}

static gboolean
is_same (const GPtrArray *a, const GPtrArray *b)
{
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++)
    if (g_strcmp0 (a->pdata[i], b->pdata[i]) != 0)
      return FALSE;
  return TRUE;
}

static GPtrArray *
list_urls (GPtrArray *beats)
{
  GPtrArray *urls = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < beats->len && urls->len < SCALING_PROXY_MAX_TARGETS;
       i++)
    {
      const ClusterBeat *beat = beats->pdata[i];

      if ((beat->node.roles & (CLUSTER_ROLE_EGRESS | CLUSTER_ROLE_RELAY)) != 0
          && beat->node.url != NULL
          && scaling_proxy_url_is_valid (beat->node.url))
        g_ptr_array_add (urls, g_strdup (beat->node.url));
    }
  g_ptr_array_add (urls, NULL);
  return urls;
}

static gboolean
is_old (gpointer key, gpointer value, gpointer data)
{
  const Said *said = value;

  return base_clock_now_us () - said->heard_us > SCALING_PEERS_KEPT_US;
}

void
scaling_peers_follow (ScalingPeers *self, GPtrArray *beats)
{
  g_autoptr (GPtrArray) urls = list_urls (beats);
  ScalingProxyConfig config = { .header_name = "Authorization",
                                .header_value = self->header,
                                .interval_us = self->interval_us,
                                .timeout_us = self->interval_us,
                                .on_report = on_report,
                                .data = self };

  g_hash_table_foreach_remove (self->said, is_old, NULL);
  if (is_same (urls, self->urls))
    return;
  g_clear_pointer (&self->proxy, scaling_proxy_free);
  g_ptr_array_unref (self->urls);
  self->urls = g_steal_pointer (&urls);
  config.urls[0] = (const char *const *)self->urls->pdata;
  if (self->urls->len > 1)
    self->proxy = scaling_proxy_new (&config);
}

/* --- what is known ------------------------------------------------------ */

const ClusterLoad *
scaling_peers_find (ScalingPeers *self, const ClusterNode *node, gint64 now_us)
{
  const Said *said = g_hash_table_lookup (self->said, node->node_id);

  /* another boot's counters are others */
  return said != NULL && now_us - said->heard_us <= SCALING_PEERS_KEPT_US
                 && g_strcmp0 (said->boot_id, node->boot_id) == 0
             ? &said->load
             : NULL;
}

void
scaling_peers_fill (ScalingPeers *self, const ClusterNode *node, gint64 now_us,
                    ScalingNode *ret)
{
  const ClusterLoad *load = scaling_peers_find (self, node, now_us);

  if ((self->signals >> SCALING_SIGNAL_CPU & 1) != 0)
    ret->cpu_ratio = load != NULL ? load->cpu_ratio : UNKNOWN;
  if ((self->signals >> SCALING_SIGNAL_MEMORY & 1) != 0)
    ret->mem_ratio = load != NULL ? load->mem_ratio : UNKNOWN;
  if ((self->signals >> SCALING_SIGNAL_PORTS & 1) != 0)
    ret->ports_ratio = load == NULL ? UNKNOWN
                       : load->max_ports > 0
                           ? (double)load->n_ports / load->max_ports
                           : 0;
  /* a counter: what the heartbeat has of it is the same one, some time ago */
  if ((self->signals >> SCALING_SIGNAL_DROPS & 1) != 0 && load != NULL)
    ret->n_send_drops = MAX (ret->n_send_drops, load->n_send_drops);
}
