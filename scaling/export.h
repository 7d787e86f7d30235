/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingExport: when points go to which targets, and what happens when they
 * are not accepted. A round is one target's: it takes the points of now and
 * sends them; what fails with AWAY is tried again after 0.25 to 0.5 s, 0.5 to
 * 1 s, … (twice as long each time, at most 10 s, half of it by chance), up to
 * SCALING_EXPORT_MAX_ATTEMPTS times and not beyond the interval, in run-once
 * too. What fails otherwise waits for the next round. A
 * round that takes longer than the interval is followed by the next at once;
 * rounds of a target never overlap.
 * Owner:  the metrics role. Thread: main.
 */
#pragma once

#include "base/metrics.h"
#include "scaling/export-target.h"

#define SCALING_EXPORT_MAX_TARGETS 4
#define SCALING_EXPORT_MAX_ATTEMPTS 8
#define SCALING_EXPORT_BACKOFF_MIN_US (500 * 1000)
#define SCALING_EXPORT_BACKOFF_MAX_US (10 * G_USEC_PER_SEC)

/* Exit codes of run-once, of sysexits.h. */
typedef enum
{
  SCALING_EXPORT_EXIT_OK = 0,       /* all was accepted */
  SCALING_EXPORT_EXIT_AWAY = 75,    /* EX_TEMPFAIL: somebody did not answer,
                                     * or the cluster was not seen */
  SCALING_EXPORT_EXIT_REFUSED = 77, /* EX_NOPERM: keys or values are not
                                     * taken */
} ScalingExportExit;

typedef struct
{
  gboolean is_scheduled;
  gint64 interval_us;
  gboolean is_on_start; /* the first round is now, not after an interval */
  gboolean is_once;     /* one round each, then on_done */
} ScalingExportConfig;

/* Returns: (transfer full) (nullable) (element-type ScalingPoint): %NULL: the
 *   cluster was not seen yet */
typedef GPtrArray *(*ScalingExportPoints) (gpointer data);
typedef void (*ScalingExportExitFunc) (ScalingExportExit code, gpointer data);

typedef struct _ScalingExport ScalingExport;

/* @metrics: (nullable): borrowed
 * @on_done: (nullable): run-once is through; the process may end */
ScalingExport *scaling_export_new (const ScalingExportConfig *config,
                                   BaseMetrics *metrics,
                                   ScalingExportPoints get_points,
                                   ScalingExportExitFunc on_done,
                                   gpointer data);
void scaling_export_free (ScalingExport *self);

/* scaling_export_add: before the start
 * @target: (transfer full) */
void scaling_export_add (ScalingExport *self, const ScalingExportTarget *kind,
                         gpointer target);
/* scaling_export_start: nothing happens when neither is_scheduled nor is_once
 */
void scaling_export_start (ScalingExport *self);

/* scaling_export_get_backoff_us: how long to wait after attempt @n (from 1)
 * @chance: 0 to 1 */
gint64 scaling_export_get_backoff_us (guint n, double chance);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingExport, scaling_export_free)
