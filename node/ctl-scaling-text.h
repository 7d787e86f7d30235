/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/ctl-scaling-text: replies of /api/autoscaling/ as text for people. What
 * is missing, or of another kind, is shown as "-".
 * Thread: any. Pure.
 */
#pragma once

#include <json-glib/json-glib.h>

/* all (transfer full), lines that end in a newline; @reply: (nullable) */
/* @reply: of status */
char *node_ctl_text_scaling_status (JsonObject *reply);
/* @reply: of recommendations */
char *node_ctl_text_scaling_check (JsonObject *reply);
/* @reply: of approvals */
char *node_ctl_text_scaling_approvals (JsonObject *reply);
/* @reply: of history */
char *node_ctl_text_scaling_history (JsonObject *reply);
/* @status: the reply of status
 * @ret_is_well: (out)
 * Returns: one line for each thing, "ok" or "bad" first */
char *node_ctl_text_scaling_health (JsonObject *status, gint64 now_wall_us,
                                    gboolean *ret_is_well);
