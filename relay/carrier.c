/* SPDX-License-Identifier: Apache-2.0 */
/* RelayCarrier: see carrier.h. */
#include "relay/carrier.h"

#include <string.h>

#include "base/clock.h"
#include "relay/log.h"

#define TICK_MS 500
#define SILENT_US (1500 * BASE_US_PER_MS) /* a second, and our own delay */
#define MAX_BIND_TRIES 16
/* parents that have lines of their own in the metrics; more share one */
#define MAX_PARENT_LABELS 64
#define OTHER_PARENTS "other"

/* A stream of the directory. */
typedef struct
{
  RelayCarrier *carrier;
  char *name;
  RelayStreamInfo info;
  guint64 epoch;
  guint8 publication[RELAY_ID_BYTES];
  gboolean has_origin;
  RelayLinkParent origin;

  RelayInlet *inlet; /* owned, NULL = not carried */
  guint port;
  gint64 wanted_us; /* somebody wanted it, or was fed from it */
  RelayInletStats stats;
} Entry;

typedef struct
{
  guint64 n_packets, n_first, n_lost, n_nacked, n_repaired, n_unrepaired;
  gint64 rtt_us;
  guint32 jitter_us;
} ParentTotal;

struct _RelayCarrier
{
  RelayCarrierConfig config;
  char *node_id;
  GHashTable *entries; /* name -> Entry; owned */
  GHashTable *totals;  /* node -> ParentTotal; owned */
  RelayInletStats sum; /* of all that was ever carried; no parents */
  RelayLinkParent parents[RELAY_INLET_MAX_PARENTS];
  guint n_parents, n_active, n_carried;
  guint tick_id;
  BaseHistogram *repair_seconds; /* borrowed, nullable */
  BaseCounter *refused_unknown, *refused_port, *refused_streams;
};

/* --- statistics ---------------------------------------------------------- */

static guint64
grown (guint64 now, guint64 before)
{
  return now >= before ? now - before : now;
}

static const RelayInletParentStats *
find_parent_stats (const RelayInletStats *stats, const char *node)
{
  for (guint i = 0; i < stats->n_parents; i++)
    if (strcmp (stats->parents[i].node, node) == 0)
      return &stats->parents[i];
  return NULL;
}

static ParentTotal *
ensure_total (RelayCarrier *self, const char *node)
{
  ParentTotal *total = g_hash_table_lookup (self->totals, node);

  if (total == NULL && g_hash_table_size (self->totals) >= MAX_PARENT_LABELS)
    {
      node = OTHER_PARENTS;
      total = g_hash_table_lookup (self->totals, node);
    }
  if (total == NULL)
    {
      total = g_new0 (ParentTotal, 1);
      g_hash_table_insert (self->totals, g_strdup (node), total);
    }
  return total;
}

static void
add_parent (RelayCarrier *self, RelayInletParentStats *now,
            const RelayInletStats *before)
{
  static const RelayInletParentStats none;
  const RelayInletParentStats *old = find_parent_stats (before, now->node);
  ParentTotal *total = ensure_total (self, now->node);

  if (old == NULL || now->n_packets < old->n_packets)
    old = &none; /* it was left, and asked again */
  /* what was only reordered was counted, and comes off again */
  now->n_lost = MAX (now->n_lost, old->n_lost);
  total->n_packets += now->n_packets - old->n_packets;
  total->n_first += grown (now->n_first, old->n_first);
  total->n_lost += now->n_lost - old->n_lost;
  total->n_nacked += grown (now->n_nacked, old->n_nacked);
  total->n_repaired += grown (now->n_repaired, old->n_repaired);
  total->n_unrepaired += grown (now->n_unrepaired, old->n_unrepaired);
  if (now->rtt_us != 0)
    total->rtt_us = now->rtt_us;
  if (now->is_active && !now->is_silent)
    total->jitter_us = now->jitter_us;
}

static void
entry_read_stats (Entry *entry)
{
  RelayInletStats *sum = &entry->carrier->sum, *old = &entry->stats, now;

  relay_inlet_get_stats (entry->inlet, &now);
  sum->n_packets += grown (now.n_packets, old->n_packets);
  sum->n_duplicates += grown (now.n_duplicates, old->n_duplicates);
  sum->n_repaired += grown (now.n_repaired, old->n_repaired);
  sum->n_lost += grown (now.n_lost, old->n_lost);
  sum->n_nacked += grown (now.n_nacked, old->n_nacked);
  sum->n_bad += grown (now.n_bad, old->n_bad);
  sum->n_failovers += grown (now.n_failovers, old->n_failovers);
  sum->n_loops += grown (now.n_loops, old->n_loops);
  for (guint i = 0; i < now.n_parents; i++)
    add_parent (entry->carrier, &now.parents[i], old);
  now.max_gap_us = MAX (now.max_gap_us, old->max_gap_us);
  *old = now;
}

static void
collect_parent (BaseMetricsWriter *writer, const char *node,
                const ParentTotal *total)
{
  g_autofree char *label = base_metrics_label ("parent", node);
  const struct
  {
    const char *name, *help;
    guint64 value;
  } counters[] = {
    { "media_tree_link_first_total",
      "Packets that came from this parent first.", total->n_first },
    { "media_tree_link_parent_packets_total",
      "Packets that came from this parent, copies included.",
      total->n_packets },
    { "media_tree_link_parent_lost_total",
      "Packets that this parent passed by, before repair.", total->n_lost },
    { "media_tree_link_parent_nacked_total",
      "Packets that this parent was asked for, again ones included.",
      total->n_nacked },
    { "media_tree_link_parent_repaired_total",
      "Packets that came from this parent when they were asked for.",
      total->n_repaired },
    { "media_tree_link_repair_failures_total",
      "Packets that this parent was asked for and that were given up.",
      total->n_unrepaired },
  };

  for (guint i = 0; i < G_N_ELEMENTS (counters); i++)
    base_metrics_write (writer, counters[i].name, "counter", counters[i].help,
                        label, (double)counters[i].value);
  base_metrics_write (writer, "media_tree_link_rtt_seconds", "gauge",
                      "Round trip to this parent.", label,
                      (double)total->rtt_us / BASE_US_PER_S);
  base_metrics_write (writer, "media_tree_link_jitter_seconds", "gauge",
                      "Jitter of what comes from this parent.", label,
                      (double)total->jitter_us / BASE_US_PER_S);
}

static void
collect_parents (RelayCarrier *self, BaseMetricsWriter *writer)
{
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, self->totals);
  while (g_hash_table_iter_next (&iter, &key, &value))
    collect_parent (writer, key, value);
}

static void
collect (BaseMetricsWriter *writer, gpointer data)
{
  RelayCarrier *self = data;
  const struct
  {
    const char *name, *help;
    guint64 value;
  } counters[] = {
    { "media_tree_link_packets_received_total",
      "Packets of streams that parents sent, each once.", self->sum.n_packets },
    { "media_tree_link_duplicates_total",
      "Copies of packets that had come already.", self->sum.n_duplicates },
    { "media_tree_link_lost_total",
      "Packets that came from no parent and were given up.", self->sum.n_lost },
    { "media_tree_link_repaired_total", "Packets that came when asked for.",
      self->sum.n_repaired },
    { "media_tree_link_nacked_total", "Packets asked for, again ones included.",
      self->sum.n_nacked },
    { "media_tree_link_bad_total",
      "Datagrams to inlets that were not authentic, or of no publication of "
      "theirs.",
      self->sum.n_bad },
    { "media_tree_link_failovers_total",
      "Times that a parent fell silent in the middle of a stream.",
      self->sum.n_failovers },
    { "media_tree_link_loops_total",
      "Parents left because they hang below this node.", self->sum.n_loops },
  };

  for (guint i = 0; i < G_N_ELEMENTS (counters); i++)
    base_metrics_write (writer, counters[i].name, "counter", counters[i].help,
                        NULL, (double)counters[i].value);
  base_metrics_write (writer, "media_tree_streams_carried", "gauge",
                      "Streams that this node takes from others.", NULL,
                      self->n_carried);
  collect_parents (self, writer);
}

/* --- carrying ------------------------------------------------------------ */

static void
entry_drop (Entry *entry)
{
  RelayCarrier *self = entry->carrier;

  if (entry->inlet == NULL)
    return;
  entry_read_stats (entry);
  g_clear_pointer (&entry->inlet, relay_inlet_free);
  relay_port_pool_give_back (self->config.ports, entry->port);
  memset (&entry->stats, 0, sizeof entry->stats);
  self->n_carried--;
  GST_INFO ("stream=%s is not carried any more", entry->name);
}

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  entry_drop (entry);
  g_free (entry->name);
  g_free (entry);
}

static void
on_replaced (RelayInlet *inlet, gpointer data)
{
  Entry *entry = data;

  GST_INFO ("stream=%s is published here now", entry->name);
  entry_drop (entry);
}

static void
entry_set_parents (Entry *entry)
{
  const RelayCarrier *self = entry->carrier;

  if (entry->inlet == NULL)
    return;
  if (entry->has_origin)
    relay_inlet_set_parents (entry->inlet, &entry->origin, 1, 1);
  else
    relay_inlet_set_parents (entry->inlet, self->parents, self->n_parents,
                             self->n_active);
}

static void
set_port (RtcAddr *address, guint port)
{
  if (address->sa.sa_family == AF_INET)
    address->in.sin_port = g_htons ((guint16)port);
  else
    address->in6.sin6_port = g_htons ((guint16)port);
}

/* A port that another program holds is nobody's fault: the next one. */
static RelayInlet *
entry_open (Entry *entry, RelayInletConfig *config, GError **error)
{
  RelayCarrier *self = entry->carrier;
  gint64 now_us = base_clock_now_us ();

  for (guint i = 0; i < MAX_BIND_TRIES; i++)
    {
      g_autoptr (GError) why = NULL;
      RelayInlet *inlet;

      entry->port = relay_port_pool_take (self->config.ports, now_us);
      if (entry->port == 0)
        break;
      set_port (&config->address, entry->port);
      inlet = relay_inlet_new (config, entry->name, &entry->info, entry->epoch,
                               entry->publication, &why);
      if (inlet != NULL)
        return inlet;
      if (!g_error_matches (why, RTC_WORKER_ERROR, RTC_WORKER_ERROR_BIND))
        {
          relay_port_pool_give_back (self->config.ports, entry->port);
          base_counter_add (self->refused_streams, 1);
          g_propagate_error (error, g_steal_pointer (&why));
          return NULL;
        }
      relay_port_pool_mark_taken (self->config.ports, entry->port, now_us);
    }
  base_counter_add (self->refused_port, 1);
  g_set_error (error, RELAY_ERROR, RELAY_ERROR_NO_PORT,
               "no port of --rtp-port-range is left for \"%s\"", entry->name);
  return NULL;
}

static gboolean
entry_carry (Entry *entry, GError **error)
{
  RelayCarrier *self = entry->carrier;
  RelayInletConfig config = {
    .hub = self->config.hub,
    .keys = self->config.keys,
    .node_id = self->node_id,
    .address = self->config.address,
    .repair = self->config.repair,
    .repair_seconds = self->repair_seconds,
    .on_replaced = on_replaced,
    .data = entry,
  };

  entry->inlet = entry_open (entry, &config, error);
  if (entry->inlet == NULL)
    return FALSE;
  self->n_carried++;
  entry->wanted_us = base_clock_now_us ();
  entry_set_parents (entry);
  GST_INFO ("stream=%s port=%u is carried", entry->name, entry->port);
  return TRUE;
}

static gboolean
is_ours (RelayStream *stream)
{
  return stream != NULL && relay_stream_is_live (stream)
         && relay_stream_is_origin (stream);
}

/* Viewers wait since the last publisher went: they are not asked again. */
static void
entry_carry_if_fed (Entry *entry)
{
  RelayStream *stream =
      relay_hub_lookup (entry->carrier->config.hub, entry->name);
  g_autoptr (GError) error = NULL;

  if (entry->inlet != NULL || stream == NULL || is_ours (stream)
      || relay_stream_get_n_receivers (stream) == 0)
    return;
  if (!entry_carry (entry, &error))
    GST_WARNING ("stream=%s cannot be carried: %s", entry->name,
                 error->message);
}

static void
on_hub_event (RelayHub *hub, RelayStream *stream, RelayHubEvent event,
              gpointer data)
{
  RelayCarrier *self = data;
  Entry *entry =
      g_hash_table_lookup (self->entries, relay_stream_get_name (stream));

  if (entry == NULL)
    return;
  if (event == RELAY_HUB_LIVE && relay_stream_is_origin (stream))
    entry_drop (entry);
  else if (event == RELAY_HUB_IDLE)
    entry_carry_if_fed (entry);
}

static gboolean
on_tick (gpointer data)
{
  RelayCarrier *self = data;
  gint64 now_us = base_clock_now_us ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Entry *entry = value;

      if (entry->inlet == NULL)
        continue;
      entry_read_stats (entry);
      if (relay_stream_get_n_receivers (relay_inlet_get_stream (entry->inlet))
          > 0)
        entry->wanted_us = now_us;
      else if (now_us - entry->wanted_us >= self->config.linger_us)
        entry_drop (entry);
    }
  return G_SOURCE_CONTINUE;
}

/* --- what others call ---------------------------------------------------- */

static void
add_metrics (RelayCarrier *self, BaseMetrics *metrics)
{
  const char *name = "media_tree_carry_refused_total";
  const char *help = "Streams of others that were wanted and not carried.";
  static const double bounds[] = { RELAY_REPAIR_BOUNDS };

  self->refused_unknown =
      base_metrics_add_counter (metrics, name, "reason=\"unknown\"", help);
  self->refused_port =
      base_metrics_add_counter (metrics, name, "reason=\"port\"", help);
  self->refused_streams =
      base_metrics_add_counter (metrics, name, "reason=\"streams\"", help);
  self->repair_seconds = base_metrics_add_histogram (
      metrics, RELAY_REPAIR_SECONDS, "from=\"parent\"",
      RELAY_REPAIR_SECONDS_HELP, bounds, G_N_ELEMENTS (bounds));
  base_metrics_add_collector (metrics, collect, self);
}

RelayCarrier *
relay_carrier_new (const RelayCarrierConfig *config)
{
  RelayCarrier *self = g_new0 (RelayCarrier, 1);

  self->config = *config;
  self->node_id = g_strdup (config->node_id);
  self->entries =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, entry_free);
  self->totals =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->tick_id = g_timeout_add (TICK_MS, on_tick, self);
  relay_hub_add_listener (config->hub, on_hub_event, self);
  if (config->metrics != NULL)
    add_metrics (self, config->metrics);
  return self;
}

void
relay_carrier_free (RelayCarrier *self)
{
  relay_hub_remove_listener (self->config.hub, on_hub_event, self);
  g_source_remove (self->tick_id);
  g_hash_table_unref (self->entries);
  g_hash_table_unref (self->totals);
  g_free (self->node_id);
  g_free (self);
}

void
relay_carrier_set_stream (RelayCarrier *self, const char *name,
                          const RelayStreamInfo *info, guint64 epoch,
                          const guint8 publication[RELAY_ID_BYTES],
                          const RelayLinkParent *origin)
{
  Entry *entry = g_hash_table_lookup (self->entries, name);

  if (entry == NULL)
    {
      entry = g_new0 (Entry, 1);
      entry->carrier = self;
      entry->name = g_strdup (name);
      g_hash_table_insert (self->entries, entry->name, entry);
    }
  entry->info = *info;
  entry->epoch = epoch;
  memcpy (entry->publication, publication, RELAY_ID_BYTES);
  entry->has_origin = origin != NULL;
  if (origin != NULL)
    entry->origin = *origin;
  entry_set_parents (entry);
  entry_carry_if_fed (entry);
}

void
relay_carrier_remove_stream (RelayCarrier *self, const char *name)
{
  g_hash_table_remove (self->entries, name);
}

void
relay_carrier_set_parents (RelayCarrier *self, const RelayLinkParent *parents,
                           guint n_parents, guint n_active)
{
  GHashTableIter iter;
  gpointer value;

  self->n_parents = MIN (n_parents, RELAY_INLET_MAX_PARENTS);
  self->n_active = MIN (n_active, self->n_parents);
  for (guint i = 0; i < self->n_parents; i++)
    self->parents[i] = parents[i];
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    entry_set_parents (value);
}

RelayStream *
relay_carrier_want (RelayCarrier *self, const char *name, GError **error)
{
  Entry *entry = g_hash_table_lookup (self->entries, name);
  RelayStream *stream = relay_hub_lookup (self->config.hub, name);

  if (is_ours (stream))
    return stream;
  if (entry == NULL)
    {
      base_counter_add (self->refused_unknown, 1);
      g_set_error (error, RELAY_ERROR, RELAY_ERROR_UNKNOWN,
                   "nobody publishes \"%s\"", name);
      return NULL;
    }
  if (entry->inlet == NULL && !entry_carry (entry, error))
    return NULL;
  entry->wanted_us = base_clock_now_us ();
  return relay_inlet_get_stream (entry->inlet);
}

guint
relay_carrier_get_n_carried (RelayCarrier *self)
{
  return self->n_carried;
}

gboolean
relay_carrier_is_parent_silent (RelayCarrier *self, const char *node)
{
  gint64 now_us = base_clock_now_us ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Entry *entry = value;
      const RelayInletParentStats *stats =
          entry->inlet != NULL ? find_parent_stats (&entry->stats, node) : NULL;

      if (stats != NULL && now_us - stats->heard_us < SILENT_US)
        return FALSE;
    }
  return TRUE;
}

gboolean
relay_carrier_get_stats (RelayCarrier *self, const char *stream,
                         RelayInletStats *ret)
{
  const Entry *entry = g_hash_table_lookup (self->entries, stream);

  if (entry == NULL || entry->inlet == NULL)
    return FALSE;
  *ret = entry->stats;
  return TRUE;
}

void
relay_carrier_foreach (RelayCarrier *self, RelayCarrierFunc func, gpointer data)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Entry *entry = value;

      if (entry->inlet == NULL)
        continue;
      func (entry->name, &entry->stats, data);
      entry->stats.max_gap_us = 0;
    }
}

const RelayInletStats *
relay_carrier_get_sum (RelayCarrier *self)
{
  return &self->sum;
}
