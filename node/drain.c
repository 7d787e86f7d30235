/* SPDX-License-Identifier: Apache-2.0 */
/* NodeDrain: see drain.h. */
#include "node/drain.h"

#include "base/clock.h"
#include "base/http.h"
#include "base/json.h"
#include "node/admission.h"
#include "node/cluster.h"
#include "node/janus.h"
#include "node/log.h"

#define MAX_BODY_BYTES 1024
#define CUT_CAUSE "Drained: the deadline is over"

struct _NodeDrain
{
  const NodeParts *parts; /* borrowed */
  NodeDrainFunc on_done;
  gpointer data;
  BaseCounter *active, *told, *cut; /* borrowed */
  gboolean is_active, is_done;
  gint64 start_us, deadline_us;
  gint64 calm_us; /* nobody was here since; 0 = somebody is */
  gint64 cut_us;  /* when they were cut; 0 = not yet */
  guint n_viewers_at_start, n_cut;
  guint64 n_told;
};

/* --- who is still here --------------------------------------------------- */

typedef struct
{
  guint n_viewers, n_publishers, n_children;
} Left;

static Left
count_left (NodeDrain *self)
{
  const NodeParts *parts = self->parts;
  EgressGateTotals totals = { 0 };

  if (parts->gate)
    egress_gate_get_totals (parts->gate, &totals);
  return (Left){
    .n_viewers = totals.n_viewers,
    .n_publishers =
        parts->whip ? whip_endpoint_get_n_sessions (parts->whip) : 0,
    .n_children = node_cluster_get_n_children (parts->cluster),
  };
}

static gboolean
is_empty (const Left *left)
{
  return left->n_viewers == 0 && left->n_publishers == 0
         && left->n_children == 0;
}

/* --- viewers -------------------------------------------------------------- */

static char *
dup_url (const char *stream, gpointer data)
{
  NodeDrain *self = data;

  return node_admission_dup_target (self->parts->admission, BASE_AUTH_WATCH,
                                    stream);
}

static void
move_viewers (NodeDrain *self, gint64 now_us)
{
  guint share = (guint)(self->n_viewers_at_start * NODE_DRAIN_SHARE) + 1;
  guint n_free =
      node_admission_count_free (self->parts->admission, BASE_AUTH_WATCH);
  guint n_told;

  if (!self->parts->whep)
    return;
  n_told = egress_whep_move (self->parts->whep, MIN (share, n_free), dup_url,
                             self, now_us);
  self->n_told += n_told;
  base_counter_add (self->told, n_told);
}

/* cut_viewers: each is named in the log by its end */
static void
cut_viewers (NodeDrain *self)
{
  if (self->parts->whep)
    self->n_cut += egress_whep_cut (self->parts->whep, CUT_CAUSE);
  self->n_cut += node_janus_cut (self->parts->janus, CUT_CAUSE);
  base_counter_add (self->cut, self->n_cut);
  if (self->n_cut > 0)
    GST_WARNING ("the drain's deadline is over: %u viewers who did not go were "
                 "cut",
                 self->n_cut);
}

/* --- life ------------------------------------------------------------------
 */

void
node_drain_start (NodeDrain *self, gint64 for_us, gint64 now_us)
{
  Left left = count_left (self);

  self->deadline_us = now_us + for_us;
  if (self->is_active)
    return;
  self->is_active = TRUE;
  self->start_us = now_us;
  self->calm_us = self->cut_us = 0;
  self->n_cut = 0;
  self->n_viewers_at_start = left.n_viewers;
  self->n_told = 0;
  base_counter_set (self->active, 1);
  GST_INFO ("drains: %u viewers, %u publishers, %u children, %" G_GINT64_FORMAT
            " s at most",
            left.n_viewers, left.n_publishers, left.n_children,
            for_us / BASE_US_PER_S);
}

void
node_drain_cancel (NodeDrain *self)
{
  if (!self->is_active)
    return;
  self->is_active = FALSE;
  base_counter_set (self->active, 0);
  GST_INFO ("drains no more");
}

gboolean
node_drain_is_active (NodeDrain *self)
{
  return self && self->is_active;
}

void
node_drain_tick (NodeDrain *self, gint64 now_us)
{
  Left left;

  if (!self->is_active || self->is_done)
    return;
  left = count_left (self);
  if (!is_empty (&left))
    self->calm_us = 0;
  else if (self->calm_us == 0)
    self->calm_us = now_us;
  if (!self->cut_us && now_us >= self->deadline_us)
    {
      self->cut_us = now_us;
      cut_viewers (self);
    }
  if ((self->calm_us && now_us - self->calm_us >= NODE_DRAIN_CALM_US)
      || (self->cut_us
          && (self->n_cut == 0 || now_us - self->cut_us >= NODE_DRAIN_CUT_US)))
    {
      self->is_done = TRUE;
      GST_INFO ("drained after %" G_GINT64_FORMAT " s: %u viewers, "
                "%u publishers, %u children are left",
                (now_us - self->start_us) / BASE_US_PER_S, left.n_viewers,
                left.n_publishers, left.n_children);
      self->on_done (self->data);
      return;
    }
  if (left.n_viewers > 0)
    move_viewers (self, now_us);
}

NodeDrain *
node_drain_new (const NodeParts *parts, NodeDrainFunc on_done, gpointer data)
{
  NodeDrain *self = g_new0 (NodeDrain, 1);

  self->parts = parts;
  self->on_done = on_done;
  self->data = data;
  self->active =
      base_metrics_add_gauge (parts->metrics, "media_tree_draining", NULL,
                              "1 while the node lets everybody go.");
  self->told = base_metrics_add_counter (
      parts->metrics, "media_tree_drain_moves_total", NULL,
      "Times that viewers were told to go on at another node.");
  self->cut = base_metrics_add_counter (
      parts->metrics, "media_tree_drain_cut_viewers_total", NULL,
      "Viewers who were still there at a drain's deadline, and were cut.");
  return self;
}

void
node_drain_free (NodeDrain *self)
{
  g_free (self);
}

/* --- /api/drain ------------------------------------------------------------
 */

/* add_untold: viewers whom nobody can tell to move, some of them by name */
static void
add_untold (NodeDrain *self, JsonBuilder *json)
{
  const NodeParts *parts = self->parts;
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func (g_free);
  guint n = 0;

  if (parts->whep)
    n += egress_whep_find_deaf (parts->whep, ids, NODE_DRAIN_MAX_NAMED);
  n += node_janus_find_viewers (parts->janus, ids, NODE_DRAIN_MAX_NAMED);
  base_json_add_int (json, "untold", n);
  json_builder_set_member_name (json, "untold_sessions");
  json_builder_begin_array (json);
  for (guint i = 0; i < ids->len; i++)
    json_builder_add_string_value (json, ids->pdata[i]);
  json_builder_end_array (json);
}

static JsonNode *
describe (NodeDrain *self, gint64 now_us)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  Left left = count_left (self);
  const struct
  {
    const char *key;
    gint64 value;
  } numbers[] = {
    { "viewers", left.n_viewers },
    { "publishers", left.n_publishers },
    { "children", left.n_children },
    { "viewers_at_start", self->n_viewers_at_start },
    { "told", (gint64)self->n_told },
    { "cut", self->n_cut },
    { "since_s", (now_us - self->start_us) / BASE_US_PER_S },
    { "deadline_s", MAX (self->deadline_us - now_us, 0) / BASE_US_PER_S },
  };
  guint n = self->is_active ? G_N_ELEMENTS (numbers) : 3;

  json_builder_begin_object (json);
  base_json_add_text (json, "node", self->parts->options->node_id);
  base_json_add_bool (json, "draining", self->is_active);
  for (guint i = 0; i < n; i++)
    base_json_add_int (json, numbers[i].key, numbers[i].value);
  add_untold (self, json);
  json_builder_end_object (json);
  return json_builder_get_root (json);
}

/* read_deadline: of {"deadline_s": …} */
static gboolean
read_deadline (const char *body, gint64 *ret_us)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  JsonNode *root, *value;
  gint64 s;

  if (!json_parser_load_from_data (parser, body, -1, NULL))
    return FALSE;
  root = json_parser_get_root (parser);
  if (!root || !JSON_NODE_HOLDS_OBJECT (root))
    return FALSE;
  value = json_object_get_member (json_node_get_object (root), "deadline_s");
  if (!value)
    return TRUE;
  if (json_node_get_value_type (value) != G_TYPE_INT64)
    return FALSE;
  s = json_node_get_int (value);
  *ret_us = s * BASE_US_PER_S;
  return s >= 0 && s <= NODE_DRAIN_MAX_US / BASE_US_PER_S;
}

static void
start (NodeDrain *self, SoupServerMessage *msg, gint64 now_us)
{
  gint64 for_us = NODE_DRAIN_DEFAULT_US;
  g_autofree char *body = NULL;

  if (soup_server_message_get_request_body (msg)->length > 0
      && !(body = base_http_dup_body (msg, MAX_BODY_BYTES)))
    return;
  if (body && !read_deadline (body, &for_us))
    {
      base_http_problem (msg, SOUP_STATUS_BAD_REQUEST, "drain-deadline",
                         "The body must be empty, or {\"deadline_s\": N} with "
                         "N from 0 to %d.",
                         (int)(NODE_DRAIN_MAX_US / BASE_US_PER_S));
      return;
    }
  node_drain_start (self, for_us, now_us);
  base_http_json (msg, SOUP_STATUS_ACCEPTED, describe (self, now_us));
}

void
node_drain_handle (NodeDrain *self, SoupServerMessage *msg, const char *path)
{
  const char *method = soup_server_message_get_method (msg);
  gint64 now_us = base_clock_now_us ();

  if (!g_str_equal (path, "/api/drain"))
    base_http_problem (msg, SOUP_STATUS_NOT_FOUND, "not-found",
                       "There is nothing at this address.");
  else if (!base_auth_require (self->parts->auth, BASE_AUTH_ADMIN, NULL, msg))
    return;
  else if (g_str_equal (method, "POST"))
    start (self, msg, now_us);
  else if (g_str_equal (method, "GET") || g_str_equal (method, "HEAD")
           || g_str_equal (method, "DELETE"))
    {
      if (g_str_equal (method, "DELETE"))
        node_drain_cancel (self);
      base_http_json (msg, SOUP_STATUS_OK, describe (self, now_us));
    }
  else
    {
      base_http_problem (msg, SOUP_STATUS_METHOD_NOT_ALLOWED,
                         "method-not-allowed",
                         "This resource allows GET, POST, DELETE.");
      soup_message_headers_replace (
          soup_server_message_get_response_headers (msg), "Allow",
          "GET, HEAD, POST, DELETE");
    }
}
