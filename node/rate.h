/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NodeRate: a bucket of so many requests, that fills by so many a second. The
 * clock is passed in.
 *   { .n_max = 10, .per_s = 1 } lets 10 through at once, then one a second.
 * Owner: who asks. Thread: main.
 */
#pragma once

#include <glib.h>

typedef struct
{
  double n_max, per_s; /* set once */
  double n_spent;
  gint64 at_us; /* 0 = never */
} NodeRate;

/* node_rate_take:
 * @ret_wait_s: (out): on %FALSE: after so many seconds one may go, 1 or more
 * Returns: %TRUE: this one may go; it is spent */
gboolean node_rate_take (NodeRate *self, gint64 now_us, guint *ret_wait_s);
