/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingExportPush: to a Pushgateway: PUT of the whole group, so that what is
 * not said any more is gone there. A value with "/" or none at all goes as
 * NAME@base64 in the path.
 * Source: github.com/prometheus/pushgateway, README.md, "API".
 * Owner:  the scheduler. Thread: main.
 */
#pragma once

#include "scaling/export-mapping.h"
#include "scaling/export-target.h"

#define SCALING_EXPORT_PUSH_MAX_LABELS 16
#define SCALING_EXPORT_PUSH_MAX_CHARS 1024 /* of a label's value */
#define SCALING_EXPORT_PUSH_ANSWER_MAX_BYTES (64 * 1024)

typedef struct
{
  const char *url;           /* http or https; user and password may be in it */
  const char *job;           /* not empty */
  const char *grouping_json; /* (nullable): object of names and texts */
  gint64 timeout_us;         /* of one push */
  const ScalingExportMapping *mapping; /* borrowed */
} ScalingExportPushConfig;

typedef struct _ScalingExportPush ScalingExportPush;

extern const ScalingExportTarget scaling_export_push_target;

/* Returns: (nullable): SCALING_EXPORT_ERROR_CONFIG; the message names the
 *   setting and never shows a password */
ScalingExportPush *
scaling_export_push_new (const ScalingExportPushConfig *config, GError **error);
void scaling_export_push_free (ScalingExportPush *self);

/* scaling_export_push_get_url: (transfer none): of the group, without user */
const char *scaling_export_push_get_url (ScalingExportPush *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingExportPush, scaling_export_push_free)
