/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ClusterStore promises, asked of the store in memory; and of a real
 * Redis when TEST_REDIS_URL names one (tests/e2e/test_store.py does that), so
 * that both answer alike.
 */
#include "cluster/store.h"

#include <string.h>

#include "cluster-wait.h"
#include "cluster/store-memory.h"

#define BOOT_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0"
#define BOOT_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb0"
#define PUB_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1"
#define PUB_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb1"

typedef struct
{
  ClusterMemory *memory; /* nullable */
  ClusterStore *stores[2];
  char *prefix;
  guint n_topology[2], n_streams[2];
  /* the last answer */
  gboolean is_done;
  GError *error;
  GPtrArray *rows;
  ClusterStream *current;
} Fixture;

static void
on_hint_0 (ClusterHint hint, gpointer data)
{
  Fixture *f = data;

  f->n_topology[0] += hint == CLUSTER_HINT_TOPOLOGY;
  f->n_streams[0] += hint == CLUSTER_HINT_STREAMS;
}

static void
on_hint_1 (ClusterHint hint, gpointer data)
{
  Fixture *f = data;

  f->n_topology[1] += hint == CLUSTER_HINT_TOPOLOGY;
  f->n_streams[1] += hint == CLUSTER_HINT_STREAMS;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  static guint n_prefixes;
  const char *url = g_getenv ("TEST_REDIS_URL");
  g_autoptr (GError) error = NULL;

  memset (f, 0, sizeof *f);
  f->prefix = g_strdup_printf ("t%u:%u:", g_random_int (), n_prefixes++);
  if (url == NULL)
    f->memory = cluster_memory_new ("main");
  for (guint i = 0; i < 2; i++)
    {
      f->stores[i] =
          url != NULL ? cluster_store_new_redis (url, f->prefix, "main", &error)
                      : cluster_memory_open (f->memory);
      g_assert_no_error (error);
      cluster_store_set_hint_func (f->stores[i], i == 0 ? on_hint_0 : on_hint_1,
                                   f);
      WAIT (cluster_store_get_state (f->stores[i]) == CLUSTER_STORE_CONNECTED);
    }
}

static void
clear_answer (Fixture *f)
{
  f->is_done = FALSE;
  g_clear_error (&f->error);
  g_clear_pointer (&f->rows, g_ptr_array_unref);
  g_clear_pointer (&f->current, cluster_stream_free);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  clear_answer (f);
  for (guint i = 0; i < 2; i++)
    cluster_store_free (f->stores[i]);
  g_clear_pointer (&f->memory, cluster_memory_unref);
  g_free (f->prefix);
}

/* --- asking and waiting ------------------------------------------------- */

static void
on_done (const GError *error, gpointer data)
{
  Fixture *f = data;

  clear_answer (f);
  f->error = error != NULL ? g_error_copy (error) : NULL;
  f->is_done = TRUE;
}

static void
on_rows (GPtrArray *rows, const GError *error, gpointer data)
{
  on_done (error, data);
  ((Fixture *)data)->rows = rows != NULL ? g_ptr_array_ref (rows) : NULL;
}

static void
on_claimed (const ClusterStream *current, const GError *error, gpointer data)
{
  on_done (error, data);
  ((Fixture *)data)->current =
      current != NULL ? cluster_stream_copy (current) : NULL;
}

static ClusterNode
node_of (const char *id, const char *boot, ClusterRoles roles)
{
  return (ClusterNode){ (char *)id, (char *)boot,       "main",           roles,
                        "h",        "http://127.0.0.1", "127.0.0.1:7100", 1 };
}

static gboolean
beat (Fixture *f, guint i, const char *id, const char *boot)
{
  ClusterNode node = node_of (id, boot, CLUSTER_ROLE_EGRESS);
  ClusterLoad load = { .n_viewers = 5 };

  f->is_done = FALSE;
  cluster_store_beat (f->stores[i], &node, &load, on_done, f);
  g_assert_false (f->is_done); /* never from within the call */
  WAIT (f->is_done);
  return f->error == NULL;
}

static gboolean
place (Fixture *f, const char *id, const char *parent, const char *backup,
       guint rank, guint max_children)
{
  ClusterPlace want = { (char *)parent, (char *)backup, rank };

  f->is_done = FALSE;
  cluster_store_place (f->stores[0], id, &want, max_children, on_done, f);
  WAIT (f->is_done);
  return f->error == NULL;
}

static ClusterPeer *
read_peer (Fixture *f, const char *id)
{
  f->is_done = FALSE;
  cluster_store_read_peers (f->stores[1], on_rows, f);
  WAIT (f->is_done);
  g_assert_no_error (f->error);
  for (guint i = 0; i < f->rows->len; i++)
    {
      ClusterPeer *peer = f->rows->pdata[i];
      if (strcmp (peer->node.node_id, id) == 0)
        return peer;
    }
  return NULL;
}

static gboolean
claim (Fixture *f, const char *origin, const char *publication, guint64 epoch)
{
  ClusterStream stream = { "live",   (char *)publication,
                           epoch,    (char *)origin,
                           "{}",     { epoch, 1 },
                           { 2, 3 }, 4 };

  f->is_done = FALSE;
  cluster_store_claim_stream (f->stores[0], &stream, on_claimed, f);
  WAIT (f->is_done);
  return f->error == NULL;
}

static ClusterStream *
read_stream (Fixture *f)
{
  f->is_done = FALSE;
  cluster_store_read_streams (f->stores[1], on_rows, f);
  WAIT (f->is_done);
  g_assert_no_error (f->error);
  g_assert_cmpuint (f->rows->len, <=, 1);
  return f->rows->len > 0 ? f->rows->pdata[0] : NULL;
}

static gboolean
end (Fixture *f, const char *publication)
{
  f->is_done = FALSE;
  cluster_store_end_stream (f->stores[0], "live", publication, on_done, f);
  WAIT (f->is_done);
  return f->error == NULL;
}

/* --- cases -------------------------------------------------------------- */

static void
test_beat (Fixture *f, gconstpointer data)
{
  ClusterPeer *peer;

  g_assert_true (beat (f, 0, "a", BOOT_A));
  g_assert_true (beat (f, 0, "a", BOOT_A));
  g_assert_true (beat (f, 1, "b", BOOT_B));
  peer = read_peer (f, "a");
  g_assert_cmpuint (f->rows->len, ==, 2);
  g_assert_true (peer->is_alive);
  g_assert_cmpstr (peer->node.boot_id, ==, BOOT_A);
  g_assert_cmpuint (peer->load.n_viewers, ==, 5);
  g_assert_cmpuint (peer->place.rank, ==, 0);

  g_assert_false (beat (f, 1, "a", BOOT_B));
  g_assert_error (f->error, CLUSTER_ERROR, CLUSTER_ERROR_TAKEN);
}

static void
test_place (Fixture *f, gconstpointer data)
{
  ClusterPeer *peer;

  beat (f, 0, "i", BOOT_A);
  beat (f, 0, "r", BOOT_A);
  beat (f, 1, "s", BOOT_B);
  g_assert_true (place (f, "i", NULL, NULL, 1, 16));
  g_assert_true (place (f, "r", "i", NULL, 2, 16));
  g_assert_true (place (f, "s", "i", "r", 3, 16));
  g_assert_true (place (f, "s", "i", "r", 3, 16));
  peer = read_peer (f, "s");
  g_assert_cmpstr (peer->place.parent, ==, "i");
  g_assert_cmpstr (peer->place.backup, ==, "r");
  g_assert_cmpuint (peer->place.rank, ==, 3);
  g_assert_cmpuint (read_peer (f, "i")->n_children, ==, 2);

  g_assert_true (place (f, "s", "r", NULL, 3, 16)); /* it moves */
  g_assert_cmpuint (read_peer (f, "i")->n_children, ==, 1);
  g_assert_null (read_peer (f, "s")->place.backup);
}

static void
test_refused (Fixture *f, gconstpointer data)
{
  beat (f, 0, "i", BOOT_A);
  beat (f, 0, "r", BOOT_A);
  beat (f, 0, "s", BOOT_A);
  place (f, "i", NULL, NULL, 1, 16);
  place (f, "r", "i", NULL, 2, 16);
  place (f, "s", "r", NULL, 3, 16);
  g_assert_false (place (f, "r", "s", NULL, 4, 16)); /* below itself */
  g_assert_error (f->error, CLUSTER_ERROR, CLUSTER_ERROR_LOOP);
  g_assert_false (place (f, "r", "i", "s", 4, 16));
  g_assert_error (f->error, CLUSTER_ERROR, CLUSTER_ERROR_LOOP);
  g_assert_false (place (f, "r", "r", NULL, 9, 16));
  g_assert_error (f->error, CLUSTER_ERROR, CLUSTER_ERROR_LOOP);
  g_assert_false (place (f, "s", "r", NULL, 2, 16)); /* rank */
  g_assert_error (f->error, CLUSTER_ERROR, CLUSTER_ERROR_LOOP);
  g_assert_false (place (f, "s", "i", NULL, 2, 1));
  g_assert_error (f->error, CLUSTER_ERROR, CLUSTER_ERROR_FULL);
  g_assert_true (place (f, "r", "i", NULL, 2, 1)); /* it is there already */
  g_assert_false (place (f, "s", "gone", NULL, 2, 16));
  g_assert_error (f->error, CLUSTER_ERROR, CLUSTER_ERROR_DEAD);
  g_assert_false (place (f, "s", "i", "gone", 2, 16));
  g_assert_error (f->error, CLUSTER_ERROR, CLUSTER_ERROR_DEAD);
  g_assert_cmpstr (read_peer (f, "s")->place.parent, ==, "r"); /* as it was */
}

static void
test_hints (Fixture *f, gconstpointer data)
{
  beat (f, 0, "i", BOOT_A);
  beat (f, 1, "r", BOOT_B);
  if (f->memory == NULL) /* who begins to listen is told to read */
    for (guint i = 0; i < 2; i++)
      WAIT (f->n_topology[i] >= 1 && f->n_streams[i] >= 1);
  memset (f->n_topology, 0, sizeof f->n_topology);
  memset (f->n_streams, 0, sizeof f->n_streams);
  place (f, "i", NULL, NULL, 1, 16);
  WAIT (f->n_topology[0] >= 1);
  place (f, "r", "i", NULL, 2, 16);
  WAIT (f->n_topology[0] >= 2 && f->n_topology[1] >= 1);
  claim (f, "i", PUB_A, 1);
  WAIT (f->n_streams[0] >= 1 && f->n_streams[1] >= 1);
  f->n_streams[1] = f->n_topology[1] = 0;
  claim (f, "i", PUB_A, 1);         /* a refresh is nobody's news, */
  place (f, "r", "i", NULL, 2, 16); /* nor is a place said again */
  end (f, PUB_A);
  WAIT (f->n_streams[1] >= 1);
  g_assert_cmpuint (f->n_streams[1], ==, 1);
  g_assert_cmpuint (f->n_topology[1], ==, 0);
}

static void
test_streams (Fixture *f, gconstpointer data)
{
  ClusterStream *stream;

  g_assert_null (read_stream (f));
  g_assert_true (claim (f, "a", PUB_A, 1));
  g_assert_cmpuint (f->current->epoch, ==, 1);
  stream = read_stream (f);
  g_assert_cmpstr (stream->publication, ==, PUB_A);
  g_assert_cmpstr (stream->origin, ==, "a");
  g_assert_cmpuint (stream->rtp_ts[1], ==, 3);
  g_assert_cmpint (stream->at_wall_us, ==, 4);

  g_assert_true (claim (f, "a", PUB_A, 1));
  g_assert_false (claim (f, "b", PUB_B, 1));
  g_assert_error (f->error, CLUSTER_ERROR, CLUSTER_ERROR_CONFLICT);
  g_assert_cmpstr (f->current->publication, ==, PUB_A);
  g_assert_true (claim (f, "b", PUB_B, 2));
  g_assert_false (claim (f, "a", PUB_A, 1));
  g_assert_cmpstr (f->current->origin, ==, "b");

  g_assert_false (end (f, PUB_A)); /* not its any more */
  g_assert_error (f->error, CLUSTER_ERROR, CLUSTER_ERROR_CONFLICT);
  g_assert_nonnull (read_stream (f)->origin);
  g_assert_true (end (f, PUB_B));
  stream = read_stream (f);
  g_assert_null (stream->origin); /* its numbers are kept */
  g_assert_cmpuint (stream->epoch, ==, 2);
  g_assert_cmpuint (stream->ext_seq[0], ==, 2);
  g_assert_true (claim (f, "a", PUB_A, 3));
  g_assert_cmpstr (read_stream (f)->origin, ==, "a");
}

static void
test_leave (Fixture *f, gconstpointer data)
{
  ClusterNode node = node_of ("i", BOOT_A, CLUSTER_ROLE_EGRESS);
  ClusterNode other = node_of ("i", BOOT_B, CLUSTER_ROLE_EGRESS);

  beat (f, 0, "i", BOOT_A);
  beat (f, 1, "r", BOOT_B);
  place (f, "i", NULL, NULL, 1, 16);
  place (f, "r", "i", NULL, 2, 16);
  claim (f, "i", PUB_A, 1);
  f->is_done = FALSE;
  cluster_store_leave (f->stores[1], &other, on_done, f);
  WAIT (f->is_done);
  g_assert_nonnull (read_peer (f, "i")); /* that was another boot */

  f->n_topology[1] = 0;
  f->is_done = FALSE;
  cluster_store_leave (f->stores[0], &node, on_done, f);
  WAIT (f->is_done);
  g_assert_no_error (f->error);
  g_assert_null (read_peer (f, "i"));
  g_assert_null (read_stream (f)->origin);
  WAIT (f->n_topology[1] > 0); /* its child hears of it */
}

/* --- mountpoints -------------------------------------------------------- */

static gboolean
put (Fixture *f, guint i, const char *id, const char *text, gboolean is_new)
{
  f->is_done = FALSE;
  cluster_store_put_mountpoint (f->stores[i], id, text, is_new, on_done, f);
  g_assert_false (f->is_done);
  WAIT (f->is_done);
  return f->error == NULL;
}

static void
remove_mountpoint (Fixture *f, guint i, const char *id)
{
  f->is_done = FALSE;
  cluster_store_remove_mountpoint (f->stores[i], id, on_done, f);
  WAIT (f->is_done);
  g_assert_no_error (f->error);
}

static void
read_mountpoints (Fixture *f, guint i)
{
  f->is_done = FALSE;
  cluster_store_read_mountpoints (f->stores[i], on_rows, f);
  WAIT (f->is_done);
  g_assert_no_error (f->error);
}

static void
test_mountpoints (Fixture *f, gconstpointer data)
{
  g_autofree char *longest = g_strnfill (CLUSTER_MAX_MOUNTPOINT_BYTES, 'x');
  const ClusterMountpoint *row;

  read_mountpoints (f, 0);
  g_assert_cmpuint (f->rows->len, ==, 0);
  g_assert_true (put (f, 0, "52", "one", TRUE));
  g_assert_false (put (f, 1, "52", "other", TRUE));
  g_assert_error (f->error, CLUSTER_ERROR, CLUSTER_ERROR_CONFLICT);
  WAIT (f->n_streams[1] >= 1);
  g_assert_true (put (f, 1, "52", longest, FALSE));
  read_mountpoints (f, 0);
  g_assert_cmpuint (f->rows->len, ==, 1);
  row = f->rows->pdata[0];
  g_assert_cmpstr (row->id, ==, "52");
  g_assert_cmpstr (row->text, ==, longest);
  f->n_streams[0] = 0;
  remove_mountpoint (f, 1, "52");
  remove_mountpoint (f, 1, "52");
  WAIT (f->n_streams[0] >= 1);
  read_mountpoints (f, 0);
  g_assert_cmpuint (f->rows->len, ==, 0);
}

static void
test_mountpoint_limit (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < CLUSTER_MAX_MOUNTPOINTS; i++)
    {
      g_autofree char *id = g_strdup_printf ("%u", i);
      g_assert_true (put (f, 0, id, "{}", TRUE));
    }
  g_assert_false (put (f, 0, "more", "{}", TRUE));
  g_assert_error (f->error, CLUSTER_ERROR, CLUSTER_ERROR_FULL);
  g_assert_true (put (f, 0, "7", "again", FALSE));
  read_mountpoints (f, 1);
  g_assert_cmpuint (f->rows->len, ==, CLUSTER_MAX_MOUNTPOINTS);
  remove_mountpoint (f, 1, "7");
  g_assert_true (put (f, 0, "more", "{}", TRUE));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/cluster/store/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("beat", test_beat);
  ADD ("place", test_place);
  ADD ("refused", test_refused);
  ADD ("hints", test_hints);
  ADD ("streams", test_streams);
  ADD ("mountpoints", test_mountpoints);
  ADD ("mountpoint-limit", test_mountpoint_limit);
  ADD ("leave", test_leave);
  return g_test_run ();
}
