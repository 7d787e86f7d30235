/* SPDX-License-Identifier: Apache-2.0 */
/* node/link-stats: what the inlets count, per parent and over some seconds. */
#include "node/link-stats.h"

#include <string.h>

typedef struct
{
  guint64 n_packets, n_first, n_lost;
} Counts;

/* one stream from one parent */
typedef struct
{
  Counts seen;                       /* when last added */
  Counts window[NODE_LINK_WINDOW_S]; /* what came in each second */
  guint turn;
} Flow;

typedef struct
{
  Counts window[NODE_LINK_WINDOW_S]; /* what came in each second */
  ClusterLink link;                  /* of this turn */
  guint turn;
} Parent;

struct _NodeLinkStats
{
  GHashTable *flows;   /* owned: "stream parent" -> Flow */
  GHashTable *parents; /* owned: node -> Parent */
  guint turn;
};

NodeLinkStats *
node_link_stats_new (void)
{
  NodeLinkStats *self = g_new0 (NodeLinkStats, 1);

  self->flows = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->parents =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return self;
}

void
node_link_stats_free (NodeLinkStats *self)
{
  g_return_if_fail (self);
  g_hash_table_unref (self->flows);
  g_hash_table_unref (self->parents);
  g_free (self);
}

static gboolean
is_old_flow (gpointer key, gpointer value, gpointer data)
{
  return ((Flow *)value)->turn != ((NodeLinkStats *)data)->turn;
}

static gboolean
is_old_parent (gpointer key, gpointer value, gpointer data)
{
  return ((Parent *)value)->turn != ((NodeLinkStats *)data)->turn;
}

void
node_link_stats_begin (NodeLinkStats *self)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_foreach_remove (self->flows, is_old_flow, self);
  g_hash_table_foreach_remove (self->parents, is_old_parent, self);
  self->turn++;
  g_hash_table_iter_init (&iter, self->parents);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Parent *parent = value;

      memset (&parent->window[self->turn % NODE_LINK_WINDOW_S], 0,
              sizeof *parent->window);
    }
  g_hash_table_iter_init (&iter, self->flows);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Flow *flow = value;

      memset (&flow->window[self->turn % NODE_LINK_WINDOW_S], 0,
              sizeof *flow->window);
    }
}

/* find: the entry of @key, made when it is missing */
static gpointer
find (GHashTable *table, const char *key, gsize n_bytes)
{
  gpointer value = g_hash_table_lookup (table, key);

  if (!value)
    {
      value = g_malloc0 (n_bytes);
      g_hash_table_insert (table, g_strdup (key), value);
    }
  return value;
}

static guint64
get_growth (guint64 now, guint64 before)
{
  return now >= before ? now - before : now; /* it began again */
}

static void
add_counts (Counts *sum, const Counts *more)
{
  sum->n_packets += more->n_packets;
  sum->n_first += more->n_first;
  sum->n_lost += more->n_lost;
}

/* dup_flow_key: (transfer full): names have no spaces */
static char *
dup_flow_key (const char *stream, const char *parent)
{
  return g_strconcat (stream, " ", parent, NULL);
}

static void
add_parent (NodeLinkStats *self, const char *stream,
            const RelayInletParentStats *stats)
{
  g_autofree char *key = dup_flow_key (stream, stats->node);
  Flow *flow = find (self->flows, key, sizeof *flow);
  Parent *parent = find (self->parents, stats->node, sizeof *parent);
  guint slot = self->turn % NODE_LINK_WINDOW_S;
  ClusterLink *link = &parent->link;
  Counts grown = { get_growth (stats->n_packets, flow->seen.n_packets),
                   get_growth (stats->n_first, flow->seen.n_first),
                   get_growth (stats->n_lost, flow->seen.n_lost) };

  add_counts (&parent->window[slot], &grown);
  flow->window[slot] = grown;
  flow->seen = (Counts){ stats->n_packets, stats->n_first, stats->n_lost };
  flow->turn = self->turn;
  if (parent->turn != self->turn)
    {
      memset (link, 0, sizeof *link);
      g_strlcpy (link->node, stats->node, sizeof link->node);
      link->is_silent = TRUE;
      parent->turn = self->turn;
    }
  if (!stats->is_active)
    return;
  link->is_active = TRUE;
  link->n_streams++;
  link->is_silent = link->is_silent && stats->is_silent;
  link->rtt_us = MAX (link->rtt_us, stats->rtt_us);
  link->jitter_us = MAX (link->jitter_us, stats->jitter_us);
}

void
node_link_stats_add (NodeLinkStats *self, const char *stream,
                     const RelayInletStats *stats)
{
  for (guint i = 0; i < MIN (stats->n_parents, RELAY_INLET_MAX_PARENTS); i++)
    add_parent (self, stream, &stats->parents[i]);
}

/* get_ratios: Returns: packets of the window */
static guint64
get_ratios (const Counts window[NODE_LINK_WINDOW_S], double *ret_loss_ratio,
            double *ret_first_ratio)
{
  Counts sum = { 0 };

  for (guint i = 0; i < NODE_LINK_WINDOW_S; i++)
    add_counts (&sum, &window[i]);
  *ret_loss_ratio =
      sum.n_lost > 0 ? (double)sum.n_lost / (double)(sum.n_packets + sum.n_lost)
                     : 0;
  *ret_first_ratio =
      sum.n_packets > 0
          ? (double)MIN (sum.n_first, sum.n_packets) / (double)sum.n_packets
          : 0;
  return sum.n_packets;
}

void
node_link_stats_get_ratios (NodeLinkStats *self, const char *stream,
                            const char *parent, double *ret_loss_ratio,
                            double *ret_first_ratio)
{
  g_autofree char *key = dup_flow_key (stream, parent);
  const Flow *flow = g_hash_table_lookup (self->flows, key);

  *ret_loss_ratio = *ret_first_ratio = 0;
  if (flow)
    get_ratios (flow->window, ret_loss_ratio, ret_first_ratio);
}

static int
compare_links (gconstpointer a, gconstpointer b)
{
  const ClusterLink *left = a, *right = b;

  if (left->is_active != right->is_active)
    return left->is_active ? -1 : 1;
  return strcmp (left->node, right->node);
}

void
node_link_stats_fill (NodeLinkStats *self, ClusterLoad *load)
{
  g_autoptr (GArray) links = g_array_new (FALSE, FALSE, sizeof (ClusterLink));
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->parents);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Parent *parent = value;
      ClusterLink link = parent->link;

      /* a candidate that was never asked is no link */
      if (parent->turn == self->turn
          && (get_ratios (parent->window, &link.loss_ratio, &link.first_ratio)
                  > 0
              || link.is_active))
        g_array_append_val (links, link);
    }
  g_array_sort (links, compare_links);
  load->n_links = MIN (links->len, CLUSTER_MAX_LINKS);
  if (load->n_links > 0)
    memcpy (load->links, links->data, load->n_links * sizeof (ClusterLink));
}

void
node_link_stats_fill_carried (RelayHub *hub, ClusterLoad *load)
{
  g_autoptr (GPtrArray) streams = relay_hub_list (hub);

  load->n_carried = 0;
  for (guint i = 0; i < streams->len && load->n_carried < CLUSTER_MAX_CARRIED;
       i++)
    if (relay_stream_is_live (streams->pdata[i]))
      load->carried[load->n_carried++] =
          cluster_stream_hash (relay_stream_get_name (streams->pdata[i]));
}
