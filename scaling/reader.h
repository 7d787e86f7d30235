/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingReader: reads members of JSON objects into plain values. It stands at
 * one object and knows the path to it; the first fault is kept, with its path,
 * and what is read after it does not matter.
 *   take_x: a member that is not there leaves the value as it is.
 * Errors: SCALING_POLICY_ERROR_INVALID.
 * Owner: the stack. Thread: any.
 */
#pragma once

#include <json-glib/json-glib.h>

#define SCALING_READER_PATH_MAX_CHARS 200

typedef struct
{
  char path[SCALING_READER_PATH_MAX_CHARS + 1];
  GError **error; /* borrowed */
  gboolean is_bad;
} ScalingReader;

/* scaling_reader_load: (transfer full) (nullable): bounded, and as deep as
 * SCALING_POLICY_MAX_DEPTH: json-glib goes as deep as its input says */
JsonNode *scaling_reader_load (const char *text, gsize n_bytes,
                               ScalingReader *reader);

/* scaling_reader_fault: @member: of where it stands, "" = the object itself */
void scaling_reader_fault (ScalingReader *reader, const char *member,
                           const char *format, ...) G_GNUC_PRINTF (3, 4);

/* scaling_reader_enter: stand at @member, or at its item @index when that is
 * not -1. Returns: for leave */
gsize scaling_reader_enter (ScalingReader *reader, const char *member,
                            int index);
void scaling_reader_leave (ScalingReader *reader, gsize length);

/* scaling_reader_get_object: (nullable): @node as an object without members
 * but @members, which end with a NULL; else a fault */
JsonObject *scaling_reader_get_object (ScalingReader *reader, JsonNode *node,
                                       const char *const *members);
/* scaling_reader_get: (nullable): what @object has as @name; a fault when that
 * is required and not there */
JsonNode *scaling_reader_get (ScalingReader *reader, JsonObject *object,
                              const char *name, gboolean is_required);
/* scaling_reader_get_text: (transfer none) (nullable): of a string */
const char *scaling_reader_get_text (JsonNode *node);
/* scaling_reader_dup_shown: (transfer full): @node for people, short */
char *scaling_reader_dup_shown (JsonNode *node);

/* Returns: TRUE: it was there */
gboolean scaling_reader_take_number (ScalingReader *reader, JsonObject *object,
                                     const char *name, double min, double max,
                                     double *value);
void scaling_reader_take_uint (ScalingReader *reader, JsonObject *object,
                               const char *name, guint min, guint max,
                               guint *value);
void scaling_reader_take_bool (ScalingReader *reader, JsonObject *object,
                               const char *name, gboolean *value);
/* @value: room for SCALING_NAME_MAX_CHARS and a NUL */
void scaling_reader_take_name (ScalingReader *reader, JsonObject *object,
                               const char *name, gboolean is_required,
                               char *value);
/* 0 to @max, in units of @unit_us */
void scaling_reader_take_time (ScalingReader *reader, JsonObject *object,
                               const char *name, double unit_us, double max,
                               gint64 *value_us);
/* @words end with a NULL. Returns: index, @fallback when it is none */
int scaling_reader_take_word (ScalingReader *reader, JsonObject *object,
                              const char *name, gboolean is_required,
                              const char *const *words, int fallback);
/* Returns: index of @node in @words, or -1 with a fault at @name */
int scaling_reader_index_of (ScalingReader *reader, const char *name,
                             JsonNode *node, const char *const *words);
