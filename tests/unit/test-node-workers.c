/* SPDX-License-Identifier: Apache-2.0 */
/* NodeWorkers: a worker that does not turn is counted once; one that works is
 * busy; a program that was stopped blames nobody. */
#include "node/workers.h"

#include <string.h>

#include "rtc/dtls.h"
#include "wait.h"

#define SECOND G_USEC_PER_SEC

typedef struct
{
  RtcCertificate *certificate;
  RtcWorker *worker;
  BaseMetrics *metrics;
  NodeWorkers *self;
  gint is_held, is_free; /* atomic */
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->certificate = rtc_certificate_new (&error);
  g_assert_no_error (error);
  f->metrics = base_metrics_new ();
  f->worker = rtc_worker_new (0, 0, f->certificate, f->metrics, &error);
  g_assert_no_error (error);
  f->self = node_workers_new (&f->worker, 1, f->metrics);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  node_workers_free (f->self);
  rtc_worker_free (f->worker);
  rtc_certificate_unref (f->certificate);
  base_metrics_free (f->metrics);
}

/* on the worker: does not come back until it may */
static void
hold (gpointer data)
{
  Fixture *f = data;

  g_atomic_int_set (&f->is_held, TRUE);
  while (!g_atomic_int_get (&f->is_free))
    g_thread_yield ();
}

/* Returns: when its timer ran for the last time */
static gint64
hold_worker (Fixture *f)
{
  g_atomic_int_set (&f->is_held, FALSE);
  g_atomic_int_set (&f->is_free, FALSE);
  rtc_worker_post (f->worker, hold, f, NULL);
  WAIT_FOR (g_atomic_int_get (&f->is_held));
  return rtc_worker_get_ticked_us (f->worker);
}

/* Returns: as hold_worker() */
static gint64
free_worker (Fixture *f)
{
  gint64 before_us = rtc_worker_get_ticked_us (f->worker);

  g_atomic_int_set (&f->is_free, TRUE);
  WAIT_FOR (rtc_worker_get_ticked_us (f->worker) > before_us);
  return rtc_worker_get_ticked_us (f->worker);
}

static void
test_stall (Fixture *f, gconstpointer data)
{
  gint64 at_us = hold_worker (f);

  for (guint s = 0; s <= 2; s++)
    node_workers_sample (f->self, at_us + s * SECOND);
  g_assert_cmpuint (node_workers_get_n_stalls (f->self), ==, 0);
  for (guint s = 3; s < 6; s++)
    {
      node_workers_sample (f->self, at_us + s * SECOND);
      g_assert_cmpuint (node_workers_get_n_stalls (f->self), ==, 1);
    }
  at_us = free_worker (f);
  node_workers_sample (f->self, at_us);
  at_us = hold_worker (f);
  for (guint s = 0; s <= 3; s++)
    node_workers_sample (f->self, at_us + s * SECOND);
  g_assert_cmpuint (node_workers_get_n_stalls (f->self), ==, 2);
  free_worker (f);
}

static void
test_stopped_program (Fixture *f, gconstpointer data)
{
  gint64 at_us = hold_worker (f);

  node_workers_sample (f->self, at_us);
  node_workers_sample (f->self, at_us + 60 * SECOND);
  g_assert_cmpuint (node_workers_get_n_stalls (f->self), ==, 0);
  free_worker (f);
}

static void
test_busy (Fixture *f, gconstpointer data)
{
  gint64 at_us = hold_worker (f), cpu_us;
  g_autofree char *text = NULL;

  g_assert_cmpfloat (node_workers_get_busy_ratio (f->self, 0), ==, 0);
  cpu_us = rtc_worker_get_cpu_us (f->worker);
  node_workers_sample (f->self, at_us);
  WAIT_FOR (rtc_worker_get_cpu_us (f->worker) > cpu_us + 50000);
  node_workers_sample (f->self, at_us + SECOND / 10);
  g_assert_cmpfloat (node_workers_get_busy_ratio (f->self, 0), >=, 0.49);
  g_assert_cmpfloat (node_workers_get_busy_ratio (f->self, 0), <=, 1);
  free_worker (f);
  /* only the last seconds count */
  for (guint s = 0; s <= NODE_WORKERS_WINDOW_S; s++)
    node_workers_sample (f->self, at_us + (100 + s) * SECOND);
  g_assert_cmpfloat (node_workers_get_busy_ratio (f->self, 0), <, 0.2);
  text = base_metrics_render (f->metrics);
  g_assert_nonnull (
      strstr (text, "\nmedia_tree_worker_busy_ratio{worker=\"0\"} "));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, test)                                                        \
  g_test_add ("/node/workers/" path, Fixture, NULL, set_up, test, tear_down)
  ADD ("stall", test_stall);
  ADD ("stopped-program", test_stopped_program);
  ADD ("busy", test_busy);
  return g_test_run ();
}
