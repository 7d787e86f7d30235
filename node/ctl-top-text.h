/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/ctl-top-text: what `media-tree ctl top` shows of a reply of /api/tree: a
 * line of totals, and a line a node, sorted. Fits any size of a terminal: lines
 * are cut, nodes left out and counted.
 * Thread: any. Pure.
 */
#pragma once

#include <json-glib/json-glib.h>

typedef enum
{
  NODE_CTL_SORT_VIEWERS, /* the most first; so are all but the name */
  NODE_CTL_SORT_CPU,
  NODE_CTL_SORT_MEMORY,
  NODE_CTL_SORT_OUT,
  NODE_CTL_SORT_LOSS,
  NODE_CTL_SORT_UP,
  NODE_CTL_SORT_NODE,
  NODE_CTL_N_SORTS
} NodeCtlSort;

/* Returns: NODE_CTL_N_SORTS: no such word */
NodeCtlSort node_ctl_sort_from_word (const char *word);
/* by its key; likewise */
NodeCtlSort node_ctl_sort_from_key (int key);
/* "viewers, cpu, …" (transfer full) */
char *node_ctl_sort_dup_words (void);

typedef struct
{
  NodeCtlSort sort;
  gboolean is_reversed;
  guint n_columns, n_rows; /* of the terminal; 0 = as many as are needed */
  guint first;             /* nodes that are scrolled away */
  gint64 now_wall_us;
  double join_p95_s;   /* of the cluster's last minute; < 0: not known */
  const char *message; /* (nullable): what is wrong now */
  gboolean has_keys;   /* the last row tells them */
} NodeCtlTopView;

/* @view: its first is brought within bounds
 * Returns: (transfer full): lines that end in a newline, at most n_rows; NULL:
 *   not understood */
char *node_ctl_top_text (JsonObject *tree, NodeCtlTopView *view);
