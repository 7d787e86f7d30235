/* SPDX-License-Identifier: Apache-2.0 */
/* NodeSlot: see slot.h. */
#include "node/slot.h"

#include "base/clock.h"
#include "base/json.h"
#include "cluster/claim.h"
#include "node/cluster.h"
#include "node/drain.h"
#include "node/log.h"
#include "scaling/provisioner.h"

#define CARRY_US G_USEC_PER_SEC

struct _NodeSlot
{
  const NodeParts *parts; /* borrowed */
  ClusterLedger *ledger;  /* borrowed */
  void (*on_unwanted) (gpointer data);
  gpointer data; /* borrowed */
  guint ordinal, gen;
  ClusterClaim *claim; /* owned */
  guint tick_id;
  gint64 carried_us;
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
end (NodeSlot *self, const GError *error)
{
  GST_INFO ("this node ends: %s",
            error != NULL ? error->message : "its subtree is not wanted");
  self->on_unwanted (self->data);
}

static void
note_steps (NodeSlot *self, gboolean had_joined, gboolean was_open)
{
  if (!had_joined && cluster_claim_has_joined (self->claim))
    GST_INFO ("subtree %u, life %u: joined", self->ordinal, self->gen);
  if (was_open || !cluster_claim_is_open (self->claim))
    return;
  GST_INFO ("subtree %u is open", self->ordinal);
  cluster_member_beat_now (node_cluster_get_member (self->parts->cluster));
}

static void
on_join (ClusterSlotState state, gboolean is_durable, const GError *error,
         gpointer data)
{
  NodeSlot *self = data;
  gint64 now_us = base_clock_now_us ();
  gboolean had_joined = cluster_claim_has_joined (self->claim);
  gboolean was_open = cluster_claim_is_open (self->claim);
  ClusterClaimStep step =
      cluster_claim_answer (self->claim, state, is_durable, error, now_us);

  note_steps (self, had_joined, was_open);
  if (step == CLUSTER_CLAIM_END)
    end (self, error);
  else if (step == CLUSTER_CLAIM_LEAVE
           && !node_drain_is_active (self->parts->drain))
    node_drain_start (self->parts->drain, NODE_DRAIN_DEFAULT_US, now_us);
}

static gboolean
on_tick (gpointer data)
{
  NodeSlot *self = data;
  gint64 now_us = base_clock_now_us ();
  gboolean waits;

  if (cluster_claim_has_joined (self->claim)
      && !cluster_claim_is_open (self->claim)
      && now_us - self->carried_us >= CARRY_US)
    {
      self->carried_us = now_us;
      carry_all (self);
    }
  if (cluster_ledger_is_connected (self->ledger)
      && cluster_claim_begin (self->claim, now_us, &waits))
    cluster_ledger_join (self->ledger, self->ordinal, self->gen,
                         node_cluster_get_boot_id (self->parts->cluster), waits,
                         on_join, self);
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
  self->claim = cluster_claim_new (
      (parts->options->roles & NODE_ROLE_RELAY) != 0, base_clock_now_us ());
  self->tick_id =
      g_timeout_add (CLUSTER_CLAIM_TICK_US / BASE_US_PER_MS, on_tick, self);
  return self;
}

void
node_slot_free (NodeSlot *self)
{
  g_return_if_fail (self);

  g_clear_handle_id (&self->tick_id, g_source_remove);
  cluster_claim_free (self->claim);
  g_free (self);
}

gboolean
node_slot_is_warm (const NodeSlot *self)
{
  return self && !cluster_claim_is_open (self->claim);
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
  base_json_add_text (
      json, "state",
      cluster_slot_state_get_name (cluster_claim_get_state (self->claim)));
  base_json_add_bool (json, "joined", cluster_claim_has_joined (self->claim));
  base_json_add_bool (json, "warm", !cluster_claim_is_open (self->claim));
  json_builder_end_object (json);
  return json_builder_get_root (json);
}
