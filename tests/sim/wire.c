/* SPDX-License-Identifier: Apache-2.0 */
/* sim/wire: links and their connections. */
#include "wire-private.h"

#include "cluster/functions.h"
#include "cluster/store.h"
#include "store.h"

#include <stdlib.h>
#include <string.h>

#define ASK_TIMEOUT_US (300 * SIM_US_PER_MS)
#define PROBE_US (100 * SIM_US_PER_MS)

const ClusterRedisLimits cluster_redis_limits = {
  .connect_ms = 2000,
  .command_ms = 2000,
  .backoff_min_ms = 100,
  .backoff_max_ms = 4000,
  .max_pending = 1024,
};

typedef struct
{
  int n_refs;
  ClusterRedisLink *link; /* NULL: the client is gone, or has closed */
  SimProc *proc;
  guint server, server_life;
  SimChannel *there, *back; /* borrowed */
  GQueue pending; /* of the client: (element-type Request) that have no answer;
                   * each a reference */
  GQueue served;  /* of the server: that were not begun; references */
  gboolean is_waiting;
  guint64 offset; /* of its last write */
} Conn;

typedef struct
{
  int n_refs;
  Conn *conn; /* a reference */
  char **argv;
  ClusterReply *reply; /* nullable */
  ClusterReplyFunc func;
  gpointer data;
  GDestroyNotify drop;
} Request;

struct _ClusterRedisLink
{
  ClusterRedisLinkCallbacks callbacks;
  gpointer data;
  ClusterSentinel *sentinel; /* borrowed */
  const ClusterRedisLimits *limits;
  SimProc *proc;
  Conn *conn;    /* a reference, nullable */
  guint attempt; /* of now; what belongs to another is late */
  guint backoff_ms;
  /* of an attempt */
  guint asked, n_asked;
  SimSentinelView views[3];
};

static GPtrArray *conns;     /* Conn, borrowed: to servers */
static GHashTable *attempts; /* links that live: (element-type link) */
static gboolean waits_not, nodes_wait_not, asks_once;
static guint last_attempt; /* no link has another's */

/* --- references ----------------------------------------------------------- */

static void request_unref (gpointer data);

static void
conn_unref (gpointer data)
{
  Conn *conn = data;

  if (--conn->n_refs > 0)
    return;
  g_ptr_array_remove_fast (conns, conn);
  g_free (conn);
}

static Request *
request_ref (Request *request)
{
  request->n_refs++;
  return request;
}

static void
request_unref (gpointer data)
{
  Request *request = data;

  if (--request->n_refs > 0)
    return;
  g_clear_pointer (&request->reply, cluster_reply_free);
  g_strfreev (request->argv);
  conn_unref (request->conn);
  g_free (request);
}

/* --- the server's side ---------------------------------------------------- */

static void serve (Conn *conn);
static void on_answer (gpointer data);

static gboolean
is_there (const Conn *conn)
{
  return sim_store_is_up (conn->server)
         && sim_store_get_life (conn->server) == conn->server_life;
}

static void
answer (Request *request, ClusterReply *reply)
{
  Conn *conn = request->conn;

  request->reply = reply;
  if (conn->back != NULL)
    sim_channel_send (conn->back, conn->proc, on_answer, request_ref (request),
                      request_unref);
}

static void
on_waited (gpointer data)
{
  Request *request = data;
  Conn *conn = request->conn;

  conn->is_waiting = FALSE;
  if (!is_there (conn))
    return;
  answer (request,
          sim_reply_integer (sim_store_count (conn->server, conn->offset)));
  serve (conn);
}

/* FCALL function 0 argument … */
static ClusterReply *
call (Conn *conn, char **argv)
{
  g_autoptr (GPtrArray) args = g_ptr_array_new ();

  if (!sim_store_is_master (conn->server))
    return sim_reply_error ("READONLY You can't write against a read only "
                            "replica.");
  for (guint i = 3; argv[i] != NULL; i++)
    g_ptr_array_add (args, argv[i]);
  return sim_store_call (conn->server, argv[1], args, &conn->offset);
}

static void
serve (Conn *conn)
{
  while (!conn->is_waiting && !g_queue_is_empty (&conn->served)
         && is_there (conn))
    {
      Request *request = g_queue_pop_head (&conn->served);
      char **argv = request->argv;

      if (strcmp (argv[0], "WAIT") != 0)
        answer (request, strcmp (argv[0], "FCALL") == 0
                             ? call (conn, argv)
                             : sim_reply_error ("ERR unknown command"));
      else if (waits_not
               || (nodes_wait_not && conn->proc->host >= SIM_N_STORES))
        answer (request, sim_reply_integer (SIM_N_STORES - 1));
      else
        {
          conn->is_waiting = TRUE;
          sim_store_wait (conn->server, conn->offset, (guint)atoi (argv[1]),
                          atoi (argv[2]) * SIM_US_PER_MS, on_waited,
                          request_ref (request), request_unref);
        }
      request_unref (request);
    }
}

static void
on_request (gpointer data)
{
  Request *request = data;

  if (!is_there (request->conn))
    return;
  g_queue_push_tail (&request->conn->served, request_ref (request));
  serve (request->conn);
}

/* --- the client's side ---------------------------------------------------- */

static void begin (ClusterRedisLink *self);

static void
conn_close (Conn *conn)
{
  conn->link = NULL;
  if (conn->there != NULL)
    sim_channel_close (g_steal_pointer (&conn->there), TRUE);
  if (conn->back != NULL)
    sim_channel_close (g_steal_pointer (&conn->back), FALSE);
}

static void
fail_pending (Conn *conn, const GError *error)
{
  Request *request;

  while ((request = g_queue_pop_head (&conn->pending)) != NULL)
    {
      if (error != NULL)
        request->func (NULL, error, request->data);
      else if (request->drop != NULL)
        request->drop (request->data);
      request_unref (request);
    }
}

/* What is to be done by a link later: it may be gone by then. */
typedef struct
{
  ClusterRedisLink *link;
  guint attempt;
} Errand;

static gboolean
is_current (const Errand *errand)
{
  return g_hash_table_contains (attempts, errand->link)
         && errand->link->attempt == errand->attempt;
}

static void
later (ClusterRedisLink *self, gint64 in_us, SimFunc func)
{
  Errand *errand = g_new (Errand, 1);

  *errand = (Errand){ self, self->attempt };
  sim_at (sim_now () + in_us, self->proc, func, errand, g_free);
}

static void
on_again (gpointer data)
{
  const Errand *errand = data;

  if (is_current (errand))
    begin (errand->link);
}

static void
go_down (ClusterRedisLink *self, ClusterError code, const char *why,
         gboolean at_once)
{
  g_autoptr (GError) error = g_error_new_literal (CLUSTER_ERROR, code, why);
  Conn *conn = g_steal_pointer (&self->conn);
  Errand errand;

  self->attempt = ++last_attempt;
  errand = (Errand){ self, self->attempt };
  if (conn != NULL)
    {
      conn_close (conn);
      fail_pending (conn, error);
      conn_unref (conn);
    }
  self->callbacks.on_down (error, self->data);
  if (!is_current (&errand))
    return;
  later (self, at_once ? 1 : sim_between (1, self->backoff_ms) * SIM_US_PER_MS,
         on_again);
  self->backoff_ms = MIN (self->backoff_ms * 2, self->limits->backoff_max_ms);
}

static void
on_answer (gpointer data)
{
  Request *request = data;
  Conn *conn = request->conn;

  if (conn->link == NULL || g_queue_peek_head (&conn->pending) != request)
    return;
  g_queue_pop_head (&conn->pending);
  request->func (request->reply, NULL, request->data);
  request_unref (request);
}

static void
on_late (gpointer data)
{
  Request *request = data;
  Conn *conn = request->conn;

  if (conn->link != NULL && g_queue_find (&conn->pending, request) != NULL)
    go_down (conn->link, CLUSTER_ERROR_TIMEOUT, "no answer for 2 s", FALSE);
}

/* The server is down, or no master any more: it says so when it can. */
static void
on_broken (gpointer data)
{
  Conn *conn = data;

  if (conn->link != NULL)
    go_down (conn->link, CLUSTER_ERROR_AWAY, "the server closed it", FALSE);
}

/* looks by itself: a kernel that has no such connection resets it */
static void
on_probe (gpointer data)
{
  Conn *conn = data;
  guint host = conn->proc->host;

  if (conn->link == NULL)
    return;
  if (!is_there (conn) && !sim_is_cut (host, conn->server)
      && !sim_is_cut (conn->server, host))
    {
      on_broken (conn);
      return;
    }
  conn->n_refs++;
  sim_at (sim_now () + PROBE_US, conn->proc, on_probe, conn, conn_unref);
}

gboolean
cluster_redis_send (ClusterRedis *redis, const char *const *argv,
                    ClusterReplyFunc func, gpointer data, GDestroyNotify drop)
{
  Conn *conn = (Conn *)(gpointer)redis;
  Request *request;

  if (conn->link == NULL
      || g_queue_get_length (&conn->pending) >= conn->link->limits->max_pending)
    return FALSE;
  request = g_new0 (Request, 1);
  *request = (Request){ .n_refs = 1,
                        .conn = conn,
                        .argv = g_strdupv ((char **)argv),
                        .func = func,
                        .data = data,
                        .drop = drop };
  conn->n_refs++;
  g_queue_push_tail (&conn->pending, request);
  sim_channel_send (conn->there, NULL, on_request, request_ref (request),
                    request_unref);
  sim_at (sim_now () + conn->link->limits->command_ms * SIM_US_PER_MS,
          conn->proc, on_late, request_ref (request), request_unref);
  return TRUE;
}

gboolean
cluster_redis_ask (ClusterRedis *redis, ClusterReplyFunc func, gpointer data,
                   ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  va_list more;
  char *arg;

  va_start (more, data);
  do
    g_ptr_array_add (argv, arg = va_arg (more, char *));
  while (arg != NULL);
  va_end (more);
  return cluster_redis_send (redis, (const char *const *)argv->pdata, func,
                             data, NULL);
}

/* --- finding the master --------------------------------------------------- */

static void
on_connected (gpointer data)
{
  const Errand *errand = data;
  ClusterRedisLink *self = errand->link;
  guint server, host;
  Conn *conn;

  if (!is_current (errand))
    return;
  server = self->sentinel->master;
  host = self->proc->host;
  if (sim_is_cut (host, server) || sim_is_cut (server, host)
      || !sim_store_is_master (server)) /* ROLE */
    {
      go_down (self, CLUSTER_ERROR_AWAY, "there is no master", FALSE);
      return;
    }
  conn = g_new0 (Conn, 1);
  conn->n_refs = 1;
  conn->link = self;
  conn->proc = self->proc;
  conn->server = server;
  conn->server_life = sim_store_get_life (server);
  conn->there = sim_channel_new (host, server);
  conn->back = sim_channel_new (server, host);
  g_queue_init (&conn->pending);
  g_queue_init (&conn->served);
  g_ptr_array_add (conns, conn);
  self->conn = conn;
  self->backoff_ms = self->limits->backoff_min_ms;
  on_probe (conn);
  self->callbacks.on_up (self->data);
}

static gboolean
agree (const ClusterRedisLink *self)
{
  const SimSentinelView *v = self->views;

  return asks_once
         || (v[0].by_name == v[1].by_info && v[1].by_info == v[2].by_name);
}

static void
on_said (gpointer data)
{
  const Errand *errand = data;
  ClusterRedisLink *self = errand->link;
  guint host, asked;

  if (!is_current (errand))
    return;
  host = self->proc->host;
  asked = self->asked % SIM_N_STORES;
  if (sim_is_cut (host, asked) || sim_is_cut (asked, host))
    {
      self->asked++;
      go_down (self, CLUSTER_ERROR_AWAY, "no sentinel answers", FALSE);
      return;
    }
  sim_sentinel_get_view (asked, &self->views[self->n_asked++]);
  if (self->n_asked < 3)
    {
      later (self, sim_between (200, 4000), on_said);
      return;
    }
  if (!agree (self))
    {
      go_down (self, CLUSTER_ERROR_AWAY, "the sentinel is of two minds", FALSE);
      return;
    }
  self->sentinel->master =
      asks_once ? self->views[1].by_info : self->views[0].by_name;
  self->sentinel->epoch = self->views[1].epoch;
  self->sentinel->knows = TRUE;
  later (self, sim_between (200, 4000), on_connected);
}

static void
begin (ClusterRedisLink *self)
{
  guint host = self->proc->host, asked = self->asked % SIM_N_STORES;
  gboolean is_cut = sim_is_cut (host, asked) || sim_is_cut (asked, host);

  self->n_asked = 0;
  later (self, is_cut ? ASK_TIMEOUT_US : sim_between (200, 4000), on_said);
}

/* --- links ---------------------------------------------------------------- */

ClusterRedisLink *
cluster_redis_link_new (const ClusterRedisUrl *url, ClusterSentinel *sentinel,
                        GTlsDatabase *ca, const ClusterRedisLimits *limits,
                        const ClusterRedisLinkCallbacks *callbacks,
                        gpointer data)
{
  ClusterRedisLink *self = g_new0 (ClusterRedisLink, 1);

  g_assert (sentinel != NULL);
  self->callbacks = *callbacks;
  self->data = data;
  self->sentinel = sentinel;
  self->limits = limits;
  self->proc = sim_self ();
  self->attempt = ++last_attempt;
  self->backoff_ms = limits->backoff_min_ms;
  self->asked = (guint)sim_between (0, SIM_N_STORES - 1);
  g_hash_table_add (attempts, self);
  begin (self);
  return self;
}

void
cluster_redis_link_free (ClusterRedisLink *self)
{
  g_hash_table_remove (attempts, self);
  if (self->conn != NULL)
    {
      conn_close (self->conn);
      fail_pending (self->conn, NULL);
      conn_unref (self->conn);
    }
  g_free (self);
}

ClusterRedis *
cluster_redis_link_get (ClusterRedisLink *self)
{
  return (ClusterRedis *)(gpointer)self->conn;
}

typedef struct
{
  Errand errand;
  gboolean at_once;
  char *why;
} Drop;

static void
drop_free (gpointer data)
{
  Drop *drop = data;

  g_free (drop->why);
  g_free (drop);
}

static void
on_drop (gpointer data)
{
  const Drop *drop = data;

  if (is_current (&drop->errand) && drop->errand.link->conn != NULL)
    go_down (drop->errand.link, CLUSTER_ERROR_AWAY, drop->why, drop->at_once);
}

void
cluster_redis_link_drop (ClusterRedisLink *self, const char *why,
                         gboolean at_once)
{
  Drop *drop = g_new (Drop, 1);

  *drop = (Drop){ { self, self->attempt }, at_once, g_strdup (why) };
  sim_at (sim_now (), self->proc, on_drop, drop, drop_free);
}

const char *
cluster_redis_link_get_address (ClusterRedisLink *self)
{
  return NULL;
}

/* --- life ----------------------------------------------------------------- */

void
sim_wire_begin (void)
{
  conns = g_ptr_array_new ();
  attempts = g_hash_table_new (NULL, NULL);
  waits_not = nodes_wait_not = asks_once = FALSE;
  sim_wire_begin_sentinels ();
}

void
sim_wire_end (void)
{
  while (conns->len > 0)
    {
      Conn *conn = conns->pdata[0];

      conn->n_refs++;
      g_queue_clear_full (&conn->served, request_unref);
      g_assert (conn->n_refs == 1);
      conn_unref (conn);
    }
  g_clear_pointer (&conns, g_ptr_array_unref);
  sim_wire_end_sentinels ();
  g_clear_pointer (&attempts, g_hash_table_unref);
}

void
sim_wire_forget_wait (gboolean is_forgotten)
{
  waits_not = is_forgotten;
}

void
sim_wire_forget_nodes_wait (gboolean is_forgotten)
{
  nodes_wait_not = is_forgotten;
}

void
sim_wire_ask_once (gboolean is_once)
{
  asks_once = is_once;
}
