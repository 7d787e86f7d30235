/* SPDX-License-Identifier: Apache-2.0 */
/* sim/engine: making and ending instances, with what goes wrong in it. */
#include "engine.h"

#include <string.h>

#define DEADLINE_US (5 * SIM_US_PER_S)
#define SNAPSHOT_US (500 * SIM_US_PER_MS)
#define N_SNAPSHOTS 7
typedef struct
{
  SimNode *node;    /* owned */
  gboolean is_gone; /* its name is free again */
} Place;

static GPtrArray *nodes; /* owned (element-type Place) */
static GArray *snapshots[N_SNAPSHOTS];
static GArray *seen;      /* of the moment */
static SimNode *edges[2]; /* owned; the second in worlds that have trees */
static gboolean has_trees;
static gboolean is_faulty;
static guint n_viewers; /* that want to see it */
static gint64 crowd_us; /* they change then */

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

static Place *
find (const char *name, guint host)
{
  for (guint i = 0; i < nodes->len; i++)
    {
      Place *place = nodes->pdata[i];
      const SimInstance *shown = sim_node_get (place->node);

      if (!place->is_gone && strcmp (shown->name, name) == 0
          && (host == 0 || shown->host == host))
        return place;
    }
  return NULL;
}

guint
sim_engine_place (const char *name)
{
  return 3 + g_str_hash (name) % 2;
}

static gboolean
is_away (const Call *call, guint host)
{
  return sim_is_cut (call->asker->host, host)
         || sim_is_cut (host, call->asker->host);
}

static void
on_start (gpointer data)
{
  Place *place = data;

  if (!place->is_gone)
    sim_node_start (place->node);
}

static void
on_make (gpointer data)
{
  const SimInstance *wanted = data;
  Place *place = find (wanted->name, wanted->host);

  if (place != NULL && sim_node_get (place->node)->is_running)
    return;
  if (place == NULL)
    {
      if (nodes->len == SIM_MAX_NODES)
        return;
      place = g_new0 (Place, 1);
      place->node = sim_node_new (wanted);
      g_ptr_array_add (nodes, place);
      sim_trace ("%s is made on host %u", wanted->name, wanted->host);
    }
  sim_at (sim_now () + sim_between (50, 1500) * SIM_US_PER_MS, NULL, on_start,
          place, NULL);
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
  Place *place = find (call->wanted.name, 0);

  if ((place != NULL && is_away (call, sim_node_get (place->node)->host))
      || (is_faulty && sim_chance (80)))
    {
      tell (call, sim_now () + DEADLINE_US);
      return;
    }
  call->is_done = TRUE;
  if (place != NULL)
    {
      sim_node_end (place->node, "removed");
      place->is_gone = TRUE;
    }
  tell (call, sim_now () + SIM_US_PER_MS);
}

static GArray *
take_snapshot (void)
{
  GArray *list = g_array_new (FALSE, FALSE, sizeof (SimInstance));

  for (guint i = 0; i < nodes->len; i++)
    {
      const Place *place = nodes->pdata[i];

      if (!place->is_gone)
        g_array_append_vals (list, sim_node_get (place->node), 1);
    }
  return list;
}

guint
sim_crowd_get_share (void)
{
  guint n_open = 0;

  for (guint i = 0; i < nodes->len; i++)
    n_open += sim_node_get (((Place *)nodes->pdata[i])->node)->is_open;
  return n_viewers / MAX (n_open, 1);
}

static void
change_crowd (void)
{
  gint64 n = n_viewers;

  if (!is_faulty || sim_now () < crowd_us)
    return;
  crowd_us = sim_now () + sim_between (500, 6000) * SIM_US_PER_MS;
  n += sim_between (-60, 120);
  n_viewers = (guint)CLAMP (n, 0, 450);
}

static void
on_snapshot (gpointer data)
{
  g_clear_pointer (&snapshots[N_SNAPSHOTS - 1], g_array_unref);
  memmove (snapshots + 1, snapshots, (N_SNAPSHOTS - 1) * sizeof snapshots[0]);
  snapshots[0] = take_snapshot ();
  change_crowd ();
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
sim_engine_ensure (const SimInstance *wanted, SimEngineDone done, gpointer data)
{
  ask ((Call){ .wanted = *wanted, .done = done, .data = data }, on_ensure);
}

gboolean
sim_engine_drain (const char *name)
{
  Place *place = find (name, 0);
  guint from = sim_self ()->host, host;

  if (place == NULL)
    return FALSE;
  host = sim_node_get (place->node)->host;
  if (sim_is_cut (from, host) || sim_is_cut (host, from)
      || !sim_node_get (place->node)->is_running)
    return FALSE;
  sim_node_drain (place->node);
  return TRUE;
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
      const Place *place = nodes->pdata[(from + i) % nodes->len];

      if (!sim_node_get (place->node)->is_running)
        continue;
      sim_node_end (place->node, "crashed");
      return;
    }
}

const GArray *
sim_engine_look (void)
{
  g_array_set_size (seen, 0);
  for (guint i = 0; i < nodes->len; i++)
    {
      const Place *place = nodes->pdata[i];

      if (!place->is_gone)
        g_array_append_vals (seen, sim_node_get (place->node), 1);
    }
  return seen;
}

/* --- the tree --------------------------------------------------------------
 */

/* (nullable): of an injection node too, when it runs */
static SimNode *
find_running (const char *name)
{
  Place *place;

  if (name == NULL)
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (edges); i++)
    if (edges[i] != NULL && strcmp (sim_node_get (edges[i])->name, name) == 0)
      return edges[i];
  place = find (name, 0);
  return place != NULL && sim_node_get (place->node)->is_running ? place->node
                                                                 : NULL;
}

/* hangs_well: two parents that run, on two hosts, each nearer to the top */
static gboolean
hangs_well (const ClusterPlace *place)
{
  SimNode *parent = find_running (place->parent);
  SimNode *backup = find_running (place->backup);

  return parent != NULL && backup != NULL
         && sim_node_get (parent)->host != sim_node_get (backup)->host
         && sim_node_get_place (parent)->rank < place->rank
         && sim_node_get_place (backup)->rank < place->rank;
}

const char *
sim_engine_find_badly_hung (void)
{
  for (guint i = 0; has_trees && i < nodes->len; i++)
    {
      const Place *place = nodes->pdata[i];
      const SimInstance *shown = sim_node_get (place->node);

      if (!place->is_gone && shown->is_running && !shown->is_draining
          && !hangs_well (sim_node_get_place (place->node)))
        return shown->name;
    }
  return NULL;
}

/* --- life ----------------------------------------------------------------- */

static void
place_free (gpointer data)
{
  Place *place = data;

  sim_node_free (place->node);
  g_free (place);
}

void
sim_engine_begin (void)
{
  nodes = g_ptr_array_new_with_free_func (place_free);
  seen = g_array_new (FALSE, FALSE, sizeof (SimInstance));
  is_faulty = FALSE;
  n_viewers = 0;
  crowd_us = 0;
  has_trees = sim_chance (170);
  sim_node_set_trees (has_trees);
  for (guint i = 0; i < (has_trees ? 2 : 1); i++)
    {
      SimInstance edge = { .host = 4 - i,
                           .ordinal = SIM_NO_ORDINAL,
                           .is_edge = TRUE };

      g_strlcpy (edge.name, i == 0 ? "edge" : "edge-2", sizeof edge.name);
      edges[i] = sim_node_new (&edge);
      sim_node_start (edges[i]);
    }
  on_snapshot (NULL);
}

void
sim_engine_send_home (void)
{
  n_viewers = 0;
}

void
sim_engine_end (void)
{
  for (guint i = 0; i < N_SNAPSHOTS; i++)
    g_clear_pointer (&snapshots[i], g_array_unref);
  for (guint i = 0; i < G_N_ELEMENTS (edges); i++)
    g_clear_pointer (&edges[i], sim_node_free);
  g_clear_pointer (&nodes, g_ptr_array_unref);
  g_clear_pointer (&seen, g_array_unref);
}
