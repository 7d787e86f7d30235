/* SPDX-License-Identifier: Apache-2.0 */
/* RelayPortPool: round robin, the bound, and what others hold. */
#include "base/clock.h"
#include "relay/port-pool.h"

#include <string.h>

static void
test_round_robin (void)
{
  g_autoptr (RelayPortPool) pool = relay_port_pool_new (10000, 10002, NULL);

  g_assert_cmpuint (relay_port_pool_get_n_ports (pool), ==, 3);
  g_assert_cmpuint (relay_port_pool_take (pool, 0), ==, 10000);
  relay_port_pool_give_back (pool, 10000);
  /* late packets for it must find nobody */
  g_assert_cmpuint (relay_port_pool_take (pool, 0), ==, 10001);
  g_assert_cmpuint (relay_port_pool_take (pool, 0), ==, 10002);
  g_assert_cmpuint (relay_port_pool_take (pool, 0), ==, 10000);
  g_assert_cmpuint (relay_port_pool_get_n_used (pool), ==, 3);
}

static void
test_full (void)
{
  g_autoptr (BaseMetrics) metrics = base_metrics_new ();
  g_autoptr (RelayPortPool) pool = relay_port_pool_new (65534, 65535, metrics);
  g_autofree char *text = NULL;

  g_assert_cmpuint (relay_port_pool_take (pool, 0), ==, 65534);
  text = base_metrics_render (metrics);
  g_assert_nonnull (strstr (text, "\nport_pool_utilization_percent 50\n"));
  g_assert_nonnull (
      strstr (text, "\nmedia_tree_port_pool_ports{state=\"unused\"} 1\n"));
  g_assert_cmpuint (relay_port_pool_take (pool, 0), ==, 65535);
  g_assert_cmpuint (relay_port_pool_take (pool, 0), ==, 0);
  g_free (text);
  text = base_metrics_render (metrics);
  g_assert_nonnull (strstr (text, "\nport_pool_utilization_percent 100\n"));
  g_assert_nonnull (strstr (text, "\nmedia_tree_port_pool_refused_total 1\n"));
  relay_port_pool_give_back (pool, 65534);
  g_assert_cmpuint (relay_port_pool_take (pool, 0), ==, 65534);
}

static void
test_taken (void)
{
  g_autoptr (RelayPortPool) pool = relay_port_pool_new (20000, 20001, NULL);

  g_assert_cmpuint (relay_port_pool_take (pool, 5), ==, 20000);
  relay_port_pool_mark_taken (pool, 20000, 5);
  g_assert_cmpuint (relay_port_pool_get_n_used (pool), ==, 0);
  g_assert_cmpuint (relay_port_pool_take (pool, 5), ==, 20001);
  g_assert_cmpuint (relay_port_pool_take (pool, 4 + BASE_US_PER_S), ==, 0);
  g_assert_cmpuint (relay_port_pool_take (pool, 5 + BASE_US_PER_S), ==, 20000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relay/port-pool/round-robin", test_round_robin);
  g_test_add_func ("/relay/port-pool/full", test_full);
  g_test_add_func ("/relay/port-pool/taken", test_taken);
  return g_test_run ();
}
