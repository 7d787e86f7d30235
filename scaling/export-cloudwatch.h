/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingExportCloudwatch: to Amazon CloudWatch by PutMetricData, signed.
 *   A counter goes as what came since the last call that was accepted: while
 * calls fail it adds up, and nothing is lost. What this process saw first was
 * counted before it looked and is not sent, unless the state file knows what
 * was sent until then. An answer that does not come may be to a call that was
 * taken: CloudWatch cannot be asked, and that call is sent again.
 *   A gauge goes with the time of its newest report, and only once for each; a
 * distribution is of a minute and goes once a minute.
 *   At most SCALING_EXPORT_CLOUDWATCH_MAX_SERIES are followed; points of others
 * are dropped and counted.
 * Owner:  the scheduler. Thread: main. It blocks for the state file only.
 */
#pragma once

#include "scaling/aws-credentials.h"
#include "scaling/export-mapping.h"
#include "scaling/export-target.h"

#define SCALING_EXPORT_CLOUDWATCH_MAX_SERIES 8192
#define SCALING_EXPORT_CLOUDWATCH_DISTRIBUTION_US (60 * G_USEC_PER_SEC)

typedef struct
{
  const char *namespace;
  const char *region;          /* (nullable): AWS_REGION, _DEFAULT_REGION */
  const char *dimensions_json; /* (nullable) */
  const char *state_path;      /* (nullable): what counters were sent until */
  gint64 timeout_us;           /* of one call */
  char **env; /* as from g_get_environ(): AWS_…, AWS_ENDPOINT_URL */
  const ScalingExportMapping *mapping; /* borrowed */
  ScalingAwsCredentials *credentials;  /* (transfer full) (nullable): by @env */
} ScalingExportCloudwatchConfig;

typedef struct _ScalingExportCloudwatch ScalingExportCloudwatch;

extern const ScalingExportTarget scaling_export_cloudwatch_target;

/* Returns: (nullable): SCALING_EXPORT_ERROR_CONFIG; the message names the
 *   setting */
ScalingExportCloudwatch *
scaling_export_cloudwatch_new (const ScalingExportCloudwatchConfig *config,
                               GError **error);
void scaling_export_cloudwatch_free (ScalingExportCloudwatch *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingExportCloudwatch,
                               scaling_export_cloudwatch_free)
