/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterClaim: what a node makes of what the store says of its subtree. */
#include "cluster/claim.h"

#include "cluster/store.h"

static ClusterClaimStep
hear (ClusterClaim *claim, ClusterSlotState state, gboolean is_durable)
{
  return cluster_claim_answer (claim, state, is_durable, NULL, 0);
}

static ClusterClaimStep
fail (ClusterClaim *claim, ClusterError code, gint64 now_us)
{
  g_autoptr (GError) error = g_error_new_literal (CLUSTER_ERROR, code, "no");

  return cluster_claim_answer (claim, CLUSTER_SLOT_N, FALSE, error, now_us);
}

/* what no replica has counts for nothing, whatever it says */
static void
test_opens (void)
{
  g_autoptr (ClusterClaim) claim = cluster_claim_new (FALSE, 0);

  g_assert_cmpint (hear (claim, CLUSTER_SLOT_SERVING, FALSE), ==,
                   CLUSTER_CLAIM_NOTHING);
  g_assert_false (cluster_claim_has_joined (claim));
  g_assert_false (cluster_claim_is_open (claim));
  g_assert_cmpint (cluster_claim_get_state (claim), ==, CLUSTER_SLOT_SERVING);
  hear (claim, CLUSTER_SLOT_JOINED, TRUE);
  g_assert_true (cluster_claim_has_joined (claim));
  g_assert_false (cluster_claim_is_open (claim));
  hear (claim, CLUSTER_SLOT_SERVING, FALSE);
  g_assert_false (cluster_claim_is_open (claim));
  hear (claim, CLUSTER_SLOT_SERVING, TRUE);
  g_assert_true (cluster_claim_is_open (claim));
  /* a store that is away, or forgets, changes nothing */
  g_assert_cmpint (fail (claim, CLUSTER_ERROR_AWAY, 0), ==,
                   CLUSTER_CLAIM_NOTHING);
  g_assert_cmpint (fail (claim, CLUSTER_ERROR_TAKEN, G_MAXINT64), ==,
                   CLUSTER_CLAIM_NOTHING);
  g_assert_cmpint (hear (claim, CLUSTER_SLOT_NONE, TRUE), ==,
                   CLUSTER_CLAIM_NOTHING);
  g_assert_true (cluster_claim_is_open (claim));
}

static void
test_unwanted (void)
{
  static const ClusterSlotState states[] = { CLUSTER_SLOT_NONE,
                                             CLUSTER_SLOT_DRAINING,
                                             CLUSTER_SLOT_GONE };
  gboolean waits;

  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    {
      g_autoptr (ClusterClaim) claim = cluster_claim_new (i == 1, 0);

      hear (claim, CLUSTER_SLOT_STARTING, FALSE); /* which is taken back */
      g_assert_cmpint (hear (claim, states[i], FALSE), ==, CLUSTER_CLAIM_END);
      g_assert_true (cluster_claim_is_over (claim));
      g_assert_false (cluster_claim_begin (claim, G_MAXINT64 / 2, &waits));
    }
}

static void
test_leaves (void)
{
  g_autoptr (ClusterClaim) egress = cluster_claim_new (FALSE, 0);
  g_autoptr (ClusterClaim) relay = cluster_claim_new (TRUE, 0);

  hear (egress, CLUSTER_SLOT_SERVING, TRUE);
  hear (relay, CLUSTER_SLOT_SERVING, TRUE);
  g_assert_cmpint (hear (egress, CLUSTER_SLOT_DRAINING, FALSE), ==,
                   CLUSTER_CLAIM_LEAVE);
  g_assert_cmpint (hear (relay, CLUSTER_SLOT_DRAINING, FALSE), ==,
                   CLUSTER_CLAIM_NOTHING);
  g_assert_cmpint (hear (relay, CLUSTER_SLOT_GONE, FALSE), ==,
                   CLUSTER_CLAIM_LEAVE);
  g_assert_false (cluster_claim_is_over (relay)); /* it asks on: it drains */
}

/* another boot of the name may be its own last life */
static void
test_taken (void)
{
  g_autoptr (ClusterClaim) claim = cluster_claim_new (FALSE, 1000);

  g_assert_cmpint (
      fail (claim, CLUSTER_ERROR_TAKEN, 1000 + CLUSTER_CLAIM_TAKEN_US), ==,
      CLUSTER_CLAIM_NOTHING);
  g_assert_cmpint (fail (claim, CLUSTER_ERROR_AWAY, G_MAXINT64), ==,
                   CLUSTER_CLAIM_NOTHING);
  g_assert_cmpint (
      fail (claim, CLUSTER_ERROR_TAKEN, 1001 + CLUSTER_CLAIM_TAKEN_US), ==,
      CLUSTER_CLAIM_END);
}

/* one question at a time; a closed one asks at each tick and for replicas */
static void
test_asks (void)
{
  g_autoptr (ClusterClaim) claim = cluster_claim_new (FALSE, 0);
  gboolean waits = FALSE;

  g_assert_true (cluster_claim_begin (claim, 1000, &waits));
  g_assert_true (waits);
  g_assert_false (cluster_claim_begin (claim, 2000, &waits));
  hear (claim, CLUSTER_SLOT_SERVING, FALSE);
  g_assert_true (cluster_claim_begin (claim, 3000, &waits));
  g_assert_true (waits);
  hear (claim, CLUSTER_SLOT_SERVING, TRUE);
  g_assert_false (cluster_claim_begin (
      claim, 3000 + CLUSTER_CLAIM_OPEN_ASKS_US - 1, &waits));
  g_assert_true (
      cluster_claim_begin (claim, 3000 + CLUSTER_CLAIM_OPEN_ASKS_US, &waits));
  g_assert_false (waits);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cluster/claim/opens", test_opens);
  g_test_add_func ("/cluster/claim/unwanted", test_unwanted);
  g_test_add_func ("/cluster/claim/leaves", test_leaves);
  g_test_add_func ("/cluster/claim/taken", test_taken);
  g_test_add_func ("/cluster/claim/asks", test_asks);
  return g_test_run ();
}
