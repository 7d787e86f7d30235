/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingExportMapping: see export-mapping.h. */
#include "scaling/export-mapping.h"

#include <string.h>

#include "scaling/export-error.h"
#include "scaling/json-text.h"

#define PREFIX "media_tree_cluster_"

struct _ScalingExportMapping
{
  const ScalingKey *keys;
  guint n_keys;
  ScalingExportName *names; /* owned, one a key */
};

/* CloudWatch's units, and what they are in ours. Its thousands are thousands.
 * The first of a unit is what is sent without a word about it. */
static const struct
{
  const char *name;
  const char *ours;
  double factor;
} units[] = {
  { "Count", "", 1 },
  { "Seconds", "seconds", 1 },
  { "Milliseconds", "seconds", 1e3 },
  { "Microseconds", "seconds", 1e6 },
  { "Bytes", "bytes", 1 },
  { "Kilobytes", "bytes", 1e-3 },
  { "Megabytes", "bytes", 1e-6 },
  { "Gigabytes", "bytes", 1e-9 },
  { "Terabytes", "bytes", 1e-12 },
  { "Bits", "bytes", 8 },
  { "Kilobits", "bytes", 8e-3 },
  { "Megabits", "bytes", 8e-6 },
  { "Gigabits", "bytes", 8e-9 },
  { "None", "ratio", 1 },
  { "Percent", "ratio", 100 },
  { "Bits/Second", "bits_per_second", 1 },
  { "Kilobits/Second", "bits_per_second", 1e-3 },
  { "Megabits/Second", "bits_per_second", 1e-6 },
  { "Gigabits/Second", "bits_per_second", 1e-9 },
  { "Bytes/Second", "bits_per_second", 0.125 },
  { "Kilobytes/Second", "bits_per_second", 0.125e-3 },
  { "Megabytes/Second", "bits_per_second", 0.125e-6 },
};

static gboolean G_GNUC_PRINTF (2, 3)
    fail (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (SCALING_EXPORT_ERROR,
                                                SCALING_EXPORT_ERROR_CONFIG,
                                                format, args));
  va_end (args);
  return FALSE;
}

/* --- Names -------------------------------------------------------------- */

/* dup_prometheus: (transfer full): @name as a metric's name may be */
static char *
dup_prometheus (const char *name)
{
  GString *out = g_string_new (g_ascii_isdigit (*name) ? "_" : NULL);

  for (; *name; name++)
    g_string_append_c (out,
                       g_ascii_isalnum (*name) || *name == ':' ? *name : '_');
  return g_string_free (out, FALSE);
}

static char *
dup_default (const char *key)
{
  const char *own =
      g_str_has_prefix (key, "cluster.") ? key + strlen ("cluster.") : key;
  g_autofree char *name = g_strconcat (PREFIX, own, NULL);

  return dup_prometheus (name);
}

static gboolean
is_name (const char *name)
{
  gsize n = 0;

  for (; name[n] != '\0'; n++)
    if (n >= SCALING_EXPORT_NAME_MAX_CHARS || !g_ascii_isprint (name[n]))
      return FALSE;
  return n > 0 && name[0] != ':' && name[0] != ' ';
}

/* set_unit: @name: (nullable): CloudWatch's; %NULL: the first that fits */
static gboolean
set_unit (ScalingExportName *self, const ScalingKey *key, const char *name)
{
  /* any number may be said to have none */
  if (name && strcmp (name, "None") == 0)
    {
      self->unit = "None";
      self->factor = 1;
      return TRUE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (units); i++)
    if (strcmp (units[i].ours, key->unit) == 0
        && (!name || strcmp (units[i].name, name) == 0))
      {
        self->unit = units[i].name;
        self->factor = units[i].factor;
        return TRUE;
      }
  return FALSE;
}

static void
set_defaults (ScalingExportMapping *self)
{
  for (guint i = 0; i < self->n_keys; i++)
    {
      self->names[i].prometheus = dup_default (self->keys[i].key);
      self->names[i].cloudwatch = g_strdup (self->keys[i].key);
      if (!set_unit (&self->names[i], &self->keys[i], NULL))
        set_unit (&self->names[i], &self->keys[i], "None");
    }
}

/* --- JSON --------------------------------------------------------------- */

static gboolean
set_name (ScalingExportName *self, const char *key, const char *name,
          GError **error)
{
  if (!name || !is_name (name))
    return fail (error,
                 "\"%s\": its name is missing, longer than %d characters, or "
                 "not printable ASCII",
                 key, SCALING_EXPORT_NAME_MAX_CHARS);
  g_free (self->prometheus);
  g_free (self->cloudwatch);
  self->prometheus = dup_prometheus (name);
  self->cloudwatch = g_strdup (name);
  return TRUE;
}

static gboolean
read_object (ScalingExportName *self, const ScalingKey *key, JsonObject *object,
             GError **error)
{
  const char *unit = scaling_json_get_text (object, "unit");
  const char *name = scaling_json_get_text (object, "name");
  guint n_known = json_object_has_member (object, "name")
                  + json_object_has_member (object, "unit");

  if (n_known < json_object_get_size (object) || n_known == 0)
    return fail (error, "\"%s\": has other members than name and unit",
                 key->key);
  if (json_object_has_member (object, "name")
      && !set_name (self, key->key, name, error))
    return FALSE;
  if (json_object_has_member (object, "unit")
      && (!unit || !set_unit (self, key, unit)))
    return fail (error, "\"%s\": \"%s\" is no unit of CloudWatch for %s",
                 key->key, unit ? unit : "",
                 *key->unit ? key->unit : "a number of things");
  return TRUE;
}

static gboolean
read_member (ScalingExportMapping *self, guint number, const char *name,
             JsonNode *node, GError **error)
{
  const ScalingKey *key = scaling_key_find (name);
  g_autofree char *escaped = NULL;
  ScalingExportName *place;

  if (!key)
    {
      escaped = g_strescape (name, NULL);
      return fail (error, "member %u: \"%.64s\" is no internal key", number,
                   escaped);
    }
  place = &self->names[key - self->keys];
  if (JSON_NODE_HOLDS_NULL (node)
      || (json_node_get_value_type (node) == G_TYPE_BOOLEAN
          && !json_node_get_boolean (node)))
    {
      place->is_dropped = TRUE;
      return TRUE;
    }
  if (JSON_NODE_HOLDS_OBJECT (node))
    return read_object (place, key, json_node_get_object (node), error);
  if (json_node_get_value_type (node) == G_TYPE_STRING)
    return set_name (place, name, json_node_get_string (node), error);
  return fail (
      error,
      "member %u, \"%s\": is neither a name, nor {\"name\", \"unit\"}, "
      "nor null",
      number, name);
}

/* check_names: no two keys may have one */
static gboolean
check_names (ScalingExportMapping *self, GError **error)
{
  g_autoptr (GHashTable) taken = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < self->n_keys; i++)
    if (!self->names[i].is_dropped
        && !g_hash_table_add (taken, self->names[i].prometheus))
      return fail (error, "\"%s\": its name %s is another's too",
                   self->keys[i].key, self->names[i].prometheus);
  return TRUE;
}

static gboolean
read_json (ScalingExportMapping *self, const char *json, GError **error)
{
  g_autoptr (JsonObject) object =
      scaling_json_read_object (json, strlen (json), error);
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;
  guint number = 0;

  if (!object)
    return FALSE;
  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    if (!read_member (self, ++number, name, node, error))
      return FALSE;
  return check_names (self, error);
}

ScalingExportMapping *
scaling_export_mapping_new (const char *json, GError **error)
{
  g_autoptr (ScalingExportMapping) self = g_new0 (ScalingExportMapping, 1);

  self->keys = scaling_key_list (&self->n_keys);
  self->names = g_new0 (ScalingExportName, self->n_keys);
  set_defaults (self);
  if (json && *json && !read_json (self, json, error))
    {
      g_prefix_error (error, "METRICS_MAPPING_JSON: ");
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
scaling_export_mapping_free (ScalingExportMapping *self)
{
  for (guint i = 0; i < self->n_keys; i++)
    {
      g_free (self->names[i].prometheus);
      g_free (self->names[i].cloudwatch);
    }
  g_free (self->names);
  g_free (self);
}

const ScalingExportName *
scaling_export_mapping_get (const ScalingExportMapping *self,
                            const ScalingKey *key)
{
  const ScalingExportName *name = &self->names[key - self->keys];

  return name->is_dropped ? NULL : name;
}
