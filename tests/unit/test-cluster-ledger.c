/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterLedger against a server that answers what the test says: who leads,
 * when it ends, and that every call is answered once. */
#include "cluster/ledger-steer.h"

#include <string.h>

#include "cluster-wait.h"

#define TOKEN "0:100:me:0123456789abcdef"

typedef struct
{
  const char *command, *reply;
} Rule;

typedef struct
{
  GSocketService *service;
  GPtrArray *streams; /* (element-type GSocketConnection) owned */
  guint16 port;
  Rule rules[8]; /* by a word of the command; the last rule's is empty */
  guint n_commands;
  ClusterLedger *ledger; /* owned, nullable */
  guint n_up, n_down;
  /* answers */
  guint n_done, n_errors;
  int code;
  guint64 version;
  gboolean is_durable;
} Fixture;

typedef struct
{
  Fixture *f;
  GSocketConnection *connection; /* borrowed */
  GString *text;                 /* owned */
  char buffer[8192];
} Peer;

/* --- the server --------------------------------------------------------- */

static void serve (Peer *peer);

static const char *
find_reply (Fixture *f, const char *command)
{
  for (guint i = 0; i < G_N_ELEMENTS (f->rules); i++)
    if (f->rules[i].command != NULL
        && strstr (command, f->rules[i].command) != NULL)
      return f->rules[i].reply;
  return "-ERR no rule\r\n";
}

/* answer_all: a command begins with * at the begin of a line */
static void
answer_all (Peer *peer)
{
  GOutputStream *out =
      g_io_stream_get_output_stream (G_IO_STREAM (peer->connection));
  g_auto (GStrv) commands = g_strsplit (peer->text->str, "*", -1);

  for (guint i = 1; commands[i] != NULL; i++)
    {
      const char *reply = find_reply (peer->f, commands[i]);

      peer->f->n_commands++;
      if (reply != NULL)
        g_output_stream_write_all (out, reply, strlen (reply), NULL, NULL,
                                   NULL);
    }
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer data)
{
  Peer *peer = data;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, NULL);

  if (n <= 0)
    {
      g_io_stream_close (G_IO_STREAM (peer->connection), NULL, NULL);
      g_ptr_array_remove_fast (peer->f->streams, peer->connection);
      g_string_free (peer->text, TRUE);
      g_free (peer);
      return;
    }
  g_string_truncate (peer->text, 0);
  g_string_append_len (peer->text, peer->buffer, n);
  answer_all (peer);
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

  peer->f = f;
  peer->connection = connection;
  peer->text = g_string_new (NULL);
  g_ptr_array_add (f->streams, g_object_ref (connection));
  serve (peer);
  return TRUE;
}

/* --- the ledger --------------------------------------------------------- */

static void
on_leader_changed (gboolean is_leader, gpointer data)
{
  Fixture *f = data;

  f->n_up += is_leader;
  f->n_down += !is_leader;
}

static void
open_ledger (Fixture *f, gboolean is_candidate)
{
  g_autofree char *url = g_strdup_printf ("redis://127.0.0.1:%u", f->port);
  ClusterLedgerConfig config = { .redis_url = url,
                                 .tree_id = "main",
                                 .node_id = "me",
                                 .nonce = "0123456789abcdef",
                                 .is_candidate = is_candidate,
                                 .on_leader_changed = on_leader_changed,
                                 .data = f };

  f->ledger = cluster_ledger_new (&config, NULL);
  g_assert_nonnull (f->ledger);
}

static void
set_rule (Fixture *f, guint i, const char *command, const char *reply)
{
  f->rules[i] = (Rule){ command, reply };
}

static void
set_up (Fixture *f, gconstpointer data)
{
  memset (f, 0, sizeof *f);
  f->streams = g_ptr_array_new_with_free_func (g_object_unref);
  f->service = g_socket_service_new ();
  f->port = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (f->service),
                                                 NULL, NULL);
  g_assert_cmpuint (f->port, >, 0);
  g_signal_connect (f->service, "incoming", G_CALLBACK (on_incoming), f);
  set_rule (f, 0, "mt_version", ":1000\r\n");
  set_rule (f, 1, "PING", "+PONG\r\n");
  set_rule (f, 2, "mt_acquire", "*2\r\n$2\r\nOK\r\n$25\r\n" TOKEN "\r\n");
  set_rule (f, 3, "mt_renew", ":1\r\n");
  set_rule (f, 4, "mt_resign", ":1\r\n");
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_pointer (&f->ledger, cluster_ledger_free);
  WAIT (f->streams->len == 0);
  g_socket_service_stop (f->service);
  g_socket_listener_close (G_SOCKET_LISTENER (f->service));
  g_object_unref (f->service);
  g_ptr_array_unref (f->streams);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* --- answers ------------------------------------------------------------ */

static void
on_done (const GError *error, gpointer data)
{
  Fixture *f = data;

  f->n_done++;
  f->n_errors += error != NULL;
  f->code = error != NULL ? error->code : -1;
}

static void
on_version (guint64 version, gboolean is_durable, const GError *error,
            gpointer data)
{
  Fixture *f = data;

  f->version = version;
  f->is_durable = is_durable;
  on_done (error, data);
}

static void
on_trees (const char *const *trees, const GError *error, gpointer data)
{
  g_assert_true ((trees == NULL) == (error != NULL));
  on_done (error, data);
}

static void
on_scaling (const ClusterScaling *scaling, const GError *error, gpointer data)
{
  g_assert_true ((scaling == NULL) == (error != NULL));
  on_done (error, data);
}

static void
on_rows (GPtrArray *rows, const GError *error, gpointer data)
{
  g_assert_true ((rows == NULL) == (error != NULL));
  on_done (error, data);
}

static void
on_slots (GArray *slots, const GError *error, gpointer data)
{
  g_assert_true ((slots == NULL) == (error != NULL));
  on_done (error, data);
}

static void
on_learned (const char *text, const GError *error, gpointer data)
{
  g_assert_true (text == NULL || error == NULL);
  on_done (error, data);
}

static void
on_steering (const ClusterSteering *steering, const GError *error,
             gpointer data)
{
  g_assert_true ((steering == NULL) == (error != NULL));
  on_done (error, data);
}

static void
on_join (ClusterSlotState state, gboolean is_durable, const GError *error,
         gpointer data)
{
  ((Fixture *)data)->is_durable = is_durable;
  g_assert_true ((state == CLUSTER_SLOT_N) == (error != NULL));
  on_done (error, data);
}

static void
move (Fixture *f)
{
  const ClusterSlot slot = { .ordinal = 3,
                             .gen = 2,
                             .state = CLUSTER_SLOT_JOINED };

  cluster_ledger_move_slot (f->ledger, "main", &slot, CLUSTER_SLOT_SERVING,
                            "{}", on_version, f);
}

static void
desire (Fixture *f)
{
  cluster_ledger_desire (f->ledger, "main", 1, 2, CLUSTER_CAUSE_DEMAND, "why",
                         "{}", on_version, f);
}

/* ask_to_steer: one of each; Returns: how many */
static guint
ask_to_steer (Fixture *f)
{
  cluster_ledger_read_steering (f->ledger, "main", on_steering, f);
  cluster_ledger_enable (f->ledger, TRUE, "me", "why", on_version, f);
  cluster_ledger_set (f->ledger, "main", 3, 1000, "me", "why", on_version, f);
  cluster_ledger_answer (f->ledger, "main", "1-1", TRUE, "me", "why",
                         on_version, f);
  cluster_ledger_roll_back (f->ledger, "main", "1-1", 0, "me", "why",
                            on_version, f);
  cluster_ledger_tell (f->ledger, "main", 5000, "{}", on_done, f);
  cluster_ledger_end_change (f->ledger, "main", 1, "serves", on_version, f);
  cluster_ledger_propose (f->ledger, "main", 1, 2, 1000, "why", "{}",
                          on_version, f);
  return 8;
}

/* ask_all: one of each call */
static guint
ask_all (Fixture *f)
{
  ClusterPolicy policy = { .by = (char *)"me", .text = (char *)"{}" };
  guint n_more;

  f->n_done = f->n_errors = 0;
  cluster_ledger_read_trees (f->ledger, on_trees, f);
  cluster_ledger_read_scaling (f->ledger, "main", on_scaling, f);
  cluster_ledger_read_beats (f->ledger, "main", on_rows, f);
  cluster_ledger_read_history (f->ledger, "main", NULL, 10, on_rows, f);
  cluster_ledger_put_policy (f->ledger, "main", &policy, on_version, f);
  cluster_ledger_audit (f->ledger, "main", "note", "me", "{}", on_done, f);
  cluster_ledger_read_slots (f->ledger, "main", on_slots, f);
  cluster_ledger_join (f->ledger, 1, 2, "boot", TRUE, on_join, f);
  desire (f);
  move (f);
  cluster_ledger_read_learned (f->ledger, "main", on_learned, f);
  cluster_ledger_learn (f->ledger, "main", "warm 1\n", on_done, f);
  n_more = 2 + ask_to_steer (f);
  g_assert_cmpuint (f->n_done, ==, 0); /* never from within the call */
  return 10 + n_more;
}

static gboolean
leads (Fixture *f)
{
  return cluster_lease_is_valid (cluster_ledger_get_lease (f->ledger), 0);
}

/* --- cases -------------------------------------------------------------- */

static void
test_leads (Fixture *f, gconstpointer data)
{
  open_ledger (f, TRUE);
  WAIT (leads (f));
  g_assert_cmpuint (f->n_up, ==, 1);
  set_rule (f, 5, "mt_desire", ":5\r\n");
  desire (f);
  WAIT (f->n_done == 1);
  g_assert_cmpuint (f->version, ==, 5);
  g_assert_true (f->is_durable);
  cluster_ledger_resign (f->ledger, on_done, f);
  g_assert_false (leads (f));
  g_assert_cmpuint (f->n_done, ==, 1);
  WAIT (f->n_done == 2);
  /* what a leader may do is refused here already */
  f->n_done = f->n_errors = 0;
  desire (f);
  cluster_ledger_tell (f->ledger, "main", 5000, "{}", on_done, f);
  cluster_ledger_end_change (f->ledger, "main", 1, "serves", on_version, f);
  cluster_ledger_propose (f->ledger, "main", 1, 2, 1000, "why", "{}",
                          on_version, f);
  WAIT (f->n_done == 4);
  g_assert_cmpuint (f->n_errors, ==, 4);
  g_assert_cmpint (f->code, ==, CLUSTER_ERROR_FENCED);
}

static void
test_slot (Fixture *f, gconstpointer data)
{
  open_ledger (f, TRUE);
  WAIT (leads (f));
  set_rule (f, 5, "\r\n3\r\n$1\r\n2\r\n$6\r\njoined\r\n$7\r\nserving\r\n",
            ":2\r\n");
  move (f);
  WAIT (f->n_done == 1);
  g_assert_cmpuint (f->n_errors, ==, 0);
  g_assert_cmpuint (f->version, ==, 2);
  set_rule (f, 5, "mt_slot", "-BOUND 2 serve, 2 are desired\r\n");
  move (f);
  WAIT (f->n_done == 2);
  g_assert_cmpint (f->code, ==, CLUSTER_ERROR_BOUND);
  g_assert_true (leads (f));
  set_rule (f, 5, "mt_slot", "-FENCED other leads\r\n");
  move (f);
  WAIT (f->n_done == 3);
  g_assert_cmpint (f->code, ==, CLUSTER_ERROR_FENCED);
  g_assert_false (leads (f));
  move (f);
  WAIT (f->n_done == 4);
  g_assert_cmpint (f->code, ==, CLUSTER_ERROR_FENCED);
}

static void
test_join (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *reply;
    int code;
  } rows[] = { { "$7\r\nserving\r\n", -1 },
               { "$4\r\nnone\r\n", -1 },
               { "$4\r\nopen\r\n", CLUSTER_ERROR_PROTOCOL },
               { ":1\r\n", CLUSTER_ERROR_PROTOCOL },
               { "*0\r\n", CLUSTER_ERROR_PROTOCOL },
               { "-TAKEN another boot lives as me\r\n", CLUSTER_ERROR_TAKEN } };

  open_ledger (f, FALSE);
  WAIT (cluster_ledger_is_connected (f->ledger));
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      f->n_errors = 0;
      set_rule (f, 5, "\r\n3\r\n$1\r\n2\r\n$2\r\nme\r\n$4\r\nboot\r\n",
                rows[i].reply);
      cluster_ledger_join (f->ledger, 3, 2, "boot", TRUE, on_join, f);
      WAIT (f->n_done == i + 1);
      g_assert_cmpuint (f->n_errors, ==, rows[i].code != -1);
      g_assert_cmpint (f->code, ==, rows[i].code);
      /* one server: there is nobody to wait for */
      g_assert_cmpint (f->is_durable, ==, rows[i].code == -1);
    }
}

/* what people ask for needs no leader, and goes with its own arguments */
static void
test_steers (Fixture *f, gconstpointer data)
{
  open_ledger (f, FALSE);
  WAIT (cluster_ledger_is_connected (f->ledger));
  set_rule (f, 5, "mt_set\r\n$1\r\n0\r\n$0\r\n\r\n$4\r\nmain\r\n$1\r\n3\r\n",
            ":9\r\n");
  set_rule (f, 6, "mt_answer", "-MISSING there is no proposal 1-1\r\n");
  cluster_ledger_set (f->ledger, "main", 3, 1000, "me", "why", on_version, f);
  WAIT (f->n_done == 1);
  g_assert_cmpuint (f->version, ==, 9);
  cluster_ledger_answer (f->ledger, "main", "1-1", FALSE, "me", "why",
                         on_version, f);
  WAIT (f->n_done == 2);
  g_assert_cmpint (f->code, ==, CLUSTER_ERROR_MISSING);
}

/* a refused write ends the lease, if it was made under this token */
static void
test_fenced (Fixture *f, gconstpointer data)
{
  open_ledger (f, TRUE);
  WAIT (leads (f));
  set_rule (f, 2, "mt_acquire",
            "*3\r\n$4\r\nHELD\r\n$15\r\n0:200:other:abc\r\n:3000\r\n");
  set_rule (f, 5, "mt_desire", "-FENCED other leads\r\n");
  desire (f);
  WAIT (f->n_done == 1);
  g_assert_cmpint (f->code, ==, CLUSTER_ERROR_FENCED);
  g_assert_cmpuint (f->version, ==, 0);
  g_assert_false (f->is_durable);
  g_assert_false (leads (f));
  g_assert_cmpuint (f->n_down, ==, 1);
  WAIT (g_strcmp0 (
            cluster_lease_get_holder (cluster_ledger_get_lease (f->ledger)),
            "other")
        == 0);
}

static void
test_no_candidate (Fixture *f, gconstpointer data)
{
  g_autofree char *text = NULL;

  open_ledger (f, FALSE);
  WAIT (cluster_ledger_is_connected (f->ledger));
  set_rule (f, 5, "mt_trees", "*1\r\n$4\r\nmain\r\n");
  cluster_ledger_read_trees (f->ledger, on_trees, f);
  WAIT (f->n_done == 1);
  g_assert_cmpuint (f->n_errors, ==, 0);
  cluster_ledger_hear (f->ledger);
  g_assert_null (
      cluster_lease_get_token (cluster_ledger_get_lease (f->ledger)));
  text = cluster_ledger_describe (f->ledger);
  g_assert_nonnull (strstr (text, "\"candidate\":false"));
}

/* away: every call is told so */
static void
test_away (Fixture *f, gconstpointer data)
{
  guint n;

  set_rule (f, 0, "mt_version", "-ERR no\r\n");
  open_ledger (f, TRUE);
  n = ask_all (f);
  WAIT (f->n_done == n);
  g_assert_cmpuint (f->n_errors, ==, n);
  g_assert_false (leads (f));
}

/* nonsense in another shape: an error each, nobody leads, the connection
 * stays */
static void
test_shapes (Fixture *f, gconstpointer data)
{
  static const char *const replies[] = {
    "*-1\r\n", "$-1\r\n",       "*1\r\n:1\r\n", "*2\r\n:1\r\n*0\r\n",
    "*0\r\n",  "-ERR what\r\n", "+OK\r\n",
  };

  for (guint i = 0; i < G_N_ELEMENTS (replies); i++)
    {
      guint n;

      set_rule (f, 2, "mt_", replies[i]);
      g_clear_pointer (&f->ledger, cluster_ledger_free);
      open_ledger (f, TRUE);
      WAIT (cluster_ledger_is_connected (f->ledger));
      n = ask_all (f);
      WAIT (f->n_done == n);
      g_assert_cmpuint (f->n_errors, >=, 2);
      g_assert_false (leads (f));
      g_assert_true (cluster_ledger_is_connected (f->ledger));
    }
}

/* what is under way is dropped, and nobody is told */
static void
test_free (Fixture *f, gconstpointer data)
{
  open_ledger (f, TRUE);
  WAIT (leads (f));
  set_rule (f, 0, "mt_", NULL); /* silence */
  ask_all (f);
  cluster_ledger_resign (f->ledger, on_done, f);
  g_clear_pointer (&f->ledger, cluster_ledger_free);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (f->n_done, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/cluster/ledger/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("leads", test_leads);
  ADD ("slot", test_slot);
  ADD ("join", test_join);
  ADD ("fenced", test_fenced);
  ADD ("steers", test_steers);
  ADD ("no-candidate", test_no_candidate);
  ADD ("away", test_away);
  ADD ("shapes", test_shapes);
  ADD ("free", test_free);
  return g_test_run ();
}
