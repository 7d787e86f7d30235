/* SPDX-License-Identifier: Apache-2.0 */
/* node/workers: see the header. */
#include "node/workers.h"

#include "base/clock.h"
#include "node/log.h"

#define N_SAMPLES (NODE_WORKERS_WINDOW_S + 1)

typedef struct
{
  gint64 cpu_us[N_SAMPLES];
  gboolean is_stalled;
  BaseCounter *n_stalls; /* borrowed */
} Worker;

struct _NodeWorkers
{
  RtcWorker *const *workers; /* borrowed */
  guint n_workers;
  Worker *state;           /* owned */
  gint64 at_us[N_SAMPLES]; /* of the samples */
  guint n_samples;         /* ever taken */
};

double
node_workers_get_busy_ratio (NodeWorkers *self, guint worker)
{
  const Worker *state = &self->state[worker];
  guint last = (self->n_samples + N_SAMPLES - 1) % N_SAMPLES;
  guint first = self->n_samples < N_SAMPLES ? 0 : self->n_samples % N_SAMPLES;
  gint64 passed_us;

  if (self->n_samples < 2)
    return 0;
  passed_us = self->at_us[last] - self->at_us[first];
  return passed_us > 0
             ? CLAMP ((double)(state->cpu_us[last] - state->cpu_us[first])
                          / (double)passed_us,
                      0, 1)
             : 0;
}

guint64
node_workers_get_n_stalls (NodeWorkers *self)
{
  guint64 n = 0;

  for (guint i = 0; i < self->n_workers; i++)
    n += (guint64)base_counter_get (self->state[i].n_stalls);
  return n;
}

static void
look (NodeWorkers *self, guint worker, gint64 now_us)
{
  Worker *state = &self->state[worker];
  gint64 silent_us = now_us - rtc_worker_get_ticked_us (self->workers[worker]);
  gboolean was_stalled = state->is_stalled;

  state->is_stalled = silent_us > NODE_WORKERS_STALL_US;
  if (state->is_stalled && !was_stalled)
    {
      base_counter_add (state->n_stalls, 1);
      GST_WARNING ("media worker %u has not turned for %.1f s", worker,
                   (double)silent_us / BASE_US_PER_S);
    }
  else if (was_stalled && !state->is_stalled)
    GST_WARNING ("media worker %u turns again", worker);
}

void
node_workers_sample (NodeWorkers *self, gint64 now_us)
{
  guint slot = self->n_samples % N_SAMPLES;
  guint last = (self->n_samples + N_SAMPLES - 1) % N_SAMPLES;
  gboolean was_stopped =
      self->n_samples > 0 && now_us - self->at_us[last] > NODE_WORKERS_STALL_US;

  self->at_us[slot] = now_us;
  for (guint i = 0; i < self->n_workers; i++)
    {
      self->state[i].cpu_us[slot] = rtc_worker_get_cpu_us (self->workers[i]);
      if (!was_stopped)
        look (self, i, now_us);
    }
  self->n_samples++;
}

static void
collect (BaseMetricsWriter *writer, gpointer data)
{
  NodeWorkers *self = data;

  for (guint i = 0; i < self->n_workers; i++)
    {
      g_autofree char *label = g_strdup_printf ("worker=\"%u\"", i);

      base_metrics_write (
          writer, "media_tree_worker_cpu_seconds_total", "counter",
          "CPU time of a media worker: its growth a second is how busy it is.",
          label,
          (double)rtc_worker_get_cpu_us (self->workers[i]) / BASE_US_PER_S);
      base_metrics_write (writer, "media_tree_worker_busy_ratio", "gauge",
                          "Share of a core that a media worker used in the "
                          "last 10 s, by its CPU time.",
                          label, node_workers_get_busy_ratio (self, i));
    }
}

NodeWorkers *
node_workers_new (RtcWorker *const *workers, guint n_workers,
                  BaseMetrics *metrics)
{
  NodeWorkers *self = g_new0 (NodeWorkers, 1);

  self->workers = workers;
  self->n_workers = n_workers;
  self->state = g_new0 (Worker, n_workers);
  for (guint i = 0; i < n_workers; i++)
    {
      g_autofree char *label = g_strdup_printf ("worker=\"%u\"", i);

      self->state[i].n_stalls = base_metrics_add_counter (
          metrics, "media_tree_worker_stalls_total", label,
          "Times that a media worker did not turn for 2 s.");
    }
  base_metrics_add_collector (metrics, collect, self);
  return self;
}

void
node_workers_free (NodeWorkers *self)
{
  if (!self)
    return;
  g_free (self->state);
  g_free (self);
}
