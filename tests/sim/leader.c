/* SPDX-License-Identifier: Apache-2.0 */
/* sim/leader: candidates with the production ledger. */
#include "leader.h"

#include "cluster/ledger.h"
#include "engine.h"
#include "scaling/subtrees.h"

#include <string.h>

#define TICK_MS 1000
#define DRAIN_MS 5000
#define MIN_VALID_US (100 * SIM_US_PER_MS)

typedef struct
{
  SimProc proc;
  guint index;
  ClusterLedger *ledger;     /* owned, nullable: it is dead */
  ScalingSubtrees *subtrees; /* owned, nullable, likewise */
  guint tick;
  gboolean is_reading, is_asking, is_resigning;
  guint64 version;
  guint n_desired;
  gint64 now_wall_ms; /* the store's */
  GArray *slots;      /* owned, nullable (element-type ClusterSlot) */
  GPtrArray *beats;   /* owned, nullable (element-type ClusterBeat) */
  GArray *orders;     /* owned (element-type ScalingOrder) */
  GPtrArray *errands; /* owned: orders under way */
  guint n_named;
} Leader;

static Leader leaders[SIM_N_LEADERS];
static guint n_wanted;
static gint64 changes_us; /* what is wanted, next */
static gboolean are_calm, ordinals_not;
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

/* --- doing ---------------------------------------------------------------- */

/* An order that is under way. */
typedef struct
{
  Leader *self;
  ScalingOrder order;
} Errand;

static void
answer (Errand *errand, gboolean is_done)
{
  Leader *self = errand->self;
  double jitter = (double)sim_between (0, 1000) / 1000;

  scaling_subtrees_answer (self->subtrees, &errand->order, is_done, -1, jitter,
                           sim_proc_now_us (&self->proc));
  g_ptr_array_remove_fast (self->errands, errand);
}

static void
on_done (gboolean is_done, gpointer data)
{
  answer (data, is_done);
}

static void
on_moved (guint64 version, gboolean is_durable, const GError *error,
          gpointer data)
{
  Errand *errand = data;

  if (error != NULL)
    sim_trace ("%s: %s", errand->self->proc.name, error->message);
  answer (errand, error == NULL);
}

static guint
place (const char *name)
{
  return 3 + g_str_hash (name) % 2;
}

static void
do_order (Leader *self, const ScalingOrder *order)
{
  ClusterSlot slot = { order->ordinal, order->gen, order->from, 0 };
  SimInstance wanted = { .ordinal = order->ordinal,
                         .gen = order->gen,
                         .host = place (order->name),
                         .is_relay = order->role == CLUSTER_ROLE_RELAY };
  Errand *errand = g_new (Errand, 1);

  sim_trace ("%s: %s %u of life %u %s%s: %s", self->proc.name,
             scaling_order_kind_get_name (order->kind), order->ordinal,
             order->gen, order->name,
             order->kind == SCALING_ORDER_SLOT
                 ? cluster_slot_state_get_name (order->to)
                 : "",
             order->why != NULL ? order->why : "");
  *errand = (Errand){ self, *order };
  g_ptr_array_add (self->errands, errand);
  g_strlcpy (wanted.name, order->name, sizeof wanted.name);
  if (!cluster_lease_is_valid (cluster_ledger_get_lease (self->ledger),
                               MIN_VALID_US))
    answer (errand, FALSE);
  else if (order->kind == SCALING_ORDER_SLOT)
    cluster_ledger_move_slot (self->ledger, SIM_TREE, &slot, order->to, "{}",
                              on_moved, errand);
  else if (order->kind == SCALING_ORDER_ENSURE)
    sim_engine_ensure (&wanted, on_done, errand);
  else if (order->kind == SCALING_ORDER_REMOVE)
    sim_engine_remove (order->name, on_done, errand);
  else
    answer (errand, sim_engine_drain (order->name));
}

static void
on_nobody_asked (gboolean is_done, gpointer data)
{
}

/* the mutation: so many more, or fewer, than there are */
static void
count_instead (Leader *self, GArray *instances)
{
  guint n = 0;

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
      wanted.host = place (wanted.name);
      sim_engine_ensure (&wanted, on_nobody_asked, NULL);
    }
}

static void
free_instance (gpointer data)
{
  scaling_instance_free (data);
}

/* @list: (nullable)
 * Returns: (transfer full) (nullable) (element-type ScalingInstance) */
static GPtrArray *
to_instances (GArray *list)
{
  GPtrArray *instances;

  if (list == NULL)
    return NULL;
  instances = g_ptr_array_new_with_free_func (free_instance);
  for (guint i = 0; i < list->len; i++)
    {
      const SimInstance *shown = &g_array_index (list, SimInstance, i);
      ScalingInstance *instance = g_new0 (ScalingInstance, 1);

      instance->name = g_strdup (shown->name);
      instance->state = !shown->has_started ? SCALING_INSTANCE_STARTING
                        : shown->is_running ? SCALING_INSTANCE_RUNNING
                                            : SCALING_INSTANCE_ENDED;
      g_ptr_array_add (instances, instance);
    }
  return instances;
}

/* --- reading -------------------------------------------------------------- */

static void
end_round (Leader *self)
{
  self->is_reading = FALSE;
  g_clear_pointer (&self->slots, g_array_unref);
  g_clear_pointer (&self->beats, g_ptr_array_unref);
}

static void
on_listed (GArray *list, gpointer data)
{
  Leader *self = data;
  g_autoptr (GPtrArray) instances = to_instances (list);
  ScalingSubtreesInput input = { .policy = &rules,
                                 .n_desired = self->n_desired,
                                 .instances = instances,
                                 .is_list_whole = TRUE,
                                 .drain_ms = DRAIN_MS,
                                 .now_us = sim_proc_now_us (&self->proc),
                                 .now_wall_ms = self->now_wall_ms };

  if (self->slots == NULL || self->beats == NULL
      || !sim_leader_is_acting (self->index))
    {
      end_round (self);
      return;
    }
  if (ordinals_not && list != NULL)
    count_instead (self, list);
  input.n_slots = self->slots->len;
  input.slots = (const ClusterSlot *)(gpointer)self->slots->data;
  input.beats = self->beats;
  g_array_set_size (self->orders, 0);
  if (!ordinals_not)
    scaling_subtrees_step (self->subtrees, &input, self->orders);
  for (guint i = 0; i < self->orders->len; i++)
    do_order (self, &g_array_index (self->orders, ScalingOrder, i));
  end_round (self);
}

static void
on_beats (GPtrArray *rows, const GError *error, gpointer data)
{
  Leader *self = data;

  self->beats = rows != NULL ? g_ptr_array_ref (rows) : NULL;
  if (rows != NULL && self->slots != NULL)
    sim_engine_list (on_listed, self);
  else
    end_round (self);
}

static void
on_slots (GArray *slots, const GError *error, gpointer data)
{
  Leader *self = data;

  self->slots = slots != NULL ? g_array_ref (slots) : NULL;
}

static void
on_scaling (const ClusterScaling *scaling, const GError *error, gpointer data)
{
  Leader *self = data;

  if (scaling == NULL || !sim_leader_is_acting (self->index))
    {
      end_round (self);
      return;
    }
  self->version = scaling->version;
  self->n_desired = scaling->n_desired;
  self->now_wall_ms = scaling->now_wall_ms;
  if (scaling->policy.version > 0)
    desire (self);
  else if (!self->is_asking)
    put_policy (self);
  cluster_ledger_read_slots (self->ledger, SIM_TREE, on_slots, self);
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
  scaling_subtrees_forget (self->subtrees);
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

guint64
sim_leader_get_epoch (guint index)
{
  ClusterLease *lease = cluster_ledger_get_lease (leaders[index].ledger);
  const char *token = cluster_lease_get_token (lease);
  guint64 epoch = 0;

  if (token != NULL)
    cluster_lease_parse_token (token, &epoch, NULL, NULL);
  return epoch;
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
  self->subtrees = scaling_subtrees_new (SIM_TREE, NULL, NULL);
  self->ledger = cluster_ledger_new (&config, NULL);
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
  g_source_remove (self->tick);
  g_clear_pointer (&self->ledger, cluster_ledger_free);
  g_clear_pointer (&self->subtrees, scaling_subtrees_free);
  end_round (self);
  g_ptr_array_set_size (self->errands, 0);
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
}

void
sim_leaders_forget_ordinals (gboolean is_forgotten)
{
  ordinals_not = is_forgotten;
}

/* a subtree is a relay and one or two egress nodes; some worlds have a warm one
 * beside */
static void
make_policy (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strdup_printf (
      "{\"hardLimit\": 60, \"egressPerSubtree\": %d, "
      "\"slots\": {\"warm\": %d, \"cold\": 1, \"warmEgress\": 1}, "
      "\"policies\": [{\"name\": \"egress\", \"service\": \"egress\", "
      "\"minReplicas\": 1, \"maxReplicas\": 12}]}",
      (int)sim_between (1, 2), (int)sim_between (0, 1));

  g_clear_pointer (&policies, scaling_policies_free);
  policies = scaling_policies_parse (text, strlen (text), &error);
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
  make_policy ();
  for (guint i = 0; i < SIM_N_LEADERS; i++)
    {
      leaders[i].index = i;
      leaders[i].errands = g_ptr_array_new_with_free_func (g_free);
      leaders[i].orders = g_array_new (FALSE, FALSE, sizeof (ScalingOrder));
      sim_leader_start (i);
    }
}

void
sim_leaders_end (void)
{
  for (guint i = 0; i < SIM_N_LEADERS; i++)
    {
      sim_leader_kill (i);
      g_array_unref (leaders[i].orders);
      g_ptr_array_unref (leaders[i].errands);
    }
  g_clear_pointer (&policies, scaling_policies_free);
}
