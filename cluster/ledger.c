/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterLedger: the connection, the lease's questions, and the way of calls.
 */
#include "cluster/ledger-private.h"

#include "base/clock.h"
#include "base/json.h"
#include "cluster/log.h"
#include "cluster/store-read.h"

#include <json-glib/json-glib.h>
#include <string.h>

/* --- the way of a call -------------------------------------------------- */

ClusterLedgerCall *
cluster_ledger_call_new (ClusterLedger *self,
                         void (*read) (ClusterLedgerCall *call,
                                       const ClusterReply *reply),
                         void (*finish) (ClusterLedgerCall *call),
                         GCallback func, gpointer data)
{
  ClusterLedgerCall *call = g_new0 (ClusterLedgerCall, 1);

  call->self = self;
  call->read = read;
  call->finish = finish;
  call->func = func;
  call->data = data;
  return call;
}

static void
call_free (gpointer data)
{
  ClusterLedgerCall *call = data;

  g_clear_error (&call->error);
  g_clear_pointer (&call->rows, g_ptr_array_unref);
  g_strfreev (call->trees);
  g_clear_pointer (&call->slots, g_array_unref);
  g_free (call->text);
  cluster_scaling_clear (&call->scaling);
  cluster_steering_clear (&call->steering);
  g_free (call->tree_id);
  g_free (call->token);
  g_free (call->answer_token);
  g_free (call->why);
  g_free (call);
}

static void
call_drop (gpointer data)
{
  ClusterLedgerCall *call = data;

  if (!call->waits)
    call_free (call); /* else WAIT's is the last to be dropped */
}

static void
call_finish (ClusterLedgerCall *call)
{
  call->finish (call);
  call_free (call);
}

static void
on_reply (const ClusterReply *reply, const GError *error, gpointer data)
{
  ClusterLedgerCall *call = data;

  if (error != NULL)
    call->error = g_error_copy (error);
  else
    call->read (call, reply);
  if (!call->waits)
    call_finish (call);
}

static void
on_wait (const ClusterReply *reply, const GError *error, gpointer data)
{
  ClusterLedgerCall *call = data;

  if (reply != NULL && reply->type == CLUSTER_REPLY_INTEGER)
    call->n_replicas = (guint)CLAMP (reply->integer, 0, G_MAXINT);
  if (error != NULL && call->error == NULL)
    call->error = g_error_copy (error);
  call_finish (call);
}

/* send_wait: how many replicas have what this connection wrote */
static gboolean
send_wait (ClusterLedger *self, ClusterLedgerCall *call)
{
  const char *argv[] = { "WAIT", self->min_replicas,
                         G_STRINGIFY (CLUSTER_LEASE_WAIT_MS), NULL };
  ClusterRedis *redis =
      cluster_redis_link_get (cluster_functions_get_link (self->functions));

  return redis != NULL
         && cluster_redis_send (redis, argv, on_wait, call, call_free);
}

gboolean
cluster_ledger_try (ClusterLedger *self, ClusterLedgerCall *call,
                    const char *func, const char *tree_id, GPtrArray *args,
                    gboolean waits)
{
  gboolean ok = cluster_functions_call (self->functions, func, tree_id, args,
                                        on_reply, call, call_drop);

  g_ptr_array_unref (args);
  if (!ok)
    {
      call_free (call);
      return FALSE;
    }
  if (waits && self->min_replicas != NULL)
    call->waits = send_wait (self, call);
  return TRUE;
}

static gboolean
on_idle (gpointer data)
{
  ClusterLedger *self = data;
  ClusterLedgerCall *call = g_queue_pop_head (&self->later);

  if (g_queue_is_empty (&self->later))
    {
      g_source_destroy (self->idle);
      g_clear_pointer (&self->idle, g_source_unref);
    }
  call_finish (call); /* may free us */
  return G_SOURCE_CONTINUE;
}

void
cluster_ledger_finish_later (ClusterLedger *self, ClusterLedgerCall *call)
{
  g_queue_push_tail (&self->later, call);
  if (self->idle != NULL)
    return;
  self->idle = g_idle_source_new ();
  g_source_set_priority (self->idle, G_PRIORITY_DEFAULT);
  g_source_set_static_name (self->idle, "cluster-ledger");
  g_source_set_callback (self->idle, on_idle, self, NULL);
  g_source_attach (self->idle, NULL);
}

void
cluster_ledger_start (ClusterLedger *self, ClusterLedgerCall *call,
                      const char *func, const char *tree_id, GPtrArray *args,
                      gboolean waits)
{
  ClusterLedgerCall *spare = cluster_ledger_call_new (
      self, call->read, call->finish, call->func, call->data);

  if (cluster_ledger_try (self, call, func, tree_id, args, waits))
    {
      call_free (spare);
      return;
    }
  spare->error =
      g_error_new_literal (CLUSTER_ERROR, CLUSTER_ERROR_AWAY,
                           "the store is away, or has too much to do");
  cluster_ledger_finish_later (self, spare);
}

GPtrArray *
cluster_ledger_list (const char *first, ...)
{
  GPtrArray *args = g_ptr_array_new ();
  va_list more;

  va_start (more, first);
  for (const char *arg = first; arg != NULL; arg = va_arg (more, const char *))
    g_ptr_array_add (args, (char *)arg);
  va_end (more);
  return args;
}

/* --- the lease's wire --------------------------------------------------- */

static void
check_resigned (ClusterLedger *self)
{
  ClusterLedgerCall *call;

  if (self->resigning == NULL || !cluster_lease_is_resigned (self->lease))
    return;
  call = g_steal_pointer (&self->resigning);
  cluster_ledger_finish_later (self, call);
}

static void
finish_lease (ClusterLedgerCall *call)
{
  ClusterLedger *self = call->self;

  if (call->error != NULL)
    return; /* it broke: on_down follows */
  call->answer.token = call->answer_token;
  call->answer.why = call->why;
  call->answer.n_replicas = call->n_replicas;
  cluster_lease_answer (self->lease, &call->answer);
  check_resigned (self);
}

/* read_refusal: FALSE when @reply is an error */
static gboolean
read_refusal (ClusterLedgerCall *call, const ClusterReply *reply)
{
  g_autoptr (GError) error = NULL;

  if (reply->type != CLUSTER_REPLY_ERROR)
    return TRUE;
  cluster_read_status (reply, NULL, &error);
  call->answer.outcome =
      error->code == CLUSTER_ERROR_FENCED  ? CLUSTER_LEASE_FENCED
      : error->code == CLUSTER_ERROR_STALE ? CLUSTER_LEASE_STALE
                                           : CLUSTER_LEASE_FAILED;
  call->why = g_strdup_printf ("the store says: %s", error->message);
  return FALSE;
}

/* [OK, token] or [HELD, token, ms] */
static void
read_acquire (ClusterLedgerCall *call, const ClusterReply *reply)
{
  const char *word = cluster_reply_get_text (cluster_reply_get_item (reply, 0));
  const char *token =
      cluster_reply_get_text (cluster_reply_get_item (reply, 1));
  const ClusterReply *left = cluster_reply_get_item (reply, 2);

  if (!read_refusal (call, reply))
    return;
  call->answer.outcome = CLUSTER_LEASE_FAILED;
  if (token != NULL && g_strcmp0 (word, "OK") == 0)
    call->answer.outcome = CLUSTER_LEASE_OK;
  else if (token != NULL && g_strcmp0 (word, "HELD") == 0 && left != NULL
           && left->type == CLUSTER_REPLY_INTEGER)
    {
      call->answer.outcome = CLUSTER_LEASE_HELD;
      call->answer.pttl_ms = left->integer;
    }
  call->answer_token = g_strdup (token);
}

static void
read_renew (ClusterLedgerCall *call, const ClusterReply *reply)
{
  if (!read_refusal (call, reply))
    return;
  call->answer.outcome =
      reply->type == CLUSTER_REPLY_INTEGER && reply->integer == 1
          ? CLUSTER_LEASE_OK
          : CLUSTER_LEASE_FAILED;
}

static gboolean
wire_acquire (gint64 config_epoch, guint ttl_ms, gpointer data)
{
  ClusterLedger *self = data;
  char ttl[12], epoch[24] = "-";

  g_snprintf (ttl, sizeof ttl, "%u", ttl_ms);
  if (config_epoch != CLUSTER_LEASE_NO_EPOCH)
    g_snprintf (epoch, sizeof epoch, "%" G_GINT64_FORMAT, config_epoch);
  return cluster_ledger_try (
      self,
      cluster_ledger_call_new (self, read_acquire, finish_lease, NULL, NULL),
      "mt_acquire", self->tree_id,
      cluster_ledger_list (self->node_id, self->nonce, ttl, epoch, NULL), TRUE);
}

static gboolean
wire_renew (const char *token, guint ttl_ms, gpointer data)
{
  ClusterLedger *self = data;
  char ttl[12];

  g_snprintf (ttl, sizeof ttl, "%u", ttl_ms);
  return cluster_ledger_try (
      self,
      cluster_ledger_call_new (self, read_renew, finish_lease, NULL, NULL),
      "mt_renew", self->tree_id, cluster_ledger_list (token, ttl, NULL), TRUE);
}

static gboolean
wire_resign (const char *token, gpointer data)
{
  ClusterLedger *self = data;

  return cluster_ledger_try (
      self,
      cluster_ledger_call_new (self, read_renew, finish_lease, NULL, NULL),
      "mt_resign", self->tree_id, cluster_ledger_list (token, NULL), FALSE);
}

static gint64
wire_now_us (gpointer data)
{
  return base_clock_boot_us ();
}

/* The loop's clock stands while the machine sleeps: it is late then, and the
 * lease looks at its own clock. */
static void
wire_wake_at (gint64 at_us, gpointer data)
{
  ClusterLedger *self = data;
  gint64 in_us = MAX (at_us - base_clock_boot_us (), 0);

  g_source_set_ready_time (
      self->timer, at_us == G_MAXINT64 ? -1 : base_clock_now_us () + in_us);
}

static gboolean
on_timer (GSource *source, GSourceFunc callback, gpointer data)
{
  g_source_set_ready_time (source, -1);
  callback (data);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_due (gpointer data)
{
  cluster_lease_tick (((ClusterLedger *)data)->lease);
  return G_SOURCE_CONTINUE;
}

static void
make_timer (ClusterLedger *self)
{
  static GSourceFuncs funcs = { .dispatch = on_timer };

  self->timer = g_source_new (&funcs, sizeof (GSource));
  g_source_set_static_name (self->timer, "cluster-lease");
  g_source_set_callback (self->timer, on_due, self, NULL);
  g_source_set_ready_time (self->timer, -1);
  g_source_attach (self->timer, NULL);
}

/* --- the connection ----------------------------------------------------- */

static void
on_ready (gpointer data)
{
  ClusterLedger *self = data;

  if (self->is_candidate)
    cluster_lease_up (
        self->lease,
        self->sentinel != NULL
            ? (gint64)cluster_sentinel_get_config_epoch (self->sentinel)
            : CLUSTER_LEASE_NO_EPOCH);
}

static void
on_down (const GError *error, gpointer data)
{
  ClusterLedger *self = data;
  g_autofree char *why =
      g_strdup_printf ("the store is away: %s", error->message);

  if (self->is_candidate)
    cluster_lease_down (self->lease, why);
  check_resigned (self);
}

static void
on_switch (gpointer data)
{
  ClusterLedger *self = data;

  cluster_redis_link_drop (cluster_functions_get_link (self->functions),
                           "the master is another one now", TRUE);
}

/* --- life --------------------------------------------------------------- */

static void
open_connection (ClusterLedger *self)
{
  static const ClusterFunctionsCallbacks callbacks = { on_ready, on_down };

  if (self->url->is_sentinel)
    self->sentinel = cluster_sentinel_new (self->url, self->ca, &self->limits,
                                           on_switch, self);
  self->functions =
      cluster_functions_new (self->prefix, self->url, self->sentinel, self->ca,
                             &self->limits, &callbacks, self);
}

static void
make_lease (ClusterLedger *self, const ClusterLedgerConfig *config)
{
  guint k = self->url->is_sentinel ? 1 : 0;
  ClusterLeaseConfig lease = {
    .wire = { wire_acquire, wire_renew, wire_resign, wire_now_us,
              wire_wake_at },
    .wire_data = self,
    .min_replicas = k,
    .metrics = config->metrics,
    .on_changed = config->on_leader_changed,
    .data = config->data,
  };

  if (k > 0)
    self->min_replicas = g_strdup_printf ("%u", k);
  make_timer (self);
  self->lease = cluster_lease_new (&lease);
}

ClusterLedger *
cluster_ledger_new (const ClusterLedgerConfig *config, GError **error)
{
  ClusterRedisUrl *url = cluster_redis_url_parse (config->redis_url, error);
  ClusterLedger *self;

  if (url == NULL)
    return NULL;
  self = g_new0 (ClusterLedger, 1);
  self->url = url;
  self->limits =
      config->limits != NULL ? *config->limits : cluster_redis_limits;
  self->tree_id = g_strdup (config->tree_id);
  self->node_id = g_strdup (config->node_id);
  self->nonce = g_strdup (config->nonce);
  self->prefix = g_strdup (config->prefix != NULL ? config->prefix : "");
  self->is_candidate = config->is_candidate;
  g_queue_init (&self->later);
  if (!cluster_redis_url_load_ca (self->url, &self->ca, error))
    {
      cluster_ledger_free (self);
      return NULL;
    }
  if (config->metrics != NULL)
    self->n_bad_values = base_metrics_add_counter (
        config->metrics, "media_tree_store_bad_values_total", NULL,
        "Nodes and streams in the store that were not understood");
  make_lease (self, config);
  open_connection (self);
  return self;
}

static void
drop_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

void
cluster_ledger_free (ClusterLedger *self)
{
  g_return_if_fail (self != NULL);

  g_clear_pointer (&self->functions, cluster_functions_free);
  g_clear_pointer (&self->sentinel, cluster_sentinel_free);
  drop_source (&self->timer);
  drop_source (&self->idle);
  g_queue_clear_full (&self->later, call_free);
  g_clear_pointer (&self->resigning, call_free);
  g_clear_pointer (&self->lease, cluster_lease_free);
  g_clear_pointer (&self->url, cluster_redis_url_free);
  g_clear_object (&self->ca);
  g_free (self->tree_id);
  g_free (self->node_id);
  g_free (self->nonce);
  g_free (self->prefix);
  g_free (self->min_replicas);
  g_free (self);
}

gboolean
cluster_ledger_is_connected (ClusterLedger *self)
{
  return cluster_functions_is_ready (self->functions);
}

ClusterLease *
cluster_ledger_get_lease (ClusterLedger *self)
{
  return self->lease;
}

void
cluster_ledger_hear (ClusterLedger *self)
{
  if (self->is_candidate)
    cluster_lease_hint (self->lease);
}

static void
finish_resign (ClusterLedgerCall *call)
{
  if (call->func != NULL)
    ((ClusterDoneFunc)call->func) (NULL, call->data);
}

void
cluster_ledger_resign (ClusterLedger *self, ClusterDoneFunc func, gpointer data)
{
  g_return_if_fail (self->resigning == NULL);

  self->resigning = cluster_ledger_call_new (self, NULL, finish_resign,
                                             G_CALLBACK (func), data);
  cluster_lease_resign (self->lease);
  check_resigned (self);
}

char *
cluster_ledger_describe (ClusterLedger *self)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (json);
  json_builder_set_member_name (json, "connected");
  json_builder_add_boolean_value (json, cluster_ledger_is_connected (self));
  json_builder_set_member_name (json, "candidate");
  json_builder_add_boolean_value (json, self->is_candidate);
  json_builder_set_member_name (json, "leader");
  json_builder_add_boolean_value (json,
                                  cluster_lease_is_valid (self->lease, 0));
  json_builder_set_member_name (json, "term");
  json_builder_add_int_value (json,
                              (gint64)cluster_lease_get_term (self->lease));
  base_json_add_text (json, "holder", cluster_lease_get_holder (self->lease));
  base_json_add_text (json, "why",
                      self->is_candidate
                          ? cluster_lease_get_why (self->lease)
                          : "its role leads nothing, or lead=no");
  json_builder_end_object (json);
  root = json_builder_get_root (json);
  return json_to_string (root, FALSE);
}
