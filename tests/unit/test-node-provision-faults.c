/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A leader's way as a node wires it: the driver of subtrees, the provisioner of
 * --provisioner, and an API that errs by script. Whatever goes wrong, the
 * subtree serves in the end, nothing is made twice, and it goes again. The
 * clock of the leader is the test's; the API answers in real time.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "fake-docker.h"
#include "fake-kube.h"
#include "provision-settings.h"
#include "provision-wait.h"
#include "scaling/provisioner-private.h"
#include "scaling/subtrees-driver.h"
#include "subtrees-fixture.h"

#define N_MEMBERS 3         /* a relay and two egress nodes */
#define DEADLINE_US 1000000 /* of a call that hangs */
#define MAX_SECONDS 300     /* of the leader's clock */
#define N_FAULTS 3          /* of each kind, one after the other */

typedef struct
{
  const char *name;
  gboolean is_kube;
  Fault fault;
  gboolean is_deposed; /* another leads after the first faults */
} Row;

typedef struct
{
  Made made;
  World *world; /* owned */
  FakeDocker docker;
  FakeKube kube;
  char *directory, *args; /* owned */
  const char *token;
  ScalingSubtreesDriver *driver;
  gboolean is_kube;
} Fixture;

/* --- the store and the nodes ---------------------------------------------- */

static gint64
wire_now (gpointer data)
{
  return ((Fixture *)data)->world->now_us;
}

static gboolean
wire_leads (gint64 margin_us, gpointer data)
{
  return TRUE;
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
  func (((Fixture *)data)->world->slots, NULL, func_data);
}

static void
wire_move (const char *tree_id, const ClusterSlot *slot, ClusterSlotState to,
           const char *text, ClusterVersionFunc func, gpointer func_data,
           gpointer data)
{
  const ScalingOrder order = { .kind = SCALING_ORDER_SLOT,
                               .ordinal = slot->ordinal,
                               .gen = slot->gen,
                               .from = slot->state,
                               .to = to };
  g_autoptr (GError) error = NULL;

  if (!world_move (((Fixture *)data)->world, &order))
    error = g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_BOUND, "no");
  func (slot->gen, TRUE, error, func_data);
}

static void
wire_drain (const char *url, guint32 deadline_ms, ClusterDoneFunc func,
            gpointer func_data, gpointer data)
{
  ScalingOrder order = { .kind = SCALING_ORDER_DRAIN };

  g_strlcpy (order.name, url + strlen ("http://"), sizeof order.name);
  g_assert_true (world_do (((Fixture *)data)->world, &order));
  func (NULL, func_data);
}

/* --- what runs there ------------------------------------------------------ */

/* follow: an instance that runs is a node of the world.
 * Returns: that node has drained, and ended */
static gboolean
follow (Fixture *f, const char *name, gboolean runs)
{
  WorldNode *node = world_find (f->world, name);
  ScalingOrder order = { .kind = SCALING_ORDER_ENSURE };
  const char *member;

  if (node != NULL && node->state == SCALING_INSTANCE_ENDED)
    return TRUE;
  if (!runs)
    return FALSE;
  g_strlcpy (order.name, name, sizeof order.name);
  g_assert_true (scaling_provision_parse_name ("main", name, &order.ordinal,
                                               &order.gen, &member));
  world_do (f->world, &order);
  return FALSE;
}

static void
follow_docker (Fixture *f)
{
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, f->docker.containers);
  while (g_hash_table_iter_next (&iter, &name, &value))
    {
      FakeContainer *container = value;

      if (follow (f, name, g_str_equal (container->state, "running")))
        fake_docker_set_state (container, "exited");
    }
}

static void
follow_kube (Fixture *f)
{
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, f->kube.pods);
  while (g_hash_table_iter_next (&iter, &name, &value))
    {
      FakePod *pod = value;

      if (pod->is_terminating)
        {
          g_hash_table_iter_remove (&iter);
          continue;
        }
      if (g_str_equal (pod->phase, "Pending"))
        pod->phase = "Running";
      if (follow (f, name, TRUE))
        pod->phase = "Succeeded";
    }
}

static GHashTable *
get_there (Fixture *f)
{
  return f->is_kube ? f->kube.pods : f->docker.containers;
}

static guint
get_n_created (Fixture *f)
{
  return f->is_kube ? f->kube.n_created : f->docker.n_created;
}

/* --- the leader ------------------------------------------------------------
 */

static void
lead (Fixture *f, const char *token)
{
  ScalingSubtreesDriverConfig config = {
    .wire = { .now_us = wire_now,
              .leads = wire_leads,
              .get_token = wire_token,
              .read_slots = wire_read,
              .move_slot = wire_move,
              .drain = wire_drain },
    .wire_data = f,
  };

  /* as node/scaling takes them apart */
  made_clear (&f->made);
  g_clear_pointer (&f->driver, scaling_subtrees_driver_free);
  f->token = token;
  made_load_good (&f->made, f->args);
  scaling_provisioner_set_deadline_us (f->made.provisioner, DEADLINE_US);
  config.provisioner = f->made.provisioner;
  f->driver = scaling_subtrees_driver_new (&config);
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

  world_look (world);
  for (guint i = 0; i < world->beats->len; i++)
    {
      ClusterBeat *beat = world->beats->pdata[i];

      beat->node.url = g_strconcat ("http://", beat->node.node_id, NULL);
    }
  view.beats = world->beats;
  scaling_subtrees_driver_take (f->driver, &view);
}

/* run: a second of the leader's, with all calls that it makes of it */
static void
run (Fixture *f)
{
  world_pass (f->world);
  (f->is_kube ? follow_kube : follow_docker) (f);
  for (guint i = f->world->nodes->len; i-- > 0;)
    {
      WorldNode *node = f->world->nodes->pdata[i];

      if (!g_hash_table_contains (get_there (f), node->name))
        g_ptr_array_remove_index (f->world->nodes, i);
    }
  look (f);
  while (g_main_context_iteration (NULL, FALSE)
         || f->made.provisioner->calls->len > 0)
    g_main_context_iteration (NULL, f->made.provisioner->calls->len > 0);
}

#define RUN_UNTIL(condition)                                                   \
  for (guint second = 0; !(condition); second++)                               \
    {                                                                          \
      g_assert_cmpuint (second, <, MAX_SECONDS);                               \
      run (f);                                                                 \
    }

/* --- life ------------------------------------------------------------------
 */

static void
set_up (Fixture *f, gconstpointer data)
{
  const Row *row = data;
  g_autofree char *path = NULL;

  f->is_kube = row->is_kube;
  f->directory = g_dir_make_tmp ("mt-provision-XXXXXX", NULL);
  f->world = world_new ();
  f->world->policy.egress_per_subtree = N_MEMBERS - 1;
  f->world->policy.n_warm = 0;
  fake_docker_init (&f->docker);
  fake_kube_init (&f->kube, NULL);
  f->kube.token = "the-token";
  path = made_write_kubeconfig (f->directory, f->kube.server.url, "the-token");
  f->args = f->is_kube ? g_strdup_printf (
                "--provisioner kubernetes --provision-kube-secret tree "
                "--provision-kubeconfig %s",
                path)
                       : g_strdup_printf ("--provisioner docker "
                                          "--provision-docker-hosts a=tcp%s",
                                          f->docker.server.url + 4);
  lead (f, "0:1:me:abcd");
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->directory, "config", NULL);

  made_clear (&f->made);
  scaling_subtrees_driver_free (f->driver);
  world_free (f->world);
  fake_docker_clear (&f->docker);
  fake_kube_clear (&f->kube);
  g_unlink (path);
  g_rmdir (f->directory);
  g_free (f->directory);
  g_free (f->args);
}

/* --- tests -----------------------------------------------------------------
 */

#define POST_MADE "POST", "/create"
#define KUBE_MADE "POST", "/pods"

static const Row rows[] = {
  { "docker/none", FALSE, { NULL, NULL, FAULT_STATUS, 0, NULL, NULL }, FALSE },
  { "docker/create-409",
    FALSE,
    { POST_MADE, FAULT_DONE_STATUS, 409, "{\"message\":\"Conflict\"}", NULL },
    FALSE },
  { "docker/create-429",
    FALSE,
    { POST_MADE, FAULT_STATUS, 429, "{\"message\":\"slow\"}", "3" },
    FALSE },
  { "docker/create-500",
    FALSE,
    { POST_MADE, FAULT_STATUS, 500, "{\"message\":\"oops\"}", NULL },
    FALSE },
  { "docker/create-hang",
    FALSE,
    { POST_MADE, FAULT_HANG, 0, NULL, NULL },
    FALSE },
  { "docker/create-done-hang",
    FALSE,
    { POST_MADE, FAULT_DONE_HANG, 0, NULL, NULL },
    FALSE },
  { "docker/create-done-500",
    FALSE,
    { POST_MADE, FAULT_DONE_STATUS, 500, "<html>", NULL },
    FALSE },
  { "docker/create-done-hang-deposed",
    FALSE,
    { POST_MADE, FAULT_DONE_HANG, 0, NULL, NULL },
    TRUE },
  { "docker/start-done-hang",
    FALSE,
    { "POST", "/start", FAULT_DONE_HANG, 0, NULL, NULL },
    FALSE },
  { "docker/list-500",
    FALSE,
    { "GET", "/containers/json", FAULT_STATUS, 500, NULL, NULL },
    FALSE },
  { "kubernetes/none",
    TRUE,
    { NULL, NULL, FAULT_STATUS, 0, NULL, NULL },
    FALSE },
  { "kubernetes/create-409",
    TRUE,
    { KUBE_MADE, FAULT_DONE_STATUS, 409,
      "{\"kind\":\"Status\",\"reason\":\"AlreadyExists\"}", NULL },
    FALSE },
  { "kubernetes/create-429",
    TRUE,
    { KUBE_MADE, FAULT_STATUS, 429, "{\"kind\":\"Status\"}", "3" },
    FALSE },
  { "kubernetes/create-500",
    TRUE,
    { KUBE_MADE, FAULT_STATUS, 500, "{\"kind\":\"Status\"}", NULL },
    FALSE },
  { "kubernetes/create-hang",
    TRUE,
    { KUBE_MADE, FAULT_HANG, 0, NULL, NULL },
    FALSE },
  { "kubernetes/create-done-hang",
    TRUE,
    { KUBE_MADE, FAULT_DONE_HANG, 0, NULL, NULL },
    FALSE },
  { "kubernetes/create-done-504-deposed",
    TRUE,
    { KUBE_MADE, FAULT_DONE_STATUS, 504, "{\"kind\":\"Status\"}", NULL },
    TRUE },
  { "kubernetes/list-hang",
    TRUE,
    { "GET", "/pods", FAULT_HANG, 0, NULL, NULL },
    FALSE },
};

static void
script (Fixture *f, const Row *row)
{
  FakeServer *server = f->is_kube ? &f->kube.server : &f->docker.server;

  for (guint i = 0; row->fault.method != NULL && i < N_FAULTS; i++)
    fake_server_script (server, &row->fault, 1);
}

static void
test_there_and_back (Fixture *f, gconstpointer data)
{
  const Row *row = data;
  FakeServer *server = f->is_kube ? &f->kube.server : &f->docker.server;

  script (f, row);
  f->world->n_desired = 1;
  if (row->is_deposed)
    {
      RUN_UNTIL (get_n_created (f) > 0);
      lead (f, "0:2:other:ef01");
    }
  RUN_UNTIL (world_state (f->world, 0) == CLUSTER_SLOT_SERVING
             && world_count_running (f->world) == N_MEMBERS);
  g_assert_cmpuint (server->faults->len, ==, 0);
  g_assert_cmpuint (g_hash_table_size (get_there (f)), ==, N_MEMBERS);
  g_assert_cmpuint (get_n_created (f), ==, N_MEMBERS);
  /* and it goes, each node by itself first */
  f->world->n_desired = 0;
  RUN_UNTIL (world_state (f->world, 0) == CLUSTER_SLOT_GONE);
  RUN_UNTIL (g_hash_table_size (get_there (f)) == 0);
  g_assert_cmpuint (get_n_created (f), ==, N_MEMBERS);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strconcat ("/", rows[i].name, NULL);

      g_test_add (path, Fixture, &rows[i], set_up, test_there_and_back,
                  tear_down);
    }
  return g_test_run ();
}
