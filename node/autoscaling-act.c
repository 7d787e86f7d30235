/* SPDX-License-Identifier: Apache-2.0 */
/* NodeAutoscaling: what is asked for: read, then written by the store's own
 * functions, by any node. */
#include "node/autoscaling-private.h"

#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "base/json.h"
#include "node/log.h"
#include "node/scaling.h"
#include "scaling/controller.h"

#define SERVICE "egress"
#define NOBODY "api"

static ClusterLedger *
get_ledger (NodeScalingRequest *request)
{
  return node_scaling_get_ledger (request->owner->parts->scaling);
}

/* dup_by: (transfer full): who asks, and which node they asked */
static char *
dup_by (NodeScalingRequest *request)
{
  return g_strdup_printf ("%s@%s",
                          *request->wish.by ? request->wish.by : NOBODY,
                          request->owner->parts->options->node_id);
}

/* --- reading ------------------------------------------------------------ */

static ScalingWishKind
get_kind (NodeScalingRequest *request)
{
  static const struct
  {
    const char *name;
    ScalingWishKind kind;
  } kinds[] = { { "enable", SCALING_WISH_ENABLE },
                { "test", SCALING_WISH_TEST },
                { "approvals", SCALING_WISH_APPROVAL },
                { "rollback", SCALING_WISH_ROLLBACK } };
  guint i = 0;

  while (!g_str_equal (kinds[i].name, request->resource->name))
    i++;
  return kinds[i].kind;
}

gboolean
node_scaling_read_wish (NodeScalingRequest *request)
{
  const char *body = request->body;
  g_autoptr (GError) error = NULL;

  if (scaling_wish_parse (get_kind (request), body, body ? strlen (body) : 0,
                          &request->wish, &error))
    return TRUE;
  base_http_problem (request->msg, SOUP_STATUS_BAD_REQUEST, "autoscaling-body",
                     "%s.", error->message);
  return FALSE;
}

gboolean
node_scaling_read_entry (NodeScalingRequest *request)
{
  if (cluster_entry_is_valid (request->id))
    return node_scaling_read_wish (request);
  base_http_problem (request->msg, SOUP_STATUS_NOT_FOUND, "scaling-missing",
                     "An id is two numbers with a dash, as history has them.");
  return FALSE;
}

/* The old policies stay unless these are good whole. */
gboolean
node_scaling_read_policies (NodeScalingRequest *request)
{
  g_autoptr (GError) error = NULL;
  ClusterPolicy bounds;

  if (request->body)
    request->policies =
        scaling_policies_parse (request->body, strlen (request->body), &error);
  else
    g_set_error_literal (&error, SCALING_POLICY_ERROR,
                         SCALING_POLICY_ERROR_INVALID, "$: the body is empty");
  if (!request->policies)
    {
      base_http_problem (request->msg, SOUP_STATUS_UNPROCESSABLE_ENTITY,
                         "policy-invalid", "%s.", error->message);
      return FALSE;
    }
  if (scaling_controller_get_bounds (request->policies, request->tree_id,
                                     &bounds))
    return TRUE;
  base_http_problem (
      request->msg, SOUP_STATUS_UNPROCESSABLE_ENTITY, "policy-invalid",
      "policies: none of them is for the service " SERVICE " of the tree %s.",
      request->tree_id);
  return FALSE;
}

/* --- answers of the store ------------------------------------------------- */

/* notify: the webhook too. Returns: (transfer full): the answer */
static JsonNode *
notify (NodeScalingRequest *request, JsonBuilder *json)
{
  static const char *const events[] = { "enable", "set", "approve",
                                        "rollback" };
  g_autofree char *by = dup_by (request), *text = NULL;
  g_autoptr (JsonNode) told = NULL;
  const char *event = request->policies ? "policy" : events[get_kind (request)];
  JsonNode *root = node_scaling_end (json);

  if (!request->policies && get_kind (request) == SCALING_WISH_APPROVAL
      && !request->wish.is_on)
    event = "reject";
  told = json_node_copy (root);
  json_object_set_string_member (json_node_get_object (told), "by", by);
  json_object_set_string_member (json_node_get_object (told), "reason",
                                 request->wish.reason);
  text = json_to_string (told, FALSE);
  scaling_notifier_send (
      node_scaling_get_notifier (request->owner->parts->scaling), event,
      request->tree_id, text);
  return root;
}

/* add_carried_out: a number that is written down may be all that happens */
static void
add_carried_out (JsonBuilder *json, NodeScalingRequest *request)
{
  g_autoptr (JsonObject) decision = node_scaling_request_dup_decision (request);
  g_autofree char *why = node_scaling_request_dup_why (request, decision);

  base_json_add_bool (json, "carriedOut", !*why);
  base_json_add_text (json, "why", why);
}

static void
on_version (guint64 version, gboolean is_durable, const GError *error,
            gpointer data)
{
  NodeScalingRequest *request = data;
  const char *name = request->resource->name;
  g_autoptr (JsonBuilder) json = NULL;

  if (error)
    {
      node_scaling_request_fail_store (request, error);
      return;
    }
  GST_INFO ("autoscaling: %s%s%s for tree %s", name, request->id ? " " : "",
            request->id ? request->id : "", request->tree_id);
  json = node_scaling_begin ();
  base_json_add_text (json, "tree", request->tree_id);
  base_json_add_int (json, "version", (gint64)version);
  base_json_add_bool (json, "durable", is_durable);
  switch (request->policies ? -1 : (int)get_kind (request))
    {
    case SCALING_WISH_ENABLE:
      base_json_add_bool (json, "enabled", request->wish.is_on);
      break;
    case SCALING_WISH_TEST:
      base_json_add_text (json, "service", request->id);
      base_json_add_int (json, "replicas", request->wish.n_replicas);
      base_json_add_int (json, "subtrees", request->n_subtrees);
      add_carried_out (json, request);
      break;
    case SCALING_WISH_APPROVAL:
      base_json_add_text (json, "id", request->id);
      base_json_add_text (json, "state",
                          request->wish.is_on ? "approved" : "rejected");
      if (request->wish.is_on)
        add_carried_out (json, request);
      break;
    case SCALING_WISH_ROLLBACK:
      base_json_add_text (json, "id", request->id);
      add_carried_out (json, request);
      break;
    default:
      break;
    }
  node_scaling_request_answer (request, notify (request, json));
}

/* --- what is asked for ---------------------------------------------------- */

void
node_scaling_act_enable (NodeScalingRequest *request)
{
  g_autofree char *by = dup_by (request);

  cluster_ledger_enable (get_ledger (request), request->wish.is_on, by,
                         request->wish.reason, on_version, request);
}

void
node_scaling_act_policies (NodeScalingRequest *request)
{
  g_autofree char *by = dup_by (request);
  ClusterPolicy policy = { .by = by, .text = request->body };

  scaling_controller_get_bounds (request->policies, request->tree_id, &policy);
  policy.version = request->version >= 0 ? (guint64)request->version
                                         : request->scaling.policy.version;
  cluster_ledger_put_policy (get_ledger (request), request->tree_id, &policy,
                             on_version, request);
}

/* check_limits: FALSE: answered. The store knows its policy's subtrees; nodes
 * of all trees, and the leader's own settings, only the leader has counted. */
static gboolean
check_limits (NodeScalingRequest *request, JsonObject *decision)
{
  guint n_max = (guint)json_object_get_int_member_with_default (
      decision, "max_subtrees", G_MAXUINT);

  if (request->scaling.policy.version == 0)
    node_scaling_request_fail (request, SOUP_STATUS_CONFLICT, "scaling-bound",
                               "The store has no policy of this tree yet: POST "
                               "one, or let the leader by enabling it.");
  else if (request->n_subtrees > n_max
           && request->n_subtrees > request->scaling.n_desired)
    node_scaling_request_fail (
        request, SOUP_STATUS_CONFLICT, "scaling-bound",
        "%u subtrees are asked for, at most %u may be: the policy, "
        "max-replicas, or %" G_GINT64_FORMAT " nodes of all trees at most.",
        request->n_subtrees, n_max,
        json_object_get_int_member_with_default (decision, "max_nodes", 0));
  else
    return TRUE;
  return FALSE;
}

void
node_scaling_act_test (NodeScalingRequest *request)
{
  g_autoptr (JsonObject) decision = node_scaling_request_dup_decision (request);
  g_autoptr (ScalingPolicies) policies =
      node_scaling_request_dup_policies (request);
  const ScalingPolicy *policy =
      scaling_policies_find (policies, SERVICE, request->tree_id);
  g_autofree char *by = dup_by (request);

  if (!g_str_equal (request->id, SERVICE))
    node_scaling_request_fail (request, SOUP_STATUS_NOT_FOUND, "not-found",
                               "There is nothing at this address.");
  else if (!decision)
    node_scaling_request_fail (request, SOUP_STATUS_SERVICE_UNAVAILABLE,
                               "no-leader",
                               "Nobody leads now, or the leader has just begun "
                               "and has not counted the tree's nodes yet.");
  else if (!policy)
    node_scaling_request_fail (request, SOUP_STATUS_CONFLICT, "scaling-bound",
                               "No policy is for this tree.");
  else
    {
      request->n_subtrees = scaling_wish_count_subtrees (
          request->wish.n_replicas,
          (guint)json_object_get_int_member_with_default (decision, "static",
                                                          0),
          policy->egress_per_subtree);
      if (check_limits (request, decision))
        cluster_ledger_set (get_ledger (request), request->tree_id,
                            request->n_subtrees,
                            request->wish.hold_us / BASE_US_PER_MS, by,
                            request->wish.reason, on_version, request);
    }
}

void
node_scaling_act_approval (NodeScalingRequest *request)
{
  g_autofree char *by = dup_by (request);

  cluster_ledger_answer (get_ledger (request), request->tree_id, request->id,
                         request->wish.is_on, by, request->wish.reason,
                         on_version, request);
}

void
node_scaling_act_rollback (NodeScalingRequest *request)
{
  g_autofree char *by = dup_by (request);

  cluster_ledger_roll_back (get_ledger (request), request->tree_id, request->id,
                            request->wish.hold_us / BASE_US_PER_MS, by,
                            request->wish.reason, on_version, request);
}
