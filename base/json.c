/* SPDX-License-Identifier: Apache-2.0 */
/* base/json: see json.h. */
#include "base/json.h"

#include <math.h>

void
base_json_add_text (JsonBuilder *json, const char *name, const char *value)
{
  json_builder_set_member_name (json, name);
  if (value)
    json_builder_add_string_value (json, value);
  else
    json_builder_add_null_value (json);
}

void
base_json_add_int (JsonBuilder *json, const char *name, gint64 value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_int_value (json, value);
}

void
base_json_add_uint (JsonBuilder *json, const char *name, guint64 value)
{
  base_json_add_int (json, name, (gint64)MIN (value, G_MAXINT64));
}

void
base_json_add_double (JsonBuilder *json, const char *name, double value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_double_value (json, isfinite (value) ? value : 0);
}

void
base_json_add_bool (JsonBuilder *json, const char *name, gboolean value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_boolean_value (json, value);
}
