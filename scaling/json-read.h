/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scaling/json-read: JSON of others, read without trust: nesting is bounded
 * before json-glib sees it (its parser recurses), members are taken only when
 * they are of the type that is asked for.
 * Pure. Thread: any.
 */
#pragma once

#include <json-glib/json-glib.h>

#define SCALING_JSON_MAX_DEPTH 32

/* scaling_json_parse: (transfer full) (nullable): NULL with @error
 * (SCALING_PROVISION_ERROR_GARBAGE): no JSON, not UTF-8, too deep */
JsonNode *scaling_json_parse (const char *text, gsize n_bytes, GError **error);

/* Members of @object (nullable); NULL, 0 where missing or of another type.
 * All (transfer none). */
JsonObject *scaling_json_get_object (JsonObject *object, const char *member);
JsonArray *scaling_json_get_array (JsonObject *object, const char *member);
const char *scaling_json_get_string (JsonObject *object, const char *member);
gint64 scaling_json_get_int (JsonObject *object, const char *member);
/* the object that @node is; NULL: it is another thing */
JsonObject *scaling_json_as_object (JsonNode *node);
JsonArray *scaling_json_as_array (JsonNode *node);
JsonObject *scaling_json_get_element (JsonArray *array, guint i);

/* scaling_json_dup_pairs: (transfer full): the members that are strings: key,
 * value, … NULL; at most @max_pairs */
char **scaling_json_dup_pairs (JsonObject *object, guint max_pairs);
/* scaling_json_dup_words: (transfer full): @text (nullable) for a log or an
 * audit: at most 200 printable characters of UTF-8 */
char *scaling_json_dup_words (const char *text);
/* (transfer full): @object (transfer full) as text */
char *scaling_json_write (JsonObject *object);
