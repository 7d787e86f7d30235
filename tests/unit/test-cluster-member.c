/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterMember: several of them in one memory store, on a virtual clock. */
#include "cluster/member-private.h"
#include "cluster/store-memory.h"
#include "tests/unit/wait.h"

#include <string.h>

#define MAX_MEMBERS 8

typedef struct
{
  ClusterMember *member; /* owned, nullable */
  guint n_parents_changed, n_changed, n_ended, n_lost, n_taken;
  char last_origin[CLUSTER_NAME_MAX_CHARS + 1];
  gboolean is_parent_heard;
  guint64 ext_seq;
  guint max_viewers;
} Node;

typedef struct
{
  gint64 now_us;
  ClusterMemory *memory;
  BaseMetrics *metrics;
  Node nodes[MAX_MEMBERS];
  guint n_nodes;
} Fixture;

static gint64
on_clock (gpointer data)
{
  return *(gint64 *)data;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  memset (f, 0, sizeof *f);
  f->now_us = 1000 * BASE_US_PER_S;
  f->memory = cluster_memory_new ("main");
  cluster_memory_set_clock (f->memory, &f->now_us);
  f->metrics = base_metrics_new ();
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < f->n_nodes; i++)
    g_clear_pointer (&f->nodes[i].member, cluster_member_free);
  cluster_memory_unref (f->memory);
  base_metrics_free (f->metrics);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
on_parents_changed (gpointer data)
{
  ((Node *)data)->n_parents_changed++;
}

static void
on_stream_changed (const ClusterStream *stream, gpointer data)
{
  Node *node = data;

  node->n_changed++;
  g_strlcpy (node->last_origin, stream->origin, sizeof node->last_origin);
}

static void
on_stream_ended (const char *name, gpointer data)
{
  ((Node *)data)->n_ended++;
}

static void
on_stream_lost (const ClusterStream *now, gpointer data)
{
  ((Node *)data)->n_lost++;
}

static void
fill_load (ClusterLoad *load, gpointer data)
{
  load->max_viewers = ((Node *)data)->max_viewers;
}

static void
fill_stream (ClusterStream *stream, gpointer data)
{
  stream->ext_seq[1] = ((Node *)data)->ext_seq;
}

static gboolean
is_parent_silent (const char *node_id, gpointer data)
{
  return !((Node *)data)->is_parent_heard;
}

static void
on_id_taken (gpointer data)
{
  ((Node *)data)->n_taken++;
}

/* Each start has a boot of its own. */
static Node *
start (Fixture *f, const char *id, ClusterRoles roles)
{
  static guint n_boots;
  g_autofree char *boot = g_strdup_printf ("%032x", ++n_boots);
  g_autofree char *host = g_strdup_printf ("h%u", f->n_nodes);
  Node *node = &f->nodes[f->n_nodes++];
  ClusterMemberConfig config = {
    .store = cluster_memory_open (f->memory),
    .node = { (char *)id, boot, "main", roles, host, "http://127.0.0.1:1",
              "127.0.0.1:7100", 1 },
    .max_children = 16,
    .metrics = f->metrics,
    .callbacks = { on_parents_changed, on_stream_changed, on_stream_ended,
                   on_stream_lost, fill_load, fill_stream, is_parent_silent,
                   on_id_taken },
    .data = node,
  };

  g_assert_cmpuint (f->n_nodes, <=, MAX_MEMBERS);
  node->max_viewers = 10;
  node->member = cluster_member_new (&config);
  cluster_member_set_clock (node->member, on_clock, &f->now_us);
  g_assert_false (cluster_member_has_tried (node->member));
  cluster_member_start (node->member);
  return node;
}

static void
drain (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
run (Fixture *f, guint n_seconds)
{
  drain ();
  for (guint s = 0; s < n_seconds; s++)
    {
      f->now_us += BASE_US_PER_S;
      for (guint i = 0; i < f->n_nodes; i++)
        if (f->nodes[i].member != NULL)
          cluster_member_tick (f->nodes[i].member);
      drain ();
    }
}

/* as kill -9 does */
static void
kill_node (Node *node)
{
  g_clear_pointer (&node->member, cluster_member_free);
}

static guint
n_alive (Node *node)
{
  GPtrArray *peers = cluster_member_get_peers (node->member);
  guint n = 0;

  for (guint i = 0; i < peers->len; i++)
    n += ((ClusterPeer *)peers->pdata[i])->is_alive;
  return n;
}

static void
assert_parents (Node *node, const char *parent, const char *backup)
{
  guint n;
  GPtrArray *parents = cluster_member_get_parents (node->member, &n);

  g_assert_cmpuint (n, ==, (parent != NULL) + (backup != NULL));
  if (parent != NULL)
    g_assert_cmpstr (((ClusterPeer *)parents->pdata[0])->node.node_id, ==,
                     parent);
  if (backup != NULL)
    g_assert_cmpstr (((ClusterPeer *)parents->pdata[1])->node.node_id, ==,
                     backup);
}

static ClusterStream *
begin (Node *node, const char *publication, ClusterStream *floor)
{
  ClusterStream *stream = cluster_stream_new ();

  stream->name = g_strdup ("live");
  stream->publication = g_strdup (publication);
  stream->info = g_strdup ("{}");
  cluster_member_begin_stream (node->member, stream, floor);
  return stream;
}

#define PUB_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define PUB_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* --- cases -------------------------------------------------------------- */

static void
test_meet (Fixture *f, gconstpointer data)
{
  Node *injection = start (f, "i", CLUSTER_ROLE_INJECTION);
  Node *relays[2], *egress;

  run (f, 2);
  relays[0] = start (f, "r0", CLUSTER_ROLE_RELAY);
  run (f, 2);
  relays[1] = start (f, "r1", CLUSTER_ROLE_RELAY);
  egress = start (f, "e", CLUSTER_ROLE_EGRESS);
  run (f, 4);
  g_assert_true (cluster_member_has_tried (egress->member));
  for (guint i = 0; i < f->n_nodes; i++)
    g_assert_cmpuint (n_alive (&f->nodes[i]), ==, 4);
  assert_parents (injection, NULL, NULL);
  assert_parents (relays[0], "i", NULL);
  assert_parents (relays[1], "i", "r0");
  g_assert_cmpuint (cluster_member_get_parents (egress->member, NULL)->len, ==,
                    3);

  /* when nothing changes nobody is told anything */
  for (guint i = 0; i < f->n_nodes; i++)
    f->nodes[i].n_parents_changed = 0;
  run (f, 30);
  for (guint i = 0; i < f->n_nodes; i++)
    g_assert_cmpuint (f->nodes[i].n_parents_changed, ==, 0);
}

/* @dead alone is among those who went without a word */
static void
assert_gone (Node *node, const char *dead)
{
  GPtrArray *gone = cluster_member_get_gone (node->member);
  const ClusterPeer *peer;

  g_assert_cmpuint (gone->len, ==, 1);
  peer = gone->pdata[0];
  g_assert_cmpstr (peer->node.node_id, ==, dead);
  g_assert_false (peer->is_alive);
  g_assert_null (cluster_member_find_peer (node->member, dead));
}

static void
test_die (Fixture *f, gconstpointer data)
{
  Node *egress, *parent = NULL;
  guint n;
  g_autofree char *id = NULL;

  start (f, "i", CLUSTER_ROLE_INJECTION);
  start (f, "r0", CLUSTER_ROLE_RELAY);
  start (f, "r1", CLUSTER_ROLE_RELAY);
  start (f, "r2", CLUSTER_ROLE_RELAY);
  run (f, 5);
  egress = start (f, "e", CLUSTER_ROLE_EGRESS);
  run (f, 3);
  {
    GPtrArray *parents = cluster_member_get_parents (egress->member, &n);
    id = g_strdup (((ClusterPeer *)parents->pdata[0])->node.node_id);
    g_assert_cmpuint (n, ==, 2);
    for (guint i = 0; i < f->n_nodes; i++)
      if (strcmp (f->nodes[i].member->node.node_id, id) == 0)
        parent = &f->nodes[i];
  }
  /* it does not beat, but its packets come: it stays a parent */
  egress->is_parent_heard = TRUE;
  kill_node (parent);
  run (f, 5);
  g_assert_cmpuint (n_alive (egress), ==, 4);
  cluster_member_get_parents (egress->member, &n);
  g_assert_cmpuint (n, ==, 2);
  /* now it is silent too */
  egress->is_parent_heard = FALSE;
  run (f, 2);
  cluster_member_get_parents (egress->member, &n);
  g_assert_cmpuint (n, ==, 2);
  g_assert_cmpuint (cluster_member_get_peers (egress->member)->len, ==, 4);
  assert_gone (egress, id);
  run (f, 70);
  g_assert_cmpuint (cluster_member_get_gone (egress->member)->len, ==, 0);
}

static void
test_streams (Fixture *f, gconstpointer data)
{
  Node *one = start (f, "i1", CLUSTER_ROLE_INJECTION);
  Node *two = start (f, "i2", CLUSTER_ROLE_INJECTION);
  Node *egress = start (f, "e", CLUSTER_ROLE_EGRESS), *late;
  g_autoptr (ClusterStream) a = NULL;
  g_autoptr (ClusterStream) b = NULL;
  g_autoptr (ClusterStream) c = NULL;
  ClusterStream floor;
  const ClusterStream *seen;

  run (f, 2);
  a = begin (one, PUB_A, &floor);
  g_assert_cmpuint (a->epoch, ==, 1);
  g_assert_cmpuint (floor.epoch, ==, 0);
  run (f, 0); /* by the hint alone */
  g_assert_cmpuint (egress->n_changed, ==, 1);
  g_assert_cmpstr (egress->last_origin, ==, "i1");
  one->ext_seq = 70000;
  run (f, 6);
  seen = cluster_member_find_stream (egress->member, "live");
  g_assert_cmpuint (seen->ext_seq[1], ==, 70000);
  g_assert_cmpuint (egress->n_changed, ==, 1);

  /* taken over by another node */
  b = begin (two, PUB_B, &floor);
  g_assert_cmpuint (b->epoch, ==, 2);
  g_assert_cmpuint (floor.ext_seq[1], ==, 70000);
  run (f, 1);
  g_assert_cmpuint (one->n_lost, ==, 1);
  g_assert_cmpuint (one->n_changed, ==, 1); /* i2's, now another's */
  g_assert_cmpuint (two->n_lost, ==, 0);
  g_assert_cmpuint (egress->n_changed, ==, 2);
  g_assert_cmpstr (egress->last_origin, ==, "i2");

  cluster_member_end_stream (two->member, "live");
  g_assert_null (cluster_member_find_stream (two->member, "live"));
  run (f, 0);
  g_assert_cmpuint (egress->n_ended, ==, 1);
  g_assert_cmpuint (one->n_ended, ==, 1);
  g_assert_cmpuint (two->n_ended, ==, 0);

  /* who comes later goes on from its numbers */
  late = start (f, "i3", CLUSTER_ROLE_INJECTION);
  run (f, 1);
  c = begin (late, PUB_A, &floor);
  g_assert_cmpuint (floor.epoch, ==, 2);
  g_assert_cmpuint (c->epoch, ==, 3);
}

static void
test_conflict (Fixture *f, gconstpointer data)
{
  Node *one = start (f, "i1", CLUSTER_ROLE_INJECTION);
  Node *two = start (f, "i2", CLUSTER_ROLE_INJECTION);
  g_autoptr (ClusterStream) a = NULL;
  g_autoptr (ClusterStream) b = NULL;

  run (f, 2);
  a = begin (one, PUB_A, NULL);
  b = begin (two, PUB_B, NULL);
  g_assert_cmpuint (a->epoch, ==, b->epoch);
  run (f, 2);
  g_assert_cmpuint (one->n_lost, ==, 1);
  g_assert_cmpuint (two->n_lost, ==, 0);
  g_assert_cmpstr (cluster_member_find_stream (one->member, "live")->origin, ==,
                   "i2");
  g_assert_cmpuint (cluster_member_find_stream (two->member, "live")->epoch, ==,
                    2);
}

static void
test_origin_dies (Fixture *f, gconstpointer data)
{
  Node *origin = start (f, "i", CLUSTER_ROLE_INJECTION);
  Node *egress = start (f, "e", CLUSTER_ROLE_EGRESS);
  g_autoptr (ClusterStream) a = NULL;
  ClusterStream floor;

  run (f, 2);
  origin->ext_seq = 9;
  a = begin (origin, PUB_A, NULL);
  run (f, 2);
  kill_node (origin);
  run (f, 8);
  g_assert_cmpuint (egress->n_ended, ==, 0);
  run (f, 6);
  g_assert_cmpuint (egress->n_ended, ==, 1);

  /* it is there again, its publisher not: that ends in the store too */
  origin = start (f, "i", CLUSTER_ROLE_INJECTION);
  run (f, 2);
  g_assert_cmpuint (egress->n_changed, ==, 2);
  run (f, 12);
  g_assert_cmpuint (egress->n_ended, ==, 2);
  g_assert_cmpuint (origin->n_changed, ==, 0);
  cluster_stream_free (begin (origin, PUB_B, &floor));
  g_assert_cmpuint (floor.ext_seq[1], ==, 9);
}

static void
start_tree (Fixture *f)
{
  start (f, "i", CLUSTER_ROLE_INJECTION);
  start (f, "r0", CLUSTER_ROLE_RELAY);
  run (f, 2);
  start (f, "r1", CLUSTER_ROLE_RELAY);
  start (f, "e", CLUSTER_ROLE_EGRESS);
  run (f, 3);
  cluster_stream_free (begin (&f->nodes[0], PUB_A, NULL));
  run (f, 3);
}

static void
assert_quiet (Fixture *f)
{
  for (guint i = 0; i < f->n_nodes; i++)
    {
      const Node *n = &f->nodes[i];
      g_assert_cmpuint (n->n_parents_changed + n->n_changed, ==, 0);
      g_assert_cmpuint (n->n_ended + n->n_lost + n->n_taken, ==, 0);
    }
}

static void
assert_rebuilt (Fixture *f)
{
  Node *late = start (f, "late", CLUSTER_ROLE_EGRESS);

  run (f, 1);
  g_assert_cmpuint (n_alive (late), ==, 5);
  g_assert_cmpuint (late->n_changed, ==, 1);
  for (guint i = 0; i < 4; i++)
    {
      ClusterMember *m = f->nodes[i].member;
      const ClusterPeer *seen =
          cluster_member_find_peer (late->member, m->node.node_id);
      g_assert_true (cluster_place_equal (&seen->place, &m->place));
    }
}

static void
quiet (Fixture *f)
{
  for (guint i = 0; i < f->n_nodes; i++)
    {
      f->nodes[i].n_parents_changed = 0;
      f->nodes[i].n_changed = f->nodes[i].n_ended = 0;
    }
}

static void
test_emptied (Fixture *f, gconstpointer data)
{
  start_tree (f);
  quiet (f);
  cluster_memory_empty (f->memory); /* while all are connected */
  run (f, 4);
  assert_quiet (f);
  assert_rebuilt (f);
  run (f, 30);
  g_assert_cmpuint (f->nodes[3].n_ended, ==, 0);
}

static void
test_away (Fixture *f, gconstpointer data)
{
  start_tree (f);
  quiet (f);
  cluster_memory_set_away (f->memory, TRUE);
  run (f, 60);
  g_assert_false (cluster_member_is_connected (f->nodes[0].member));
  assert_quiet (f);
  g_assert_cmpuint (n_alive (&f->nodes[3]), ==, 4);
  cluster_memory_empty (f->memory);
  cluster_memory_set_away (f->memory, FALSE);
  run (f, 4);
  assert_quiet (f);
  assert_rebuilt (f);
  run (f, 30);
  g_assert_cmpuint (f->nodes[3].n_ended, ==, 0);
}

/* What began while the store was away is in it soon after. */
static void
test_begin_away (Fixture *f, gconstpointer data)
{
  start_tree (f);
  cluster_memory_set_away (f->memory, TRUE);
  run (f, 2);
  cluster_member_end_stream (f->nodes[0].member, "live");
  cluster_stream_free (begin (&f->nodes[0], PUB_B, NULL));
  g_assert_nonnull (cluster_member_find_stream (f->nodes[0].member, "live"));
  run (f, 2);
  quiet (f);
  cluster_memory_set_away (f->memory, FALSE);
  run (f, 2);
  g_assert_cmpuint (f->nodes[3].n_changed, ==, 1);
  g_assert_cmpuint (f->nodes[3].n_ended, ==, 0);
  g_assert_cmpstr (f->nodes[3].last_origin, ==, "i");
}

static void
test_id_taken (Fixture *f, gconstpointer data)
{
  Node *first = start (f, "x", CLUSTER_ROLE_EGRESS);
  Node *second;

  run (f, 2);
  second = start (f, "x", CLUSTER_ROLE_EGRESS);
  run (f, 3);
  g_assert_cmpuint (second->n_taken, ==, 0);
  run (f, 3);
  g_assert_cmpuint (second->n_taken, ==, 1);
  g_assert_cmpuint (first->n_taken, ==, 0);
  kill_node (second);

  /* after a crash: the id is the dead one's for 3 s, and its place ours */
  kill_node (first);
  second = start (f, "x", CLUSTER_ROLE_EGRESS);
  run (f, 10);
  g_assert_cmpuint (second->n_taken, ==, 0);
  g_assert_true (second->member->has_beaten);
}

/* a node that is back knows its parents at once */
static void
test_restart (Fixture *f, gconstpointer data)
{
  Node *again;

  start_tree (f);
  kill_node (&f->nodes[2]);
  again = start (f, "r1", CLUSTER_ROLE_RELAY);
  run (f, 0);
  assert_parents (again, "i", "r0");
  g_assert_cmpuint (again->n_changed, ==, 1);
  run (f, 6);
  g_assert_cmpuint (again->n_taken, ==, 0);
  assert_parents (again, "i", "r0");
}

static void
on_left (const GError *error, gpointer data)
{
  *(gboolean *)data = error == NULL;
}

static void
test_leave (Fixture *f, gconstpointer data)
{
  gboolean has_left = FALSE;

  start_tree (f);
  cluster_member_leave (f->nodes[0].member, on_left, &has_left);
  run (f, 0);
  g_assert_true (has_left);
  g_assert_cmpuint (f->nodes[3].n_ended, ==, 1);
  run (f, 2);
  g_assert_cmpuint (n_alive (&f->nodes[3]), ==, 3);
  g_assert_cmpuint (cluster_member_get_gone (f->nodes[3].member)->len, ==, 0);
}

static void
test_pick (Fixture *f, gconstpointer data)
{
  Node *nodes[4];

  for (guint i = 0; i < 4; i++)
    {
      g_autofree char *id = g_strdup_printf ("e%u", i);
      nodes[i] = start (f, id, CLUSTER_ROLE_EGRESS);
    }
  nodes[1]->max_viewers = 0;
  nodes[3]->max_viewers = 100;
  run (f, 3);
  g_assert_null (
      cluster_member_pick_peer (nodes[0]->member, CLUSTER_ROLE_INJECTION));
  for (guint i = 0; i < 100; i++)
    {
      const ClusterPeer *peer =
          cluster_member_pick_peer (nodes[0]->member, CLUSTER_ROLE_EGRESS);
      /* of two, the one with more */
      g_assert_cmpstr (peer->node.node_id, ==, "e3");
    }
  nodes[3]->max_viewers = 0;
  run (f, 2);
  g_assert_cmpstr (
      cluster_member_pick_peer (nodes[0]->member, CLUSTER_ROLE_EGRESS)
          ->node.node_id,
      ==, "e2");
}

/* Who was refused is told of soon, and room that others have is seen soon: no
 * second passes on the members' clock. */
static void
test_look_again (Fixture *f, gconstpointer data)
{
  Node *here = start (f, "e0", CLUSTER_ROLE_EGRESS);
  Node *there = start (f, "e1", CLUSTER_ROLE_EGRESS);

  there->max_viewers = 0;
  run (f, 3);
  g_assert_null (cluster_member_pick_peer (here->member, CLUSTER_ROLE_EGRESS));
  there->max_viewers = 10;
  for (guint i = 0; i < 100; i++)
    {
      cluster_member_look_again (there->member);
      cluster_member_look_again (here->member);
    }
  drain ();
  g_assert_null (cluster_member_pick_peer (here->member, CLUSTER_ROLE_EGRESS));
  WAIT_FOR (cluster_member_pick_peer (here->member, CLUSTER_ROLE_EGRESS));
  /* one that leaves looks no more */
  cluster_member_look_again (there->member);
  kill_node (there);
}

/* Who was sent somewhere takes a place there before the heartbeat says so, and
 * no longer than he needs to come. */
static void
test_count_sent (Fixture *f, gconstpointer data)
{
  Node *here = start (f, "e0", CLUSTER_ROLE_EGRESS);
  Node *there = start (f, "e1", CLUSTER_ROLE_EGRESS);
  const ClusterPeer *peer;

  run (f, 3);
  for (guint i = 0; i < 10; i++)
    {
      peer = cluster_member_pick_peer (here->member, CLUSTER_ROLE_EGRESS);
      g_assert_nonnull (peer);
      cluster_member_count_sent (here->member, peer);
    }
  g_assert_null (cluster_member_pick_peer (here->member, CLUSTER_ROLE_EGRESS));
  g_assert_cmpuint (
      cluster_member_count_free (here->member, CLUSTER_ROLE_EGRESS), ==, 0);
  run (f, 1); /* the heartbeat is the same */
  g_assert_null (cluster_member_pick_peer (here->member, CLUSTER_ROLE_EGRESS));
  there->max_viewers = 11;
  run (f, 2); /* another one: it knows who is there */
  g_assert_cmpuint (
      cluster_member_count_free (here->member, CLUSTER_ROLE_EGRESS), ==, 11);
  peer = cluster_member_pick_peer (here->member, CLUSTER_ROLE_EGRESS);
  cluster_member_count_sent (here->member, peer);
  run (f, 1);
  g_assert_cmpuint (
      cluster_member_count_free (here->member, CLUSTER_ROLE_EGRESS), ==, 10);
  run (f, 3); /* he did not come */
  g_assert_cmpuint (
      cluster_member_count_free (here->member, CLUSTER_ROLE_EGRESS), ==, 11);
}

static void
test_describe (Fixture *f, gconstpointer data)
{
  g_autofree char *text = NULL, *metrics = NULL;

  start_tree (f);
  text = cluster_member_describe (f->nodes[3].member);
  g_assert_nonnull (strstr (text, "\"store\":\"memory\""));
  g_assert_nonnull (strstr (text, "\"connected\":true"));
  metrics = base_metrics_render (f->metrics);
  g_assert_nonnull (strstr (metrics, "media_tree_nodes_alive 4"));
  g_assert_nonnull (strstr (metrics, "media_tree_store_connected 1"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/cluster/member/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("meet", test_meet);
  ADD ("die", test_die);
  ADD ("streams", test_streams);
  ADD ("conflict", test_conflict);
  ADD ("origin-dies", test_origin_dies);
  ADD ("emptied", test_emptied);
  ADD ("away", test_away);
  ADD ("begin-away", test_begin_away);
  ADD ("id-taken", test_id_taken);
  ADD ("restart", test_restart);
  ADD ("leave", test_leave);
  ADD ("pick", test_pick);
  ADD ("look-again", test_look_again);
  ADD ("count-sent", test_count_sent);
  ADD ("describe", test_describe);
  return g_test_run ();
}
