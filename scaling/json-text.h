/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scaling/json-text: reads the JSON objects of settings and of AWS's answers.
 * json-glib's parser goes as deep as the text does, on the stack: what may be
 * deeper than SCALING_JSON_MAX_BRACKETS is refused before.
 * Thread: any.
 */
#pragma once

#include <json-glib/json-glib.h>

#define SCALING_JSON_MAX_BYTES (256 * 1024)
#define SCALING_JSON_MAX_BRACKETS 256 /* that open, strings' included */

/* scaling_json_read_object: @text need not end with a NUL
 * Returns: (transfer full) (nullable): SCALING_EXPORT_ERROR_CONFIG; the message
 *   says at which line and character */
JsonObject *scaling_json_read_object (const char *text, gsize n_bytes,
                                      GError **error);
/* scaling_json_get_text: (nullable): the member @name when it is a string */
const char *scaling_json_get_text (JsonObject *object, const char *name);
