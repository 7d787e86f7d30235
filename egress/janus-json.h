/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/janus-json: a request's bytes as a JSON object. Strict (RFC 8259), as
 * Janus's own reader is: json-glib's takes comments and assignments, loses what
 * is too large for an integer, and recurses as deep as its input says.
 *   A member that is there twice: the last one counts.
 * Bounds: EGRESS_JANUS_JSON_MAX_DEPTH; no NUL in strings. Pure.
 * Thread: any.
 */
#pragma once

#include "egress/janus.h"

#define EGRESS_JANUS_JSON_MAX_DEPTH 64

/* egress_janus_json_parse: @bytes: need not end with a NUL
 * @ret_reply: (out) (transfer full): when it is none: the error to send (454,
 *   455)
 * Returns: (transfer full) (nullable) */
JsonObject *egress_janus_json_parse (const char *bytes, gsize n_bytes,
                                     JsonObject **ret_reply);
