/* SPDX-License-Identifier: Apache-2.0 */
/* NodeAutoscaling: see autoscaling.h. */
#include "node/autoscaling.h"

#include <string.h>

#include "base/http.h"
#include "base/json.h"
#include "node/cluster.h"
#include "node/scaling.h"

#define PREFIX "/api/autoscaling/"
#define HISTORY "history/"
#define DEFAULT_LIMIT 50

typedef struct _Request Request;

typedef struct
{
  const char *name;
  /* (transfer full) (nullable): NULL: it has answered itself */
  JsonNode *(*render) (Request *request, const ClusterScaling *scaling);
} Resource;

struct _Request
{
  NodeAutoscaling *owner;
  SoupServerMessage *msg; /* owned */
  const Resource *resource;
  char *tree_id, *service; /* owned; service: nullable */
  guint limit;
  gboolean is_gone; /* the client has left */
};

struct _NodeAutoscaling
{
  const NodeParts *parts; /* borrowed */
  GPtrArray *requests;    /* owned (element-type Request): wait for the store */
};

static void
request_free (gpointer data)
{
  Request *self = data;

  g_signal_handlers_disconnect_by_data (self->msg, self);
  g_object_unref (self->msg);
  g_free (self->tree_id);
  g_free (self->service);
  g_free (self);
}

NodeAutoscaling *
node_autoscaling_new (const NodeParts *parts)
{
  NodeAutoscaling *self = g_new0 (NodeAutoscaling, 1);

  self->parts = parts;
  self->requests = g_ptr_array_new_with_free_func (request_free);
  return self;
}

void
node_autoscaling_free (NodeAutoscaling *self)
{
  g_ptr_array_unref (self->requests);
  g_free (self);
}

/* --- JSON --------------------------------------------------------------- */

/* @wall_s: 0 = never: null */
static void
add_time (JsonBuilder *json, const char *name, gint64 wall_s)
{
  g_autoptr (GDateTime) time =
      wall_s > 0 ? g_date_time_new_from_unix_utc (wall_s) : NULL;
  g_autofree char *text = time ? g_date_time_format_iso8601 (time) : NULL;

  base_json_add_text (json, name, text);
}

/* begin: {"success":true, */
static JsonBuilder *
begin (void)
{
  JsonBuilder *json = json_builder_new ();

  json_builder_begin_object (json);
  base_json_add_bool (json, "success", TRUE);
  return json;
}

static JsonNode *
end (JsonBuilder *json)
{
  json_builder_end_object (json);
  return json_builder_get_root (json);
}

/* --- what is known ------------------------------------------------------ */

static ScalingController *
get_controller (NodeAutoscaling *self)
{
  return node_scaling_get_controller (self->parts->scaling);
}

/* find_tree: (nullable): what the leader, if that is us, has on @tree_id;
 * inside of @root */
static JsonObject *
find_tree (JsonNode *root, const char *tree_id)
{
  JsonArray *trees =
      json_object_get_array_member (json_node_get_object (root), "trees");

  for (guint i = 0; trees && i < json_array_get_length (trees); i++)
    {
      JsonObject *tree = json_array_get_object_element (trees, i);

      if (g_str_equal (json_object_get_string_member (tree, "tree"), tree_id)
          && json_object_has_member (tree, "action"))
        return tree;
    }
  return NULL;
}

/* dup_policies: (transfer full): the store's, else what ships */
static ScalingPolicies *
dup_policies (const ClusterScaling *scaling)
{
  const char *text = scaling ? scaling->policy.text : NULL;
  ScalingPolicies *policies =
      text ? scaling_policies_parse (text, strlen (text), NULL) : NULL;

  return policies ? policies : scaling_policies_new_default ();
}

static guint
count_egress (NodeAutoscaling *self, const char *tree_id)
{
  const NodeParts *parts = self->parts;
  ClusterMember *member = node_cluster_get_member (parts->cluster);
  GPtrArray *peers = member ? cluster_member_get_peers (member) : NULL;
  guint n = 0;

  if (!g_str_equal (tree_id,
                    base_settings_get_string (parts->settings, "tree-id")))
    return 0;
  for (guint i = 0; peers && i < peers->len; i++)
    {
      const ClusterPeer *peer = peers->pdata[i];

      n += (peer->node.roles & CLUSTER_ROLE_EGRESS) != 0 ? 1 : 0;
    }
  return n;
}

/* --- resources ---------------------------------------------------------- */

static void
add_policy (JsonBuilder *json, const ScalingPolicy *policy, guint n_replicas,
            JsonObject *tree, const ClusterScaling *scaling)
{
  json_builder_begin_object (json);
  base_json_add_text (json, "name", policy->name);
  base_json_add_text (json, "service", policy->service);
  base_json_add_bool (json, "enabled", policy->is_enabled);
  base_json_add_int (json, "currentReplicas", n_replicas);
  add_time (json, "lastEvaluation",
            tree ? json_object_get_int_member (tree, "evaluated_s") : 0);
  add_time (json, "lastScaling",
            scaling && scaling->version > 0 ? scaling->at_wall_ms / 1000 : 0);
  json_builder_end_object (json);
}

static JsonNode *
render_status (Request *request, const ClusterScaling *scaling)
{
  NodeAutoscaling *self = request->owner;
  g_autoptr (JsonNode) known =
      scaling_controller_describe (get_controller (self));
  JsonObject *tree = find_tree (known, request->tree_id);
  g_autoptr (ScalingPolicies) policies = dup_policies (scaling);
  g_autoptr (JsonBuilder) json = begin ();
  guint n_replicas = tree ? (guint)json_object_get_int_member (tree, "egress")
                          : count_egress (self, request->tree_id);

  json_builder_set_member_name (json, "status");
  json_builder_begin_object (json);
  base_json_add_bool (json, "enabled",
                      scaling_controller_is_enabled (get_controller (self)));
  base_json_add_text (json, "tree", request->tree_id);
  base_json_add_text (json, "leader", scaling ? scaling->leader : NULL);
  base_json_add_text (
      json, "why",
      json_object_get_string_member (json_node_get_object (known), "why"));
  json_builder_set_member_name (json, "policies");
  json_builder_begin_array (json);
  for (guint i = 0; i < policies->n_policies; i++)
    add_policy (json, &policies->policies[i], n_replicas, tree, scaling);
  json_builder_end_array (json);
  json_builder_end_object (json);
  return end (json);
}

static JsonNode *
render_policies (Request *request, const ClusterScaling *scaling)
{
  g_autoptr (ScalingPolicies) policies = dup_policies (scaling);
  g_autoptr (JsonBuilder) json = begin ();

  base_json_add_text (json, "tree", request->tree_id);
  base_json_add_int (json, "version",
                     scaling ? (gint64)scaling->policy.version : 0);
  json_builder_set_member_name (json, "policies");
  json_builder_add_value (json, json_node_copy (policies->json));
  return end (json);
}

/* send_on: to the leader, if its URL is known */
static void
send_on (Request *request, const ClusterScaling *scaling)
{
  NodeAutoscaling *self = request->owner;
  ClusterMember *member = node_cluster_get_member (self->parts->cluster);
  const ClusterPeer *leader =
      member && scaling && scaling->leader
              && !g_str_equal (scaling->leader, self->parts->options->node_id)
          ? cluster_member_find_peer (member, scaling->leader)
          : NULL;
  g_autofree char *path = NULL, *location = NULL;

  if (!leader || !leader->node.url)
    {
      base_http_problem (request->msg, SOUP_STATUS_SERVICE_UNAVAILABLE,
                         "no-leader",
                         "Nobody leads now, or the leader has just begun and "
                         "has not decided yet.");
      base_http_retry_after (request->msg, 2);
      return;
    }
  path = g_uri_to_string_partial (soup_server_message_get_uri (request->msg),
                                  G_URI_HIDE_USERINFO);
  location = g_strconcat (leader->node.url, strstr (path, PREFIX), NULL);
  soup_message_headers_replace (
      soup_server_message_get_response_headers (request->msg), "Location",
      location);
  base_http_empty (request->msg, SOUP_STATUS_TEMPORARY_REDIRECT);
}

static void
add_recommendation (JsonBuilder *json, const ScalingPolicy *policy,
                    JsonObject *tree)
{
  gint64 n_now = json_object_get_int_member (tree, "egress");
  gint64 n_more = json_object_get_int_member (tree, "wanted")
                  - json_object_get_int_member (tree, "desired");

  json_builder_begin_object (json);
  base_json_add_text (json, "service", policy->service);
  base_json_add_text (json, "tree",
                      json_object_get_string_member (tree, "tree"));
  base_json_add_int (json, "currentReplicas", n_now);
  base_json_add_int (json, "recommendedReplicas",
                     MAX (0, n_now + n_more * policy->egress_per_subtree));
  base_json_add_text (json, "reason",
                      json_object_get_string_member (tree, "reason"));
  json_builder_set_member_name (json, "confidence");
  json_builder_add_double_value (
      json, json_object_get_double_member (tree, "confidence"));
  base_json_add_text (json, "priority",
                      json_object_get_string_member (tree, "urgency"));
  json_builder_end_object (json);
}

static JsonNode *
render_recommendations (Request *request, const ClusterScaling *scaling)
{
  g_autoptr (JsonNode) known =
      scaling_controller_describe (get_controller (request->owner));
  JsonObject *tree = find_tree (known, request->tree_id);
  g_autoptr (ScalingPolicies) policies = dup_policies (scaling);
  const ScalingPolicy *policy =
      scaling_policies_find (policies, "egress", request->tree_id);
  g_autoptr (JsonBuilder) json = NULL;

  /* alone nobody decides, and nobody will */
  if (!tree && scaling)
    {
      send_on (request, scaling);
      return NULL;
    }
  json = begin ();
  json_builder_set_member_name (json, "recommendations");
  json_builder_begin_array (json);
  if (tree && policy)
    add_recommendation (json, policy, tree);
  json_builder_end_array (json);
  return end (json);
}

static void
add_entry (JsonBuilder *json, const ClusterAudit *entry)
{
  JsonNode *detail = json_from_string (entry->text, NULL);

  json_builder_begin_object (json);
  base_json_add_text (json, "id", entry->id);
  add_time (json, "time", g_ascii_strtoll (entry->id, NULL, 10) / 1000);
  base_json_add_text (json, "tree", entry->tree);
  base_json_add_text (json, "kind", entry->kind);
  base_json_add_text (json, "by", entry->by);
  json_builder_set_member_name (json, "detail");
  if (!detail)
    {
      detail = json_node_new (JSON_NODE_VALUE);
      json_node_set_string (detail, entry->text);
    }
  json_builder_add_value (json, detail);
  json_builder_end_object (json);
}

static JsonNode *
render_history (const Request *request, GPtrArray *rows)
{
  g_autoptr (JsonBuilder) json = begin ();

  base_json_add_text (json, "service", request->service);
  json_builder_set_member_name (json, "history");
  json_builder_begin_array (json);
  for (guint i = 0; rows && i < rows->len; i++)
    add_entry (json, rows->pdata[i]);
  json_builder_end_array (json);
  return end (json);
}

static const Resource resources[] = {
  { "status", render_status },
  { "policies", render_policies },
  { "recommendations", render_recommendations },
};

/* --- requests ----------------------------------------------------------- */

/* answer: @root: (transfer full) (nullable): NULL: there is an answer */
static void
answer (Request *request, JsonNode *root)
{
  soup_message_headers_replace (
      soup_server_message_get_response_headers (request->msg), "Cache-Control",
      "private, no-cache");
  if (root)
    base_http_json (request->msg, SOUP_STATUS_OK, root);
}

static void
answer_error (Request *request, const GError *error)
{
  base_http_problem (request->msg, SOUP_STATUS_SERVICE_UNAVAILABLE,
                     "store-away", "The store does not answer: %s.",
                     error->message);
  base_http_retry_after (request->msg, 2);
}

/* finish: goes on with a message that waited */
static void
finish (Request *request)
{
  if (!request->is_gone)
    soup_server_message_unpause (request->msg);
  g_ptr_array_remove_fast (request->owner->requests, request);
}

static void
on_scaling (const ClusterScaling *scaling, const GError *error, gpointer data)
{
  Request *request = data;

  if (request->is_gone)
    ;
  else if (error)
    answer_error (request, error);
  else
    answer (request, request->resource->render (request, scaling));
  finish (request);
}

static void
on_history (GPtrArray *rows, const GError *error, gpointer data)
{
  Request *request = data;

  if (request->is_gone)
    ;
  else if (error)
    answer_error (request, error);
  else
    answer (request, render_history (request, rows));
  finish (request);
}

static void
on_client_gone (SoupServerMessage *msg, gpointer data)
{
  Request *request = data;

  request->is_gone = TRUE;
}

/* dup_query: (transfer full) (nullable): ?name= of @msg */
static char *
dup_query (SoupServerMessage *msg, const char *name)
{
  const char *query = g_uri_get_query (soup_server_message_get_uri (msg));
  g_autoptr (GHashTable) form = query ? soup_form_decode (query) : NULL;

  return form ? g_strdup (g_hash_table_lookup (form, name)) : NULL;
}

/* read_request: what of the path and query is not as it must be is answered */
static gboolean
read_request (Request *request, const char *path)
{
  g_autofree char *limit = dup_query (request->msg, "limit");
  guint64 number = DEFAULT_LIMIT;

  request->tree_id = dup_query (request->msg, "tree");
  if (!request->tree_id)
    request->tree_id = g_strdup (
        base_settings_get_string (request->owner->parts->settings, "tree-id"));
  if (!cluster_name_is_valid (request->tree_id)
      || (limit
          && !g_ascii_string_to_unsigned (limit, 10, 1, CLUSTER_MAX_HISTORY,
                                          &number, NULL)))
    {
      base_http_problem (request->msg, SOUP_STATUS_BAD_REQUEST,
                         "autoscaling-query",
                         "?tree= is a name, ?limit= a number from 1 to %d.",
                         CLUSTER_MAX_HISTORY);
      return FALSE;
    }
  request->limit = (guint)number;
  for (guint i = 0; i < G_N_ELEMENTS (resources); i++)
    if (g_str_equal (path, resources[i].name))
      request->resource = &resources[i];
  if (g_str_has_prefix (path, HISTORY))
    request->service = g_strdup (path + strlen (HISTORY));
  if (request->resource || g_strcmp0 (request->service, "egress") == 0)
    return TRUE;
  base_http_problem (request->msg, SOUP_STATUS_NOT_FOUND, "not-found",
                     "There is nothing at this address.");
  return FALSE;
}

/* ask: @request: (transfer full) */
static void
ask (NodeAutoscaling *self, Request *request)
{
  ClusterLedger *ledger = node_scaling_get_ledger (self->parts->scaling);

  if (!ledger)
    {
      answer (request, request->resource
                           ? request->resource->render (request, NULL)
                           : render_history (request, NULL));
      request_free (request);
      return;
    }
  g_ptr_array_add (self->requests, request);
  g_signal_connect (request->msg, "finished", G_CALLBACK (on_client_gone),
                    request);
  soup_server_message_pause (request->msg);
  if (request->resource)
    cluster_ledger_read_scaling (ledger, request->tree_id, on_scaling, request);
  else
    cluster_ledger_read_history (ledger, request->tree_id, NULL, request->limit,
                                 on_history, request);
}

static gboolean
may_read (NodeAutoscaling *self, SoupServerMessage *msg)
{
  const char *method = soup_server_message_get_method (msg);

  if (!g_str_equal (method, "GET") && !g_str_equal (method, "HEAD"))
    {
      base_http_problem (msg, SOUP_STATUS_METHOD_NOT_ALLOWED,
                         "method-not-allowed", "This can only be read.");
      soup_message_headers_replace (
          soup_server_message_get_response_headers (msg), "Allow", "GET, HEAD");
      return FALSE;
    }
  if (!base_auth_require (self->parts->auth, BASE_AUTH_ADMIN, NULL, msg))
    return FALSE;
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
  Request *request;

  if (!g_str_has_prefix (path, PREFIX))
    {
      base_http_problem (msg, SOUP_STATUS_NOT_FOUND, "not-found",
                         "There is nothing at this address.");
      return;
    }
  if (!may_read (self, msg))
    return;
  request = g_new0 (Request, 1);
  request->owner = self;
  request->msg = g_object_ref (msg);
  if (read_request (request, path + strlen (PREFIX)))
    ask (self, request);
  else
    request_free (request);
}
