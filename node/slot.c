/* SPDX-License-Identifier: Apache-2.0 */
/* NodeSlot: see slot.h. */
#include "node/slot.h"

#include "base/clock.h"
#include "base/json.h"
#include "node/cluster.h"
#include "node/drain.h"
#include "node/log.h"
#include "scaling/provisioner.h"

/* a closed one asks at each tick, so that it opens at once */
#define TICK_MS 250
#define OPEN_ASKS_US G_USEC_PER_SEC
#define CARRY_US G_USEC_PER_SEC

struct _NodeSlot
{
  const NodeParts *parts; /* borrowed */
  ClusterLedger *ledger;  /* borrowed */
  void (*on_unwanted) (gpointer data);
  gpointer data; /* borrowed */
  guint ordinal, gen;
  guint tick_id;
  gboolean is_asking, has_joined, is_open, is_over;
  gint64 started_us, asked_us, carried_us;
  ClusterSlotState state; /* as last heard; NONE before */
};

/* carry_all: each second anew, for who is carried for nobody is let go */
static void
carry_all (NodeSlot *self)
{
  NodeCluster *cluster = self->parts->cluster;
  GPtrArray *streams =
      cluster_member_get_streams (node_cluster_get_member (cluster));

  for (guint i = 0; i < streams->len; i++)
    {
      const ClusterStream *stream = streams->pdata[i];

      node_cluster_want_stream (cluster, stream->name, NULL);
    }
}

static void
end (NodeSlot *self, const char *why)
{
  if (self->is_over)
    return;
  self->is_over = TRUE;
  GST_INFO ("this node ends: %s", why);
  self->on_unwanted (self->data);
}

/* take_state: of a store that knows our subtree */
static void
take_state (NodeSlot *self)
{
  if (cluster_slot_is_active (self->state))
    {
      if (!self->has_joined)
        GST_INFO ("subtree %u, life %u: joined", self->ordinal, self->gen);
      self->has_joined = TRUE;
      if (self->state == CLUSTER_SLOT_SERVING && !self->is_open)
        {
          self->is_open = TRUE;
          GST_INFO ("subtree %u is open", self->ordinal);
        }
      return;
    }
  /* a relay feeds its subtree to the end: when it may drain the leader says */
  if (!self->has_joined)
    end (self, "its subtree is not wanted");
  else if ((self->state == CLUSTER_SLOT_GONE
            || (self->state == CLUSTER_SLOT_DRAINING
                && (self->parts->options->roles & NODE_ROLE_RELAY) == 0))
           && !node_drain_is_active (self->parts->drain))
    node_drain_start (self->parts->drain, NODE_DRAIN_DEFAULT_US,
                      base_clock_now_us ());
}

static void
on_join (ClusterSlotState state, const GError *error, gpointer data)
{
  NodeSlot *self = data;

  self->is_asking = FALSE;
  if (error == NULL)
    {
      self->state = state;
      take_state (self);
    }
  else if (g_error_matches (error, CLUSTER_ERROR, CLUSTER_ERROR_TAKEN)
           && !self->has_joined
           && base_clock_now_us () - self->started_us > NODE_SLOT_TAKEN_US)
    end (self, error->message);
}

static gboolean
on_tick (gpointer data)
{
  NodeSlot *self = data;
  gint64 now_us = base_clock_now_us ();

  if (self->is_over)
    return G_SOURCE_CONTINUE;
  if (self->has_joined && !self->is_open
      && now_us - self->carried_us >= CARRY_US)
    {
      self->carried_us = now_us;
      carry_all (self);
    }
  if (self->is_asking || !cluster_ledger_is_connected (self->ledger)
      || (self->is_open && now_us - self->asked_us < OPEN_ASKS_US))
    return G_SOURCE_CONTINUE;
  self->is_asking = TRUE;
  self->asked_us = now_us;
  cluster_ledger_join (self->ledger, self->ordinal, self->gen,
                       node_cluster_get_boot_id (self->parts->cluster), on_join,
                       self);
  return G_SOURCE_CONTINUE;
}

NodeSlot *
node_slot_new (const NodeParts *parts, ClusterLedger *ledger,
               void (*on_unwanted) (gpointer data), gpointer data)
{
  const char *tree_id = base_settings_get_string (parts->settings, "tree-id");
  const char *member;
  guint ordinal, gen;
  NodeSlot *self;

  if (!scaling_provision_parse_name (tree_id, parts->options->node_id, &ordinal,
                                     &gen, &member))
    return NULL;
  self = g_new0 (NodeSlot, 1);
  self->parts = parts;
  self->ledger = ledger;
  self->on_unwanted = on_unwanted;
  self->data = data;
  self->ordinal = ordinal;
  self->gen = gen;
  self->started_us = base_clock_now_us ();
  self->tick_id = g_timeout_add (TICK_MS, on_tick, self);
  return self;
}

void
node_slot_free (NodeSlot *self)
{
  g_return_if_fail (self);

  g_clear_handle_id (&self->tick_id, g_source_remove);
  g_free (self);
}

gboolean
node_slot_is_warm (const NodeSlot *self)
{
  return self && !self->is_open;
}

JsonNode *
node_slot_describe (const NodeSlot *self)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();

  if (!self)
    return json_node_new (JSON_NODE_NULL);
  json_builder_begin_object (json);
  base_json_add_int (json, "ordinal", self->ordinal);
  base_json_add_int (json, "gen", self->gen);
  base_json_add_text (json, "state", cluster_slot_state_get_name (self->state));
  base_json_add_bool (json, "joined", self->has_joined);
  base_json_add_bool (json, "warm", !self->is_open);
  json_builder_end_object (json);
  return json_builder_get_root (json);
}
