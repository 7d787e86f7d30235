/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-sim: the control plane in many worlds, one a seed; TAP.
 *   test-sim --seeds 2000              each must hold
 *   test-sim --seed 17 --trace         one, told line by line
 *   test-sim --mutation fencing        without fencing: one of 1,000 must fail
 */
#include "check.h"
#include "engine.h"
#include "faults.h"
#include "leader.h"
#include "store.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>

#define FAULTS_US (25 * SIM_US_PER_S)
/* after the last fault all is well again, and stays so */
#define CALM_US (60 * SIM_US_PER_S)
#define STABLE_US (2 * SIM_US_PER_S)
#define MUTATION_SEEDS 1000
#define RICH_SEEDS 1000 /* so many must have had something of everything */

/* What is removed, to see that it is missed. */
typedef struct
{
  const char *name;
  const char *from, *to; /* (nullable) in the Lua text */
  void (*forget) (gboolean is_forgotten);
  gboolean is_lasting; /* it shows in what is left at the end */
} Mutation;

static const Mutation mutations[] = {
  { "fencing", "  if held ~= token then\n    return 'FENCED '",
    "  if false then\n    return 'FENCED '", NULL, FALSE },
  { "wait", NULL, NULL, sim_wire_forget_wait, FALSE },
  { "ordinals", NULL, NULL, sim_leaders_forget_ordinals, FALSE },
  { "join-claim", NULL, NULL, sim_node_forget_join, FALSE },
  { "sentinel-rule", NULL, NULL, sim_wire_ask_once, FALSE },
  { "claim-wait", NULL, NULL, sim_wire_forget_nodes_wait, FALSE },
  { "hosts", NULL, NULL, sim_node_forget_hosts, TRUE },
};

static gint64 first_seed = 1, n_seeds = 2000, one_seed = -1;
static gboolean is_traced;
static char *mutation_name;
static guint64 n_events;
static gint64 virtual_us,
    longest_us; /* from the last fault until all is well */

static const GOptionEntry options[] = {
  { "first", 0, 0, G_OPTION_ARG_INT64, &first_seed, "The first seed", "N" },
  { "seeds", 0, 0, G_OPTION_ARG_INT64, &n_seeds, "How many", "N" },
  { "seed", 0, 0, G_OPTION_ARG_INT64, &one_seed, "This one alone", "N" },
  { "trace", 0, 0, G_OPTION_ARG_NONE, &is_traced, "Tell what happens", NULL },
  { "mutation", 0, 0, G_OPTION_ARG_STRING, &mutation_name,
    "Without this; one of 1,000 seeds must fail", "NAME" },
  { NULL }
};

/* --- is all well ---------------------------------------------------------- */

/* (nullable): what is not */
static const char *
find_trouble (void)
{
  const GArray *all = sim_engine_look ();
  guint master = sim_store_get_master (), n_acting = 0, n_open = 0;
  gboolean serves[64] = { FALSE };
  const char *desired = sim_redis_peek (sim_store_get_redis (master),
                                        SIM_PREFIX "desired:" SIM_TREE, "n");
  gint64 n = desired != NULL ? g_ascii_strtoll (desired, NULL, 10) : 0;

  if (!sim_store_is_settled ())
    return "the store has not settled";
  for (guint i = 0; i < SIM_N_LEADERS; i++)
    n_acting += sim_leader_is_acting (i);
  if (n_acting != 1)
    return "nobody leads";
  for (guint i = 0; i < all->len; i++)
    {
      const SimInstance *instance = &g_array_index (all, SimInstance, i);

      if (instance->has_started && !instance->is_running)
        return "an instance that has ended is still there";
      if (!instance->is_open)
        continue;
      if (instance->ordinal == SIM_NO_ORDINAL || instance->ordinal >= 64)
        n_open++;
      else if (!serves[instance->ordinal])
        {
          serves[instance->ordinal] = TRUE;
          n_open++;
        }
    }
  if (n_open != n)
    return "another number serves than is desired";
  return sim_engine_find_badly_hung () != NULL
             ? "a node has no two parents on two hosts"
             : NULL;
}

/* for the trace */
static void
describe (void)
{
  const GArray *all = sim_engine_look ();
  SimRedis *redis = sim_store_get_redis (sim_store_get_master ());

  sim_trace ("%s desired",
             sim_redis_peek (redis, SIM_PREFIX "desired:" SIM_TREE, "n"));
  for (guint i = 0; i < 64; i++)
    {
      char ordinal[12];
      const char *slot;

      g_snprintf (ordinal, sizeof ordinal, "%u", i);
      slot = sim_redis_peek (redis, SIM_PREFIX "slot:" SIM_TREE, ordinal);
      if (slot != NULL)
        sim_trace ("slot %u: %s", i, slot);
    }
  for (guint i = 0; i < all->len; i++)
    {
      const SimInstance *instance = &g_array_index (all, SimInstance, i);

      sim_trace ("%s on host %u%s%s%s", instance->name, instance->host,
                 instance->is_running ? " runs" : "",
                 instance->is_open ? ", is open" : "",
                 instance->is_draining ? ", drains" : "");
    }
}

static void
run_calm (void)
{
  gint64 end_us = sim_now () + CALM_US + STABLE_US, well_us = -1;
  const char *trouble = "";

  sim_trace ("no more faults from here on");
  sim_calm ();
  sim_leaders_calm ();
  sim_engine_set_faulty (FALSE);
  while (sim_now () < end_us && sim_get_failure () == NULL)
    {
      gint64 next_us = sim_now () + 250 * SIM_US_PER_MS;

      while (sim_step (next_us))
        sim_check_now ();
      trouble = find_trouble ();
      if (trouble != NULL)
        well_us = -1;
      else if (well_us < 0)
        well_us = sim_now ();
      else if (sim_now () - well_us >= STABLE_US)
        {
          longest_us = MAX (longest_us, well_us - FAULTS_US);
          return;
        }
    }
  describe ();
  sim_fail ("liveness: 60 s after the last fault %s", trouble);
}

/* --- worlds --------------------------------------------------------------- */

/* Returns: (transfer full) (nullable): what failed */
static char *
run_seed (SimLua *lua, const Mutation *mutation, gint64 seed)
{
  char *failure;

  sim_world_begin ((guint64)seed, is_traced);
  sim_store_begin (lua);
  sim_wire_begin ();
  sim_check_begin ();
  sim_engine_begin ();
  sim_leaders_begin ();
  if (mutation != NULL && mutation->forget != NULL)
    mutation->forget (TRUE);
  sim_faults_begin (FAULTS_US);
  while (sim_step (FAULTS_US + SIM_US_PER_MS))
    sim_check_now ();
  /* what is missing must be seen by what it does, not by what it leaves undone
   */
  if (sim_get_failure () == NULL && (mutation == NULL || mutation->is_lasting))
    run_calm ();
  failure = g_strdup (sim_get_failure ());
  n_events += sim_get_n_events ();
  virtual_us += sim_now ();
  sim_leaders_end ();
  sim_engine_end ();
  sim_check_end ();
  sim_store_end ();
  sim_world_end ();
  sim_wire_end ();
  return failure;
}

static const Mutation *
find_mutation (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (mutations); i++)
    if (strcmp (mutations[i].name, name) == 0)
      return &mutations[i];
  fprintf (stderr, "test-sim: no mutation is called %s\n", name);
  exit (2);
}

/* Returns: whether it came out as it should */
static gboolean
run (const Mutation *mutation)
{
  SimLua *lua = sim_lua_new (mutation != NULL ? mutation->from : NULL,
                             mutation != NULL ? mutation->to : NULL);
  gint64 n = one_seed >= 0 ? 1 : mutation != NULL ? MUTATION_SEEDS : n_seeds;
  g_autofree char *seen = NULL;
  gboolean is_rich;
  gint64 n_failed = 0, i;

  for (i = 0; i < n && n_failed < (mutation != NULL ? 1 : 20); i++)
    {
      gint64 seed = one_seed >= 0 ? one_seed : first_seed + i;
      g_autofree char *failure = run_seed (lua, mutation, seed);

      if (failure == NULL)
        continue;
      n_failed++;
      printf ("# seed %" G_GINT64_FORMAT ": %s\n#   test-sim --seed "
              "%" G_GINT64_FORMAT "%s%s --trace\n",
              seed, failure, seed, mutation != NULL ? " --mutation " : "",
              mutation != NULL ? mutation->name : "");
      fflush (stdout);
    }
  sim_lua_free (lua);
  seen = sim_check_describe (&is_rich);
  printf ("# %" G_GINT64_FORMAT " seeds, %.0f s of their time, "
          "%" G_GUINT64_FORMAT " events, all well after %.0f s at most, "
          "%" G_GINT64_FORMAT " failed\n# %s\n",
          i, (double)virtual_us / SIM_US_PER_S, n_events,
          (double)longest_us / SIM_US_PER_S, n_failed, seen);
  if (mutation != NULL)
    return n_failed > 0;
  if (i >= RICH_SEEDS && !is_rich)
    printf ("# the worlds have become too harmless to find anything\n");
  return n_failed == 0 && (is_rich || i < RICH_SEEDS);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  const Mutation *mutation = NULL;
  gboolean ok;

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      fprintf (stderr, "test-sim: %s\n", error->message);
      return 2;
    }
  if (mutation_name != NULL)
    mutation = find_mutation (mutation_name);
  printf ("1..1\n");
  ok = run (mutation);
  printf ("%s 1 - %s%s\n", ok ? "ok" : "not ok",
          mutation != NULL ? "it is missed: " : "worlds with faults",
          mutation != NULL ? mutation->name : "");
  return ok ? 0 : 1;
}
