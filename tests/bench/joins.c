/* SPDX-License-Identifier: Apache-2.0 */
/* BenchJoins: see joins.h. */
#include "tests/bench/joins.h"

#include "tests/bench/signup.h"

#define MAX_THREADS 64
#define MAX_FAILED 5

struct _BenchJoins
{
  BenchJoinsPlan plan;
  GThread *threads[MAX_THREADS];
  gint64 start_us;
  gint n_taken, n_failed; /* atomic */
};

static void
join_one (BenchJoins *self, BenchSignup *signup, guint n)
{
  const BenchJoinsPlan *plan = &self->plan;
  guint number = plan->first + n;
  gint64 due_us = self->start_us + n * plan->interval_us;
  gint64 early_us = due_us - g_get_monotonic_time ();
  BenchViewerOptions options = { .gro = plan->gro,
                                 .is_sampled = number < plan->n_sampled };
  g_autofree char *stream = g_strdup_printf ("%u", number % plan->n_streams);
  g_auto (GStrv) parts = g_strsplit (plan->whep ? plan->whep : "", "%u", 2);
  g_autofree char *url = g_strjoinv (stream, parts);
  BenchViewer *viewer;

  if (early_us > 0)
    g_usleep ((gulong)early_us);
  options.due_us = plan->interval_us > 0 ? due_us : g_get_monotonic_time ();
  viewer = bench_viewer_new (&options);
  if (bench_signup_run (signup, viewer, url))
    plan->on_joined (viewer);
  else
    {
      bench_viewer_free (viewer);
      g_atomic_int_inc (&self->n_failed);
    }
}

static gpointer
run (gpointer data)
{
  BenchJoins *self = data;
  const BenchJoinsPlan *plan = &self->plan;
  BenchSignup *signup =
      bench_signup_new (plan->janus ? plan->janus : plan->whep,
                        plan->janus ? plan->mountpoint : 0);

  while (g_atomic_int_get (&self->n_failed) < MAX_FAILED)
    {
      guint n = (guint)g_atomic_int_add (&self->n_taken, 1);

      if (n >= plan->n_viewers)
        break;
      join_one (self, signup, n);
    }
  bench_signup_free (signup);
  return NULL;
}

BenchJoins *
bench_joins_start (const BenchJoinsPlan *plan)
{
  BenchJoins *self = g_new0 (BenchJoins, 1);

  self->plan = *plan;
  self->plan.n_threads = CLAMP (plan->n_threads, 1, MAX_THREADS);
  self->start_us = g_get_monotonic_time ();
  for (guint i = 0; i < self->plan.n_threads; i++)
    self->threads[i] = g_thread_new ("joins", run, self);
  return self;
}

guint
bench_joins_finish (BenchJoins *self)
{
  guint n_failed;

  for (guint i = 0; i < self->plan.n_threads; i++)
    g_thread_join (self->threads[i]);
  n_failed = (guint)self->n_failed;
  g_free (self);
  return n_failed;
}
