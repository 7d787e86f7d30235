/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSubtreesDriver, with a world that does what it asks for when it is
 * told to. */
#include "scaling/subtrees-driver.h"

#include "scaling/provisioner-private.h"
#include "subtrees-fixture.h"
#include "wait.h"

typedef struct
{
  World *world; /* owned */
  ScalingProvisioner *provisioner;
  ScalingSubtreesDriver *driver;
  gboolean leads, is_store_away, holds_moves, is_unsure;
  BaseMetrics *metrics; /* owned */
  const char *token;
  guint n_lists, n_calls, n_moves, n_served;
  guint n_moves_elsewhere; /* of the tree "other", whose slots are all free */
  int error;               /* of ensure; -1: none */
  ClusterVersionFunc held; /* nullable: a move that is not answered yet */
  gpointer held_data;
  char *last_text; /* owned, nullable: of the audit */
} Fixture;

typedef struct
{
  ScalingProvisioner base;
  Fixture *f; /* borrowed */
} Kind;

/* --- the provisioner -------------------------------------------------------
 */

static gpointer
copy_instance (gconstpointer item, gpointer data)
{
  const ScalingInstance *from = item;
  ScalingInstance *to = g_new0 (ScalingInstance, 1);

  to->name = g_strdup (from->name);
  to->state = from->state;
  return to;
}

static void
list (Fixture *f, ScalingProvisionCall *call)
{
  GPtrArray *copy;

  f->n_lists++;
  world_look (f->world);
  copy = g_ptr_array_copy (f->world->instances, copy_instance, NULL);
  g_ptr_array_set_free_func (copy, (GDestroyNotify)scaling_instance_free);
  scaling_provision_call_finish_list (
      call, f->world->no_list ? NULL : copy,
      f->world->no_list ? scaling_provision_error_new (
          SCALING_PROVISION_ERROR_AWAY, SCALING_RETRY_DEFAULT, "away")
                        : NULL);
  if (f->world->no_list)
    g_ptr_array_unref (copy);
}

static void
kind_begin (ScalingProvisioner *base, ScalingProvisionCall *call)
{
  Fixture *f = ((Kind *)base)->f;
  ScalingOrder order = { .kind = call->action == SCALING_PROVISION_ENSURE
                                     ? SCALING_ORDER_ENSURE
                                     : SCALING_ORDER_REMOVE,
                         .ordinal = call->ordinal,
                         .gen = call->gen };

  if (call->action == SCALING_PROVISION_LIST)
    {
      list (f, call);
      return;
    }
  f->n_calls++;
  if (f->error >= 0)
    {
      scaling_provision_call_finish (
          call, scaling_provision_error_new ((ScalingProvisionError)f->error,
                                             SCALING_RETRY_DEFAULT, "no"));
      return;
    }
  g_strlcpy (order.name, call->name, sizeof order.name);
  world_do (f->world, &order);
  scaling_provision_call_finish (call, NULL);
}

static void
kind_free (ScalingProvisioner *base)
{
  ((Kind *)base)->f->provisioner = NULL;
}

static const ScalingProvisionClass kind_class = { .kind = "world",
                                                  .begin = kind_begin,
                                                  .free = kind_free };

/* --- the wire ----------------------------------------------------------------
 */

static gint64
wire_now (gpointer data)
{
  return ((Fixture *)data)->world->now_us;
}

static gboolean
wire_leads (gint64 margin_us, gpointer data)
{
  return ((Fixture *)data)->leads;
}

static const char *
wire_token (gpointer data)
{
  return ((Fixture *)data)->token;
}

static void
wire_read (const char *tree_id, ClusterSlotsFunc func, gpointer func_data,
           gpointer data)
{
  Fixture *f = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) none = g_array_new (FALSE, TRUE, sizeof (ClusterSlot));

  if (strcmp (tree_id, "other") == 0)
    {
      func (none, NULL, func_data);
      return;
    }
  if (f->is_store_away)
    error = g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_AWAY, "away");
  func (error == NULL ? f->world->slots : NULL, error, func_data);
}

static void
wire_move (const char *tree_id, const ClusterSlot *slot, ClusterSlotState to,
           const char *text, ClusterVersionFunc func, gpointer func_data,
           gpointer data)
{
  Fixture *f = data;
  ScalingOrder order = { .kind = SCALING_ORDER_SLOT,
                         .ordinal = slot->ordinal,
                         .gen = slot->gen,
                         .from = slot->state,
                         .to = to };
  g_autoptr (GError) error = NULL;

  if (strcmp (tree_id, "other") == 0)
    {
      f->n_moves_elsewhere++;
      error = g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_BOUND, "no");
      func (0, FALSE, error, func_data);
      return;
    }
  f->n_moves++;
  g_free (f->last_text);
  f->last_text = g_strdup (text);
  if (f->holds_moves)
    {
      f->held = func;
      f->held_data = func_data;
      return;
    }
  if (!world_move (f->world, &order))
    error = g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_BOUND, "no");
  func (slot->gen, !f->is_unsure, error, func_data);
}

static void
wire_drain (const char *url, guint32 deadline_ms, ClusterDoneFunc func,
            gpointer func_data, gpointer data)
{
  Fixture *f = data;
  ScalingOrder order = { .kind = SCALING_ORDER_DRAIN };

  g_assert_true (g_str_has_prefix (url, "http://"));
  g_strlcpy (order.name, url + strlen ("http://"), sizeof order.name);
  g_assert_true (world_do (f->world, &order));
  func (NULL, func_data);
}

/* --- life
 * ---------------------------------------------------------------------- */

static void
on_served (const char *tree_id, gboolean is_warm, gint64 us, gpointer data)
{
  g_assert_cmpstr (tree_id, ==, "main");
  ((Fixture *)data)->n_served++;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  Kind *kind = g_new0 (Kind, 1);
  ScalingSubtreesDriverConfig config = { 0 };

  f->world = world_new ();
  f->leads = TRUE;
  f->token = "0:1:me:abcd";
  f->error = -1;
  scaling_provisioner_init (&kind->base, &kind_class);
  kind->f = f;
  f->provisioner = &kind->base;
  scaling_provisioner_set_cost_per_hour (f->provisioner, 0.5);
  config.wire = (ScalingSubtreesWire){ .now_us = wire_now,
                                       .leads = wire_leads,
                                       .get_token = wire_token,
                                       .read_slots = wire_read,
                                       .move_slot = wire_move,
                                       .drain = wire_drain };
  config.wire_data = f;
  config.provisioner = f->provisioner;
  f->metrics = base_metrics_new ();
  config.metrics = f->metrics;
  config.on_served = on_served;
  config.data = f;
  f->driver = scaling_subtrees_driver_new (&config);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  scaling_provisioner_free (f->provisioner);
  scaling_subtrees_driver_free (f->driver);
  world_free (f->world);
  base_metrics_free (f->metrics);
  g_free (f->last_text);
}

static void
settle (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    continue;
}

static void
look (Fixture *f)
{
  World *world = f->world;
  ScalingSubtreesView view = { .tree_id = "main",
                               .policy = &world->policy,
                               .n_desired = world->n_desired,
                               .now_us = world->now_us,
                               .now_wall_ms =
                                   WORLD_EPOCH_MS + world->now_us / 1000 };
  GPtrArray *beats;

  world_look (world);
  for (guint i = 0; i < world->beats->len; i++)
    {
      ClusterBeat *beat = world->beats->pdata[i];

      beat->node.url = g_strconcat ("http://", beat->node.node_id, NULL);
    }
  /* list() looks anew */
  beats = g_steal_pointer (&world->beats);
  world->beats = g_ptr_array_new_with_free_func (world_free_beat);
  view.beats = beats;
  scaling_subtrees_driver_take (f->driver, &view);
  g_ptr_array_unref (beats);
}

static void
run (Fixture *f, guint n_seconds)
{
  for (guint i = 0; i < n_seconds; i++)
    {
      world_pass (f->world);
      look (f);
      settle ();
    }
}

/* --- cases
 * --------------------------------------------------------------------- */

static void
test_there_and_back (Fixture *f, gconstpointer data)
{
  const ScalingSubtreesSummary *summary;
  g_autoptr (JsonNode) said = NULL;
  g_autofree char *text = NULL;

  f->world->n_desired = 2;
  g_assert_null (scaling_subtrees_driver_get_summary (f->driver, "main"));
  run (f, 20);
  summary = scaling_subtrees_driver_get_summary (f->driver, "main");
  g_assert_cmpuint (summary->n_serving, ==, 2);
  g_assert_cmpuint (summary->n_warm, ==, 1);
  g_assert_cmpuint (summary->n_instances, ==, 13);
  g_assert_cmpuint (f->n_served, ==, 2);
  said = scaling_subtrees_driver_describe (f->driver);
  text = json_to_string (said, FALSE);
  g_assert_nonnull (strstr (text, "\"cost_per_hour\":6.5,"));
  g_assert_nonnull (strstr (text, "\"warm_cost_per_hour\":1.5,"));
  f->world->n_desired = 1;
  run (f, 30);
  g_assert_cmpuint (world_count (f->world, CLUSTER_SLOT_SERVING), ==, 1);
  g_assert_cmpuint (world_count (f->world, CLUSTER_SLOT_DRAINING), ==, 0);
  g_assert_cmpuint (world_count_running (f->world), ==, 5 + 3);
  g_assert_cmpstr (f->last_text, ==,
                   "{\"ordinal\":1,\"gen\":1,\"before\":\"draining\",\"after\":"
                   "\"gone\",\"fault\":false,\"reason\":\"nothing is left\"}");
}

/* One that rests is listed each 5 s. */
static void
test_rest (Fixture *f, gconstpointer data)
{
  f->world->n_desired = 1;
  run (f, 20);
  f->n_lists = 0;
  run (f, 50);
  g_assert_cmpuint (f->n_lists, ==, 10);
  /* but when something else is wanted at once */
  run (f, 1);
  f->n_lists = 0;
  f->world->n_desired = 2;
  run (f, 5);
  g_assert_cmpuint (f->n_lists, >=, 5);
}

/* What follows from a slot's move does not wait for the next second: a cold
 * subtree's nodes are made in the same. */
static void
test_at_once (Fixture *f, gconstpointer data)
{
  f->world->n_desired = 1;
  run (f, 1);
  g_assert_cmpint (world_state (f->world, 0), ==, CLUSTER_SLOT_STARTING);
  g_assert_cmpuint (world_count_running (f->world), ==, 5 + 3);
  run (f, 3); /* they boot */
  g_assert_cmpint (world_state (f->world, 0), ==, CLUSTER_SLOT_SERVING);
}

/* take_other: the other tree wants a subtree; 1 node of "main" beats */
static void
take_other (Fixture *f)
{
  g_autoptr (GPtrArray) beats =
      g_ptr_array_new_with_free_func (world_free_beat);
  ScalingSubtreesView view = {
    .tree_id = "other",
    .policy = &f->world->policy,
    .n_desired = 1,
    .beats = beats,
    .n_nodes_elsewhere = 1,
    .now_us = f->world->now_us,
    .now_wall_ms = WORLD_EPOCH_MS + f->world->now_us / 1000,
  };

  scaling_subtrees_driver_take (f->driver, &view);
}

/* Two trees that grow in the same second keep within hardLimit together: what
 * is being made does not beat yet. */
static void
test_limit_of_trees (Fixture *f, gconstpointer data)
{
  /* 1 injection node, 5 of a subtree, 3 of a warm slot: 2 are left */
  f->world->policy.n_max_nodes = 11;
  f->world->n_desired = 1;
  world_pass (f->world);
  look (f);
  settle ();
  take_other (f);
  settle ();
  g_assert_cmpuint (world_count_running (f->world), ==, 5 + 3);
  g_assert_cmpuint (
      scaling_subtrees_driver_get_summary (f->driver, "main")->n_nodes, ==, 9);
  g_assert_cmpuint (f->n_moves_elsewhere, ==, 0);
  g_assert_true (
      scaling_subtrees_driver_get_summary (f->driver, "other")->is_limited);
  /* one more, and there is room for a core */
  f->world->policy.n_max_nodes = 12;
  f->world->now_us += SCALING_DRIVER_REST_US;
  take_other (f);
  settle ();
  g_assert_cmpuint (f->n_moves_elsewhere, ==, 1);
}

static void
test_deposed (Fixture *f, gconstpointer data)
{
  f->world->n_desired = 1;
  f->leads = FALSE; /* before instances are made */
  run (f, 5);
  g_assert_cmpuint (f->n_calls, ==, 0);
  g_assert_null (scaling_subtrees_driver_get_summary (f->driver, "main"));
  f->leads = TRUE;
  f->token = NULL;
  run (f, 5);
  g_assert_cmpuint (f->n_calls, ==, 0);
  f->token = "0:2:me:abcd";
  run (f, 10);
  g_assert_cmpuint (world_count (f->world, CLUSTER_SLOT_SERVING), ==, 1);
}

/* An answer that comes when all was forgotten counts for nothing: what has been
 * ordered anew stays under way. */
static void
test_late_answer (Fixture *f, gconstpointer data)
{
  ClusterVersionFunc held;
  gpointer held_data;
  guint n;

  f->world->policy.n_warm = 0;
  f->world->n_desired = 1;
  f->holds_moves = TRUE;
  run (f, 1);
  held = f->held;
  held_data = f->held_data;
  g_assert_nonnull (held);
  scaling_subtrees_driver_forget (f->driver);
  run (f, 1);
  n = f->n_moves;
  g_assert_cmpuint (n, ==, 2);
  held (1, TRUE, NULL, held_data);
  run (f, 3);
  g_assert_cmpuint (f->n_moves, ==, n);
  f->holds_moves = FALSE;
  f->held (1, TRUE, NULL, f->held_data);
  run (f, 10);
  g_assert_cmpuint (world_count (f->world, CLUSTER_SLOT_SERVING), ==, 1);
}

/* Without the store nothing is known, without the list nothing is made. */
static void
test_away (Fixture *f, gconstpointer data)
{
  f->world->n_desired = 1;
  f->is_store_away = TRUE;
  run (f, 5);
  g_assert_cmpuint (f->n_moves + f->n_calls, ==, 0);
  f->is_store_away = FALSE;
  f->world->no_list = TRUE;
  run (f, 5);
  g_assert_cmpuint (f->n_moves + f->n_calls, ==, 0);
  f->world->no_list = FALSE;
  run (f, 20);
  g_assert_cmpuint (world_count (f->world, CLUSTER_SLOT_SERVING), ==, 1);
}

static gboolean
says (Fixture *f, const char *line)
{
  g_autofree char *text = base_metrics_render (f->metrics);

  if (strstr (text, line) != NULL)
    return TRUE;
  g_test_message ("%s", text);
  return FALSE;
}

/* What no replica has may be lost: nothing outside is begun on its word, until
 * a later move is counted, or we still lead when we could not without. */
static void
test_unsure (Fixture *f, gconstpointer data)
{
  f->world->n_desired = 1;
  f->world->policy.n_warm = 0;
  f->is_unsure = TRUE;
  run (f, 3);
  g_assert_cmpint (world_state (f->world, 0), ==, CLUSTER_SLOT_STARTING);
  g_assert_cmpuint (f->n_calls, ==, 0);
  run (f, 3);
  g_assert_cmpuint (f->n_calls, ==, 5);
  run (f, 4);
  g_assert_cmpint (world_state (f->world, 0), ==, CLUSTER_SLOT_SERVING);
  /* another one is counted: so is all before it */
  f->world->n_desired = 2;
  run (f, 1);
  g_assert_cmpint (world_state (f->world, 1), ==, CLUSTER_SLOT_STARTING);
  g_assert_cmpuint (f->n_calls, ==, 5);
  f->is_unsure = FALSE;
  f->world->n_desired = 3;
  run (f, 1);
  g_assert_cmpuint (f->n_calls, >=, 10);
  run (f, 20);
  g_assert_cmpuint (world_count (f->world, CLUSTER_SLOT_SERVING), ==, 3);
}

/* What turns out bad is counted, and in the audit with what became of it. */
static void
test_rollback (Fixture *f, gconstpointer data)
{
  gboolean was_said = FALSE;

  f->world->n_desired = 1;
  f->world->policy.n_warm = 0;
  f->world->policy.trial.start_us = 10 * WORLD_SECOND_US;
  run (f, 20);
  g_assert_true (says (f, "rollbacks_in_row{tree=\"main\"} 0\n"));
  f->world->n_desired = 2;
  for (guint i = 0; i < 20; i++)
    {
      for (guint k = 0; k < f->world->nodes->len; k++)
        {
          WorldNode *node = f->world->nodes->pdata[k];

          node->is_deaf = node->ordinal == 1;
        }
      run (f, 1);
      was_said |= strstr (f->last_text, "\"rollback\":\"no_media\",\"outcome\":"
                                        "\"rolling back\"")
                  != NULL;
    }
  g_assert_true (was_said);
  g_assert_nonnull (strstr (f->last_text, "\"after\":\"gone\""));
  g_assert_nonnull (strstr (
      f->last_text, "\"rollback\":\"no_media\",\"outcome\":\"rolled back\""));
  g_assert_true (says (f, "rollbacks_total{reason=\"no_media\"} 1\n"));
  g_assert_true (says (f, "rollbacks_total{reason=\"drops\"} 0\n"));
  g_assert_true (says (f, "rollbacks_in_row{tree=\"main\"} 1\n"));
  g_assert_cmpuint (world_count (f->world, CLUSTER_SLOT_SERVING), ==, 1);
}

/* What instances cost, and how long they ran. */
static void
test_cost (Fixture *f, gconstpointer data)
{
  f->world->n_desired = 2;
  run (f, 20);
  g_assert_true (says (f, "cost_per_hour{tree=\"main\",pool=\"serving\"} 5\n"));
  g_assert_true (says (f, "cost_per_hour{tree=\"main\",pool=\"warm\"} 1.5\n"));
  g_assert_true (says (f, "cost_per_hour{tree=\"main\",pool=\"cold\"} 5\n"));
  g_assert_true (says (f, "node_seconds_total{tree=\"main\",pool=\"warm\"} "));
  g_assert_false (
      says (f, "node_seconds_total{tree=\"main\",pool=\"warm\"} 0\n"));
  g_assert_false (says (f, "node_seconds_total{tree=\"main\",pool=\"cold\""));
}

/* What is refused is tried again later; what is being done is no failure. */
static void
test_errors (Fixture *f, gconstpointer data)
{
  static const struct
  {
    int error;
    guint n_most;
  } rows[] = { { SCALING_PROVISION_ERROR_AWAY, 6 },
               { SCALING_PROVISION_ERROR_BUSY, 20 } };

  f->world->n_desired = 1;
  f->world->policy.n_warm = 0;
  f->world->policy.egress_per_subtree = 1;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      guint n = f->n_calls;

      f->error = rows[i].error;
      run (f, 20);
      g_assert_cmpuint ((f->n_calls - n) / 2, >=, rows[i].n_most / 2);
      g_assert_cmpuint ((f->n_calls - n) / 2, <=, rows[i].n_most);
      f->error = -1;
      scaling_subtrees_driver_forget (f->driver);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/scaling/subtrees-driver/" name, Fixture, NULL, set_up, func,   \
              tear_down)
  ADD ("there-and-back", test_there_and_back);
  ADD ("rest", test_rest);
  ADD ("at-once", test_at_once);
  ADD ("limit-of-trees", test_limit_of_trees);
  ADD ("deposed", test_deposed);
  ADD ("late-answer", test_late_answer);
  ADD ("away", test_away);
  ADD ("unsure", test_unsure);
  ADD ("rollback", test_rollback);
  ADD ("cost", test_cost);
  ADD ("errors", test_errors);
  return g_test_run ();
}
