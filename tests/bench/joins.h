/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BenchJoins: signs viewers in on several threads: as fast as it goes, or one
 * each interval, late or not: a join is counted from the time it was due, so a
 * server that is slow at one is not asked less.
 * Owner:  the load. Thread: its maker's; on_joined runs on the signing ones.
 */
#pragma once

#include "tests/bench/viewer.h"

typedef struct _BenchJoins BenchJoins;

typedef struct
{
  const char *whep;  /* nullable; %u becomes the stream's number */
  const char *janus; /* nullable */
  int mountpoint;    /* of Janus */
  guint n_streams, n_threads;
  guint first, n_viewers; /* their numbers: [first, first + n_viewers) */
  guint n_sampled;        /* numbers below it decrypt */
  gboolean gro;
  gint64 interval_us; /* 0: as fast as it goes */
  /* @viewer: (transfer full) */
  void (*on_joined) (BenchViewer *viewer);
} BenchJoinsPlan;

BenchJoins *bench_joins_start (const BenchJoinsPlan *plan);
/* bench_joins_finish: waits for the threads, frees
 * Returns: how many failed; the rest is given up after five */
guint bench_joins_finish (BenchJoins *self);
