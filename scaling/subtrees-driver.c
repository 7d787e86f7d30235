/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSubtreesDriver: a round of a tree, and the orders of its step. */
#include "scaling/subtrees-driver.h"

#include "base/clock.h"
#include "base/json.h"
#include "scaling/log.h"
#include "scaling/provisioner.h"

#define DRAIN_MS 600000

typedef struct
{
  ScalingSubtreesDriver *driver; /* borrowed */
  char *tree_id;                 /* owned */
  ScalingSubtrees *subtrees;     /* owned */
  /* this round */
  guint n_due;
  guint64 round_era; /* of the driver, when it began */
  ScalingPolicy policy;
  ScalingSubtreesInput input;
  GPtrArray *beats;     /* owned, nullable */
  GArray *slots;        /* owned, nullable */
  GPtrArray *instances; /* owned, nullable */
  gint64 rest_us;       /* it is listed again then */
  guint n_desired;      /* of the last round */
  guint n_moving;       /* slots that are to move on in the store */
  gboolean has_moved;   /* one did: what follows need not wait for a second */
  guint again_id;
  gboolean has_summary;
  char *fault; /* owned, nullable: the last thing that did not work */
} Tree;

/* An order under way. */
typedef struct
{
  Tree *tree;  /* borrowed */
  guint64 era; /* of the driver */
  ScalingOrder order;
} Call;

typedef enum
{
  RESULT_DONE,
  RESULT_FAILED,
  N_RESULTS
} Result;

struct _ScalingSubtreesDriver
{
  ScalingSubtreesDriverConfig config;
  GHashTable *trees;         /* owned: id → Tree */
  GHashTable *calls;         /* owned: set of Call */
  GArray *orders;            /* owned (element-type ScalingOrder) */
  guint64 era;               /* grows whenever nothing is to be remembered */
  guint64 n_late, n_unknown; /* rounds: left out, without the store */
  guint64 n_orders[SCALING_ORDER_N][N_RESULTS];
};

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
                [error != NULL ? RESULT_FAILED : RESULT_DONE]++;
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
on_moved (guint64 version, gboolean is_durable, const GError *error,
          gpointer data)
{
  finish (data, error, -1);
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
  base_json_add_bool (json, "fault", order->is_fault);
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

static void
step (Tree *tree)
{
  ScalingSubtreesDriver *self = tree->driver;
  GArray *orders = self->orders;

  tree->input.policy = &tree->policy;
  tree->input.beats = tree->beats;
  tree->input.instances = tree->instances;
  tree->input.n_slots = tree->slots->len;
  tree->input.slots = (const ClusterSlot *)tree->slots->data;
  scaling_subtrees_step (tree->subtrees, &tree->input, orders);
  tree->has_summary = TRUE;
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
  ScalingSubtreesDriver *self = data;

  if (self->config.on_served != NULL)
    self->config.on_served (is_warm, us, self->config.data);
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
  tree->subtrees = scaling_subtrees_new (tree_id, on_served, self);
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
  g_clear_pointer (&tree->beats, g_ptr_array_unref);
  tree->beats = g_ptr_array_ref (view->beats);
  tree->input = (ScalingSubtreesInput){
    .n_desired = view->n_desired,
    .n_nodes_elsewhere = view->n_nodes_elsewhere,
    .drain_ms = self->config.drain_ms > 0 ? self->config.drain_ms : DRAIN_MS,
    .now_us = view->now_us,
    .now_wall_ms = view->now_wall_ms,
  };
  begin_round (tree);
}

/* --- seeing inside ----------------------------------------------------------
 */

const ScalingSubtreesSummary *
scaling_subtrees_driver_get_summary (ScalingSubtreesDriver *self,
                                     const char *tree_id)
{
  Tree *tree = g_hash_table_lookup (self->trees, tree_id);

  return tree != NULL && tree->has_summary
             ? scaling_subtrees_get_summary (tree->subtrees)
             : NULL;
}

static void
add_tree (JsonBuilder *json, const Tree *tree, double cost)
{
  const ScalingSubtreesSummary *summary =
      scaling_subtrees_get_summary (tree->subtrees);

  json_builder_begin_object (json);
  base_json_add_text (json, "tree", tree->tree_id);
  base_json_add_int (json, "serving", summary->n_serving);
  base_json_add_int (json, "starting", summary->n_starting);
  base_json_add_int (json, "draining", summary->n_draining);
  base_json_add_int (json, "warm", summary->n_warm);
  base_json_add_int (json, "cold", summary->n_cold);
  base_json_add_int (json, "instances", summary->n_instances);
  base_json_add_int (json, "orphans", summary->n_orphans);
  base_json_add_bool (json, "limited", summary->is_limited);
  base_json_add_double (json, "wait_s",
                        (double)summary->longest_wait_us / BASE_US_PER_S);
  base_json_add_double (json, "cost_per_hour", cost * summary->n_instances);
  base_json_add_double (json, "warm_cost_per_hour", cost * summary->n_pooled);
  /* if they ran */
  base_json_add_double (json, "cold_cost_per_hour",
                        cost * summary->n_cold
                            * (1 + MAX (tree->policy.egress_per_subtree, 1)));
  base_json_add_text (json, "fault", tree->fault);
  json_builder_end_object (json);
}

JsonNode *
scaling_subtrees_driver_describe (ScalingSubtreesDriver *self)
{
  double cost =
      scaling_provisioner_get_cost_per_hour (self->config.provisioner);
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (GList) ids = g_list_sort (g_hash_table_get_keys (self->trees),
                                       (GCompareFunc)g_strcmp0);

  json_builder_begin_object (json);
  base_json_add_int (json, "under_way",
                     (gint64)g_hash_table_size (self->calls));
  base_json_add_int (json, "late", (gint64)self->n_late);
  base_json_add_int (json, "unknown", (gint64)self->n_unknown);
  json_builder_set_member_name (json, "trees");
  json_builder_begin_array (json);
  for (GList *id = ids; id != NULL; id = id->next)
    add_tree (json, g_hash_table_lookup (self->trees, id->data), cost);
  json_builder_end_array (json);
  json_builder_end_object (json);
  return json_builder_get_root (json);
}

static void
collect (BaseMetricsWriter *writer, gpointer data)
{
  static const char *const results[N_RESULTS] = { "done", "failed" };
  ScalingSubtreesDriver *self = data;
  double cost =
      scaling_provisioner_get_cost_per_hour (self->config.provisioner);

  for (guint i = 0; i < SCALING_ORDER_N; i++)
    for (guint k = 0; k < N_RESULTS; k++)
      {
        g_autofree char *labels = g_strdup_printf (
            "order=\"%s\",result=\"%s\"",
            scaling_order_kind_get_name ((ScalingOrderKind)i), results[k]);

        base_metrics_write (writer, "media_tree_scaling_orders_total",
                            "counter", "What was done about subtrees", labels,
                            (double)self->n_orders[i][k]);
      }
  base_metrics_write (writer, "media_tree_scaling_instance_cost_per_hour",
                      "gauge", "What one instance costs, as it was set", NULL,
                      cost);
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
    base_metrics_add_collector (config->metrics, collect, self);
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
      tree->rest_us = 0;
    }
}
