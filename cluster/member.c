/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterMember: heartbeats, hints, leaving. */
#include "cluster/member-private.h"

#include "base/clock.h"
#include "base/json.h"
#include "cluster/log.h"

#include <json-glib/json-glib.h>
#include <string.h>

static void send_beat (ClusterMember *self);

static gint64
monotonic_clock (gpointer data)
{
  return base_clock_now_us ();
}

gint64
cluster_member_now (ClusterMember *self)
{
  return self->clock (self->clock_data);
}

gboolean
cluster_member_is_rebuilding (ClusterMember *self)
{
  return cluster_member_now (self) < self->rebuild_until_us;
}

void
cluster_member_rebuild (ClusterMember *self)
{
  self->rebuild_until_us = cluster_member_now (self) + MEMBER_REBUILD_US;
}

/* --- heartbeats --------------------------------------------------------- */

static void
check_taken (ClusterMember *self, const GError *error)
{
  gint64 now_us = cluster_member_now (self);

  if (error == NULL)
    self->taken_us = 0;
  if (!g_error_matches (error, CLUSTER_ERROR, CLUSTER_ERROR_TAKEN))
    return;
  if (self->taken_us == 0)
    self->taken_us = now_us;
  if (now_us - self->taken_us < MEMBER_TAKEN_US)
    return;
  GST_ERROR ("node id %s is another living node's", self->node.node_id);
  self->taken_us = now_us; /* not told again at once */
  if (self->callbacks.on_id_taken != NULL)
    self->callbacks.on_id_taken (self->data);
}

static void
on_beaten (const GError *error, gpointer data)
{
  ClusterMember *self = data;
  gboolean again = self->wants_beat;

  self->is_beating = FALSE;
  self->wants_beat = FALSE;
  if (error == NULL)
    {
      self->has_beaten = TRUE;
      base_counter_add (self->n_heartbeats, 1);
    }
  check_taken (self, error);
  if (again && !self->is_leaving)
    send_beat (self);
}

static void
send_beat (ClusterMember *self)
{
  ClusterLoad load = { 0 };

  if (self->is_beating)
    {
      self->wants_beat = TRUE;
      return;
    }
  if (self->callbacks.fill_load != NULL)
    self->callbacks.fill_load (&load, self->data);
  self->load = load;
  self->is_beating = TRUE;
  cluster_store_beat (self->store, &self->node, &load, on_beaten, self);
}

void
cluster_member_beat_now (ClusterMember *self)
{
  if (self->is_started && !self->is_leaving)
    send_beat (self);
}

void
cluster_member_tick (ClusterMember *self)
{
  gint64 now_us = cluster_member_now (self);

  if (!self->is_started || self->is_leaving)
    return;
  if (!self->is_beating)
    send_beat (self);
  cluster_member_claim_streams (self, TRUE);
  if (now_us >= self->next_peers_us)
    cluster_member_read_peers (self);
  if (now_us >= self->next_streams_us)
    cluster_member_read_streams (self);
}

static gboolean
on_tick (gpointer data)
{
  cluster_member_tick (data);
  return G_SOURCE_CONTINUE;
}

/* --- hints -------------------------------------------------------------- */

static void
on_state (ClusterMember *self)
{
  gboolean is_connected = cluster_member_is_connected (self);

  self->has_tried = TRUE;
  if (!is_connected)
    return;
  if (self->was_connected)
    cluster_member_rebuild (self);
  self->was_connected = TRUE;
  self->next_peers_us = 0;
  self->next_streams_us = 0;
  self->is_placed = FALSE;
  cluster_member_tick (self);
}

static void
hear (ClusterMember *self, ClusterHint hint)
{
  switch (hint)
    {
    case CLUSTER_HINT_TOPOLOGY:
      cluster_member_read_peers (self);
      break;
    case CLUSTER_HINT_STREAMS:
      cluster_member_read_streams (self);
      break;
    case CLUSTER_HINT_EMPTIED:
      GST_WARNING ("the store has forgotten us: saying all again");
      cluster_member_rebuild (self);
      cluster_member_place_again (self);
      cluster_member_claim_streams (self, FALSE);
      break;
    case CLUSTER_HINT_STATE:
    case CLUSTER_HINT_LEASE:
    default:
      break;
    }
}

static void
on_hint (ClusterHint hint, gpointer data)
{
  ClusterMember *self = data;

  if (hint == CLUSTER_HINT_STATE)
    on_state (self);
  if (!self->is_started || self->is_leaving)
    return;
  hear (self, hint);
  if (self->callbacks.on_hint != NULL)
    self->callbacks.on_hint (hint, self->data);
}

ClusterStore *
cluster_member_get_store (ClusterMember *self)
{
  return self->store;
}

/* --- life --------------------------------------------------------------- */

static void
add_metrics (ClusterMember *self, BaseMetrics *metrics)
{
  cluster_store_set_metrics (self->store, metrics);
  self->n_heartbeats =
      base_metrics_add_counter (metrics, "media_tree_heartbeats_total", NULL,
                                "Heartbeats that the store has taken");
  self->n_streams_lost = base_metrics_add_counter (
      metrics, "media_tree_streams_lost_total", NULL,
      "Streams published here that another node's publisher took over");
  self->n_known = base_metrics_add_gauge (metrics, "media_tree_nodes_known",
                                          NULL, "Nodes that this one knows");
  self->n_alive =
      base_metrics_add_gauge (metrics, "media_tree_nodes_alive", NULL,
                              "Nodes whose heartbeat is there");
}

ClusterMember *
cluster_member_new (const ClusterMemberConfig *config)
{
  ClusterMember *self = g_new0 (ClusterMember, 1);

  self->store = config->store;
  cluster_node_copy (&config->node, &self->node);
  self->max_children = config->max_children;
  self->callbacks = config->callbacks;
  self->data = config->data;
  self->clock = monotonic_clock;
  cluster_member_init_peers (self);
  cluster_member_init_streams (self);
  cluster_store_set_hint_func (self->store, on_hint, self);
  if (config->metrics != NULL)
    add_metrics (self, config->metrics);
  return self;
}

void
cluster_member_set_clock (ClusterMember *self, gint64 (*clock) (gpointer data),
                          gpointer data)
{
  self->clock = clock;
  self->clock_data = data;
}

static GSource *
add_timer (guint ms, GSourceFunc func, gpointer data)
{
  GSource *source = g_timeout_source_new (ms);

  g_source_set_static_name (source, "cluster-member");
  g_source_set_callback (source, func, data, NULL);
  g_source_attach (source, NULL);
  return source;
}

static void
drop_timer (GSource **timer)
{
  if (*timer == NULL)
    return;
  g_source_destroy (*timer);
  g_clear_pointer (timer, g_source_unref);
}

static gboolean
on_look (gpointer data)
{
  ClusterMember *self = data;

  drop_timer (&self->look_timer);
  self->looked_us = base_clock_now_us ();
  send_beat (self);
  cluster_member_read_peers (self);
  return G_SOURCE_REMOVE;
}

void
cluster_member_look_again (ClusterMember *self)
{
  gint64 period_us =
      MEMBER_LOOK_AGAIN_US + MEMBER_LOOK_AGAIN_US_PER_NODE * self->peers->len;
  gint64 wait_us = self->looked_us + period_us - base_clock_now_us ();

  if (!self->is_started || self->is_leaving || self->look_timer != NULL)
    return;
  /* not at once: the refusal is counted when its answer is written */
  wait_us = CLAMP (wait_us, MEMBER_LOOK_SOON_US, period_us);
  self->look_timer =
      add_timer ((guint)(wait_us / BASE_US_PER_MS), on_look, self);
}

void
cluster_member_start (ClusterMember *self)
{
  g_return_if_fail (!self->is_started);

  self->is_started = TRUE;
  if (self->clock == monotonic_clock)
    self->timer = add_timer (MEMBER_TICK_US / BASE_US_PER_MS, on_tick, self);
  if (cluster_member_is_connected (self))
    cluster_member_tick (self);
}

void
cluster_member_free (ClusterMember *self)
{
  g_return_if_fail (self != NULL);

  drop_timer (&self->timer);
  drop_timer (&self->leave_timer);
  drop_timer (&self->look_timer);
  cluster_store_free (self->store);
  cluster_member_clear_peers (self);
  cluster_member_clear_streams (self);
  cluster_node_clear (&self->node);
  g_free (self);
}

/* --- leaving ------------------------------------------------------------ */

static void
end_leave (ClusterMember *self, const GError *error)
{
  ClusterDoneFunc func = self->leave_func;

  drop_timer (&self->leave_timer);
  self->leave_func = NULL;
  if (func != NULL)
    func (error, self->leave_data);
}

static void
on_left (const GError *error, gpointer data)
{
  end_leave (data, error);
}

static gboolean
on_leave_late (gpointer data)
{
  ClusterMember *self = data;
  g_autoptr (GError) error =
      g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_TIMEOUT,
                   "the store did not answer in %d ms", MEMBER_LEAVE_MS);

  end_leave (self, error);
  return G_SOURCE_CONTINUE;
}

void
cluster_member_leave (ClusterMember *self, ClusterDoneFunc func, gpointer data)
{
  g_return_if_fail (!self->is_leaving);

  self->is_leaving = TRUE;
  self->leave_func = func;
  self->leave_data = data;
  drop_timer (&self->timer);
  drop_timer (&self->look_timer);
  self->leave_timer = add_timer (MEMBER_LEAVE_MS, on_leave_late, self);
  cluster_store_leave (self->store, &self->node, on_left, self);
}

/* --- state -------------------------------------------------------------- */

gboolean
cluster_member_has_tried (ClusterMember *self)
{
  return self->has_tried;
}

gboolean
cluster_member_is_connected (ClusterMember *self)
{
  return cluster_store_get_state (self->store) == CLUSTER_STORE_CONNECTED;
}

char *
cluster_member_describe (ClusterMember *self)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *store = cluster_store_describe (self->store);
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  base_json_add_text (builder, "node", self->node.node_id);
  base_json_add_text (builder, "tree", self->node.tree_id);
  base_json_add_text (builder, "store", store);
  json_builder_set_member_name (builder, "connected");
  json_builder_add_boolean_value (builder, cluster_member_is_connected (self));
  json_builder_set_member_name (builder, "placed");
  json_builder_add_boolean_value (builder, self->is_placed);
  base_json_add_text (builder, "parent", self->place.parent);
  base_json_add_text (builder, "backup", self->place.backup);
  base_json_add_int (builder, "rank", self->place.rank);
  base_json_add_int (builder, "peers", self->peers->len);
  base_json_add_int (builder, "streams",
                     cluster_member_get_streams (self)->len);
  json_builder_set_member_name (builder, "parents");
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->parents->len; i++)
    json_builder_add_string_value (
        builder, ((ClusterPeer *)self->parents->pdata[i])->node.node_id);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}
