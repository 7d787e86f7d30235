/* SPDX-License-Identifier: Apache-2.0 */
/* node/link-stats: growth over streams and seconds, per parent. */
#include "node/link-stats.h"

#include <string.h>

static RelayInletParentStats *
add_parent (RelayInletStats *stats, const char *node, gboolean is_active)
{
  RelayInletParentStats *parent = &stats->parents[stats->n_parents++];

  g_strlcpy (parent->node, node, sizeof parent->node);
  parent->is_active = is_active;
  return parent;
}

static const ClusterLink *
find (const ClusterLoad *load, const char *node)
{
  for (guint i = 0; i < load->n_links; i++)
    if (strcmp (load->links[i].node, node) == 0)
      return &load->links[i];
  return NULL;
}

static void
test_sums (void)
{
  g_autoptr (NodeLinkStats) self = node_link_stats_new ();
  RelayInletStats one = { 0 }, two = { 0 };
  RelayInletParentStats *a = add_parent (&one, "a", TRUE);
  RelayInletParentStats *b = add_parent (&two, "a", TRUE);
  ClusterLoad load = { 0 };
  const ClusterLink *link;

  add_parent (&one, "never-asked", FALSE);
  *a = (RelayInletParentStats){ .node = "a",
                                .is_active = TRUE,
                                .is_silent = TRUE,
                                .n_packets = 90,
                                .n_first = 30,
                                .n_lost = 10,
                                .rtt_us = 500,
                                .jitter_us = 7 };
  *b = (RelayInletParentStats){ .node = "a",
                                .is_active = TRUE,
                                .n_packets = 100,
                                .n_first = 65,
                                .rtt_us = 900,
                                .jitter_us = 3 };
  node_link_stats_begin (self);
  node_link_stats_add (self, "one", &one);
  node_link_stats_add (self, "two", &two);
  node_link_stats_fill (self, &load);
  g_assert_cmpuint (load.n_links, ==, 1);
  link = find (&load, "a");
  g_assert_true (link->is_active);
  g_assert_false (link->is_silent); /* "two" is heard */
  g_assert_cmpuint (link->n_streams, ==, 2);
  g_assert_cmpfloat_with_epsilon (link->loss_ratio, 0.05, 1e-9);
  g_assert_cmpfloat_with_epsilon (link->first_ratio, 0.5, 1e-9);
  g_assert_cmpuint (link->rtt_us, ==, 900);
  g_assert_cmpuint (link->jitter_us, ==, 7);
}

/* What was lost long ago is not shown for ever, nor is what an inlet that
 * began again counts taken for less than nothing. */
static void
test_window (void)
{
  g_autoptr (NodeLinkStats) self = node_link_stats_new ();
  RelayInletStats stats = { 0 };
  RelayInletParentStats *parent = add_parent (&stats, "a", TRUE);
  ClusterLoad load = { 0 };

  parent->n_lost = 50;
  for (guint s = 0; s < NODE_LINK_WINDOW_S; s++)
    {
      parent->n_packets += 100;
      node_link_stats_begin (self);
      node_link_stats_add (self, "live", &stats);
      node_link_stats_fill (self, &load);
      g_assert_cmpfloat_with_epsilon (load.links[0].loss_ratio,
                                      50.0 / (50 + 100 * (s + 1)), 1e-9);
    }
  parent->n_packets = 20; /* began again */
  parent->n_lost = 0;
  node_link_stats_begin (self);
  node_link_stats_add (self, "live", &stats);
  node_link_stats_fill (self, &load);
  g_assert_cmpfloat (load.links[0].loss_ratio, ==, 0);
}

static void
test_forgotten (void)
{
  g_autoptr (NodeLinkStats) self = node_link_stats_new ();
  RelayInletStats stats = { 0 };
  ClusterLoad load = { 0 };

  add_parent (&stats, "a", TRUE);
  node_link_stats_begin (self);
  node_link_stats_add (self, "live", &stats);
  node_link_stats_fill (self, &load);
  g_assert_cmpuint (load.n_links, ==, 1);
  node_link_stats_begin (self);
  node_link_stats_fill (self, &load);
  g_assert_cmpuint (load.n_links, ==, 0);
}

static void
test_bound (void)
{
  g_autoptr (NodeLinkStats) self = node_link_stats_new ();
  ClusterLoad load = { 0 };

  node_link_stats_begin (self);
  for (guint i = 0; i < CLUSTER_MAX_LINKS + 2; i++)
    {
      g_autofree char *name = g_strdup_printf ("n%02u", i);
      RelayInletStats stats = { 0 };
      RelayInletParentStats *parent = add_parent (&stats, name, i != 0);

      parent->n_packets = 5; /* the first is one that we leave */
      node_link_stats_add (self, "live", &stats);
    }
  node_link_stats_fill (self, &load);
  g_assert_cmpuint (load.n_links, ==, CLUSTER_MAX_LINKS);
  g_assert_cmpstr (load.links[0].node, ==, "n01"); /* subscribed ones first */
  g_assert_null (find (&load, "n00"));
}

/* One stream from one parent, over the window's seconds; then forgotten. */
static void
test_flow (void)
{
  g_autoptr (NodeLinkStats) self = node_link_stats_new ();
  RelayInletStats one = { 0 }, two = { 0 };
  RelayInletParentStats *parent = add_parent (&one, "a", TRUE);
  double loss = 1, first = 1;

  add_parent (&two, "a", TRUE)->n_packets = 1000;
  node_link_stats_get_ratios (self, "one", "a", &loss, &first);
  g_assert_cmpfloat (loss + first, ==, 0);
  for (guint i = 1; i <= 3 * NODE_LINK_WINDOW_S; i++)
    {
      gboolean is_bad = i == 1;

      parent->n_packets += is_bad ? 50 : 100;
      parent->n_lost += is_bad ? 50 : 0;
      parent->n_first += 25;
      node_link_stats_begin (self);
      node_link_stats_add (self, "one", &one);
      node_link_stats_add (self, "two", &two);
      node_link_stats_get_ratios (self, "one", "a", &loss, &first);
      if (is_bad)
        g_assert_cmpfloat_with_epsilon (loss, 0.5, 1e-9);
      else if (i <= NODE_LINK_WINDOW_S)
        g_assert_cmpfloat_with_epsilon (loss, 0.5 / i, 1e-9);
      else
        g_assert_cmpfloat (loss, ==, 0);
    }
  g_assert_cmpfloat_with_epsilon (first, 0.25, 1e-9);
  node_link_stats_begin (self);
  node_link_stats_add (self, "two", &two);
  node_link_stats_begin (self);
  node_link_stats_get_ratios (self, "one", "a", &loss, &first);
  g_assert_cmpfloat (loss + first, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/node/link-stats/sums", test_sums);
  g_test_add_func ("/node/link-stats/window", test_window);
  g_test_add_func ("/node/link-stats/forgotten", test_forgotten);
  g_test_add_func ("/node/link-stats/bound", test_bound);
  g_test_add_func ("/node/link-stats/flow", test_flow);
  return g_test_run ();
}
