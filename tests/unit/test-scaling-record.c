/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingRecord: a day of decisions replays to the same; what is cut off or
 * foreign is told. */
#include <math.h>
#include <string.h>

#include "scaling-fixture.h"
#include "scaling/record.h"
#include "scaling/simulate.h"

typedef struct
{
  ScalingRecord *record; /* owned */
  GByteArray *bytes;     /* owned */
  guint n_ticks;
  gsize policy_end; /* where the ticks begin */
} Tape;

static void
tape_clear (Tape *self)
{
  scaling_record_free (self->record);
  g_byte_array_unref (self->bytes);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Tape, tape_clear)

static Tape
tape_new (const ScalingPolicies *policies, const char *name)
{
  Tape self = { .record = scaling_record_new (), .bytes = g_byte_array_new () };

  scaling_record_add_begin (self.record, self.bytes);
  scaling_record_add_policy (self.record, self.bytes, policies, name);
  self.policy_end = self.bytes->len;
  return self;
}

static void
on_tick (const ScalingSnapshot *snapshot, const ScalingDecision *decision,
         gpointer data)
{
  Tape *tape = data;

  tape->n_ticks++;
  scaling_record_add_tick (tape->record, tape->bytes, snapshot, decision);
}

static ScalingReplay
replay (const Tape *tape)
{
  g_autoptr (GError) error = NULL;
  ScalingReplay result;

  scaling_record_replay (tape->bytes->data, tape->bytes->len, &result, &error);
  g_assert_no_error (error);
  return result;
}

static void
load (const char *path, char **text, gsize *n_bytes)
{
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, text, n_bytes, &error);
  g_assert_no_error (error);
}

static void
test_day (void)
{
  g_autofree char *curve = NULL, *json = NULL;
  gsize curve_bytes, json_bytes;
  g_autoptr (ScalingPolicies) policies = NULL;
  g_autoptr (ScalingTrace) trace = NULL;
  g_autoptr (ScalingSimulation) result = NULL;
  ScalingSimulateOptions options;
  const ScalingPolicy *policy;
  ScalingReplay again;

  load (SCALING_DIR "/traces/day.csv", &curve, &curve_bytes);
  load (SCALING_DIR "/traces/large.json", &json, &json_bytes);
  trace = scaling_trace_parse (curve, curve_bytes, NULL);
  policies = scaling_policies_parse (json, json_bytes, NULL);
  g_assert_true (trace != NULL && policies != NULL);
  policy = scaling_policies_find (policies, "egress", "main");
  {
    g_auto (Tape) tape = tape_new (policies, policy->name);

    options = scaling_simulate_default (policy);
    options.on_tick = on_tick;
    options.data = &tape;
    result = scaling_simulate (policy, trace, &options);
    again = replay (&tape);
    g_test_message ("%u rows, %.0f bytes each", tape.n_ticks,
                    (double)tape.bytes->len / tape.n_ticks);
    g_assert_cmpuint (tape.n_ticks, ==, 86401);
    g_assert_cmpuint (again.n_ticks, ==, tape.n_ticks);
    g_assert_cmpuint (again.n_different, ==, 0);
    g_assert_cmpuint (again.n_out, ==, result->n_out);
    g_assert_cmpuint (again.n_in, ==, result->n_in);
  }
}

/* What a tree can look like: all fields, restarts, silence, odd numbers. */
static void
scramble (Tree *tree, GRand *rand)
{
  ScalingSnapshot *snapshot = &tree->snapshot;

  tree_set_viewers (tree, (guint)g_rand_int_range (rand, 0, 6000));
  for (guint i = 0; i < snapshot->n_nodes; i++)
    {
      ScalingNode *node = &tree->nodes[i];

      node->is_fresh = g_rand_int_range (rand, 0, 9) != 0;
      node->is_draining = g_rand_int_range (rand, 0, 99) == 0;
      node->cpu_ratio = g_rand_boolean (rand) ? g_rand_double (rand) : 0.1234;
      node->mem_ratio = g_rand_boolean (rand) ? -1 : NAN;
      node->n_refused += (guint64)g_rand_int_range (rand, 0, 3);
      node->n_joins = ((guint64)g_rand_int (rand) << 32) | g_rand_int (rand);
      node->boot_id[3] = (char)g_rand_int_range (rand, 'a', 'c');
    }
  snapshot->external[SCALING_SIGNAL_CPU] =
      (ScalingReading){ g_rand_boolean (rand), 0 };
  if (snapshot->external[SCALING_SIGNAL_CPU].is_known)
    snapshot->external[SCALING_SIGNAL_CPU].value =
        g_rand_double_range (rand, -1e20, 1e20);
  snapshot->n_warm = (guint)g_rand_int_range (rand, 0, 3);
  snapshot->join_p95_us = g_rand_int_range (rand, -1, 5000000);
  snapshot->cold_lead_us = g_rand_int_range (rand, 0, 90000000);
  snapshot->disturbed_us =
      g_rand_boolean (rand) ? G_MININT64 : snapshot->now_us;
}

/* resize: without the look that tree_grow takes in between */
static void
resize (Tree *tree, guint n_subtrees)
{
  guint n_nodes = n_subtrees * tree->policy.egress_per_subtree;

  if (n_nodes > tree->snapshot.n_nodes)
    tree_grow (tree, n_subtrees);
  tree->snapshot.n_nodes = n_nodes;
  tree->snapshot.n_desired = tree->snapshot.n_serving = n_subtrees;
}

static Tape
record_life (Tree *tree, guint seed, guint n_ticks)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  Tape tape;

  tree->policy = *scaling_policies_find (tree->policies, "egress", "main");
  tape = tape_new (tree->policies, tree->policy.name);
  for (guint i = 0; i < n_ticks; i++)
    {
      scramble (tree, rand);
      tree_run (tree, 1);
      on_tick (&tree->snapshot, &tree->decision, &tape);
      if (i % 10 == 9)
        resize (tree, (guint)g_rand_int_range (rand, 1, 6));
    }
  return tape;
}

static void
test_all_fields (void)
{
  for (guint seed = 0; seed < 20; seed++)
    {
      g_autoptr (Tree) tree = tree_new ();
      g_auto (Tape) tape = record_life (tree, seed, 200);
      ScalingReplay again = replay (&tape);

      g_assert_cmpuint (again.n_ticks, ==, 200);
      g_assert_cmpuint (again.n_different, ==, 0);
    }
}

/* Other rules decide otherwise, and it shows; another leader begins anew. */
static void
test_differences (void)
{
  g_autoptr (Tree) tree = tree_new ();
  g_auto (Tape) tape = record_life (tree, 1, 50);
  g_autofree ScalingHistory *fresh = g_new0 (ScalingHistory, 1);
  ScalingReplay again;

  tree_run (tree, 1);
  tree->decision.n_wanted++;
  on_tick (&tree->snapshot, &tree->decision, &tape);
  again = replay (&tape);
  g_assert_cmpuint (again.n_different, ==, 1);
  g_assert_cmpuint (again.first_tick, ==, again.n_ticks);
  g_assert_cmpint (again.first_wall_s, ==, tree->snapshot.now_wall_s);
  g_assert_cmpuint (again.then.n_wanted, ==, again.now.n_wanted + 1);
  g_assert_cmpuint (strlen (again.now.reason), >, 0);

  scaling_record_add_begin (tape.record, tape.bytes);
  tree->snapshot.now_us = TREE_SECOND_US; /* a machine of its own */
  scaling_decide (&tree->policy, &tree->snapshot, fresh, &tree->decision);
  on_tick (&tree->snapshot, &tree->decision, &tape);
  again = replay (&tape);
  g_assert_cmpuint (again.n_begins, ==, 2);
  g_assert_cmpuint (again.n_different, ==, 1);
}

static void
assert_fault (const GByteArray *bytes, gsize n_bytes, const char *part)
{
  g_autoptr (GError) error = NULL;
  ScalingReplay result;

  g_assert_false (
      scaling_record_replay (bytes->data, n_bytes, &result, &error));
  g_assert_error (error, SCALING_RECORD_ERROR, SCALING_RECORD_ERROR_INVALID);
  if (strstr (error->message, part) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, part);
}

static void
test_faults (void)
{
  g_autoptr (Tree) tree = tree_new ();
  g_auto (Tape) tape = record_life (tree, 2, 3);
  g_autoptr (GByteArray) other = g_byte_array_new ();
  const guint8 kind[] = { 1, 9 }, begin[] = { 2, 1, 0 },
               endless[] = { 0xff, 0xff, 0xff, 0xff, 0xff,
                             0xff, 0xff, 0xff, 0xff, 0xff };

  assert_fault (tape.bytes, tape.bytes->len - 1, "row 5: is cut off");
  assert_fault (tape.bytes, 1, "row 1: is cut off");
  g_byte_array_append (other, kind, sizeof kind);
  assert_fault (other, other->len, "row 1: is of no kind");
  g_byte_array_set_size (other, 0);
  g_byte_array_append (other, begin, sizeof begin);
  assert_fault (other, other->len, "row 1: is no beginning");
  g_byte_array_set_size (other, 0);
  g_byte_array_append (other, endless, sizeof endless);
  assert_fault (other, other->len, "row 1: is cut off or too long");
  g_byte_array_set_size (other, 0);
  g_byte_array_append (other, tape.bytes->data + tape.policy_end,
                       (guint)(tape.bytes->len - tape.policy_end));
  assert_fault (other, other->len, "row 1: a tick comes before a policy");
}

/* A byte that is other is told or makes other decisions or none: never more
 * than that. */
static void
test_flipped (void)
{
  g_autoptr (Tree) tree = tree_new ();
  g_auto (Tape) tape = record_life (tree, 3, 4);

  for (gsize i = 0; i < tape.bytes->len; i += 3)
    {
      g_autoptr (GError) error = NULL;
      ScalingReplay result;

      tape.bytes->data[i] ^= 0x11;
      if (!scaling_record_replay (tape.bytes->data, tape.bytes->len, &result,
                                  &error))
        g_assert_nonnull (error);
      tape.bytes->data[i] ^= 0x11;
    }
  g_assert_cmpuint (replay (&tape).n_different, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/record/day", test_day);
  g_test_add_func ("/scaling/record/all-fields", test_all_fields);
  g_test_add_func ("/scaling/record/differences", test_differences);
  g_test_add_func ("/scaling/record/faults", test_faults);
  g_test_add_func ("/scaling/record/flipped", test_flipped);
  return g_test_run ();
}
