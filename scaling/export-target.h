/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingExportTarget: somewhere that points go to, as the scheduler has it.
 * Owner:  the scheduler, once it was given. Thread: main.
 */
#pragma once

#include "scaling/export-error.h"
#include "scaling/point.h"

/* @error: (nullable): all of it was accepted */
typedef void (*ScalingExportDone) (const GError *error, gpointer data);

typedef struct
{
  gint64 now_us;  /* a clock that only goes on */
  gint64 wall_us; /* since 1970 */
} ScalingExportTime;

typedef struct
{
  const char *name; /* label target of the metrics */
  /* take: what is to be sent from now on. It stands for what was taken before
   * and not accepted yet: no counter is lost by that.
   * @points: (element-type ScalingPoint): borrowed for the call */
  void (*take) (gpointer target, GPtrArray *points,
                const ScalingExportTime *time);
  /* send: what was taken and is not accepted yet. @done is called once, maybe
   * from in here; again after an error goes on where it was. */
  void (*send) (gpointer target, ScalingExportDone done, gpointer data);
  /* get_n_points: of the last take(), those that were to be sent
   * @ret_n_dropped: (out): those that could not: a limit, no number */
  guint (*get_n_points) (gpointer target, guint *ret_n_dropped);
  void (*free) (gpointer target); /* @done is not called any more */
} ScalingExportTarget;
