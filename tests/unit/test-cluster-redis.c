/* SPDX-License-Identifier: Apache-2.0 */
/* The Redis store against a server that answers badly, late or not at all. */
#include "cluster/store-redis.h"

#include <string.h>

#include "cluster-wait.h"

#define BOOT "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0"

/* A slow machine answers late: that is no answer only where the test says
 * nothing. */
#define LIMITS(answer_ms)                                                      \
  {                                                                            \
    .connect_ms = 20000, .command_ms = answer_ms, .ping_ms = 20000,            \
    .backoff_min_ms = 4, .backoff_max_ms = 8, .max_pending = 1024,             \
    .max_reply_bytes = 65536, .max_reply_items = 1000,                         \
  }

static const ClusterRedisLimits patient = LIMITS (20000);
/* an answer comes, then none does */
static const ClusterRedisLimits brisk = LIMITS (1000);
/* no answer comes */
static const ClusterRedisLimits quick = LIMITS (60);

typedef struct
{
  GSocketService *service;
  GPtrArray *streams; /* (element-type GSocketConnection) owned */
  guint16 port;
  const char *reply; /* to each command; NULL = silence, "" = hang up */
  guint n_commands, n_connections;
  ClusterStore *store; /* owned, nullable */
  BaseMetrics *metrics;
  guint n_states;
  /* answers to calls */
  guint n_done, n_failed;
  int last_code;
} Fixture;

typedef struct
{
  Fixture *f;
  GSocketConnection *connection; /* borrowed */
  guint8 buffer[4096];
} Peer;

/* --- the server --------------------------------------------------------- */

static void serve (Peer *peer);

/* A command begins with * at the begin of a line; our texts have no lines. */
static guint
count_commands (const guint8 *data, gssize n)
{
  guint n_commands = 0;

  for (gssize i = 0; i < n; i++)
    n_commands += data[i] == '*' && (i == 0 || data[i - 1] == '\n');
  return n_commands;
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer data)
{
  Peer *peer = data;
  Fixture *f = peer->f;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, NULL);
  GOutputStream *out =
      g_io_stream_get_output_stream (G_IO_STREAM (peer->connection));
  guint n_commands = n > 0 ? count_commands (peer->buffer, n) : 0;

  f->n_commands += n_commands;
  if (n <= 0 || (f->reply != NULL && f->reply[0] == '\0'))
    {
      g_io_stream_close (G_IO_STREAM (peer->connection), NULL, NULL);
      g_ptr_array_remove_fast (f->streams, peer->connection);
      g_free (peer);
      return;
    }
  for (guint i = 0; f->reply != NULL && i < n_commands; i++)
    g_output_stream_write_all (out, f->reply, strlen (f->reply), NULL, NULL,
                               NULL);
  serve (peer);
}

static void
serve (Peer *peer)
{
  g_input_stream_read_async (
      g_io_stream_get_input_stream (G_IO_STREAM (peer->connection)),
      peer->buffer, sizeof peer->buffer, 0, NULL, on_read, peer);
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *connection,
             GObject *source, gpointer data)
{
  Fixture *f = data;
  Peer *peer = g_new0 (Peer, 1);

  f->n_connections++;
  peer->f = f;
  peer->connection = connection;
  g_ptr_array_add (f->streams, g_object_ref (connection));
  serve (peer);
  return TRUE;
}

/* --- the store ---------------------------------------------------------- */

static void
on_hint (ClusterHint hint, gpointer data)
{
  ((Fixture *)data)->n_states += hint == CLUSTER_HINT_STATE;
}

static void
open_store (Fixture *f, const char *reply, const ClusterRedisLimits *limits)
{
  g_autofree char *url = g_strdup_printf ("redis://127.0.0.1:%u", f->port);

  f->reply = reply;
  f->store = cluster_store_new_redis (url, NULL, "main", NULL);
  cluster_store_redis_set_limits (f->store, limits);
  cluster_store_set_metrics (f->store, f->metrics);
  cluster_store_set_hint_func (f->store, on_hint, f);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  memset (f, 0, sizeof *f);
  f->metrics = base_metrics_new ();
  f->streams = g_ptr_array_new_with_free_func (g_object_unref);
  f->service = g_socket_service_new ();
  f->port = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (f->service),
                                                 NULL, NULL);
  g_assert_cmpuint (f->port, >, 0);
  g_signal_connect (f->service, "incoming", G_CALLBACK (on_incoming), f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_pointer (&f->store, cluster_store_free);
  WAIT (f->streams->len == 0); /* all our connections are closed */
  g_socket_service_stop (f->service);
  g_socket_listener_close (G_SOCKET_LISTENER (f->service));
  g_object_unref (f->service);
  g_ptr_array_unref (f->streams);
  base_metrics_free (f->metrics);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static gint64
errors (Fixture *f, const char *reason)
{
  g_autofree char *label = base_metrics_label ("reason", reason);

  return base_counter_get (base_metrics_add_counter (
      f->metrics, "media_tree_store_errors_total", label, ""));
}

static void
on_done (const GError *error, gpointer data)
{
  Fixture *f = data;

  f->n_done++;
  f->n_failed += error != NULL;
  if (error != NULL)
    f->last_code = error->code;
}

static void
on_rows (GPtrArray *rows, const GError *error, gpointer data)
{
  g_assert_true ((rows == NULL) == (error != NULL));
  on_done (error, data);
}

static void
on_claimed (const ClusterStream *current, const GError *error, gpointer data)
{
  on_done (error, data);
}

static void
end (Fixture *f)
{
  cluster_store_end_stream (f->store, "s", BOOT, on_done, f);
}

static void
connect_store (Fixture *f, const ClusterRedisLimits *limits)
{
  open_store (f, ":1\r\n", limits);
  WAIT (cluster_store_get_state (f->store) == CLUSTER_STORE_CONNECTED);
}

/* --- cases -------------------------------------------------------------- */

static const struct
{
  const char *name, *reply, *reason;
} bad[] = {
  { "garbage", "hello\r\n", "protocol" },
  { "half", "$10\r\nabc", "timeout" },
  { "silence", NULL, "timeout" },
  { "hang-up", "", "away" },
  { "error", "-ERR no\r\n", "reply" },
  { "huge", "$999999999999\r\n", "timeout" },
  { "many", "*2147483647\r\n", "protocol" },
  { "over-many", "*1001\r\n", "protocol" },
  { "deep",
    "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
    "protocol" },
  { "negative", "*-7\r\n", "protocol" },
};

/* From the first word on: never connected, counted, tried again and again */
static void
test_bad_server (Fixture *f, gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);

  open_store (f, bad[i].reply,
              strcmp (bad[i].reason, "timeout") == 0 ? &quick : &patient);
  WAIT (errors (f, bad[i].reason) >= 3);
  g_assert_cmpuint (f->n_connections, >=, 3);
  g_assert_cmpint (cluster_store_get_state (f->store), ==, CLUSTER_STORE_AWAY);
  g_assert_cmpuint (f->n_states, ==, 1); /* "tried", once */
  end (f);
  g_assert_cmpuint (f->n_done, ==, 0); /* never from within the call */
  WAIT (f->n_done == 1);
  g_assert_cmpint (f->last_code, ==, CLUSTER_ERROR_AWAY);

  cluster_store_redis_set_limits (f->store, &patient);
  f->reply = ":1\r\n"; /* it becomes well: it is used */
  WAIT (cluster_store_get_state (f->store) == CLUSTER_STORE_CONNECTED);
  g_assert_cmpuint (f->n_states, ==, 2);
}

/* The same while it was well: the call is told, and it is left and found
 * again. An error of the server costs the call only. */
static void
test_goes_bad (Fixture *f, gconstpointer data)
{
  static const int codes[] = { CLUSTER_ERROR_PROTOCOL, CLUSTER_ERROR_TIMEOUT,
                               CLUSTER_ERROR_TIMEOUT, CLUSTER_ERROR_AWAY,
                               CLUSTER_ERROR_REPLY };
  guint i = GPOINTER_TO_UINT (data);

  connect_store (f, codes[i] == CLUSTER_ERROR_TIMEOUT ? &brisk : &patient);
  end (f);
  WAIT (f->n_done == 1);
  g_assert_cmpuint (f->n_failed, ==, 0);
  f->reply = bad[i].reply;
  end (f);
  WAIT (f->n_done == 2);
  g_assert_cmpint (f->last_code, ==, codes[i]);
  cluster_store_redis_set_limits (f->store, &patient);
  f->reply = ":1\r\n";
  WAIT (cluster_store_get_state (f->store) == CLUSTER_STORE_CONNECTED);
  end (f);
  WAIT (f->n_done == 3);
  g_assert_cmpuint (f->n_failed, ==, 1);
}

/* More bytes in one reply than may be */
static void
test_too_long (Fixture *f, gconstpointer data)
{
  g_autofree char *filler = g_strnfill (patient.max_reply_bytes, 'x');
  g_autofree char *reply = g_strdup_printf ("$%" G_GSIZE_FORMAT "\r\n%s\r\n",
                                            patient.max_reply_bytes, filler);

  connect_store (f, &patient);
  f->reply = reply;
  end (f);
  WAIT (f->n_done == 1);
  g_assert_cmpint (f->last_code, ==, CLUSTER_ERROR_PROTOCOL);
  f->reply = ":1\r\n";
  WAIT (cluster_store_get_state (f->store) == CLUSTER_STORE_CONNECTED);
}

/* well-formed answers of another shape: the call fails, nothing else */
static void
test_shapes (Fixture *f, gconstpointer data)
{
  static const char *const replies[] = {
    "*-1\r\n",
    "$-1\r\n",
    "*1\r\n$1\r\nx\r\n",
    "*2\r\n:1\r\n*0\r\n",
    "*7\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n",
  };
  ClusterStream stream = { "s", BOOT, 1, "n", "{}", { 0 }, { 0 }, 0 };

  connect_store (f, &patient);
  for (guint i = 0; i < G_N_ELEMENTS (replies); i++)
    {
      f->reply = replies[i];
      f->n_done = f->n_failed = 0;
      cluster_store_read_peers (f->store, on_rows, f);
      cluster_store_read_streams (f->store, on_rows, f);
      cluster_store_claim_stream (f->store, &stream, on_claimed, f);
      end (f);
      WAIT (f->n_done == 4);
      g_assert_cmpuint (f->n_failed, ==, 4);
      g_assert_cmpint (f->last_code, ==, CLUSTER_ERROR_PROTOCOL);
      g_assert_cmpint (cluster_store_get_state (f->store), ==,
                       CLUSTER_STORE_CONNECTED);
    }
}

/* two answers to one question */
static void
test_unasked (Fixture *f, gconstpointer data)
{
  connect_store (f, &patient);
  f->reply = ":1\r\n:1\r\n";
  end (f);
  WAIT (errors (f, "protocol") >= 1);
  g_assert_cmpuint (f->n_done, ==, 1);
  g_assert_cmpuint (f->n_failed, ==, 0);
  f->reply = ":1\r\n";
  WAIT (cluster_store_get_state (f->store) == CLUSTER_STORE_CONNECTED);
}

static void
test_read_only (Fixture *f, gconstpointer data)
{
  connect_store (f, &patient);
  f->reply = "-READONLY You can't write against a read only replica.\r\n";
  end (f);
  WAIT (f->n_done == 1);
  g_assert_cmpint (f->last_code, ==, CLUSTER_ERROR_REPLY);
  WAIT (cluster_store_get_state (f->store) == CLUSTER_STORE_AWAY);
  f->reply = ":1\r\n";
  WAIT (cluster_store_get_state (f->store) == CLUSTER_STORE_CONNECTED);
}

/* At the bound: 1,024 wait, the others are told at once; then all of them */
static void
test_queue (Fixture *f, gconstpointer data)
{
  connect_store (f, &brisk);
  f->reply = NULL;
  for (guint i = 0; i < patient.max_pending + 10; i++)
    end (f);
  WAIT (f->n_done >= 10);
  g_assert_cmpuint (f->n_done, ==, 10);
  g_assert_cmpint (f->last_code, ==, CLUSTER_ERROR_AWAY);
  WAIT (f->n_done == patient.max_pending + 10);
  g_assert_cmpint (f->last_code, ==, CLUSTER_ERROR_TIMEOUT);
  g_assert_cmpuint (f->n_failed, ==, f->n_done);
}

/* what is under way when it is freed is dropped, and nobody is told */
static void
test_free (Fixture *f, gconstpointer data)
{
  open_store (f, NULL, &patient);
  end (f);
  g_clear_pointer (&f->store, cluster_store_free);
  connect_store (f, &patient);
  f->reply = NULL;
  end (f);
  cluster_store_read_peers (f->store, on_rows, f);
  g_clear_pointer (&f->store, cluster_store_free);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (f->n_done, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, data, func)                                                  \
  g_test_add (name, Fixture, data, set_up, func, tear_down)
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *first =
          g_strconcat ("/cluster/redis/first/", bad[i].name, NULL);
      g_autofree char *later =
          g_strconcat ("/cluster/redis/later/", bad[i].name, NULL);
      ADD (first, GUINT_TO_POINTER (i), test_bad_server);
      if (i < 5)
        ADD (later, GUINT_TO_POINTER (i), test_goes_bad);
    }
  ADD ("/cluster/redis/too-long", NULL, test_too_long);
  ADD ("/cluster/redis/shapes", NULL, test_shapes);
  ADD ("/cluster/redis/unasked", NULL, test_unasked);
  ADD ("/cluster/redis/read-only", NULL, test_read_only);
  ADD ("/cluster/redis/queue", NULL, test_queue);
  ADD ("/cluster/redis/free", NULL, test_free);
  return g_test_run ();
}
