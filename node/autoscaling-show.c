/* SPDX-License-Identifier: Apache-2.0 */
/* NodeAutoscaling: what is shown: all of it from the store, so that every node
 * says the same. */
#include "node/autoscaling-private.h"

#include "base/json.h"
#include "node/cluster.h"
#include "node/scaling.h"

#define SERVICE "egress"

/* @wall_s: 0 = never: null */
static void
add_time (JsonBuilder *json, const char *name, gint64 wall_s)
{
  g_autoptr (GDateTime) time =
      wall_s > 0 ? g_date_time_new_from_unix_utc (wall_s) : NULL;
  g_autofree char *text = time ? g_date_time_format_iso8601 (time) : NULL;

  base_json_add_text (json, name, text);
}

/* Of the leader's words; 0, NULL, FALSE where they are missing. */
static gint64
get_int (JsonObject *object, const char *name)
{
  return object ? json_object_get_int_member_with_default (object, name, 0) : 0;
}

static const char *
get_text (JsonObject *object, const char *name)
{
  return object
             ? json_object_get_string_member_with_default (object, name, NULL)
             : NULL;
}

/* --- status ------------------------------------------------------------- */

static guint
count_egress (NodeScalingRequest *request)
{
  const NodeParts *parts = request->owner->parts;
  ClusterMember *member = node_cluster_get_member (parts->cluster);
  GPtrArray *peers = member ? cluster_member_get_peers (member) : NULL;
  guint n = 0;

  if (!g_str_equal (request->tree_id,
                    base_settings_get_string (parts->settings, "tree-id")))
    return 0;
  for (guint i = 0; peers && i < peers->len; i++)
    {
      const ClusterPeer *peer = peers->pdata[i];

      n += (peer->node.roles & CLUSTER_ROLE_EGRESS) != 0 ? 1 : 0;
    }
  return n;
}

static void
add_policy (JsonBuilder *json, const ScalingPolicy *policy, guint n_replicas,
            JsonObject *decision, NodeScalingRequest *request)
{
  const ClusterScaling *scaling = &request->scaling;

  json_builder_begin_object (json);
  base_json_add_text (json, "name", policy->name);
  base_json_add_text (json, "service", policy->service);
  base_json_add_bool (json, "enabled", policy->is_enabled);
  base_json_add_int (json, "currentReplicas", n_replicas);
  add_time (json, "lastEvaluation", get_int (decision, "evaluated_s"));
  add_time (json, "lastScaling",
            scaling->version > 0 ? scaling->at_wall_ms / 1000 : 0);
  json_builder_end_object (json);
}

/* add_limits: in nodes of all trees; null before a leader has counted them */
static void
add_limits (JsonBuilder *json, JsonObject *decision)
{
  json_builder_set_member_name (json, "limits");
  if (!decision)
    {
      json_builder_add_null_value (json);
      return;
    }
  json_builder_begin_object (json);
  base_json_add_int (json, "nodes", get_int (decision, "max_nodes"));
  base_json_add_int (json, "nodesNow",
                     get_int (decision, "nodes")
                         + get_int (decision, "nodes_elsewhere"));
  base_json_add_int (json, "subtrees", get_int (decision, "max_subtrees"));
  json_builder_end_object (json);
}

static void
add_subtrees (JsonBuilder *json, NodeScalingRequest *request,
              JsonObject *decision, guint egress_per_subtree)
{
  static const char *const names[] = { "serving", "starting", "draining",
                                       "warm", "static" };
  const ClusterSteering *steering = &request->steering;

  json_builder_set_member_name (json, "subtrees");
  json_builder_begin_object (json);
  base_json_add_int (json, "egressPerSubtree", egress_per_subtree);
  base_json_add_int (json, "desired", request->scaling.n_desired);
  base_json_add_int (json, "version", (gint64)request->scaling.version);
  for (guint i = 0; decision && i < G_N_ELEMENTS (names); i++)
    base_json_add_int (json, names[i], get_int (decision, names[i]));
  json_builder_end_object (json);
  add_limits (json, decision);
  json_builder_set_member_name (json, "hold");
  if (!steering->has_pin)
    {
      json_builder_add_null_value (json);
      return;
    }
  json_builder_begin_object (json);
  base_json_add_text (json, "not", steering->pin_is_floor ? "fewer" : "more");
  base_json_add_int (json, "subtrees", steering->n_pin);
  add_time (json, "until", steering->pin_end_wall_ms / 1000);
  json_builder_end_object (json);
}

static gboolean
is_enabled (NodeScalingRequest *request, JsonObject *decision)
{
  if (request->steering.version > 0)
    return request->steering.is_on;
  if (decision)
    return json_object_get_boolean_member_with_default (decision, "enabled",
                                                        FALSE);
  return scaling_controller_is_enabled (
      node_scaling_get_controller (request->owner->parts->scaling));
}

/* The switch is heard of here before the leader has said it again. */
char *
node_scaling_request_dup_why (NodeScalingRequest *request, JsonObject *decision)
{
  g_autoptr (JsonNode) known = NULL;

  if (request->steering.version > 0 && !request->steering.is_on)
    return g_strdup ("autoscaling is off: decisions are only shown");
  if (decision)
    return g_strdup (get_text (decision, "why"));
  if (request->has_store)
    return g_strdup ("nobody leads, or the leader has not decided yet");
  known = scaling_controller_describe (
      node_scaling_get_controller (request->owner->parts->scaling));
  return g_strdup (get_text (json_node_get_object (known), "why"));
}

void
node_scaling_show_status (NodeScalingRequest *request)
{
  g_autoptr (JsonObject) decision = node_scaling_request_dup_decision (request);
  g_autoptr (ScalingPolicies) policies =
      node_scaling_request_dup_policies (request);
  g_autoptr (JsonBuilder) json = node_scaling_begin ();
  g_autofree char *why = node_scaling_request_dup_why (request, decision);
  guint n_replicas =
      decision ? (guint)get_int (decision, "egress") : count_egress (request);

  json_builder_set_member_name (json, "status");
  json_builder_begin_object (json);
  base_json_add_bool (json, "enabled", is_enabled (request, decision));
  base_json_add_text (json, "enabledBy",
                      request->steering.version > 0 ? request->steering.by
                                                    : NULL);
  base_json_add_text (json, "tree", request->tree_id);
  base_json_add_text (json, "leader", request->scaling.leader);
  base_json_add_text (json, "why", why);
  base_json_add_bool (json, "dryRun",
                      decision
                          && json_object_get_boolean_member_with_default (
                              decision, "dry_run", FALSE));
  base_json_add_text (json, "provisioner", get_text (decision, "provisioner"));
  base_json_add_text (json, "policyFault", get_text (decision, "policy_fault"));
  add_subtrees (json, request, decision,
                policies->policies[0].egress_per_subtree);
  json_builder_set_member_name (json, "policies");
  json_builder_begin_array (json);
  for (guint i = 0; i < policies->n_policies; i++)
    add_policy (json, &policies->policies[i], n_replicas, decision, request);
  json_builder_end_array (json);
  json_builder_end_object (json);
  node_scaling_request_answer (request, node_scaling_end (json));
}

/* --- policies ----------------------------------------------------------- */

void
node_scaling_show_policies (NodeScalingRequest *request)
{
  g_autoptr (ScalingPolicies) policies =
      node_scaling_request_dup_policies (request);
  g_autoptr (JsonBuilder) json = node_scaling_begin ();

  base_json_add_text (json, "tree", request->tree_id);
  base_json_add_int (json, "version", (gint64)request->scaling.policy.version);
  json_builder_set_member_name (json, "policies");
  json_builder_add_value (json, json_node_copy (policies->json));
  node_scaling_request_answer (request, node_scaling_end (json));
}

/* --- recommendations ---------------------------------------------------- */

static void
add_recommendation (JsonBuilder *json, NodeScalingRequest *request,
                    const ScalingPolicy *policy, JsonObject *decision)
{
  gint64 n_now = get_int (decision, "egress");
  gint64 n_more = get_int (decision, "wanted") - get_int (decision, "desired");

  json_builder_begin_object (json);
  base_json_add_text (json, "service", policy->service);
  base_json_add_text (json, "tree", request->tree_id);
  base_json_add_int (json, "currentReplicas", n_now);
  base_json_add_int (json, "recommendedReplicas",
                     MAX (0, n_now + n_more * policy->egress_per_subtree));
  base_json_add_text (json, "reason", get_text (decision, "reason"));
  json_builder_set_member_name (json, "confidence");
  json_builder_add_double_value (
      json,
      json_object_get_double_member_with_default (decision, "confidence", 0));
  base_json_add_text (json, "priority", get_text (decision, "urgency"));
  json_builder_end_object (json);
}

void
node_scaling_show_recommendations (NodeScalingRequest *request)
{
  g_autoptr (JsonObject) decision = node_scaling_request_dup_decision (request);
  g_autoptr (ScalingPolicies) policies =
      node_scaling_request_dup_policies (request);
  const ScalingPolicy *policy =
      scaling_policies_find (policies, SERVICE, request->tree_id);
  g_autoptr (JsonBuilder) json = NULL;

  /* alone nobody decides, and nobody will */
  if (!decision && request->has_store)
    {
      node_scaling_request_fail (request, SOUP_STATUS_SERVICE_UNAVAILABLE,
                                 "no-leader",
                                 "Nobody leads now, or the leader has just "
                                 "begun and has not decided yet.");
      return;
    }
  json = node_scaling_begin ();
  json_builder_set_member_name (json, "recommendations");
  json_builder_begin_array (json);
  if (decision && policy)
    add_recommendation (json, request, policy, decision);
  json_builder_end_array (json);
  node_scaling_request_answer (request, node_scaling_end (json));
}

/* --- approvals ---------------------------------------------------------- */

static void
add_proposal (JsonBuilder *json, NodeScalingRequest *request)
{
  const ClusterProposal *proposal = &request->steering.proposal;

  json_builder_begin_object (json);
  base_json_add_text (json, "id", proposal->id);
  base_json_add_text (json, "service", SERVICE);
  base_json_add_text (json, "tree", request->tree_id);
  base_json_add_text (json, "state",
                      cluster_proposal_state_get_name (proposal->state));
  base_json_add_int (json, "before", proposal->n_before);
  base_json_add_int (json, "after", proposal->n_after);
  base_json_add_text (json, "reason", proposal->reason);
  add_time (json, "created", proposal->at_wall_ms / 1000);
  add_time (json, "expires", proposal->end_wall_ms / 1000);
  base_json_add_text (json, "by",
                      proposal->by && *proposal->by ? proposal->by : NULL);
  json_builder_end_object (json);
}

void
node_scaling_show_approvals (NodeScalingRequest *request)
{
  g_autoptr (JsonBuilder) json = node_scaling_begin ();

  json_builder_set_member_name (json, "approvals");
  json_builder_begin_array (json);
  if (request->steering.proposal.state != CLUSTER_PROPOSAL_NONE)
    add_proposal (json, request);
  json_builder_end_array (json);
  node_scaling_request_answer (request, node_scaling_end (json));
}

/* --- record ------------------------------------------------------------- */

void
node_scaling_show_record (NodeScalingRequest *request)
{
  GBytes *bytes = scaling_controller_dup_record (
      node_scaling_get_controller (request->owner->parts->scaling),
      request->tree_id);
  const char *leader = request->scaling.leader;

  if (bytes)
    node_scaling_request_answer_bytes (request, bytes);
  else
    node_scaling_request_fail (
        request, SOUP_STATUS_NOT_FOUND, "scaling-no-record",
        "This node has decided nothing for the tree; %s leads now.",
        leader ? leader : "nobody");
}

/* --- history ------------------------------------------------------------ */

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

void
node_scaling_show_history (NodeScalingRequest *request)
{
  g_autoptr (JsonBuilder) json = NULL;

  if (!g_str_equal (request->id, SERVICE))
    {
      node_scaling_request_fail (request, SOUP_STATUS_NOT_FOUND, "not-found",
                                 "There is nothing at this address.");
      return;
    }
  json = node_scaling_begin ();
  base_json_add_text (json, "service", request->id);
  json_builder_set_member_name (json, "history");
  json_builder_begin_array (json);
  for (guint i = 0; request->rows && i < request->rows->len; i++)
    add_entry (json, request->rows->pdata[i]);
  json_builder_end_array (json);
  node_scaling_request_answer (request, node_scaling_end (json));
}
