/* SPDX-License-Identifier: Apache-2.0 */
/* sim/node: asking, beating, opening, ending. */
#include "node.h"

#include "cluster/claim.h"
#include "cluster/encode.h"
#include "cluster/ledger-private.h"
#include "check.h"
#include "tree.h"

#include <string.h>

#define BEAT_US SIM_US_PER_S
#define SLOTS 100 /* of an egress node */
#define HEARTBEAT_MS "3000"
#define KEEP_MS "60000"

struct _SimNode
{
  SimInstance shown;
  SimProc proc;
  char boot[CLUSTER_ID_CHARS + 1];
  ClusterLedger *ledger; /* owned, nullable, as the next */
  ClusterClaim *claim;
  SimTree *tree;     /* owned, nullable */
  char *node_text;   /* owned: JSON */
  ClusterLoad *load; /* owned */
  ClusterLoad told;  /* what load_text says */
  char *load_text;   /* owned, nullable: JSON */
  gint64 beat_us;
};

static gboolean joins_not, hosts_not;
static gboolean has_trees; /* in this world */
static guint n_boots;

/* --- ending --------------------------------------------------------------- */

static void
go_quiet (SimNode *self)
{
  g_clear_pointer (&self->ledger, cluster_ledger_free);
  g_clear_pointer (&self->claim, cluster_claim_free);
  g_clear_pointer (&self->tree, sim_tree_free);
}

void
sim_node_end (SimNode *self, const char *why)
{
  if (!self->shown.is_running)
    return;
  sim_trace ("%s ends: %s", self->shown.name, why);
  self->shown.is_running = self->shown.is_open = FALSE;
  sim_proc_kill (&self->proc);
  go_quiet (self);
}

static void
on_unwanted (gpointer data)
{
  sim_node_end (data, "it is not wanted");
}

static void
on_left (gpointer data)
{
  sim_node_end (data, "it has drained");
}

void
sim_node_drain (SimNode *self)
{
  if (!self->shown.is_running || self->shown.is_draining)
    return;
  sim_trace ("%s drains", self->shown.name);
  self->shown.is_draining = TRUE;
  self->shown.is_open = FALSE;
  sim_at (sim_now () + sim_between (200, 4000) * SIM_US_PER_MS, &self->proc,
          on_left, self, NULL);
}

/* not from within a reply's function: that connection goes too */
static void
give_up (SimNode *self)
{
  self->shown.is_open = FALSE;
  sim_at (sim_now (), &self->proc, on_unwanted, self, NULL);
}

/* --- asking and beating --------------------------------------------------- */

static void
open_up (SimNode *self)
{
  if (self->shown.is_open || self->shown.is_draining || self->shown.is_relay)
    return;
  self->shown.is_open = TRUE;
  sim_trace ("%s opens", self->shown.name);
}

static void
on_joined (ClusterSlotState state, gboolean is_durable, const GError *error,
           gpointer data)
{
  SimNode *self = data;
  ClusterClaimStep step = cluster_claim_answer (
      self->claim, state, is_durable, error, sim_proc_now_us (&self->proc));

  if (step == CLUSTER_CLAIM_END)
    give_up (self);
  else if (step == CLUSTER_CLAIM_LEAVE)
    sim_node_drain (self);
  else if (cluster_claim_is_open (self->claim))
    {
      if (!self->shown.is_open && !self->shown.is_relay
          && !self->shown.is_draining)
        sim_check_opens (&self->shown);
      open_up (self);
    }
}

static void
on_beat (const ClusterReply *reply, const GError *error, gpointer data)
{
  if (reply != NULL && reply->type == CLUSTER_REPLY_ERROR
      && g_str_has_prefix (reply->text, "TAKEN"))
    give_up (data);
}

/* All viewers there are, spread over who is open; those for whom there is no
 * room ask again. */
static void
take_viewers (SimNode *self)
{
  ClusterLoad *load = self->load;
  guint share = self->shown.is_open ? sim_crowd_get_share () : 0;
  guint n = MIN (share, SLOTS);

  load->n_joins += n > load->n_viewers ? n - load->n_viewers : 0;
  load->n_leaves += n < load->n_viewers ? load->n_viewers - n : 0;
  load->n_refused += (share - n) / 5;
  load->n_viewers = n;
  load->cpu_ratio = (double)n / SLOTS * 0.8;
  load->is_draining = self->shown.is_draining;
  load->is_warm = !self->shown.is_open && !self->shown.is_draining;
}

static void
beat (SimNode *self)
{
  const char *beat[] = {
    self->shown.name, self->boot, self->shown.is_relay ? "0" : "1",
    self->node_text,  NULL,       HEARTBEAT_MS,
    KEEP_MS
  };
  g_autoptr (GPtrArray) args = g_ptr_array_new ();

  take_viewers (self);
  if (self->load_text == NULL
      || memcmp (&self->told, self->load, sizeof self->told) != 0)
    {
      g_free (self->load_text);
      self->load_text = cluster_load_to_json (self->load, self->boot);
      self->told = *self->load;
    }
  beat[4] = self->load_text;
  for (guint i = 0; i < G_N_ELEMENTS (beat); i++)
    g_ptr_array_add (args, (char *)beat[i]);
  cluster_functions_call (self->ledger->functions, "mt_beat", SIM_TREE, args,
                          on_beat, self, NULL);
}

/* as node/slot.c does */
static void
claim (SimNode *self)
{
  gboolean waits;

  if (self->shown.is_edge)
    return;
  if (joins_not || self->shown.ordinal == SIM_NO_ORDINAL)
    open_up (self);
  else if (cluster_claim_begin (self->claim, sim_proc_now_us (&self->proc),
                                &waits))
    cluster_ledger_join (self->ledger, self->shown.ordinal, self->shown.gen,
                         self->boot, waits, on_joined, self);
}

static void
on_tick (gpointer data)
{
  SimNode *self = data;
  gint64 now_us = sim_proc_now_us (&self->proc);

  if (cluster_ledger_is_connected (self->ledger))
    {
      if (now_us - self->beat_us >= BEAT_US)
        {
          self->beat_us = now_us;
          beat (self);
        }
      claim (self);
      if (self->tree != NULL)
        sim_tree_tick (self->tree, now_us);
    }
  sim_at (sim_now () + CLUSTER_CLAIM_TICK_US, &self->proc, on_tick, self, NULL);
}

/* --- life ----------------------------------------------------------------- */

static void
fill_load (SimNode *self, ClusterRoles role)
{
  ClusterLoad *load;
  ClusterLink *link;

  g_free (self->load);
  g_clear_pointer (&self->load_text, g_free);
  self->load = load = g_new0 (ClusterLoad, 1);
  link = load->links;
  load->n_streams = 1;
  load->n_links = !self->shown.is_edge;
  if (role == CLUSTER_ROLE_EGRESS)
    load->n_slots = load->max_viewers = SLOTS;
  link->is_active = TRUE;
  link->n_streams = 1;
  if (self->shown.is_relay)
    g_strlcpy (link->node, "edge", sizeof link->node);
  else
    g_snprintf (link->node, sizeof link->node, "mt-%s-s%u-g%u-r", SIM_TREE,
                self->shown.ordinal, self->shown.gen);
}

/* begin_life: a new process's texts, connection, claim and place */
static void
begin_life (SimNode *self, const ClusterLedgerConfig *config)
{
  char host[8];
  g_autofree char *url = g_strconcat ("http://h/", self->shown.name, NULL);
  ClusterNode node = { .node_id = self->shown.name,
                       .boot_id = self->boot,
                       .tree_id = (char *)SIM_TREE,
                       .roles = self->shown.is_edge    ? CLUSTER_ROLE_INJECTION
                                : self->shown.is_relay ? CLUSTER_ROLE_RELAY
                                                       : CLUSTER_ROLE_EGRESS,
                       .host = host,
                       .url = url,
                       .link_address = (char *)"127.0.0.1:9000" };

  g_snprintf (host, sizeof host, "h%u", hosts_not ? 0 : self->shown.host);
  g_free (self->node_text);
  self->node_text = cluster_node_to_json (&node);
  fill_load (self, node.roles);
  go_quiet (self);
  self->ledger = cluster_ledger_new (config, NULL);
  self->claim =
      cluster_claim_new (self->shown.is_relay, sim_proc_now_us (&self->proc));
  self->beat_us = G_MININT64 / 2;
  if (has_trees)
    self->tree = sim_tree_new (&node, self->ledger);
}

void
sim_node_start (SimNode *self)
{
  ClusterLedgerConfig config = { .redis_url = SIM_URL,
                                 .prefix = SIM_PREFIX,
                                 .tree_id = SIM_TREE,
                                 .node_id = self->shown.name,
                                 .nonce = self->boot };
  SimProc *before;

  if (self->shown.is_running)
    return;
  sim_proc_init (&self->proc, self->shown.name, self->shown.host);
  self->proc.rate = 1;
  self->shown.has_started = self->shown.is_running = TRUE;
  self->shown.is_draining = FALSE;
  g_snprintf (self->boot, sizeof self->boot, "%016" G_GINT64_MODIFIER "x%016x",
              sim_random (), ++n_boots);
  before = sim_enter (&self->proc);
  begin_life (self, &config);
  on_tick (self);
  sim_enter (before);
}

SimNode *
sim_node_new (const SimInstance *shown)
{
  SimNode *self = g_new0 (SimNode, 1);

  self->shown = *shown;
  return self;
}

void
sim_node_free (SimNode *self)
{
  go_quiet (self);
  g_free (self->node_text);
  g_free (self->load_text);
  g_free (self->load);
  g_free (self);
}

const ClusterPlace *
sim_node_get_place (const SimNode *self)
{
  return self->tree != NULL ? sim_tree_get_place (self->tree) : NULL;
}

SimInstance *
sim_node_get (SimNode *self)
{
  return &self->shown;
}

void
sim_node_forget_join (gboolean is_forgotten)
{
  joins_not = is_forgotten;
}

void
sim_node_forget_hosts (gboolean is_forgotten)
{
  hosts_not = is_forgotten;
}

void
sim_node_set_trees (gboolean has)
{
  has_trees = has;
  hosts_not = FALSE;
}
