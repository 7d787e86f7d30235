/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scaling/cloudwatch-error: what CloudWatch said against a call, as what helps.
 * Codes: AWS SDKs and Tools Reference Guide, "Retry behavior"; CloudWatch API
 * Reference, "Common Errors".
 * Thread: any.
 */
#pragma once

#include <glib.h>

/* scaling_cloudwatch_error_new:
 * @body: the answer, XML of the Query protocol or anything
 * @ret_has_expired: (out): other keys may do
 * Returns: (transfer full): SCALING_EXPORT_ERROR_AWAY: 5xx, throttled, too
 *   late; _CREDENTIALS: the keys or the signature; else _REFUSED */
GError *scaling_cloudwatch_error_new (guint status, const char *body,
                                      gsize n_bytes, gboolean *ret_has_expired);
