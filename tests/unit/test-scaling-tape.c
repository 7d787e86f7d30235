/* SPDX-License-Identifier: Apache-2.0 */
/* A tape replays to the decisions that were made; full, it stops. */
#include "scaling/tape.h"

#include <string.h>

#include "scaling/record.h"

#define S G_USEC_PER_SEC
#define T0 (1000 * (gint64)S)

typedef struct
{
  ScalingTape *tape;
  ScalingPolicies *policies;
  ScalingPolicy policy;
  ScalingHistory *history;
  ScalingNode nodes[10];
  ScalingSnapshot snapshot;
  ScalingDecision decision;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  memset (f, 0, sizeof *f);
  f->tape = scaling_tape_new (GPOINTER_TO_SIZE (data));
  f->policies = scaling_policies_new_default ();
  f->policy = f->policies->policies[0];
  f->history = g_new0 (ScalingHistory, 1);
  f->snapshot.nodes = f->nodes;
  f->snapshot.n_nodes = G_N_ELEMENTS (f->nodes);
  f->snapshot.now_us = T0;
  f->snapshot.now_wall_s = 1700000000;
  f->snapshot.disturbed_us = G_MININT64;
  f->snapshot.join_p95_us = -1;
  g_strlcpy (f->snapshot.tree_id, "main", sizeof f->snapshot.tree_id);
  for (guint i = 0; i < G_N_ELEMENTS (f->nodes); i++)
    {
      g_snprintf (f->nodes[i].node_id, sizeof f->nodes[i].node_id, "e%u", i);
      g_strlcpy (f->nodes[i].boot_id, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0",
                 sizeof f->nodes[i].boot_id);
      f->nodes[i].roles = CLUSTER_ROLE_EGRESS;
      f->nodes[i].is_fresh = TRUE;
      f->nodes[i].n_slots = 100;
    }
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  scaling_tape_free (f->tape);
  scaling_policies_free (f->policies);
  g_free (f->history);
}

/* turn: a second in which viewers come */
static void
turn (Fixture *f, guint n_more)
{
  f->snapshot.now_us += S;
  f->snapshot.now_wall_s++;
  for (guint i = 0; i < G_N_ELEMENTS (f->nodes); i++)
    {
      f->nodes[i].n_viewers += n_more;
      f->nodes[i].n_joins += n_more;
    }
  scaling_decide (&f->policy, &f->snapshot, f->history, &f->decision);
  scaling_tape_add (f->tape, &f->snapshot, &f->decision);
  f->snapshot.n_desired = f->decision.n_wanted;
}

static ScalingReplay
replay (Fixture *f)
{
  g_autoptr (GBytes) bytes = scaling_tape_dup_bytes (f->tape);
  g_autoptr (GError) error = NULL;
  ScalingReplay ret;
  gsize n_bytes;
  const guint8 *data = g_bytes_get_data (bytes, &n_bytes);

  g_assert_true (scaling_record_replay (data, n_bytes, &ret, &error));
  g_assert_no_error (error);
  return ret;
}

static void
test_replays (Fixture *f, gconstpointer data)
{
  ScalingReplay said;

  scaling_tape_begin (f->tape);
  scaling_tape_set_policy (f->tape, f->policies, &f->policy);
  for (guint i = 0; i < 30; i++)
    turn (f, 3);
  /* another leader, with an empty history */
  memset (f->history, 0, sizeof *f->history);
  scaling_tape_begin (f->tape);
  for (guint i = 0; i < 10; i++)
    turn (f, 0);
  said = replay (f);
  g_assert_cmpuint (said.n_ticks, ==, 40);
  g_assert_cmpuint (scaling_tape_get_n_ticks (f->tape), ==, 40);
  g_assert_cmpuint (said.n_begins, ==, 2);
  g_assert_cmpuint (said.n_out, >, 0);
  g_assert_cmpuint (said.n_different, ==, 0);
}

/* what a node's settings made of the policy decides in the replay too */
static void
test_settings (Fixture *f, gconstpointer data)
{
  ScalingReplay said;

  f->policy.min_replicas = 40;
  f->policy.max_replicas = 60;
  f->policy.n_max_nodes = 70;
  scaling_tape_begin (f->tape);
  scaling_tape_set_policy (f->tape, f->policies, &f->policy);
  for (guint i = 0; i < 5; i++)
    turn (f, 1);
  g_assert_cmpuint (f->decision.n_wanted, >=, 2);
  said = replay (f);
  g_assert_cmpuint (said.n_ticks, ==, 5);
  g_assert_cmpuint (said.n_different, ==, 0);
}

static void
test_limit (Fixture *f, gconstpointer data)
{
  guint64 n_ticks;

  scaling_tape_begin (f->tape);
  scaling_tape_set_policy (f->tape, f->policies, &f->policy);
  for (guint i = 0; i < 1000 && !scaling_tape_is_full (f->tape); i++)
    turn (f, i % 3);
  g_assert_true (scaling_tape_is_full (f->tape));
  n_ticks = scaling_tape_get_n_ticks (f->tape);
  turn (f, 1);
  g_assert_cmpuint (scaling_tape_get_n_ticks (f->tape), ==, n_ticks);
  g_assert_cmpuint (replay (f).n_ticks, ==, n_ticks);
  g_assert_cmpuint (replay (f).n_different, ==, 0);
  /* it begins anew with a leader */
  memset (f->history, 0, sizeof *f->history);
  scaling_tape_begin (f->tape);
  g_assert_false (scaling_tape_is_full (f->tape));
  turn (f, 1);
  g_assert_cmpuint (replay (f).n_ticks, ==, 1);
  g_assert_cmpuint (replay (f).n_different, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func, max_bytes)                                             \
  g_test_add ("/scaling/tape/" name, Fixture, GSIZE_TO_POINTER (max_bytes),    \
              set_up, func, tear_down)
  ADD ("replays", test_replays, 0);
  ADD ("settings", test_settings, 0);
  ADD ("limit", test_limit, 20000);
  return g_test_run ();
}
