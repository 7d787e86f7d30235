/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/export-error: see export-error.h. */
#include "scaling/export-error.h"

G_DEFINE_QUARK (scaling - export - error - quark, scaling_export_error)

const char *
scaling_export_error_get_name (const GError *error)
{
  static const char *const names[] = {
    [SCALING_EXPORT_ERROR_CONFIG] = "config",
    [SCALING_EXPORT_ERROR_CREDENTIALS] = "credentials",
    [SCALING_EXPORT_ERROR_AWAY] = "away",
    [SCALING_EXPORT_ERROR_REFUSED] = "refused",
    [SCALING_EXPORT_ERROR_NO_DATA] = "unseen",
  };

  if (!error)
    return "accepted";
  g_return_val_if_fail (error->domain == SCALING_EXPORT_ERROR, "away");
  return names[error->code];
}
