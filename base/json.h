/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/json: members of an object that is being built.
 * Thread: any.
 */
#pragma once

#include <json-glib/json-glib.h>

/* @value: (nullable): null */
void base_json_add_text (JsonBuilder *json, const char *name,
                         const char *value);
void base_json_add_int (JsonBuilder *json, const char *name, gint64 value);
/* JSON's readers have 63 bits: more is the largest that they have */
void base_json_add_uint (JsonBuilder *json, const char *name, guint64 value);
/* JSON knows no infinity: what is not finite is 0 */
void base_json_add_double (JsonBuilder *json, const char *name, double value);
void base_json_add_bool (JsonBuilder *json, const char *name, gboolean value);
