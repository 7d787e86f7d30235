/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterStore: the calls, and answers from the main loop. */
#include "cluster/store-private.h"

#include <string.h>

#include "base/clock.h"

G_DEFINE_QUARK (cluster - error - quark, cluster_error)

static const char *const error_names[CLUSTER_ERROR_N] = {
  [CLUSTER_ERROR_URL] = "url",         [CLUSTER_ERROR_AWAY] = "away",
  [CLUSTER_ERROR_TIMEOUT] = "timeout", [CLUSTER_ERROR_PROTOCOL] = "protocol",
  [CLUSTER_ERROR_REPLY] = "reply",     [CLUSTER_ERROR_TAKEN] = "taken",
  [CLUSTER_ERROR_LOOP] = "loop",       [CLUSTER_ERROR_FULL] = "full",
  [CLUSTER_ERROR_DEAD] = "dead",       [CLUSTER_ERROR_CONFLICT] = "conflict",
  [CLUSTER_ERROR_STALE] = "stale",     [CLUSTER_ERROR_FENCED] = "fenced",
  [CLUSTER_ERROR_BOUND] = "bound",     [CLUSTER_ERROR_COOLDOWN] = "cooldown",
  [CLUSTER_ERROR_MISSING] = "missing",
};

const char *
cluster_error_get_name (ClusterError code)
{
  return error_names[code];
}

/* --- answers ------------------------------------------------------------ */

static void
run_done (ClusterAnswer *self)
{
  ((ClusterDoneFunc)self->func) (self->error, self->data);
}

static void
run_peers (ClusterAnswer *self)
{
  ((ClusterPeersFunc)self->func) (self->rows, self->error, self->data);
}

static void
run_streams (ClusterAnswer *self)
{
  ((ClusterStreamsFunc)self->func) (self->rows, self->error, self->data);
}

static void
run_mountpoints (ClusterAnswer *self)
{
  ((ClusterMountpointsFunc)self->func) (self->rows, self->error, self->data);
}

static void
run_claim (ClusterAnswer *self)
{
  ((ClusterClaimFunc)self->func) (self->current, self->error, self->data);
}

static ClusterAnswer *
answer_new (ClusterStore *store, void (*run) (ClusterAnswer *self),
            GCallback func, gpointer data)
{
  ClusterAnswer *self = g_new0 (ClusterAnswer, 1);

  self->store = store;
  self->run = run;
  self->func = func;
  self->data = data;
  self->asked_us = base_clock_now_us ();
  return self;
}

void
cluster_answer_free (ClusterAnswer *self)
{
  g_clear_error (&self->error);
  g_clear_pointer (&self->rows, g_ptr_array_unref);
  g_clear_pointer (&self->current, cluster_stream_free);
  g_free (self);
}

void
cluster_answer_finish (ClusterAnswer *self)
{
  ClusterStore *store = self->store;
  double seconds = (double)(base_clock_now_us () - self->asked_us);

  base_histogram_observe (store->seconds, seconds / BASE_US_PER_S);
  if (self->error != NULL)
    base_counter_add (store->n_errors[self->error->code], 1);
  if (self->func != NULL)
    self->run (self);
  cluster_answer_free (self);
}

static gboolean
on_idle (gpointer data)
{
  ClusterStore *self = data;
  /* The store may be freed by what runs; it empties the queue then. */
  ClusterAnswer *answer = g_queue_pop_head (&self->later);

  if (g_queue_is_empty (&self->later))
    {
      g_source_destroy (self->idle);
      g_clear_pointer (&self->idle, g_source_unref);
    }
  if (answer != NULL)
    cluster_answer_finish (answer);
  return G_SOURCE_CONTINUE;
}

void
cluster_answer_finish_later (ClusterAnswer *answer)
{
  ClusterStore *self = answer->store;

  g_queue_push_tail (&self->later, answer);
  if (self->idle != NULL)
    return;
  self->idle = g_idle_source_new ();
  g_source_set_priority (self->idle, G_PRIORITY_DEFAULT);
  g_source_set_static_name (self->idle, "cluster-store");
  g_source_set_callback (self->idle, on_idle, self, NULL);
  g_source_attach (self->idle, NULL);
}

/* --- life --------------------------------------------------------------- */

void
cluster_store_init (ClusterStore *self, const ClusterStoreClass *klass,
                    const char *tree_id)
{
  self->klass = klass;
  self->tree_id = g_strdup (tree_id);
  g_queue_init (&self->later);
}

void
cluster_store_clear (ClusterStore *self)
{
  if (self->idle != NULL)
    {
      g_source_destroy (self->idle);
      g_clear_pointer (&self->idle, g_source_unref);
    }
  g_queue_clear_full (&self->later, (GDestroyNotify)cluster_answer_free);
  g_free (self->tree_id);
  g_free (self);
}

void
cluster_store_free (ClusterStore *self)
{
  g_return_if_fail (self != NULL);

  self->klass->free (self);
}

void
cluster_store_set_hint_func (ClusterStore *self, ClusterHintFunc func,
                             gpointer data)
{
  self->hint_func = func;
  self->hint_data = data;
}

void
cluster_store_set_metrics (ClusterStore *self, BaseMetrics *metrics)
{
  static const double bounds[] = { 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                   0.05,   0.1,   0.25,   0.5,   1,    2 };

  self->is_connected =
      base_metrics_add_gauge (metrics, "media_tree_store_connected", NULL,
                              "Whether the store that nodes meet in answers");
  self->n_reconnects = base_metrics_add_counter (
      metrics, "media_tree_store_reconnects_total", NULL,
      "Connections to the store that were made after the first one");
  for (guint i = 0; i < CLUSTER_ERROR_N; i++)
    {
      g_autofree char *label = base_metrics_label ("reason", error_names[i]);
      self->n_errors[i] = base_metrics_add_counter (
          metrics, "media_tree_store_errors_total", label,
          "Calls of the store that failed or were refused");
    }
  self->n_bad_values = base_metrics_add_counter (
      metrics, "media_tree_store_bad_values_total", NULL,
      "Nodes and streams in the store that were not understood");
  self->seconds = base_metrics_add_histogram (
      metrics, "media_tree_store_command_seconds", NULL,
      "Time until the store has answered a call", bounds,
      G_N_ELEMENTS (bounds));
  base_counter_set (self->is_connected, self->state == CLUSTER_STORE_CONNECTED);
}

ClusterStoreState
cluster_store_get_state (ClusterStore *self)
{
  return self->state;
}

void
cluster_store_set_state (ClusterStore *self, ClusterStoreState state)
{
  if (self->state == state)
    return;
  self->state = state;
  base_counter_set (self->is_connected, state == CLUSTER_STORE_CONNECTED);
  cluster_store_hint (self, CLUSTER_HINT_STATE);
}

void
cluster_store_hint (ClusterStore *self, ClusterHint hint)
{
  if (self->hint_func != NULL)
    self->hint_func (hint, self->hint_data);
}

char *
cluster_store_describe (ClusterStore *self)
{
  return self->klass->describe (self);
}

/* --- calls -------------------------------------------------------------- */

void
cluster_store_beat (ClusterStore *self, const ClusterNode *node,
                    const ClusterLoad *load, ClusterDoneFunc func,
                    gpointer data)
{
  self->klass->beat (self, node, load,
                     answer_new (self, run_done, G_CALLBACK (func), data));
}

void
cluster_store_leave (ClusterStore *self, const ClusterNode *node,
                     ClusterDoneFunc func, gpointer data)
{
  self->klass->leave (self, node,
                      answer_new (self, run_done, G_CALLBACK (func), data));
}

void
cluster_store_place (ClusterStore *self, const char *node_id,
                     const ClusterPlace *place, guint max_children,
                     ClusterDoneFunc func, gpointer data)
{
  self->klass->place (self, node_id, place, max_children,
                      answer_new (self, run_done, G_CALLBACK (func), data));
}

void
cluster_store_read_peers (ClusterStore *self, ClusterPeersFunc func,
                          gpointer data)
{
  self->klass->read_peers (
      self, answer_new (self, run_peers, G_CALLBACK (func), data));
}

void
cluster_store_read_streams (ClusterStore *self, ClusterStreamsFunc func,
                            gpointer data)
{
  self->klass->read_streams (
      self, answer_new (self, run_streams, G_CALLBACK (func), data));
}

void
cluster_store_claim_stream (ClusterStore *self, const ClusterStream *stream,
                            ClusterClaimFunc func, gpointer data)
{
  self->klass->claim_stream (
      self, stream, answer_new (self, run_claim, G_CALLBACK (func), data));
}

void
cluster_store_end_stream (ClusterStore *self, const char *name,
                          const char *publication, ClusterDoneFunc func,
                          gpointer data)
{
  self->klass->end_stream (
      self, name, publication,
      answer_new (self, run_done, G_CALLBACK (func), data));
}

/* --- mountpoints -------------------------------------------------------- */

ClusterMountpoint *
cluster_mountpoint_new (const char *id, const char *text)
{
  ClusterMountpoint *self = g_new (ClusterMountpoint, 1);

  self->id = g_strdup (id);
  self->text = g_strdup (text);
  return self;
}

void
cluster_mountpoint_free (ClusterMountpoint *self)
{
  g_free (self->id);
  g_free (self->text);
  g_free (self);
}

void
cluster_store_put_mountpoint (ClusterStore *self, const char *id,
                              const char *text, gboolean is_new,
                              ClusterDoneFunc func, gpointer data)
{
  g_return_if_fail (strlen (text) <= CLUSTER_MAX_MOUNTPOINT_BYTES);

  self->klass->put_mountpoint (
      self, id, text, is_new,
      answer_new (self, run_done, G_CALLBACK (func), data));
}

void
cluster_store_remove_mountpoint (ClusterStore *self, const char *id,
                                 ClusterDoneFunc func, gpointer data)
{
  self->klass->remove_mountpoint (
      self, id, answer_new (self, run_done, G_CALLBACK (func), data));
}

void
cluster_store_read_mountpoints (ClusterStore *self, ClusterMountpointsFunc func,
                                gpointer data)
{
  self->klass->read_mountpoints (
      self, answer_new (self, run_mountpoints, G_CALLBACK (func), data));
}
