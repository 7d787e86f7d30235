/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/ctl-json: members of a node's replies, and tables for people of them.
 * What is missing, or of another kind, reads as "-", 0 or %NULL: a node of
 * another version is no reason to stop. No text moves a terminal's cursor.
 * Thread: any. Pure.
 */
#pragma once

#include <json-glib/json-glib.h>

/* --- members -------------------------------------------------------------- */

/* (transfer full): "-" when missing; tamed */
char *node_ctl_dup_text (JsonObject *object, const char *name);
/* (transfer full): control bytes become '?'. @text: (transfer full) */
char *node_ctl_tame (char *text);
/* an array of texts: "a,b" (transfer full) */
char *node_ctl_dup_list (JsonObject *object, const char *name);
gint64 node_ctl_get_int (JsonObject *object, const char *name);
double node_ctl_get_ratio (JsonObject *object, const char *name);
gboolean node_ctl_get_bool (JsonObject *object, const char *name,
                            gboolean otherwise);
/* all (transfer none) (nullable) */
JsonArray *node_ctl_get_array (JsonObject *object, const char *name);
JsonObject *node_ctl_get_object (JsonObject *object, const char *name);
/* element @i when it is an object */
JsonObject *node_ctl_get_element (JsonArray *array, guint i);

/* --- words ---------------------------------------------------------------- */

/* all (transfer full) */
char *node_ctl_dup_rate (gint64 bps);
char *node_ctl_dup_bytes (gint64 bytes);
/* "3.2 ms", "-" for 0 and less */
char *node_ctl_dup_ms (gint64 us);
/* "12/100", "-" for 0 of 0 */
char *node_ctl_dup_slots (JsonObject *node, const char *name,
                          const char *max_name);
/* "3 d 4 h"; "-" for less than 0 */
char *node_ctl_dup_span (gint64 s);
/* since the RFC 3339 time "started" of a node; -1: not known */
gint64 node_ctl_get_age_s (JsonObject *node, gint64 now_wall_us);
/* "alive", "dead", "draining", "warm" */
const char *node_ctl_get_state (JsonObject *node);

/* --- tables --------------------------------------------------------------- */

#define NODE_CTL_MAX_COLUMNS 12

typedef struct
{
  const char *title;
  gboolean is_right; /* numbers */
} NodeCtlColumn;

typedef struct
{
  const NodeCtlColumn *columns; /* borrowed */
  guint n_columns;
  GPtrArray *cells; /* owned, row by row, the titles first */
} NodeCtlTable;

NodeCtlTable node_ctl_table_new (const NodeCtlColumn *columns, guint n_columns);
/* @cell: (transfer full) */
void node_ctl_table_add (NodeCtlTable *self, char *cell);
/* (transfer full): lines that end in a newline; frees what is in @self */
char *node_ctl_table_finish (NodeCtlTable *self);
/* @text, made @n_wide characters */
void node_ctl_append_cell (GString *out, const char *text, glong n_wide,
                           gboolean is_right, gboolean is_last);
