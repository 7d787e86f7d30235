/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSubtreesDriver: a round of a tree, and the orders of its step. */
#include "scaling/subtrees-driver-private.h"

#include "base/clock.h"
#include "base/json.h"
#include "scaling/log.h"
#include "scaling/provisioner.h"

#define DRAIN_MS 600000

typedef ScalingDriverTree Tree;

/* An order under way. */
typedef struct
{
  Tree *tree;  /* borrowed */
  guint64 era; /* of the driver */
  ScalingOrder order;
} Call;

/* --- orders --------------------------------------------------------------- */

static void begin_round (Tree *tree);

static gboolean
on_again (gpointer data)
{
  Tree *tree = data;
  const ScalingSubtreesDriverConfig *config = &tree->driver->config;
  gint64 passed_us =
      config->wire.now_us (config->wire_data) - tree->input.now_us;

  tree->again_id = 0;
  if (tree->n_due > 0 || tree->round_era != tree->driver->era)
    return G_SOURCE_REMOVE;
  tree->input.now_us += passed_us;
  tree->input.now_wall_ms += passed_us / BASE_US_PER_MS;
  begin_round (tree);
  return G_SOURCE_REMOVE;
}

/* go_on: with the same heartbeats, when all that was to move has been answered
 * and something did */
static void
go_on (Tree *tree, const ScalingOrder *order, gboolean is_done)
{
  if (order->kind != SCALING_ORDER_SLOT)
    return;
  tree->n_moving--;
  tree->has_moved |= is_done;
  if (tree->n_moving > 0 || !tree->has_moved || tree->again_id != 0)
    return;
  tree->has_moved = FALSE;
  tree->again_id = g_idle_add (on_again, tree);
}

/* is_busy: it is being done already, as asked by who led before */
static gboolean
is_busy (const GError *error)
{
  return g_error_matches (error, SCALING_PROVISION_ERROR,
                          SCALING_PROVISION_ERROR_BUSY);
}

/* finish: @error: (nullable)
 * @retry_us: as scaling_subtrees_answer() has it */
static void
finish (Call *call, const GError *error, gint64 retry_us)
{
  Tree *tree = call->tree;
  ScalingSubtreesDriver *self = tree->driver;

  self->n_orders[call->order.kind]
                [error != NULL ? SCALING_ORDER_FAILED : SCALING_ORDER_DONE]++;
  if (error != NULL)
    {
      g_free (tree->fault);
      tree->fault = g_strdup_printf (
          "%s %s: %s", scaling_order_kind_get_name (call->order.kind),
          call->order.name, error->message);
      GST_WARNING ("tree %s: %s", tree->tree_id, tree->fault);
    }
  /* what was forgotten may have been ordered anew since */
  if (call->era == self->era)
    scaling_subtrees_answer (tree->subtrees, &call->order,
                             error == NULL || is_busy (error), retry_us,
                             g_random_double (),
                             self->config.wire.now_us (self->config.wire_data));
  go_on (tree, &call->order, error == NULL);
  g_hash_table_remove (self->calls, call);
}

static void
count_rollback (ScalingSubtreesDriver *self, const ScalingOrder *order)
{
  if (order->to == CLUSTER_SLOT_DRAINING && order->fault > SCALING_FAULT_GONE)
    self->n_rollbacks[order->fault]++;
}

static void
on_moved (guint64 version, gboolean is_durable, const GError *error,
          gpointer data)
{
  Call *call = data;
  ScalingSubtreesDriver *self = call->tree->driver;

  if (error == NULL)
    {
      count_rollback (self, &call->order);
      /* replicas have all that was written before, too */
      self->unsure_until_us =
          is_durable ? 0
                     : self->config.wire.now_us (self->config.wire_data)
                           + SCALING_DRIVER_UNSURE_US;
      self->n_unsure += !is_durable;
    }
  finish (call, error, -1);
}

static void
on_provisioned (const GError *error, gpointer data)
{
  finish (data, error,
          error != NULL ? scaling_provision_error_get_retry_us (error) : -1);
}

static void
on_drained (const GError *error, gpointer data)
{
  finish (data, error, -1);
}

/* dup_text: for the audit */
static char *
dup_text (const ScalingOrder *order)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (json);
  base_json_add_int (json, "ordinal", order->ordinal);
  base_json_add_int (json, "gen", order->gen);
  base_json_add_text (json, "before",
                      cluster_slot_state_get_name (order->from));
  base_json_add_text (json, "after", cluster_slot_state_get_name (order->to));
  base_json_add_bool (json, "fault", order->fault != SCALING_FAULT_NONE);
  if (order->fault > SCALING_FAULT_GONE)
    {
      base_json_add_text (json, "rollback",
                          scaling_fault_get_name (order->fault));
      base_json_add_text (json, "outcome",
                          order->to == CLUSTER_SLOT_GONE ? "rolled back"
                                                         : "rolling back");
    }
  base_json_add_text (json, "reason", order->why);
  json_builder_end_object (json);
  root = json_builder_get_root (json);
  return json_to_string (root, FALSE);
}

static void
move (Call *call)
{
  const ScalingSubtreesDriverConfig *config = &call->tree->driver->config;
  const ScalingOrder *order = &call->order;
  ClusterSlot slot = { .ordinal = order->ordinal,
                       .gen = order->gen,
                       .state = order->from };
  g_autofree char *text = dup_text (order);

  GST_INFO ("tree %s: subtree %u, life %u: %s: %s", call->tree->tree_id,
            order->ordinal, order->gen, cluster_slot_state_get_name (order->to),
            order->why);
  if (order->fault > SCALING_FAULT_GONE && order->to == CLUSTER_SLOT_DRAINING)
    GST_WARNING ("tree %s: subtree %u, life %u is rolled back: %s",
                 call->tree->tree_id, order->ordinal, order->gen, order->why);
  config->wire.move_slot (call->tree->tree_id, &slot, order->to, text, on_moved,
                          call, config->wire_data);
}

static void
ensure (Call *call, const ScalingToken *token)
{
  const ScalingOrder *order = &call->order;
  ScalingSpec spec = {
    .role = order->role == CLUSTER_ROLE_RELAY ? "relay" : "egress",
    .tree_id = call->tree->tree_id,
    .ordinal = order->ordinal,
    .gen = order->gen,
  };

  scaling_provisioner_ensure (call->tree->driver->config.provisioner,
                              order->name, &spec, token, on_provisioned, call);
}

static const ClusterBeat *
find_beat (const Tree *tree, const char *node_id)
{
  for (guint i = 0; i < tree->beats->len; i++)
    {
      const ClusterBeat *beat = tree->beats->pdata[i];

      if (g_str_equal (beat->node.node_id, node_id))
        return beat;
    }
  return NULL;
}

static void
drain (Call *call)
{
  const ScalingSubtreesDriverConfig *config = &call->tree->driver->config;
  const ClusterBeat *beat = find_beat (call->tree, call->order.name);

  config->wire.drain (beat != NULL ? beat->node.url : "", call->order.drain_ms,
                      on_drained, call, config->wire_data);
}

/* is_held: it waits until what the store has is there to stay */
static gboolean
is_held (ScalingSubtreesDriver *self, const ScalingOrder *order)
{
  return order->kind != SCALING_ORDER_SLOT
         && self->config.wire.now_us (self->config.wire_data)
                < self->unsure_until_us;
}

/* hold: it is given again by a later step */
static void
hold (Tree *tree, const ScalingOrder *order)
{
  ScalingSubtreesDriver *self = tree->driver;

  self->n_held++;
  scaling_subtrees_answer (tree->subtrees, order, TRUE, -1, 0,
                           self->config.wire.now_us (self->config.wire_data));
}

/* begin: FALSE: we lead no more */
static gboolean
begin (Tree *tree, const ScalingOrder *order)
{
  ScalingSubtreesDriver *self = tree->driver;
  const ScalingSubtreesDriverConfig *config = &self->config;
  ScalingToken token;
  Call *call;

  if (!config->wire.leads (SCALING_DRIVER_MARGIN_US, config->wire_data)
      || !scaling_token_parse (config->wire.get_token (config->wire_data),
                               &token))
    return FALSE;
  if (is_held (self, order))
    {
      hold (tree, order);
      return TRUE;
    }
  call = g_new0 (Call, 1);
  call->tree = tree;
  call->era = self->era;
  call->order = *order;
  g_hash_table_add (self->calls, call);
  tree->n_moving += order->kind == SCALING_ORDER_SLOT;
  switch (order->kind)
    {
    case SCALING_ORDER_SLOT:
      move (call);
      break;
    case SCALING_ORDER_ENSURE:
      ensure (call, &token);
      break;
    case SCALING_ORDER_REMOVE:
      scaling_provisioner_remove (config->provisioner, order->name,
                                  tree->tree_id, NULL, SCALING_DRIVER_GRACE_US,
                                  &token, on_provisioned, call);
      break;
    case SCALING_ORDER_DRAIN:
      drain (call);
      break;
    case SCALING_ORDER_N:
    default:
      g_assert_not_reached ();
    }
  return TRUE;
}

/* --- a round ---------------------------------------------------------------
 */

static void
end_round (Tree *tree)
{
  g_clear_pointer (&tree->slots, g_array_unref);
  g_clear_pointer (&tree->instances, g_ptr_array_unref);
}

static gboolean
is_in_motion (const Tree *tree, guint n_orders)
{
  const ScalingSubtreesSummary *summary =
      scaling_subtrees_get_summary (tree->subtrees);

  return n_orders > 0 || summary->n_starting > 0 || summary->n_draining > 0
         || summary->n_orphans > 0;
}

/* count_elsewhere: heartbeats of other trees are in the view; what is being
 * made there beats later, and counts for hardLimit now */
static guint
count_elsewhere (const Tree *tree)
{
  GHashTableIter iter;
  gpointer value;
  guint n = tree->n_beat_elsewhere;

  g_hash_table_iter_init (&iter, tree->driver->trees);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Tree *other = value;
      guint n_nodes = scaling_subtrees_get_summary (other->subtrees)->n_nodes;

      if (other != tree && other->has_summary
          && tree->input.now_us - other->input.now_us < SCALING_DRIVER_GAP_US)
        n += n_nodes - MIN (n_nodes, other->beats->len);
    }
  return n;
}

static void
step (Tree *tree)
{
  ScalingSubtreesDriver *self = tree->driver;
  GArray *orders = self->orders;

  tree->input.n_nodes_elsewhere = count_elsewhere (tree);
  tree->input.policy = &tree->policy;
  tree->input.beats = tree->beats;
  tree->input.instances = tree->instances;
  tree->input.n_slots = tree->slots->len;
  tree->input.slots = (const ClusterSlot *)tree->slots->data;
  scaling_subtrees_step (tree->subtrees, &tree->input, orders);
  tree->has_summary = TRUE;
  scaling_subtrees_driver_account (tree);
  if (is_in_motion (tree, orders->len))
    tree->rest_us = 0;
  /* slots stand first where one must be free before another serves; the store
   * has them in this order */
  for (guint i = 0; i < orders->len; i++)
    if (!begin (tree, &g_array_index (orders, ScalingOrder, i)))
      {
        scaling_subtrees_driver_forget (self);
        return;
      }
}

static void
take_answer (Tree *tree)
{
  ScalingSubtreesDriver *self = tree->driver;

  if (--tree->n_due > 0)
    return;
  if (tree->slots == NULL)
    self->n_unknown++;
  else if (tree->round_era == self->era)
    step (tree);
  end_round (tree);
}

static void
on_slots (GArray *slots, const GError *error, gpointer data)
{
  Tree *tree = data;

  tree->slots = slots != NULL ? g_array_ref (slots) : NULL;
  take_answer (tree);
}

static void
on_listed (GPtrArray *instances, const GError *error, gpointer data)
{
  Tree *tree = data;

  tree->instances = instances != NULL ? g_ptr_array_ref (instances) : NULL;
  tree->input.is_list_whole = error == NULL;
  if (error != NULL)
    {
      g_free (tree->fault);
      tree->fault = g_strdup_printf ("list: %s", error->message);
      tree->rest_us = 0;
    }
  take_answer (tree);
}

static void
on_served (gboolean is_warm, gint64 us, gpointer data)
{
  Tree *tree = data;
  const ScalingSubtreesDriverConfig *config = &tree->driver->config;

  if (config->on_served != NULL)
    config->on_served (tree->tree_id, is_warm, us, config->data);
}

static Tree *
get_tree (ScalingSubtreesDriver *self, const char *tree_id)
{
  Tree *tree = g_hash_table_lookup (self->trees, tree_id);

  if (tree != NULL || g_hash_table_size (self->trees) >= CLUSTER_MAX_TREES)
    return tree;
  tree = g_new0 (Tree, 1);
  tree->driver = self;
  tree->tree_id = g_strdup (tree_id);
  tree->subtrees = scaling_subtrees_new (tree_id, on_served, tree);
  g_hash_table_insert (self->trees, tree->tree_id, tree);
  return tree;
}

/* begin_round: of the view that was taken last */
static void
begin_round (Tree *tree)
{
  ScalingSubtreesDriver *self = tree->driver;
  gint64 now_us = tree->input.now_us;
  gboolean lists =
      now_us >= tree->rest_us || tree->input.n_desired != tree->n_desired;

  tree->n_desired = tree->input.n_desired;
  tree->round_era = self->era;
  tree->n_due = 1 + lists;
  tree->input.is_list_whole = FALSE;
  if (lists)
    {
      tree->rest_us = now_us + SCALING_DRIVER_REST_US;
      scaling_provisioner_list (self->config.provisioner, tree->tree_id,
                                on_listed, tree);
    }
  self->config.wire.read_slots (tree->tree_id, on_slots, tree,
                                self->config.wire_data);
}

void
scaling_subtrees_driver_take (ScalingSubtreesDriver *self,
                              const ScalingSubtreesView *view)
{
  Tree *tree = get_tree (self, view->tree_id);

  if (tree == NULL || tree->n_due > 0)
    {
      self->n_late++;
      return;
    }
  tree->policy = *view->policy;
  tree->n_beat_elsewhere = view->n_nodes_elsewhere;
  g_clear_pointer (&tree->beats, g_ptr_array_unref);
  tree->beats = g_ptr_array_ref (view->beats);
  tree->input = (ScalingSubtreesInput){
    .n_desired = view->n_desired,
    .drain_ms = self->config.drain_ms > 0 ? self->config.drain_ms : DRAIN_MS,
    .now_us = view->now_us,
    .now_wall_ms = view->now_wall_ms,
  };
  begin_round (tree);
}

/* --- life --------------------------------------------------------------------
 */

static void
tree_free (gpointer data)
{
  Tree *tree = data;

  g_clear_handle_id (&tree->again_id, g_source_remove);
  end_round (tree);
  g_clear_pointer (&tree->beats, g_ptr_array_unref);
  scaling_subtrees_free (tree->subtrees);
  g_free (tree->fault);
  g_free (tree->tree_id);
  g_free (tree);
}

ScalingSubtreesDriver *
scaling_subtrees_driver_new (const ScalingSubtreesDriverConfig *config)
{
  ScalingSubtreesDriver *self = g_new0 (ScalingSubtreesDriver, 1);

  self->config = *config;
  self->trees =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, tree_free);
  self->calls = g_hash_table_new_full (NULL, NULL, g_free, NULL);
  self->orders = g_array_new (FALSE, FALSE, sizeof (ScalingOrder));
  if (config->metrics != NULL)
    base_metrics_add_collector (config->metrics,
                                scaling_subtrees_driver_collect, self);
  return self;
}

void
scaling_subtrees_driver_free (ScalingSubtreesDriver *self)
{
  g_return_if_fail (self != NULL);

  g_hash_table_unref (self->calls);
  g_hash_table_unref (self->trees);
  g_array_unref (self->orders);
  g_free (self);
}

void
scaling_subtrees_driver_forget (ScalingSubtreesDriver *self)
{
  GHashTableIter iter;
  gpointer value;

  self->era++;
  g_hash_table_iter_init (&iter, self->trees);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Tree *tree = value;

      scaling_subtrees_forget (tree->subtrees);
      tree->has_summary = FALSE;
      tree->accounted_us = 0;
      tree->rest_us = 0;
    }
}

void
scaling_subtrees_driver_set_mark (ScalingSubtreesDriver *self,
                                  const char *tree_id, const ScalingMark *mark)
{
  Tree *tree = get_tree (self, tree_id);

  if (tree != NULL)
    scaling_subtrees_set_mark (tree->subtrees, mark);
}
