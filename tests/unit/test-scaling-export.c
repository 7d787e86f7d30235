/* SPDX-License-Identifier: Apache-2.0 */
/* The schedule: when rounds begin, how often one is tried, run-once's codes. */
#include "scaling/export.h"

#include <string.h>

#include "scaling-points.h"
#include "wait.h"

#define NONE (-1)
#define INTERVAL_US (20 * 1000)

/* A target that answers by a script: error codes, the last one stays. */
typedef struct
{
  const int *codes;
  guint n_codes, n_takes, n_sends, n_freed;
  gboolean is_hanging; /* answers when it is told to */
  ScalingExportDone done;
  gpointer data;
} Target;

static void
answer (Target *self)
{
  int code = self->codes[MIN (self->n_sends - 1, self->n_codes - 1)];
  g_autoptr (GError) error =
      code == NONE ? NULL
                   : g_error_new (SCALING_EXPORT_ERROR, code, "as it is");

  self->done (error, self->data);
}

static void
target_take (gpointer target, GPtrArray *points, const ScalingExportTime *time)
{
  Target *self = target;

  g_assert_cmpuint (points->len, ==, 1);
  g_assert_cmpint (time->now_us, >, 0);
  g_assert_cmpint (time->wall_us, >, 0);
  self->n_takes++;
}

static void
target_send (gpointer target, ScalingExportDone done, gpointer data)
{
  Target *self = target;

  self->n_sends++;
  self->done = done;
  self->data = data;
  if (!self->is_hanging)
    answer (self);
}

static guint
target_get_n_points (gpointer target, guint *ret_n_dropped)
{
  *ret_n_dropped = 2;
  return 5;
}

static void
target_free (gpointer target)
{
  ((Target *)target)->n_freed++;
}

static const ScalingExportTarget kind = { "test", target_take, target_send,
                                          target_get_n_points, target_free };

typedef struct
{
  guint n_unknown; /* reads before the cluster is known */
  int exit_code;   /* NONE: not yet */
} Host;

static GPtrArray *
get_points (gpointer data)
{
  Host *host = data;
  GPtrArray *points;

  if (host->n_unknown > 0)
    {
      host->n_unknown--;
      return NULL;
    }
  points = points_new ();
  points_add (points, "egress.viewers", "main", NULL, 1);
  return points;
}

static void
on_exit_code (ScalingExportExit code, gpointer data)
{
  Host *host = data;

  g_assert_cmpint (host->exit_code, ==, NONE);
  host->exit_code = (int)code;
}

static int
run_once (Host *host, BaseMetrics *metrics, Target *targets, guint n_targets)
{
  ScalingExportConfig config = { .interval_us = 60 * G_USEC_PER_SEC,
                                 .is_once = TRUE };
  g_autoptr (ScalingExport) export =
      scaling_export_new (&config, metrics, get_points, on_exit_code, host);

  host->exit_code = NONE;
  for (guint i = 0; i < n_targets; i++)
    scaling_export_add (export, &kind, &targets[i]);
  scaling_export_start (export);
  g_assert_cmpint (host->exit_code, ==, NONE);
  WAIT_FOR (host->exit_code != NONE);
  return host->exit_code;
}

static const int good[] = { NONE };
static const int bad[] = { SCALING_EXPORT_ERROR_REFUSED };
static const int keys[] = { SCALING_EXPORT_ERROR_CREDENTIALS };
static const int late[] = { SCALING_EXPORT_ERROR_AWAY, NONE };

static void
test_once (void)
{
  g_autoptr (BaseMetrics) metrics = base_metrics_new ();
  Target targets[] = { { .codes = good, .n_codes = 1 },
                       { .codes = late, .n_codes = 2 } };
  Target two[] = { { .codes = good, .n_codes = 1 },
                   { .codes = bad, .n_codes = 1 } };
  Target refused = { .codes = keys, .n_codes = 1 };
  Host host = { .n_unknown = 1 };
  g_autofree char *text = NULL;

  /* tried again: the first round found no cluster, the second no target */
  g_assert_cmpint (run_once (&host, metrics, targets, 2), ==,
                   SCALING_EXPORT_EXIT_OK);
  g_assert_cmpuint (targets[0].n_sends + targets[1].n_sends, ==, 3);
  g_assert_cmpuint (targets[0].n_freed, ==, 1);
  text = base_metrics_render (metrics);
#define HAS(line) g_assert_nonnull (strstr (text, line))
  HAS ("media_tree_export_attempts_total{target=\"test\",result=\"accepted\"} "
       "2\n");
  HAS ("media_tree_export_attempts_total{target=\"test\",result=\"away\"} 1\n");
  HAS ("media_tree_export_attempts_total{target=\"test\",result=\"unseen\"} "
       "1\n");
  HAS ("media_tree_export_points{target=\"test\"} 5\n");
  HAS ("media_tree_export_points_dropped_total{target=\"test\"} 6\n");
  HAS ("media_tree_export_failed_rounds_total{target=\"test\"} 0\n");
#undef HAS
  /* what is refused is refused again: one attempt */
  g_assert_cmpint (run_once (&host, NULL, two, 2), ==,
                   SCALING_EXPORT_EXIT_REFUSED);
  g_assert_cmpuint (two[1].n_sends, ==, 1);
  g_assert_cmpint (run_once (&host, NULL, &refused, 1), ==,
                   SCALING_EXPORT_EXIT_REFUSED);
}

static void
test_backoff (void)
{
  g_assert_cmpint (scaling_export_get_backoff_us (1, 0), ==, 250000);
  g_assert_cmpint (scaling_export_get_backoff_us (1, 1), ==, 500000);
  g_assert_cmpint (scaling_export_get_backoff_us (2, 1), ==, 1000000);
  g_assert_cmpint (scaling_export_get_backoff_us (5, 1), ==, 8000000);
  g_assert_cmpint (scaling_export_get_backoff_us (6, 1), ==, 10000000);
  g_assert_cmpint (scaling_export_get_backoff_us (60, 0), ==, 5000000);
}

/* within an interval too short for a second attempt there is one a round */
static void
test_schedule (void)
{
  static const int away[] = { SCALING_EXPORT_ERROR_AWAY };
  ScalingExportConfig config = { .is_scheduled = TRUE,
                                 .interval_us = INTERVAL_US };
  Target target = { .codes = away, .n_codes = 1 };
  Host host = { .exit_code = NONE };
  gint64 begin_us = g_get_monotonic_time ();
  ScalingExport *export =
      scaling_export_new (&config, NULL, get_points, on_exit_code, &host);

  scaling_export_add (export, &kind, &target);
  scaling_export_start (export);
  WAIT_FOR (target.n_sends == 3);
  g_assert_cmpint (g_get_monotonic_time () - begin_us, >=, 3 * INTERVAL_US);
  g_assert_cmpuint (target.n_takes, ==, 3);
  scaling_export_free (export);
  g_assert_cmpuint (target.n_freed, ==, 1);
  g_assert_cmpint (host.exit_code, ==, NONE);
}

static gboolean
on_some_intervals (gpointer data)
{
  *(gboolean *)data = TRUE;
  return G_SOURCE_REMOVE;
}

/* a round that takes several intervals: the next waits, and comes at once */
static void
test_overlap (void)
{
  ScalingExportConfig config = { .is_scheduled = TRUE,
                                 .is_on_start = TRUE,
                                 .interval_us = INTERVAL_US };
  Target target = { .codes = good, .n_codes = 1, .is_hanging = TRUE };
  Host host = { .exit_code = NONE };
  gboolean is_over = FALSE;
  g_autoptr (ScalingExport) export =
      scaling_export_new (&config, NULL, get_points, on_exit_code, &host);

  scaling_export_add (export, &kind, &target);
  scaling_export_start (export);
  WAIT_FOR (target.n_sends == 1);
  g_timeout_add (5 * INTERVAL_US / 1000, on_some_intervals, &is_over);
  WAIT_FOR (is_over);
  g_assert_cmpuint (target.n_sends, ==, 1);
  answer (&target);
  g_assert_cmpuint (target.n_sends, ==, 2);
  answer (&target);
  g_assert_cmpuint (target.n_sends, ==, 2);
}

/* neither scheduled nor once: nothing */
static void
test_off (void)
{
  ScalingExportConfig config = { .is_on_start = TRUE,
                                 .interval_us = INTERVAL_US };
  Target target = { .codes = good, .n_codes = 1 };
  Host host = { .exit_code = NONE };
  g_autoptr (ScalingExport) export =
      scaling_export_new (&config, NULL, get_points, on_exit_code, &host);

  scaling_export_add (export, &kind, &target);
  scaling_export_start (export);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (target.n_takes, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scaling/export/backoff", test_backoff);
  g_test_add_func ("/scaling/export/once", test_once);
  g_test_add_func ("/scaling/export/schedule", test_schedule);
  g_test_add_func ("/scaling/export/overlap", test_overlap);
  g_test_add_func ("/scaling/export/off", test_off);
  return g_test_run ();
}
