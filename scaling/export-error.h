/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scaling/export-error: what can go wrong on the way out, by what helps.
 * Thread: any.
 */
#pragma once

#include <glib.h>

typedef enum
{
  SCALING_EXPORT_ERROR_CONFIG,      /* a setting; the message names it */
  SCALING_EXPORT_ERROR_CREDENTIALS, /* none, or none that are taken */
  SCALING_EXPORT_ERROR_AWAY,        /* 5xx, throttled, no answer: try again */
  SCALING_EXPORT_ERROR_REFUSED,     /* the same again would be refused again */
  SCALING_EXPORT_ERROR_NO_DATA,     /* the cluster was not seen yet */
} ScalingExportError;
#define SCALING_EXPORT_ERROR (scaling_export_error_quark ())
GQuark scaling_export_error_quark (void);

/* "config", "credentials", "away", "refused", "unseen"; "accepted" for none:
 * the metrics' label result */
const char *scaling_export_error_get_name (const GError *error);
