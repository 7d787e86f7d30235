/* SPDX-License-Identifier: Apache-2.0 */
/* What steers, from bytes: good, empty, and of other shapes. */
#include "cluster/steering.h"

#include <string.h>

#include "cluster/store.h"
#include "reply-fixture.h"

static const char *const good[] = { "3",
                                    "1",
                                    "anna",
                                    "1700000000000",
                                    "{\"wanted\":4}",
                                    "max",
                                    "6",
                                    "1700000002000",
                                    "1700000000000-1",
                                    "waiting",
                                    "5",
                                    "4",
                                    "6",
                                    "more joins",
                                    "1700000000000",
                                    "1700000600000",
                                    "",
                                    "1700000001000" };
#define N_ITEMS G_N_ELEMENTS (good)

/* read_with: good, but for one item */
static gboolean
read_with (guint at, const char *value, ClusterSteering *ret, GError **error)
{
  const char *texts[N_ITEMS];
  g_autoptr (ClusterReply) reply = NULL;

  memcpy (texts, good, sizeof texts);
  texts[at] = value;
  reply = reply_make (texts, N_ITEMS);
  return cluster_read_steering (reply, ret, error);
}

static void
test_good (void)
{
  g_auto (ClusterSteering) steering = { 0 };

  g_assert_true (read_with (0, "3", &steering, NULL));
  g_assert_cmpuint (steering.version, ==, 3);
  g_assert_true (steering.is_on);
  g_assert_cmpstr (steering.by, ==, "anna");
  g_assert_cmpstr (steering.decision, ==, "{\"wanted\":4}");
  g_assert_true (steering.has_pin);
  g_assert_false (steering.pin_is_floor);
  g_assert_cmpuint (steering.n_pin, ==, 6);
  g_assert_cmpint (steering.proposal.state, ==, CLUSTER_PROPOSAL_WAITING);
  g_assert_cmpstr (steering.proposal.id, ==, "1700000000000-1");
  g_assert_cmpuint (steering.proposal.version, ==, 5);
  g_assert_cmpuint (steering.proposal.n_before, ==, 4);
  g_assert_cmpuint (steering.proposal.n_after, ==, 6);
  g_assert_cmpint (steering.proposal.end_wall_ms, ==, 1700000600000);
}

static void
test_empty (void)
{
  const char *texts[N_ITEMS];
  g_autoptr (ClusterReply) reply = NULL;
  g_auto (ClusterSteering) steering = { 0 };

  for (guint i = 0; i < N_ITEMS; i++)
    texts[i] = "~";
  reply = reply_make (texts, N_ITEMS);
  g_assert_true (cluster_read_steering (reply, &steering, NULL));
  g_assert_cmpuint (steering.version, ==, 0);
  g_assert_false (steering.is_on);
  g_assert_false (steering.has_pin);
  g_assert_null (steering.decision);
  g_assert_cmpint (steering.proposal.state, ==, CLUSTER_PROPOSAL_NONE);
}

/* what is over by the store's clock */
static void
test_over (void)
{
  g_auto (ClusterSteering) late = { 0 }, answered = { 0 };

  g_assert_true (read_with (17, "1700000600000", &late, NULL));
  g_assert_false (late.has_pin);
  g_assert_cmpint (late.proposal.state, ==, CLUSTER_PROPOSAL_EXPIRED);
  g_assert_true (read_with (9, "approved", &answered, NULL));
  g_assert_cmpint (answered.proposal.state, ==, CLUSTER_PROPOSAL_APPROVED);
}

static void
test_bad (void)
{
  static const struct
  {
    guint at;
    const char *value;
  } bad[] = { { 0, "-1" },  { 1, "~" },        { 1, "2" },      { 3, "x" },
              { 6, "-6" },  { 7, "1e9" },      { 8, "../x" },   { 8, "1-" },
              { 8, "-1" },  { 9, "expired" },  { 9, "maybe" },  { 10, "x" },
              { 11, "-1" }, { 12, "9999999" }, { 15, "later" }, { 17, "x" } };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      ClusterSteering steering = { .version = 77 };

      g_assert_false (read_with (bad[i].at, bad[i].value, &steering, &error));
      g_assert_error (error, CLUSTER_ERROR, CLUSTER_ERROR_PROTOCOL);
      g_assert_cmpuint (steering.version, ==, 77);
    }
  for (guint n = 0; n < N_ITEMS; n++)
    {
      g_autoptr (ClusterReply) reply = reply_make (good, n);
      ClusterSteering steering;

      g_assert_false (cluster_read_steering (reply, &steering, NULL));
    }
}

/* what is too long is as if it were not there */
static void
test_limit (void)
{
  g_autofree char *fits = g_strnfill (CLUSTER_DECISION_MAX_BYTES, 'x');
  g_autofree char *long_text = g_strnfill (CLUSTER_DECISION_MAX_BYTES + 1, 'x');
  g_auto (ClusterSteering) with = { 0 }, without = { 0 };

  g_assert_true (read_with (4, fits, &with, NULL));
  g_assert_nonnull (with.decision);
  g_assert_true (read_with (4, long_text, &without, NULL));
  g_assert_null (without.decision);
}

static void
test_entry (void)
{
  g_autofree char *digits = g_strnfill (CLUSTER_ENTRY_MAX_CHARS - 1, '1');
  g_autofree char *long_id = g_strconcat (digits, "-1", NULL);

  g_assert_true (cluster_entry_is_valid ("0-0"));
  g_assert_true (cluster_entry_is_valid (long_id + 1));
  g_assert_false (cluster_entry_is_valid (long_id));
  g_assert_false (cluster_entry_is_valid (""));
  g_assert_false (cluster_entry_is_valid ("1"));
  g_assert_false (cluster_entry_is_valid ("1-2-3"));
  g_assert_false (cluster_entry_is_valid ("a-1"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cluster/steering/good", test_good);
  g_test_add_func ("/cluster/steering/empty", test_empty);
  g_test_add_func ("/cluster/steering/over", test_over);
  g_test_add_func ("/cluster/steering/bad", test_bad);
  g_test_add_func ("/cluster/steering/limit", test_limit);
  g_test_add_func ("/cluster/steering/entry", test_entry);
  return g_test_run ();
}
