/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that are asked for their load: what is not known is never 0. */
#include "scaling/peers.h"

#include <string.h>

#include "base/clock.h"
#include "cluster/encode.h"
#include "fake-server.h"
#include "wait.h"

#define BOOT "0123456789abcdef0123456789abcdef"
#define ALL                                                                    \
  (1u << SCALING_SIGNAL_CPU | 1u << SCALING_SIGNAL_MEMORY                      \
   | 1u << SCALING_SIGNAL_PORTS | 1u << SCALING_SIGNAL_DROPS)

typedef struct
{
  FakeServer server;
  ScalingPeers *peers; /* owned, nullable */
  GPtrArray *beats;    /* owned (element-type ClusterBeat) */
  ClusterLoad load;    /* that the server says */
  char *token;         /* owned: of the last request */
} Fixture;

static FakeReply
answer (FakeServer *server, SoupServerMessage *msg, const char *path,
        GHashTable *query, const char *body)
{
  Fixture *f = server->data;
  g_autofree char *load = cluster_load_to_json (&f->load, BOOT);

  g_free (f->token);
  f->token = g_strdup (soup_message_headers_get_one (
      soup_server_message_get_request_headers (msg), "Authorization"));
  return (FakeReply){
    200, g_strdup_printf ("{\"node\":{\"node_id\":\"e1\",\"tree_id\":\"main\","
                          "\"roles\":[\"egress\"]},\"load\":%s}",
                          load)
  };
}

static void
set_up (Fixture *f, gconstpointer data)
{
  memset (f, 0, sizeof *f);
  f->server.answer = answer;
  f->server.data = f;
  fake_server_init (&f->server, NULL);
  f->beats = g_ptr_array_new_with_free_func ((GDestroyNotify)cluster_beat_free);
  f->load.cpu_ratio = 0.75;
  f->load.mem_ratio = 0.5;
  f->load.n_ports = 30;
  f->load.max_ports = 40;
  f->load.n_send_drops = 1000;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_pointer (&f->peers, scaling_peers_free);
  fake_server_clear (&f->server);
  g_ptr_array_unref (f->beats);
  g_free (f->token);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static ClusterBeat *
add (Fixture *f, const char *id, ClusterRoles roles, const char *url)
{
  ClusterBeat *beat = g_new0 (ClusterBeat, 1);

  beat->node.node_id = g_strdup (id);
  beat->node.boot_id = g_strdup (BOOT);
  beat->node.roles = roles;
  beat->node.url = g_strdup (url);
  g_ptr_array_add (f->beats, beat);
  return beat;
}

static ScalingNode
fill (Fixture *f, const ClusterBeat *beat, gint64 now_us)
{
  ScalingNode node = {
    .cpu_ratio = 0.1, .mem_ratio = 0.1, .ports_ratio = 0.1, .n_send_drops = 7
  };

  scaling_peers_fill (f->peers, &beat->node, now_us, &node);
  return node;
}

static void
test_asks (Fixture *f, gconstpointer data)
{
  ClusterBeat *beat = add (f, "e1", CLUSTER_ROLE_EGRESS, f->server.url);
  ScalingNode node;
  gint64 now_us;

  /* these are not asked: without a role that helps, without an address */
  add (f, "i1", CLUSTER_ROLE_INJECTION, f->server.url);
  add (f, "e2", CLUSTER_ROLE_EGRESS, NULL);
  f->peers = scaling_peers_new ("s3cret", ALL, 20 * G_USEC_PER_SEC);
  scaling_peers_follow (f->peers, f->beats);
  now_us = base_clock_now_us ();
  node = fill (f, beat, now_us);
  g_assert_cmpfloat (node.cpu_ratio, <, 0); /* not known yet */
  g_assert_cmpfloat (node.ports_ratio, <, 0);
  g_assert_cmpuint (node.n_send_drops, ==, 7);
  WAIT_FOR (scaling_peers_find (f->peers, &beat->node, now_us) != NULL);
  now_us = base_clock_now_us ();
  node = fill (f, beat, now_us);
  g_assert_cmpfloat_with_epsilon (node.cpu_ratio, 0.75, 0.01);
  g_assert_cmpfloat_with_epsilon (node.mem_ratio, 0.5, 0.01);
  g_assert_cmpfloat (node.ports_ratio, ==, 0.75);
  g_assert_cmpuint (node.n_send_drops, ==, 1000);
  g_assert_cmpstr (f->token, ==, "Bearer s3cret");
  g_assert_cmpuint (f->server.requests->len, ==, 1);
  /* too old; another boot */
  node = fill (f, beat, now_us + SCALING_PEERS_KEPT_US + G_USEC_PER_SEC);
  g_assert_cmpfloat (node.cpu_ratio, <, 0);
  beat->node.boot_id[0] = 'f';
  g_assert_null (scaling_peers_find (f->peers, &beat->node, now_us));
}

/* the same nodes: nobody is asked anew; others: at once */
static void
test_follows (Fixture *f, gconstpointer data)
{
  ClusterBeat *beat = add (f, "e1", CLUSTER_ROLE_EGRESS, f->server.url);
  g_autofree char *other = g_strconcat (f->server.url, "/x", NULL);

  f->peers = scaling_peers_new (NULL, ALL, 20 * G_USEC_PER_SEC);
  for (guint i = 0; i < 3; i++)
    scaling_peers_follow (f->peers, f->beats);
  WAIT_FOR (scaling_peers_find (f->peers, &beat->node, base_clock_now_us ())
            != NULL);
  g_assert_cmpuint (f->server.requests->len, ==, 1);
  g_assert_null (f->token);
  add (f, "r1", CLUSTER_ROLE_RELAY, other);
  scaling_peers_follow (f->peers, f->beats);
  WAIT_FOR (fake_server_count (&f->server, "GET /x/monitoring/system") == 1);
  g_ptr_array_set_size (f->beats, 0);
  scaling_peers_follow (f->peers, f->beats);
}

/* only what the policy asks for is another's word */
static void
test_signals (Fixture *f, gconstpointer data)
{
  ClusterBeat *beat = add (f, "e1", CLUSTER_ROLE_EGRESS, f->server.url);
  ScalingNode node;

  f->peers = scaling_peers_new (NULL, 1u << SCALING_SIGNAL_MEMORY,
                                20 * G_USEC_PER_SEC);
  node = fill (f, beat, base_clock_now_us ());
  g_assert_cmpfloat (node.cpu_ratio, ==, 0.1);
  g_assert_cmpfloat (node.mem_ratio, <, 0);
  g_assert_cmpfloat (node.ports_ratio, ==, 0.1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/scaling/peers/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("asks", test_asks);
  ADD ("follows", test_follows);
  ADD ("signals", test_signals);
  return g_test_run ();
}
