/* SPDX-License-Identifier: Apache-2.0 */
/* NodeDiscovery: see discovery.h. */
#include "node/discovery.h"

#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "base/json.h"
#include "node/cluster.h"

#define MAX_AGE_US (BASE_US_PER_S / 2)

struct _NodeDiscovery
{
  const NodeParts *parts; /* borrowed */
  BaseCounter *n_skipped; /* borrowed */
  char *text;             /* owned (nullable): the last answer */
  gint64 at_us;           /* of it */
};

/* --- JSON ---------------------------------------------------------------
 */

/* dup_target: (transfer full) */
static char *
dup_target (const char *host, int port)
{
  return g_strdup_printf (strchr (host, ':') ? "[%s]:%d" : "%s:%d", host, port);
}

/* dup_machine: (transfer full) (nullable): the IP where a node's links are:
 * a public URL may be that of a proxy */
static char *
dup_machine (const ClusterNode *node)
{
  const char *link = node->link_address;
  const char *colon = link ? strrchr (link, ':') : NULL;

  if (!colon || colon == link)
    return NULL;
  return link[0] == '[' ? g_strndup (link + 1, (gsize)(colon - link) - 2)
                        : g_strndup (link, (gsize)(colon - link));
}

typedef struct
{
  const char *job, *scheme;
  const char *host; /* IPv6 without brackets */
  int port;
} Target;

static void
add_group (JsonBuilder *json, const NodeDiscoveryView *view,
           const ClusterNode *node, const Target *target)
{
  g_autofree char *type = cluster_roles_to_node_type (node->roles);
  g_autofree char *address = dup_target (target->host, target->port);

  json_builder_begin_object (json);
  json_builder_set_member_name (json, "targets");
  json_builder_begin_array (json);
  json_builder_add_string_value (json, address);
  json_builder_end_array (json);
  json_builder_set_member_name (json, "labels");
  json_builder_begin_object (json);
  base_json_add_text (json, "job", target->job);
  base_json_add_text (json, "tree_id",
                      node->tree_id ? node->tree_id : view->tree_id);
  base_json_add_text (json, "node_id", node->node_id);
  base_json_add_text (json, "node_type", type);
  base_json_add_text (json, "__scheme__", target->scheme);
  base_json_add_text (json, "__metrics_path__", "/metrics");
  json_builder_end_object (json);
  json_builder_end_object (json);
}

/* add_node: Returns: %FALSE when its URL has no host to ask */
static gboolean
add_node (JsonBuilder *json, const NodeDiscoveryView *view,
          const ClusterNode *node)
{
  /* with the port that the scheme has when none is written */
  g_autoptr (GUri) uri =
      node->url ? g_uri_parse (node->url, G_URI_FLAGS_SCHEME_NORMALIZE, NULL)
                : NULL;
  const char *host = uri ? g_uri_get_host (uri) : NULL;
  g_autofree char *machine = dup_machine (node);
  Target target;

  if (!host || !*host || g_uri_get_port (uri) <= 0)
    return FALSE;
  target = (Target){ "media-tree", g_uri_get_scheme (uri), host,
                     g_uri_get_port (uri) };
  add_group (json, view, node, &target);
  target = (Target){ "node", "http", machine ? machine : host,
                     (int)view->node_exporter_port };
  if (target.port > 0)
    add_group (json, view, node, &target);
  target.job = "cadvisor";
  target.port = (int)view->cadvisor_port;
  if (target.port > 0)
    add_group (json, view, node, &target);
  return TRUE;
}

JsonNode *
node_discovery_describe (const NodeDiscoveryView *view, guint *ret_n_skipped)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  guint n_added = 0;

  json_builder_begin_array (json);
  for (guint i = 0; i < view->peers->len && n_added < CLUSTER_MAX_NODES; i++)
    {
      const ClusterPeer *peer = view->peers->pdata[i];

      n_added += (guint)add_node (json, view, &peer->node);
    }
  json_builder_end_array (json);
  *ret_n_skipped = view->peers->len - n_added;
  return json_builder_get_root (json);
}

/* --- HTTP ---------------------------------------------------------------
 */

static guint
get_port (NodeDiscovery *self, const char *key)
{
  return (guint)base_settings_get_int (self->parts->settings, key);
}

/* dup_nodes: (transfer container): peers, then those that died */
static GPtrArray *
dup_nodes (ClusterMember *member)
{
  GPtrArray *nodes = g_ptr_array_new ();

  g_ptr_array_extend (nodes, cluster_member_get_peers (member), NULL, NULL);
  g_ptr_array_extend (nodes, cluster_member_get_gone (member), NULL, NULL);
  return nodes;
}

static void
update (NodeDiscovery *self, ClusterMember *member)
{
  g_autoptr (GPtrArray) nodes = dup_nodes (member);
  gint64 now_us = base_clock_now_us ();
  g_autoptr (JsonNode) root = NULL;
  guint n_skipped = 0;
  NodeDiscoveryView view = {
    .tree_id = base_settings_get_string (self->parts->settings, "tree-id"),
    .peers = nodes,
    .node_exporter_port = get_port (self, "node-exporter-port"),
    .cadvisor_port = get_port (self, "cadvisor-port"),
  };

  if (self->text && now_us - self->at_us < MAX_AGE_US)
    return;
  root = node_discovery_describe (&view, &n_skipped);
  base_counter_set (self->n_skipped, n_skipped);
  g_free (self->text);
  self->text = json_to_string (root, FALSE);
  self->at_us = now_us;
}

void
node_discovery_handle (NodeDiscovery *self, SoupServerMessage *msg,
                       const char *path)
{
  const char *method = soup_server_message_get_method (msg);
  SoupMessageHeaders *reply = soup_server_message_get_response_headers (msg);
  ClusterMember *member = node_cluster_get_member (self->parts->cluster);

  if (!g_str_equal (path, "/sd/prometheus"))
    base_http_problem (msg, SOUP_STATUS_NOT_FOUND, "not-found",
                       "There is nothing at this address.");
  else if (!g_str_equal (method, "GET") && !g_str_equal (method, "HEAD"))
    {
      base_http_problem (msg, SOUP_STATUS_METHOD_NOT_ALLOWED,
                         "method-not-allowed", "This can only be read.");
      soup_message_headers_replace (reply, "Allow", "GET, HEAD");
    }
  else if (!base_auth_require (self->parts->auth, BASE_AUTH_METRICS, NULL, msg))
    return;
  else if (!member)
    {
      base_http_problem (msg, SOUP_STATUS_SERVICE_UNAVAILABLE, "not-ready",
                         "The node is starting or about to stop.");
      base_http_retry_after (msg, 1);
    }
  else
    {
      update (self, member);
      soup_message_headers_replace (reply, "Cache-Control", "no-store");
      base_http_text (msg, SOUP_STATUS_OK, "application/json", self->text);
    }
}

/* --- Life ---------------------------------------------------------------
 */

NodeDiscovery *
node_discovery_new (const NodeParts *parts)
{
  NodeDiscovery *self = g_new0 (NodeDiscovery, 1);

  self->parts = parts;
  self->n_skipped = base_metrics_add_gauge (
      parts->metrics, "media_tree_discovery_skipped_nodes", NULL,
      "Nodes that the last answer of /sd/prometheus left out: no URL with a "
      "host, or too many.");
  return self;
}

void
node_discovery_free (NodeDiscovery *self)
{
  g_return_if_fail (self);
  g_free (self->text);
  g_free (self);
}
