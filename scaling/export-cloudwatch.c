/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingExportCloudwatch: see export-cloudwatch.h. */
#include "scaling/export-cloudwatch.h"

#include <string.h>

#include "scaling/cloudwatch-calls.h"
#include "scaling/cloudwatch-error.h"
#include "scaling/curl.h"
#include "scaling/json-text.h"
#include "scaling/log.h"

#define REGION_MAX_CHARS 63
#define CONTENT_TYPE "application/x-www-form-urlencoded; charset=utf-8"

/* What is known of one metric with its labels. "told" is what was accepted. */
typedef struct
{
  ScalingPointKind kind;
  double told_total;      /* counters */
  gint64 told_at_wall_us; /* gauges: of the report */
  gint64 told_us;         /* distributions: when; G_MININT64: never */
  double total;           /* what is to be told now */
  gint64 at_wall_us, now_us;
} Series;

struct _ScalingExportCloudwatch
{
  const ScalingExportMapping *mapping; /* borrowed */
  char *namespace, *region, *url;      /* owned */
  GPtrArray *dimensions;               /* owned (element-type ScalingLabel) */
  char *state_path;                    /* owned, nullable */
  gint64 timeout_us;
  ScalingAwsCredentials *credentials; /* owned */
  ScalingCurl *curl;                  /* owned */
  GHashTable *series;                 /* owned: name with labels → Series */
  gboolean has_seen;   /* points: what is new from now on began at 0 */
  gboolean is_changed; /* the state file is behind */
  GPtrArray *calls; /* owned (element-type ScalingCloudwatchCall), nullable */
  guint n_done;     /* of them */
  guint n_points, n_dropped; /* of the last take */
  gboolean is_again; /* new keys were asked for already, after a refusal */
  ScalingExportDone done;
  gpointer data;
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

/* --- Settings ----------------------------------------------------------- */

static const char *
get_env (char **env, const char *name)
{
  const char *value = g_environ_getenv (env, name);

  return value && *value ? value : NULL;
}

static gboolean
set_region (ScalingExportCloudwatch *self,
            const ScalingExportCloudwatchConfig *config, GError **error)
{
  const char *region =
      config->region && *config->region ? config->region : NULL;
  gsize n = 0;

  if (!region)
    region = get_env (config->env, "AWS_REGION");
  if (!region)
    region = get_env (config->env, "AWS_DEFAULT_REGION");
  if (!region)
    return fail (error, "METRICS_CLOUDWATCH_REGION: is missing, and so is "
                        "AWS_REGION");
  while (g_ascii_islower (region[n]) || g_ascii_isdigit (region[n])
         || region[n] == '-')
    n++;
  if (region[n] || n == 0 || n > REGION_MAX_CHARS)
    return fail (error, "METRICS_CLOUDWATCH_REGION: is no region, such as "
                        "eu-west-1");
  self->region = g_strdup (region);
  return TRUE;
}

static gboolean
set_url (ScalingExportCloudwatch *self, char **env, GError **error)
{
  const char *url = get_env (env, "AWS_ENDPOINT_URL_CLOUDWATCH");
  g_autoptr (GUri) uri = NULL;

  if (!url)
    url = get_env (env, "AWS_ENDPOINT_URL");
  self->url = url ? g_strdup (url)
                  : g_strdup_printf (
                      "https://monitoring.%s.amazonaws.com%s/", self->region,
                      g_str_has_prefix (self->region, "cn-") ? ".cn" : "");
  uri = g_uri_parse (self->url, G_URI_FLAGS_NONE, NULL);
  return (uri && g_uri_get_host (uri) && *g_uri_get_host (uri)
          && g_str_has_prefix (g_uri_get_scheme (uri), "http"))
         || fail (error, "AWS_ENDPOINT_URL: is no http:// or https:// URL");
}

/* --- State -------------------------------------------------------------- */

static Series *
add_series (ScalingExportCloudwatch *self, const char *id,
            ScalingPointKind kind)
{
  Series *series;

  if (g_hash_table_size (self->series) >= SCALING_EXPORT_CLOUDWATCH_MAX_SERIES)
    return NULL;
  series = g_new0 (Series, 1);
  series->kind = kind;
  series->told_us = G_MININT64;
  g_hash_table_insert (self->series, g_strdup (id), series);
  return series;
}

static void
read_state (ScalingExportCloudwatch *self)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) object = NULL;
  JsonObjectIter iter;
  const char *id;
  JsonNode *node;
  gsize n_bytes;

  if (!g_file_get_contents (self->state_path, &text, &n_bytes, &error))
    {
      if (!g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        GST_WARNING ("state file: %s", error->message);
      return;
    }
  object = scaling_json_read_object (text, n_bytes, &error);
  if (!object)
    {
      GST_WARNING ("state file %s: %s; counters begin anew", self->state_path,
                   error->message);
      return;
    }
  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &id, &node))
    {
      double total =
          JSON_NODE_HOLDS_VALUE (node) ? json_node_get_double (node) : -1;
      Series *series = total >= 0 && scaling_cloudwatch_is_number (total)
                           ? add_series (self, id, SCALING_POINT_COUNTER)
                           : NULL;

      if (series)
        series->told_total = total;
    }
}

static void
write_state (ScalingExportCloudwatch *self)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  GHashTableIter iter;
  gpointer id, value;

  if (!self->state_path || !self->is_changed)
    return;
  g_hash_table_iter_init (&iter, self->series);
  while (g_hash_table_iter_next (&iter, &id, &value))
    if (((Series *)value)->kind == SCALING_POINT_COUNTER)
      json_object_set_double_member (object, id, ((Series *)value)->told_total);
  json_node_set_object (root, object);
  text = json_to_string (root, FALSE);
  if (g_file_set_contents (self->state_path, text, -1, &error))
    self->is_changed = FALSE;
  else
    GST_WARNING ("state file: %s", error->message);
}

/* --- Life --------------------------------------------------------------- */

ScalingExportCloudwatch *
scaling_export_cloudwatch_new (const ScalingExportCloudwatchConfig *config,
                               GError **error)
{
  g_autoptr (ScalingExportCloudwatch) self =
      g_new0 (ScalingExportCloudwatch, 1);

  self->mapping = config->mapping;
  self->namespace = g_strdup (config->namespace);
  self->state_path = g_strdup (config->state_path);
  self->timeout_us = config->timeout_us;
  self->series =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->credentials = config->credentials
                          ? config->credentials
                          : scaling_aws_credentials_new (config->env, NULL);
  self->curl = scaling_curl_new ();
  if (!scaling_cloudwatch_check_namespace (self->namespace, error)
      || !set_region (self, config, error)
      || !set_url (self, config->env, error))
    return NULL;
  self->dimensions =
      scaling_cloudwatch_read_dimensions (config->dimensions_json, error);
  if (!self->dimensions)
    return NULL;
  if (self->state_path)
    read_state (self);
  return g_steal_pointer (&self);
}

void
scaling_export_cloudwatch_free (ScalingExportCloudwatch *self)
{
  if (self->series)
    write_state (self);
  g_clear_pointer (&self->credentials, scaling_aws_credentials_free);
  g_clear_pointer (&self->curl, scaling_curl_free);
  g_clear_pointer (&self->calls, g_ptr_array_unref);
  g_clear_pointer (&self->dimensions, g_ptr_array_unref);
  g_clear_pointer (&self->series, g_hash_table_unref);
  g_free (self->namespace);
  g_free (self->region);
  g_free (self->url);
  g_free (self->state_path);
  g_free (self);
}

/* --- What is to be told ------------------------------------------------- */

static char *
dup_id (const ScalingPoint *point)
{
  GString *id = g_string_new (point->key->key);

  for (guint i = 0; i < point->n_labels; i++)
    g_string_append_printf (id, "|%s=%s", point->labels[i].name,
                            point->labels[i].value);
  return g_string_free (id, FALSE);
}

/* find: (nullable): %NULL: there are too many */
static Series *
find (ScalingExportCloudwatch *self, const ScalingPoint *point)
{
  g_autofree char *id = dup_id (point);
  Series *series = g_hash_table_lookup (self->series, id);

  if (series)
    {
      /* the file's, of a longer life than this process's view of the nodes */
      if (!self->has_seen && series->told_total > point->value)
        series->told_total = point->value;
      return series;
    }
  series = add_series (self, id, point->key->kind);
  if (series && point->key->kind == SCALING_POINT_COUNTER)
    {
      series->told_total = self->has_seen ? 0 : point->value;
      self->is_changed = TRUE;
    }
  return series;
}

static gboolean
is_due (const Series *series)
{
  switch (series->kind)
    {
    case SCALING_POINT_COUNTER:
      return series->total > series->told_total;
    case SCALING_POINT_GAUGE:
      return series->at_wall_us != series->told_at_wall_us;
    case SCALING_POINT_DISTRIBUTION:
      /* a second early is the same minute to a timer of 60 s */
      return series->told_us == G_MININT64
             || series->now_us - series->told_us
                    > SCALING_EXPORT_CLOUDWATCH_DISTRIBUTION_US
                          - G_USEC_PER_SEC;
    }
  return FALSE;
}

static void
add_point (ScalingExportCloudwatch *self, ScalingCloudwatchCalls *calls,
           const ScalingPoint *point, const ScalingExportTime *time)
{
  const ScalingExportName *name =
      scaling_export_mapping_get (self->mapping, point->key);
  Series *series = NULL;
  ScalingCloudwatchDatum datum;

  if (!name)
    return;
  if (scaling_cloudwatch_is_number (point->value * name->factor))
    series = find (self, point);
  if (!series)
    {
      self->n_dropped++;
      return;
    }
  series->total = point->value;
  series->at_wall_us = point->at_wall_us;
  series->now_us = time->now_us;
  if (!is_due (series))
    return;
  datum = (ScalingCloudwatchDatum){ name->cloudwatch,  name->unit,
                                    point->labels,     point->n_labels,
                                    point->at_wall_us, series };
  self->n_points++;
  if (series->kind == SCALING_POINT_DISTRIBUTION)
    scaling_cloudwatch_calls_add_sketch (calls, &datum, point->sketch,
                                         point->key->scale * name->factor);
  else
    scaling_cloudwatch_calls_add_value (
        calls, &datum,
        (series->kind == SCALING_POINT_COUNTER
             ? series->total - series->told_total
             : series->total)
            * name->factor);
}

static void
cloudwatch_take (gpointer target, GPtrArray *points,
                 const ScalingExportTime *time)
{
  ScalingExportCloudwatch *self = target;
  ScalingCloudwatchCommon common = { self->namespace, self->dimensions };
  g_autoptr (ScalingCloudwatchCalls) calls =
      scaling_cloudwatch_calls_new (&common);

  self->n_points = 0;
  self->n_dropped = 0;
  for (guint i = 0; i < points->len; i++)
    add_point (self, calls, points->pdata[i], time);
  self->has_seen = self->has_seen || points->len > 0;
  g_clear_pointer (&self->calls, g_ptr_array_unref);
  self->calls = scaling_cloudwatch_calls_end (calls);
  self->n_done = 0;
}

static guint
cloudwatch_get_n_points (gpointer target, guint *ret_n_dropped)
{
  ScalingExportCloudwatch *self = target;

  *ret_n_dropped = self->n_dropped;
  return self->n_points;
}

/* --- Telling ------------------------------------------------------------ */

static void send_next (ScalingExportCloudwatch *self);

static void
finish (ScalingExportCloudwatch *self, const GError *error)
{
  write_state (self);
  self->done (error, self->data);
}

static void
take_accepted (ScalingExportCloudwatch *self)
{
  ScalingCloudwatchCall *call = self->calls->pdata[self->n_done++];

  for (guint i = 0; i < call->tags->len; i++)
    {
      Series *series = call->tags->pdata[i];

      series->told_total = series->total;
      series->told_at_wall_us = series->at_wall_us;
      series->told_us = series->now_us;
      self->is_changed =
          self->is_changed || series->kind == SCALING_POINT_COUNTER;
    }
}

static void
on_answer (guint status, GByteArray *body, const GError *error, gpointer data)
{
  ScalingExportCloudwatch *self = data;
  g_autoptr (GError) refusal = NULL;
  gboolean has_expired = FALSE;

  if (error)
    {
      finish (self, error);
      return;
    }
  if (status >= 200 && status <= 299)
    {
      take_accepted (self);
      send_next (self);
      return;
    }
  refusal = scaling_cloudwatch_error_new (status, (const char *)body->data,
                                          body->len, &has_expired);
  if (has_expired && !self->is_again)
    {
      self->is_again = TRUE;
      scaling_aws_credentials_forget (self->credentials);
      send_next (self);
      return;
    }
  finish (self, refusal);
}

static void
on_keys (const ScalingAwsKeys *keys, const GError *error, gpointer data)
{
  ScalingExportCloudwatch *self = data;
  ScalingCloudwatchCall *call = self->calls->pdata[self->n_done];
  ScalingCurlRequest request = { .url = self->url,
                                 .region = self->region,
                                 .service = "monitoring",
                                 .keys = keys,
                                 .content_type = CONTENT_TYPE,
                                 .body = call->body,
                                 .is_gzip = call->is_gzip,
                                 .timeout_us = self->timeout_us };

  if (error)
    finish (self, error);
  else
    scaling_curl_post (self->curl, &request, on_answer, self);
}

static void
send_next (ScalingExportCloudwatch *self)
{
  if (self->n_done == self->calls->len)
    finish (self, NULL);
  else
    scaling_aws_credentials_get (self->credentials, on_keys, self);
}

static void
cloudwatch_send (gpointer target, ScalingExportDone done, gpointer data)
{
  ScalingExportCloudwatch *self = target;

  self->done = done;
  self->data = data;
  self->is_again = FALSE;
  send_next (self);
}

const ScalingExportTarget scaling_export_cloudwatch_target = {
  .name = "cloudwatch",
  .take = cloudwatch_take,
  .send = cloudwatch_send,
  .get_n_points = cloudwatch_get_n_points,
  .free = (void (*) (gpointer))scaling_export_cloudwatch_free,
};
