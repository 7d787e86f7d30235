/* SPDX-License-Identifier: Apache-2.0 */
/* sim/engine: making and ending instances; what an instance does itself. */
#include "engine.h"

#include "cluster/functions.h"
#include "store.h"

#include <string.h>

#define DEADLINE_US (5 * SIM_US_PER_S)
#define SNAPSHOT_US (500 * SIM_US_PER_MS)
#define N_SNAPSHOTS 7
#define BEAT_MS 1000
#define HEARTBEAT_MS "3000"
#define KEEP_MS "60000"

typedef struct
{
  SimInstance shown;
  gboolean is_gone; /* its name is free again */
  SimProc proc;
  char boot[33];
  ClusterRedisUrl *url;        /* owned, nullable, as the next two */
  ClusterSentinel *sentinel;
  ClusterFunctions *functions;
  gboolean is_joining, has_claimed; /* claimed: the store said so */
} Node;

static GPtrArray *nodes; /* owned (element-type Node) */
static GArray *snapshots[N_SNAPSHOTS];
static GArray *seen; /* of the moment */
static gboolean is_faulty, joins_not;

/* --- an instance's own life ----------------------------------------------- */

static void join (Node *self);

static void
go_quiet (Node *self)
{
  g_clear_pointer (&self->functions, cluster_functions_free);
  g_clear_pointer (&self->sentinel, cluster_sentinel_free);
  g_clear_pointer (&self->url, cluster_redis_url_free);
}

static void
end (Node *self, const char *why)
{
  if (!self->shown.is_running)
    return;
  sim_trace ("%s ends: %s", self->shown.name, why);
  self->shown.is_running = self->shown.is_open = FALSE;
  sim_proc_kill (&self->proc);
  go_quiet (self);
}

static void
on_end_refused (gpointer data)
{
  end (data, "refused");
}

static void
open_up (Node *self)
{
  if (self->shown.is_open || self->shown.is_draining)
    return;
  self->shown.is_open = TRUE;
  sim_trace ("%s opens", self->shown.name);
}

static void
on_beat (const ClusterReply *reply, const GError *error, gpointer data)
{
  Node *self = data;

  if (reply != NULL && reply->type == CLUSTER_REPLY_ERROR
      && g_str_has_prefix (reply->text, "TAKEN"))
    {
      self->shown.is_open = FALSE;
      sim_at (sim_now (), &self->proc, on_end_refused, self, NULL);
    }
}

static void
beat (Node *self)
{
  g_autoptr (GPtrArray) args = g_ptr_array_new ();
  g_autofree char *text = g_strdup_printf ("{\"boot\":\"%s\"}", self->boot);
  const char *all[] = { self->shown.name, self->boot, "1", "{}",
                        text,             HEARTBEAT_MS, KEEP_MS };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    g_ptr_array_add (args, (char *)all[i]);
  cluster_functions_call (self->functions, "mt_beat", SIM_TREE, args, on_beat,
                          self, NULL);
}

static void
on_second (gpointer data)
{
  Node *self = data;

  if (self->has_claimed || self->shown.is_open)
    beat (self);
  if (!self->has_claimed && !joins_not
      && self->shown.ordinal != SIM_NO_ORDINAL)
    join (self);
  sim_at (sim_now () + BEAT_MS * SIM_US_PER_MS, &self->proc, on_second, self,
          NULL);
}

static void
on_joined (const ClusterReply *reply, const GError *error, gpointer data)
{
  Node *self = data;

  if (reply == NULL || reply->type == CLUSTER_REPLY_ERROR)
    self->is_joining = FALSE;
  if (reply == NULL || reply->type != CLUSTER_REPLY_ERROR)
    return;
  sim_trace ("%s: %s", self->shown.name, reply->text);
  if (!g_str_has_prefix (reply->text, "TAKEN")
      && !g_str_has_prefix (reply->text, "NOTDESIRED"))
    return;
  self->shown.is_open = FALSE;
  sim_at (sim_now (), &self->proc, on_end_refused, self, NULL);
}

/* the claim holds once a replica has it too */
static void
on_confirmed (const ClusterReply *reply, const GError *error, gpointer data)
{
  Node *self = data;

  if (!self->is_joining)
    return;
  self->is_joining = FALSE;
  if (reply == NULL || reply->type != CLUSTER_REPLY_INTEGER
      || reply->integer < 1)
    return;
  self->has_claimed = TRUE;
  open_up (self);
}

static void
join (Node *self)
{
  static const char *const wait[] = { "WAIT", "1", "300", NULL };
  g_autoptr (GPtrArray) args = g_ptr_array_new ();
  ClusterRedis *redis;
  char ordinal[12], gen[12];

  if (self->is_joining || self->shown.is_draining)
    return;
  redis = cluster_redis_link_get (cluster_functions_get_link (self->functions));
  g_snprintf (ordinal, sizeof ordinal, "%u", self->shown.ordinal);
  g_snprintf (gen, sizeof gen, "%u", self->shown.gen);
  g_ptr_array_add (args, ordinal);
  g_ptr_array_add (args, gen);
  g_ptr_array_add (args, self->shown.name);
  g_ptr_array_add (args, self->boot);
  if (!cluster_functions_call (self->functions, "mt_join", SIM_TREE, args,
                               on_joined, self, NULL))
    return;
  self->is_joining = TRUE;
  beat (self);
  cluster_redis_send (redis, wait, on_confirmed, self, NULL);
}

static void
on_ready (gpointer data)
{
  Node *self = data;

  if (joins_not || self->shown.ordinal == SIM_NO_ORDINAL)
    open_up (self);
  else
    {
      /* perhaps another master: it must know of the claim */
      self->has_claimed = FALSE;
      join (self);
    }
}

static void
on_down (const GError *error, gpointer data)
{
}

static void
on_switch (gpointer data)
{
  Node *self = data;

  cluster_redis_link_drop (cluster_functions_get_link (self->functions),
                           "another master", TRUE);
}

static void
start (gpointer data)
{
  static const ClusterFunctionsCallbacks callbacks = { on_ready, on_down };
  Node *self = data;
  SimProc *before;

  if (self->is_gone || self->shown.is_running)
    return;
  sim_proc_init (&self->proc, self->shown.name, self->shown.host);
  self->proc.rate = 1;
  self->shown.is_running = TRUE;
  self->has_claimed = self->is_joining = FALSE;
  g_snprintf (self->boot, sizeof self->boot, "%016" G_GINT64_MODIFIER "x%016x",
              sim_random (), nodes->len);
  before = sim_enter (&self->proc);
  self->url = cluster_redis_url_parse (SIM_URL, NULL);
  self->sentinel = cluster_sentinel_new (self->url, NULL, &cluster_redis_limits,
                                         on_switch, self);
  self->functions = cluster_functions_new (SIM_PREFIX, self->url,
                                           self->sentinel, NULL,
                                           &cluster_redis_limits, &callbacks,
                                           self);
  on_second (self);
  sim_enter (before);
}

static void
on_left (gpointer data)
{
  end (data, "drained");
}

void
sim_engine_drain (const char *name)
{
  guint from = sim_self ()->host;

  for (guint i = 0; i < nodes->len; i++)
    {
      Node *node = nodes->pdata[i];

      if (strcmp (node->shown.name, name) != 0 || !node->shown.is_running
          || node->shown.is_draining || sim_is_cut (from, node->shown.host))
        continue;
      sim_trace ("%s drains", name);
      node->shown.is_draining = TRUE;
      node->shown.is_open = FALSE;
      sim_at (sim_now () + sim_between (200, 3000) * SIM_US_PER_MS,
              &node->proc, on_left, node, NULL);
    }
}

/* --- the engine ----------------------------------------------------------- */

typedef struct
{
  int n_refs;
  SimInstance wanted;
  SimEngineDone done;
  SimEngineListed listed;
  gpointer data;
  GArray *list; /* owned, nullable */
  gboolean is_done;
  SimProc *asker;
  guint life;
} Call;

static void
call_unref (gpointer data)
{
  Call *call = data;

  if (--call->n_refs > 0)
    return;
  g_clear_pointer (&call->list, g_array_unref);
  g_free (call);
}

static void
on_told (gpointer data)
{
  Call *call = data;

  if (call->listed != NULL)
    call->listed (call->list, call->data);
  else
    call->done (call->is_done, call->data);
}

/* tell: the asker, unless it is another life of it by now */
static void
tell (Call *call, gint64 at_us)
{
  if (!call->asker->is_alive || call->asker->life != call->life)
    return;
  call->n_refs++;
  sim_at (at_us, call->asker, on_told, call, call_unref);
}

static Node *
find (const char *name, guint host)
{
  for (guint i = 0; i < nodes->len; i++)
    {
      Node *node = nodes->pdata[i];

      if (!node->is_gone && strcmp (node->shown.name, name) == 0
          && (host == 0 || node->shown.host == host))
        return node;
    }
  return NULL;
}

static gboolean
is_away (const Call *call, guint host)
{
  return sim_is_cut (call->asker->host, host)
         || sim_is_cut (host, call->asker->host);
}

static void
make (const SimInstance *wanted)
{
  Node *node = find (wanted->name, wanted->host);

  if (node != NULL && node->shown.is_running)
    return;
  if (node == NULL)
    {
      if (nodes->len == SIM_MAX_NODES)
        return;
      node = g_new0 (Node, 1);
      node->shown = *wanted;
      g_ptr_array_add (nodes, node);
      sim_trace ("%s is made on host %u", wanted->name, wanted->host);
    }
  sim_at (sim_now () + sim_between (50, 1500) * SIM_US_PER_MS, NULL, start,
          node, NULL);
}

static void
on_make (gpointer data)
{
  make (data);
}

static void
on_ensure (gpointer data)
{
  Call *call = data;
  gint64 took_us = sim_between (100, 2500) * SIM_US_PER_MS;

  if (is_away (call, call->wanted.host)
      || (is_faulty && sim_chance (100))) /* it fails */
    {
      tell (call, sim_now () + DEADLINE_US);
      return;
    }
  if (is_faulty && sim_chance (120))
    took_us += sim_between (0, 20) * SIM_US_PER_S;
  call->is_done = took_us < DEADLINE_US && !(is_faulty && sim_chance (80));
  sim_at (sim_now () + took_us, NULL, on_make,
          g_memdup2 (&call->wanted, sizeof call->wanted), g_free);
  tell (call, sim_now () + (call->is_done ? took_us : DEADLINE_US));
}

static void
on_remove (gpointer data)
{
  Call *call = data;
  Node *node = find (call->wanted.name, 0);

  if ((node != NULL && is_away (call, node->shown.host))
      || (is_faulty && sim_chance (80)))
    {
      tell (call, sim_now () + DEADLINE_US);
      return;
    }
  call->is_done = TRUE;
  if (node != NULL)
    {
      end (node, "removed");
      node->is_gone = TRUE;
    }
  tell (call, sim_now () + SIM_US_PER_MS);
}

static GArray *
take_snapshot (void)
{
  GArray *list = g_array_new (FALSE, FALSE, sizeof (SimInstance));

  for (guint i = 0; i < nodes->len; i++)
    if (!((Node *)nodes->pdata[i])->is_gone)
      g_array_append_val (list, ((Node *)nodes->pdata[i])->shown);
  return list;
}

static void
on_snapshot (gpointer data)
{
  g_clear_pointer (&snapshots[N_SNAPSHOTS - 1], g_array_unref);
  memmove (snapshots + 1, snapshots, (N_SNAPSHOTS - 1) * sizeof snapshots[0]);
  snapshots[0] = take_snapshot ();
  sim_at (sim_now () + SNAPSHOT_US, NULL, on_snapshot, NULL, NULL);
}

static void
on_list (gpointer data)
{
  Call *call = data;
  GArray *old = is_faulty && sim_chance (300)
                    ? snapshots[sim_between (0, N_SNAPSHOTS - 1)]
                    : NULL;

  if (is_away (call, 3) || is_away (call, 4) || (is_faulty && sim_chance (60)))
    {
      tell (call, sim_now () + DEADLINE_US);
      return;
    }
  call->list = old != NULL ? g_array_ref (old) : take_snapshot ();
  tell (call, sim_now () + SIM_US_PER_MS);
}

static void
ask (Call call, SimFunc func)
{
  call.asker = sim_self ();
  call.life = call.asker->life;
  call.n_refs = 1;
  sim_at (sim_now () + sim_between (500, 40000), NULL, func,
          g_memdup2 (&call, sizeof call), call_unref);
}

void
sim_engine_ensure (const char *name, guint ordinal, guint gen, guint host,
                   SimEngineDone done, gpointer data)
{
  Call call = { .wanted = { .ordinal = ordinal, .gen = gen, .host = host },
                .done = done,
                .data = data };

  g_strlcpy (call.wanted.name, name, sizeof call.wanted.name);
  ask (call, on_ensure);
}

void
sim_engine_remove (const char *name, SimEngineDone done, gpointer data)
{
  Call call = { .done = done, .data = data };

  g_strlcpy (call.wanted.name, name, sizeof call.wanted.name);
  ask (call, on_remove);
}

void
sim_engine_list (SimEngineListed listed, gpointer data)
{
  Call call = { .listed = listed, .data = data };

  ask (call, on_list);
}

/* --- faults and checks ---------------------------------------------------- */

void
sim_engine_set_faulty (gboolean faulty)
{
  is_faulty = faulty;
}

void
sim_engine_crash_one (void)
{
  guint from = nodes->len > 0 ? (guint)sim_random () % nodes->len : 0;

  for (guint i = 0; i < nodes->len; i++)
    {
      Node *node = nodes->pdata[(from + i) % nodes->len];

      if (!node->shown.is_running)
        continue;
      end (node, "crashed");
      return;
    }
}

const GArray *
sim_engine_look (void)
{
  g_array_set_size (seen, 0);
  for (guint i = 0; i < nodes->len; i++)
    if (!((Node *)nodes->pdata[i])->is_gone)
      g_array_append_val (seen, ((Node *)nodes->pdata[i])->shown);
  return seen;
}

void
sim_engine_forget_join (gboolean is_forgotten)
{
  joins_not = is_forgotten;
}

/* --- life ----------------------------------------------------------------- */

static void
node_free (gpointer data)
{
  Node *node = data;

  go_quiet (node);
  g_free (node);
}

void
sim_engine_begin (void)
{
  nodes = g_ptr_array_new_with_free_func (node_free);
  seen = g_array_new (FALSE, FALSE, sizeof (SimInstance));
  is_faulty = joins_not = FALSE;
  on_snapshot (NULL);
}

void
sim_engine_end (void)
{
  for (guint i = 0; i < N_SNAPSHOTS; i++)
    g_clear_pointer (&snapshots[i], g_array_unref);
  g_clear_pointer (&nodes, g_ptr_array_unref);
  g_clear_pointer (&seen, g_array_unref);
}
