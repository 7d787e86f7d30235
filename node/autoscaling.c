/* SPDX-License-Identifier: Apache-2.0 */
/* NodeAutoscaling: requests, and their way to the store and back. */
#include "node/autoscaling-private.h"

#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "base/json.h"
#include "node/cluster.h"
#include "node/scaling.h"
#include "scaling/json-read.h"

#define PREFIX "/api/autoscaling/"
#define DEFAULT_LIMIT 50
#define TOO_MANY_REQUESTS 429 /* RFC 6585; libsoup has no name for it */

static const NodeScalingResource resources[] = {
  { "status", "GET", FALSE, NODE_SCALING_READS_STATE, 0, NULL,
    node_scaling_show_status },
  { "policies", "GET", FALSE, NODE_SCALING_READS_STATE, 0, NULL,
    node_scaling_show_policies },
  { "recommendations", "GET", FALSE, NODE_SCALING_READS_STATE, 0, NULL,
    node_scaling_show_recommendations },
  { "approvals", "GET", FALSE, NODE_SCALING_READS_STATE, 0, NULL,
    node_scaling_show_approvals },
  { "record", "GET", FALSE, NODE_SCALING_READS_STATE, 0, NULL,
    node_scaling_show_record },
  { "history", "GET", TRUE, NODE_SCALING_READS_HISTORY, 0, NULL,
    node_scaling_show_history },
  { "enable", "POST", FALSE, NODE_SCALING_READS_NOTHING, SCALING_WISH_MAX_BYTES,
    node_scaling_read_wish, node_scaling_act_enable },
  { "policies", "POST", FALSE, NODE_SCALING_READS_STATE,
    SCALING_POLICY_MAX_BYTES, node_scaling_read_policies,
    node_scaling_act_policies },
  { "test", "POST", TRUE, NODE_SCALING_READS_STATE, SCALING_WISH_MAX_BYTES,
    node_scaling_read_wish, node_scaling_act_test },
  { "approvals", "POST", TRUE, NODE_SCALING_READS_STATE, SCALING_WISH_MAX_BYTES,
    node_scaling_read_entry, node_scaling_act_approval },
  { "rollback", "POST", TRUE, NODE_SCALING_READS_STATE, SCALING_WISH_MAX_BYTES,
    node_scaling_read_entry, node_scaling_act_rollback },
};

static void
request_free (gpointer data)
{
  NodeScalingRequest *self = data;

  g_signal_handlers_disconnect_by_data (self->msg, self);
  g_object_unref (self->msg);
  cluster_scaling_clear (&self->scaling);
  cluster_steering_clear (&self->steering);
  g_clear_pointer (&self->rows, g_ptr_array_unref);
  g_clear_pointer (&self->policies, scaling_policies_free);
  g_free (self->tree_id);
  g_free (self->id);
  g_free (self->body);
  g_free (self);
}

NodeAutoscaling *
node_autoscaling_new (const NodeParts *parts)
{
  NodeAutoscaling *self = g_new0 (NodeAutoscaling, 1);

  self->parts = parts;
  self->requests = g_ptr_array_new_with_free_func (request_free);
  self->reads = (NodeRate){ .n_max = NODE_AUTOSCALING_READS,
                            .per_s = NODE_AUTOSCALING_READS };
  self->writes = (NodeRate){ .n_max = NODE_AUTOSCALING_WRITES,
                             .per_s = NODE_AUTOSCALING_WRITES_S };
  self->n_limited = base_metrics_add_counter (
      parts->metrics, "media_tree_autoscaling_limited_total", NULL,
      "Requests to /api/autoscaling that came too fast");
  return self;
}

void
node_autoscaling_free (NodeAutoscaling *self)
{
  g_ptr_array_unref (self->requests);
  g_free (self);
}

/* --- answers ------------------------------------------------------------ */

/* finish: frees @request */
static void
finish (NodeScalingRequest *request)
{
  if (request->is_paused && !request->is_gone)
    soup_server_message_unpause (request->msg);
  g_ptr_array_remove_fast (request->owner->requests, request);
}

/* who asks again is told anew */
static void
set_cache (NodeScalingRequest *request)
{
  soup_message_headers_replace (
      soup_server_message_get_response_headers (request->msg), "Cache-Control",
      "private, no-cache");
}

JsonBuilder *
node_scaling_begin (void)
{
  JsonBuilder *json = json_builder_new ();

  json_builder_begin_object (json);
  base_json_add_bool (json, "success", TRUE);
  return json;
}

JsonNode *
node_scaling_end (JsonBuilder *json)
{
  json_builder_end_object (json);
  return json_builder_get_root (json);
}

void
node_scaling_request_answer (NodeScalingRequest *request, JsonNode *root)
{
  if (request->is_gone)
    json_node_unref (root);
  else
    base_http_json (request->msg, SOUP_STATUS_OK, root);
  set_cache (request);
  finish (request);
}

void
node_scaling_request_answer_bytes (NodeScalingRequest *request, GBytes *body)
{
  g_autoptr (GBytes) bytes = body;
  gsize n_bytes;
  const char *data = g_bytes_get_data (bytes, &n_bytes);

  if (!request->is_gone)
    {
      soup_server_message_set_status (request->msg, SOUP_STATUS_OK, NULL);
      soup_server_message_set_response (request->msg,
                                        "application/octet-stream",
                                        SOUP_MEMORY_COPY, data, n_bytes);
      base_http_cors (request->msg);
    }
  set_cache (request);
  finish (request);
}

void
node_scaling_request_fail (NodeScalingRequest *request, guint status,
                           const char *code, const char *detail, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, detail);
  text = g_strdup_vprintf (detail, arguments);
  va_end (arguments);
  if (!request->is_gone)
    {
      base_http_problem (request->msg, status, code, "%s", text);
      if (status == SOUP_STATUS_SERVICE_UNAVAILABLE)
        base_http_retry_after (request->msg, 2);
    }
  finish (request);
}

/* skip_code: the store's "BOUND 5 is not in 0 to 4" without its first word */
static const char *
skip_code (const char *why)
{
  const char *rest = why;

  while (g_ascii_isupper (*rest))
    rest++;
  return rest > why && *rest == ' ' ? rest + 1 : why;
}

void
node_scaling_request_fail_store (NodeScalingRequest *request,
                                 const GError *error)
{
  const char *why = skip_code (error->message);

  if (g_error_matches (error, CLUSTER_ERROR, CLUSTER_ERROR_CONFLICT))
    node_scaling_request_fail (request, SOUP_STATUS_CONFLICT,
                               "scaling-conflict", "It has changed since: %s.",
                               why);
  else if (g_error_matches (error, CLUSTER_ERROR, CLUSTER_ERROR_BOUND))
    node_scaling_request_fail (request, SOUP_STATUS_CONFLICT, "scaling-bound",
                               "The tree's policy does not allow it: %s.", why);
  else if (g_error_matches (error, CLUSTER_ERROR, CLUSTER_ERROR_COOLDOWN))
    node_scaling_request_fail (request, SOUP_STATUS_CONFLICT,
                               "scaling-cooldown",
                               "Too soon after the last change: %s.", why);
  else if (g_error_matches (error, CLUSTER_ERROR, CLUSTER_ERROR_MISSING))
    node_scaling_request_fail (request, SOUP_STATUS_NOT_FOUND,
                               "scaling-missing", "%s.", why);
  else
    node_scaling_request_fail (request, SOUP_STATUS_SERVICE_UNAVAILABLE,
                               "store-away", "The store does not answer: %s.",
                               why);
}

/* --- what the store has ------------------------------------------------- */

JsonObject *
node_scaling_request_dup_decision (NodeScalingRequest *request)
{
  const char *text = request->steering.decision;
  g_autoptr (JsonNode) root =
      text ? scaling_json_parse (text, strlen (text), NULL) : NULL;

  return root && JSON_NODE_HOLDS_OBJECT (root)
                 && json_object_has_member (json_node_get_object (root),
                                            "action")
             ? json_node_dup_object (root)
             : NULL;
}

ScalingPolicies *
node_scaling_request_dup_policies (NodeScalingRequest *request)
{
  const char *text = request->scaling.policy.text;
  ScalingPolicies *policies =
      text ? scaling_policies_parse (text, strlen (text), NULL) : NULL;

  return policies ? policies : scaling_policies_new_default ();
}

static void
on_steering (const ClusterSteering *steering, const GError *error,
             gpointer data)
{
  NodeScalingRequest *request = data;

  if (error)
    {
      node_scaling_request_fail_store (request, error);
      return;
    }
  cluster_steering_copy (steering, &request->steering);
  request->resource->run (request);
}

static void
on_scaling (const ClusterScaling *scaling, const GError *error, gpointer data)
{
  NodeScalingRequest *request = data;

  if (error)
    {
      node_scaling_request_fail_store (request, error);
      return;
    }
  cluster_scaling_copy (scaling, &request->scaling);
  cluster_ledger_read_steering (
      node_scaling_get_ledger (request->owner->parts->scaling),
      request->tree_id, on_steering, request);
}

static void
on_history (GPtrArray *rows, const GError *error, gpointer data)
{
  NodeScalingRequest *request = data;

  if (error)
    {
      node_scaling_request_fail_store (request, error);
      return;
    }
  request->rows = g_ptr_array_ref (rows);
  request->resource->run (request);
}

static void
on_client_gone (SoupServerMessage *msg, gpointer data)
{
  NodeScalingRequest *request = data;

  request->is_gone = TRUE;
}

static void
ask (NodeScalingRequest *request)
{
  ClusterLedger *ledger =
      node_scaling_get_ledger (request->owner->parts->scaling);
  gboolean is_read = g_str_equal (request->resource->method, "GET");

  request->has_store = ledger != NULL;
  if (!ledger && is_read)
    request->resource->run (request);
  else if (!ledger)
    node_scaling_request_fail (request, SOUP_STATUS_CONFLICT, "scaling-alone",
                               "There is no redis-url: this machine is alone, "
                               "and nothing scales.");
  if (!ledger)
    return;
  request->is_paused = TRUE;
  g_signal_connect (request->msg, "finished", G_CALLBACK (on_client_gone),
                    request);
  soup_server_message_pause (request->msg);
  if (request->resource->reads == NODE_SCALING_READS_STATE)
    cluster_ledger_read_scaling (ledger, request->tree_id, on_scaling, request);
  else if (request->resource->reads == NODE_SCALING_READS_HISTORY)
    cluster_ledger_read_history (ledger, request->tree_id, NULL, request->limit,
                                 on_history, request);
  else
    request->resource->run (request);
}

/* --- requests ----------------------------------------------------------- */

/* dup_query: (transfer full) (nullable): ?name= of @msg */
static char *
dup_query (SoupServerMessage *msg, const char *name)
{
  const char *query = g_uri_get_query (soup_server_message_get_uri (msg));
  g_autoptr (GHashTable) form = query ? soup_form_decode (query) : NULL;

  return form ? g_strdup (g_hash_table_lookup (form, name)) : NULL;
}

/* read_number: FALSE: it is none from @min to @max */
static gboolean
read_number (SoupServerMessage *msg, const char *name, guint64 min, guint64 max,
             guint64 *value)
{
  g_autofree char *text = dup_query (msg, name);

  return !text || g_ascii_string_to_unsigned (text, 10, min, max, value, NULL);
}

/* read_query: what is not as it must be is answered */
static gboolean
read_query (NodeScalingRequest *request)
{
  guint64 limit = DEFAULT_LIMIT, version = G_MAXUINT64;

  request->tree_id = dup_query (request->msg, "tree");
  if (!request->tree_id)
    request->tree_id = g_strdup (
        base_settings_get_string (request->owner->parts->settings, "tree-id"));
  if (cluster_name_is_valid (request->tree_id)
      && read_number (request->msg, "limit", 1, CLUSTER_MAX_HISTORY, &limit)
      && read_number (request->msg, "version", 0, G_MAXINT64, &version))
    {
      request->limit = (guint)limit;
      request->version = version == G_MAXUINT64 ? -1 : (gint64)version;
      return TRUE;
    }
  base_http_problem (request->msg, SOUP_STATUS_BAD_REQUEST, "autoscaling-query",
                     "?tree= is a name, ?limit= a number from 1 to %d, "
                     "?version= one from 0.",
                     CLUSTER_MAX_HISTORY);
  return FALSE;
}

static gboolean
read_body (NodeScalingRequest *request)
{
  gsize max_bytes = request->resource->max_bytes;

  if (max_bytes == 0
      || soup_server_message_get_request_body (request->msg)->length == 0)
    return TRUE;
  request->body = base_http_dup_body (request->msg, max_bytes);
  return request->body != NULL;
}

/* match: (nullable): what follows the name at @path; NULL: another's path */
static const char *
match (const NodeScalingResource *resource, const char *path)
{
  gsize n_chars = strlen (resource->name);

  if (strncmp (path, resource->name, n_chars) != 0)
    return NULL;
  if (!resource->has_id)
    return path[n_chars] == '\0' ? path + n_chars : NULL;
  return path[n_chars] == '/' && path[n_chars + 1] != '\0' ? path + n_chars + 1
                                                           : NULL;
}

/* find_resource: (nullable): NULL: answered */
static const NodeScalingResource *
find_resource (SoupServerMessage *msg, const char *path)
{
  const char *method = soup_server_message_get_method (msg);
  g_autoptr (GString) allowed = g_string_new (NULL);

  if (g_str_equal (method, "HEAD"))
    method = "GET";
  for (guint i = 0; i < G_N_ELEMENTS (resources); i++)
    {
      const NodeScalingResource *resource = &resources[i];

      if (!match (resource, path))
        continue;
      if (g_str_equal (method, resource->method))
        return resource;
      g_string_append_printf (
          allowed, "%s%s", allowed->len > 0 ? ", " : "",
          g_str_equal (resource->method, "GET") ? "GET, HEAD" : "POST");
    }
  if (allowed->len == 0)
    {
      base_http_problem (msg, SOUP_STATUS_NOT_FOUND, "not-found",
                         "There is nothing at this address.");
      return NULL;
    }
  base_http_problem (msg, SOUP_STATUS_METHOD_NOT_ALLOWED, "method-not-allowed",
                     "This resource allows %s.", allowed->str);
  soup_message_headers_replace (soup_server_message_get_response_headers (msg),
                                "Allow", allowed->str);
  return NULL;
}

/* may_ask: as often, and as many at a time; else it is answered */
static gboolean
may_ask (NodeAutoscaling *self, const NodeScalingResource *resource,
         SoupServerMessage *msg)
{
  NodeRate *rate =
      g_str_equal (resource->method, "GET") ? &self->reads : &self->writes;
  guint wait_s;

  if (!node_rate_take (rate, base_clock_now_us (), &wait_s))
    {
      base_counter_add (self->n_limited, 1);
      base_http_problem (msg, TOO_MANY_REQUESTS, "autoscaling-rate",
                         "More than %.0f requests at once, or %.0f a second.",
                         rate->n_max, rate->per_s);
      base_http_retry_after (msg, wait_s);
      return FALSE;
    }
  if (self->requests->len < NODE_AUTOSCALING_MAX_REQUESTS)
    return TRUE;
  base_http_problem (msg, SOUP_STATUS_SERVICE_UNAVAILABLE, "autoscaling-busy",
                     "%d requests wait for the store already.",
                     NODE_AUTOSCALING_MAX_REQUESTS);
  base_http_retry_after (msg, 1);
  return FALSE;
}

void
node_autoscaling_handle (NodeAutoscaling *self, SoupServerMessage *msg,
                         const char *path)
{
  const char *rest =
      g_str_has_prefix (path, PREFIX) ? path + strlen (PREFIX) : "";
  const NodeScalingResource *resource;
  NodeScalingRequest *request;

  if (!base_auth_require (self->parts->auth, BASE_AUTH_ADMIN, NULL, msg))
    return;
  resource = find_resource (msg, rest);
  if (!resource || !may_ask (self, resource, msg))
    return;
  request = g_new0 (NodeScalingRequest, 1);
  request->owner = self;
  request->msg = g_object_ref (msg);
  request->resource = resource;
  if (resource->has_id)
    request->id = g_strdup (match (resource, rest));
  if (!read_query (request) || !read_body (request)
      || (resource->read && !resource->read (request)))
    {
      request_free (request);
      return;
    }
  g_ptr_array_add (self->requests, request);
  ask (request);
}
