/* SPDX-License-Identifier: Apache-2.0 */
/* sim/leader: candidates with the production ledger. */
#include "leader.h"

#include "cluster/ledger.h"
#include "engine.h"
#include "provision.h"
#include "scaling/controller.h"

#include <string.h>

#define TICK_MS 1000
#define DRAIN_MS 5000

typedef struct
{
  SimProc proc;
  guint index;
  ClusterLedger *ledger;           /* owned, nullable: it is dead */
  ScalingProvisioner *provisioner; /* owned, nullable, likewise */
  ScalingSubtreesDriver *driver;   /* owned, nullable, likewise */
  ScalingController *controller;   /* owned, nullable: it decides */
  guint tick;                      /* 0: the controller has its own */
  gboolean is_reading, is_asking, is_resigning;
  guint64 version;
  guint n_desired;
  gint64 now_wall_ms; /* the store's */
  guint n_named;
} Leader;

static Leader leaders[SIM_N_LEADERS];
static guint n_wanted;
static gint64 changes_us; /* what is wanted, next */
static gboolean are_calm, ordinals_not;
static gboolean has_controllers;  /* in this world: else numbers by chance */
static char *policies_text;       /* owned */
static ScalingPolicies *policies; /* owned */
static ScalingPolicy rules;

/* --- what is wanted ------------------------------------------------------- */

/* All see the same demand, and each is a little wrong about it. */
static guint
want (Leader *self)
{
  gint64 n;

  if (sim_now () >= changes_us)
    {
      n = n_wanted + sim_between (-2, 2);
      n_wanted = (guint)CLAMP (n, 1, SIM_MAX_SUBTREES);
      changes_us = sim_now () + sim_between (1, 8) * SIM_US_PER_S;
    }
  n = n_wanted + (sim_chance (200) ? sim_between (-1, 1) : 0);
  return (guint)CLAMP (n, 0, SIM_MAX_SUBTREES);
}

static void
on_version (guint64 version, gboolean is_durable, const GError *error,
            gpointer data)
{
  Leader *self = data;

  self->is_asking = FALSE;
  if (error == NULL)
    sim_trace ("%s: version %" G_GUINT64_FORMAT "%s", self->proc.name, version,
               is_durable ? "" : ", which no replica has");
}

static void
put_policy (Leader *self)
{
  ClusterPolicy policy = { .max = SIM_MAX_SUBTREES,
                           .step_out = 2,
                           .step_in = 1,
                           .cool_out_ms = 5000,
                           .cool_in_ms = 10000,
                           .by = (char *)"sim",
                           .text = (char *)"{}" };

  self->is_asking = TRUE;
  cluster_ledger_put_policy (self->ledger, SIM_TREE, &policy, on_version, self);
}

static void
desire (Leader *self)
{
  guint n = want (self);

  if (self->is_asking || are_calm || n == self->n_desired)
    return;
  n = CLAMP (n, self->n_desired > 0 ? self->n_desired - 1 : 0,
             self->n_desired + 2);
  self->is_asking = TRUE;
  sim_trace ("%s wants %u for %u", self->proc.name, n, self->n_desired);
  cluster_ledger_desire (self->ledger, SIM_TREE, self->version, n,
                         n < self->n_desired ? CLUSTER_CAUSE_MANUAL
                                             : CLUSTER_CAUSE_DEMAND,
                         "demand", "{}", on_version, self);
}

/* --- the driver's lines --------------------------------------------------- */

static gint64
now_us (gpointer data)
{
  return sim_proc_now_us (&((Leader *)data)->proc);
}

static gboolean
leads (gint64 margin_us, gpointer data)
{
  return cluster_lease_is_valid (
      cluster_ledger_get_lease (((Leader *)data)->ledger), margin_us);
}

static const char *
get_token (gpointer data)
{
  return cluster_lease_get_token (
      cluster_ledger_get_lease (((Leader *)data)->ledger));
}

static void
read_slots (const char *tree_id, ClusterSlotsFunc func, gpointer func_data,
            gpointer data)
{
  cluster_ledger_read_slots (((Leader *)data)->ledger, tree_id, func,
                             func_data);
}

static void
move_slot (const char *tree_id, const ClusterSlot *slot, ClusterSlotState to,
           const char *text, ClusterVersionFunc func, gpointer func_data,
           gpointer data)
{
  Leader *self = data;

  sim_trace ("%s: subtree %u of life %u: %s", self->proc.name, slot->ordinal,
             slot->gen, text);
  cluster_ledger_move_slot (self->ledger, tree_id, slot, to, text, func,
                            func_data);
}

/* @url: its host is the node's name */
static void
drain (const char *url, guint32 deadline_ms, ClusterDoneFunc func,
       gpointer func_data, gpointer data)
{
  const char *name = strrchr (url, '/');
  g_autoptr (GError) error = NULL;

  if (name == NULL || !sim_engine_drain (name + 1))
    error = g_error_new (CLUSTER_ERROR, CLUSTER_ERROR_AWAY,
                         "%s cannot be reached", url);
  func (error, func_data);
}

/* --- reading -------------------------------------------------------------- */

static void
on_nobody_asked (gboolean is_done, gpointer data)
{
}

/* the mutation: so many more, or fewer, than there are */
static void
count_instead (GArray *instances, gpointer data)
{
  Leader *self = data;
  guint n = 0;

  if (instances == NULL || !sim_leader_is_acting (self->index))
    return;
  for (guint i = 0; i < instances->len; i++)
    {
      const SimInstance *instance = &g_array_index (instances, SimInstance, i);

      if ((!instance->has_started || instance->is_running)
          && ++n > self->n_desired)
        sim_engine_drain (instance->name);
    }
  for (; n < self->n_desired; n++)
    {
      SimInstance wanted = { .ordinal = SIM_NO_ORDINAL, .gen = 1 };

      g_snprintf (wanted.name, sizeof wanted.name, "mt-%s-%u-%u-%u", SIM_TREE,
                  self->index, self->proc.life, self->n_named++);
      wanted.host = sim_engine_place (wanted.name);
      sim_engine_ensure (&wanted, on_nobody_asked, NULL);
    }
}

static void
on_beats (GPtrArray *rows, const GError *error, gpointer data)
{
  Leader *self = data;
  ScalingSubtreesView view = { .tree_id = SIM_TREE,
                               .policy = &rules,
                               .n_desired = self->n_desired,
                               .beats = rows,
                               .now_us = sim_proc_now_us (&self->proc),
                               .now_wall_ms = self->now_wall_ms };

  self->is_reading = FALSE;
  if (rows == NULL || !sim_leader_is_acting (self->index))
    return;
  if (ordinals_not)
    sim_engine_list (count_instead, self);
  else
    scaling_subtrees_driver_take (self->driver, &view);
}

static void
on_scaling (const ClusterScaling *scaling, const GError *error, gpointer data)
{
  Leader *self = data;

  if (scaling == NULL || !sim_leader_is_acting (self->index))
    {
      self->is_reading = FALSE;
      return;
    }
  self->version = scaling->version;
  self->n_desired = scaling->n_desired;
  self->now_wall_ms = scaling->now_wall_ms;
  if (scaling->policy.version > 0)
    desire (self);
  else if (!self->is_asking)
    put_policy (self);
  cluster_ledger_read_beats (self->ledger, SIM_TREE, on_beats, self);
}

static gboolean
on_tick (gpointer data)
{
  Leader *self = data;

  if (sim_leader_is_acting (self->index) && !self->is_reading)
    {
      self->is_reading = TRUE;
      cluster_ledger_read_scaling (self->ledger, SIM_TREE, on_scaling, self);
    }
  return G_SOURCE_CONTINUE;
}

/* --- life ----------------------------------------------------------------- */

static void
on_changed (gboolean is_leader, gpointer data)
{
  Leader *self = data;

  sim_trace ("%s %s", self->proc.name, is_leader ? "leads" : "leads no more");
  if (self->controller != NULL)
    scaling_controller_leader_changed (self->controller, is_leader);
  else
    scaling_subtrees_driver_forget (self->driver);
}

SimProc *
sim_leader_get_proc (guint index)
{
  return &leaders[index].proc;
}

gboolean
sim_leader_is_acting (guint index)
{
  Leader *self = &leaders[index];
  SimProc *before;
  gboolean is_acting;

  if (self->ledger == NULL)
    return FALSE;
  before = sim_enter (&self->proc);
  is_acting =
      cluster_lease_is_valid (cluster_ledger_get_lease (self->ledger), 0);
  sim_enter (before);
  return is_acting;
}

static void
start_controller (Leader *self)
{
  ScalingControllerConfig config = {
    .ledger = self->ledger,
    .is_enabled = TRUE,
    .policies =
        scaling_policies_parse (policies_text, strlen (policies_text), NULL),
  };

  self->controller = scaling_controller_new (&config);
  scaling_controller_set_subtrees (self->controller, self->driver);
}

void
sim_leader_start (guint index)
{
  Leader *self = &leaders[index];
  char name[16], nonce[32];
  ClusterLedgerConfig config = { .redis_url = SIM_URL,
                                 .prefix = SIM_PREFIX,
                                 .tree_id = SIM_TREE,
                                 .node_id = name,
                                 .nonce = nonce,
                                 .is_candidate = TRUE,
                                 .on_leader_changed = on_changed,
                                 .data = self };
  ScalingSubtreesDriverConfig driver = {
    .wire = { now_us, leads, get_token, read_slots, move_slot, drain },
    .wire_data = self,
    .drain_ms = DRAIN_MS,
  };
  SimProc *before;

  if (self->ledger != NULL)
    return;
  g_snprintf (name, sizeof name, "c%u", index);
  g_snprintf (nonce, sizeof nonce, "%016" G_GINT64_MODIFIER "x", sim_random ());
  sim_proc_init (&self->proc, name, index);
  sim_trace ("%s starts", name);
  self->proc.rate = 1 + (double)sim_between (-40, 40) / 1000;
  self->proc.boot_us = sim_between (0, 1000) * SIM_US_PER_S;
  self->proc.wall_step_us = sim_between (-3000, 3000) * SIM_US_PER_MS;
  before = sim_enter (&self->proc);
  self->is_reading = self->is_asking = self->is_resigning = FALSE;
  self->provisioner = sim_provision_new ();
  scaling_provisioner_set_deadline_us (self->provisioner, 5 * SIM_US_PER_S);
  driver.provisioner = self->provisioner;
  self->driver = scaling_subtrees_driver_new (&driver);
  self->ledger = cluster_ledger_new (&config, NULL);
  if (has_controllers && !ordinals_not)
    start_controller (self);
  else
    self->tick = g_timeout_add (TICK_MS, on_tick, self);
  sim_enter (before);
}

void
sim_leader_kill (guint index)
{
  Leader *self = &leaders[index];
  SimProc *before;

  if (self->ledger == NULL)
    return;
  sim_trace ("%s dies", self->proc.name);
  sim_proc_kill (&self->proc);
  before = sim_enter (&self->proc);
  g_clear_handle_id (&self->tick, g_source_remove);
  g_clear_pointer (&self->controller, scaling_controller_free);
  scaling_subtrees_driver_forget (self->driver); /* the dead begin nothing */
  g_clear_pointer (&self->ledger, cluster_ledger_free);
  g_clear_pointer (&self->provisioner, scaling_provisioner_free);
  g_clear_pointer (&self->driver, scaling_subtrees_driver_free);
  sim_enter (before);
}

static void
on_resigned (const GError *error, gpointer data)
{
}

void
sim_leader_resign (guint index)
{
  Leader *self = &leaders[index];
  SimProc *before = sim_enter (&self->proc);

  if (self->ledger != NULL && !self->is_resigning)
    {
      self->is_resigning = TRUE;
      sim_trace ("%s resigns", self->proc.name);
      cluster_ledger_resign (self->ledger, on_resigned, self);
    }
  sim_enter (before);
}

void
sim_leaders_calm (void)
{
  are_calm = TRUE;
  /* numbers by chance know nothing of viewers, and a subtree whose viewers have
   * no room elsewhere stays */
  if (!has_controllers)
    sim_engine_send_home ();
}

void
sim_leaders_forget_ordinals (gboolean is_forgotten)
{
  ordinals_not = is_forgotten;
}

/* a subtree is a relay and one or two egress nodes; some worlds have a warm one
 * beside. A trial is over in time for all to be well again. */
static void
make_policy (void)
{
  g_autoptr (GError) error = NULL;

  g_free (policies_text);
  policies_text = g_strdup_printf (
      "{\"hardLimit\": 60, \"egressPerSubtree\": %d, "
      "\"slots\": {\"warm\": %d, \"cold\": 1, \"warmEgress\": 1}, "
      "\"trial\": {\"for\": 15, \"judgeAfter\": 5, \"backoff\": 5, "
      "\"maxBackoff\": 10}, "
      "\"policies\": [{\"name\": \"egress\", \"service\": \"egress\", "
      "\"minReplicas\": 1, \"maxReplicas\": 6}]}",
      (int)sim_between (1, 2), (int)sim_between (0, 1));

  g_clear_pointer (&policies, scaling_policies_free);
  policies =
      scaling_policies_parse (policies_text, strlen (policies_text), &error);
  if (policies == NULL)
    g_error ("%s", error->message);
  rules = *scaling_policies_find (policies, "egress", SIM_TREE);
}

void
sim_leaders_begin (void)
{
  memset (leaders, 0, sizeof leaders);
  n_wanted = 2;
  changes_us = 0;
  are_calm = ordinals_not = FALSE;
  has_controllers = sim_chance (250);
  make_policy ();
  for (guint i = 0; i < SIM_N_LEADERS; i++)
    {
      leaders[i].index = i;
      sim_leader_start (i);
    }
}

void
sim_leaders_end (void)
{
  for (guint i = 0; i < SIM_N_LEADERS; i++)
    sim_leader_kill (i);
  g_clear_pointer (&policies, scaling_policies_free);
}
