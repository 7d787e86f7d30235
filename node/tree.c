/* SPDX-License-Identifier: Apache-2.0 */
/* node/tree: /api/nodes and /api/tree. */
#include "node/tree.h"

#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "node/cluster.h"
#include "node/tree-json.h"

#define MAX_AGE_US (BASE_US_PER_S / 2)

typedef struct
{
  char *text; /* owned (nullable): the last answer */
  char *etag; /* owned, with its quotes */
  gint64 at_us;
} Answer;

struct _NodeTree
{
  const NodeParts *parts; /* borrowed */
  Answer nodes, tree;
};

NodeTree *
node_tree_new (const NodeParts *parts)
{
  NodeTree *self = g_new0 (NodeTree, 1);

  self->parts = parts;
  return self;
}

static void
answer_clear (Answer *answer)
{
  g_clear_pointer (&answer->text, g_free);
  g_clear_pointer (&answer->etag, g_free);
}

void
node_tree_free (NodeTree *self)
{
  g_return_if_fail (self);
  answer_clear (&self->nodes);
  answer_clear (&self->tree);
  g_free (self);
}

static void
update (NodeTree *self, ClusterMember *member, Answer *answer,
        JsonNode *(*render) (const NodeTreeView *view))
{
  NodeOptions *options = self->parts->options;
  gint64 now_us = base_clock_now_us ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *sum = NULL;
  NodeTreeView view = {
    .tree_id = base_settings_get_string (self->parts->settings, "tree-id"),
    .node_id = options->node_id,
    .is_shared = options->has_cluster,
  };

  if (answer->text && now_us - answer->at_us < MAX_AGE_US)
    return;
  view.is_connected = cluster_member_is_connected (member);
  view.peers = cluster_member_get_peers (member);
  view.streams = cluster_member_get_streams (member);
  root = render (&view);
  answer_clear (answer);
  answer->text = json_to_string (root, FALSE);
  sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, answer->text, -1);
  answer->etag = g_strdup_printf ("\"%.32s\"", sum);
  answer->at_us = now_us;
}

static void
handle_answer (SoupServerMessage *msg, const Answer *answer)
{
  SoupMessageHeaders *request = soup_server_message_get_request_headers (msg);
  SoupMessageHeaders *reply = soup_server_message_get_response_headers (msg);
  const char *known = soup_message_headers_get_list (request, "If-None-Match");

  soup_message_headers_replace (reply, "ETag", answer->etag);
  soup_message_headers_replace (reply, "Cache-Control", "private, no-cache");
  if (known && strstr (known, answer->etag))
    soup_server_message_set_status (msg, SOUP_STATUS_NOT_MODIFIED, NULL);
  else
    base_http_text (msg, SOUP_STATUS_OK, "application/json", answer->text);
}

void
node_tree_handle (NodeTree *self, SoupServerMessage *msg, const char *path)
{
  const char *method = soup_server_message_get_method (msg);
  ClusterMember *member;
  gboolean is_tree = g_str_equal (path, "/api/tree");

  if (!is_tree && !g_str_equal (path, "/api/nodes"))
    {
      base_http_problem (msg, SOUP_STATUS_NOT_FOUND, "not-found",
                         "There is nothing at this address.");
      return;
    }
  if (!g_str_equal (method, "GET") && !g_str_equal (method, "HEAD"))
    {
      base_http_problem (msg, SOUP_STATUS_METHOD_NOT_ALLOWED,
                         "method-not-allowed", "This can only be read.");
      soup_message_headers_replace (
          soup_server_message_get_response_headers (msg), "Allow", "GET, HEAD");
      return;
    }
  if (!base_auth_require (self->parts->auth, BASE_AUTH_ADMIN, NULL, msg))
    return;
  member = node_cluster_get_member (self->parts->cluster);
  if (!member)
    {
      base_http_problem (msg, SOUP_STATUS_SERVICE_UNAVAILABLE, "not-ready",
                         "The node is starting or about to stop.");
      base_http_retry_after (msg, 1);
      return;
    }
  if (is_tree)
    update (self, member, &self->tree, node_tree_json_tree);
  else
    update (self, member, &self->nodes, node_tree_json_nodes);
  handle_answer (msg, is_tree ? &self->tree : &self->nodes);
}
